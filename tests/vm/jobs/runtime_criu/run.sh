#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Containers are saved by criu and restored. What they count is in their memory only.
echo "kernel $(uname -r), $(criu --version | head -n 1)"
program=$PWD/container-runtime
failed=0
fail() { echo "FAIL: $*"; failed=1; }
die() { fail "$@"; cat /tmp/said; cp /tmp/*/*.log /out/; exit 1; }
check() { [ "$2" = "$3" ] || fail "$1 is \"$2\", not \"$3\""; }
runtime() { "$program" --root /tmp/root "$@"; }

mkdir -p /tmp/b/rootfs/bin /tmp/data /tmp/fixed && cd /tmp/b || exit 1
echo fixed >/tmp/fixed/file
cp "$(command -v busybox)" rootfs/bin/busybox
for applet in sh sleep echo cat flock mkdir; do ln -s busybox rootfs/bin/$applet; done

# $1: what it runs
write_config() {
    rm -f config.json
    "$program" spec
    python3 - "$1" <<'PYTHON'
import json, sys
spec = json.load(open("config.json"))
spec["process"].update(terminal=False, args=["sh", "-c", sys.argv[1]], noNewPrivileges=True)
spec["root"]["readonly"] = True
bind = {"type": "bind", "options": ["bind", "nosuid"]}
spec["mounts"] += [dict(bind, destination="/data", source="/tmp/data"),
                   dict(bind, destination="/fixed", source="/tmp/fixed", options=["bind", "ro", "noexec"])]
spec["linux"]["cgroupsPath"] = "/vm-test/c"
spec["linux"]["resources"]["pids"] = {"limit": 20}
spec["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW",
                            "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 42}]}
json.dump(spec, open("config.json", "w"))
PYTHON
}
# shellcheck disable=SC2016
counting='i=0; while :; do i=$((i+1)); echo $i >/data/new; /bin/busybox mv /data/new /data/count; echo said; sleep 0.1; done'

status() { runtime state c | sed -n 's/.*"status": "\(.*\)".*/\1/p'; }
pid_of() { runtime state c | sed -n 's/.*"pid": \([0-9]*\).*/\1/p'; }
of_status() { sed -n "s/^$1:[[:space:]]*//p" "/proc/$2/status"; }
mounts_of() { awk '{ print $5, $6 }' "/proc/$1/mountinfo" | sort; }
wait_for_count() { # whether a number above $1 comes, and how far above
    for _ in $(seq 100); do
        [ "$(cat /tmp/data/count 2>/dev/null || echo 0)" -gt "${1:-0}" ] && return
        sleep 0.1
    done
    die "the counter does not go on from $1"
}
nothing_left() {
    [ -z "$(runtime list -q)" ] || fail "$1: a container is left"
    [ ! -e /sys/fs/cgroup/vm-test/c ] || fail "$1: its cgroup is left"
    check "$1: mounts" "$(cat /proc/self/mountinfo)" "$before"
}
# $1: what the message is to have in it, then a command that fails
refuses() {
    wanted=$1
    shift
    message=$(runtime "$@" 2>&1) && fail "$*: it works"
    case $message in *"$wanted"*) ;; *) fail "$*: says \"$message\", not \"$wanted\"" ;; esac
}

# Runs a verb with a pipe for its output, as engines do; the container keeps it.
piped() {
    : >/tmp/said
    rm -f /tmp/status
    { runtime "$@" </dev/null 2>&1; echo $? >/tmp/status; } | cat >/tmp/said &
    for _ in $(seq 300); do
        [ -s /tmp/status ] && break
        sleep 0.1
    done
    [ "$(cat /tmp/status)" = 0 ] || die "$*"
}

write_config "$counting"
before=$(cat /proc/self/mountinfo)
piped run -d c
wait_for_count 0
pid=$(pid_of)
mounts=$(mounts_of "$pid")
descriptors=$(readlink "/proc/$pid/fd/0")
echo "PASS a container counts"

PATH=/nonesuch refuses 'needs the program criu, and there is no "criu"' checkpoint --image-path /tmp/i c
refuses 'there is no "/nonesuch/criu"' --criu /nonesuch/criu restore --image-path /tmp/i d
refuses "No such file or directory" restore --image-path /tmp/nonesuch d
mkdir /tmp/empty
refuses "holds no checkpoint" restore --image-path /tmp/empty d
refuses "page-server" checkpoint --page-server host:1 c
can_checkpoint() { sed -n 's/.*checkpoint.enabled": "\(.*\)".*/\1/p'; }
check features "$(runtime features | can_checkpoint)" true
check "features without criu" "$(runtime --criu /nonesuch/criu features | can_checkpoint)" false
check "list" "$(runtime list -q)" c
check status "$(status)" running
echo "PASS what is missing is told"

runtime checkpoint --image-path /tmp/running --work-path /tmp/work --leave-running c || fail "--leave-running"
[ -s /tmp/work/dump.log ] || fail "--work-path: no log"
check status "$(status)" running
wait_for_count "$(cat /tmp/data/count)"
check pid "$(pid_of)" "$pid"
echo "PASS --leave-running"

runtime checkpoint --image-path /tmp/pre --pre-dump c || fail "--pre-dump"
check status "$(status)" running
runtime checkpoint --image-path /tmp/images --parent-path ../pre c || die checkpoint
check status "$(status)" stopped
saved=$(cat /tmp/data/count)
runtime delete c || fail delete
nothing_left checkpoint
rm /tmp/data/count
echo "PASS checkpoint at $saved"

# The program and its sleep, between two of which it is alone for a moment.
processes_of_group() {
    for _ in $(seq 100); do
        found=$(grep -c . /sys/fs/cgroup/vm-test/c/cgroup.procs)
        [ "$found" != 2 ] || break
        sleep 0.02
    done
    echo "$found"
}

restored() { # after a restore -d
    check status "$(status)" running
    wait_for_count "$saved"
    [ "$(cat /tmp/data/count)" -lt $((saved + 300)) ] || fail "it counts $(cat /tmp/data/count) after $saved"
    pid=$(pid_of)
    check "pid file" "$(cat /tmp/pid)" "$pid"
    check cgroup "$(cat "/proc/$pid/cgroup")" 0::/vm-test/c
    check pids.max "$(cat /sys/fs/cgroup/vm-test/c/pids.max)" 20
    check "all in the cgroup" "$(processes_of_group)" 2
    check mounts "$(mounts_of "$pid")" "$mounts"
    check NoNewPrivs "$(of_status NoNewPrivs "$pid")" 1
    check Seccomp "$(of_status Seccomp "$pid")" 2
    check CapEff "$(of_status CapEff "$pid")" 0000000020000420
    check stdin "$(readlink "/proc/$pid/fd/0")" "$descriptors"
    check exec "$(runtime exec c cat /fixed/file)" fixed
    runtime exec c mkdir /data/directory 2>/dev/null && fail "exec has no seccomp filter"
    grep -q said /tmp/said || fail "its standard output is lost"
}
piped restore -d --image-path /tmp/images --pid-file /tmp/pid c
restored
check "criu's mounts" "$(cat /proc/self/mountinfo)" "$before"
echo "PASS restore"

runtime pause c && check status "$(status)" paused
runtime resume c && check status "$(status)" running
runtime checkpoint --image-path /tmp/again c || die "a second checkpoint"
saved=$(cat /tmp/data/count)
check status "$(status)" stopped
runtime delete c
rm /tmp/data/count
: >/tmp/said
rm /tmp/status
{ runtime restore --image-path /tmp/again --pid-file /tmp/pid c </dev/null 2>&1; echo $? >/tmp/status; } |
    cat >/tmp/said &
restoring=$!
wait_for_count "$saved"
restored
runtime kill c KILL
wait $restoring
check "exit status" "$(cat /tmp/status)" 137
nothing_left "a restore in the foreground"
echo "PASS twice, in the foreground"

mv /tmp/fixed /tmp/elsewhere
refuses "restore.log: Error (" restore -d --image-path /tmp/again c
nothing_left "a restore that failed"
mv /tmp/elsewhere /tmp/fixed
rm /tmp/again/pages-1.img
refuses "criu restore failed" restore -d --image-path /tmp/again c
nothing_left "a restore without pages"
echo "PASS a restore that fails leaves nothing"

write_config 'sleep 1000'
piped run -d c
mkdir /tmp/full && mount -t tmpfs -o size=8k none /tmp/full
refuses "dump.log: Error (" checkpoint --image-path /tmp/full/images --work-path /tmp/work c
check status "$(status)" running
umount /tmp/full
sed 's/"terminal": false/"terminal": true/' config.json >/tmp/root/c/config.json
refuses "process.terminal" checkpoint --image-path /tmp/terminal c
runtime delete --force c
nothing_left "delete --force"
echo "PASS a checkpoint that fails lets it run"

ip netns add joined
mkdir -p /tmp/tree/beneath && mount -t tmpfs none /tmp/tree/beneath && echo deep >/tmp/tree/beneath/file
write_config "$counting"
python3 - <<'PYTHON'
import json
spec = json.load(open("config.json"))
for space in spec["linux"]["namespaces"]:
    if space["type"] == "network":
        space["path"] = "/run/netns/joined"
spec["mounts"].append({"destination": "/tree", "type": "bind", "source": "/tmp/tree", "options": ["rbind", "nodev", "rro"]})
json.dump(spec, open("config.json", "w"))
PYTHON
rm -f /tmp/data/count
before=$(cat /proc/self/mountinfo)
piped run -d c
wait_for_count 0
mounts=$(mounts_of "$(pid_of)")
echo "$mounts" | grep -q "^/tree/beneath ro" || fail "the tree is \"$mounts\""
runtime pause c
runtime checkpoint --image-path /tmp/tree-images c || die "a paused container"
check status "$(status)" stopped
saved=$(cat /tmp/data/count)
rm /tmp/data/count
runtime delete c
piped restore -d --image-path /tmp/tree-images --pid-file /tmp/pid c
restored
check "network" "$(readlink "/proc/$(pid_of)/ns/net")" "$(ip netns exec joined readlink /proc/self/ns/net)"
check "beneath" "$(runtime exec c cat /tree/beneath/file)" deep
runtime delete --force c
nothing_left "a joined network"
echo "PASS a joined network, a tree of mounts, a paused container"

[ $failed -eq 0 ] && echo "PASS checkpoint and restore"
exit $failed
