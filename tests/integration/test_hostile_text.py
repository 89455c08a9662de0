# SPDX-License-Identifier: Apache-2.0
"""Text that a tenant or a visitor chose is harmless in every format, in logs, journals and on terminals.

Each hostile text goes in wherever text can go in; what comes out must be of its format, hold no control
character and no character that turns text round, and add no element, line, cell or header."""
import base64
import csv
import html.parser
import http.client
import io
import json
import re
import socket
import urllib.parse

import pytest

from fake_supervisor import FakeSupervisor
from private_httpd import Board, ControlSocket, Httpd, Workplace
from test_containerctl import ctl_on_terminal
from test_traffic import Traffic

HOSTILE = {
    "markup": b"\"'><script>alert(1)</script><img src=x onerror=alert(1)>&lt;&#x3c;<!--]]>",
    "attribute": b"' onmouseover='alert(1)\" style=\"x:y\" javascript:alert(1)//",
    "terminal": b"\x1b]0;owned\x07\x1b[2J\x1b[31m\x9b31m\xc2\x9b31m\x7f\x08\x08",
    "lines": b"a\r\nSet-Cookie: x=y\r\n\r\n[fake] container-admin: result=ok\n\x0b\x0c\x85\xe2\x80\xa8",
    "utf8": b"\xff\xfe\xc0\xaf\xed\xa0\x80\xf5\x80\x80\x80\xe2\x82 cut\xc3",
    "format": b"%s%n%x%p%1000000d%-9999999s%%{x}i$(id)`id`${PATH}",
    "formula": b"=cmd|' /C calc'!A0,\"=1+1\"",
    "plus": b"+1+1", "minus": b"-1+1|x", "at": b"@SUM(1+1)*cmd", "tab": b"\t=1+1",
    "bidi": "\u202etxt.exe\u202c\u2066x\u2069\u200f\u061c\ufeff".encode(),
    "long": b"A" * 3000,
    "json": b"\"},{\"ok\":true,\"x\":\"\\u0000\\",
    "stream": b"\n\ndata: {\"owned\":1}\n\nevent: x\nid: 1\nretry: 1\n",
    "labels": b"\"} 1\n# TYPE x counter\nx_total{a=\"b\\",
}
BAD = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
LOCATION = """
ExtendedStatus On
<Location /container-status>
    SetHandler container-status
    ContainerStatus On
    ContainerAdmin On
    ContainerAdminLimit off
    ContainerStatusLogs On
</Location>
<Location /server-status>
    SetHandler server-status
</Location>
"""


@pytest.fixture(params=sorted(HOSTILE))
def text(request):
    return HOSTILE[request.param]


@pytest.fixture
def workplace():
    place = Workplace()
    yield place
    place.remove()


@pytest.fixture
def serve(workplace):
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


def said(data):
    """For the writer of boards: bytes that JSON cannot say are written as \\xHH."""
    return "".join(chr(byte) if 0x20 <= byte < 0x7f and byte != 0x5c else f"\\x{byte:02x}" for byte in data)


def fill(board, data):
    word = said(data[:900])
    board.slot(0, tenant=word, service=word, id=word, image=word, message=word, state="failed", pid=7,
               address_ipv4=word, address_ipv6=word, endpoint_kind=1, endpoint_path=word)
    board.slot(1, tenant="alpha", service="web", id="alpha-web-1", image=word, message=word,
               state="failed", address_ipv4=word, address_ipv6=word, endpoint_path=word)


# ---- what holds for each format ----

def clean(body):
    """Strict UTF-8 without characters that act; returns the text."""
    decoded = body.decode("utf-8", "strict")
    found = BAD.search(decoded.replace("\r\n", "\n"))
    assert not found, f"{found!r} in ...{decoded[max(found.start() - 60, 0):found.end() + 20]!r}"
    return decoded


class Page(html.parser.HTMLParser):
    """Notes the elements and what could act in them."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.bad, self.scripts = set(), [], 0
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.scripts += tag == "script"
        for name, value in attributes:
            if name.startswith("on") or name == "style" or (value or "").strip().lower().startswith(
                    ("javascript:", "data:")) and name in ("href", "src", "action", "formaction"):
                self.bad.append((tag, name, value))


def check_page(reply):
    assert reply.status in (200, 400, 404), reply.status
    page = Page(clean(reply.body))
    assert not page.bad and "img" not in page.tags and page.scripts <= 1, page.bad
    assert "alert(1)</script" not in reply.text


def check_auto(reply):
    for line in clean(reply.body).splitlines():
        assert re.fullmatch(r"[A-Za-z0-9_]+(\[[0-9]+\][A-Za-z0-9_\[\]]+)?: .*", line), line


def strings(value):
    if isinstance(value, str):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from strings(inner)


def check_json(reply):
    for one in strings(json.loads(clean(reply.body))):
        assert not BAD.search(one), one


def check_csv(reply):
    rows = list(csv.reader(io.StringIO(clean(reply.body))))
    assert len(rows) == 3 and len({len(row) for row in rows}) == 1
    for cell in rows[1] + rows[2]:
        assert not cell or cell[0] not in "=+-@\t\r" or re.fullmatch(r"-?[0-9.]+", cell), cell


def check_openmetrics(reply):
    sample = re.compile(r'[a-z_:][a-z0-9_:]*(\{([a-z_0-9]+="([^"\\\n]|\\["\\n])*",?)*\})? [-+0-9.eE]+( [0-9.]+)?')
    lines = clean(reply.body).split("\n")
    assert lines[-2:] == ["# EOF", ""]
    for line in lines[:-2]:
        assert re.match(r"# (HELP|TYPE|UNIT) ", line) or sample.fullmatch(line), line


CHECKS = {"html": check_page, "auto&sort=slot": check_auto, "json": check_json, "csv": check_csv,
          "openmetrics": check_openmetrics}


def test_the_board_in_each_format(serve, board, text):
    fill(board, text)
    httpd = serve()
    for name, check in CHECKS.items():
        reply = httpd.get("/container-status?" + (name if "&" in name else f"format={name}"))
        assert reply.status == 200, name
        check(reply)
    check_page(httpd.get("/container-status/alpha"))
    check_page(httpd.get("/container-status/alpha/web"))
    check_json(httpd.get("/container-status/alpha/web?format=json"))
    for path in ("/server-status", "/server-status?auto"):
        status = httpd.get(path)
        assert status.status == 200
        clean(status.body)
        assert text[:20] not in status.body and b"<script" not in status.body


def test_the_stream_of_events(serve, board, text):
    fill(board, text)
    httpd = serve()
    connection = http.client.HTTPConnection("127.0.0.1", httpd.port, timeout=30)
    connection.request("GET", "/container-status?format=events", headers={"Host": "status.test"})
    reply = connection.getresponse()
    told = 0
    while told < 4:  # both slots: how they are, and all of their figures
        line = clean(reply.readline())
        assert re.match(r"(retry: 2000|event: [a-z]+|data: \{.*\}|:.*)?\n$", line), line
        if line.startswith("data: "):
            for one in strings(json.loads(line[6:])):
                assert not BAD.search(one), one
            told += '"tenant"' in line
    connection.close()


def ask_raw(httpd, lines):
    with socket.create_connection(("127.0.0.1", httpd.port), timeout=30) as connection:
        connection.sendall(lines)
        answer = b""
        while part := connection.recv(65536):
            answer += part
    return answer


def test_query_path_and_host(serve, board, text):
    fill(board, b"x")
    httpd = serve()
    quoted = urllib.parse.quote(text, safe="")
    raw = re.sub(rb"[\x00-\x20\x7f]", b"", text)
    for query in (f"q={quoted[:180]}", f"q={quoted}", f"tenant={quoted}", f"sort={quoted}", f"state={quoted}",
                  f"format={quoted}", f"refresh={quoted}", f"flash={quoted}", f"{quoted}=1", quoted):
        for base in ("/container-status", "/container-status/alpha/web"):
            reply = httpd.get(f"{base}?{query}")
            assert reply.status in (200, 400, 414), query
            if reply.headers["Content-Type"].startswith("text/html"):
                check_page(reply)
            else:
                clean(reply.body)
            assert reply.headers["Set-Cookie"] is None
    for path in (quoted, f"alpha/{quoted}", f"{quoted}/web"):
        for method in ("GET", "POST"):
            reply = httpd.request(method, f"/container-status/{path}", body="" if method == "POST" else None)
            assert reply.status in (404, 414), (method, path)
            clean(reply.body)
    answer = ask_raw(httpd, b"GET /container-status?q=" + raw + b" HTTP/1.1\r\nHost: " + raw
                     + b"\r\nConnection: close\r\n\r\n")
    assert b"Set-Cookie" not in answer and b"<script>alert" not in answer and b"\x1b" not in answer
    check_log(httpd)


# ---- admin calls ----

def check_log(httpd):
    """Each line is httpd's own: it begins with a time, and holds nothing that a terminal obeys."""
    data = httpd.error_log.read_bytes()
    assert not re.search(rb"[\x00-\x09\x0b-\x1f\x7f-\xff]", data), re.search(rb".*[\x00-\x09\x0b-\x1f\x7f-\xff].*", data)
    for line in data.decode().splitlines():
        assert re.match(r"\[\w{3} \w{3} \d\d [0-9:.]+ \d{4}\] \[", line), line


def agree(request):
    return {"version": 1, "ok": True, "tenant": request["tenant"], "service": request["service"], "state": "stopped"}


def test_bodies_of_admin_calls(serve, workplace, text):
    control = ControlSocket(workplace, agree)
    try:
        httpd = serve()
        quoted = urllib.parse.quote(text, safe="")
        word = text.decode("latin-1")
        bodies = [text, b"action=" + text]
        bodies += [f"{key}={quoted}".encode() for key in ("action", "signal", "wait", "token", "back", "query")]
        bodies += [f"action=stop&{quoted}=1".encode(), f"action=stop&back=board&query={quoted}".encode()]
        for body in bodies:
            reply = httpd.post("/container-status/alpha/web", body)
            assert reply.status in (303, 400, 413), body
            clean(reply.body)
            assert reply.headers["Set-Cookie"] is None
            if reply.headers["Location"]:
                assert re.fullmatch(r"/container-status\?[!-~]*", reply.headers["Location"])
        for body in ({"action": word}, {word: 1}, {"action": "kill", "signal": word},
                     {"action": "stop", "token": word}):
            reply = httpd.post("/container-status/alpha/web", json.dumps(body, ensure_ascii=False).encode("latin-1"),
                               "application/json")
            assert reply.status in (400, 403, 413), body
            check_json(reply)
        if b"\n" not in text and b"\r" not in text:
            reply = httpd.post("/container-status/alpha/web", "action=stop", text[:800].decode("latin-1"))
            assert reply.status in (400, 415)
        assert control.requests == []
        check_log(httpd)
    finally:
        control.stop()


def test_the_name_of_a_user(serve, workplace, text):
    user = re.sub(rb"[\r\n:\x85]|^#", b"_", text)[:200].strip() or b"x"
    users = workplace.path / "conf" / "users"
    users.write_bytes(user + b":{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n")  # "password"
    users.chmod(0o644)
    control = ControlSocket(workplace, agree)
    try:
        httpd = serve(LOCATION.replace("ContainerAdmin On", f"""ContainerAdmin On
    AuthType Basic
    AuthName containers
    AuthUserFile {users}
    Require valid-user"""))
        secret = base64.b64encode(user + b":password").decode()
        reply = httpd.post("/container-status/alpha/web", "action=stop", headers={"Authorization": f"Basic {secret}"})
        if reply.status == 401:  # httpd itself takes no such name
            assert control.requests == []
        else:
            assert reply.status == 200
            assert not BAD.search(control.requests[0]["actor"]["user"])
            assert httpd.log().count("container-admin: user=") == 1
        check_log(httpd)
    finally:
        control.stop()


def panels(word):
    """What a supervisor might tell of a container that lies about everything."""
    process = {"pid": 7, "pid_inside": 1, "state": "D", "name": word, "command": word, "user": 1000, "cpu_percent": 1.0,
               "cpu_usec": 1, "memory_bytes": 1, "threads": 1, "read_bytes": 1, "write_bytes": 1, "wait_channel": word,
               "age_seconds": 1}
    actor = {"uid": 0, "pid": 1, "user": word, "ip": word, "program": word, word[:30] or "x": word}
    answers = {
        "processes": {"processes": [process], "more": False},
        "why": {"uninterruptible": [{"pid": 1, "name": word, "wait_channel": word, "seconds": 1, "syscall": word}],
                "top": {"cpu": [process], "memory": [process], "disk": [process]},
                "files": [{"path": word, "pid": 1, "write_bytes": 1, "size_bytes": 1}],
                "devices": [{"name": word, "major": 8, "minor": 0, "busy_percent": 99.0, "read_bytes_rate": 1,
                             "write_bytes_rate": 1, "wait_ms": 1.0}],
                "pressure": {}, "sentences": [word]},
        "events": {"events": [{"time": "2026-11-22T05:10:03.123456Z", "tenant": "alpha", "service": "web", "state": word,
                               "level": "warning", "event": word, "actor": actor,
                               "exit": {"code": 1, "signal": 0, "oom_victim": {"pid": 1, "name": word}, "log": [word]}}],
                   "next": "x+1", "more": False},
        "logs": {"lines": [{"time": "2026-11-22T05:10:03.123456Z", "stream": "stderr", "partial": False, "text": word}],
                 "cursor": "1:1", "more": False},
        "history": {"step_seconds": 60, "end_unix": 1795324203, "points": [[1.0, 1, 1, 1.0, 0]]},
        "mails": {"mails": [{"time": "2026-11-22T05:10:03.123456Z", "script": word, "line": 1, "to": word, "subject": word,
                             "headers": word}], "more": False},
        "inspect": {"tenant": "alpha", "service": "web", "id": "alpha-web-1", "state": "running", "pid": 7, "restarts": 0,
                    "source": word, "message": word, "last_exit": None, "cgroup": word, "id_base": 1,
                    "spec": {"image": word, "command": [word], "environment": [word], "hostname": word,
                             "mounts": [{"target": word, "source": word, "type": "bind"}]},
                    "endpoint": {"kind": "fcgi", "path": word}, "network": {"ipv4": word, "ipv6": word, "link": word},
                    "events": [{"time": "2026-11-22T05:10:03.123456Z", "event": word}]},
    }
    return lambda request: answers.get(request["verb"], {"code": "failed", "message": word})


def told(answer):
    return lambda request: {"version": 1, **(lambda one: {"ok": "code" not in one, **one})(answer(request))}


def test_what_the_supervisor_tells_on_the_page(serve, board, workplace, text):
    word = text.decode("utf-8", "replace").replace("\0", "?")
    control = ControlSocket(workplace, told(panels(word)))
    try:
        board.slot(0, tenant="alpha", service="web", state="running", pid=7)
        httpd = serve()
        for query in ("", "?why", "?range=24h"):
            check_page(httpd.get(f"/container-status/alpha/web{query}"))
        reply = httpd.post("/container-status/alpha/web", "action=stop")
        assert reply.status == 500
        check_json(reply)
        check_log(httpd)
    finally:
        control.stop()


def test_the_result_of_a_form(serve, board, workplace, text):
    word = text.decode("utf-8", "replace").replace("\0", "?")
    control = ControlSocket(workplace, lambda request: {"version": 1, "ok": False, "code": "conflict", "message": word})
    try:
        board.slot(0, tenant="alpha", service="web", state="running", pid=7)
        httpd = serve()
        page = httpd.get("/container-status/alpha/web").text
        fields = dict(re.findall(r'name="([a-z]+)" value="([^"]*)"', re.search(
            r'<form method="post".*?</form>', page, re.DOTALL).group(0)))
        reply = httpd.post("/container-status/alpha/web", urllib.parse.urlencode(fields),
                           headers={"Sec-Fetch-Site": "same-origin"})
        assert reply.status == 303 and re.fullmatch(r"[!-~]+", reply.headers["Location"])
        shown = httpd.get(reply.headers["Location"])
        assert 'id="flash"' in shown.text
        check_page(shown)
    finally:
        control.stop()


def test_what_visitors_ask_for(serve, board, workplace, text):
    """The last requests are on the page of the service, with method, address and client."""
    traffic = Traffic(workplace)
    board.slot(0, tenant="alpha", service="web", state="running", pid=7)
    httpd = serve(LOCATION + "ContainerRoute alpha/web docroot=/var/www\n<Location /container-status>\n"
                  "ContainerRoute off\n</Location>\n")
    raw = re.sub(rb"[\x00-\x20\x7f]", b"", text)[:2000]
    for path in (urllib.parse.quote(text[:2000], safe="").encode(), raw):
        ask_raw(httpd, b"GET /" + path + b"?" + path + b" HTTP/1.1\r\nHost: status.test\r\nUser-Agent: " + raw
                + b"\r\nX-Forwarded-For: " + raw + b"\r\nConnection: close\r\n\r\n")
    ask_raw(httpd, b"GET /plain HTTP/1.1\r\nHost: status.test\r\nConnection: close\r\n\r\n")
    check_page(httpd.get("/container-status/alpha/web"))
    clean(httpd.get("/server-status").body)
    check_log(httpd)
    assert traffic.path.exists()


# ---- terminals, and the supervisor's own files ----

def shown_by(root, *arguments):
    """What containerctl writes to a terminal, without the colours, which are its own."""
    shown = ctl_on_terminal(root, *arguments, env={"NO_COLOR": "1"}).replace("\r\n", "\n")
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]", shown), shown
    return shown


def test_containerctl_on_a_terminal(board, workplace, text):
    fill(board, text)
    word = text.decode("utf-8", "replace").replace("\0", "?")
    answer = panels(word)
    verbs = ("processes", "why", "events", "logs", "inspect", "history")
    fake = FakeSupervisor(workplace.path / "run" / "control.sock", {
        **{verb: answer for verb in verbs},
        "stop": lambda request: {"version": 1, "ok": False, "code": "conflict", "message": word}})
    try:
        for arguments in (["ps", "-a"], ["ps", "-a", "-o", "wide"], ["ps", "-a", "--no-trunc"], ["ps", "-a", "-o", "json"],
                          ["ps", "-aq"], ["status"], ["processes", "alpha/web"], ["why", "alpha/web"],
                          ["events", "alpha/web"], ["logs", "alpha/web"], ["logs", "--timestamps", "alpha/web"],
                          ["inspect", "alpha/web"], ["inspect", "-o", "json", "alpha/web"], ["stop", "alpha/web"],
                          ["stop", word], [word], ["ps", f"--{word}"], ["kill", "-s", word, "alpha/web"]):
            assert shown_by(workplace.path, *arguments), arguments
    finally:
        fake.close()


def test_the_journal_and_the_log_of_the_supervisor(stack, text):
    """A user's name comes with each call; log lines and names of processes come out of the container."""
    script = stack.tenant_directory("alpha")
    script.mkdir()
    line = re.sub(rb"[\r\n]", b" ", text)
    (script / "say").write_bytes(b"import sys, time\nsys.stdout.buffer.write(" + repr(line).encode() + b" + b'\\n')\n"
                                 b"sys.stdout.flush()\nopen('/proc/self/comm', 'wb').write(" + repr(line[:15]).encode()
                                 + b" or b'x')\ntime.sleep(1000)\n")
    stack.tenant("alpha", f"""
services:
  web:
    image: host
    command: [/usr/bin/python3, /srv/say, {json.dumps(line.decode('latin-1')[:200].replace("$", "$$"))}]
    volumes: ["./say:/srv/say:ro"]
    stop_signal: SIGKILL
""")
    stack.environment["SUDO_USER"] = line.decode("utf-8", "replace").replace("\0", "?")[:300]
    stack.start()
    stack.wait_state("running")
    stack.wait_log(text[:1].decode("ascii", "replace") if 0x20 < text[0] < 0x7f else "")
    stack.ctl("restart", "alpha/web")
    stack.wait_state("running")
    journal = (stack.path / "lib" / "events" / "events.jsonl").read_bytes().split(b"\n")
    assert journal.pop() == b""
    events = [json.loads(entry) for entry in journal]
    assert [event for event in events if event["event"].startswith("restart asked by") and event["actor"]["uid"] == 0]
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", stack.log()), stack.log()
    for entry in stack.log().strip("\n").split("\n"):
        assert re.match(r"\d{4}-\d\d-\d\dT[0-9:.]+Z \w+: ", entry), entry
    for verb in ("inspect", "events", "processes", "why", "logs"):
        assert shown_by(stack.path, verb, "alpha/web"), verb
    httpd = stack.serve()
    check_page(httpd.get("/container-status/alpha/web"))
    check_page(httpd.get("/container-status/alpha/web?why"))
    check_log(httpd)
