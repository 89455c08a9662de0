# SPDX-License-Identifier: Apache-2.0
"""podman and containerd as clients of container-runtime, each below one directory of its own.

RUNTIME names another runtime to try the tests themselves against (its path; crun of Debian passes them
where no cgroup2 is mounted beside version 1).
"""
import contextlib
import fcntl
import hashlib
import io
import itertools
import json
import os
import select
import shutil
import signal
import struct
import subprocess
import tarfile
import tempfile
import termios
import time
from pathlib import Path

import world
from private_httpd import wait_until
from stack import BUILD

RUNTIME = Path(os.environ.get("RUNTIME", BUILD / "container-runtime")).resolve()
CGROUPS = Path("/sys/fs/cgroup")
BUSYBOX = Path("/usr/bin/busybox")
PATH = "PATH=/bin"
COUNTER = itertools.count()

PASSWD = "root:x:0:0:root:/:/bin/sh\napp:x:1000:1000:app:/tmp:/bin/sh\n"
GROUP = "root:x:0:\napp:x:1000:\nextra:x:1001:app\n"

# Podman's own files stay below one directory; its locks too, which else are shared by the whole machine.
CONTAINERS_CONF = """
[containers]
default_ulimits = ["nofile=1024:4096", "nproc=4096:8192"]
seccomp_profile = "/usr/share/containers/seccomp.json"
log_driver = "k8s-file"
[engine]
lock_type = "file"
runtime_supports_json = [{json_runtimes}]
[network]
network_config_dir = "{path}/networks"
"""

CONTAINERD_CONF = """
version = 2
root = "{path}/root"
state = "{path}/state"
disabled_plugins = [
    "io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt", "io.containerd.internal.v1.tracing",
    "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
    "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",
]
[grpc]
  address = "{path}/containerd.sock"
"""


def rootfs_tar():
    """A root file system of busybox alone, and one file in /tmp that an image may ship."""
    applets = subprocess.run([BUSYBOX, "--list"], check=True, capture_output=True, text=True,
                             timeout=30).stdout.split()
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        def add(name, kind=tarfile.REGTYPE, data=b"", mode=0o755, link=""):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode, entry.size, entry.linkname = kind, mode, len(data), link
            tar.addfile(entry, io.BytesIO(data))
        for name in ("bin", "dev", "etc", "proc", "srv", "sys"):
            add(name, tarfile.DIRTYPE)
        add("tmp", tarfile.DIRTYPE, mode=0o1777)
        add("bin/busybox", data=BUSYBOX.read_bytes())
        for applet in set(applets) - {"busybox"}:
            add(f"bin/{applet}", tarfile.SYMTYPE, link="busybox")
        add("etc/passwd", data=PASSWD.encode(), mode=0o644)
        add("etc/group", data=GROUP.encode(), mode=0o644)
        add("tmp/shipped", data=b"by the image\n", mode=0o644)
    return out.getvalue()


def image_tar(layer, name):
    """An image of one layer in the OCI layout, as one tar."""
    def digest(data):
        return "sha256:" + hashlib.sha256(data).hexdigest()

    def descriptor(kind, data, **more):
        return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": digest(data),
                "size": len(data), **more}
    config = json.dumps({
        "architecture": "amd64", "os": "linux", "config": {"Env": [PATH], "Cmd": ["sh"]},
        "rootfs": {"type": "layers", "diff_ids": [digest(layer)]}}).encode()
    manifest = json.dumps({
        "schemaVersion": 2, "config": descriptor("config.v1+json", config),
        "layers": [descriptor("layer.v1.tar", layer)]}).encode()
    index = json.dumps({"schemaVersion": 2, "manifests": [descriptor(
        "manifest.v1+json", manifest, annotations={"io.containerd.image.name": name})]}).encode()
    files = {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}', "index.json": index}
    for blob in (layer, config, manifest):
        files["blobs/sha256/" + digest(blob).split(":")[1]] = blob
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for path, data in files.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return out.getvalue()


def limit_of(pid, controller, v1_name, v2_name):
    """What the kernel has in a file of the cgroup that a process is in, on either version."""
    paths = {}
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        paths.update(dict.fromkeys(controllers.split(","), path.lstrip("/")))
    if controller in paths:
        return (CGROUPS / controller / paths[controller] / v1_name).read_text().strip()
    return (CGROUPS / paths[""] / v2_name).read_text().strip()


class Terminal:
    """A program on a pseudo terminal of 33 rows and 77 columns, as under a person's hands."""

    def __init__(self, command, environment, directory):
        self.master, slave = os.openpty()
        self.resize(33, 77)
        self.process = subprocess.Popen(
            [str(part) for part in command], stdin=slave, stdout=slave, stderr=slave,
            env=environment, cwd=directory, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(slave)
        self.seen = ""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
        os.close(self.master)

    def resize(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text):
        os.write(self.master, text.encode())

    def read(self, until=None, seconds=20):
        """What the screen has shown so far, once `until` is there, or to the end of the program."""
        end = time.monotonic() + seconds
        while until is None or until not in self.seen:
            assert time.monotonic() < end, f"waited {seconds} s for {until!r} in {self.seen!r}"
            if not select.select([self.master], [], [], 0.1)[0]:
                continue
            try:
                data = os.read(self.master, 4096)
            except OSError:  # nobody has the other side open any more
                data = b""
            if not data:
                assert until is None, f"ended without {until!r} in {self.seen!r}"
                break
            self.seen += data.decode(errors="replace")
        return self.seen

    def end(self):
        """(all that was shown, exit status)"""
        seen = self.read()
        return seen, self.process.wait(20)


class Engine:
    """What podman and containerd have in common: a directory, a cgroup, a /run of their own."""

    # What they and the runtimes write to without being told where to; hidden below empty ones.
    COVERED = ("/run", "/var/lib/containers")

    def __init__(self):
        self.path = Path(tempfile.mkdtemp(prefix="mce-", dir="/tmp"))
        self.path.chmod(0o755)
        (self.path / "tmp").mkdir()
        self.cgroup = f"/mct-{os.getpid()}-engine{next(COUNTER)}"
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(self.path), "LANG": "C.UTF-8",
                            "TMPDIR": str(self.path / "tmp")}
        self.made = [path for path in self.COVERED if not Path(path).exists()]
        for path in self.COVERED:
            Path(path).mkdir(exist_ok=True)
            world.check(world.LIBC.mount(b"tmpfs", path.encode(), b"tmpfs", 0, b"mode=755"), path)

    def command(self, *arguments):
        raise NotImplementedError

    def __call__(self, *arguments, status=0, **options):
        """Runs one command line; returns what it wrote to its standard output, without the last newline."""
        done = self.attempt(*arguments, **options)
        assert done.returncode == status, (
            f"{arguments} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
        return done.stdout.removesuffix("\n")

    def attempt(self, *arguments, stdin="", seconds=60, **options):
        return subprocess.run(self.command(*arguments), capture_output=True, text=True, input=stdin,
                              timeout=seconds, env=self.environment, cwd=self.path, **options)

    def terminal(self, *arguments):
        return Terminal(self.command(*arguments), self.environment, self.path)

    @staticmethod
    def runtime_state():
        """What the runtime still remembers, below its own root and the shim's: a directory for each container."""
        return sorted(str(entry) for root in ("container-runtime", "containerd/runc/default")
                      for entry in Path("/run", root).glob("*") if (entry / "config.json").exists())

    def remove(self):
        """Unmounts and removes all; whoever used the engine has ended its containers before."""
        below = sorted((m for m in world.mounts() if m.startswith(str(self.path))), reverse=True)
        for path in [*below, *self.COVERED]:
            subprocess.run(["umount", "-l", path], check=True, timeout=30, capture_output=True)
        for path in self.made:
            with contextlib.suppress(OSError):  # another podman of this machine uses it by now
                os.rmdir(path)
        for group in CGROUPS.glob("*" + self.cgroup):
            for directory, _, _ in os.walk(group, topdown=False):
                with contextlib.suppress(OSError):  # what is still in use is reported by the caller
                    os.rmdir(directory)
        shutil.rmtree(self.path)


class Podman(Engine):
    IMAGE = "box"

    def __init__(self):
        super().__init__()
        (self.path / "rootfs.tar").write_bytes(rootfs_tar())
        self.configure("")
        self("import", "-q", "-c", "ENV " + PATH, self.path / "rootfs.tar", self.IMAGE)

    def configure(self, json_runtimes):
        (self.path / "containers.conf").write_text(
            CONTAINERS_CONF.format(path=self.path, json_runtimes=json_runtimes))
        self.environment["CONTAINERS_CONF"] = str(self.path / "containers.conf")

    def command(self, *arguments):
        return ["podman", "--root", self.path / "root", "--runroot", self.path / "runroot",
                "--tmpdir", self.path / "tmpdir", "--cgroup-manager", "cgroupfs",
                "--events-backend", "file", "--storage-driver", "overlay", "--runtime", RUNTIME,
                *arguments]

    def options(self, *arguments):
        """Of a new container: its options, the image, its command line."""
        options, command = arguments, []
        if "--" in arguments:
            split = arguments.index("--")
            options, command = arguments[:split], list(arguments[split + 1:])
        if "--pod" not in options:
            options = ("--network", "none", "--cgroup-parent", self.cgroup, *options)
        return [*options, self.IMAGE, *command]

    def run(self, *arguments, **expected):
        """podman run OPTION... -- COMMAND..."""
        return self("run", *self.options(*arguments), **expected)

    def inspect(self, name, field):
        return self("inspect", "--format", "{{" + field + "}}", name)

    def pid(self, name):
        return int(self.inspect(name, ".State.Pid"))

    def wait_log(self, name, text, seconds=20):
        wait_until(lambda: text in self("logs", name), f"{text!r} in the log of {name}", seconds)

    def close(self):
        """Ends all containers in podman's way; their monitors must follow."""
        failed = []
        for arguments in (["pod", "rm", "-f", "-a"], ["rm", "-f", "-a", "-t", "0"]):
            done = self.attempt(*arguments)
            end = time.monotonic() + 20
            # podman meets its own cleanup, which conmon has started a moment ago: the mount of /dev/shm is busy.
            while done.returncode and "resource busy" in done.stderr and time.monotonic() < end:
                time.sleep(0.2)
                done = self.attempt(*arguments)
            failed += [f"{arguments}: {done.stderr}"] if done.returncode else []

        def monitors():
            world.reap()
            return [line for _, line in world.children() if str(self.path) in line]
        try:
            wait_until(lambda: not monitors(), "conmon to end")
            failed += self.runtime_state()
        finally:
            self.remove()
        assert not failed, failed


class Containerd(Engine):
    IMAGE = "docker.io/library/box:latest"

    def __init__(self):
        super().__init__()
        (self.path / "config.toml").write_text(CONTAINERD_CONF.format(path=self.path))
        self.log_file = self.path / "containerd.log"
        with self.log_file.open("wb") as log:
            self.daemon = subprocess.Popen(["containerd", "--config", self.path / "config.toml"],
                                           stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                           env=self.environment)
        wait_until(self.answers, "containerd to answer", 30)
        (self.path / "image.tar").write_bytes(image_tar(rootfs_tar(), self.IMAGE))
        self("image", "import", self.path / "image.tar")

    def answers(self):
        assert self.daemon.poll() is None, self.log_file.read_text()
        return self.attempt("version").returncode == 0

    def command(self, *arguments):
        return ["ctr", "--address", self.path / "containerd.sock", *arguments]

    def options(self, name, *arguments):
        """Of a new container: its options, the image, its name, its command line."""
        split = arguments.index("--")
        return ["--runc-binary", RUNTIME, "--cgroup", f"{self.cgroup}/{name}", *arguments[:split],
                self.IMAGE, name, *arguments[split + 1:]]

    def run(self, name, *arguments, **expected):
        """ctr run OPTION... NAME -- COMMAND..."""
        return self("run", *self.options(name, *arguments), **expected)

    def tasks(self):
        """{name: (pid, state)}"""
        lines = [line.split() for line in self("task", "ls").splitlines()[1:]]
        return {name: (int(pid), state) for name, pid, state in lines}

    def wait_state(self, name, state):
        wait_until(lambda: self.tasks()[name][1] == state, f"{name} to be {state}: {self.tasks()}")

    def metrics(self, name):
        lines = [line.split() for line in self("task", "metrics", name).splitlines()]
        return {words[0]: words[1] for words in lines if len(words) == 2}

    def close(self):
        failed = []
        for name, (_, state) in self.tasks().items():
            if state != "STOPPED":
                self.attempt("task", "kill", "-s", "SIGKILL", name)
            self.attempt("task", "delete", "-f", name)
        for name in self("container", "ls", "-q").split():
            done = self.attempt("container", "delete", name)
            failed += [done.stderr] if done.returncode else []

        def shims():
            world.reap()
            return [line for _, line in world.children() if "containerd-shim" in line]
        try:
            wait_until(lambda: not shims(), "the shims to end")
            failed += self.runtime_state()
        finally:
            self.daemon.send_signal(signal.SIGTERM)
            self.daemon.wait(20)
            self.remove()
        assert not failed, f"{failed}\n{self.log_file.read_text()}"
