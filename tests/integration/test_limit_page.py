# SPDX-License-Identifier: Apache-2.0
"""What a visitor, a tenant and the operator are told when a service cannot answer."""
import grp
import hashlib
import hmac
import html.parser
import json
import os
import re
import socket
import subprocess
import threading
import time

import pytest
from private_httpd import BUILD, MPMS, Board, Httpd, PhpFpm, UnixServer, Workplace, wait_until
from test_hostile_text import BAD, HOSTILE

LINK = "/.well-known/container-limits"
LOCATIONS = """
<Location /container-status>
    SetHandler container-status
    ContainerStatus On
    ContainerAdmin On
</Location>
<Location /tenants/alpha>
    SetHandler container-status
    ContainerStatus On
    ContainerStatusScope alpha
</Location>
"""
KEY = bytes(range(32))


def boottime_usec(seconds=0.0):
    return int((time.clock_gettime(time.CLOCK_BOOTTIME) + seconds) * 1e6)


def realtime_usec(seconds=0.0):
    return int((time.time() + seconds) * 1e6)


class Breaker(UnixServer):
    """A service that takes a request, does something, and then breaks the connection without a word."""

    def __init__(self, workplace, do=lambda: None):
        self.socket = workplace.path / "run" / "web.sock"
        self.do = do
        super().__init__(self.socket, socket.SOCK_STREAM)

    def answer_one(self, connection):
        connection.recv(65536)
        self.do()


class Elements(html.parser.HTMLParser):
    """Which elements a page has, and its text."""

    def __init__(self, page):
        super().__init__()
        self.found, self.text = [], ""
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.found.append(tag)

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def workplace():
    place = Workplace()
    key = place.path / "run" / "limit-key"
    key.write_bytes(KEY)
    key.chmod(0o640)
    os.chown(key, 0, grp.getgrnam("www-data").gr_gid)
    yield place
    place.remove()


@pytest.fixture
def board(workplace):
    board = Board(workplace)
    yield board
    board.stop()


@pytest.fixture
def serve(workplace):
    started = []

    def start(body="", **options):
        started.append(Httpd(workplace, "ContainerRoute alpha/web\n" + LOCATIONS + body, **options))
        return started[-1].start()

    yield start
    for httpd in started:
        httpd.stop()


@pytest.fixture
def breaker(workplace):
    made = Breaker(workplace)
    yield made
    made.stop()


def slot(board, breaker=None, **fields):
    board.slot(0, tenant="alpha", service="web", id="alpha-web-1", endpoint_kind=1,
               endpoint_path=str(breaker.socket) if breaker else "/nowhere.sock", **fields)


def reference_of(reply):
    found = re.findall(r"[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}", reply.text)
    assert len(found) == 1, reply.text
    return found[0]


def limits(httpd, place="/container-status/alpha/web"):
    reply = httpd.get(place + "/limits?json")
    assert reply.status == 200, reply.text
    return reply.json


def ctl(workplace, *arguments, check=True):
    done = subprocess.run([BUILD / "containerctl", "--root", workplace.path, *arguments], capture_output=True, text=True,
                          timeout=30)
    if check:
        assert done.returncode == 0, done.stderr
    return done


# ---- visitors ----

STATES = {"stopped": "60", "exited": "60", "failed": "60", "paused": "60"}


@pytest.mark.parametrize("state", STATES)
def test_state_that_takes_no_requests(serve, board, state):
    slot(board, state=state, message="<b>inside", state_since_boottime_usec=boottime_usec(-7))
    httpd = serve()
    reply = httpd.get("/")
    assert reply.status == 503 and reply.headers["Retry-After"] == STATES[state]
    assert reply.headers["Cache-Control"] == "no-store" and "default-src 'none'" in reply.headers[
        "Content-Security-Policy"]
    assert reply.headers["Content-Type"] == "text/html; charset=utf-8" and "Refresh" not in reply.headers
    assert len(reply.body) < 4096
    for word in ("alpha", "inside", "web", state):
        assert word not in reply.text
    assert "script" not in Elements(reply.text).found
    told = limits(httpd)
    assert (told["cause"]["kind"], told["cause"]["status"]) == (state, 503)
    assert told["cause"]["reference"] == reference_of(reply)
    assert abs(told["cause"]["since_unix"] - time.time() + 7) < 3
    assert f"reference {reference_of(reply)}" in httpd.log()


@pytest.mark.parametrize("fault, status, retry, kind", [
    (3, 508, "10", "oom"), (4, 508, "10", "tasks"), (5, 508, "60", "disk"), (6, 503, "5", "crash"),
    (7, 503, "10", "health"), (0, 503, "5", None), (1, 503, "5", "cpu"), (2, 503, "5", "memory")])
def test_request_that_breaks_after_a_fault(serve, board, breaker, fault, status, retry, kind):
    slot(board, breaker, last_fault=fault, last_fault_realtime_usec=realtime_usec(-2) if fault else 0, faults=1,
         memory_bytes=60 << 20, memory_limit_bytes=64 << 20, tasks=9, tasks_limit=10)
    httpd = serve()
    reply = httpd.get("/x.php")
    assert (reply.status, reply.headers["Retry-After"]) == (status, retry), httpd.log()
    assert ("Resource Limit Is Reached" in reply.text) == (status == 508)
    assert f"reference {reference_of(reply)}" in httpd.log()
    told = limits(httpd)
    assert (told["cause"] or {}).get("kind") == kind
    if status == 508:
        assert told["cause"]["reference"] == reference_of(reply)
        assert told["last_fault"]["reference"] == reference_of(reply)
    # To be held up or to lose page cache breaks no connection: the visitor is told no limit.
    if kind in ("cpu", "memory"):
        assert told["cause"]["reference"] != reference_of(reply)


def test_old_fault_is_not_blamed(serve, board, breaker):
    slot(board, breaker, last_fault=3, last_fault_realtime_usec=realtime_usec(-40), faults=1)
    httpd = serve()
    assert httpd.get("/x.php").status == 503
    told = limits(httpd)
    assert told["cause"] is None and told["last_fault"]["kind"] == "oom"


def test_kill_during_the_request_is_found_though_the_board_tells_later(serve, board, workplace):
    """The counter moved while the request ran, after its connection broke."""
    fields = {"started_boottime_usec": boottime_usec(-100), "memory_bytes": 1, "memory_limit_bytes": 2}
    timers = []

    def kill():
        timers.append(threading.Timer(0.1, lambda: slot(board, made, oom_kills=1, **fields)))
        timers[-1].start()

    made = Breaker(workplace, kill)
    try:
        slot(board, made, oom_kills=0, **fields)
        httpd = serve()
        seen = []
        for _ in range(5):  # a machine that stands still may be late for one
            seen.append(httpd.get("/x.php").status)
            timers[-1].join()
            if seen[-1] == 508:
                break
            slot(board, made, oom_kills=0, **fields)
        assert seen[-1] == 508, seen
        assert set(seen) <= {503, 508}
    finally:
        made.stop()
        for timer in timers:
            timer.join()


def test_next_start_is_told_to_the_second(serve, board):
    httpd = serve()
    due = boottime_usec(21)
    slot(board, state="backoff", next_start_boottime_usec=due, state_since_boottime_usec=boottime_usec(-3))
    before = (due - boottime_usec()) / 1e6
    reply = httpd.get("/")  # nobody listens: mod_proxy fails
    after = (due - boottime_usec()) / 1e6
    assert reply.status == 503, (reply.status, reply.text, httpd.log())
    seconds = int(reply.headers["Retry-After"])
    assert reply.status == 503 and after <= seconds <= before + 1
    assert reply.headers["Refresh"] == str(seconds)
    assert f"Please try again in {seconds} seconds." in reply.text


def test_service_that_memory_ended_is_at_its_limit(serve, board):
    slot(board, state="failed", last_fault=3, last_fault_realtime_usec=realtime_usec(-500), exit_signal=9,
         exit_code=-1, exit_realtime_usec=realtime_usec(-500), message="out of memory")
    httpd = serve()
    reply = httpd.get("/")
    assert (reply.status, reply.headers["Retry-After"]) == (508, "60")
    assert limits(httpd)["cause"]["because"] == "oom"
    assert "memory_limit times pm.max_children" in httpd.get("/container-status/alpha/web/limits").text


def test_timeout_of_a_throttled_service(serve, board, workplace):
    made = Breaker(workplace, lambda: time.sleep(2.5))
    try:
        slot(board, made, last_fault=1, last_fault_realtime_usec=realtime_usec(-1), cpu_limit_milli=500,
             cpu_percent_milli=50000, cpu_throttled_rate=400000)
        httpd = serve("ProxyTimeout 1\n")
        reply = httpd.get("/x.php")
        assert (reply.status, reply.headers["Retry-After"]) == (503, "3"), httpd.log()
        slot(board, made)
        assert httpd.get("/x.php").status == 504
        told = limits(httpd)
        assert told["cause"] is None
    finally:
        made.stop()


@pytest.mark.parametrize("mpm", MPMS)
def test_all_methods_and_forms(serve, board, mpm):
    slot(board, state="stopped")
    httpd = serve(mpm=mpm)
    page = httpd.get("/")
    head = httpd.request("HEAD", "/")
    assert head.status == 503 and head.body == b"" and head.headers["Retry-After"] == "60"
    assert head.headers["Content-Length"] == page.headers["Content-Length"] == str(len(page.body))
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
        reply = httpd.request(method, "/", body=b"x" * 100000 if method == "POST" else None)
        assert reply.status == 503 and reply.headers["Retry-After"] == "60", method
        assert reply.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert reply.text.count("\n") == 1 and reference_of(reply) == reference_of(page)
    for headers in ({"Accept": "application/json"}, {"Accept": "*/*", "X-Requested-With": "XMLHttpRequest"}):
        for method in ("GET", "POST"):
            reply = httpd.request(method, "/", headers=headers)
            assert reply.status == 503 and reply.headers["Content-Type"] == "application/json"
            assert reply.json == {"status": 503, "error": "Service Unavailable", "retry_after": 60,
                                  "message": "This site cannot be reached at the moment. Please try again later.",
                                  "reference": reference_of(page)}
            assert reply.headers["Cache-Control"] == "no-store"


def test_own_answers_of_the_program_pass(serve, board, workplace):
    fpm = PhpFpm(workplace)
    site = workplace.path / "site"
    site.mkdir()
    (site / "busy.php").write_text("<?php http_response_code(503); header('Retry-After: 77'); echo 'my own words';")
    try:
        board.slot(0, tenant="alpha", service="web", endpoint_kind=1, endpoint_path=str(fpm.socket), last_fault=3,
                   last_fault_realtime_usec=realtime_usec(-1))
        httpd = serve(f"ContainerRoute alpha/web docroot={site}\n<Location /over>\nProxyErrorOverride On\n"
                      f"ContainerRoute alpha/web docroot={workplace.path}\n</Location>\n")
        reply = httpd.get("/busy.php")
        assert (reply.status, reply.text, reply.headers["Retry-After"]) == (503, "my own words", "77")
        (workplace.path / "over").mkdir()
        (workplace.path / "over" / "busy.php").write_text("<?php http_response_code(503); echo 'my own words';")
        reply = httpd.get("/over/busy.php")
        assert reply.status == 503 and "my own words" not in reply.text and "Resource Limit" not in reply.text
    finally:
        fpm.stop()


def test_documents_of_the_administrator_win(serve, board, breaker, workplace):
    (workplace.path / "htdocs" / "sorry.html").write_text("page of 503")
    slot(board, breaker, last_fault=3, last_fault_realtime_usec=realtime_usec(-1))
    httpd = serve(f"Alias /sorry {workplace.path}/htdocs\nErrorDocument 503 /sorry/sorry.html\n"
                  "<Location /limit>\nErrorDocument 508 \"words of 508\"\n</Location>\n")
    reply = httpd.get("/x.php")
    assert (reply.status, reply.text, reply.headers["Retry-After"]) == (503, "page of 503", "10")
    reply = httpd.get("/limit/x.php")
    assert (reply.status, reply.text, reply.headers["Retry-After"]) == (508, "words of 508", "10")
    slot(board, state="stopped")
    assert httpd.get("/x.php").text == "page of 503"


def test_switched_off(serve, board, breaker):
    slot(board, breaker, last_fault=3, last_fault_realtime_usec=realtime_usec(-1))
    httpd = serve("ContainerLimitPage off\n")
    reply = httpd.get("/x.php")
    assert (reply.status, reply.headers["Retry-After"]) == (503, "5")
    slot(board, state="stopped")
    reply = httpd.request("POST", "/", headers={"Accept": "application/json"})
    assert (reply.status, reply.headers["Retry-After"]) == (503, "60")
    assert "<h1>Service Unavailable</h1>" in reply.text and "eference" not in reply.text


# ---- templates ----

def test_template(serve, board, workplace):
    page = workplace.path / "conf" / "sorry.html"
    page.write_text("<!DOCTYPE html><style>@keyframes a { 50%%{opacity:0} }</style><title>%{status} %{title}</title>"
                    "<p id=m>%{message}</p><p>%{retry_after}s %{reference} %{host}</p>")
    slot(board, state="stopped")
    httpd = serve("ContainerLimitPage conf/sorry.html\n<Location /plain>\nContainerLimitPage off\n</Location>\n")
    reply = httpd.get("/")
    assert reply.status == 503 and "<title>503 Service Unavailable</title>" in reply.text
    assert "50%{opacity:0}" in reply.text and "<p>60s " in reply.text and " status.test</p>" in reply.text
    assert "script-src" not in reply.headers["Content-Security-Policy"]
    assert "default-src 'none'" in reply.headers["Content-Security-Policy"]
    assert "<p id=m>" not in httpd.get("/plain/").text


@pytest.mark.parametrize("text, said", [
    ("ok\n%{nonsense}\n", ["sorry.html: 2: %{nonsense} is not known", "%{retry_after}"]),
    ("%{status", ["sorry.html: 1:", "has no '}'"]), ("", ["is empty"]), ("x" * 65537, ["at most 65536 bytes"]),
    ("a\0b", ["a NUL is no text"]), (None, ["No such file"]), ("link", ["leads through a symbolic link"]),
    ("fifo", ["is not a regular file"]), ("directory", ["is not a regular file"])])
def test_template_that_cannot_be_is_an_error_at_the_start(workplace, text, said):
    page = workplace.path / "conf" / "sorry.html"
    if text == "link":
        page.symlink_to("/etc/hostname")
    elif text == "fifo":
        os.mkfifo(page)
    elif text == "directory":
        page.mkdir()
    elif text is not None:
        page.write_text(text)
    httpd = Httpd(workplace, f"ContainerRoute alpha/web\nContainerLimitPage {page}\n")
    status, output = httpd.check()
    assert status != 0 and "ContainerLimitPage" in output and "on line" in output, output
    for words in said:
        assert words in output, output


def test_template_where_no_route_may_be(workplace):
    httpd = Httpd(workplace, f"<Directory {workplace.path}>\nContainerLimitPage off\n</Directory>\n")
    status, output = httpd.check()
    assert status != 0 and "ContainerLimitPage" in output


# ---- tenants and the operator ----

@pytest.fixture
def limited(board):
    """A service that met its memory limit a moment ago."""
    slot(board, state="limited", last_fault=3, last_fault_realtime_usec=realtime_usec(-5), faults=4, oom_kills=2,
         memory_bytes=60 << 20, memory_limit_bytes=64 << 20, memory_limit_hits=9, cpu_limit_milli=500,
         cpu_percent_milli=12500, tasks=3, tasks_limit=32, message="secret of the operator", pid=4711,
         image="secret-image")
    board.slot(1, tenant="beta", service="web", id="beta-web-1", message="of beta")


def test_views_of_tenant_and_operator(serve, board, limited):
    httpd = serve()
    whole, scoped = limits(httpd), limits(httpd, "/tenants/alpha/alpha/web")
    assert whole["container"]["message"] == "secret of the operator" and whole["container"]["pid"] == 4711
    assert "container" not in scoped
    for told in (whole, scoped):
        assert (told["tenant"], told["service"], told["state"]) == ("alpha", "web", "limited")
        cause = told["cause"]
        assert (cause["kind"], cause["status"], cause["unit"]) == ("oom", 508, "bytes")
        assert (cause["value"], cause["limit"]) == (60 << 20, 64 << 20)
        assert "mem_limit" in cause["advice"] and told["faults"] == 4
        rows = {row["name"]: row for row in told["limits"]}
        assert rows["memory"] == {"name": "memory", "unit": "bytes", "value": 60 << 20, "limit": 64 << 20, "hits": 9}
        assert rows["cpu"]["value"] == 0.125 and rows["cpu"]["limit"] == 0.5
        assert rows["oom"]["hits"] == 2 and rows["disk"]["limit"] is None and rows["requests"]["value"] is None
    assert 'href="/container-status/alpha/web/limits"' in httpd.get("/container-status/alpha/web").text
    page, tenants = (httpd.get(f"{place}/limits").text for place in
                     ("/container-status/alpha/web", "/tenants/alpha/alpha/web"))
    assert "secret of the operator" in page and "secret-image" in page and "4711" in page
    assert "secret" not in tenants and "4711" not in tenants and "60M" in tenants and "64M" in tenants
    assert whole["cause"]["reference"] in page and whole["cause"]["reference"] in tenants


def test_addresses_of_limits(serve, board, limited):
    httpd = serve()
    place = "/container-status/alpha/web/limits"
    assert httpd.get("/tenants/alpha/beta/web/limits").status == 404
    assert httpd.get("/container-status/alpha/none/limits").status == 404
    assert httpd.get("/container-status/alpha/limits").status == 404
    assert httpd.get("/container-status/alpha/web/x/limits").status == 404
    assert httpd.get(place + "?nonsense").status == 400
    assert httpd.get(place + "?format=json").json["version"] == 1
    assert httpd.get(place + "?format=html").headers["Content-Type"] == "text/html; charset=utf-8"
    head = httpd.request("HEAD", place)
    assert head.status == 200 and head.body == b""
    assert httpd.post(place, "action=stop").status == 405
    assert httpd.request("OPTIONS", place).headers["Allow"] == "GET, HEAD, OPTIONS"
    board.stop()
    assert httpd.get(place).status == 503


def test_containerctl_tells_the_same(serve, board, limited, workplace):
    httpd = serve()
    told, page = ctl(workplace, "-o", "json", "limits", "alpha/web").stdout, limits(httpd)
    told = json.loads(told)
    for key in ("cause", "last_fault", "limits", "state", "tenant", "service", "faults"):
        assert told[key] == page[key], key
    text = ctl(workplace, "limits", "alpha/web").stdout
    assert "A process was killed because the memory limit was reached." in text
    assert "508, Retry-After 10, reference " + page["cause"]["reference"] in text and "60M of 64M" in text
    assert ctl(workplace, "limits", "alpha/none", check=False).returncode == 1
    for wrong in (["alpha"], ["link"], ["alpha/web", "more"], ["link", "alpha/web", "--for", "1s"],
                  ["link", "alpha/web", "--for", "745h"], ["link", "alpha/web", "--url", "ftp://x"],
                  ["link", "alpha/web", "--url", "https://x/y"]):
        assert ctl(workplace, "limits", *wrong, check=False).returncode == 2, wrong


# ---- signed links ----

def link_for(workplace, name="alpha/web", *options):
    return ctl(workplace, "limits", "link", name, *options).stdout.strip()


def test_signed_link_shows_the_tenants_view(serve, board, limited, workplace):
    httpd = serve()
    link = link_for(workplace)
    reply = httpd.get(link)
    assert reply.status == 200 and "64M" in reply.text and "secret" not in reply.text
    assert reply.headers["Cache-Control"] == "no-store" and reply.headers["Referrer-Policy"] == "no-referrer"
    told = httpd.get(link + "&json").json
    assert told["cause"]["kind"] == "oom" and "container" not in told
    assert link_for(workplace, "alpha/web", "--url", "https://blog.example.org/").startswith(
        f"https://blog.example.org{LINK}?tenant=alpha&service=web&until=")
    slot(board, state="failed")  # the service is down
    assert httpd.get(link + "&json").json["cause"]["kind"] == "failed"
    assert httpd.post(link, "x").status == 405
    until = int(re.search(r"until=(\d+)", link_for(workplace, "alpha/web", "--for", "90m"))[1])
    assert 5300 < until - time.time() < 5500


def test_links_that_are_not_good(serve, board, limited, workplace):
    httpd = serve()
    link = link_for(workplace)
    until = int(re.search(r"until=(\d+)", link)[1])

    def refused(changed, status=403):
        reply = httpd.get(changed)
        assert reply.status == status, changed
        assert "64M" not in reply.text and "memory" not in reply.text

    assert httpd.get(link).status == 200
    refused(link.replace(f"until={until}", f"until={until + 1}"))
    refused(link.replace(f"until={until}", f"until=0{until}"))
    refused(link[:-1] + ("0" if link[-1] != "0" else "1"))
    refused(link[:-1])
    refused(link.replace("service=web", "service=db"))
    refused(link.replace("tenant=alpha", "tenant=beta"))
    refused(link_for(workplace, "beta/web"))  # good, but not on this tenant's site
    refused(link.replace("signature=", "x="), 400)
    refused(LINK, 400)
    refused(link + "&tenant=beta", 400)
    # Made with a key that is no more.
    (workplace.path / "run" / "limit-key").write_bytes(bytes(32))
    refused(link)
    (workplace.path / "run" / "limit-key").unlink()
    refused(link, 503)


def test_link_that_has_expired(serve, board, limited, workplace):
    """Signed with the key for a time that has passed, as common/seal.c says."""
    httpd = serve()

    def signed(until):
        words = "".join(f" {len(word)}:{word}" for word in ("limits", "alpha", "web"))
        mac = hmac.new(KEY, f"{until}{words}".encode(), hashlib.sha256).hexdigest()
        return f"{LINK}?tenant=alpha&service=web&until={until}&signature={mac}"

    now = int(time.time())
    assert httpd.get(signed(now + 60)).status == 200
    assert httpd.get(signed(now - 2)).status == 403


# ---- hostile text ----

@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_hostile_text_opens_nothing(serve, board, workplace, name):
    text = HOSTILE[name]
    spelled = "".join(chr(b) if 32 <= b < 127 and b != 92 else f"\\x{b:02x}" for b in text.replace(b"\0", b""))
    plain = None
    for message in ("harmless", spelled):
        slot(board, state="failed", message=message, image=message)
        httpd = serve() if plain is None else httpd  # noqa: F821
        page = httpd.get("/container-status/alpha/web/limits")
        assert not BAD.search(page.text), page.text
        found = Elements(page.text).found
        plain = plain or found
        assert found == plain
        assert httpd.get("/container-status/alpha/web/limits?json").json["container"]["message"] is not None
        visitor = httpd.get("/", headers={"X-Requested-With": "x"})
        assert visitor.status == 503 and "failed" not in visitor.text
        shown = ctl(workplace, "limits", "alpha/web").stdout
        assert "\x1b" not in shown and "\r" not in shown


# ---- the whole line ----

EATER = """<?php
ini_set('memory_limit', '-1');
if (isset($_GET['eat'])) { $a = []; while (true) $a[] = str_repeat('x', 1 << 20); }
echo 'well';
"""


def test_worker_that_runs_out_of_memory(stack):
    stack.php("alpha", EATER)
    stack.start()
    httpd = stack.serve("alpha")
    assert httpd.get("/", host="alpha.test").text == "well"
    link = stack.ctl("limits", "link", "alpha/web").stdout.strip()
    reply = None

    def is_told():
        nonlocal reply
        reply = httpd.get("/?eat", host="alpha.test")
        assert reply.status in (503, 508), reply.status
        return reply.status == 508

    wait_until(is_told, "a visitor to be told of the limit", 60)
    assert "Resource Limit Is Reached" in reply.text and reply.headers["Retry-After"] == "10"
    told = httpd.get(link + "&json", host="alpha.test").json
    assert told["last_fault"]["kind"] == "oom" and told["last_fault"]["limit"] == 128 << 20
    assert {row["name"]: row for row in told["limits"]}["oom"]["hits"] >= 1
    text = stack.ctl("limits", "alpha/web").stdout
    assert "killed because the memory limit was reached" in text and "mem_limit" in text
    wait_until(lambda: httpd.get("/", host="alpha.test").text == "well", "the site to answer again")
    # A link lives through a restart of the supervisor, and works while the service is stopped.
    stack.stop()
    assert httpd.get(link, host="alpha.test").status == 503
    stack.start()
    stack.ctl("stop", "alpha/web")
    wait_until(lambda: httpd.get(link, host="alpha.test").status == 200, "the link to work again")
    assert httpd.get(link + "&json", host="alpha.test").json["cause"]["kind"] == "stopped"
    key = stack.path / "run" / "limit-key"
    assert key.stat().st_mode & 0o777 == 0o640 and key.stat().st_uid == 0 and key.stat().st_size == 32
