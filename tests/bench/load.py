# SPDX-License-Identifier: Apache-2.0
"""wrk, and two of a kind measured in turns."""
import argparse
import contextlib
import json
import re
import signal
import statistics
import subprocess
import sys
from pathlib import Path


SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Broken(Exception):
    """Something does not work, so there is no number to print."""


@contextlib.contextmanager
def uninterrupted():
    """While things are put away, a Ctrl-C waits: half of it would leave the other half behind."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def wrk(url, host, clients, seconds):
    """(requests, requests a second) of `clients` connections that ask again as soon as they are answered."""
    # wrk's threads share the connections out; more than one only takes CPU from the server.
    done = subprocess.run(["wrk", "-t1", f"-c{clients}", f"-d{seconds}s", "-H", f"Host: {host}", url],
                          capture_output=True, text=True, timeout=seconds + 30)
    rate = re.search(r"^Requests/sec:\s+([\d.]+)", done.stdout, re.M)
    count = re.search(r"(\d+) requests in", done.stdout)
    if done.returncode != 0 or not rate or not count:
        raise Broken(f"wrk {url}: {done.stderr or done.stdout}")
    bad = re.search(r"Non-2xx.*|Socket errors.*", done.stdout)
    if bad:
        raise Broken(f"wrk {url} (Host: {host}): {bad.group()}")
    return int(count.group(1)), float(rate.group(1))


def family(pid):
    """A process and all below it."""
    found = [pid]
    with contextlib.suppress(OSError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            found += family(int(child))
    return found


def cpu_usec(pid):
    """CPU time of all threads of a process and of those below it (proc_pid_schedstat: nanoseconds)."""
    total = 0
    for member in family(pid):
        for thread in Path(f"/proc/{member}/task").glob("*/schedstat"):
            with contextlib.suppress(OSError):
                total += int(thread.read_text().split()[0])
    return total / 1000


class Side:
    """One of the two that are compared: what wrk asks, and whose CPU time is counted, by name."""

    def __init__(self, url, host, **processes):
        self.url, self.host, self.processes = url, host, processes
        self.rates = []
        self.cpu = {name: [] for name in processes}

    def turn(self, clients, seconds):
        before = {name: cpu_usec(pid) for name, pid in self.processes.items()}
        requests, rate = wrk(self.url, self.host, clients, seconds)
        self.rates.append(rate)
        for name, pid in self.processes.items():
            self.cpu[name].append((cpu_usec(pid) - before[name]) / requests)

    def result(self):
        return {"requests_per_second": statistics.median(self.rates), "samples": self.rates,
                "cpu_usec_per_request": {name: statistics.median(cost) for name, cost in self.cpu.items()}}


def in_turns(name, ours, theirs, clients, rounds, seconds=1):
    """A B A B ...: what disturbs the machine for a while disturbs both. The ratio is the median of the rounds'."""
    for _ in range(rounds):
        ours.turn(clients, seconds)
        theirs.turn(clients, seconds)
    ratios = [a / b for a, b in zip(ours.rates, theirs.rates)]
    return {"name": name, "clients": clients, "ours": ours.result(), "theirs": theirs.result(),
            "ratio": statistics.median(ratios), "ratio_min": min(ratios), "ratio_max": max(ratios)}


def command(name, description, run, show, full, quick):
    """The command line of a part: run(size) measures, show(parts) prints its tables."""
    parser = argparse.ArgumentParser(prog=f"scripts/bench {name}", description=f"{description} No number makes it fail.")
    parser.add_argument("--quick", action="store_true", help="less exact")
    parser.add_argument("--json", action="store_true", help="print one JSON object, with all samples")
    options = parser.parse_args()
    for number in SIGNALS:
        signal.signal(number, lambda got, _: sys.exit(128 + got))
    try:
        parts = run(quick if options.quick else full)
    except Broken as broken:
        sys.exit(f"bench: {broken}")
    if options.json:
        json.dump(parts, sys.stdout, indent=2)
        print()
    else:
        show(parts)
