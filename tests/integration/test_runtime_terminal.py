# SPDX-License-Identifier: Apache-2.0
"""The terminal of a container and of an exec: over a console socket, and under a terminal of the caller's."""
import array
import contextlib
import fcntl
import os
import re
import select
import signal
import socket
import struct
import subprocess
import termios
import time

import pytest
from runtime_bundle import SECONDS, runtime  # noqa: F401 (a fixture)

WEB = {"uid": 33, "gid": 33}


def with_terminal(runtime, script, **process):
    bundle = runtime.bundle().shell(script)
    bundle.process.update(terminal=True, **process)
    return bundle


def set_size(fd, rows, columns):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def read_until(fd, text, seconds=10):
    """What comes, up to the text; None for all up to the end."""
    out, end = "", time.monotonic() + seconds
    while text is None or text not in out:
        left = end - time.monotonic()
        assert left > 0, f"waited for {text!r}, got {out!r}"
        if not select.select([fd], [], [], left)[0]:
            continue
        try:
            data = os.read(fd, 4096)
        except OSError:  # EIO: nobody has the other side open any more
            data = b""
        if not data:
            assert text is None, f"ended before {text!r}, got {out!r}"
            return out
        out += data.decode()
    return out


class Typist:
    """The program under a terminal of its own, which it controls, and somebody who types."""

    def __init__(self, runtime, *arguments, size=(24, 80)):
        self.master, self.slave = os.openpty()
        set_size(self.master, *size)
        self.before = termios.tcgetattr(self.slave)
        self.process = subprocess.Popen(
            runtime.command(*arguments), stdin=self.slave, stdout=self.slave, stderr=self.slave,
            start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))

    def type(self, text):
        os.write(self.master, text.encode())

    def until(self, text):
        return read_until(self.master, text)

    def end(self):
        """The exit status; the terminal is as it was before."""
        status = self.process.wait(SECONDS)
        assert termios.tcgetattr(self.slave) == self.before
        return status

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(SECONDS)
        os.close(self.master)
        os.close(self.slave)


@contextlib.contextmanager
def typist(runtime, *arguments, **options):
    made = Typist(runtime, *arguments, **options)
    try:
        yield made
    finally:
        made.close()


@contextlib.contextmanager
def receiver(runtime, length=0):
    """A console socket; yields its path and a function that takes the terminal's master."""
    directory = runtime.path / ("d" * length) if length else runtime.path
    directory.mkdir(exist_ok=True)
    path = directory / "console.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.settimeout(10)
        here = os.open(directory, os.O_PATH)
        listener.bind(f"/proc/self/fd/{here}/console.sock")
        os.close(here)
        listener.listen(1)
        taken = []

        def take():
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(10)
                data, control, _, _ = connection.recvmsg(4096, socket.CMSG_SPACE(4 * 4))
                fds = array.array("i")
                for _, kind, content in control:
                    assert kind == socket.SCM_RIGHTS
                    fds.frombytes(content)
                assert data and len(fds) == 1
            taken.append(fds[0])
            return fds[0]
        try:
            yield path, take
        finally:
            for fd in taken:
                os.close(fd)


# ---- by a console socket ----

SHOW = ("tty; stty size; test -c /dev/console && echo console; echo 1 >$(tty); echo 2 >/dev/console; "
        "echo 3 >/dev/tty; echo 4 >/proc/self/fd/2; stat -c %u:%a $(tty)")


@pytest.mark.parametrize("user", [{"uid": 0, "gid": 0}, WEB])
@pytest.mark.parametrize("in_user_namespace", [False, True])
def test_console_socket_gets_the_master(runtime, user, in_user_namespace):
    bundle = with_terminal(runtime, SHOW, user=user, consoleSize={"height": 33, "width": 101})
    if in_user_namespace:
        bundle.user_namespace()
    with receiver(runtime) as (path, take):
        name = runtime.create(bundle, None, "--console-socket", path)
        master = take()
        assert runtime.state(name)["status"] == "created"
        runtime.good("start", name)
        lines = read_until(master, None).split()
    assert lines == ["/dev/pts/0", "33", "101", "console", "1", "2", "3", "4", f"{user['uid']}:620"]


def test_a_socket_with_a_longer_path_than_an_address_holds(runtime):
    with receiver(runtime, length=200) as (path, take):
        runtime.start(with_terminal(runtime, "echo hello"), None, "--console-socket", path)
        assert read_until(take(), None) == "hello\r\n"


def test_size_changes_and_signals_by_the_master(runtime):
    with receiver(runtime) as (path, take):
        bundle = runtime.bundle().python("""if 1:
            import os, signal
            signal.signal(signal.SIGWINCH, lambda *_: os.write(1, repr(os.get_terminal_size()).encode()))
            signal.signal(signal.SIGINT, lambda *_: os.write(1, b"interrupted"))
            os.write(1, b"ready")
            while line := os.read(0, 99): os.write(1, b"got " + line)
            os.write(1, b"end")""")
        bundle.process["terminal"] = True
        runtime.start(bundle, None, "--console-socket", path)
        master = take()
        read_until(master, "ready")
        set_size(master, 5, 77)
        read_until(master, "columns=77, lines=5")
        os.write(master, b"\x03")
        read_until(master, "interrupted")
        os.write(master, b"word\n")
        read_until(master, "got word")
        os.write(master, b"\x04")
        read_until(master, "end")


@pytest.mark.parametrize("detached", [[], ["-d"]])
def test_exec_by_a_console_socket(runtime, detached):
    name = runtime.sleeper(runtime.bundle())
    with receiver(runtime) as (path, take):
        if detached:
            runtime.good("exec", "-t", "-d", "--console-socket", path, "-u", "33:33", name, "sh", "-c",
                         "tty; echo x >$(tty); id -u", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            assert read_until(take(), None).split() == ["/dev/pts/0", "x", "33"]
        else:
            message = runtime.bad("exec", "-t", "--console-socket", path, name, "true")
            assert message.startswith("exec failed: cannot use console socket if container-runtime will not detach")


# ---- nobody takes it ----

def test_a_terminal_that_nobody_takes_is_an_error(runtime):
    bundle = with_terminal(runtime, "true")
    bundle.write()
    for arguments in (["create"], ["run", "-d"]):
        message = runtime.bad(*arguments, "-b", bundle.path, "x")
        assert message == ("cannot allocate tty if container-runtime will detach without setting console socket: "
                           "process.terminal is true; give --console-socket")
    for path, reason in ((runtime.path / "nosuch", "No such file or directory"),
                         (bundle.path / "config.json", "Connection refused")):
        message = runtime.bad("create", "--console-socket", path, "-b", bundle.path, "x")
        assert message == f"connect to the socket {path}: {reason}"
    bundle.process["terminal"] = False
    bundle.write()
    message = runtime.bad("create", "--console-socket", runtime.path / "s", "-b", bundle.path, "x")
    assert message.startswith("cannot use console socket")
    assert runtime.containers() == []


def test_a_terminal_needs_a_devpts(runtime):
    """One that the image only pretends to have is none."""
    for kind in ("absent", "fifo", "link"):
        bundle = with_terminal(runtime, "true")
        bundle.config["mounts"] = [m for m in bundle.config["mounts"] if m["destination"] not in ("/dev", "/dev/pts")]
        pts = bundle.rootfs / "dev/pts"
        if kind != "absent":
            pts.mkdir()
        if kind == "fifo":
            os.mkfifo(pts / "ptmx")
        if kind == "link":
            (pts / "ptmx").symlink_to("/dev/zero")
        done = runtime.run(bundle)
        assert done.returncode == 1 and "process.terminal: open a terminal in the devpts at /dev/pts" in done.stderr, kind
        assert runtime.containers() == []


def test_without_a_caller_who_has_a_terminal(runtime):
    done = runtime.run(with_terminal(runtime, "tty; stty size; echo end", consoleSize={"height": 3, "width": 9}), text=False)
    assert (done.returncode, done.stdout) == (0, b"/dev/pts/0\r\n3 9\r\nend\r\n")


# ---- in the foreground, under a terminal ----

def interactive(runtime, *flags):
    bundle = with_terminal(runtime, "exec sh -i", user=WEB)
    bundle.process["env"].append("PS1=% ")
    bundle.write()
    return ["run", *flags, "-b", bundle.path, "x"]


def test_somebody_types(runtime):
    with typist(runtime, *interactive(runtime), size=(30, 90)) as user:
        user.until("% ")
        raw = termios.tcgetattr(user.slave)
        assert not raw[3] & (termios.ICANON | termios.ECHO | termios.ISIG)
        user.type("stty size; tty; id -u\r")
        out = user.until("33\r\n")
        assert re.search("30 90\r\n/dev/pts/0\r\n33\r\n", out), out
        set_size(user.master, 11, 44)
        user.process.send_signal(signal.SIGWINCH)  # the kernel sends it too, to the group in the foreground
        user.type("while [ \"$(stty size)\" != '11 44' ]; do sleep 0.02; done; echo chan''ged\r")
        user.until("changed\r\n")
        user.type("sleep 100\r")
        time.sleep(0.1)
        begin = time.monotonic()
        user.type("\x03")
        user.type("echo status $?\r")
        user.until("status 130\r\n")
        assert time.monotonic() - begin < 5
        user.type("exit 9\r")
        assert user.end() == 9
    assert runtime.containers() == []


def test_end_of_input_ends_the_shell(runtime):
    with typist(runtime, *interactive(runtime)) as user:
        user.until("% ")
        user.type("true\r\x04")
        assert user.end() == 0


def test_a_signal_to_the_runtime_goes_to_the_container(runtime):
    bundle = with_terminal(runtime, "trap 'echo terminated; exit 4' TERM; echo ready; while :; do sleep 0.05; done")
    bundle.write()
    with typist(runtime, "run", "-b", bundle.path, "x") as user:
        user.until("ready")
        user.process.terminate()
        user.until("terminated")
        assert user.end() == 4


@pytest.mark.parametrize("status", [0, 5])
def test_all_that_was_written_before_the_end_comes_out(runtime, status):
    bundle = with_terminal(runtime, f"seq 20000; exit {status}")
    done = runtime.run(bundle)
    assert done.returncode == status and done.stdout.split() == [str(i) for i in range(1, 20001)]


def test_exec_under_a_terminal(runtime):
    name = runtime.sleeper(runtime.bundle())
    with typist(runtime, "exec", "-t", "-u", "33:33", name, "sh", size=(12, 34)) as user:
        user.type("stty size; tty; id -u; echo x >$(tty)\r")
        out = user.until("33\r\nx\r\n")
        assert "12 34\r\n/dev/pts/0\r\n" in out
        user.type("exit 3\r")
        assert user.end() == 3
    assert runtime.state(name)["status"] == "running"


def test_a_failing_start_leaves_the_callers_terminal_as_it_was(runtime):
    bundle = with_terminal(runtime, "true")
    bundle.process["args"] = ["/nosuch"]
    bundle.write()
    with typist(runtime, "run", "-b", bundle.path, "x") as user:
        user.until("no such program in the image")
        assert user.end() == 1
