/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/storage/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"

static DIR *open_directory(int parent, const char *name)
{
    _cleanup_close_ int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);

    if (directory)
        steal_fd(&fd);
    return directory;
}

/* The tree may hold names like ours, and what has one may not be emptied yet: the next is tried. */
static int move_up(int from, const char *name, int top, unsigned long *serial)
{
    char moved[32];

    for (;;) {
        snprintf(moved, sizeof(moved), "removed-%lu", (*serial)++);
        if (renameat(from, name, top, moved) == 0)
            return 0;
        if (errno != ENOTEMPTY && errno != EEXIST && errno != ENOTDIR)
            return -errno;
    }
}

/*
 * Removes what is in the directory; a directory in it that is not empty moves up to `top` under a
 * new name, to be emptied there.
 */
static int empty_directory(int top, const char *name, unsigned long *serial)
{
    _cleanup_closedir_ DIR *directory = open_directory(top, name);
    struct dirent *entry;

    if (!directory)
        return -errno;
    int fd = dirfd(directory);
    while ((entry = readdir(directory))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (unlinkat(fd, entry->d_name, 0) == 0)
            continue;
        if (errno != EISDIR && errno != EPERM)
            return -errno;
        if (unlinkat(fd, entry->d_name, AT_REMOVEDIR) == 0)
            continue;
        if (errno != ENOTEMPTY && errno != EEXIST)
            return -errno;
        int r = move_up(fd, entry->d_name, top, serial);
        if (r < 0)
            return r;
    }
    return unlinkat(top, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

/* One entry of the top level; 1 when it was the last. */
static int remove_one(int top, unsigned long *serial)
{
    _cleanup_closedir_ DIR *directory = open_directory(top, ".");
    struct dirent *entry;

    if (!directory)
        return -errno;
    while ((entry = readdir(directory))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (unlinkat(top, entry->d_name, 0) == 0)
            return 0;
        if (errno != EISDIR && errno != EPERM)
            return -errno;
        return empty_directory(top, entry->d_name, serial);
    }
    return 1;
}

int tree_remove(int parent, const char *name)
{
    _cleanup_close_ int top = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    unsigned long serial = 0;
    int r = 0;

    if (top < 0)
        return errno == ENOENT ? 0 : -errno;
    while (r == 0)
        r = remove_one(top, &serial);
    if (r < 0)
        return r;
    return unlinkat(parent, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}
