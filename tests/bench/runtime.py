# SPDX-License-Identifier: Apache-2.0
"""scripts/bench runtime calls this: our runtime beside crun and runc, on the same bundles, round by round."""
import argparse
import contextlib
import itertools
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(1, str(Path(__file__).resolve().parents[1] / "integration"))

import runtime_bundle  # noqa: E402
import world  # noqa: E402
from load import SIGNALS, Broken, uninterrupted  # noqa: E402
from stack import BUILD, ROOT  # noqa: E402

HERE = Path(__file__).resolve().parent
UNIFIED = Path("/sys/fs/cgroup/unified")
PARALLEL = 16
WARM_UP = 2
# A first move into a cgroup v1 hierarchy after a pause waits for the kernel (5 to 15 ms), one right after another does
# not. So a turn is three of the same back to back, of which the first, which pays for what was before, is not counted.
TURN = 3
PAUSE_SECONDS = 0.05
WAITING = 3         # created containers that wait at the same time, of which one is measured
FIRST_STARTS = 7    # processes of the library whose first start counts: one alone says little
MNT_DETACH = 2
IDS = itertools.count(1)


@dataclass(frozen=True)
class Size:
    rounds: int
    at_once: int  # starts
    at_once_rounds: int
    library_containers: int


FULL = Size(rounds=20, at_once=64, at_once_rounds=3, library_containers=1000)
QUICK = Size(rounds=5, at_once=32, at_once_rounds=1, library_containers=100)


@dataclass(frozen=True)
class Row:
    """One thing to time: commands without the runtime, and the ratio to crun that is wanted (issue's figure)."""
    name: str
    steps: tuple
    wanted: float = None
    variant: str = "plain"
    floor: str = None  # the second argument of floor.c
    needs_sleeper: bool = False
    parallel: int = 1
    after_pause: bool = False


RUN = (("run", "--bundle", "{bundle}", "b@id"),)
LIFE = (("create", "--bundle", "{bundle}", "b@id"), ("start", "b@id"), ("delete", "--force", "b@id"))
ROWS = (
    Row("run", RUN, wanted=0.55, floor="-"),
    Row("run, seccomp profile", RUN, wanted=0.5, variant="seccomp"),
    Row("run, user namespace", RUN, variant="user"),
    Row("exec", (("exec", "sleeper", "/bin/true"),), wanted=0.4, needs_sleeper=True),
    Row("state", (("state", "sleeper"),), wanted=0.5, needs_sleeper=True),
    Row("create + start + delete", LIFE),
)
AT_ONCE = Row(f"run, {PARALLEL} at once", RUN, floor="-", parallel=PARALLEL)
STARTS_WANTED = 300       # a second, at once
CALLS_WANTED = 250        # system calls of a run
WAITING_KB_WANTED = 300   # private memory of a created container's process
LIBRARY_MS_WANTED = 3


@dataclass
class Runtime:
    name: str
    program: str
    top: Path
    slot: int  # of the sleeper: all sleep at the same time
    root: Path = field(init=False)
    sleeper: bool = False

    def __post_init__(self):
        self.root = self.top / "state" / self.name

    def base(self):
        return [self.program, "--root", str(self.root)]

    def commands(self, row):
        """The arguments of timed.c for one round."""
        bundle = str(self.top / row.variant / "@slot")
        words = []
        for step in row.steps:
            words += [*([";"] if words else []), *self.base(), *(word.format(bundle=bundle) for word in step)]
        return words

    def call(self, *arguments, check=True):
        # A file, no pipe: a container that stays in the background would hold that open.
        with open(self.top / "log", "a") as log:
            done = subprocess.run([*self.base(), *arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                  timeout=30)
        if check and done.returncode != 0:
            raise Broken(f"{self.name} {arguments[0]} ended with {done.returncode}: {last_words(self.top)}")

    def start_sleeper(self):
        if not self.sleeper:
            self.call("create", "--bundle", str(self.top / "sleep" / str(self.slot)), "sleeper")
            self.sleeper = True
            self.call("start", "sleeper")

    def stop_sleeper(self):
        if self.sleeper:
            self.call("delete", "--force", "sleeper", check=False)
            self.sleeper = False
            world.reap()

    def remove_all(self):
        for left in self.root.glob("*"):
            self.call("delete", "--force", left.name, check=False)
        world.reap()


@dataclass
class Floor:
    """floor.c in a runtime's place."""
    top: Path
    name: str = "floor"
    sleeper: bool = False

    def commands(self, row):
        return [str(self.top / "floor"), str(self.top / "rootfs"), row.floor, "/bin/true"]


def last_words(top):
    with contextlib.suppress(OSError):
        return (top / "log").read_text(errors="replace")[-600:].strip()
    return ""


def remove_group(group):
    """With what an interrupted run left in it."""
    for child in group.glob("*/"):
        remove_group(child)
    for _ in range(50):
        with contextlib.suppress(OSError):
            for pid in (group / "cgroup.procs").read_text().split():
                os.kill(int(pid), signal.SIGKILL)
        world.reap()
        with contextlib.suppress(OSError):
            group.rmdir()
        if not group.exists():
            return
        time.sleep(0.02)


def compile_static(source, target):
    subprocess.run(["cc", "-std=gnu17", "-D_GNU_SOURCE", "-O2", "-static", "-o", target, HERE / source], check=True,
                   timeout=60)


def compile_library(target):
    libraries = "jansson libseccomp yaml-0.1 libnl-3.0 libnl-route-3.0 libnftables libsystemd".split()
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", *libraries], check=True, capture_output=True, text=True,
                           timeout=30).stdout.split()
    done = subprocess.run(["cc", "-std=gnu17", "-D_GNU_SOURCE", f"-I{ROOT}", "-O2", "-o", target, HERE / "library.c",
                           BUILD / "libsupervisor.a", BUILD / "libcommon.a", *flags, "-lm"], capture_output=True,
                          text=True, timeout=60)
    if done.returncode != 0:
        raise Broken(f"tests/bench/library.c: {done.stderr[:2000]}")



class Bench:
    def __init__(self, top, ours, size):
        self.top, self.size = top, size
        self.prefix = []
        for source in ("timed.c", "floor.c"):
            compile_static(source, top / source[:-2])
        runtime_bundle.make(top, PARALLEL)
        # Where all runtimes keep their state if nobody says otherwise, /run, is one too.
        (top / "state").mkdir()
        world.check(world.LIBC.mount(b"tmpfs", os.fsencode(top / "state"), b"tmpfs", 0, b"mode=755"), "mount tmpfs")
        programs = [("ours", ours)] + [(name, shutil.which(name)) for name in ("crun", "runc")]
        self.runtimes = [Runtime(name, str(program), top, slot)
                         for slot, (name, program) in enumerate(programs) if program]
        self.absent = [name for name, program in programs if not program]
        self.floor = Floor(top)

    # ---- time ----

    def timed(self, runtime, row, count=1):
        """(seconds of all, [ms of each], [ms of processor time of each], largest resident KB)."""
        first = next(IDS) * 1000
        done = subprocess.run([self.top / "timed", str(row.parallel), str(count), str(first), self.top / "log",
                               *runtime.commands(row)], capture_output=True, text=True, timeout=110)
        if done.returncode == 128 + signal.SIGALRM:
            raise Broken(f"{runtime.name}: {row.name}: hangs")
        if done.returncode != 0:
            raise Broken(f"{runtime.name}: {row.name}: {done.stderr.strip()}: {last_words(self.top)}")
        total, *lines = done.stdout.splitlines()
        each = [[int(word) for word in line.split()] for line in lines]
        return (int(total) / 1e9, [ns / 1e6 for ns, _, _ in each], [us / 1e3 for _, _, us in each],
                max(kb for _, kb, _ in each))

    def turn(self, side, row):
        if row.after_pause:
            time.sleep(PAUSE_SECONDS)
            return self.timed(side, row)[1:]
        _, times, cpu, largest = self.timed(side, row, TURN)
        return times[1:], cpu[1:], largest

    def sides(self, row):
        return [*self.runtimes, *([self.floor] if row.floor else [])]

    def tried(self, row):
        """Those that can do it at all here, after their warm-up, and why the others cannot."""
        able, reasons = [], {}
        for side in self.sides(row):
            try:
                if row.needs_sleeper:
                    side.start_sleeper()
                self.timed(side, row, WARM_UP)
                able.append(side)
            except Broken as broken:
                reasons[side.name] = str(broken)
        return able, reasons

    def measure(self, row):
        able, reasons = self.tried(row)
        samples = {side.name: [] for side in able}
        cpu_samples = {side.name: [] for side in able}
        rss = {side.name: 0 for side in able}
        try:
            for _ in range(self.size.rounds):
                for side in able:  # in turns: what disturbs the machine disturbs all
                    times, cpu, largest = self.turn(side, row)
                    samples[side.name] += times
                    cpu_samples[side.name] += cpu
                    rss[side.name] = max(rss[side.name], largest)
        finally:
            if row.needs_sleeper:
                for side in self.runtimes:
                    side.stop_sleeper()
        return {"name": row.name, "wanted": row.wanted, "ms": {k: statistics.median(v) for k, v in samples.items()},
                "cpu_ms": {k: statistics.median(v) for k, v in cpu_samples.items()},
                "rss_kb": rss, "samples": samples, "failed": reasons}

    def measure_at_once(self):
        able, reasons = self.tried(AT_ONCE)
        rates = {side.name: [] for side in able}
        for _ in range(self.size.at_once_rounds):
            for side in able:
                seconds, *_ = self.timed(side, AT_ONCE, self.size.at_once)
                rates[side.name].append(self.size.at_once / seconds)
        return {"name": AT_ONCE.name, "starts_per_second": {k: statistics.median(v) for k, v in rates.items()},
                "samples": rates, "failed": reasons}

    # ---- what does not depend on the clock ----

    def system_calls(self, side):
        """Of a `run`, the container's own process and program included."""
        words = [word.replace("@id", "traced").replace("@slot", "0") for word in side.commands(ROWS[0])]
        out = self.top / "strace"
        done = subprocess.run(["strace", "-f", "-c", "-U", "calls,name", "-o", out, *words], capture_output=True,
                              text=True, stdin=subprocess.DEVNULL, timeout=60)
        if done.returncode != 0:
            raise Broken(f"{side.name}: run under strace: {done.stderr[-300:]}")
        return next(int(line.split()[0]) for line in out.read_text().splitlines() if line.split()[1:] == ["total"])

    def waiting_kb(self, runtime, wanted=("Private_Clean:", "Private_Dirty:")):
        """
        Private memory of the process of a container that was created and not started (proc(5), smaps_rollup). Others
        wait beside it: pages of the program's file are private as long as one process alone has them mapped.
        """
        pid_file = self.top / "pid"
        try:
            for slot in range(WAITING):
                runtime.call("create", "--bundle", str(self.top / "plain" / str(slot)), "--pid-file", str(pid_file),
                             f"waiting-{slot}")
            text = Path(f"/proc/{int(pid_file.read_text())}/smaps_rollup").read_text()
        finally:
            for slot in range(WAITING):
                runtime.call("delete", "--force", f"waiting-{slot}", check=False)
            world.reap()
        return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith(wanted))

    def dirty_kb(self, runtime):
        return self.waiting_kb(runtime, ("Private_Dirty:",))

    def counted(self, what, sides):
        found, reasons = {}, {}
        for side in sides:
            try:
                found[side.name] = what(side)
            except (Broken, OSError) as problem:
                reasons[side.name] = str(problem)
        return {"found": found, "failed": reasons}

    def library(self):
        program = self.top / "library"
        compile_library(program)
        results = {}
        for variant in ("plain", "user"):
            config = self.top / variant / "0" / "config.json"
            # The program there waits, so that all of them live at once.
            text = json.loads(config.read_text())
            text["process"]["args"] = ["/bin/sleep", "1000"]
            sleeping = self.top / f"library-{variant}.json"
            sleeping.write_text(json.dumps(text))
            count = self.size.library_containers if variant == "plain" else self.size.library_containers // 10
            firsts = [self.library_starts(program, sleeping, 1)[0] for _ in range(FIRST_STARTS)]
            results[variant] = {"first": firsts, "all": self.library_starts(program, sleeping, count)}
        return results

    def library_starts(self, program, config, count):
        """The milliseconds of the parts of each start in a new process."""
        done = subprocess.run([program, config, str(count), f"/mcb-{os.getpid()}-library"], capture_output=True,
                              text=True, timeout=110, stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            raise Broken(f"the library: {done.stderr.strip()}")
        return [[float(part) for part in line.split()] for line in done.stdout.splitlines()]

    def close(self):
        for runtime in self.runtimes:
            runtime.remove_all()
        world.LIBC.umount2(os.fsencode(self.top / "state"), MNT_DETACH)
        for hierarchy in (world.CGROUPS, *world.CGROUPS.glob("*/")):
            for group in hierarchy.glob(f"mcb-{os.getpid()}-*"):
                remove_group(group)


# ---- the table ----

class Report:
    def __init__(self, is_json, names):
        self.is_json, self.names = is_json, names
        self.parts = {}

    def say(self, text=""):
        if not self.is_json:
            print(text, flush=True)

    def line(self, name, values, form, wanted="", others=()):
        """others: values of the same sides for the columns of further ratios."""
        cells = "".join(f"{(form.format(values[n]) if n in values else '-'):>10}" for n in (*self.names, "floor"))
        found = [ours_to_crun(side) for side in (values, *others)] + [None] * (2 - len(others))
        ratios = "".join(f"{(f'{ratio:.2f}' if ratio else ''):>11}" for ratio in found)
        self.say(f"  {name:<28}{cells}{ratios}   {wanted}".rstrip())

    def heading(self, title):
        self.say(f"\n{title}")
        names = "".join(f"{n:>10}" for n in (*self.names, "floor"))
        self.say(f"  {'':<28}{names}{'ours/crun':>11}{'lowest':>11}{'CPU':>11}   wanted")

    def failures(self, failed):
        for side, reason in failed.items():
            self.say(f"    {side} cannot: {reason.splitlines()[-1][:200] if reason else '?'}")

    def times(self, key, title, rows):
        self.parts[key] = rows
        self.heading(title)
        for row in rows:
            ms = row["ms"]
            wanted = verdict(f"at most {row['wanted']}", ours_to_crun(ms), row["wanted"]) if row["wanted"] else ""
            # On a busy machine the lowest of each are nearer to the truth than the medians, and so is processor time.
            lowest = {n: min(samples) for n, samples in row["samples"].items()}
            self.line(row["name"], ms, "{:.2f}", wanted, (lowest, row["cpu_ms"]))
            if "floor" in ms:
                self.line("  above the floor", {n: t - ms["floor"] for n, t in ms.items() if n != "floor"}, "{:.2f}")
            self.failures(row["failed"])

    def number(self, key, name, values, failed, form, wanted):
        self.parts[key] = {"found": values, "failed": failed}
        self.line(name, values, form, wanted)
        self.failures(failed)


def ours_to_crun(values):
    return values["ours"] / values["crun"] if "ours" in values and "crun" in values else None


def verdict(text, value, limit, is_least=False):
    if value is None:
        return text
    return f"{text}: {'yes' if (value >= limit if is_least else value <= limit) else 'NO'}"


def library_lines(report, results):
    """Medians of the fifty starts before the n-th, and of the first ones of several processes."""
    report.parts["library"] = results
    report.say("\nInside a process that stays, all containers alive: ms a start")
    report.say(f"  {'':<28}{'all':>10}{'config':>10}{'cgroup':>10}{'create':>10}{'start':>10}")
    for variant, samples in results.items():
        for n in (1, 100, 250, 500, 750, 1000):
            if n > len(samples["all"]):
                break
            near = samples["all"][max(1, n - 50):n] if n > 1 else samples["first"]
            total = statistics.median(sum(parts) for parts in near)
            cells = "".join(f"{ms:>10.2f}" for ms in (total, *(statistics.median(part) for part in zip(*near))))
            wanted = verdict(f"at most {LIBRARY_MS_WANTED}", total, LIBRARY_MS_WANTED)
            report.say(f"  {f'{variant}, container {n}':<28}{cells}   {wanted}")


def measure(bench, report):
    hybrid_ns = None
    if UNIFIED.is_mount():
        hybrid_ns = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
        world.check(world.LIBC.unshare(world.CLONE_NEWNS), "unshare")
        world.check(world.LIBC.umount2(os.fsencode(UNIFIED), 0), f"umount {UNIFIED}")
    report.times("times", "One after the other, medians in ms" + (", cgroup2 hidden from all" if hybrid_ns else ""),
                 [bench.measure(row) for row in ROWS])
    report.times("floor_groups", "Against a floor that makes, joins and removes the same cgroups, ms",
                 [bench.measure(Row(name, RUN, floor=runtime_bundle.cgroup_name("floor"), after_pause=pause))
                  for name, pause in (("run", False), ("run, after a pause", True))])
    report.heading("Counted")
    at_once = bench.measure_at_once()
    rates = at_once["starts_per_second"]
    report.number("at_once", AT_ONCE.name + ", starts/s", rates, at_once["failed"], "{:.0f}",
                  verdict(f"at least {STARTS_WANTED}", rates.get("ours"), STARTS_WANTED, is_least=True))
    calls = bench.counted(bench.system_calls, [*bench.runtimes, bench.floor])
    report.number("system_calls", "system calls of a run", calls["found"], calls["failed"], "{:,}",
                  verdict(f"at most {CALLS_WANTED}", calls["found"].get("ours"), CALLS_WANTED))
    waiting = bench.counted(bench.waiting_kb, bench.runtimes)
    dirty = bench.counted(bench.dirty_kb, bench.runtimes)
    report.number("waiting_kb", "private KB while created", waiting["found"], waiting["failed"], "{:,}",
                  verdict(f"below {WAITING_KB_WANTED}", waiting["found"].get("ours"), WAITING_KB_WANTED - 1))
    report.number("waiting_dirty_kb", "  of them written to", dirty["found"], dirty["failed"], "{:,}", "")
    rss = report.parts["times"][0]["rss_kb"]
    report.number("max_rss_kb", "max RSS of a run, KB", rss, {}, "{:,}", "")
    if hybrid_ns is not None:
        world.check(world.LIBC.setns(hybrid_ns, world.CLONE_NEWNS), "setns")
        os.close(hybrid_ns)
        report.times("hybrid", "With cgroup2 beside v1, as this machine is; ms",
                     [bench.measure(Row("run", RUN, floor="-"))])
    try:
        library_lines(report, bench.library())
    except Broken as broken:  # the rest is not less true
        report.say(f"\nNot measured: {broken}")


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench runtime",
                                     description="Measures the runtime beside crun and runc. No number makes it fail.")
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--json", action="store_true", help="print one JSON object, with all samples")
    parser.add_argument("--runtime", default=BUILD / "container-runtime", help="the program to measure as ours")
    options = parser.parse_args()
    for number in SIGNALS:
        signal.signal(number, lambda got, _: sys.exit(128 + got))
    world.enter()
    before = time.monotonic()
    top = Path(tempfile.mkdtemp(prefix="mcb-", dir="/tmp"))
    top.chmod(0o755)
    bench = None
    try:
        bench = Bench(top, options.runtime if os.access(options.runtime, os.X_OK) else None,
                      QUICK if options.quick else FULL)
        report = Report(options.json, [runtime.name for runtime in bench.runtimes])
        report.parts["machine"] = {"cpus": os.cpu_count(), "kernel": platform.release(), "load": os.getloadavg()[0]}
        report.say(f"{os.cpu_count()} CPUs, Linux {platform.release()}, load {os.getloadavg()[0]:.1f} before the run")
        for name in bench.absent:
            report.say(f"not compared: {name}: {options.runtime if name == 'ours' else name} is not there")
        measure(bench, report)
    except Broken as broken:
        sys.exit(f"bench: {broken}")
    finally:
        with uninterrupted():
            if bench:
                bench.close()
            shutil.rmtree(top, ignore_errors=True)
    report.parts["seconds"] = round(time.monotonic() - before, 1)
    report.say(f"\nThe run took {report.parts['seconds']:.0f} s.")
    if options.json:
        json.dump(report.parts, sys.stdout, indent=2)
        print()


if __name__ == "__main__":
    main()
