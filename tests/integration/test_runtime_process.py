# SPDX-License-Identifier: Apache-2.0
"""What a container's process is and has: every clause of "process" (runtime-spec config.md), by the real program."""
import json
import os
import resource

import pytest
from runtime_bundle import PATH, runtime  # noqa: F401 (a fixture)

WEB = {"uid": 33, "gid": 33}
CAPABILITY_SETS = ("bounding", "effective", "inheritable", "permitted", "ambient")
CAPS = {"CapInh": "inheritable", "CapPrm": "permitted", "CapEff": "effective", "CapBnd": "bounding",
        "CapAmb": "ambient"}
CHOWN, KILL, NET_BIND = 1 << 0, 1 << 5, 1 << 10


def with_process(runtime, *args, **process):
    bundle = runtime.bundle()
    bundle.process.update(args=list(args), **process)
    return bundle


# ---- env, cwd, args ----

@pytest.mark.parametrize("user, env, seen", [
    ({"uid": 0, "gid": 0}, ["A=1", "B=x y", PATH], {"A=1", "B=x y", "HOME=/root"}),
    (WEB, [PATH], {"HOME=/var/www"}),
    (WEB, [PATH, "HOME=/given"], {"HOME=/given"}),
    ({"uid": 99, "gid": 99}, [PATH], {"HOME=/"}),
    ({"uid": 99, "gid": 99}, ["A=1", "A=2", PATH], {"A=1", "A=2", "HOME=/"}),
])
def test_environment_is_as_given_with_the_home_of_the_image(runtime, user, env, seen):
    out = runtime.out(with_process(runtime, "/bin/env", user=user, env=env)).splitlines()
    assert sorted(out) == sorted(seen | {PATH})


def test_no_environment_at_all(runtime):
    bundle = with_process(runtime, "env")
    del bundle.process["env"]
    assert runtime.out(bundle) == "HOME=/root\n"


def test_working_directory_is_made_if_it_is_missing(runtime):
    script = "pwd; stat -c '%u:%g %a' ."
    bundle = with_process(runtime, "sh", "-c", script, cwd="/made/deep", user=WEB)
    assert runtime.out(bundle) == "/made/deep\n0:0 755\n"
    assert (bundle.rootfs / "made/deep").is_dir()


@pytest.mark.parametrize("prepare, cwd, reason", [
    (lambda root: None, "/etc/passwd", "Not a directory"),
    (lambda root: (root / "secret").mkdir(mode=0o700), "/secret", "Permission denied"),
    (lambda root: (root / "loop").symlink_to("loop"), "/loop", "Too many levels of symbolic links"),
])
def test_a_working_directory_that_cannot_be_entered_is_an_error(runtime, prepare, cwd, reason):
    bundle = with_process(runtime, "true", cwd=cwd, user=WEB)
    prepare(bundle.rootfs)
    bundle.write()
    assert runtime.bad("run", "-b", bundle.path, "x") == f"process.cwd: working directory {cwd}: {reason}"
    assert runtime.containers() == []


def test_program_is_looked_for_in_the_containers_path(runtime):
    bundle = with_process(runtime, "tool", env=["PATH=/none:/etc/passwd:/opt/a:/opt/b"])
    for directory, mode in (("a", 0o644), ("b", 0o755)):
        tool = bundle.rootfs / "opt" / directory / "tool"
        tool.parent.mkdir(parents=True)
        tool.write_text(f"#!/bin/sh\necho {directory} $0 $#\n")
        tool.chmod(mode)
    assert runtime.out(bundle) == "b /opt/b/tool 0\n"
    bundle.process.update(args=["opt/b/tool", "1", ""])
    assert runtime.out(bundle) == "b opt/b/tool 2\n"


@pytest.mark.parametrize("program, reason, is_found_late", [
    ("nosuch", "no such program in the image (executable file not found in $PATH: No such file or directory)", False),
    ("/nosuch", "no such program in the image (executable file not found in $PATH: No such file or directory)", False),
    ("/etc/passwd", "Permission denied", False), ("/etc", "Permission denied", False),
    ("/garbage", "Exec format error", True),
])
def test_a_program_that_cannot_be_executed(runtime, program, reason, is_found_late):
    bundle = with_process(runtime, program)
    garbage = bundle.rootfs / "garbage"
    garbage.write_bytes(b"\1\2\3\4" * 99)
    garbage.chmod(0o755)
    bundle.write()
    assert runtime.bad("run", "-b", bundle.path, "x") == f"exec {program}: {reason}"
    assert runtime.log() == [("error", f"exec {program}: {reason}")]
    assert runtime.containers() == []
    if not is_found_late:
        assert runtime.bad("create", "-b", bundle.path, "y") == f"exec {program}: {reason}"
        assert runtime.containers() == []
        return
    # What only execve(2) can tell ends a container that is there.
    runtime.create(bundle, "y")
    assert runtime.bad("start", "y") == f"exec {program}: {reason}"
    assert runtime.state("y")["status"] == "stopped"


@pytest.mark.parametrize("script, status", [("exit 0", 0), ("exit 7", 7), ("exit 255", 255)])
def test_exit_status_is_passed_on(runtime, script, status):
    assert runtime.run(runtime.bundle().shell(script)).returncode == status


def test_an_end_by_a_signal_is_128_and_its_number(runtime):
    bundle = runtime.bundle().without("pid").shell("kill -9 $$")
    assert runtime.run(bundle).returncode == 137


# ---- the user ----

def test_umask_is_as_given_and_else_the_callers(runtime):
    assert runtime.out(with_process(runtime, "sh", "-c", "umask", user={**WEB, "umask": 0o077})) == "0077\n"
    assert runtime.out(with_process(runtime, "sh", "-c", "umask", user={**WEB, "umask": 0})) == "0000\n"
    assert runtime.out(with_process(runtime, "sh", "-c", "umask"), umask=0o037) == "0037\n"


def test_user_and_all_groups(runtime):
    bundle = with_process(runtime, "grep", "-E", "^(Uid|Gid|Groups)", "/proc/self/status",
                          user={"uid": 33, "gid": 44, "additionalGids": [5, 77, 4294967294]})
    lines = [line.split() for line in runtime.out(bundle).splitlines()]
    assert lines == [["Uid:"] + ["33"] * 4, ["Gid:"] + ["44"] * 4, ["Groups:", "5", "77", "4294967294"]]


def test_no_group_of_the_runtime_is_left(runtime):
    bundle = with_process(runtime, "grep", "Groups", "/proc/self/status", user=WEB)
    assert runtime.out(bundle, extra_groups=[1, 2, 3]).split() == ["Groups:"]


# ---- limits ----

def limits(runtime, *rlimits, **process):
    bundle = with_process(runtime, "cat", "/proc/self/limits", **process,
                          rlimits=[{"type": f"RLIMIT_{kind}", "soft": soft, "hard": hard} for kind, soft, hard in rlimits])
    lines = [(line[:26].strip(), *line[26:].split()[:2]) for line in runtime.out(bundle).splitlines()[1:]]
    return {name: (soft, hard) for name, soft, hard in lines}


def test_resource_limits(runtime):
    infinity = 2**64 - 1
    seen = limits(runtime, ("CORE", 0, infinity), ("NOFILE", 100, 200), ("STACK", 1 << 20, infinity), ("NPROC", 50, 60))
    assert seen["Max core file size"] == ("0", "unlimited")
    assert seen["Max open files"] == ("100", "200")
    assert seen["Max stack size"] == (str(1 << 20), "unlimited")
    assert seen["Max processes"] == ("50", "60")
    assert runtime.warnings() == []


def can(capability):
    status = open("/proc/self/status").read()
    return int(status.split("CapBnd:")[1].split()[0], 16) >> capability & 1


@pytest.mark.skipif(can(24), reason="with CAP_SYS_RESOURCE every limit can rise")
@pytest.mark.parametrize("in_user_namespace", [False, True])
def test_a_limit_that_cannot_rise_is_a_warning_that_names_both(runtime, in_user_namespace):
    bundle = with_process(runtime, "sh", "-c", "ulimit -n; ulimit -Hn",
                          rlimits=[{"type": "RLIMIT_NOFILE", "soft": 50, "hard": 1 << 20}])
    if in_user_namespace:
        bundle.user_namespace()
    hard = min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], 4096)

    def lower():
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    assert runtime.out(bundle, preexec_fn=lower) == f"50\n{hard}\n"
    assert runtime.warnings() == [f"process.rlimits: RLIMIT_NOFILE: hard limit 1048576 cannot be set: "
                                  f"Operation not permitted ({hard} stays in force)"]


def test_oom_score(runtime):
    show = ("cat", "/proc/self/oom_score_adj")
    own = open("/proc/self/oom_score_adj").read()
    assert runtime.out(with_process(runtime, *show)) == own
    assert runtime.out(with_process(runtime, *show, oomScoreAdj=500)) == "500\n"
    assert runtime.warnings() == []


@pytest.mark.skipif(can(24), reason="with CAP_SYS_RESOURCE every score can be set")
def test_an_oom_score_that_cannot_be_set_is_a_warning_that_names_both(runtime):
    own = open("/proc/self/oom_score_adj").read()
    assert runtime.out(with_process(runtime, "cat", "/proc/self/oom_score_adj", oomScoreAdj=-999)) == own
    assert runtime.warnings() == [f"process.oomScoreAdj: -999 cannot be set: Permission denied "
                                  f"({own.strip()} stays in force)"]


# ---- capabilities ----

def capabilities(runtime, sets, **process):
    bundle = with_process(runtime, "grep", "^Cap", "/proc/self/status", **process,
                          capabilities={name: list(sets.get(name, [])) for name in CAPABILITY_SETS})
    lines = [line.split() for line in runtime.out(bundle).splitlines()]
    return {CAPS[name.rstrip(":")]: int(value, 16) for name, value in lines}


@pytest.mark.parametrize("user, sets, seen", [
    # capabilities(7), "Transformation of capabilities during execve()": root has what the bounding set allows ...
    ({"uid": 0, "gid": 0}, {"bounding": ["CAP_KILL", "CAP_CHOWN"], "permitted": ["CAP_KILL"], "effective": ["CAP_KILL"]},
     {"bounding": KILL | CHOWN, "permitted": KILL | CHOWN, "effective": KILL | CHOWN, "inheritable": 0, "ambient": 0}),
    # ... and another user what is ambient.
    (WEB, {name: ["CAP_KILL"] for name in ("bounding", "permitted", "effective")},
     {"bounding": KILL, "permitted": 0, "effective": 0, "inheritable": 0, "ambient": 0}),
    (WEB, {name: ["CAP_NET_BIND_SERVICE"] for name in CAPABILITY_SETS},
     {name: NET_BIND for name in CAPABILITY_SETS}),
    (WEB, {"bounding": ["CAP_KILL", "CAP_CHOWN"], "inheritable": ["CAP_CHOWN"], "permitted": ["CAP_CHOWN"]},
     {"bounding": KILL | CHOWN, "permitted": 0, "effective": 0, "inheritable": CHOWN, "ambient": 0}),
    ({"uid": 0, "gid": 0}, {}, {name: 0 for name in CAPABILITY_SETS}),
])
def test_capabilities(runtime, user, sets, seen):
    assert capabilities(runtime, sets, user=user) == seen
    assert runtime.warnings() == []


def test_no_new_privileges_keeps_root_to_the_permitted_set(runtime):
    sets = {"bounding": ["CAP_KILL", "CAP_CHOWN"], "permitted": ["CAP_KILL"], "effective": ["CAP_KILL"]}
    seen = capabilities(runtime, sets, noNewPrivileges=True)
    assert (seen["bounding"], seen["permitted"], seen["effective"]) == (KILL | CHOWN, KILL, KILL)


def test_capabilities_that_are_not_known_or_not_granted_are_warnings(runtime):
    lacking = next((c for c in (24, 17, 16) if not can(c)), None)
    names = {24: "CAP_SYS_RESOURCE", 17: "CAP_SYS_RAWIO", 16: "CAP_SYS_MODULE"}
    asked = ["CAP_KILL", "CAP_NOSUCH"] + ([names[lacking]] if lacking else [])
    seen = capabilities(runtime, {name: asked for name in ("bounding", "effective", "permitted")})
    assert seen["effective"] == KILL
    warnings = ["process.capabilities: CAP_NOSUCH is not known and left out"]
    if lacking:
        warnings.append(f"process.capabilities: {names[lacking]} cannot be granted: the runtime does not have it itself")
    assert runtime.warnings() == warnings


# ---- no_new_privs and seccomp ----

def denying(*calls, errno=1):
    return {"defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{"names": list(calls), "action": "SCMP_ACT_ERRNO", "errnoRet": errno}]}


@pytest.mark.parametrize("no_new_privileges", [True, False])
@pytest.mark.parametrize("user", [{"uid": 0, "gid": 0}, WEB])
def test_the_filter_is_last(runtime, no_new_privileges, user):
    """It denies every call that a runtime makes on the way; only the program meets it."""
    bundle = with_process(runtime, "sh", "-c", "grep -E '^(NoNewPrivs|Seccomp|CapPrm):' /proc/self/status; mkdir /tmp/x",
                          noNewPrivileges=no_new_privileges, user=user)
    bundle.linux["seccomp"] = denying("getcwd", "prctl", "capset", "setresuid", "setgroups", "umask", "mkdir", "chdir",
                                      "setsid", "sendmsg", "recvfrom", "accept4", "close_range", "fcntl", "dup3",
                                      "mount", "setns", "keyctl", "poll", "sendto", errno=99)
    done = runtime.run(bundle)
    assert done.stdout.split() == ["CapPrm:", "0" * 16, "NoNewPrivs:", str(int(no_new_privileges)), "Seccomp:", "2"]
    assert "can't create directory '/tmp/x': Cannot assign requested address" in done.stderr


def test_an_allow_list_of_what_a_shell_needs(runtime):
    """As Docker's profile: everything else fails, execve(2) itself is on the list."""
    calls = ("execve read write close fstat stat lstat poll mmap mprotect munmap brk rt_sigaction rt_sigprocmask ioctl "
             "access dup2 getpid fork vfork clone exit wait4 uname fcntl getcwd getuid geteuid getgid getegid getppid "
             "arch_prctl set_tid_address set_robust_list rseq prlimit64 readlink readlinkat getrandom exit_group open "
             "openat newfstatat dup getrlimit prctl futex setuid setgid").split()
    bundle = with_process(runtime, "sh", "-c", "echo works; mkdir /tmp/x", noNewPrivileges=True)
    bundle.linux["seccomp"] = {"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38,
                               "syscalls": [{"names": calls, "action": "SCMP_ACT_ALLOW"}]}
    done = runtime.run(bundle)
    assert done.stdout == "works\n" and "Function not implemented" in done.stderr


# ---- scheduling ----

@pytest.mark.parametrize("scheduler, seen", [
    ({"policy": "SCHED_OTHER", "nice": 7}, "0 7"), ({"policy": "SCHED_BATCH", "nice": 3}, "3 3"),
    ({"policy": "SCHED_IDLE"}, f"5 {os.nice(0)}"), ({"policy": "SCHED_BATCH", "flags": ["SCHED_FLAG_RESET_ON_FORK"]}, "1073741827 0"),
])
def test_scheduler(runtime, scheduler, seen):
    bundle = runtime.bundle().python("import os; print(os.sched_getscheduler(0), os.nice(0))")
    bundle.process["scheduler"] = scheduler
    assert runtime.out(bundle).strip() == seen


@pytest.mark.parametrize("kind, priority, seen", [
    ("IOPRIO_CLASS_BE", 6, "best-effort: prio 6"), ("IOPRIO_CLASS_IDLE", 0, "idle"),
    ("IOPRIO_CLASS_RT", 2, "realtime: prio 2"),
])
def test_io_priority(runtime, kind, priority, seen):
    bundle = with_process(runtime, "ionice", ioPriority={"class": kind, "priority": priority})
    assert runtime.out(bundle).strip() == seen


@pytest.mark.parametrize("key, value", [
    ("scheduler", {"policy": "SCHED_FIFO", "priority": 10}), ("ioPriority", {"class": "IOPRIO_CLASS_RT", "priority": 1}),
])
def test_what_root_of_a_user_namespace_may_not(runtime, key, value):
    """The message has the key and the value, as the config has it."""
    bundle = with_process(runtime, "true", **{key: value}).user_namespace()
    shown = json.dumps(value, separators=(",", ":"))
    bundle.write()
    assert runtime.bad("run", "-b", bundle.path, "x") == f"process.{key}: set {shown}: Operation not permitted"


@pytest.mark.parametrize("which", ["initial", "final"])
def test_a_processor_that_is_not_there(runtime, which):
    name = runtime.sleeper(with_process(runtime, "true", execCPUAffinity={which: "1000-1001"}))
    message = runtime.bad("exec", name, "true")
    assert message == f'exec failed: process.execCPUAffinity: set {{"{which}":"1000-1001"}}: Invalid argument'


def test_cpu_affinity_is_that_of_an_exec_alone(runtime):
    show = ("grep", "Cpus_allowed_list", "/proc/self/status")
    cpus = sorted(os.sched_getaffinity(0))
    last = str(cpus[-1])
    bundle = with_process(runtime, *show, execCPUAffinity={"initial": last, "final": last})
    allowed = open("/proc/self/status").read().split("Cpus_allowed_list:")[1].split()[0]
    assert runtime.out(bundle).split()[1] == allowed
    name = runtime.sleeper(bundle)
    assert runtime.exec(name, *show).stdout.split()[1] == last


# ---- labels, personality, memory policy ----

@pytest.mark.skipif(os.path.exists("/sys/fs/selinux/enforce") or os.path.exists("/sys/kernel/security/apparmor"),
                    reason="an LSM takes labels here")
def test_labels_are_a_warning_where_there_is_no_lsm(runtime):
    bundle = with_process(runtime, "true", apparmorProfile="acme", selinuxLabel="system_u:system_r:svirt_t:s0")
    bundle.linux["mountLabel"] = "system_u:object_r:svirt_file_t:s0"
    assert runtime.out(bundle) == ""
    assert runtime.warnings() == [
        "process.apparmorProfile: acme is not set: AppArmor is off on this machine",
        "process.selinuxLabel: system_u:system_r:svirt_t:s0 is not set: SELinux is off on this machine",
        "linux.mountLabel: system_u:object_r:svirt_file_t:s0 is not set: SELinux is off on this machine"]


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the names are those of x86-64")
@pytest.mark.parametrize("domain, seen", [("LINUX32", "i686"), ("LINUX", "x86_64")])
def test_personality(runtime, domain, seen):
    bundle = with_process(runtime, "uname", "-m")
    bundle.linux["personality"] = {"domain": domain}
    assert runtime.out(bundle).strip() == seen
    bundle.linux["seccomp"] = denying("mkdir")  # compiled for the machine's own calls
    assert runtime.out(bundle).strip() == seen


@pytest.mark.parametrize("policy, seen", [
    ({"mode": "MPOL_BIND", "nodes": "0"}, "bind:0"), ({"mode": "MPOL_INTERLEAVE", "nodes": "0"}, "interleave:0"),
    ({"mode": "MPOL_PREFERRED", "nodes": "0"}, "prefer:0"), ({"mode": "MPOL_LOCAL"}, "local"),
    ({"mode": "MPOL_DEFAULT"}, "default"),
])
def test_memory_policy(runtime, policy, seen):
    bundle = with_process(runtime, "cat", "/proc/self/numa_maps")
    bundle.linux["memoryPolicy"] = policy
    assert {line.split()[1] for line in runtime.out(bundle).splitlines()} == {seen}


# ---- standard streams and other descriptors ----

@pytest.mark.parametrize("in_user_namespace", [False, True])
@pytest.mark.parametrize("user", [{"uid": 0, "gid": 0}, WEB])
def test_pipes_can_be_reopened_by_their_user(runtime, user, in_user_namespace):
    command = ("sh", "-c", "echo out >/proc/self/fd/1; echo err >/proc/self/fd/2")
    bundle = with_process(runtime, *command, user=user)
    if in_user_namespace:
        bundle.user_namespace()
    done = runtime.run(bundle)
    assert (done.returncode, done.stdout, done.stderr) == (0, "out\n", "err\n")
    done = runtime.exec(runtime.sleeper(bundle), *command)
    assert (done.returncode, done.stdout, done.stderr) == (0, "out\n", "err\n")


def test_no_descriptor_of_the_runtime_is_there(runtime):
    bundle = with_process(runtime, "sh", "-c", "ls /proc/1/fd; true")
    read, write = os.pipe()
    try:
        assert runtime.out(bundle, pass_fds=[read, write]).split() == ["0", "1", "2"]
        bundle.process["args"] = ["sh", "-c", "echo passed >&4; ls /proc/1/fd; true"]

        def move():
            os.dup2(read, 100), os.dup2(write, 101), os.dup2(100, 3), os.dup2(101, 4)
        # subprocess closes what it does not know of.
        assert runtime.out(bundle, "--preserve-fds", "2", preexec_fn=move, close_fds=False).split() == [*"01234"]
        assert os.read(read, 100) == b"passed\n"
    finally:
        os.close(read)
        os.close(write)


def test_signals_that_the_caller_ignores_or_blocks_are_as_new(runtime):
    import signal
    bundle = with_process(runtime, "grep", "-E", "^Sig(Blk|Ign)", "/proc/1/status")

    def spoil():
        for number in (signal.SIGPIPE, signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1, signal.SIGTERM])
    assert runtime.out(bundle, preexec_fn=spoil).split() == ["SigBlk:", "0" * 16, "SigIgn:", "0" * 16]
