# SPDX-License-Identifier: Apache-2.0
"""Speaks docs/control-protocol.md over a real SOCK_SEQPACKET socket, so that clients can be tried
without a daemon. It is strict: an unknown member or a value out of range is "bad-request"."""
import json
import os
import socket
import threading

MESSAGE_MAX = 65536

# verb: {member: type}; a name with "?" may be absent.
NAMES = {"tenant": str, "service": str}
ACTION = {**NAMES, "wait_ms?": int, "actor?": dict}
MEMBERS = {
    "version": {},
    "start": ACTION,
    "stop": ACTION,
    "restart": ACTION,
    "pause": ACTION,
    "resume": ACTION,
    "kill": {**ACTION, "signal?": str},
    "inspect": NAMES,
    "list": {"tenant?": str, "after?": str},
    "logs": {**NAMES, "cursor?": (str, type(None)), "tail?": int, "wait_ms?": int},
    "mails": {"tenant": str, "service?": str},
    "processes": NAMES,
    "why": NAMES,
    "history": {**NAMES, "range": str},
    "events": {"tenant?": str, "service?": str, "cursor?": (str, type(None)), "tail?": int},
    "apply": {},
}
WAIT_MAX = {"logs": 5000}


def refusal(code, message, **more):
    return {"version": 1, "ok": False, "code": code, "message": message, **more}


def check(request):
    """The refusal of a request that breaks the protocol, or None."""
    verb = request.get("verb")
    if request.get("version") != 1:
        return refusal("wrong-version", f"version {request.get('version')}; this one speaks 1")
    if verb not in MEMBERS:
        return refusal("not-found", f'no verb "{verb}"')
    known = {name.rstrip("?"): kind for name, kind in MEMBERS[verb].items()}
    for name, value in request.items():
        if name in ("version", "verb"):
            continue
        if name not in known:
            return refusal("bad-request", f'unknown member "{name}"')
        if not isinstance(value, known[name]):
            return refusal("bad-request", f'"{name}" is of the wrong type')
    for name in MEMBERS[verb]:
        if not name.endswith("?") and name not in request:
            return refusal("bad-request", f'"{name}" is missing')
    if not 0 <= request.get("wait_ms", 0) <= WAIT_MAX.get(verb, 60000):
        return refusal("bad-request", '"wait_ms" is out of range')
    if verb in ("logs", "events") and request.get("cursor") is not None and "tail" in request:
        return refusal("bad-request", '"tail" goes with no cursor')
    return None


class FakeSupervisor:
    """answers: {verb: function(request) -> dict without version and ok, or a refusal, or bytes}."""

    def __init__(self, path, answers):
        self.answers = answers
        self.requests = []
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        if os.path.exists(path):
            os.unlink(path)
        self.listener.bind(str(path))
        self.listener.listen(16)
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            with connection:
                self._answer(connection)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the client went away while it was waited on

    def _answer(self, connection):
        while data := connection.recv(MESSAGE_MAX + 1):
            request = json.loads(data)
            self.requests.append(request)
            answer = check(request) or self.answers[request["verb"]](request)
            if answer is None:
                return
            if isinstance(answer, dict):
                answer = json.dumps({"version": 1, "ok": True, **answer}).encode()
            connection.send(answer)

    def close(self):
        if self.listener.fileno() < 0:
            return
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(5)
