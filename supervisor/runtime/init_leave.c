/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A container without a mount namespace of its own (config-linux.md, "Namespaces": a type that is
 * not listed MUST be inherited), or in one that it joins. Its mounts must not become those of the
 * others there, and pivot_root(2) would change the root of all of them. They are therefore
 * built in a mount namespace that lasts as long as the building, copied from there as a detached
 * tree, and the process goes back and changes its root into that tree. When the descriptor of the
 * tree is closed the kernel takes it out of its anonymous namespace and leaves it connected
 * (fs/namespace.c, dissolve_on_fput()), so it lives as long as somebody has his root in it. Since
 * its top has no parent, ".." leads nowhere, whatever a process with CAP_SYS_CHROOT tries.
 */

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "supervisor/runtime/plan.h"

static int change_root_to(int fd)
{
    return fchdir(fd) < 0 || chroot(".") < 0 || chdir("/") < 0 ? -errno : 0;
}

int init_leave_mounts(const struct plan *plan)
{
    if (!plan->keeps_mount_namespace)
        return 0;
    _cleanup_close_ int tree =
        open_tree(AT_FDCWD, "/", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
    if (tree < 0 || setns(plan->mount_namespace_fd, CLONE_NEWNS) < 0)
        return -errno;
    return change_root_to(tree);
}

int init_enter_root(const struct plan *plan)
{
    return plan->keeps_mount_namespace ? change_root_to(plan->root_fd) : 0;
}
