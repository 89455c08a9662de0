# SPDX-License-Identifier: Apache-2.0
"""The OCI command line on cgroup v2, Debian's kernel and with all capabilities; and with scopes of systemd: in a
virtual machine (tests/vm), with its own tests of test_runtime_*.py and with those of tests/vm/jobs/runtime."""
import re

import pytest
from vm import TOP, build_machine, make, run_job

pytestmark = pytest.mark.slow
JOB = TOP / "tests/vm/jobs/runtime"


@pytest.fixture(scope="module")
def machine():
    make("all")
    build_machine()


def functions(path):
    return set(re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE))


def left_out():
    """Those tests that are named, and all of the files that are named whole."""
    names = [line.split()[0].partition("::") for line in (JOB / "left_out").read_text().splitlines()
             if line and line[0] != "#"]
    whole = {(file, test) for file, _, only in names if not only
             for test in functions(TOP / "tests/integration" / file)}
    return whole | {(file, only) for file, _, only in names if only}


def check(done, init, files):
    """Every test of the files ran, but those that are left out, and passed."""
    assert done.returncode == 0, done.stdout + done.stderr
    where = re.match(r"kernel \S+, pid 1 (\S+), cgroup (\S+)\n", done.stdout)
    assert where and where.groups() == (init, "cgroup2fs"), done.stdout
    wanted = {(path.name, test) for path in files for test in functions(path)} - left_out()
    line = r"^(test_\w+\.py)::(test_\w+)(?:\[.*?\])? (PASSED|SKIPPED)"
    ended = re.findall(line, done.stdout, re.MULTILINE)
    assert {(file, test) for file, test, _ in ended} == wanted
    assert [end for end in ended if end[2] != "PASSED"] == []


def test_on_cgroup_v2(machine):
    done = run_job("runtime", seconds=600)
    check(done, "vm-init", [JOB / "test_v2.py", JOB / "test_kernel.py",
                            *(TOP / "tests/integration").glob("test_runtime_*.py")])


def test_scopes_of_systemd(machine):
    done = run_job("runtime", "--systemd", seconds=240)
    check(done, "systemd", [JOB / "test_v2.py", JOB / "test_systemd.py"])
