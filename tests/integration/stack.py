# SPDX-License-Identifier: Apache-2.0
"""A supervisor with tenants under a root of its own, and httpd before it."""
import itertools
import json
import os
import shutil
import signal
import subprocess
import tempfile
import textwrap
from pathlib import Path

from private_httpd import Httpd, wait_until

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("BUILD", ROOT / "build")).resolve()
COUNTER = itertools.count()

PHP_FPM_CONF = """
[global]
daemonize = no
error_log = /dev/stderr
process_control_timeout = 8s
[www]
listen = /run/php-fpm.sock
pm = static
pm.max_children = 2
catch_workers_output = yes
decorate_workers_output = no
clear_env = yes
"""

PHP_SERVICE = """
services:
  web:
    image: host
    command: ["php-fpm8.2", "-F", "-y", "/etc/php-fpm.conf"]
    user: www-data
    volumes: ["./php-fpm.conf:/etc/php-fpm.conf:ro", "./site:/var/www"]
    mem_limit: 128m
    pids_limit: 32
    restart: always
    stop_signal: SIGQUIT
    x-listen: {protocol: fcgi, path: /run/php-fpm.sock}
"""


class Stack:
    def __init__(self):
        self.path = Path(tempfile.mkdtemp(prefix="mcs-", dir="/tmp"))
        self.path.chmod(0o755)
        for name in ("etc/tenants.d", "run", "conf", "htdocs", "logs"):
            (self.path / name).mkdir(parents=True, mode=0o755)
        self.cgroup = f"mct-{os.getpid()}-{next(COUNTER)}"
        self.settings = {"network": {"namespace": "private"}, "cgroup": {"parent": self.cgroup}}
        self.before = None
        self.process = None
        self.httpd = None
        self.expected_status = 0
        self.environment = dict(os.environ)
        self.verbosity = ["--debug"]

    # ---- tenants ----

    def tenant_directory(self, name):
        return self.path / "etc" / "tenants.d" / name

    def tenant(self, name, compose):
        """Writes a tenant's file as an editor does: a new one put in the place of the old."""
        directory = self.tenant_directory(name)
        directory.mkdir(exist_ok=True)
        new = directory / ".compose.yaml.new"
        new.write_text(textwrap.dedent(compose))
        new.rename(directory / "compose.yaml")
        return directory

    def sleeper(self, name="alpha", extra="", command='["sleep", "1000"]'):
        """A tenant with one service `web` that does nothing, and ends at once when it is told to."""
        text = f"services:\n  web:\n    image: host\n    command: {command}\n    stop_signal: SIGKILL\n"
        return self.tenant(name, text + textwrap.indent(textwrap.dedent(extra).strip("\n"), "    "))

    def php(self, name, index="<?php echo 'hello from ', gethostname();", compose=PHP_SERVICE):
        directory = self.tenant_directory(name)
        (directory / "site").mkdir(parents=True)
        (directory / "site" / "index.php").write_text(index)
        (directory / "php-fpm.conf").write_text(PHP_FPM_CONF)
        return self.tenant(name, compose)

    # ---- the supervisor ----

    def write_settings(self):
        (self.path / "etc" / "supervisor.json").write_text(json.dumps(self.settings))

    @property
    def log_file(self):
        return self.path / "logs" / "supervisor.log"

    def log(self):
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def command(self, *arguments):
        """The supervisor's command line; `before` is what a shell does first, in a mount namespace of its own."""
        command = [BUILD / "container-supervisor", "--root", self.path, *arguments]
        if self.before:
            command = ["unshare", "-m", "sh", "-ec", self.before + '; exec "$@"', "sh", *command]
        return command

    def launch(self, *arguments):
        self.write_settings()
        self.process = subprocess.Popen(
            self.command(*self.verbosity, *arguments),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=open(self.log_file, "ab"),
            env=self.environment)

    def start(self):
        self.launch()
        wait_until(self.answers, "the supervisor to answer", 30)
        return self

    def answers(self):
        assert self.process.poll() is None, self.log()
        return self.ctl("version", check=False).returncode == 0

    def stop(self, signal_number=signal.SIGTERM):
        """Ends the supervisor in order; it must leave nothing of its run directory but the lock and the traffic board."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal_number)
            self.process.wait(60)
        return self.process.returncode if self.process else None

    def crash(self):
        self.process.kill()
        self.process.wait(10)

    def cleanup(self):
        subprocess.run([BUILD / "container-supervisor", "--root", self.path, "--cleanup"], check=True,
                       timeout=60, capture_output=True)

    def close(self):
        """Stops all; a test that ended early must not spoil the next one."""
        if self.httpd:
            self.httpd.stop()
        status = self.stop()
        log = self.log()
        left = sorted(str(p.relative_to(self.path)) for p in (self.path / "run").rglob("*")
                      if p.name not in ("lock", "traffic"))
        shutil.rmtree(self.path)
        assert status in (None, self.expected_status), f"supervisor ended with {status}:\n{log}"
        assert "Sanitizer" not in log and "runtime error:" not in log, log
        if self.expected_status == 0 and status == 0:
            assert not left, f"left in the run directory: {left}"

    # ---- what an operator types ----

    def ctl(self, *arguments, check=True, timeout=60):
        done = subprocess.run([BUILD / "containerctl", "--root", self.path, *arguments],
                              capture_output=True, text=True, timeout=timeout, env=self.environment)
        if check:
            assert done.returncode == 0, f"containerctl {arguments}: {done.stderr}\n{self.log()}"
        return done

    def ps(self):
        done = self.ctl("-o", "json", "ps", "-a", check=False)
        return {c["tenant"] + "/" + c["service"]: c for c in json.loads(done.stdout or "[]")}

    def inspect(self, name="alpha/web"):
        return json.loads(self.ctl("-o", "json", "inspect", name).stdout)

    def state(self, name="alpha/web"):
        """The engine's word for it: with requests in flight the board says working."""
        state = self.ps().get(name, {}).get("state")
        return "running" if state == "working" else state

    def wait_state(self, state, name="alpha/web", seconds=30):
        wait_until(lambda: self.state(name) == state,
                   f"{name} to be {state}, it is {self.state(name)}\n{self.log()}", seconds)

    def logs(self, name="alpha/web"):
        return self.ctl("logs", name).stdout

    def wait_log(self, text, name="alpha/web", seconds=30):
        wait_until(lambda: text in self.logs(name), f"{text!r} in the log of {name}", seconds)

    # ---- inside a container ----

    def run_inside(self, script, name="probe", extra="", image="host", seconds=60, volumes=(),
                   program="sh"):
        """Runs a script as a container of its own and returns its output and last state."""
        directory = self.tenant_directory(name)
        directory.mkdir(exist_ok=True)
        (directory / "script").write_text(textwrap.dedent(script))
        mounts = json.dumps(["./script:/srv/script:ro", *volumes])
        self.tenant(name, f"""
services:
  web:
    image: {image}
    command: [{program}, "/srv/script"]
    volumes: {mounts}
    restart: "no"
    stop_signal: SIGKILL
""" + textwrap.indent(textwrap.dedent(extra).strip("\n"), "    "))
        self.ctl("apply")
        done = f"{name}/web"
        wait_until(lambda: self.state(done) in ("exited", "failed"),
                   f"{done} to end: {self.state(done)}\n{self.log()}", seconds)
        return self.logs(done), self.ps()[done]

    def ask(self, script, name="probe", **options):
        """Runs a Python script behind inside.py in a container; returns what it tells."""
        script = (Path(__file__).parent / "inside.py").read_text() + textwrap.dedent(script)
        log, container = self.run_inside(script, name, program="/usr/bin/python3", **options)
        told = [line[5:] for line in log.splitlines() if line.startswith("told ")]
        assert told, f"{name} told nothing: {container['message']}\n{log}"
        return json.loads(told[-1])

    def serve_inside(self, script, name="alpha", extra="", image="host", volumes=()):
        """Runs a Python script behind inside.py as a tenant; returns once it tells "ready"."""
        directory = self.tenant_directory(name)
        directory.mkdir(exist_ok=True)
        text = (Path(__file__).parent / "inside.py").read_text() + textwrap.dedent(script)
        (directory / "script").write_text(text + '\ntell(ready=True)\nimport time\ntime.sleep(1000)\n')
        mounts = json.dumps(["./script:/srv/script:ro", *volumes])
        self.tenant(name, f"""
services:
  web:
    image: {image}
    command: [/usr/bin/python3, /srv/script]
    volumes: {mounts}
    stop_signal: SIGKILL
""" + textwrap.indent(textwrap.dedent(extra).strip("\n"), "    "))
        self.ctl("apply")
        self.wait_log('told {"ready": true}', f"{name}/web")
        return self.inspect(f"{name}/web")

    # ---- httpd ----

    def serve(self, *tenants, mpm="event", body="", admin="Require all granted"):
        vhosts = "".join(f"""
<VirtualHost *>
    ServerName {tenant}.test
    ContainerRoute {tenant}/web docroot=/var/www
    <Location "/">
        Require all granted
    </Location>
</VirtualHost>
""" for tenant in tenants)
        self.httpd = Httpd(self, f"""
<VirtualHost *>
    ServerName status.test
    <Location "/container-status">
        SetHandler container-status
        ContainerStatus On
        ContainerAdmin On
        {admin}
    </Location>
</VirtualHost>
{vhosts}
{body}
""", mpm=mpm)
        return self.httpd.start()
