# SPDX-License-Identifier: Apache-2.0
"""How long a start and a stop take, one after the other, and what many containers cost the supervisor."""
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from load import Broken, uninterrupted
from stack import BUILD

HERE = Path(__file__).resolve().parent
PEERS = ("runc", "crun")

COMPOSE = """
services:
  web:
    image: rootfs:{image}
    command: ["/idle"]
    mem_limit: 16m
"""


def build_image(path):
    """A root file system of one static program."""
    image = path / "image"
    image.mkdir(mode=0o755)
    subprocess.run(["cc", "-O2", "-static", "-o", image / "idle", HERE / "idle.c"], check=True, timeout=60)
    return image


def timed_ms(command):
    # A file, no pipe: a container that stays in the background would hold that open.
    with tempfile.TemporaryFile("w+") as said:
        before = time.monotonic_ns()
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, timeout=20)
        after = time.monotonic_ns()
        if done.returncode != 0:
            said.seek(0)
            raise Broken(f"{command[0]} ended with {done.returncode}: {said.read(500).strip()}")
    return (after - before) / 1e6


def summary(name, starts, stops, note):
    start, stop = statistics.fmean(starts), statistics.fmean(stops)
    return {"name": name, "start_ms": start, "start_median_ms": statistics.median(starts), "stop_ms": stop,
            "starts_per_second": 1000 / start, "count": len(starts), "note": note,
            "samples": {"start_ms": starts, "stop_ms": stops}}


def ours(stack, image, count):
    """containerctl waits until the container runs, or is gone."""
    stack.tenant("idle", COMPOSE.format(image=image))
    stack.ctl("apply")
    stack.wait_state("running", "idle/web")
    stack.ctl("stop", "idle/web")
    starts, stops = [], []
    for _ in range(count):
        for verb, times in (("start", starts), ("stop", stops)):
            times.append(timed_ms([BUILD / "containerctl", "--root", stack.path, verb, "idle/web"]))
    return summary("containerctl", starts, stops, "with a network of its own, user namespace, overlay")


def runtime(name, stack, image, count):
    """Another runtime with the configuration that its own `spec` writes."""
    bundle = stack.path / name
    state = stack.path / f"{name}-state"
    bundle.mkdir()
    subprocess.run([name, "spec"], cwd=bundle, check=True, timeout=30)
    config = json.loads((bundle / "config.json").read_text())
    config["process"].update(terminal=False, args=["/idle"])
    config["root"] = {"path": str(image), "readonly": True}
    config["linux"]["cgroupsPath"] = f"/{stack.cgroup}-{name}"
    config["linux"].setdefault("resources", {}).update(memory={"limit": 16 << 20}, pids={"limit": 64})
    (bundle / "config.json").write_text(json.dumps(config))
    starts, stops = [], []
    base = [name, "--root", str(state)]
    try:
        for i in range(count + 1):
            box = f"bench{os.getpid()}-{i}"
            started = timed_ms([*base, "run", "--detach", "--bundle", str(bundle), box])
            # A signal that comes before the program waits for it is lost, so it is sent until the program is gone.
            stopped = timed_ms(["sh", "-c", 'until "$@" kill "$0" TERM; "$@" delete "$0"; do :; done', box, *base])
            if i > 0:  # the first one is cold
                starts.append(started)
                stops.append(stopped)
    finally:
        with uninterrupted():
            for left in state.glob("*"):
                subprocess.run([*base, "delete", "--force", left.name], timeout=30, capture_output=True)
    return summary(name, starts, stops, "its own default configuration: no network, no user namespace")


def run(stack, size):
    image = build_image(stack.path)
    rows = [ours(stack, image, size.starts)]
    absent = []
    for name in PEERS:
        if not shutil.which(name):
            absent.append(f"{name} is not installed")
            continue
        try:
            rows.append(runtime(name, stack, image, size.starts))
        except (Broken, OSError, subprocess.SubprocessError) as problem:  # theirs is not our failure
            absent.append(f"{name} does not work here: {problem}")
    return rows, absent


# ---- memory ----

def memory(pid):
    """(resident, anonymous) bytes of a process (proc_pid_status(5))."""
    text = Path(f"/proc/{pid}/status").read_text()
    fields = dict(line.split(":", 1) for line in text.splitlines())
    return tuple(int(fields[key].split()[0]) * 1024 for key in ("VmRSS", "RssAnon"))


def running(stack):
    return sum(c["state"] == "running" for c in stack.ps().values())


def run_memory(stack, size):
    """One container a tenant. The time of `apply` is that of starting all of them at once."""
    image = build_image(stack.path)
    rows = []
    names = []
    for count in size.containers:
        for i in range(len(names), count):
            names.append(f"many{i:03}")
            stack.tenant(names[-1], COMPOSE.format(image=image))
        before = time.monotonic()
        known = running(stack)
        stack.ctl("apply", timeout=120)
        while running(stack) < count:
            if time.monotonic() - before > 60:
                raise Broken(f"{running(stack)} of {count} containers run after a minute")
            time.sleep(0.05)
        seconds = time.monotonic() - before
        time.sleep(1.2)  # a turn of the sampler with all of them
        resident, anonymous = memory(stack.process.pid)
        started = count - known
        rows.append({"containers": count, "rss_bytes": resident, "anonymous_bytes": anonymous,
                     "started": started, "seconds": seconds if started else None})
    return rows
