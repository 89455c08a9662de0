# SPDX-License-Identifier: Apache-2.0
"""Of the tests in the guest: a slow clock, a private world for each, and the list of those that are left out."""
import os
import select
import socket
import subprocess
import time
from pathlib import Path

import hostile
import pytest
import world

SLOWNESS = float(os.environ["SLOWNESS"])
LEFT_OUT = Path(__file__).parent / "left_out"


def slow_down():
    """An emulated machine takes longer for everything: each timeout of a test is SLOWNESS times as long."""
    real, begin = time.monotonic, time.monotonic()
    real_select, real_settimeout = select.select, socket.socket.settimeout

    def monotonic():
        return begin + (real() - begin) / SLOWNESS

    def slow_select(read, write, other, timeout=None):
        return real_select(read, write, other, timeout and timeout * SLOWNESS)

    def settimeout(self, timeout):
        real_settimeout(self, timeout and timeout * SLOWNESS)

    time.monotonic = subprocess._time = monotonic
    select.select = slow_select
    socket.socket.settimeout = settimeout


slow_down()
# There is no compiler here.
hostile.compile_attacker.path = str(Path(__file__).parents[2] / "attacker/attacker")


def left_out():
    """{test or whole file: reason} of each line "FILE::TEST  REASON" or "FILE  REASON"."""
    lines = [line.split(maxsplit=1) for line in LEFT_OUT.read_text().splitlines() if line and line[0] != "#"]
    return {name: reason for name, reason in lines}


def pytest_collection_modifyitems(config, items):
    reasons, kept, gone = left_out(), [], []
    for item in items:
        name = f"{item.path.name}::{item.originalname}"
        (gone if name in reasons or item.path.name in reasons else kept).append(item)
    found = {f"{item.path.name}::{item.originalname}" for item in gone}
    files = {item.path.name for item in items}
    stale = [name for name in reasons if "::" in name and name not in found and name.split("::")[0] in files]
    if stale:
        raise pytest.UsageError(f"tests/vm/jobs/runtime/left_out names tests that do not exist: {', '.join(stale)}")
    config.hook.pytest_deselected(items=gone)
    items[:] = kept


def pytest_configure(config):
    config.addinivalue_line("markers", "no_world: runs in the machine's own namespaces")
    config.addinivalue_line("markers", "slow: takes more than ten seconds")


def look():
    return {*world.cgroups(), *world.mounts()}


@pytest.fixture(autouse=True)
def private_world():
    """The machine goes away after the tests; what the runtime must clean up is looked for all the same."""
    world.enter()
    before, known = look(), world.children()
    yield
    end = time.monotonic() + 5
    while (left := (look() - before) | (world.children() - known)) and time.monotonic() < end:
        world.reap()
        time.sleep(0.05)
    assert not left, f"left behind: {left}"
