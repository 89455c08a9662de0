# SPDX-License-Identifier: Apache-2.0
"""Bundles for `container-runtime` whose root file systems are traps, and the attackers that run inside them."""
import contextlib
import hashlib
import itertools
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
import world
from oci_bundle import OciBundle
from private_httpd import wait_until
from stack import BUILD

COUNTER = itertools.count()
SECRET = "a secret of the host"
# One static program for all that needs system calls of its own. What it finds goes to standard output, a word a line.
ATTACKER = r"""
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

/* Each finding once; they are few. */
static char told[256][300];
static void tell(const char *what, const char *value)
{
    char line[300];
    snprintf(line, sizeof(line), "%s %s", what, value);
    for (int i = 0; i < 256; i++) {
        if (strcmp(told[i], line) == 0)
            return;
        if (told[i][0])
            continue;
        strcpy(told[i], line);
        dprintf(1, "%s\n", line);
        return;
    }
}

/* race SECONDS A B ...: exchanges each pair for ever. renameat2(2), RENAME_EXCHANGE. */
static int race(int count, char **arguments)
{
    double end = now() + atof(arguments[0]);
    long done = 0;
    while (now() < end)
        for (int i = 1; i + 1 < count; i += 2)
            done += syscall(SYS_renameat2, AT_FDCWD, arguments[i], AT_FDCWD, arguments[i + 1], 2) == 0;
    return done > 1000 ? 0 : 1;
}

/* Capabilities only become fewer, so these are the most that a process has from here on. */
static void look_at_rights(const char *pid)
{
    char path[64], line[256];
    snprintf(path, sizeof(path), "/proc/%.20s/status", pid);
    FILE *status = fopen(path, "r");
    while (status && fgets(line, sizeof(line), status))
        if (strncmp(line, "CapPrm", 6) == 0 || strncmp(line, "CapBnd", 6) == 0) {
            line[strcspn(line, "\n")] = 0;
            tell("rights", line);
        }
    if (status)
        fclose(status);
}

/* What can be learnt of a process that may not have executed its program yet. */
static void look_at(const char *pid, const char *program)
{
    static const char *const links[] = {"cwd", "root"}, *const files[] = {"mem", "environ", "auxv", "maps"};
    char path[300], seen[8][280], exe[256];
    int count = 0;
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof(path), "/proc/%s/%s", pid, links[i]);
        ssize_t n = readlink(path, exe, sizeof(exe) - 1);
        if (n >= 0) {
            exe[n] = 0;
            snprintf(seen[count++], 280, "%s %s", links[i], exe);
        }
    }
    for (int i = 0; i < 4; i++) {
        char byte;
        snprintf(path, sizeof(path), "/proc/%s/%s", pid, files[i]);
        int fd = open(path, i ? O_RDONLY : O_RDWR);
        /* maps and environ open for all and refuse when they are read; of mem the opening is what counts */
        if (fd >= 0 && (!i || read(fd, &byte, 1) > 0))
            snprintf(seen[count++], 280, "file %s", files[i]);
        if (fd >= 0)
            close(fd);
    }
    if (ptrace(PTRACE_SEIZE, atoi(pid), 0, 0) == 0) {
        snprintf(seen[count++], 280, "ptrace seized");
        kill(atoi(pid), SIGSTOP);
        waitpid(atoi(pid), NULL, __WALL);
        ptrace(PTRACE_DETACH, atoi(pid), 0, 0);
        kill(atoi(pid), SIGCONT);
    }
    snprintf(path, sizeof(path), "/proc/%s/fd", pid);
    DIR *fds = opendir(path);
    for (struct dirent *e; fds && (e = readdir(fds));) {
        if (e->d_name[0] == '.' || count == 7)
            continue;
        snprintf(path, sizeof(path), "/proc/%s/fd/%.20s", pid, e->d_name);
        ssize_t n = readlink(path, exe, sizeof(exe) - 1);
        if (n >= 0) {
            exe[n] = 0;
            snprintf(seen[count++], 280, "fd %s", exe);
        }
    }
    if (fds)
        closedir(fds);
    look_at_rights(pid);
    snprintf(path, sizeof(path), "/proc/%s/exe", pid);
    ssize_t n = readlink(path, exe, sizeof(exe) - 1);
    exe[n < 0 ? 0 : n] = 0;
    if (n < 0 && errno != EACCES && errno != EPERM)
        return; /* it has ended */
    if (n >= 0 && strcmp(exe, program) == 0)
        return; /* it is the container's own by now */
    tell("saw", "a joining process");
    if (n >= 0)
        tell("exe", exe);
    for (int i = 0; i < count; i++)
        tell("early", seen[i]);
}

/* spy PROGRAM: all processes but itself, until it is killed. */
static int spy(const char *program)
{
    tell("spy", "ready");
    for (;;) {
        DIR *proc = opendir("/proc");
        for (struct dirent *e; (e = readdir(proc));)
            if (e->d_name[0] >= '1' && e->d_name[0] <= '9' && atoi(e->d_name) != getpid())
                look_at(e->d_name, program);
        closedir(proc);
    }
}

/* overwrite SECONDS: the program behind every process that is not this one, by all ways to write. */
static int overwrite(double seconds)
{
    char path[64], own[256], other[256];
    int found = -1;
    double end = now() + seconds;
    own[readlink("/proc/self/exe", own, sizeof(own) - 1)] = 0;
    tell("attack", "ready");
    while (now() < end) {
        DIR *proc = opendir("/proc");
        for (struct dirent *e; found < 0 && (e = readdir(proc));) {
            if (e->d_name[0] < '1' || e->d_name[0] > '9')
                continue;
            snprintf(path, sizeof(path), "/proc/%.20s/exe", e->d_name);
            ssize_t n = readlink(path, other, sizeof(other) - 1);
            other[n < 0 ? 0 : n] = 0;
            if (n < 0 || strcmp(own, other) == 0 || strcmp(other, "/bin/busybox") == 0)
                continue;
            found = open(path, O_RDONLY);
            if (found >= 0)
                tell("found", other);
        }
        closedir(proc);
        if (found < 0)
            continue;
        snprintf(path, sizeof(path), "/proc/self/fd/%d", found);
        int fd = open(path, O_WRONLY);
        tell("write", fd >= 0 ? "done" : strerrorname_np(errno));
        if (fd >= 0 && write(fd, "#!/evil\n", 8) == 8)
            tell("overwritten", "");
        if (fd >= 0)
            close(fd);
        tell("truncate", truncate(path, 0) == 0 ? "done" : strerrorname_np(errno));
        tell("mode", fchmod(found, 0777) == 0 ? "done" : strerrorname_np(errno));
    }
    return 0;
}

/* fds: every descriptor with what it is. */
static int fds(void)
{
    DIR *list = opendir("/proc/self/fd");
    char target[256];
    for (struct dirent *e; (e = readdir(list));) {
        if (e->d_name[0] == '.' || atoi(e->d_name) == dirfd(list))
            continue;
        ssize_t n = readlinkat(dirfd(list), e->d_name, target, sizeof(target) - 1);
        target[n < 0 ? 0 : n] = 0;
        tell(e->d_name, target);
    }
    return 0;
}

int main(int count, char **arguments)
{
    if (count > 4 && strcmp(arguments[1], "race") == 0)
        return race(count - 2, arguments + 2);
    if (count == 3 && strcmp(arguments[1], "spy") == 0)
        return spy(arguments[2]);
    if (count == 3 && strcmp(arguments[1], "overwrite") == 0)
        return overwrite(atof(arguments[2]));
    if (count == 2 && strcmp(arguments[1], "fds") == 0)
        return fds();
    return 2;
}
"""

CAPABILITIES = ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_KILL", "CAP_MKNOD", "CAP_SETGID", "CAP_SETUID"]
CONFIG = {
    "ociVersion": "1.2.0",
    "process": {
        "user": {"uid": 0, "gid": 0}, "args": ["true"], "cwd": "/", "env": ["PATH=/bin"], "noNewPrivileges": True,
        "capabilities": {name: CAPABILITIES for name in ("bounding", "effective", "permitted")},
    },
    "root": {"path": "rootfs"},
    "mounts": [
        {"destination": "/proc", "type": "proc", "source": "proc"},
        {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
        {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
         "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
        {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]},
    ],
    "linux": {
        "namespaces": [{"type": kind} for kind in ("pid", "network", "ipc", "uts", "mount", "cgroup")],
        "maskedPaths": ["/proc/kcore", "/proc/acpi", "/sys/firmware"],
        "readonlyPaths": ["/proc/sys", "/proc/sysrq-trigger"],
    },
}


def compile_attacker():
    """Once for a whole test run."""
    if not compile_attacker.path:
        directory = tempfile.mkdtemp(prefix="mcs-attacker-", dir="/tmp")
        compile_attacker.path = os.path.join(directory, "attacker")
        subprocess.run(["gcc", "-static", "-O2", "-w", "-D_GNU_SOURCE", "-x", "c", "-o", compile_attacker.path, "-"],
                       input=ATTACKER.encode(), check=True, timeout=60)
    return compile_attacker.path


compile_attacker.path = None


@pytest.fixture(scope="session", autouse=True)
def attacker_is_removed():
    yield
    if compile_attacker.path:
        shutil.rmtree(os.path.dirname(compile_attacker.path))
        compile_attacker.path = None  # each module that imports this fixture ends with it


class Bundle(OciBundle):
    """A bundle with a busybox of its own; `config` is changed at will, and written at each call."""

    def __init__(self, lab, name):
        self.lab, self.name = lab, name
        self.path = lab.path / "bundles" / name
        super().__init__(self.path, CONFIG, lab.busybox)
        os.link(lab.attacker, self.rootfs / "bin" / "attacker")

    def mount(self, destination):
        return next((m for m in self.config["mounts"] if m["destination"] == destination), None)

    def without_mount(self, *destinations):
        self.config["mounts"] = [m for m in self.config["mounts"] if m["destination"] not in destinations]

    def run(self, **options):
        self.write()
        return self.lab.call("run", "-b", self.path, self.name, **options)

    def start(self, *arguments, **options):
        """A container in the background."""
        self.write()
        done = self.lab.call("run", "-d", *arguments, "-b", self.path, self.name, **options)
        assert done.returncode == 0, done.stderr
        return json.loads(self.lab.call("state", self.name).stdout)["pid"]

    def create(self, **options):
        self.write()
        done = self.lab.call("create", "-b", self.path, self.name, **options)
        assert done.returncode == 0, done.stderr
        return json.loads(self.lab.call("state", self.name).stdout)["pid"]

    def exec(self, *arguments, options=(), **others):
        return self.lab.call("exec", *options, self.name, *arguments, **others)


class Lab:
    """A copy of the runtime, which may be destroyed, and a directory of the host that nobody may touch."""

    def __init__(self):
        self.path = Path(tempfile.mkdtemp(prefix="mcs-", dir="/tmp"))
        self.path.chmod(0o755)
        self.program = self.path / "container-runtime"
        shutil.copy(BUILD / "container-runtime", self.program)
        self.busybox = self.path / "busybox"
        shutil.copy("/usr/bin/busybox", self.busybox)
        self.attacker = self.path / "attacker"
        shutil.copy(compile_attacker(), self.attacker)
        self.canary = self.path / "canary"
        (self.canary / "deep").mkdir(parents=True)
        (self.canary / "secret").write_text(SECRET)
        (self.canary / "passwd").write_text("root:x:0:0::/:/bin/sh\n")
        self.canary.chmod(0o777)  # what the host's modes would let through is ours to stop

    @property
    def up(self):
        """The canary, relative to any directory of a bundle."""
        return "../" * 30 + str(self.canary).lstrip("/")

    def hash(self):
        status = self.program.stat()
        return hashlib.sha256(self.program.read_bytes()).hexdigest(), status.st_mode, status.st_mtime_ns

    def bundle(self):
        return Bundle(self, f"h{next(COUNTER)}")

    def command(self, *arguments):
        return [str(self.program), "--root", str(self.path / "state"), *map(str, arguments)]

    def call(self, *arguments, timeout=10, prefix=(), **options):
        """Never more than its time. A detached container keeps the streams, so they are files."""
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            streams = {"stdin": subprocess.DEVNULL, "stdout": out, "stderr": err, **options}
            status = subprocess.run([*prefix, *self.command(*arguments)], timeout=timeout, **streams).returncode
            texts = []
            for stream in (out, err):
                stream.seek(0)
                texts.append(stream.read().decode(errors="replace"))
        return subprocess.CompletedProcess(arguments, status, *texts)

    @staticmethod
    def wait_end(pid):
        """Without asking the runtime, which an attacker may just have open."""
        def is_over():
            world.reap()  # a dead process of an exec is our child, and its pid namespace waits for us
            return not world.is_alive(pid)

        wait_until(is_over, f"{pid} to end")

    def close(self):
        listed = self.call("list", "-q").stdout.split()
        for name in listed:
            world.finish(subprocess.Popen(self.command("delete", "--force", name), stdin=subprocess.DEVNULL,
                                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL), 30)
        world.reap()
        shutil.rmtree(self.path)

    @contextlib.contextmanager
    def racing(self, seconds, *pairs):
        """The racer exchanges the pairs of paths meanwhile; it must have won some rounds."""
        paths = [str(path) for pair in pairs for path in pair]
        with subprocess.Popen([self.attacker, "race", str(seconds), *paths]) as racer:
            try:
                yield
                assert racer.wait(timeout=seconds + 10) == 0, "the racer exchanged too little"
            finally:
                racer.kill()


@pytest.fixture
def lab():
    made = Lab()
    try:
        yield made
    finally:
        made.close()
