# SPDX-License-Identifier: Apache-2.0
"""docs/openapi.yaml against a running httpd: every status of every method in it is asked for, every body fits its
schema, and nothing is answered that is not in it."""
import http.client
import re
import socket
import time
import urllib.parse

import jsonschema
import pytest
import yaml

from private_httpd import ROOT, Board, ControlSocket, Httpd, Response, Workplace

DOCUMENT = yaml.safe_load((ROOT / "docs" / "openapi.yaml").read_text())
FORM = "application/x-www-form-urlencoded"
LOCATIONS = """
LogLevel emerg
Timeout 5
<Location /status>
    SetHandler container-status
    ContainerStatus On
    ContainerAdmin On
    ContainerAdminLimit off
</Location>
<Location /limited>
    SetHandler container-status
    ContainerStatus On
    ContainerAdmin On
    ContainerAdminLimit 1
    ContainerStatusScope alpha
</Location>
<Location /closed>
    SetHandler container-status
    ContainerStatus On
    ContainerAdmin On
    AuthType Basic
    AuthName containers
    AuthUserFile /dev/null
    Require valid-user
</Location>
"""


def resolve(part):
    while "$ref" in part:
        found = DOCUMENT
        for step in part["$ref"][2:].split("/"):
            found = found[step]
        part = found
    return part


def documented():
    return {(path, method, int(status)) for path, item in DOCUMENT["paths"].items()
            for method, operation in item.items() if method != "parameters" for status in operation["responses"]}


class Checked:
    """An httpd whose every answer is looked up in the document."""

    def __init__(self, httpd):
        self.httpd = httpd
        self.seen = set()

    def template(self, path):
        rest = path.split("?")[0].split("/")[2:]
        if rest[:1] == ["-"]:
            return "/-/{file}"
        if len(rest) == 3 and rest[2] == "limits":
            return "/{tenant}/{service}/limits"
        return ["/", "/{tenant}", "/{tenant}/{service}"][len([one for one in rest if one])]

    def ask(self, method, path, body=None, **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        reply = self.httpd.request(method, path, body=body, headers=headers)
        return self.judge(method, path, reply)

    def judge(self, method, path, reply):
        key = (self.template(path), method.lower(), reply.status)
        assert key in documented(), (key, reply.body[:500])
        self.seen.add(key)
        response = resolve(DOCUMENT["paths"][key[0]][key[1]]["responses"][str(reply.status)])
        for name, header in response.get("headers", {}).items():
            header = resolve(header)
            value = reply.headers[name]
            assert value or not header.get("required"), (key, name)
            if header["schema"]["type"] == "integer":
                assert int(value) >= header["schema"]["minimum"]
        content = response.get("content")
        if not content:
            assert reply.body == b"", (key, reply.body)
            return reply
        type = reply.headers["Content-Type"].split(";")[0]
        assert type in content, (key, type)
        if type == "application/json":
            schema = {"components": DOCUMENT["components"], **content[type]["schema"]}
            jsonschema.Draft202012Validator(schema).validate(reply.json)
        else:
            assert reply.body.decode("utf-8", "strict")
        return reply

    def post(self, path, body, type=FORM, **headers):
        return self.ask("POST", path, body, Content_Type=type, **headers)


@pytest.fixture
def place():
    workplace = Workplace()
    board = Board(workplace)
    board.slot(0, tenant="alpha", service="web", id="alpha-web-1", state="running", pid=1, cpu_usage_usec=5,
               memory_bytes=1 << 20, tasks=3, message="all is well", image="host")
    board.slot(1, tenant="beta", service="db", id="beta-db-1", state="failed", message="no")
    httpd = Httpd(workplace, LOCATIONS)
    httpd.start()
    control = ControlSocket(workplace, None)
    yield workplace, board, Checked(httpd), control
    httpd.stop()
    control.stop()
    board.stop()
    workplace.remove()


def answer(code=None, state="running", services=("web", "db")):
    def tell(request):
        if request["verb"] == "list":
            found = [{"tenant": request["tenant"], "service": name, "id": name, "state": state, "pid": 1}
                     for name in sorted(services)]
            return {"version": 1, "ok": True, "containers": found}
        if code == "silent":
            return None
        if code:
            return {"version": 1, "ok": False, "code": code, "message": f"because {code}"}
        return {"version": 1, "ok": True, "tenant": request["tenant"], "service": request["service"], "state": state,
                "pid": 7, "changed": True}
    return tell


def look(checked):
    for path in ("/status", "/status/", "/status/alpha"):
        for query in ("", "?auto", "?format=json", "?format=json&sort=cpu_percent,desc&limit=1&page=2&state=R&q=a",
                      "?format=json&notable", "?format=csv", "?format=openmetrics", "?refresh=5", "?flash=x",
                      "?sort=slot"):
            assert checked.ask("GET", path + query).status == 200
        assert checked.ask("GET", path + "?nonsense").status == 400
        checked.ask("HEAD", path)
        checked.ask("OPTIONS", path)
    assert checked.ask("GET", "/status?format=json&tenant=beta").json["selection"]["matched"] == 1
    assert checked.ask("GET", "/limited?format=json").json["supervisor"]["pid"] is None
    etag = checked.ask("GET", "/status?format=json").headers["ETag"]
    for _ in range(50):
        if checked.ask("GET", "/status?format=json", If_None_Match=etag).status == 304:
            break
        etag = checked.ask("GET", "/status?format=json").headers["ETag"]
    checked.ask("HEAD", "/status?nonsense")
    checked.ask("POST", "/status", "action=stop", Content_Type=FORM)
    assert checked.ask("GET", "/closed").status == 401
    assert checked.post("/closed/alpha/web", "action=stop").status == 401


def look_below(checked):
    assert checked.ask("GET", "/limited/beta").status == 404
    assert checked.ask("HEAD", "/limited/beta").status == 404
    assert checked.ask("OPTIONS", "/limited/beta").status == 404
    for query in ("", "?format=json", "?why", "?range=24h", "?range=30d", "?refresh=5"):
        assert checked.ask("GET", "/status/alpha/web" + query).status == 200
    assert checked.ask("GET", "/status/alpha/web?nonsense").status == 400
    assert checked.ask("GET", "/status/alpha/none").status == 404
    assert checked.ask("HEAD", "/status/alpha/none").status == 404
    assert checked.ask("OPTIONS", "/limited/beta/db").status == 404
    checked.ask("HEAD", "/status/alpha/web")
    checked.ask("OPTIONS", "/status/alpha/web")
    look_at_limits(checked)
    page = checked.ask("GET", "/status").text
    names = set(re.findall(r'/status/-/(board\.[0-9a-f]+\.(?:css|js))"', page))
    assert len(names) == 2
    for name in names:
        assert checked.ask("GET", f"/status/-/{name}").status == 200
        checked.ask("HEAD", f"/status/-/{name}")
        checked.ask("OPTIONS", f"/status/-/{name}")
        checked.ask("POST", f"/status/-/{name}", "action=stop", Content_Type=FORM)
        pattern = DOCUMENT["paths"]["/-/{file}"]["parameters"][0]["schema"]["pattern"]
        assert re.match(pattern, name)
    assert checked.ask("GET", "/status/-/board.000000000000.css").status == 404


def look_at_limits(checked):
    for name in ("alpha/web", "beta/db"):
        for query in ("", "?json", "?format=json", "?format=html"):
            assert checked.ask("GET", f"/status/{name}/limits{query}").status == 200
    assert checked.ask("GET", "/status/beta/db/limits?json").json["cause"]["kind"] == "failed"
    assert checked.ask("GET", "/status/alpha/web/limits?nonsense").status == 400
    for path in ("/status/alpha/none/limits", "/limited/beta/db/limits"):
        assert checked.ask("GET", path).status == 404
        assert checked.ask("HEAD", path).status == 404
    checked.ask("HEAD", "/status/alpha/web/limits")
    checked.ask("OPTIONS", "/status/alpha/web/limits")
    checked.ask("POST", "/status/alpha/web/limits", "action=stop", Content_Type=FORM)


def act(checked, control):
    for path in ("/status/alpha/web", "/status/alpha"):
        for method in ("PUT", "DELETE"):
            assert checked.ask(method, path).status == 405
        control.answer = answer()
        assert checked.post(path, "action=start").status == 200
        assert checked.post(path, '{"action": "kill", "signal": "SIGHUP", "wait": 1}',
                            "application/json; charset=utf-8").status == 200
        control.answer = answer(state="stopping")
        assert checked.post(path, "action=stop&wait=0").status == 202
        control.answer = answer("timeout")
        assert checked.post(path, "action=stop&wait=1").status == 202
        for code, status in (("conflict", 409), ("failed", 500), ("busy", 503)):
            control.answer = answer(code)
            assert checked.post(path, "action=stop").status == status
        assert checked.post(path, "action=explode").status == 400
        assert checked.post(path + "?x=1", "action=stop").status == 400
        assert checked.post(path, "action=stop", Sec_Fetch_Site="cross-site").status == 403
        assert checked.post(path, "action=stop", Sec_Fetch_Site="same-origin").status == 403
        assert checked.post(path, "action=stop&back=board").status == 303
    control.answer = answer("not-found")
    assert checked.post("/status/alpha/none", "action=stop").status == 404
    control.answer = answer("forbidden")
    assert checked.post("/status/alpha/web", "action=stop").status == 403
    control.answer = answer(services=())
    assert checked.post("/status/nobody", "action=stop").status == 404
    assert checked.post("/limited/beta/db", "action=stop").status == 404
    for code in ("wrong-version", "too-large", "silent"):
        control.answer = answer(code)
        assert checked.post("/status/alpha/web", "action=stop").status == 502
    control.answer = answer()
    assert checked.post("/status/alpha/web", "action=" + "a" * 5000).status == 413
    assert checked.post("/status/alpha/web", "action=stop", "text/plain").status == 415
    assert checked.post("/status/alpha/web", "action=stop", Content_Encoding="gzip").status == 415
    assert [checked.post("/limited/alpha/web", "action=stop").status for _ in range(2)] == [200, 429]


def act_slowly(checked, control):
    def raw(head, tail=b""):
        """A request that http.client would not send."""
        with socket.create_connection(("127.0.0.1", checked.httpd.port), timeout=60) as connection:
            connection.sendall(b"POST /status/alpha/web HTTP/1.1\r\nHost: status.test\r\nContent-Type: "
                               + FORM.encode() + b"\r\n" + head + b"\r\n" + tail)
            reply = http.client.HTTPResponse(connection, method="POST")
            reply.begin()
            return checked.judge("POST", "/status/alpha/web", Response(reply, reply.read())).status

    assert raw(b"") == 411
    assert raw(b"Content-Length: 11\r\n", b"action=") == 408

    control.answer = lambda request: time.sleep(8)  # and then it breaks off, unheard
    assert checked.post("/status/alpha/web", "action=stop&wait=0").status == 504


def test_the_document_and_the_server_agree(place):
    _, board, checked, control = place
    control.answer = answer()
    look(checked)
    look_below(checked)
    act(checked, control)
    act_slowly(checked, control)
    board.stop()
    for path in ("/status/alpha/web", "/status/alpha/web/limits"):
        assert checked.ask("GET", path).status == 503
    control.stop()
    for path in ("/status/alpha/web", "/status/alpha"):
        assert checked.post(path, "action=stop").status == 503
    assert checked.ask("GET", "/status?format=json").json["supervisor"]["state"] == "unreachable"
    missing = documented() - checked.seen
    assert not missing, f"in the document, and never answered: {sorted(missing)}"


def test_the_document_is_whole():
    """Every reference leads somewhere, every part is used, every parameter of an address is declared."""
    text = (ROOT / "docs" / "openapi.yaml").read_text()
    assert DOCUMENT["openapi"].startswith("3.1.")
    used = set(re.findall(r'\$ref: "#/components/([a-zA-Z]+/[a-zA-Z]+)"', text))
    there = {f"{kind}/{name}" for kind, parts in DOCUMENT["components"].items() for name in parts
             if kind != "securitySchemes"}
    assert used == there
    names = [operation["operationId"] for item in DOCUMENT["paths"].values()
             for method, operation in item.items() if method != "parameters"]
    assert len(names) == len(set(names))
    for path, item in DOCUMENT["paths"].items():
        declared = {resolve(one)["name"] for one in item.get("parameters", [])}
        assert declared == set(re.findall(r"\{([a-z]+)\}", path))
    for schema in DOCUMENT["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("query,is_good", [
    ("sort=slot", True), ("sort=CPU", False), ("limit=0", False), ("limit=10000", True), ("limit=10001", False),
    ("refresh=3600", True), ("refresh=3601", False), ("tenant=alpha", True), ("tenant=Alpha", False),
    ("format=xml", False), ("format=csv", True), ("q=" + "a" * 64, True), ("q=" + "a" * 65, False), ("q=", True),
    ("page=1", True), ("page=0", False), ("notable", True), ("auto", True)])
def test_parameters_mean_the_same_here_and_there(place, query, is_good):
    checked = place[2]
    name, _, value = query.partition("=")
    found = [resolve(one) for one in DOCUMENT["paths"]["/"]["get"]["parameters"] if resolve(one)["name"] == name]
    schema = {"components": DOCUMENT["components"], **found[0]["schema"]}
    value = int(value) if resolve(found[0]["schema"]).get("type") == "integer" else value
    assert jsonschema.Draft202012Validator(schema).is_valid(value) is is_good
    status = checked.ask("GET", "/status?" + urllib.parse.quote(query, safe="=")).status
    assert status == (200 if is_good else 400)
