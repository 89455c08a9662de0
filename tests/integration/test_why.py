# SPDX-License-Identifier: Apache-2.0
"""What the supervisor tells of the inside of a container: processes, what keeps it waiting, events and ends."""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from private_httpd import wait_until
from world import is_alive


def ask(stack, verb, tenant="alpha", service="web", **more):
    """One request as root."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as peer:
        peer.settimeout(20)
        peer.connect(str(stack.path / "run" / "control.sock"))
        peer.send(json.dumps({"version": 1, "verb": verb, "tenant": tenant, "service": service, **more}).encode())
        return json.loads(peer.recv(65537))


def ask_as_web(stack, verb, **more):
    """The same as httpd's user."""
    code = f"""
import json, os, socket
os.setgroups([]); os.setgid(33); os.setuid(33)
peer = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
peer.connect({str(stack.path / "run" / "control.sock")!r})
peer.send(json.dumps({{"version": 1, "verb": {verb!r}, "tenant": "alpha", "service": "web", **{more!r}}}).encode())
print(peer.recv(65537).decode())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def program(stack, text, extra="", name="alpha", volumes=()):
    """A tenant that runs a Python program, and a directory /data of its own on the machine's disk."""
    directory = stack.tenant_directory(name)
    (directory / "data").mkdir(parents=True)
    (directory / "data").chmod(0o777)
    (directory / "script.py").write_text(textwrap.dedent(text))
    mounts = json.dumps(["./script.py:/srv/script.py:ro", "./data:/data", *volumes])
    return stack.tenant(name, f"""
services:
  web:
    image: host
    command: [/usr/bin/python3, -u, /srv/script.py]
    volumes: {mounts}
    stop_signal: SIGKILL
""" + textwrap.indent(textwrap.dedent(extra).strip("\n"), "    "))


@pytest.fixture
def compiled(stack):
    """Compiles C for a container to run."""
    def build(name, text):
        target = stack.tenant_directory(name)
        target.mkdir(exist_ok=True)
        (stack.path / "program.c").write_text(text)
        subprocess.run(["gcc", "-O1", "-pthread", "-o", target / "program", stack.path / "program.c"], check=True,
                       timeout=60)
        stack.tenant(name, """
services:
  web:
    image: host
    command: [/srv/program]
    volumes: ["./program:/srv/program:ro"]
    stop_signal: SIGKILL
    pids_limit: 2000
""")
    return build


WRITER = """
    import os
    fd = os.open("/data/big.tmp", os.O_RDWR | os.O_CREAT, 0o600)
    block = bytes(1 << 20)
    print("ready")
    while True:
        os.lseek(fd, 0, os.SEEK_SET)
        for _ in range(64):
            os.write(fd, block)
            os.fsync(fd)
"""


def test_a_writer_is_found_with_its_file_and_its_disk(stack):
    directory = program(stack, WRITER)
    stack.start()
    stack.wait_log("ready")
    pid = stack.inspect()["pid"]
    disk = os.stat(directory / "data").st_dev
    answers = [ask(stack, "why") for _ in range(5)]
    best = max(answers, key=lambda a: sum(f["write_bytes"] or 0 for f in a["files"]))
    assert best["ok"] and best["processes"] == 1 and best["tasks"] == 1 and 0.2 <= best["seconds"] < 2
    assert best["files"][0]["path"] == "/data/big.tmp" and best["files"][0]["pid"] == pid
    assert best["files"][0]["write_bytes"] >= 1 << 20 and best["files"][0]["write_bytes_rate"] >= 1 << 20
    assert best["files"][0]["size_bytes"] % (1 << 20) == 0
    top = best["top"]["disk"][0]
    assert top["pid"] == pid and top["write_bytes_rate"] >= 1 << 20 and top["name"] == "python3"
    assert f"python3 (pid {pid}) wrote " in " ".join(best["sentences"])
    assert " into /data/big.tmp." in " ".join(best["sentences"])
    assert "some" in best["pressure"].get("io", {"some": 1})
    if os.major(disk):
        by_name = {device["name"]: device for answer in answers for device in answer["devices"]}
        assert by_name and all(Path("/sys/block", name).exists() for name in by_name), by_name
        busiest = max((d for answer in answers for d in answer["devices"]), key=lambda d: d["busy_percent"])
        assert 0 < busiest["busy_percent"] <= 100 and busiest["write_bytes_rate"] > 0
        waiting = [task for answer in answers for task in answer["uninterruptible"]]
        assert all(task["pid"] == pid and task["syscall"] in ("fsync", "write", None) for task in waiting)
    shown = stack.ctl("why", "alpha/web").stdout
    assert f"python3 (pid {pid}) wrote " in shown and "/data/big.tmp" in shown and "Top by disk" in shown


def test_the_key_of_a_session_is_for_root(stack):
    program(stack, WRITER.replace("big.tmp", "sess_0123456789"))
    stack.start()
    stack.wait_log("ready")
    wait_until(lambda: "/data/sess_0123456789" in json.dumps(ask(stack, "why")), "the file in an answer")
    wait_until(lambda: "/data/sess_..." in json.dumps(ask_as_web(stack, "why")), "the file in an answer for httpd")
    for _ in range(3):
        assert "0123456789" not in json.dumps(ask_as_web(stack, "why"))


VFORK = """
#include <unistd.h>
int main(void) { if (vfork() == 0) for (;;) pause(); return 0; }
"""


def test_a_task_in_uninterruptible_sleep_is_told_with_what_it_waits_for(stack, compiled):
    compiled("alpha", VFORK)
    stack.start()
    pid = stack.inspect()["pid"]
    time.sleep(1.5)
    answer = ask(stack, "why")
    [task] = answer["uninterruptible"]
    assert task["pid"] == task["tid"] == pid and task["name"] == "program"
    assert task["syscall"] == "vfork" and task["share_percent"] == 100
    assert re.search("vfork|clone", task["wait_channel"])
    assert task["seconds"] is None or 1 <= task["seconds"] < 60
    assert "1 of 2 tasks waits for a child" in answer["sentences"][0]
    states = {p["pid"]: p["state"] for p in ask(stack, "processes")["processes"]}
    assert states[pid] == "D" and sorted(states.values()) == ["D", "S"]


THREADS = """
#include <pthread.h>
#include <unistd.h>
static void *stuck(void *x) { if (vfork() == 0) for (;;) pause(); return x; }
int main(void) { pthread_t t; pthread_create(&t, 0, stuck, 0); pthread_join(t, 0); return 0; }
"""


def test_threads_are_looked_at_one_by_one(stack, compiled):
    compiled("alpha", THREADS)
    stack.start()
    pid = stack.inspect()["pid"]
    wait_until(lambda: ask(stack, "why")["uninterruptible"], "the thread to wait")
    [task] = ask(stack, "why")["uninterruptible"]
    assert task["pid"] == pid and task["tid"] != pid
    first = next(p for p in ask(stack, "processes")["processes"] if p["pid"] == pid)
    assert first["state"] == "S" and first["threads"] == 2


def test_a_paused_container_says_so(stack):
    stack.sleeper()
    stack.start()
    stack.ctl("pause", "alpha/web")
    assert "paused" in ask(stack, "why")["sentences"][0]
    assert len(ask(stack, "processes")["processes"]) == 1
    stack.ctl("resume", "alpha/web")


def test_a_container_without_a_process_has_an_empty_list(stack):
    stack.sleeper()
    stack.start()
    stack.ctl("stop", "alpha/web")
    assert ask(stack, "processes") == {"version": 1, "ok": True, "processes": [], "more": False}
    assert ask(stack, "why")["sentences"] == ["alpha/web is stopped: it has no process."]
    assert ask(stack, "why", service="none")["code"] == "not-found"


BUSY = """
    print("ready")
    while True:
        pass
"""


def test_figures_of_a_process_are_those_of_the_kernel(stack):
    program(stack, BUSY, extra="cpus: 0.02\nuser: www-data")
    stack.start()
    stack.wait_log("ready")
    time.sleep(1)
    pid = stack.inspect()["pid"]
    wait_until(lambda: ask(stack, "processes")["processes"][0]["cpu_percent"] > 0, "CPU use to be seen")
    [process] = ask(stack, "processes")["processes"]
    assert process["pid"] == pid and process["pid_inside"] == 1 and process["user"] == 33 and process["state"] in "RS"
    assert 0 <= process["cpu_percent"] <= 100 and process["cpu_usec"] > 10000
    resident = int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text()).group(1)) * 1024
    assert resident / 2 < process["memory_bytes"] < resident * 2
    assert process["threads"] == 1 and process["age_seconds"] >= 1
    assert process["command"] == "/usr/bin/python3 -u /srv/script.py"
    wait_until(lambda: "The limit of 0.02 CPUs holds it back" in " ".join(ask(stack, "why")["sentences"]),
               "the limit to be told", 30)
    shown = stack.ctl("processes", "alpha/web").stdout.splitlines()
    assert shown[0].split()[:3] == ["PID", "INSIDE", "USER"] and shown[1].split()[:3] == [str(pid), "1", "33"]


MANY = """
#include <stdio.h>
#include <unistd.h>
int main(void) { for (int i = 0; i < 700; i++) if (fork() == 0) for (;;) pause(); puts("ready"); fflush(stdout); for (;;) pause(); }
"""


def test_many_processes_are_cut_and_stop_nobody(stack, compiled):
    compiled("alpha", MANY)
    stack.start()
    stack.wait_log("ready")
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as peer:
        peer.settimeout(20)
        peer.connect(str(stack.path / "run" / "control.sock"))
        peer.send(json.dumps({"version": 1, "verb": "processes", "tenant": "alpha", "service": "web"}).encode())
        begun = time.monotonic()
        assert ask(stack, "inspect")["ok"]
        assert time.monotonic() - begun < 5  # it was not behind the look
        answer = peer.recv(65537)
    assert len(answer) <= 65536
    answer = json.loads(answer)
    assert answer["ok"] and answer["more"] and 50 < len(answer["processes"]) <= 512
    assert len({p["pid"] for p in answer["processes"]}) == len(answer["processes"])
    why = ask(stack, "why")
    assert why["processes"] == 701 and why["uninterruptible"] == []


SECRET = "hunter2-password"
HOSTILE = f"""
    import ctypes, os, signal
    ctypes.CDLL(None).prctl(15, b"a) R 1 (\\x1b[2J\\n\\xff", 0, 0, 0)
    sleep = ["-c", "import time; time.sleep(1000)"]
    for arguments in (["\\x1b]0;x\\x07", *sleep, "--password={SECRET}"], [" ", *sleep, "x" * 100000], []):
        if os.fork() == 0:
            if arguments:
                os.execv("/usr/bin/python3", arguments)
            signal.pause()
    print("ready")
    signal.pause()
"""


def test_hostile_names_and_commands_are_text_and_arguments_are_for_root(stack):
    program(stack, HOSTILE)
    stack.start()
    stack.wait_log("ready")
    wait_until(lambda: len(ask(stack, "processes")["processes"]) == 4, "four processes")
    wait_until(lambda: SECRET in json.dumps(ask(stack, "processes")), "the last exec")
    processes = ask(stack, "processes")["processes"]
    pid = stack.inspect()["pid"]
    first = next(p for p in processes if p["pid"] == pid)
    assert first["name"].startswith("a) R 1 (\x1b[2J") and first["state"] == "S"
    assert all(len(p["command"].encode()) < 1024 for p in processes)
    for verb in ("processes", "why"):
        told = json.dumps(ask_as_web(stack, verb))
        assert SECRET not in told and "import time" not in told and "script.py" not in told, told
    assert {p["command"] for p in ask_as_web(stack, "processes")["processes"]} >= {"/usr/bin/python3", "\x1b]0;x\x07"}
    for verb in ("processes", "why"):
        shown = stack.ctl(verb, "alpha/web").stdout
        assert "\\x1b" in shown and "\x1b" not in shown and "\x07" not in shown


def helpers(stack):
    """The looks under way: the supervisor's children that run its own program."""
    found = []
    for child in Path(f"/proc/{stack.process.pid}/task/{stack.process.pid}/children").read_text().split():
        try:
            if os.readlink(f"/proc/{child}/exe").endswith("/container-supervisor"):
                found.append(int(child))
        except OSError:
            pass
    return found


def test_a_look_that_hangs_is_given_up_and_leaves_the_supervisor_free(stack):
    stack.sleeper()
    stack.start()
    answers = []
    asking = threading.Thread(target=lambda: answers.append(ask(stack, "why")))
    before = helpers(stack)
    asking.start()
    wait_until(lambda: [pid for pid in helpers(stack) if pid not in before], "the look's process")
    [pid] = [pid for pid in helpers(stack) if pid not in before]
    os.kill(pid, signal.SIGSTOP)
    begun = time.monotonic()
    assert ask(stack, "inspect")["ok"] and time.monotonic() - begun < 2
    asking.join(20)
    assert answers and answers[0]["ok"] is False and answers[0]["code"] == "failed", answers
    wait_until(lambda: not is_alive(pid), "the look's process to be gone")
    assert ask(stack, "why")["ok"]


def test_looks_are_few_and_those_into_one_container_are_shared(stack):
    names = [f"t{i}" for i in range(6)]
    for name in names:
        stack.sleeper(name)
    stack.start()
    peers = []
    for name in [*names, "t0", "t0"]:
        peer = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        peer.settimeout(20)
        peer.connect(str(stack.path / "run" / "control.sock"))
        peers.append((name, peer))
    for name, peer in peers:
        peer.send(json.dumps({"version": 1, "verb": "processes", "tenant": name, "service": "web"}).encode())
    answers = [(name, json.loads(peer.recv(65537))) for name, peer in peers]
    for _, peer in peers:
        peer.close()
    first = [answer for name, answer in answers if name == "t0"]
    assert first[0]["ok"] and first[0] == first[1] == first[2]
    refused = [answer["code"] for _, answer in answers if not answer["ok"]]
    assert set(refused) <= {"busy"} and len(refused) <= 2
    wait_until(lambda: not helpers(stack), "the looks to end")


def test_a_peer_that_leaves_while_it_waits_costs_nothing(stack):
    stack.sleeper()
    stack.start()
    for _ in range(3):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as peer:
            peer.connect(str(stack.path / "run" / "control.sock"))
            peer.send(json.dumps({"version": 1, "verb": "why", "tenant": "alpha", "service": "web"}).encode())
    assert ask(stack, "why")["ok"]
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as peer:
        peer.settimeout(20)
        peer.connect(str(stack.path / "run" / "control.sock"))
        peer.send(json.dumps({"version": 1, "verb": "why", "tenant": "alpha", "service": "web"}).encode())
        shutil.rmtree(stack.tenant_directory("alpha"))
        stack.ctl("apply")
        assert json.loads(peer.recv(65537)).get("code", "not-found") == "not-found"


# ---- inspect and logs for the web group ----

def test_the_web_group_inspects_what_is_no_secret(stack):
    program(stack, "print('ready'); import time; time.sleep(1000)",
            extra=f"environment: {{PASSWORD: {SECRET}}}\nmem_limit: 64m")
    stack.start()
    stack.wait_log("ready")
    told = ask_as_web(stack, "inspect")
    assert told["spec"]["command"] == "/usr/bin/python3" and told["spec"]["memory_limit_bytes"] == 64 << 20
    assert {m["target"] for m in told["spec"]["mounts"]} == {"/srv/script.py", "/data"}
    assert not {"source", "cgroup", "id_base"} & set(told)
    assert SECRET not in json.dumps(told) and str(stack.path) not in json.dumps(told["spec"])
    assert SECRET in json.dumps(ask(stack, "inspect"))


def test_the_web_group_reads_logs_only_where_it_may(stack):
    stack.sleeper(command='["sh", "-c", "echo the-last-words; exit 3"]', extra='restart: "no"')
    stack.start()
    stack.wait_state("failed")
    assert ask_as_web(stack, "logs")["code"] == "forbidden"
    ended = ask_as_web(stack, "events")["events"][-1]
    assert ended["exit"] == {"code": 3, "signal": 0, "oom_victim": None}
    assert ask(stack, "events")["events"][-1]["exit"]["log"] == ["the-last-words"]
    stack.stop()
    stack.settings["web_may_read_logs"] = True
    stack.start()
    stack.wait_state("failed")
    assert "the-last-words" in json.dumps(ask_as_web(stack, "logs", tail=20)["lines"])
    assert "the-last-words" in json.dumps(ask_as_web(stack, "events"))


# ---- history ----

def test_the_history_has_its_points(stack):
    stack.sleeper()
    stack.start()
    for text, points, step in (("1h", 60, 60), ("24h", 288, 300), ("30d", 1440, 1800)):
        told = ask_as_web(stack, "history", range=text)
        assert (told["step_seconds"], len(told["points"])) == (step, points)
        assert all(len(point) == 5 for point in told["points"]) and told["end_unix"] > time.time() - 3600
        assert told["points"][0] == [None, None, None, None, 0]
    wait_until(lambda: len(stack.ctl("history", "--range", "1h", "alpha/web").stdout.splitlines()) >= 2,
               "a line of the history", 30)
    shown = stack.ctl("history", "--range", "1h", "alpha/web").stdout.splitlines()
    assert shown[0].split() == ["UNTIL", "CPU%", "MEM", "DISK/S", "REQ/S", "FAULTS"]
    assert stack.ctl("history", "--range", "1y", "alpha/web", check=False).returncode == 1
    assert ask(stack, "history", range="1y")["code"] == "bad-request"
    assert ask(stack, "history")["code"] == "bad-request"


# ---- events ----

def test_events_tell_who_asked_and_how_it_ended(stack):
    stack.sleeper()
    stack.start()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as peer:
        peer.settimeout(20)
        peer.connect(str(stack.path / "run" / "control.sock"))
        peer.send(json.dumps({"version": 1, "verb": "stop", "tenant": "alpha", "service": "web", "wait_ms": 10000,
                              "actor": {"user": "ada\x1b", "ip": "192.0.2.1", "uid": 4711, "count": 3, "list": [],
                                        "long": "x" * 1000, "k" * 100: 1}}).encode())
        assert json.loads(peer.recv(65537))["ok"]
    events = ask(stack, "events")["events"]
    asked = next(e for e in events if e["event"].startswith("stop asked by"))
    ended = next(e for e in events if e["event"].startswith("ended: "))
    assert asked["event"].startswith("stop asked by uid=0 ") and asked["level"] == "info" and asked["exit"] is None
    actor = asked["actor"]
    assert (actor["uid"], actor["user"], actor["ip"], actor["count"]) == (0, "ada\x1b", "192.0.2.1", 3)
    assert actor["pid"] == os.getpid() and actor["long"] == "x" * 128 and set(actor) <= {
        "uid", "pid", "user", "ip", "count", "long"}
    assert ended["event"].startswith("ended: ") and ended["actor"] is None
    assert ended["exit"] == {"code": -1, "signal": 9, "oom_victim": None}
    shown = stack.ctl("events", "alpha/web").stdout
    assert "stop asked by uid=0" in shown and "\x1b" not in shown


def test_events_are_of_one_tenant_or_service_and_come_in_pages(stack):
    stack.sleeper("alpha")
    stack.sleeper("beta")
    stack.start()
    for _ in range(3):
        stack.ctl("restart", "beta/web")
    everything = ask(stack, "events", tenant="beta")["events"]
    assert {e["tenant"] for e in everything} == {"beta"} and len(everything) >= 10
    assert [e["time"] for e in everything] == sorted(e["time"] for e in everything)
    last = ask(stack, "events", tenant="beta", tail=2)
    assert last["events"] == everything[-2:] and last["more"] is False
    assert ask(stack, "events", tenant="beta", cursor=last["next"])["events"] == []
    stack.ctl("stop", "beta/web")
    new = ask(stack, "events", tenant="beta", cursor=last["next"])["events"]
    assert "stop asked" in new[0]["event"] and len(new) >= 2
    assert ask(stack, "events", cursor="nonsense")["code"] == "bad-request"
    refused = ask(stack, "events", tenant="../x")
    assert refused["code"] == "bad-request" and refused["message"].startswith("tenant: ")
    names = {line.split()[1] for line in stack.ctl("events", "--tail", "all").stdout.splitlines()}
    assert names == {"alpha/web:", "beta/web:"}
    assert len(stack.ctl("events", "--tail", "1", "beta").stdout.splitlines()) == 1
    time.sleep(2.1)
    assert stack.ctl("events", "--since", "1s").stdout == ""
    assert stack.ctl("events", "--since", "1h").stdout


def test_events_are_followed(stack):
    stack.sleeper()
    stack.start()
    from stack import BUILD
    following = subprocess.Popen([BUILD / "containerctl", "--root", stack.path, "events", "-f", "--tail", "0"],
                                 stdout=subprocess.PIPE, text=True)
    try:
        time.sleep(0.5)
        stack.ctl("restart", "alpha/web")
        assert "restart asked by" in following.stdout.readline()
    finally:
        following.kill()
        following.wait()
        following.stdout.close()


EATER = """
    import os, time
    print("now I eat")
    time.sleep(0.5)
    food = bytearray(1 << 30)
"""


def test_the_victim_of_the_oom_killer_is_named(stack):
    program(stack, EATER, extra='mem_limit: 40m\nrestart: "no"')
    stack.start()
    stack.wait_state("failed")
    events = ask(stack, "events")["events"]
    exit = events[-1]["exit"]
    started = next(e["event"] for e in events if e["event"].startswith("started, pid"))
    assert exit["signal"] == 9 and exit["log"] == ["now I eat"]
    assert exit["oom_victim"]["pid"] == int(started.split()[-1])
    assert "out of memory" in events[-1]["event"]
    killed = next(e["event"] for e in events if "the kernel killed a process" in e["event"])
    try:
        os.close(os.open("/dev/kmsg", os.O_RDONLY))
    except OSError:
        return
    assert exit["oom_victim"]["name"] == "python3" and 20 << 20 < exit["oom_victim"]["memory_bytes"] < 80 << 20
    assert f"python3 (pid {exit['oom_victim']['pid']})" in killed
