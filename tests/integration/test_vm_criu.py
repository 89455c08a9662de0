# SPDX-License-Identifier: Apache-2.0
"""checkpoint and restore with criu, which needs cgroup v2 and a kernel that it knows: in a virtual machine."""
import pytest
from vm import build_machine, run_job

pytestmark = pytest.mark.slow
STEPS = ["a container counts", "what is missing is told", "--leave-running", "checkpoint at ", "restore",
         "twice, in the foreground", "a restore that fails leaves nothing", "a checkpoint that fails lets it run",
         "a joined network, a tree of mounts, a paused container", "checkpoint and restore"]


def test_checkpoint_and_restore():
    build_machine()
    done = run_job("runtime_criu", seconds=300)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert "Version: 3." in lines[0] or "Version: 4." in lines[0], lines[0]
    assert len(lines) == 1 + len(STEPS), done.stdout
    for line, step in zip(lines[1:], STEPS):
        assert line.startswith("PASS " + step), done.stdout
