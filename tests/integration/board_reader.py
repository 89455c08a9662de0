# SPDX-License-Identifier: Apache-2.0
"""A scoreboard as the project's own reader (common/scoreboard.c) gives it."""
import ctypes
import os
import time

import board as boards


def load_reader(directory):
    library = boards.load_library(directory)
    pointer = ctypes.c_void_p
    library.scoreboard_close.argtypes = [pointer]
    library.scoreboard_find.argtypes = [pointer, ctypes.c_char_p, ctypes.c_char_p, pointer, pointer]
    library.scoreboard_history_read.argtypes = [pointer, ctypes.c_uint32, pointer]
    library.scoreboard_host_read.argtypes = [pointer, pointer]
    return library


def told(slot):
    """All fields of a slot that are not zero, for the message of a failure."""
    fields = {name: getattr(slot, name) for name, _ in boards.Slot._fields_ if name != "reserved"}
    return {name: value for name, value in fields.items() if isinstance(value, (int, bytes)) and value}


def has(slot, *names):
    bits = sum(boards.HAS[name] for name in names)
    return slot.has & bits == bits


class BoardReader:
    def __init__(self, library, path):
        self.code = library
        self.handle = ctypes.c_void_p()
        error = ctypes.create_string_buffer(2048)
        opened = library.scoreboard_open(str(path).encode(), ctypes.byref(self.handle), error)
        assert opened == 0, error.raw[4:].split(b"\0")[0].decode()

    def find(self, name="alpha/web"):
        """(result, slot, index), as scoreboard_find() has it."""
        tenant, service = name.encode().split(b"/")
        slot, hint = boards.Slot(), ctypes.c_uint32()
        result = self.code.scoreboard_find(self.handle, tenant, service, ctypes.byref(hint), ctypes.byref(slot))
        return result, slot, hint.value

    def slot(self, name="alpha/web"):
        result, slot, _ = self.find(name)
        assert result == 0, os.strerror(-result)
        return slot

    def history(self, name="alpha/web"):
        history = boards.History()
        assert self.code.scoreboard_history_read(self.handle, self.find(name)[2], ctypes.byref(history)) == 0
        return history

    def host(self):
        host = boards.Host()
        assert self.code.scoreboard_host_read(self.handle, ctypes.byref(host)) == 0
        return host

    def wait(self, condition, what, name="alpha/web", seconds=30):
        """The slot for which the condition holds; it may take some turns of the sampler."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            slot = self.slot(name)
            if condition(slot):
                return slot
            time.sleep(0.02)
        raise AssertionError(f"waited {seconds} s for {what}; the slot: {told(slot)}")

    def close(self):
        self.code.scoreboard_close(self.handle)
