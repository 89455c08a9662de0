#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The tests of the OCI command line on cgroup v2: without systemd all of them but those in left_out, half on each
# of the two processors; under systemd (--systemd) those of cgroups again, as scopes, and of the scopes themselves.
echo "kernel $(uname -r), pid 1 $(cat /proc/1/comm), cgroup $(stat -fc %T /sys/fs/cgroup)"
# On the disk: a tmpfs takes no idmapped mounts before Linux 6.3, and is no device that io.max could limit.
export TMPDIR=/var/tmp BUILD=$PWD/build SLOWNESS=10 PYTHONDONTWRITEBYTECODE=1 PATH="$PATH:/usr/sbin:/sbin"
mount --bind /var/tmp /tmp
mountpoint -q /sys/kernel/security || mount -t securityfs securityfs /sys/kernel/security
cd tests/integration || exit 1

run() { # NAME FILE...: prints all at its end, so that two do not mix
    name=$1
    shift
    python3 -m pytest -q -p no:cacheprovider --durations=0 --basetemp="/var/tmp/pytest-$name" "$@" >"/out/$name" 2>&1
    echo $? >"/var/tmp/$name.rc"
    cat "/out/$name"
}

if [ "$(cat /proc/1/comm)" = systemd ]; then
    systemctl start dbus.socket
    MANAGER=systemd run systemd test_v2.py test_systemd.py
    exit "$(cat /var/tmp/systemd.rc)"
fi
run first test_v2.py test_kernel.py ${RUNTIME_FIRST:-} &
run second ${RUNTIME_SECOND:-$(find . -name 'test_runtime_*.py' | sort)} &
wait
[ "$(cat /var/tmp/first.rc)$(cat /var/tmp/second.rc)" = 00 ]
