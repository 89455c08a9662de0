# SPDX-License-Identifier: Apache-2.0
"""scripts/bench calls this: measures, side by side with the peers, in a private piece of the machine."""
import argparse
import contextlib
import json
import os
import platform
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(1, str(Path(__file__).resolve().parents[1] / "integration"))

import part_php  # noqa: E402
import part_starts  # noqa: E402
import part_status  # noqa: E402
import world  # noqa: E402
from load import SIGNALS, Broken, uninterrupted  # noqa: E402
from stack import Stack  # noqa: E402


@dataclass(frozen=True)
class Size:
    php_rounds: int
    status_rounds: int
    starts: int
    containers: tuple


FULL = Size(php_rounds=7, status_rounds=3, starts=40, containers=(0, 50, 100))
QUICK = Size(php_rounds=2, status_rounds=1, starts=10, containers=(0, 20))


class Report:
    """Prints each part when it is there, or all of them at the end as JSON."""

    def __init__(self, is_json):
        self.is_json = is_json
        self.parts = {}

    def machine(self, facts):
        self.parts["machine"] = facts
        self.say(f"{facts['cpus']} CPUs, Linux {facts['kernel']}, load {facts['load']:.1f} before the run, "
                 f"cgroup {facts['cgroup']}")

    def say(self, text):
        if not self.is_json:
            print(text, flush=True)

    def pairs(self, key, title, ours, theirs, rows):
        self.parts[key] = rows
        self.say(f"\n{title}")
        self.say(f"  {'requests/s, medians':<30}{ours:>14}{theirs:>14}{'ratio':>8}   (lowest - highest)")
        for row in rows:
            mine, peers = row["ours"], row["theirs"]
            sizes = f"   {row['ours_bytes']:,} and {row['theirs_bytes']:,} bytes" if "ours_bytes" in row else ""
            self.say(f"  {row['name']:<30}{mine['requests_per_second']:>14,.0f}"
                     f"{peers['requests_per_second']:>14,.0f}{row['ratio']:>8.3f}"
                     f"   ({row['ratio_min']:.2f} - {row['ratio_max']:.2f}){sizes}")
            for name, cost in mine["cpu_usec_per_request"].items():
                peer_cost = peers["cpu_usec_per_request"][name]
                self.say(f"  {f'  CPU of {name}, us a request':<30}{cost:>14.1f}{peer_cost:>14.1f}"
                         f"{cost / peer_cost:>8.3f}")

    def starts(self, rows, absent):
        self.parts["starts"] = {"rows": rows, "not_compared": absent}
        self.say("\nStart and stop of a container, one after the other (a static program that waits), means")
        self.say(f"  {'':<30}{'start, ms':>14}{'stop, ms':>14}{'starts/s':>10}")
        for row in rows:
            self.say(f"  {row['name']:<30}{row['start_ms']:>14.1f}{row['stop_ms']:>14.1f}"
                     f"{row['starts_per_second']:>10.1f}   {row['note']}")
        for reason in absent:
            self.say(f"  not compared: {reason}")

    def memory(self, rows):
        self.parts["memory"] = rows
        self.say("\nMemory of the supervisor")
        self.say(f"  {'containers':<30}{'resident, KiB':>14}{'anonymous':>14}")
        for row in rows:
            started = f"   {row['started']} started at once in {row['seconds']:.2f} s" if row["started"] else ""
            self.say(f"  {row['containers']:<30}{row['rss_bytes'] // 1024:>14,}"
                     f"{row['anonymous_bytes'] // 1024:>14,}{started}")

    def end(self, seconds):
        self.parts["seconds"] = round(seconds, 1)
        self.say(f"\nThe run took {seconds:.0f} s.")
        if self.is_json:
            json.dump(self.parts, sys.stdout, indent=2)
            print()


def machine():
    version = "v2" if Path("/sys/fs/cgroup/cgroup.controllers").exists() else "v1"
    return {"cpus": os.cpu_count(), "kernel": platform.release(), "load": os.getloadavg()[0],
            "cgroup": version}


@contextlib.contextmanager
def running_stack():
    stack = Stack()
    stack.verbosity = []  # nobody reads the debug log of a measurement, and writing it takes time
    try:
        yield stack.start()
    finally:
        with uninterrupted():
            stack.close()


def measure(report, size):
    report.machine(machine())
    with running_stack() as stack:
        report.pairs("php", f"PHP through a container (cpus: {os.cpu_count()}, all of this machine) against "
                     "the same PHP-FPM without one, each in a CPU group of its own", "container", "no container", part_php.run(stack, size))
    report.pairs("status", "/container-status?auto against /server-status?auto of an httpd without the module",
                 "mod_container", "mod_status", part_status.run(size))
    with running_stack() as stack:
        report.starts(*part_starts.run(stack, size))
    with running_stack() as stack:
        report.memory(part_starts.run_memory(stack, size))


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Measures, side by side with the peers. "
                                     "No number makes it fail.")
    parser.add_argument("--quick", action="store_true", help="less than 25 s instead of less than 90 s")
    parser.add_argument("--json", action="store_true", help="print one JSON object, with all samples")
    options = parser.parse_args()
    for number in SIGNALS:
        signal.signal(number, lambda got, _: sys.exit(128 + got))
    world.enter()
    report = Report(options.json)
    before = time.monotonic()
    try:
        measure(report, QUICK if options.quick else FULL)
    except Broken as broken:
        sys.exit(f"bench: {broken}")
    report.end(time.monotonic() - before)


if __name__ == "__main__":
    main()
