# SPDX-License-Identifier: Apache-2.0
"""PHP through a container against the same PHP-FPM without one, both behind the same httpd."""
import json
import os
import subprocess
from pathlib import Path

from load import Broken, Side, family, in_turns, uninterrupted
from private_httpd import WEB_USER, wait_until

WORKERS = 4

# One configuration for both, as the quickstart's; only where they listen and log differs.
POOL = f"""
pm = static
pm.max_children = {WORKERS}
catch_workers_output = yes
decorate_workers_output = no
clear_env = yes
security.limit_extensions = .php
php_admin_value[cgi.fix_pathinfo] = 0
"""

INDEX = "<?php echo 'hello, it is ', date('H:i'), \"\\n\"; ?>"
# What must be the same on both sides, or the comparison is none.
SAME = "<?php $c = opcache_get_status(false); echo json_encode([PHP_VERSION, get_loaded_extensions()," \
       " $c && $c['opcache_enabled'], ini_get('memory_limit'), ini_get('realpath_cache_size'), posix_geteuid()]);"

COMPOSE = """
services:
  web:
    image: host
    command: ["php-fpm8.2", "-F", "-y", "/etc/php-fpm.conf"]
    user: www-data
    volumes: ["./php-fpm.conf:/etc/php-fpm.conf:ro", "./site:/var/www:ro"]
    mem_limit: 256m
    cpus: {cpus}
    pids_limit: 64
    stop_signal: SIGQUIT
    x-listen: {{protocol: fcgi, path: /run/php-fpm.sock}}
"""


def cpu_group(pid):
    """The directory of a process's cgroup for CPU time (cgroups(7)): v2, or v1's hierarchy of that controller."""
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if "cpu" in controllers.split(","):
            return Path("/sys/fs/cgroup", controllers, path.lstrip("/"))
    return Path("/sys/fs/cgroup", path.lstrip("/"))


class Php:
    def __init__(self, stack):
        self.stack = stack
        self.cpus = os.cpu_count()
        self.socket = stack.path / "run-peer" / "fpm.sock"
        self.site = stack.tenant_directory("bench") / "site"
        self.process = None
        self.group = None

    def prepare(self):
        self.stack.php("bench", INDEX, COMPOSE.format(cpus=self.cpus))
        (self.site / "same.php").write_text(SAME)
        (self.stack.tenant_directory("bench") / "php-fpm.conf").write_text(
            "[global]\ndaemonize = no\nerror_log = /dev/stderr\n[www]\nlisten = /run/php-fpm.sock\n" + POOL)

    def start_peer(self):
        self.socket.parent.mkdir(mode=0o755)
        config = self.socket.parent / "php-fpm.conf"
        log = self.stack.path / "logs" / "peer-fpm.log"
        config.write_text(f"[global]\ndaemonize = no\nerror_log = {log}\n[www]\nuser = {WEB_USER}\n"
                          f"group = {WEB_USER}\nlisten = {self.socket}\nlisten.mode = 0666\n" + POOL)
        self.process = subprocess.Popen(["php-fpm8.2", "-F", "-y", config], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: len(family(self.process.pid)) == 1 + WORKERS, "the peer's PHP-FPM")

    def share_cpu(self):
        """The peer gets a group of its own beside the tenant's, as its unit has under systemd: four processes
        that compete for CPU time one by one would get more of a busy machine than four in one group."""
        container = cpu_group(self.stack.ps()["bench/web"]["pid"])
        self.group = container.parent.parent / "peer"
        self.group.mkdir()
        for pid in family(self.process.pid):
            (self.group / "cgroup.procs").write_text(str(pid))

    def start(self):
        self.stack.wait_state("running", "bench/web")
        self.start_peer()
        self.share_cpu()
        self.stack.serve("bench", body=f"""
<VirtualHost *>
    ServerName peer.test
    DocumentRoot {self.site}
    <Directory "{self.site}">
        AllowOverride None
        Require all granted
    </Directory>
    <FilesMatch "\\.php$">
        SetHandler "proxy:unix:{self.socket}|fcgi://localhost"
    </FilesMatch>
</VirtualHost>
""")
        wait_until(lambda: self.stack.httpd.get("/index.php", host="bench.test").status == 200, "PHP's page")
        container, peer = (json.loads(self.stack.httpd.get("/same.php", host=host).text)
                           for host in ("bench.test", "peer.test"))
        if container != peer:
            raise Broken(f"PHP is not the same in the container, {container}, and without it, {peer}")

    def measure(self, clients, rounds):
        url = f"http://127.0.0.1:{self.stack.httpd.port}/index.php"
        httpd = self.stack.httpd.process.pid
        ours = Side(url, "bench.test", php=self.stack.ps()["bench/web"]["pid"], httpd=httpd)
        theirs = Side(url, "peer.test", php=self.process.pid, httpd=httpd)
        return in_turns(f"PHP page, {clients} client{'s'[:clients > 1]}", ours, theirs, clients, rounds)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(20)
        if self.group and self.group.exists():
            self.group.rmdir()


def run(stack, size):
    php = Php(stack)
    php.prepare()
    try:
        stack.ctl("apply")
        php.start()
        php.measure(WORKERS, 1)  # what the first requests find cold is not counted
        return [php.measure(clients, size.php_rounds) for clients in (1, WORKERS)]
    finally:
        with uninterrupted():
            php.stop()
            if stack.httpd:
                stack.httpd.stop()
