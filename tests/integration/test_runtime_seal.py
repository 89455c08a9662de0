# SPDX-License-Identifier: Apache-2.0
"""
The beginning of container-runtime, by the process that waits in a created container: it runs from a read-only copy of
its mount, whichever way it got there (runtime_seal.c), and it is hardened as a program that glibc began
(runtime_begin.c).
"""
import ctypes
import errno
import os
import shutil
import struct
import subprocess

import pytest
import world
from bundle import RUNTIME, Bundle

pytestmark = [pytest.mark.skipif("sanitize" in RUNTIME.parts, reason="a build for the sanitizers is not sealed"),
              pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")]
WAYS = ("in place", "by execve")
PR_SET_MM, PR_SET_MM_MAP_SIZE = 35, 15
PTRACE_GETREGS, PTRACE_ATTACH, PTRACE_DETACH = 12, 16, 17
FS_BASE, REGISTERS = 21, 27  # struct user_regs_struct (sys/user.h)
AT_RANDOM = 25
ST_RDONLY = 1


@pytest.fixture
def bundle():
    made = Bundle()
    made.program = made.path / "program"
    shutil.copy(RUNTIME, made.program)
    try:
        yield made
    finally:
        made.close()
        assert made.cgroups() == []


def can_seal_in_place():
    """Whether the kernel can change what /proc/PID/exe leads to (CONFIG_CHECKPOINT_RESTORE)."""
    size = ctypes.c_uint()
    return world.LIBC.prctl(PR_SET_MM, PR_SET_MM_MAP_SIZE, ctypes.byref(size), 0, 0) == 0


def create(bundle, way):
    """The pid of the waiting process of a container whose creation went that way."""
    trace = bundle.path / "trace"
    refusal = ["-e", "inject=prctl:error=EPERM:when=1"] if way == "by execve" else []
    done = subprocess.run(["strace", "-qq", "-o", trace, "-e", "trace=prctl,execveat", *refusal,
                           *bundle.command("create", "c")], cwd=bundle.directory, stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60, check=False)
    assert done.returncode == 0
    calls = trace.read_text()
    assert "PR_SET_MM_MAP" in calls
    if can_seal_in_place():
        assert ("execveat(" in calls) == (way == "by execve"), calls
    return bundle.state()["pid"]


def file_maps(pid, program):
    """(name in map_files, permissions) of what is mapped of the program."""
    wanted = os.stat(program)
    maps = []
    with open(f"/proc/{pid}/maps") as lines:
        for line in lines:
            addresses, permissions, _, device, inode, *_ = line.split()
            if inode != "0":
                major, minor = (int(part, 16) for part in device.split(":"))
                assert (os.makedev(major, minor), int(inode)) == (wanted.st_dev, wanted.st_ino), line
                maps.append(("-".join(part.lstrip("0") for part in addresses.split("-")), permissions))
    return maps


def refusal(path):
    with pytest.raises(OSError) as caught:
        os.close(os.open(path, os.O_WRONLY))
    return caught.value.errno


@pytest.mark.parametrize("way", WAYS)
def test_all_that_a_process_holds_of_the_program_is_read_only(bundle, way):
    pid = create(bundle, way)
    maps = file_maps(pid, bundle.program)
    assert {permissions for _, permissions in maps} >= {"r--p", "r-xp", "rw-p"}
    held = [f"/proc/{pid}/exe", *(f"/proc/{pid}/map_files/{name}" for name, _ in maps)]
    kept = []
    for path in held:
        assert refusal(path) in (errno.ETXTBSY, errno.EROFS)
        opened = os.open(path, os.O_RDONLY)
        kept.append(opened)
        assert os.fstatvfs(opened).f_flag & ST_RDONLY, path
        for change in (lambda p: os.chmod(p, 0o777), lambda p: os.chown(p, 1, 1), lambda p: os.utime(p)):
            with pytest.raises(OSError) as caught:
                change(path)
            assert caught.value.errno == errno.EROFS
    # Nothing else keeps writers out when no process runs from the file any more.
    bundle.ok("delete", "--force", "c")
    assert {refusal(f"/proc/self/fd/{fd}") for fd in kept} == {errno.EROFS}
    for fd in kept:
        os.close(fd)
    # The file itself is as it was, for who may write to it.
    with open(bundle.program, "r+b"):
        pass


def shown(pid):
    """What the kernel knows of the program: sizes of code and data, the bounds of words and environment."""
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    # proc_pid_stat(5), counted from 3, which is the first after the name
    code, code_end = (int(fields[n - 3]) for n in (26, 27))
    data, data_end, heap, words, words_end, environment, environment_end = (int(fields[n - 3]) for n in range(45, 52))
    assert code and data and heap
    assert environment == words_end
    return {"code": code_end - code, "data": data_end - data, "between": data - code,
            "words": words_end - words, "environment": environment_end - environment,
            "cmdline": open(f"/proc/{pid}/cmdline", "rb").read(), "environ": open(f"/proc/{pid}/environ", "rb").read()}


@pytest.mark.skipif(not can_seal_in_place(), reason="the kernel cannot checkpoint processes")
def test_the_kernel_knows_the_same_of_a_program_either_way(bundle):
    found = []
    for way in WAYS:
        found.append(shown(create(bundle, way)))
        bundle.ok("delete", "--force", "c")
    assert found[0] == found[1]
    one = found[0]
    assert one["cmdline"] == b"".join(word.encode() + b"\0" for word in bundle.command("create", "c"))
    assert len(one["cmdline"]) == one["words"]
    assert b"PATH=" in one["environ"] and len(one["environ"]) == one["environment"]
    assert one["code"] > 0 and one["data"] > 0


# ---- hardening ----

def segments(pid, program):
    return [(int(name.split("-")[0], 16), permissions) for name, permissions in file_maps(pid, program)]


def test_addresses_are_random_and_relocations_read_only(bundle):
    firsts = set()
    for _ in range(4):
        found = segments(create(bundle, WAYS[0]), bundle.program)
        bundle.ok("delete", "--force", "c")
        firsts.add(found[0][0])
        # Headers, code, constants, what was relocated, data.
        assert [permissions for _, permissions in found] == ["r--p", "r-xp", "r--p", "r--p", "rw-p"]
    assert len(firsts) > 1


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="guards are elsewhere on other processors")
def test_stack_canary_and_pointer_guard_are_what_the_kernel_drew(bundle):
    pid = create(bundle, WAYS[0])
    registers = (ctypes.c_ulong * REGISTERS)()
    world.LIBC.ptrace.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
    world.check(world.LIBC.ptrace(PTRACE_ATTACH, pid, None, None), "attach")
    try:
        os.waitpid(pid, 0x40000000)  # __WALL
        world.check(world.LIBC.ptrace(PTRACE_GETREGS, pid, None, ctypes.byref(registers)), "registers")
    finally:
        world.LIBC.ptrace(PTRACE_DETACH, pid, None, None)
    with open(f"/proc/{pid}/auxv", "rb") as vector:
        values = dict(struct.iter_unpack("QQ", vector.read()))
    with open(f"/proc/{pid}/mem", "rb") as memory:
        memory.seek(registers[FS_BASE] + 0x28)
        canary, guard = struct.unpack("QQ", memory.read(16))
        memory.seek(values[AT_RANDOM])
        drawn = struct.unpack("QQ", memory.read(16))
    assert drawn[0] and drawn[1]
    assert (canary, guard) == (drawn[0] & ~0xff, drawn[1])
