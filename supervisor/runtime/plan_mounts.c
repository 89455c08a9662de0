/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "supervisor/runtime/plan.h"
#include "supervisor/sys/mount.h"
#include "supervisor/sys/openat2.h"

/* config-linux.md, "Default Devices". */
static const struct {
    const char *name;
    unsigned major, minor;
} devices[] = {{"null", 1, 3},   {"zero", 1, 5},    {"full", 1, 7},
               {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}};

/* config-linux.md, "Dev symbolic links", and the mount points that belong into every /dev. */
static const struct {
    const char *name, *target;
} links[] = {{"fd", "/proc/self/fd"},
             {"stdin", "/proc/self/fd/0"},
             {"stdout", "/proc/self/fd/1"},
             {"stderr", "/proc/self/fd/2"},
             {"ptmx", "pts/ptmx"}};
static const char *const directories[] = {"pts", "shm", "mqueue"};

/* The host's id of root inside; without a user namespace it is root. */
static uint32_t outside_id(const struct id_range *map, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (map[i].inside == 0)
            return map[i].outside;
    return 0;
}

/* Fills a file system that is ours alone: nothing in it can be somebody's trap. */
static int populate_dev(int dev, uid_t uid, gid_t gid)
{
    for (size_t i = 0; i < ARRAY_LENGTH(devices); i++) {
        dev_t device = makedev(devices[i].major, devices[i].minor);
        if (mknodat(dev, devices[i].name, S_IFCHR | 0666, device) < 0 ||
            fchmodat(dev, devices[i].name, 0666, 0) < 0 ||
            fchownat(dev, devices[i].name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
            return -errno;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(links); i++)
        if (symlinkat(links[i].target, dev, links[i].name) < 0 ||
            fchownat(dev, links[i].name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
            return -errno;
    for (size_t i = 0; i < ARRAY_LENGTH(directories); i++)
        if (mkdirat(dev, directories[i], 0755) < 0 ||
            fchownat(dev, directories[i], uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
            return -errno;
    return 0;
}

/* Made by the host's root, because a process in a user namespace can make no device nodes. */
static int prepare_dev(const struct config *config, struct planned_mount *planned,
                       struct error *error)
{
    const struct config_mount *mount = planned->mount;
    uid_t uid = outside_id(config->uid_map, config->uid_map_count);
    gid_t gid = outside_id(config->gid_map, config->gid_map_count);
    _cleanup_free_ char *options = NULL;

    if (asprintf(&options, "%s%suid=%u,gid=%u", mount->data ? mount->data : "",
                 mount->data ? "," : "", uid, gid) < 0) {
        options = NULL;
        return error_sys(error, ENOMEM, "mount /dev");
    }
    uint64_t attributes = mount->attributes & ~(uint64_t)(MOUNT_ATTR_NODEV | MOUNT_ATTR_RDONLY);
    planned->fd = mount_new("tmpfs", "tmpfs", options, attributes);
    if (planned->fd < 0)
        return error_sys(error, -planned->fd, "mount /dev (tmpfs, %s)", options);
    mode_t mask = umask(0);
    int r = populate_dev(planned->fd, uid, gid);
    umask(mask);
    if (r == 0 && (mount->attributes & MOUNT_ATTR_RDONLY))
        r = mount_change(planned->fd, 0, MOUNT_ATTR_RDONLY, 0, 0, -1);
    return r < 0 ? error_sys(error, -r, "fill /dev") : 0;
}

static int open_source(const struct config_mount *mount, bool is_strict, struct stat *st,
                       struct error *error)
{
    _cleanup_close_ int source = is_strict ? open_without_links(mount->source, O_PATH)
                                           : open(mount->source, O_PATH | O_CLOEXEC);

    int r = source >= 0 ? 0 : is_strict ? source : -errno;
    if (r == 0 && fstat(source, st) < 0)
        r = -errno;
    if (r == -ENOENT)
        return error_set(error, ENOENT, "mount %s: source %s does not exist", mount->destination,
                         mount->source);
    if (r == -ELOOP)
        return error_set(
            error, ELOOP,
            "mount %s: source %s leads through a symbolic link; write the path that it "
            "leads to",
            mount->destination, mount->source);
    if (r < 0)
        return error_sys(error, -r, "mount %s: source %s", mount->destination, mount->source);
    return steal_fd(&source);
}

static int prepare_bind(const struct config *config, struct planned_mount *planned,
                        bool has_strict_sources, int *userns, struct error *error)
{
    const struct config_mount *mount = planned->mount;
    struct stat st;
    int mapping = -1;

    _cleanup_close_ int source = open_source(mount, has_strict_sources, &st, error);
    if (source < 0)
        return source;
    planned->is_file = !S_ISDIR(st.st_mode);
    planned->fd = mount_clone(source, mount->is_recursive);
    if (planned->fd < 0)
        return error_sys(error, -planned->fd, "mount %s: source %s", mount->destination,
                         mount->source);
    if (mount->is_idmapped) {
        if (*userns < 0)
            *userns = userns_create(config->uid_map, config->uid_map_count, config->gid_map,
                                    config->gid_map_count);
        if (*userns < 0)
            return error_sys(error, -*userns, "make a user namespace to map mounts by");
        mapping = *userns;
    }
    int r = mount_change(planned->fd, 0, mount->attributes, 0, 0, mapping);
    if (r < 0 && mapping >= 0)
        return error_sys(error, -r, "mount %s: source %s: its file system takes no idmapped mounts",
                         mount->destination, mount->source);
    /* What lies beneath a recursive bind gets the restrictions too, though not the mapping. */
    if (r == 0 && mount->is_recursive)
        r = mount_change(planned->fd, 1,
                         mount->attributes & (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
                                              MOUNT_ATTR_NOEXEC | MOUNT_ATTR_RDONLY),
                         0, 0, -1);
    if (r == 0)
        r = mount_change(planned->fd, mount->is_recursive, 0, 0, MS_PRIVATE, -1);
    return r < 0 ? error_sys(error, -r, "mount %s: change the copy of %s", mount->destination,
                             mount->source)
                 : 0;
}

static int list_cgroups(struct plan *plan, const struct cgroup_driver *driver, struct error *error)
{
    size_t i = 0;

    if (!driver)
        return error_set(error, EINVAL, "mounts: a cgroup mount needs a cgroup");
    while (i < PLAN_CGROUPS_MAX &&
           cgroup_driver_mount(driver, i, &plan->cgroups[i].directory, &plan->cgroups[i].type,
                               &plan->cgroups[i].options))
        i++;
    plan->cgroup_count = i;
    return 0;
}

int plan_prepare_mounts(struct plan *plan, const struct cgroup_driver *driver,
                        bool has_strict_sources, struct error *error)
{
    const struct config *config = plan->config;
    _cleanup_close_ int userns = -1;
    int r = 0;

    plan->mounts = calloc(config->mount_count + 1, sizeof(*plan->mounts));
    if (!plan->mounts)
        return error_sys(error, ENOMEM, "mounts");
    for (size_t i = 0; i < config->mount_count; i++)
        plan->mounts[i] = (struct planned_mount){.mount = &config->mounts[i], .fd = -1};
    for (size_t i = 0; r == 0 && i < config->mount_count; i++) {
        struct planned_mount *planned = &plan->mounts[i];
        const char *type = planned->mount->type;
        if (planned->mount->is_bind) {
            r = prepare_bind(config, planned, has_strict_sources, &userns, error);
        } else if (strcmp(planned->mount->destination, "/dev") == 0 && strcmp(type, "tmpfs") == 0) {
            r = prepare_dev(config, planned, error);
        } else if (strcmp(type, "cgroup") == 0 || strcmp(type, "cgroup2") == 0) {
            planned->is_cgroup = true;
            r = list_cgroups(plan, driver, error);
        }
    }
    return r;
}
