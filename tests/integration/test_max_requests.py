# SPDX-License-Identifier: Apache-2.0
"""ContainerMaxRequests: so many requests of a service are in flight and no more, on every MPM, with real PHP-FPM."""
import contextlib
import http.client
import os
import re
import signal
import socket
import subprocess
import threading
import time

import pytest

from private_httpd import MPMS, PROXY, Board, Httpd, PhpFpm, Workplace, wait_until
from test_traffic import Traffic, raw

# One file in `gate` for each request inside; a request with ?hold stays until the file `open` is there.
PAGE = """<?php
$dir = dirname(__DIR__) . '/gate';
$mark = tempnam($dir, 'in');
file_put_contents("$dir/order", ($_GET['name'] ?? '-') . "\\n", FILE_APPEND);
$inside = count(glob("$dir/in*"));
if (isset($_GET['hold'])) while (!file_exists("$dir/open")) { clearstatcache(); usleep(5000); }
usleep((int)($_GET['sleep'] ?? 0) * 1000);
unlink($mark);
http_response_code((int)($_GET['status'] ?? 200));
header('Content-Type: text/plain');
echo $inside;
"""
EXAMPLE = {"X-Forwarded-For": "192.0.2.1"}


class Gate:
    """What PHP sees of the requests that came through."""

    def __init__(self, path):
        self.path = path
        path.mkdir()
        path.chmod(0o777)

    def inside(self):
        return len(list(self.path.glob("in*")))

    def order(self):
        file = self.path / "order"
        return file.read_text().split() if file.exists() else []

    def open(self):
        (self.path / "open").touch()

    def wait_inside(self, count):
        wait_until(lambda: self.inside() == count, f"{count} requests inside, not {self.inside()}")


@pytest.fixture
def workplace():
    place = Workplace()
    site = place.path / "site"
    site.mkdir()
    (site / "index.php").write_text(PAGE)
    (site / "style.css").write_text("body { color: red }\n")
    yield place
    place.remove()


@pytest.fixture
def traffic(workplace):
    return Traffic(workplace)


@pytest.fixture
def board(workplace, traffic):
    board = Board(workplace)
    yield board
    board.stop()


@pytest.fixture
def gate(workplace):
    return Gate(workplace.path / "gate")


@pytest.fixture
def fpm(workplace, board, gate):
    fpm = PhpFpm(workplace, children=12)
    board.slot(0, tenant="alpha", service="web", endpoint_kind=1, endpoint_path=str(fpm.socket))
    yield fpm
    gate.open()
    fpm.stop()


@pytest.fixture
def serve(workplace, fpm, gate):
    started = []

    def start(limit, more="", **options):
        site = workplace.path / "site"
        body = f"""ContainerRoute alpha/web docroot={site} static={site}
{limit}
MaxRequestWorkers {32 if options.get('mpm') == 'prefork' else 50}
<Location /status>
SetHandler container-status
ContainerStatus On
ContainerRoute off
</Location>
{more}"""
        started.append(Httpd(workplace, body, **options))
        return started[-1].start()

    yield start
    gate.open()
    for httpd in started:
        httpd.stop()


class Asked:
    """Requests that run while the test goes on; each has its answer at the end."""

    def __init__(self, httpd):
        self.httpd = httpd
        self.threads, self.answers = [], []

    def ask(self, path, **options):
        def run():
            try:
                self.answers.append(self.httpd.get(path, **options))
            except (OSError, http.client.HTTPException) as error:
                self.answers.append(error)
        self.threads.append(threading.Thread(target=run))
        self.threads[-1].start()
        return self

    def join(self):
        for thread in self.threads:
            thread.join(60)
            assert not thread.is_alive()
        return self.answers

    def statuses(self):
        return sorted(answer.status for answer in self.join())


def gate_line(httpd):
    """(in flight, the limit, waiting) as the page of the service shows it."""
    found = re.search(r"<b>(\d+) of (\d+)</b> requests in flight that the limit allows, <b>(\d+)</b> waiting",
                      httpd.get("/status/alpha/web").text)
    return tuple(map(int, found.groups())) if found else None


def wait_line(httpd, *wanted):
    wait_until(lambda: gate_line(httpd) == wanted, f"{wanted}, not {gate_line(httpd)}")


# ---- how many ----

@pytest.mark.parametrize("mpm", MPMS)
def test_exactly_so_many_are_in_flight(serve, gate, traffic, mpm):
    httpd = serve("ContainerMaxRequests 3", mpm=mpm)
    assert gate_line(httpd) is None
    asked = Asked(httpd)
    for _ in range(12):
        asked.ask("/?hold")
    wait_until(lambda: len(asked.answers) == 9, "nine refusals")
    gate.wait_inside(3)
    for refused in asked.answers:
        assert refused.status == 503 and 1 <= int(refused.headers["Retry-After"]) <= 300
        assert "text/html" in refused.headers["Content-Type"]
    assert gate_line(httpd) == (3, 3, 0)
    assert httpd.get("/style.css").status == 200  # httpd itself sends files: they need no place
    gate.open()
    assert asked.statuses() == [200] * 3 + [503] * 9
    for _ in range(5):
        assert httpd.get("/").text == "1"
    wait_line(httpd, 0, 3, 0)
    assert traffic.show()["refused"] == 9
    lines = [line for line in httpd.log().splitlines() if "too many requests in flight" in line]
    assert lines and "3 in flight and 0 waiting: all places are taken" in lines[0]
    assert "answered 503" in lines[0]


def test_machines_are_told_in_json(serve, gate):
    httpd = serve("ContainerMaxRequests 1 per-client=1")
    asked = Asked(httpd).ask("/?hold")
    gate.wait_inside(1)
    refused = httpd.get("/", headers={"Accept": "application/json"})
    assert refused.status == refused.json["status"] == 429
    assert refused.json["retry_after"] == int(refused.headers["Retry-After"])
    gate.open()
    assert asked.statuses() == [200]


@pytest.mark.parametrize("mpm", MPMS)
def test_many_at_once_are_never_too_many(serve, gate, mpm):
    httpd = serve("ContainerMaxRequests 2", mpm=mpm)
    seen, over = [], threading.Event()

    def client():
        while not over.is_set():
            with contextlib.suppress(OSError, http.client.HTTPException):
                seen.append(httpd.get("/?sleep=3"))

    clients = [threading.Thread(target=client) for _ in range(10)]
    for thread in clients:
        thread.start()
    wait_until(lambda: sum(r.status == 200 for r in seen) >= 100, "a hundred answers", 60)
    over.set()
    for thread in clients:
        thread.join(60)
    assert {r.status for r in seen} <= {200, 503}
    assert max(int(r.text) for r in seen if r.status == 200) <= 2
    wait_line(httpd, 0, 2, 0)


# ---- the queue ----

@pytest.mark.parametrize("mpm", MPMS)
def test_who_waits_gets_in_by_turns(serve, gate, mpm):
    httpd = serve("ContainerMaxRequests 1 queue=3 deadline=30s", mpm=mpm)
    asked = Asked(httpd).ask("/?hold&name=first")
    gate.wait_inside(1)
    for number in range(3):
        asked.ask(f"/?name={number}")
        wait_line(httpd, 1, 1, number + 1)
    refused = httpd.get("/?name=late")
    assert refused.status == 503 and int(refused.headers["Retry-After"]) >= 1
    assert "is full" in httpd.log()
    gate.open()
    assert asked.statuses() == [200] * 4
    assert gate.order() == ["first", "0", "1", "2"]
    wait_line(httpd, 0, 1, 0)


@pytest.mark.parametrize("mpm", MPMS)
def test_the_deadline_ends_the_wait(serve, gate, mpm):
    httpd = serve("ContainerMaxRequests 1 queue=2 deadline=700ms", mpm=mpm)
    asked = Asked(httpd).ask("/?hold")
    gate.wait_inside(1)
    before = time.monotonic()
    refused = httpd.get("/")
    assert refused.status == 503 and time.monotonic() - before >= 0.7
    assert int(refused.headers["Retry-After"]) >= 1
    assert "ms, which is the deadline" in httpd.log()
    assert gate_line(httpd) == (1, 1, 0)
    gate.open()
    assert asked.statuses() == [200]


@pytest.mark.parametrize("mpm", MPMS)
def test_a_client_that_goes_away_waits_no_more(serve, gate, traffic, mpm):
    httpd = serve("ContainerMaxRequests 1 queue=2 deadline=60s", mpm=mpm)
    asked = Asked(httpd).ask("/?hold")
    gate.wait_inside(1)
    with socket.create_connection(("127.0.0.1", httpd.port), timeout=30) as connection:
        connection.sendall(b"GET /?name=gone HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_line(httpd, 1, 1, 1)
    wait_line(httpd, 1, 1, 0)
    gate.open()
    assert asked.statuses() == [200]
    assert "gone" not in gate.order()
    assert traffic.show()["refused"] == 0


@pytest.mark.parametrize("mpm", MPMS)
def test_queues_leave_workers_to_others(serve, gate, mpm):
    """However long the queue, who waits has a quarter of the workers: 12 of 50, or 8 of 32."""
    httpd = serve("ContainerMaxRequests 1 queue=1000 deadline=60s", mpm=mpm)
    asked = Asked(httpd).ask("/?hold")
    gate.wait_inside(1)
    room = 8 if mpm == "prefork" else 12
    for _ in range(30):
        asked.ask("/")
    wait_until(lambda: len(asked.answers) >= 30 - room, "refusals")
    assert gate_line(httpd)[2] <= room
    assert httpd.get("/style.css").status == 200
    gate.open()
    statuses = asked.statuses()
    assert set(statuses) == {200, 503} and statuses.count(200) <= 1 + room


# ---- one client ----

@pytest.mark.parametrize("mpm", MPMS)
def test_one_client_has_its_share(serve, gate, mpm):
    httpd = serve("ContainerMaxRequests 6 queue=2 per-client=2\nRemoteIPHeader X-Forwarded-For\n"
                  "RemoteIPInternalProxy 127.0.0.1", mpm=mpm, modules=PROXY + ["remoteip"])
    asked = Asked(httpd)
    for address in ["192.0.2.1", "::ffff:192.0.2.1", "2001:db8::1", "2001:db8::2"]:
        asked.ask("/?hold", headers={"X-Forwarded-For": address})
    gate.wait_inside(4)
    for address in ["192.0.2.1", "::ffff:192.0.2.1", "2001:db8:0:0:ffff::1"]:
        refused = httpd.get("/?hold", headers={"X-Forwarded-For": address})
        assert refused.status == 429 and int(refused.headers["Retry-After"]) >= 1, address
    for address in ["192.0.2.2", "2001:db8:0:1::1"]:
        asked.ask("/?hold", headers={"X-Forwarded-For": address})
    gate.wait_inside(6)
    asked.ask("/?hold", headers={"X-Forwarded-For": "192.0.2.2"})  # the second of its client: it waits
    wait_line(httpd, 6, 6, 1)
    assert httpd.get("/?hold", headers={"X-Forwarded-For": "192.0.2.2"}).status == 429
    gate.open()
    assert asked.statuses() == [200] * 7
    assert httpd.get("/", headers=EXAMPLE).status == 200


def test_a_race_of_one_client_lets_in_its_share(serve, gate):
    httpd = serve("ContainerMaxRequests 10 per-client=4")
    asked = Asked(httpd)
    for _ in range(20):
        asked.ask("/?hold")
    wait_until(lambda: len(asked.answers) == 16, "sixteen refusals")
    gate.open()
    assert asked.statuses() == [200] * 4 + [429] * 16


# ---- restarts and deaths ----

@pytest.mark.parametrize("mpm", MPMS)
def test_graceful_restarts_forget_nothing(serve, gate, mpm):
    httpd = serve("ContainerMaxRequests 3 queue=1 deadline=60s", mpm=mpm)
    asked = Asked(httpd)
    for _ in range(3):
        asked.ask("/?hold")
    gate.wait_inside(3)
    asked.ask("/")
    wait_line(httpd, 3, 3, 1)
    for _ in range(2):
        httpd.graceful()
        assert gate_line(httpd) == (3, 3, 1)
        assert httpd.get("/").status == 503
    gate.open()
    assert asked.statuses() == [200] * 4  # the one who waits waited on in the old generation
    wait_line(httpd, 0, 3, 0)


@pytest.mark.parametrize("mpm", MPMS)
def test_a_killed_child_gives_its_places_back(serve, gate, mpm):
    httpd = serve("ContainerMaxRequests 2", mpm=mpm)
    asked = Asked(httpd)
    for _ in range(2):
        asked.ask("/?hold")
    gate.wait_inside(2)
    assert httpd.get("/").status == 503
    for pid in subprocess.run(["pgrep", "-P", str(httpd.process.pid)], text=True, capture_output=True,
                              timeout=10).stdout.split():
        os.kill(int(pid), signal.SIGKILL)
    asked.join()
    gate.open()

    def is_served():
        with contextlib.suppress(OSError, http.client.HTTPException):
            return httpd.get("/").status == 200

    wait_until(is_served, "the places of the dead")
    wait_line(httpd, 0, 2, 0)


@pytest.mark.parametrize("mpm", MPMS)
def test_a_stop_does_not_wait_for_the_queue(serve, gate, mpm):
    httpd = serve("ContainerMaxRequests 1 queue=3 deadline=60s", mpm=mpm)
    asked = Asked(httpd).ask("/?hold").ask("/")
    wait_line(httpd, 1, 1, 1)
    httpd.process.terminate()
    assert httpd.process.wait(45) == 0  # not the deadline's 60 seconds
    asked.join()
    assert "segfault" not in httpd.log() and "exit signal" not in httpd.log()


# ---- what is one request ----

def test_redirects_and_documents_go_with_their_request(serve, gate):
    httpd = serve("ContainerMaxRequests 1", more="ErrorDocument 404 /index.php?name=document\n"
                  "ErrorDocument 503 /index.php?name=sorry\nProxyErrorOverride On 404\n")
    answer = httpd.get("/?status=404")
    assert answer.status == 404 and answer.text == "1"  # PHP made both pages, with one place
    asked = Asked(httpd).ask("/?hold")
    gate.wait_inside(1)
    refused = httpd.get("/")
    assert refused.status == 503 and refused.headers["Retry-After"]
    assert "sorry" not in gate.order()  # a page of the service that is full is not asked of it
    gate.open()
    assert asked.statuses() == [200]
    assert httpd.get("/").status == 200


@pytest.mark.parametrize("mpm", ["event", "worker"])
def test_streams_of_one_connection_count_one_by_one(serve, gate, mpm):
    httpd = serve("ContainerMaxRequests 3", mpm=mpm, more="LoadModule http2_module "
                  "/usr/lib/apache2/modules/mod_http2.so\nProtocols h2c http/1.1\n")
    held = Asked(httpd)
    for _ in range(2):
        held.ask("/?hold")
    gate.wait_inside(2)
    done = subprocess.run(["h2load", "-n", "100", "-c", "1", "-m", "100",
                           f"http://127.0.0.1:{httpd.port}/?sleep=20"], check=True, text=True,
                          capture_output=True, timeout=120)
    served, refused = (int(re.search(rf"(\d+) {kind}xx", done.stdout).group(1)) for kind in "25")
    assert served >= 1 and refused >= 1 and served + refused == 100, done.stdout
    gate.open()
    assert held.statuses() == [200, 200]
    wait_line(httpd, 0, 3, 0)


@pytest.mark.parametrize("mpm", ["event", "worker"])
def test_a_stream_that_is_given_up_waits_no_more(serve, gate, mpm):
    httpd = serve("ContainerMaxRequests 1 queue=3 deadline=60s", mpm=mpm, more="LoadModule http2_module "
                  "/usr/lib/apache2/modules/mod_http2.so\nProtocols h2c http/1.1\n")
    held = Asked(httpd).ask("/?hold")
    gate.wait_inside(1)
    client = subprocess.Popen(["curl", "-s", "--http2-prior-knowledge", f"http://127.0.0.1:{httpd.port}/"],
                              stdout=subprocess.DEVNULL)
    wait_line(httpd, 1, 1, 1)
    client.kill()
    client.wait(10)
    wait_line(httpd, 1, 1, 0)
    gate.open()
    assert held.statuses() == [200]


# ---- configuration ----

def test_the_inner_limit_holds(serve, gate):
    httpd = serve("ContainerMaxRequests 2", more="<Location /index.php/free>\nContainerMaxRequests off\n</Location>\n"
                  "<Location /index.php/dear>\nContainerMaxRequests 1\n</Location>\n")
    asked = Asked(httpd).ask("/?hold")
    gate.wait_inside(1)
    assert httpd.get("/index.php/dear").status == 503  # only while the service is that calm
    asked.ask("/?hold")
    gate.wait_inside(2)
    assert httpd.get("/").status == 503
    assert httpd.get("/index.php/free").status == 200
    gate.open()
    assert asked.statuses() == [200, 200]
    assert httpd.get("/index.php/dear").status == 200


@pytest.mark.parametrize("line, named", [
    ("ContainerMaxRequests 0", 'ContainerMaxRequests: "0": write how many requests'),
    ("ContainerMaxRequests 5 queue=x", 'ContainerMaxRequests: queue="x": write how many requests may wait'),
    ("ContainerMaxRequests 5 deadline=5s", "ContainerMaxRequests: deadline= is for requests that wait"),
    ("<Directory />\nContainerMaxRequests 5\n</Directory>", "ContainerMaxRequests cannot occur within <Directory>"),
])
def test_mistakes_are_told_at_the_start(workplace, line, named):
    status, said = Httpd(workplace, line + "\n").check()
    assert status != 0 and named in said, said


# ---- two tenants ----

@pytest.mark.parametrize("mpm", MPMS)
def test_a_slow_tenant_leaves_the_others_alone(workplace, board, fpm, serve, gate, mpm):
    """200 clients hang on one tenant; the other one answers each request."""
    other = PhpFpm(workplace, name="other")
    board.slot(1, tenant="beta", service="web", endpoint_kind=1, endpoint_path=str(other.socket))
    try:
        httpd = serve("ContainerMaxRequests 8 queue=4 deadline=1s", mpm=mpm,
                      more=f"<Location /beta>\nContainerRoute beta/web docroot={workplace.path}/site "
                           "fallback=/index.php\n</Location>\n")
        over = threading.Event()

        def hang():
            while not over.is_set():
                with contextlib.suppress(OSError, http.client.HTTPException):
                    answer = httpd.get("/?hold")
                    over.wait(int(answer.headers["Retry-After"] or 0) if answer.status == 503 else 0)

        clients = [threading.Thread(target=hang) for _ in range(200)]
        for client in clients:
            client.start()
        try:
            gate.wait_inside(8)
            statuses = [httpd.get("/beta").status for _ in range(100)]
            assert statuses == [200] * 100
            assert gate_line(httpd)[0] == 8
        finally:
            over.set()
            gate.open()
            for client in clients:
                client.join(60)
    finally:
        gate.open()
        other.stop()


def test_pipelined_requests_take_turns(serve):
    httpd = serve("ContainerMaxRequests 1 per-client=1")
    one = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    last = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answers = raw(httpd, one * 9 + last)
    assert answers.count(b"HTTP/1.1 200") == 10, answers
