# SPDX-License-Identifier: Apache-2.0
"""OCI bundles with a small image, and container-runtime on a store of its own."""
import contextlib
import json
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import world
from oci_bundle import OciBundle
from stack import BUILD

RUNTIME = BUILD / "container-runtime"
CAPABILITIES = ["CAP_CHOWN", "CAP_KILL", "CAP_SETUID", "CAP_SETGID", "CAP_NET_BIND_SERVICE"]


def config(args):
    return {
        "ociVersion": "1.2.0",
        "process": {
            "args": args, "cwd": "/", "terminal": False, "user": {"uid": 0, "gid": 0},
            "env": ["PATH=/bin", "TERM=dumb"], "noNewPrivileges": True,
            "capabilities": {kind: CAPABILITIES for kind in ("bounding", "effective", "permitted")},
        },
        "root": {"path": "rootfs", "readonly": False},
        "hostname": "inside",
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["mode=755", "size=64k"]},
            {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
             "options": ["newinstance", "ptmxmode=0666", "mode=0620"]},
        ],
        "linux": {
            "namespaces": [{"type": kind} for kind in ("pid", "network", "ipc", "uts", "mount", "cgroup")],
        },
    }


class Bundle(OciBundle):
    """A bundle and a store below one directory; close() ends and removes all of it."""

    def __init__(self, args=("sleep", "1000")):
        self.path = Path(tempfile.mkdtemp(prefix="mcr-", dir="/tmp"))
        super().__init__(self.path / "bundle", config(list(args)))
        (self.rootfs / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
        self.root = self.path / "root"
        self.program = RUNTIME
        self.log = self.path / "log.json"
        self.write()

    def set(self, args=None, **process):
        """Changes the process of the config."""
        if args is not None:
            self.config["process"]["args"] = list(args)
        self.config["process"].update(process)
        self.write()

    def without_namespaces(self):
        """A container that shares all but its mounts with us."""
        del self.config["hostname"]
        self.config["linux"]["namespaces"] = [{"type": "mount"}]
        self.write()

    # ---- the program ----

    def command(self, *words):
        return [str(self.program), "--root", str(self.root), *map(str, words)]

    def start(self, *words, **options):
        """The program as a process that goes on."""
        options = {"stdin": subprocess.DEVNULL, "cwd": self.directory} | options
        return subprocess.Popen(self.command(*words), **options)

    def run(self, *words, **options):
        """Runs it to its end. Output goes through files: a container may keep a pipe open."""
        options = {"timeout": 60, "stdin": subprocess.DEVNULL, "cwd": self.directory} | options
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            done = subprocess.run(self.command(*words), stdout=out, stderr=err,
                                  check=False, **options)
            out.seek(0)
            err.seek(0)
            done.stdout = out.read().decode(errors="replace")
            done.stderr = err.read().decode(errors="replace")
        return done

    def ok(self, *words, **options):
        """Runs it, which must work, and returns what it wrote."""
        done = self.run(*words, **options)
        assert done.returncode == 0, f"{words}: {done.returncode} {done.stderr}"
        return done.stdout

    def fails(self, *words, status=1, **options):
        """Runs it, which must fail, and returns its message."""
        done = self.run(*words, **options)
        assert done.returncode == status, f"{words}: {done.returncode} {done.stdout} {done.stderr}"
        assert done.stderr.startswith("container-runtime: "), done.stderr
        return done.stderr

    def state(self, name="c"):
        return json.loads(self.ok("state", name))

    def status(self, name="c"):
        return self.state(name)["status"]

    def wait_for(self, status, name="c", seconds=10):
        end = time.monotonic() + seconds
        while self.status(name) != status:
            assert time.monotonic() < end, f"{name} is {self.status(name)}, not {status}"
            time.sleep(0.01)

    # ---- what is left ----

    def names(self):
        """What stands in the store, hidden names (caches) apart."""
        return sorted(p.name for p in self.root.glob("[!.]*")) if self.root.is_dir() else []

    def cgroups(self):
        cgroup = self.cgroup.lstrip("/")
        return [str(p) for p in [*Path("/sys/fs/cgroup").glob(cgroup + "*"),
                                 *Path("/sys/fs/cgroup").glob("*/" + cgroup + "*")]]

    def is_clean(self):
        hidden = [p.name for p in self.root.glob(".new*")] if self.root.is_dir() else []
        return not self.names() and not self.cgroups() and not hidden

    def close(self):
        for name in self.names():
            with contextlib.suppress(subprocess.TimeoutExpired):
                world.finish(subprocess.Popen(self.command("delete", "--force", name), stdin=subprocess.DEVNULL,
                                              stderr=subprocess.DEVNULL), 30)
        shutil.rmtree(self.path)


def end_status(process, seconds=20):
    """The exit status of a process that is to end by itself."""
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
        raise
