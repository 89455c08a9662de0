# SPDX-License-Identifier: Apache-2.0
"""The first part of programs that Stack.ask() runs inside a container; what they find out goes to tell()."""
import ctypes
import errno
import json
import os
import socket
import subprocess
import sys

LIBC = ctypes.CDLL(None, use_errno=True)


def name(number):
    """0 is "ok", another number its name: EPERM."""
    return errno.errorcode.get(number, str(number)) if number else "ok"


def attempt(function, *arguments):
    """"ok", or the name of the error."""
    try:
        function(*arguments)
    except OSError as error:
        return name(error.errno)
    return "ok"


def syscall(number, *arguments):
    """The call as it is: a filter's answer is seen before that of any check of arguments."""
    values = [ctypes.c_char_p(a) if isinstance(a, bytes) else ctypes.c_long(a) for a in arguments]
    values += [ctypes.c_long(0)] * (6 - len(values))
    ctypes.set_errno(0)
    return name(ctypes.get_errno()) if LIBC.syscall(ctypes.c_long(number), *values) == -1 else "ok"


def in_child(function, *arguments):
    """"signal N" if it ends a child that tries it, else "exit N"."""
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        function(*arguments)
        os._exit(0)
    status = os.waitpid(pid, 0)[1]
    return f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"exit {os.WEXITSTATUS(status)}"


def run(command, timeout=10):
    """(exit status, all output) of a shell command."""
    done = subprocess.run(["sh", "-c", command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=timeout)
    return done.returncode, done.stdout.decode(errors="replace")


def connect(address, port, family=socket.AF_INET):
    """"ok" or the error's name; "timeout" when nothing comes back."""
    with socket.socket(family) as probe:
        probe.settimeout(1)
        try:
            probe.connect((address, port))
        except socket.timeout:
            return "timeout"
        except OSError as error:
            return name(error.errno)
    return "ok"


def read(path, size=65536):
    with open(path, "rb") as file:
        return file.read(size).decode(errors="replace")


def open_write(path):
    os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))


def mounts():
    """(mount point, root in its file system, options, type, source), of all that are seen."""
    lines = [line.split() for line in read("/proc/self/mountinfo").splitlines()]
    return [(f[4], f[3], f[5].split(","), f[f.index("-") + 1], f[f.index("-") + 2]) for f in lines]


def tell(**facts):
    print("told " + json.dumps(facts), flush=True)
