# SPDX-License-Identifier: Apache-2.0
"""container-runtime as engines and people call it: its verbs, options, refusals and messages."""
import datetime
import json
import os
import re
import shutil
import signal
import subprocess
import time
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
