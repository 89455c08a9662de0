/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Devices. Nodes are made by the host's root in file systems of our own, because a process in a
 * user namespace can make none, and none of the image's works (its mount is nodev):
 *
 *     /dev, where it is a tmpfs      with all that belongs below it
 *     the store, a tmpfs that        for devices that lie elsewhere, or where /dev is the image's:
 *     nobody ever sees               the new process binds them one by one
 *
 * Where the runtime itself can make no nodes (rootless), the new process binds the host's.
 */

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
#include "supervisor/runtime/mounts_internal.h"
#include "supervisor/sys/mount.h"

/* config-linux.md, "Default Devices". */
static const struct {
    const char *path;
    unsigned major, minor;
} defaults[DEFAULT_DEVICES] = {{"/dev/null", 1, 3},   {"/dev/zero", 1, 5},    {"/dev/full", 1, 7},
                               {"/dev/random", 1, 8}, {"/dev/urandom", 1, 9}, {"/dev/tty", 5, 0}};

/* runtime-linux.md, "Dev symbolic links", and ptmx. */
static const struct {
    const char *name, *target;
} links[] = {{"fd", "/proc/self/fd"},
             {"stdin", "/proc/self/fd/0"},
             {"stdout", "/proc/self/fd/1"},
             {"stderr", "/proc/self/fd/2"},
             {"ptmx", "pts/ptmx"}};

/* Mount points that belong into every /dev. */
static const char *const directories[] = {"pts", "shm", "mqueue"};

bool mounts_dev_link(size_t i, const char **name, const char **target)
{
    if (i >= ARRAY_LENGTH(links))
        return false;
    *name = links[i].name;
    *target = links[i].target;
    return true;
}

void mounts_store_name(size_t index, char *name)
{
    char digits[16];
    size_t count = 0;

    do
        digits[count++] = (char)('0' + index % 10);
    while ((index /= 10) > 0);
    while (count > 0)
        *name++ = digits[--count];
    *name = '\0';
}

bool mounts_device(const struct config *config, size_t index, struct config_device *device)
{
    if (index < config->device_count) {
        *device = config->devices[index];
        return !mounts_path_is(device->path, "/dev/ptmx");
    }
    index -= config->device_count;
    *device = (struct config_device){
        .path = defaults[index].path,
        .type = S_IFCHR,
        .major = defaults[index].major,
        .minor = defaults[index].minor,
        .mode = 0666,
    };
    if (mounts_dev_is_host(config))
        return false;
    for (size_t i = 0; i < config->device_count; i++)
        if (mounts_path_is(config->devices[i].path, device->path))
            return false;
    return true;
}

int mounts_dev_index(const struct config *config)
{
    int found = -1;

    for (size_t i = 0; i < config->mount_count; i++)
        if (mounts_path_is(config->mounts[i].destination, "/dev") && !config->mounts[i].is_remount)
            found = (int)i;
    return found;
}

bool mounts_dev_is_host(const struct config *config)
{
    int index = mounts_dev_index(config);

    if (index < 0)
        return false;
    const struct config_mount *mount = &config->mounts[index];
    return mount->is_bind || (mount->type && strcmp(mount->type, "devtmpfs") == 0);
}

bool mounts_device_is_own(const struct plan *plan, const struct config_device *device)
{
    const struct config *config = plan->config;

    if (!plan->has_own_dev || !mounts_path_is_below(device->path, "/dev") ||
        mounts_path_climbs(device->path))
        return false;
    /* A mount that comes later may cover it. */
    for (size_t i = (size_t)mounts_dev_index(config) + 1; i < config->mount_count; i++)
        if (mounts_path_is_below(device->path, config->mounts[i].destination))
            return false;
    return true;
}

/* ---- ids: what is made here is made by the host's root ---- */

static int outside_id(const struct id_range *map, size_t count, uint32_t inside, uint32_t *outside)
{
    if (count == 0) {
        *outside = inside;
        return 0;
    }
    for (size_t i = 0; i < count; i++)
        if (inside >= map[i].inside && inside - map[i].inside < map[i].count) {
            *outside = map[i].outside + (inside - map[i].inside);
            return 0;
        }
    return -EINVAL;
}

static int outside_owner(const struct config *config, uint32_t uid, uint32_t gid, uid_t *out_uid,
                         gid_t *out_gid)
{
    int r = outside_id(config->uid_map, config->uid_map_count, uid, out_uid);

    return r < 0 ? r : outside_id(config->gid_map, config->gid_map_count, gid, out_gid);
}

/* ---- making nodes; the umask is 0 ---- */

static int give(int directory, const char *name, uid_t uid, gid_t gid)
{
    if (uid == 0 && gid == 0)
        return 0;
    return fchownat(directory, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

static int make_node(const struct config *config, int directory, const char *name,
                     const struct config_device *device)
{
    uid_t uid;
    gid_t gid;
    int r = outside_owner(config, device->uid, device->gid, &uid, &gid);

    if (r < 0)
        return r;
    if (mknodat(directory, name, device->type | (device->mode & 07777),
                makedev(device->major, device->minor)) < 0)
        return -errno;
    return give(directory, name, uid, gid);
}

/* A device may lie deeper: "/dev/net/tun". */
static int make_deep_node(const struct config *config, int dev, const struct config_device *device,
                          uid_t uid, gid_t gid)
{
    char path[256], *name = path;
    const char *below = device->path + strspn(device->path, "/");

    below += strcspn(below, "/");
    below += strspn(below, "/");
    if (strlen(below) >= sizeof(path))
        return -ENAMETOOLONG;
    strcpy(path, below);
    for (char *slash = strchr(name, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdirat(dev, path, 0755) == 0) {
            int r = give(dev, path, uid, gid);
            if (r < 0)
                return r;
        } else if (errno != EEXIST) {
            return -errno;
        }
        *slash = '/';
    }
    return make_node(config, dev, path, device);
}

static int make_nodes(const struct plan *plan, int dev, uid_t uid, gid_t gid, size_t *index)
{
    const struct config *config = plan->config;
    struct config_device device;

    for (size_t i = 0; i < config->device_count + DEFAULT_DEVICES; i++) {
        *index = i;
        if (!mounts_device(config, i, &device) || !mounts_device_is_own(plan, &device))
            continue;
        int r = make_deep_node(config, dev, &device, uid, gid);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Fills a file system that is ours alone: nothing in it can be somebody's trap. */
static int populate(const struct plan *plan, int dev, uid_t uid, gid_t gid)
{
    for (size_t i = 0; i < ARRAY_LENGTH(links); i++) {
        if (symlinkat(links[i].target, dev, links[i].name) < 0) {
            if (errno == EEXIST) /* a device of the config */
                continue;
            return -errno;
        }
        int r = give(dev, links[i].name, uid, gid);
        if (r < 0)
            return r;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(directories); i++) {
        if (mkdirat(dev, directories[i], 0755) < 0) {
            if (errno == EEXIST)
                continue;
            return -errno;
        }
        int r = give(dev, directories[i], uid, gid);
        if (r < 0)
            return r;
    }
    if (!plan->process || !plan->process->has_terminal)
        return 0;
    if (mknodat(dev, "console", S_IFREG | 0600, 0) < 0)
        return errno == EEXIST ? 0 : -errno;
    return give(dev, "console", uid, gid);
}

/* ---- /dev ---- */

static int new_dev(const struct config_mount *mount, bool is_mapped, uid_t uid, gid_t gid)
{
    _cleanup_free_ char *options = NULL;
    char owner[64] = "";

    if (is_mapped)
        snprintf(owner, sizeof(owner), ",uid=%u,gid=%u", uid, gid);
    if (asprintf(&options, "%s%s%s", mounts_has_option(mount->data, "mode") ? "" : "mode=755,",
                 mount->data ? mount->data : "", owner) < 0) {
        options = NULL;
        return -ENOMEM;
    }
    return mount_new_with("tmpfs", mount->source, options, mount->super_flags,
                          mount->attributes & ~(uint64_t)(MOUNT_ATTR_NODEV | MOUNT_ATTR_RDONLY));
}

static int finish_dev(struct planned_mount *planned)
{
    const struct config_mount *mount = planned->mount;

    planned->is_read_only_late = (mount->attributes & MOUNT_ATTR_RDONLY) != 0;
    return mount->propagation ? mount_change(planned->fd, 0, 0, 0, mount->propagation, -1) : 0;
}

int plan_prepare_dev(struct plan *plan, struct planned_mount *planned, struct error *error)
{
    const struct config *config = plan->config;
    uid_t uid;
    gid_t gid;
    size_t index = 0;

    if (plan->has_late_mounts || planned->mount->has_tmpcopyup || mounts_needs_label(config))
        return 0;
    int r = outside_owner(config, 0, 0, &uid, &gid);
    if (r < 0)
        return error_set(error, EINVAL, "linux.uidMappings: id 0 of the container is not mapped");
    _cleanup_close_ int dev = new_dev(planned->mount, config->uid_map_count > 0, uid, gid);
    if (dev < 0)
        return error_sys(error, -dev, "mount /dev (tmpfs, %s)",
                         planned->mount->data ? planned->mount->data : "");
    mode_t mask = umask(0);
    plan->has_own_dev = true;
    r = make_nodes(plan, dev, uid, gid, &index);
    if (r == -EPERM) { /* nodes cannot be made: the new process mounts /dev and binds the host's */
        plan->has_own_dev = false;
        umask(mask);
        return 0;
    }
    if (r < 0)
        plan_explain_device(config, (uint32_t)index, -r, error);
    else if ((r = populate(plan, dev, uid, gid)) < 0)
        error_sys(error, -r, "fill /dev");
    umask(mask);
    if (r < 0)
        return r;
    planned->fd = steal_fd(&dev);
    r = finish_dev(planned);
    return r < 0 ? error_sys(error, -r, "mount /dev: change the mount") : 0;
}

/* ---- the store ---- */

static bool needs_store(const struct plan *plan)
{
    struct config_device device;

    if (!plan->has_own_dev)
        return true;
    for (size_t i = 0; i < plan->config->device_count; i++)
        if (mounts_path_is(plan->config->devices[i].path, "/dev/null"))
            return true;
    for (size_t i = 0; i < plan->config->device_count + DEFAULT_DEVICES; i++)
        if (mounts_device(plan->config, i, &device) && !mounts_device_is_own(plan, &device))
            return true;
    return false;
}

static int fill_store(const struct plan *plan, int store, size_t *index)
{
    const struct config *config = plan->config;
    const size_t null_index = config->device_count + DEFAULT_DEVICES;
    const struct config_device null = {.type = S_IFCHR, .major = 1, .minor = 3, .mode = 0666};
    struct config_device device;
    char name[16];

    for (size_t i = 0; i < null_index; i++) {
        *index = i;
        if (!mounts_device(config, i, &device) || mounts_device_is_own(plan, &device) ||
            device.type == S_IFIFO)
            continue;
        mounts_store_name(i, name);
        int r = make_node(config, store, name, &device);
        if (r < 0)
            return r;
    }
    return make_node(config, store, DEVICE_NULL, &null);
}

int plan_prepare_store(struct plan *plan, struct error *error)
{
    size_t index = 0;

    if (plan->has_late_mounts || !needs_store(plan))
        return 0;
    _cleanup_close_ int store =
        mount_new("tmpfs", "devices", "mode=755", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
    if (store < 0)
        return error_sys(error, -store, "make a file system for devices");
    mode_t mask = umask(0);
    int r = fill_store(plan, store, &index);
    umask(mask);
    if (r == -EPERM)
        return 0;
    if (r < 0)
        return plan_explain_device(plan->config, (uint32_t)index, -r, error);
    plan->device_fds = malloc(sizeof(int));
    if (!plan->device_fds)
        return error_sys(error, ENOMEM, "devices");
    plan->device_fds[DEVICE_STORE] = steal_fd(&store);
    plan->device_fd_count = 1;
    return 0;
}
