# SPDX-License-Identifier: Apache-2.0
"""container-runtime as engines and people call it: every verb, every refusal, and many at once."""
import array
import datetime
import errno
import fcntl
import hashlib
import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
import termios
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import world
from bundle import RUNTIME, Bundle, end_status


@pytest.fixture
def bundle():
    made = Bundle()
    try:
        yield made
    finally:
        made.close()
        assert made.cgroups() == []


def hook(tmp, text, name="hook"):
    """A program of the host for a hook."""
    path = tmp / name
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)
    return {"path": str(path)}


# ---- the life of a container ----

def test_the_life_of_a_container(bundle):
    before = datetime.datetime.now(datetime.timezone.utc)
    bundle.ok("create", "--bundle", bundle.directory, "--pid-file", bundle.path / "pid", "c", cwd="/")
    state = bundle.state()
    assert list(state) == ["ociVersion", "id", "pid", "status", "bundle", "rootfs", "created", "owner"]
    assert (state["id"], state["status"], state["owner"]) == ("c", "created", "root")
    assert state["bundle"] == str(bundle.directory)
    assert state["rootfs"] == str(bundle.directory / "rootfs")
    assert int((bundle.path / "pid").read_text()) == state["pid"]
    created = datetime.datetime.fromisoformat(re.sub(r"(\.\d{6})\d{3}Z", r"\1+00:00", state["created"]))
    assert abs((created - before).total_seconds()) < 30
    # What changes in the bundle now has no effect.
    (bundle.directory / "config.json").write_text("{}")
    bundle.ok("start", "c")
    assert bundle.status() == "running"
    assert Path(f"/proc/{state['pid']}/cmdline").read_bytes() == b"sleep\x001000\x00"
    bundle.ok("kill", "c", "KILL")
    bundle.wait_for("stopped")
    assert bundle.state()["pid"] == 0
    bundle.ok("delete", "c")
    assert bundle.is_clean()
    assert "does not exist" in bundle.fails("state", "c")


def test_refusals_have_the_words_that_engines_look_for(bundle):
    assert "container does not exist" in bundle.fails("state", "c")
    for verb in ("start", "delete", "kill", "pause", "resume", "ps", "events", "update"):
        assert "container does not exist" in bundle.fails(verb, "c")
    assert "container does not exist" in bundle.fails("exec", "c", "true", status=255)
    bundle.ok("delete", "--force", "c")
    bundle.ok("create", "c")
    assert "container with given ID already exists" in bundle.fails("create", "c")
    assert "container with given ID already exists" in bundle.fails("run", "c")
    assert "cannot delete container c that is not stopped: created" in bundle.fails("delete", "c")
    assert "container not paused" not in bundle.ok("start", "c")
    assert "cannot start an already running container" in bundle.fails("start", "c")
    assert "cannot delete container c that is not stopped: running" in bundle.fails("delete", "c")
    bundle.ok("kill", "c", "9")
    bundle.wait_for("stopped")
    assert "container not running" in bundle.fails("kill", "c", "9")
    bundle.ok("kill", "--all", "c", "9")
    assert "cannot start a container that has stopped" in bundle.fails("start", "c")
    assert "cannot exec in a stopped container" in bundle.fails("exec", "c", "true", status=255)
    assert "container not running" in bundle.fails("pause", "c")
    assert "is not running" in bundle.fails("events", "--stats", "c")
    assert bundle.status() == "stopped"


@pytest.mark.parametrize("name", ["", ".", "..", ".hidden", "a/b", "../a", "a b", "x" * 256, "a\nb", "é"])
def test_bad_names(bundle, name):
    for verb in ("create", "run", "state", "delete", "kill", "start"):
        assert "container id" in bundle.fails(verb, "--", name)
    assert bundle.names() == []


def test_usage_errors(bundle):
    assert "unknown command" in bundle.fails("frobnicate")
    assert "please specify a command" in bundle.fails()
    for words in (["state"], ["state", "a", "b"], ["list", "a"], ["kill", "a", "b", "c"]):
        assert "argument" in bundle.fails(*words)
    for words in (["state", "--nonesuch", "c"], ["--nonesuch", "list"], ["list", "-z"]):
        assert "is not an option here" in bundle.fails(*words)
    assert "needs a value" in bundle.fails("create", "c", "--bundle")
    assert "needs a value" in bundle.fails("list", "-f")
    assert "not a number" in bundle.fails("create", "--preserve-fds", "-1", "c")
    assert "true or false" in bundle.fails("delete", "--force=perhaps", "c")
    assert "unknown signal" in bundle.fails("kill", "c", "NONESUCH")
    assert "unknown signal" in bundle.fails("kill", "c", "-1")
    assert "invalid format option" in bundle.fails("list", "-f", "xml")
    assert "--cgroup-manager" in bundle.fails("--cgroup-manager", "x", "run", "c")
    assert bundle.names() == []
    done = subprocess.run([RUNTIME, "--root", "/", "list"], check=False, capture_output=True, text=True)
    assert done.returncode == 1 and "not /" in done.stderr


def test_help_names_every_verb_and_its_options(bundle):
    text = bundle.ok("--help")
    verbs = ("create start state kill delete exec ps pause resume events update list spec features run "
             "checkpoint restore").split()
    for verb in verbs:
        assert re.search(rf"^  {verb} ", text, re.M)
        help_text = bundle.ok(verb, "--help")
        assert help_text.startswith(f"Usage: container-runtime [OPTION...] {verb} ")
        assert bundle.ok("help", verb) == help_text
    assert bundle.ok("help") == text
    for option in ("--root", "--log", "--log-format", "--systemd-cgroup", "--debug", "--rootless"):
        assert option in text


def test_version(bundle):
    lines = bundle.ok("--version").splitlines()
    assert re.fullmatch(r"container-runtime version \d+\.\d+\.\d+", lines[0])
    assert "spec: 1.3.0" in lines
    assert any(line.startswith("commit: ") for line in lines)
    assert bundle.ok("-v").splitlines() == lines


# ---- union of runc's and crun's options ----

def test_options_of_both_runtimes_are_taken(bundle):
    """Each as the one or the other is called; Go's programs write flags with a value."""
    shutil.copy(bundle.directory / "config.json", bundle.directory / "other.json")
    bundle.ok("--debug", "--rootless", "auto", "--cgroup-manager=cgroupfs", "--log-level=warning",
              "--log-format", "json", "create", "--no-pivot=false", "--no-new-keyring", "--preserve-fds=0",
              "--no-subreaper", "-f", "other.json", "-b", bundle.directory, "c")
    bundle.ok("start", "c")
    assert bundle.ok("exec", "--detach=false", "--tty=false", "c", "echo", "x") == "x\n"
    assert bundle.ok("exec", "--env", "A=1", "-e", "B=2", "--cwd", "/tmp", "--user", "7:8", "-g", "9",
                     "c", "sh", "-c", "echo $A $B $(pwd) $(id -u):$(id -g)") == "1 2 /tmp 7:8\n"
    bundle.ok("delete", "c", "--force")
    bundle.ok("run", "--keep", "--detach", "--no-subreaper", "c")
    bundle.ok("delete", "-f", "c")


def test_options_of_the_command_stay_with_it(bundle):
    bundle.ok("run", "-d", "c")
    assert bundle.ok("exec", "c", "echo", "-n", "--user", "x") == "--user x"


def test_exec_user_is_read_strictly(bundle):
    bundle.ok("run", "-d", "c")
    for user in ("4294967296:0", "-1", "+0", " 0", "0 ", "0x0", "1000:x", "4294967295", "root", ":", "0:"):
        assert "--user" in bundle.fails("exec", f"--user={user}", "c", "true", status=255)
    assert "--additional-gids" in bundle.fails("exec", "-g", "-1", "c", "true", status=255)


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
    time.sleep(0.5)
    status = Path(f"/proc/{running.pid}/status").read_text()
    assert int(re.search(r"VmRSS:\s+(\d+)", status)[1]) < 8192
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


# ---- what others see ----

def test_list(bundle):
    assert bundle.ok("list", "-f", "json") == "[]\n"
    assert bundle.ok("list", "-q") == ""
    bundle.ok("create", "one")
    bundle.config["linux"]["cgroupsPath"] += "-two"
    bundle.config["annotations"] = {"key": "value"}
    bundle.write()
    bundle.ok("run", "-d", "two")
    (bundle.root / "broken").mkdir(mode=0o700)
    (bundle.root / "broken/state.json").write_text("{")
    done = bundle.run("list", "--format", "json")
    assert "broken" in done.stderr
    containers = {c["id"]: c for c in json.loads(done.stdout)}
    assert set(containers) == {"one", "two"}
    assert containers["two"]["status"] == "running" and containers["one"]["status"] == "created"
    assert containers["two"]["annotations"] == {"key": "value"}
    assert bundle.ok("list", "-q").split() == ["broken", "one", "two"]
    table = bundle.ok("list").splitlines()
    assert table[0].split() == ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]
    assert [line.split()[0] for line in table[1:]] == ["one", "two"]
    bundle.fails("delete", "broken")
    bundle.ok("delete", "--force", "broken")
    assert bundle.names() == ["one", "two"]
    bundle.ok("delete", "--force", "--regex", "^(one|tw.)$")
    assert bundle.is_clean()


def test_ps(bundle):
    bundle.set(["sh", "-c", "sleep 1001 & sleep 1002; true"])
    bundle.ok("run", "-d", "c")
    end = time.monotonic() + 5
    while len(pids := json.loads(bundle.ok("ps", "-f", "json", "c"))) < 3:
        assert time.monotonic() < end
    assert bundle.state()["pid"] in pids
    lines = bundle.ok("ps", "c").splitlines()
    assert "PID" in lines[0].split() and len(lines) == 4
    assert "sleep 1001" in "\n".join(lines)
    lines = bundle.ok("ps", "c", "-o", "pid,comm").splitlines()
    assert lines[0].split() == ["PID", "COMMAND"] and len(lines) == 4
    assert "PID" in bundle.fails("ps", "c", "-o", "comm")


def test_pause_and_resume(bundle):
    bundle.ok("run", "-d", "c")
    bundle.ok("pause", "c")
    assert bundle.status() == "paused"
    assert "paused" in bundle.fails("exec", "c", "true", status=255)
    assert "paused" in bundle.fails("pause", "c")
    bundle.ok("resume", "c")
    assert bundle.status() == "running"
    bundle.ok("exec", "c", "true")
    bundle.ok("pause", "c")
    bundle.ok("kill", "c", "KILL")
    bundle.wait_for("stopped")
    bundle.ok("delete", "c")
    bundle.ok("run", "-d", "c")
    bundle.ok("pause", "c")
    bundle.ok("delete", "--force", "c")
    assert bundle.is_clean()


def limit(bundle, controller, v1, v2):
    path = Path("/sys/fs/cgroup") / controller / bundle.cgroup.lstrip("/") / v1
    return (path if path.parent.is_dir() else
            Path("/sys/fs/cgroup") / bundle.cgroup.lstrip("/") / v2).read_text().split()


def test_update(bundle):
    bundle.ok("run", "-d", "c")
    bundle.ok("update", "--memory", "64m", "--pids-limit", "37", "--cpu-quota=20000", "--cpu-period=50000", "c")
    memory = ("memory", "memory.limit_in_bytes", "memory.max")
    pids = ("pids", "pids.max", "pids.max")
    assert limit(bundle, *memory) == [str(64 << 20)]
    assert limit(bundle, *pids) == ["37"]
    with as_file(bundle, {"memory": {"limit": 32 << 20}}) as resources:
        bundle.ok("update", "--resources", "-", "c", stdin=resources)
    assert limit(bundle, *memory) == [str(32 << 20)]
    path = bundle.path / "resources.json"
    path.write_text(json.dumps({"pids": {"limit": 41}}))
    bundle.ok("update", f"--resources={path}", "c")
    assert limit(bundle, *pids) == ["41"]
    assert limit(bundle, *memory) == [str(32 << 20)]
    for words in (["--memory", "64x"], ["--cpu-share", "-1"], ["--pids-limit", "many"],
                  ["--l3-cache-schema", "x"]):
        assert words[0] in bundle.fails("update", *words, "c")
    assert "blockIO.weight" in bundle.fails("update", "--blkio-weight", "5", "c")
    path.write_text("[]")
    bundle.fails("update", "-r", path, "c")


def as_file(bundle, value):
    path = bundle.path / "stdin"
    path.write_text(json.dumps(value))
    return path.open()


def test_events(bundle):
    bundle.ok("run", "-d", "c")
    event = json.loads(bundle.ok("events", "--stats", "c"))
    assert (event["type"], event["id"]) == ("stats", "c")
    assert event["data"]["pids"]["current"] == 1
    assert event["data"]["memory"]["usage"]["usage"] > 0
    assert event["data"]["cpu"]["usage"]["total"] > 0
    following = bundle.start("events", "--interval", "100ms", "c", stdout=subprocess.PIPE)
    for _ in range(2):
        assert json.loads(following.stdout.readline())["type"] == "stats"
    bundle.ok("kill", "c", "KILL")
    assert end_status(following) == 0
    following.stdout.close()
    assert "--interval" in bundle.fails("events", "--interval", "soon", "c")


def test_events_tell_of_lack_of_memory(bundle):
    bundle.set(["sh", "-c", "read line < /fifo; dd if=/dev/zero of=/dev/null bs=64M count=1; sleep 1000"])
    os.mkfifo(bundle.directory / "rootfs/fifo")
    bundle.config["linux"]["resources"] = {"memory": {"limit": 16 << 20, "swap": 16 << 20}}
    bundle.write()
    bundle.ok("run", "-d", "c")
    following = bundle.start("events", "--interval", "1h", "c", stdout=subprocess.PIPE)
    time.sleep(0.3)
    with (bundle.directory / "rootfs/fifo").open("w") as fifo:
        fifo.write("go\n")
    event = json.loads(following.stdout.readline())
    assert event == {"type": "oom", "id": "c"}
    bundle.ok("kill", "c", "KILL")
    end_status(following)
    following.stdout.close()


def test_spec_makes_a_config_that_runs(bundle):
    (bundle.directory / "config.json").unlink()
    bundle.ok("spec")
    assert "already exists" in bundle.fails("spec")
    spec = json.loads((bundle.directory / "config.json").read_text())
    assert spec["process"]["args"] == ["sh"]
    spec["process"] |= {"terminal": False, "args": ["echo", "hello"]}
    spec["linux"]["cgroupsPath"] = bundle.cgroup
    (bundle.directory / "config.json").write_text(json.dumps(spec))
    assert bundle.ok("run", "c") == "hello\n"
    bundle.ok("spec", "--rootless", "-f", bundle.path / "rootless.json")
    rootless = json.loads((bundle.path / "rootless.json").read_text())
    assert {"type": "user"} in rootless["linux"]["namespaces"]


def test_features(bundle):
    features = json.loads(bundle.ok("features"))
    assert features["ociVersionMax"].startswith("1.")
    assert "poststop" in features["hooks"]


def test_checkpoint_without_criu_says_so(bundle):
    bundle.ok("run", "-d", "c")
    for words in (["checkpoint", "--image-path", "/x", "--leave-running", "c"],
                  ["restore", "--image-path", "/x", "-d", "d"]):
        assert "criu" in bundle.fails("--criu", "/nonesuch/criu", *words)
    assert bundle.status() == "running"


# ---- kill ----

def test_signals_by_name_and_number(bundle):
    # Number 34 may come to a process without a handler only if it is not pid 1.
    script = "".join(f"trap 'echo {name}' {name};" for name in ("HUP", "USR1", "TERM"))
    bundle.set(["sh", "-c", script + "echo ready; while :; do sleep 0.02; done"])
    running = bundle.start("run", "c", stdout=subprocess.PIPE)
    assert running.stdout.readline() == b"ready\n"
    for word, name in (("HUP", b"HUP"), ("SIGUSR1", b"USR1"), ("usr1", b"USR1"), ("1", b"HUP"),
                       ("sigterm", b"TERM"), (None, b"TERM")):
        bundle.ok("kill", "c", *([word] if word else []))
        assert running.stdout.readline() == name + b"\n"
    for bad in ("0x1", "65", "", "SIG", "TERM ", "RTMIN+99"):
        assert "unknown signal" in bundle.fails("kill", "c", bad)
    bundle.ok("kill", "--all", "c", "KILL")
    assert end_status(running) == 128 + signal.SIGKILL
    running.stdout.close()


def test_kill_without_a_pid_namespace_ends_all(bundle):
    bundle.without_namespaces()
    bundle.set(["sh", "-c", "sleep 1003 & exec sleep 1004"])
    bundle.ok("run", "-d", "c")
    end = time.monotonic() + 5
    while len(pids := json.loads(bundle.ok("ps", "-f", "json", "c"))) < 2:
        assert time.monotonic() < end
    bundle.ok("kill", "c", "KILL")
    bundle.wait_for("stopped")
    end = time.monotonic() + 5
    while any(world.is_alive(pid) for pid in pids):
        assert time.monotonic() < end
    bundle.ok("delete", "c")
    assert bundle.is_clean()


def test_delete_ends_what_the_first_process_left(bundle):
    bundle.without_namespaces()
    bundle.set(["sh", "-c", "sleep 1003 & exit 0"])
    bundle.ok("run", "-d", "c")
    bundle.wait_for("stopped")
    bundle.ok("delete", "c")
    assert bundle.is_clean()


def test_a_reused_pid_is_not_the_container(bundle):
    bundle.ok("run", "-d", "c")
    path = bundle.root / "c/state.json"
    state = json.loads(path.read_text())
    real = state["pid"]
    time.sleep(0.05)  # the kernel counts a process's start in hundredths of a second
    victim = subprocess.Popen(["sleep", "1000"])
    try:
        state["pid"] = victim.pid
        path.write_text(json.dumps(state))
        assert bundle.status() == "stopped"
        assert "container not running" in bundle.fails("kill", "c", "KILL")
        bundle.fails("exec", "c", "true", status=255)
        bundle.ok("delete", "--force", "c")
        assert victim.poll() is None
        assert not world.is_alive(real)
    finally:
        victim.kill()
        victim.wait()
    assert bundle.is_clean()


# ---- failures ----

def test_failed_creations_leave_nothing(bundle):
    def attempt(change, words):
        saved = json.dumps(bundle.config)
        change(bundle.config)
        bundle.write()
        for verb in ("create", "run"):
            message = bundle.fails(verb, "--pid-file", bundle.path / "pid", "c")
            assert all(word in message for word in words), message
            assert bundle.is_clean() and not (bundle.path / "pid").exists()
        bundle.config = json.loads(saved)
    attempt(lambda c: c.pop("ociVersion"), ["ociVersion"])
    attempt(lambda c: c["root"].update(path="none"), ["none", "No such file"])
    attempt(lambda c: c["mounts"].append({"destination": "/x", "type": "bind", "source": "/nonesuch",
                                          "options": ["bind"]}), ["/x", "/nonesuch"])
    attempt(lambda c: c["linux"].update(resources={"memory": {"limit": 1 << 20, "swap": 1}}), ["memory"])
    attempt(lambda c: c["linux"]["namespaces"].append({"type": "uts"}), ["uts"])
    attempt(lambda c: c.update(hooks={"createRuntime": [{"path": "/bin/false"}]}), ["/bin/false"])
    attempt(lambda c: c.update(hooks={"prestart": [{"path": "/nonesuch"}]}), ["/nonesuch"])
    attempt(lambda c: c["linux"].update(sysctl={"kernel.core_pattern": "x"}), ["core_pattern"])
    attempt(lambda c: c["linux"].update(seccomp={"defaultAction": "SCMP_ACT_NONESUCH"}), ["NONESUCH"])
    attempt(lambda c: c["linux"].update(cgroupsPath="/../x"), ["cgroup"])
    bundle.write()
    bundle.fails("create", "--pid-file", "/nonesuch/pid", "c")
    assert bundle.is_clean()
    bundle.fails("create", "--bundle", "/nonesuch", "c")
    (bundle.directory / "config.json").write_text("{")
    assert "config.json" in bundle.fails("create", "c")
    assert bundle.is_clean()


def test_a_program_that_is_not_there(bundle):
    bundle.set(["nonesuch"])
    for verb in ("run",):
        message = bundle.fails(verb, "c")
        assert "nonesuch" in message and "No such file or directory" in message
    assert bundle.is_clean()


def test_a_cgroup_with_processes_is_refused(bundle):
    bundle.ok("run", "-d", "c")
    assert "processes live in the cgroup" in bundle.fails("create", "other")
    assert bundle.status() == "running"
    assert bundle.names() == ["c"]


def test_a_creation_that_is_killed_can_be_cleaned_up(bundle):
    bundle.config["hooks"] = {"createRuntime": [hook(bundle.path, "exec sleep 1000")]}
    bundle.write()
    creating = bundle.start("create", "c")
    end = time.monotonic() + 10
    while bundle.names() != ["c"] or bundle.status() != "creating":
        assert time.monotonic() < end
    assert "being created" in bundle.fails("start", "c")
    assert "being created" in bundle.fails("kill", "c")
    creating.kill()
    creating.wait()
    bundle.wait_for("stopped")
    bundle.ok("delete", "--force", "c")
    for pid, line in world.children():
        if line == "sleep 1000":
            os.kill(pid, signal.SIGKILL)
    assert bundle.is_clean()


def test_the_log_is_what_engines_read(bundle):
    """Lines of JSON, the last error last; text on stderr as well."""
    message = bundle.fails("--log", bundle.log, "--log-format", "json", "--debug", "state", "none")
    lines = [json.loads(line) for line in bundle.log.read_text().splitlines()]
    assert set(lines[-1]) == {"level", "msg", "time"}
    assert lines[-1]["level"] == "error" and lines[-1]["msg"] in message
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", lines[-1]["time"])
    # Another program's lines stay; a name that tries to forge one does not.
    bundle.fails("--log", bundle.log, "--log-format=json", "state", 'a"}\n{"level":"error')
    again = [json.loads(line) for line in bundle.log.read_text().splitlines()]
    assert len(again) == len(lines) + 1 and again[:len(lines)] == lines
    text = bundle.path / "log.txt"
    bundle.fails("--log", text, "state", "none")
    assert re.match(r'time="[^"]+" level=error msg=".*does not exist', text.read_text())
    assert "--log-format" in bundle.fails("--log", text, "--log-format", "xml", "list")
    assert "--log-level" in bundle.fails("--log-level", "loud", "list")
    assert "open the log" in bundle.fails("--log", "/nonesuch/log", "list")
    # A usage error reaches it too.
    bundle.fails("--log", bundle.log, "--log-format", "json", "state")
    assert "argument" in json.loads(bundle.log.read_text().splitlines()[-1])["msg"]


def test_a_store_that_others_can_write_to_is_refused(bundle):
    bundle.root.mkdir()
    bundle.root.chmod(0o777)
    assert "Operation not permitted" in bundle.fails("create", "c")
    bundle.root.chmod(0o700)
    bundle.ok("create", "c")


# ---- hooks ----

def test_hooks_after_the_start_and_the_end(bundle):
    out = bundle.path / "out"
    keep = f"cat >> {out}; echo >> {out}"
    bundle.config["hooks"] = {"poststart": [hook(bundle.path, keep, "poststart")],
                              "poststop": [hook(bundle.path, "exit 1", "bad"), hook(bundle.path, keep, "poststop")]}
    bundle.write()
    bundle.ok("create", "c")
    pid = bundle.state()["pid"]
    assert not out.exists()
    bundle.ok("start", "c")
    state = json.loads(out.read_text())
    assert (state["id"], state["status"], state["pid"]) == ("c", "running", pid)
    out.unlink()
    bundle.ok("kill", "c", "KILL")
    bundle.wait_for("stopped")
    done = bundle.run("delete", "c")
    assert done.returncode == 0 and "bad" in done.stderr
    state = json.loads(out.read_text())
    assert (state["id"], state["status"]) == ("c", "stopped") and not state.get("pid")
    assert bundle.is_clean()


def test_a_poststart_hook_that_fails_stops_the_container(bundle):
    bundle.config["hooks"] = {"poststart": [hook(bundle.path, "echo sorry >&2; exit 3")]}
    bundle.write()
    bundle.ok("create", "c")
    done = bundle.run("start", "c")
    assert done.returncode == 1 and "exit status 3: sorry" in done.stderr
    bundle.wait_for("stopped")
    bundle.ok("delete", "c")
    assert bundle.run("run", "d").returncode == 1
    assert bundle.is_clean()


def test_a_failed_creation_runs_poststop_hooks(bundle):
    out = bundle.path / "out"
    bundle.config["hooks"] = {"createRuntime": [hook(bundle.path, "exit 1", "bad")],
                              "poststop": [hook(bundle.path, f"cat > {out}", "poststop")]}
    bundle.write()
    bundle.fails("create", "c")
    assert json.loads(out.read_text())["status"] == "stopped"
    assert bundle.is_clean()


def test_hooks_may_call_the_runtime(bundle):
    """`state` needs no lock."""
    call = " ".join(bundle.command("state", "c"))
    bundle.config["hooks"] = {
        "createRuntime": [hook(bundle.path, f"{call} > {bundle.path}/creating", "one")],
        "poststart": [hook(bundle.path, f"{call} > {bundle.path}/running", "two")]}
    bundle.write()
    bundle.ok("run", "-d", "c")
    for status in ("creating", "running"):
        assert json.loads((bundle.path / status).read_text())["status"] == status


# ---- many at once ----

def both(bundle, count, *words):
    """The same command several times at once; the exit statuses and messages."""
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(lambda _: bundle.run(*words), range(count)))


def test_a_container_is_created_once(bundle):
    for _ in range(5):
        done = both(bundle, 4, "create", "c")
        assert sorted(d.returncode for d in done) == [0, 1, 1, 1], [d.stderr for d in done]
        assert bundle.status() == "created"
        done = both(bundle, 4, "start", "c")
        assert sorted(d.returncode for d in done) == [0, 1, 1, 1], [d.stderr for d in done]
        assert bundle.status() == "running"
        bundle.ok("kill", "c", "KILL")
        bundle.wait_for("stopped")
        done = both(bundle, 4, "delete", "c")
        assert sorted(d.returncode for d in done) == [0, 1, 1, 1], [d.stderr for d in done]
        assert bundle.is_clean()
        bundle.ok("create", "c")
        assert {d.returncode for d in both(bundle, 4, "delete", "--force", "c")} == {0}
        assert bundle.is_clean()


def test_verbs_at_once_leave_a_whole_container_or_none(bundle):
    """Nothing hangs, nothing crashes, and at the end all is clean."""
    known = re.compile("does not exist|already exists|not running|already running|not stopped|has stopped|"
                       "being created|processes live|not paused|stopped container|paused container|"
                       "has ended already|No such|No such process|container's first process|does not answer|"
                       "killed|died|start the container|create the container|timed out")
    verbs = [["create", "c"], ["start", "c"], ["kill", "c", "KILL"], ["delete", "--force", "c"],
             ["state", "c"], ["exec", "c", "true"], ["pause", "c"], ["resume", "c"], ["list", "-f", "json"]]

    def work(seed):
        for i in range(12):
            words = verbs[(seed * 5 + i * 7 + i * i) % len(verbs)]
            done = bundle.run(*words)
            assert done.returncode in (0, 1, 255, 137), (words, done)
            if done.returncode == 0 and words[0] == "list":
                json.loads(done.stdout)
            elif done.returncode in (1, 255):
                assert known.search(done.stderr), (words, done.stderr)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    bundle.run("delete", "--force", "c")
    assert bundle.is_clean()


def test_delete_while_it_is_started_and_killed(bundle):
    for _ in range(8):
        bundle.ok("create", "c")
        with ThreadPoolExecutor(3) as pool:
            others = [pool.submit(bundle.run, *words) for words in
                      (["start", "c"], ["kill", "c", "KILL"], ["delete", "--force", "c"])]
            results = [other.result() for other in others]
        assert results[2].returncode == 0, results[2].stderr
        assert bundle.is_clean()


# ---- the program itself ----

def test_the_program_cannot_be_overwritten_from_inside(bundle):
    """CVE-2019-5736: an image whose program is the runtime, and one that writes through it."""
    before = hashlib.sha256(RUNTIME.read_bytes()).hexdigest()
    rootfs = bundle.directory / "rootfs"
    (rootfs / "run").write_text("#!/proc/self/exe\n")
    (rootfs / "run").chmod(0o755)
    bundle.config["process"]["capabilities"] = {
        kind: ["CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE", "CAP_SYS_ADMIN"] for kind in ("bounding", "effective", "permitted")}
    attack = ("for i in $(seq 200); do for p in /proc/[0-9]*; do "
              "(echo evil >> $p/exe) 2>/dev/null; done; done")
    bundle.set(["sh", "-c", attack], noNewPrivileges=False)
    running = bundle.start("run", "c", stderr=subprocess.DEVNULL)
    end = time.monotonic() + 20
    while running.poll() is None and time.monotonic() < end:
        bundle.run("exec", "c", "/run")
        bundle.run("exec", "c", "true")
    bundle.run("delete", "--force", "c")
    end_status(running)
    assert hashlib.sha256(RUNTIME.read_bytes()).hexdigest() == before


def test_the_program_runs_from_a_read_only_copy(bundle):
    bundle.set(["sleep", "1000"])
    running = bundle.start("run", "c")
    end = time.monotonic() + 10
    while not bundle.names() or bundle.run("state", "c").returncode != 0 or bundle.status() != "running":
        assert time.monotonic() < end
    with pytest.raises(OSError) as caught:
        os.open(f"/proc/{running.pid}/exe", os.O_WRONLY)
    assert caught.value.errno in (errno.ETXTBSY, errno.EROFS)
    copy = os.open(f"/proc/{running.pid}/exe", os.O_PATH)
    bundle.ok("kill", "c", "KILL")
    end_status(running)
    # Not in use any more, and still it cannot be written to.
    end = time.monotonic() + 10
    while True:
        with pytest.raises(OSError) as caught:
            os.open(f"/proc/self/fd/{copy}", os.O_WRONLY)
        if caught.value.errno == errno.EROFS:
            break
        assert caught.value.errno == errno.ETXTBSY and time.monotonic() < end
    os.close(copy)


def test_the_waiting_process_holds_no_descriptor_of_the_host(bundle):
    bundle.ok("create", "c")
    pid = bundle.state()["pid"]
    left = {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}
    assert not [name for name in left if str(bundle.path) in name and not name.startswith(("/dev", "/proc"))
                and not name.endswith("(deleted)")], left
