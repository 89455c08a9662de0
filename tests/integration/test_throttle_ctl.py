# SPDX-License-Identifier: Apache-2.0
"""containerctl throttle: what it says of httpd's blocks is so, and what it does holds at the next request."""
import json
import subprocess

import pytest

from private_httpd import BUILD, PROXY, Httpd, Workplace

CLIENTS = "RemoteIPHeader X-Client\nRemoteIPInternalProxy 127.0.0.1\n"
ONE, OTHER = "198.51.100.7", "203.0.113.9"


@pytest.fixture
def workplace():
    place = Workplace()
    (place.path / "htdocs" / "a.html").write_text("a")
    yield place
    place.remove()


@pytest.fixture
def httpd(workplace):
    httpd = Httpd(workplace, CLIENTS + "ContainerThrottleRule site 2/3600s block=3600s\n",
                  modules=PROXY + ["remoteip"]).start()
    httpd.get("/a.html")  # its socket listens before its table is made
    yield httpd
    httpd.stop()


@pytest.fixture
def ctl(workplace):
    def run(*words):
        return subprocess.run([BUILD / "containerctl", "throttle", "--root", workplace.path, *words],
                              capture_output=True, text=True, timeout=30)

    return run


def status(httpd, client):
    return httpd.get("/a.html", headers={"X-Client": client}).status


def blocks(ctl):
    return json.loads(ctl("-o", "json", "ls").stdout)["blocks"]


def test_a_block_of_httpd_is_listed_and_taken_back(httpd, ctl):
    assert [status(httpd, ONE) for _ in range(5)] == [200, 200, 429, 429, 429]
    [block] = blocks(ctl)
    assert block["client"] == ONE and block["rule"] == "site" and not block["by_admin"]
    assert block["refused"] == 2 and 3000 < block["left_seconds"] <= 3600
    assert ONE in ctl("ls").stdout and "blocked as" in ctl("test", ONE).stdout
    assert ctl("test", OTHER).stdout == "not blocked\n"
    assert ctl("rm", ONE).returncode == 0
    assert status(httpd, ONE) == 200 and blocks(ctl) == []
    again = ctl("rm", ONE)
    assert again.returncode == 1 and "not blocked" in again.stderr


def test_a_network_is_blocked_by_hand_over_a_restart(httpd, ctl):
    assert status(httpd, OTHER) == 200
    assert ctl("add", "203.0.113.0/24", "--for", "1h").returncode == 0
    assert status(httpd, OTHER) == 429 and status(httpd, ONE) == 200
    httpd.stop()
    httpd.start()
    assert status(httpd, OTHER) == 429  # waits until httpd is ready
    assert ctl("clear").stdout == "0 blocks taken back\n" and status(httpd, OTHER) == 429
    assert ctl("clear", "--all").stdout == "1 blocks taken back\n" and status(httpd, OTHER) == 200


def test_an_address_of_ipv6_is_its_network(httpd, ctl):
    assert ctl("add", "2001:db8:1:2::99").returncode == 0
    assert status(httpd, "2001:db8:1:2::1") == 429 and status(httpd, "2001:db8:1:3::1") == 200
    assert blocks(ctl)[0]["client"] == "2001:db8:1:2::/64"


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "0.0.0.0/0", "::/0", "126.0.0.0/7"])
def test_this_machine_is_blocked_only_by_force(httpd, ctl, address):
    refused = ctl("add", address)
    assert refused.returncode == 2 and "--force" in refused.stderr and blocks(ctl) == []
    assert ctl("add", address, "--force").returncode == 0 and len(blocks(ctl)) == 1


@pytest.mark.parametrize("words, what", [(["add", "nobody"], "is not an address"), (["add", "192.0.2.1/24"], "192.0.2.0/24"),
                                         (["add"], "one address"), (["ls", "x"], "no argument"), (["mend"], "write ls"),
                                         (["add", "192.0.2.1", "--for", "400d"], "--for")])
def test_wrong_words_are_refused(httpd, ctl, words, what):
    done = ctl(*words)
    assert done.returncode == 2 and what in done.stderr and blocks(ctl) == []


def test_without_a_table_it_says_why(ctl):
    done = ctl("ls")
    assert done.returncode == 1 and "ContainerThrottleRule" in done.stderr
