# SPDX-License-Identifier: Apache-2.0
"""The whole product on cgroup v2 and Debian's kernel, by hand and as a unit of systemd: in a virtual machine."""
import re

import pytest
from vm import TOP, build_machine, make, run_job

pytestmark = pytest.mark.slow
JOB = TOP / "tests/vm/jobs/first_light"
# Those of the product while it runs, in both flavours.
COMMON = re.findall(r'\("([^"]+)", self\.check_', (JOB / "product.py").read_text())


@pytest.fixture(scope="module")
def machine():
    make("all")
    build_machine()


@pytest.mark.parametrize("options, init, program", [([], "vm-init", "plain.py"), (["--systemd"], "systemd", "managed.py")],
                         ids=["plain", "systemd"])
def test_product(machine, options, init, program):
    done = run_job("first_light", *options, seconds=300)
    assert done.returncode == 0, done.stdout + done.stderr
    where = re.match(r"kernel \S+, pid 1 (\S+), cgroup (\S+)\n", done.stdout)
    assert where and where.groups() == (init, "cgroup2fs"), done.stdout
    own = re.findall(r'^    \("([^"]+)", ', (JOB / program).read_text(), re.MULTILINE)
    assert len(COMMON) >= 13 and len(own) >= 7
    passed = re.findall(r"^PASS (.+) \([\d.]+ s\)$", done.stdout, re.MULTILINE)
    assert sorted(passed) == sorted(COMMON + own), done.stdout
