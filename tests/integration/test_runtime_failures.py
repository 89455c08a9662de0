# SPDX-License-Identifier: Apache-2.0
"""What goes wrong, and several commands at once: container-runtime leaves a whole container or none."""
import errno
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import world
from bundle import RUNTIME, Bundle, end_status

unsealed = pytest.mark.skipif("sanitize" in RUNTIME.parts, reason="a build for the sanitizers is not sealed")


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


# The calls by which a creation makes what others can see, and how many of the first of each are tried.
KILLED_AT = [("mkdirat", 3), ("flock", 2), ("openat", 12), ("write", 4), ("renameat2", 2), ("renameat", 1), ("mkdir", 2), ("bind", 1),
             ("listen", 1), ("clone3", 1), ("recvmsg", 2), ("poll", 2), ("sendto", 1)]


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
@pytest.mark.parametrize("call", [call for call, _ in KILLED_AT])
def test_a_creation_that_is_killed_anywhere_can_be_cleaned_up(bundle, call):
    """What has no name yet goes with the next command, what has one with `delete --force`."""
    bundle.config["mounts"].append({"destination": "/sys", "type": "sysfs", "source": "sysfs"})
    bundle.write()
    for nth in range(1, dict(KILLED_AT)[call] + 1):
        command = ["strace", "-qq", "-o", "/dev/null", "-e", f"trace={call}",
                   "-e", f"inject={call}:signal=SIGKILL:when={nth}", *bundle.command("create", "c")]
        done = subprocess.run(command, cwd=bundle.directory, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, timeout=60)
        names = bundle.names()
        assert done.returncode in (0, -signal.SIGKILL) and names in ([], ["c"]), (nth, done, names)
        # strace may end before the program that it killed is quite gone, and with that its lock.
        end = time.monotonic() + 10
        while bundle.ok("list") and list(bundle.root.glob(".new*")):
            assert time.monotonic() < end, nth
        world.finish(subprocess.Popen(bundle.command("delete", "--force", "c"), stdin=subprocess.DEVNULL), 30)
        assert bundle.is_clean(), (nth, bundle.names(), bundle.cgroups())
        bundle.ok("run", "-d", "c")
        world.finish(subprocess.Popen(bundle.command("delete", "--force", "c"), stdin=subprocess.DEVNULL), 30)
        assert bundle.is_clean(), nth


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
    bundle.set(["true"])
    bundle.ok("--log", bundle.log, "--log-format", "json", "--debug", "run", "c")
    told = [json.loads(line)["msg"] for line in bundle.log.read_text().splitlines()[-3:]]
    assert told[0] == "run c" and "waits in cgroup" in told[1] and "wait status 0x0" in told[2]
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

ATTACK = """
found=
while [ ! "$found" ]; do
    for p in /proc/[0-9]*; do
        if grep -q 'self/ex[e]' $p/cmdline && exec 5< $p/exe; then found=1; break; fi
    done 2>/dev/null
done
echo > /found
for i in $(seq 300); do
    if echo evil > /proc/self/fd/5; then echo > /written; exit 0; fi 2>/dev/null
    sleep 0.01
done
"""


@unsealed
def test_the_program_cannot_be_overwritten_from_inside(bundle):
    """CVE-2019-5736: the image makes the runtime run itself inside, keeps it open, and writes when it has ended."""
    bundle.program = bundle.path / "program"
    shutil.copy(RUNTIME, bundle.program)
    before = hashlib.sha256(bundle.program.read_bytes()).hexdigest()
    rootfs = bundle.directory / "rootfs"
    (rootfs / "run").write_text("#!/proc/self/exe --help\n")
    (rootfs / "run").chmod(0o755)
    bundle.set(["sh", "-c", ATTACK])
    bundle.ok("run", "-d", "c")
    # Its output has no room, so that it stays for as long as we like.
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with pytest.raises(BlockingIOError):
        while True:
            os.write(writer, b"x" * 4096)
    os.set_blocking(writer, True)
    inside = bundle.start("exec", "c", "/run", stdout=writer)
    os.close(writer)
    end = time.monotonic() + 20
    while not (rootfs / "found").exists():
        assert time.monotonic() < end
        time.sleep(0.01)
    while os.read(reader, 1 << 16):
        pass
    os.close(reader)
    assert end_status(inside) == 0
    overwritten, bundle.program = bundle.program, RUNTIME
    bundle.wait_for("stopped", seconds=30)
    assert hashlib.sha256(overwritten.read_bytes()).hexdigest() == before
    assert not (rootfs / "written").exists()


@unsealed
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
