# SPDX-License-Identifier: Apache-2.0
"""What a process of a tenant may do and what it holds: nothing that its file does not name."""
import json
import os
import pwd
import shutil
import stat
from pathlib import Path

import pytest

WEB_UID = pwd.getpwnam("www-data").pw_uid
SETS = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"]
STATUS = """
def status(path="/proc/self/status"):
    return dict(l.split(":", 1) for l in read(path).splitlines() if ":" in l)
"""


CLONE_NEWUSER_CHILD = 0x10000000 | 17
# x86-64 numbers: (arguments that would do harm or fail otherwise, the answer of the filter).
CALLS = {
    "unshare": ((272, 0x10000000), "EPERM"), "setns": ((308, 0, 0), "EPERM"),
    "clone newuser": ((56, CLONE_NEWUSER_CHILD), "EPERM"), "clone newnet": ((56, 0x40000000 | 17), "EPERM"),
    "clone high bits": ((56, 1 << 40 | CLONE_NEWUSER_CHILD), "EPERM"), "clone3": ((435, 0, 0), "ENOSYS"),
    "mount": ((165, 0, 0), "EPERM"), "umount2": ((166, 0), "EPERM"), "pivot_root": ((155, 0, 0), "EPERM"),
    "open_tree": ((428, -100, 0), "EPERM"), "move_mount": ((429, -1, 0), "EPERM"),
    "fsopen": ((430, b"tmpfs"), "EPERM"), "fsmount": ((432, -1), "EPERM"),
    "mount_setattr": ((442, -1), "EPERM"), "chroot": ((161, b"/"), "EPERM"), "keyctl": ((250, 0, -3), "EPERM"),
    "add_key": ((248, 0), "EPERM"), "request_key": ((249, 0), "EPERM"), "bpf": ((321, 0, 0, 0), "EPERM"),
    "perf_event_open": ((298, 0), "EPERM"), "io_uring_setup": ((425, 8, 0), "EPERM"),
    "userfaultfd": ((323, 1), "EPERM"), "open_by_handle_at": ((304, -1, 0, 0), "EPERM"),
    "name_to_handle_at": ((303, -1, 0), "EPERM"), "ptrace": ((101, 0), "EPERM"),
    "process_vm_readv": ((310, 1), "EPERM"), "process_vm_writev": ((311, 1), "EPERM"),
    "pidfd_getfd": ((438, -1, 0), "EPERM"), "kexec_load": ((246, 0), "EPERM"),
    "init_module": ((175, 0), "EPERM"), "finit_module": ((313, -1), "EPERM"), "reboot": ((169, 0), "EPERM"),
    "swapon": ((167, 0), "EPERM"), "sethostname": ((170, b"x", 1), "EPERM"),
    "settimeofday": ((164, 0), "EPERM"), "clock_settime": ((227, 0, 0), "EPERM"), "syslog": ((103, 3), "EPERM"),
    "acct": ((163, 0), "EPERM"), "iopl": ((172, 3), "EPERM"), "quotactl": ((179, 0), "EPERM"),
    "fanotify_init": ((300, 0), "EPERM"), "memfd_secret": ((447, 0), "EPERM"),
    "openat2": ((437, -100, b"/", 0, 0), "ENOSYS"), "personality": ((135, 0x0040000), "ENOSYS"),
    "AF_ALG": ((41, 38, 5, 0), "EAFNOSUPPORT"), "AF_VSOCK": ((41, 40, 1, 0), "EAFNOSUPPORT"),
    "AF_PACKET": ((41, 17, 3, 0), "EPERM"), "raw": ((41, 2, 3, 1), "EPERM"), "unknown": ((1000,), "ENOSYS"),
    "getpid": ((39,), "ok"),
}


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers of the calls are those of x86-64")
def test_system_calls_beyond_the_list_fail(stack):
    stack.start()
    seen = stack.ask(f"""
        import fcntl, mmap
        def other_abi(code):
            memory = mmap.mmap(-1, 4096, prot=7)
            memory.write(code)
            ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(memory)))()
        master, slave = os.openpty()
        fcntl.ioctl(slave, 0x540e, 0)  # TIOCSCTTY: the kernel lets one push into the own terminal only
        def push(request):
            result = LIBC.ioctl(slave, ctypes.c_ulong(request), b"x")
            return name(ctypes.get_errno()) if result else "ok"
        tell(calls={{n: syscall(*a) for n, (a, _) in {CALLS!r}.items()}},
             push=[push(0x5412), push(1 << 32 | 0x5412), push(0x541c)],
             # getpid as 32-bit x86, as x32 and as it should be: mov eax, N; int 0x80 or syscall; ret
             abi=[in_child(other_abi, bytes.fromhex(code))
                  for code in ("b814000000cd80c3", "b8270000400f05c3", "b8270000000f05c3")])
        """)
    assert seen["calls"] == {name: answer for name, (_, answer) in CALLS.items()}
    assert seen["push"] == ["EPERM"] * 3
    assert seen["abi"] == ["signal 31", "signal 31", "exit 0"]


@pytest.mark.parametrize("user", ["root", "www-data"])
def test_no_capability_and_no_way_to_one(stack, user):
    """Setuid programs of the host stay without power; a new one cannot be made, nor used from a volume."""
    data = stack.tenant_directory("probe") / "data"
    data.mkdir(parents=True)
    data.chmod(0o777)
    planted = data / "planted"
    shutil.copy("/usr/bin/id", planted)
    planted.chmod(0o4755)
    stack.start()
    seen = stack.ask(STATUS + """
import shutil
shutil.copy("/usr/bin/id", "/data/own")
def create(mode): os.close(os.open("/data/created", os.O_CREAT | os.O_WRONLY, mode))
tell(status=status(), ids=[os.getresuid(), os.getresgid(), os.getgroups()],
     planted=run("/data/planted -u")[1].strip(),
     gain=[syscall(105, 0) if os.getuid() else "EPERM", attempt(os.setgroups, [5])],
     chmod=[attempt(os.chmod, "/data/own", mode) for mode in (0o4755, 0o2755, 0o6755, 0o755)],
     create=[attempt(create, 0o4755), attempt(create, 0o755)],
     programs={c: run(c) for c in (
         "su -s /bin/sh root -c id", "su -s /bin/sh daemon -c id", "newgrp daemon", "passwd -d root",
         "chmod u+s /data/own", "install -m 4755 /usr/bin/id /data/x", "chown 1000 /data/own",
         "setcap cap_net_raw+ep /data/own", "perl -e '$> = 1; exit($> != 1)'",
         "php -r 'exit(posix_setuid(1) ? 0 : 1);'")},
     port=attempt(socket.socket().bind, ("127.0.0.1", 80)), nice=attempt(os.nice, -5),
     limits=[__import__("resource").getrlimit(l) for l in (4, 7)], umask=os.umask(0))
""", extra=f"user: {user}", volumes=["./data:/data"])
    uid = 0 if user == "root" else WEB_UID
    assert {seen["status"][name].strip() for name in SETS} == {"0000000000000000"}
    assert (seen["status"]["NoNewPrivs"].strip(), seen["status"]["Seccomp"].strip()) == ("1", "2")
    assert seen["ids"] == [[uid] * 3, [uid] * 3, []]
    assert seen["planted"] == str(uid)
    assert seen["gain"] == ["EPERM", "EPERM"]
    assert seen["chmod"] == ["EPERM", "EPERM", "EPERM", "ok"] and seen["create"] == ["EPERM", "ok"]
    worked = [c for c, (status, _) in seen["programs"].items() if status == 0]
    missing = [c for c, (_, text) in seen["programs"].items() if "not found" in text]
    assert (worked, missing) == ([], []), seen["programs"]
    assert "uid=0(root)" not in seen["programs"]["su -s /bin/sh root -c id"][1]
    assert seen["nice"] != "ok" and seen["limits"] == [[0, 0], [1024, 16384]] and seen["umask"] == 0o022
    assert not [p for p in data.iterdir() if p != planted and p.stat().st_mode & 0o6000]


def test_only_named_capabilities_are_there(stack):
    stack.start()
    for user, ambient in (("root", 0), ("www-data", 1 << 10 | 1)):
        seen = stack.ask(STATUS + "tell(status=status(), port=attempt(socket.socket().bind, ('127.0.0.1', 80)))",
                         user, extra=f"user: {user}\ncap_add: [NET_BIND_SERVICE, CHOWN]")
        sets = [int(seen["status"][name], 16) for name in SETS]
        assert sets == [ambient, 0x401, 0x401, 0x401, ambient]
        assert seen["port"] == "ok"


def test_descriptors_and_environment(stack):
    """Nothing of the supervisor's: its descriptors, its variables, its terminal."""
    stack.environment["SECRET_OF_HOST"] = "1"
    stack.start()
    script = """
        # every descriptor with what it is, but for the one that lists them
        held = {}
        for number in os.listdir("/proc/self/fd"):
            if os.path.islink("/proc/self/fd/" + number):
                held[number] = os.readlink("/proc/self/fd/" + number)
        tell(held=held, environment=dict(os.environ), pid=os.getpid(), session=os.getsid(0),
             terminal=attempt(os.open, "/dev/tty", os.O_RDWR), host=socket.gethostname())
        """
    plain = stack.ask(script, "plain", extra='environment: {OWN: "1"}')
    assert sorted(plain["held"]) == ["0", "1", "2"], plain["held"]
    assert plain["held"]["0"] == "/dev/null"
    assert [target.split(":")[0] for number, target in sorted(plain["held"].items())[1:]] == ["pipe", "pipe"]
    assert plain["environment"].pop("LC_CTYPE", "C.UTF-8") == "C.UTF-8"  # Python's own doing (PEP 538)
    assert plain["environment"] == {"HOME": "/root", "HOSTNAME": "plain-web", "OWN": "1",
                                    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
    assert (plain["pid"], plain["session"], plain["terminal"], plain["host"]) == (1, 1, "ENXIO", "plain-web")
    listening = stack.ask(script, "listening", extra="x-listen: http")
    assert sorted(listening["held"]) == ["0", "1", "2", "3"], listening["held"]
    assert listening["held"]["3"].startswith("socket:")
    assert (listening["environment"]["LISTEN_FDS"], listening["environment"]["LISTEN_PID"]) == ("1", "1")


def test_working_directory_cannot_be_a_leaked_descriptor(stack):
    """CVE-2024-21626: the working directory is looked up while descriptors of the host may be open."""
    numbers = range(3, 21)
    directory = stack.tenant_directory("alpha")
    directory.mkdir()
    services = "".join(f"""
  w{n}:
    image: host
    command: [sh, -c, "readlink /proc/1/cwd; ls -a . ../../..; cat etc/shadow ../../../etc/shadow"]
    working_dir: /proc/self/fd/{n}
    x-listen: http""" for n in numbers)
    stack.tenant("alpha", f"services:{services}\n")
    stack.start()
    for number in numbers:
        name = f"alpha/w{number}"
        stack.wait_state("exited" if stack.state(name) != "failed" else "failed", name)
        container = stack.ps()[name]
        assert "working directory /proc/self/fd/" in container["message"], (number, stack.logs(name))
        assert "root:" not in stack.logs(name)


def test_devices_are_the_standard_ones(stack):
    data = stack.tenant_directory("probe") / "data"
    data.mkdir(parents=True)
    os.mknod(data / "disk", stat.S_IFBLK | 0o666, os.stat("/").st_dev)
    os.mknod(data / "memory", stat.S_IFCHR | 0o666, os.makedev(1, 1))
    os.mknod(data / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    for path in data.iterdir():
        path.chmod(0o666)
    stack.start()
    seen = stack.ask("""
        import stat
        numbers = {n: (os.major(s.st_rdev), os.minor(s.st_rdev), oct(s.st_mode)) for n in os.listdir("/dev")
                   for s in [os.lstat("/dev/" + n)] if stat.S_ISCHR(s.st_mode) or stat.S_ISBLK(s.st_mode)}
        tell(numbers=numbers, rest=sorted(set(os.listdir("/dev")) - set(numbers)), pty=attempt(os.openpty),
             mknod=[attempt(os.mknod, "/tmp/node", kind | 0o666, os.makedev(*number)) for kind, number in (
                 (stat.S_IFCHR, (1, 3)), (stat.S_IFBLK, (254, 0)), (stat.S_IFCHR, (1, 1)))],
             fifo=attempt(os.mkfifo, "/tmp/fifo"), dd=run("dd if=/data/disk of=/tmp/x count=1")[0],
             planted=[attempt(open, "/data/" + n) for n in ("disk", "memory", "null")],
             full=attempt(os.write, os.open("/dev/full", 1), b"x"),
             zero=os.read(os.open("/dev/zero", 0), 4).hex(),
             random=len(os.read(os.open("/dev/urandom", 0), 16)))
        """, volumes=["./data:/data"])
    standard = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}
    assert seen["numbers"] == {name: [*device, "0o20666"] for name, device in standard.items()}
    assert seen["rest"] == ["fd", "mqueue", "ptmx", "pts", "shm", "stderr", "stdin", "stdout"]
    assert seen["pty"] == seen["fifo"] == "ok"
    assert seen["mknod"] == ["EPERM"] * 3 and seen["planted"] == ["EACCES"] * 3 and seen["dd"] != 0
    assert (seen["full"], seen["zero"], seen["random"]) == ("ENOSPC", "00000000", 16)


def ids_of(pid):
    """The ids of the process as the host sees them, and its maps."""
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    maps = [Path(f"/proc/{pid}/{kind}_map").read_text().split() for kind in ("uid", "gid")]
    return {int(i) for i in lines["Uid"].split() + lines["Gid"].split()}, maps


def test_ids_are_the_tenants_range(stack):
    """Files on disk have the ids of inside; processes and memory have those of the range."""
    script = """
        for path in ("/data/of-program", "/tmp/of-program", "/dev/shm/of-program", "/run/of-program"):
            with open(path, "w") as file: file.write("x")
        os.mkdir("/data/directory"); os.symlink("x", "/data/link")
        assert os.stat("/data/of-program").st_uid == os.getuid() and os.stat("/data/of-host").st_uid == 0
        """
    stack.start()
    bases = {}
    for tenant, uid, user in (("alpha", 0, "root"), ("beta", WEB_UID, "www-data")):
        data = stack.tenant_directory(tenant) / "data"
        data.mkdir(parents=True)
        os.chown(data, uid, uid)
        (data / "of-host").write_text("x")
        service = stack.serve_inside(script, tenant, extra=f"user: {user}", volumes=["./data:/data"])
        base = bases[tenant] = service["id_base"]
        ids, maps = ids_of(service["pid"])
        assert ids == {base + uid} and base >= 1 << 30
        assert maps == [["0", str(base), "65536"]] * 2
        for name in ("of-program", "directory", "link"):
            assert (os.lstat(data / name).st_uid, os.lstat(data / name).st_gid) == (uid, uid), name
        for name in ("tmp", "dev/shm", "run"):
            inside = os.stat(f"/proc/{service['pid']}/root/{name}/of-program")
            assert (inside.st_uid, inside.st_gid) == (base + uid, base + uid), name
    assert abs(bases["alpha"] - bases["beta"]) >= 65536


def test_ranges_stay_over_restart_and_removal(stack):
    stack.sleeper("alpha")
    stack.sleeper("beta")
    stack.start()
    before = {name: stack.inspect(f"{name}/web")["id_base"] for name in ("alpha", "beta")}
    stack.ctl("restart", "alpha/web")
    assert stack.inspect()["id_base"] == before["alpha"]
    shutil.rmtree(stack.tenant_directory("alpha"))
    stack.ctl("apply")
    stack.sleeper("gamma")
    stack.ctl("apply")
    gamma = stack.inspect("gamma/web")["id_base"]
    assert gamma not in before.values(), "a range was given to another tenant"
    stack.stop()
    stack.sleeper("alpha")
    stack.start()
    after = {name: stack.inspect(f"{name}/web")["id_base"] for name in ("alpha", "beta", "gamma")}
    assert after == {**before, "gamma": gamma}
    table = json.loads(next(stack.path.rglob("ids.json")).read_text())
    assert sorted(table) == ["alpha", "beta", "gamma"] and len(set(table.values())) == 3
    assert {ids_of(stack.ps()[f"{n}/web"]["pid"])[0] == {after[n]} for n in after} == {True}
