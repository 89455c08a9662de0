# SPDX-License-Identifier: Apache-2.0
"""System calls of the supervisor that fail, one at a time: it says so, and leaves nothing half done.

strace(1) lets the N-th call of a kind fail. A fault hits either the supervisor's own start, which then ends
with a message, or the start of the container, which then fails as a whole and works the next time.
"""
import shutil
import subprocess

import pytest
from private_httpd import wait_until
from stack import BUILD

pytestmark = [pytest.mark.slow,
              pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")]

# Which call fails how, and how many of its first occurrences are tried. Of setns, only the way into a namespace: when
# the way back fails, the supervisor aborts, for it would go on in the wrong one.
FAULTS = [
    ("clone3", "EAGAIN", 3), ("fsopen", "EPERM", 3), ("fsmount", "ENOMEM", 2), ("open_tree", "ENOMEM", 4),
    ("mount_setattr", "EINVAL", 4), ("mount", "EPERM", 3), ("openat2", "EACCES", 8), ("pipe2", "EMFILE", 3),
    ("socketpair", "EMFILE", 2), ("fchown", "EPERM", 2), ("mkdirat", "ENOSPC", 6),
    ("mkdir", "ENOSPC", 5), ("renameat", "EIO", 1), ("memfd_create", "EMFILE", 1), ("listen", "EADDRINUSE", 2),
    ("fsync", "EIO", 1), ("inotify_add_watch", "ENOSPC", 2), ("epoll_ctl", "ENOMEM", 6),
]


def start_with_fault(stack, call, errno, nth):
    stack.php("alpha")
    stack.write_settings()
    trace = stack.path / "logs" / "strace"
    command = ["strace", "-qq", "-o", trace, "-e", f"trace={call}",
               "-e", f"inject={call}:error={errno}:when={nth}", *stack.command("--debug")]
    stack.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                     stderr=open(stack.log_file, "ab"))
    return trace


@pytest.mark.parametrize("call", ["flock", "unshare", "fsopen", "inotify_add_watch", "listen"])
def test_a_stop_while_starting_ends_in_order(stack, call):
    """SIGTERM in the middle of the supervisor's own start, when it comes from a service manager or a script that
    changed its mind: everything ends, with status 0, and nothing is left."""
    stack.php("alpha")
    stack.write_settings()
    command = ["strace", "-qq", "-o", stack.path / "logs" / "strace", "-e", f"trace={call}",
               "-e", f"inject={call}:signal=SIGTERM:when=1", *stack.command("--debug")]
    stack.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                     stderr=open(stack.log_file, "ab"))
    assert stack.process.wait(60) == 0, stack.log()
    assert "Terminated: stopping all tenants" in stack.log()
    left = [p.name for p in (stack.path / "run").rglob("*") if p.name not in ("lock", "traffic")]
    assert not left, f"{left}\n{stack.log()}"


def is_settled(stack):
    return stack.process.poll() is not None or (
        stack.ctl("version", check=False).returncode == 0
        and stack.state() in ("running", "failed", "backoff", None))


@pytest.mark.parametrize("call, errno, nth",
                         [(call, errno, nth) for call, errno, count in FAULTS for nth in range(1, count + 1)]
                         + [("setns", "EPERM", 2), ("setns", "EPERM", 4)])
def test_a_failing_call(stack, call, errno, nth):
    trace = start_with_fault(stack, call, errno, nth)
    wait_until(lambda: is_settled(stack), f"an outcome\n{stack.log()}", 30)
    if stack.process.poll() is not None:
        assert "(INJECTED)" in trace.read_text(), stack.log()
        assert stack.process.returncode == 1
        assert "error: " in stack.log()
        stack.expected_status = 1
        left = [p.name for p in (stack.path / "run").rglob("*") if p.name not in ("lock", "traffic")]
        assert not left, f"{left}\n{stack.log()}"
        return
    if stack.state() != "running":
        assert "(INJECTED)" in trace.read_text(), stack.log()
        message = (stack.ps().get("alpha/web") or {}).get("message") or stack.log()
        assert message, "a failed start says why"
    # The fault comes once: the next attempt works, so nothing of the first is in its way.
    stack.ctl("apply", check=False)
    stack.ctl("start", "alpha/web", check=False)
    stack.wait_state("running")
    stack.ctl("stop", "alpha/web")
    assert stack.state() == "stopped"
    subprocess.run(["pkill", "-TERM", "-f", f"^{BUILD}/container-supervisor --root {stack.path}"], check=True)
    stack.process.wait(60)
    assert stack.process.returncode == 0, stack.log()
    left = [p.name for p in (stack.path / "run").rglob("*") if p.name not in ("lock", "traffic")]
    assert not left, f"{left}\n{stack.log()}"
