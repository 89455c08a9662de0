/* SPDX-License-Identifier: Apache-2.0 */

/* The mounts of the config, seen from inside the new mount namespace, in their order. */

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "supervisor/runtime/init_internal.h"
#include "supervisor/runtime/mounts_internal.h"
#include "supervisor/sys/mount.h"
#include "supervisor/sys/openat2.h"

#define DATA_MAX 4096 /* mount(2): a page */

/* ---- bind mounts ---- */

int mounts_open_source(const char *path, bool is_strict)
{
    if (is_strict)
        return open_without_links(path, O_PATH);
    int fd = open(path, O_PATH | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

/*
 * A user namespace of its own must not get a say in a mount of the host: there "shared" means a new
 * group that only listens to the old one, as when the kernel copies a mount namespace for it.
 */
static int set_propagation(const struct plan *plan, const struct config_mount *mount, int fd)
{
    uint64_t wanted = mount->propagation ? mount->propagation : MS_PRIVATE;
    bool is_all = mount->is_recursive;
    int r = 0;

    if (wanted == MS_SHARED) {
        if (plan->config->namespaces[NAMESPACE_USER].is_given)
            r = mount_change(fd, is_all, 0, 0, MS_SLAVE, -1);
    } else if (wanted == MS_SLAVE) {
        return mount_change(fd, is_all, 0, 0, MS_SLAVE, -1);
    } else if (wanted == MS_PRIVATE || (is_all && !mount->is_propagation_recursive)) {
        r = mount_change(fd, is_all, 0, 0, MS_PRIVATE, -1);
    }
    if (r < 0 || wanted == MS_PRIVATE)
        return r;
    return mount_change(fd, is_all && mount->is_propagation_recursive, 0, 0, wanted, -1);
}

/* Options of a mount are of the mount alone, as with mount(8). A tenant's restrict what lies
 * beneath it too. */
static int set_attributes(const struct plan *plan, const struct config_mount *mount, int fd)
{
    const uint64_t restrictions =
        MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_RDONLY;
    uint64_t tree = mount->tree_attributes;
    int r = mount_restrict(fd, 0, mount->attributes, mount->cleared);

    if (plan->has_strict_sources && mount->is_recursive)
        tree |= mount->attributes & restrictions;
    return r < 0 ? r : mount_restrict(fd, mount->is_recursive, tree, mount->tree_cleared);
}

int mounts_clone_source(const struct plan *plan, const struct config_mount *mount, int source)
{
    _cleanup_close_ int fd = mount_clone(source, mount->is_recursive);
    int r = fd < 0 ? fd : set_attributes(plan, mount, fd);

    if (r == 0)
        r = set_propagation(plan, mount, fd);
    return r < 0 ? r : steal_fd(&fd);
}

/* What the parent could not copy. Mapping by ids takes rights that we have even less. */
static int clone_late(const struct plan *plan, struct planned_mount *planned)
{
    _cleanup_close_ int source = steal_fd(&planned->source);
    struct stat st;

    if (source < 0)
        return source;
    if (planned->mount->is_idmapped)
        return -EPERM;
    if (fstat(source, &st) < 0)
        return -errno;
    planned->is_file = !S_ISDIR(st.st_mode);
    return mounts_clone_source(plan, planned->mount, source);
}

/* ---- file systems ---- */

bool mounts_has_option(const char *options, const char *key)
{
    size_t length = strlen(key);

    for (; options; options = strchr(options, ',')) {
        options += *options == ',';
        if (strncmp(options, key, length) == 0 &&
            (options[length] == '=' || !options[length] || options[length] == ','))
            return true;
    }
    return false;
}

/* A tmpfs is as open as the directory of the image that it covers, unless the config says how. */
static int add_mode(int target, const char *data, char *buffer)
{
    struct stat st;

    if (strlen(data) + sizeof("mode=7777,") > DATA_MAX)
        return -ENAMETOOLONG;
    if (fstat(target, &st) < 0)
        return -errno;
    char *at = stpcpy(buffer, "mode=");
    for (int shift = 9; shift >= 0; shift -= 3)
        *at++ = (char)('0' + ((st.st_mode >> shift) & 7));
    if (*data)
        *at++ = ',';
    strcpy(at, data);
    return 0;
}

/* SELinux: the label of all files of a file system that has none of its own. */
static int add_label(const struct plan *plan, const char *data, char *buffer)
{
    const char *label = plan->config->mount_label;

    if (strlen(data) + strlen(label) + sizeof(",context=\"\"") > DATA_MAX)
        return -ENAMETOOLONG;
    char *at = stpcpy(buffer, data);
    if (*data)
        *at++ = ',';
    at = stpcpy(stpcpy(stpcpy(at, "context=\""), label), "\"");
    return 0;
}

bool mounts_needs_label(const struct config *config)
{
    return config->mount_label && access("/sys/fs/selinux/enforce", F_OK) == 0;
}

/*
 * procfs and sysfs of namespaces that are not ours cannot be mounted from a user namespace. What
 * the host shows of them is bound instead: a sysfs only to be read.
 */
static int bind_host(const struct plan *plan, struct planned_mount *planned, int target)
{
    const struct config_mount *mount = planned->mount;
    const struct config_namespace *namespaces = plan->config->namespaces;
    bool is_sys = strcmp(mount->type, "sysfs") == 0;
    bool is_proc = strcmp(mount->type, "proc") == 0;

    bool has_network =
        namespaces[NAMESPACE_NETWORK].is_given && !namespaces[NAMESPACE_NETWORK].path;

    if (!(is_sys && !has_network) && !(is_proc && !namespaces[NAMESPACE_PID].is_given))
        return -EPERM;
    _cleanup_close_ int source = mounts_open_source(is_sys ? "/sys" : "/proc", true);
    _cleanup_close_ int fd = source < 0 ? source : mount_clone(source, 1);
    int r = fd < 0 ? fd : mount_change(fd, 1, 0, 0, MS_PRIVATE, -1);
    if (r == 0)
        r = mount_restrict(fd, 1, mount->attributes | (is_sys ? MOUNT_ATTR_RDONLY : 0), 0);
    if (r == 0)
        r = mount_attach(fd, target);
    if (r == 0)
        planned->fd = steal_fd(&fd);
    return r;
}

/* A file system whose mount is still wanted afterwards, or has more asked of it than mount(2) can.
 */
static int attach_detached(struct planned_mount *planned, const char *source, const char *data,
                           int target)
{
    const struct config_mount *mount = planned->mount;
    uint64_t attributes = mount->attributes;

    planned->is_read_only_late =
        strcmp(mount->type, "tmpfs") == 0 && (attributes & MOUNT_ATTR_RDONLY);
    if (planned->is_read_only_late)
        attributes &= ~(uint64_t)MOUNT_ATTR_RDONLY;
    _cleanup_close_ int fd =
        mount_new_with(mount->type, source, data, mount->super_flags, attributes);
    int r = fd < 0 ? fd : mount_restrict(fd, 0, mount->tree_attributes, mount->tree_cleared);
    if (r == 0 && mount->has_tmpcopyup)
        r = init_copy_up(target, fd);
    if (r == 0 && mount->propagation)
        r = mount_change(fd, 0, 0, 0, mount->propagation, -1);
    if (r == 0)
        r = mount_attach(fd, target);
    if (r == 0 && (planned->is_read_only_late || planned->is_kernel))
        planned->fd = steal_fd(&fd);
    return r;
}

/* Whether mount(2) can do all of it. What is mounted below a private or slave root is private
 * anyhow. */
static bool is_simple(const struct planned_mount *planned)
{
    const struct config_mount *mount = planned->mount;

    return !(mount->propagation & ~(uint64_t)MS_PRIVATE) && !mount->tree_attributes &&
           !mount->tree_cleared && !mount->has_tmpcopyup && !planned->is_kernel &&
           !(strcmp(mount->type, "tmpfs") == 0 && (mount->attributes & MOUNT_ATTR_RDONLY));
}

static int attach_new(const struct plan *plan, struct planned_mount *planned, int target,
                      bool was_missing)
{
    const struct config_mount *mount = planned->mount;
    const char *source = mount->source ? mount->source : mount->type;
    bool is_tmpfs = strcmp(mount->type, "tmpfs") == 0;
    const char *data = mount->data ? mount->data : "";
    char with_mode[DATA_MAX], with_label[DATA_MAX];
    int r = 0;

    if (is_tmpfs && !was_missing && !mounts_has_option(data, "mode")) {
        r = add_mode(target, data, with_mode);
        data = with_mode;
    }
    if (r == 0 && is_tmpfs && mounts_needs_label(plan->config)) {
        r = add_label(plan, data, with_label);
        data = with_label;
    }
    if (r < 0)
        return r;
    if (is_simple(planned) && fchdir(target) == 0)
        r = mount_here(".", mount->type, source, data, mount->super_flags, mount->attributes);
    else
        r = attach_detached(planned, source, data, target);
    return r == -EPERM || r == -EBUSY ? bind_host(plan, planned, target) : r;
}

/*
 * In a /dev of our own some places are directories that we made, in a tmpfs that nobody else has
 * ever had: there a name is as good as a descriptor. What that does not suit goes the usual way,
 * which knows more, and says what is wrong.
 */
static bool attach_by_name(const struct plan *plan, const struct planned_mount *planned,
                           bool *is_in_dev)
{
    const struct planned_mount *dev = mounts_own_dev(plan);
    const struct config_mount *mount = planned->mount;
    const char *name = dev ? mounts_dev_place(mount->destination) : NULL;
    const char *data = mount->data ? mount->data : "";

    if (!name || planned < dev || dev->fd < 0 || planned->fd >= 0 || planned->is_cgroup ||
        mount->is_bind || !is_simple(planned) ||
        (strcmp(mount->type, "tmpfs") == 0 &&
         (!mounts_has_option(data, "mode") || mounts_needs_label(plan->config))))
        return false;
    if (!*is_in_dev && fchdir(dev->fd) < 0)
        return false;
    *is_in_dev = true;
    return mount_here(name, mount->type, mount->source ? mount->source : mount->type, data,
                      mount->super_flags, mount->attributes) == 0;
}

/* ---- changes of what is mounted already ---- */

static int change_mounted(const struct config_mount *mount, int target)
{
    bool has_super = mount->is_remount && !mount->is_bind;
    int r = 0;

    if (has_super)
        r = mount_reconfigure(target, mount->data, mount->super_flags,
                              (mount->attributes & MOUNT_ATTR_RDONLY) != 0);
    if (r == 0)
        r = mount_restrict(target, 0, mount->attributes, mount->cleared);
    if (r == 0)
        r = mount_restrict(target, 1, mount->tree_attributes, mount->tree_cleared);
    if (r == 0 && mount->propagation)
        r = mount_change(target, mount->is_propagation_recursive, 0, 0, mount->propagation, -1);
    return r;
}

static int change_one(const struct plan *plan, const struct config_mount *mount)
{
    _cleanup_later_ int target = open_in_root(plan->root_fd, mount->destination, O_PATH, 0);

    return target < 0 ? target : change_mounted(mount, target);
}

/* ---- the walk ---- */

/* Sees to planned->fd, for what is made before it is attached. */
static int make_detached(const struct plan *plan, struct planned_mount *planned)
{
    uint32_t index;
    int r;

    if (planned->is_shelved) {
        r = mount_clone(planned->fd, planned->mount->is_recursive);
        close_fd(&planned->fd);
    } else if (planned->is_late) {
        r = clone_late(plan, planned);
    } else if (planned->is_own_dev && planned->fd < 0) {
        r = mounts_make_dev(plan, planned, &index);
        if (r == -EPERM) { /* nodes cannot be made: a plain tmpfs, and the host's are bound */
            planned->is_own_dev = false;
            return 0;
        }
        return r;
    } else {
        return 0;
    }
    if (r < 0)
        return r;
    planned->fd = r;
    return 0;
}

/* It stays open where it is still needed: to become read-only, and /dev for what is in it. */
static int attach_made(struct planned_mount *planned, int target)
{
    int r = mount_attach(planned->fd, target);
    struct stat st;

    if (r == -EINVAL && planned->is_file && fstat(target, &st) == 0 && S_ISDIR(st.st_mode))
        r = -ENOTDIR; /* as the other way round */
    if (!planned->is_read_only_late && !planned->is_own_dev)
        close_fd(&planned->fd);
    return r;
}

/* is_in_dev: whether the working directory is our own /dev. */
static int attach_one(const struct plan *plan, struct planned_mount *planned, bool *is_in_dev)
{
    const struct config_mount *mount = planned->mount;
    bool was_missing = false;

    if (mount->is_remount || (!mount->is_bind && !mount->type))
        return change_one(plan, mount);
    planned->is_kernel =
        !mount->is_bind && (strcmp(mount->type, "proc") == 0 || strcmp(mount->type, "sysfs") == 0);
    int r = make_detached(plan, planned);
    if (r < 0)
        return r;
    if (attach_by_name(plan, planned, is_in_dev))
        return 0;
    *is_in_dev = false;
    _cleanup_later_ int target = init_open_target(
        plan->root_fd, mount->destination, planned->is_file, !planned->is_kernel, &was_missing);
    if (target < 0)
        return target;
    if (planned->is_cgroup)
        return init_attach_cgroups(plan, mount, target);
    if (planned->fd >= 0)
        return attach_made(planned, target);
    return attach_new(plan, planned, target, was_missing);
}

int init_attach_mounts(const struct plan *plan, uint32_t *index)
{
    bool is_in_dev = false;

    for (size_t i = 0; i < plan->config->mount_count; i++) {
        *index = (uint32_t)i;
        int r = attach_one(plan, &plan->mounts[i], &is_in_dev);
        if (r < 0)
            return r;
    }
    /* The working directory may be a mount point by now; createContainer hooks begin at the root.
     */
    bool has_hooks = plan->config->hooks[HOOK_CREATE_CONTAINER].count > 0;
    return has_hooks && fchdir(plan->root_fd) < 0 ? -errno : 0;
}
