# SPDX-License-Identifier: Apache-2.0
"""Images are hostile: they start safely or fail with a clear error, and the host stays as it was."""
import hashlib
import os
import shutil
import socket
import stat
import subprocess
from pathlib import Path

import pytest
from private_httpd import wait_until
from stack import BUILD

SECRET = "a secret of the host"
APPLETS = ["sh", "cat", "ls", "id", "echo", "touch", "readlink", "mkdir", "dd", "mount", "sleep", "grep", "head"]
# Looks at the parts that the supervisor makes, and tries to get out and to write.
LOOK = r"""
grep -c . /proc/self/status /etc/hosts /etc/hostname /etc/resolv.conf >&2 || :
for point in proc sys dev run tmp; do
    grep " /$point " /proc/self/mountinfo | head -n 1 | { read a b c d e f; echo "point $e $f"; }
done
for way in / /dev /proc /sys /run /tmp /etc /trap /trap/. /proc/1/root /proc/1/cwd; do
    cat "$way/secret" "$way/../secret" "$way@CANARY@/secret" 2>/dev/null
    echo written >"$way/written"
    echo written >"$way/secret"
done 2>/dev/null
cat /etc/shadow /etc/ssh/ssh_host_ed25519_key 2>/dev/null
test -e /etc/shadow && echo "shadow is there"
echo "name $(cat /etc/hostname)"
test -c /dev/null && echo discarded >/dev/null && echo "null works"
echo done
"""


class Image:
    """A directory with busybox in it, beside a directory of the host that nobody may touch."""

    def __init__(self, stack, name="image"):
        self.stack = stack
        self.path = stack.path / name
        self.canary = stack.path / "canary"
        for directory in ("bin", "etc", "srv"):
            (self.path / directory).mkdir(parents=True)
        shutil.copy("/usr/bin/busybox", self.path / "bin" / "busybox")
        for applet in APPLETS:
            (self.path / "bin" / applet).symlink_to("busybox")
        (self.path / "srv" / "script").touch()
        if not self.canary.exists():
            (self.canary / "deep").mkdir(parents=True)
            (self.canary / "secret").write_text(SECRET)
            (self.canary / "passwd").write_text("evil:x:0:0::/:/bin/sh\nroot:x:0:0::/:/bin/sh\n")
            self.canary.chmod(0o777)  # what the host's modes would let through is ours to stop

    @property
    def up(self):
        """The canary, relative to any directory of the image."""
        return "../" * 30 + str(self.canary).lstrip("/")

    def run(self, script=LOOK, name="probe", **options):
        return self.stack.run_inside(script.replace("@CANARY@", str(self.canary)), name,
                                     image=f"rootfs:{self.path}", **options)


@pytest.fixture
def image(stack):
    return Image(stack)


def tree(path):
    """All that a change would show in: names, kinds, modes, owners, times, contents."""
    found = {}
    for directory, directories, files in os.walk(path):
        for name in [".", *directories, *files]:
            entry = os.path.join(directory, name)
            status = os.lstat(entry)
            is_small = stat.S_ISREG(status.st_mode) and status.st_size < 65536
            found[entry] = (status.st_mode, status.st_uid, status.st_gid, status.st_size, status.st_mtime_ns,
                            Path(entry).read_bytes() if is_small else None)
    return found


def place_socket(path):
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


TRAPS = {
    "link": lambda image, path: path.symlink_to(image.canary),
    "relative": lambda image, path: path.symlink_to(image.up),
    "file": lambda image, path: path.write_text("x"),
    "fifo": lambda image, path: os.mkfifo(path),
    "socket": lambda image, path: place_socket(path),
    "loop": lambda image, path: path.symlink_to(path.name),
    "nowhere": lambda image, path: path.symlink_to("/nowhere/at/all"),
    "procfd": lambda image, path: path.symlink_to("/proc/self/fd/5"),
}


def check_start(stack, image, name, log, container):
    """Started safely: everything is what the supervisor made, and nothing of the host was seen."""
    assert SECRET not in log and "shadow is there" not in log and "root:" not in log, (name, log)
    if "done" not in log:
        assert container["state"] == "failed" and len(container["message"]) > 20, (name, log, container)
        return False
    points = {line.split()[1]: line.split()[2] for line in log.splitlines() if line.startswith("point ")}
    assert sorted(points) == ["/dev", "/proc", "/run", "/sys", "/tmp"], (name, log)
    assert points["/sys"].startswith("ro") and points["/proc"].startswith("rw,nosuid,nodev,noexec")
    assert "null works" in log and f"name {container['tenant']}-web" in log, (name, log)
    return True


@pytest.mark.parametrize("trap", TRAPS)
def test_traps_at_the_places_of_the_supervisor(stack, trap):
    """/dev, /proc and the like are what the supervisor mounts there, never what the image leads to."""
    stack.start()
    places = ["dev", "proc", "sys", "run", "tmp", "etc", "dev/null", "dev/pts", "etc/hosts", "etc/hostname",
              "etc/resolv.conf", "trap"]
    images = {}
    for number, place in enumerate(places):
        image = images[f"t{number}"] = Image(stack, f"image{number}")
        path = image.path / place
        if path.is_dir():
            path.rmdir()
        path.parent.mkdir(exist_ok=True)
        TRAPS[trap](image, path)
    (stack.path / "canary" / "deep" / "deeper").mkdir()
    before = tree(stack.path / "canary")
    started = 0
    for name, image in images.items():
        lower = tree(image.path)
        log, container = image.run(name=name)
        started += check_start(stack, image, name, log, container)
        assert tree(image.path) == lower, f"the image was changed by {name}"
        assert not (stack.path / "run" / "containers" / container["id"]).exists(), name
    assert started == len(places)
    assert tree(stack.path / "canary") == before


def test_mount_points_behind_links_stay_inside(stack, image):
    """A bind whose parents lead out of the image ends up where the container sees that path."""
    for name, target in (("absolute", image.canary), ("relative", image.up), ("root", "../../.."),
                         ("procfd", "/proc/self/fd"), ("shm", "/dev/shm")):
        (image.path / name).symlink_to(target)
    source = stack.tenant_directory("x0") / "data"
    before = tree(image.canary)
    stack.start()
    results = {}
    for number, target in enumerate(["/absolute/new/point", "/relative/deep/point", "/root/made/point",
                                     "/procfd/point", "/shm/point", "/absolute"]):
        name = f"x{number}"
        (stack.tenant_directory(name) / "data").mkdir(parents=True)
        (stack.tenant_directory(name) / "data" / "content").write_text("of the volume")
        log, container = image.run(LOOK + f"cat {target}/content; touch {target}/made", name=name,
                                   volumes=[f"./data:{target}"])
        assert SECRET not in log
        results[target] = "started" if "of the volume" in log else container["message"]
        if results[target] == "started":
            assert (stack.tenant_directory(name) / "data" / "made").exists()
    assert tree(image.canary) == before and source.exists()
    for target in ("/absolute/new/point", "/relative/deep/point", "/root/made/point"):
        assert results[target] == "started" or "mount point" in results[target], results
    assert results["/root/made/point"] == "started", results
    assert "mount" in results["/procfd/point"], results


def test_accounts_of_an_image_are_read_inside_it(stack):
    """A user of the host, or of a file that the image leads to, is no user of the image."""
    traps = {
        "absolute": lambda path, image: path.symlink_to(image.canary / "passwd"),
        "relative": lambda path, image: path.symlink_to(image.up + "/passwd"),
        "host": lambda path, image: path.symlink_to("/etc/passwd"),
        "procself": lambda path, image: path.symlink_to("/proc/self/root/etc/passwd"),
        "fifo": lambda path, image: os.mkfifo(path),
        "directory": lambda path, image: path.mkdir(),
        "device": lambda path, image: os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5)),
        "huge": lambda path, image: (path.touch(), os.truncate(path, 1 << 33)),
        "nothing": lambda path, image: None,
    }
    stack.start()
    for name, trap in traps.items():
        image = Image(stack, name)
        trap(image.path / "etc" / "passwd", image)
        for number, user in enumerate(("evil", "www-data")):
            log, container = image.run("id", name=f"{name}{number}", extra=f"user: {user}")
            assert container["state"] == "failed" and "user" in container["message"], (name, user, log, container)
            assert "uid=" not in log
    image = Image(stack, "numbers")
    (image.path / "etc" / "passwd").write_text("1000:x:0:0::/:/bin/sh\nwrap:x:4294967296:0::/:/bin/sh\n"
                                               "minus:x:-1:-1::/:/bin/sh\nplus:x:+0:0::/:/bin/sh\n")
    log, _ = image.run("id", name="number", extra='user: "1000"')
    assert "uid=1000" in log
    for user in ("wrap", "minus", "plus"):
        log, container = image.run("id", name=user, extra=f"user: {user}")
        assert container["state"] == "failed" and "uid=" not in log, (user, log)


WHO = """
#include <stdio.h>
#include <unistd.h>
int main(void) { return printf("ids %u %u\\n", geteuid(), getegid()) < 0; }
"""


def compile_alone(stack, text, program, *options):
    """A program that needs no library of the image."""
    source = stack.path / "source.c"
    source.write_text(text)
    subprocess.run(["gcc", "-static", "-O1", *options, "-o", program, source], check=True, timeout=60)


def test_setuid_files_and_device_nodes_of_an_image_are_dead(stack, image):
    disk = os.stat("/").st_dev
    for name, kind, device in (("disk", stat.S_IFBLK, disk), ("memory", stat.S_IFCHR, os.makedev(1, 1)),
                               ("kmsg", stat.S_IFCHR, os.makedev(1, 11)), ("zero", stat.S_IFCHR, os.makedev(1, 5))):
        os.mknod(image.path / name, kind | 0o666, device)
        (image.path / name).chmod(0o666)
    compile_alone(stack, WHO, image.path / "bin" / "rooted")
    (image.path / "bin" / "rooted").chmod(0o6755)
    (image.path / "etc" / "passwd").write_text("root:x:0:0::/:/bin/sh\nweb:x:33:33::/:/bin/sh\n")
    subprocess.run(["setcap", "cap_net_raw,cap_sys_admin+ep", image.path / "bin" / "busybox"], check=True, timeout=10)
    stack.start()
    for user, uid in (("root", 0), ("web", 33)):
        log, container = image.run("""
            for node in disk memory kmsg zero; do
                dd if=/$node count=1 of=/tmp/x 2>/dev/null && echo "opened $node"
            done
            rooted
            grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status
            """, name=user, extra=f"user: {user}")
        assert "opened" not in log and f"ids {uid} {uid}\n" in log, log
        assert {line.split()[1] for line in log.splitlines() if line.startswith("Cap")} == {"0" * 16}, log
    for writable in ("true", "false"):
        log, _ = image.run("""
            (id -u >/new) 2>/dev/null && cat /new || echo closed
            (echo x >>/etc/passwd) 2>/dev/null && echo changed || echo closed
            busybox stat -c %u:%g /etc/passwd
            """, name=f"w{writable}", extra=f"read_only: {writable}")
        assert log.split() == (["closed", "closed", "0:0"] if writable == "true" else ["0", "changed", "0:0"])
    assert not (image.path / "new").exists() and "x\n" not in (image.path / "etc" / "passwd").read_text()[-2:]


ATTACK = r"""
/* The dynamic loader of the image: run in the place of the program that the kernel was led to. */
static long call(long n, long a, long b, long c)
{
    long r;
    __asm__ volatile("syscall" : "=a"(r) : "a"(n), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return r;
}
void _start(void)
{
    static char said[] = "open for writing: 00, fchmod: 00\n", way[] = "/proc/self/fd/0";
    long own = call(2, (long)"/proc/self/exe", 0, 0); /* open(2) */
    way[14] = '0' + own;
    long wrote = -call(2, (long)way, 1, 0), changed = -call(91, own, 0777, 0); /* open(2), fchmod(2) */
    said[18] += wrote / 10;
    said[19] += wrote % 10;
    said[30] += changed / 10;
    said[31] += changed % 10;
    call(1, 1, (long)said, sizeof(said) - 1); /* write(2) */
    call(231, 7, 0, 0);                       /* exit_group(2) */
}
"""


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the attack is written for x86-64")
def test_supervisor_cannot_be_overwritten_from_inside(stack, image):
    """CVE-2019-5736: an entry point that leads the kernel back to the binary of the supervisor."""
    binary = BUILD / "container-supervisor"
    before, mode = hashlib.sha256(binary.read_bytes()).hexdigest(), binary.stat().st_mode
    (image.path / "attack").write_text("#!/proc/self/exe\n")
    (image.path / "attack").chmod(0o755)
    (image.path / "exe").symlink_to("/proc/self/exe")
    (image.path / "lib64").mkdir()
    compile_alone(stack, ATTACK, image.path / "lib64" / "ld-linux-x86-64.so.2", "-nostdlib", "-ffreestanding",
                  "-fno-stack-protector")
    stack.start()
    for name, command in (("script", "/attack"), ("link", "/exe"), ("direct", "/proc/self/exe")):
        stack.tenant(name, f'services: {{web: {{image: "rootfs:{image.path}", command: [{command}]}}}}\n')
        stack.ctl("apply")
        wait_until(lambda: stack.state(f"{name}/web") in ("failed", "exited"), f"{name} to end")
        # ETXTBSY (26) would say that only the running supervisor keeps the file from being written.
        log = stack.logs(f"{name}/web")
        assert log in ("", "open for writing: 13, fchmod: 01\n"), log
    assert hashlib.sha256(binary.read_bytes()).hexdigest() == before
    assert binary.stat().st_mode == mode


def test_failed_starts_take_no_descriptor_of_the_supervisor(stack, image):
    """Whatever step of a start fails, the supervisor holds the same descriptors as before."""
    failures = {"user": "user: nobody-knows", "source": 'volumes: ["/nowhere/at/all:/data"]',
                "cwd": "working_dir: /nowhere", "program": "entrypoint: [/nowhere]",
                "point": 'volumes: ["/etc:/bin/busybox"]', "none": "tmpfs: /bin/busybox/x"}
    stack.start()

    def held():
        directory = Path(f"/proc/{stack.process.pid}/fd")
        return {entry.name: os.readlink(entry) for entry in directory.iterdir()}

    def fail(times):
        for name, extra in failures.items():
            for number in range(times):
                tenant = f"{name}{number}"
                stack.tenant(tenant, f"""
                    services:
                      web:
                        image: rootfs:{image.path}
                        command: [id]
                        {extra}
                    """)
                stack.ctl("apply")
                assert stack.state(f"{tenant}/web") == "failed", tenant
                shutil.rmtree(stack.tenant_directory(tenant))
        stack.ctl("apply")

    before = held()
    fail(3)
    wait_until(lambda: held() == before, "the connections of containerctl to be closed")
