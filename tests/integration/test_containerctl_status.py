# SPDX-License-Identifier: Apache-2.0
"""containerctl status and top: the board as text, once and live, on a board that the test writes."""
import csv
import fcntl
import io
import json
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import termios
import time

import pyte
import pytest

from private_httpd import BUILD, Board, Httpd, Workplace, wait_until

pytestmark = pytest.mark.no_world
KIB, MIB = 1 << 10, 1 << 20
PROGRAM = BUILD / "containerctl"


def realtime_usec(seconds_ago=0):
    return int((time.time() - seconds_ago) * 1e6)


WEB = {"state": "running", "tenant": "blog", "service": "web", "id": "blog-web-1", "image": "host", "pid": 4242,
       "cpu_percent_milli": 12345, "memory_bytes": 50 * MIB, "memory_limit_bytes": 512 * MIB, "tasks": 7,
       "io_write_rate": 3 * MIB, "io_read_rate": 0}
DB = {"state": "running", "tenant": "blog", "service": "db", "id": "blog-db-1", "image": "host", "pid": 4243,
      "cpu_percent_milli": 80000, "memory_bytes": 20 * MIB, "memory_limit_bytes": 128 * MIB, "tasks": 30}
BAD = {"state": "failed", "tenant": "shop", "service": "job", "id": "shop-job-1", "image": "rootfs:/srv/job",
       "message": "exit status 3", "faults": 4, "last_fault": 6}
SLEEPER = {"state": "sleeping", "tenant": "shop", "service": "web", "id": "shop-web-1", "image": "host"}


@pytest.fixture
def workplace():
    place = Workplace()
    yield place
    place.remove()


@pytest.fixture
def board(workplace):
    made = Board(workplace, slots=200)
    for i, fields in enumerate([WEB, DB, BAD | {"last_fault_realtime_usec": realtime_usec(42)}, SLEEPER]):
        made.slot(i, **fields)
    yield made
    made.stop()


def ctl(workplace, *arguments, **environment):
    return subprocess.run([PROGRAM, "--root", workplace.path, *arguments], capture_output=True, text=True, timeout=30,
                          env={**os.environ, **environment})


def names(text):
    """The table's names, in its order."""
    table = text[text.index("NAME "):].splitlines()[1:]
    return [line.split()[0] for line in table if "/" in line.split()[0]]


# ---- status ----

def test_status_shows_counts_letters_faults_and_figures(workplace, board):
    done = ctl(workplace, "status")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("container-supervisor ") and f"pid {board.process.pid}" in lines[0]
    assert "Containers: 4: 1 sleeping, 2 running, 1 failed" in lines
    assert "RRX_" in lines
    fault = lines[lines.index("Faults") + 1]
    assert fault.startswith("shop/job: failed; crash, 4") and fault.endswith("s ago, 4 in all; exit status 3")
    assert names(done.stdout) == ["shop/job", "blog/db", "blog/web", "shop/web"]
    heads, web = (line.split() for line in lines if line.startswith(("NAME", "blog/web")))
    row = dict(zip([h for h in heads if h not in ("NET", "IN", "OUT")], web))
    assert (row["STATE"], row["CPU%"], row["MEM"], row["OF"], row["WRITE/S"], row["TASKS"]) == \
        ("running", "12.3", "50M", "512M", "3.0M", "7")
    assert row["REQ/S"] == "-"


@pytest.mark.parametrize("arguments, expected", [
    (["--sort", "cpu_percent,desc"], ["blog/db", "blog/web", "shop/job", "shop/web"]),
    (["--sort", "memory_bytes"], ["blog/db", "blog/web", "shop/job", "shop/web"]),
    (["--sort", "slot"], ["blog/web", "blog/db", "shop/job", "shop/web"]),
    (["--state", "R,failed", "--sort", "slot"], ["blog/web", "blog/db", "shop/job"]),
    (["-q", "rootfs:/srv"], ["shop/job"]),
    (["--limit", "1"], ["shop/job"]),
    (["blog", "--sort", "slot"], ["blog/web", "blog/db"]),
])
def test_status_chooses_and_orders(workplace, board, arguments, expected):
    done = ctl(workplace, "status", *arguments)
    assert done.returncode == 0, done.stderr
    assert names(done.stdout) == expected
    assert ("... 1 of 4" in done.stdout) == ("--limit" in arguments)


@pytest.mark.parametrize("arguments, word", [
    (["--sort", "beauty"], "sort=beauty"), (["--state", "R,nonsense"], "state="), (["--limit", "x"], "limit"),
    (["-q", "x" * 65], "q="), (["Blog"], "tenant"), (["--sort", "cpu_percent&limit=1"], "sort="),
])
def test_status_refuses_what_it_does_not_know(workplace, board, arguments, word):
    done = ctl(workplace, "status", *arguments)
    assert done.returncode == 2 and word in done.stderr and not done.stdout


def test_status_shows_the_last_sample_of_a_late_supervisor_but_none_of_an_ended_one(workplace, board):
    board.kill()
    wait_until(lambda: "OUT OF DATE" in ctl(workplace, "status").stdout, "the board to be out of date", 30)
    assert "blog/web" in ctl(workplace, "status").stdout
    second = Board(workplace)
    second.tell(retire=True)
    done = ctl(workplace, "status")
    second.stop()
    assert done.returncode == 1 and "has ended" in done.stderr


def test_status_writes_many_letters_64_a_line(workplace, board):
    for i in range(4, 150):
        board.slot(i, **(SLEEPER | {"service": f"w{i}", "id": f"shop-w{i}-1"}))
    lines = ctl(workplace, "status").stdout.splitlines()
    first = lines.index("RRX_" + "_" * 60)
    assert lines[first + 1] == "_" * 64 and lines[first + 2] == "_" * 22 and lines[first + 3] == ""


HOSTILE = BAD | {"image": "\x1b]0;owned\x07<b>", "message": "\x1b[2J%s%n =cmd|'/c calc'!A1\r\n\u202egnp.exe",
                 "last_fault_realtime_usec": 1}


def test_hostile_text_gives_no_orders_to_a_terminal(workplace, board):
    board.slot(2, **HOSTILE)
    shown = ctl(workplace, "status", "-o", "wide").stdout
    assert "\\x1b[2J%s%n" in shown and "\\x1b]0;owned\\x07<b>" in shown and "\\u202egnp.exe" in shown
    assert not set(shown) & set("\x1b\x07\r\u202e")


def test_status_answers_while_every_worker_of_httpd_is_busy(workplace, board):
    httpd = Httpd(workplace, """
<IfModule mpm_prefork_module>
StartServers 2
MinSpareServers 1
MaxRequestWorkers 2
ServerLimit 2
</IfModule>
<Location /container-status>
    SetHandler container-status
    ContainerStatus On
</Location>
""", mpm="prefork").start()
    held = []
    try:
        assert httpd.get("/container-status?auto").status == 200
        for _ in range(2):  # half a request keeps a worker until Timeout
            connection = socket.create_connection(("127.0.0.1", httpd.port))
            connection.sendall(b"GET /container-status?auto HTTP/1.1\r\nHost: status.test\r\n")
            held.append(connection)
        with socket.create_connection(("127.0.0.1", httpd.port)) as third:
            third.sendall(b"GET /container-status?auto HTTP/1.0\r\n\r\n")
            third.settimeout(2)
            with pytest.raises(TimeoutError):
                third.recv(1)
            done = ctl(workplace, "status")
            assert done.returncode == 0 and "blog/web" in done.stdout
    finally:
        for connection in held:
            connection.close()
        httpd.stop()


# ---- top ----

class Screen:
    """containerctl top on a terminal that remembers what it shows."""

    def __init__(self, workplace, *arguments, columns=80, lines=24, term="linux"):
        self.columns, self.lines = columns, lines
        self.raw = b""
        self.shown = pyte.Screen(columns, lines)
        self.stream = pyte.ByteStream(self.shown)
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.settings = termios.tcgetattr(slave)
        self.process = subprocess.Popen(
            [PROGRAM, "--root", workplace.path, "top", "--delay", "100ms", *arguments], stdin=slave, stdout=slave,
            stderr=slave, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            env={**os.environ, "TERM": term, "LC_ALL": "C.UTF-8", "LINES": "", "COLUMNS": ""})
        os.close(slave)

    def read(self, seconds=0.2):
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and select.select([self.master], [], [], left)[0]:
            try:
                data = os.read(self.master, 65536)
            except OSError:
                return
            self.raw += data
            self.stream.feed(data)

    def text(self):
        return [line.rstrip() for line in self.shown.display]

    def wait(self, condition, what):
        end = time.monotonic() + 20
        while time.monotonic() < end:
            self.read()
            if condition(self.text()):
                return self.text()
        raise AssertionError(f"waited for {what}:\n" + "\n".join(self.text()))

    def wait_order(self, *expected):
        return self.wait(lambda lines: self.names(lines) == list(expected), f"the order {expected}")

    @staticmethod
    def names(lines):
        return [line.split()[0] for line in lines if line and line[0] != " " and "/" in line.split()[0]]

    def press(self, keys):
        os.write(self.master, keys.encode())

    def resize(self, columns, lines):
        self.shown.resize(lines, columns)
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        os.kill(self.process.pid, signal.SIGWINCH)

    def end(self):
        """Its exit status."""
        end = time.monotonic() + 10
        while self.process.poll() is None and time.monotonic() < end:
            self.read(0.05)
        self.read(0.05)
        return self.process.poll()

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.master)


@pytest.fixture
def top(workplace, board):
    screens = []

    def start(*arguments, **options):
        screens.append(Screen(workplace, *arguments, **options))
        return screens[-1]

    yield start
    for screen in screens:
        screen.close()


def test_top_fills_a_screen_of_80_by_24(top):
    screen = top()
    lines = screen.wait_order("shop/job", "blog/db", "blog/web", "shop/web")
    assert lines[0].startswith("container-supervisor ")
    assert "Containers: 4: 1 sleeping, 2 running, 1 failed" in lines and "RRX_" in lines
    heading = next(i for i, line in enumerate(lines) if line.startswith("NAME"))
    assert lines[heading].split()[:5] == ["NAME", "STATE", "CPU%", "MEM", "OF"]
    assert lines[heading + 2].split()[:5] == ["blog/db", "running", "80.0", "20M", "128M"]
    assert "q quit" in lines[23]
    screen.press("q")
    assert screen.end() == 0


def test_top_orders_by_a_key_each(top, board):
    screen = top()
    screen.wait_order("shop/job", "blog/db", "blog/web", "shop/web")
    board.slot(3, **(SLEEPER | {"requests_rate_milli": 5000, "net_receive_rate": 7}))
    for key, expected, word in [
            ("c", ["blog/db", "blog/web", "shop/job", "shop/web"], "CPU"),
            ("m", ["blog/web", "blog/db", "shop/job", "shop/web"], "memory"),
            ("i", ["blog/web", "shop/job", "blog/db", "shop/web"], "disk I/O"),
            ("n", ["shop/web", "shop/job", "blog/db", "blog/web"], "network"),
            ("t", ["shop/web", "shop/job", "blog/db", "blog/web"], "requests"),
            ("f", ["shop/job", "blog/db", "blog/web", "shop/web"], "faults first")]:
        screen.press(key)
        lines = screen.wait(lambda lines, word=word: f"sort: {word} " in lines[23], f"sort: {word}")
        assert screen.names(screen.wait_order(*expected)) == expected, lines


def test_top_filters_pauses_and_goes_on(top, board):
    screen = top()
    screen.wait_order("shop/job", "blog/db", "blog/web", "shop/web")
    screen.press("/shop")
    screen.wait(lambda lines: lines[23].startswith("filter: shop_"), "the filter to be typed")
    screen.press("\r")
    screen.wait_order("shop/job", "shop/web")
    screen.press("/\x7f\x7f\x7f\x7f\r")
    screen.wait_order("shop/job", "blog/db", "blog/web", "shop/web")
    screen.press("p")
    screen.wait(lambda lines: lines[23].startswith("PAUSED"), "the pause")
    board.slot(0, **(WEB | {"memory_bytes": 77 * MIB}))
    screen.read(1)
    assert not any("77M" in line for line in screen.text())
    screen.press("p")
    screen.wait(lambda lines: any("77M" in line for line in lines), "the new figure")


def test_top_follows_the_size_of_its_terminal(top):
    screen = top(columns=160)
    wide = screen.wait_order("shop/job", "blog/db", "blog/web", "shop/web")
    assert any("NET OUT" in line for line in wide)
    screen.resize(60, 12)
    small = screen.wait(lambda lines: "filter" in lines[-1] and any(line.startswith("NAME") for line in lines),
                        "the small screen")
    assert len(small) == 12 and not any("NET OUT" in line for line in small)
    screen.resize(80, 24)
    screen.wait_order("shop/job", "blog/db", "blog/web", "shop/web")


def test_top_survives_a_screen_too_small_for_it(top):
    screen = top(columns=20, lines=3)
    screen.wait(lambda lines: lines[0].startswith("container-super"), "the first line")
    screen.resize(1, 1)
    screen.read(0.5)
    screen.press("q")
    assert screen.end() == 0


def test_top_scrolls_through_many(top, board):
    for i in range(4, 60):
        board.slot(i, **(SLEEPER | {"service": f"w{i}", "id": f"shop-w{i}-1"}))
    screen = top("--sort", "slot")
    screen.wait(lambda lines: "shop/w8" in screen.names(lines), "the first page")
    screen.press("\x1b[6~")
    lines = screen.wait(lambda lines: "blog/web" not in screen.names(lines), "the second page")
    assert screen.names(lines)[0].startswith("shop/w")
    screen.press("\x1b[5~")
    screen.wait(lambda lines: "blog/web" in screen.names(lines), "the first page again")


def test_top_leaves_the_terminal_as_it_was(top):
    for key in ("q", "\x03"):
        screen = top()
        screen.wait_order("shop/job", "blog/db", "blog/web", "shop/web")
        screen.press(key)
        assert screen.end() == 0
        assert termios.tcgetattr(screen.master) == screen.settings


def test_top_shows_hostile_text_as_text(top, board):
    board.slot(2, **(HOSTILE | {"service": "\x1b[5n"}))
    screen = top("-q", "[5n")
    screen.wait(lambda lines: any("shop/\\x1b[5n" in line for line in lines), "the name")
    assert b"\x1b[5n" not in screen.raw
    screen.press("/\x1b")  # Esc leaves the filter as it was
    screen.wait(lambda lines: "filter: [5n" in lines[23], "the old filter")


def test_top_finds_the_board_of_the_next_supervisor(top, board, workplace):
    screen = top()
    screen.wait_order("shop/job", "blog/db", "blog/web", "shop/web")
    second = Board(workplace)
    try:
        second.slot(0, **(WEB | {"service": "next"}))
        screen.wait_order("blog/next")
    finally:
        second.stop()


@pytest.mark.parametrize("environment", [{"TERM": "dumb"}, {"TERM": "no-such-terminal"}])
def test_top_is_plain_where_there_is_no_screen(top, environment):
    screen = top(term=environment["TERM"])
    screen.wait(lambda lines: screen.raw.count(b"Containers: 4") >= 2, "two looks")
    assert b"\x1b[H" not in screen.raw and b"blog/web" in screen.raw
    os.kill(screen.process.pid, signal.SIGTERM)
    assert screen.end() == -signal.SIGTERM


def test_top_goes_through_a_pipe(workplace, board):
    command = f"{PROGRAM} --root {workplace.path} top --delay 100ms | head -n 40"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=30)
    assert done.stdout.count("Containers: 4") >= 2 and "\x1b" not in done.stdout


# ---- the page's formats ----

LOCATION = """
<Location /container-status>
    SetHandler container-status
    ContainerStatus On
</Location>
"""
# What moves between two looks, and what only one of them has.
MOVING = re.compile(r"(Age|Uptime|Time|ServerVersion|_age_|uptime|heartbeat|StateSeconds|CpuSeconds|state_seconds)", re.I)


def settled(text):
    return [line for line in text.splitlines() if not MOVING.search(line)]


@pytest.mark.parametrize("query, arguments", [
    ("?auto", ["-o", "auto"]), ("?auto&limit=2", ["-o", "auto", "--limit", "2"]),
    ("?format=openmetrics", ["-o", "openmetrics"])])
def test_status_writes_what_the_page_answers(workplace, board, query, arguments):
    httpd = Httpd(workplace, LOCATION).start()
    try:
        page = httpd.get("/container-status" + query).text
        ours = ctl(workplace, "status", *arguments)
    finally:
        httpd.stop()
    assert ours.returncode == 0, ours.stderr
    assert settled(ours.stdout) == settled(page)
    assert len(settled(page)) > 10 and "blog" in page or query == "?auto"


def test_status_writes_the_pages_json_and_csv(workplace, board):
    httpd = Httpd(workplace, LOCATION).start()
    try:
        page = httpd.get("/container-status?format=json").json
        table = list(csv.DictReader(io.StringIO(httpd.get("/container-status?format=csv&sort=slot").text)))
    finally:
        httpd.stop()
    ours = json.loads(ctl(workplace, "status", "-o", "json").stdout)
    assert ours["server"] == {"version": "containerctl/0.1.0", "uptime_seconds": None}
    assert ours.keys() == page.keys() and ours["counts"] == page["counts"] and ours["scoreboard"] == page["scoreboard"]
    assert [c["id"] for c in ours["containers"]] == [c["id"] for c in page["containers"]]
    assert [c.keys() for c in ours["containers"]] == [c.keys() for c in page["containers"]]
    rows = list(csv.DictReader(io.StringIO(ctl(workplace, "status", "-o", "csv", "--sort", "slot").stdout)))
    assert [row["memory_bytes"] for row in rows] == [row["memory_bytes"] for row in table]
    assert [row["message"] for row in rows] == ["", "", "exit status 3", ""]


def test_formats_of_the_page_are_for_status_only(workplace, board):
    for arguments in (["ps", "-o", "csv"], ["top", "-o", "json"], ["version", "-o", "openmetrics"]):
        done = ctl(workplace, *arguments)
        assert done.returncode == 2 and not done.stdout, arguments
