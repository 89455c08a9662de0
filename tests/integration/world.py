# SPDX-License-Identifier: Apache-2.0
"""A private piece of the machine for one test, and the proof that nothing of it was left behind."""
import contextlib
import ctypes
import os
import subprocess
import time
from pathlib import Path

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000
MS_REC, MS_PRIVATE = 0x4000, 1 << 18
PR_SET_CHILD_SUBREAPER = 36
CGROUPS = Path("/sys/fs/cgroup")
# What a supervisor of this test run may have made; other programs come and go as they like.
OUR_CGROUPS = (f"mct-{os.getpid()}-", "container-supervisor")


def check(result, what):
    if result != 0:
        raise OSError(ctypes.get_errno(), what)


def enter():
    """Network and mount namespaces of our own; orphans of the test become our children."""
    check(LIBC.unshare(CLONE_NEWNS | CLONE_NEWNET), "unshare (the tests run as root)")
    check(LIBC.mount(None, b"/", None, MS_REC | MS_PRIVATE, None), "make mounts private")
    check(LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "prctl")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True, timeout=30)


def cgroups():
    """The groups of our supervisors in every hierarchy, three levels deep."""
    found = set()
    for hierarchy in [CGROUPS, *CGROUPS.glob("*/")]:
        for group in hierarchy.glob("*/"):
            if group.name.startswith(OUR_CGROUPS):
                found |= {str(group), *map(str, group.glob("*/")), *map(str, group.glob("*/*/"))}
    return found


def children():
    """(pid, command line) of every child, those that were adopted too."""
    found = set()
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):
            for pid in (task / "children").read_text().split():
                with contextlib.suppress(OSError):
                    line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
                    found.add((int(pid), line.strip() or Path(f"/proc/{pid}/comm").read_text()))
    return found


def is_alive(pid):
    """A zombie that nobody has reaped yet is not."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    return False


def reap():
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def finish(process, seconds, known=()):
    """Waits for a process and reaps meanwhile what was orphaned to us, but for the pids in known, which others wait for:
    a pid namespace ends with its last process, so to delete a container takes that those of an exec are reaped."""
    end = time.monotonic() + seconds
    while process.poll() is None:
        if time.monotonic() > end:
            process.kill()
            process.wait()
            raise subprocess.TimeoutExpired(process.args, seconds)
        for pid, _ in children():
            if pid != process.pid and pid not in known and not is_alive(pid):
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)
        time.sleep(0.02)
    return process.returncode


def links():
    done = subprocess.run(["ip", "-o", "link"], check=True, capture_output=True, text=True, timeout=30)
    return {line.split(":")[1].split("@")[0].strip() for line in done.stdout.splitlines()}


def mounts():
    return set(line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines())


def listing(directory):
    return {str(entry) for entry in Path(directory).glob("*")}


class Snapshot:
    """What there is before a test; compare() tells what is there too much after it."""

    def __init__(self):
        self.before = self.look()

    @staticmethod
    def look():
        return {"cgroup": cgroups(), "mount": mounts(), "shared memory": listing("/dev/shm"),
                "file in /run": listing("/run"), "firewall": {nft()},
                "link": links()}

    def compare(self, seconds=5):
        end = time.monotonic() + seconds
        while True:
            after = self.look()
            left = [f"{kind} {thing}" for kind in after
                    for thing in sorted(after[kind] - self.before[kind])]
            if not left or time.monotonic() > end:
                return left
            time.sleep(0.1)


def nft():
    done = subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True, timeout=30)
    return done.stdout.strip()
