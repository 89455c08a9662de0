# SPDX-License-Identifier: Apache-2.0
"""Attacks that worked on some runtime once, tried on `container-runtime`: docs/security.md has the list."""
import contextlib
import fcntl
import json
import os
import pty
import select
import socket
import stat
import subprocess
import time
from pathlib import Path

import pytest
import world
from hostile import CAPABILITIES, SECRET, attacker_is_removed, lab  # noqa: F401 (fixtures)
from private_httpd import wait_until
from test_hostile_image import TRAPS, tree

SETS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")


def check_refused(done, *words):
    """A clear error, and nothing of the host in what was said."""
    assert done.returncode == 1, (done.returncode, done.stdout, done.stderr)
    assert all(word in done.stderr for word in words) and len(done.stderr) > 30, (words, done.stderr)
    assert "exited with" not in done.stderr and SECRET not in done.stdout + done.stderr


def sets_of(status):
    return {line.split(":")[0]: int(line.split()[1], 16) for line in status.splitlines() if line.startswith("Cap")}


def bits(*names):
    numbers = {"CHOWN": 0, "DAC_OVERRIDE": 1, "FOWNER": 3, "KILL": 5, "SETGID": 6, "SETUID": 7, "NET_RAW": 13,
               "MKNOD": 27}
    return sum(1 << numbers[name.removeprefix("CAP_")] for name in names)


@contextlib.contextmanager
def leaked_descriptors(lab):
    """A careless caller: 3..22 are the host's root directory and a file of it, and stay open over exec."""
    held = [os.open("/" if number % 2 else lab.canary / "secret", os.O_RDONLY) for number in range(20)]
    moved = []
    try:
        # Behind what subprocess itself needs, then the runtime's child gets them as 3..22.
        moved = [fcntl.fcntl(fd, fcntl.F_DUPFD, 200) for fd in held]
        yield lambda: [os.dup2(fd, 3 + i, inheritable=True) for i, fd in enumerate(moved)]
    finally:
        for fd in held + moved:
            os.close(fd)


# ---- CVE-2019-5736: the runtime's own program ----

def test_program_of_the_runtime_cannot_be_overwritten(lab):
    """A process that is the runtime's program, seen from inside by one that may do all that root's files allow."""
    before = lab.hash()
    bundle = lab.bundle()
    (bundle.rootfs / "script").write_text("#!/proc/self/exe\n")
    (bundle.rootfs / "script").chmod(0o755)
    (bundle.rootfs / "exe").symlink_to("/proc/self/exe")
    log = lab.path / "log"
    bundle.process["args"] = ["attacker", "overwrite", "1.5"]
    with open(log, "wb") as output:
        pid = bundle.start(stdout=output)
    wait_until(lambda: "attack ready" in log.read_text(), "the attacker")
    # It prints its help into a pipe that is full, and so is there to be looked at; then it ends, and may be written.
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    os.write(writing, b"x" * 4096)
    done = bundle.exec("/proc/self/exe", "--help", options=["-d"], stdout=writing)
    assert done.returncode == 0, done.stderr
    wait_until(lambda: "write" in log.read_text(), "the attack")
    os.close(writing)
    while os.read(reading, 65536):
        pass
    os.close(reading)
    lab.wait_end(pid)
    said = log.read_text()
    assert "found " in said, said
    assert str(lab.path) not in said, "a path of the host"
    results = {line for line in said.splitlines() if line.split()[0] in ("write", "truncate", "mode")}
    # ETXTBSY only says that it runs just now; at the end it does not, and the mount's being read-only is what stops it.
    assert {"write EROFS", "truncate EROFS", "mode EROFS"} <= results, said
    assert results <= {"write EROFS", "write ETXTBSY", "truncate EROFS", "truncate ETXTBSY", "mode EROFS"}, said
    for args in (["/script"], ["/exe"], ["/proc/self/exe"], ["/proc/1/exe"]):
        other = lab.bundle()
        for name in ("script", "exe"):
            os.rename(bundle.rootfs / name, other.rootfs / name)
        other.process["args"] = args
        done = other.run()
        assert done.returncode != 0 and SECRET not in done.stdout, done
        bundle = other
    assert lab.hash() == before


# ---- CVE-2019-16884, 2019-19921, 2023-27561, 2023-28642, 2025-52881: a /proc that is none ----

FAKES = ("sys/net/ipv4/ip_forward", "sys/kernel/core_pattern", "self/attr/exec", "thread-self/attr/exec",
         "thread-self/attr/apparmor/exec", "self/attr/apparmor/exec", "self/timens_offsets")


def make_fake_proc(path):
    for name in FAKES:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text("fake\n")


@pytest.mark.parametrize("kind", ["directory", "tmpfs", "link", "relative"])
def test_settings_go_to_the_real_proc(lab, kind):
    bundle = lab.bundle()
    proc = bundle.rootfs / "proc"
    fake = lab.canary / "proc"
    fake.mkdir()
    make_fake_proc(fake)
    if kind == "tmpfs":
        subprocess.run(["mount", "-t", "tmpfs", "none", proc], check=True, timeout=10)
    elif kind != "directory":
        proc.rmdir()
        proc.symlink_to(fake if kind == "link" else f"{lab.up}/proc")
        (bundle.rootfs / str(fake)[1:]).mkdir(parents=True)
        make_fake_proc(bundle.rootfs / str(fake)[1:])
    if kind in ("directory", "tmpfs"):
        make_fake_proc(proc)
    before = tree(lab.canary)
    image = {name: (proc if proc.is_dir() and not proc.is_symlink() else fake) / name for name in FAKES}
    bundle.linux["sysctl"] = {"net.ipv4.ip_forward": "1"}
    bundle.linux["timeOffsets"] = {"boottime": {"secs": 1000}}
    bundle.linux["namespaces"].append({"type": "time"})
    bundle.process["apparmorProfile"] = "nobody"
    bundle.process["selinuxLabel"] = "system_u:system_r:nobody_t:s0"
    bundle.linux["maskedPaths"] = bundle.linux["readonlyPaths"] = []
    bundle.without_mount("/proc")
    pid = bundle.shell("echo started; sleep 60").start()
    real = Path(f"/proc/{pid}/root/sys/class")  # of the container's network namespace
    assert real.is_dir()
    forward = subprocess.run(["nsenter", f"--net=/proc/{pid}/ns/net", "cat", "/proc/sys/net/ipv4/ip_forward"],
                             capture_output=True, text=True, timeout=10, check=True)
    assert forward.stdout == "1\n"
    assert "1000" in Path(f"/proc/{pid}/timens_offsets").read_text()
    assert {path.read_text() for path in image.values()} == {"fake\n"}
    assert tree(lab.canary) == before
    lab.call("delete", "--force", bundle.name)
    if kind == "tmpfs":
        subprocess.run(["umount", proc], check=True, timeout=10)
        return
    # With a procfs of its own it is that one that the container sees, or there is no start.
    bundle.config["mounts"].insert(0, {"destination": "/proc", "type": "proc", "source": "proc"})
    done = bundle.shell("grep ' / /proc ' /proc/self/mountinfo; cat /proc/sys/net/ipv4/ip_forward").run()
    if kind == "directory":
        assert "- proc proc" in done.stdout and done.stdout.endswith("1\n"), done
    else:
        check_refused(done, "mount /proc")
    assert tree(lab.canary) == before


@pytest.mark.parametrize("destination,kind", [("/proc", "tmpfs"), ("/proc", "bind"), ("/proc/sys", "tmpfs"),
                                              ("/proc/self/attr", "tmpfs"), ("/proc/../proc/sys", "tmpfs"),
                                              ("//proc//./self", "bind"), ("/proc/1", "bind"),
                                              ("/link", "tmpfs"), ("/link", "bind")])
def test_nothing_covers_proc(lab, destination, kind):
    bundle = lab.bundle()
    (bundle.rootfs / "link").symlink_to("/proc/sys/kernel")
    bundle.config["mounts"].append({"destination": destination, "type": kind, "source": str(lab.canary),
                                    "options": ["rbind"] if kind == "bind" else []})
    check_refused(bundle.run(), "mount")


# ---- CVE-2024-21626: descriptors of the host ----

def is_harmless(target):
    return target.startswith(("pipe:", "socket:", "/dev/null", "/tmp/#", "anon_inode:"))


def test_no_descriptor_of_the_caller_or_the_runtime_gets_in(lab):
    bundle = lab.bundle()
    bundle.process["args"] = ["attacker", "fds"]
    with leaked_descriptors(lab) as leak:
        done = bundle.run(preexec_fn=leak, close_fds=False)
        assert [line.split()[0] for line in done.stdout.splitlines()] == ["0", "1", "2"], done
        bundle.shell("exec sleep 60")
        pid = bundle.create(preexec_fn=leak, close_fds=False)
        waiting = {fd: os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}
        assert all(is_harmless(target) for target in waiting.values()), waiting
        assert lab.call("start", bundle.name, preexec_fn=leak, close_fds=False).returncode == 0
        assert sorted(os.listdir(f"/proc/{pid}/fd")) == ["0", "1", "2"]
        done = bundle.exec("attacker", "fds", preexec_fn=leak, close_fds=False)
        assert [line.split()[0] for line in done.stdout.splitlines()] == ["0", "1", "2"], done
        # What is asked for is passed, and not one more.
        done = bundle.exec("attacker", "fds", options=["--preserve-fds", "2"], preexec_fn=leak, close_fds=False)
        assert [line.split()[0] for line in done.stdout.splitlines()] == ["0", "1", "2", "3", "4"], done


def test_working_directory_cannot_be_a_descriptor(lab):
    """While the working directory is looked up, some of 3..20 are still open: none may be one of the host's."""
    running = lab.bundle().shell("exec sleep 60")
    running.start()
    script = "pwd; ls ../../../..; cat secret ../../../etc/shadow; echo inside"
    with leaked_descriptors(lab) as leak:
        for number in range(3, 21):
            for cwd in (f"/proc/self/fd/{number}", f"/proc/thread-self/fd/{number}/"):
                bundle = lab.bundle().shell(script)
                bundle.process["cwd"] = cwd
                check_refused(bundle.run(preexec_fn=leak, close_fds=False), "directory", cwd)
                done = running.exec("sh", "-c", script, options=["--cwd", cwd], preexec_fn=leak, close_fds=False)
                assert done.returncode != 0 and cwd in done.stderr and done.stdout == "", done
        link = lab.bundle().shell(script)
        (link.rootfs / "work").symlink_to("/proc/self/fd/7")
        link.process["cwd"] = "/work"
        check_refused(link.run(preexec_fn=leak, close_fds=False), "directory", "/work")


# ---- CVE-2016-9962: processes that still have rights ----

def test_waiting_process_cannot_be_looked_into(lab):
    """A created container waits for its start as the user of the program, and with the memory of the runtime."""
    bundle = lab.bundle()
    bundle.process["user"] = {"uid": 1000, "gid": 1000}
    bundle.process["capabilities"] = {}
    bundle.process["args"] = ["sleep", "60"]
    pid = bundle.create()
    user = ["setpriv", "--reuid", "1000", "--regid", "1000", "--clear-groups"]

    def look():
        seen = {}
        for name in ("environ", "maps", "mem", "auxv", "syscall", "stack"):
            command = f"head -c 1 </proc/{pid}/{name} >/dev/null"
            seen[name] = subprocess.run([*user, "sh", "-c", command], capture_output=True, timeout=10).returncode == 0
        for name in ("root", "cwd", "exe", "fd/0"):
            seen[name] = subprocess.run([*user, "readlink", f"/proc/{pid}/{name}"], capture_output=True,
                                        timeout=10).returncode == 0
        return {name for name, worked in seen.items() if worked}

    assert os.stat(f"/proc/{pid}/environ").st_uid == 0
    assert look() == set()
    lab.call("start", bundle.name)
    # That user may look into a program of his: it is the waiting one that hides.
    wait_until(lambda: {"environ", "root", "cwd", "exe", "fd/0"} <= look(), "the program")


# ---- CVE-2025-31133, 2025-52565 and kin: /dev of an image ----

def place_device(number):
    return lambda lab, path: os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(*number))


DEVICE_TRAPS = {**TRAPS, "memory": place_device((1, 1)), "zero": place_device((1, 5)), "ptmx": place_device((5, 2)),
                "full": lambda lab, path: path.write_text(SECRET + "\n"),
                "directory": lambda lab, path: (path.mkdir(), (path / "x").touch())}


@pytest.mark.parametrize("has_terminal", [False, True], ids=["plain", "terminal"])
@pytest.mark.parametrize("place", ["dev", "dev/null", "dev/zero", "dev/console", "dev/pts", "dev/ptmx"])
def test_devices_of_an_image_without_a_dev_mount(lab, place, has_terminal):
    before = tree(lab.canary)
    bundles, starts = [], 0
    for trap in DEVICE_TRAPS.values():
        bundle = lab.bundle()
        path = bundle.rootfs / place
        if path.is_dir():
            path.rmdir()
        trap(lab, path)
        bundle.without_mount("/dev", *(["/dev/pts"] if place == "dev/pts" and not has_terminal else []))
        bundle.linux["maskedPaths"] = ["/proc/kcore", "/etc/masked", "/etc/masked-directory"]
        (bundle.rootfs / "etc/masked").write_text("hidden")
        (bundle.rootfs / "etc/masked-directory").mkdir()
        (bundle.rootfs / "etc/masked-directory/hidden").touch()
        bundle.shell("stat -c '%n %F %t:%T' /dev/null /dev/zero; cat /etc/masked /proc/kcore;"
                     "ls /etc/masked-directory; echo x >/dev/null; cat /dev/secret /dev/../secret; echo done")
        bundles.append((path, bundle))
    for path, bundle in bundles:
        image = tree(bundle.rootfs)
        if has_terminal:
            bundle.process["terminal"] = True
            done = run_with_terminal(lab, bundle)
        else:
            done = bundle.run()
        assert SECRET not in done.stdout, done
        if done.returncode == 0:
            starts += 1
            assert "/dev/null character special file 1:3" in done.stdout, done.stdout
            assert "/dev/zero character special file 1:5" in done.stdout, done.stdout
            assert "hidden" not in done.stdout and "done" in done.stdout, done.stdout
        else:
            check_refused(done)
            assert "dev" in done.stderr, done.stderr
        # What the image had there is neither written nor changed, but for ptmx, which must be a link to the container's.
        for name in (str(path), str(bundle.rootfs / "etc/masked")):
            kind = stat.S_IFMT(image[name][0]) if name in image else stat.S_IFLNK
            if not name.endswith("ptmx") and kind not in (stat.S_IFLNK, stat.S_IFDIR):
                assert tree(bundle.rootfs)[name][:5] == image[name][:5], name
        assert tree(lab.canary) == before, path
    assert starts > 0 or place in ("dev", "dev/null", "dev/zero"), "no image could be started at all"


def run_with_terminal(lab, bundle):
    """With a console socket as podman gives it; what the terminal said is the output."""
    address = lab.path / "console"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(address))
        listener.listen()
        listener.settimeout(5)
        bundle.write()
        done = lab.call("create", "--console-socket", address, "-b", bundle.path, bundle.name)
        address.unlink()
        if done.returncode != 0:
            return done
        connection, _ = listener.accept()
    with connection:
        _, fds, _, _ = socket.recv_fds(connection, 4096, 1)
    master = fds[0]
    try:
        assert stat.S_ISCHR(os.fstat(master).st_mode) and os.major(os.fstat(master).st_rdev) == 5
        lab.call("start", bundle.name)
        text = b""
        end = time.monotonic() + 5
        os.set_blocking(master, False)
        while time.monotonic() < end:
            try:
                text += os.read(master, 65536)
            except BlockingIOError:
                time.sleep(0.005)
            except OSError:
                break  # EIO: the other end was closed
    finally:
        os.close(master)
    lab.call("delete", "--force", bundle.name)
    return subprocess.CompletedProcess([], 0, text.decode().replace("\r", ""), "")


# ---- CVE-2022-24769, 2022-27650, 2022-29162: capabilities that were left over ----

def test_no_capability_is_left_over(lab):
    """The caller has inheritable and ambient ones itself; none is asked for."""
    caller = ["setpriv", "--inh-caps", "+net_raw,+chown", "--ambient-caps", "+net_raw,+chown"]
    for uid in (0, 1000):
        bundle = lab.bundle()
        bundle.process["user"] = {"uid": uid, "gid": uid}
        done = bundle.shell("cat /proc/self/status").run(prefix=caller)
        granted = bits(*CAPABILITIES)
        wanted = {"CapInh": 0, "CapPrm": 0 if uid else granted, "CapEff": 0 if uid else granted, "CapBnd": granted,
                  "CapAmb": 0}
        assert sets_of(done.stdout) == wanted, done
        bundle.shell("exec sleep 60").start(prefix=caller)
        assert sets_of(bundle.exec("cat", "/proc/self/status", prefix=caller).stdout) == wanted
        more = bundle.exec("cat", "/proc/self/status", options=["--cap", "CAP_NET_RAW"], prefix=caller)
        found = sets_of(more.stdout)
        assert (found["CapInh"], found["CapAmb"]) == (0, 0) and found["CapBnd"] == granted | bits("NET_RAW"), more
    # With none at all, root is nobody.
    bundle = lab.bundle()
    bundle.process["capabilities"] = {}
    assert set(sets_of(bundle.shell("cat /proc/self/status").run(prefix=caller).stdout).values()) == {0}


# ---- CVE-2016-3697, 2024-40635, 2026-30892, 2026-46680: users ----

def test_users_are_numbers_in_range(lab):
    bundle = lab.bundle()
    (bundle.rootfs / "etc/passwd").write_text("1000:x:0:0::/:/bin/sh\n0x0:x:0:0::/:/bin/sh\nuser:x:7:7::/:/bin/sh\n")
    (bundle.rootfs / "etc/group").write_text("1000:x:0:1000\n")
    bundle.process["user"] = {"uid": 5, "gid": 5}
    bundle.shell("exec sleep 60").start()
    assert "uid=5 gid=5" in bundle.exec("id", options=["-u", ""]).stdout  # as if it was not there, and not root
    for user in ("4294967296:0", "4294967296", "4294967295", "18446744073709551616", "-1", "-1:-1", "+0", "1000 ",
                 " 1000", "0x0", "00x0", "1e3", "1000:", ":0", ":", "root", "user", "1000:0 ", "1000:4294967296",
                 "1000:-1", "1000:+0", "1000\n", "0\x0b", "1000:0:0", "٣"):
        done = bundle.exec("id", options=["-u", user])
        assert done.returncode != 0 and "uid=" not in done.stdout, (user, done)
        assert "--user" in done.stderr, (user, done.stderr)
    for user, answer in (("1000", "uid=1000(1000) gid=0"), ("1000:1000", "uid=1000(1000) gid=1000"),
                         ("4294967294:4294967294", "uid=4294967294 gid=4294967294")):
        done = bundle.exec("sh", "-c", "grep ^.id: /proc/self/status", options=["-u", user])
        uid = user.split(":")[0]
        assert f"Uid:\t{uid}\t{uid}\t{uid}\t{uid}" in done.stdout, (answer, done)
    for uid in (4294967296, 4294967295, -1, "0", "1000", 0.5, 1 << 63, None, True, [0]):
        other = lab.bundle().shell("id")
        other.process["user"] = {"uid": uid, "gid": 0}
        check_refused(other.run(), "process.user")
        other.process["user"] = {"uid": 0, "gid": uid}
        check_refused(other.run(), "process.user")
        (lab.path / "process.json").write_text(json.dumps({**bundle.process, "user": {"uid": uid, "gid": 0},
                                                           "args": ["id"]}))
        done = lab.call("exec", "--process", lab.path / "process.json", bundle.name)
        assert done.returncode != 0 and done.stdout == "", (uid, done)


# ---- CVE-2020-15257: abstract sockets ----

def test_no_abstract_socket(lab):
    """A container that shares the host's network namespace sees no socket of the runtime, and reaches none."""
    bundle = lab.bundle()
    bundle.linux["namespaces"] = [n for n in bundle.linux["namespaces"] if n["type"] != "network"]
    bundle.without_mount("/sys")
    bundle.shell("cat /proc/net/unix; exec sleep 60")
    log = lab.path / "log"
    waiting = lab.bundle()
    waiting.create()
    with open(log, "wb") as output:
        bundle.start(stdout=output)
    wait_until(lambda: "start" in log.read_text(), "the list")
    sockets = [line.split()[7] for line in log.read_text().splitlines()[1:] if len(line.split()) > 7]
    # The name is the one it was bound by.
    assert "/proc/self/fd/" in "".join(sockets) and not [path for path in sockets if path.startswith("@")], sockets
    path = next((lab.path / "state").rglob("start.sock"))
    assert stat.S_IMODE(os.stat(path.parent).st_mode) == 0o700
    assert bundle.exec("ls", path).returncode != 0
    assert json.loads(lab.call("state", waiting.name).stdout)["status"] == "created"


def test_no_abstract_socket_of_the_supervisor(stack):
    stack.sleeper()
    stack.start()
    stack.wait_state("running")
    lines = Path(f"/proc/{stack.process.pid}/net/unix").read_text().splitlines()[1:]
    sockets = [line.split()[7] for line in lines if len(line.split()) > 7]
    control = [path for path in sockets if path.startswith(str(stack.path))]
    assert control and not [path for path in sockets if path.startswith("@")], sockets
    assert {stat.S_IMODE(os.stat(path).st_mode) & 0o007 for path in control} == {0}


# ---- CVE-2022-0492: release_agent ----

def test_release_agent_cannot_be_set(lab):
    agents = [path for path in Path("/sys/fs/cgroup").glob("*/release_agent")]
    before = {path: path.read_text() for path in agents}
    bundle = lab.bundle()
    bundle.config["mounts"].append({"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup",
                                    "options": ["nosuid", "noexec", "nodev", "ro"]})
    done = bundle.shell(r"""
        mkdir /tmp/c
        for way in /sys/fs/cgroup /sys/fs/cgroup/*; do
            (echo /evil >$way/release_agent) 2>/dev/null && echo "wrote $way"
            (echo 1 >$way/notify_on_release) 2>/dev/null && echo "wrote $way"
            (mkdir $way/new) 2>/dev/null && echo "made $way"
            mount -o remount,rw,bind $way 2>/dev/null && echo "remounted $way"
        done
        for kind in memory rdma cpuset pids freezer name=systemd; do
            mount -t cgroup -o $kind none /tmp/c 2>/dev/null && echo "mounted $kind"
            unshare -U -r -m -C sh -c "mount -t cgroup -o $kind none /tmp/c && echo /evil >/tmp/c/release_agent" \
                2>/dev/null && echo "wrote $kind by way of a user namespace"
        done
        mount -t cgroup2 none /tmp/c 2>/dev/null && echo "mounted cgroup2"
        ls -d /sys/fs/cgroup/*/release_agent /sys/fs/cgroup/release_agent 2>/dev/null
        cat /proc/self/cgroup; echo done
        """).run(timeout=20)
    assert "done" in done.stdout, done
    assert not [line for line in done.stdout.splitlines() if line.startswith(("wrote", "made", "remounted", "mounted"))]
    # The namespace's root is the container's own cgroup: the real root, the one with the file, is out of sight.
    assert "release_agent" not in done.stdout and "mct-" not in done.stdout, done.stdout
    assert {path: path.read_text() for path in agents} == before


# ---- CVE-2022-0811: sysctls ----

SYSCTLS = {
    "kernel.core_pattern": "|/evil", "kernel/core_pattern": "|/evil", "fs.suid_dumpable": "2", "vm.overcommit_memory": "1",
    "kernel.modprobe": "/evil", "kernel.ns_last_pid": "1", "net/../kernel/core_pattern": "|/evil",
    "net.x/../../kernel/core_pattern": "|/evil", "net.ipv4.../../kernel.core_pattern": "x", "net//ipv4/ip_forward": "1",
    "/kernel/core_pattern": "|/evil", "../kernel/core_pattern": "|/evil", "net.": "1", "": "1", ".": "1",
    "net.ipv4.ip_forward ": "1", "net.ipv4.ip_forward\n": "1", "net.ipv4.ip_forward=1\nkernel.core_pattern": "x",
    "kernel.hostname": "evil", "user.max_user_namespaces": "1", "fs.mqueue": "1", "fs.file-max": "1000",
    "kernel.shm_rmid_forced+kernel.core_pattern": "1", "kernel.pid_max": "400",
}


def test_sysctls_are_those_of_a_namespace(lab):
    watched = ("kernel/core_pattern", "fs/suid_dumpable", "vm/overcommit_memory", "kernel/modprobe", "kernel/hostname",
               "fs/file-max", "net/ipv4/ip_forward", "kernel/shm_rmid_forced", "user/max_user_namespaces",
               "kernel/pid_max")
    before = {name: Path("/proc/sys", name).read_text() for name in watched if Path("/proc/sys", name).exists()}
    for key, value in SYSCTLS.items():
        bundle = lab.bundle()
        bundle.linux["sysctl"] = {key: value}
        check_refused(bundle.run(), "linux.sysctl")
    for value in ("1\nkernel.core_pattern=|/evil", "1+kernel.core_pattern=|/evil", "1\r2", "\n", 1, None,
                  "9" * 5000, ["1"]):
        bundle = lab.bundle()
        bundle.linux["sysctl"] = {"kernel.shm_rmid_forced": value}
        check_refused(bundle.run(), "sysctl")
    for kind, key in (("network", "net.ipv4.ip_forward"), ("ipc", "kernel.shm_rmid_forced"), ("ipc", "fs.mqueue.msg_max")):
        bundle = lab.bundle()
        bundle.linux["namespaces"] = [n for n in bundle.linux["namespaces"] if n["type"] != kind]
        bundle.without_mount("/sys")
        bundle.linux["sysctl"] = {key: "1"}
        check_refused(bundle.run(), f"linux.sysctl.{key}", kind)
    bundle = lab.bundle()
    bundle.linux["sysctl"] = {"net.ipv4.ip_forward": "1", "kernel.shm_rmid_forced": "1", "net/ipv4/conf/lo/forwarding": "1",
                              "net.ipv4.conf.lo.log_martians": "1"}
    done = bundle.shell("cd /proc/sys; cat net/ipv4/ip_forward kernel/shm_rmid_forced net/ipv4/conf/lo/log_martians").run()
    assert done.stdout == "1\n1\n1\n", done
    assert {name: Path("/proc/sys", name).read_text() for name in before} == before


def test_sysctl_of_a_device_whose_name_has_a_dot(lab):
    """sysctl.d(5): the first separator decides which of "." and "/" stands for itself. What was checked is written."""
    for key in ("net.ipv4.conf.d0/7.log_martians", "net/ipv4/conf/d0.7/log_martians"):
        bundle = lab.bundle()
        bundle.process["capabilities"] = {}
        bundle.shell("cat /proc/sys/net/ipv4/conf/d0.7/log_martians")
        with named_link(lab, "d0.7") as namespace:
            next(n for n in bundle.linux["namespaces"] if n["type"] == "network")["path"] = namespace
            bundle.linux["sysctl"] = {key: "1"}
            done = bundle.run()
        assert done.stdout == "1\n", done


@contextlib.contextmanager
def named_link(lab, name):
    """A network namespace with a device of that name."""
    holder = subprocess.Popen(["unshare", "-n", "sh", "-c", f"ip link add '{name}' type bridge && echo made; exec sleep 60"],
                              stdout=subprocess.PIPE)
    try:
        assert holder.stdout.readline() == b"made\n"
        yield f"/proc/{holder.pid}/ns/net"
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()


# ---- CVE-2022-31030: output without end ----

def memory_of(pid):
    """Private memory of a process, in kB."""
    return int(next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines()
                    if line.startswith("RssAnon")).split()[1])


@contextlib.contextmanager
def terminal():
    ends = pty.openpty()
    try:
        yield ends
    finally:
        for fd in ends:
            os.close(fd)


def read_some(fd, seconds=5):
    """What is there to be read, b"" when nothing comes."""
    return os.read(fd, 65536) if select.select([fd], [], [], seconds)[0] else b""


@pytest.mark.parametrize("verb", ["run", "exec"])
def test_output_that_nobody_reads_is_not_kept(lab, verb):
    bundle = lab.bundle()
    if verb == "exec":
        bundle.shell("exec sleep 60").start()
        command = lab.command("exec", "-t", bundle.name, "yes")
    else:
        bundle.process["terminal"] = True
        bundle.process["args"] = ["yes"]
        bundle.write()
        command = lab.command("run", "-b", bundle.path, bundle.name)
    with terminal() as (master, slave), subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave,
                                                         start_new_session=True) as process:
        try:
            assert read_some(master).startswith(b"y"), bundle.name
            time.sleep(0.2)
            first = memory_of(process.pid)
            time.sleep(1)
            second, cpu = memory_of(process.pid), Path(f"/proc/{process.pid}/stat").read_text().split()[13:15]
            lab.call("delete", "--force", bundle.name)
            end = time.monotonic() + 5
            while process.poll() is None and time.monotonic() < end:
                read_some(master, 0.1)
            assert process.poll() is not None, "it does not see the end of the container"
        finally:
            process.kill()
    assert first < 4096 and second - first < 256, f"{first} kB, then {second} kB"
    assert sum(map(int, cpu)) < 50, "it spins"


# ---- CVE-2021-43784: sizes ----

def test_oversized_values_are_refused_or_passed_whole(lab):
    long = "x" * 70000  # more than 16 bits count
    bundle = lab.bundle()
    bundle.config["annotations"] = {"long": long, long: "long"}
    bundle.process["env"].append(f"LONG={long}")
    done = bundle.shell("echo ${#LONG}").run()
    assert done.stdout == "70000\n", done
    many = lab.bundle()
    many.linux["namespaces"].append({"type": "user"})
    many.without_mount("/dev/pts")  # its group is not mapped
    mapping = [{"containerID": 2 * i, "hostID": 100000 + 2 * i, "size": 1} for i in range(33)]
    for count, works in ((32, True), (33, False)):
        many.linux["uidMappings"] = many.linux["gidMappings"] = mapping[:count]
        done = many.shell("grep -c . /proc/self/uid_map").run()
        if works:
            assert done.stdout == "32\n", done
        else:
            check_refused(done, "linux.uidMappings")
    for path, value in {
            "linux.uidMappings": [{"containerID": 0, "hostID": 0, "size": 1 << 32}],
            "linux.gidMappings": [{"containerID": 65536, "hostID": 4294967295, "size": 65536}],
            "hostname": long, "process.args": ["true"] * 70000, "process.cwd": "/" + long,
            "mounts": CONFIG_MOUNT * 5000, "process.user.additionalGids": list(range(70000))}.items():
        bundle = lab.bundle()
        *parents, name = path.split(".")
        place = bundle.config
        for parent in parents:
            place = place[parent]
        place[name] = value
        if path.startswith("linux"):
            bundle.linux["namespaces"].append({"type": "user"})
            bundle.linux.setdefault("uidMappings", [{"containerID": 0, "hostID": 100000, "size": 1}])
            bundle.linux.setdefault("gidMappings", [{"containerID": 0, "hostID": 100000, "size": 1}])
        check_refused(bundle.run(), path.split(".")[-1])
    huge = lab.bundle()
    huge.write()
    with open(huge.path / "config.json", "r+b") as file:
        file.truncate(1 << 33)
    check_refused(lab.call("run", "-b", huge.path, huge.name), "config.json")


CONFIG_MOUNT = [{"destination": "/tmp", "type": "tmpfs", "source": "tmpfs"}]


# ---- CVE-2024-3154: annotations ----

def test_annotations_become_nothing(lab):
    plain = lab.bundle()
    marks = {name: lab.path / name for name in ("hook-stdout", "hook-stderr", "unit")}
    odd = {
        "org.systemd.property.ExecStartPre": f"[('/bin/touch', ['touch', '{marks['unit']}'], false)]",
        "org.systemd.property.TasksMax": "uint64 1", "org.systemd.property.MemoryMax": "uint64 1",
        "org.systemd.property.RootDirectory": "'/'",
        "run.oci.systemd.force_cgroup_v1": "/tmp", "run.oci.systemd.subgroup": "../..", "run.oci.delegate-cgroup": "/..",
        "run.oci.hooks.stdout": str(marks["hook-stdout"]), "run.oci.hooks.stderr": str(marks["hook-stderr"]),
        "run.oci.handler": "krun", "run.oci.keep_original_groups": "1", "run.oci.pidfd_receiver": "/nowhere/socket",
        "run.oci.seccomp.receiver": "/nowhere/socket", "run.oci.seccomp.plugins": "/nowhere.so",
        "run.oci.mount_context_type": "rootcontext", "run.oci.timens_offset": "monotonic 5 0",
        "run.oci.monitor-hooks": "1", "krun.cpus": "9", "module.wasm.image/variant": "compat",
        "io.kubernetes.cri-o.Devices": "/dev/mem", "io.katacontainers.config.hypervisor.path": "/evil",
    }
    script = "grep -e ^Groups -e ^Cap -e ^Seccomp /proc/self/status; cat /proc/self/cgroup; ls /dev"
    strange = lab.bundle()
    strange.config["annotations"] = odd
    hook = {"path": "/bin/sh", "args": ["sh", "-c", "echo said; echo said >&2"]}
    for bundle in (plain, strange):
        bundle.config["hooks"] = {"createRuntime": [hook]}
    first, second = (bundle.shell(script).run() for bundle in (plain, strange))
    assert first.returncode == second.returncode == 0 and first.stdout == second.stdout, (first, second)
    assert not [str(path) for path in marks.values() if path.exists()]
    strange.create()
    assert json.loads(lab.call("state", strange.name).stdout)["annotations"] == odd


# ---- a root file system that is hostile throughout ----

LOOK = r"""
cat /proc/self/mountinfo
for way in / /dev /proc /sys /tmp /etc /work /data /trap . .. /proc/1/root /proc/1/cwd; do
    cat "$way/secret" "$way/../secret" 2>/dev/null
    echo written >"$way/written"
done 2>/dev/null
echo "at $(pwd)"; echo done
"""
PLACES = ("proc", "sys", "dev", "dev/pts", "etc", "etc/passwd", "etc/group", "work", "data", "data/deep", "file", "masked",
          "read-only")


@pytest.mark.parametrize("trap", TRAPS)
def test_traps_in_the_root_file_system(lab, trap):
    """Every place the runtime looks at is a trap once: a safe start or a clear error, and the host stays as it was."""
    source = lab.path / "source"
    source.mkdir()
    (source / "content").write_text("of the volume")
    before, started = tree(lab.canary), []
    for place in PLACES:
        bundle = lab.bundle()
        path = bundle.rootfs / place
        if path.is_dir():
            path.rmdir()
        path.parent.mkdir(exist_ok=True)
        TRAPS[trap](lab, path)
        bundle.process["cwd"] = "/work"
        bundle.process["user"] = {"uid": 7, "gid": 7}
        bundle.process["capabilities"] = {}
        bundle.config["mounts"] += [
            {"destination": "/data/deep", "type": "bind", "source": str(source), "options": ["rbind", "ro"]},
            {"destination": "/file", "type": "bind", "source": str(source / "content"), "options": ["bind", "ro"]},
            {"destination": "/etc", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup"]}]
        bundle.linux["maskedPaths"].append("/masked")
        bundle.linux["readonlyPaths"].append("/read-only")
        done = bundle.shell(LOOK).run(timeout=5)
        assert SECRET not in done.stdout + done.stderr, (place, done)
        if done.returncode == 0:
            started.append(place)
            assert "done" in done.stdout and "at /" in done.stdout, (place, done)
            for point, kind in (("/proc", "- proc proc"), ("/sys", "- sysfs sysfs"), ("/dev", "- tmpfs tmpfs")):
                assert kind in done.stdout and (f" {point} " in done.stdout or place == point[1:]), (place, done.stdout)
        else:
            check_refused(done)
            assert any(word in done.stderr for word in ("mount", "directory", "mask", "read-only", "/dev")), done.stderr
        assert tree(lab.canary) == before, place
        assert f"{lab.path}" not in "\n".join(world.mounts()), place
    # These hold nothing that a start needs.
    assert {"etc/passwd", "etc/group", "dev/pts"} <= set(started), started


def test_failed_create_leaves_nothing(lab):
    mounts = world.mounts()
    for change in ({"user": {"uid": -1, "gid": 0}}, {"cwd": "/etc/passwd"}, {"args": ["/nowhere"]}):
        bundle = lab.bundle()
        (bundle.rootfs / "etc/passwd").touch()
        bundle.process.update(change)
        check_refused(bundle.run()) if "args" not in change else bundle.run()
    assert lab.call("list", "-q").stdout == "" and world.mounts() == mounts
    assert not world.cgroups()
