# SPDX-License-Identifier: Apache-2.0
"""container-runtime on Debian's kernel with cgroup v2 only, by itself and with scopes of systemd: in a virtual machine."""
import pytest
from vm import build_machine, run_job

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("options, ways", [([], ["cgroupfs"]), (["--systemd"], ["cgroupfs", "--systemd-cgroup"])],
                         ids=["plain", "systemd"])
def test_the_life_of_a_container(options, ways):
    build_machine()
    done = run_job("runtime_cli", *options, seconds=300)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].endswith("cgroup cgroup2fs")
    assert lines[1:] == [f"done: {way}" for way in ways] + ["PASS the life of a container"]
