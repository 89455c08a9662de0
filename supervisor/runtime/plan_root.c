/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "supervisor/runtime/mounts_internal.h"
#include "supervisor/sys/mount.h"

/*
 * Without CAP_SYS_ADMIN over the mount namespace we live in (rootless), no copy can be made here;
 * the new process, which is root of its own, then makes all mounts from their paths.
 */
static int keep_path(struct plan *plan, int *source)
{
    plan->has_late_mounts = true;
    plan->root_fd = steal_fd(source);
    return 0;
}

int plan_prepare_root(struct plan *plan, struct error *error)
{
    const struct config *config = plan->config;

    plan->has_late_mounts = false;
    _cleanup_close_ int source =
        open(config->root_path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (source < 0)
        return error_sys(error, errno, "root.path %s", config->root_path);
    plan->root_fd = mount_clone(source, 1);
    if (plan->root_fd == -EPERM)
        return keep_path(plan, &source);
    if (plan->root_fd < 0)
        return error_sys(error, -plan->root_fd, "root.path %s: copy the mount", config->root_path);
    int r = mounts_prepare_root(config, plan->root_fd);
    return r < 0 ? error_sys(error, -r, "root.path %s: change the mount", config->root_path) : 0;
}
