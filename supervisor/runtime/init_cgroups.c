/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Mounts of type cgroup. With a cgroup namespace of its own the container mounts the hierarchies
 * themselves, and sees its own group as their root. Without one a v1 mount shows its own groups,
 * bound from the host's tree, and a v2 mount the whole tree (what /proc/self/cgroup says must be
 * found there), or where that is refused (a user namespace) its own group.
 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "supervisor/runtime/mounts_internal.h"
#include "supervisor/sys/mount.h"
#include "supervisor/sys/openat2.h"

#define CGROUP_ROOT "/sys/fs/cgroup"
#define OWN_MAX     8192 /* of /proc/self/cgroup */

/* ---- where the process is, by /proc/self/cgroup ("4:cpu,cpuacct:/a/b", v2 "0::/a/b") ---- */

static int read_own(char *text)
{
    _cleanup_close_ int fd = open("/proc/self/cgroup", O_RDONLY | O_CLOEXEC);
    size_t used = 0;

    if (fd < 0)
        return -errno;
    while (used < OWN_MAX - 1) {
        ssize_t got = read(fd, text + used, OWN_MAX - 1 - used);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0)
            break;
        used += (size_t)got;
    }
    text[used] = '\0';
    return used == OWN_MAX - 1 ? -EFBIG : 0;
}

/* Opens the process's own group of a hierarchy in the host's tree. */
static int open_own(const char *text, const struct planned_cgroup *cgroup)
{
    char path[PATH_MAX];
    size_t wanted = strlen(cgroup->options);

    for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        const char *names = strchr(line, ':');
        size_t length = names ? strcspn(names + 1, ":\n") : 0;
        if (!names || names[1 + length] != ':' || length != wanted ||
            strncmp(names + 1, cgroup->options, wanted) != 0)
            continue;
        const char *group = names + 1 + length + 1;
        size_t group_length = strcspn(group, "\n");
        if (sizeof(CGROUP_ROOT "//") + strlen(cgroup->directory) + group_length > sizeof(path))
            return -ENAMETOOLONG;
        char *at = stpcpy(stpcpy(stpcpy(path, CGROUP_ROOT "/"), cgroup->directory), "/");
        memcpy(at, group, group_length);
        at[group_length] = '\0';
        return mounts_open_source(path, false);
    }
    return -ENOENT;
}

static int clone_own(const char *text, const struct planned_cgroup *cgroup, uint64_t attributes)
{
    _cleanup_close_ int source = open_own(text, cgroup);
    _cleanup_close_ int fd = source < 0 ? source : mount_clone(source, 0);
    int r = fd < 0 ? fd : mount_change(fd, 0, 0, 0, MS_PRIVATE, -1);

    if (r == 0)
        r = mount_restrict(fd, 0, attributes | MOUNT_ATTR_RDONLY, 0);
    return r < 0 ? r : steal_fd(&fd);
}

/* ---- v1 and hybrid: a small tmpfs with one mount a hierarchy ---- */

static int attach_own_group(const struct planned_cgroup *cgroup, const struct config_mount *mount,
                            int tree, const char *text)
{
    _cleanup_close_ int fd = clone_own(text, cgroup, mount->attributes);

    if (fd < 0)
        return fd;
    _cleanup_close_ int point =
        open_beneath_nofollow(tree, cgroup->directory, O_PATH | O_DIRECTORY, 0);
    return point < 0 ? point : mount_attach(fd, point);
}

/* Programs look for "cpu" where the hierarchy is "cpu,cpuacct". */
static int link_controllers(int tree, const struct planned_cgroup *cgroup)
{
    char name[64];

    if (!strchr(cgroup->directory, ','))
        return 0;
    for (const char *at = cgroup->directory; *at; at += *at == ',') {
        size_t length = strcspn(at, ",");
        if (length == 0 || length >= sizeof(name))
            return -EINVAL;
        memcpy(name, at, length);
        name[length] = '\0';
        if (symlinkat(cgroup->directory, tree, name) < 0 && errno != EEXIST)
            return -errno;
        at += length;
    }
    return 0;
}

static int attach_trees(const struct plan *plan, const struct config_mount *mount, int target)
{
    bool has_namespace = plan->config->namespaces[NAMESPACE_CGROUP].is_given;
    char text[OWN_MAX];
    int r = has_namespace ? 0 : read_own(text);

    _cleanup_close_ int tree = r < 0 ? r
                                     : mount_new("tmpfs", "cgroup", "mode=755,size=16k",
                                                 mount->attributes & ~(uint64_t)MOUNT_ATTR_RDONLY);
    if (tree < 0)
        return tree;
    r = mount_attach(tree, target);
    /* It is ours: nothing in it can be swapped, and names in the working directory are safe. */
    if (r == 0 && fchdir(tree) < 0)
        r = -errno;
    for (size_t i = 0; r == 0 && i < plan->cgroup_count; i++) {
        const struct planned_cgroup *cgroup = &plan->cgroups[i];
        if (mkdirat(tree, cgroup->directory, 0755) < 0)
            return -errno;
        r = has_namespace ? mount_here(cgroup->directory, cgroup->type, "cgroup", cgroup->options,
                                       0, mount->attributes)
                          : attach_own_group(cgroup, mount, tree, text);
        if (r == 0)
            r = link_controllers(tree, cgroup);
    }
    if (r == 0 && (mount->attributes & MOUNT_ATTR_RDONLY))
        r = mount_change(tree, 0, MOUNT_ATTR_RDONLY, 0, 0, -1);
    if (r == 0 && mount->propagation)
        r = mount_change(tree, mount->is_propagation_recursive, 0, 0, mount->propagation, -1);
    return r;
}

/* ---- v2 ---- */

static int attach_unified(const struct plan *plan, const struct config_mount *mount, int target)
{
    const struct planned_cgroup *cgroup = &plan->cgroups[0];
    char text[OWN_MAX];

    if (fchdir(target) < 0)
        return -errno;
    int r =
        mount_here(".", "cgroup2", "cgroup", mount->data, mount->super_flags, mount->attributes);
    if (r != -EPERM && r != -EBUSY)
        return r;
    r = read_own(text);
    if (r < 0)
        return r;
    _cleanup_close_ int fd = clone_own(text, cgroup, mount->attributes);
    return fd < 0 ? fd : mount_attach(fd, target);
}

/* ---- neither: what the host has there, to be read ---- */

static int attach_host(const struct config_mount *mount, int target)
{
    _cleanup_close_ int source = mounts_open_source(CGROUP_ROOT, true);
    _cleanup_close_ int fd = source < 0 ? source : mount_clone(source, 1);
    int r = fd < 0 ? fd : mount_change(fd, 1, 0, 0, MS_PRIVATE, -1);

    if (r == 0)
        r = mount_restrict(fd, 1, mount->attributes | MOUNT_ATTR_RDONLY, 0);
    return r < 0 ? r : mount_attach(fd, target);
}

int init_attach_cgroups(const struct plan *plan, const struct config_mount *mount, int target)
{
    if (plan->cgroup_count == 0)
        return attach_host(mount, target);
    if (plan->cgroup_count == 1 && plan->cgroups[0].directory[0] == '\0')
        return attach_unified(plan, mount, target);
    return attach_trees(plan, mount, target);
}
