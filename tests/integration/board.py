# SPDX-License-Identifier: Apache-2.0
"""Writes a scoreboard from Python, with the project's own writer (common/scoreboard.c) behind ctypes.

The struct below is the slot of docs/scoreboard.md; its size is checked against the ABI's.
"""
import ctypes as c
import os
import pathlib
import shlex
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]

OPEN, SLEEPING, STARTING, RUNNING, WORKING, LIMITED, UNHEALTHY = range(7)
PAUSED, STOPPING, BACKOFF, FAILED, STOPPED, EXITED = range(7, 13)

HAS = {
    name: 1 << bit
    for bit, name in enumerate(
        "cpu cpu_limit memory memory_limit memory_peak tasks tasks_limit io net exit oom".split()
    )
}


class Slot(c.Structure):
    _fields_ = (
        [("state", c.c_uint32), ("has", c.c_uint32)]
        + [("tenant", c.c_char * 64), ("service", c.c_char * 64), ("id", c.c_char * 136)]
        + [("replica", c.c_uint32), ("pid", c.c_uint32)]
        + [
            (name, c.c_uint64)
            for name in (
                "started_realtime_usec started_boottime_usec state_since_boottime_usec "
                "next_start_boottime_usec"
            ).split()
        ]
        + [("endpoint_kind", c.c_uint32), ("id_base", c.c_uint32)]
        + [("endpoint_path", c.c_char * 112), ("address_ipv4", c.c_char * 16)]
        + [("address_ipv6", c.c_char * 48), ("image", c.c_char * 128)]
        + [("sampled_boottime_usec", c.c_uint64), ("cpu_usage_usec", c.c_uint64)]
        + [("cpu_percent_milli", c.c_uint32), ("cpu_limit_milli", c.c_uint32)]
        + [
            (name, c.c_uint64)
            for name in "memory_bytes memory_limit_bytes memory_peak_bytes".split()
        ]
        + [("tasks", c.c_uint32), ("tasks_limit", c.c_uint32)]
        + [
            (name, c.c_uint64)
            for name in (
                "io_read_bytes io_write_bytes io_read_rate io_write_rate "
                "net_receive_bytes net_transmit_bytes net_receive_rate net_transmit_rate"
            ).split()
        ]
        + [("restarts", c.c_uint32), ("oom_kills", c.c_uint32)]
        + [("exit_code", c.c_int32), ("exit_signal", c.c_uint32)]
        + [("exit_realtime_usec", c.c_uint64), ("message", c.c_char * 176)]
        + [("reserved", c.c_uint8 * 72)]
    )


assert c.sizeof(Slot) == 1016


class Info(c.Structure):
    _fields_ = [
        ("slot_count", c.c_uint32),
        ("slots_used", c.c_uint32),
        ("boot_id", c.c_char * 40),
        ("engine_pid", c.c_uint32),
        ("cpus", c.c_uint32),
        ("engine_started_realtime_usec", c.c_uint64),
        ("engine_started_boottime_usec", c.c_uint64),
        ("heartbeat_boottime_usec", c.c_uint64),
        ("sample_interval_usec", c.c_uint64),
        ("memory_total_bytes", c.c_uint64),
        ("retired", c.c_bool),
        ("version", c.c_char * 32),
    ]


def now_usec():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000


def load_library(directory):
    """Builds common/ as a shared object and loads it."""
    library = pathlib.Path(directory) / "common.so"
    flags = subprocess.run(
        ["pkg-config", "--cflags", "--libs", "jansson"], check=True, capture_output=True, text=True
    ).stdout
    sources = sorted(str(source) for source in (ROOT / "common").glob("*.c"))
    command = ["cc", "-std=gnu17", "-D_GNU_SOURCE", "-O1", "-shared", "-fPIC", f"-I{ROOT}"]
    subprocess.run(
        command + ["-o", str(library)] + sources + shlex.split(flags), check=True, timeout=120
    )
    loaded = c.CDLL(str(library))
    loaded.scoreboard_writer_close.argtypes = [c.c_void_p, c.c_bool]
    loaded.scoreboard_slot_write.argtypes = [c.c_void_p, c.c_uint32, c.POINTER(Slot)]
    loaded.scoreboard_heartbeat.argtypes = [c.c_void_p, c.c_uint64]
    return loaded


class Board:
    """A board with one slot for each dict of slots; keys are the fields of Slot."""

    def __init__(self, library, path, slots=(), engine_pid=None):
        self.code = library
        self.writer = c.c_void_p()
        info = Info(
            engine_pid=engine_pid or os.getpid(),
            cpus=2,
            sample_interval_usec=1_000_000,
            version=b"0.1.0",
        )
        error = c.create_string_buffer(2048)
        result = library.scoreboard_create(
            str(path).encode(), 64, os.getgid(), c.byref(info), c.byref(self.writer), error
        )
        assert result == 0, error.raw[4:].split(b"\0")[0].decode()
        for index, fields in enumerate(slots):
            self.write(index, **fields)

    def write(self, index, **fields):
        has = fields.pop("has", "")
        slot = Slot(has=sum(HAS[name] for name in has.split()), **fields)
        self.code.scoreboard_slot_write(self.writer, index, c.byref(slot))

    def heartbeat(self, boottime_usec):
        self.code.scoreboard_heartbeat(self.writer, boottime_usec)

    def close(self, unlink=False):
        if self.writer:
            self.code.scoreboard_writer_close(self.writer, unlink)
            self.writer = c.c_void_p()
