# SPDX-License-Identifier: Apache-2.0
"""The cgroup unit tests on a machine that has cgroup v2 only: a virtual one (tests/vm)."""

import re
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
UNIT_TEST = "build/unit/runtime/cgroup_test"
MACHINE_FAILED = 125


@pytest.fixture(scope="module")
def machine():
    """Builds the unit test and, if it is not there yet, the machine: a minute."""
    subprocess.run(["make", "-s", "-f", "Makefile.apxs", UNIT_TEST], cwd=TOP, check=True, timeout=600)
    subprocess.run(["tests/vm/build"], cwd=TOP, check=True, timeout=1800)


def run_job(job, *options):
    """Runs a job. An emulated machine may hang by itself; then, and only then, it is booted once more."""
    command = ["tests/vm/run", *options, "--timeout", "120", job]
    for _ in range(2):
        done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, timeout=600)
        if done.returncode != MACHINE_FAILED:
            break
    return done


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
