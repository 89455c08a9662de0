# SPDX-License-Identifier: Apache-2.0
"""ContainerStatusScope: a Location for some tenants, in every format; nobody else can be guessed."""
import http.client

import pytest

from private_httpd import Board, ControlSocket, Httpd, Workplace

SECTION = """
<Location {path}>
    SetHandler container-status
    ContainerStatus On
    ContainerAdmin On
    {scope}
</Location>
"""
CONFIG = ("LogLevel emerg\n"
          + SECTION.format(path="/all", scope="")
          + SECTION.format(path="/mine", scope="ContainerStatusScope alpha\n    ContainerStatusScope gamma later")
          + SECTION.format(path="/mine/narrow", scope="ContainerStatusScope gamma")
          + SECTION.format(path="/mine/same", scope="")
          + """
<Location /script>
    SetHandler container-admin
    ContainerAdmin On
    ContainerStatusScope alpha
</Location>
""")
FORMATS = ["", "auto&sort=slot", "format=json", "format=csv", "format=openmetrics", "format=events"]
SECRET = "otherone"


@pytest.fixture
def workplace():
    place = Workplace()
    yield place
    place.remove()


@pytest.fixture
def board(workplace):
    board = Board(workplace)
    board.slot(0, tenant="alpha", service="web", state="running", pid=11, image="img-alpha")
    board.slot(1, tenant=SECRET, service="web", state="failed", pid=12, image="img-" + SECRET,
               message="failing " + SECRET)
    board.slot(2, tenant="gamma", service="db", state="paused", pid=13)
    yield board
    board.stop()


def answer(request):
    told = {"version": 1, "ok": True, "tenant": request.get("tenant"), "service": request.get("service")}
    if request["verb"] == "list":
        told["containers"] = [{"tenant": request["tenant"], "service": "web", "state": "running"}]
    return told


@pytest.fixture
def control(workplace):
    control = ControlSocket(workplace, answer)
    yield control
    control.stop()


@pytest.fixture
def httpd(workplace, board, control):
    httpd = Httpd(workplace, CONFIG)
    yield httpd.start()
    httpd.stop()


def read(httpd, path):
    """The text of a page; of a stream of events, all up to the first pause."""
    if "events" not in path:
        reply = httpd.get(path)
        assert reply.status == 200, (path, reply.text)
        return reply.text
    connection = http.client.HTTPConnection("127.0.0.1", httpd.port, timeout=30)
    connection.request("GET", path, headers={"Host": "status.test"})
    reply = connection.getresponse()
    assert reply.status == 200
    text = ""
    # The slot that was written last is told last in the first sample.
    while '"gamma"' not in text or not text.endswith("\n\n"):
        line = reply.readline().decode()
        assert line, text
        text += line
    connection.close()
    return text


@pytest.mark.parametrize("query", FORMATS)
def test_rows_of_others_are_in_no_format(httpd, query):
    everything = read(httpd, f"/all?{query}")
    assert SECRET in everything and "alpha" in everything
    mine = read(httpd, f"/mine?{query}")
    assert "alpha" in mine and "gamma" in mine and SECRET not in mine
    narrow = read(httpd, f"/mine/narrow?{query}")
    assert "gamma" in narrow and "alpha" not in narrow.replace("img-alpha", "") and SECRET not in narrow
    assert "alpha" in read(httpd, f"/mine/same?{query}")
    assert SECRET not in read(httpd, f"/mine/same?{query}")


@pytest.mark.parametrize("ask", [f"q={SECRET}", f"tenant={SECRET}", "q=failing", "state=failed", "sort=slot"])
@pytest.mark.parametrize("format", ["html", "auto", "json", "csv", "openmetrics"])
def test_no_filter_finds_others(httpd, ask, format):
    reply = httpd.get(f"/mine?format={format}&{ask}")
    assert reply.status == 200
    # The page repeats what was asked for in links and fields; rows and sums must not tell.
    assert "img-" + SECRET not in reply.text and f"/mine/{SECRET}/web" not in reply.text
    if format != "html":
        assert SECRET not in reply.text
    if format == "json":
        assert reply.json["counts"]["total"] == 2 and reply.json["counts"]["failed"] == 0
        assert reply.json["selection"]["matched"] == (2 if ask == "sort=slot" else 0)


def test_counts_letters_and_the_machine(httpd):
    every, mine = httpd.get("/all?format=json").json, httpd.get("/mine?format=json").json
    assert every["counts"]["total"] == 3 and mine["counts"]["total"] == 2
    assert every["scoreboard"] == "RXP" and "X" not in mine["scoreboard"]
    for key in ("host_cpus", "host_memory_bytes", "pid"):
        assert every["supervisor"][key]
        assert mine["supervisor"].get(key) is None, key
    auto = httpd.get("/mine?auto").text
    assert "HostCpus" not in auto and "HostMemoryBytes" not in auto and "SupervisorPid" not in auto
    assert "HostCpus" in httpd.get("/all?auto").text


@pytest.mark.parametrize("base", ["/mine", "/script"])
def test_an_outsider_is_like_nobody(httpd, control, base):
    for method, tail in [("GET", "/web"), ("GET", ""), ("HEAD", "/web"), ("OPTIONS", "/web"),
                         ("POST", "/web"), ("POST", ""), ("PUT", "/web")]:
        body = "action=stop" if method == "POST" else None
        headers = {"Content-Type": "application/x-www-form-urlencoded"} if body else {}
        there = httpd.request(method, f"{base}/{SECRET}{tail}", body=body, headers=headers)
        nobody = httpd.request(method, f"{base}/nobodyatall{tail}", body=body, headers=headers)
        if base == "/script" and method in ("GET", "HEAD") and there.status == 405:
            assert nobody.status == 405
            continue
        assert there.status == nobody.status == 404, (method, tail)
        assert there.text.replace(SECRET, "NAME") == nobody.text.replace("nobodyatall", "NAME")
        hidden = ("Date", "Content-Length", "Connection", "Keep-Alive")
        assert [h for h in there.headers.items() if h[0] not in hidden] == \
            [h for h in nobody.headers.items() if h[0] not in hidden]
    assert control.requests == []


def test_actions_within_the_scope(httpd, control):
    assert httpd.post("/mine/alpha/web", "action=stop").status == 200
    assert httpd.post("/mine/alpha", "action=stop").status == 200
    assert httpd.post("/script/alpha/web", "action=stop").status == 200
    assert httpd.post("/script/gamma/db", "action=stop").status == 404
    assert httpd.post("/mine/narrow/gamma/db", "action=stop").status == 200
    assert httpd.post("/mine/narrow/alpha/web", "action=stop").status == 404
    assert httpd.get("/mine/alpha/web").status == 200
    assert httpd.get("/mine/alpha").status == 200
    assert httpd.get(f"/mine/{SECRET}/web?format=json").status == 404


@pytest.mark.parametrize("scope,complaint", [
    ("ContainerStatusScope", "ContainerStatusScope"),
    ("ContainerStatusScope Alpha", "Alpha"),
    ("ContainerStatusScope a/b", "a/b"),
    ("ContainerStatusScope *", "*"),
    ("ContainerAdminLimit 0", "from 1 to 6000"),
    ("ContainerAdminLimit many", "from 1 to 6000"),
])
def test_a_wrong_word_stops_the_start(workplace, scope, complaint):
    status, said = Httpd(workplace, SECTION.format(path="/mine", scope=scope)).check()
    assert status != 0 and complaint in said, said


@pytest.mark.parametrize("where", ["{}", "<Directory /tmp>\n{}\n</Directory>", "<Files x>\n{}\n</Files>"])
def test_it_stands_in_a_location_only(workplace, where):
    status, said = Httpd(workplace, where.format("ContainerStatusScope alpha")).check()
    assert status != 0 and "ContainerStatusScope" in said, said
