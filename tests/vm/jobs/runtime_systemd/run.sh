#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A container's scope, made, limited, changed and removed by a real systemd; --systemd is needed. With the bus and
# then without one, where root speaks with systemd itself.
echo "kernel $(uname -r), pid 1 $(cat /proc/1/comm), cgroup $(stat -fc %T /sys/fs/cgroup)"
[ "$(cat /proc/1/comm)" = systemd ] || { echo "FAIL: systemd is not pid 1; run with --systemd"; exit 1; }
export SYSTEMD_HELPER="$PWD/container-runtime-systemd"
failed=0
systemctl start dbus.socket
busctl --system --no-pager list >/dev/null || { echo "FAIL: no system bus"; failed=1; }
timeout 240 ./cgroup_scope_test || failed=1
systemctl stop dbus.socket dbus.service
timeout 240 ./cgroup_scope_test || failed=1
left=$(systemctl list-units --all --no-legend --plain 'test-*.scope')
[ -z "$left" ] || { echo "FAIL: left behind: $left"; failed=1; }
[ $failed -eq 0 ] && echo "PASS scopes of systemd"
exit $failed
