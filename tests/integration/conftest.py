# SPDX-License-Identifier: Apache-2.0
import os
import subprocess
import time

import pytest
import world
from stack import Stack


@pytest.fixture(autouse=True)
def private_world(request):
    """Each test has namespaces of its own, and must leave the machine as it was."""
    if "no_world" in request.keywords:
        yield
        return
    world.enter()
    before = world.Snapshot()
    known = world.children()
    yield
    left = before.compare()
    end = time.monotonic() + 5
    while world.children() - known and time.monotonic() < end:
        world.reap()
        time.sleep(0.05)
    left += [f"process {pid} {line}" for pid, line in sorted(world.children() - known)]
    assert not left, "left behind: " + ", ".join(left)


@pytest.fixture
def stack():
    """A supervisor's root; tests add tenants, start it, and use it."""
    made = Stack()
    try:
        yield made
    finally:
        made.close()


def pytest_configure(config):
    config.addinivalue_line("markers", "no_world: runs in the machine's own namespaces")
    config.addinivalue_line("markers", "slow: takes more than ten seconds")
    if os.geteuid() != 0:
        raise pytest.UsageError("the integration tests run as root")
    subprocess.run(["make", "-s", "-f", "Makefile.apxs", "tools"], check=True,
                   cwd=os.path.join(os.path.dirname(__file__), "..", ".."))
