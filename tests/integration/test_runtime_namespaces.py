# SPDX-License-Identifier: Apache-2.0
"""Namespaces, new and joined, and what is set in them (runtime-spec config-linux.md), by the real program."""
import os
import time
from pathlib import Path

import pytest
import world
from runtime_bundle import NAMESPACES, runtime, wait_for  # noqa: F401 (a fixture)

# The type in a config, its file in /proc/PID/ns, and the file of a process that made it for its children.
FILES = {"cgroup": "cgroup", "ipc": "ipc", "mount": "mnt", "network": "net", "pid": "pid", "time": "time",
         "user": "user", "uts": "uts"}
SHOW = "for n in cgroup ipc mnt net pid time user uts; do readlink /proc/self/ns/$n; done"
HOLD = {"cgroup": "-C", "ipc": "-i", "mount": "-m", "network": "-n", "pid": "-pf", "time": "-T", "user": "-U", "uts": "-u"}


def seen(runtime, bundle):
    out = runtime.out(bundle.shell(SHOW)).split()
    return dict(zip(sorted(FILES), out))


def of(pid):
    return {kind: os.readlink(f"/proc/{pid}/ns/{file}") for kind, file in FILES.items()}


def create_error(runtime, bundle):
    bundle.write()
    message = runtime.bad("run", "-b", bundle.path, "x")
    assert runtime.log() == [("error", message)]
    return message


def error(runtime, bundle):
    message = create_error(runtime, bundle)
    assert runtime.containers() == []
    return message.removeprefix("config.json: ")


# ---- which ones ----

def test_all_eight_are_new(runtime):
    inside, own = seen(runtime, runtime.bundle().user_namespace().namespace("time")), of("self")
    assert {kind for kind in FILES if inside[kind] != own[kind]} == set(FILES)


@pytest.mark.parametrize("kind", sorted(set(FILES) - {"mount"}))
def test_one_alone_is_new_and_the_rest_is_inherited(runtime, kind):
    bundle = runtime.bundle().without(*NAMESPACES).namespace("mount")
    bundle.user_namespace() if kind == "user" else bundle.namespace(kind)
    if kind == "user":  # its root may make no procfs or sysfs for namespaces that are not its own
        bundle.config["mounts"] = [mount for mount in bundle.config["mounts"] if mount["type"] not in ("proc", "sysfs")]
        bundle.bind("/proc", "/proc", "rbind")
    inside, own = seen(runtime, bundle), of("self")
    assert {name for name in FILES if inside[name] != own[name]} == {kind, "mount"}


ESCAPE = """
import os
os.mkdir('/tmp/deeper')
top = os.open('/', os.O_RDONLY)
os.chroot('/tmp/deeper')
os.fchdir(top)
for _ in range(20):
    os.chdir('..')
os.chroot('.')
print(sorted(os.listdir('/')))
"""


def test_without_a_mount_namespace_the_mounts_are_nobodys(runtime):
    """The runtime's namespace is inherited, as the spec has it, and not one mount is made in it."""
    before = sorted(world.mounts())
    bundle = runtime.bundle().without("mount")
    name = runtime.sleeper(bundle)
    assert of(runtime.pid(name))["mount"] == of("self")["mount"]
    assert sorted(world.mounts()) == before
    assert runtime.inside(name, "pwd; ls /").split() == ["/", *sorted(os.listdir(bundle.rootfs))]
    assert runtime.inside(name, "cat /proc/1/cmdline | tr '\\0' ' '") == "sleep 1000 "
    assert runtime.inside(name, "echo x >/dev/null; ls /dev/pts").split() == ["ptmx"]
    runtime.delete(name, "--force")
    assert sorted(world.mounts()) == before


def test_without_a_mount_namespace_nobody_climbs_out_of_the_root(runtime):
    bundle = runtime.bundle().without("mount").python(ESCAPE)
    bundle.process["capabilities"] = {kind: ["CAP_SYS_CHROOT", "CAP_DAC_OVERRIDE"]
                                      for kind in ("bounding", "permitted", "effective")}
    inside = sorted(os.listdir(bundle.rootfs))
    assert runtime.out(bundle).strip() == str(inside)


def test_a_user_namespace_needs_a_mount_namespace(runtime):
    message = error(runtime, runtime.bundle().user_namespace().without("mount"))
    assert message.startswith("linux.namespaces: a user namespace goes with a mount namespace")


@pytest.mark.parametrize("kind", sorted(set(FILES) - {"mount"}))
def test_joined_by_path(runtime, kind):
    holder = runtime.holder(HOLD[kind], *(["-r"] if kind == "user" else []))
    file = {"pid": "pid_for_children", "time": "time_for_children"}.get(kind, FILES[kind])
    path = f"/proc/{holder}/ns/{file}"
    inside, own = seen(runtime, runtime.bundle().namespace(kind, path)), of("self")
    assert inside[kind] == os.readlink(path) != own[kind]
    others = set(NAMESPACES) - {kind}
    assert {name for name in FILES if inside[name] != own[name]} == others | {kind}


def test_those_of_another_container(runtime):
    """As the containers of a pod share them, and by a program that sees its processes."""
    name = runtime.sleeper(runtime.bundle())
    pid = runtime.pid(name)
    shared = ("network", "ipc", "uts", "pid", "cgroup")
    bundle = runtime.bundle()
    for kind in shared:
        bundle.namespace(kind, f"/proc/{pid}/ns/{FILES[kind]}")
    inside, its = seen(runtime, bundle), of(pid)
    assert [kind for kind in sorted(FILES) if inside[kind] == its[kind]] == sorted({*shared, "time", "user"})
    assert "sleep 1000" in runtime.out(bundle.shell("cat /proc/1/cmdline | tr '\\0' ' '"))
    assert runtime.state(name)["status"] == "running"


def test_process_of_a_joined_pid_namespace_is_killed_alone(runtime):
    first = runtime.sleeper(runtime.bundle())
    second = runtime.sleeper(runtime.bundle().namespace("pid", f"/proc/{runtime.pid(first)}/ns/pid"))
    runtime.good("kill", second, "KILL")
    runtime.wait(second)
    runtime.delete(second)
    assert runtime.state(first)["status"] == "running"
    third = runtime.sleeper(runtime.bundle().namespace("pid", f"/proc/{runtime.pid(first)}/ns/pid"))
    runtime.good("kill", first, "KILL")  # pid 1 takes the others along
    runtime.wait(third)
    runtime.wait(first)


def test_mounts_of_others_stay_as_they_are(runtime):
    """Who joins a mount namespace lives in it with a root of its own, and changes not one mount of it."""
    holder = runtime.holder("-m", "--propagation", "private")
    bundle = runtime.bundle().namespace("mount", f"/proc/{holder}/ns/mnt")
    (bundle.rootfs / "mark").write_text("the container's")
    lines = Path(f"/proc/{holder}/mountinfo").read_text()
    name = runtime.sleeper(bundle)
    assert os.readlink(f"/proc/{runtime.pid(name)}/ns/mnt") == os.readlink(f"/proc/{holder}/ns/mnt")
    assert runtime.inside(name, "cat /mark; ls -d /proc/1/fd; pwd") == "the container's/proc/1/fd\n/\n"
    assert not os.path.exists(f"/proc/{holder}/root/mark") and os.path.exists(f"/proc/{holder}/root/usr/bin/env")
    assert Path(f"/proc/{holder}/mountinfo").read_text() == lines
    runtime.delete(name, "--force")
    assert Path(f"/proc/{holder}/mountinfo").read_text() == lines


def test_mounts_of_another_container_stay_its_own(runtime):
    first = runtime.bundle()
    (first.rootfs / "mark").write_text("first")
    name = runtime.sleeper(first)
    before = runtime.inside(name, "cat /proc/self/mountinfo")
    second = runtime.bundle().namespace("mount", f"/proc/{runtime.pid(name)}/ns/mnt")
    (second.rootfs / "mark").write_text("second")
    other = runtime.sleeper(second)
    assert runtime.inside(other, "cat /mark") == "second"
    assert runtime.inside(name, "cat /mark /proc/self/mountinfo") == "first" + before


def test_user_and_network_joined_together(runtime):
    holder = runtime.holder("-U", "-r", "-n")
    bundle = runtime.bundle()
    for kind in ("user", "network"):
        bundle.namespace(kind, f"/proc/{holder}/ns/{FILES[kind]}")
    inside = seen(runtime, bundle)
    assert [inside[kind] for kind in ("user", "network")] == [of(holder)[kind] for kind in ("user", "network")]


def test_new_user_namespace_with_a_joined_network(runtime):
    holder = runtime.holder("-n")
    bundle = runtime.bundle().user_namespace().namespace("network", f"/proc/{holder}/ns/net")
    bundle.config["mounts"] = [mount for mount in bundle.config["mounts"] if mount["type"] != "sysfs"]
    inside, own = seen(runtime, bundle), of("self")
    assert inside["network"] == of(holder)["network"] and inside["user"] != own["user"]


def test_the_own_namespaces_by_path(runtime):
    """What leads to where the runtime is, a user namespace too, is as if it were not there."""
    bundle = runtime.bundle().without("cgroup")
    for kind in ("user", "network", "ipc", "uts", "time", "cgroup"):
        bundle.namespace(kind, f"/proc/self/ns/{FILES[kind]}")
    inside, own = seen(runtime, bundle), of("self")
    assert {kind for kind in FILES if inside[kind] != own[kind]} == {"pid", "mount"}
    name = runtime.sleeper(bundle)
    assert runtime.inside(name, "readlink /proc/self/ns/user").strip() == own["user"]


def test_exec_joins_all_of_them(runtime):
    name = runtime.sleeper(runtime.bundle().user_namespace().namespace("time"))
    assert runtime.inside(name, SHOW).split() == [of(runtime.pid(name))[kind] for kind in sorted(FILES)]


# ---- paths that lead to none ----

@pytest.mark.parametrize("kind", sorted(FILES))
def test_a_path_to_one_of_another_type_is_named(runtime, kind):
    other = "uts" if kind != "uts" else "ipc"
    path = f"/proc/{os.getpid()}/ns/{other}"
    bundle = runtime.bundle().namespace(kind, path)
    assert error(runtime, bundle) == f"linux.namespaces: {kind} namespace {path}: it is one of type {other}"


@pytest.mark.parametrize("path, reason", [
    ("/nosuch", "linux.namespaces: ipc namespace /nosuch: No such file or directory"),
    ("/etc/passwd", "linux.namespaces: ipc namespace /etc/passwd: it is no namespace"),
    ("/etc", "linux.namespaces: ipc namespace /etc: it is no namespace"),
    ("relative/ns", 'linux.namespaces[5].path: "relative/ns" is not an absolute path'),
])
def test_a_path_to_no_namespace_is_named(runtime, path, reason):
    message = error(runtime, runtime.bundle().namespace("ipc", path))
    assert message == reason


def test_a_fifo_for_a_path_holds_nobody_up(runtime):
    fifo = runtime.path / "fifo"
    os.mkfifo(fifo)
    message = error(runtime, runtime.bundle().namespace("network", fifo))
    assert message == f"linux.namespaces: network namespace {fifo}: it is no namespace"


@pytest.mark.parametrize("extra, reason", [
    ({"type": "pid"}, 'linux.namespaces[6].type: "pid" is there twice'),
    ({"type": "net"}, 'linux.namespaces[6].type: "net" is not a namespace of Linux'),
    ({"path": "/x"}, "linux.namespaces[6].type: is missing"),
])
def test_types_that_cannot_be(runtime, extra, reason):
    bundle = runtime.bundle()
    bundle.linux["namespaces"].append(extra)
    assert error(runtime, bundle) == reason


# ---- identities ----

def test_several_ranges_of_identities(runtime):
    bundle = runtime.bundle().user_namespace((0, 200000, 10), (10, 300000, 5), (100, 400000, 1))
    bundle.linux["gidMappings"] = [{"containerID": 0, "hostID": 500000, "size": 50}]
    bundle.process["user"] = {"uid": 100, "gid": 7, "additionalGids": [9, 49]}
    name = runtime.start(bundle.shell("cat /proc/self/uid_map /proc/self/gid_map; id -u; id -g; id -G; exec sleep 1000"))
    outside = dict(line.split(":", 1) for line in open(f"/proc/{runtime.pid(name)}/status") if ":" in line)
    assert (outside["Uid"].split(), outside["Gid"].split()) == (["400000"] * 4, ["500007"] * 4)
    assert set(outside["Groups"].split()) == {"500009", "500049"}
    wait_for(lambda: len(runtime.output(name).splitlines()) == 7, "the program's words")
    lines = [line.split() for line in runtime.output(name).splitlines()]
    assert lines == [["0", "200000", "10"], ["10", "300000", "5"], ["100", "400000", "1"], ["0", "500000", "50"],
                     ["100"], ["7"], ["7", "9", "49"]]


def test_an_identity_without_a_mapping_is_an_error(runtime):
    bundle = runtime.bundle().user_namespace((0, 200000, 10))
    bundle.process["user"] = {"uid": 10, "gid": 0}
    assert error(runtime, bundle) == "become the user of process.user: Invalid argument"


# ---- clocks ----

def test_time_offsets(runtime):
    bundle = runtime.bundle().namespace("time").shell("cat /proc/uptime /proc/self/timens_offsets")
    bundle.linux["timeOffsets"] = {"monotonic": {"secs": 86400, "nanosecs": 5}, "boottime": {"secs": 864000}}
    lines = runtime.out(bundle).splitlines()
    assert float(lines[0].split()[0]) - time.clock_gettime(time.CLOCK_BOOTTIME) == pytest.approx(864000, abs=60)
    assert [line.split() for line in lines[1:]] == [["monotonic", "86400", "5"], ["boottime", "864000", "0"]]
    own = time.clock_gettime(time.CLOCK_MONOTONIC)
    inside = float(runtime.out(bundle.python("import time; print(time.monotonic())")))
    assert inside - own == pytest.approx(86400, abs=60)


def test_a_clock_can_go_back_but_not_below_zero(runtime):
    bundle = runtime.bundle().namespace("time").python("import time; print(time.clock_gettime(time.CLOCK_BOOTTIME))")
    before = time.clock_gettime(time.CLOCK_BOOTTIME)
    bundle.linux["timeOffsets"] = {"boottime": {"secs": -int(0.9 * before)}}
    assert float(runtime.out(bundle)) < before  # however long the start took
    bundle.linux["timeOffsets"] = {"boottime": {"secs": -(10**9)}}
    assert error(runtime, bundle).startswith("linux.timeOffsets: set the clocks of the time namespace: ")


# ---- names and sysctls ----

def test_host_and_domain_name_of_the_uts_namespace(runtime):
    own = os.uname().nodename
    bundle = runtime.bundle().shell("hostname; cat /proc/sys/kernel/domainname")
    bundle.config.update(hostname="box", domainname="example.org")
    assert runtime.out(bundle) == "box\nexample.org\n"
    assert os.uname().nodename == own
    assert error(runtime, bundle.without("uts")) == "hostname: needs a uts namespace in linux.namespaces"


def test_sysctls_of_each_namespace(runtime):
    keys = {"kernel.msgmax": "4097", "kernel.shm_rmid_forced": "1", "net.ipv4.ip_forward": "1",
            "net/ipv4/conf/lo/rp_filter": "2", "fs.mqueue.msg_max": "12"}
    own = {key: open("/proc/sys/" + key.replace(".", "/")).read() for key in keys if "mqueue" not in key}
    bundle = runtime.bundle().shell("cd /proc/sys; cat kernel/msgmax kernel/shm_rmid_forced net/ipv4/ip_forward "
                                    "net/ipv4/conf/lo/rp_filter fs/mqueue/msg_max")
    bundle.linux["sysctl"] = keys
    assert runtime.out(bundle).split() == list(keys.values())
    assert own == {key: open("/proc/sys/" + key.replace(".", "/")).read() for key in own}


@pytest.mark.parametrize("key, value, without, reason", [
    ("net.ipv4.ip_forward", "1", "network", "linux.sysctl.net.ipv4.ip_forward: would be set for the host; it needs a "
     "namespace of type network in linux.namespaces that is not the runtime's"),
    ("kernel.msgmax", "1", "ipc", "linux.sysctl.kernel.msgmax: would be set for the host; it needs a namespace of "
     "type ipc in linux.namespaces that is not the runtime's"),
    ("kernel.core_pattern", "|/x", None, "linux.sysctl.kernel.core_pattern: would be set for the whole machine; only "
     "those that belong to a namespace are possible"),
    ("net.ipv4.nosuch", "1", None, 'linux.sysctl: set net.ipv4.nosuch to "1": No such file or directory'),
    ("net.ipv4.ip_local_port_range", "9 x", None, 'linux.sysctl: set net.ipv4.ip_local_port_range to "9 x": '
     "Invalid argument"),
])
def test_sysctls_that_cannot_be_set(runtime, key, value, without, reason):
    bundle = runtime.bundle().without(without)
    bundle.linux["sysctl"] = {key: value}
    assert error(runtime, bundle) == reason


# ---- the cgroup namespace ----

def test_cgroup_namespace_begins_at_the_containers_group(runtime):
    bundle = runtime.bundle().shell("cat /proc/self/cgroup")
    assert {line.split(":", 2)[2] for line in runtime.out(bundle).splitlines()} == {"/"}
    lines = runtime.out(bundle.without("cgroup")).splitlines()
    assert any(line.endswith(bundle.linux["cgroupsPath"]) for line in lines), lines


# ---- the root's propagation, masks ----

@pytest.mark.parametrize("wanted, mark", [
    (None, ""), ("private", ""), ("rprivate", ""), ("shared", "shared:"), ("rshared", "shared:"),
    ("unbindable", "unbindable"), ("runbindable", "unbindable"), ("slave", ""), ("rslave", ""),
])
def test_propagation_of_the_root(runtime, wanted, mark):
    bundle = runtime.bundle().shell("grep ' / / \\|/rootfs / ' /proc/self/mountinfo")
    if wanted:
        bundle.linux["rootfsPropagation"] = wanted
    fields = runtime.out(bundle).split()
    optional = " ".join(fields[6:fields.index("-")])
    assert optional.startswith(mark) and bool(optional) == bool(mark)


def test_masked_and_read_only_paths(runtime):
    bundle = runtime.bundle()
    (bundle.rootfs / "hidden").mkdir()
    (bundle.rootfs / "hidden/file").write_text("secret")
    (bundle.rootfs / "etc/key").write_text("secret")
    (bundle.rootfs / "fixed").mkdir()
    bundle.linux["maskedPaths"] = ["/hidden", "/etc/key", "/proc/interrupts", "/nosuch"]
    bundle.linux["readonlyPaths"] = ["/fixed", "/proc/sys", "/nosuch"]
    seen = runtime.out(bundle.shell("""
        ls /hidden; cat /etc/key /proc/interrupts
        for f in /hidden/x /fixed/x /tmp/x; do touch $f 2>/dev/null && echo $f; done
        echo 1 2>/dev/null >/proc/sys/net/ipv4/ip_forward || echo refused; ls /nosuch 2>/dev/null || echo none"""),
        stderr=None)
    assert seen.split() == ["/tmp/x", "refused", "none"]
