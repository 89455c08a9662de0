# SPDX-License-Identifier: Apache-2.0
"""An OCI bundle: a busybox in a root file system, and a config that tests change and write."""
import copy
import itertools
import json
import os
import shutil

BUSYBOX = "/usr/bin/busybox"
APPLETS = ("sh cat chmod date dd dirname echo env false grep head hostname id ionice kill ln ls mkdir mknod mount nice printf ps "
           "pwd readlink rm sed seq sleep stat stty tail taskset test touch tr true tty ulimit umount uname unshare wc yes").split()
DIRECTORIES = ("bin", "dev", "etc", "proc", "sys", "tmp", "usr")
COUNTER = itertools.count()


class OciBundle:
    """Below `directory`; the cgroup has a name of its own, by which world.py finds what was left."""

    def __init__(self, directory, config, busybox=None):
        """busybox: a copy of it to link to, instead of a further copy."""
        self.directory = directory
        self.rootfs = directory / "rootfs"
        for name in DIRECTORIES:
            (self.rootfs / name).mkdir(parents=True)
        (self.rootfs / "tmp").chmod(0o1777)
        if busybox:
            os.link(busybox, self.rootfs / "bin/busybox")
        else:
            shutil.copy(BUSYBOX, self.rootfs / "bin/busybox")
        for name in APPLETS:
            (self.rootfs / "bin" / name).symlink_to("busybox")
        self.cgroup = f"/mct-{os.getpid()}-{next(COUNTER)}"
        self.config = copy.deepcopy(config)
        self.config["linux"]["cgroupsPath"] = self.cgroup

    @property
    def process(self):
        return self.config["process"]

    @property
    def linux(self):
        return self.config["linux"]

    def shell(self, script):
        self.process["args"] = ["sh", "-c", script]
        return self

    def write(self):
        (self.directory / "config.json").write_text(json.dumps(self.config))
