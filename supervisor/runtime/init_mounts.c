/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The mounts, seen from inside the new mount namespace. The image is hostile: each mount point is
 * resolved below the root's descriptor (RESOLVE_IN_ROOT) and the mount is moved onto the descriptor
 * that came out, so there is nothing to swap in between. Nothing here allocates.
 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "supervisor/runtime/plan.h"
#include "supervisor/sys/mount.h"
#include "supervisor/sys/openat2.h"

/* Makes the last component of a mount point below an open parent. */
static int make_entry(int parent, const char *name, bool is_file)
{
    if (!is_file)
        return mkdirat(parent, name, 0755) < 0 && errno != EEXIST ? -errno : 0;
    _cleanup_close_ int fd =
        openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    return fd < 0 && errno != EEXIST ? -errno : 0;
}

/* Makes the missing parts of path, component by component, each below the one before. */
static int make_mount_point(int root, const char *path, bool is_file)
{
    char prefix[PATH_MAX];
    size_t length = strlen(path);

    if (length >= sizeof(prefix))
        return -ENAMETOOLONG;
    for (size_t end = 1; end <= length; end++) {
        if (path[end] != '/' && path[end] != '\0')
            continue;
        memcpy(prefix, path, end);
        prefix[end] = '\0';
        _cleanup_close_ int found = open_in_root(root, prefix, O_PATH, 0);
        if (found >= 0)
            continue;
        if (found != -ENOENT)
            return found;
        char *slash = strrchr(prefix, '/');
        *slash = '\0';
        _cleanup_close_ int parent =
            open_in_root(root, *prefix ? prefix : "/", O_PATH | O_DIRECTORY, 0);
        if (parent < 0)
            return parent;
        int r = make_entry(parent, slash + 1, is_file && path[end] == '\0');
        if (r < 0)
            return r;
    }
    return 0;
}

static int open_mount_point(int root, const char *path, bool is_file)
{
    int flags = O_PATH | (is_file ? 0 : O_DIRECTORY);
    int fd = open_in_root(root, path, flags, 0);

    if (fd != -ENOENT)
        return fd;
    int r = make_mount_point(root, path, is_file);
    return r < 0 ? r : open_in_root(root, path, flags, 0);
}

/* v1 and hybrid: a small tmpfs with one cgroup mount a hierarchy; then it is made read-only. */
static int attach_cgroup_trees(const struct plan *plan, const struct config_mount *mount,
                               int target)
{
    _cleanup_close_ int tree = mount_new("tmpfs", "cgroup", "mode=755,size=16k",
                                         mount->attributes & ~(uint64_t)MOUNT_ATTR_RDONLY);

    if (tree < 0)
        return tree;
    int r = mount_attach(tree, target);
    for (size_t i = 0; r == 0 && i < plan->cgroup_count; i++) {
        const struct planned_cgroup *cgroup = &plan->cgroups[i];
        _cleanup_close_ int fd =
            mount_new(cgroup->type, "cgroup", cgroup->options, mount->attributes);
        if (fd < 0)
            return fd;
        if (mkdirat(tree, cgroup->directory, 0755) < 0)
            return -errno;
        _cleanup_close_ int point =
            open_beneath_nofollow(tree, cgroup->directory, O_PATH | O_DIRECTORY, 0);
        if (point < 0)
            return point;
        r = mount_attach(fd, point);
    }
    if (r == 0 && (mount->attributes & MOUNT_ATTR_RDONLY))
        r = mount_change(tree, 0, MOUNT_ATTR_RDONLY, 0, 0, -1);
    return r;
}

static int attach_cgroups(const struct plan *plan, const struct config_mount *mount, int target)
{
    if (plan->cgroup_count != 1 || plan->cgroups[0].directory[0] != '\0')
        return attach_cgroup_trees(plan, mount, target);
    _cleanup_close_ int fd =
        mount_new(plan->cgroups[0].type, "cgroup", plan->cgroups[0].options, mount->attributes);
    return fd < 0 ? fd : mount_attach(fd, target);
}

static int attach_one(const struct plan *plan, const struct planned_mount *planned)
{
    const struct config_mount *mount = planned->mount;
    _cleanup_close_ int target =
        open_mount_point(plan->root_fd, mount->destination, planned->is_file);

    if (target < 0)
        return target;
    if (planned->is_cgroup)
        return attach_cgroups(plan, mount, target);
    if (planned->fd >= 0)
        return mount_attach(planned->fd, target);
    _cleanup_close_ int fd = mount_new(mount->type, mount->source ? mount->source : mount->type,
                                       mount->data, mount->attributes);
    return fd < 0 ? fd : mount_attach(fd, target);
}

int init_attach_mounts(const struct plan *plan, uint32_t *index)
{
    for (size_t i = 0; i < plan->config->mount_count; i++) {
        *index = (uint32_t)i;
        int r = attach_one(plan, &plan->mounts[i]);
        if (r < 0)
            return r;
    }
    return 0;
}

int init_read_only_paths(const struct plan *plan, uint32_t *index)
{
    char *const *paths = plan->config->read_only_paths;

    for (size_t i = 0; paths && paths[i]; i++) {
        *index = (uint32_t)i;
        _cleanup_close_ int target = open_in_root(plan->root_fd, paths[i], O_PATH | O_NOFOLLOW, 0);
        if (target == -ENOENT)
            continue;
        if (target < 0)
            return target;
        _cleanup_close_ int fd = mount_clone(target, 1);
        int r = fd < 0 ? fd : mount_change(fd, 1, MOUNT_ATTR_RDONLY, 0, 0, -1);
        if (r == 0)
            r = mount_attach(fd, target);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Our own /dev/null, and nothing that only looks like it (CVE-2025-31133). */
static int clone_null(int root)
{
    _cleanup_close_ int null = open_in_root(root, "/dev/null", O_PATH | O_NOFOLLOW, 0);
    struct stat st;

    if (null < 0)
        return null;
    if (fstat(null, &st) < 0)
        return -errno;
    if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3))
        return -ENODEV;
    return mount_clone(null, 0);
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
        mount_new("tmpfs", "tmpfs", "size=0,mode=755",
                  MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
    return *empty < 0 ? *empty : mount_attach(*empty, target);
}

static int mask_file(int root, int target)
{
    _cleanup_close_ int null = clone_null(root);

    return null < 0 ? null : mount_attach(null, target);
}

int init_mask_paths(const struct plan *plan, uint32_t *index)
{
    char *const *paths = plan->config->masked_paths;
    _cleanup_close_ int empty = -1;
    struct stat st;

    for (size_t i = 0; paths && paths[i]; i++) {
        *index = (uint32_t)i;
        _cleanup_close_ int target = open_in_root(plan->root_fd, paths[i], O_PATH | O_NOFOLLOW, 0);
        if (target == -ENOENT)
            continue;
        if (target < 0)
            return target;
        if (fstat(target, &st) < 0)
            return -errno;
        int r =
            S_ISDIR(st.st_mode) ? mask_directory(target, &empty) : mask_file(plan->root_fd, target);
        if (r < 0)
            return r;
    }
    return 0;
}
