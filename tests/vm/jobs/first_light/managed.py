# SPDX-License-Identifier: Apache-2.0
"""The supervisor as a unit of systemd, installed by `make install`."""
import json
import os
from pathlib import Path

from guest import CGROUPS, Snapshot, cgroup_file, expect, expect_equal, finish, run, run_checks, wait_until
from product import WRONG, Product

UNIT = "container-supervisor.service"
GROUP = f"/system.slice/{UNIT}"
product = Product("", "host")


def property_of(name):
    return run("systemctl", "show", "-P", name, UNIT).stdout.strip()


def supervisor():
    return int(property_of("MainPID"))


def journal():
    """(priority, message) of each line of the unit's own."""
    lines = run("journalctl", "-u", UNIT, "-o", "json").stdout.splitlines()
    entries = [json.loads(line) for line in lines]
    return [(int(e["PRIORITY"]), e["MESSAGE"]) for e in entries if e.get("SYSLOG_IDENTIFIER") == "container-super"
            or e.get("_COMM") == "container-super"]


def expect_nothing_left():
    before.compare()
    expect(not (CGROUPS / GROUP.lstrip("/")).exists(), f"the cgroup {GROUP} is left")
    left = sorted(str(path) for path in product.run.rglob("*") if path.name not in ("lock", "traffic"))
    expect(not left, f"left in the run directory: {left}")


def start():
    """Type=notify: systemctl returns when the supervisor is ready, and then it answers."""
    product.write_files()
    run("systemctl", "daemon-reload")
    run("systemctl", "start", UNIT)
    product.ctl("version")
    expect_equal(property_of("ActiveState"), "active", "state of the unit")
    expect_equal(property_of("StatusText"), "Running", "status text of the unit")
    product.wait_running()
    product.start_httpd()


def check_delegation():
    expect_equal(property_of("Delegate"), "yes", "Delegate of the unit")
    expect_equal(property_of("ControlGroup"), GROUP, "cgroup of the unit")
    pid = supervisor()
    expect_equal(Path(f"/proc/{pid}/cgroup").read_text().strip(), f"0::{GROUP}/supervisor", "the supervisor's cgroup")
    expect_equal(cgroup_file(GROUP, "cgroup.procs"), "", "processes in the unit's own cgroup")
    for tenant in ("alpha", "beta", "box"):
        expect_equal(product.group(tenant), f"{GROUP}/container-supervisor/{tenant}/{tenant}-web-1", "cgroup")


def check_journal():
    product.add("wrong", WRONG)
    wait_until(lambda: product.ps()["wrong"]["state"] == "failed", "wrong to fail")
    product.remove("wrong")
    run("journalctl", "--sync")
    entries = journal()
    expect(any(priority == 5 and message.startswith("ready:") for priority, message in entries),
           f"no line \"ready:\" of priority notice in the journal: {entries[-10:]}")
    expect(any(priority < 5 and "no-such-program" in message for priority, message in entries),
           f"no warning or error about no-such-program in the journal: {entries[-10:]}")
    expect(not any(message.startswith("<") for _, message in entries), f"raw priorities: {entries[-10:]}")


def check_restart():
    pid, box = supervisor(), product.ps()["box"]["pid"]
    run("systemctl", "restart", UNIT)
    product.wait_running()
    expect(supervisor() != pid and product.ps()["box"]["pid"] != box, "restart kept a process")
    check_delegation()
    product.visit("alpha")


def check_reload():
    pid = product.ps()["alpha"]["pid"]
    file = product.etc / "tenants.d/beta/compose.yaml"
    file.write_text(file.read_text().replace("64m", "48m"))
    run("systemctl", "reload", UNIT)
    wait_until(lambda: product.visit("beta")["memory_max"] == str(48 << 20), "beta to get its new limit")
    expect_equal(product.ps()["alpha"]["pid"], pid, "alpha's pid after a reload that did not touch it")


def check_crash():
    """systemd kills the rest and starts the supervisor again, which cleans up after itself."""
    pid = supervisor()
    os.kill(pid, 9)
    wait_until(lambda: supervisor() not in (0, pid) and property_of("ActiveState") == "active", "a new supervisor")
    product.wait_running()
    product.visit("alpha")
    check_delegation()


def stop():
    run("systemctl", "stop", UNIT)
    expect_equal(property_of("Result"), "success", "result of the unit")
    product.stop_httpd()
    expect_nothing_left()


before = Snapshot()
failed = run_checks([
    ("start by systemctl, which returns when it is ready", start),
    ("it makes its cgroups below its own unit", check_delegation),
    *product.checks(),
    ("the journal has the log with priorities", check_journal),
    ("systemctl reload", check_reload),
    ("systemctl restart", check_restart),
    ("Restart=on-failure after SIGKILL", check_crash),
    ("systemctl stop leaves nothing", stop),
])
finish(failed, run("journalctl", "-u", UNIT, "-o", "short-monotonic", is_checked=False).stdout)
