# SPDX-License-Identifier: Apache-2.0
"""What people do with podman works with container-runtime below it."""
import errno
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from engines import Podman, limit_of
from private_httpd import wait_until

# Counts as long as it runs, and says what signals it gets.
COUNTER = """
trap 'echo got USR1' USR1
trap 'echo bye; exit 5' TERM
while :; do echo tick; sleep 0.05; done
"""


@pytest.fixture
def podman():
    made = Podman()
    try:
        yield made
    finally:
        made.close()


def ticks(podman, name):
    return podman("logs", name).count("tick")


def test_run_gives_output_and_exit_status(podman):
    assert podman.run("--rm", "--hostname", "saturn", "--", "hostname") == "saturn"
    assert podman.run("--rm", "--", "sh", "-c", "echo out; echo err >&2; exit 7", status=7) == "out"
    assert podman.run("--rm", "-i", "--", "cat", stdin="through a pipe\n") == "through a pipe"
    assert podman("ps", "-a", "-q") == ""


@pytest.mark.parametrize("json_runtimes", ["", '"container-runtime"'])
def test_program_that_cannot_start_is_named(podman, json_runtimes):
    """With the runtime's error read from its standard error, and from its log in JSON."""
    podman.configure(json_runtimes)
    missing = podman.attempt("run", *podman.options("--rm", "--", "/no/such/program"))
    assert missing.returncode == 127 and "/no/such/program" in missing.stderr, missing
    refused = podman.attempt("run", *podman.options("--rm", "--", "/etc"))
    assert refused.returncode == 126 and "ermi" in refused.stderr, refused
    podman.run("-d", "--name", "up", "--", "sleep", "1000")
    missing = podman.attempt("exec", "up", "/no/such/program")
    assert missing.returncode == 127 and "/no/such/program" in missing.stderr, missing
    assert podman.inspect("up", ".State.Status") == "running"


def test_terminal_is_a_terminal(podman):
    script = """tty
        until stty size | grep -x '33 77'; do sleep 0.05; done
        trap 'stty size; exit 9' INT; echo ready; while :; do sleep 0.1; done"""
    with podman.terminal("run", *podman.options("--rm", "-it", "--", "sh", "-c", script)) as screen:
        seen = screen.read("ready")
        assert "/dev/pts/0" in seen
        screen.resize(40, 120)
        time.sleep(0.3)
        screen.type("\x03")
        seen, status = screen.end()
    assert status == 9 and "40 120" in seen, seen


def test_detached_container_through_its_life(podman):
    podman.run("-d", "--name", "life", "--", "sh", "-c", COUNTER)
    podman.wait_log("life", "tick")
    podman("kill", "-s", "USR1", "life")
    podman.wait_log("life", "got USR1")
    podman("pause", "life")
    assert podman.inspect("life", ".State.Status") == "paused"
    time.sleep(0.2)
    frozen = ticks(podman, "life")
    time.sleep(0.3)
    assert ticks(podman, "life") == frozen
    podman("unpause", "life")
    wait_until(lambda: ticks(podman, "life") > frozen, "the container to go on")
    podman("stop", "-t", "10", "life")
    assert podman("wait", "life") == "5" and podman("logs", "life").endswith("bye")
    podman("start", "life")
    pid = podman.pid("life")
    podman("kill", "life")
    assert podman("wait", "life") == "137" and not Path(f"/proc/{pid}").exists()
    podman("rm", "life")


def test_stop_kills_what_does_not_listen(podman):
    """The first program of a pid namespace is deaf to what it has no handler for."""
    podman.run("-d", "--name", "deaf", "--", "sleep", "1000")
    podman("stop", "-t", "1", "deaf")
    assert podman.inspect("deaf", ".State.ExitCode") == "137"
    podman.run("-d", "--name", "forced", "--", "sleep", "1000")
    pid = podman.pid("forced")
    podman("rm", "-f", "-t", "0", "forced")
    assert not Path(f"/proc/{pid}").exists()


def test_exec(podman):
    podman.run("-d", "--name", "up", "--", "sleep", "1000")
    assert podman("exec", "up", "sh", "-c", "echo in; exit 3", status=3) == "in"
    assert podman("exec", "-i", "up", "cat", stdin="told\n") == "told"
    told = podman("exec", "-u", "app", "-w", "/srv", "-e", "COLOUR=blue", "up",
                  "sh", "-c", "id; pwd; echo $COLOUR; cat /proc/1/comm").splitlines()
    assert told[0].startswith("uid=1000(app) gid=1000(app)") and "1001(extra)" in told[0]
    assert told[1:] == ["/srv", "blue", "sleep"]
    with podman.terminal("exec", "-it", "up", "sh", "-c", "tty; read line; echo got $line; exit 4") as screen:
        screen.read("/dev/pts/")
        screen.type("words\n")
        seen, status = screen.end()
    assert status == 4 and "got words" in seen
    podman("exec", "-d", "up", "sleep", "500")
    assert "sleep 500" in podman("exec", "up", "ps")
    assert "sleep 500" in podman("top", "up", "pid", "args")


def test_many_execs_at_once(podman):
    podman.run("-d", "--name", "up", "--", "sleep", "1000")
    with ThreadPoolExecutor(6) as pool:
        done = list(pool.map(lambda n: podman.attempt("exec", "up", "sh", "-c", f"echo {n}; exit {n}"),
                             range(12)))
    assert [(int(one.stdout), one.returncode) for one in done] == [(n, n) for n in range(12)], done


def test_only_the_descriptors_asked_for(podman):
    """ls has one of its own; the third and fourth are handed on by podman where it is told so."""
    listing = ("--", "ls", "/proc/self/fd")
    assert podman.run("--rm", *listing).split() == ["0", "1", "2", "3"]
    (podman.path / "given").write_text("through a descriptor\n")

    def third():
        os.dup2(os.open(podman.path / "given", os.O_RDONLY), 3)
    assert podman.run("--rm", "--preserve-fds", "1", *listing, pass_fds=(3,),
                      preexec_fn=third).split() == ["0", "1", "2", "3", "4"]
    podman.run("-d", "--name", "up", "--", "sleep", "1000")
    assert podman("exec", "up", *listing[1:]).split() == ["0", "1", "2", "3"]
    assert podman("exec", "--preserve-fds", "1", "up", "sh", "-c", "cat <&3", pass_fds=(3,),
                  preexec_fn=third) == "through a descriptor"


def test_memory_limit_holds(podman):
    podman.run("-d", "--name", "small", "--memory", "48m", "--", "sleep", "1000")
    pid = podman.pid("small")
    names = ("memory", "memory.limit_in_bytes", "memory.max")
    assert int(limit_of(pid, *names)) == 48 << 20
    inside = podman("exec", "small", "sh", "-c",
                    "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null; :")
    assert int(inside) == 48 << 20
    podman("update", "--memory", "32m", "small")
    assert int(limit_of(pid, *names)) == 32 << 20
    eater = "x=$(head -c 100m /dev/zero | tr '\\0' x)"
    podman.run("--name", "greedy", "--memory", "16m", "--", "sh", "-c", f"{eater}; exit 0", status=137)
    # This podman looks for conmon's sign in the bundle, this conmon leaves it where podman was called.
    assert (podman.path / "oom").exists() or podman.inspect("greedy", ".State.OOMKilled") == "true"
    assert podman.inspect("small", ".State.Status") == "running"


def test_other_limits_hold(podman):
    podman.run("-d", "--name", "bound", "--pids-limit", "9", "--cpus", "0.5", "--cpuset-cpus", "0",
               "--ulimit", "nofile=77:77", "--ulimit", "nproc=4096:8192", "--", "sleep", "1000")
    pid = podman.pid("bound")
    assert limit_of(pid, "pids", "pids.max", "pids.max") == "9"
    assert limit_of(pid, "cpu", "cpu.cfs_quota_us", "cpu.max").split()[0] == "50000"
    assert limit_of(pid, "cpuset", "cpuset.cpus", "cpuset.cpus") == "0"
    assert "77 " in next(line for line in Path(f"/proc/{pid}/limits").read_text().splitlines()
                         if line.startswith("Max open files"))
    forks = podman.attempt("exec", "bound", "sh", "-c", "for n in 1 2 3 4 5 6 7 8 9; do sleep 3 & done")
    assert "can't fork" in forks.stderr, forks


def test_read_only_root(podman):
    """What may be written to are the memory file systems; the image's own files in them are seen."""
    told = podman.run("--rm", "--read-only", "--", "sh", "-c",
                      "cat /tmp/shipped; echo a > /tmp/new && cat /tmp/new; echo b > /new",
                      status=1)
    assert told.splitlines() == ["by the image", "a"]


def test_volumes(podman):
    for name in ("plain", "fixed"):
        (podman.path / name).mkdir()
        (podman.path / name / "file").write_text(f"{name} of the host\n")
    done = podman.attempt("run", *podman.options(
        "--rm", "-v", f"{podman.path}/plain:/made/for/it", "-v", f"{podman.path}/fixed:/srv:ro",
        "-v", f"{podman.path}/fixed/file:/etc/one-file:ro", "--tmpfs", "/small:size=64k", "--",
        "sh", "-c", "cat /made/for/it/file /srv/file /etc/one-file; echo inside > /made/for/it/new; "
        "echo no > /srv/new; echo no > /etc/one-file; head -c 100000 /dev/zero > /small/file; wc -c < /small/file"))
    assert done.stdout.splitlines() == ["plain of the host"] + ["fixed of the host"] * 2 + ["65536"]
    assert (podman.path / "plain" / "new").read_text() == "inside\n"
    assert done.stderr.count("Read-only file system") == 2, done
    assert sorted(path.name for path in (podman.path / "fixed").iterdir()) == ["file"]


def roots(pid):
    """How many mounts lie on "/" of a container; whoever enters its namespace later sees the last of them."""
    return [line.split()[4] for line in Path(f"/proc/{pid}/mountinfo").read_text().splitlines()].count("/")


def status_of(podman, *options):
    """/proc/self/status of a program in a container, as {key: value}."""
    told = podman.run("--rm", *options, "--", "cat", "/proc/self/status")
    return dict((line.split(":", 1)[0], line.split(":", 1)[1].strip()) for line in told.splitlines())


def test_rights(podman):
    bare = status_of(podman, "--cap-drop", "all", "--cap-add", "net_raw",
                     "--security-opt", "no-new-privileges")
    assert int(bare["CapEff"], 16) == int(bare["CapBnd"], 16) == 1 << 13
    assert int(bare["CapInh"], 16) == int(bare["CapAmb"], 16) == 0
    assert bare["NoNewPrivs"] == "1" and bare["Seccomp"] == "2"
    user = status_of(podman, "--user", "app", "--group-add", "77", "--umask", "027",
                     "--oom-score-adj", "200")
    assert user["Uid"].split() == user["Gid"].split() == ["1000"] * 4
    assert set(user["Groups"].split()) >= {"77", "1001"} and int(user["CapEff"], 16) == 0
    assert user["Umask"] == "0027"
    number = status_of(podman, "--user", "4321:8765")
    assert number["Uid"].split()[0] == "4321" and number["Gid"].split()[0] == "8765"


def test_seccomp_profile_of_a_file(podman):
    """Its own errno shows that it is this filter that refuses."""
    profile = podman.path / "profile.json"
    profile.write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": errno.EDOM}]}))
    done = podman.attempt("run", *podman.options("--rm", "--security-opt", f"seccomp={profile}", "--",
                                                 "mkdir", "/srv/directory"))
    assert done.returncode == 1 and "argument out of domain" in done.stderr, done
    assert podman.run("--rm", "--security-opt", "seccomp=unconfined", "--",
                      "grep", "Seccomp:", "/proc/self/status").split()[1] == "0"


def test_devices_sysctls_and_shared_memory(podman):
    told = podman.run("--rm", "--device", "/dev/zero:/dev/nothing", "--sysctl", "net.ipv4.ip_forward=1",
                      "--shm-size", "1m", "--", "sh", "-c",
                      "head -c 3 /dev/nothing | wc -c; cat /proc/sys/net/ipv4/ip_forward; "
                      "df -k /dev/shm | tail -1; mknod /tmp/disk b 8 0; head -c 1 /tmp/disk; exit 0")
    lines = told.splitlines()
    assert [lines[0].strip(), lines[1], lines[2].split()[1]] == ["3", "1", "1024"] and len(lines) == 3
    podman.run("-d", "--name", "elsewhere", "--device", "/dev/zero:/srv/nothing", "--", "sleep", "1000")
    assert podman("exec", "elsewhere", "sh", "-c", "head -c 3 /srv/nothing | wc -c; cat /tmp/shipped") == (
        "3\nby the image")
    assert roots(podman.pid("elsewhere")) == 1


def test_user_namespace(podman):
    """Root inside is nobody special outside."""
    podman.run("-d", "--name", "mapped", "--uidmap", "0:100000:65536", "--", "sleep", "1000")
    status = Path(f"/proc/{podman.pid('mapped')}/status").read_text()
    assert "\nUid:\t100000\t100000\t100000\t100000\n" in status
    assert podman("exec", "mapped", "sh", "-c", "id -u; touch /srv/new && stat -c %u /srv/new") == "0\n0"
    assert podman("exec", "-u", "app", "mapped", "id", "-u") == "1000"


def test_privileged(podman):
    """Everything that the machine can grant; what it cannot is a warning."""
    podman.run("-d", "--name", "mighty", "--privileged", "--", "sleep", "1000")
    granted = podman("exec", "mighty", "grep", "CapEff", "/proc/self/status").split()[1]
    own = next(line for line in Path("/proc/self/status").read_text().splitlines() if "CapBnd" in line)
    assert int(granted, 16) == int(own.split()[1], 16)
    assert podman("exec", "mighty", "cat", "/tmp/shipped") == "by the image"
    assert roots(podman.pid("mighty")) == 1
    podman("exec", "mighty", "sh", "-c", "mkdir /srv/m && mount -t tmpfs none /srv/m && umount /srv/m")


def test_pod_shares_namespaces(podman):
    """Two containers meet on the loopback device of their pod; each has processes of its own."""
    podman("pod", "create", "--name", "pod", "--network", "none", "--share", "net,ipc,uts",
           "--hostname", "together", "--cgroup-parent", podman.cgroup,
           "--infra-image", podman.IMAGE, "--infra-command", "/bin/sleep 1000")
    podman.run("-d", "--pod", "pod", "--name", "server", "--",
               "sh", "-c", "while :; do echo served | nc -l -p 8080; done")
    ask = "until nc 127.0.0.1 8080 | grep served; do sleep 0.1; done; hostname"
    assert podman.run("--rm", "--pod", "pod", "--", "sh", "-c", ask) == "served\ntogether"
    inside = {kind: {podman.run("--rm", "--pod", "pod", "--", "readlink", f"/proc/self/ns/{kind}"),
                     podman("exec", "server", "readlink", f"/proc/self/ns/{kind}")}
              for kind in ("net", "ipc", "uts", "pid", "mnt")}
    assert {kind: len(names) for kind, names in inside.items()} == {
        "net": 1, "ipc": 1, "uts": 1, "pid": 2, "mnt": 2}
    pids = {podman.pid("server")}
    podman("pod", "rm", "-f", "-t", "0", "pod")
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
