/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/sys/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "common/cleanup.h"

/* No allocation here: these run between clone and exec too. */
#define OPTIONS_MAX 1024

static int configure(int fs, const char *options)
{
    char buffer[OPTIONS_MAX], *rest = buffer, *option;

    if (strlen(options) >= sizeof(buffer))
        return -ENAMETOOLONG;
    strcpy(buffer, options);
    while ((option = strsep(&rest, ","))) {
        if (!*option)
            continue;
        char *value = strchr(option, '=');
        int r;
        if (value) {
            *value = '\0';
            r = fsconfig(fs, FSCONFIG_SET_STRING, option, value + 1, 0);
        } else {
            r = fsconfig(fs, FSCONFIG_SET_FLAG, option, NULL, 0);
        }
        if (r < 0)
            return -errno;
    }
    return 0;
}

int mount_new(const char *type, const char *source, const char *options, uint64_t attributes)
{
    _cleanup_close_ int fs = fsopen(type, FSOPEN_CLOEXEC);

    if (fs < 0)
        return -errno;
    if (source && fsconfig(fs, FSCONFIG_SET_STRING, "source", source, 0) < 0)
        return -errno;
    int r = options ? configure(fs, options) : 0;
    if (r < 0)
        return r;
    if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return -errno;
    int mount = fsmount(fs, FSMOUNT_CLOEXEC, (unsigned)attributes);
    return mount < 0 ? -errno : mount;
}

int mount_clone(int fd, int is_recursive)
{
    unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH;

    if (is_recursive)
        flags |= AT_RECURSIVE;
    int mount = open_tree(fd, "", flags);
    return mount < 0 ? -errno : mount;
}

int mount_change(int fd, int is_recursive, uint64_t set, uint64_t clear, uint64_t propagation,
                 int userns_fd)
{
    struct mount_attr attributes = {
        .attr_set = set,
        .attr_clr = clear,
        .propagation = propagation,
    };

    if (userns_fd >= 0) {
        attributes.attr_set |= MOUNT_ATTR_IDMAP;
        attributes.userns_fd = (uint64_t)(unsigned)userns_fd;
    }
    unsigned flags = AT_EMPTY_PATH | (is_recursive ? AT_RECURSIVE : 0);
    return mount_setattr(fd, "", flags, &attributes, sizeof(attributes)) < 0 ? -errno : 0;
}

int mount_attach(int mount_fd, int target_fd)
{
    unsigned flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH;

    return move_mount(mount_fd, "", target_fd, "", flags) < 0 ? -errno : 0;
}
