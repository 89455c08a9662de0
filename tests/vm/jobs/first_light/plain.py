# SPDX-License-Identifier: Apache-2.0
"""The supervisor started by hand: with a network namespace of its own, then in the machine's."""
import signal
from pathlib import Path

from guest import Snapshot, expect, expect_equal, finish, run, run_checks
from product import Product

private = Product("/srv/mct", "private")
host = Product("", "host")
before = Snapshot()


def expect_nothing_left(product):
    before.compare()
    left = sorted(str(path) for path in product.run.rglob("*") if path.name != "lock")
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


failed = run_checks([
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
