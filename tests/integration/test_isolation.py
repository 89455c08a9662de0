# SPDX-License-Identifier: Apache-2.0
"""From inside a tenant there is neither the host nor another tenant; tried with real programs."""
import ctypes
import os
import socket
import subprocess
from pathlib import Path

import pytest

NAMESPACES = ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"]
# What of a container can be written; the masks of files are bind mounts of its own /dev/null.
WRITABLE = {"/proc", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue", "/tmp", "/run"}
KINDS = {"tmpfs", "proc", "sysfs", "devpts", "mqueue", "cgroup", "cgroup2"}
FROM_HOST = {"/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc/alternatives", "/etc/ssl/certs", "/etc/php", "/etc/mysql"}
MASKED = ["acpi", "asound", "interrupts", "kcore", "keys", "latency_stats", "sched_debug", "scsi",
          "timer_list", "timer_stats"]


@pytest.fixture
def victim():
    """A process of the host that a tenant may not touch."""
    process = subprocess.Popen(["sleep", "300"])
    yield process
    assert process.poll() is None, "a process of the host was ended from inside"
    process.kill()
    process.wait(10)


def namespaces_of(pid):
    return {kind: os.readlink(f"/proc/{pid}/ns/{kind}") for kind in NAMESPACES}


def test_namespaces_are_the_tenants_own(stack):
    stack.sleeper("alpha")
    stack.start()
    seen = stack.ask(f"tell(own={{k: os.readlink('/proc/self/ns/' + k) for k in {NAMESPACES}}})")
    others = namespaces_of("self"), namespaces_of(stack.process.pid), namespaces_of(stack.ps()["alpha/web"]["pid"])
    for kind in NAMESPACES:
        assert seen["own"][kind] not in [other[kind] for other in others], kind


def test_processes_of_others_cannot_be_touched(stack, victim):
    stack.sleeper("alpha")
    stack.start()
    alpha = stack.ps()["alpha/web"]["pid"]
    others = [victim.pid, alpha, stack.process.pid, os.getpid()]
    secret = ctypes.create_string_buffer(b"a secret of the host")
    seen = stack.ask(f"""
        others, address = {others}, {ctypes.addressof(secret)}
        buffer = ctypes.create_string_buffer(64)
        local = (ctypes.c_size_t * 2)(ctypes.addressof(buffer), 20)
        remote = (ctypes.c_size_t * 2)(address, 20)
        vectors = ctypes.addressof(local), 1, ctypes.addressof(remote), 1, 0
        tell(kill=[attempt(os.kill, pid, 9) for pid in others],
             pidfd=[attempt(os.pidfd_open, pid) for pid in others],
             trace=[syscall(101, 16, pid) for pid in others],
             vm_read=[syscall(310, pid, *vectors) for pid in others], memory=buffer.value.decode(),
             visible=sorted(int(n) for n in os.listdir("/proc") if n.isdigit()),
             ps=run("ps -e -o pid=,comm=")[1].split(), program=[run(f"kill -9 {{p}}")[0] for p in others],
             all=run("sleep 100 & kill -9 -1; echo unreached")[1],
             enter=[run(f"nsenter -t {{p}} -a true")[0] for p in [1, *others]])
        """)
    assert seen["kill"] == seen["pidfd"] == ["ESRCH"] * 4
    assert seen["trace"] == seen["vm_read"] == ["EPERM"] * 4
    assert seen["memory"] == ""
    assert seen["visible"] == [1]
    assert sorted(seen["ps"][1::2]) == ["ps", "python3", "sh"]
    assert 0 not in seen["program"] + seen["enter"]
    assert stack.ps()["alpha/web"]["pid"] == alpha and stack.answers()


def test_sockets_and_ipc_of_others_do_not_exist(stack):
    """Abstract and path sockets, System V and POSIX IPC, the keyring."""
    make = """
        listener = socket.socket(socket.AF_UNIX); listener.bind("\\0of-alpha"); listener.listen()
        file = socket.socket(socket.AF_UNIX); file.bind("/tmp/of-alpha"); file.listen()
        assert LIBC.shmget(0x6d63, 4096, 0o1666) >= 0
        assert LIBC.mq_open(b"/of-alpha", os.O_CREAT | os.O_RDWR, 0o666, None) >= 0
        open("/dev/shm/of-alpha", "w").close()
        """
    of_host = socket.socket(socket.AF_UNIX)
    of_host.bind("\0of-host")
    of_host.listen()
    stack.php("php")
    stack.start()
    stack.serve_inside(make)
    memory = subprocess.run(["ipcmk", "-M", "4096"], capture_output=True, text=True, timeout=10)
    try:
        paths = [str(path) for path in (stack.path / "run").rglob("*.sock")]
        seen = stack.ask(f"""
            def unix(path):
                with socket.socket(socket.AF_UNIX) as probe:
                    return attempt(probe.connect, path)
            tell(abstract=[unix("\\0of-host"), unix("\\0of-alpha")],
                 paths=[unix(p) for p in {paths} + ["/run/container-supervisor/control.sock"]],
                 ipc=[read("/proc/sysvipc/" + kind).splitlines()[1:] for kind in ("shm", "sem", "msg")],
                 segment=LIBC.shmget(0x6d63, 4096, 0),
                 found=os.listdir("/dev/mqueue") + os.listdir("/dev/shm") + os.listdir("/tmp"),
                 abstract_table=[l for l in read("/proc/net/unix").splitlines() if "of-" in l],
                 join=syscall(250, 1, b"of-alpha"), search=syscall(250, 10, -3, b"user", b"x"),
                 request=syscall(249, b"user", b"x", 0, -3), add=syscall(248, b"user", b"x", b"y", 1, -3))
            """)
    finally:
        subprocess.run(["ipcrm", "-m", memory.stdout.split()[-1]], check=True, timeout=10)
        of_host.close()
    assert len(paths) >= 2
    assert seen["abstract"] == ["ECONNREFUSED"] * 2
    assert set(seen["paths"]) == {"ENOENT"}
    assert seen["ipc"] == [[], [], []] and seen["segment"] == -1
    assert seen["found"] == [] and seen["abstract_table"] == []
    assert {seen[call] for call in ("join", "search", "request", "add")} == {"EPERM"}


def test_root_is_read_only_and_the_old_one_gone(stack):
    (stack.path / "secret").write_text("a secret of the host")
    stack.start()
    secret = stack.path / "secret"
    seen = stack.ask(f"""
        def climb():
            os.chdir("/")
            for _ in range(64): os.chdir("..")
            return sorted(os.listdir("."))
        def create(directory): os.close(os.open(directory + "/made", os.O_CREAT | os.O_WRONLY))
        tell(mounts=mounts(), listing=sorted(os.listdir("/")), climbed=climb(),
             cwd=os.readlink("/proc/self/cwd"),
             create={{d: attempt(create, d) for d in (
                 "/", "/usr", "/usr/bin", "/etc", "/var", "/srv", "/home", "/dev/shm")}},
             secret=[attempt(open, way + "{secret}") for way in (
                 "", "/proc/1/root", "/proc/self/cwd", "/proc/1/cwd")],
             private=[attempt(open, p) for p in (
                 "/etc/shadow", "/etc/gshadow", "/etc/sudoers", "/etc/ssh", "/etc/machine-id", "/boot",
                 "/lost+found", "/etc/ssl/private", "/etc/apache2")],
             empty=os.listdir("/home") + os.listdir("/root") + os.listdir("/var/lib") + os.listdir("/mnt"),
             people=[l for l in read("/etc/passwd").splitlines() if 1000 <= int(l.split(":")[2]) < 65534])
        """)
    assert seen["climbed"] == seen["listing"] and seen["cwd"] == "/"
    created = seen["create"]
    assert created.pop("/dev/shm") == "ok"
    assert set(created.values()) == {"EROFS"}, created
    assert set(seen["secret"]) == set(seen["private"]) == {"ENOENT"}, seen
    assert seen["empty"] == [] and seen["people"] == []
    points = [point for point, *_ in seen["mounts"]]
    assert len(points) == len(set(points)), "something lies below another mount"
    writable = {point for point, _, options, _, _ in seen["mounts"] if "rw" in options}
    files = {f"/proc/{name}" for name in MASKED}
    assert WRITABLE <= writable <= WRITABLE | files, writable
    # The machine's own root may be a directory of its file system (a chroot, a subvolume).
    prefix = next(line.split()[3] for line in Path("/proc/self/mountinfo").read_text().splitlines()
                  if line.split()[4] == "/").rstrip("/")
    from_host = {prefix + place for place in FROM_HOST}
    for point, root, options, kind, _ in seen["mounts"]:
        assert "nosuid" in options, point
        assert kind in KINDS or root in from_host or point == "/srv/script", point
        assert "nodev" in options or point in ("/dev", "/dev/pts") or root == "/null", point
        assert "shared:" not in options and "master:" not in options


def test_proc_and_sys_are_masked_and_read_only(stack):
    stack.start()
    seen = stack.ask(f"""
        def content(path):
            try: return os.listdir(path) if os.path.isdir(path) else read(path, 64)
            except OSError as error: return name(error.errno)
        trees = sorted(os.listdir("/sys/fs/cgroup"))
        trees = [f"/sys/fs/cgroup/{{t}}" for t in trees if os.path.isdir("/sys/fs/cgroup/" + t)] or ["/sys/fs/cgroup"]
        tell(masked={{m: content(m) for m in [*("/proc/" + m for m in {MASKED}), "/sys/firmware", "/sys/dev/block",
                                              "/sys/devices/virtual/powercap"]}},
             kinds=[k for p, _, _, k, _ in mounts() if p in ("/proc", "/sys")],
             # with these capabilities only the mount can keep root inside from writing
             owned=[attempt(open_write, p) for p in (
                 "/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv4/ip_default_ttl", "/sys/class/net/eth0/ifalias")],
             denied={{p: attempt(open_write, p) for p in (
                 "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname", "/proc/sysrq-trigger",
                 "/proc/sys/vm/drop_caches", "/proc/sys/kernel/modprobe", "/proc/irq/default_smp_affinity",
                 "/sys/kernel/uevent_helper", "/sys/power/state", *(f"{{t}}/{{f}}" for t in trees for f in (
                     "release_agent", "notify_on_release", "cgroup.procs", "tasks", "memory.limit_in_bytes",
                     "memory.max", "pids.max")))}},
             groups=[attempt(os.mkdir, t + "/made") for t in trees],
             cgroup=read("/proc/self/cgroup").split(),
             hostname=run("hostname evil")[0])
        """, extra="cap_add: [NET_ADMIN, SYS_ADMIN, DAC_OVERRIDE]")
    assert Path("/proc/interrupts").read_text() and Path("/proc/keys").exists(), "there is nothing to mask"
    for path, content in seen["masked"].items():
        assert content in ("", [], "ENOENT"), path
    assert seen["kinds"] == ["proc", "sysfs"]
    assert seen["owned"] == ["EROFS"] * 3
    assert set(seen["denied"].values()) <= {"EROFS", "EACCES", "ENOENT", "EPERM"}, seen["denied"]
    assert set(seen["groups"]) <= {"EROFS"}, seen["groups"]
    assert {line.split(":", 2)[2] for line in seen["cgroup"]} == {"/"}
    assert seen["hostname"] != 0


def test_mounts_and_namespaces_cannot_be_made(stack):
    """The programs that an intruder would try first."""
    commands = [
        "mount -t tmpfs none /tmp", "mount -o remount,rw /", "mount -o remount,bind,rw /usr", "mount --make-shared /",
        "mount -t proc proc /tmp", "mount --bind / /tmp", "mount -o remount,rw /proc/sys", "umount /proc/sys",
        "umount -l /proc", "mount -t cgroup -o memory cgroup /tmp", "mount -t cgroup2 none /tmp",
        "mount -t overlay -o lowerdir=/usr,upperdir=/tmp,workdir=/run o /tmp", "pivot_root / /tmp", "chroot / true",
        "unshare -U true", "unshare -Ur mount -t tmpfs none /tmp", "unshare -m true", "unshare -n true",
        "unshare -p -f true", "nsenter -t 1 -m true", "mknod /tmp/n c 1 3", "mknod /tmp/b b 254 0", "hostname evil",
        "ip link set eth0 down", "ip link add type veth", "ip addr add 10.203.0.77/22 dev eth0",
        "ip route del default", "date -s 12:00", "dmesg", "setpriv --reuid 1 --clear-groups --inh-caps +all true",
    ]
    stack.start()
    seen = stack.ask(f"""
        before = mounts()
        tell(results={{c: run(c) for c in {commands}}}, unchanged=mounts() == before)
        """)
    worked = [c for c, (status, _) in seen["results"].items() if status == 0]
    missing = [c for c, (_, output) in seen["results"].items() if "not found" in output]
    assert (worked, missing, seen["unchanged"]) == ([], [], True), seen["results"]
