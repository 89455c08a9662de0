# SPDX-License-Identifier: Apache-2.0
"""/container-status of a real httpd, on a scoreboard that the test writes."""
import csv
import io
import json
import re
import shutil
import time
from pathlib import Path

import jsonschema
import pytest

from private_httpd import MPMS, ROOT, Board, Httpd, Workplace, wait_until

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


def rows(response):
    assert response.status == 200
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8; header=present"
    return list(csv.DictReader(io.StringIO(response.text, newline="")))


@pytest.mark.parametrize("mpm", MPMS)
def test_the_formats_say_the_same(serve, board, mpm):
    for index, state in enumerate(STATES[:8]):
        board.slot(index, tenant="alpha", service=f"s{index}", state=state, pid=100 + index)
    httpd = serve(mpm=mpm)
    page = httpd.get("/container-status")
    told = httpd.get("/container-status?format=json&sort=slot")
    lines = auto(httpd.get("/container-status?auto&limit=8"))
    cells = rows(httpd.get("/container-status?format=csv&sort=slot"))
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert told.headers["Content-Type"] == "application/json"
    assert told.json["version"] == 2
    assert told.json["scoreboard"] == lines["Scoreboard"] == "_SRWLUPG"
    assert told.json["counts"]["total"] == int(lines["Containers"]) == 8
    for index, container in enumerate(told.json["containers"]):
        assert container["slot"] == index
        assert container["state"] == lines[f"Container[{index}]State"] == STATES[index]
        assert container["pid"] == int(lines[f"Container[{index}]Pid"]) == 100 + index
        assert (cells[index]["slot"], cells[index]["service"]) == (str(index), f"s{index}")
        assert cells[index]["state"] == STATES[index]
        assert f"/container-status/alpha/s{index}" in page.text
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
    full, bare = httpd.get("/container-status?format=json&sort=slot").json["containers"]
    assert full["cpu_percent"] == 12.345 and full["cpu_limit"] == 1.5 and full["cpu_seconds"] == 2.5
    assert (full["memory_bytes"], full["memory_limit_bytes"]) == (3 << 20, 64 << 20)
    assert full["tasks"] == 0 and full["restarts"] == 9
    assert full["exit_code"] == 3 and full["exit_signal"] is None
    assert 75 <= full["uptime_seconds"] <= 80
    for key in ("pid", "uptime_seconds", "cpu_percent", "memory_bytes", "memory_limit_bytes",
                "tasks", "io_read_rate", "net_receive_bytes", "exit_code", "exit_signal", "message"):
        assert bare[key] is None, key
    lines = auto(httpd.get("/container-status?auto&sort=slot"))
    assert lines["Container[0]Tasks"] == "0"
    assert not any(key.startswith("Container[1]") and key.endswith(("Pid", "Tasks", "CpuPercent"))
                   for key in lines)


def test_signals_and_backoff_read_like_sentences(serve, board):
    boottime = int(time.clock_gettime(time.CLOCK_BOOTTIME) * 1e6)
    board.slot(0, tenant="a", service="b", state="backoff", exit_code=-1, exit_signal=9, oom_kills=2,
               next_start_boottime_usec=boottime + 50000000, message="killed")
    page = serve().get("/container-status").text
    assert "signal KILL, out of memory 2 times" in page
    assert re.search(r"killed <small>next start in \d+s</small>", page)


def test_text_of_others_is_one_clean_line(serve, board):
    board.slot(0, tenant="<b>t", service='"s\'', state="failed",
               message="<script>alert(1)</script>\n\x1b[31m\\xff\\xc0\\x80+ADw-")
    httpd = serve()
    page = httpd.get("/container-status")
    assert "<script>alert" not in page.text and "<b>t" not in page.text
    assert "\x1b" not in page.text and "\ufffd" in page.text
    lines = httpd.get("/container-status?auto&limit=1").text.splitlines()
    assert [line for line in lines if line.startswith("Container[0]Message: ")]
    assert not [line for line in lines if "31m" in line and not line.startswith("Container[0]")]
    container = httpd.get("/container-status?format=json").json["containers"][0]
    assert container["tenant"] == "<b>t" and "\ufffd" in container["message"]


@pytest.mark.parametrize("text,cell", [
    ("=1+2", "'=1+2"), ("+1", "'+1"), ("-1", "'-1"), ("@SUM(A1)", "'@SUM(A1)"),
    ("\t=1", "'\u0020=1"), ('a"b,c', 'a"b,c'), ("=cmd|' /C calc'!A0,\"x", "'=cmd|' /C calc'!A0,\"x"),
    ("plain", "plain"), ("a\r\nb", "a  b"),
])
def test_a_csv_cell_is_no_formula(serve, board, text, cell):
    """A control character in front would be cleaned to a blank; the apostrophe stays, for what is behind it."""
    board.slot(0, tenant="a", service="b", message=text)
    reply = serve().get("/container-status?format=csv")
    assert rows(reply)[0]["message"] == cell
    assert reply.text.endswith("\r\n") and reply.text.count("\r\n") == 2


def test_csv_has_a_cell_for_each_key_of_json(serve, board):
    everything(board)
    httpd = serve()
    row, = rows(httpd.get("/container-status?format=csv"))
    container, = httpd.get("/container-status?format=json").json["containers"]
    for key, value in container.items():
        if isinstance(value, list) or key.endswith("age_seconds"):
            continue
        same = row[key] == ("" if value is None else str(value))
        assert same or (isinstance(value, float) and float(row[key]) == value), (key, value, row[key])
    assert row["device_1"] == container["devices"][0]["device"] == "253:1"
    assert row["device_1_read_bytes"] == "11" and row["device_2"] == ""
    assert float(row["pressure_io_some_avg10_percent"]) == 0.14
    assert row["responses_5xx_count"] == "5"


def everything(board):
    """One container and a host of which all is known."""
    now, boottime = time.time_ns() // 1000, time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000
    numbers = """cpu_usage_usec cpu_user_usec cpu_system_usec cpu_periods cpu_throttled_periods
        cpu_throttled_usec cpu_throttled_rate cpu_percent_milli cpu_limit_milli oom_kills memory_bytes
        memory_limit_bytes memory_peak_bytes memory_anon_bytes memory_file_bytes memory_kernel_bytes swap_bytes
        swap_limit_bytes memory_limit_hits page_faults major_page_faults tasks tasks_limit tasks_limit_hits
        io_read_bytes io_write_bytes io_read_ops io_write_ops io_wait_usec io_read_rate io_write_rate
        io_read_ops_rate io_write_ops_rate net_receive_bytes net_transmit_bytes net_receive_packets
        net_transmit_packets net_receive_drops net_transmit_drops net_receive_rate net_transmit_rate
        disk_used_bytes disk_limit_bytes requests request_bytes_in request_bytes_out requests_refused
        requests_in_flight requests_rate_milli request_bytes_out_rate latency_p50_usec latency_p95_usec
        latency_p99_usec mails faults last_fault restarts exit_code""".split()
    slot = {key: 1 + i for i, key in enumerate(numbers)}
    slot.update({f"status_{n}xx": n for n in range(1, 6)}, last_fault=3, psi_cpu=12, psi_memory=13, psi_io=14,
                device0_major=253, device0_minor=1, device0_read_bytes=11, device0_write_ops=12, device0_wait_usec=13,
                started_realtime_usec=now, last_request_realtime_usec=now, last_mail_realtime_usec=now,
                last_fault_realtime_usec=now, exit_realtime_usec=now, started_boottime_usec=boottime,
                state_since_boottime_usec=boottime, sampled_boottime_usec=boottime, detail_boottime_usec=boottime,
                next_start_boottime_usec=boottime + 10**9)
    board.slot(0, tenant="alpha", service="web", id="alpha-web-1", image="php:8.2", pid=7, endpoint_kind=1,
               address_ipv4="10.0.0.2", address_ipv6="fd00::2", message="all is well", **slot)
    board.tell(host={"load": [1, 2, 3], "psi": [4, 5, 6], "cpu_percent_milli": 1, "memory_available_bytes": 2,
                     "swap_total_bytes": 3, "swap_free_bytes": 1, "starts": 1, "failures": 2, "wakes": 3})


def schema():
    return json.loads((ROOT / "docs" / "status.schema.json").read_text())


def described(instance, part, root):
    """Whether the schema names every key there is: what is not described must not be told."""
    if "$ref" in part:
        part = root["$defs"][part["$ref"].split("/")[-1]]
    if isinstance(instance, dict):
        assert set(instance) <= set(part["properties"]), set(instance) - set(part["properties"])
        for key, value in instance.items():
            described(value, part["properties"][key], root)
    elif isinstance(instance, list):
        for value in instance:
            described(value, part["items"], root)


def test_json_is_as_the_schema_says(serve, board):
    everything(board)
    board.slot(1, tenant="a", service="sleeper", state="sleeping")
    httpd = serve()
    full = httpd.get("/container-status?format=json&sort=slot").json
    jsonschema.Draft202012Validator.check_schema(schema())
    for answer in (full, httpd.get("/container-status?format=json&notable").json):
        jsonschema.validate(answer, schema(), jsonschema.Draft202012Validator)
        described(answer, schema(), schema())
    absent = {key for key, value in full["containers"][0].items() if value is None}
    assert absent == {"exit_signal"}
    assert not [key for key, value in full["host"].items() if value is None]
    board.stop()
    jsonschema.validate(httpd.get("/container-status?format=json").json, schema(),
                        jsonschema.Draft202012Validator)


def test_the_manual_names_every_key(serve, board):
    everything(board)
    text = (ROOT / "docs" / "admin-api.md").read_text()
    httpd = serve()
    keys = set(httpd.get("/container-status?format=json").json["containers"][0])
    assert not {key for key in keys if f"`{key}`" not in text}
    lines = auto(httpd.get("/container-status?auto&limit=1"))
    unknown = {re.sub(r"^(Container\[0\]|Total)", "", key) for key in lines}
    unknown = {key for key in unknown if not re.match(
        r"(Device\d|Host)?(Pressure)?(Cpu|Memory|Io)?(Some|Full)(Avg|Total)|Device\d|Responses\d|Containers", key)}
    assert not {key for key in unknown if not re.search(rf"\b{key}\b", text)}


def test_rows_are_chosen_and_ordered_alike_in_every_format(serve, board):
    for index, (tenant, state, cpu) in enumerate([("blog", "running", 10), ("shop", "limited", 5),
                                                  ("blog", "failed", 0), ("news", "running", 900)]):
        board.slot(index, tenant=tenant, service="web", state=state, cpu_percent_milli=cpu, image="PHP:8")
    httpd = serve()
    for query, expected in [("", [2, 1, 3, 0]), ("sort=slot", [0, 1, 2, 3]), ("sort=cpu_percent,desc", [3, 0, 1, 2]),
                            ("sort=tenant&state=R,failed", [0, 2, 3]), ("q=BLO&sort=slot", [0, 2]),
                            ("q=php&tenant=shop", [1]), ("limit=1&page=2&sort=slot", [1]), ("page=2&limit=9", [])]:
        behind = f"&{query}" if query else ""
        told = httpd.get(f"/container-status?format=json{behind}").json
        assert [container["slot"] for container in told["containers"]] == expected, query
        assert [int(row["slot"]) for row in rows(httpd.get(f"/container-status?format=csv{behind}"))] == expected
        if query:
            text = httpd.get(f"/container-status?auto&{query}").text
            assert [int(n) for n in re.findall(r"^Container\[(\d+)\]State", text, re.M)] == expected, query
        assert told["counts"]["total"] == 4 and told["scoreboard"] == "RLXR"
    metrics = httpd.get("/container-status?format=openmetrics&tenant=blog&state=R").text
    assert metrics.count("container_state{") == 1 and 'tenant="blog"' in metrics
    only = httpd.get("/container-status/blog?format=json").json
    assert [container["slot"] for container in only["containers"]] == [2, 0]
    assert only["selection"] == {"matched": 2, "page": 1, "pages": 1}
    assert httpd.get("/container-status/blog?tenant=shop").status == 400
    assert httpd.get("/container-status/Blog").status == 404


def test_auto_alone_has_the_same_keys_whatever_runs(serve, board):
    """As mod_status': sums and letters, and no line a container unless some are asked for."""
    board.slot(0, tenant="a", service="b", memory_bytes=3, requests=1)
    board.slot(1, tenant="a", service="c", memory_bytes=4, state="sleeping")
    httpd = serve()
    lines = auto(httpd.get("/container-status?auto"))
    assert not [key for key in lines if key.startswith("Container[")]
    assert lines["TotalMemoryBytes"] == "7" and lines["TotalRequests"] == "1"
    assert "TotalTasks" not in lines, "nobody knows them"
    assert lines["Scoreboard"] == "R_" and list(lines)[-1] == "Scoreboard"
    for state in STATES:
        assert f"Containers{state.capitalize()}" in lines
    board.slot(0, tenant="a", service="b", memory_bytes=5)
    assert auto(httpd.get("/container-status?auto"))["TotalMemoryBytes"] == "9"


def test_an_answer_holds_for_one_sample(serve, board):
    """The tag is of board, sample, query and person; what has not changed is not sent again."""
    board.slot(0, tenant="a", service="b")
    board.tell(freeze=True)  # no further sample
    httpd = serve()
    for query in ("auto", "format=json", "format=csv", "format=openmetrics", "format=html"):
        path = f"/container-status?{query}"
        first = httpd.get(path)
        assert first.status == 200 and first.headers["Cache-Control"] == "private, no-cache"
        tag = first.headers["ETag"]
        again = httpd.get(path, headers={"If-None-Match": tag})
        assert again.status == 304 and again.body == b"" and again.headers["ETag"] == tag, query
        assert httpd.request("HEAD", path, headers={"If-None-Match": tag}).status == 304
        assert httpd.get(path + "&state=R", headers={"If-None-Match": tag}).status == 200
        board.slot(1, tenant="a", service="c", requests=len(query))
        fresh = httpd.get(path, headers={"If-None-Match": tag})
        assert fresh.status == 200 and fresh.headers["ETag"] != tag, query


def test_a_kept_answer_is_never_old_news(serve, board):
    """A child keeps its last answers; whatever is written on the board, the next request tells."""
    httpd = serve()
    for number in range(50):
        board.slot(0, tenant="a", service="b", requests=number)
        for _ in range(2):
            container, = httpd.get("/container-status?format=json").json["containers"]
            assert container["requests"] == number


def test_a_stale_board_has_no_tag(serve, board):
    board.kill()
    data = bytearray(board.path.read_bytes())
    data[28:32] = (0).to_bytes(4, "little")
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_bytes().strip()
    at = data.index(boot_id)
    data[at:at + len(boot_id)] = b"0" * len(boot_id)
    board.path.write_bytes(data)
    reply = serve().get("/container-status?auto")
    assert auto(reply)["SupervisorState"] == "stale" and reply.headers["ETag"] is None


def test_the_query_is_exact(serve, board):
    board.slot(0, tenant="a", service="b")
    httpd = serve()
    for query, named in [("foo=autograph", "foo"), ("autograph", "autograph"), ("auto=1", "auto"),
                         ("refresh=0", "refresh=0"), ("refresh=3601", "refresh=3601"),
                         ("refresh=5%0d%0aX:y", "refresh=5"), ("format=xml", "xml"),
                         ("sort=memory", "memory_bytes"), ("state=Q", "state=Q"), ("limit=0", "limit=0"),
                         ("q=" + "x" * 65, "64"), ("tenant=A%0aB", "tenant=A"), ("page=x", "page=x"),
                         ("format=events&limit=3", "limit"),
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
