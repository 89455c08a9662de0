#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The tests of the OCI command line on cgroup v2: without systemd all of them but those in left_out, half on each
# of the two processors; under systemd (--systemd) those of cgroups again, as scopes, and of the scopes themselves.
echo "kernel $(uname -r), pid 1 $(cat /proc/1/comm), cgroup $(stat -fc %T /sys/fs/cgroup)"
# /tmp is on the disk: a tmpfs takes no idmapped mounts before Linux 6.3, and is no device that io.max could limit.
export BUILD="$PWD/build" CONTAINER_RUNTIME_SYSTEMD="$PWD/build/container-runtime-systemd"
export SLOWNESS=10 PYTHONDONTWRITEBYTECODE=1 PATH="$PATH:/usr/sbin:/sbin"
mount --bind /var/tmp /tmp
mountpoint -q /sys/kernel/security || mount -t securityfs securityfs /sys/kernel/security
cd tests/integration || exit 1

run() { # NAME FILE...
    name=$1
    shift
    python3 -m pytest -v -p no:cacheprovider --durations=40 --basetemp="/var/tmp/pytest-$name" \
        -o faulthandler_timeout=120 "$@" >"/out/$name" 2>&1
    echo $? >"/var/tmp/$name.rc"
}

# What two wrote at once is shown one after the other, also when time is over.
show() {
    cat /out/first /out/second 2>/dev/null
}
trap 'trap "" TERM; show; exit 124' TERM

eval "set -- $(cat ../../asked)"
if [ "$(cat /proc/1/comm)" = systemd ]; then
    systemctl start dbus.socket
    export MANAGER=systemd
    [ $# -gt 0 ] || set -- test_v2.py test_systemd.py
    run first "$@"
    echo 0 >/var/tmp/second.rc
elif [ $# -gt 0 ]; then
    run first "$@"
    echo 0 >/var/tmp/second.rc
else
    # What takes as long as all the others.
    half="test_runtime_cli.py test_runtime_mounts.py"
    # shellcheck disable=SC2086
    run first test_v2.py test_kernel.py $half &
    # shellcheck disable=SC2046,SC2086
    run second $(find . -name 'test_runtime_*.py' $(printf -- '! -name %s ' $half) | sort) &
    wait
fi
show
[ "$(cat /var/tmp/first.rc)$(cat /var/tmp/second.rc)" = 00 ]
