# SPDX-License-Identifier: Apache-2.0
"""The bundles that every runtime of scripts/bench runtime gets: one root file system, several configurations."""
import copy
import json
import os
import shutil
from pathlib import Path

HERE = Path(__file__).resolve().parent
BUSYBOX = "/bin/busybox"

# Docker's; with the profile that podman 4.3 wrote for them (seccomp.json), answering EPERM as Docker's does.
CAPABILITIES = ["CAP_" + name for name in (
    "CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT "
    "KILL AUDIT_WRITE").split()]
NAMESPACES = ("pid", "network", "ipc", "uts", "mount", "cgroup")
MOUNTS = [
    ("/proc", "proc", "proc", []),
    ("/dev", "tmpfs", "tmpfs", ["nosuid", "strictatime", "mode=755", "size=65536k"]),
    ("/dev/pts", "devpts", "devpts", ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]),
    ("/dev/shm", "tmpfs", "shm", ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]),
    ("/dev/mqueue", "mqueue", "mqueue", ["nosuid", "noexec", "nodev"]),
    ("/sys", "sysfs", "sysfs", ["nosuid", "noexec", "nodev", "ro"]),
]
# What `runc spec` and `crun spec` write.
MASKED = ["/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
          "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/proc/scsi"]
READ_ONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
MEMORY_LIMIT, TASKS_LIMIT = 64 << 20, 64  # as in floor.c


def base(rootfs):
    return {
        "ociVersion": "1.0.2",
        "process": {
            "terminal": False, "user": {"uid": 0, "gid": 0}, "args": ["/bin/true"], "cwd": "/",
            "env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            "capabilities": {name: CAPABILITIES for name in ("bounding", "effective", "permitted")},
            "noNewPrivileges": True,
        },
        "root": {"path": str(rootfs), "readonly": True},
        "hostname": "bench",
        "mounts": [{"destination": destination, "type": kind, "source": source, "options": options}
                   for destination, kind, source, options in MOUNTS],
        "linux": {
            "resources": {"devices": [{"allow": False, "access": "rwm"}], "memory": {"limit": MEMORY_LIMIT},
                          "pids": {"limit": TASKS_LIMIT}},
            "namespaces": [{"type": name} for name in NAMESPACES],
            "maskedPaths": MASKED, "readonlyPaths": READ_ONLY,
        },
    }


def plain(config):
    return config


def with_seccomp(config):
    config["linux"]["seccomp"] = json.loads((HERE / "seccomp.json").read_text())
    return config


def with_user_namespace(config):
    config["linux"]["namespaces"].append({"type": "user"})
    for key in ("uidMappings", "gidMappings"):
        config["linux"][key] = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    return config


def sleeping(config):
    config["process"]["args"] = ["/bin/sleep", "1000"]
    return config


VARIANTS = {"plain": plain, "seccomp": with_seccomp, "user": with_user_namespace, "sleep": sleeping}


def cgroup_name(slot):
    return f"mcb-{os.getpid()}-{slot}"


def make(top, slots):
    """top/rootfs and top/VARIANT/SLOT/config.json, each slot with a cgroup of its own."""
    rootfs = top / "rootfs"
    for name in ("bin", "dev", "proc", "sys", "etc", "tmp"):
        (rootfs / name).mkdir(parents=True, mode=0o755)
    shutil.copy(BUSYBOX, rootfs / "bin" / "busybox")
    for name in ("true", "sleep", "sh"):
        (rootfs / "bin" / name).symlink_to("busybox")
    for variant, change in VARIANTS.items():
        config = change(copy.deepcopy(base(rootfs)))
        for slot in range(slots):
            config["linux"]["cgroupsPath"] = "/" + cgroup_name(slot)
            bundle = top / variant / str(slot)
            bundle.mkdir(parents=True, mode=0o755)
            (bundle / "config.json").write_text(json.dumps(config))
    return rootfs
