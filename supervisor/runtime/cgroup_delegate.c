/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/runtime/cgroup_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"

#define DELEGATE "/sys/kernel/cgroup"
/* What cgroups(7) names, for kernels before 4.15, which have no list. */
#define DEFAULTS "cgroup.procs\ncgroup.subtree_control\ncgroup.threads\n"

int cgroup_delegate(struct cgroup *cgroup, uid_t uid, struct error *error)
{
    _cleanup_close_ int kernel = open(DELEGATE, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int directory = cgroup_clone_fd(cgroup);
    char text[4096] = DEFAULTS, *rest = text, *file;

    if (directory < 0 || cgroup->driver->mode != CGROUP_V2)
        return 0;
    if (kernel >= 0 && cgroup_file_read(kernel, "delegate", text, sizeof(text)) < 0)
        snprintf(text, sizeof(text), "%s", DEFAULTS);
    if (fchown(directory, uid, (gid_t)-1) < 0)
        return error_sys(error, errno, "give cgroup %s to user %u", cgroup->path, uid);
    while ((file = strsep(&rest, "\n"))) {
        /* A file of a controller that the group does not have is no error. */
        if (!*file || fchownat(directory, file, uid, (gid_t)-1, AT_SYMLINK_NOFOLLOW) == 0 ||
            errno == ENOENT)
            continue;
        return error_sys(error, errno, "give %s of cgroup %s to user %u", file, cgroup->path, uid);
    }
    return 0;
}
