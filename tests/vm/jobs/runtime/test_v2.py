# SPDX-License-Identifier: Apache-2.0
"""Cgroup v2 through container-runtime: each limit in force, the freezer, the end of all, and what a container sees."""
import json
import os
import subprocess
import time

import pytest
import world
from bundle import end_status
from v2 import MB, V2Bundle, wait_until

CGROUP_MOUNT = {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup",
                "options": ["nosuid", "noexec", "nodev", "relatime", "ro"]}
SYS_MOUNT = {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]}
# The guest's third disk. It takes no capability to open a disk, which would be refused by itself.
DISK = os.stat("/dev/vdc").st_rdev
NUMBERS = {"type": "b", "major": os.major(DISK), "minor": os.minor(DISK)}
OPEN = {"r": "exec 3</dev/disk", "w": "exec 3>>/dev/disk"}


@pytest.fixture
def bundle():
    made = V2Bundle()
    try:
        yield made
    finally:
        made.close()
        assert made.cgroups() == []


# ---- limits ----

def test_every_limit_is_written(bundle):
    bundle.limit(memory={"limit": 64 * MB, "swap": 96 * MB, "reservation": 32 * MB},
                 cpu={"shares": 512, "quota": 50000, "period": 100000, "cpus": "1", "mems": "0"},
                 pids={"limit": 20}, unified={"memory.high": str(48 * MB)})
    pid = bundle.started()
    assert pid in bundle.pids()
    written = {name: bundle.file(name) for name in ("memory.max", "memory.swap.max", "memory.low", "memory.high",
                                                    "cpu.max", "cpu.weight", "cpuset.cpus", "cpuset.mems", "pids.max")}
    assert written == {"memory.max": str(64 * MB), "memory.swap.max": str(32 * MB), "memory.low": str(32 * MB),
                       "memory.high": str(48 * MB), "cpu.max": "50000 100000", "cpu.weight": "59",
                       "cpuset.cpus": "1", "cpuset.mems": "0", "pids.max": "20"}
    assert bundle.inside("grep Cpus_allowed_list /proc/self/status").split()[1] == "1"


def test_update_changes_what_is_in_force(bundle):
    bundle.limit(memory={"limit": 64 * MB}, pids={"limit": 20})
    bundle.started()
    bundle.ok("update", "--memory", 32 * MB, "--memory-swap", 40 * MB, "--pids-limit", 10, "--cpu-quota", 20000,
              "--cpu-period", 50000, "--cpu-share", 1024, "--cpuset-cpus", "0", "c")
    written = [bundle.file(name) for name in ("memory.max", "memory.swap.max", "pids.max", "cpu.max", "cpu.weight",
                                              "cpuset.cpus")]
    assert written == [str(32 * MB), str(8 * MB), "10", "20000 50000", "100", "0"]
    bundle.ok("update", "-r", "-", "c", stdin=given(bundle, {"memory": {"limit": -1}, "pids": {"limit": -1}}))
    assert [bundle.file(name) for name in ("memory.max", "pids.max", "cpu.max")] == ["max", "max", "20000 50000"]


def given(bundle, value):
    path = bundle.path / "given.json"
    path.write_text(json.dumps(value))
    return path.open("rb")


def test_more_processes_than_pids_max_are_refused(bundle):
    bundle.limit(pids={"limit": 4})
    # A shell ends when it cannot fork: it shall not be the first process.
    bundle.shell("(for i in 1 2 3 4 5 6; do sleep 1000 & done); exec sleep 1000")
    bundle.ok("create", "c")
    bundle.ok("start", "c")
    wait_until(lambda: bundle.count("pids.events", "max") > 0, "a fork that is refused", 20)
    assert int(bundle.file("pids.current")) <= 4


def test_cpu_max_throttles(bundle):
    bundle.limit(cpu={"quota": 10000, "period": 100000})
    bundle.shell("while :; do :; done")
    bundle.started()
    wait_until(lambda: bundle.count("cpu.stat", "nr_throttled") > 2, "throttling", 20)
    stats = json.loads(bundle.ok("events", "--stats", "c"))["data"]["cpu"]
    assert stats["throttling"]["throttledPeriods"] > 2 and stats["usage"]["total"] > 0


def test_io_max_slows_the_disk(bundle):
    disk = os.stat("/dev/vda").st_rdev
    device = {"major": os.major(disk), "minor": os.minor(disk)}
    bundle.limit(blockIO={"throttleWriteBpsDevice": [device | {"rate": MB}],
                          "throttleReadIOPSDevice": [device | {"rate": 500}]})
    bundle.started()
    assert bundle.file("io.max") == f"{device['major']}:{device['minor']} rbps=max wbps={MB} riops=500 wiops=max"
    begin = time.time()  # real seconds: the tests' clock is slowed down
    bundle.inside("dd if=/dev/zero of=/tmp/file bs=1M count=3 oflag=direct 2>/dev/null")
    assert time.time() - begin > 1.5


def test_memory_max_kills_and_it_is_seen(bundle):
    bundle.limit(memory={"limit": 16 * MB, "swap": 16 * MB})
    bundle.started()
    events = bundle.start("events", "--interval", "200ms", "c", stdout=subprocess.PIPE, text=True)
    try:
        # It writes its first line when it watches.
        first = json.loads(events.stdout.readline())
        assert (first["type"], first["id"]) == ("stats", "c")
        assert first["data"]["memory"]["usage"]["limit"] == 16 * MB
        done = bundle.run("exec", "c", "dd", "if=/dev/zero", "of=/dev/null", "bs=64M", "count=1")
        assert done.returncode == 137, done
        assert bundle.count("memory.events", "oom_kill") == 1
        kinds = (json.loads(line)["type"] for line in events.stdout)
        assert "oom" in kinds
        bundle.ok("kill", "c", "KILL")
        assert end_status(events) == 0
    finally:
        events.kill()
        events.communicate()


def test_the_figures_of_the_group(bundle):
    bundle.limit(memory={"limit": 64 * MB}, pids={"limit": 20})
    bundle.started()
    event = json.loads(bundle.ok("events", "--stats", "c"))
    assert (event["type"], event["id"]) == ("stats", "c")
    data = event["data"]
    assert data["pids"] == {"current": 1, "limit": 20}
    assert 0 < data["memory"]["usage"]["usage"] <= 64 * MB
    assert data["memory"]["usage"]["limit"] == 64 * MB
    assert data["memory"]["raw"]["file"] >= 0


# ---- devices: a BPF program ----

def devices(bundle, *rules):
    bundle.config["linux"]["devices"] = [{"path": "/dev/disk", "fileMode": 0o666, **NUMBERS}]
    bundle.limit(devices=[{"allow": False, "access": "rwm"}, *rules])
    bundle.started()


def assert_denied(bundle, access):
    done = bundle.run("exec", "c", "sh", "-c", OPEN[access])
    assert done.returncode != 0 and "Operation not permitted" in done.stderr, done


def test_a_device_that_no_rule_allows_cannot_be_opened(bundle):
    devices(bundle)
    assert_denied(bundle, "r")
    # The default ones are open.
    bundle.inside("head -c 1 /dev/zero >/dev/null && head -c 1 /dev/urandom >/dev/null && : </dev/null")


def test_a_device_is_allowed_as_far_as_its_rule_says(bundle):
    devices(bundle, {"allow": True, "access": "r", **NUMBERS})
    bundle.inside(OPEN["r"])
    assert_denied(bundle, "w")
    # An update of something else changes nothing of it.
    bundle.ok("update", "--pids-limit", 30, "c")
    bundle.inside(OPEN["r"])
    assert_denied(bundle, "w")


def test_a_device_may_be_allowed_as_a_whole(bundle):
    devices(bundle, {"allow": True, "access": "rw", **NUMBERS})
    for script in OPEN.values():
        bundle.inside(script)


# ---- frozen, killed, gone ----

def test_pause_freezes_and_resume_thaws(bundle):
    bundle.shell("while :; do echo x >>/tmp/count; sleep 0.05; done")
    bundle.started()
    count = bundle.rootfs / "tmp/count"
    wait_until(count.exists, "the first line")
    bundle.ok("pause", "c")
    assert bundle.status() == "paused"
    assert bundle.count("cgroup.events", "frozen") == 1
    assert "paused" in bundle.fails("exec", "c", "true", status=255)
    before = count.stat().st_size
    bundle.ok("resume", "c")
    assert bundle.status() == "running" and bundle.count("cgroup.events", "frozen") == 0
    wait_until(lambda: count.stat().st_size > before, "another line")


def test_delete_force_ends_a_paused_container(bundle):
    pid = bundle.started()
    bundle.ok("pause", "c")
    bundle.ok("delete", "--force", "c")
    assert not world.is_alive(pid) and bundle.is_clean()


@pytest.mark.parametrize("words", [("kill", "--all", "c", "KILL"), ("delete", "--force", "c")], ids=["kill", "delete"])
def test_all_of_a_group_end_where_the_pid_namespace_is_the_hosts(bundle, words):
    """Also those that fork all the time, which only cgroup.kill can end."""
    spaces = bundle.config["linux"]["namespaces"]
    bundle.config["linux"]["namespaces"] = [space for space in spaces if space["type"] != "pid"]
    bundle.shell("spread() { while :; do sleep 0.01; done; }; spread & spread & spread & spread & exec sleep 1000")
    bundle.started()
    wait_until(lambda: len(bundle.pids()) > 4, "processes")
    bundle.ok(*words)
    wait_until(lambda: not bundle.pids(), "the end of all")
    if words[0] == "kill":
        bundle.wait_for("stopped")
        bundle.ok("delete", "c")
    assert bundle.is_clean()


def test_list_and_ps_tell_of_it(bundle):
    pid = bundle.started()
    listed = json.loads(bundle.ok("list", "-f", "json"))
    assert [(one["id"], one["pid"], one["status"]) for one in listed] == [("c", pid, "running")]
    other = bundle.start("exec", "c", "sleep", "1000")
    wait_until(lambda: len(bundle.pids()) > 1, "the second process")
    assert sorted(json.loads(bundle.ok("ps", "-f", "json", "c"))) == sorted(bundle.pids())
    bundle.ok("kill", "c", "KILL")
    assert end_status(other) == 137


def test_a_start_that_fails_leaves_no_group(bundle):
    bundle.set(["/bin/nothing"])
    bundle.fails("run", "c", status=1)
    assert bundle.is_clean() and not bundle.group.exists()
    bundle.limit(unified={"no.such": "1"})
    assert "no.such" in bundle.fails("create", "c")
    assert bundle.is_clean() and not bundle.group.exists()


# ---- inside ----

def test_the_group_is_the_root_of_the_containers_namespace(bundle):
    bundle.config["mounts"] += [SYS_MOUNT, CGROUP_MOUNT]
    bundle.started()
    assert bundle.inside("cat /proc/self/cgroup /proc/1/cgroup") == "0::/\n0::/\n"
    assert "pids.max" in bundle.inside("cd /sys/fs/cgroup && ls")
    assert bundle.inside("grep -c . /sys/fs/cgroup/cgroup.procs").strip() >= "1"
    done = bundle.run("exec", "c", "mkdir", "/sys/fs/cgroup/mine")
    assert done.returncode != 0 and "Read-only file system" in done.stderr


def test_without_a_cgroup_namespace_the_path_is_the_hosts(bundle):
    spaces = bundle.config["linux"]["namespaces"]
    bundle.config["linux"]["namespaces"] = [space for space in spaces if space["type"] != "cgroup"]
    bundle.config["mounts"] += [SYS_MOUNT, CGROUP_MOUNT]
    bundle.started()
    assert bundle.inside("cat /proc/self/cgroup") == f"0::/{bundle.cgroup.strip('/')}\n"


def test_an_exec_may_go_into_a_group_below(bundle):
    bundle.started()
    (bundle.group / "below").mkdir()
    path = bundle.path / "where"
    with path.open("wb") as out:
        subprocess.run(bundle.command("exec", "--cgroup", "below", "c", "cat", "/proc/self/cgroup"), stdout=out,
                       stdin=subprocess.DEVNULL, cwd=bundle.directory, check=True, timeout=30)
    assert path.read_text() == "0::/below\n"


# ---- a group that is the container's own ----

WRITABLE_MOUNT = CGROUP_MOUNT | {"options": ["nosuid", "noexec", "nodev", "relatime", "rw"]}
FIRST_ID = 200000


def with_user_namespace(bundle, uid=0):
    maps = [{"containerID": 0, "hostID": FIRST_ID, "size": 65536}]
    bundle.config["linux"] |= {"uidMappings": maps, "gidMappings": maps}
    bundle.config["linux"]["namespaces"].append({"type": "user"})
    bundle.config["mounts"] += [SYS_MOUNT, WRITABLE_MOUNT]
    bundle.set(user={"uid": uid, "gid": uid})
    bundle.path.chmod(0o755)


def owners(bundle, *names):
    return [(bundle.group / name).stat().st_uid for name in names]


@pytest.mark.parametrize("uid", [0, 33])
def test_a_writable_group_belongs_to_the_containers_user(bundle, uid):
    """config-linux.md, "Cgroup ownership"; the limits stay the host's."""
    with_user_namespace(bundle, uid)
    bundle.limit(pids={"limit": 50})
    bundle.started()
    assert owners(bundle, ".", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads") == [FIRST_ID + uid] * 4
    assert owners(bundle, "pids.max", "cgroup.freeze", "..") == [0, 0, 0]
    bundle.inside("cd /sys/fs/cgroup && mkdir own && echo 0 >own/cgroup.procs && grep own /proc/self/cgroup && test -w own/cgroup.freeze")
    assert bundle.run("exec", "c", "sh", "-c", "echo max >/sys/fs/cgroup/pids.max").returncode != 0
    assert bundle.file("pids.max") == "50"


def test_who_gave_its_controllers_down_takes_further_processes_in(bundle):
    """As systemd does in a container: no process may be in the group itself then, so `exec` goes where the first one is."""
    with_user_namespace(bundle)
    bundle.shell("cd /sys/fs/cgroup && mkdir own other && echo 1 >own/cgroup.procs && echo +pids >cgroup.subtree_control "
                 "&& echo 5 >other/pids.max && touch /tmp/ready; sleep 1000")
    bundle.config["linux"].setdefault("resources", {})["pids"] = {"limit": 50}
    (bundle.rootfs / "tmp").chmod(0o1777)
    bundle.started()
    wait_until((bundle.rootfs / "tmp/ready").exists, "the groups", 30)
    assert bundle.inside("cat /proc/self/cgroup") == "0::/own\n"
    assert bundle.ok("exec", "--cgroup", "other", "c", "cat", "/proc/self/cgroup") == "0::/other\n"
    assert "busy" in bundle.fails("exec", "--cgroup", "/", "c", "true", status=255)
    bundle.ok("pause", "c")
    bundle.ok("resume", "c")
    bundle.ok("delete", "--force", "c")
    assert not bundle.group.exists()


@pytest.mark.parametrize("change", ["read-only", "no cgroup namespace", "no cgroup mount"])
def test_other_groups_stay_the_hosts(bundle, change):
    with_user_namespace(bundle)
    linux = bundle.config["linux"]
    if change == "read-only":
        bundle.config["mounts"][-1] = CGROUP_MOUNT
    elif change == "no cgroup mount":
        del bundle.config["mounts"][-1]
    else:
        linux["namespaces"] = [space for space in linux["namespaces"] if space["type"] != "cgroup"]
    bundle.started()
    assert owners(bundle, ".", "cgroup.procs", "cgroup.subtree_control") == [0, 0, 0]
