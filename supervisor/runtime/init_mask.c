/* SPDX-License-Identifier: Apache-2.0 */

/* Masked and read-only paths. */

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "supervisor/runtime/init_internal.h"
#include "supervisor/runtime/mounts_internal.h"
#include "supervisor/sys/mount.h"
#include "supervisor/sys/openat2.h"

/* Where nothing is there is nothing to protect: the last name may be missing, or one before it. */
static bool is_missing(int r)
{
    return r == -ENOENT || r == -ENOTDIR;
}

/*
 * The procfs or sysfs that a path lies in by its text, as it was mounted, or -1. Whoever writes to
 * the root file system may call /proc another name just now, and the old one again when the path
 * was found missing: so nothing is looked for by the name of /proc once it is mounted.
 */
static int kernel_mount(const struct plan *plan, const char *path, const char **rest)
{
    const struct planned_mount *found = NULL;

    for (size_t i = 0; i < plan->config->mount_count; i++) {
        const struct planned_mount *planned = &plan->mounts[i];
        const char *behind = mounts_path_behind(path, planned->mount->destination);
        if (behind && *behind && planned->is_kernel) {
            found = planned;
            *rest = behind;
        } else if (found && !planned->mount->is_remount &&
                   mounts_path_behind(found->mount->destination, planned->mount->destination)) {
            found = NULL; /* covered */
        }
    }
    return found ? found->fd : -1;
}

/*
 * Links are followed, for what they lead to is what is to be protected, but as everywhere inside
 * the root only. procfs and sysfs are never reached through one (init_open_target).
 */
static int open_path(const struct plan *plan, const char *path)
{
    const char *rest;
    int top = mounts_path_climbs(path) ? -1 : kernel_mount(plan, path, &rest);

    return top >= 0 ? open_beneath(top, rest, O_PATH, 0)
                    : open_in_root(plan->root_fd, path, O_PATH, 0);
}

static int make_read_only(int target)
{
    _cleanup_later_ int fd = mount_clone(target, 1);
    int r = fd < 0 ? fd : mount_change(fd, 1, MOUNT_ATTR_RDONLY, 0, 0, -1);

    return r < 0 ? r : mount_attach(fd, target);
}

int init_read_only_paths(const struct plan *plan, uint32_t *index)
{
    char *const *paths = plan->config->read_only_paths;

    for (size_t i = 0; paths && paths[i]; i++) {
        *index = (uint32_t)i;
        _cleanup_later_ int target = open_path(plan, paths[i]);
        if (is_missing(target))
            continue;
        int r = target < 0 ? target : make_read_only(target);
        if (r < 0)
            return r;
    }
    return 0;
}

/*
 * Covers a directory with nothing. The first one gets the tmpfs itself, the others copies of it:
 * before Linux 6.15 only a mount that is attached can be copied, a detached one is EINVAL.
 */
static int mask_directory(int target, int *empty)
{
    if (*empty >= 0) {
        _cleanup_later_ int copy = mount_clone(*empty, 0);
        return copy < 0 ? copy : mount_attach(copy, target);
    }
    *empty =
        mount_new("tmpfs", NULL, "size=0",
                  MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
    return *empty < 0 ? *empty : mount_attach(*empty, target);
}

/* Our own null device, and nothing that only looks like it (CVE-2025-31133). */
static int mask_file(const struct plan *plan, int target, int *null)
{
    if (*null < 0)
        *null = init_open_null(plan);
    _cleanup_later_ int copy = *null < 0 ? *null : mount_clone(*null, 0);
    return copy < 0 ? copy : mount_attach(copy, target);
}

static int mask(const struct plan *plan, int target, int *empty, int *null)
{
    struct stat st;

    if (fstat(target, &st) < 0)
        return -errno;
    return S_ISDIR(st.st_mode) ? mask_directory(target, empty) : mask_file(plan, target, null);
}

int init_mask_paths(const struct plan *plan, uint32_t *index)
{
    char *const *paths = plan->config->masked_paths;
    _cleanup_later_ int empty = -1;
    _cleanup_later_ int null = -1;

    for (size_t i = 0; paths && paths[i]; i++) {
        *index = (uint32_t)i;
        _cleanup_later_ int target = open_path(plan, paths[i]);
        if (is_missing(target))
            continue;
        int r = target < 0 ? target : mask(plan, target, &empty, &null);
        if (r < 0)
            return r;
    }
    return 0;
}
