# SPDX-License-Identifier: Apache-2.0
"""The product in the guest, and what must hold of it while it runs, however it was started."""
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

sys.path.insert(1, str(Path(__file__).resolve().parent / "source/tests/integration"))

import board  # noqa: E402
from guest import (CGROUPS, SECONDS, cgroup_file, cgroup_key, expect, expect_equal, make_image, run, status_field,
                   wait_until)  # noqa: E402

JOB = Path(__file__).resolve().parent
IMAGE, HTTPD = Path("/srv/image"), Path("/srv/httpd")
TENANTS = ("alpha", "beta", "box")
NO_CAPABILITY = "0" * 16
OOM = """
services:
  web: {image: host, command: ["tail", "/dev/zero"], mem_limit: 32m, restart: "no"}
"""
BOMB = """
services:
  web:
    image: host
    command: ["sh", "-c", "b() { while :; do b & done; }; b 2>/dev/null & exec sleep 1000"]
    cpus: 0.25
    pids_limit: 20
    stop_signal: SIGKILL
"""
PROBE = """
services:
  web:
    image: host
    command: ["sh", "-c", "unshare -U true; mount -t tmpfs x /tmp; mknod /tmp/n b 254 0; echo ended"]
    restart: "no"
"""
WRONG = """
services:
  web: {image: host, command: ["no-such-program"], restart: "no"}
"""


class Product:
    """Files, supervisor and httpd. root: what --root is given, "" for the machine's own places."""

    def __init__(self, root, namespace):
        self.root = root
        self.namespace = namespace
        self.etc = Path(f"{root}/etc" if root else "/etc/container-supervisor")
        self.run = Path(f"{root}/run" if root else "/run/container-supervisor")
        self.data = Path(f"{root}/lib" if root else "/var/lib/container-supervisor")
        self.options = ["--root", root] if root else []
        self.process = None

    def write_files(self):
        for directory in (self.etc, self.data, HTTPD):
            shutil.rmtree(directory, ignore_errors=True)
        self.etc.mkdir(parents=True)
        (self.etc / "supervisor.json").write_text(json.dumps({"network": {"namespace": self.namespace}}))
        shutil.copytree(JOB / "tenants", self.etc / "tenants.d")
        for tenant in ("alpha", "beta"):
            directory = self.etc / "tenants.d" / tenant
            (directory / "site").mkdir()
            shutil.copy(JOB / "php-fpm.conf", directory)
            shutil.copy(JOB / "index.php", directory / "site")
        make_image(IMAGE)
        HTTPD.mkdir()
        text = (JOB / "httpd.conf").read_text()
        (HTTPD / "httpd.conf").write_text(
            text.replace("@ROOT@", f'ContainerRoot "{self.root}"' if self.root else ""))

    # ---- processes ----

    def launch(self):
        self.process = subprocess.Popen(["container-supervisor", *self.options], stdin=subprocess.DEVNULL,
                                        stderr=open("/out/supervisor.log", "ab"))

    def start(self):
        self.launch()
        self.wait_running()

    def wait_running(self):
        wait_until(self.are_all_running, lambda: f"all tenants to run: {self.describe()}")

    def are_all_running(self):
        """The supervisor that runs now must answer: one that was killed leaves its board behind."""
        expect(not self.process or self.process.poll() is None, "the supervisor has ended")
        if self.ctl("version", is_checked=False).returncode != 0:
            return False
        states = {tenant: container["state"] for tenant, container in self.ps().items()}
        return all(states.get(tenant) in ("running", "limited") for tenant in TENANTS)

    def describe(self):
        return ", ".join(f"{tenant} {c['state']} {c['message'] or ''}" for tenant, c in self.ps().items())

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.process.wait(SECONDS)

    def start_httpd(self):
        run("apache2", "-f", HTTPD / "httpd.conf", "-k", "start")
        wait_until((HTTPD / "httpd.pid").exists, "httpd to start")

    def stop_httpd(self):
        run("apache2", "-f", HTTPD / "httpd.conf", "-k", "stop")
        wait_until(lambda: not (HTTPD / "httpd.pid").exists(), "httpd to stop")

    # ---- what an operator types ----

    def ctl(self, *arguments, is_checked=True):
        return run("containerctl", *self.options, *arguments, is_checked=is_checked)

    def ps(self):
        done = self.ctl("-o", "json", "ps", "-a", is_checked=False)
        return {container["tenant"]: container for container in json.loads(done.stdout or "[]")}

    def inspect(self, tenant):
        return json.loads(self.ctl("-o", "json", "inspect", f"{tenant}/web").stdout)

    def group(self, tenant):
        return self.inspect(tenant)["cgroup"]

    def curl(self, path, host="status.test", *options):
        """(status, body)"""
        done = run("curl", "-sS", "-m", str(SECONDS), "-w", "\n%{http_code}", "-H", f"Host: {host}", *options,
                   f"http://127.0.0.1:8080{path}")
        body, _, status = done.stdout.rpartition("\n")
        return int(status), body

    def visit(self, tenant, query=""):
        status, body = self.curl("/" + query, f"{tenant}.test")
        expect_equal(status, 200, f"{tenant}'s page ({body[:200]})")
        return json.loads(body)

    def act(self, tenant, action):
        return self.curl(f"/container-status/{tenant}/web", "status.test", "-X", "POST",
                         "-d", f"action={action}&wait=30")

    # ---- tenants that come and go ----

    def add(self, name, compose):
        (self.etc / "tenants.d" / f"{name}.yaml").write_text(compose)
        self.ctl("apply")

    def remove(self, name):
        group = CGROUPS / self.group(name).lstrip("/")
        (self.etc / "tenants.d" / f"{name}.yaml").unlink()
        self.ctl("apply")
        wait_until(lambda: name not in self.ps() and not group.exists(), f"{name} and its cgroup to go")
        expect(not group.parent.exists(), f"the cgroup {group.parent} of the tenant is left")

    # ---- what must hold ----

    def check_pages(self):
        for tenant, memory in (("alpha", 96 << 20), ("beta", 64 << 20)):
            seen = self.visit(tenant)
            expect_equal(seen["host"], f"{tenant}-web", "host name")
            expect_equal(seen["uid"], 33, "uid")
            expect_equal(seen["memory_max"], str(memory), "memory.max read inside")
            expect_equal(seen["cgroup"], "0::/", "/proc/self/cgroup read inside")
            expect(not seen["limit_is_writable"], "the tenant can write its own memory.max")
            expect_equal(sorted(seen["processes"])[0], "1", "first process inside")
            expect(len(seen["processes"]) <= 3, f"processes seen inside: {seen['processes']}")
        expect_equal(self.visit("alpha", "?write=/data/file")["written"], 1, "bytes written to the volume")
        file = next((self.data / "volumes").glob("*/*/file"))
        expect_equal(file.stat().st_uid, 33, "owner of the file in the volume, on the disk")
        expect_equal(self.visit("alpha", "?write=/var/www/file")["written"], False, "write to a read-only volume")

    def check_placement(self):
        for tenant in TENANTS:
            pid, group = self.ps()[tenant]["pid"], self.group(tenant)
            members = cgroup_file(group, "cgroup.procs").split()
            expect(str(pid) in members, f"{tenant}: pid {pid} is not in {group}: {members}")
            for member in members:
                expect_equal(Path(f"/proc/{member}/cgroup").read_text().strip(), f"0::{group}",
                             f"cgroup of {tenant}'s process {member}")
            expect(group.endswith(f"/{tenant}/{tenant}-web-1"), f"{group} is not TENANT/CONTAINER")

    def check_limit_files(self):
        device = os.stat("/dev/vda").st_rdev
        group = self.group("alpha")
        for name, wanted in (
                ("memory.max", str(96 << 20)), ("memory.swap.max", "0"), ("cpu.max", "75000 100000"),
                ("pids.max", "24"),
                ("io.max", f"{os.major(device)}:{os.minor(device)} rbps={64 << 20} wbps=max riops=max wiops=500")):
            if name == "memory.swap.max" and not (CGROUPS / group.lstrip("/") / name).exists():
                continue  # a kernel without swap accounting
            expect_equal(cgroup_file(group, name), wanted, f"alpha's {name}")
        # Those who ask for nothing get the supervisor's defaults: 512m, 1 CPU, 256 tasks.
        group = self.group("beta")
        expect_equal(cgroup_file(group, "cpu.max"), "100000 100000", "beta's cpu.max")
        expect_equal(cgroup_file(group, "pids.max"), "256", "beta's pids.max")

    def check_figures(self):
        def figures():
            status, body = self.curl("/container-status?format=json")
            expect_equal(status, 200, "status page")
            return {container["tenant"]: container for container in json.loads(body)["containers"]}

        wait_until(lambda: all(c["cpu_seconds"] is not None for c in figures().values()), "a sample")
        expect_equal(sorted(figures()), sorted(TENANTS), "tenants on the status page")
        for tenant, container in figures().items():
            for key in ("cpu_percent", "cpu_seconds", "memory_bytes", "memory_limit_bytes", "tasks", "tasks_limit",
                        "io_read_bytes", "io_write_bytes", "net_receive_bytes", "net_transmit_bytes", "oom_kills"):
                expect(container[key] is not None, f"{tenant}: {key} is null: {container}")
            for key in ("cpu_seconds", "memory_bytes", "tasks"):
                expect(container[key] > 0, f"{tenant}: {key} is {container[key]}")
        alpha = figures()["alpha"]
        expect_equal(alpha["tasks"], 2, "alpha's tasks")
        expect_equal(alpha["tasks_limit"], 24, "alpha's limit of tasks")
        expect_equal(alpha["memory_limit_bytes"], 96 << 20, "alpha's limit of memory")
        expect_equal(alpha["cpu_limit"], 0.75, "alpha's limit of CPUs")

    def slot(self, tenant):
        """The tenant's slot as it lies in the file; nothing guards against a write in that moment."""
        data = (self.run / "scoreboard").read_bytes()
        step = 8 + board.c.sizeof(board.Slot)
        for at in range(4096, len(data) - step, step):
            slot = board.Slot.from_buffer_copy(data, at + 8)
            if slot.tenant == tenant.encode():
                return slot
        return board.Slot()

    def check_board(self):
        """The fields that v1 gives, and pressure, which the kernel has for every v2 group."""
        names = ("cpu cpu_limit cpu_split cpu_throttle memory memory_limit memory_peak memory_detail memory_kernel swap "
                 "swap_limit memory_hits oom faults tasks tasks_limit tasks_hits io io_ops psi_cpu psi_memory psi_io net "
                 "disk disk_limit").split()
        if not (CGROUPS / self.group("alpha").lstrip("/") / "memory.peak").exists():
            names.remove("memory_peak")  # Linux 5.19

        def lacking():
            has = self.slot("alpha").has
            return [name for name in names if not has & board.HAS[name]]
        wait_until(lambda: not lacking(), lambda: f"figures on the board; it lacks {lacking()}")
        slot = self.slot("alpha")
        expect(slot.cpu_usage_usec >= slot.cpu_user_usec > 0, "CPU figures")
        expect(slot.memory_bytes > 0 and slot.memory_anon_bytes > 0 and slot.page_faults > 0, "memory figures")
        expect_equal(slot.tasks_limit, int(cgroup_file(self.group("alpha"), "pids.max")), "tasks limit")

    def check_powers(self):
        self.check_limit_of_files()
        for tenant in TENANTS:
            text = Path(f"/proc/{self.ps()[tenant]['pid']}/status").read_text()
            for field in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
                expect_equal(status_field(text, field), NO_CAPABILITY, f"{tenant}: {field}")
            expect_equal(status_field(text, "NoNewPrivs"), "1", f"{tenant}: NoNewPrivs")
            expect_equal(status_field(text, "Seccomp"), "2", f"{tenant}: Seccomp (2: filter)")
            expect(int(status_field(text, "Uid").split()[0]) >= 1 << 30, f"{tenant} runs as a user of the host")
        text = self.visit("alpha")["status"]
        expect_equal(status_field(text, "CapEff"), NO_CAPABILITY, "CapEff of the PHP worker")
        expect_equal(status_field(text, "Seccomp"), "2", "Seccomp of the PHP worker")

    def check_refusals(self):
        """What a tenant's own processes try; nsenter brings no seccomp filter along."""
        self.add("probe", PROBE)
        wait_until(lambda: "ended" in self.ctl("logs", "probe/web").stdout, "the probe to end")
        log = self.ctl("logs", "probe/web").stdout
        for program in ("unshare", "mount", "mknod"):
            said = [line for line in log.splitlines() if line.startswith(program)]
            expect(said and ("not permitted" in said[0] or "denied" in said[0]), f"{program} was not refused: {log}")
        self.remove("probe")

    def check_limit_of_files(self):
        """Above what the supervisor itself was given: the plain guest's hard limit is 4096."""
        limits = Path(f"/proc/{self.ps()['box']['pid']}/limits").read_text()
        line = next(line for line in limits.splitlines() if line.startswith("Max open files"))
        expect_equal(line.split()[3:5], ["1024", "16384"], "soft and hard limit of open files")

    def check_devices(self):
        """Root of the host in the tenant's cgroup, where nothing but the BPF rule is in the way."""
        procs = CGROUPS / self.group("box").lstrip("/") / "cgroup.procs"
        script = f'echo $$ >{procs} && exec dd if="$0" of=/dev/null bs=512 count=1'
        done = run("sh", "-c", script, "/dev/vda", is_checked=False)
        expect(done.returncode != 0 and "Operation not permitted" in done.stderr,
               f"/dev/vda opened in a container's cgroup: {done.stderr}")
        run("sh", "-c", script, "/dev/zero")
        done = run("sh", "-c", f"echo $$ >{procs} && exec mknod /srv/node b 254 0", is_checked=False)
        expect("Operation not permitted" in done.stderr, f"mknod in a container's cgroup: {done.stderr}")

    def inside(self, tenant, *command):
        """Runs busybox's command in the container's namespaces, as its root."""
        pid = str(self.ps()[tenant]["pid"])
        return run("nsenter", "-t", pid, "-U", "-m", "-p", "-n", "-i", "-u", "-C", *command, is_checked=False)

    def check_image(self):
        """An overlay over an idmapped directory; its upper layer is a tmpfs."""
        done = self.inside("box", "/bin/sh", "-c",
                           "echo new >/srv/new && mv /srv/old /srv/moved && rm /srv/moved && mkdir /srv/d "
                           "&& cat /srv/new && ls /srv")
        expect_equal(done.stdout.split(), ["new", "d", "disk", "index.html", "new"], f"writing inside {done.stderr}")
        expect_equal((IMAGE / "srv/old").read_text(), "of the image\n", "the image after the write")
        done = self.inside("box", "/bin/dd", "if=/srv/disk", "of=/dev/null", "count=1")
        expect(done.returncode != 0 and "denied" in done.stderr or "not permitted" in done.stderr,
               f"the disk's node in the image opened: {done.stderr}")
        expect_equal(self.inside("box", "/bin/ls", "/old_root").returncode, 1, "ls of the old root")

    def check_network(self):
        """The host reaches the box's port, no tenant does; the box answers on IPv4 and IPv6."""
        box = self.inspect("box")["network"]
        if self.namespace == "host":
            for address in (box["ipv4"], f"[{box['ipv6']}]"):
                page = run("curl", "-gsS", "-m", str(SECONDS), f"http://{address}:8000/").stdout
                expect_equal(page, "page of the box\n", f"page at {address}")
        for address in (box["ipv4"], f"[{box['ipv6']}]"):
            seen = self.visit("alpha", f"?connect={address}")["connected"]
            expect(seen.startswith("refused"), f"alpha reached the box at {address}: {seen}")
        links = run("ip", "-o", "link").stdout
        expect_equal("ctbr" in links, self.namespace == "host", f"a bridge in the host's network: {links}")

    def check_oom(self):
        self.add("hog", OOM)
        wait_until(lambda: self.ps()["hog"]["state"] == "failed", lambda: f"hog to fail: {self.describe()}")
        message = self.ps()["hog"]["message"]
        expect("killed by signal 9 (KILL): out of memory" in message, f"message after an OOM kill: {message}")
        page = json.loads(self.curl("/container-status?format=json")[1])
        shown = next(c for c in page["containers"] if c["tenant"] == "hog")
        expect("out of memory" in shown["message"], f"message on the status page: {shown}")
        self.remove("hog")

    def check_fork_bomb(self):
        self.add("bomb", BOMB)
        group = self.group("bomb")
        wait_until(lambda: int(cgroup_key(group, "pids.events", "max")) > 0, "the bomb to meet its limit")
        for _ in range(5):
            tasks = int(cgroup_file(group, "pids.current"))
            expect(tasks <= 20, f"{tasks} tasks where 20 are the limit")
            self.visit("beta")
        wait_until(lambda: int(cgroup_key(group, "cpu.stat", "nr_throttled")) > 0, "the bomb's CPU to be throttled")
        wait_until(lambda: self.ps()["bomb"]["state"] == "limited", lambda: f"limited: {self.describe()}")
        self.ctl("kill", "bomb/web")
        expect_equal(self.ps()["bomb"]["state"], "stopped", "state after kill")
        self.remove("bomb")

    def check_pause(self):
        group = self.group("alpha")
        expect_equal(self.act("alpha", "pause")[0], 200, "pause")
        expect_equal(cgroup_file(group, "cgroup.freeze"), "1", "cgroup.freeze")
        expect_equal(cgroup_key(group, "cgroup.events", "frozen"), "1", "frozen in cgroup.events")
        expect_equal(self.ps()["alpha"]["state"], "paused", "state")
        expect_equal(self.curl("/", "alpha.test")[0], 503, "page while paused")
        expect_equal(self.act("alpha", "resume")[0], 200, "resume")
        expect_equal(cgroup_key(group, "cgroup.events", "frozen"), "0", "frozen in cgroup.events")
        self.visit("alpha")
        self.ctl("pause", "beta/web")
        self.ctl("stop", "beta/web")  # frozen tasks take no signal
        expect_equal(self.ps()["beta"]["state"], "stopped", "state after a stop of what was paused")
        self.ctl("start", "beta/web")

    def check_actions(self):
        group = CGROUPS / self.group("alpha").lstrip("/")
        for action in ("stop", "kill"):
            status, body = self.act("alpha", action)
            expect_equal((status, json.loads(body).get("state")), (200, "stopped"), f"{action}: {body}")
            expect(not group.exists(), f"{group} is left after {action}")
            expect_equal(self.curl("/", "alpha.test")[0], 503, f"page after {action}")
            expect_equal(self.act("alpha", "start")[0], 200, "start")
            self.visit("alpha")
        pid = self.ps()["alpha"]["pid"]
        expect_equal(self.act("alpha", "restart")[0], 200, "restart")
        expect(self.ps()["alpha"]["pid"] != pid, "the pid after a restart is that before it")
        self.visit("alpha")

    def check_failed_start(self):
        self.add("wrong", WRONG)
        wait_until(lambda: self.ps()["wrong"]["state"] == "failed", lambda: f"wrong to fail: {self.describe()}")
        message = self.ps()["wrong"]["message"]
        expect("no-such-program: no such program in the image" in message, f"message: {message}")
        self.remove("wrong")

    def checks(self):
        return [("a visitor reaches PHP, which sees its limits", self.check_pages),
                ("processes are in their cgroups", self.check_placement),
                ("limits are in the cgroup files", self.check_limit_files),
                ("the status page has all figures", self.check_figures),
                ("the board has every figure of v2 and pressure", self.check_board),
                ("no capability, no_new_privs, seccomp", self.check_powers),
                ("the kernel refuses what a tenant must not do", self.check_refusals),
                ("the devices rule denies the disk", self.check_devices),
                ("a root file system image works", self.check_image),
                ("tenants are apart on the network", self.check_network),
                ("an OOM kill is named", self.check_oom),
                ("a fork bomb is bounded", self.check_fork_bomb),
                ("a missing program is named", self.check_failed_start),
                ("pause and resume", self.check_pause),
                ("stop, kill, start, restart", self.check_actions)]
