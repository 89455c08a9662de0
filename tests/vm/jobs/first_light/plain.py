# SPDX-License-Identifier: Apache-2.0
"""The supervisor started by hand: with a network namespace of its own, then in the machine's."""
import signal
from pathlib import Path

from guest import CGROUPS, Snapshot, expect, expect_equal, finish, run, run_checks, wait_until
from product import Product

private = Product("/srv/mct", "private")
host = Product("", "host")
before = Snapshot()


def expect_nothing_left(product):
    before.compare()
    left = sorted(str(path) for path in product.run.rglob("*") if path.name not in ("lock", "traffic"))
    expect(not left, f"left in the run directory: {left}")


def start(product):
    product.write_files()
    product.start()
    product.start_httpd()


def end_in_order():
    private.stop_httpd()
    expect_equal(private.end(), 0, "exit status after SIGTERM")
    expect_nothing_left(private)


def clean_up_after_a_kill():
    host.stop_httpd()
    host.end(signal.SIGKILL)
    run("container-supervisor", "--cleanup")
    expect_nothing_left(host)


def start_after_a_kill():
    host.start()
    host.end(signal.SIGKILL)
    host.start()
    expect_equal(host.end(), 0, "exit status after SIGTERM")
    expect_nothing_left(host)


def try_without_a_controller():
    """Memory goes to a v1 hierarchy elsewhere: the limit cannot hold, so nothing starts, and the message says why.
    This comes first, while no group holds memory."""
    v1 = Path("/srv/v1")
    v1.mkdir()
    wait_until(lambda: run("mount", "-t", "cgroup", "-o", "memory", "cgroup", v1, is_checked=False).returncode == 0,
               "the memory controller to leave cgroup v2")
    host.write_files()
    host.launch()
    wait_until(lambda: host.ps().get("box", {}).get("state") in ("failed", "backoff"),
               lambda: f"the start to fail: {host.describe()}")
    message = host.ps()["box"]["message"]
    expect('needs the cgroup controller "memory"' in message, f"message: {message}")
    expect_equal(host.end(), 0, "exit status after SIGTERM")
    run("umount", v1)
    wait_until(lambda: "memory" in (CGROUPS / "cgroup.controllers").read_text(), "the memory controller to come back")
    expect_nothing_left(host)


failed = run_checks([
    ("a missing controller is named", try_without_a_controller),
    ("start with a private network", lambda: start(private)),
    *private.checks(),
    ("SIGTERM leaves nothing", end_in_order),
    ("start in the host's network", lambda: start(host)),
    ("host: a visitor reaches PHP, which sees its limits", host.check_pages),
    ("host: the status page has all figures", host.check_figures),
    ("host: tenants are apart on the network", host.check_network),
    ("--cleanup after SIGKILL leaves nothing", clean_up_after_a_kill),
    ("a start after SIGKILL cleans up", start_after_a_kill),
])
finish(failed, Path("/out/supervisor.log").read_text())
