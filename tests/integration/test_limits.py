# SPDX-License-Identifier: Apache-2.0
"""A tenant that takes all it can gets its share, is told so, and disturbs nobody."""
import json
import os
import subprocess
import time
from pathlib import Path

import pytest
from private_httpd import wait_until

CGROUPS = Path("/sys/fs/cgroup")


def cgroup_file(service, v1_controller, v1_name, v2_name):
    """The file of a container's cgroup, on whichever version has the controller."""
    v1 = CGROUPS / v1_controller / service["cgroup"].lstrip("/")
    if v1.is_dir():
        return v1 / v1_name
    return CGROUPS / service["cgroup"].lstrip("/") / v2_name


def limits_of(service):
    """(memory, swap beyond it, CPU quota and period, tasks) as the kernel has them."""
    def number(*names):
        return int(cgroup_file(service, *names).read_text())
    if (CGROUPS / "cpu").is_dir():
        quota = (number("cpu", "cpu.cfs_quota_us", ""), number("cpu", "cpu.cfs_period_us", ""))
    else:
        quota = tuple(map(int, cgroup_file(service, "cpu", "", "cpu.max").read_text().split()))
    memory = number("memory", "memory.limit_in_bytes", "memory.max")
    swap = cgroup_file(service, "memory", "memory.memsw.limit_in_bytes", "memory.swap.max")
    beyond = 0
    if swap.exists():
        beyond = int(swap.read_text()) - (memory if "memsw" in swap.name else 0)
    return memory, beyond, quota, number("pids", "pids.max", "pids.max")


def test_limits_reach_the_kernel(stack):
    """Those of the file, the supervisor's where the file has none, and never none."""
    stack.sleeper("written", "mem_limit: 48m\ncpus: 0.25\npids_limit: 7")
    stack.sleeper("plain")
    stack.start()
    assert limits_of(stack.inspect("written/web")) == (48 << 20, 0, (25000, 100000), 7)
    assert limits_of(stack.inspect("plain/web")) == (512 << 20, 0, (100000, 100000), 256)
    devices = cgroup_file(stack.inspect("plain/web"), "devices", "devices.list", "")
    if devices.name == "devices.list":
        assert sorted(devices.read_text().splitlines()) == sorted(f"c {number} rwm" for number in (
            "1:3", "1:5", "1:7", "1:8", "1:9", "5:0", "5:2", "136:*"))
    stack.stop()
    stack.settings["defaults"] = {"memory": "32m", "cpus": "0.5", "tasks": 9}
    stack.start()
    assert limits_of(stack.inspect("plain/web")) == (32 << 20, 0, (50000, 100000), 9)
    assert limits_of(stack.inspect("written/web")) == (48 << 20, 0, (25000, 100000), 7)


@pytest.mark.parametrize("eater", [
    ["php", "-d", "memory_limit=-1", "-r", "$a = []; while (1) $a[] = str_repeat('x', 1 << 20);"],
    ["python3", "-c", "a = []\nwhile 1: a.append(b'x' * (1 << 20))"],
])
def test_memory_eater_is_ended_alone(stack, eater):
    stack.sleeper("beta")
    stack.start()
    beta = stack.ps()["beta/web"]["pid"]
    stack.sleeper("alpha", "mem_limit: 64m", command=json.dumps(eater).replace("$", "$$"))
    stack.ctl("apply")
    stack.wait_state("failed")
    container = stack.ps()["alpha/web"]
    assert container["last_exit"]["signal"] in (9, "KILL", "SIGKILL"), container
    assert "out of memory" in container["message"], container
    assert stack.ps()["beta/web"]["pid"] == beta and stack.state("beta/web") == "running"
    assert any("out of memory" in event["event"] for event in stack.inspect()["events"])


def test_memory_files_count_and_are_bounded(stack):
    """A full /tmp is an error of write(2); what lies there is the tenant's memory and seen by nobody else."""
    stack.start()
    seen = stack.ask("""
        def fill(directory):
            written = 0
            try:
                with open(directory + "/file", "wb", buffering=0) as file:
                    while written < 1 << 30: written += file.write(b"x" * 65536)
            except OSError as error:
                os.unlink(directory + "/file")
                return [name(error.errno), written]
        tell(**{d: fill(d) for d in ("/tmp", "/run", "/dev/shm")}, dev=fill("/dev")[0])
        """, extra="mem_limit: 64m")
    assert seen == {"/tmp": ["ENOSPC", 16 << 20], "/run": ["ENOSPC", 8 << 20], "/dev/shm": ["ENOSPC", 16 << 20],
                    "dev": "ENOSPC"}


def test_fork_bomb_is_bounded(stack):
    stack.sleeper("beta")
    stack.start()
    service = stack.serve_inside("""
        bomb = subprocess.Popen(["sh", "-c", "f() { f | f & }; f; while :; do sleep 1 & done"],
                                stderr=subprocess.DEVNULL)
        """, extra="pids_limit: 24\nmem_limit: 128m")
    peak = cgroup_file(service, "pids", "pids.events", "pids.events")
    wait_until(lambda: "max 0" not in peak.read_text(), "the bomb to meet its limit")
    for _ in range(20):
        count = int(cgroup_file(service, "pids", "pids.current", "pids.current").read_text())
        assert count <= 24
        assert subprocess.run(["true"], timeout=10).returncode == 0, "the host cannot fork any more"
    assert stack.state("beta/web") == "running"
    started = time.monotonic()
    stack.ctl("stop", "alpha/web")
    assert time.monotonic() - started < 10
    assert stack.state() == "stopped"
    assert not peak.parent.exists()


def usage_usec(service):
    v1 = cgroup_file(service, "cpuacct", "cpuacct.usage", "cpu.stat")
    text = v1.read_text()
    return int(text) / 1000 if v1.name == "cpuacct.usage" else int(text.split()[1])


def test_cpu_eater_gets_its_share(stack):
    """Never more than its share; nor less, unless the machine has none to give: then it is measured again."""
    stack.start()
    service = stack.serve_inside("""
        loops = [subprocess.Popen(["sh", "-c", "while :; do :; done"]) for _ in range(3)]
        """, extra="cpus: 0.4")
    for _ in range(4):
        before, start = usage_usec(service), time.monotonic()
        time.sleep(2)
        share = (usage_usec(service) - before) / 1e6 / (time.monotonic() - start)
        assert share < 0.4 * 1.5
        if share > 0.4 / 1.5:
            return
    raise AssertionError(f"it got {share} of a CPU only")


def whole_disk():
    """The whole disk behind /, or None."""
    number = os.stat("/").st_dev
    link = Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}")
    if not link.exists():
        return None
    device = link.resolve()
    device = device.parent if (device / "partition").exists() else device
    path = Path("/dev") / device.name
    return path if path.is_block_device() else None


def test_io_limits_reach_the_kernel(stack):
    disk = whole_disk()
    if not disk:
        pytest.skip("there is no disk behind /")
    number = f"{os.major(disk.stat().st_rdev)}:{os.minor(disk.stat().st_rdev)}"
    stack.sleeper("alpha", f"""
        blkio_config:
          device_read_bps: [{{path: {disk}, rate: 10m}}]
          device_write_bps: [{{path: {disk}, rate: 1m}}]
          device_read_iops: [{{path: {disk}, rate: 300}}]
          device_write_iops: [{{path: {disk}, rate: 40}}]
        """)
    stack.start()
    service = stack.inspect()
    asked = {"read_bps": 10 << 20, "write_bps": 1 << 20, "read_iops": 300, "write_iops": 40}
    if (CGROUPS / "blkio").is_dir():
        for kind, rate in asked.items():
            file = cgroup_file(service, "blkio", f"blkio.throttle.{kind}_device", "")
            assert file.read_text().split() == [number, str(rate)], kind
    else:
        line = cgroup_file(service, "", "", "io.max").read_text().split()
        assert line == [number, f"rbps={10 << 20}", f"wbps={1 << 20}", "riops=300", "wiops=40"]


def test_io_limit_is_felt(stack):
    """3 MiB written to the disk at 1 MiB a second take longer than a second."""
    disk = whole_disk()
    if not disk:
        pytest.skip("there is no disk behind /")
    data = stack.tenant_directory("probe") / "data"
    data.mkdir(parents=True)
    if os.stat(data).st_dev != os.stat("/").st_dev:
        pytest.skip("/tmp is on another file system than /")
    stack.start()
    seen = stack.ask("""
        import mmap, time
        block = mmap.mmap(-1, 1 << 20)
        file = os.open("/data/file", os.O_WRONLY | os.O_CREAT | os.O_DIRECT)
        start = time.monotonic()
        for _ in range(3): os.write(file, block)
        tell(seconds=time.monotonic() - start)
        """, volumes=["./data:/data"],
        extra=f"blkio_config: {{device_write_bps: [{{path: {disk}, rate: 1m}}]}}")
    assert seen["seconds"] > 1.2, seen
