# SPDX-License-Identifier: Apache-2.0
"""containerctl against a board written with common/scoreboard.c and a server that speaks the
control protocol: what an operator types and sees."""
import json
import os
import pathlib
import pty
import re
import select
import struct
import subprocess
import time

import board as boards
import pytest
from fake_supervisor import FakeSupervisor, refusal

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = pathlib.Path(os.environ.get("BUILD", ROOT / "build")).resolve() / "containerctl"
VERBS = "ps status top inspect events processes history why start stop restart pause resume kill logs apply version".split()
ESC = "\x1b"


@pytest.fixture(scope="session")
def library(tmp_path_factory):
    return boards.load_library(tmp_path_factory.mktemp("common"))


@pytest.fixture
def root(tmp_path):
    (tmp_path / "run").mkdir()
    return tmp_path


def ctl(root, *args, env=None, timeout=30):
    return subprocess.run(
        [PROGRAM, "--root", root, *args],
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, **(env or {})},
    )


def ctl_on_terminal(root, *args, env=None):
    """The same with a terminal as stdout; returns what the terminal gets."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [PROGRAM, "--root", root, *args],
        stdout=slave,
        stderr=slave,
        env={**os.environ, "TERM": "xterm", **(env or {})},
    )
    os.close(slave)
    shown = b""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if not select.select([master], [], [], 1)[0]:
            continue
        try:
            data = os.read(master, 65536)
        except OSError:
            break
        if not data:
            break
        shown += data
    os.close(master)
    process.wait(5)
    return shown.decode()


WEB = dict(
    state=boards.RUNNING,
    tenant=b"blog",
    service=b"web",
    id=b"blog-web-1",
    replica=1,
    pid=4242,
    has="cpu cpu_limit memory memory_limit tasks tasks_limit exit",
    cpu_percent_milli=12345,
    cpu_limit_milli=1500,
    memory_bytes=50 << 20,
    memory_limit_bytes=512 << 20,
    tasks=7,
    tasks_limit=256,
    restarts=3,
    exit_code=-1,
    exit_signal=9,
    exit_realtime_usec=1_700_000_000_123_456,
    endpoint_kind=1,
    endpoint_path=b"/run/blog/web.sock",
    address_ipv4=b"10.203.0.2",
    image=b"host",
)
JOB = dict(
    state=boards.EXITED, tenant=b"blog", service=b"job", id=b"blog-job-1", replica=1, image=b"host"
)
DB = dict(
    state=boards.STOPPED, tenant=b"shop", service=b"db", id=b"shop-db-1", replica=1, image=b"host"
)
SLEEPER = dict(
    state=boards.SLEEPING, tenant=b"shop", service=b"web", id=b"shop-web-1", replica=1, image=b"host"
)


@pytest.fixture
def board(library, root):
    up = dict(WEB, started_boottime_usec=boards.now_usec() - 65_000_000)
    made = boards.Board(library, root / "run/scoreboard", [SLEEPER, up, JOB, DB])
    yield made
    made.close()


@pytest.fixture
def supervisor(root):
    made = FakeSupervisor(root / "run/control.sock", {})
    yield made
    made.close()


def acted(state="running", changed=True):
    return lambda request: {
        "tenant": request["tenant"],
        "service": request["service"],
        "state": state,
        "pid": 7,
        "changed": changed,
    }


# ---- ps ----


def test_ps_shows_a_row_for_each_container_and_hides_the_stopped(board, root):
    run = ctl(root, "ps")
    assert (run.returncode, run.stderr) == (0, "")
    lines = [line.split() for line in run.stdout.splitlines()]
    assert lines[0] == "NAME STATE UP CPU% MEM/LIMIT TASKS RESTARTS PID IMAGE".split()
    assert lines[1:] == [
        "blog/web running 1m5s 12.3 50M/512M 7 3 4242 host".split(),
        "shop/web sleeping - - - - 0 - host".split(),
    ]


def test_ps_all_quiet_and_one_tenant(board, root):
    assert ctl(root, "ps", "-aq").stdout.split() == ["blog/job", "blog/web", "shop/db", "shop/web"]
    assert ctl(root, "ps", "-a", "-q", "shop").stdout.split() == ["shop/db", "shop/web"]
    assert ctl(root, "ps", "-q", "blog").stdout.split() == ["blog/web"]


def test_ps_wide_shows_the_last_exit_and_the_endpoint(board, root):
    out = ctl(root, "ps", "-o", "wide").stdout
    assert "SIGKILL" in out and "10.203.0.2" in out and "fcgi:/run/blog/web.sock" in out


def test_ps_json_is_one_array_with_every_key_in_every_object(board, root):
    run = ctl(root, "ps", "-a", "-o", "json")
    rows = {row["id"]: row for row in json.loads(run.stdout)}
    assert list(rows) == ["blog-job-1", "blog-web-1", "shop-db-1", "shop-web-1"]
    assert len({tuple(row) for row in rows.values()}) == 1
    web, job = rows["blog-web-1"], rows["blog-job-1"]
    assert web["cpu_percent"] == 12.345 and web["cpu_limit"] == 1.5
    assert web["memory_bytes"] == 50 << 20 and web["pid"] == 4242
    assert web["last_exit"] == {"code": None, "signal": 9, "time": "2023-11-14T22:13:20.123456Z"}
    assert web["endpoint"] == {"kind": "fcgi", "path": "/run/blog/web.sock"}
    assert web["network"] == {"ipv4": "10.203.0.2", "ipv6": None}
    assert job["memory_bytes"] is None and job["pid"] is None and job["state"] == "exited"


def test_ps_of_an_unknown_tenant_fails_but_of_a_stopped_one_does_not(board, root):
    run = ctl(root, "ps", "nobody")
    assert run.returncode == 1 and 'no tenant "nobody"' in run.stderr and run.stdout == ""
    board.write(3, **dict(DB, tenant=b"lone"))
    run = ctl(root, "ps", "lone")
    assert run.returncode == 0 and run.stdout.splitlines()[1:] == []


def test_ps_without_a_board_says_what_to_do(root):
    run = ctl(root, "ps")
    assert run.returncode == 1 and run.stdout == ""
    assert "scoreboard" in run.stderr and "is the supervisor running?" in run.stderr


def test_ps_refuses_a_stale_and_a_retired_board(board, root):
    board.heartbeat(boards.now_usec() - 90_000_000)
    run = ctl(root, "ps")
    assert run.returncode == 1 and run.stdout == ""
    assert "1m30s ago" in run.stderr and "is the supervisor running?" in run.stderr
    board.close()
    run = ctl(root, "ps")
    assert run.returncode == 1 and "has ended" in run.stderr


def test_ps_refuses_another_abi_and_what_is_no_board(board, root):
    path = root / "run/scoreboard"
    with open(path, "r+b") as file:
        file.seek(8)
        file.write(struct.pack("<I", 7))
    run = ctl(root, "ps")
    assert run.returncode == 1 and "ABI 7" in run.stderr and "ABI 2" in run.stderr
    path.write_bytes(b"x" * 8192)
    run = ctl(root, "ps")
    assert run.returncode == 1 and "not a container scoreboard" in run.stderr


def test_ps_says_that_a_slot_was_left_half_written(board, root):
    with open(root / "run/scoreboard", "r+b") as file:
        file.seek(4096 + 1792)
        file.write(struct.pack("<Q", 3))
    run = ctl(root, "ps", "-q")
    assert run.returncode == 1 and run.stdout.split() == ["shop/web"]
    assert "middle of writing" in run.stderr


def test_ps_shortens_long_images_unless_told_not_to(board, root):
    image = b"rootfs:/srv/" + b"x" * 90
    board.write(1, **dict(WEB, image=image))
    assert image.decode() not in ctl(root, "ps").stdout
    assert image[:37].decode() + "..." in ctl(root, "ps").stdout
    assert image.decode() in ctl(root, "ps", "--no-trunc").stdout


def test_colour_only_on_a_terminal_and_not_with_no_color(board, root):
    assert ESC not in ctl(root, "ps", env={"TERM": "xterm"}).stdout
    assert f"{ESC}[32mrunning{ESC}[0m" in ctl_on_terminal(root, "ps")
    assert ESC not in ctl_on_terminal(root, "ps", env={"NO_COLOR": "1"})
    assert ESC not in ctl_on_terminal(root, "ps", env={"TERM": "dumb"})


def test_hostile_text_on_the_board_reaches_no_terminal(board, root):
    evil = b"\x1b]0;owned\x07\n\xff\xc2\x9b31m" + "\u202e".encode()
    board.write(1, **dict(WEB, image=evil, message=evil))
    for output in ("wide", "json"):
        shown = ctl_on_terminal(root, "ps", "-o", output, env={"NO_COLOR": "1"})
        assert ESC not in shown and "\x07" not in shown and "\x9b" not in shown
        assert "\u202e" not in shown
    assert len(ctl(root, "ps", "-o", "wide").stdout.splitlines()) == 3
    json.loads(ctl(root, "ps", "-o", "json").stdout)


# ---- actions ----


def test_an_action_prints_only_the_name(supervisor, root):
    for verb in ("start", "stop", "restart", "pause", "resume", "kill"):
        supervisor.answers[verb] = acted()
        run = ctl(root, verb, "blog/web")
        assert (run.returncode, run.stdout, run.stderr) == (0, "blog/web\n", "")
        assert supervisor.requests[-1]["verb"] == verb
        assert supervisor.requests[-1]["wait_ms"] == 30000


def test_waiting_and_signals(supervisor, root):
    supervisor.answers["kill"] = acted("exited")
    for given in ("TERM", "sigterm", "15"):
        assert ctl(root, "kill", "-s", given, "--no-wait", "blog/web").returncode == 0
        assert supervisor.requests[-1]["signal"] == "SIGTERM"
        assert supervisor.requests[-1]["wait_ms"] == 0
    ctl(root, "kill", "--timeout", "1m", "blog/web")
    assert supervisor.requests[-1]["wait_ms"] == 60000 and "signal" not in supervisor.requests[-1]
    supervisor.requests.clear()
    for wrong in (["-s", "NOSUCH"], ["-s", "0"], ["--timeout", "61"], ["--timeout", "-1"]):
        run = ctl(root, "kill", *wrong, "blog/web")
        assert run.returncode == 2 and wrong[1] in run.stderr
    assert supervisor.requests == []


def test_a_bare_tenant_means_all_its_services_page_by_page(supervisor, root):
    pages = {None: (["web", "db"], "blog/db"), "blog/db": (["web", "cron"], None)}

    def list_page(request):
        services, after = pages[request.get("after")]
        rows = [
            {"tenant": "blog", "service": name, "id": f"blog-{name}-1", "state": "x", "pid": 1}
            for name in services
        ]
        return {"containers": rows, **({"next": after} if after else {})}

    supervisor.answers.update({"list": list_page, "stop": acted("stopped")})
    run = ctl(root, "stop", "blog", "shop/web")
    assert run.returncode == 0
    assert run.stdout.split() == ["blog/web", "blog/db", "blog/cron", "shop/web"]
    supervisor.answers["list"] = lambda request: {"containers": []}
    run = ctl(root, "stop", "nobody")
    assert run.returncode == 1 and 'no tenant "nobody"' in run.stderr
    supervisor.answers["list"] = lambda request: {"containers": [], "next": "blog/web"}
    run = ctl(root, "stop", "blog")
    assert run.returncode == 1 and "does not end" in run.stderr


def test_one_refusal_does_not_keep_the_others_from_being_done(supervisor, root):
    def pause(request):
        if request["service"] == "job":
            return refusal("conflict", "blog/job is not running but exited")
        return acted("paused")(request)

    supervisor.answers["pause"] = pause
    run = ctl(root, "pause", "blog/job", "blog/web")
    assert run.returncode == 1 and run.stdout == "blog/web\n"
    assert "pause blog/job: blog/job is not running but exited" in run.stderr
    run = ctl(root, "-o", "json", "pause", "blog/job", "blog/web")
    results = json.loads(run.stdout)
    assert [(row["service"], row["ok"]) for row in results] == [("job", False), ("web", True)]
    assert results[0]["code"] == "conflict" and results[1]["state"] == "paused"


@pytest.mark.parametrize(
    "code, advice",
    [("forbidden", "as root"), ("not-found", "ps -a"), ("timeout", "--timeout"), ("busy", "again")],
)
def test_a_refusal_is_told_with_a_next_step(supervisor, root, code, advice):
    supervisor.answers["start"] = lambda request: refusal(code, f"the reason {ESC}[31m")
    run = ctl(root, "start", "blog/web")
    assert run.returncode == 1 and "start blog/web: the reason" in run.stderr
    assert advice in run.stderr and ESC not in run.stderr


def test_a_bad_name_stops_all_before_anything_is_done(supervisor, root):
    supervisor.answers["stop"] = acted()
    run = ctl(root, "stop", "blog/web", "../etc")
    assert run.returncode == 2 and '".." is not a tenant name' in run.stderr and run.stdout == ""
    assert supervisor.requests == []


def test_no_supervisor_wrong_version_nonsense_and_silence(supervisor, root):
    supervisor.answers["start"] = lambda request: b'{"version":9,"ok":true}'
    run = ctl(root, "start", "a/b")
    assert run.returncode == 1 and "version 9" in run.stderr
    supervisor.answers["start"] = lambda request: b"[1]"
    assert "not a JSON object" in ctl(root, "start", "a/b").stderr
    supervisor.answers["start"] = lambda request: None
    assert "without an answer" in ctl(root, "start", "a/b").stderr
    supervisor.close()
    run = ctl(root, "start", "a/b")
    assert run.returncode == 1 and "is the supervisor running?" in run.stderr
    (root / "run/control.sock").unlink()
    run = ctl(root, "start", "a/b")
    assert run.returncode == 1 and "is the supervisor running?" in run.stderr


def test_the_request_keeps_to_a_deadline(supervisor, root):
    supervisor.answers["start"] = lambda request: time.sleep(15)
    began = time.monotonic()
    run = ctl(root, "start", "--no-wait", "a/b")
    assert run.returncode == 1 and "no answer within 10000 ms" in run.stderr
    assert 9 < time.monotonic() - began < 14


# ---- inspect, apply, version ----

INSPECTION = {
    "tenant": "blog",
    "service": "web",
    "id": "blog-web-1",
    "state": "running",
    "pid": 4242,
    "restarts": 0,
    "spec": {"image": "host", "environment": ["A=\x1b[31m"]},
    "endpoint": {"kind": "fcgi", "path": "/run/x.sock"},
    "network": {"ipv4": "10.203.0.2", "ipv6": "fd4d::2", "link": "ct12"},
    "cgroup": "/container-supervisor/blog/blog-web-1",
    "id_base": 1073741824,
    "last_exit": None,
    "message": "",
    "events": [{"time": "2026-11-22T05:10:03.123456Z", "event": "started \x1b[2J"}],
}


def test_inspect_for_people_and_as_json(supervisor, root):
    supervisor.answers["inspect"] = lambda request: INSPECTION
    run = ctl(root, "inspect", "blog/web")
    assert run.returncode == 0 and ESC not in run.stdout
    for part in ("blog/web", "ipv4 10.203.0.2", "1073741824", '"image": "host"', "started"):
        assert part in run.stdout
    assert "Last exit" not in run.stdout
    assert json.loads(ctl(root, "inspect", "-o", "json", "blog/web").stdout) == INSPECTION


def test_apply_prints_what_changed_and_fails_on_errors(supervisor, root):
    answer = {"added": ["beta/web"], "removed": [], "changed": ["alpha/web"], "unchanged": 2}
    supervisor.answers["apply"] = lambda request: {**answer, "errors": []}
    run = ctl(root, "apply")
    assert (run.returncode, run.stderr) == (0, "")
    assert [line.split() for line in run.stdout.splitlines()] == [
        ["added", "beta/web"],
        ["changed", "alpha/web"],
        ["unchanged", "2"],
    ]
    errors = [{"file": "blog.yaml", "message": "12: services.web.mem_limit: not a size"}]
    supervisor.answers["apply"] = lambda request: {**answer, "errors": errors}
    run = ctl(root, "apply")
    assert run.returncode == 1 and "blog.yaml: 12: services.web.mem_limit" in run.stderr
    run = ctl(root, "apply", "-o", "json")
    assert run.returncode == 1 and json.loads(run.stdout)["errors"] == errors


def test_version_with_and_without_a_supervisor(supervisor, root):
    answer = {
        "supervisor": "0.1.0",
        "abi": {"control": 1, "scoreboard": 2},
        "pid": 77,
        "cgroup": "hybrid",
        "network": "private",
    }
    supervisor.answers["version"] = lambda request: answer
    run = ctl(root, "version")
    assert run.returncode == 0 and "containerctl" in run.stdout and "pid 77" in run.stdout
    assert json.loads(ctl(root, "-o", "json", "version").stdout)["server"] == answer
    supervisor.close()
    run = ctl(root, "version", "-o", "json")
    assert run.returncode == 1 and json.loads(run.stdout)["server"] is None


# ---- logs ----


def line(text, stream="stdout", partial=False):
    return {
        "time": "2026-11-22T05:10:03.123456Z",
        "stream": stream,
        "partial": partial,
        "text": text,
    }


LINES = [line("one"), line("two", "stderr"), line("thr", partial=True), line("ee"), line("four")]


def serve_lines(lines, page_size=2):
    """Pages of lines; the cursor is the number of lines that were given."""

    def serve(request):
        at = int(request["cursor"] or 0)
        if request["cursor"] is None and "tail" in request:
            at = max(0, len(lines) - request["tail"])
        end = min(at + page_size, len(lines))
        return {"lines": lines[at:end], "cursor": str(end), "more": end < len(lines)}

    return serve


def test_logs_in_pages_with_times_tails_and_streams(supervisor, root):
    supervisor.answers["logs"] = serve_lines(LINES)
    assert ctl(root, "logs", "blog/web").stdout == "one\ntwo\nthree\nfour\n"
    assert ctl(root, "logs", "--tail", "1", "blog/web").stdout == "four\n"
    assert ctl(root, "logs", "--tail", "0", "blog/web").stdout == ""
    assert ctl(root, "logs", "--tail", "all", "blog/web").stdout == "one\ntwo\nthree\nfour\n"
    assert ctl(root, "logs", "--stream", "stderr", "blog/web").stdout == "two\n"
    assert ctl(root, "logs", "--stream", "stderr", "--tail", "1", "blog/web").stdout == "two\n"
    stamped = ctl(root, "logs", "--timestamps", "blog/web").stdout.splitlines()
    assert stamped[0] == "2026-11-22T05:10:03.123456Z one" and stamped[2].endswith(" three")
    rows = ctl(root, "logs", "-o", "json", "blog/web").stdout.splitlines()
    assert [json.loads(row) for row in rows] == LINES


def test_logs_partial_lines_of_two_streams_do_not_mix(supervisor, root):
    lines = [line("out", partial=True), line("err", "stderr"), line("put"), line("end", partial=True)]
    supervisor.answers["logs"] = serve_lines(lines)
    assert ctl(root, "logs", "blog/web").stdout == "out\nerr\nput\nend\n"


def test_logs_follow_prints_what_comes_later(supervisor, root):
    lines = list(LINES)
    supervisor.answers["logs"] = serve_lines(lines)
    process = subprocess.Popen(
        [PROGRAM, "--root", root, "logs", "-f", "--tail", "1", "blog/web"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline() == "four\n"
        lines.append(line("five"))
        assert select.select([process.stdout], [], [], 10)[0]
        assert process.stdout.readline() == "five\n"
        assert supervisor.requests[-1]["wait_ms"] == 1000
        supervisor.requests.clear()
        start = time.monotonic()
        while len(supervisor.requests) < 6:
            assert time.monotonic() < start + 30, "it asks no more"
            time.sleep(0.01)
        assert time.monotonic() - start > 0.6  # a server that does not wait is not flooded
    finally:
        process.terminate()  # a SIGINT is ignored where the tests run in the background
        process.wait(5)
        process.stdout.close()


def test_log_lines_are_cleaned_for_a_terminal_but_not_for_a_pipe(supervisor, root):
    evil = "a\x1b]52;c;cm0=\x07b\x9bc\rd\te\u202ef"
    supervisor.answers["logs"] = serve_lines([line(evil)])
    assert ctl(root, "logs", "blog/web").stdout.encode() == evil.encode().replace(b"\r", b"\n") + b"\n"
    shown = ctl_on_terminal(root, "logs", "blog/web")
    assert shown.startswith("a\\x1b]52;c;cm0=\\x07b\\x9bc\\x0dd\te\\u202ef")
    assert ESC not in ctl_on_terminal(root, "logs", "-o", "json", "blog/web")


# ---- the command line itself ----


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["nosuch"],
        ["help", "nosuch"],
        ["ps", "a", "b"],
        ["ps", "--nosuch"],
        ["ps", "-Z"],
        ["ps", "-o", "xml"],
        ["ps", "-o"],
        ["ps", "-q", "-o", "json"],
        ["ps", "No_Name"],
        ["ps", "-f"],
        ["stop"],
        ["stop", "Blog/web"],
        ["stop", "a/b/c"],
        ["logs", "blog"],
        ["logs", "--tail", "x", "a/b"],
        ["logs", "--stream", "both", "a/b"],
        ["inspect", "blog"],
        ["apply", "x"],
    ],
)
def test_a_wrong_call_is_exit_code_2_and_names_the_help(args, tmp_path):
    run = subprocess.run([PROGRAM, *args], capture_output=True, text=True, timeout=10, cwd=tmp_path)
    assert run.returncode == 2 and run.stdout == ""
    assert run.stderr.startswith("containerctl: ") and "containerctl help" in run.stderr


def test_help_names_every_verb_and_every_verb_has_help():
    run = subprocess.run([PROGRAM, "--help"], capture_output=True, text=True, timeout=10)
    assert run.returncode == 0
    for verb in VERBS:
        assert re.search(rf"^  {verb} ", run.stdout, re.M)
        for call in (["help", verb], [verb, "--help"], [verb, "-h"]):
            own = subprocess.run([PROGRAM, *call], capture_output=True, text=True, timeout=10)
            assert own.returncode == 0 and own.stdout.startswith(f"Usage: containerctl {verb} ")
            assert "--root DIR" in own.stdout


def test_socket_option_and_debug(root, tmp_path):
    supervisor = FakeSupervisor(tmp_path / "other.sock", {"start": acted()})
    try:
        run = ctl(root, "start", "--socket", tmp_path / "other.sock", "--debug", "blog/web")
        assert run.returncode == 0 and run.stdout == "blog/web\n"
        assert '"verb":"start"' in run.stderr and "other.sock" in run.stderr
    finally:
        supervisor.close()


def test_a_full_disk_behind_stdout_is_a_failure(board, root):
    with open("/dev/full", "w") as full:
        run = subprocess.run(
            [PROGRAM, "--root", root, "ps"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=10
        )
    assert run.returncode == 1 and "No space left" in run.stderr
