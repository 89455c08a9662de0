# SPDX-License-Identifier: Apache-2.0
"""What other machines of the tests may lack: AppArmor, every capability, a time namespace, idmapped mounts of ext4."""
import contextlib
import json
import os
import pty
import subprocess

import pytest
import world
from v2 import V2Bundle, wait_until

KINDS = {"mount": "mnt", "pid": "pid", "network": "net", "ipc": "ipc", "uts": "uts", "user": "user",
         "cgroup": "cgroup", "time": "time"}
BASE = 200000
PROFILE = """
profile mct-test flags=(attach_disconnected) {
  file,
  capability,
  signal,
  ptrace,
  deny /etc/denied rw,
  deny /**/etc/denied rw,
}
"""


@pytest.fixture
def bundle():
    made = V2Bundle()
    try:
        yield made
    finally:
        made.close()
        assert made.cgroups() == []


@pytest.fixture(scope="module")
def profile(tmp_path_factory):
    assert os.path.exists("/sys/kernel/security/apparmor/profiles"), "the guest's kernel has AppArmor"
    path = tmp_path_factory.mktemp("apparmor") / "mct-test"
    path.write_text(PROFILE)
    subprocess.run(["apparmor_parser", "--replace", "--skip-cache", path], check=True, timeout=300)
    yield "mct-test"
    subprocess.run(["apparmor_parser", "--remove", path], check=True, timeout=300)


def use_ids(bundle):
    bundle.config["linux"]["namespaces"].append({"type": "user"})
    for kind in ("uidMappings", "gidMappings"):
        bundle.config["linux"][kind] = [{"containerID": 0, "hostID": BASE, "size": 65536}]
    bundle.path.chmod(0o755)
    subprocess.run(["chown", "-hR", f"{BASE}:{BASE}", bundle.rootfs], check=True, timeout=60)


# ---- AppArmor ----

def test_a_profile_is_in_force(bundle, profile):
    (bundle.rootfs / "etc/denied").write_text("secret")
    bundle.set(apparmorProfile=profile)
    bundle.started()
    assert bundle.inside("cat /proc/self/attr/current /proc/1/attr/current") == f"{profile} (enforce)\n" * 2
    done = bundle.run("exec", "c", "cat", "/etc/denied")
    assert done.returncode == 1 and "Permission denied" in done.stderr, done
    # `exec` may ask for another.
    assert bundle.ok("exec", "--apparmor", "unconfined", "c", "cat", "/proc/self/attr/current") == "unconfined\n"


def test_an_unknown_profile_is_named(bundle):
    bundle.set(apparmorProfile="mct-nothing")
    message = bundle.fails("create", "c")
    assert "mct-nothing" in message, message
    assert bundle.is_clean()


def test_features_know_apparmor(bundle):
    linux = json.loads(bundle.ok("features"))["linux"]
    assert linux["apparmor"]["enabled"] is True
    assert linux["cgroup"]["v2"] is True


# ---- all capabilities ----

def test_limits_may_be_raised(bundle):
    bundle.set(["sh", "-c", "ulimit -Hn; ulimit -Sn; ulimit -Hc; cat /proc/self/oom_score_adj"], oomScoreAdj=-500,
               rlimits=[{"type": "RLIMIT_NOFILE", "soft": 900000, "hard": 1000000},
                        {"type": "RLIMIT_CORE", "soft": 1 << 20, "hard": 1 << 20}])
    done = bundle.run("run", "c")
    assert (done.returncode, done.stdout.split()) == (0, ["1000000", "900000", "2048", "-500"]), done
    assert done.stderr == ""


# ---- namespaces ----

def test_all_eight_are_new(bundle):
    bundle.config["linux"]["namespaces"].append({"type": "time"})
    bundle.config["linux"]["timeOffsets"] = {"boottime": {"secs": 864000, "nanosecs": 0}, "monotonic": {"secs": 1000}}
    use_ids(bundle)
    pid = bundle.started()
    for name in KINDS.values():
        assert os.readlink(f"/proc/{pid}/ns/{name}") != os.readlink(f"/proc/self/ns/{name}"), name
    assert float(bundle.inside("cat /proc/uptime").split()[0]) > 864000
    assert bundle.inside("id -u; cat /proc/self/uid_map").split() == ["0", "0", str(BASE), "65536"]
    # A process of exec is in each of them too.
    links = bundle.inside("for n in /proc/self/ns/*; do readlink $n; done").split()
    for name in KINDS.values():
        assert os.readlink(f"/proc/{pid}/ns/{name}") in links, name


def test_all_eight_of_another_container_are_joined(bundle):
    bundle.config["linux"]["namespaces"].append({"type": "time"})
    use_ids(bundle)
    pid = bundle.started()
    # The mounts are its own: a root is made anew.
    spaces = [{"type": kind, "path": f"/proc/{pid}/ns/{name}"} for kind, name in KINDS.items() if kind != "mount"]
    bundle.config["linux"]["namespaces"] = [*spaces, {"type": "mount"}]
    for kind in ("uidMappings", "gidMappings"):
        del bundle.config["linux"][kind]
    bundle.config["linux"]["cgroupsPath"] += "-other"
    del bundle.config["hostname"]
    bundle.write()
    bundle.ok("run", "-d", "d")
    other = bundle.state("d")["pid"]
    for name in KINDS.values():
        same = os.readlink(f"/proc/{pid}/ns/{name}") == os.readlink(f"/proc/{other}/ns/{name}")
        assert same == (name != "mnt"), name
    bundle.ok("delete", "--force", "d")
    # An orphan of ours: while it is a zombie, its pid namespace does not end.
    world.reap()


# ---- idmapped mounts: of ext4, and not by cloning what is detached, which Linux 6.1 does not ----

def test_idmapped_mounts(bundle):
    use_ids(bundle)
    shared = bundle.path / "shared"
    (shared / "below").mkdir(parents=True)
    (shared / "file").write_text("x")
    os.chown(shared / "file", 1000, 1000)
    maps = {kind: [{"containerID": 0, "hostID": BASE, "size": 65536}] for kind in ("uidMappings", "gidMappings")}
    bundle.config["mounts"] += [
        {"destination": "/plain", "type": "bind", "source": str(shared), "options": ["rbind"]},
        {"destination": "/mapped", "type": "bind", "source": str(shared), "options": ["rbind"], **maps},
        {"destination": "/short", "type": "bind", "source": str(shared), "options": ["bind", "idmap", "ro"]}]
    bundle.write()
    bundle.started()
    owners = bundle.inside("for d in plain mapped short; do ls -ln /$d/file; done").splitlines()
    assert [line.split()[2:4] for line in owners] == [["65534", "65534"], ["1000", "1000"], ["1000", "1000"]]
    bundle.inside("touch /mapped/mine")
    assert ((shared / "mine").stat().st_uid, (shared / "mine").stat().st_gid) == (0, 0)
    assert "Read-only" in bundle.run("exec", "c", "touch", "/short/other").stderr


def test_a_terminal_of_exec(bundle):
    """The master comes from the container's own devpts."""
    use_ids(bundle)
    bundle.started()
    master, slave = pty.openpty()
    process = bundle.start("exec", "-t", "c", "sh", "-c", "tty; exit 7", stdin=slave, stdout=slave)
    os.close(slave)
    said = b""
    with contextlib.suppress(OSError):
        while part := os.read(master, 4096):
            said += part
    os.close(master)
    wait_until(lambda: process.poll() is not None, "the end of exec")
    assert process.returncode == 7 and b"/dev/pts/0" in said
