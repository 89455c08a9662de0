/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "supervisor/runtime/mounts_internal.h"
#include "supervisor/sys/mount.h"

/*
 * Below /proc, which decides what a process may do (labels, sysctls), only what lxcfs and similar
 * services replace may be covered (CVE-2019-16884, CVE-2019-19921).
 */
static const char *const proc_files[] = {
    "/proc/cpuinfo",  "/proc/diskstats", "/proc/meminfo",
    "/proc/stat",     "/proc/swaps",     "/proc/uptime",
    "/proc/loadavg",  "/proc/slabinfo",  "/proc/sys/kernel/ns_last_pid",
    "/proc/pressure", "/proc/vmstat",    "/proc/sys/crypto/fips_enabled",
};

/* ---- where ---- */

static bool is_changed_only(const struct config_mount *mount)
{
    return mount->is_remount || (!mount->is_bind && !mount->type);
}

static int check_proc(const struct config_mount *mount, struct error *error)
{
    if (mounts_path_is(mount->destination, "/proc")) {
        if (mount->is_bind || strcmp(mount->type, "proc") == 0)
            return 0; /* of a bind the source is looked at when it is open */
        return error_set(error, EPERM, "mount %s: only a procfs may be there, not a %s",
                         mount->destination, mount->type);
    }
    if (!mounts_path_is_below(mount->destination, "/proc"))
        return 0;
    for (size_t i = 0; i < ARRAY_LENGTH(proc_files); i++)
        if (mounts_path_is(mount->destination, proc_files[i]))
            return 0;
    return error_set(error, EPERM, "mount %s: nothing may be mounted there, it is inside /proc",
                     mount->destination);
}

static int check_destination(const struct config_mount *mount, struct error *error)
{
    if (is_changed_only(mount)) {
        if (mount->is_remount || mount->propagation || mount->attributes || mount->cleared ||
            mount->tree_attributes || mount->tree_cleared)
            return 0;
        return error_set(error, EINVAL, "mount %s: the type is missing", mount->destination);
    }
    if (mounts_path_is(mount->destination, "/"))
        return error_set(error, EINVAL,
                         "mount %s: nothing can be mounted on the root directory; root.path names "
                         "what is to be there",
                         mount->destination);
    if (mount->has_tmpcopyup && (mount->is_bind || strcmp(mount->type, "tmpfs") != 0))
        return error_set(error, EINVAL, "mount %s: tmpcopyup goes with type tmpfs only",
                         mount->destination);
    return check_proc(mount, error);
}

/* ---- bind mounts ---- */

static int check_source(const struct config_mount *mount, int source, struct error *error)
{
    struct statfs fs;

    if (!mounts_path_is(mount->destination, "/proc"))
        return 0;
    if (fstatfs(source, &fs) < 0)
        return plan_explain_source(mount, errno, error);
    return fs.f_type == PROC_SUPER_MAGIC
               ? 0
               : error_set(error, EPERM, "mount %s: only a procfs may be there; %s is not one",
                           mount->destination, mount->source);
}

/* The namespace to map a mount by: of maps of its own, or the container's, which is made once. */
static int open_mapping(const struct plan *plan, const struct config_mount *mount, int *shared)
{
    const struct config *config = plan->config;

    if (mount->uid_map_count > 0)
        return userns_create(mount->uid_map, mount->uid_map_count, mount->gid_map,
                             mount->gid_map_count);
    if (*shared < 0)
        *shared = userns_create(config->uid_map, config->uid_map_count, config->gid_map,
                                config->gid_map_count);
    if (*shared < 0)
        return *shared;
    int fd = fcntl(*shared, F_DUPFD_CLOEXEC, 3);
    return fd < 0 ? -errno : fd;
}

static int map_ids(const struct plan *plan, const struct planned_mount *planned, int *shared,
                   struct error *error)
{
    const struct config_mount *mount = planned->mount;

    if (!mount->is_idmapped)
        return 0;
    if (mount->uid_map_count == 0 && plan->config->uid_map_count == 0)
        return error_set(
            error, EINVAL,
            "mount %s: idmap needs uidMappings and gidMappings, of the mount or of the "
            "container's user namespace",
            mount->destination);
    _cleanup_close_ int mapping = open_mapping(plan, mount, shared);
    if (mapping < 0)
        return error_sys(error, -mapping, "mount %s: make a user namespace to map it by",
                         mount->destination);
    int r = mount_change(planned->fd, mount->is_idmap_recursive, 0, 0, 0, mapping);
    return r < 0 ? error_sys(error, -r,
                             "mount %s: source %s: its file system takes no idmapped mounts",
                             mount->destination, mount->source)
                 : 0;
}

/*
 * Whether the parent copies the source. It must where only it can (a user namespace has no say in
 * what its mounts show, ids), or where the copy is to follow the host's mount, from which the new
 * namespace's are parted. Else the process does, at the mount's turn.
 */
static bool is_copied_here(const struct plan *plan, const struct config_mount *mount)
{
    if (plan->has_late_mounts)
        return false;
    return plan->config->namespaces[NAMESPACE_USER].is_given || mount->is_idmapped ||
           mount->propagation == MS_SHARED || mount->propagation == MS_SLAVE;
}

static int prepare_bind(const struct plan *plan, struct planned_mount *planned, int *shared,
                        struct error *error)
{
    const struct config_mount *mount = planned->mount;
    struct stat st;

    if (!is_copied_here(plan, mount) && !mounts_path_is(mount->destination, "/proc"))
        return 0;
    _cleanup_close_ int source = mounts_open_source(mount->source, plan->has_strict_sources);
    int r = source >= 0 ? 0 : source;
    if (r == 0 && fstat(source, &st) < 0)
        r = -errno;
    /* Seen from inside the user namespace it may be another story. */
    if (r == -EACCES && plan->has_late_mounts)
        return 0;
    if (r < 0)
        return plan_explain_source(mount, -r, error);
    r = check_source(mount, source, error);
    if (r < 0 || !is_copied_here(plan, mount))
        return r;
    planned->is_file = !S_ISDIR(st.st_mode);
    planned->fd = mounts_clone_source(plan, mount, source);
    if (planned->fd < 0) {
        r = planned->fd;
        planned->fd = -1;
        return error_sys(error, -r, "mount %s: copy %s with its options", mount->destination,
                         mount->source);
    }
    return map_ids(plan, planned, shared, error);
}

/* ---- /dev ---- */

static int prepare_dev(struct plan *plan, struct planned_mount *planned, struct error *error)
{
    uint32_t index = 0;

    if (plan->has_late_mounts || planned->mount->has_tmpcopyup || mounts_needs_label(plan->config))
        return 0;
    planned->is_own_dev = true;
    /* Nor may nodes be made under the devices rule of a cgroup, which the process is in by then;
     * the default ones are allowed by every rule that makes sense. */
    if (!plan->config->namespaces[NAMESPACE_USER].is_given && plan->config->device_count == 0)
        return 0;
    int r = mounts_make_dev(plan, planned, &index);
    if (r == -EPERM) { /* nodes cannot be made: a plain tmpfs, and the host's are bound */
        planned->is_own_dev = false;
        return 0;
    }
    return r < 0 ? plan_explain_device(plan->config, index, -r, error) : 0;
}

/* ---- cgroups ---- */

static void list_cgroups(struct plan *plan)
{
    struct statfs fs;
    size_t i = 0;

    /* None that is ours to use (rootless): v2 can be mounted even so, of v1 the host's is shown. */
    if (!plan->driver) {
        plan->cgroups[0] = (struct planned_cgroup){"", "cgroup2", ""};
        plan->cgroup_count = statfs("/sys/fs/cgroup", &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC;
        return;
    }
    while (i < PLAN_CGROUPS_MAX &&
           cgroup_driver_mount(plan->driver, i, &plan->cgroups[i].directory, &plan->cgroups[i].type,
                               &plan->cgroups[i].options))
        i++;
    plan->cgroup_count = i;
}

/* ---- all ---- */

static int prepare_one(struct plan *plan, size_t index, int *shared, struct error *error)
{
    struct planned_mount *planned = &plan->mounts[index];
    const struct config_mount *mount = planned->mount;
    int r = check_destination(mount, error);

    if (r < 0 || is_changed_only(mount))
        return r;
    if (mount->is_bind)
        return prepare_bind(plan, planned, shared, error);
    if (strcmp(mount->type, "cgroup") == 0 || strcmp(mount->type, "cgroup2") == 0) {
        planned->is_cgroup = true;
        list_cgroups(plan);
        return 0;
    }
    if ((int)index == mounts_dev_index(plan->config) && strcmp(mount->type, "tmpfs") == 0)
        return prepare_dev(plan, planned, error);
    return 0;
}

/*
 * Mounts are listed in the order in which they were made (Linux 6.8), and the config's order is
 * what is to be seen: what the parent made is copied at its turn. A tenant's nobody counts.
 */
static void choose_shelved(struct plan *plan)
{
    for (size_t i = 0; !plan->has_strict_sources && i < plan->config->mount_count; i++)
        plan->mounts[i].is_shelved =
            plan->mounts[i].fd >= 0 && plan->mounts[i].mount->propagation != MS_UNBINDABLE;
}

int plan_prepare_mounts(struct plan *plan, struct error *error)
{
    const struct config *config = plan->config;
    _cleanup_close_ int shared = -1;
    int r = 0;

    plan->shelf = NULL;
    plan->has_shelf_nodes = false;
    plan->cgroup_count = 0;
    plan->mounts = calloc(config->mount_count + 1, sizeof(*plan->mounts));
    if (!plan->mounts)
        return error_sys(error, ENOMEM, "mounts");
    for (size_t i = 0; i < config->mount_count; i++)
        plan->mounts[i] = (struct planned_mount){.mount = &config->mounts[i], .fd = -1};
    for (size_t i = 0; r == 0 && i < config->mount_count; i++)
        r = prepare_one(plan, i, &shared, error);
    choose_shelved(plan);
    return r < 0 ? r : plan_prepare_shelf(plan, error);
}

void plan_release_mounts(struct plan *plan)
{
    for (size_t i = 0; plan->mounts && i < plan->config->mount_count; i++)
        close_fd(&plan->mounts[i].fd);
    free(plan->mounts);
    plan->mounts = NULL;
    if (plan->shelf)
        close_fd(plan->shelf);
    free(plan->shelf);
    plan->shelf = NULL;
    close_fd(&plan->root_fd);
}
