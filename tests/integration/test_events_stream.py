# SPDX-License-Identifier: Apache-2.0
"""?format=events: what a client of the stream is told, and what streams may take of the server."""
import http.client
import json
import time

import pytest

from private_httpd import MPMS, Board, Httpd, Workplace, wait_until
from test_module_status import LOCATION


@pytest.fixture
def place():
    place = Workplace()
    yield place
    place.remove()


@pytest.fixture
def board(place):
    board = Board(place)
    yield board
    board.stop()


@pytest.fixture
def serve(place, board):
    started = []

    def start(extra="", **options):
        started.append(Httpd(place, extra + LOCATION, **options))
        return started[-1].start()

    yield start
    for httpd in started:
        httpd.stop()


class Stream:
    """A client of the stream: next() is one event, (name, data); None is its end."""

    def __init__(self, httpd, query="", seconds=20):
        self.connection = http.client.HTTPConnection("127.0.0.1", httpd.port, timeout=seconds)
        self.connection.request("GET", f"/container-status?format=events{query}", headers={"Host": "status.test"})
        self.reply = self.connection.getresponse()
        self.status, self.headers = self.reply.status, self.reply.headers

    def next(self):
        name = None
        while True:
            line = self.reply.readline().decode()
            if line == "":
                return None
            if line.startswith("event: "):
                name = line[len("event: "):].strip()
            elif line.startswith("data: "):
                assert name, line
                return name, json.loads(line[len("data: "):])
            else:
                assert line == "\n" or line.startswith(("retry: ", ": ")), line

    def until(self, name, wanted=lambda data: True):
        """The first event of that name that is wanted."""
        while True:
            event = self.next()
            assert event is not None, "the stream ended"
            if event[0] == name and wanted(event[1]):
                return event[1]

    def close(self):
        self.reply.close()
        self.connection.close()


@pytest.fixture
def listen():
    streams = []

    def start(httpd, query="", **options):
        streams.append(Stream(httpd, query, **options))
        return streams[-1]

    yield start
    for stream in streams:
        stream.close()


@pytest.mark.parametrize("mpm", MPMS)
def test_a_client_is_told_all_and_then_what_changes(serve, board, listen, mpm):
    board.slot(0, tenant="alpha", service="web", requests=1)
    board.slot(1, tenant="beta", service="web", state="sleeping")
    stream = listen(serve(mpm=mpm))
    assert stream.status == 200 and stream.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert stream.headers["Cache-Control"] == "no-store"
    told = stream.until("board")
    assert told["scoreboard"] == "R_" and told["version"] == 2 and "containers" not in told
    assert stream.next() == ("state", {"slot": 0, "tenant": "alpha", "service": "web", "replica": 1, "from": None,
                                       "to": "running"})
    assert stream.next()[1]["requests"] == 1
    assert stream.until("container")["tenant"] == "beta"
    board.slot(0, tenant="alpha", service="web", requests=2)
    # No change of state comes before the row of what only counts on.
    while (event := stream.next())[0] != "container":
        assert event[0] == "board", event
    assert event[1]["requests"] == 2
    board.slot(1, tenant="beta", service="web", state="starting")
    assert stream.until("state") == {"slot": 1, "tenant": "beta", "service": "web", "replica": 1, "from": "sleeping",
                                     "to": "starting"}
    board.slot(1, state="open")
    assert stream.until("gone") == {"slot": 1}


def test_a_row_is_told_once(serve, board, listen):
    board.slot(0, tenant="alpha", service="web", requests=1)
    stream = listen(serve())
    stream.until("container")
    boards = 0
    while boards < 5:
        name, _ = stream.next()
        assert name == "board", name
        boards += 1


def test_only_what_the_query_chooses(serve, board, listen):
    board.slot(0, tenant="alpha", service="web")
    board.slot(1, tenant="beta", service="web")
    stream = listen(serve(), "&tenant=beta&state=R,S")
    assert stream.until("state")["slot"] == 1
    board.slot(0, tenant="alpha", service="web", state="starting")
    board.slot(1, tenant="beta", service="web", state="failed")
    while (event := stream.next())[0] != "gone":
        assert event[0] == "board" or event[1]["slot"] == 1, event
    assert event[1] == {"slot": 1}


def test_a_scope_holds_in_the_stream(place, board, listen):
    board.slot(0, tenant="alpha", service="web")
    board.slot(1, tenant="beta", service="web")
    httpd = Httpd(place, LOCATION.replace("ContainerStatus On", "ContainerStatus On\nContainerStatusScope beta"))
    httpd.start()
    try:
        stream = listen(httpd)
        told = stream.until("board")
        assert told["scoreboard"] == "R" and told["host"] is None and told["supervisor"]["pid"] is None
        assert stream.until("container")["tenant"] == "beta"
        board.slot(0, tenant="alpha", service="web", state="failed")
        board.slot(1, tenant="beta", service="web", state="failed")
        while (event := stream.next())[0] != "state":
            assert "alpha" not in json.dumps(event)
        assert event[1]["tenant"] == "beta"
    finally:
        httpd.stop()


def test_the_supervisor_goes_and_another_comes(serve, board, place, listen):
    board.slot(0, tenant="alpha", service="old")
    stream = listen(serve())
    stream.until("container")
    board.stop()
    assert stream.until("board", lambda told: told["supervisor"]["state"] != "live")["scoreboard"] is None
    assert stream.until("gone") == {"slot": 0}
    second = Board(place)
    try:
        second.slot(0, tenant="alpha", service="new")
        assert stream.until("container", lambda row: row["service"] == "new")["state"] == "running"
    finally:
        second.stop()


def test_streams_are_bounded_and_a_place_is_free_again(serve, board, listen):
    """Of 2 x 8 workers a quarter, of a child's 8 threads a quarter: never more, however many come."""
    httpd = serve("ServerLimit 2\nThreadsPerChild 8\nMaxRequestWorkers 16\nMinSpareThreads 16\n"
                  "MaxSpareThreads 16\n")
    streams = [listen(httpd) for _ in range(12)]
    served = [stream for stream in streams if stream.status == 200]
    refused = [stream for stream in streams if stream.status == 503]
    assert 2 <= len(served) <= 4 and len(refused) == 12 - len(served)
    assert all(int(stream.headers["Retry-After"]) > 0 for stream in refused)
    for stream in refused:
        stream.close()
    assert httpd.get("/container-status?auto").status == 200
    for stream in served:
        stream.close()

    def comes_in():
        stream = listen(httpd)
        came = stream.status == 200
        stream.close()
        return came

    wait_until(comes_in, "a place to be given back")


@pytest.mark.parametrize("mpm", MPMS)
def test_a_graceful_restart_ends_the_streams(serve, board, listen, mpm):
    httpd = serve(mpm=mpm)
    stream = listen(httpd)
    stream.until("board")
    httpd.graceful()
    before = time.monotonic()
    while stream.next() is not None:
        assert time.monotonic() - before < 15, "the old child still tells"
    again = listen(httpd)
    assert again.until("board")["supervisor"]["state"] == "live"


def test_a_stop_does_not_crash_a_child_that_tells(serve, board, listen):
    httpd = serve()
    listen(httpd).until("board")
    httpd.stop()
    assert "Segmentation" not in httpd.log() and "exit signal" not in httpd.log()


def test_head_takes_no_place(serve, board):
    reply = serve().request("HEAD", "/container-status?format=events")
    assert reply.status == 200 and reply.headers["Content-Type"].startswith("text/event-stream")
