# SPDX-License-Identifier: Apache-2.0
"""What attackers try at the door."""
import json
import socket
import subprocess

import pytest

from private_httpd import MPMS
from test_door import HOUR, client, passed, serve, statuses, workplace  # noqa: F401 (fixtures)


@pytest.mark.parametrize("mpm", MPMS)
def test_a_hundred_streams_at_once(serve, mpm):
    httpd = serve("Protocols h2c http/1.1\nContainerThrottleLoopback On\n"
                  f"ContainerThrottleRule site 30/{HOUR}\n", modules=["http2"], mpm=mpm)
    said = subprocess.run(["h2load", "-n", "100", "-c", "1", "-m", "100", f"http://127.0.0.1:{httpd.port}/a.html"],
                          check=True, text=True, capture_output=True, timeout=60).stdout
    assert "status codes: 30 2xx, 0 3xx, 70 4xx, 0 5xx" in said, said


def test_nobody_waits_for_the_body_of_a_refused_request(serve):
    httpd = serve(f"Timeout 60\nContainerThrottleLoopback On\nContainerThrottleRule posts 1/{HOUR} method=POST\n")
    assert httpd.post("/a.html", "x").status in (200, 405)
    with socket.create_connection(("127.0.0.1", httpd.port), timeout=20) as slow:
        slow.sendall(b"POST /a.html HTTP/1.1\r\nHost: status.test\r\nContent-Length: 1000000\r\n\r\nx")
        answer = slow.recv(65536)
    assert answer.startswith(b"HTTP/1.1 429 ") and b"Connection: close" in answer


def test_a_request_counts_when_its_head_is_whole(serve):
    httpd = serve(f"ContainerThrottleLoopback On\nContainerThrottleRule site 1/{HOUR}\n")
    with socket.create_connection(("127.0.0.1", httpd.port), timeout=20) as slow:
        slow.sendall(b"GET /a.html HTTP/1.1\r\nHost: status.test\r\n")
        assert passed(httpd, 2, headers={"X-Nothing": "1"}) == 1
        slow.sendall(b"\r\n")
        assert slow.recv(65536).startswith(b"HTTP/1.1 429 ")


def test_an_address_is_forged_only_through_a_proxy_that_is_trusted(serve):
    httpd = serve(f"ContainerThrottleRule site 1/{HOUR}\nRemoteIPInternalProxy 198.51.100.1\n")
    seen = [statuses(httpd, 1, headers=client(f"203.0.113.{i}, 192.0.2.7"))[0] for i in range(1, 5)]
    assert seen == [200, 429, 429, 429]  # the last address that no trusted proxy gave


def test_a_block_holds_over_a_restart_and_spares_others(serve):
    httpd = serve(f"ContainerThrottleRule site 1/{HOUR} block=1h,renew\n")
    assert statuses(httpd, 3) == [200, 429, 429]
    httpd.graceful()
    assert statuses(httpd, 2) == [429, 429]
    assert passed(httpd, 1, headers=client("198.51.100.2")) == 1
    assert httpd.log().count(" blocked in server until ") == 1


def test_text_of_the_client_makes_no_line_of_its_own(serve):
    httpd = serve(f"LogLevel info\nContainerThrottleRule site 1/{HOUR} block=1h\n")
    forged = client(**{"User-Agent": "x\t[forged]", "Accept": "application/json"})
    answers = [httpd.get("/%0a%0d[forged]%22%3cscript%3e", headers=forged) for _ in range(3)]
    assert json.loads(answers[2].text)["status"] == 429
    assert "<script" not in answers[2].text
    assert not any(line.startswith("[forged]") for line in httpd.log().splitlines())
