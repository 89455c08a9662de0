/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Devices. Nodes are made in file systems of our own, because none of the image's works (its mount
 * is nodev):
 *
 *     /dev, where it is a tmpfs   with all that belongs below it; made by the host's root where
 * there is a user namespace, because a process in one can make no nodes the shelf, a tmpfs that for
 * devices that lie elsewhere, or where /dev is the image's: the nobody ever sees            new
 * process binds them one by one. Mounts wait there too
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

void mounts_shelf_name(const char *prefix, size_t index, char *name)
{
    char digits[SHELF_NAME_SIZE];
    size_t count = 0;

    do
        digits[count++] = (char)('0' + index % 10);
    while ((index /= 10) > 0);
    name = stpcpy(name, prefix);
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

struct planned_mount *mounts_own_dev(const struct plan *plan)
{
    int index = mounts_dev_index(plan->config);

    return index >= 0 && plan->mounts[index].is_own_dev ? &plan->mounts[index] : NULL;
}

bool mounts_device_is_own(const struct plan *plan, const struct config_device *device)
{
    const struct config *config = plan->config;

    if (!mounts_own_dev(plan) || !mounts_path_is_below(device->path, "/dev") ||
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

static int make_nodes(const struct plan *plan, int dev, uid_t uid, gid_t gid, uint32_t *index)
{
    const struct config *config = plan->config;
    struct config_device device;

    for (size_t i = 0; i < config->device_count + DEFAULT_DEVICES; i++) {
        *index = (uint32_t)i;
        if (!mounts_device(config, i, &device) || !mounts_device_is_own(plan, &device))
            continue;
        int r = make_deep_node(config, dev, &device, uid, gid);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Fills a file system that is ours alone: nothing in it can be somebody's trap. */
const char *mounts_dev_place(const char *destination)
{
    for (size_t i = 0; i < ARRAY_LENGTH(directories); i++) {
        const char *rest = mounts_path_behind(destination, "/dev");
        if (rest && strcmp(rest, directories[i]) == 0)
            return directories[i];
    }
    return NULL;
}

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
    char options[4096], owner[64] = "";
    const char *data = mount->data ? mount->data : "";

    if (is_mapped)
        snprintf(owner, sizeof(owner), ",uid=%u,gid=%u", uid, gid);
    if (strlen(data) + sizeof(owner) + sizeof("mode=755,") > sizeof(options))
        return -ENAMETOOLONG;
    const char *mode = mounts_has_option(data, "mode") ? "" : "mode=755,";
    stpcpy(stpcpy(stpcpy(options, mode), data), owner);
    return mount_new_with("tmpfs", mount->source, options, mount->super_flags,
                          mount->attributes & ~(uint64_t)(MOUNT_ATTR_NODEV | MOUNT_ATTR_RDONLY));
}

int mounts_make_dev(const struct plan *plan, struct planned_mount *planned, uint32_t *index)
{
    const struct config *config = plan->config;
    const struct config_mount *mount = planned->mount;
    uid_t uid;
    gid_t gid;

    *index = (uint32_t)(config->device_count + DEFAULT_DEVICES);
    int r = outside_owner(config, 0, 0, &uid, &gid);
    if (r < 0)
        return r;
    _cleanup_close_ int dev = new_dev(mount, config->uid_map_count > 0, uid, gid);
    if (dev < 0)
        return dev;
    mode_t mask = umask(0);
    r = make_nodes(plan, dev, uid, gid, index);
    if (r == 0)
        r = populate(plan, dev, uid, gid);
    umask(mask);
    if (r == 0 && mount->propagation)
        r = mount_change(dev, 0, 0, 0, mount->propagation, -1);
    if (r < 0)
        return r;
    planned->is_read_only_late = (mount->attributes & MOUNT_ATTR_RDONLY) != 0;
    planned->fd = steal_fd(&dev);
    return 0;
}

/* ---- the shelf ---- */

/* Devices that are to be bound, or the null device for masks: /dev may have another. */
static bool needs_nodes(const struct plan *plan)
{
    struct config_device device;

    if (!mounts_own_dev(plan))
        return true;
    for (size_t i = 0; i < plan->config->device_count; i++)
        if (mounts_path_is(plan->config->devices[i].path, "/dev/null"))
            return true;
    for (size_t i = 0; i < plan->config->device_count + DEFAULT_DEVICES; i++)
        if (mounts_device(plan->config, i, &device) && !mounts_device_is_own(plan, &device))
            return true;
    return false;
}

static int make_shelf_nodes(const struct plan *plan, int shelf, uint32_t *index)
{
    const struct config *config = plan->config;
    const size_t count = config->device_count + DEFAULT_DEVICES;
    const struct config_device null = {.type = S_IFCHR, .major = 1, .minor = 3, .mode = 0666};
    struct config_device device;
    char name[SHELF_NAME_SIZE];

    for (size_t i = 0; i < count; i++) {
        *index = (uint32_t)i;
        if (!mounts_device(config, i, &device) || mounts_device_is_own(plan, &device) ||
            device.type == S_IFIFO)
            continue;
        mounts_shelf_name("", i, name);
        int r = make_node(config, shelf, name, &device);
        if (r < 0)
            return r;
    }
    return make_node(config, shelf, SHELF_NULL, &null);
}

static int make_shelf_places(const struct plan *plan, int shelf)
{
    char name[SHELF_NAME_SIZE];

    for (size_t i = 0; i < plan->config->mount_count; i++) {
        if (!plan->mounts[i].is_shelved)
            continue;
        mounts_shelf_name("m", i, name);
        int r = plan->mounts[i].is_file ? mknodat(shelf, name, S_IFREG | 0600, 0)
                                        : mkdirat(shelf, name, 0700);
        if (r < 0)
            return -errno;
    }
    return 0;
}

static bool needs_places(const struct plan *plan)
{
    for (size_t i = 0; i < plan->config->mount_count; i++)
        if (plan->mounts[i].is_shelved)
            return true;
    return false;
}

static int fill_shelf(struct plan *plan, bool has_nodes, int shelf, struct error *error)
{
    uint32_t index = 0;
    int r = has_nodes ? make_shelf_nodes(plan, shelf, &index) : 0;

    plan->has_shelf_nodes = has_nodes && r == 0;
    if (r < 0 && r != -EPERM)
        return plan_explain_device(plan->config, index, -r, error);
    r = make_shelf_places(plan, shelf);
    return r < 0 ? error_sys(error, -r, "make a file system to keep mounts on") : 0;
}

int plan_prepare_shelf(struct plan *plan, struct error *error)
{
    bool has_nodes = needs_nodes(plan);

    if (plan->has_late_mounts || (!has_nodes && !needs_places(plan)))
        return 0;
    _cleanup_close_ int shelf =
        mount_new("tmpfs", NULL, "mode=711", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
    if (shelf < 0)
        return error_sys(error, -shelf, "make a file system for devices");
    mode_t mask = umask(0);
    int r = fill_shelf(plan, has_nodes, shelf, error);
    umask(mask);
    if (r < 0 || (!plan->has_shelf_nodes && !needs_places(plan)))
        return r;
    plan->shelf = calloc(2, sizeof(int));
    if (!plan->shelf)
        return error_sys(error, ENOMEM, "mounts");
    *plan->shelf = steal_fd(&shelf);
    return 0;
}
