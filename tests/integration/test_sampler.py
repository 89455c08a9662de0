# SPDX-License-Identifier: Apache-2.0
"""What the board shows of containers that really work: CPU, memory, tasks, disk, pressure, faults."""
import errno
import os
import signal
import time
from pathlib import Path

import board as boards
import pytest
from board_reader import BoardReader, has, load_reader
from private_httpd import wait_until
from test_limits import cgroup_file


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return load_reader(tmp_path_factory.mktemp("common"))


@pytest.fixture
def quick(stack):
    stack.settings["sample_interval"] = "200ms"
    return stack


@pytest.fixture
def reader(library, quick):
    """Call it once the stack runs."""
    made = []

    def make():
        made.append(BoardReader(library, quick.path / "run/scoreboard"))
        return made[-1]
    yield make
    for one in made:
        one.close()


USUAL = ("cpu", "cpu_limit", "cpu_split", "cpu_throttle", "memory", "memory_limit", "memory_peak", "memory_detail",
         "memory_kernel", "memory_hits", "oom", "faults", "tasks", "tasks_limit", "tasks_hits", "io", "io_ops")


def test_every_figure_of_this_kernel_is_there(quick, reader):
    quick.sleeper()
    quick.start()
    slot = reader().wait(lambda s: s.detail_boottime_usec and has(s, "net"), "a sample")
    assert has(slot, *USUAL), [name for name in USUAL if not has(slot, name)]
    assert not slot.has & boards.HAS["exit"] and not slot.has & boards.HAS["latency"]
    assert slot.memory_peak_bytes >= slot.memory_bytes > 0 and slot.memory_limit_bytes == 512 << 20
    assert slot.tasks == 1 and slot.tasks_limit == 256 and slot.oom_kills == 0 and slot.faults == 0
    assert slot.cpu_limit_milli == 1000
    if Path("/proc/pressure/cpu").exists():
        assert has(slot, "psi_cpu", "psi_memory", "psi_io")
    assert has(slot, "disk", "disk_limit") and slot.disk_limit_bytes in (64 << 20, 128 << 20)


def test_cpu_eater_is_seen_throttled_and_counted(quick, reader):
    quick.sleeper("alpha", "cpus: 0.2", command='["sh", "-c", "while :; do :; done"]')
    quick.start()
    board = reader()
    slot = board.wait(lambda s: s.cpu_throttled_periods > 3 and s.faults > 2 and s.cpu_throttled_rate,
                      "it to be throttled")
    assert slot.state == boards.LIMITED and slot.last_fault == 1
    assert slot.cpu_usage_usec >= slot.cpu_user_usec > 0 and slot.cpu_throttled_usec > 0
    assert 0 < slot.cpu_percent_milli < 60_000
    before = board.slot()
    after = board.wait(lambda s: s.sampled_boottime_usec > before.sampled_boottime_usec + 1_000_000, "more samples")
    assert after.cpu_usage_usec > before.cpu_usage_usec and after.faults > before.faults
    told_times = [event for event in quick.inspect()["events"] if "throttled" in event["event"]]
    assert len(told_times) == 1, told_times  # the first one; more only after ten minutes


def test_memory_limit_and_its_victim_are_counted(quick, reader):
    quick.start()
    board = reader()
    quick.serve_inside("""
        import threading, time
        def eat():
            try:
                while True:
                    subprocess.run(["python3", "-c", "a = bytearray(200 << 20)"])
                    time.sleep(0.3)
            except OSError: pass
        threading.Thread(target=eat, daemon=True).start()
        """, extra="mem_limit: 64m")
    # Two kills between two samples are one fault.
    slot = board.wait(lambda s: s.oom_kills >= 2 and s.faults >= 2, "two victims in two samples")
    assert slot.last_fault in (2, 3)
    events = cgroup_file(quick.inspect(), "memory", "memory.failcnt", "memory.events")
    counts = [int(word) for word in events.read_text().split() if word.isdigit()]
    assert bool(slot.memory_limit_hits) == any(counts)  # some kernels' failcnt of v1 stands at 0
    assert slot.memory_peak_bytes <= 64 << 20
    assert any("out of memory" in event["event"] for event in quick.inspect()["events"])


def test_refused_forks_are_counted(quick, reader):
    quick.start()
    board = reader()
    quick.serve_inside("""
        import threading, time
        def fork():
            kept = []
            while True:
                try: kept.append(subprocess.Popen(["sleep", "1000"]))
                except OSError: time.sleep(0.2)
        threading.Thread(target=fork, daemon=True).start()
        """, extra="pids_limit: 12\nmem_limit: 128m")
    slot = board.wait(lambda s: s.tasks_limit_hits > 2 and s.last_fault == 4, "refused forks")
    assert slot.tasks == slot.tasks_limit == 12 and slot.state == boards.LIMITED


def test_what_is_written_is_counted_by_device(quick, reader):
    data = quick.tenant_directory("alpha") / "data"
    data.mkdir(parents=True)
    device = os.stat(data).st_dev
    if os.major(device) == 0:
        pytest.skip("the test's directory is on no block device")
    quick.start()
    board = reader()
    quick.serve_inside("""
        import threading, time
        def write():
            while True:
                with open("/data/file", "wb") as file:
                    file.write(b"x" * (1 << 20))
                    file.flush()
                    os.fsync(file.fileno())
                time.sleep(0.05)
        threading.Thread(target=write, daemon=True).start()
        """, volumes=["./data:/data"])
    slot = board.wait(lambda s: s.io_write_bytes > 4 << 20 and s.io_write_rate and s.io_write_ops_rate,
                      "what it wrote")
    assert slot.io_write_ops > 0
    devices = [device for device in slot.devices if device.major]
    assert sum(device.write_bytes for device in devices) == slot.io_write_bytes
    assert sum(device.write_ops for device in devices) == slot.io_write_ops
    numbers = [(device.major, device.minor) for device in devices]
    assert numbers == sorted(numbers)


def test_a_full_tmpfs_is_a_fault(quick, reader):
    quick.settings["sample_interval"] = "1s"
    quick.start()
    board = reader()
    quick.serve_inside("""
        try:
            with open("/cache/file", "wb", buffering=0) as file:
                while True: file.write(b"x" * 65536)
        except OSError: pass
        """, extra='tmpfs: "/cache:size=4m"\nmem_limit: 256m')
    slot = board.wait(lambda s: s.last_fault == 5, "the full tmpfs", seconds=40)
    assert slot.disk_used_bytes == slot.disk_limit_bytes == 4 << 20 and slot.state == boards.LIMITED


def test_traffic_of_the_link_is_counted(quick, reader):
    quick.start()
    board = reader()
    quick.serve_inside("""
        import socket, threading, time
        def talk():
            out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            while True:
                try: out.sendto(b"x" * 1000, ("192.0.2.1", 9))
                except OSError: pass
                time.sleep(0.01)
        threading.Thread(target=talk, daemon=True).start()
        """)
    slot = board.wait(lambda s: s.net_transmit_packets > 20 and s.net_transmit_rate > 1000, "packets")
    assert slot.net_transmit_bytes > 20_000


def test_a_crash_is_a_fault(quick, reader):
    quick.sleeper("alpha", 'restart: "no"', command='["sh", "-c", "exit 3"]')
    quick.start()
    slot = reader().wait(lambda s: s.state == boards.FAILED, "its end")
    assert slot.faults == 1 and slot.last_fault == 6 and slot.exit_code == 3
    assert abs(slot.last_fault_realtime_usec / 1e6 - time.time()) < 30


def test_one_that_sleeps_stays_fresh_and_has_a_history(quick, reader):
    """A container that does nothing is not read again and again; the board says so in time nonetheless."""
    quick.sleeper()
    quick.start()
    board = reader()
    first = board.wait(lambda s: s.sampled_boottime_usec, "a sample")
    later = board.wait(lambda s: s.sampled_boottime_usec > first.sampled_boottime_usec + 3_000_000, "more samples")
    assert later.cpu_percent_milli == 0
    assert boards.now_usec() - later.sampled_boottime_usec < 5_000_000
    ring = board.history().rings[0]
    assert ring.step_msec == 200 and ring.count > 10
    assert boards.now_usec() - ring.end_boottime_usec < 5_000_000


def test_the_machine_is_on_the_board(quick, reader):
    quick.sleeper()
    quick.start()
    board = reader()
    wait_until(lambda: board.host().has & boards.HAS["cpu"], "two samples of the machine", 30)
    host = board.host()
    assert 0 <= host.cpu_percent_milli <= 100_000
    available = int(next(line for line in Path("/proc/meminfo").read_text().splitlines()
                         if line.startswith("MemAvailable")).split()[1]) * 1024
    assert abs(host.memory_available_bytes - available) < 1 << 30
    assert abs(host.load_centi[0] / 100 - os.getloadavg()[0]) < 5
    if Path("/proc/pressure/io").exists():
        assert host.has & boards.HAS["psi_cpu"] and host.pressure[0].some_total_usec > 0
    assert host.starts == 1 and host.failures == 0 and 0 < host.sampler_usec < 1_000_000


def test_an_engine_killed_while_it_writes_leaves_no_half_slot(quick, reader):
    """Readers read all the time; engines are killed again and again, and each next one goes on."""
    quick.settings["sample_interval"] = "100ms"
    for name in ("alpha", "beta", "gamma"):
        quick.sleeper(name, command='["sh", "-c", "while :; do sleep 0.01; done"]')
    kills = 0
    for _ in range(4):
        quick.start()
        board = reader()
        slot = board.wait(lambda s: s.state == boards.RUNNING and s.sampled_boottime_usec, "a sample")
        deadline = time.monotonic() + 1
        killed = False
        while time.monotonic() < deadline + 1:
            for name in ("alpha", "beta", "gamma"):
                r, slot, _ = board.find(f"{name}/web")
                if r == 0:
                    assert slot.id == f"{name}-web-1".encode() and slot.tenant == name.encode()
                    assert slot.tasks_limit == 256
                else:
                    assert r == -errno.EAGAIN and killed  # it died inside
            if not killed and time.monotonic() > deadline:
                quick.process.send_signal(signal.SIGKILL)
                quick.process.wait(10)
                killed = True
                kills += 1
    assert kills == 4
    quick.start()
    reader().wait(lambda s: s.state == boards.RUNNING and s.sampled_boottime_usec, "the last engine's sample")
