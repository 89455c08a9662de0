# SPDX-License-Identifier: Apache-2.0
"""POST /container-status/TENANT/SERVICE of a real httpd, against a control socket of the test."""
import json
import subprocess

import pytest

from private_httpd import MPMS, Board, ControlSocket, Httpd, Workplace

LOCATION = """
LogLevel emerg
<Location /container-status>
    SetHandler container-status
    ContainerStatus On
    ContainerAdmin On
</Location>
<Location /admin-only>
    SetHandler container-admin
    ContainerAdmin On
</Location>
<Location /look-only>
    SetHandler container-status
    ContainerStatus On
</Location>
"""
TARGET = "/container-status/alpha/web"


def agree(request):
    return {"version": 1, "ok": True, "tenant": request["tenant"], "service": request["service"],
            "state": "stopped"}


def refuse(code):
    return lambda request: {"version": 1, "ok": False, "code": code, "message": f"because {code}"}


@pytest.fixture
def workplace():
    place = Workplace()
    yield place
    place.remove()


@pytest.fixture
def control(workplace):
    control = ControlSocket(workplace, agree)
    yield control
    control.stop()


@pytest.fixture
def serve(workplace):
    started = []

    def start(body=LOCATION, **options):
        started.append(Httpd(workplace, body, **options))
        return started[-1].start()

    yield start
    for httpd in started:
        httpd.stop()


@pytest.mark.parametrize("mpm", MPMS)
def test_every_action_reaches_the_supervisor(serve, control, mpm):
    httpd = serve(mpm=mpm)
    for action in ("start", "stop", "restart", "pause", "resume", "kill"):
        reply = httpd.post(TARGET, f"action={action}")
        assert reply.status == 200, reply.text
        assert reply.headers["Content-Type"] == "application/json"
        assert reply.headers["Cache-Control"] == "no-store"
        assert reply.json == {"ok": True, "done": True, "tenant": "alpha", "service": "web",
                              "action": action, "state": "stopped"}
        assert control.requests[-1] == {
            "version": 1, "verb": action, "tenant": "alpha", "service": "web", "wait_ms": 10000,
            "actor": {"user": "", "ip": "127.0.0.1"}}
        assert (f"container-admin: user=- ip=127.0.0.1 action={action} target=alpha/web result=ok"
                in httpd.log())


def test_curl_needs_nothing_else(serve, control):
    httpd = serve()
    done = subprocess.run(["curl", "-sS", "-m", "20", "-X", "POST", "-d", "action=stop",
                           f"http://127.0.0.1:{httpd.port}{TARGET}"],
                          capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["ok"] is True


def test_json_body_wait_and_address_forms(serve, control):
    httpd = serve()
    assert httpd.post(TARGET, '{"action": "stop", "wait": 3}', "application/json").status == 200
    assert control.requests[-1]["wait_ms"] == 3000
    assert httpd.post(TARGET, '{"action": "kill"}', "Application/JSON; charset=utf-8").status == 200
    assert httpd.post(TARGET, "wait=0&action=stop\n",
                      "application/x-www-form-urlencoded;charset=UTF-8").status == 200
    assert control.requests[-1]["wait_ms"] == 0
    assert httpd.post("/admin-only/alpha/web", "action=stop").status == 200
    chunked = httpd.request("POST", TARGET, body=iter([b"action", b"=st", b"op"]),
                            headers={"Content-Type": "application/x-www-form-urlencoded",
                                     "Transfer-Encoding": "chunked"})
    assert chunked.status == 200


@pytest.mark.parametrize("code,status", [
    ("bad-request", 400), ("forbidden", 403), ("not-found", 404), ("conflict", 409),
    ("too-large", 413), ("failed", 500), ("busy", 503), ("wrong-version", 505)])
def test_a_refusal_keeps_its_code(serve, control, code, status):
    control.answer = refuse(code)
    httpd = serve()
    reply = httpd.post(TARGET, "action=stop")
    assert reply.status == status
    assert reply.json == {"ok": False, "code": code, "message": f"because {code}"}
    assert (reply.headers["Retry-After"] is not None) == (status == 503)
    assert f"result={code}" in httpd.log()


def test_what_takes_longer_is_accepted(serve, control):
    control.answer = refuse("timeout")
    reply = serve().post(TARGET, "action=stop&wait=1")
    assert reply.status == 202
    assert reply.json["ok"] is True and reply.json["done"] is False


def test_broken_supervisors(serve, control):
    httpd = serve()
    control.answer = lambda request: {"version": 9, "ok": True}
    assert httpd.post(TARGET, "action=stop").status == 502
    control.answer = lambda request: None
    assert httpd.post(TARGET, "action=stop").status == 502
    control.answer = lambda request: ["no object"]
    assert httpd.post(TARGET, "action=stop").status == 502


def test_without_a_supervisor(serve):
    reply = serve().post(TARGET, "action=stop")
    assert reply.status == 503 and reply.headers["Retry-After"] == "5"
    assert reply.json["code"] == "unreachable"


@pytest.mark.parametrize("body,type,status", [
    ("action=explode", None, 415),
    ("action=stop", "text/plain", 415),
    ("action=stop", "multipart/form-data; boundary=x", 415),
    ("action=stop", "application/x-www-form-urlencodedx", 415),
    ("action=explode", "application/x-www-form-urlencoded", 400),
    ("action=STOP", "application/x-www-form-urlencoded", 400),
    ("action=stop%20", "application/x-www-form-urlencoded", 400),
    ("action=stop&action=start", "application/x-www-form-urlencoded", 400),
    ("action=stop&force=1", "application/x-www-form-urlencoded", 400),
    ("action=stop&wait=31", "application/x-www-form-urlencoded", 400),
    ("action=stop&wait=-1", "application/x-www-form-urlencoded", 400),
    ("action=stop&wait", "application/x-www-form-urlencoded", 400),
    ("wait=1", "application/x-www-form-urlencoded", 400),
    ("action", "application/x-www-form-urlencoded", 400),
    ("", "application/x-www-form-urlencoded", 400),
    ("action=stop\0", "application/x-www-form-urlencoded", 400),
    ("{", "application/json", 400),
    ("[]", "application/json", 400),
    ('"stop"', "application/json", 400),
    ('{"action":"stop","action":"start"}', "application/json", 400),
    ('{"action":1}', "application/json", 400),
    ('{"action":"stop","wait":1.5}', "application/json", 400),
    ('{"action":"stop","wait":-1}', "application/json", 400),
    ('{"action":"stop","x":"y"}', "application/json", 400),
    ('{"action":"stop"} x', "application/json", 400),
    ("action=" + "a" * 5000, "application/x-www-form-urlencoded", 413),
])
def test_bad_bodies(serve, control, body, type, status):
    httpd = serve()
    reply = httpd.post(TARGET, body, type)
    assert reply.status == status, reply.text
    assert reply.json["ok"] is False and reply.json["message"]
    assert control.requests == []


def test_large_chunked_body_and_no_body(serve, control):
    httpd = serve()
    type = {"Content-Type": "application/x-www-form-urlencoded"}
    large = httpd.request("POST", TARGET, body=iter([b"a" * 3000, b"b" * 3000]),
                          headers={**type, "Transfer-Encoding": "chunked"})
    assert large.status == 413 and large.headers["Connection"] == "close"
    done = subprocess.run(["curl", "-sS", "-m", "20", "-o", "/dev/null", "-w", "%{http_code}", "-X",
                           "POST", "-H", "Content-Type: application/x-www-form-urlencoded",
                           f"http://127.0.0.1:{httpd.port}{TARGET}"],
                          capture_output=True, text=True, check=True)
    assert done.stdout == "411"
    assert control.requests == []


@pytest.mark.parametrize("path", ["/container-status/alpha", "/container-status/alpha/web/x",
                                  "/container-status/Alpha/web", "/container-status/alpha/",
                                  "/container-status//web", "/container-status/a..b/web",
                                  "/container-status/-a/web", "/container-status/" + "a" * 64 + "/w",
                                  "/look-only/alpha/web", "/admin-only"])
def test_addresses_that_name_no_service(serve, control, path):
    reply = serve().post(path, "action=stop")
    assert reply.status == 404
    assert control.requests == []


def test_methods(serve, control):
    httpd = serve()
    for method in ("GET", "HEAD", "PUT", "DELETE", "PATCH"):
        reply = httpd.request(method, TARGET)
        assert reply.status == 405 and reply.headers["Allow"] == "POST, OPTIONS", method
    options = httpd.request("OPTIONS", TARGET)
    assert options.status == 200 and options.headers["Allow"] == "POST, OPTIONS"
    assert httpd.post(TARGET + "?action=stop", "action=stop").status == 400
    assert httpd.post("/container-status", "action=stop").status == 405
    assert control.requests == []


def test_a_page_of_another_site_cannot_act(serve, control):
    httpd = serve()
    own = f"http://status.test:{httpd.port}"
    for headers in ({"Origin": "http://evil.test"}, {"Origin": "null"}, {"Origin": own + "1"},
                    {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"},
                    {"Sec-Fetch-Site": "cross-site", "Origin": own}):
        reply = httpd.post(TARGET, "action=stop", headers=headers)
        assert reply.status == 403 and reply.json["code"] == "cross-site", headers
    assert control.requests == []
    assert "result=cross-site" in httpd.log()
    for headers in ({"Origin": own}, {"Sec-Fetch-Site": "same-origin", "Origin": own},
                    {"Sec-Fetch-Site": "none"}):
        assert httpd.post(TARGET, "action=stop", headers=headers).status == 200, headers


def test_access_rules_by_method_and_the_user_in_the_audit_line(serve, control, workplace):
    """The example of docs/directives.md: everybody here may look, a known user may act."""
    users = workplace.path / "conf" / "users"
    users.write_text("op:{SHA}" + "W6ph5Mm5Pz8GgiULbPgzG37mj9g=" + "\n")  # "password"
    users.chmod(0o644)
    httpd = serve(f"""
<Location /container-status>
    SetHandler container-status
    ContainerStatus On
    ContainerAdmin On
    AuthType Basic
    AuthName containers
    AuthUserFile {users}
    <RequireAny>
        <RequireAll>
            Require method GET HEAD OPTIONS
            Require local
        </RequireAll>
        <RequireAll>
            Require method POST
            Require valid-user
        </RequireAll>
    </RequireAny>
</Location>
""")
    assert httpd.get("/container-status").status == 200
    assert httpd.post(TARGET, "action=stop").status == 401
    assert control.requests == []
    reply = httpd.post(TARGET, "action=stop", headers={"Authorization": "Basic b3A6cGFzc3dvcmQ="})
    assert reply.status == 200, reply.text
    assert control.requests[-1]["actor"]["user"] == "op"
    assert "container-admin: user=op ip=127.0.0.1 action=stop" in httpd.log()


def test_location_match_counts_segments(serve, control):
    httpd = serve("""
<LocationMatch "^/ops/containers">
    SetHandler container-status
    ContainerStatus On
    ContainerAdmin On
</LocationMatch>
""")
    assert httpd.get("/ops/containers").status == 200
    assert httpd.post("/ops/containers/alpha/web", "action=stop").status == 200
    assert httpd.post("/ops/containers", "action=stop").status == 405
    assert len(control.requests) == 1


def test_container_supervisor_names_the_socket(serve, workplace):
    (workplace.path / "run" / "other").mkdir()
    control = ControlSocket(workplace, agree)
    try:
        control.path.rename(workplace.path / "run" / "other" / "s")
        httpd = serve(f"ContainerSupervisor {workplace.path}/run/other/s\n" + LOCATION)
        assert httpd.post(TARGET, "action=stop").status == 200
        (workplace.path / "run" / "other" / "s").rename(control.path)
    finally:
        control.stop()
