# SPDX-License-Identifier: Apache-2.0
"""Words for looking at the guest, the runner of checks, and the proof that nothing is left."""
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
SECONDS = 60  # for anything: the machine is emulated, 10 to 30 times slower than a real one


class Failure(Exception):
    pass


def expect(condition, message):
    if not condition:
        raise Failure(message)


def expect_equal(found, wanted, what):
    expect(found == wanted, f"{what}: {found!r}, wanted {wanted!r}")


def wait_until(condition, what, seconds=SECONDS):
    end = time.monotonic() + seconds
    while not condition():
        expect(time.monotonic() < end, f"waited {seconds} s for {what() if callable(what) else what}")
        time.sleep(0.2)


def run(*command, is_checked=True):
    """Output, error output and exit status; without is_checked the status may be anything."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL)
    expect(done.returncode == 0 or not is_checked,
           f"{' '.join(map(str, command))}: exit status {done.returncode}: {done.stderr}{done.stdout}")
    return done


def cgroup_file(group, name):
    return (CGROUPS / group.lstrip("/") / name).read_text().strip()


def cgroup_key(group, name, key):
    """The number of a key in a file of lines "key number"."""
    return dict(line.split() for line in cgroup_file(group, name).splitlines())[key]


def status_field(text, field):
    return next(line.split(":")[1].strip() for line in text.splitlines() if line.startswith(field + ":"))


class Snapshot:
    """What a supervisor could leave behind; compare() waits a moment and tells what is there too much."""

    def __init__(self):
        self.before = self.look()

    @staticmethod
    def look():
        own = os.readlink("/proc/self/ns/pid")
        processes = set()
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                name = (entry / "comm").read_text().strip()
                if name.startswith("container-") or os.readlink(entry / "ns/pid") != own:
                    processes.add(f"{entry.name} ({name})")
            except OSError:
                pass  # it ended meanwhile
        return {
            "process": processes,
            "cgroup": {path for path, _, _ in os.walk(CGROUPS) if "container" in path or "mct" in path},
            "mount": {line.split(" ", 4)[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()},
            "link": set(os.listdir("/sys/class/net")),
            "firewall": set(run("nft", "list", "tables").stdout.splitlines()),
            "shared memory": set(os.listdir("/dev/shm")),
        }

    def compare(self):
        for _ in range(50):
            after = self.look()
            left = [f"{kind} {thing}" for kind in after for thing in sorted(after[kind] - self.before[kind])]
            if not left:
                break
            time.sleep(0.2)
        expect(not left, "left behind: " + "; ".join(left))


def run_checks(checks):
    """Runs (name, function) one after the other, says PASS or FAIL for each; the number that failed. The name of
    one without which the others make no sense begins with "start"."""
    failed = 0
    for name, function in checks:
        start = time.monotonic()
        try:
            function()
            verdict, reason = "PASS", ""
        except (Failure, OSError, ValueError, KeyError, IndexError, StopIteration,
                subprocess.SubprocessError) as error:
            failed += 1
            verdict = "FAIL"
            reason = f": {error if isinstance(error, Failure) else repr(error)}"
        print(f"{verdict} {name} ({time.monotonic() - start:.1f} s){reason}", flush=True)
        if failed and name.startswith("start"):
            break
    return failed


def finish(failed, log):
    if failed:
        print(f"\n{failed} checks failed; the log of the supervisor:\n{log}")
    sys.exit(1 if failed else 0)


def make_image(path):
    """A root file system: busybox, a page, and a node of the machine's disk that must not open."""
    shutil.rmtree(path, ignore_errors=True)
    for name in ("bin", "srv", "dev", "etc", "proc", "sys", "tmp", "run", "var"):
        (path / name).mkdir(parents=True)
    shutil.copy(shutil.which("busybox"), path / "bin/busybox")
    for applet in ("sh", "httpd", "dd", "mv", "rm", "ls", "cat", "mkdir", "unshare"):
        (path / "bin" / applet).symlink_to("busybox")
    (path / "srv/index.html").write_text("page of the box\n")
    (path / "srv/old").write_text("of the image\n")
    disk = os.stat("/dev/vda")
    os.mknod(path / "srv/disk", 0o60666, disk.st_rdev)
    os.chmod(path / "srv/disk", 0o666)
