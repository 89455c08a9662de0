# SPDX-License-Identifier: Apache-2.0
"""What is said of a config that cannot be: one sentence, on stderr and in the log alike, and nothing is left."""
import os

import pytest
from runtime_bundle import cgroup_left, complaint, runtime  # noqa: F401 (a fixture)


def change(path, value):
    """A change of the config: the value at a path of keys ("..." of none: it is taken out)."""
    def apply(config):
        *way, last = path
        for key in way:
            config = config[key] if isinstance(config, list) else config.setdefault(key, {})
        if value is ...:
            del config[last]
        elif isinstance(config, list) and last == len(config):
            config.append(value)
        else:
            config[last] = value
    return apply


PROCESS, LINUX = ("process",), ("linux",)
MOUNT = ("mounts", 4)
CASES = {
    "no version": (change(("ociVersion",), ...), "ociVersion: is missing"),
    "no root": (change(("root",), ...),
        "root: is missing"),
    "no root path": (change(("root", "path"), ...), "root.path: is missing"),
    "root is nowhere": (change(("root", "path"), "nosuch"),
        "root.path {bundle}/nosuch: No such file or directory"),
    "root is a file": (change(("root", "path"), "config.json"),
        "root.path {bundle}/config.json: Not a directory"),
    "cwd relative": (change((*PROCESS, "cwd"), "tmp"), 'process.cwd: "tmp" is not an absolute path'),
    "cwd missing": (change((*PROCESS, "cwd"), ...), "process.cwd: is missing"),
    "no args": (change((*PROCESS, "args"), []),
        "process.args: is empty; name the program to run"),
    "args of numbers": (change((*PROCESS, "args"), [1]),
        "process.args[0]: must be a string"),
    "uid below 0": (change((*PROCESS, "user", "uid"), -1),
        "process.user.uid: -1 is not within 0..4294967294"),
    "uid of -1": (change((*PROCESS, "user", "uid"), 4294967295),
        "process.user.uid: 4294967295 is not within 0..4294967294"),
    "umask": (change((*PROCESS, "user", "umask"), 0o1000),
        "process.user.umask: 512 is not within 0..511"),
    "rlimit unknown": (change((*PROCESS, "rlimits"), [{"type": "RLIMIT_X", "soft": 1, "hard": 1}]),
        'process.rlimits[0].type: "RLIMIT_X" is not a limit of getrlimit(2)'),
    "rlimit twice": (change((*PROCESS, "rlimits"), [{"type": "RLIMIT_CORE", "soft": 1, "hard": 1}] * 2),
        "process.rlimits[1].type: RLIMIT_CORE is there twice"),
    "rlimit soft above hard": (change((*PROCESS, "rlimits"), [{"type": "RLIMIT_CORE", "soft": 2, "hard": 1}]),
        "process.rlimits[0].soft: 2 is more than hard, 1"),
    "oom score": (change((*PROCESS, "oomScoreAdj"), 1001),
        "process.oomScoreAdj: 1001 is not within -1000..1000"),
    "scheduler": (change((*PROCESS, "scheduler"), {"policy": "SCHED_X"}),
        'process.scheduler.policy: "SCHED_X" is not a policy that Linux has'),
    "deadline of nothing": (change((*PROCESS, "scheduler"), {"policy": "SCHED_DEADLINE"}),
                            'process.scheduler: set {"policy":"SCHED_DEADLINE"}: Invalid argument'),
    "io class": (change((*PROCESS, "ioPriority"), {"class": "IOPRIO_CLASS_X", "priority": 1}),
        'process.ioPriority.class: "IOPRIO_CLASS_X" is not one of IOPRIO_CLASS_RT, IOPRIO_CLASS_BE, IOPRIO_CLASS_IDLE'),
    "io priority": (change((*PROCESS, "ioPriority"), {"class": "IOPRIO_CLASS_BE", "priority": 8}),
        "process.ioPriority.priority: 8 is not within 0..7"),
    "affinity": (change((*PROCESS, "execCPUAffinity"), {"initial": "3-1"}),
        'process.execCPUAffinity.initial: "3-1" is not a list of numbers below 1024 as 0-3,7'),
    "personality": (change((*LINUX, "personality"), {"domain": "SOLARIS"}),
        'linux.personality.domain: "SOLARIS" is not LINUX or LINUX32'),
    "memory policy": (change((*LINUX, "memoryPolicy"), {"mode": "MPOL_X", "nodes": "0"}),
        'linux.memoryPolicy.mode: "MPOL_X" is not a mode of set_mempolicy(2)'),
    "memory node": (change((*LINUX, "memoryPolicy"), {"mode": "MPOL_BIND", "nodes": "63"}),
                    'linux.memoryPolicy: set {"mode":"MPOL_BIND","nodes":"63"}: Invalid argument'),
    "propagation": (change((*LINUX, "rootfsPropagation"), "public"),
        'linux.rootfsPropagation: "public" is not one of shared, slave, private, unbindable'),
    "masked relative": (change((*LINUX, "maskedPaths"), ["proc/kcore"]),
        'linux.maskedPaths[0]: "proc/kcore" is not an absolute path'),
    "ranges overlap": (change((*LINUX, "uidMappings"), [{"containerID": 0, "hostID": 1, "size": 9},
                                                        {"containerID": 8, "hostID": 99, "size": 1}]),
        "linux.uidMappings[1]: overlaps with linux.uidMappings[0]"),
    "mount without destination": (change(MOUNT, {"type": "tmpfs"}), "mounts[4].destination: is missing"),
    "bind of nothing": (change(MOUNT, {"destination": "/x", "type": "bind", "source": "/nosuch", "options": ["bind"]}),

        "mount /x: source /nosuch does not exist"),
    "file system unknown": (change(MOUNT, {"destination": "/x", "type": "nofs", "source": "x"}),
        "mount /x (nofs): No such device"),
    "option unknown": (change(MOUNT, {"destination": "/x", "type": "tmpfs", "source": "x", "options": ["nooption=1"]}),

        "mount /x (tmpfs, nooption=1): Invalid argument"),
    "seccomp action": (change((*LINUX, "seccomp"), {"defaultAction": "SCMP_ACT_X"}),
        'linux.seccomp.defaultAction: "SCMP_ACT_X" is not an action of config-linux.md'),
    "intelRdt": (change((*LINUX, "intelRdt"), {"closID": "x"}),
        "linux.intelRdt: this runtime has no support for Intel RDT"),
    "device type": (change((*LINUX, "devices"), [{"path": "/dev/x", "type": "z", "major": 1, "minor": 1}]),
        'linux.devices[0].type: "z" is not one of c, b, u, p'),
    "hook relative": (change(("hooks",), {"prestart": [{"path": "x"}]}),
        'hooks.prestart[0].path: "x" is not an absolute path'),
    "time offset without namespace": (change((*LINUX, "timeOffsets"), {"monotonic": {"secs": 1}}),
        "linux.timeOffsets: needs a new time namespace in linux.namespaces"),
}


@pytest.mark.parametrize("case", sorted(CASES))
def test_one_sentence_and_nothing_left(runtime, case):
    apply, sentence = CASES[case]
    bundle = runtime.bundle()
    apply(bundle.config)
    bundle.write()
    for verb in ("create", "run"):
        done = runtime.call(verb, "-b", bundle.path, "x")
        assert done.returncode == 1 and done.stdout == ""
        message = complaint(done.stderr)
        assert runtime.log() == [("error", message)]
        assert message.removeprefix("config.json: ") == sentence.replace("{bundle}", str(bundle.path))
        assert runtime.containers() == [] and cgroup_left(bundle) == []


@pytest.mark.parametrize("text, words", [
    ("", "config.json"), ("[]", "config.json"), ("{", "config.json: line 1, column "), ('{"a": 1, "a": 2}', "config.json: line 1, column "),
    ("null", "config.json"), ("[" * 5000, "config.json"), ("{" + " " * (8 << 20) + "}", "config.json"),
], ids=["empty", "list", "cut", "twice", "null", "deep", "large"])
def test_what_is_no_config_at_all(runtime, text, words):
    bundle = runtime.bundle()
    (bundle.path / "config.json").write_text(text)
    message = runtime.bad("create", "-b", bundle.path, "x")
    assert words in message and "\n" not in message
    assert runtime.containers() == []


def test_no_bundle_and_no_config(runtime):
    bundle = runtime.bundle()
    assert runtime.bad("create", "-b", bundle.path, "x") == f"open {bundle.path}/config.json: No such file or directory"
    assert runtime.bad("create", "-b", "/nosuch", "x") == "bundle /nosuch: No such file or directory"
    os.mkfifo(bundle.path / "config.json")
    os.chmod(bundle.path / "config.json", 0o600)
    directory = runtime.path / "directory"
    (directory / "config.json").mkdir(parents=True)
    assert runtime.bad("create", "-b", directory, "x") == f"{directory}/config.json: not a regular file"


def test_a_failed_create_leaves_the_name_free(runtime):
    bundle = runtime.bundle()
    bundle.process["cwd"] = "/etc/passwd"
    bundle.write()
    runtime.bad("create", "-b", bundle.path, "x")
    bundle.process["cwd"] = "/"
    assert runtime.create(bundle, "x") == "x"
