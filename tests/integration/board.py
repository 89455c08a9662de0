# SPDX-License-Identifier: Apache-2.0
"""Writes a scoreboard from Python, with the project's own writer (common/scoreboard.c) behind ctypes.

The slot's struct is read from common/scoreboard.h; its size is checked against the ABI's.
"""
import ctypes as c
import os
import pathlib
import re
import shlex
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]

OPEN, SLEEPING, STARTING, RUNNING, WORKING, LIMITED, UNHEALTHY = range(7)
PAUSED, STOPPING, BACKOFF, FAILED, STOPPED, EXITED = range(7, 13)

HEADER = (ROOT / "common/scoreboard.h").read_text()
HAS = {name.lower(): 1 << int(bit) for name, bit in
       re.findall(r"#define SLOT_HAS_(\w+)\s+\(UINT64_C\(1\) << (\d+)\)", HEADER)}
NUMBERS = {name: int(value) for name, value in re.findall(r"#define (\w+)\s+(\d+)\b", HEADER)}
NUMBERS["PRESSURE_COUNT"] = 3
TYPES = {"uint8_t": c.c_uint8, "uint16_t": c.c_uint16, "uint32_t": c.c_uint32, "uint64_t": c.c_uint64,
         "int32_t": c.c_int32, "char": c.c_char}


def structure(name):
    """A struct of common/scoreboard.h for ctypes: the header is the one place that says where its fields lie."""
    body = re.search(rf"struct {name} {{\n(.*?)\n}};", HEADER, re.DOTALL).group(1)
    fields = []
    for kind, names in re.findall(r"(\w+)\s+(\w[^;]*);", re.sub(r"/\*.*?\*/|\bstruct ", "", body, flags=re.DOTALL)):
        for field, length in re.findall(r"(\w+)(?:\[(\w+)\])?", names):
            one = TYPES[kind]
            fields.append((field, one * (NUMBERS.get(length) or int(length)) if length else one))
    return type(name, (c.Structure,), {"_fields_": fields})


TYPES["pressure_figures"] = structure("pressure_figures")
TYPES["slot_device"] = structure("slot_device")
Slot = structure("container_slot")
Point = structure("history_point")
Host = structure("host_figures")



class Ring(c.Structure):
    _fields_ = [("end_boottime_usec", c.c_uint64), ("step_msec", c.c_uint32), ("count", c.c_uint16),
                ("next", c.c_uint16)]


class History(c.Structure):
    _fields_ = [("rings", Ring * 3), ("points", Point * 168)]


assert (c.sizeof(Slot), c.sizeof(History)) == (1784, 2736)


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
        ("changes", c.c_uint64),
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
    loaded.scoreboard_history_push.argtypes = [
        c.c_void_p, c.c_uint32, c.c_int, c.c_uint32, c.c_uint64, c.POINTER(Point)]
    loaded.scoreboard_host_write.argtypes = [c.c_void_p, c.POINTER(Host)]
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

    def push(self, index, ring, step_msec, boottime_usec, **figures):
        """Adds a point to a history; rings are 0 (seconds), 1 (minutes), 2 (half hours)."""
        point = Point(**figures)
        result = self.code.scoreboard_history_push(self.writer, index, ring, step_msec, boottime_usec, c.byref(point))
        assert result == 0, os.strerror(-result)

    def write_host(self, has="", **figures):
        host = Host(has=sum(HAS[name] for name in has.split()), **figures)
        self.code.scoreboard_host_write(self.writer, c.byref(host))

    def heartbeat(self, boottime_usec):
        self.code.scoreboard_heartbeat(self.writer, boottime_usec)

    def close(self, unlink=False):
        if self.writer:
            self.code.scoreboard_writer_close(self.writer, unlink)
            self.writer = c.c_void_p()
