# SPDX-License-Identifier: Apache-2.0
"""sd_notify(3) from inside a container: what it says of itself reaches the NOTIFY_SOCKET of whoever started it."""
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
import world
from runtime_bundle import cgroup_left, runtime, wait_for  # noqa: F401 (a fixture)

# Sends each argument as a message; "-" ends it, else it stays.
PROGRAM = """
import contextlib, os, socket, sys, time
path = os.environ["NOTIFY_SOCKET"]
assert path == "/run/notify/notify.sock", path
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.connect(path)
for text in %r:
    if text == "-":
        sys.exit(3)
    with contextlib.suppress(ConnectionRefusedError):  # nobody listens any more after READY=1 to a detached one
        s.send(text.encode())
time.sleep(1000)
"""


class Host:
    """The socket of a service manager."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.settimeout(20)
        self.environment = dict(os.environ, NOTIFY_SOCKET=address.replace("\0", "@"))

    def message(self):
        """A descriptor that comes along is closed: that answers a barrier."""
        return self.socket.recv(8192).decode()

    def nothing(self):
        self.socket.settimeout(0.3)
        with pytest.raises(TimeoutError):
            print("unexpected:", self.message())
        self.socket.settimeout(20)


@pytest.fixture(params=["path", "abstract"])
def host(request, runtime):
    made = Host(str(runtime.path / "host.sock") if request.param == "path" else f"\0mct-{os.getpid()}-{time.monotonic_ns()}")
    yield made
    made.socket.close()


def speaking(runtime, *messages):
    bundle = runtime.bundle().python(PROGRAM % (list(messages),))
    (bundle.rootfs / "run").mkdir()
    bundle.config["mounts"].append({"destination": "/run", "type": "tmpfs", "source": "tmpfs"})
    return bundle


@contextlib.contextmanager
def running(runtime, host, *words):
    process = subprocess.Popen(runtime.command(*words), stdin=subprocess.DEVNULL, env=host.environment,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("user", [{"uid": 0, "gid": 0}, {"uid": 33, "gid": 33}])
def test_run_in_the_foreground_passes_on_what_a_service_says_of_itself(runtime, host, user):
    bundle = speaking(runtime, "STATUS=warming up", "READY=1\nSTATUS=at work", "MAINPID=1", "FDSTORE=1\nWATCHDOG=1", "-")
    bundle.process["user"] = user
    bundle.user_namespace()
    bundle.write()
    old = os.umask(0o077)
    try:
        with running(runtime, host, "run", "-b", bundle.path, "x") as process:
            assert [host.message() for _ in range(3)] == ["STATUS=warming up", "READY=1\nSTATUS=at work", "WATCHDOG=1"]
            assert process.wait(20) == 3
    finally:
        os.umask(old)
    host.nothing()
    assert runtime.containers() == [] and cgroup_left(bundle) == [] and runtime.warnings() == []


def test_run_detached_waits_for_it_and_tells_its_pid(runtime, host):
    bundle = speaking(runtime, "STATUS=warming up", "READY=1", "STATUS=later")
    bundle.write()
    with running(runtime, host, "run", "-d", "-b", bundle.path, "x") as process:
        assert host.message() == "STATUS=warming up"
        assert host.message() == f"READY=1\nMAINPID={runtime.pid('x')}"
        # What came along may be passed on before; then whoever does not wait for the answer ends.
        while (last := host.message()) != "BARRIER=1":
            assert last == "STATUS=later"
        assert process.wait(20) == 0
    assert runtime.state("x")["status"] == "running"
    # Whoever comes later has the same config, and with it the socket.
    assert runtime.inside("x", "echo $NOTIFY_SOCKET; ls /run/notify; touch /run/notify/x 2>&1 | grep -o Read-only") == \
        "/run/notify/notify.sock\nnotify.sock\nRead-only\n"
    runtime.delete("x", "--force")


def test_start_waits_for_it_and_tells_its_pid(runtime, host):
    bundle = speaking(runtime, "READY=1")
    name = runtime.create(bundle, env=host.environment)
    pid = runtime.pid(name)
    with running(runtime, host, "start", name) as process:
        assert host.message() == f"READY=1\nMAINPID={pid}"
        # It waits until the message has been handled, for by then it must still be known who sent it.
        time.sleep(0.3)
        assert process.poll() is None
        assert host.message() == "BARRIER=1"
        assert process.wait(20) == 0
    runtime.delete(name, "--force")


def test_a_start_of_what_ends_before_it_is_ready(runtime, host):
    bundle = speaking(runtime, "STATUS=no way", "-")
    name = runtime.create(bundle, env=host.environment)
    with running(runtime, host, "start", name) as process:
        assert host.message() == "STATUS=no way"
        wait_for(lambda: world.reap() or process.poll() is not None, "the end of start", 20)
    host.nothing()


def test_others_may_work_on_a_container_that_is_not_ready(runtime, host):
    bundle = speaking(runtime)
    name = runtime.create(bundle, env=host.environment)
    with running(runtime, host, "start", name) as process:
        wait_for(lambda: runtime.state(name)["status"] == "running", "the start")
        assert process.poll() is None
        runtime.good("pause", name)
        runtime.good("resume", name)
        runtime.good("kill", name, "KILL")
        wait_for(lambda: world.reap() or process.poll() is not None, "the end of start", 20)


@pytest.mark.skipif(not shutil.which("systemd-notify"), reason="systemd-notify is not installed")
def test_the_program_of_systemd(runtime, host):
    """It asks for an answer itself, with a descriptor, before it ends."""
    bundle = speaking(runtime)
    bundle.process["args"] = ["sh", "-c", "/usr/bin/systemd-notify --ready --status='all is well'; exit 4"]
    bundle.write()
    with running(runtime, host, "run", "-b", bundle.path, "x") as process:
        assert sorted(host.message().split("\n")) == ["READY=1", "STATUS=all is well"]
        assert process.wait(20) == 4


def test_a_flood_does_not_keep_signals_away(runtime, host):
    bundle = speaking(runtime)
    bundle.process["args"][-1] = bundle.process["args"][-1].replace("time.sleep(1000)", "\nwhile True: s.send(b'X=1')")
    bundle.write()
    with running(runtime, host, "run", "-b", bundle.path, "x") as process:
        def is_python():
            pid = "x" in runtime.containers() and runtime.state("x").get("pid")
            return pid and b"python3" in Path(f"/proc/{pid}/cmdline").read_bytes()

        wait_for(is_python, "the container")
        process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        runtime.good("kill", "x", "KILL")
        assert process.wait(20) == 137


def test_without_a_socket_of_the_caller_there_is_none(runtime):
    bundle = runtime.bundle().shell("echo ${NOTIFY_SOCKET-none}; test -e /run/notify && echo there")
    environment = {key: value for key, value in os.environ.items() if key != "NOTIFY_SOCKET"}
    assert runtime.run(bundle, env=environment).stdout == "none\n"


def test_what_the_config_says_is_left_as_it_is(runtime, host):
    bundle = runtime.bundle().shell("echo $NOTIFY_SOCKET; test -e /run/notify && echo there")
    bundle.process["env"].append("NOTIFY_SOCKET=/mine")
    assert runtime.run(bundle, env=host.environment).stdout == "/mine\n"


def test_nobody_listens_any_more(runtime):
    """A warning; the container goes on."""
    bundle = speaking(runtime, "READY=1", "-")
    environment = dict(os.environ, NOTIFY_SOCKET=str(runtime.path / "nobody"))
    assert runtime.run(bundle, env=environment).returncode == 3
    assert runtime.warnings() == [f"NOTIFY_SOCKET={runtime.path}/nobody: No such file or directory"]
