/* SPDX-License-Identifier: Apache-2.0 */
#include "mod_container/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>

#include "common/cleanup.h"

/* glibc 2.36 has no openat2(). EAGAIN: a rename was under way while ".." was looked at; none is. */
static int open_beneath(int tree, const char *path, unsigned long long flags,
                        unsigned long long resolve)
{
    struct open_how how = {
        .flags = flags | O_CLOEXEC | O_NOFOLLOW,
        .resolve = resolve | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    long fd;

    do
        fd = syscall(SYS_openat2, tree, path, &how, sizeof(how));
    while (fd < 0 && errno == EINTR);
    return fd < 0 ? -errno : (int)fd;
}

int tree_open(const char *directory)
{
    return open_beneath(AT_FDCWD, directory, O_PATH | O_DIRECTORY, 0);
}

/* Errors that say "not there for us"; a link met on the way is ELOOP. */
static int is_absence(int errnum)
{
    return errnum == ENOENT || errnum == ENOTDIR || errnum == ELOOP || errnum == EXDEV ||
           errnum == ENAMETOOLONG || errnum == ENXIO;
}

/* Copies "/a/b" as "a/b", "/" as "."; -ENAMETOOLONG if it does not fit. */
static int relative(const char *path, size_t length, char buffer[PATH_MAX])
{
    while (length > 0 && *path == '/') {
        path++;
        length--;
    }
    if (length >= PATH_MAX)
        return -ENAMETOOLONG;
    memcpy(buffer, length ? path : ".", length ? length : 1);
    buffer[length ? length : 1] = '\0';
    return 0;
}

int tree_look(int tree, const char *path, size_t length)
{
    char name[PATH_MAX];
    struct stat st;

    if (relative(path, length, name) < 0)
        return TREE_NOTHING;
    _cleanup_close_ int fd = open_beneath(tree, name, O_PATH, RESOLVE_BENEATH);
    if (fd < 0)
        return is_absence(-fd) ? (int)TREE_NOTHING : fd;
    if (fstat(fd, &st) < 0)
        return -errno;
    return S_ISREG(st.st_mode) ? TREE_FILE : S_ISDIR(st.st_mode) ? TREE_DIRECTORY : TREE_NOTHING;
}

int tree_open_file(int tree, const char *path, struct stat *st)
{
    char name[PATH_MAX];

    if (relative(path, strlen(path), name) < 0)
        return -ENOENT;
    /* O_NONBLOCK: a pipe put there meanwhile must not hold the thread. */
    _cleanup_close_ int fd =
        open_beneath(tree, name, O_RDONLY | O_NONBLOCK | O_NOCTTY, RESOLVE_BENEATH);
    if (fd < 0)
        return is_absence(-fd) ? -ENOENT : fd;
    if (fstat(fd, st) < 0)
        return -errno;
    return S_ISREG(st->st_mode) ? steal_fd(&fd) : -ENOENT;
}

int tree_open_plain(const char *path, struct stat *st)
{
    _cleanup_close_ int fd = open_beneath(AT_FDCWD, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);

    if (fd < 0)
        return fd;
    return fstat(fd, st) < 0 ? -errno : steal_fd(&fd);
}
