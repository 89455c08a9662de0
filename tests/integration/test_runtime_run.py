# SPDX-License-Identifier: Apache-2.0
"""Programs that container-runtime runs: streams, signals, terminals, exit statuses, descriptors; exec."""
import array
import fcntl
import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import termios
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from bundle import Bundle, end_status
from private_httpd import wait_until


@pytest.fixture
def bundle():
    made = Bundle()
    try:
        yield made
    finally:
        made.close()
        assert made.cgroups() == []


# ---- run ----

@pytest.mark.parametrize("args, status", [
    (["true"], 0), (["false"], 1), (["sh", "-c", "exit 42"], 42), (["sh", "-c", "exit 255"], 255),
    (["sh", "-c", "kill -9 $$; sleep 9"], None)])
def test_run_ends_like_the_program(bundle, args, status):
    bundle.set(args)
    if status is None:
        # A pid 1 cannot kill itself: another signals it from outside.
        running = bundle.start("run", "c")
        end = time.monotonic() + 10
        while not (bundle.names() and bundle.run("state", "c").returncode == 0
                   and bundle.status() == "running"):
            assert time.monotonic() < end
        bundle.ok("kill", "c", "KILL")
        assert end_status(running) == 128 + signal.SIGKILL
    else:
        assert bundle.run("run", "c").returncode == status
    assert bundle.is_clean()


def test_run_passes_standard_streams(bundle):
    bundle.set(["sh", "-c", "cat; echo err >&2"])
    done = subprocess.run(bundle.command("run", "c"), input=b"through\n", capture_output=True,
                          cwd=bundle.directory, timeout=30, check=True)
    assert (done.stdout, done.stderr) == (b"through\n", b"err\n")


def test_run_passes_signals_on(bundle):
    bundle.set(["sh", "-c", "trap 'echo got; exit 7' TERM; echo ready; while :; do sleep 0.05; done"])
    running = bundle.start("run", "c", stdout=subprocess.PIPE)
    assert running.stdout.readline() == b"ready\n"
    running.send_signal(signal.SIGTERM)
    assert running.stdout.read() == b"got\n"
    assert end_status(running) == 7
    assert bundle.is_clean()


def test_run_keep_and_detach(bundle):
    bundle.set(["true"])
    bundle.ok("run", "--keep", "c")
    assert bundle.status() == "stopped"
    bundle.ok("delete", "c")
    bundle.set(["sleep", "1000"])
    bundle.ok("run", "--detach", "--pid-file", bundle.path / "pid", "c")
    assert bundle.status() == "running"
    assert int((bundle.path / "pid").read_text()) == bundle.state()["pid"]
    bundle.ok("delete", "--force", "c")
    assert bundle.is_clean()


def test_run_reaps_what_the_container_leaves(bundle):
    """A process that joined from outside may have children that outlive it."""
    bundle.without_namespaces()
    bundle.set(["sh", "-c", "sleep 1000 & exit 3"])
    assert bundle.run("run", "c").returncode == 3
    assert bundle.is_clean()


def read_all(fd, until=None, seconds=20):
    """What a terminal says, until its end or until a text."""
    text = b""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if select.select([fd], [], [], 0.1)[0]:
            try:
                got = os.read(fd, 65536)
            except OSError:
                return text
            if not got:
                return text
            text += got
            if until and until in text:
                return text
    raise AssertionError(f"no end of {text[-200:]}")


def test_run_with_a_terminal(bundle):
    bundle.set(["sh", "-c", "tty; stty size; read line; echo got:$line; exit 5"], terminal=True)
    master, slave = pty.openpty()
    subprocess.run(["stty", "rows", "33", "cols", "77"], stdin=slave, check=True)
    before = subprocess.run(["stty", "-g"], stdin=slave, check=True, capture_output=True).stdout
    running = subprocess.Popen(bundle.command("run", "c"), stdin=slave, stdout=slave, stderr=slave,
                               cwd=bundle.directory, start_new_session=True,
                               preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
    text = read_all(master, b"33 77")
    assert b"/dev/" in text
    os.write(master, b"hello\n")
    text = read_all(master, b"got:hello")
    assert end_status(running) == 5
    assert subprocess.run(["stty", "-g"], stdin=slave, check=True, capture_output=True).stdout == before
    os.close(slave)
    os.close(master)
    assert bundle.is_clean()


def test_a_terminal_follows_the_size_of_ours(bundle):
    bundle.set(["sh", "-c", "trap 'stty size; exit 0' WINCH; echo ready; while :; do sleep 0.05; done"],
               terminal=True)
    master, slave = pty.openpty()
    running = subprocess.Popen(bundle.command("run", "c"), stdin=slave, stdout=slave, stderr=slave,
                               cwd=bundle.directory, start_new_session=True,
                               preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
    read_all(master, b"ready")
    subprocess.run(["stty", "rows", "44", "cols", "55"], stdin=slave, check=True)
    assert b"44 55" in read_all(master, b"44 55")
    assert end_status(running) == 0
    os.close(slave)
    os.close(master)


def test_a_reader_that_does_not_read_holds_the_program_back(bundle):
    """CVE-2022-31030: a runtime that kept all output in memory."""
    bundle.set(["yes"], terminal=True)
    running = bundle.start("run", "c", stdout=subprocess.PIPE)
    running.stdout.read(1)
    sizes = []
    for _ in range(2):
        time.sleep(0.3)
        status = Path(f"/proc/{running.pid}/status").read_text()
        sizes.append(int(re.search(r"VmRSS:\s+(\d+)", status)[1]))
    assert sizes[1] - sizes[0] < 1024
    bundle.ok("kill", "c", "KILL")
    running.stdout.close()
    assert end_status(running) == 128 + signal.SIGKILL


# ---- terminals that others take ----

def take_master(path):
    """Listens as an engine does; returns a function that gives the terminal's master."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def take():
        listener.settimeout(10)
        connection, _ = listener.accept()
        with listener, connection:
            data = array.array("i")
            _, ancillary, _, _ = connection.recvmsg(1024, socket.CMSG_LEN(data.itemsize))
            data.frombytes(ancillary[0][2])
            return data[0]
    return take


def test_console_socket(bundle):
    deep = bundle.path / ("d" * 100)
    deep.mkdir()
    os.chdir(deep)
    take = take_master("console.sock")
    os.chdir("/")
    bundle.set(["sh", "-c", "echo hello; sleep 1000"], terminal=True)
    with ThreadPoolExecutor() as pool:
        master = pool.submit(take)
        bundle.ok("create", "--console-socket", deep / "console.sock", "c")
        bundle.ok("start", "c")
        fd = master.result()
    assert b"hello" in read_all(fd, b"hello")
    os.close(fd)


def test_console_socket_must_make_sense(bundle):
    bundle.set(terminal=True)
    assert "cannot allocate tty" in bundle.fails("create", "c")
    assert "cannot allocate tty" in bundle.fails("run", "-d", "c")
    bundle.set(terminal=False)
    assert "cannot use console socket" in bundle.fails("create", "--console-socket", "/x", "c")
    bundle.set(terminal=True)
    message = bundle.fails("create", "--console-socket", bundle.path / "none", "c")
    assert "No such file or directory" in message and str(bundle.path / "none") in message
    assert bundle.is_clean()


def test_pidfd_socket(bundle):
    take = take_master(bundle.path / "pidfd.sock")
    with ThreadPoolExecutor() as pool:
        taken = pool.submit(take)
        bundle.ok("create", "--pidfd-socket", bundle.path / "pidfd.sock", "c")
        fd = taken.result()
    pid = re.search(r"^Pid:\s+(\d+)", Path(f"/proc/self/fdinfo/{fd}").read_text(), re.M)[1]
    assert int(pid) == bundle.state()["pid"]
    os.close(fd)


# ---- exec ----

def test_exec(bundle):
    bundle.set(env=["PATH=/bin", "FROM=config"])
    bundle.ok("run", "-d", "c")
    assert bundle.run("exec", "c", "sh", "-c", "exit 9").returncode == 9
    assert bundle.run("exec", "c", "sh", "-c", "kill -15 $$").returncode == 128 + signal.SIGTERM
    assert bundle.ok("exec", "c", "sh", "-c", "echo $FROM $(id -u)") == "config 0\n"
    assert bundle.ok("exec", "--no-new-privs", "c", "grep", "NoNewPrivs", "/proc/self/status").split() == [
        "NoNewPrivs:", "1"]
    message = bundle.fails("exec", "c", "nonesuch", status=255)
    assert "executable file" in message and "No such file or directory" in message
    assert "exec args cannot be empty" in bundle.fails("exec", "c", status=255)


def test_exec_in_the_background(bundle):
    bundle.ok("run", "-d", "c")
    bundle.ok("exec", "-d", "--pid-file", bundle.path / "pid", "c", "sleep", "1000")
    pid = int((bundle.path / "pid").read_text())
    assert Path(f"/proc/{pid}/cmdline").read_bytes() == b"sleep\x001000\x00"
    assert pid in json.loads(bundle.ok("ps", "--format", "json", "c"))
    bundle.ok("kill", "--all", "c", "KILL")
    # Whoever inherits it must reap it, or its pid namespace cannot end.
    assert os.waitpid(pid, 0)[1] == signal.SIGKILL
    bundle.wait_for("stopped")
    bundle.ok("delete", "c")


def test_exec_process_file(bundle):
    """As conmon and containerd call it."""
    bundle.ok("create", "c")
    bundle.ok("start", "c")
    process = {"args": ["sh", "-c", "echo $X $(id -u) $(pwd)"], "cwd": "/tmp", "env": ["PATH=/bin", "X=y"],
               "user": {"uid": 5, "gid": 6}, "terminal": False}
    path = bundle.path / "process.json"
    path.write_text(json.dumps(process))
    assert bundle.ok("exec", "--process", path, "c") == "y 5 /tmp\n"
    bundle.ok("exec", "--pid-file", bundle.path / "pid", "--process", path, "--detach", "c")
    assert os.waitpid(int((bundle.path / "pid").read_text()), 0)[1] == 0
    for bad in ("", "[]", "{", '{"args":[],"cwd":"/"}', '{"args":["true"],"cwd":"tmp"}', '{"cwd":"/"}'):
        path.write_text(bad)
        bundle.fails("exec", "--process", path, "c", status=255)
    bundle.fails("exec", "--process", bundle.path / "none", "c", status=255)


def test_exec_with_a_terminal(bundle):
    bundle.ok("run", "-d", "c")
    take = take_master(bundle.path / "console.sock")
    with ThreadPoolExecutor() as pool:
        master = pool.submit(take)
        bundle.ok("exec", "-d", "-t", "--pid-file", bundle.path / "pid", "--console-socket",
                  bundle.path / "console.sock", "c", "tty")
        fd = master.result()
    assert b"/dev/pts" in read_all(fd, b"/dev/pts")
    assert os.waitpid(int((bundle.path / "pid").read_text()), 0)[1] == 0
    os.close(fd)
    running = bundle.start("exec", "-t", "c", "sh", "-c", "tty; exit 3", stdout=subprocess.PIPE)
    assert b"/dev/pts" in running.stdout.read()
    assert end_status(running) == 3


def test_exec_capabilities(bundle):
    bundle.ok("run", "-d", "c")
    def effective(*options):
        line = bundle.ok("exec", *options, "c", "grep", "CapEff", "/proc/self/status")
        return int(line.split()[1], 16)
    sys_ptrace = 1 << 19
    assert not effective() & sys_ptrace
    assert effective("--cap", "CAP_SYS_PTRACE") & sys_ptrace
    assert "CAP_NONESUCH" in bundle.run("exec", "--cap", "CAP_NONESUCH", "c", "true").stderr


def test_exec_in_a_group_below(bundle):
    """Where only some hierarchies have it, the container's own limits hold in the others."""
    bundle.config["linux"]["namespaces"].remove({"type": "cgroup"})
    bundle.write()
    bundle.ok("run", "-d", "c")
    pid = bundle.state()["pid"]
    is_v2 = not Path("/sys/fs/cgroup/pids").exists()
    group = Path("/sys/fs/cgroup" if is_v2 else "/sys/fs/cgroup/pids") / bundle.cgroup.lstrip("/")
    (group / "sub/deeper").mkdir(parents=True)
    own = Path(f"/proc/{pid}/cgroup").read_text().splitlines()

    def below(**paths):
        """The lines of own with what is added to those of a controller; "pids" on v2 to the one there is."""
        return [line + next((path for name, path in paths.items() if f":{name}:" in line or (is_v2 and name == "pids")), "")
                for line in own]

    def entered(*words):
        return bundle.ok("exec", *words, "c", "cat", "/proc/self/cgroup").splitlines()

    assert entered() == entered("--cgroup", "/") == entered("--cgroup", "pids:") == own
    for words in (["sub"], ["/sub/"], ["pids:sub"], ["pids:/sub/"]):
        assert entered("--cgroup", *words) == below(pids="/sub")
    assert entered("--cgroup", "sub/deeper") == below(pids="/sub/deeper")
    if not is_v2:
        (Path("/sys/fs/cgroup/freezer") / bundle.cgroup.lstrip("/") / "other").mkdir()
        wanted = below(pids="/sub", freezer="/other")
        assert entered("--cgroup", "pids:sub", "--cgroup", "freezer:other") == wanted
        assert entered("--cgroup", "freezer:other", "--cgroup", "pids,pids:sub") == wanted
    for words, complaint in ((["../x"], "each part"), (["pids:a//b"], "each part"), (["nonesuch"], "No such file"),
                             (["pids:nonesuch"], "No such file"), (["nothing:sub"], 'no controller "nothing"'),
                             ([":sub"], 'no controller ""'), (["pids:sub", "--cgroup", "sub"], "must name its controllers"),
                             (["pids:sub", "--cgroup", "pids:/"], "must get the same path")):
        message = bundle.fails("exec", "--cgroup", *words, "c", "true", status=255)
        assert complaint in message and "--cgroup: " in message, message
    if not is_v2:
        # It is paused and killed with all the others.
        other = bundle.start("exec", "--cgroup", "freezer:other", "c", "sleep", "1000")
        wait_until(lambda: len(bundle.ok("ps", "-f", "json", "c").split(",")) == 2, "the second process")
        bundle.ok("pause", "c")
        bundle.ok("resume", "c")
        bundle.ok("kill", "--all", "c", "KILL")
        assert end_status(other) == 137


# ---- descriptors ----

def test_descriptors_are_passed_only_when_asked(bundle):
    bundle.set(["sh", "-c", "ls /proc/self/fd | wc -l; cat <&3"])
    ends = [os.pipe() for _ in range(2)]
    for _, writer in ends:
        os.write(writer, b"passed\n")
        os.close(writer)
    def as_3_and_4():
        copies = [os.dup2(os.dup(reader), 50 + i) for i, (reader, _) in enumerate(ends)]
        for i, copy in enumerate(copies):
            os.dup2(copy, 3 + i, inheritable=True)
    done = subprocess.run(bundle.command("run", "--preserve-fds", "1", "c"), cwd=bundle.directory,
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False,
                          close_fds=False, preexec_fn=as_3_and_4)
    # 0, 1, 2, 3 and the directory that ls reads.
    assert done.stdout == b"5\npassed\n", done
    for reader, _ in ends:
        os.close(reader)
    assert "is not open" in bundle.fails("run", "--preserve-fds", "3", "c")


def test_listen_fds(bundle):
    bundle.set(["sh", "-c", "echo $LISTEN_FDS $LISTEN_PID; cat <&3"])
    reader, writer = os.pipe()
    os.write(writer, b"socket\n")
    os.close(writer)
    program = ("import os, sys; os.dup2(int(sys.argv[1]), 3); os.environ.update(LISTEN_FDS='1', "
               "LISTEN_PID=str(os.getpid())); os.execv(sys.argv[2], sys.argv[2:])")
    done = subprocess.run(["/usr/bin/python3", "-c", program, str(reader), *bundle.command("run", "c")],
                          cwd=bundle.directory, pass_fds=[reader], capture_output=True, timeout=30, check=False)
    os.close(reader)
    assert done.stdout == b"1 1\nsocket\n", done
