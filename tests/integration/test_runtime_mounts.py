# SPDX-License-Identifier: Apache-2.0
"""The mounts, devices and masks of a container of `container-runtime`, and images that try to get out of them."""
import contextlib
import copy
import ctypes
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from stack import BUILD

# Another runtime can stand in, where a test is in doubt: RUNTIME=crun.
RUNTIME = os.environ.get("RUNTIME", str(BUILD / "container-runtime"))
SECRET = "a secret of the host"
APPLETS = ["sh", "cat", "ls", "id", "echo", "touch", "readlink", "mkdir", "stat", "mount", "grep", "head", "cut", "test",
           "dd", "wc", "sort", "tr", "find"]
SAFE = ["nosuid", "noexec", "nodev"]
PROC = {"destination": "/proc", "type": "proc", "source": "proc", "options": SAFE}
STANDARD = [
    PROC,
    {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
     "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
    {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
     "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
    {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": [*SAFE, "mode=1777", "size=65536k"]},
    {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": SAFE},
    {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": [*SAFE, "ro"]},
]
DEVICES = {"null": "1,3", "zero": "1,5", "full": "1,7", "random": "1,8", "urandom": "1,9", "tty": "5,0"}
LIBC = ctypes.CDLL(None, use_errno=True)
RENAME_EXCHANGE = 2


class Bundle:
    """A bundle with busybox in it, beside a directory of the host that nobody may touch."""

    def __init__(self, path):
        self.path = path
        self.root = path / "rootfs"
        self.canary = path / "canary"
        (self.root / "bin").mkdir(parents=True)
        shutil.copy("/usr/bin/busybox", self.root / "bin" / "busybox")
        for applet in APPLETS:
            (self.root / "bin" / applet).symlink_to("busybox")
        self.canary.mkdir()
        (self.canary / "secret").write_text(SECRET)
        self.config = {
            "ociVersion": "1.2.0",
            "process": {"user": {"uid": 0, "gid": 0}, "cwd": "/", "env": ["PATH=/bin"], "args": ["sh"],
                        "capabilities": {kind: ["CAP_DAC_OVERRIDE", "CAP_SYS_ADMIN", "CAP_CHOWN"]
                                         for kind in ("bounding", "effective", "permitted")}},
            "root": {"path": "rootfs"},
            "mounts": copy.deepcopy(STANDARD),
            "linux": {"namespaces": [{"type": kind} for kind in ("mount", "pid", "ipc", "uts", "network")]},
        }

    def run(self, script, name="probe", options=()):
        """(exit status, standard output, standard error) of the script inside."""
        self.config["process"]["args"] = ["sh", "-c", script]
        (self.path / "config.json").write_text(json.dumps(self.config))
        done = subprocess.run([RUNTIME, "--root", self.path / "state", "run", *options, "--bundle",
                               self.path, name], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout, done.stderr

    def output(self, script):
        status, out, err = self.run(script)
        assert status == 0, (status, out, err)
        return out

    def refused(self, *words):
        status, out, err = self.run("echo it runs")
        assert status != 0 and "it runs" not in out, out
        assert all(word in err for word in words), err
        return err

    def bind(self, source, destination, *options):
        self.config["mounts"].append({"destination": destination, "type": "bind", "source": str(source),
                                      "options": list(options) or ["bind"]})

    def use_ids(self, base=300000):
        self.config["linux"]["namespaces"].append({"type": "user"})
        for kind in ("uid", "gid"):
            self.config["linux"][f"{kind}Mappings"] = [{"containerID": 0, "hostID": base, "size": 65536}]
        subprocess.run(["chown", "-hR", f"{base}:{base}", self.root], check=True)

    def untouched(self):
        return sorted(os.listdir(self.canary)) == ["secret"] and (self.canary / "secret").read_text() == SECRET


@pytest.fixture
def bundle(tmp_path):
    for path in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        path.chmod(path.stat().st_mode | 0o055)  # a container's root must come through
    return Bundle(tmp_path)


@pytest.fixture(params=["root", "mapped"])
def each(request, bundle):
    """With the host's ids, and with those of a user namespace."""
    if request.param == "mapped":
        bundle.use_ids()
    return bundle


@contextlib.contextmanager
def racer(first, second):
    """Exchanges two names for as long as the block runs."""
    pid = os.fork()
    if pid == 0:
        one, two = os.fsencode(first), os.fsencode(second)
        while True:
            LIBC.renameat2(-100, one, -100, two, RENAME_EXCHANGE)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


# ---- what everybody gets ----


def test_default_file_systems_and_devices(each):
    out = each.output("""
        for name in null zero full random urandom tty; do echo "$name $(stat -c '%t,%T %F %a' /dev/$name)"; done
        for link in fd stdin stdout stderr ptmx; do echo "$link $(readlink /dev/$link)"; done
        echo x >/dev/null && head -c 1 /dev/zero | wc -c
        cut -d' ' -f5 /proc/self/mountinfo
    """).splitlines()
    for name, numbers in DEVICES.items():
        assert f"{name} {numbers} character special file 666" in out
    assert {"fd /proc/self/fd", "stdin /proc/self/fd/0", "stdout /proc/self/fd/1", "stderr /proc/self/fd/2",
            "ptmx pts/ptmx"} <= set(out)
    assert out[-7:] == ["/", "/proc", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue", "/sys"]
    assert "1" in out


def test_devices_where_the_image_has_no_dev(each):
    each.config["mounts"] = [PROC]
    script = "".join(f"echo $(stat -c %t,%T /dev/{name}) && " for name in DEVICES) + "echo y >/dev/null && ls -l /dev/fd"
    for _ in range(2):  # the second start finds what the first has left
        out = each.output(script)
        assert out.split()[:6] == list(DEVICES.values()) and "/proc/self/fd" in out


def test_devices_of_the_config(each):
    each.config["linux"]["devices"] = [
        {"path": "/dev/net/tun", "type": "c", "major": 10, "minor": 200, "fileMode": 0o660, "uid": 7, "gid": 8},
        {"path": "/opt/far/zero", "type": "c", "major": 1, "minor": 5, "fileMode": 0o600},
        {"path": "/opt/pipe", "type": "p", "fileMode": 0o622, "uid": 3},
    ]
    out = each.output("stat -c '%n %t,%T %a %u %g' /dev/net/tun /opt/far/zero; stat -c '%n %F %a %u' /opt/pipe; "
                      "head -c 2 /opt/far/zero | wc -c")
    assert out.splitlines() == ["/dev/net/tun a,c8 660 7 8", "/opt/far/zero 1,5 600 0 0", "/opt/pipe fifo 622 3", "2"]
    (each.root / "opt" / "far" / "zero").write_text("something else")
    each.refused("/opt/far/zero")


# ---- bind mounts and options ----


def test_bind_mounts(each):
    data = each.path / "data"
    data.mkdir()
    (data / "page").write_text("hello\n")
    os.mkfifo(data / "pipe")
    each.bind(data, "/srv/made/of/parts", "rbind", "ro", "nosuid", "noexec", "size=1k", "mode=700")
    each.bind(data / "page", "/etc/page", "bind", "rw")
    each.bind(data / "pipe", "/pipe", "bind")
    out = each.output("cat /srv/made/of/parts/page /etc/page; test -p /pipe && echo pipe; "
                      "grep ' /srv/made/of/parts ' /proc/self/mountinfo | cut -d' ' -f6; "
                      "echo no >/srv/made/of/parts/page || echo refused; stat -c %a /srv/made/of")
    lines = out.splitlines()
    assert lines[:3] == ["hello", "hello", "pipe"] and lines[-2:] == ["refused", "755"]
    assert {"ro", "nosuid", "noexec"} <= set(lines[3].split(","))
    assert (data / "page").read_text() == "hello\n"


def test_recursive_options(bundle):
    outer, inner = bundle.path / "outer", bundle.path / "outer" / "inner"
    inner.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "inner", inner], check=True)
    try:
        bundle.bind(outer, "/rro", "rbind", "rro", "rnoexec")
        bundle.bind(outer, "/ro", "rbind", "ro")
        bundle.bind(outer, "/flat", "bind")
        out = bundle.output("touch /rro/inner/x || echo refused; touch /ro/inner/y && echo made; "
                            "touch /ro/z || echo refused; ls /flat/inner | wc -l")
        assert out.splitlines() == ["refused", "made", "refused", "0"]
    finally:
        subprocess.run(["umount", inner], check=True)


def test_mounts_of_the_host_arrive_where_they_are_to(bundle):
    """A slave sees what the host mounts later; a private mount does not."""
    shared = bundle.path / "shared"
    (shared / "late").mkdir(parents=True)
    subprocess.run(["mount", "--bind", shared, shared], check=True)
    subprocess.run(["mount", "--make-shared", shared], check=True)
    try:
        bundle.bind(shared, "/slave", "rbind", "rslave")
        bundle.bind(shared, "/private", "rbind", "rprivate")
        out = bundle.output("grep -e ' /slave ' -e ' /private ' /proc/self/mountinfo | cut -d' ' -f5,7")
        slave, private = out.splitlines()
        assert slave.startswith("/slave master:") and private == "/private -"
    finally:
        subprocess.run(["umount", shared], check=True)


def test_tmpfs(each):
    (each.root / "var" / "deep").mkdir(parents=True)
    (each.root / "var" / "deep" / "file").write_text("of the image\n")
    (each.root / "var" / "link").symlink_to("/etc/passwd")
    (each.root / "var").chmod(0o751)
    if each.config["linux"].get("uidMappings"):
        subprocess.run(["chown", "-hR", "300000:300000", each.root / "var"], check=True)
    each.config["mounts"] += [
        {"destination": "/var", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup", "nosuid"]},
        {"destination": "/run", "type": "tmpfs", "source": "tmpfs", "options": ["ro", "size=1m"]},
        {"destination": "/run/inner", "type": "tmpfs", "source": "tmpfs", "options": ["mode=0711"]},
    ]
    out = each.output("cat /var/deep/file; readlink /var/link; stat -c %a /var /run/inner; touch /var/new && echo new; "
                      "touch /run/x || echo refused; touch /run/inner/x && echo inner")
    assert out.splitlines() == ["of the image", "/etc/passwd", "751", "711", "new", "refused", "inner"]
    assert sorted(os.listdir(each.root / "var")) == ["deep", "link"]


def test_mounts_in_dev_lie_where_and_in_the_order_that_is_asked_for(each):
    def shm(destination, *options):
        return {"destination": destination, "type": "tmpfs", "source": "shm", "options": ["nosuid", *options]}
    each.config["mounts"] = [PROC, *STANDARD[1:3], shm("/dev/shm", "mode=1700"), shm("/dev/shm/below", "mode=1711"),
                             shm("/dev/./mqueue", "mode=1722"), shm("/dev/shm", "mode=1733"),
                             shm("/dev/fd2/deep", "mode=1744")]
    out = each.output("stat -c '%a' /dev/shm /dev/mqueue /dev/fd2/deep; ls /dev/shm | wc -l; "
                      "cut -d' ' -f5 /proc/self/mountinfo").splitlines()
    assert out[:4] == ["1733", "1722", "1744", "0"]
    assert out[4:] == ["/", "/proc", "/dev", "/dev/pts", "/dev/shm", "/dev/shm/below", "/dev/mqueue", "/dev/shm",
                       "/dev/fd2/deep"]


def test_a_mount_on_a_link_in_dev_stays_inside(each):
    each.config["mounts"] = [PROC, STANDARD[1], {"destination": "/dev/stdin", "type": "tmpfs", "source": "tmpfs",
                                                 "options": ["mode=1777"]}]
    each.refused("/dev/stdin")
    assert each.untouched()


def test_ids_of_a_mount(bundle):
    bundle.use_ids()
    bundle.bind(bundle.canary, "/mine", "bind", "idmap")
    bundle.bind(bundle.canary, "/theirs", "bind", "ro")
    assert bundle.output("stat -c %u /mine/secret /theirs/secret; touch /mine/new && echo made").split() == \
        ["0", "65534", "made"]
    assert (bundle.canary / "new").stat().st_uid == 0


def test_a_read_only_root(each):
    each.config["root"]["readonly"] = True
    each.config["mounts"].append({"destination": "/a/missing/point", "type": "tmpfs", "source": "tmpfs"})
    assert each.output("touch /new || echo refused; touch /a/missing/point/x && echo made").split() == ["refused", "made"]


def test_masked_and_read_only_paths(each):
    for name in ("secrets", "fixed"):
        (each.root / name).mkdir()
        (each.root / name / "file").write_text("x\n")
    (each.root / "one").write_text("x\n")
    (each.root / "link").symlink_to("/../one")
    each.config["linux"]["maskedPaths"] = ["/proc/interrupts", "/sys/firmware", "/secrets", "/link", "/none", "/one/none"]
    each.config["linux"]["readonlyPaths"] = ["/proc/sys", "/fixed", "/neither"]
    out = each.output("wc -c </proc/interrupts; ls /sys/firmware /secrets | grep -c file; wc -c </one; "
                      "touch /fixed/new || echo refused; echo 1 >/proc/sys/vm/drop_caches || echo refused; cat /fixed/file")
    assert [line.strip() for line in out.splitlines()] == ["0", "0", "0", "refused", "refused", "x"]


@pytest.mark.parametrize("options", [[], ["--no-pivot"]])
def test_hooks_mount_into_the_root(each, options):
    """As those of GPUs do: from the runtime's namespaces, or as a process of the container's, at root.path."""
    for name in ("one", "two"):
        (each.root / name).mkdir()
    enter = f'nsenter -t $(grep -o \'"pid":[0-9]*\' | cut -d: -f2) -m mount --bind {each.canary} {each.root}/one'
    each.config["hooks"] = {
        "createRuntime": [{"path": "/bin/sh", "args": ["sh", "-c", enter], "env": ["PATH=/usr/bin:/bin"]}],
        "createContainer": [{"path": "/bin/mount", "args": ["mount", "--bind", str(each.canary), f"{each.root}/two"]}],
    }
    status, out, err = each.run("cat /one/secret /two/secret; cut -d' ' -f5 /proc/self/mountinfo | grep -c '^/$'",
                                options=options)
    assert status == 0, err
    assert out.startswith(SECRET * 2) and (options or out.endswith(SECRET + "1\n"))
    assert not os.listdir(each.root / "one") and not os.listdir(each.root / "two")


# ---- what is refused ----


@pytest.mark.parametrize("destination", ["/", "/proc", "/proc/self", "/proc/sys/kernel"])
def test_where_nothing_may_be_mounted(bundle, destination):
    bundle.config["mounts"].append({"destination": destination, "type": "tmpfs", "source": "tmpfs"})
    bundle.refused(f"mount {destination}")


def test_errors_name_the_object(bundle):
    bundle.bind(bundle.path / "none", "/srv")
    bundle.refused("/srv", str(bundle.path / "none"), "does not exist")
    bundle.config["mounts"][-1]["source"] = str(bundle.canary / "secret")
    (bundle.root / "srv").mkdir()
    bundle.refused("mount /srv", "not of one kind")
    bundle.config["mounts"][-1] = {"destination": "/srv", "type": "no-such-fs", "source": "x"}
    bundle.refused("mount /srv", "no-such-fs")
    bundle.config["mounts"][-1] = {"destination": "/srv", "type": "tmpfs", "source": "x", "options": ["no-such-option"]}
    bundle.refused("mount /srv", "no-such-option")
    bundle.config["root"]["path"] = "nowhere"
    bundle.refused("nowhere")


# ---- hostile images ----


TRAPS = {
    "link": lambda bundle, path: path.symlink_to(bundle.canary),
    "climbing": lambda bundle, path: path.symlink_to("../" * 30 + str(bundle.canary).lstrip("/")),
    "file": lambda bundle, path: path.write_text("x"),
    "fifo": lambda bundle, path: os.mkfifo(path),
    "loop": lambda bundle, path: path.symlink_to(path.name),
    "nowhere": lambda bundle, path: path.symlink_to("/nowhere/at/all"),
    "descriptor": lambda bundle, path: path.symlink_to("/proc/self/fd/5"),
}
PLACES = ["proc", "sys", "dev", "dev/null", "dev/console", "dev/pts", "srv", "srv/point"]


@pytest.mark.parametrize("trap", TRAPS)
@pytest.mark.parametrize("has_dev", [True, False])
def test_traps_in_the_image(each, trap, has_dev):
    """A start is safe, or it is refused with a sentence; nothing outside is touched or seen."""
    if not has_dev:
        each.config["mounts"] = [PROC, STANDARD[-1]]
    each.config["linux"]["maskedPaths"] = ["/proc/interrupts", "/srv/point"]
    each.config["mounts"].append({"destination": "/srv/point", "type": "tmpfs", "source": "tmpfs"})
    for place in PLACES:
        path = each.root / place
        path.parent.mkdir(exist_ok=True)
        TRAPS[trap](each, path)
        status, out, err = each.run("cat /secret /srv/secret /dev/secret /srv/point/secret 2>/dev/null; "
                                    "stat -c %t,%T /dev/null; cut -d' ' -f5 /proc/self/mountinfo; wc -c </proc/interrupts; "
                                    "echo done")
        assert SECRET not in out and each.untouched(), (place, out)
        if "done" in out:
            assert out.split()[0] == "1,3" and "/proc" in out.split() and out.split()[-2] == "0", (place, out)
        else:
            assert status != 0 and len(err) > 20, (place, out, err)
        for name in ("proc", "sys", "dev", "srv", "nowhere", str(each.canary).split("/")[1]):
            made = each.root / name
            if made.is_symlink() or made.is_file() or made.is_fifo():
                made.unlink()
            elif made.is_dir():
                shutil.rmtree(made)


def test_devices_of_the_image_do_not_work(bundle):
    os.mknod(bundle.root / "memory", 0o20666, os.makedev(1, 5))
    assert bundle.output("head -c 1 /memory || echo refused").split() == ["refused"]


def test_a_swapped_volume(bundle):
    """Somebody exchanges a directory of a shared volume for a link while containers start in it."""
    volume = bundle.path / "volume"
    (volume / "a").mkdir(parents=True)
    (volume / "b").symlink_to(bundle.canary)
    bundle.bind(volume, "/volume", "rbind")
    bundle.config["mounts"].append({"destination": "/volume/a/point", "type": "tmpfs", "source": "tmpfs"})
    bundle.config["mounts"].append({"destination": "/volume/b/deep/point", "type": "tmpfs", "source": "tmpfs"})
    ran = 0
    with racer(volume / "a", volume / "b"):
        end = time.monotonic() + 8
        while time.monotonic() < end:
            status, out, err = bundle.run("cat /volume/a/secret /volume/b/secret 2>/dev/null; echo done")
            assert SECRET not in out and bundle.untouched(), out
            ran += "done" in out
    assert ran > 0


# ---- without rights ----


def test_a_runtime_without_rights(bundle):
    user = 65534
    bundle.config["mounts"][2]["options"].remove("gid=5")
    bundle.config["mounts"][-1] = {"destination": "/sys", "type": "none", "source": "/sys",
                                   "options": ["rbind", *SAFE, "ro"]}
    bundle.config["mounts"].append({"destination": "/data", "type": "bind", "source": str(bundle.canary),
                                    "options": ["rbind", "ro"]})
    bundle.config["linux"]["namespaces"] = [{"type": kind} for kind in ("mount", "pid", "ipc", "uts", "user")]
    for kind in ("uid", "gid"):
        bundle.config["linux"][f"{kind}Mappings"] = [{"containerID": 0, "hostID": user, "size": 1}]
    bundle.config["process"]["args"] = ["sh", "-c", "stat -c %t,%T /dev/null && echo x >/dev/null && cat /data/secret; echo; "
                                        "touch /data/x || echo refused; test -d /sys/class && id -u"]
    (bundle.path / "config.json").write_text(json.dumps(bundle.config))
    subprocess.run(["chown", "-hR", f"{user}:{user}", bundle.path], check=True)
    runtime = shutil.which(RUNTIME)
    done = subprocess.run(["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", runtime, "--root",
                           bundle.path / "state", "run", "--bundle", bundle.path, "rootless"],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
                          env={**os.environ, "XDG_RUNTIME_DIR": str(bundle.path)})
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["1,3", *SECRET.split(), "refused", "0"]
