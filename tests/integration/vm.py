# SPDX-License-Identifier: Apache-2.0
"""Jobs in the virtual machine (tests/vm)."""
import subprocess
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
MACHINE_FAILED = 125


def build_machine():
    """A minute, if it is not there yet."""
    subprocess.run(["tests/vm/build"], cwd=TOP, check=True, timeout=1800)


def make(*targets):
    subprocess.run(["make", "-s", "-f", "Makefile.apxs", *targets], cwd=TOP, check=True, timeout=600)


def run_job(job, *options, seconds=120, environment=None):
    """Runs a job. An emulated machine may hang by itself; then, and only then, it is booted once more."""
    command = ["tests/vm/run", *options, "--timeout", str(seconds), job]
    for _ in range(2):
        done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, timeout=seconds + 480,
                              env=environment)
        if done.returncode != MACHINE_FAILED:
            break
    return done
