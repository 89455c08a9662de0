# SPDX-License-Identifier: Apache-2.0
"""--systemd-cgroup: a container is a scope of systemd, with its properties, and gone with it."""
import subprocess

import pytest
import world
from v2 import MB, SLICE, V2Bundle, wait_until


@pytest.fixture
def bundle():
    made = V2Bundle()
    try:
        yield made
    finally:
        made.close()
        assert made.cgroups() == []


def show(unit, *properties):
    """{property: value} of a unit as systemd knows it."""
    done = subprocess.run(["systemctl", "show", unit, *(f"-p{name}" for name in properties)], check=True,
                          capture_output=True, text=True, timeout=60)
    return dict(line.split("=", 1) for line in done.stdout.splitlines())


def units():
    done = subprocess.run(["systemctl", "list-units", "--all", "--no-legend", "--plain", "mct-*.scope"], check=True,
                          capture_output=True, text=True, timeout=60)
    return [line.split()[0] for line in done.stdout.splitlines()]


def test_the_scope_has_what_the_config_asks_for(bundle):
    bundle.limit(memory={"limit": 64 * MB, "swap": 96 * MB, "reservation": 16 * MB},
                 cpu={"shares": 512, "quota": 50000, "period": 100000, "cpus": "1"}, pids={"limit": 20})
    pid = bundle.started()
    assert units() == [bundle.unit]
    wanted = {"ActiveState": "active", "SubState": "running", "Slice": SLICE, "Delegate": "yes",
              "ControlGroup": f"/{bundle.cgroup}", "MemoryMax": str(64 * MB), "MemorySwapMax": str(32 * MB),
              "MemoryLow": str(16 * MB), "CPUWeight": "59", "CPUQuotaPerSecUSec": "500ms", "AllowedCPUs": "1",
              "TasksMax": "20"}
    assert show(bundle.unit, *wanted) == wanted
    with open(f"/proc/{pid}/cgroup", encoding="ascii") as file:
        assert file.read() == f"0::/{bundle.cgroup}\n"


def test_an_update_outlives_a_reload_of_systemd(bundle):
    bundle.limit(memory={"limit": 64 * MB})
    bundle.started()
    bundle.ok("update", "--memory", 32 * MB, "--pids-limit", 9, "c")
    subprocess.run(["systemctl", "daemon-reload"], check=True, timeout=120)
    assert (bundle.file("memory.max"), bundle.file("pids.max")) == (str(32 * MB), "9")
    assert show(bundle.unit, "MemoryMax", "TasksMax") == {"MemoryMax": str(32 * MB), "TasksMax": "9"}


def test_annotations_become_no_properties(bundle):
    """CVE-2024-3154: ExecStopPost would be run by systemd, on the host."""
    proof = bundle.path / "proof"
    bundle.config["annotations"] = {"org.systemd.property.TimeoutStopUSec": "uint64 123000000",
                                    "org.systemd.property.ExecStopPost": f"[['/bin/touch', '{proof}']]"}
    bundle.started()
    assert show(bundle.unit, "TimeoutStopUSec") == show("init.scope", "TimeoutStopUSec")
    bundle.ok("delete", "--force", "c")
    wait_until(lambda: units() == [], "the end of the scope")
    assert not proof.exists()


def test_no_scope_is_left(bundle):
    pid = bundle.started()
    bundle.ok("delete", "--force", "c")
    assert not world.is_alive(pid) and bundle.is_clean()
    wait_until(lambda: units() == [], "the end of the scope")
    # Nor after an end by itself, nor after a start that fails; the name is free again each time.
    bundle.set(["true"])
    bundle.ok("run", "c")
    wait_until(lambda: units() == [], "the end of the scope")
    bundle.set(["/bin/nothing"])
    bundle.fails("run", "c", status=1)
    assert bundle.is_clean()
    wait_until(lambda: units() == [], "the end of the scope")


def test_systemctl_stop_ends_the_container(bundle):
    bundle.shell("trap 'exit 3' TERM; while :; do sleep 0.1; done")
    bundle.started()
    subprocess.run(["systemctl", "stop", bundle.unit], check=True, timeout=120)
    bundle.wait_for("stopped")
    bundle.ok("delete", "c")
    assert bundle.is_clean()


def test_a_path_that_is_no_scope_is_refused(bundle):
    bundle.config["linux"]["cgroupsPath"] = "/not/a/scope"
    bundle.write()
    assert "linux.cgroupsPath" in bundle.fails("create", "c")
    assert bundle.is_clean()
