# SPDX-License-Identifier: Apache-2.0
"""The past of a container outlives its supervisor: in order, killed, and with a spoilt file."""
import os
import shutil
import struct
import time

import board as boards
import pytest
from board_reader import BoardReader, load_reader
from private_httpd import wait_until

BLOCK = 512 + 2 * 1440 * 32


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return load_reader(tmp_path_factory.mktemp("common"))


@pytest.fixture
def quick(stack):
    stack.settings["sample_interval"] = "100ms"
    return stack


def file_of(stack, tenant="alpha"):
    return stack.path / "lib" / "history" / tenant


def records(data, block=0, ring=0):
    """{end in minutes: fields} of one ring of a file."""
    start = 512 + block * BLOCK + 512 + ring * 1440 * 32
    found = {}
    for at in range(start, start + 1440 * 32, 32):
        end, *fields = struct.unpack("<8I", data[at : at + 32])
        if end:
            found[end] = fields
    return found


def ring_of(library, stack, ring, name="alpha/web"):
    """(count, points that are known) of a ring on the board."""
    reader = BoardReader(library, stack.path / "run/scoreboard")
    try:
        result, _, index = reader.find(name)
        assert result == 0
        history = boards.History()
        if library.scoreboard_history_read(reader.handle, index, history_pointer(history)) != 0:
            return 0, []
    finally:
        reader.close()
    first = (0, 60, 120)[ring]
    size = (60, 60, 48)[ring]
    points = history.points[first : first + size]
    head = history.rings[ring]
    at = (head.next - head.count) % size
    ordered = [points[(at + i) % size] for i in range(head.count)]
    return head.count, [point for point in ordered if point.memory_kib != 0xFFFFFFFF]


def history_pointer(history):
    return boards.c.byref(history)


def wait_samples(library, stack, count=5):
    wait_until(lambda: stack.ps().get("alpha/web", {}).get("state") == "running"
               and ring_of(library, stack, 0)[0] >= count, "samples", 30)


def test_an_orderly_end_writes_and_the_next_start_goes_on(quick, library):
    quick.sleeper()
    quick.start()
    wait_samples(library, quick)
    quick.stop()
    file = file_of(quick)
    data = file.read_bytes()
    assert data[:8] == b"CMHISTO1" and len(data) == 512 + BLOCK and file.stat().st_mode & 0o777 == 0o600
    assert data[512:516] == b"web\0"
    minutes, half_hours = records(data, ring=1), records(data, ring=0)
    assert len(half_hours) >= 1 and len(minutes) >= 1
    now = time.time() / 60
    for end, fields in {**minutes, **half_hours}.items():
        assert now - 3 < end < now + 31
        assert fields[1] > 0  # memory
    quick.start()
    assert ring_of(library, quick, 1)[1] and ring_of(library, quick, 2)[1]


def test_a_killed_engine_loses_no_ring(quick, library):
    quick.sleeper()
    quick.start()
    wait_samples(library, quick, 20)
    quick.crash()
    time.sleep(0.5)
    quick.start()

    def has_gap():
        count, known = ring_of(library, quick, 0)
        return len(known) > 20 and count > len(known)
    wait_until(has_gap, "the old points, a gap for the time without an engine, and new ones", 30)


def test_a_file_that_is_none_is_moved_aside(quick, library):
    quick.sleeper()
    file = file_of(quick)
    file.parent.mkdir(parents=True)
    file.write_bytes(b"no history" * 200)
    quick.start()
    wait_samples(library, quick)
    quick.stop()
    assert (file.parent / "alpha.corrupt").read_bytes() == b"no history" * 200
    assert records(file.read_bytes()) and "no history file" in quick.log()


def test_torn_records_are_none(quick, library):
    quick.sleeper()
    quick.start()
    wait_samples(library, quick)
    quick.stop()
    file = file_of(quick)
    data = bytearray(file.read_bytes())
    for start in range(1024, len(data), 32):
        if any(data[start : start + 32]):
            data[start + 9] ^= 0x40
    file.write_bytes(data)
    quick.start()
    assert ring_of(library, quick, 2) == (0, [])
    wait_samples(library, quick)


def test_a_removed_tenant_is_remembered_and_forgotten_after_30_days(quick, library):
    quick.sleeper()
    quick.sleeper("beta")
    quick.start()
    wait_samples(library, quick)
    shutil.rmtree(quick.tenant_directory("alpha"))
    quick.ctl("apply")
    wait_until(lambda: "alpha/web" not in quick.ps(), "alpha to be gone", 30)
    assert records(file_of(quick).read_bytes())
    quick.stop()
    old = time.time() - 31 * 86400
    os.utime(file_of(quick), (old, old))
    quick.start()
    wait_until(lambda: not file_of(quick).exists(), "its history to be removed", 30)
    assert file_of(quick, "beta").exists()
