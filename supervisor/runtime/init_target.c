/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Mount points. A path of the config is resolved below the root's descriptor (RESOLVE_IN_ROOT) and
 * the mount is moved onto the descriptor that came out, so there is nothing to swap in between.
 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "supervisor/runtime/init_internal.h"
#include "supervisor/runtime/mounts_internal.h"
#include "supervisor/sys/openat2.h"

/* As the kernel (path_resolution(7)). */
#define LINKS_MAX 40

/* ---- paths ---- */

/* Moves past slashes and "." to the next name and returns its length, 0 at the end. */
static size_t next_name(const char **path)
{
    for (;;) {
        *path += strspn(*path, "/");
        size_t length = strcspn(*path, "/");
        if (length != 1 || **path != '.')
            return length;
        *path += 1;
    }
}

const char *mounts_path_behind(const char *path, const char *top)
{
    for (;;) {
        size_t length = next_name(&path), wanted = next_name(&top);
        if (wanted == 0)
            return path;
        if (length != wanted || strncmp(path, top, length) != 0)
            return NULL;
        path += length;
        top += wanted;
    }
}

bool mounts_path_is(const char *path, const char *top)
{
    const char *rest = mounts_path_behind(path, top);

    return rest && next_name(&rest) == 0;
}

bool mounts_path_is_below(const char *path, const char *top)
{
    const char *rest = mounts_path_behind(path, top);

    return rest && next_name(&rest) > 0;
}

bool mounts_path_climbs(const char *path)
{
    size_t length;

    for (; (length = next_name(&path)) > 0; path += length)
        if (length == 2 && strncmp(path, "..", 2) == 0)
            return true;
    return false;
}

/* ---- what is missing ---- */

/* Makes the last component of a mount point below an open parent. */
static int make_entry(int parent, const char *name, bool is_file)
{
    if (!is_file)
        return mkdirat(parent, name, 0755) < 0 && errno != EEXIST ? -errno : 0;
    _cleanup_close_ int fd =
        openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    return fd < 0 && errno != EEXIST ? -errno : 0;
}

/*
 * A link that leads to nothing yet: path becomes where it leads, seen from the root, with `rest`
 * behind it. -ENOENT when the entry is no link.
 */
static int follow_link(int parent, const char *name, const char *rest, char *path, size_t size)
{
    char target[PATH_MAX];
    ssize_t length = readlinkat(parent, name, target, sizeof(target) - 1);

    if (length < 0)
        return errno == EINVAL ? -ENOENT : -errno;
    target[length] = '\0';
    /* The link's name is the end of path as it is now. */
    size_t kept = target[0] == '/' ? 0 : strlen(path) + 1;
    size_t behind_it = strlen(rest);
    if (kept + (size_t)length + behind_it + 1 > size)
        return -ENAMETOOLONG;
    if (kept)
        path[kept - 1] = '/';
    memcpy(path + kept, target, (size_t)length);
    memcpy(path + kept + length, rest, behind_it + 1);
    return 0;
}

/*
 * Makes the missing parts, component by component, each below the one before. Returns 1 when a link
 * to nothing was met and path has become another one, to be gone through anew.
 */
static int make_missing(int root, char *path, size_t size, bool is_file)
{
    char rest[PATH_MAX];

    for (char *end = path + 1;; end++) {
        if (*end != '/' && *end != '\0')
            continue;
        bool is_last = *end == '\0';
        strcpy(rest, end);
        *end = '\0';
        _cleanup_later_ int found = open_in_root(root, path, O_PATH, 0);
        if (found < 0) {
            if (found != -ENOENT)
                return found;
            char *slash = strrchr(path, '/');
            *slash = '\0';
            _cleanup_later_ int parent =
                open_in_root(root, *path ? path : "/", O_PATH | O_DIRECTORY, 0);
            if (parent < 0)
                return parent;
            int r = make_entry(parent, slash + 1, is_file && is_last);
            if (r < 0)
                return r;
            r = follow_link(parent, slash + 1, rest, path, size);
            if (r != -ENOENT)
                return r < 0 ? r : 1;
            *slash = '/';
        }
        if (is_last)
            return 0;
        *end = '/';
    }
}

static int make_target(int root, const char *path, bool is_file)
{
    char buffer[PATH_MAX];

    if (strlen(path) + 2 > sizeof(buffer))
        return -ENAMETOOLONG;
    buffer[0] = '/';
    strcpy(buffer + 1, path + strspn(path, "/"));
    size_t length = strlen(buffer);
    while (length > 1 && buffer[length - 1] == '/')
        buffer[--length] = '\0';
    for (int i = 0; i < LINKS_MAX; i++) {
        int r = make_missing(root, buffer, sizeof(buffer), is_file);
        if (r <= 0)
            return r;
    }
    return -ELOOP;
}

/* ---- opening ---- */

/* A link of the image has led us here: neither into a file system of the kernel nor to the root. */
static int check_linked(int root, int target)
{
    struct statfs fs;
    struct stat ours, found;

    if (fstatfs(target, &fs) < 0 || fstat(root, &ours) < 0 || fstat(target, &found) < 0)
        return -errno;
    if (fs.f_type == PROC_SUPER_MAGIC || fs.f_type == SYSFS_MAGIC)
        return -EXDEV;
    return ours.st_dev == found.st_dev && ours.st_ino == found.st_ino ? -EBUSY : 0;
}

static int open_or_make(int root, const char *path, bool is_file, bool *was_missing,
                        int (*open_it)(int, const char *, int, mode_t))
{
    int flags = O_PATH | (is_file ? 0 : O_DIRECTORY);
    int fd = open_it(root, path, flags, 0);

    if (fd != -ENOENT)
        return fd;
    if (was_missing)
        *was_missing = true;
    int r = make_target(root, path, is_file);
    return r < 0 ? r : open_it(root, path, flags, 0);
}

int init_open_target(int root, const char *path, bool is_file, bool may_follow, bool *was_missing)
{
    bool is_plain = !mounts_path_climbs(path);
    int fd = is_plain || !may_follow
                 ? open_or_make(root, path, is_file, was_missing, open_in_root_nofollow)
                 : -ELOOP;

    if (fd != -ELOOP || !may_follow)
        return fd;
    _cleanup_later_ int found = open_or_make(root, path, is_file, was_missing, open_in_root);
    int r = found < 0 ? found : check_linked(root, found);
    return r < 0 ? r : steal_fd(&found);
}

int init_ensure_directory(const struct plan *plan, const char *path)
{
    _cleanup_later_ int fd = init_open_target(plan->root_fd, path, false, true, NULL);

    return fd < 0 ? fd : 0;
}
