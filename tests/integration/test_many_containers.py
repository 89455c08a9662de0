# SPDX-License-Identifier: Apache-2.0
"""More containers than the descriptors of a shell's limit, or of a container's own, would allow."""
from private_httpd import wait_until

COUNT = 60


def test_the_limit_of_open_files_of_a_shell_does_not_limit_containers(stack):
    names = [f"many{i}" for i in range(COUNT)]
    for name in names:
        stack.sleeper(name, command='["sh", "-c", "ulimit -Sn; exec sleep 1000"]')
    stack.before = "ulimit -Sn 128"
    stack.start()

    def states():
        return sorted(c["state"] for c in stack.ps().values())

    wait_until(lambda: states() == ["running"] * COUNT, f"{COUNT} to run: {stack.log()}", 60)
    # A program that uses select(2) must not get a descriptor above its reach because of it.
    stack.wait_log("1024", f"{names[-1]}/web")
