/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/runtime/cgroup_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "common/cleanup.h"

int cgroup_open_entry(const struct cgroup *cgroup, bool is_born_in_v2, struct cgroup_entry *entry,
                      struct error *error)
{
    char place[CGROUP_PLACE_MAX];

    entry->count = 0;
    for (size_t i = 0; i < cgroup->driver->count; i++) {
        const struct cgroup_hierarchy *hierarchy = &cgroup->driver->hierarchies[i];
        /* v1's file of threads: a thread that moves itself needs no lock over the others. */
        const char *file = hierarchy->mount.is_v2 ? "cgroup.procs" : "tasks";
        if ((hierarchy->mount.is_v2 && is_born_in_v2) || cgroup->directories[i] == CGROUP_ABSENT)
            continue;
        bool is_open =
            cgroup->directories[i] >= 0; /* perhaps of another path: cgroup_open_below() */
        int fd = openat(is_open ? cgroup->directories[i] : cgroup->driver->top,
                        is_open ? file : cgroup_place(hierarchy, cgroup->path, file, place),
                        O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0 && errno == ENOENT && cgroup->directories[i] == CGROUP_UNKNOWN)
            continue; /* opened, and somebody else made it */
        if (fd < 0) {
            int r = error_sys(error, errno, "open %s of cgroup %s (%s)", file, cgroup->path,
                              cgroup_hierarchy_name(hierarchy));
            cgroup_entry_close(entry);
            return r;
        }
        entry->fds[entry->count++] = fd;
    }
    return 0;
}

int cgroup_enter(const struct cgroup_entry *entry)
{
    for (size_t i = 0; i < entry->count; i++)
        if (write(entry->fds[i], "0", 1) < 0)
            return -errno;
    return 0;
}

void cgroup_entry_close(struct cgroup_entry *entry)
{
    close_fds(entry->fds, entry->count);
    entry->count = 0;
}
