/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Devices that are not in a /dev of our own, and the terminal. A /dev of the image is as hostile as
 * the rest of it: what is there is no device but a place to mount ours on, and only if it is an
 * empty file or a node of the same numbers; a link is never followed.
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
#include "supervisor/runtime/init_internal.h"
#include "supervisor/runtime/mounts_internal.h"
#include "supervisor/sys/mount.h"
#include "supervisor/sys/openat2.h"

/* Majors of the slaves of devpts (the kernel's Documentation/admin-guide/devices.txt). */
#define PTS_MAJOR_FIRST 136
#define PTS_MAJOR_LAST  143

static bool is_device(const struct stat *st, const struct config_device *device)
{
    return (st->st_mode & S_IFMT) == device->type &&
           (device->type == S_IFIFO || st->st_rdev == makedev(device->major, device->minor));
}

/* ---- what is bound ---- */

/* The host's node of the same path, where the parent could make none. */
static int open_host_device(const struct config_device *device)
{
    struct stat st;
    _cleanup_close_ int fd = open(device->path, O_PATH | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0)
        return -errno;
    if (fstat(fd, &st) < 0)
        return -errno;
    return is_device(&st, device) ? steal_fd(&fd) : -ENODEV;
}

static int clone_device(const struct plan *plan, size_t index, const struct config_device *device)
{
    char name[SHELF_NAME_SIZE];

    if (plan->has_shelf_nodes) {
        mounts_shelf_name("", index, name);
        return mount_clone_entry(*plan->shelf, name);
    }
    _cleanup_close_ int host = open_host_device(device);
    _cleanup_close_ int fd = host < 0 ? host : mount_clone(host, 0);
    int r = fd < 0 ? fd : mount_change(fd, 0, 0, 0, MS_PRIVATE, -1);
    return r < 0 ? r : steal_fd(&fd);
}

int init_open_null(const struct plan *plan)
{
    const struct config_device null = {
        .path = "/dev/null", .type = S_IFCHR, .major = 1, .minor = 3};
    struct stat st;
    const struct planned_mount *own = mounts_own_dev(plan);
    int dev = plan->has_shelf_nodes ? *plan->shelf : own ? own->fd : -1;

    if (dev < 0)
        return open_host_device(&null);
    _cleanup_close_ int fd = open_beneath_nofollow(dev, SHELF_NULL, O_PATH, 0);
    if (fd < 0)
        return fd;
    if (fstat(fd, &st) < 0)
        return -errno;
    return is_device(&st, &null) ? steal_fd(&fd) : -ENODEV;
}

/* ---- where it is bound ---- */

/* Splits "/dev/net/tun" into its directory, opened and made where it is missing, and the name. */
static int open_parent(const struct plan *plan, const char *path, const char **name)
{
    char directory[PATH_MAX];
    const char *slash = strrchr(path, '/');

    if (!slash || slash - path >= (long)sizeof(directory))
        return -EINVAL;
    *name = slash + 1;
    if (!**name || strcmp(*name, ".") == 0 || strcmp(*name, "..") == 0)
        return -EINVAL;
    memcpy(directory, path, (size_t)(slash - path));
    directory[slash - path] = '\0';
    return init_open_target(plan->root_fd, slash == path ? "/" : directory, false, false, NULL);
}

/* An empty file is what an earlier start of the container left as a place. */
static bool is_place(const struct stat *st)
{
    return S_ISREG(st->st_mode) && st->st_size == 0;
}

static int open_place(int parent, const char *name, const struct config_device *device)
{
    struct stat st;
    _cleanup_close_ int made =
        openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

    if (made < 0 && errno != EEXIST)
        return -errno;
    _cleanup_later_ int fd = openat(parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    return is_place(&st) || is_device(&st, device) ? steal_fd(&fd) : -EEXIST;
}

/* A FIFO works wherever it is. */
static int make_fifo(int parent, const char *name, const struct config_device *device)
{
    struct stat st;
    mode_t mask = umask(0);
    int made = mknodat(parent, name, S_IFIFO | (device->mode & 07777), 0);

    umask(mask);
    if (made < 0 && errno != EEXIST)
        return -errno;
    _cleanup_later_ int fd = openat(parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISFIFO(st.st_mode))
        return -EEXIST;
    return fchownat(fd, "", device->uid, device->gid, AT_EMPTY_PATH) < 0 ? -errno : 0;
}

static int make_device(const struct plan *plan, size_t index, const struct config_device *device)
{
    const char *name;
    _cleanup_later_ int parent = open_parent(plan, device->path, &name);

    if (parent < 0)
        return parent;
    if (device->type == S_IFIFO)
        return make_fifo(parent, name, device);
    _cleanup_later_ int place = open_place(parent, name, device);
    if (place < 0)
        return place;
    _cleanup_later_ int fd = clone_device(plan, index, device);
    return fd < 0 ? fd : mount_attach(fd, place);
}

/* What the image has in their place stays, but for ptmx, which is to be the container's. */
static int make_links(const struct plan *plan)
{
    const char *name, *target;
    _cleanup_later_ int dev = init_open_target(plan->root_fd, "/dev", false, false, NULL);

    if (dev < 0)
        return dev;
    for (size_t i = 0; mounts_dev_link(i, &name, &target); i++) {
        char found[PATH_MAX];
        if (symlinkat(target, dev, name) == 0)
            continue;
        if (errno != EEXIST)
            return -errno;
        ssize_t length = readlinkat(dev, name, found, sizeof(found));
        if (strcmp(name, "ptmx") != 0 ||
            (length == (ssize_t)strlen(target) && memcmp(found, target, (size_t)length) == 0))
            continue;
        if (unlinkat(dev, name, 0) < 0 || symlinkat(target, dev, name) < 0)
            return -errno;
    }
    return 0;
}

/* In a /dev of the host's only what is there is offered. */
static bool is_left_alone(const struct plan *plan, const struct config_device *device)
{
    return mounts_device_is_own(plan, device) ||
           (mounts_dev_is_host(plan->config) && mounts_path_is_below(device->path, "/dev"));
}

int init_make_devices(const struct plan *plan, uint32_t *index)
{
    const struct config *config = plan->config;
    struct config_device device;

    for (size_t i = 0; i < config->device_count + DEFAULT_DEVICES; i++) {
        *index = (uint32_t)i;
        if (!mounts_device(config, i, &device) || is_left_alone(plan, &device))
            continue;
        int r = make_device(plan, i, &device);
        if (r < 0)
            return r;
    }
    return mounts_own_dev(plan) || mounts_dev_is_host(config) ? 0 : make_links(plan);
}

/* ---- the terminal ---- */

/* In our own /dev the file is there already; in the image's it is made, or what is there is used if
 * it can only be a place (CVE-2025-52565). */
static int open_console(const struct plan *plan)
{
    const struct planned_mount *own = mounts_own_dev(plan);
    struct stat st;

    if (own)
        return open_beneath_nofollow(own->fd, "console", O_PATH, 0);
    _cleanup_later_ int dev = init_open_target(plan->root_fd, "/dev", false, false, NULL);
    if (dev < 0)
        return dev;
    _cleanup_close_ int made =
        openat(dev, "console", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (made < 0 && errno != EEXIST)
        return -errno;
    _cleanup_later_ int fd = openat(dev, "console", O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    return S_ISREG(st.st_mode) || S_ISCHR(st.st_mode) ? steal_fd(&fd) : -EEXIST;
}

int init_mount_console(const struct plan *plan, int slave)
{
    struct stat st;

    if (fstat(slave, &st) < 0)
        return -errno;
    if (!S_ISCHR(st.st_mode) || major(st.st_rdev) < PTS_MAJOR_FIRST ||
        major(st.st_rdev) > PTS_MAJOR_LAST)
        return -ENODEV;
    _cleanup_later_ int target = open_console(plan);
    if (target < 0)
        return target;
    _cleanup_later_ int fd = mount_clone(slave, 0);
    return fd < 0 ? fd : mount_attach(fd, target);
}
