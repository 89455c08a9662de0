#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The whole product on cgroup v2: started by hand, or, where systemd is pid 1, by its unit.
echo "kernel $(uname -r), pid 1 $(cat /proc/1/comm), cgroup $(stat -fc %T /sys/fs/cgroup)"
cp -a tree/. /
case $(cat /proc/1/comm) in
systemd) exec python3 -u managed.py ;;
*) exec python3 -u plain.py ;;
esac
