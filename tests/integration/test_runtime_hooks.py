# SPDX-License-Identifier: Apache-2.0
"""Hooks (runtime-spec config.md, "POSIX-platform Hooks"; runtime.md, "Lifecycle"), by the real program."""
import json
import os
import subprocess
import time

import pytest
from runtime_bundle import cgroup_left, complaint, runtime, wait_for  # noqa: F401 (a fixture)

KINDS = ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"]
OF_CREATE, OF_START = KINDS[:3], KINDS[3:5]
INSIDE = ("createContainer", "startContainer")
# A line of JSON that tells all about a hook, to a file: of the host, or for startContainer of the root.
TELL = """echo "{\\"kind\\": \\"$KIND\\", \\"state\\": $(cat), \\"mnt\\": \\"$(readlink /proc/self/ns/mnt)\\",
 \\"net\\": \\"$(readlink /proc/self/ns/net)\\", \\"args\\": \\"$0 $*\\", \\"env\\": \\"$(env | grep -c LEAKED)\\",
 \\"old\\": \\"$(test -d "$BUNDLE/rootfs" && echo yes)\\", \\"program\\": \\"$(test -e $DONE && echo ran)\\"}" | tr -d '\\n' >>$TO
echo >>$TO"""


def hook(script, *args, env=(), **more):
    return {"path": "/bin/sh", "args": ["sh", "-c", script, *args], "env": ["PATH=/bin:/usr/bin", *env], **more}


def teller(runtime, bundle, kind, *args):
    inside = kind == "startContainer"
    log = "/tmp/told" if inside else runtime.path / "told"
    done = bundle.rootfs / "tmp/done" if kind != "startContainer" else "/tmp/done"
    return hook(TELL, *args, env=[f"KIND={kind}", f"TO={log}", f"BUNDLE={bundle.path}", f"DONE={done}"])


def told(runtime, bundle):
    lines = []
    for file in (runtime.path / "told", bundle.rootfs / "tmp/told"):
        if file.exists():
            lines += map(json.loads, file.read_text().splitlines())
    return {line["kind"]: line for line in lines}


def with_hooks(runtime, **hooks):
    bundle = runtime.bundle().shell("echo >/tmp/done; exec sleep 1000")
    (bundle.rootfs / "tmp").chmod(0o777)
    bundle.config["hooks"] = hooks
    return bundle


def test_each_kind_sees_the_state_and_the_namespaces_of_its_point(runtime):
    bundle = with_hooks(runtime)
    bundle.config["annotations"] = {"org.example.key": "a \"value\""}
    bundle.config["hooks"] = {kind: [teller(runtime, bundle, kind, "zero", "one")] for kind in KINDS}
    os.environ["LEAKED"] = "1"
    try:
        name = runtime.create(bundle)
        assert set(told(runtime, bundle)) == set(OF_CREATE)
        pid, inside = runtime.pid(name), {}
        runtime.good("start", name)
        assert set(told(runtime, bundle)) == set(OF_CREATE + OF_START)
        assert runtime.pid(name) == pid
        inside = {space: os.readlink(f"/proc/{pid}/ns/{space}") for space in ("mnt", "net")}
        wait_for((bundle.rootfs / "tmp/done").exists, "the program")
        runtime.good("kill", name, "KILL")
        runtime.wait(name)
        assert "poststop" not in told(runtime, bundle)
        runtime.delete(name)
    finally:
        del os.environ["LEAKED"]
    lines = told(runtime, bundle)
    assert set(lines) == set(KINDS)
    for kind, line in lines.items():
        state = {"ociVersion": "1.3.0", "id": name, "bundle": str(bundle.path), "pid": pid,
                 "annotations": {"org.example.key": "a \"value\""},
                 "status": {"poststart": "running", "poststop": "stopped"}.get(kind, "created")}
        if kind == "poststop":
            del state["pid"]
        assert line["state"] == state, kind
        for space in ("mnt", "net"):
            own = os.readlink(f"/proc/self/ns/{space}")
            assert line[space] == (inside[space] if kind in INSIDE else own), (kind, space)
        assert (line["args"], line["env"]) == ("zero one", "0"), kind
        # createContainer runs before pivot_root, startContainer in the container's root.
        assert line["old"] == ("" if kind == "startContainer" else "yes"), kind
    assert not [kind for kind in OF_CREATE + ["startContainer"] if lines[kind]["program"]]
    assert lines["poststop"]["program"] == "ran"


def test_all_of_a_kind_run_in_the_listed_order(runtime):
    log = runtime.path / "order"
    bundle = with_hooks(runtime)
    for kind in KINDS:
        to = "/tmp/order" if kind == "startContainer" else log
        bundle.config["hooks"][kind] = [hook(f"echo {kind}{i} >>{to}") for i in range(3)]
    runtime.delete(runtime.start(bundle), "--force")
    assert log.read_text().split() == [f"{kind}{i}" for kind in KINDS for i in range(3) if kind != "startContainer"]
    assert (bundle.rootfs / "tmp/order").read_text().split() == [f"startContainer{i}" for i in range(3)]


def test_paths_are_the_runtimes_or_the_containers(runtime):
    """Only startContainer's is one of the image."""
    outside, image = runtime.path / "outside", "/opt/inside"
    bundle = with_hooks(runtime)
    (bundle.rootfs / "opt").mkdir()
    for program in (outside, bundle.rootfs / image[1:]):
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
    for kind in KINDS:
        good, bad = (image, str(outside)) if kind == "startContainer" else (str(outside), image)
        bundle.config["hooks"] = {kind: [{"path": good}]}
        runtime.delete(runtime.start(bundle), "--force")
        assert runtime.log() == []
        bundle.config["hooks"] = {kind: [{"path": bad}]}
        bundle.write()
        runtime.call("run", "-d", "-b", bundle.path, "x", stdout=None, stderr=None)
        if kind == "poststop":
            runtime.delete("x", "--force")
        assert [message for _, message in runtime.log()] == [
            f"hooks.{kind}[0] {bad}: it could not be executed: No such file or directory"]


def test_the_createcontainer_hook_sees_the_mounts_of_the_container_below_its_root(runtime):
    log = runtime.path / "mounts"
    bundle = with_hooks(runtime, createContainer=[hook(f"cat /proc/self/mountinfo >{log}")])
    runtime.delete(runtime.start(bundle), "--force")
    types = [line.split(" - ")[1].split()[0] for line in log.read_text().splitlines()]
    assert {"proc", "devpts", "sysfs", "tmpfs"} <= set(types)
    assert f"{bundle.path.name}/rootfs" in log.read_text()


ENDS = {
    "status": (hook("echo the reason >&2; exit 3"), "exit status 3"),
    "signal": (hook("kill -9 $$"), "killed by signal 9 (Killed)"),
    "timeout": (hook("exec sleep 100", timeout=1), "took longer than its timeout of 1 s"),
    "missing": ({"path": "/nosuch"}, "it could not be executed: No such file or directory"),
    "mode": ({"path": "/etc/passwd"}, "it could not be executed: Permission denied"),
}


def failing(runtime, kind, end):
    """The bundle, the message of it, and a file that the hooks behind it would make."""
    broken, message = ENDS[end]
    path = broken["path"]
    after = runtime.path / "after"
    where = "/tmp/after" if kind == "startContainer" else after
    bundle = with_hooks(runtime, **{kind: [broken, hook(f"echo >{where}")]})
    bundle.config["hooks"].setdefault("poststop", []).append(hook(f"echo poststop >>{runtime.path}/stopped"))
    if end == "status":
        message += ": the reason"
    return bundle, f"hooks.{kind}[0] {path}: {message}"


def has_gone_on(runtime, bundle):
    return (runtime.path / "after").exists() or (bundle.rootfs / "tmp/after").exists()


@pytest.mark.parametrize("end", sorted(ENDS))
@pytest.mark.parametrize("kind", OF_CREATE)
def test_a_failure_before_the_start_leaves_nothing(runtime, kind, end):
    bundle, message = failing(runtime, kind, end)
    bundle.write()
    begin = time.monotonic()
    done = runtime.call("create", "-b", bundle.path, "x")
    assert done.returncode == 1 and complaint(done.stderr) == message
    assert runtime.log() == [("error", message)]
    assert runtime.containers() == [] and cgroup_left(bundle) == []
    assert not has_gone_on(runtime, bundle) and not (bundle.rootfs / "tmp/done").exists()
    assert (runtime.path / "stopped").read_text() == "poststop\n"  # lifecycle, 12 and 13
    assert time.monotonic() - begin < 5


@pytest.mark.parametrize("end", sorted(ENDS))
@pytest.mark.parametrize("kind", OF_START)
def test_a_failure_at_the_start_stops_the_container(runtime, kind, end):
    bundle, message = failing(runtime, kind, end)
    name = runtime.create(bundle)
    assert runtime.bad("start", name) == message
    assert runtime.state(name)["status"] == "stopped"
    assert not has_gone_on(runtime, bundle)
    # A hook that fails at once may end the program before it has done anything.
    assert not (bundle.rootfs / "tmp/done").exists() or kind == "poststart"
    runtime.delete(name)
    assert (runtime.path / "stopped").read_text() == "poststop\n" and cgroup_left(bundle) == []


@pytest.mark.parametrize("kind", [kind for kind in OF_CREATE + OF_START])
def test_what_a_failing_hook_said_is_told_in_one_line_of_bounded_length(runtime, kind):
    """Programs of an image may write anything: control characters of terminals, lines that look like ours."""
    script = r"i=0; while [ $i -lt 3000 ]; do echo $i; i=$((i+1)); done >&2; printf 'a\nb\033[31mc\200\n\n' >&2; exit 3"
    bundle = with_hooks(runtime, **{kind: [hook(script)]})
    bundle.write()
    log = runtime.path / "stderr"
    with open(log, "wb") as file:
        runtime.call("run", "-b", bundle.path, "x", stdout=None, stderr=file)
    (level, message), = [line for line in runtime.log() if line[0] == "error"]
    before = f"hooks.{kind}[0] /bin/sh: exit status 3: "
    assert message.startswith(before) and message.endswith(" 2999 a b?[31mc?")
    assert 500 < len(message) - len(before) <= 512 and message.isprintable()
    assert b"\n0\n1\n2\n" in b"\n" + log.read_bytes(), "all of it is passed on"


@pytest.mark.parametrize("kind", INSIDE)
def test_a_hook_whose_stderr_nobody_reads_is_ended_in_time(runtime, kind):
    bundle = with_hooks(runtime, **{kind: [hook("yes >&2", timeout=1)]})
    bundle.write()
    reader, writer = os.pipe()
    begin = time.monotonic()
    process = subprocess.Popen(runtime.command("run", "-b", bundle.path, "x"), stdin=subprocess.DEVNULL, stderr=writer)
    os.close(writer)
    messages = []
    wait_for(lambda: messages.extend(runtime.log()) or messages, "the message", 15)
    while os.read(reader, 65536):
        pass
    os.close(reader)
    assert process.wait(20) == 1 and time.monotonic() - begin < 15
    assert ("error", f"hooks.{kind}[0] /bin/sh: took longer than its timeout of 1 s") in messages


@pytest.mark.parametrize("kind", OF_START)
def test_a_failure_at_the_start_of_a_run_leaves_nothing(runtime, kind):
    bundle, message = failing(runtime, kind, "status")
    done = runtime.run(bundle, "x")
    assert done.returncode == 1 and complaint(done.stderr) == message
    assert runtime.containers() == [] and cgroup_left(bundle) == []
    assert (runtime.path / "stopped").read_text() == "poststop\n"


@pytest.mark.parametrize("end", sorted(ENDS))
def test_a_failure_of_poststop_is_a_warning_and_the_rest_runs(runtime, end):
    bundle, message = failing(runtime, "poststop", end)
    runtime.delete(runtime.start(bundle), "--force")
    assert runtime.log() == [("warning", message)]
    assert has_gone_on(runtime, bundle) and runtime.containers() == [] and cgroup_left(bundle) == []
    assert (runtime.path / "stopped").read_text() == "poststop\n"


def test_hooks_may_take_their_time_and_leave_processes(runtime):
    """No timeout means none; a process that a hook leaves behind, with its streams, holds nobody up."""
    bundle = with_hooks(runtime)
    pids = runtime.path / "pids"
    for kind in ("prestart", "createRuntime", "poststart"):
        bundle.config["hooks"][kind] = [hook(f"sleep 100 & echo $! >>{pids}; sleep 0.1")]
    begin = time.monotonic()
    name = runtime.create(bundle)
    runtime.call("start", name, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # those are left to them, too
    assert 0.3 < time.monotonic() - begin < 5
    runtime.delete(name, "--force")
    for pid in map(int, pids.read_text().split()):
        os.kill(pid, 9)


def test_a_hook_that_does_not_read_its_state_holds_nobody_up(runtime):
    bundle = with_hooks(runtime)
    bundle.config["annotations"] = {f"k{i}": "x" * 4000 for i in range(50)}
    bundle.config["hooks"] = {kind: [hook("exit 0")] for kind in KINDS}
    runtime.delete(runtime.start(bundle), "--force")
    assert runtime.log() == []


@pytest.mark.parametrize("broken, message", [
    ({"path": "bin/sh"}, 'hooks.prestart[0].path: "bin/sh" is not an absolute path'),
    ({}, "hooks.prestart[0].path: is missing"), ({"path": "/bin/true", "timeout": 0}, None),
    ({"path": "/bin/true", "timeout": -1}, None), ({"path": "/bin/true", "args": "x"}, None),
])
def test_hooks_that_are_written_wrongly_are_found_before_anything_is_done(runtime, broken, message):
    bundle = with_hooks(runtime, prestart=[broken], createRuntime=[hook(f"echo >{runtime.path}/after")])
    bundle.write()
    said = runtime.bad("create", "-b", bundle.path, "x").removeprefix("config.json: ")
    assert said.startswith("hooks.prestart[0]") if message is None else said == message
    assert not has_gone_on(runtime, bundle) and runtime.containers() == []
