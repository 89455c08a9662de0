# SPDX-License-Identifier: Apache-2.0
"""/container-status of a real httpd, on a scoreboard that the test writes."""
import base64
import hashlib
import json
import re
import shutil
import time

import pytest

from private_httpd import MPMS, Board, Httpd, Workplace, wait_until

LOCATION = """
<Location /container-status>
    SetHandler container-status
    ContainerStatus On
</Location>
"""
STATES = ["sleeping", "starting", "running", "working", "limited", "unhealthy", "paused",
          "stopping", "backoff", "failed", "stopped", "exited"]


@pytest.fixture
def workplace():
    place = Workplace()
    yield place
    place.remove()


@pytest.fixture
def serve(workplace):
    """Starts an httpd; all are stopped at the end, however the test ends."""
    started = []

    def start(body=LOCATION, **options):
        started.append(Httpd(workplace, body, **options))
        return started[-1].start()

    yield start
    for httpd in started:
        httpd.stop()


@pytest.fixture
def board(workplace):
    board = Board(workplace)
    yield board
    board.stop()


def auto(response):
    assert response.status == 200
    return dict(line.split(": ", 1) for line in response.text.splitlines())


@pytest.mark.parametrize("mpm", MPMS)
def test_the_three_formats_say_the_same(serve, board, mpm):
    for index, state in enumerate(STATES[:8]):
        board.slot(index, tenant="alpha", service=f"s{index}", state=state, pid=100 + index)
    httpd = serve(mpm=mpm)
    page = httpd.get("/container-status")
    told = httpd.get("/container-status?format=json")
    lines = auto(httpd.get("/container-status?auto"))
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert told.headers["Content-Type"] == "application/json"
    assert told.json["version"] == 1
    assert told.json["scoreboard"] == lines["Scoreboard"] == "_SRWLUPG"
    assert told.json["counts"]["total"] == int(lines["Containers"]) == 8
    for index, container in enumerate(told.json["containers"]):
        assert container["slot"] == index
        assert container["state"] == lines[f"Container[{index}]State"] == STATES[index]
        assert container["pid"] == int(lines[f"Container[{index}]Pid"]) == 100 + index
        assert f'title="alpha/s{index}: {STATES[index]}"' in page.text
        assert f"alpha/<wbr>s{index}" in page.text
    assert lines["SupervisorState"] == told.json["supervisor"]["state"] == "live"
    assert lines["ServerVersion"].startswith("Apache/2.4")


def test_known_figures_are_shown_and_unknown_ones_are_absent(serve, board):
    boottime = int(time.clock_gettime(time.CLOCK_BOOTTIME) * 1e6)
    board.slot(0, tenant="a", service="full", pid=7, cpu_percent_milli=12345, cpu_limit_milli=1500,
               cpu_usage_usec=2500000, memory_bytes=3 << 20, memory_limit_bytes=64 << 20, tasks=0,
               tasks_limit=100, io_read_bytes=1, io_write_bytes=2, io_read_rate=3, io_write_rate=4,
               net_receive_bytes=5, net_transmit_bytes=6, net_receive_rate=7, net_transmit_rate=8,
               restarts=9, exit_code=3, exit_realtime_usec=int(time.time() * 1e6) - 60000000,
               started_boottime_usec=boottime - 75000000)
    board.slot(1, tenant="a", service="bare", state="sleeping")
    httpd = serve()
    full, bare = httpd.get("/container-status?format=json").json["containers"]
    assert full["cpu_percent"] == 12.345 and full["cpu_limit"] == 1.5 and full["cpu_seconds"] == 2.5
    assert (full["memory_bytes"], full["memory_limit_bytes"]) == (3 << 20, 64 << 20)
    assert full["tasks"] == 0 and full["restarts"] == 9
    assert full["exit_code"] == 3 and full["exit_signal"] is None
    assert 75 <= full["uptime_seconds"] <= 80
    for key in ("pid", "uptime_seconds", "cpu_percent", "memory_bytes", "memory_limit_bytes",
                "tasks", "io_read_rate", "net_receive_bytes", "exit_code", "exit_signal", "message"):
        assert bare[key] is None, key
    lines = auto(httpd.get("/container-status?auto"))
    assert lines["Container[0]Tasks"] == "0"
    assert not any(key.startswith("Container[1]") and key.endswith(("Pid", "Tasks", "CpuPercent"))
                   for key in lines)
    page = httpd.get("/container-status").text
    assert "12.3" in page and "3.0M <small>of 64M" in page and "status 3 <small>1m0s ago" in page
    assert 'data-label="CPU %"><span>-</span>' in page


def test_signals_and_backoff_read_like_sentences(serve, board):
    boottime = int(time.clock_gettime(time.CLOCK_BOOTTIME) * 1e6)
    board.slot(0, tenant="a", service="b", state="backoff", exit_code=-1, exit_signal=9, oom_kills=2,
               next_start_boottime_usec=boottime + 50000000, message="killed")
    page = serve().get("/container-status").text
    assert "signal KILL, out of memory 2 times" in page
    assert re.search(r"killed <small>next start in \d+s</small>", page)


def test_hostile_text_is_escaped_in_every_format(serve, board):
    board.slot(0, tenant="<b>t", service='"s\'', state="failed",
               message="<script>alert(1)</script>\n\x1b[31m\\xff\\xc0\\x80+ADw-")
    httpd = serve()
    page = httpd.get("/container-status")
    assert "<script" not in page.text and "<b>t" not in page.text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page.text
    assert "\x1b" not in page.text and "\ufffd" in page.text
    lines = httpd.get("/container-status?auto").text.splitlines()
    assert [line for line in lines if line.startswith("Container[0]Message: ")]
    assert not [line for line in lines if "31m" in line and not line.startswith("Container[0]")]
    container = httpd.get("/container-status?format=json").json["containers"][0]
    assert container["tenant"] == "<b>t" and "\ufffd" in container["message"]


def test_headers_forbid_what_the_page_does_not_need(serve, board):
    page = serve().get("/container-status")
    policy = page.headers["Content-Security-Policy"]
    style = re.search(r"<style>(.*?)</style>", page.text, re.S).group(1)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == (f"default-src 'none'; style-src 'sha256-{digest}'; frame-ancestors 'none'; "
                      "base-uri 'none'; form-action 'self'")
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert " style=" not in page.text and "<script" not in page.text


def test_the_query_is_exact(serve, board):
    board.slot(0, tenant="a", service="b")
    httpd = serve()
    for query, named in [("foo=autograph", "foo"), ("autograph", "autograph"), ("auto=1", "auto"),
                         ("refresh=0", "refresh=0"), ("refresh=3601", "refresh=3601"),
                         ("refresh=5%0d%0aX:y", "refresh=5"), ("format=xml", "xml"),
                         ("auto&auto", "auto"), ("%3Cscript%3E", "<script>"), ("&", "name")]:
        reply = httpd.get(f"/container-status?{query}")
        assert reply.status == 400, query
        assert named in reply.text and reply.headers["Content-Type"].startswith("text/plain"), query
        assert reply.headers["X-Content-Type-Options"] == "nosniff" and reply.headers["X"] is None
    refreshed = httpd.get("/container-status?refresh=7&notable")
    assert refreshed.headers["Refresh"] == "7" and "<table" not in refreshed.text
    assert "containers" not in httpd.get("/container-status?format=json&notable").json
    assert httpd.get("/container-status?").status == 200


def test_methods(serve, board):
    httpd = serve()
    head = httpd.request("HEAD", "/container-status")
    assert head.status == 200 and head.body == b""
    assert head.headers["Content-Type"] == "text/html; charset=utf-8"
    options = httpd.request("OPTIONS", "/container-status")
    assert options.status == 200 and options.headers["Allow"] == "GET, HEAD, OPTIONS"
    for method in ("POST", "PUT", "DELETE", "PATCH", "PROPFIND"):
        refused = httpd.request(method, "/container-status")
        assert refused.status == 405 and refused.headers["Allow"] == "GET, HEAD, OPTIONS", method
    assert httpd.get("/container-status/alpha/web").status == 404


def test_handler_answers_only_where_the_server_enables_it(serve, board, workplace):
    """A tenant's .htaccess can name the handler, and gets nothing for it."""
    site = workplace.path / "htdocs"
    for handler in ("container-status", "container-admin"):
        (site / handler).mkdir()
        (site / handler / ".htaccess").write_text(f"SetHandler {handler}\n")
        (site / handler / "index.html").write_text("plain file\n")
    httpd = serve(LOCATION + f"<Directory {site}>\nAllowOverride All\n</Directory>\n"
                  "<Location /forgotten>\nSetHandler container-status\n</Location>\n")
    for path in ("/container-status/index.html", "/container-admin/index.html", "/forgotten"):
        reply = httpd.get(path)
        assert reply.status == 404 and "Scoreboard" not in reply.text, path
    assert "no ContainerStatus On" in httpd.log() and "no ContainerAdmin On" in httpd.log()


@pytest.mark.parametrize("directive", ["ContainerStatus On", "ContainerAdmin On",
                                       "ContainerRoute alpha/web"])
def test_directives_are_refused_in_htaccess(serve, board, workplace, directive):
    (workplace.path / "htdocs" / ".htaccess").write_text(directive + "\n")
    httpd = serve(f"<Directory {workplace.path}/htdocs>\nAllowOverride All\n</Directory>\n")
    assert httpd.get("/").status == 500
    assert "not allowed here" in httpd.log()


def test_without_a_supervisor_the_page_says_so(serve):
    httpd = serve()
    page = httpd.get("/container-status")
    assert page.status == 200 and "no supervisor is running" in page.text
    lines = auto(httpd.get("/container-status?auto"))
    assert lines["SupervisorState"] == "unreachable" and "no supervisor" in lines["SupervisorReason"]
    assert lines["Containers"] == "0"
    told = httpd.get("/container-status?format=json").json
    assert told["supervisor"]["state"] == "unreachable" and told["supervisor"]["pid"] is None
    assert told["containers"] == []


def test_another_abi_is_named_and_nothing_false_is_shown(serve, board, workplace):
    board.slot(0, tenant="a", service="b")
    board.kill()
    data = bytearray(board.path.read_bytes())
    data[8:12] = (99).to_bytes(4, "little")
    board.path.write_bytes(data)
    httpd = serve()
    page = httpd.get("/container-status").text
    assert "scoreboard ABI 99" in page and "<table" not in page
    board.path.write_bytes(b"x" * 8192)
    told = httpd.get("/container-status?format=json").json
    assert "not a container scoreboard" in told["supervisor"]["reason"]


def test_board_of_an_earlier_boot_is_old(serve, board):
    board.kill()
    data = bytearray(board.path.read_bytes())
    boot_id = open("/proc/sys/kernel/random/boot_id").read().strip().encode()
    at = data.index(boot_id)
    data[at:at + len(boot_id)] = b"0" * len(boot_id)
    board.path.write_bytes(data)
    assert auto(serve().get("/container-status?auto"))["SupervisorState"] == "stale"


def test_a_silent_supervisor_is_stale_and_a_new_one_is_found(serve, board, workplace):
    board.slot(0, tenant="a", service="old")
    httpd = serve()
    assert auto(httpd.get("/container-status?auto"))["SupervisorState"] == "live"
    board.tell(freeze=True)
    wait_until(lambda: auto(httpd.get("/container-status?auto"))["SupervisorState"] == "stale",
               "the board to grow stale")
    page = httpd.get("/container-status").text
    assert "The figures below are old" in page and "a/<wbr>old" in page
    board.kill()
    second = Board(workplace)
    try:
        second.slot(0, tenant="a", service="new")
        told = httpd.get("/container-status?format=json").json
        assert told["supervisor"]["state"] == "live"
        assert [c["service"] for c in told["containers"]] == ["new"]
        second.stop()
        lines = auto(httpd.get("/container-status?auto"))
        assert lines["SupervisorState"] == "unreachable"
    finally:
        second.stop()


def test_a_writer_that_died_inside_a_slot(serve, board):
    board.slot(0, tenant="a", service="b")
    board.slot(1, tenant="a", service="c")
    board.tell(inside=0)
    httpd = serve()
    told = httpd.get("/container-status?format=json").json
    assert told["scoreboard"] == "?R" and [c["service"] for c in told["containers"]] == ["c"]
    assert 'title="being written">?' in httpd.get("/container-status").text


def test_a_child_keeps_its_threads_apart_while_boards_change(serve, board, workplace):
    """Old mappings are released while other threads still read them."""
    import threading
    httpd = serve()
    stop = threading.Event()
    bad = []

    def ask():
        while not stop.is_set():
            reply = httpd.get("/container-status?format=json")
            if reply.status != 200:
                bad.append(reply.status)
            json.loads(reply.body)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(10):
            board.stop()
            board = Board(workplace)
            board.slot(0, tenant="a", service="b")
            time.sleep(0.05)
        stop.set()
        for thread in threads:
            thread.join(30)
        httpd.get("/container-status")
        assert max(httpd.mappings("/run/scoreboard")) <= 1
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)
        board.stop()
    assert not bad


def test_graceful_restart(serve, board):
    board.slot(0, tenant="a", service="b")
    httpd = serve()
    for _ in range(3):
        httpd.graceful()
        assert auto(httpd.get("/container-status?auto"))["Scoreboard"] == "R"


def test_section_in_server_status(serve, board):
    board.slot(0, tenant="secret", service="b")
    httpd = serve("<Location /server-status>\nSetHandler server-status\n</Location>\n")
    lines = httpd.get("/server-status?auto").text
    assert "ContainersTotal: 1\n" in lines and "ContainersRunning: 1\n" in lines
    page = httpd.get("/server-status").text
    assert "<h2>Containers</h2>" in page and "secret" not in lines + page


@pytest.mark.parametrize("line,sentence", [
    ("ContainerStatus On", "belongs into a section <Location PATH>"),
    ("<Directory />\nContainerStatus On\n</Directory>", "cannot occur within"),
    ("ContainerRoot relative", "is not an absolute path"),
    ("ContainerRoot /" + "x" * 200, "too long"),
    ("ContainerRoot /a|b", "must not contain"),
    ("ContainerSupervisor relative.sock", "is not an absolute path"),
    ("<VirtualHost *:*>\nContainerRoot /x\n</VirtualHost>", "cannot occur within"),
    ("ContainerRoute", "needs TENANT/SERVICE"),
    ("ContainerRoute alpha", 'is not TENANT/SERVICE'),
    ("ContainerRoute Alpha/web", "is not a tenant name"),
    ("ContainerRoute a/b docroot=www", "is not an absolute path inside the container"),
    ("ContainerRoute a/b docroot=/../x", "is not an absolute path inside the container"),
    ("ContainerRoute a/b static=www", "is not an absolute path on this machine"),
    ("ContainerRoute a/b static=/etc/passwd", "is not a directory"),
    ("ContainerRoute a/b static=/proc/self/root", "leads through a symbolic link"),
    ("ContainerRoute a/b fallback=/index.html", "is not the path of a PHP script"),
    ("ContainerRoute a/b docroot=/a docroot=/b", "given twice"),
    ("ContainerRoute a/b colour=red", "is not an option of ContainerRoute"),
    ("<If \"true\">\nContainerRoute a/b\n</If>", "cannot occur within"),
])
def test_configuration_errors_stop_the_start(workplace, line, sentence):
    status, said = Httpd(workplace, line + "\n").check()
    assert status != 0 and sentence in said


def test_a_route_without_mod_proxy_names_the_module_to_load(workplace):
    status, said = Httpd(workplace, "ContainerRoute a/b\n", modules=[]).check()
    log = (workplace.path / "logs" / "error.log")
    said += log.read_text() if log.exists() else ""
    assert status != 0 and "LoadModule proxy_module modules/mod_proxy.so" in said
    status, said = Httpd(workplace, LOCATION, modules=[]).check()
    assert status == 0, said


def test_a_thousand_containers(workplace, serve):
    board = Board(workplace, 1000)
    try:
        for index in range(1000):
            board.slot(index, tenant=f"t{index}", service="web", pid=index + 1)
        told = serve().get("/container-status?format=json").json
        assert len(told["containers"]) == 1000 and told["scoreboard"] == "R" * 1000
    finally:
        board.stop()
