# SPDX-License-Identifier: Apache-2.0
"""A private httpd, PHP-FPM, scoreboard and control socket for tests of the module alone.

All of it lives below one new directory and on 127.0.0.1; each object stops what it started.
"""
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("BUILD", ROOT / "build"))
MODULES = Path("/usr/lib/apache2/modules")
MPMS = ["event", "worker", "prefork"]
WEB_USER = "www-data"
ALWAYS_LOADED = ["authn_core", "authz_core", "authz_host", "authz_user", "auth_basic", "authn_file",
                 "mime", "dir", "alias", "rewrite", "status", "env"]
PROXY = ["proxy", "proxy_fcgi", "proxy_http"]


def wait_until(condition, what, seconds=15):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError(f"waited {seconds} s for {what}")


class Workplace:
    """A directory that httpd's children can reach, laid out as the supervisor's --root."""

    def __init__(self):
        self.path = Path(tempfile.mkdtemp(prefix="mc-"))
        self.path.chmod(0o755)
        for name in ("run", "conf", "htdocs", "logs"):
            (self.path / name).mkdir(mode=0o755)
        (self.path / "logs").chmod(0o777)  # httpd's children write the sanitizers' reports there

    def remove(self):
        shutil.rmtree(self.path)


class Board:
    """A scoreboard, written by build/tools/board_writer."""

    def __init__(self, workplace, slots=8):
        self.path = workplace.path / "run" / "scoreboard"
        self.process = subprocess.Popen([BUILD / "tools" / "board_writer", self.path, str(slots)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        group=WEB_USER)
        assert self.process.stdout.readline() == "ready\n"

    def tell(self, **order):
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer == "ok\n", answer

    def slot(self, index, **fields):
        self.tell(slot=index, **fields)

    def stop(self):
        """Ends in order: the board is retired and its file removed."""
        if self.process.poll() is None:
            self.process.stdin.close()
            self.process.wait(10)
            self.process.stdout.close()

    def kill(self):
        """Dies like a crashed engine: the file stays as it is."""
        self.process.kill()
        self.process.wait(10)


class UnixServer:
    """A listening Unix socket and a thread that hands each connection to answer_one()."""

    def __init__(self, path, kind):
        self.address = path
        self.listener = socket.socket(socket.AF_UNIX, kind)
        self.listener.bind(str(path))
        os.chmod(path, 0o666)
        self.listener.listen(32)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                self.answer_one(connection)

    def stop(self):
        if self.listener.fileno() < 0:
            return
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join(10)
        self.listener.close()
        self.address.unlink()


class ControlSocket(UnixServer):
    """A supervisor's control socket that answers each request with the next of its answers."""

    def __init__(self, workplace, answer):
        self.path = workplace.path / "run" / "control.sock"
        self.answer = answer
        self.requests = []
        super().__init__(self.path, socket.SOCK_SEQPACKET)

    def answer_one(self, connection):
        self.requests.append(json.loads(connection.recv(65536)))
        answer = self.answer(self.requests[-1])
        if answer is not None:
            connection.send(json.dumps(answer).encode())


class PhpFpm:
    """php-fpm on a Unix socket, with the tree `site` as its own."""

    def __init__(self, workplace, name="web", children=2):
        self.socket = workplace.path / "run" / f"{name}.sock"
        self.config = workplace.path / "conf" / f"{name}-fpm.conf"
        self.config.write_text(f"""[global]
error_log = {workplace.path}/logs/{name}-fpm.log
daemonize = no
[www]
user = {WEB_USER}
group = {WEB_USER}
listen = {self.socket}
listen.mode = 0666
pm = static
pm.max_children = {children}
clear_env = yes
""")
        self.process = None
        self.start()

    def start(self):
        self.process = subprocess.Popen(["php-fpm8.2", "-F", "-y", self.config],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(self.socket.exists, "php-fpm's socket")

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(10)
        self.socket.unlink(missing_ok=True)


class HttpBackend(UnixServer):
    """A small HTTP server on a Unix socket that tells what it was asked."""

    def __init__(self, workplace, name="app"):
        self.socket = workplace.path / "run" / f"{name}.sock"
        super().__init__(self.socket, socket.SOCK_STREAM)

    def answer_one(self, connection):
        head = b""
        while b"\r\n\r\n" not in head:
            data = connection.recv(4096)
            if not data:
                break
            head += data
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
                           b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(head) + head)


class Response:
    def __init__(self, reply, body):
        self.status = reply.status
        self.headers = reply.headers
        self.body = body

    @property
    def text(self):
        return self.body.decode("utf-8")

    @property
    def json(self):
        return json.loads(self.body)


class Httpd:
    """httpd in the foreground with one MPM; body is configuration behind the private base."""

    def __init__(self, workplace, body, mpm="event", modules=None):
        self.workplace = workplace
        self.mpm = mpm
        self.modules = PROXY if modules is None else modules
        self.config = workplace.path / "conf" / "httpd.conf"
        self.error_log = workplace.path / "logs" / "error.log"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.config.write_text(self.base() + body)
        self.process = None

    def base(self):
        loads = "\n".join(f"LoadModule {name}_module {MODULES}/mod_{name}.so"
                          for name in [f"mpm_{self.mpm}"] + ALWAYS_LOADED + self.modules)
        path = self.workplace.path
        return f"""ServerRoot {path}
DefaultRuntimeDir {path}/run
PidFile {path}/run/httpd.pid
ErrorLog {self.error_log}
Listen 127.0.0.1:{self.port}
ServerName status.test
User {WEB_USER}
Group {WEB_USER}
{loads}
LoadModule container_module {BUILD}/mod_container.so
TypesConfig /etc/mime.types
DocumentRoot {path}/htdocs
ContainerRoot {path}
StartServers 1
Timeout 10
"""

    def environment(self):
        environment = dict(os.environ)
        if os.environ.get("MODULE_SANITIZE"):
            library = subprocess.run(["gcc", "-print-file-name=libasan.so"], check=True, text=True,
                                     capture_output=True).stdout.strip()
            environment["LD_PRELOAD"] = library
            environment["ASAN_OPTIONS"] = f"detect_leaks=0:log_path={self.workplace.path}/logs/asan"
            environment["UBSAN_OPTIONS"] = "print_stacktrace=1"
        return environment

    def check(self):
        """apache2 -t; returns (exit status, what it said)."""
        done = subprocess.run(["apache2", "-t", "-f", self.config], capture_output=True, text=True,
                              timeout=60, env=self.environment())
        return done.returncode, done.stdout + done.stderr

    def start(self):
        # A session of its own: prefork ends by a signal to its whole process group.
        with open(self.workplace.path / "logs" / "stderr", "ab") as stderr:
            self.process = subprocess.Popen(["apache2", "-DFOREGROUND", "-f", self.config],
                                            stdout=subprocess.DEVNULL, stderr=stderr,
                                            env=self.environment(), start_new_session=True)
        wait_until(self.is_listening, f"httpd: {self.log()}")
        return self

    def is_listening(self):
        assert self.process.poll() is None, self.log()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def starts(self):
        return self.log().count("resuming normal operations")

    def graceful(self):
        """Restarts gracefully; before it is ready, httpd would just die of the signal."""
        wait_until(lambda: self.starts() > 0, "httpd's first start")
        before = self.starts()
        self.process.send_signal(signal.SIGUSR1)
        wait_until(lambda: self.starts() > before, "httpd's graceful restart")

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(30)
        for report in (self.workplace.path / "logs").glob("asan*"):
            raise AssertionError(report.read_text())
        # UBSan writes to standard error, which httpd makes its error log.
        assert "runtime error:" not in self.log()

    def mappings(self, name):
        """How often each child has a file of that name mapped."""
        children = subprocess.run(["pgrep", "-P", str(self.process.pid)], capture_output=True,
                                  text=True, timeout=10).stdout.split()
        return [Path(f"/proc/{pid}/maps").read_text().count(name) for pid in children]

    def log(self):
        return self.error_log.read_text() if self.error_log.exists() else ""

    def request(self, method, path, body=None, headers=None, host="status.test"):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            sent = {"Host": f"{host}:{self.port}"}
            sent.update(headers or {})
            connection.request(method, path, body=body, headers=sent,
                               encode_chunked="Transfer-Encoding" in sent)
            reply = connection.getresponse()
            return Response(reply, reply.read())
        finally:
            connection.close()

    def get(self, path, **options):
        return self.request("GET", path, **options)

    def post(self, path, body, type="application/x-www-form-urlencoded", headers=None, **options):
        sent = {"Content-Type": type} if type else {}
        sent.update(headers or {})
        return self.request("POST", path, body=body, headers=sent, **options)
