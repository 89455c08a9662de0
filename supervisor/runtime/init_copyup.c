/* SPDX-License-Identifier: Apache-2.0 */

/*
 * "tmpcopyup": what the image has at a mount point, copied into the tmpfs that will cover it. The
 * tree is hostile and may change meanwhile: each entry is opened below its directory's descriptor
 * and no link is followed; only directories, files and links are copied; a tree may not be deeper
 * than we have room for. How much there is, is bounded by the size of the tmpfs.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "supervisor/runtime/mounts_internal.h"

#define DEPTH_MAX    64 /* two descriptors and ENTRIES_SIZE bytes of stack each */
#define ENTRIES_SIZE 2048
#define CHUNK_MAX    0x7ffff000 /* sendfile(2) */

/* Owners that the user namespace does not know cannot be given: the file is root's then. */
static int set_owner(int directory, const char *name, const struct stat *st)
{
    if (fchownat(directory, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) <
            0 &&
        errno != EINVAL && errno != EPERM && errno != EOVERFLOW)
        return -errno;
    return 0;
}

/* In this order: a change of the owner clears set-uid bits. */
static int set_rights(int fd, const struct stat *st)
{
    int r = set_owner(fd, "", st);

    if (r < 0)
        return r;
    return fchmod(fd, st->st_mode & 07777) < 0 ? -errno : 0;
}

static int copy_link(int from, int to, const char *name, const struct stat *st)
{
    char target[PATH_MAX];
    ssize_t length = readlinkat(from, name, target, sizeof(target) - 1);

    if (length < 0)
        return errno == EINVAL || errno == ENOENT ? 0 : -errno; /* it was swapped */
    target[length] = '\0';
    if (symlinkat(target, to, name) < 0)
        return -errno;
    return set_owner(to, name, st);
}

static int copy_file(int from, int to, const char *name)
{
    struct stat st;
    ssize_t sent;

    /* O_NONBLOCK: a FIFO in its place must not hold us up. */
    _cleanup_close_ int source =
        openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (source < 0)
        return errno == ENOENT || errno == ELOOP ? 0 : -errno;
    if (fstat(source, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return 0;
    _cleanup_close_ int copy =
        openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (copy < 0)
        return -errno;
    do
        sent = sendfile(copy, source, NULL, CHUNK_MAX);
    while (sent > 0 || (sent < 0 && errno == EINTR));
    return sent < 0 ? -errno : set_rights(copy, &st);
}

static int copy_directory(int from, int to, int depth);

static int copy_subdirectory(int from, int to, const char *name, int depth)
{
    struct stat st;
    _cleanup_close_ int source =
        openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (source < 0)
        return errno == ENOENT || errno == ENOTDIR || errno == ELOOP ? 0 : -errno;
    if (fstat(source, &st) < 0)
        return -errno;
    if (mkdirat(to, name, 0700) < 0)
        return -errno;
    _cleanup_close_ int copy = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (copy < 0)
        return -errno;
    int r = copy_directory(source, copy, depth + 1);
    return r < 0 ? r : set_rights(copy, &st);
}

static int copy_entry(int from, int to, const char *name, int depth)
{
    struct stat st;

    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return 0;
    if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : -errno;
    if (S_ISDIR(st.st_mode))
        return copy_subdirectory(from, to, name, depth);
    if (S_ISLNK(st.st_mode))
        return copy_link(from, to, name, &st);
    return S_ISREG(st.st_mode) ? copy_file(from, to, name) : 0;
}

/* getdents64(2) itself: opendir(3) allocates. */
static int copy_directory(int from, int to, int depth)
{
    _Alignas(struct dirent64) char entries[ENTRIES_SIZE];
    long got;

    if (depth >= DEPTH_MAX)
        return -ENAMETOOLONG;
    while ((got = syscall(SYS_getdents64, from, entries, sizeof(entries))) > 0) {
        for (long at = 0; at < got;) {
            const struct dirent64 *entry = (const struct dirent64 *)(entries + at);
            int r = copy_entry(from, to, entry->d_name, depth);
            if (r < 0)
                return r;
            at += entry->d_reclen;
        }
    }
    return got < 0 ? -errno : 0;
}

int init_copy_up(int from, int to)
{
    struct stat st;

    _cleanup_close_ int source = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _cleanup_close_ int copy = openat(to, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (source < 0 || copy < 0 || fstat(source, &st) < 0)
        return -errno;
    int r = copy_directory(source, copy, 0);
    /* The mode is what the mount's options, or the directory beneath, made it. */
    return r < 0 ? r : set_owner(copy, "", &st);
}
