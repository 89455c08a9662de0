# SPDX-License-Identifier: Apache-2.0
"""POST /container-status/TENANT/SERVICE of a real httpd, against a control socket of the test."""
import json
import re
import subprocess
import urllib.parse

import pytest

from private_httpd import MPMS, PROXY, Board, ControlSocket, Httpd, Workplace

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
            "actor": {"program": "mod_container", "user": "", "ip": "127.0.0.1"}}
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
    ("too-large", 502), ("failed", 500), ("busy", 503), ("wrong-version", 502)])
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


def test_what_is_not_there_yet_is_accepted(serve, control):
    """With wait 0 the supervisor answers at once, and tells a state on the way."""
    httpd = serve()
    for action, state, status in (("start", "starting", 202), ("start", "running", 200),
                                  ("stop", "stopping", 202), ("stop", "stopped", 200),
                                  ("restart", "stopping", 202), ("pause", "paused", 200)):
        control.answer = lambda request, state=state: {"version": 1, "ok": True, "state": state,
                                                       "changed": True}
        reply = httpd.post(TARGET, f"action={action}&wait=0")
        assert reply.status == status and reply.json["done"] is (status == 200), (action, state)
        assert reply.json["state"] == state


def test_a_verb_that_has_nothing_to_do_is_done(serve, control):
    control.answer = lambda request: {"version": 1, "ok": True, "state": "running", "changed": False}
    reply = serve().post(TARGET, "action=start")
    assert reply.status == 200 and reply.json["changed"] is False


def test_kill_takes_a_signal(serve, control):
    httpd = serve()
    assert httpd.post(TARGET, "action=kill&signal=SIGUSR1").status == 200
    assert control.requests[-1]["signal"] == "SIGUSR1"
    assert httpd.post(TARGET, '{"action": "kill", "signal": "HUP"}', "application/json").status == 200
    assert control.requests[-1]["signal"] == "HUP"


def services(**answers):
    """Answers `list` with these services of alpha, in two pages, and an action with theirs."""
    names = sorted(answers)
    half = len(names) // 2

    def answer(request):
        if request["verb"] != "list":
            told = answers[request["service"]]
            return {"version": 1, "ok": "code" not in told, **told}
        assert request["tenant"] == "alpha"
        page = names[:half] if "after" not in request else names[half:]
        told = {"version": 1, "ok": True, "containers": [
            {"tenant": "alpha", "service": name, "id": f"alpha-{name}-{n}", "state": "running", "pid": 1}
            for name in page for n in (1, 2)]}
        return told if "after" in request else {**told, "next": f"alpha/{names[half - 1]}"}

    return answer


def test_all_services_of_a_tenant(serve, control):
    httpd = serve()
    up = {"state": "running", "changed": True}
    control.answer = services(web=up, db={**up, "changed": False}, cron=up)
    reply = httpd.post("/container-status/alpha", "action=restart&wait=3")
    assert reply.status == 200, reply.text
    assert reply.json["ok"] and reply.json["done"] and reply.json["changed"]
    assert {one["service"]: one["status"] for one in reply.json["services"]} == \
        {"cron": 200, "db": 200, "web": 200}
    sent = [request for request in control.requests if request["verb"] == "restart"]
    assert sorted(request["service"] for request in sent) == ["cron", "db", "web"]
    assert all(0 < request["wait_ms"] <= 3000 for request in sent)
    assert "action=restart target=alpha result=ok" in httpd.log()
    control.answer = services(web=up, db={**up, "state": "starting"})
    assert httpd.post("/container-status/alpha", "action=restart&wait=0").status == 202
    control.answer = services(web=up, db={"code": "conflict", "message": "it is stopped"}, cron=up)
    reply = httpd.post("/container-status/alpha", "action=pause")
    assert reply.status == 409 and reply.json["ok"] is False
    assert reply.json["message"] == "db: it is stopped"
    assert [one["ok"] for one in reply.json["services"]] == [True, False, True]
    control.answer = lambda request: {"version": 1, "ok": True, "containers": []}
    reply = httpd.post("/container-status/nobody", "action=stop")
    assert reply.status == 404 and reply.json["code"] == "not-found"
    many = {f"s{n:02}": up for n in range(40)}
    control.answer = services(**many)
    reply = httpd.post("/container-status/alpha", "action=start")
    assert reply.status == 200 and [one["service"] for one in reply.json["services"]] == sorted(many)


def test_one_client_may_not_call_too_often(serve, control):
    httpd = serve("""
LogLevel emerg
<Location /container-status>
    SetHandler container-status
    ContainerStatus On
    ContainerAdmin On
    ContainerAdminLimit 3
</Location>
<Location /container-status/free>
    ContainerAdminLimit off
</Location>
""", mpm="prefork")
    replies = [httpd.post(TARGET, "action=stop") for _ in range(5)]
    assert [reply.status for reply in replies] == [200, 200, 200, 429, 429]
    assert replies[3].json["code"] == "too-many"
    assert 0 < int(replies[3].headers["Retry-After"]) <= 20
    assert len(control.requests) == 3
    assert "result=too-many" in httpd.log()
    assert httpd.get("/container-status").status == 200
    assert httpd.request("OPTIONS", TARGET).status == 200
    assert httpd.post("/container-status/free/web", "action=stop").status == 200


def test_broken_supervisors(serve, control):
    httpd = serve(LOCATION.replace("LogLevel emerg", ""))
    control.answer = lambda request: {"version": 9, "ok": True}
    reply = httpd.post(TARGET, "action=stop")
    assert reply.status == 502 and reply.json["code"] == "bad-answer"
    assert "error log" in reply.json["message"] and "control version 9" in httpd.log()
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
    ("action=stop\nwait=1", "application/x-www-form-urlencoded", 400),
    ("action=stop&signal=SIGHUP", "application/x-www-form-urlencoded", 400),
    ("action=kill&signal=%00", "application/x-www-form-urlencoded", 400),
    ("action=stop", "application/x-www-form-urlencoded; charset=latin1", 415),
    ("action=stop", "application/x-www-form-urlencoded; boundary=x", 415),
    ('{"action":"stop"}', "application/json; charset=utf-16", 415),
    ('{"action":"stop","wait":"1"}', "application/json", 400),
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


@pytest.mark.parametrize("path", ["/container-status/alpha/web/x",
                                  "/container-status/Alpha/web", "/container-status/alpha/",
                                  "/container-status/a..b/web",
                                  "/container-status/-a/web", "/container-status/" + "a" * 64 + "/w",
                                  "/look-only/alpha/web/x", "/admin-only"])
def test_addresses_that_name_no_service(serve, control, path):
    reply = serve().post(path, "action=stop")
    assert reply.status == 404
    assert control.requests == []


def test_methods(serve, control):
    httpd = serve()
    for method in ("GET", "HEAD", "PUT", "DELETE", "PATCH"):
        reply = httpd.request(method, "/admin-only/alpha/web")
        assert reply.status == 405 and reply.headers["Allow"] == "POST, OPTIONS", method
    options = httpd.request("OPTIONS", "/admin-only/alpha/web")
    assert options.status == 200 and options.headers["Allow"] == "POST, OPTIONS"
    for method in ("PUT", "DELETE", "PATCH", "BREW"):
        reply = httpd.request(method, TARGET)
        assert reply.status == 405, method
        assert reply.headers["Allow"] == "GET, HEAD, POST, OPTIONS", method
    options = httpd.request("OPTIONS", TARGET)
    assert options.status == 200 and options.headers["Allow"] == "GET, HEAD, POST, OPTIONS"
    for path in ("/look-only/alpha/web", "/look-only/alpha", "/look-only"):
        reply = httpd.post(path, "action=stop")
        assert reply.status == 405 and reply.headers["Allow"] == "GET, HEAD, OPTIONS", path
        assert httpd.request("OPTIONS", path).headers["Allow"] == "GET, HEAD, OPTIONS", path
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
        reply = httpd.post(TARGET, "action=stop", headers=headers)
        assert reply.status == 403 and reply.json["code"] == "bad-token", headers
    assert control.requests == []


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


# ---- the page's forms ----

def forms(page):
    """{action: fields} of the forms that post on a page."""
    found = {}
    for form in re.findall(r'<form method="post".*?</form>', page, re.DOTALL):
        fields = dict(re.findall(r'name="([a-z]+)" value="([^"]*)"', form))
        found[fields["action"]] = fields
    return found


@pytest.fixture
def board(workplace):
    board = Board(workplace)
    board.slot(0, tenant="alpha", service="web", state="running", pid=1)
    board.slot(1, tenant="beta", service="web", state="running", pid=2)
    yield board
    board.stop()


def post_form(httpd, fields, target=TARGET, **headers):
    own = f"http://status.test:{httpd.port}"
    return httpd.post(target, urllib.parse.urlencode(fields),
                      headers={"Origin": own, "Sec-Fetch-Site": "same-origin", **headers})


@pytest.mark.parametrize("mpm", MPMS)
def test_a_form_goes_back_to_the_page_with_its_result(serve, control, board, mpm):
    httpd = serve(mpm=mpm)
    fields = forms(httpd.get(TARGET).text)["stop"]
    assert fields["back"] == "service" and fields["token"]
    reply = post_form(httpd, fields)
    assert reply.status == 303, reply.text
    assert reply.headers["Location"].startswith(f"{TARGET}?flash=")
    assert [request["verb"] for request in control.requests if "actor" in request] == ["stop"]
    assert "action=stop target=alpha/web result=ok" in httpd.log()
    page = httpd.get(reply.headers["Location"]).text
    assert 'id="flash"' in page and "stop is done" in page
    assert 'id="flash"' not in httpd.get(TARGET).text
    back = post_form(httpd, {**fields, "back": "board", "query": "sort=cpu_percent,desc&q=a%20b"})
    assert back.headers["Location"].startswith("/container-status?sort=cpu_percent,desc&q=a%20b&flash=")
    assert 'id="flash"' in httpd.get(back.headers["Location"]).text
    control.answer = refuse("conflict")
    page = httpd.get(post_form(httpd, fields).headers["Location"]).text
    assert "because conflict" in page


def test_a_result_cannot_be_made_up(serve, control, board):
    httpd = serve()
    fields = forms(httpd.get(TARGET).text)["stop"]
    flash = post_form(httpd, fields).headers["Location"]
    seal, rest = flash.split("~", 1)
    for forged in (flash.replace("~stop~", "~start~"), flash + "x", f"{TARGET}?flash=x~{rest}",
                   f"{TARGET}?flash=", f"{TARGET}?flash=~~~~", f"{TARGET}?flash=" + "a" * 1500,
                   f"{TARGET}?flash=" + "~" * 9, seal):
        page = httpd.get(forged)
        assert page.status == 200 and 'id="flash"' not in page.text, forged


def test_a_result_is_for_one_visitor(serve, control, board):
    """Neither a kept answer nor a tag hands the result of one on to another, or his lack of one back."""
    board.tell(freeze=True)
    httpd = serve("RemoteIPHeader X-Real\n" + LOCATION, modules=PROXY + ["remoteip"])
    fields = {**forms(httpd.get(TARGET).text)["stop"], "back": "board"}
    mine = post_form(httpd, fields).headers["Location"]
    for _ in range(20):
        assert 'id="flash"' not in httpd.get(mine, headers={"X-Real": "192.0.2.1"}).text
        page = httpd.get(mine)
        assert 'id="flash"' in page.text and "ETag" not in page.headers


def test_tokens_are_for_one_person_action_and_target(serve, control, board):
    httpd = serve("RemoteIPHeader X-Real\n" + LOCATION, modules=PROXY + ["remoteip"])
    fields = forms(httpd.get(TARGET).text)["stop"]
    token = fields["token"]
    control.requests.clear()
    for bad in ({"action": "start"}, {"token": token[:-1] + ("0" if token[-1] != "0" else "1")},
                {"token": "0" + token}, {"token": "9" + token}, {"token": "x"}):
        reply = post_form(httpd, {**fields, **bad})
        assert reply.status == 303 and "~bad-token~" in reply.headers["Location"], bad
        page = httpd.get(reply.headers["Location"]).text
        assert "missing its token" in page
    assert "~bad-token~" in post_form(httpd, fields, "/container-status/beta/web").headers["Location"]
    assert "~bad-token~" in post_form(httpd, fields, "/container-status/alpha").headers["Location"]
    assert "~bad-token~" in post_form(httpd, fields, **{"X-Real": "192.0.2.1"}).headers["Location"]
    program = {"action": "stop", "token": "x"}
    assert httpd.post(TARGET, json.dumps(program), "application/json").status == 403
    without = {key: value for key, value in fields.items() if key != "token"}
    assert post_form(httpd, without).headers["Location"].split("~")[3] == "bad-token"
    assert [request for request in control.requests if "actor" in request] == []
    # A script of the page sends no `back` and gets JSON.
    script = httpd.post(TARGET, json.dumps({"action": "stop", "token": token}), "application/json",
                        headers={"Sec-Fetch-Site": "same-origin"})
    assert script.status == 200 and script.json["ok"]
    # The right token does not make another site a good one.
    for headers in ({"Origin": "http://evil.test"}, {"Sec-Fetch-Site": "cross-site"}):
        reply = post_form(httpd, fields, **headers)
        assert reply.status == 403 and reply.json["code"] == "cross-site"


def test_a_token_lives_through_a_graceful_restart_and_ends_with_httpd(serve, control, board):
    httpd = serve()
    fields = forms(httpd.get(TARGET).text)["stop"]
    httpd.graceful()
    reply = post_form(httpd, fields)
    assert "~ok~" in reply.headers["Location"], reply.headers["Location"]
    httpd.stop()
    httpd.start()
    assert "~bad-token~" in post_form(httpd, fields).headers["Location"]


def test_the_rules_of_the_location_hold_for_each_method(serve, control, board, workplace):
    """<Limit>, Require and Satisfy decide about a POST as about any request; the page shows no
    buttons to those who may only look."""
    users = workplace.path / "conf" / "users"
    users.write_text("op:{SHA}" + "W6ph5Mm5Pz8GgiULbPgzG37mj9g=" + "\n")  # "password"
    users.chmod(0o644)
    location = """
<Location %s>
    SetHandler container-status
    ContainerStatus On
    ContainerAdmin On
    %s
</Location>
"""
    basic = f"AuthType Basic\nAuthName containers\nAuthUserFile {users}\n"
    httpd = serve("LoadModule access_compat_module /usr/lib/apache2/modules/mod_access_compat.so\n"
                  + location % ("/limit", "<Limit POST>\nRequire all denied\n</Limit>")
                  + location % ("/except", "<LimitExcept GET HEAD>\nRequire all denied\n</LimitExcept>")
                  + location % ("/user", basic + "<Limit POST>\nRequire valid-user\n</Limit>")
                  + location % ("/satisfy", basic + "Require valid-user\nOrder deny,allow\n"
                                "Deny from all\nSatisfy Any"))
    good = {"Authorization": "Basic b3A6cGFzc3dvcmQ="}
    for base, method, headers, status in [
            ("/limit", "GET", {}, 200), ("/limit", "POST", {}, 403),
            ("/except", "GET", {}, 200), ("/except", "POST", {}, 403), ("/except", "OPTIONS", {}, 403),
            ("/user", "GET", {}, 200), ("/user", "POST", {}, 401), ("/user", "POST", good, 200),
            ("/satisfy", "GET", {}, 401), ("/satisfy", "POST", {}, 401), ("/satisfy", "POST", good, 200)]:
        type = {"Content-Type": "application/x-www-form-urlencoded"} if method == "POST" else {}
        body = "action=stop" if method == "POST" else None
        reply = httpd.request(method, f"{base}/alpha/web", body=body, headers={**type, **headers})
        assert reply.status == status, (base, method, reply.text)
    acting = [request for request in control.requests if "actor" in request]
    assert [request["actor"]["user"] for request in acting] == ["op", "op"]
    assert forms(httpd.get("/limit/alpha/web").text) == {}
    assert forms(httpd.get("/user/alpha/web").text) == {}
    # The page was asked for without a user, the form is sent with one.
    shown = forms(httpd.get("/satisfy/alpha/web", headers=good).text)
    assert "~ok~" in post_form(httpd, shown["stop"], "/satisfy/alpha/web", **good).headers["Location"]


def test_htaccess_of_a_tenant_reaches_no_handler(serve, control, workplace):
    site = workplace.path / "htdocs" / "site"
    (site / "alpha").mkdir(parents=True)
    (site / "alpha" / "web").write_text("a file\n")
    httpd = serve(f"""
<Directory {site}>
    AllowOverride All
</Directory>
""" + LOCATION.replace("LogLevel emerg", ""))
    for handler in ("container-admin", "container-status"):
        (site / ".htaccess").write_text(f"SetHandler {handler}\n")
        for method in ("GET", "POST"):
            reply = httpd.request(method, "/site/alpha/web", body="action=stop" if method == "POST" else None,
                                  headers={"Content-Type": "application/x-www-form-urlencoded"})
            assert reply.status == 404, (handler, method)
        assert f"{handler} is asked for where no" in httpd.log()
    for directive in ("ContainerStatus On", "ContainerAdmin On", "ContainerStatusScope alpha",
                      "ContainerAdminLimit off", "ContainerStatusLogs On"):
        (site / ".htaccess").write_text(f"{directive}\nSetHandler container-admin\n")
        assert httpd.post("/site/alpha/web", "action=stop").status == 500, directive
        assert f"{directive.split()[0]} not allowed here" in httpd.log()
    assert control.requests == []
