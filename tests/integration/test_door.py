# SPDX-License-Identifier: Apache-2.0
"""The door: exactly as many requests pass as a rule says, wherever it stands and whatever asks."""
import contextlib
import http.client
import json
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from private_httpd import MPMS, PROXY, ROOT, Httpd, Workplace

CLIENTS = "RemoteIPHeader X-Client\nRemoteIPInternalProxy 127.0.0.1\n"
HOUR = "3600s"


@pytest.fixture
def workplace():
    place = Workplace()
    for name in ("a.html", "b.html", "wp-login.php"):
        (place.path / "htdocs" / name).write_text(name)
    yield place
    place.remove()


@pytest.fixture
def serve(workplace):
    started = []

    def start(body, modules=(), **options):
        httpd = Httpd(workplace, CLIENTS + body, modules=PROXY + ["remoteip"] + list(modules), **options)
        started.append(httpd)
        return httpd.start()

    yield start
    for httpd in started:
        httpd.stop()


def client(address="198.51.100.1", **more):
    return {"X-Client": address, **more}


def statuses(httpd, count, path="/a.html", headers=None, method="GET"):
    return [httpd.request(method, path, headers=headers or client()).status for _ in range(count)]


def one_after_the_other(httpd, count, path, headers):
    """What an answer costs is counted once it was sent: only the next request of its connection surely comes later."""
    seen = []
    connection = http.client.HTTPConnection("127.0.0.1", httpd.port, timeout=30)
    with contextlib.closing(connection):
        for _ in range(count):
            connection.request("GET", path, headers={"Host": f"status.test:{httpd.port}", **headers})
            reply = connection.getresponse()
            reply.read()
            seen.append(reply.status)
    return seen


def passed(httpd, count, **options):
    return statuses(httpd, count, **options).count(200)


@pytest.mark.parametrize("mpm", MPMS)
def test_exactly_n_of_many_parallel_requests_pass(serve, mpm):
    httpd = serve(f"StartServers 3\nContainerThrottleRule site 20/{HOUR}\n", mpm=mpm)
    with ThreadPoolExecutor(16) as pool:
        seen = list(pool.map(lambda _: httpd.get("/a.html", headers=client()).status, range(100)))
    assert seen.count(200) == 20 and seen.count(429) == 80
    assert passed(httpd, 2, headers=client("198.51.100.2")) == 2


def test_a_window_goes_on_over_a_graceful_restart(serve):
    httpd = serve(f"ContainerThrottleRule site 5/{HOUR}\n")
    assert passed(httpd, 3) == 3
    httpd.graceful()
    assert passed(httpd, 5) == 2


def test_children_that_end_take_no_count_with_them(serve):
    httpd = serve(f"MaxConnectionsPerChild 1\nContainerThrottleRule site 5/{HOUR}\n", mpm="prefork")
    assert passed(httpd, 10) == 5


def test_a_refusal_keeps_the_connection_and_a_block_closes_it(serve):
    httpd = serve(f"ContainerThrottleRule site 1/{HOUR}\n<Location /b.html>\n"
                  f"ContainerThrottleRule b 1/{HOUR} block=1h\nContainerThrottleRule site off\n</Location>\n"
                  f"ContainerThrottleRule site 3/{HOUR}\n")
    connection = http.client.HTTPConnection("127.0.0.1", httpd.port, timeout=30)
    seen = []
    for path in ["/a.html"] * 5:
        connection.request("GET", path, headers=client())
        answer = connection.getresponse()
        answer.read()
        seen.append((answer.status, answer.will_close))
    assert seen == [(200, False)] * 3 + [(429, False)] * 2
    connection.close()
    httpd.get("/b.html", headers=client("198.51.100.3"))
    for _ in range(2):
        refused = httpd.get("/b.html", headers=client("198.51.100.3"))
        assert refused.status == 429 and refused.headers["Connection"] == "close"
    assert httpd.log().count("blocked in server <Location") == 1


def test_answers(serve):
    httpd = serve(f"ContainerThrottleRule site 1/{HOUR}\n")
    httpd.get("/a.html", headers=client())
    page = httpd.get("/a.html", headers=client(Accept="text/html,application/json"))
    assert page.status == 429 and "<title>429 Too Many Requests</title>" in page.text
    assert 3000 < int(page.headers["Retry-After"]) <= 3600
    assert page.headers["Cache-Control"] == "no-store" and "<script" not in page.text
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    machine = httpd.get("/a.html", headers=client(Accept="application/json"))
    assert json.loads(machine.text) == {"status": 429, "error": "too many requests",
                                        "retry_after": int(machine.headers["Retry-After"])}
    assert httpd.request("HEAD", "/a.html", headers=client()).body == b""


def test_all_spellings_of_a_page_are_one(serve):
    httpd = serve(f"ContainerThrottleRule page 2/{HOUR} per=page\n")
    spellings = ["/a.html", "/a.html?x=1", "//a.html", "/%61.html", "/x/../a.html", "/./a%2ehtml", "/a.%68tml"]
    assert [httpd.get(path, headers=client()).status for path in spellings].count(200) == 2
    assert passed(httpd, 3, path="/b.html") == 2


def test_odd_targets_do_no_harm(serve):
    httpd = serve(f"ContainerThrottleRule page 1/{HOUR} per=page\nContainerThrottleRule site 90/{HOUR}\n")
    for method, target in [("OPTIONS", "*"), ("CONNECT", "a:1"), ("GET", "http://status.test/a.html"), ("GET", "/%")]:
        assert httpd.request(method, target, headers=client()).status in (200, 400, 404, 405)
    assert "exit signal" not in httpd.log()
    assert passed(httpd, 2) == 0  # the absolute URI was the same page


def test_methods_paths_and_answers_have_rules_of_their_own(serve):
    httpd = serve(f"ContainerThrottleRule posts 2/{HOUR} method=POST\n"
                  f"ContainerThrottleRule login 1/{HOUR} path=/wp-login.php\n"
                  f"ContainerThrottleRule missing 6/{HOUR} status=404:3\n")
    assert statuses(httpd, 3, method="POST").count(429) == 1
    assert statuses(httpd, 2, path="/wp-login.php") == [200, 429]
    other = client("198.51.100.9")
    assert one_after_the_other(httpd, 4, "/none", other) == [404, 404, 429, 429]
    assert statuses(httpd, 1, headers=other) == [429]


def test_lists_loopback_and_expressions(serve):
    httpd = serve(f"ContainerThrottleRule site 1/{HOUR}\nContainerThrottleAllow 198.51.100.64/26\n"
                  "ContainerThrottleDeny 203.0.113.0/24 \"expr=%{HTTP_USER_AGENT} == 'bad'\"\n")
    assert passed(httpd, 4, headers=client("198.51.100.70")) == 4
    assert statuses(httpd, 1, headers=client("203.0.113.5")) == [403]
    assert statuses(httpd, 1, headers={"X-Client": "198.51.100.3", "User-Agent": "bad"}) == [403]
    assert passed(httpd, 4, headers={"X-Nothing": "1"}) == 4  # loopback itself


def test_loopback_counts_when_it_is_said(serve):
    httpd = serve(f"ContainerThrottleLoopback On\nContainerThrottleRule site 1/{HOUR}\n")
    assert passed(httpd, 3, headers={"X-Forwarded-For": "192.0.2.7"}) == 1
    assert passed(httpd, 3, headers={"X-Forwarded-For": "192.0.2.8"}) == 0  # forged


def test_a_network_of_ipv6_and_mapped_ipv4_are_one_client(serve):
    httpd = serve(f"ContainerThrottleRule site 2/{HOUR}\n")
    assert sum(passed(httpd, 1, headers=client(f"2001:db8::{i}")) for i in range(1, 6)) == 2
    assert passed(httpd, 1, headers=client("2001:db8:0:1::1")) == 1
    assert passed(httpd, 2, headers=client("198.51.100.1")) == 2
    assert passed(httpd, 1, headers=client("::ffff:198.51.100.1")) == 0


def test_dry_runs_refuse_nobody(serve):
    httpd = serve(f"ContainerThrottleRule site 1/{HOUR} dry-run block=1h\n"
                  "<Location /b.html>\nContainerThrottle DryRun\n"
                  f"ContainerThrottleRule b 1/{HOUR}\n</Location>\nLogLevel info\n")
    assert passed(httpd, 4) == 4 and passed(httpd, 4, path="/b.html") == 4
    assert "would be refused" in httpd.log()


def test_a_rule_that_watches_hides_no_block_of_another(serve):
    httpd = serve(f"ContainerThrottleRule watch 9/{HOUR} dry-run block=1h\n"
                  "ContainerThrottleRule site 1/1h block=1h path=/b.html\n")
    assert statuses(httpd, 2, path="/b.html") == [200, 429]
    assert statuses(httpd, 2) == [429, 429]


def test_the_log_is_limited_and_has_nothing_of_the_client_unescaped(serve):
    httpd = serve(f"LogLevel info\nContainerThrottleRule site 1/{HOUR}\n")
    statuses(httpd, 30, path="/%0aforged%1b[31m")
    lines = [line for line in httpd.log().splitlines() if "ContainerThrottle: client" in line]
    assert 1 <= len(lines) <= 4
    assert not any(line.startswith("forged") for line in httpd.log().splitlines()) and "\x1b" not in httpd.log()


def test_without_a_directory_the_memory_outlives_a_graceful_restart(serve):
    httpd = serve(f"ContainerRoot /nonexistent\nContainerThrottleRule site 5/{HOUR}\n")
    assert passed(httpd, 3) == 3
    httpd.graceful()
    assert passed(httpd, 5) == 2
    assert httpd.log().count("memory that ends with httpd") == 1


def test_without_a_rule_there_is_no_table(serve, workplace):
    httpd = serve("ContainerThrottleDeny 203.0.113.0/24\n")
    assert statuses(httpd, 1, headers=client("203.0.113.5")) == [403]
    assert passed(httpd, 3) == 3
    assert not (workplace.path / "run" / "throttle").exists()


def test_virtual_hosts_count_apart_and_the_server_for_all(serve):
    vhosts = "".join(f"<VirtualHost *>\nServerName {name}.test\n{rule}</VirtualHost>\n" for name, rule in
                     [("one", f"ContainerThrottleRule own 2/{HOUR}\n"),
                      ("two", f"ContainerThrottleRule own 2/{HOUR}\n"), ("three", "")])
    httpd = serve(f"ContainerThrottleRule all 5/{HOUR}\n" + vhosts)
    seen = {name: [httpd.get("/a.html", headers=client(), host=f"{name}.test").status for _ in range(3)].count(200)
            for name in ("one", "two", "three")}
    assert seen["one"] == 2 and seen["two"] <= 2 and sum(seen.values()) <= 5
    assert httpd.get("/a.html", headers=client("198.51.100.2"), host="two.test").status == 200


@pytest.mark.parametrize("line, cure", [
    ("ContainerThrottleRule site 5", "NUMBER/INTERVAL"),
    ("ContainerThrottleRule site 0/1s", "from 1 to 65535"),
    ("ContainerThrottleRule site 5/1s burst=x", "from 1 to 65535"),
    ("ContainerThrottleRule site 5/1s colour=red", "is not an option"),
    ("ContainerThrottleRule site 5/1s method=GRAB", "knows no method"),
    ("ContainerThrottleRule site 5/1s status=999:1", "404:3"),
    ("ContainerThrottleRule site 5/1s status-code=299", "429, 403 or 503"),
    ("ContainerThrottleRule site 5/1s block=1h,ever", "renew"),
    ("ContainerThrottle Maybe", "On, Off or DryRun"),
    ("ContainerThrottlePrefix 32 200", "16 to 128"),
    ("ContainerThrottleTable 5", "1024 to 16777216"),
    ("ContainerThrottleStatus 200", "429, 403 or 503"),
])
def test_a_wrong_word_stops_the_start(workplace, line, cure):
    status, said = Httpd(workplace, line + "\n").check()
    assert status != 0 and cure in said and line.split()[0] in said


def test_the_example_is_a_configuration(workplace):
    status, said = Httpd(workplace, f"Include {ROOT}/conf/throttle.conf\n").check()
    assert status == 0, said


def test_the_rules_are_shown(workplace):
    httpd = Httpd(workplace, "ContainerThrottleRule site 50/200ms block=10s,renew\n"
                             "<Location /x>\nContainerThrottleRule x 1/1m per=page\n</Location>\n")
    shown = subprocess.run(["apache2", "-t", "-D", "DUMP_CONTAINER_THROTTLE", "-f", httpd.config],
                           capture_output=True, text=True, timeout=60, check=True).stdout
    assert "server: site 50/200ms per=client block=10s,renew" in shown
    assert "server <Location /x>: x 1/1m per=page" in shown
