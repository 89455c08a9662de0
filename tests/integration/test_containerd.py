# SPDX-License-Identifier: Apache-2.0
"""What containerd asks of a runtime, container-runtime does; ctr is the hand that asks."""
import os
import subprocess
import time
from pathlib import Path

import pytest
from engines import CGROUPS, Containerd, limit_of
from private_httpd import wait_until

COUNTER = """
trap 'echo got USR1 >> /srv/out' USR1
while :; do echo tick >> /srv/out; sleep 0.05; done
"""


@pytest.fixture
def containerd():
    made = Containerd()
    try:
        yield made
    finally:
        made.close()


def test_run_gives_output_and_exit_status(containerd):
    assert containerd.run("one", "--rm", "--", "echo", "hello") == "hello"
    assert containerd.run("one", "--rm", "--", "sh", "-c", "echo out; exit 7", status=7) == "out"
    assert containerd.run("one", "--rm", "--", "head", "-n1", stdin="through a pipe\n") == "through a pipe"
    missing = containerd.attempt("run", *containerd.options("one", "--rm", "--", "/no/such/program"))
    assert missing.returncode != 0 and "/no/such/program" in missing.stderr, missing
    assert containerd.tasks() == {} and containerd("container", "ls", "-q") == ""


def test_terminal_is_a_terminal(containerd):
    command = containerd.options("screen", "--rm", "-t", "--", "sh", "-c",
                                 "tty; read line; echo got $line; until stty size | grep -x '33 77'; "
                                 "do sleep 0.05; done; exit 3")
    with containerd.terminal("run", *command) as screen:
        screen.read("/dev/pts/0")
        screen.type("words\n")
        seen, status = screen.end()
    assert status == 3 and "got words" in seen and "33 77" in seen


def test_detached_container_through_its_life(containerd):
    out = containerd.path / "out"
    out.mkdir()
    containerd.run("life", "-d", "--mount", f"type=bind,src={out},dst=/srv,options=rbind:rw", "--",
                   "sh", "-c", COUNTER)
    pid, state = containerd.tasks()["life"]
    assert state == "RUNNING" and Path(f"/proc/{pid}/comm").read_text() == "sh\n"
    assert str(pid) in containerd("task", "ps", "life")

    def counted():
        return (out / "out").read_text().count("tick") if (out / "out").exists() else 0
    wait_until(counted, "the container to count")
    containerd("task", "kill", "-s", "SIGUSR1", "life")
    wait_until(lambda: "got USR1" in (out / "out").read_text(), "the signal to arrive")
    containerd("task", "pause", "life")
    assert containerd.tasks()["life"] == (pid, "PAUSED")
    frozen = counted()
    time.sleep(0.3)
    assert counted() == frozen
    containerd("task", "resume", "life")
    assert containerd.tasks()["life"] == (pid, "RUNNING")
    wait_until(lambda: counted() > frozen, "the container to go on")
    containerd("task", "kill", "-s", "SIGKILL", "life")
    containerd.wait_state("life", "STOPPED")
    assert "137" in containerd.attempt("task", "delete", "life").stderr
    containerd("container", "delete", "life")
    assert not list(CGROUPS.glob("*" + containerd.cgroup + "/life"))


def test_exec(containerd):
    containerd.run("up", "-d", "--", "sleep", "1000")

    def execute(number, *arguments, **expected):
        return containerd("task", "exec", "--exec-id", f"e{number}", *arguments, **expected)
    assert execute(1, "up", "sh", "-c", "echo in; exit 3", status=3) == "in"
    assert execute(2, "up", "cat", stdin="told\n") == "told"
    assert execute(3, "--user", "1000:1000", "--cwd", "/srv", "up", "sh", "-c", "id -u; pwd") == "1000\n/srv"
    with containerd.terminal("task", "exec", "--exec-id", "e4", "--tty", "up", "sh", "-c",
                             "tty; read line; echo got $line; exit 4") as screen:
        screen.read("/dev/pts/")
        screen.type("words\n")
        seen, status = screen.end()
    assert status == 4 and "got words" in seen
    missing = containerd.attempt("task", "exec", "--exec-id", "e5", "up", "/no/such/program")
    assert missing.returncode != 0 and "/no/such/program" in missing.stderr, missing
    long = subprocess.Popen(containerd.command("task", "exec", "--exec-id", "e6", "up", "sleep", "500"),
                            stdin=subprocess.DEVNULL, env=containerd.environment)
    wait_until(lambda: len(containerd("task", "ps", "up").splitlines()) == 3, "the second process")
    containerd("task", "kill", "--exec-id", "e6", "-s", "SIGKILL", "up")
    assert long.wait(20) == 137
    assert containerd.tasks()["up"][1] == "RUNNING"


def test_limits_and_metrics(containerd):
    containerd.run("small", "-d", "--memory-limit", str(48 << 20), "--cpus", "0.5", "--", "sleep", "1000")
    pid = containerd.tasks()["small"][0]
    assert int(limit_of(pid, "memory", "memory.limit_in_bytes", "memory.max")) == 48 << 20
    assert limit_of(pid, "cpu", "cpu.cfs_quota_us", "cpu.max").split()[0] == "50000"
    told = containerd.metrics("small")
    assert int(told["pids.current"]) == 1, told
    assert int(told.get("memory.limit_in_bytes") or told["memory.usage_limit"]) == 48 << 20
    assert 0 < int(told.get("memory.usage_in_bytes") or told["memory.usage"]) < 48 << 20
    containerd("task", "kill", "-a", "-s", "SIGKILL", "small")
    containerd.wait_state("small", "STOPPED")


def test_memory_eater_is_reported(containerd):
    events = (containerd.path / "events").open("wb")
    listener = subprocess.Popen(containerd.command("events"), stdout=events, env=containerd.environment)
    try:
        eater = "x=$(head -c 100m /dev/zero | tr '\\0' x); exit 0"
        command = containerd.options("greedy", "--rm", "--memory-limit", str(16 << 20), "--", "sh", "-c", eater)
        assert containerd("run", *command, status=137) == ""
        wait_until(lambda: "/tasks/oom" in (containerd.path / "events").read_text(), "the event")
    finally:
        listener.terminate()
        listener.wait(10)
        events.close()


def test_rights(containerd):
    def status_of(name, *options):
        told = containerd.run(name, "--rm", *options, "--", "cat", "/proc/self/status")
        return dict(line.split(":", 1) for line in told.splitlines())
    plain = status_of("plain")
    bare = status_of("bare", "--seccomp", "--cap-drop", "CAP_CHOWN")
    assert int(plain["CapEff"], 16) & 1 and not int(bare["CapEff"], 16) & 1
    assert int(bare["CapInh"], 16) == int(bare["CapAmb"], 16) == 0
    assert (plain["Seccomp"].strip(), bare["Seccomp"].strip()) == ("0", "2")
    mighty = status_of("mighty", "--privileged", "--allow-new-privs")
    assert mighty["CapEff"] == mighty["CapBnd"] and mighty["NoNewPrivs"].strip() == "0"
    own = next(line for line in Path("/proc/self/status").read_text().splitlines() if "CapBnd" in line)
    assert int(mighty["CapBnd"], 16) == int(own.split()[1], 16)


def test_user_namespace(containerd):
    """Root inside is nobody special outside."""
    containerd.run("mapped", "-d", "--uidmap", "0:100000:65536", "--gidmap", "0:100000:65536", "--",
                   "sh", "-c", "id -u > /srv/id; chown 1000 /srv/id; sleep 1000")
    pid = containerd.tasks()["mapped"][0]
    status = Path(f"/proc/{pid}/status").read_text()
    assert "\nUid:\t100000\t100000\t100000\t100000\n" in status
    wrote = Path(f"/proc/{pid}/root/srv/id")
    wait_until(lambda: wrote.exists() and wrote.stat().st_uid == 101000, "the file to be another's")
    assert wrote.read_text() == "0\n"


def test_read_only_root_and_mounts(containerd):
    given = containerd.path / "given"
    given.mkdir()
    (given / "file").write_text("of the host\n")
    told = containerd.run(
        "fixed", "--rm", "--read-only", "--cwd", "/srv", "--env", "COLOUR=blue",
        "--mount", f"type=bind,src={given},dst=/srv,options=rbind:ro",
        "--mount", "type=tmpfs,src=tmpfs,dst=/tmp,options=size=64k:mode=1777", "--",
        "sh", "-c", "pwd; echo $COLOUR; cat file; for f in /new /srv/new /tmp/new; do echo a > $f; done; "
        "ls /new /srv/new /tmp/new; exit 0")
    assert told.splitlines() == ["/srv", "blue", "of the host", "/tmp/new"]
    assert [path.name for path in given.iterdir()] == ["file"]


def test_namespace_of_another_container_is_joined(containerd):
    containerd.run("first", "-d", "--", "sleep", "1000")
    pid = containerd.tasks()["first"][0]
    told = containerd.run("second", "--rm", "--with-ns", f"network:/proc/{pid}/ns/net", "--",
                          "sh", "-c", "readlink /proc/self/ns/net; readlink /proc/self/ns/uts").splitlines()
    assert told[0] == os.readlink(f"/proc/{pid}/ns/net")
    assert told[1] != os.readlink(f"/proc/{pid}/ns/uts")
