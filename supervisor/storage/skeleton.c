/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/storage/skeleton.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "common/cleanup.h"
#include "supervisor/sys/openat2.h"

static const struct {
    const char *path;
    mode_t mode;
} base[] = {
    {"proc", 0555}, {"sys", 0555}, {"dev", 0755}, {"run", 0755}, {"tmp", 01777}, {"etc", 0755},
};

/* Splits off the last component and opens what is before it. */
static int open_parent(const struct skeleton *skeleton, const char *path, const char **name)
{
    char parent[PATH_MAX];
    const char *slash = strrchr(path, '/');

    *name = slash ? slash + 1 : path;
    if (!slash)
        return open_beneath_nofollow(skeleton->root_fd, ".", O_PATH | O_DIRECTORY, 0);
    if ((size_t)(slash - path) >= sizeof(parent))
        return -ENAMETOOLONG;
    memcpy(parent, path, (size_t)(slash - path));
    parent[slash - path] = '\0';
    return open_beneath_nofollow(skeleton->root_fd, parent, O_PATH | O_DIRECTORY, 0);
}

/* Removes a file, a link or an empty directory; what is not there is fine. */
static int clear(int parent, const char *name)
{
    if (unlinkat(parent, name, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno != EISDIR && errno != EPERM)
        return -errno;
    return unlinkat(parent, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

static int make_directory(const struct skeleton *skeleton, int parent, const char *name,
                          mode_t mode)
{
    if (mkdirat(parent, name, 0700) < 0)
        return -errno;
    _cleanup_close_ int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fchown(fd, skeleton->id_base, skeleton->id_base) < 0 || fchmod(fd, mode) < 0)
        return -errno;
    return 0;
}

static int make_file(const struct skeleton *skeleton, int parent, const char *name,
                     const char *text, size_t length)
{
    int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    _cleanup_close_ int fd = openat(parent, name, flags, 0600);

    if (fd < 0)
        return -errno;
    for (size_t done = 0; done < length;) {
        ssize_t written = write(fd, text + done, length - done);
        if (written < 0 && errno != EINTR)
            return -errno;
        done += written > 0 ? (size_t)written : 0;
    }
    if (fchown(fd, skeleton->id_base, skeleton->id_base) < 0 || fchmod(fd, 0644) < 0)
        return -errno;
    return 0;
}

int skeleton_directory(const struct skeleton *skeleton, const char *path, mode_t mode,
                       struct error *error)
{
    const char *name;
    struct stat st;
    _cleanup_close_ int parent = open_parent(skeleton, path, &name);

    if (parent < 0)
        return error_sys(error, -parent, "make /%s", path);
    if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode))
        return 0;
    int r = clear(parent, name);
    if (r == 0)
        r = make_directory(skeleton, parent, name, mode);
    return r < 0 ? error_sys(error, -r, "make /%s", path) : 0;
}

int skeleton_file(const struct skeleton *skeleton, const char *path, const char *text,
                  size_t length, struct error *error)
{
    const char *name;
    _cleanup_close_ int parent = open_parent(skeleton, path, &name);

    if (parent < 0)
        return error_sys(error, -parent, "make /%s", path);
    int r = clear(parent, name);
    if (r == 0)
        r = make_file(skeleton, parent, name, text, length);
    return r < 0 ? error_sys(error, -r, "make /%s", path) : 0;
}

int skeleton_link(const struct skeleton *skeleton, const char *path, const char *target,
                  struct error *error)
{
    const char *name;
    _cleanup_close_ int parent = open_parent(skeleton, path, &name);

    if (parent < 0)
        return error_sys(error, -parent, "make /%s", path);
    int r = clear(parent, name);
    if (r < 0)
        return error_sys(error, -r, "make /%s", path);
    if (symlinkat(target, parent, name) < 0 ||
        fchownat(parent, name, skeleton->id_base, skeleton->id_base, AT_SYMLINK_NOFOLLOW) < 0)
        return error_sys(error, errno, "make /%s", path);
    return 0;
}

/* Goes down one component, which is made if it is missing; `path` ends with it. */
static int step_down(const struct skeleton *skeleton, const char *path, bool is_file)
{
    char parent_path[PATH_MAX];
    const char *slash = strrchr(path, '/');
    int fd = open_in_root(skeleton->root_fd, path, O_PATH, 0);

    if (fd != -ENOENT)
        return fd;
    memcpy(parent_path, path, (size_t)(slash - path) + 1);
    parent_path[slash - path + 1] = '\0';
    _cleanup_close_ int parent =
        open_in_root(skeleton->root_fd, parent_path, O_PATH | O_DIRECTORY, 0);
    if (parent < 0)
        return parent;
    int r = is_file ? make_file(skeleton, parent, slash + 1, "", 0)
                    : make_directory(skeleton, parent, slash + 1, 0755);
    /* There, and yet not: a link to nowhere. */
    if (r < 0)
        return r == -EEXIST ? -ELOOP : r;
    return open_in_root(skeleton->root_fd, path, O_PATH, 0);
}

int skeleton_mount_point(const struct skeleton *skeleton, const char *path, bool is_file,
                         struct error *error)
{
    char prefix[PATH_MAX];
    size_t length = strlen(path);
    struct stat st = {.st_mode = S_IFDIR};

    if (path[0] != '/' || length >= sizeof(prefix))
        return error_set(error, EINVAL, "mount point \"%.200s\" is not an absolute path", path);
    for (size_t end = 1; end <= length; end++) {
        if ((path[end] != '/' && path[end] != '\0') || path[end - 1] == '/')
            continue;
        memcpy(prefix, path, end);
        prefix[end] = '\0';
        _cleanup_close_ int fd = step_down(skeleton, prefix, is_file && end == length);
        if (fd == -ELOOP)
            return error_set(error, ELOOP,
                             "mount point %s: the image has a link at %s that leads nowhere", path,
                             prefix);
        if (fd < 0 || fstat(fd, &st) < 0)
            return error_sys(error, fd < 0 ? -fd : errno, "mount point %s: %s", path, prefix);
        if (end < length && !S_ISDIR(st.st_mode))
            return error_set(error, ENOTDIR, "mount point %s: in the image, %s is no directory",
                             path, prefix);
    }
    if (is_file == S_ISDIR(st.st_mode))
        return error_set(error, is_file ? EISDIR : ENOTDIR,
                         is_file ? "mount point %s: what is mounted is a file, the image has a "
                                   "directory there"
                                 : "mount point %s: what is mounted is a directory, the image has "
                                   "a file there",
                         path);
    return 0;
}

int skeleton_base(const struct skeleton *skeleton, struct error *error)
{
    for (size_t i = 0; i < ARRAY_LENGTH(base); i++) {
        int r = skeleton_directory(skeleton, base[i].path, base[i].mode, error);
        if (r < 0)
            return r;
    }
    return 0;
}
