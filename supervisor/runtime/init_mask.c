/* SPDX-License-Identifier: Apache-2.0 */

/* Masked and read-only paths. */

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "supervisor/runtime/mounts_internal.h"
#include "supervisor/sys/mount.h"
#include "supervisor/sys/openat2.h"

/* Where nothing is there is nothing to protect: the last name may be missing, or one before it. */
static bool is_missing(int r)
{
    return r == -ENOENT || r == -ENOTDIR;
}

/* File systems of the kernel's whose files the paths of the config are meant to protect. */
static const struct {
    const char *top, *type;
    long magic;
} kernel_mounts[] = {
    {"/proc", "proc", PROC_SUPER_MAGIC},
    {"/sys", "sysfs", SYSFS_MAGIC},
};

static bool has_mount(const struct config *config, const char *top, const char *type)
{
    for (size_t i = 0; i < config->mount_count; i++)
        if (mounts_path_is(config->mounts[i].destination, top) && config->mounts[i].type &&
            strcmp(config->mounts[i].type, type) == 0)
            return true;
    return false;
}

/*
 * Whoever writes to the root file system may call /proc another name just now, and the old one
 * again when the path was found missing: then nothing would be masked. So the procfs proves to be
 * one before anything is looked for in it. -ESTALE: it is not there.
 */
static int open_in_kernel(const struct plan *plan, size_t i, const char *rest)
{
    struct statfs fs;
    _cleanup_close_ int top =
        open_in_root_nofollow(plan->root_fd, kernel_mounts[i].top, O_PATH | O_DIRECTORY, 0);

    if (top < 0 || fstatfs(top, &fs) < 0 || fs.f_type != kernel_mounts[i].magic)
        return -ESTALE;
    return open_beneath(top, rest, O_PATH, 0);
}

/*
 * Links are followed, for what they lead to is what is to be protected, but as everywhere inside
 * the root only. procfs and sysfs are never reached through one (init_open_target).
 */
static int open_path(const struct plan *plan, const char *path)
{
    for (size_t i = 0; i < ARRAY_LENGTH(kernel_mounts); i++) {
        const char *rest = mounts_path_behind(path, kernel_mounts[i].top);
        if (rest && *rest && !mounts_path_climbs(path) &&
            has_mount(plan->config, kernel_mounts[i].top, kernel_mounts[i].type))
            return open_in_kernel(plan, i, rest);
    }
    return open_in_root(plan->root_fd, path, O_PATH, 0);
}

static int make_read_only(int target)
{
    _cleanup_close_ int fd = mount_clone(target, 1);
    int r = fd < 0 ? fd : mount_change(fd, 1, MOUNT_ATTR_RDONLY, 0, 0, -1);

    return r < 0 ? r : mount_attach(fd, target);
}

int init_read_only_paths(const struct plan *plan, uint32_t *index)
{
    char *const *paths = plan->config->read_only_paths;

    for (size_t i = 0; paths && paths[i]; i++) {
        *index = (uint32_t)i;
        _cleanup_close_ int target = open_path(plan, paths[i]);
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
        _cleanup_close_ int copy = mount_clone(*empty, 0);
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
    _cleanup_close_ int copy = *null < 0 ? *null : mount_clone(*null, 0);
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
    _cleanup_close_ int empty = -1;
    _cleanup_close_ int null = -1;

    for (size_t i = 0; paths && paths[i]; i++) {
        *index = (uint32_t)i;
        _cleanup_close_ int target = open_path(plan, paths[i]);
        if (is_missing(target))
            continue;
        int r = target < 0 ? target : mask(plan, target, &empty, &null);
        if (r < 0)
            return r;
    }
    return 0;
}
