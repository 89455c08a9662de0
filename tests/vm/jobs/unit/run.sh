#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs each test that was copied; says where they ran, PASS or FAIL for each, and fails if one did.
echo "kernel $(uname -r), pid 1 $(cat /proc/1/comm), cgroup $(stat -fc %T /sys/fs/cgroup)"
failed=0
# On the disk: images and volumes are idmapped mounts, which a tmpfs does not take before Linux 6.3.
export TMPDIR=/var/tmp
for test in $(find unit -type f | sort); do
    if timeout 240 "$test" 2>&1; then
        echo "PASS $test"
    else
        echo "FAIL $test"
        failed=1
    fi
done
exit $failed
