# SPDX-License-Identifier: Apache-2.0
"""scripts/bench sampler calls this: what looking at many containers costs the supervisor, and what each costs it."""
import argparse
import contextlib
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(1, str(Path(__file__).resolve().parents[1] / "integration"))

import world  # noqa: E402
from board_reader import BoardReader, load_reader  # noqa: E402
from load import SIGNALS, Broken, uninterrupted  # noqa: E402
from private_httpd import wait_until  # noqa: E402
from stack import Stack  # noqa: E402

HERE = Path(__file__).resolve().parent
SERVICES_A_TENANT = 50

SERVICE = """
  s{number}:
    image: rootfs:{image}
    command: ["/{program}"]
    mem_limit: 16m
    restart: "no"
"""


def build_image(path):
    image = path / "image"
    image.mkdir(mode=0o755)
    for program in ("idle", "ticking"):
        subprocess.run(["cc", "-O2", "-static", "-o", image / program, HERE / f"{program}.c"], check=True, timeout=60)
    return image


def declare(stack, prefix, count, image, program):
    """Tenants of fifty services each."""
    for first in range(0, count, SERVICES_A_TENANT):
        numbers = range(first, min(first + SERVICES_A_TENANT, count))
        stack.tenant(f"{prefix}{first // SERVICES_A_TENANT}", "services:" + "".join(
            SERVICE.format(number=number, image=image, program=program) for number in numbers))


def wait_running(stack, count, seconds):
    end = time.monotonic() + seconds
    while True:
        states = [c["state"] for c in stack.ps().values()]
        if states.count("running") == count and "starting" not in states:
            return len(states)
        if time.monotonic() > end:
            raise Broken(f"{states.count('running')} of {count} containers run after {seconds} s:\n{stack.log()[-2000:]}")
        time.sleep(0.3)


def settle(reader):
    """Past the first turns of all: until each container had its dear turn."""
    time.sleep(12)
    return reader.host()


def measure(stack, library, name, running, declared, seconds):
    reader = BoardReader(library, stack.path / "run/scoreboard")
    try:
        settle(reader)
        pid = stack.process.pid
        before, cpu, turns = time.monotonic(), cpu_of(pid), []
        last = 0
        while time.monotonic() - before < seconds:
            host = reader.host()
            if host.sampled_boottime_usec != last:
                last = host.sampled_boottime_usec
                turns.append(host.sampler_usec)
            time.sleep(0.1)
        elapsed = time.monotonic() - before
        used = cpu_of(pid) - cpu
    finally:
        reader.close()
    return {"name": name, "running": running, "declared": declared, "seconds": elapsed,
            "engine_percent": used / elapsed / 1e4, "turn_usec": sum(turns) / len(turns), "turn_max_usec": max(turns),
            "descriptors": len(os.listdir(f"/proc/{pid}/fd"))}


def cpu_of(pid):
    """Of the engine's threads alone: containers are its children."""
    return sum(int(path.read_text().split()[0]) for path in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1000


@contextlib.contextmanager
def running_stack(slots):
    stack = Stack()
    stack.verbosity = []
    stack.settings["slots"] = slots
    try:
        yield stack
    finally:
        with uninterrupted():
            if stack.process and stack.process.poll() is None:
                stack.process.terminate()
                stack.process.wait(600)  # a thousand containers end one after the other
            stack.close()


def one(library, name, program, running, asleep, seconds):
    with running_stack(running + asleep + 10) as stack:
        image = build_image(stack.path)
        declare(stack, "run", running, image, program)
        declare(stack, "none", asleep, stack.path / "no-such-image", program)
        stack.launch()
        wait_until(stack.answers, "the supervisor to have started all", 60 + (running + asleep) / 4)
        declared = wait_running(stack, running, 60 + (running + asleep) / 10)
        return measure(stack, library, name, running, declared, seconds)


def say(row):
    print(f"  {row['name']:<44}{row['running']:>9}{row['engine_percent']:>12.2f}{row['turn_usec'] / 1000:>12.2f}"
          f"{row['turn_max_usec'] / 1000:>10.2f}{row['descriptors']:>13}", flush=True)


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench sampler")
    parser.add_argument("--quick", action="store_true", help="a tenth of the containers")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    for number in SIGNALS:
        signal.signal(number, lambda got, _: sys.exit(128 + got))
    world.enter()
    part = 10 if options.quick else 1
    seconds = 10 if options.quick else 30
    with contextlib.ExitStack() as rooms:
        library = load_reader(rooms.enter_context(tempfile.TemporaryDirectory()))
        if not options.json:
            print(f"{os.cpu_count()} CPUs, Linux {platform.release()}, load {os.getloadavg()[0]:.1f} before the run, "
                  "one sample a second\n")
            print(f"  {'':<44}{'running':>9}{'% of a core':>12}{'a turn, ms':>12}{'most, ms':>10}{'descriptors':>13}")
        rows = []
        for name, program, running, asleep in (
                ("no container", "idle", 0, 0),
                ("each asleep", "idle", 1000 // part, 0),
                ("each wakes once a second", "ticking", 1000 // part, 0),
                ("declared, none runs", "idle", 0, 10000 // part)):
            rows.append(one(library, name, program, running, asleep, seconds))
            if not options.json:
                say(rows[-1])
    if options.json:
        json.dump(rows, sys.stdout, indent=2)
        print()


if __name__ == "__main__":
    try:
        main()
    except Broken as broken:
        sys.exit(f"bench: {broken}")
