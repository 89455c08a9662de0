# SPDX-License-Identifier: Apache-2.0
"""Further processes in a container, and the container's life (runtime-spec runtime.md), by the real program."""
import json
import os
import subprocess

import pytest
from runtime_bundle import PATH, cgroup_left, runtime, wait_for  # noqa: F401 (a fixture)

FAILED = "exec failed: "


def web_container(runtime):
    bundle = runtime.bundle()
    bundle.process.update(env=[PATH, "A=1", "B=2"], cwd="/tmp", user={"uid": 33, "gid": 33, "additionalGids": [7]},
                          capabilities={"bounding": ["CAP_KILL"]}, noNewPrivileges=True)
    bundle.linux["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": 99}]}
    return bundle, runtime.sleeper(bundle)


def failure(runtime, *arguments, flags=()):
    done = runtime.exec(*arguments, flags=flags)
    message = done.stderr.strip().removeprefix("container-runtime: ")
    assert done.returncode == 255 and runtime.log()[-1:] == [("error", message)]
    return message.removeprefix(FAILED)


# ---- what an exec has ----

def test_exec_has_what_the_container_has_unless_told_otherwise(runtime):
    _, name = web_container(runtime)
    script = "pwd; id -u; id -g; id -G; grep -E '^(CapBnd|NoNewPrivs|Seccomp):' /proc/self/status; mkdir x; echo $?"
    done = runtime.exec(name, "sh", "-c", script)
    assert done.stdout.split() == ["/tmp", "33", "33", "33", "7", "CapBnd:", "0" * 14 + "20", "NoNewPrivs:", "1",
                                   "Seccomp:", "2", "1"]
    assert "Cannot assign requested address" in done.stderr
    done = runtime.exec(name, "sh", "-c", "pwd; id -u; id -g; id -G", flags=["-u", "1:2", "--cwd", "/etc", "-g", "9"])
    assert done.stdout.split() == ["/etc", "1", "2", "2", "7", "9"]


def test_environment_of_an_exec_is_merged(runtime):
    _, name = web_container(runtime)
    env = runtime.exec(name, "env", flags=["-e", "A=9", "-e", "C=x y"]).stdout.splitlines()
    assert [line for line in env if line.startswith("B=")] == ["B=2"] and "C=x y" in env and "HOME=/var/www" in env
    assert runtime.exec(name, "sh", "-c", "echo $A", flags=["-e", "A=9"]).stdout == "9\n"
    assert "HOME=/root" in runtime.exec(name, "env", flags=["-u", "0"]).stdout.splitlines()


def test_capabilities_and_no_new_privileges_of_an_exec(runtime):
    name = runtime.sleeper(runtime.bundle())
    show = ("grep", "-E", "^(CapEff|CapBnd|NoNewPrivs)", "/proc/self/status")
    assert runtime.exec(name, *show).stdout.split()[1::2] == ["0" * 16, "0" * 16, "0"]
    given = runtime.exec(name, *show, flags=["--cap", "CAP_CHOWN", "--no-new-privs"]).stdout.split()[1::2]
    assert given == ["0" * 15 + "1", "0" * 15 + "1", "1"]


def test_process_from_a_file(runtime):
    _, name = web_container(runtime)
    process = runtime.path / "process.json"
    process.write_text(json.dumps({"args": ["sh", "-c", "id -u; id -g; pwd; echo $X; umask"], "cwd": "/etc",
                                   "user": {"uid": 4, "gid": 5, "umask": 0o027}, "env": ["PATH=/bin", "X=y"],
                                   "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 9, "hard": 9}]}))
    assert runtime.good("exec", "--process", process, name).split() == ["4", "5", "/etc", "y", "0027"]
    process.write_text('{"args": [], "cwd": "/"}')
    assert failure(runtime, name, flags=["--process", process]).startswith("process.args")
    process.write_text("{")
    assert str(process) in failure(runtime, name, flags=["--process", process])


def test_no_descriptor_of_the_runtime_is_in_an_exec(runtime):
    name = runtime.sleeper(runtime.bundle())
    assert runtime.inside(name, "ls /proc/$$/fd; true").split() == ["0", "1", "2"]


def test_exec_is_in_the_containers_cgroup(runtime):
    bundle = runtime.bundle().without("cgroup")
    name = runtime.sleeper(bundle)
    own = runtime.inside(name, "cat /proc/1/cgroup")
    assert bundle.linux["cgroupsPath"] in own and runtime.inside(name, "cat /proc/self/cgroup") == own


# ---- how it ends ----

@pytest.mark.parametrize("script, status", [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137), ("kill -TERM $$", 143)])
def test_status_of_an_exec(runtime, script, status):
    name = runtime.sleeper(runtime.bundle())
    before = runtime.state(name)
    assert runtime.exec(name, "sh", "-c", script).returncode == status
    assert runtime.state(name) == before


@pytest.mark.parametrize("command, flags, reason", [
    (["nosuch"], [], "exec nosuch: no such program in the image (executable file not found in $PATH: No such file or "
     "directory)"),
    (["/etc/passwd"], [], "exec /etc/passwd: Permission denied"),
    (["true"], ["--cwd", "/nosuch/x"], "process.cwd: working directory /nosuch/x: No such file or directory"),
    (["true"], ["--cwd", "etc"], 'process.cwd: "etc" is not an absolute path'),
    ([], [], "exec args cannot be empty: which program shall run?"),
])
def test_an_exec_that_cannot_be(runtime, command, flags, reason):
    name = runtime.sleeper(runtime.bundle())
    before = runtime.state(name)
    assert failure(runtime, name, *command, flags=flags) == reason
    assert runtime.state(name) == before


def test_a_detached_exec(runtime):
    name = runtime.sleeper(runtime.bundle())
    file = runtime.path / "pid"
    runtime.good("exec", "-d", "--pid-file", file, name, "sleep", "777", stdout=subprocess.DEVNULL,
                 stderr=subprocess.DEVNULL)
    pid = int(file.read_text())
    assert open(f"/proc/{pid}/cmdline").read() == "sleep\x00777\x00"
    assert os.readlink(f"/proc/{pid}/ns/pid") == os.readlink(f"/proc/{runtime.pid(name)}/ns/pid")
    assert runtime.state(name)["status"] == "running"
    os.kill(pid, 9)
    os.waitpid(pid, 0)


def test_exec_depends_on_what_the_container_does(runtime):
    bundle = runtime.bundle()
    bundle.process["args"] = ["sleep", "1000"]
    name = runtime.create(bundle)
    assert runtime.inside(name, "echo early") == "early\n"
    assert runtime.state(name)["status"] == "created"
    runtime.good("start", name)
    runtime.good("pause", name)
    assert failure(runtime, name, "true") == ("cannot exec in a paused container (use --ignore-paused to override): "
                                              f'"{name}"')
    assert runtime.state(name)["status"] == "paused"
    runtime.good("resume", name)
    assert runtime.inside(name, "echo again") == "again\n"
    runtime.good("kill", name, "KILL")
    runtime.wait(name)
    assert failure(runtime, name, "true") == f'cannot exec in a stopped container: "{name}"'
    assert "container does not exist" in failure(runtime, "nosuch", "true")


# ---- the life of a container ----

def test_state_at_each_point(runtime):
    bundle = runtime.bundle()
    bundle.config["annotations"] = {"a": "b"}
    bundle.process["args"] = ["sleep", "1000"]
    name = runtime.create(bundle)
    state = runtime.state(name)
    wanted = {"ociVersion": "1.3.0", "id": name, "bundle": str(bundle.path), "annotations": {"a": "b"}}
    assert {key: state[key] for key in wanted} == wanted and state["status"] == "created"
    assert os.path.exists(f"/proc/{state['pid']}")
    # All is made, but the program does not run yet.
    assert b"sleep" not in open(f"/proc/{state['pid']}/cmdline", "rb").read()
    runtime.good("start", name)
    assert runtime.state(name) == {**state, "status": "running"}
    wait_for(lambda: open(f"/proc/{state['pid']}/cmdline").read() == "sleep\x001000\0", "the program")
    runtime.good("pause", name)
    assert runtime.state(name) == {**state, "status": "paused"}
    runtime.good("resume", name)
    runtime.good("kill", name, "KILL")
    runtime.wait(name)
    assert runtime.state(name) == {**state, "status": "stopped", "pid": 0}
    runtime.delete(name)
    assert "container does not exist" in runtime.bad("state", name)
    assert cgroup_left(bundle) == []
    assert runtime.create(bundle, name) == name  # the name is free again


def test_a_config_that_changes_after_create_changes_nothing(runtime):
    bundle = runtime.bundle().shell("echo first; hostname; exec sleep 1000")
    bundle.config["hostname"] = "first"
    name = runtime.create(bundle)
    bundle.config["hostname"] = "second"
    bundle.shell("echo second").write()
    runtime.good("start", name)
    wait_for(lambda: runtime.output(name) == "first\nfirst\n", "the program's words")
    (bundle.path / "config.json").unlink()
    assert runtime.inside(name, "hostname") == "first\n"


def test_start_is_for_created_containers_alone(runtime):
    name = runtime.sleeper(runtime.bundle())
    assert runtime.bad("start", name) == f'cannot start an already running container: "{name}" is running'
    assert runtime.state(name)["status"] == "running"
    runtime.good("kill", name, "KILL")
    runtime.wait(name)
    assert runtime.bad("start", name) == f'cannot start a container that has stopped: "{name}"'
    assert "container does not exist" in runtime.bad("start", "nosuch")


def test_a_process_is_needed_for_start_alone(runtime):
    bundle = runtime.bundle()
    del bundle.config["process"]
    name = runtime.create(bundle)
    assert runtime.bad("start", name) == "process: is missing; without it nothing can be started"
    assert runtime.state(name)["status"] == "created"  # an error leaves things as they were
    runtime.good("kill", name, "KILL")
    runtime.wait(name)
    runtime.delete(name)


def test_kill_is_for_created_and_running_containers(runtime):
    bundle = runtime.bundle().shell("trap 'echo usr1' USR1; trap 'echo term; exit 0' TERM; echo ready; "
                                    "while :; do sleep 0.02; done")
    name = runtime.start(bundle)
    wait_for(lambda: "ready" in runtime.output(name), "the traps")
    for signal in ("USR1", "SIGUSR1", "10", "usr1"):
        runtime.good("kill", name, signal)
        wait_for(lambda: "usr1" in runtime.output(name), signal)
        (runtime.path / f"{name}.out").write_text("")
    runtime.good("kill", name)
    runtime.wait(name)
    assert "term" in runtime.output(name)
    assert runtime.bad("kill", name) == f'container not running: "{name}"'
    assert runtime.bad("kill", name, "NOSUCH").startswith('unknown signal "NOSUCH"')
    other = runtime.create(bundle)
    runtime.good("kill", other, "KILL")
    runtime.wait(other)


@pytest.mark.parametrize("status", ["created", "running", "paused"])
def test_delete_is_for_stopped_containers_alone(runtime, status):
    bundle = runtime.bundle()
    bundle.process["args"] = ["sleep", "1000"]
    name = runtime.create(bundle)
    if status != "created":
        runtime.good("start", name)
    if status == "paused":
        runtime.good("pause", name)
    message = runtime.bad("delete", name)
    assert message == f"cannot delete container {name} that is not stopped: {status}; kill it first, or use --force"
    assert runtime.state(name)["status"] == status
    pid = runtime.pid(name)
    runtime.delete(name, "--force")
    assert runtime.containers() == [] and cgroup_left(bundle) == []
    wait_for(lambda: not open(f"/proc/{pid}/cmdline").read() if os.path.exists(f"/proc/{pid}") else True, "its end")


def test_delete_of_none(runtime):
    assert "container does not exist" in runtime.bad("delete", "nosuch")
    runtime.delete("nosuch", "--force")


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a b", "x" * 1025, "ä", "a\nb"])
def test_names_that_are_none(runtime, name):
    bundle = runtime.bundle()
    bundle.write()
    done = runtime.call("create", "-b", bundle.path, "--", name)
    assert done.returncode == 1 and done.stderr.startswith("container-runtime: "), done
    assert runtime.containers() == []


def test_a_name_is_taken_once(runtime):
    name = runtime.sleeper(runtime.bundle())
    other = runtime.bundle()
    other.write()
    assert f'"{name}"' in runtime.bad("create", "-b", other.path, name)
    assert runtime.state(name)["status"] == "running" and cgroup_left(other) == []
