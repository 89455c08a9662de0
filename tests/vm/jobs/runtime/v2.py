# SPDX-License-Identifier: Apache-2.0
"""Containers whose cgroup is looked at from outside: on cgroup v2, our own or, with MANAGER=systemd, a scope."""
import errno
import os
import time
from pathlib import Path

from bundle import Bundle

SYSTEMD = os.environ.get("MANAGER") == "systemd"
CGROUPS = Path("/sys/fs/cgroup")
SLICE = "mct.slice"
MB = 1 << 20


class V2Bundle(Bundle):
    def __init__(self, args=("sleep", "1000")):
        super().__init__(args)
        if SYSTEMD:
            self.unit = f"mct-{self.cgroup.strip('/').removeprefix('mct-')}.scope"
            self.cgroup = f"{SLICE}/{self.unit}"
            name = self.unit.removeprefix("mct-").removesuffix(".scope")
            self.config["linux"]["cgroupsPath"] = f"{SLICE}:mct:{name}"
        self.group = CGROUPS / self.cgroup.strip("/")
        self.write()

    def command(self, *words):
        command = super().command(*words)
        return [command[0], "--systemd-cgroup", *command[1:]] if SYSTEMD else command

    def limit(self, **resources):
        """Sets parts of linux.resources."""
        self.config["linux"].setdefault("resources", {}).update(resources)
        self.write()
        return self

    def shell(self, script, **process):
        self.set(["sh", "-c", script], **process)
        return self

    def started(self):
        """The pid of a container "c" that runs."""
        self.write()
        self.ok("run", "-d", "c")
        return self.state()["pid"]

    def inside(self, script):
        return self.ok("exec", "c", "sh", "-c", script)

    def file(self, name):
        return (self.group / name).read_text().strip()

    def count(self, name, key):
        """A number of a file of keys and numbers."""
        return int(dict(line.split() for line in self.file(name).splitlines())[key])

    def pids(self):
        """Of the group's processes: none when it is gone, or goes while it is read (ENODEV)."""
        try:
            return [int(pid) for pid in self.file("cgroup.procs").split()]
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENODEV):
                raise
            return []


def wait_until(condition, what, seconds=10):
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, f"waited for {what}"
        time.sleep(0.02)
    return value
