# SPDX-License-Identifier: Apache-2.0
"""tenants.d: what is written there comes about, and only what changed restarts."""
import signal
import time

from private_httpd import wait_until


def pids(stack):
    return {name: container["pid"] for name, container in stack.ps().items()}


def test_a_saved_file_is_taken_up_at_once(stack):
    stack.sleeper("alpha")
    stack.start()
    stack.wait_state("running", "alpha/web")
    alpha = pids(stack)["alpha/web"]
    stack.sleeper("beta")
    wait_until(lambda: "beta/web" in stack.ps(), "beta to appear")
    stack.wait_state("running", "beta/web")
    stack.sleeper("beta", "mem_limit: 64m")
    wait_until(lambda: stack.ps()["beta/web"]["memory_limit_bytes"] == 64 << 20, "the new limit")
    stack.wait_state("running", "beta/web")
    (stack.tenant_directory("beta") / "compose.yaml").unlink()
    stack.tenant_directory("beta").rmdir()
    wait_until(lambda: "beta/web" not in stack.ps(), "beta to go")
    assert pids(stack) == {"alpha/web": alpha}


def test_apply_tells_what_it_did(stack):
    stack.sleeper("alpha")
    stack.sleeper("beta")
    stack.start()
    before = pids(stack)
    assert "unchanged 2" in stack.ctl("apply").stdout
    stack.sleeper("beta", "cpus: 0.5")
    stack.sleeper("gamma")
    said = stack.ctl("apply").stdout
    assert "beta/web" in said and "gamma/web" in said and "alpha/web" not in said
    stack.wait_state("running", "gamma/web")
    stack.wait_state("running", "beta/web")
    after = pids(stack)
    assert after["alpha/web"] == before["alpha/web"]
    assert after["beta/web"] != before["beta/web"]


def test_sighup_reloads(stack):
    stack.start()
    stack.sleeper("alpha")
    stack.process.send_signal(signal.SIGHUP)
    stack.wait_state("running", "alpha/web")


def test_a_broken_file_changes_nothing_that_runs(stack):
    stack.sleeper("alpha")
    stack.start()
    before = pids(stack)
    stack.sleeper("alpha", "mem_limt: 64m")
    done = stack.ctl("apply", check=False)
    assert done.returncode == 1
    assert "tenants.d/alpha/compose.yaml:6: services.web.mem_limt" in done.stderr
    assert "mem_limit" in done.stderr
    assert pids(stack) == before
    time.sleep(1)
    assert pids(stack) == before


def test_one_file_tenants_and_twins(stack):
    (stack.path / "etc/tenants.d/alpha.yaml").write_text(
        "services: {web: {image: host, command: [sleep, '1000'], stop_signal: SIGKILL}}\n")
    stack.start()
    stack.wait_state("running", "alpha/web")
    stack.sleeper("alpha")
    done = stack.ctl("apply", check=False)
    assert done.returncode == 1 and "is there twice" in done.stderr


def test_containers_of_one_name_are_refused(stack):
    stack.tenant("a-b", "services: {c: {image: host, command: [sleep, '1000'], stop_signal: KILL}}\n")
    stack.tenant("a", "services: {b-c: {image: host, command: [sleep, '1000'], stop_signal: KILL}}\n")
    stack.start()
    assert len(stack.ps()) == 1
    assert "would be called a-b-c-1" in stack.log()


def test_a_socket_comes_and_goes_with_x_listen(stack):
    stack.sleeper("alpha")
    stack.start()
    socket = stack.path / "run/services/alpha/web.sock"
    assert not socket.exists()
    stack.sleeper("alpha", "x-listen: http")
    stack.ctl("apply")
    stack.wait_state("running")
    assert socket.is_socket() and socket.stat().st_mode & 0o777 == 0o660
    stack.sleeper("alpha")
    stack.ctl("apply")
    stack.wait_state("running")
    wait_until(lambda: not socket.exists(), "the socket to go")


def test_a_changed_file_does_not_start_what_is_being_stopped(stack):
    slow = '["sh", "-c", "trap \'sleep 1; exit 0\' TERM; echo armed; while :; do sleep 0.1; done"]'
    text = "services: {{web: {{image: host, command: {}, mem_limit: {}}}}}\n"
    stack.tenant("alpha", text.format(slow, "64m"))
    stack.start()
    stack.wait_log("armed")
    stack.ctl("stop", "--no-wait", "alpha/web")
    stack.tenant("alpha", text.format(slow, "96m"))
    stack.ctl("apply")
    wait_until(lambda: stack.state() != "stopping", "the end of the stop")
    time.sleep(0.3)
    assert stack.state() == "stopped"
    stack.ctl("start", "alpha/web")
    assert stack.ps()["alpha/web"]["memory_limit_bytes"] == 96 << 20
