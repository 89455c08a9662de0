# SPDX-License-Identifier: Apache-2.0
"""Filters whose calls an agent answers: linux.seccomp with SCMP_ACT_NOTIFY and listenerPath (config-linux.md, "Seccomp"),
with an agent in Python that speaks seccomp_unotify(2) by itself."""
import array
import errno
import fcntl
import json
import os
import select
import socket
import struct
import threading

import pytest
from runtime_bundle import runtime  # noqa: F401 (a fixture)

# <linux/seccomp.h>: _IOWR('!', 0, struct seccomp_notif), _IOWR('!', 1, struct seccomp_notif_resp)
NOTIF_RECV, NOTIF_SEND = 0xC0502100, 0xC0182101
NOTIF = struct.Struct("=QIIiIQ6Q")
RESPONSE = struct.Struct("=QqiI")
MKDIR, MKDIRAT = 83, 258  # of x86_64


class Agent:
    """Takes one listener and answers every call with an error number, as long as the filter lives."""

    def __init__(self, path, error):
        self.error, self.state, self.calls = error, None, []
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(str(path))
        self.listener.listen(1)
        self.listener.settimeout(20)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        with self.listener:
            connection, _ = self.listener.accept()
        with connection:
            fds = array.array("i")
            text, ancillary, _, _ = connection.recvmsg(65536, socket.CMSG_SPACE(4))
            for _, _, data in ancillary:
                fds.frombytes(data)
        self.state = json.loads(text)
        (notify,) = fds
        poller = select.poll()
        poller.register(notify, select.POLLIN)
        while True:
            events = poller.poll(20000)
            if not events or not events[0][1] & select.POLLIN:
                break  # the last process with the filter has ended
            buffer = bytearray(NOTIF.size)
            fcntl.ioctl(notify, NOTIF_RECV, buffer)
            number, pid, _, call, *_ = NOTIF.unpack(buffer)
            self.calls.append((pid, call))
            fcntl.ioctl(notify, NOTIF_SEND, bytearray(RESPONSE.pack(number, 0, -self.error, 0)))
        os.close(notify)

    def join(self):
        self.thread.join(25)
        assert not self.thread.is_alive()
        return self


def profile(path, action="SCMP_ACT_NOTIFY", names=("mkdir", "mkdirat"), **more):
    return {"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": str(path), "listenerMetadata": "for the agent",
            "syscalls": [{"names": list(names), "action": action}], **more}


@pytest.mark.parametrize("has_no_new_privileges", [True, False])
def test_an_agent_answers_calls(runtime, has_no_new_privileges):
    path = runtime.path / "agent.sock"
    agent = Agent(path, errno.EXDEV)
    bundle = runtime.bundle().shell("mkdir /tmp/x; test -d /tmp/x && echo made; echo on")
    bundle.process["noNewPrivileges"] = has_no_new_privileges
    bundle.linux["seccomp"] = profile(path)
    bundle.config["annotations"] = {"org.example.key": "value"}
    done = runtime.run(bundle, "asked")
    assert (done.returncode, done.stdout) == (0, "on\n"), done.stderr
    assert os.strerror(errno.EXDEV) in done.stderr
    agent.join()
    assert [call for _, call in agent.calls] in ([MKDIR], [MKDIRAT])
    # "The Container Process State"
    state = agent.state["state"]
    assert agent.state["ociVersion"] == "1.3.0" and agent.state["fds"] == ["seccompFd"]
    assert agent.state["metadata"] == "for the agent" and agent.state["pid"] == state["pid"] > 0
    assert (state["id"], state["status"], state["bundle"]) == ("asked", "creating", str(bundle.path))
    assert state["annotations"] == {"org.example.key": "value"}


def test_an_agent_answers_a_further_process(runtime):
    path = runtime.path / "agent.sock"
    first = Agent(path, errno.EXDEV)
    bundle = runtime.bundle()
    bundle.linux["seccomp"] = profile(path)
    name = runtime.sleeper(bundle)
    path.unlink()
    second = Agent(path, errno.EDQUOT)
    done = runtime.exec(name, "mkdir", "/tmp/x")
    assert done.returncode == 1 and os.strerror(errno.EDQUOT) in done.stderr
    assert len(second.join().calls) == 1
    assert second.state["state"]["id"] == name
    runtime.delete(name, "--force")
    assert first.join().calls == []


def test_without_an_agent_nothing_starts(runtime):
    path = runtime.path / "nobody.sock"
    bundle = runtime.bundle()
    bundle.linux["seccomp"] = profile(path)
    bundle.write()
    message = runtime.bad("run", "-b", bundle.path, "x")
    assert message == f"linux.seccomp.listenerPath: connect to {path}: No such file or directory"
    assert runtime.containers() == []


@pytest.mark.parametrize("call", ["sendmsg", "write"])
def test_what_the_start_itself_needs_cannot_be_asked_for(runtime, call):
    bundle = runtime.bundle()
    bundle.linux["seccomp"] = profile(runtime.path / "nobody.sock", names=[call])
    bundle.write()
    message = runtime.bad("run", "-b", bundle.path, "x")
    assert f"SCMP_ACT_NOTIFY is not possible for {call}" in message
    assert runtime.containers() == []
