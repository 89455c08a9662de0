# SPDX-License-Identifier: Apache-2.0
"""Attackers that win a race now and then, against `container-runtime`: a bounded number of rounds of each.

RACE_SECONDS=600 tries each for longer than a test run has time for; with -rP pytest shows how often each was tried.
"""
import os
import time
from pathlib import Path

import pytest
import world
from hostile import SECRET, attacker_is_removed, lab  # noqa: F401 (fixtures)
from private_httpd import wait_until
from test_hostile_image import tree

SECONDS = float(os.environ.get("RACE_SECONDS", "2.5"))
ROUNDS = 400 * SECONDS


def swapped_targets(lab, bundle):
    """CVE-2021-30465, 2024-45310: mount points in a volume that another container changes meanwhile."""
    volume, source = lab.path / "volume", lab.path / "source"
    for directory in (volume / "a", source):
        directory.mkdir(parents=True)
    (source / "content").write_text("of the source")
    (volume / "file").touch()
    (volume / "link").symlink_to(lab.canary)
    (volume / "link-up").symlink_to(lab.up)
    (volume / "up").mkdir()
    (volume / "file-link").symlink_to(lab.canary / "secret")
    bundle.config["mounts"] += [
        {"destination": "/data", "type": "bind", "source": str(volume), "options": ["rbind"]},
        {"destination": "/data/a/new/point", "type": "bind", "source": str(source), "options": ["rbind"]},
        {"destination": "/data/up/tmp", "type": "tmpfs", "source": "tmpfs"},
        {"destination": "/data/file", "type": "bind", "source": str(source / "content"), "options": ["bind"]}]
    bundle.shell("cat /data/a/secret /data/link/secret /data/file /data/file-link /data/a/../secret; echo x >/data/a/made;"
                 "echo started")
    return (volume / "a", volume / "link"), (volume / "up", volume / "link-up"), (volume / "file", volume / "file-link")


def swapped_proc(lab, bundle):
    """CVE-2019-19921, 2023-27561, 2025-52881: settings and masks are to go to a /proc that is none."""
    proc, link = bundle.rootfs / "proc", bundle.rootfs / "link"
    for directory in (lab.canary / "proc", bundle.rootfs / "fake"):
        (directory / "sys/net/ipv4").mkdir(parents=True)
        (directory / "sys/net/ipv4/ip_forward").write_text("fake\n")
        (directory / "interrupts").touch()
    link.symlink_to("/fake")
    bundle.linux["sysctl"] = {"net.ipv4.ip_forward": "1"}
    bundle.process["apparmorProfile"] = "nobody"
    bundle.linux["maskedPaths"].append("/proc/interrupts")
    bundle.shell("""
        # /proc is another one at each look
        i=0; while [ $i -lt 300 ]; do i=$((i+1)); [ -e /proc/self/mountinfo ] && exec 3</proc/self/mountinfo && break; done
        cat <&3
        i=0; while [ $i -lt 40 ]; do i=$((i+1)); for way in proc link; do
            read value </$way/sys/net/ipv4/ip_forward && echo "value $value"; done; done
        cat /fake/sys/net/ipv4/ip_forward; echo started""")
    return ((proc, link),)


def swapped_dev(lab, bundle):
    """CVE-2025-31133, 2025-52565: what is bound over a masked file is the image's /dev/null of that moment."""
    bundle.without_mount("/dev", "/dev/pts")
    dev = bundle.rootfs / "dev"
    (dev / "null").touch()
    (dev / "link").symlink_to(lab.canary / "secret")
    (dev / "shm").mkdir()
    (bundle.rootfs / "masked").write_text("hidden\n")
    inside = bundle.rootfs / str(lab.canary)[1:]
    inside.mkdir(parents=True)  # where the link leads to inside
    (inside / "secret").write_text("hidden\n")
    bundle.linux["maskedPaths"].append("/masked")
    bundle.shell("cat /masked; (cat /dev/link /dev/null /dev/secret </dev/zero) | grep -v hidden; echo started")
    # They come between the device and the masks: a longer time to win in.
    bundle.linux["readonlyPaths"] += ["/bin"] * 60
    return ((dev / "null", dev / "link"),)


def swapped_cwd(lab, bundle):
    """CVE-2024-21626: the directory is another one when it is entered."""
    (bundle.rootfs / "work").mkdir()
    (bundle.rootfs / "link").symlink_to("/proc/self/fd/6")
    (bundle.rootfs / "other").symlink_to(lab.up)
    bundle.process["cwd"] = "/work"
    bundle.shell("pwd; cat secret ../secret ../../../secret; cat ../../..%s/secret; echo started" % lab.canary)
    return (bundle.rootfs / "work", bundle.rootfs / "link"), (bundle.rootfs / "link", bundle.rootfs / "other")


@pytest.mark.parametrize("scene", [swapped_targets, swapped_proc, swapped_dev, swapped_cwd])
def test_exchanged_while_a_container_starts(lab, scene):
    bundle = lab.bundle()
    pairs = scene(lab, bundle)
    bundle.write()
    before, mounts = tree(lab.canary), world.mounts()
    started = failed = 0
    with lab.racing(SECONDS, *pairs):
        end = time.monotonic() + SECONDS
        while time.monotonic() < end and started + failed < ROUNDS:
            done = lab.call("run", "-b", bundle.path, bundle.name, timeout=10)
            assert SECRET not in done.stdout, done
            if done.returncode == 0 and "started" in done.stdout:
                started += 1
                check_inside(scene, done.stdout)
            else:
                failed += 1
                assert len(done.stderr) > 30 and SECRET not in done.stderr, done
    assert tree(lab.canary) == before
    assert world.mounts() == mounts
    print(f"{started} containers started, {failed} starts failed, all of them with a message")
    assert started >= SECONDS, f"{started} started, {failed} failed"


def check_inside(scene, said):
    if scene is swapped_dev:
        assert "hidden" not in said, said
    if scene is swapped_cwd:
        assert said.startswith("/"), said
    if scene is swapped_proc and "- proc proc" in said:
        assert "\nfake\n" in said and "value 0\n" not in said, said
        points = [line.split()[4] for line in said.splitlines() if " - " in line]
        roots = [line.split()[3] for line in said.splitlines() if " - proc " in line]
        # The masks lie on the procfs, whatever its name was at that moment.
        hidden = [point for point in points if point.endswith("/interrupts")]
        assert hidden and not hidden[0].startswith("/fake") and roots.count("/sys") == 1, said


# ---- CVE-2016-9962 ----

SPIES = {
    # root, and all rights over processes, of a user namespace
    "userns": (True, ["CAP_SYS_PTRACE", "CAP_KILL", "CAP_DAC_OVERRIDE"]),
    # the host's root with the same rights as the program of the exec: only not being dumpable keeps it off
    "same": (False, ["CAP_KILL"]),
}


def spied_execs(lab, has_userns, capabilities):
    bundle = lab.bundle()
    bundle.process["capabilities"] = {name: capabilities for name in ("bounding", "effective", "permitted")}
    if has_userns:
        bundle.linux["namespaces"].append({"type": "user"})
        mapping = [{"containerID": 0, "hostID": 100000, "size": 65536}]
        bundle.linux["uidMappings"] = bundle.linux["gidMappings"] = mapping
    bundle.process["args"] = ["attacker", "spy", "/bin/busybox"]
    log = lab.path / "spy"
    with open(log, "wb") as output:
        pid = bundle.start(stdout=output)
    wait_until(lambda: "spy ready" in log.read_text(), "the spy")
    end, rounds = time.monotonic() + SECONDS, 0
    while rounds < 20 or (time.monotonic() < end and rounds < ROUNDS):
        rounds += 1
        done = bundle.exec("true")
        assert done.returncode == 0, done
    assert Path(f"/proc/{pid}").exists()
    print(f"{rounds} execs")
    return log.read_text()


@pytest.mark.parametrize("spy", SPIES)
def test_joining_process_cannot_be_spied_on(lab, spy):
    said = spied_execs(lab, *SPIES[spy])
    assert "saw a joining process" in said, "the spy came too late each time; nothing was tried"
    assert not [line for line in said.splitlines() if line.startswith(("early", "exe"))], said


def test_joining_process_has_nothing_to_take(lab):
    """Who may trace all processes of the host can trace the joining one, but by then it holds nothing of the host's."""
    own = 1 << 19 | 1 << 5 | 1 << 2  # SYS_PTRACE, KILL, DAC_READ_SEARCH
    said = spied_execs(lab, False, ["CAP_SYS_PTRACE", "CAP_KILL", "CAP_DAC_READ_SEARCH"])
    rights = {(line.split()[1], int(line.split()[2], 16)) for line in said.splitlines() if line.startswith("rights")}
    assert {value for name, value in rights if name == "CapBnd:"} == {own}, rights
    # What it takes to become the user of the program: CHOWN, SETGID, SETUID.
    assert not [value for name, value in rights if value & ~(own | 1 << 0 | 1 << 6 | 1 << 7)], rights
    assert "saw a joining process" in said, "the spy came too late each time; nothing was tried"
    links = [line for line in said.splitlines() if line.startswith(("early cwd", "early root", "early fd", "exe"))]
    assert str(lab.path) not in said, said
    assert {line for line in links if not line.startswith("early fd")} <= {"early cwd /", "early root /",
                                                                           "exe /container-runtime", "exe /"}, links
    targets = {line.split(maxsplit=2)[2] for line in links if line.startswith("early fd")}
    harmless = ("socket:", "pipe:", "/dev/null", "/dev/pts", "/tmp/#", "anon_inode:")
    assert all(target.startswith(harmless) for target in targets), targets
