# SPDX-License-Identifier: Apache-2.0
"""The unit tests of what hangs on the kernel, on Debian's kernel with cgroup v2 only: in a virtual machine (tests/vm)."""
import os
import re
import subprocess

import pytest
from vm import TOP, build_machine, make, run_job

pytestmark = pytest.mark.slow
UNIT_TEST = "build/unit/runtime/cgroup_test"
# Of older kernels: the rarer limits, network, mounts, idmapped images.
OTHER_TESTS = ["runtime/cgroup_limits_test", "net/network_test", "net/isolation_test", "storage/host_image_test", "storage/rootfs_host_test",
               "storage/rootfs_image_test", "storage/rootfs_test", "storage/volume_test"]


@pytest.fixture(scope="module")
def machine():
    make(UNIT_TEST, *(f"build/unit/{test}" for test in OTHER_TESTS))
    build_machine()


@pytest.mark.parametrize("options, init", [([], "vm-init"), (["--systemd"], "systemd")], ids=["plain", "systemd"])
def test_cgroups_work_on_v2(machine, options, init):
    done = run_job("unit", *options)
    assert done.returncode == 0, done.stdout + done.stderr
    where = re.match(r"kernel \S+, pid 1 (\S+), cgroup (\S+)\n", done.stdout)
    assert where and where.groups() == (init, "cgroup2fs"), done.stdout
    assert "cgroup mode 3" in done.stdout
    assert "FAILED" not in done.stdout
    # Once, for there is no v1 to try besides; with every test in it.
    source = (TOP / "tests/unit/runtime/cgroup_test.c").read_text()
    count = source.count("cmocka_unit_test(")
    assert re.findall(r"PASSED  \] (\d+) test", done.stdout) == [str(count)]
    assert f"PASS unit/{UNIT_TEST.removeprefix('build/unit/')}" in done.stdout


def test_network_and_storage_work_on_debians_kernel(machine):
    done = run_job("unit", seconds=300, environment=dict(os.environ, VM_TESTS=" ".join(OTHER_TESTS)))
    assert done.returncode == 0, done.stdout + done.stderr
    for test in OTHER_TESTS:
        assert f"PASS unit/{test}" in done.stdout


def test_scopes_of_systemd(machine):
    done = run_job("runtime_systemd", "--systemd")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("PASS scopes of systemd\n"), done.stdout
    assert "no real scope is tried" not in done.stdout


def test_a_job_that_fails_is_seen(machine, tmp_path):
    (tmp_path / "run.sh").write_text("echo left >/out/file; echo said; exit 7\n")
    done = run_job(str(tmp_path), "--output", str(tmp_path / "output"))
    assert (done.returncode, done.stdout) == (7, "said\n")
    assert (tmp_path / "output/file").read_text() == "left\n"


def test_a_job_that_hangs_is_ended(machine, tmp_path):
    (tmp_path / "run.sh").write_text("echo begun; sleep 1000\n")
    done = subprocess.run(["tests/vm/run", "--timeout", "5", str(tmp_path)], cwd=TOP, capture_output=True, text=True,
                          timeout=300)
    assert (done.returncode, done.stdout) == (124, "begun\n"), done.stderr
