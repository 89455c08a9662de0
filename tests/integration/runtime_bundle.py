# SPDX-License-Identifier: Apache-2.0
"""Bundles and the OCI command line, for tests of the runtime alone: a busybox in a directory and a config."""
import contextlib
import itertools
import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
import world
from oci_bundle import OciBundle

ROOT = Path(__file__).resolve().parents[2]
RUNTIME = Path(os.environ.get("BUILD", ROOT / "build")).resolve() / "container-runtime"
COUNTER = itertools.count()
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
NAMESPACES = ["pid", "network", "ipc", "uts", "mount", "cgroup"]
SECONDS = 20

CONFIG = {
    "ociVersion": "1.3.0",
    "process": {"user": {"uid": 0, "gid": 0}, "args": ["true"], "env": [PATH], "cwd": "/"},
    "root": {"path": "rootfs"},
    "mounts": [
        {"destination": "/proc", "type": "proc", "source": "proc"},
        {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
        {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
         "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]},
        {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]},
    ],
    "linux": {"namespaces": [{"type": name} for name in NAMESPACES]},
}


class Bundle(OciBundle):
    """A bundle directory; config is written anew before each use."""

    def __init__(self, path):
        super().__init__(path, CONFIG)
        self.path = path
        (self.rootfs / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\nweb:x:33:33::/var/www:/bin/sh\n")

    def python(self, script):
        """A program that busybox is no match for: by the host's Python, which is seen read-only."""
        for directory in ("/usr", "/lib", "/lib64"):
            if os.path.isdir(directory) and not os.path.islink(directory) or directory == "/usr":
                self.bind(directory, directory, "rbind", "ro")
            elif os.path.islink(directory) and not (self.rootfs / directory[1:]).is_symlink():
                (self.rootfs / directory[1:]).symlink_to(os.readlink(directory))
        self.process["args"] = ["/usr/bin/python3", "-Sc", script]
        return self

    def bind(self, source, destination, *options):
        self.config["mounts"].append({"destination": destination, "type": "bind", "source": str(source),
                                      "options": list(options) or ["bind"]})

    def namespace(self, kind, path=None):
        """The namespace of that kind: new, or the one at a path."""
        entry = {"type": kind, "path": str(path)} if path else {"type": kind}
        self.without(kind)
        self.linux["namespaces"].append(entry)
        return self

    def without(self, *kinds):
        self.linux["namespaces"] = [n for n in self.linux["namespaces"] if n["type"] not in kinds]
        return self

    def user_namespace(self, *ranges):
        """New, with ranges of (inside, outside, size); the bundle then belongs to its root."""
        ranges = ranges or ((0, 200000, 65536),)
        maps = [{"containerID": inside, "hostID": outside, "size": size} for inside, outside, size in ranges]
        self.linux["uidMappings"] = maps
        self.linux["gidMappings"] = maps
        return self.namespace("user")


class Runtime:
    """The program with a state directory of its own. close() deletes what the test left."""

    def __init__(self):
        self.path = Path(tempfile.mkdtemp(prefix="mcr-", dir="/tmp"))
        self.path.chmod(0o755)
        self.root = self.path / "state"
        self.log_file = self.path / "log.json"
        self.processes = []

    def bundle(self):
        return Bundle(self.path / f"bundle-{next(COUNTER)}")

    # ---- the command line ----

    def command(self, *arguments):
        return [RUNTIME, "--root", self.root, "--log", self.log_file, "--log-format", "json", *map(str, arguments)]

    def call(self, *arguments, **options):
        """The finished program, with its text."""
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE,
                   "timeout": SECONDS, "text": True, **options}
        return subprocess.run(self.command(*arguments), **options)

    def good(self, *arguments, **options):
        """What it wrote, of a call that must do well."""
        done = self.call(*arguments, **options)
        assert done.returncode == 0, (arguments, done.returncode, done.stdout, done.stderr)
        return done.stdout

    def bad(self, *arguments, **options):
        """The complaint of a call that must fail, without the program's name."""
        done = self.call(*arguments, **options)
        assert done.returncode != 0, (arguments, done.stdout)
        return complaint(done.stderr)

    def run(self, bundle, name=None, *flags, **options):
        """A container from its start to its end."""
        bundle.write()
        return self.call("run", *flags, "-b", bundle.path, name or f"c{next(COUNTER)}", **options)

    def out(self, bundle, *flags, **options):
        """What the program of a container says that must end well."""
        done = self.run(bundle, None, *flags, **options)
        assert done.returncode == 0, (done.returncode, done.stdout, done.stderr)
        return done.stdout

    def create(self, bundle, name=None, *flags, **options):
        bundle.write()
        name = name or f"c{next(COUNTER)}"
        # Its process inherits our pipes: it would keep them open.
        output = self.path / f"{name}.out"
        with open(output, "wb") as file:
            done = self.call("create", *flags, "-b", bundle.path, name,
                             **{"stdout": file, "stderr": file, **options})
        assert done.returncode == 0, (done.returncode, output.read_text())
        return name

    def start(self, bundle, name=None, *flags, **options):
        """Created and started: a running container."""
        name = self.create(bundle, name, *flags, **options)
        self.good("start", name)
        return name

    def output(self, name):
        return (self.path / f"{name}.out").read_text()

    def sleeper(self, bundle, name=None):
        bundle.process["args"] = ["sleep", "1000"]
        return self.start(bundle, name)

    def exec(self, name, *command, flags=(), **options):
        return self.call("exec", *flags, name, *command, **options)

    def inside(self, name, script):
        done = self.exec(name, "sh", "-c", script)
        assert done.returncode == 0, (script, done.returncode, done.stdout, done.stderr)
        return done.stdout

    def state(self, name):
        return json.loads(self.good("state", name))

    def pid(self, name):
        return self.state(name)["pid"]

    def wait(self, name, status="stopped"):
        """Reaps on the way: a pid namespace ends with its last process, and orphans are ours."""
        wait_for(lambda: world.reap() or self.state(name)["status"] == status, f"{name} to be {status}")

    def delete(self, name, *flags):
        if "--force" in flags:
            assert self.force_delete(name) == 0, self.log()
        else:
            self.good("delete", *flags, name)

    def force_delete(self, name):
        """Its exit status; the processes of an exec that are ours to reap are reaped."""
        process = subprocess.Popen(self.command("delete", "--force", "--", name), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return world.finish(process, SECONDS, {other.pid for other in self.processes})

    # ---- what is left and what was said ----

    def log(self):
        """(level, message) of each line of the log; it is emptied."""
        if not self.log_file.exists():
            return []
        lines = [json.loads(line) for line in self.log_file.read_text().splitlines()]
        self.log_file.write_text("")
        return [(line["level"], line["msg"]) for line in lines]

    def warnings(self):
        return [message for level, message in self.log() if level == "warning"]

    def containers(self):
        return sorted(entry.name for entry in self.root.glob("[!.]*"))

    def close(self):
        with contextlib.suppress(FileNotFoundError):
            for name in self.containers():
                self.force_delete(name)
        for process in self.processes:
            process.kill()
            process.wait(SECONDS)
        left = self.containers()
        shutil.rmtree(self.path, ignore_errors=True)
        assert not left, f"containers that cannot be deleted: {left}"
        assert not self.path.exists(), f"mounts or files are left below {self.path}"

    def holder(self, *flags):
        """The pid of a process in new namespaces of unshare(1)'s flags."""
        kill = ["--kill-child"] if "-pf" in flags else []
        process = subprocess.Popen(["unshare", *kill, *flags, "sh", "-c", "echo; exec sleep 1000"],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.processes.append(process)
        with process.stdout:
            assert process.stdout.read(1), "unshare failed"
        return process.pid


def complaint(text):
    lines = [line for line in text.splitlines() if line.startswith("container-runtime: ")
             and not line.startswith("container-runtime: warning")]
    assert len(lines) == 1, text
    return lines[0].removeprefix("container-runtime: ")


def wait_for(condition, what, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds} s for {what}"
        time.sleep(0.005)


def cgroup_left(bundle):
    """Directories of the bundle's cgroup, in any hierarchy."""
    name = bundle.linux["cgroupsPath"].strip("/")
    return [str(path) for root in ("/sys/fs/cgroup", "/sys/fs/cgroup/*")
            for path in [*Path("/").glob(f"{root[1:]}/{name}")]]


@pytest.fixture
def runtime():
    made = Runtime()
    try:
        yield made
    finally:
        made.close()
