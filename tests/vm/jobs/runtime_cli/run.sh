#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The life of a container on cgroup v2: with cgroups of our own, and where systemd is pid 1 with its scopes too.
echo "kernel $(uname -r), pid 1 $(cat /proc/1/comm), cgroup $(stat -fc %T /sys/fs/cgroup)"
export CONTAINER_RUNTIME_SYSTEMD="$PWD/container-runtime-systemd"
program=$PWD/container-runtime
failed=0
fail() { echo "FAIL ($how): $*"; failed=1; }
check() { [ "$2" = "$3" ] || fail "$1 is \"$2\", not \"$3\""; }

mkdir -p /tmp/b/rootfs/bin /tmp/b/rootfs/proc && cd /tmp/b || exit 1
cp "$(command -v busybox)" rootfs/bin/busybox
for applet in sh sleep echo true; do ln -s busybox rootfs/bin/$applet; done

status() { runtime state c | sed -n 's/.*"status": "\(.*\)".*/\1/p'; }
pid_of() { runtime state c | sed -n 's/.*"pid": \([0-9]*\).*/\1/p'; }
group_of() { sed -n 's/^0:://p' "/proc/$1/cgroup"; }
wait_for() {
    for _ in $(seq 100); do
        [ "$(status)" = "$1" ] && return
        sleep 0.1
    done
    fail "it is $(status), not $1"
}

# $1: options before the verb, $2: cgroupsPath, $3: where the group is to be
life() {
    how=${1:-cgroupfs}
    options=$1
    # shellcheck disable=SC2086
    runtime() { $program --root /tmp/root $options "$@"; }
    python3 - "$2" <<'END'
import json, subprocess, sys
spec = {"ociVersion": "1.2.0", "root": {"path": "rootfs"},
        "process": {"args": ["sleep", "1000"], "cwd": "/", "user": {"uid": 0, "gid": 0}, "env": ["PATH=/bin"]},
        "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}],
        "linux": {"cgroupsPath": sys.argv[1], "resources": {"memory": {"limit": 64 << 20}, "pids": {"limit": 30}},
                  "namespaces": [{"type": kind} for kind in ("pid", "mount", "network", "ipc", "uts", "cgroup")]}}
json.dump(spec, open("config.json", "w"))
END
    runtime create c || fail create
    check status "$(status)" created
    pid=$(pid_of)
    group=/sys/fs/cgroup$(group_of "$pid")
    check group "$group" "/sys/fs/cgroup$3"
    check memory.max "$(cat "$group/memory.max")" $((64 << 20))
    check pids.max "$(cat "$group/pids.max")" 30
    runtime start c || fail start
    check status "$(status)" running
    check exec "$(runtime exec c echo hello)" hello
    check ps "$(runtime ps -f json c)" "[$pid]"
    runtime pause c || fail pause
    check status "$(status)" paused
    runtime resume c || fail resume
    check status "$(status)" running
    runtime update --memory 32m --pids-limit 20 c || fail update
    check memory.max "$(cat "$group/memory.max")" $((32 << 20))
    check pids.max "$(cat "$group/pids.max")" 20
    runtime events --stats c | grep -q '"type":"stats"' || fail events
    runtime kill c KILL || fail kill
    wait_for stopped
    runtime delete c || fail delete
    [ -e "$group" ] && fail "$group is left"
    runtime run -d c || fail run
    runtime pause c || fail pause
    runtime delete --force c || fail "delete --force"
    [ -e "$group" ] && fail "$group is left"
    [ -z "$(runtime list -q)" ] || fail "containers are left"
    echo "done: $how"
}

life "" /vm-test/c /vm-test/c
if [ "$(cat /proc/1/comm)" = systemd ]; then
    systemctl start dbus.socket
    life --systemd-cgroup system.slice:vm:c /system.slice/vm-c.scope
    left=$(systemctl list-units --all --no-legend --plain 'vm-*.scope')
    [ -z "$left" ] || fail "left behind: $left"
fi
[ $failed -eq 0 ] && echo "PASS the life of a container"
exit $failed
