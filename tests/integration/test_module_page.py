# SPDX-License-Identifier: Apache-2.0
"""The status page and the pages of services, as a browser without scripts gets them."""
import base64
import hashlib
import os
import re
import time

import page
import pytest
from private_httpd import Board, ControlSocket, Httpd, Workplace, wait_until

LOCATION = """
<Location /container-status>
    SetHandler container-status
    ContainerStatus On
    ContainerAdmin On
    ContainerStatusLogs On
    %s
</Location>
"""
POLICY = ("default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
          "form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
HOSTILE = "<script>alert(1)</script>\"'&<b>\x1b[31m\\xff %s%n =cmd"


@pytest.fixture
def workplace():
    place = Workplace()
    yield place
    place.remove()


@pytest.fixture
def board(workplace):
    board = Board(workplace, 64)
    yield board
    board.stop()


@pytest.fixture
def serve(workplace):
    started = []

    def start(rules="", body=LOCATION):
        started.append(Httpd(workplace, body % rules if "%s" in body else body))
        return started[-1].start()

    yield start
    for httpd in started:
        httpd.stop()


@pytest.fixture
def supervisor(workplace):
    """A control socket that answers what a test puts into `answers`."""
    answers = {}

    def answer(request):
        told = answers.get(request["verb"])
        return told(request) if callable(told) else told or {
            "version": 1, "ok": False, "code": "not-found", "message": "no such verb"}

    server = ControlSocket(workplace, answer)
    server.answers = answers
    yield server
    server.stop()


def boottime(ago=0):
    return max(1, int((time.clock_gettime(time.CLOCK_BOOTTIME) - ago) * 1e6))


def realtime(ago=0):
    return int((time.time() - ago) * 1e6)


def full(**fields):
    """A slot with every figure that the page shows."""
    slot = dict(tenant="blog", service="web", id="blog-web-1", image="php:8", pid=4711,
                started_boottime_usec=boottime(75), sampled_boottime_usec=boottime(),
                detail_boottime_usec=boottime(7), cpu_percent_milli=120000, cpu_limit_milli=1500,
                cpu_usage_usec=2500000, cpu_throttled_rate=310000, memory_bytes=60 << 20,
                memory_limit_bytes=64 << 20, memory_anon_bytes=40 << 20, memory_file_bytes=9 << 20,
                memory_peak_bytes=63 << 20, oom_kills=2, tasks=10, tasks_limit=100,
                io_read_rate=2048, io_write_rate=0, io_read_bytes=1 << 30, io_write_bytes=5,
                net_receive_rate=0, net_transmit_rate=9, net_receive_bytes=1, net_transmit_bytes=2,
                requests=12, requests_rate_milli=1500, requests_in_flight=0,
                latency_p50_usec=900, latency_p95_usec=90000, latency_p99_usec=2100000,
                faults=3, last_fault=2, last_fault_realtime_usec=realtime(20))
    slot.update(fields)
    return slot


def rows(root):
    return [row for row in root.one("table", id="containers").all("tr") if "data-key" in row.attributes]


def names(root):
    return [next(row.all("td", class_="name")).text for row in rows(root)]


def test_nothing_inline_and_two_files_that_never_change(serve, board):
    board.slot(0, **full())
    httpd = serve()
    for path in ("/container-status", "/container-status/blog", "/container-status/blog/web"):
        reply = httpd.get(path)
        root = page.read(reply)
        assert reply.headers["Content-Security-Policy"] == POLICY
        assert reply.headers["Content-Type"] == "text/html; charset=utf-8"
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
        assert reply.headers["Referrer-Policy"] == "same-origin"
        assert not list(root.all("style")) and "style=" not in reply.text
        assert not re.search(r"\son[a-z]+=", reply.text)
        script = root.one("script")
        assert script.text == "" and set(script.attributes) == {"src", "defer"}
        style = root.one("link", rel="stylesheet")
        for address, kind in ((script.attributes["src"], "text/javascript"), (style.attributes["href"], "text/css")):
            file = httpd.get(address)
            name = re.fullmatch(r"/container-status/-/board\.([0-9a-f]{12})\.(?:css|js)", address)
            assert hashlib.sha256(file.body).hexdigest().startswith(name[1])
            assert file.headers["Content-Type"] == f"{kind}; charset=utf-8"
            assert file.headers["Cache-Control"] == "private, max-age=31536000, immutable"
            assert file.headers["X-Content-Type-Options"] == "nosniff"
            again = httpd.get(address, headers={"If-None-Match": file.headers["ETag"]})
            assert again.status == 304 and again.body == b""
            assert httpd.request("HEAD", address).headers["Content-Length"] == str(len(file.body))
    for path in ("/-/board.css", "/-/", "/-/..%2fboard.css", "/-/board.000000000000.js"):
        assert httpd.get("/container-status" + path).status == 404


def test_files_lie_behind_the_same_rules(serve, board):
    httpd = serve("Require user nobody")
    assert httpd.get("/container-status/-/board.css").status in (401, 403, 500)
    assert httpd.get("/container-status/blog/web").status in (401, 403, 500)


def test_letters_are_links_with_names_64_a_line(serve, board):
    for index in range(64):
        board.slot(index, tenant=f"t{index}", service="web", state="sleeping" if index % 2 else "running")
    board_part = page.read(serve().get("/container-status")).one("div", class_="board")
    letters = list(board_part.all("a"))
    assert len(letters) == 64 and len(list(board_part.all("span"))) == 1
    assert letters[1].text == "_" and letters[1].attributes["title"] == "t1/web: sleeping"
    assert letters[1].attributes["aria-label"] == "t1/web: sleeping"
    assert letters[1].attributes["href"] == "/container-status/t1/web"


def test_more_than_64_letters_break_the_line(serve, workplace):
    board = Board(workplace, 130)
    try:
        for index in range(130):
            board.slot(index, tenant=f"t{index}", service="web")
        root = page.read(serve().get("/container-status"))
    finally:
        board.stop()
    lines = [line.text for line in root.one("div", class_="board").all("span")]
    assert [len(line) for line in lines] == [64, 64, 2]
    assert len(rows(root)) == 100
    assert "100 of 130 containers, page 1 of 2" in root.one("p", class_="pages").text


def test_sort_filter_and_pages_are_links_and_a_form(serve, board):
    for index, (tenant, cpu) in enumerate([("alpha", 3000), ("beta", 9000), ("gamma", 1000)]):
        board.slot(index, tenant=tenant, service="web", id=f"{tenant}-web-1", cpu_percent_milli=cpu)
    board.slot(3, tenant="delta", service="db", id="delta-db-1", state="sleeping")
    httpd = serve()
    root = page.read(httpd.get("/container-status"))
    heading = next(root.one("table", id="containers").all("th", class_="c-cpu"))
    link = heading.one("a").attributes["href"]
    assert link == "/container-status?sort=cpu_percent,desc"
    by_cpu = page.read(httpd.get(link))
    assert names(by_cpu) == ["beta/web", "alpha/web", "gamma/web", "delta/db"]
    heading = next(by_cpu.one("table", id="containers").all("th", class_="c-cpu"))
    assert heading.attributes["aria-sort"] == "descending"
    assert names(page.read(httpd.get(heading.one("a").attributes["href"])))[0] == "gamma/web"

    counts = root.one("nav", class_="counts")
    sleeping = next(a for a in counts.all("a") if "sleeping" in a.text)
    filtered = page.read(httpd.get(sleeping.attributes["href"]))
    assert names(filtered) == ["delta/db"]
    assert next(a for a in filtered.one("nav", class_="counts").all("a")
                if a.attributes.get("aria-current")).text.startswith("1 _ sleeping")

    paged = page.read(httpd.get("/container-status?sort=id&limit=3"))
    assert names(paged) == ["alpha/web", "beta/web", "delta/db"]
    following = next(a for a in paged.one("p", class_="pages").all("a") if a.text == "next")
    assert names(page.read(httpd.get(following.attributes["href"]))) == ["gamma/web"]

    form = root.one("form", id="filter")
    assert form.attributes["method"] == "get" and form.attributes["action"] == "/container-status"
    # What a browser sends when only the name is filled in.
    fields = {field.attributes["name"] for field in list(form.all("input")) + list(form.all("select"))}
    assert fields == {"q", "state", "limit"}
    assert names(page.read(httpd.get("/container-status?q=elt&state=&limit=100"))) == ["delta/db"]
    assert len(names(page.read(httpd.get("/container-status?q=&state=&limit=25")))) == 4


def test_what_needs_a_look_stands_first_with_its_reason(serve, board):
    board.slot(0, tenant="a", service="fine")
    board.slot(1, tenant="a", service="backing", state="backoff", exit_code=-1, exit_signal=9, oom_kills=2,
               message="killed", next_start_boottime_usec=boottime() + 50000000)
    board.slot(2, tenant="a", service="broken", state="failed", message="no such program")
    board.slot(3, tenant="a", service="slow", state="running", faults=1, last_fault=1,
               last_fault_realtime_usec=realtime(100))
    board.slot(4, tenant="a", service="old", state="running", faults=1, last_fault=1,
               last_fault_realtime_usec=realtime(400))
    board.slot(5, tenant="b", service="sick", state="unhealthy", message="GET /: 500")
    root = page.read(serve().get("/container-status"))
    section = root.one("section", class_="faults")
    lines = [item.text for item in section.all("li")]
    assert [item.one("a").text for item in section.all("li")] == ["a/broken", "a/backing", "b/sick", "a/slow"]
    assert "no such program" in lines[0]
    assert "signal KILL, out of memory 2 times" in lines[1] and re.search(r"next start in \d+s", lines[1])
    assert "throttled by its CPU limit" in lines[3]
    order = [section.attributes["data-key"] for section in root.one("main").all("section")]
    assert order[0] == "faults"


def test_no_fault_no_section(serve, board):
    board.slot(0, tenant="a", service="fine")
    root = page.read(serve().get("/container-status"))
    assert not list(root.all("section", class_="faults"))


def test_cells_tell_limits_ages_and_raw_numbers(serve, board):
    board.slot(0, **full())
    board.slot(1, tenant="blog", service="bare", state="sleeping")
    points = [[1000 + 100 * i, 40 << 10, 0, 0] for i in range(59)] + [[15000, 60 << 10, 0, 0]]
    board.tell(history=0, ring=0, step_msec=1000, points=points)
    root = page.read(serve().get("/container-status"))
    cell = {row.one("td", class_="name").text: row for row in rows(root)}["blog/web"]
    memory = cell.one("td", class_="c-memory")
    assert "60 MiB 93 % (at its limit) of 64 MiB" in memory.text
    assert memory.one("small").attributes["class"] == "of hot"
    assert next(memory.all("span")).attributes["title"] == (
        "62914560 bytes of 67108864; anonymous 40 MiB, file 9.0 MiB, read 7s ago")
    cpu = cell.one("td", class_="c-cpu")
    assert "120 % 80 % (near its limit) of 150 %" in cpu.text and "throttled 310 ms/s" in cpu.text
    bars = [svg for svg in memory.all("svg", class_="bar")]
    assert "hot" in bars[0].attributes["class"] and bars[0].attributes["aria-hidden"] == "true"
    assert next(bars[0].all("rect")).attributes["width"] == "93"
    spark = cell.one("td", class_="c-cpuline").one("svg")
    assert spark.attributes["role"] == "img"
    assert spark.attributes["aria-label"] == "CPU of the last minute: most 150 %, limit 150 %"
    assert len(list(spark.all("path", class_="limit"))) == 1
    heading = next(root.one("table", id="containers").all("th", class_="c-memory"))
    assert "OOM killer" in heading.attributes["title"]
    bare = {row.one("td", class_="name").text: row for row in rows(root)}["blog/bare"]
    for key in ("up", "cpu", "memory", "tasks", "io", "net", "p95"):
        assert bare.one("td", class_=f"c-{key}").text == "", key


def test_the_machine_is_shown_only_when_it_is_known(serve, board):
    board.slot(0, tenant="a", service="b")
    httpd = serve()
    assert not list(page.read(httpd.get("/container-status")).all("dl", class_="host"))
    board.tell(host={"load": [132, 98, 71], "cpu_percent_milli": 38000, "memory_available_bytes": 3 << 30,
                     "psi": [420, 0, 9350], "starts": 412, "failures": 3, "wakes": 377})
    host = page.read(httpd.get("/container-status")).one("dl", class_="host").text
    assert "1.32 0.98 0.71" in host and "38 %" in host and "5.0 GiB 62 % of 8.0 GiB" in host
    assert "I/O 93.5 %" in host and "412 377 woken 3 failed" in host and "Swap" not in host


def test_totals_of_tenants(serve, board):
    board.slot(0, tenant="a", service="x", pid=1, cpu_percent_milli=10000, memory_bytes=1 << 20)
    board.slot(1, tenant="a", service="y", pid=2, cpu_percent_milli=5000, memory_bytes=2 << 20)
    board.slot(2, tenant="b", service="z", state="sleeping")
    httpd = serve()
    table = page.read(httpd.get("/container-status")).one("section", class_="tenants")
    sums = {row.one("th").text: [cell.text for cell in row.all("td")] for row in table.all("tr") if "data-key" in row.attributes}
    assert sums["a"] == ["2", "2", "15.0 %", "3.0 MiB", "", "", "0"]
    assert sums["b"] == ["1", "0", "", "", "", "", "0"]
    own = page.read(httpd.get("/container-status/a"))
    assert sorted(names(own)) == ["a/x", "a/y"]
    assert len([r for r in own.one("section", class_="tenants").all("tr") if "data-key" in r.attributes]) == 1
    assert own.one("form", id="filter").attributes["action"] == "/container-status/a"


def test_a_scope_hides_host_and_other_tenants(serve, board, supervisor):
    board.slot(0, **full())
    board.slot(1, **full(tenant="other", service="web", id="other-web-1", state="failed", message="secret"))
    board.tell(host={"load": [1, 1, 1], "starts": 4})
    httpd = serve("ContainerStatusScope blog")
    for path in ("/container-status", "/container-status/blog", "/container-status/blog/web"):
        reply = httpd.get(path)
        assert "other" not in reply.text and "secret" not in reply.text, path
        assert not list(page.read(reply).all("dl", class_="host"))
    for path in ("/container-status/other", "/container-status/other/web", "/container-status/none/web"):
        assert httpd.get(path).status == 404, path


def test_hostile_text_is_text(serve, board, supervisor):
    board.slot(0, **full(service="web", image=HOSTILE, message=HOSTILE, id=HOSTILE[:100], state="failed"))
    board.slot(1, **full(tenant=HOSTILE[:40], service=HOSTILE[:40], id="x"))
    supervisor.answers.update({
        "processes": {"version": 1, "ok": True, "processes": [
            {"pid": 1, "state": HOSTILE, "command": HOSTILE, "wait_channel": HOSTILE}]},
        "why": {"version": 1, "ok": True, "sentences": [HOSTILE], "files": [{"path": HOSTILE}],
                "top": {"cpu": [{"command": HOSTILE}]}, "devices": [{"name": HOSTILE}],
                "uninterruptible": [{"name": HOSTILE, "syscall": HOSTILE}]},
        "events": {"version": 1, "ok": True, "events": [
            {"time": HOSTILE, "event": HOSTILE, "level": HOSTILE, "actor": {"user": HOSTILE},
             "exit": {"oom_victim": {"name": HOSTILE}, "log": [HOSTILE]}}]},
        "logs": {"version": 1, "ok": True, "lines": [{"time": "t", "stream": HOSTILE, "text": HOSTILE}]},
        "inspect": {"version": 1, "ok": True, "network": {"ipv4": HOSTILE},
                    "spec": {"image": HOSTILE, "command": HOSTILE,
                             "mounts": [{"target": HOSTILE, "type": HOSTILE}]}}})
    httpd = serve()
    plain = page.read(httpd.get("/container-status"))
    for path in ("/container-status", "/container-status?q=%3Cscript%3E", "/container-status/blog/web?why"):
        reply = httpd.get(path)
        root = page.read(reply)
        assert "\x1b" not in reply.text and "<b>\x1b" not in reply.text
        assert len(list(root.all("script"))) == 1 and not list(root.all("alert")), path
        assert "<script>alert" not in reply.text
    root = page.read(httpd.get("/container-status/blog/web?why"))
    assert root.text.count("<script>alert(1)</script>\"'&<b>") >= 15
    assert "<script>alert(1)</script>" in plain.text


def test_addresses_of_odd_names_lead_back(serve, board):
    board.slot(0, tenant="a/b?c#d", service='"&<', id="x")
    root = page.read(serve().get("/container-status"))
    link = next(rows(root)[0].all("a"))
    assert link.attributes["href"] == "/container-status/a%2Fb%3Fc%23d/%22%26%3C"
    assert link.text == 'a/b?c#d/"&<'


def answers():
    return {
        "processes": {"version": 1, "ok": True, "more": True, "processes": [
            {"pid": 8123, "pid_inside": 7, "state": "S", "name": "php-fpm8.2", "command": "php-fpm: pool www",
             "user": 33, "cpu_percent": 12.3, "memory_bytes": 25165824, "threads": 1, "read_bytes": 0,
             "write_bytes": 43008, "wait_channel": None, "age_seconds": 512}]},
        "why": {"version": 1, "ok": True, "sentences": ["blog/web: 3 of 12 tasks wait for the disk vda."],
                "uninterruptible": [{"tid": 8123, "name": "php-fpm8.2", "wait_channel": "folio_wait_bit",
                                     "seconds": 0.4, "syscall": "fsync", "share_percent": 80.0}],
                "top": {"cpu": [], "memory": [], "disk": []}, "files": [],
                "devices": [{"name": "vda", "busy_percent": 98.1, "wait_ms": 12.5, "queue": 4}]},
        "events": {"version": 1, "ok": True, "events": [
            {"time": "2026-11-22T05:10:03.123456Z", "event": "started, pid 4242", "level": "info", "actor": None,
             "exit": None},
            {"time": "2026-11-22T05:11:03.123456Z", "event": "ended: signal KILL", "level": "warning",
             "actor": {"user": "ada"}, "exit": {"code": -1, "signal": 9, "log": ["PHP Fatal error"],
                                                "oom_victim": {"name": "php-fpm8.2", "pid": 8124,
                                                               "memory_bytes": 66060288}}}]},
        "logs": lambda request: {"version": 1, "ok": True, "lines": [
            {"time": "2026-11-22T05:10:03.123456Z", "stream": "stderr", "text": "ready"}]
            if request["tail"] == 20 else []},
        "inspect": {"version": 1, "ok": True, "network": {"ipv4": "10.203.0.2", "ipv6": "", "link": "ct2"},
                    "spec": {"image": "php:8", "command": "php-fpm", "memory_limit_bytes": 64 << 20,
                             "cpu_limit_milli": 1500, "tasks_limit": 0,
                             "mounts": [{"target": "/var/www", "type": "bind", "read_only": True}]}},
        "history": lambda request: {"version": 1, "ok": True, "step_seconds": 1800, "end_unix": int(time.time()),
                                    "points": [[10.5, 1 << 20, 5, 0.5, 0]] * 47 + [[20.0, 2 << 20, 5, 1.5, 3]]
                                    if request["range"] == "24h" else []},
    }


def test_a_tenant_is_not_told_who_the_operator_is(serve, board, supervisor):
    board.slot(0, **full())
    supervisor.answers["events"] = {"version": 1, "ok": True, "events": [
        {"time": "2026-11-22T05:10:03.123456Z", "event": "stop asked by user=ada ip=192.0.2.7", "level": "info",
         "actor": {"user": "ada", "ip": "192.0.2.7"}, "exit": None}]}
    for rules, told in (("", "stop asked by user=ada ip=192.0.2.7ada, 192.0.2.7"),
                        ("ContainerStatusScope blog", "stopan operator")):
        httpd = serve(rules)
        root = page.read(httpd.get("/container-status/blog/web"))
        events = next(section for section in root.all("section") if section.attributes.get("data-key") == "events")
        assert [row.text for row in events.all("tr")][1].endswith(told), rules
        httpd.stop()


def test_mails_are_told_with_script_and_line(serve, board, supervisor):
    supervisor.answers["mails"] = {"version": 1, "ok": True, "total": 41, "mails": [
        {"time": "2026-11-22T05:10:03.123456Z", "service": "web", "script": "/var/www/contact.php", "line": 12,
         "recipients": 3, "domains": ["example.org", "<b>.example"], "domain_count": 3, "subject": "<i>Hello"}]}
    board.slot(0, **full(mails=41))
    board.slot(1, tenant="blog", service="db", id="blog-db-1")
    httpd = serve()
    root = page.read(httpd.get("/container-status/blog/web"))
    mails = next(section for section in root.all("section") if section.attributes.get("data-key") == "mails")
    cells = [cell.text for cell in [*mails.all("tr")][1].all("td")]
    assert cells == ["2026-11-22 05:10:03", "/var/www/contact.php", "12", "3", "example.org, <b>.example, ...", "<i>Hello"]
    assert 'data-key="mails"' not in httpd.get("/container-status/blog/db").text


def test_a_tenant_that_is_not_there_is_404(serve, board):
    board.slot(0, **full())
    httpd = serve()
    assert httpd.get("/container-status/blog").status == 200
    for path in ("nope", "nope/web", "blog/nope"):
        assert httpd.get(f"/container-status/{path}").status == 404, path
    assert httpd.get("/container-status/nope?format=json").status == 404


def test_page_of_a_service(serve, board, supervisor):
    board.slot(0, **full())
    supervisor.answers.update(answers())
    httpd = serve()
    reply = httpd.get("/container-status/blog/web")
    root = page.read(reply)
    part = {section.attributes["data-key"]: section for section in root.one("main").all("section")}
    use = {row.attributes["data-key"]: row.text for row in part["use"].all("tr") if "data-key" in row.attributes}
    assert "the OOM killer counts this" in use["memory"] and "93 %, at its limit" in use["memory"]
    assert "2 processes killed" in use["memory"]
    assert "40 MiB 7s old" in use["anon"] and "10100" in use["tasks"].replace(" ", "")
    assert "the last: at its memory limit" in part["use"].text
    assert "php-fpm: pool www" in part["processes"].text and "24 MiB" in part["processes"].text
    assert "There are more." in part["processes"].text
    events = [row.text for row in part["events"].all("tr")][1:]
    assert "ended: signal KILL" in events[0] and "ada" in events[0] and "PHP Fatal error" in events[0]
    assert "the kernel killed php-fpm8.2, pid 8124, which had 63 MiB" in events[0]
    assert "2026-11-22 05:10:03" in events[1]
    assert "ready" in part["log"].text
    assert "10.203.0.2" in part["spec"].text and "1.50 CPUs" in part["spec"].text
    assert "/var/www" in part["spec"].text and "read only" in part["spec"].text
    assert "Tasks limit" not in part["spec"].text
    assert "Look now" in part["why"].text
    assert "why" not in [request["verb"] for request in supervisor.requests]
    why = page.read(httpd.get("/container-status/blog/web?why"))
    text = next(s for s in why.all("section") if s.attributes["data-key"] == "why").text
    assert "3 of 12 tasks wait for the disk vda" in text and "folio_wait_bit" in text and "98.1 %" in text
    told = httpd.get("/container-status/blog/web?format=json").json
    assert told["tenant"] == "blog" and told["memory_bytes"] == 60 << 20


def test_charts_of_an_hour_a_day_and_a_month(serve, board, supervisor):
    board.slot(0, **full())
    board.tell(history=0, ring=1, step_msec=60000, points=[[1000, 1024, 0, None]] * 29 + [[None] * 4] + [[2000, 2048, 0, None]] * 30)
    board.tell(history=0, ring=2, step_msec=1800000, points=[[3000, 4096, 0, 0]] * 48)
    httpd = serve()

    def charts(query):
        root = page.read(httpd.get(f"/container-status/blog/web{query}"))
        section = next(s for s in root.all("section") if s.attributes["data-key"] == "past")
        return section, {figure.one("b").text: figure for figure in section.all("figure")}

    section, hour = charts("")
    assert list(hour) == ["CPU", "Memory", "Disk I/O", "Requests"]
    assert "now 20.0 %" in hour["CPU"].text and "limit 150 %" in hour["CPU"].text
    assert "1 faults" in hour["CPU"].text and len(list(hour["CPU"].all("path", class_="faults"))) == 1
    picture = [svg for svg in hour["CPU"].all("svg") if svg.attributes.get("role") == "img"][0]
    assert picture.attributes["aria-labelledby"] == "chart-cpu chart-cpu-text"
    assert len(list(hour["CPU"].all("path", class_="limit"))) == 1
    line = next(hour["CPU"].all("path", class_="line")).attributes["d"]
    assert line.count("M") == 2, "the gap is not bridged"
    ticks = [text.text for text in hour["Memory"].all("text")]
    assert "64 MiB" in ticks and "0 B" in ticks
    assert "no figures in this time" in hour["Requests"].text
    assert [a.text for a in section.one("nav", class_="ranges").all("a")] == ["1 hour", "24 hours", "30 days"]
    _, day = charts("?range=24h")
    assert "now 30.0 %" in day["CPU"].text, "the ring, while the supervisor has no history"
    supervisor.answers.update(answers())
    _, day = charts("?range=24h")
    assert "now 20.0 %" in day["CPU"].text and "3 faults" in day["CPU"].text
    section, month = charts("?range=30d")
    assert month == {} and "Nothing is recorded" in section.text
    # So the page's script asks for it, which takes other parts out of the query.
    assert httpd.get("/container-status/blog/web?why=").status == 200
    for bad in ("range=2h", "why=1", "foo", "format=csv", "refresh=0"):
        assert httpd.get(f"/container-status/blog/web?{bad}").status == 400, bad


def test_silent_supervisor_does_not_take_the_page_along(serve, board, workplace):
    board.slot(0, **full())
    silent = ControlSocket(workplace, lambda request: time.sleep(1.5))
    try:
        httpd = serve()
        start = time.monotonic()
        root = page.read(httpd.get("/container-status/blog/web?why"))
        took = time.monotonic() - start
    finally:
        silent.stop()
    assert took < 4 and len(silent.requests) == 1
    assert root.text.count("The supervisor did not answer.") >= 4
    assert next(s for s in root.all("section") if s.attributes["data-key"] == "use").text.count("MiB") > 3


def test_logs_are_shown_only_where_they_are_allowed(serve, board, supervisor):
    board.slot(0, **full())
    supervisor.answers.update(answers())
    httpd = serve(body=LOCATION.replace("ContainerStatusLogs On", "") % "")
    text = httpd.get("/container-status/blog/web").text
    assert "last lines of its log" not in text and "PHP Fatal error" not in text
    assert "logs" not in [request["verb"] for request in supervisor.requests]


def buttons(root):
    return {form.one("input", name="action").attributes["value"]: form
            for form in root.all("form", method="post")}


USERS = """AuthType Basic
AuthName test
AuthBasicProvider file
AuthUserFile %s/conf/users
"""


def authorization(user):
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{user}".encode()).decode()}


def make_users(workplace, *users):
    lines = [f"{user}:{{SHA}}{base64.b64encode(hashlib.sha1(user.encode()).digest()).decode()}\n" for user in users]
    (workplace.path / "conf" / "users").write_text("".join(lines))
    return USERS % workplace.path


@pytest.mark.parametrize("rules,allowed", [
    ("Require all granted", {None: True}),
    ("<Limit POST>\nRequire all denied\n</Limit>", {None: False}),
    ("{users}<LimitExcept GET HEAD>\nRequire user op\n</LimitExcept>", {None: False, "op": True, "eve": False}),
    ("{users}Require valid-user\n<RequireAny>\nRequire method GET HEAD\nRequire user op\n</RequireAny>",
     {"op": True, "eve": True}),
    ("{users}<RequireAll>\nRequire valid-user\n<RequireAny>\nRequire method GET HEAD\nRequire user op\n"
     "</RequireAny>\n</RequireAll>", {"op": True, "eve": False}),
    ("<RequireAny>\nRequire method GET HEAD\nRequire ip 192.0.2.1\n</RequireAny>", {None: False}),
])
def test_buttons_only_for_those_whom_the_rules_let_act(serve, board, workplace, rules, allowed):
    """What the page offers is what httpd then lets through, rule by rule."""
    board.slot(0, **full())
    httpd = serve(rules.format(users=make_users(workplace, "op", "eve")) if "{users}" in rules else rules)
    for user, may in allowed.items():
        headers = authorization(user) if user else {}
        root = page.read(httpd.get("/container-status/blog/web", headers=headers))
        assert bool(buttons(root)) == may, user
        posted = httpd.post("/container-status/blog/web", "action=stop", headers=headers)
        assert (posted.status not in (401, 403)) == may, (user, posted.status)


def test_no_buttons_without_container_admin(serve, board):
    board.slot(0, **full())
    httpd = serve(body=LOCATION.replace("ContainerAdmin On", "") % "")
    assert not buttons(page.read(httpd.get("/container-status/blog/web")))


def test_looking_writes_nothing_into_the_error_log(serve, board):
    board.slot(0, **full())
    httpd = serve("<RequireAny>\nRequire method GET HEAD\nRequire ip 192.0.2.1\n</RequireAny>")
    wait_until(lambda: "Command line" in httpd.log(), "the last of what httpd says at its start")
    before = httpd.log()
    page.read(httpd.get("/container-status/blog/web"))
    assert httpd.log() == before


@pytest.mark.parametrize("state,expected", [
    ("running", {"restart", "pause", "stop", "kill"}),
    ("sleeping", {"start", "stop"}),
    ("paused", {"restart", "resume", "stop", "kill"}),
    ("failed", {"start", "restart"}),
    ("stopped", {"start"}),
])
def test_buttons_fit_the_state_and_the_grave_ones_ask_first(serve, board, state, expected):
    board.slot(0, **full(state=state))
    found = buttons(page.read(serve().get("/container-status/blog/web")))
    assert set(found) == expected
    for verb, form in found.items():
        assert (form.parent.name == "details") == (verb in ("stop", "kill")), verb
        assert form.attributes["action"] == "/container-status/blog/web"


def submit(httpd, form):
    """What a browser does with a form's button."""
    fields = "&".join(f"{f.attributes['name']}={f.attributes['value'].replace('=', '%3D').replace('+', '%2B')}"
                      for f in form.all("input"))
    return httpd.post(form.attributes["action"], fields,
                      headers={"Sec-Fetch-Site": "same-origin", "Origin": f"http://status.test:{httpd.port}"})


def test_a_button_does_it_and_leads_back_with_the_result(serve, board, supervisor):
    board.slot(0, **full())
    supervisor.answers.update(answers())
    supervisor.answers["restart"] = {"version": 1, "ok": True, "tenant": "blog", "service": "web",
                                     "state": "running", "pid": 4, "changed": True}
    supervisor.answers["pause"] = {"version": 1, "ok": False, "code": "conflict", "message": "<b>not</b> now"}
    httpd = serve()
    found = buttons(page.read(httpd.get("/container-status/blog/web")))
    done = submit(httpd, found["restart"])
    assert done.status == 303
    location = done.headers["Location"].split(f":{httpd.port}", 1)[-1]
    assert location.startswith("/container-status/blog/web?flash=")
    banner = page.read(httpd.get(location)).one("p", id="flash")
    assert "blog/web: restart is done." in banner.text and "good" in banner.attributes["class"]
    forged = page.read(httpd.get(location[:-3] + "AAA"))
    assert not list(forged.all("p", id="flash"))
    refused = submit(httpd, found["pause"])
    location = refused.headers["Location"].split(f":{httpd.port}", 1)[-1]
    banner = page.read(httpd.get(location)).one("p", id="flash")
    assert "pause was refused. <b>not</b> now" in banner.text and "bad" in banner.attributes["class"]


def test_without_a_supervisor_or_with_an_old_board(serve, board):
    board.slot(0, **full())
    httpd = serve()
    assert httpd.get("/container-status/blog/none").status == 404
    assert httpd.get("/container-status/blog/web/more").status == 404
    assert httpd.get("/container-status/BAD!").status == 404
    board.tell(freeze=True)
    deadline = time.monotonic() + 15
    while "role=\"alert\"" not in httpd.get("/container-status").text:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    root = page.read(httpd.get("/container-status"))
    assert "The figures below are old" in root.one("p", class_="banner").text
    assert "late" in root.one("p", class_="engine").text
    board.stop()
    assert "no supervisor is running" in httpd.get("/container-status").text or \
        "has ended" in httpd.get("/container-status").text


@pytest.mark.skipif("MODULE_SANITIZE" in os.environ, reason="the sanitizers keep freed memory")
def test_memory_stays_small_with_many_containers(serve, workplace):
    """The page is streamed: a child that wrote a page of 2,000 rows has not grown by that page."""
    board = Board(workplace, 2000)
    try:
        for index in range(2000):
            board.slot(index, **full(tenant=f"t{index}", id=f"t{index}-web-1"))
        httpd = serve()
        httpd.get("/container-status?limit=100")

        def resident():
            return sum(memory_of(pid) for pid in children_of(httpd.process.pid))

        before = resident()
        body = httpd.get("/container-status?limit=2000").body
        assert len(body) > 3000000 and body.endswith(b"</html>\n")
        assert resident() - before < 2500, (before, resident())
    finally:
        board.stop()


def children_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as children:
        return [int(child) for child in children.read().split()]


def memory_of(pid):
    """Anonymous memory in KiB."""
    with open(f"/proc/{pid}/status") as status:
        return int(re.search(r"RssAnon:\s+(\d+)", status.read())[1])
