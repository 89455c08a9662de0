# SPDX-License-Identifier: Apache-2.0
"""The traffic board: every request that httpd routes is counted once, whatever becomes of it."""
import grp
import http.client
import json
import os
import signal
import socket
import subprocess
import threading
import time

import pytest

from private_httpd import (BUILD, MPMS, PROXY, WEB_USER, Board, Httpd, PhpFpm, UnixServer, Workplace,
                           wait_until)

TOOL = BUILD / "tools" / "traffic_tool"
PAGE = """<?php
if (isset($_GET['sleep'])) usleep((int)$_GET['sleep'] * 1000);
if (isset($_GET['status'])) http_response_code((int)$_GET['status']);
header('Content-Type: text/plain');
echo str_repeat('x', (int)($_GET['size'] ?? 10));
"""


class Traffic:
    """The board's file, made as the supervisor makes it."""

    def __init__(self, workplace):
        self.path = workplace.path / "run" / "traffic"
        assert self.make() == "made"

    def make(self, services=64):
        return subprocess.run([TOOL, "create", self.path, str(services), str(grp.getgrnam(WEB_USER).gr_gid)],
                              check=True, text=True, capture_output=True, timeout=30).stdout.strip()

    def show(self, service="web", tenant="alpha"):
        return json.loads(subprocess.run([TOOL, "show", self.path, tenant, service], check=True, text=True,
                                         capture_output=True, timeout=30).stdout)

    def settled(self, requests, service="web"):
        """What is counted once so many requests have ended: the last byte is out before the end is counted."""
        wait_until(lambda: self.show(service)["requests"] >= requests, f"{requests}, not {self.show(service)}")
        seen = self.show(service)
        assert seen["requests"] == seen["begun"] == seen["histogram"] == sum(seen["classes"]) == requests, seen
        assert seen["in_flight"] == seen["counter"] == seen["lost"] == 0, seen
        return seen


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
def fpm(workplace, board):
    fpm = PhpFpm(workplace)
    board.slot(0, tenant="alpha", service="web", endpoint_kind=1, endpoint_path=str(fpm.socket))
    yield fpm
    fpm.stop()


@pytest.fixture
def serve(workplace):
    started = []

    def start(body, **options):
        started.append(Httpd(workplace, body, **options))
        return started[-1].start()

    yield start
    for httpd in started:
        httpd.stop()


def route(workplace, more=""):
    site = workplace.path / "site"
    return f"ContainerRoute alpha/web docroot={site} static={site}{more}\n"


def raw(httpd, data, until_closed=True):
    with socket.create_connection(("127.0.0.1", httpd.port), timeout=30) as connection:
        connection.sendall(data)
        answer = b""
        while until_closed:
            part = connection.recv(65536)
            if not part:
                break
            answer += part
    return answer


@pytest.mark.parametrize("mpm", MPMS)
def test_every_kind_of_request_counts_once(serve, fpm, workplace, traffic, board, mpm):
    httpd = serve(route(workplace) + "ErrorDocument 404 /index.php\nErrorDocument 403 /style.css\n"
                  "<Location /closed>\nRequire all denied\n</Location>\n"
                  "<Location /plain>\nContainerRoute off\nErrorDocument 404 default\n</Location>\n", mpm=mpm)
    assert httpd.get("/index.php?status=200").status == 200
    assert httpd.get("/").status == 200  # the index asks for its rights by a sub-request
    assert httpd.get("/style.css").status == 200
    etag = httpd.get("/style.css").headers["ETag"]
    assert httpd.get("/style.css", headers={"If-None-Match": etag}).status == 304
    assert httpd.request("HEAD", "/style.css").status == 200
    assert httpd.post("/index.php?status=201", "0123456789").status == 201
    assert httpd.request("POST", "/index.php", body=iter([b"abc", b"defg"]),
                         headers={"Transfer-Encoding": "chunked"}).status == 200
    assert httpd.get("/index.php?status=500").status == 500
    assert httpd.get("/none.css").status == 404  # by an internal redirect to PHP
    assert httpd.get("/closed").status == 403  # by an internal redirect to a file
    assert httpd.get("/a%2fb").status == 404
    assert httpd.get("/%01").status == 400
    assert httpd.get("/plain").status == 404  # not routed
    seen = traffic.settled(13)
    assert seen["classes"] == [0, 7, 1, 4, 1]
    assert seen["bytes_in"] == 17 and seen["bytes_out"] > 0 and seen["aborted"] == 0
    assert len(seen["recent"]) == 12
    # Each connection has a thread of its own, which may note the end of its request after that of the next one.
    by_uri = {r["uri"]: r for r in seen["recent"]}
    assert [by_uri[uri]["status"] for uri in ("/closed", "/none.css")] == [403, 404]
    assert sorted(r["status"] for r in seen["recent"])[-5:] == [400, 403, 404, 404, 500]
    last = by_uri["/none.css"]
    assert (last["method"], last["uri"], last["client"], last["protocol"], last["status"]) == (
        "GET", "/none.css", "127.0.0.1", "HTTP/1.1", 404)
    board.slot(0, tenant="alpha", service="web", state="failed", endpoint_kind=1,
               endpoint_path=str(fpm.socket))
    assert httpd.get("/").status == 503
    assert traffic.settled(14)["classes"] == [0, 7, 1, 4, 2]


def test_uris_are_shown_without_query(serve, fpm, workplace, traffic):
    httpd = serve(route(workplace) + "<Location /shown>\nContainerTrafficQuery On\n</Location>\n")
    assert b" 200 OK" in raw(httpd, b"GET http://status.test/style.css?token=1 HTTP/1.1\r\nHost: x\r\n"
                                    b"Connection: close\r\n\r\n")
    # httpd itself lets no password come so far.
    assert b" 400 " in raw(httpd, b"GET http://me:secret@status.test/style.css HTTP/1.1\r\nHost: x\r\n"
                                  b"Connection: close\r\n\r\n")
    httpd.get("/style.css?token=2")
    httpd.get("/shown/x?plain=3")
    httpd.get("/" + "l" * 500)
    assert sorted(r["uri"] for r in traffic.settled(4)["recent"]) == [
        "/" + "l" * 143, "/shown/x?plain=3", "/style.css", "http://status.test/style.css"]


@pytest.mark.parametrize("mpm", MPMS)
def test_keep_alive_and_pipelines(serve, fpm, workplace, traffic, mpm):
    httpd = serve(route(workplace), mpm=mpm)
    connection = http.client.HTTPConnection("127.0.0.1", httpd.port, timeout=30)
    for _ in range(20):
        connection.request("GET", "/style.css")
        assert len(connection.getresponse().read()) == 20
    connection.close()
    one = b"GET /style.css HTTP/1.1\r\nHost: x\r\n\r\n"
    last = b"GET /index.php HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    assert raw(httpd, one * 30 + last).count(b"HTTP/1.1 200") == 31
    traffic.settled(51)


@pytest.mark.parametrize("mpm", MPMS)
def test_clients_that_go_away(serve, fpm, workplace, traffic, mpm):
    httpd = serve(route(workplace), mpm=mpm)
    for _ in range(4):
        with socket.create_connection(("127.0.0.1", httpd.port), timeout=30) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            connection.sendall(b"GET /index.php?size=9000000&sleep=50 HTTP/1.1\r\nHost: x\r\n\r\n")
            assert connection.recv(100)  # and a reset
    seen = traffic.settled(4)
    assert seen["aborted"] == 4
    assert [r["aborted"] for r in seen["recent"]] == [True] * 4


@pytest.mark.parametrize("mpm", MPMS)
def test_requests_in_flight_are_listed(serve, fpm, workplace, traffic, mpm):
    httpd = serve(route(workplace), mpm=mpm)
    threads = [threading.Thread(target=httpd.get, args=(f"/index.php/{n}?sleep=1500",)) for n in range(2)]
    for thread in threads:
        thread.start()
    wait_until(lambda: traffic.show()["in_flight"] == 2, "two requests in flight")
    seen = traffic.show()
    assert seen["counter"] == 2 and seen["requests"] == 0
    assert sorted(r["uri"] for r in seen["now"]) == ["/index.php/0", "/index.php/1"]
    assert all(r["client"] == "127.0.0.1" and r["age_usec"] < 30_000_000 and r["status"] == 0 for r in seen["now"])
    children = {int(p) for p in subprocess.run(["pgrep", "-P", str(httpd.process.pid)], text=True,
                                               capture_output=True, timeout=10).stdout.split()}
    assert {r["pid"] for r in seen["now"]} <= children
    for thread in threads:
        thread.join()
    seen = traffic.settled(2)
    assert all(1_500_000 <= r["duration_usec"] < 60_000_000 for r in seen["recent"])


def parallel_requests(httpd, path, total, threads=8):
    """Asks with keep-alive until so many answers came whole; returns how many were asked for in all."""
    answered, asked, lock = [0], [0], threading.Lock()

    def client():
        connection = http.client.HTTPConnection("127.0.0.1", httpd.port, timeout=30)
        while answered[0] < total:
            try:
                with lock:
                    asked[0] += 1
                connection.request("GET", path)
                connection.getresponse().read()
                with lock:
                    answered[0] += 1
            except (http.client.HTTPException, OSError):
                connection.close()
        connection.close()

    workers = [threading.Thread(target=client) for _ in range(threads)]
    for worker in workers:
        worker.start()
    return workers, answered, asked


@pytest.mark.parametrize("mpm", MPMS)
def test_two_generations_count_in_one_file(serve, fpm, workplace, traffic, mpm):
    """Graceful restarts under load: what the clients got and what is counted agree."""
    httpd = serve(route(workplace) +
                  f"CustomLog {workplace.path}/logs/access.log \"%s %b\"\n", mpm=mpm)
    workers, answered, _ = parallel_requests(httpd, "/style.css", 3000)
    for _ in range(3):
        time.sleep(0.2)
        httpd.graceful()
    for worker in workers:
        worker.join()
    log = workplace.path / "logs" / "access.log"
    wait_until(lambda: traffic.show()["in_flight"] == 0, "all requests to end")
    httpd.graceful()  # the last generation's children have ended, or serve nobody
    # Beside them, a connection that ends without a request is a line with 408.
    logged = sum(line.startswith("200 ") for line in log.read_text().splitlines())
    assert logged >= answered[0] >= 3000
    seen = traffic.settled(logged)
    assert seen["classes"][1] == logged


@pytest.mark.parametrize("mpm", MPMS)
def test_a_killed_child_leaves_nothing_in_flight(serve, fpm, workplace, traffic, mpm):
    httpd = serve(route(workplace), mpm=mpm)

    def ask():
        try:
            httpd.get("/index.php?sleep=3000")
        except (http.client.HTTPException, OSError):
            pass

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    wait_until(lambda: traffic.show()["in_flight"] == 2, "two requests in flight")
    for pid in {r["pid"] for r in traffic.show()["now"]}:
        os.kill(pid, signal.SIGKILL)
    for thread in threads:
        thread.join()
    wait_until(lambda: traffic.show()["in_flight"] == 0, "the dead not to be shown")
    assert traffic.show()["counter"] == 2  # nobody has been there since
    end = time.monotonic() + 15
    while traffic.show()["counter"] != 0 and time.monotonic() < end:
        try:
            httpd.get("/style.css")
        except OSError:
            pass
        time.sleep(0.1)
    seen = traffic.show()
    assert seen["counter"] == 0 and seen["lost"] == 2
    assert seen["begun"] == seen["requests"] + 2


@pytest.mark.parametrize("mpm", ["event", "worker"])
def test_streams_of_http2(serve, fpm, workplace, traffic, mpm):
    httpd = serve(route(workplace) + "LoadModule http2_module /usr/lib/apache2/modules/mod_http2.so\n"
                  "Protocols h2c http/1.1\n", mpm=mpm)
    listed = workplace.path / "urls"
    listed.write_text("".join(f"http://127.0.0.1:{httpd.port}/{name}\n" for name in ("style.css", "index.php")))
    done = subprocess.run(["h2load", "-n", "200", "-c", "2", "-m", "40", "-i", listed], check=True, text=True,
                          capture_output=True, timeout=120)
    assert "200 succeeded, 0 failed" in done.stdout, done.stdout
    seen = traffic.settled(200)
    assert seen["bytes_out"] >= 100 * 20 + 100 * 10
    assert {r["protocol"] for r in seen["recent"]} == {"HTTP/2.0"}
    subprocess.run(["curl", "-sS", "--http2-prior-knowledge", "-d", "0123456789", "-o", "/dev/null",
                    f"http://127.0.0.1:{httpd.port}/index.php"], check=True, timeout=60)
    assert traffic.settled(201)["bytes_in"] == 10
    # Streams that the client gives up.
    for _ in range(3):
        subprocess.run(["curl", "-s", "--http2-prior-knowledge", "-m", "0.3", "-o", "/dev/null",
                        f"http://127.0.0.1:{httpd.port}/index.php?sleep=900"], timeout=60)
    assert traffic.settled(204)["aborted"] == 3


def test_a_retired_board_is_left_for_the_new_one(serve, fpm, workplace, traffic):
    httpd = serve(route(workplace))
    httpd.get("/style.css")
    traffic.settled(1)
    assert traffic.make() == "kept"
    assert traffic.make(services=4096) == "made"
    time.sleep(1.1)  # a child looks for a new board once a second at most
    httpd.get("/style.css")
    httpd.get("/style.css")
    traffic.settled(2)


def test_without_a_board_requests_are_served(serve, fpm, workplace, traffic):
    traffic.path.unlink()
    httpd = serve(route(workplace))
    assert httpd.get("/style.css").status == 200
    assert traffic.make() == "made"
    time.sleep(1.1)
    assert httpd.get("/style.css").status == 200
    traffic.settled(1)


def test_a_truncated_board_ends_no_more_than_a_child(serve, fpm, workplace, traffic):
    """A stolen child may do that; its siblings begin anew, and the parent, which is root, maps nothing."""
    httpd = serve(route(workplace))
    httpd.get("/style.css")
    traffic.settled(1)
    assert set(httpd.mappings(str(traffic.path))) == {1}
    assert str(traffic.path) not in open(f"/proc/{httpd.process.pid}/maps").read()
    os.truncate(traffic.path, 100)
    with pytest.raises((http.client.HTTPException, OSError)):
        httpd.get("/style.css")
    assert traffic.make() == "made"

    def answers():
        try:
            return httpd.get("/style.css").status == 200
        except (http.client.HTTPException, OSError):
            return False

    wait_until(answers, "httpd to answer again")
    wait_until(lambda: traffic.show()["requests"] > 0 or not answers(), "counting to go on")


# ---- the engine ----

def row(stack, name="alpha/web"):
    tenant, service = name.split("/")
    rows = stack.httpd.get("/container-status?format=json").json["containers"]
    return next(r for r in rows if (r["tenant"], r["service"]) == (tenant, service))


def test_the_engine_shows_rates_and_latencies(stack):
    stack.php("alpha", PAGE)
    stack.php("beta", PAGE)
    stack.start()
    httpd = stack.serve("alpha", "beta")
    stack.wait_state("running")
    wait_until(lambda: row(stack)["requests"] is not None, "the first sample")
    assert row(stack)["requests"] == 0 and row(stack).get("latency_p50_seconds") is None
    for n in range(40):
        assert httpd.get(f"/index.php?sleep={200 if n >= 38 else 20}", host="alpha.test").status == 200
    assert httpd.get("/index.php?status=404", host="beta.test").status == 404
    wait_until(lambda: row(stack)["requests"] == 40 and row(stack, "beta/web")["requests"] == 1, "all to be counted")
    seen = row(stack)
    assert seen["latency_p50_seconds"] >= 0.02 and seen["latency_p99_seconds"] >= 0.2
    assert seen["latency_p50_seconds"] <= seen["latency_p95_seconds"] <= seen["latency_p99_seconds"]
    assert abs(seen["last_request_unix"] - time.time()) < 60
    assert seen["requests_in_flight"] == 0
    slow = threading.Thread(target=httpd.get, args=("/index.php?sleep=4000",), kwargs={"host": "alpha.test"})
    slow.start()
    wait_until(lambda: row(stack)["requests_in_flight"] == 1, "one in flight")
    assert row(stack)["state"] == "working"
    slow.join()
    wait_until(lambda: row(stack)["state"] == "running", "none in flight")
    # A new supervisor goes on with the same file, and so do httpd's children.
    assert stack.stop() == 0
    stack.start()
    stack.wait_state("running")
    assert httpd.get("/index.php", host="alpha.test").status == 200
    wait_until(lambda: row(stack).get("requests") == 42, "counts to go on")


def test_the_engine_replaces_a_damaged_board(stack):
    stack.php("alpha", PAGE)
    stack.start()
    httpd = stack.serve("alpha")
    stack.wait_state("running")
    board = stack.path / "run" / "traffic"
    os.truncate(board, 5000)
    wait_until(lambda: board.stat().st_size > 5000, "a new board")
    assert "was damaged" in stack.log()
    assert httpd.get("/index.php", host="alpha.test").status == 200
    wait_until(lambda: row(stack).get("requests") == 1, "the request to be counted")
    with open(board, "r+b") as file:  # and one that says it is retired
        file.seek(28)
        file.write(b"\1")
    before = board.stat().st_ino
    wait_until(lambda: board.stat().st_ino != before, "a new board")
