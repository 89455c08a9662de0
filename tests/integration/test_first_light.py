# SPDX-License-Identifier: Apache-2.0
"""The whole line: a visitor reaches PHP in a container through httpd; an operator sees and steers it."""
import json
import subprocess

import pytest
import world
from private_httpd import MPMS

INDEX = """<?php
header('Content-Type: application/json');
echo json_encode([
    'host' => gethostname(), 'uid' => posix_getuid(), 'pid' => getmypid(),
    'processes' => count(glob('/proc/[0-9]*')), 'uri' => $_SERVER['REQUEST_URI'],
    'script' => $_SERVER['SCRIPT_FILENAME'], 'method' => $_SERVER['REQUEST_METHOD'],
    'body' => file_get_contents('php://input'), 'client' => $_SERVER['REMOTE_ADDR'],
    'proxy' => getenv('HTTP_PROXY') ?: ($_SERVER['HTTP_PROXY'] ?? null)]);
"""


@pytest.mark.parametrize("mpm", MPMS)
def test_visitor_reaches_php_in_a_container(stack, mpm):
    stack.php("alpha", INDEX)
    stack.php("beta", INDEX)
    stack.start()
    httpd = stack.serve("alpha", "beta", mpm=mpm)
    for tenant in ("alpha", "beta"):
        reply = httpd.get("/index.php?x=1", host=f"{tenant}.test", headers={"Proxy": "http://evil/"})
        assert reply.status == 200, reply.text
        seen = reply.json
        assert seen["host"] == f"{tenant}-web"
        assert seen["uid"] == 33
        assert seen["processes"] == 3
        assert seen["uri"] == "/index.php?x=1"
        assert seen["script"] == "/var/www/index.php"
        assert seen["client"] == "127.0.0.1"
        assert seen["proxy"] is None
    reply = httpd.post("/", "a=1&b=2", host="alpha.test")
    assert (reply.json["method"], reply.json["body"]) == ("POST", "a=1&b=2")


def test_operator_sees_and_steers_with_curl(stack):
    stack.php("alpha", INDEX)
    stack.start()
    httpd = stack.serve("alpha")
    status = f"http://127.0.0.1:{httpd.port}/container-status"

    def curl(*arguments):
        done = subprocess.run(["curl", "-sS", "-m", "40", "-H", "Host: status.test", *arguments],
                              capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    page = json.loads(curl(status + "?format=json"))
    assert [(c["tenant"], c["service"], c["state"]) for c in page["containers"]] == [
        ("alpha", "web", "running")]
    pid = page["containers"][0]["pid"]
    assert json.loads(curl("-X", "POST", "-d", "action=restart", status + "/alpha/web"))["pid"] != pid
    for action, state, code in [("pause", "paused", 503), ("resume", "running", 200),
                                ("stop", "stopped", 503), ("start", "running", 200),
                                ("kill", "stopped", 503), ("start", "running", 200)]:
        answer = json.loads(curl("-X", "POST", "-d", f"action={action}", status + "/alpha/web"))
        assert answer["ok"] and answer["state"] == state, (action, answer)
        assert stack.state() == state
        assert httpd.get("/", host="alpha.test").status == code, action
    assert "action=stop target=alpha/web result=ok" in httpd.log()
    events = [event["event"] for event in stack.inspect()["events"]]
    assert any(event.startswith("stop asked by uid=33") and "ip=127.0.0.1" in event
               for event in events), events
    journal = [json.loads(line) for line in
               (stack.path / "lib" / "events" / "events.jsonl").read_text().splitlines()]
    for event in ("stop asked by", "stop: ok"):
        found = [entry for entry in journal if entry["event"].startswith(event)]
        assert len(found) == 1, journal
        actor = found[0]["actor"]
        assert actor["uid"] == 33 and actor["pid"] > 0 and actor["ip"] == "127.0.0.1"
        assert actor["program"] == "mod_container" and actor["user"] == ""


def test_actions_have_exact_refusals(stack):
    stack.sleeper()
    stack.start()
    httpd = stack.serve()
    stack.ctl("stop", "alpha/web")

    def post(path, body):
        reply = httpd.post("/container-status" + path, body)
        return reply.status, reply.json.get("code")

    assert post("/alpha/web", "action=pause") == (409, "conflict")
    assert post("/alpha/db", "action=stop") == (404, "not-found")
    assert post("/alpha/web", "action=explode")[0] == 400
    assert httpd.post("/container-status/alpha/web", "action=start",
                      headers={"Sec-Fetch-Site": "cross-site"}).status == 403
    assert stack.state() == "stopped"


def test_a_start_while_it_stops_is_a_new_run(stack):
    stack.tenant("alpha", """
        services:
          web:
            image: host
            command: ["sh", "-c", "trap 'sleep 1; exit 0' TERM; echo armed; while :; do sleep 0.1; done"]
        """)
    stack.start()
    stack.wait_log("armed")
    pid = stack.ps()["alpha/web"]["pid"]
    stack.ctl("stop", "--no-wait", "alpha/web")
    assert stack.state() == "stopping"
    stack.ctl("start", "alpha/web")
    assert stack.state() == "running" and stack.ps()["alpha/web"]["pid"] != pid


def test_supervisor_ends_in_order_and_leaves_nothing(stack):
    stack.php("alpha")
    stack.sleeper("beta")
    stack.start()
    assert stack.stop() == 0
    assert sorted(p.name for p in (stack.path / "run").iterdir()) == ["lock", "traffic"]


def test_next_supervisor_cleans_up_after_one_that_was_killed(stack):
    stack.php("alpha")
    stack.sleeper("beta")
    stack.start()
    pids = [c["pid"] for c in stack.ps().values()]
    stack.crash()
    stack.start()
    assert "cleaned up after 2 containers" in stack.log()
    stack.wait_state("running", "alpha/web")
    assert not [pid for pid in pids if world.is_alive(pid)]


def test_cleanup_without_a_start(stack):
    stack.sleeper()
    stack.start()
    stack.crash()
    stack.cleanup()
    stack.process = None


def test_without_a_supervisor_pages_say_so(stack):
    httpd = stack.serve("alpha")
    reply = httpd.get("/", host="alpha.test")
    assert reply.status == 503
    assert int(reply.headers["Retry-After"]) > 0
    page = httpd.get("/container-status")
    assert page.status == 200 and "supervisor" in page.text.lower()
    assert httpd.get("/container-status?format=json").json["containers"] == []
    assert httpd.post("/container-status/alpha/web", "action=stop").status == 503
    stack.php("alpha")
    stack.start()
    assert httpd.get("/", host="alpha.test").status == 200, httpd.log()
