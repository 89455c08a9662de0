/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/storage/volume.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/cleanup.h"
#include "common/names.h"
#include "supervisor/storage/quota.h"

/* A name with "." in front is never a volume's. */
#define NEW_NAME ".new"

/* As Compose has it (compose-spec.json, "volumes"), but not longer than other names. */
static bool is_volume_name(const char *name)
{
    size_t length = strnlen(name, NAME_MAX_LENGTH + 1);

    return length >= 1 && length <= NAME_MAX_LENGTH && name[0] != '.' && name[0] != '-' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") ==
               length;
}

static int open_level(int parent, const char *name)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    return fd < 0 ? -errno : fd;
}

/* A level above the volumes: root's, 0700, and made so if it is not. */
static int ensure_level(int parent, const char *name, struct error *error)
{
    struct stat st;

    if (mkdirat(parent, name, 0700) < 0 && errno != EEXIST)
        return error_sys(error, errno, "make %s", name);
    _cleanup_close_ int fd = open_level(parent, name);
    if (fd == -ELOOP || fd == -ENOTDIR)
        return error_set(error, ENOTDIR, "%s is not a directory; remove what is there", name);
    if (fd < 0 || fstat(fd, &st) < 0)
        return error_sys(error, fd < 0 ? -fd : errno, "open %s", name);
    if (st.st_uid != 0)
        return error_set(error, EPERM, "%s belongs to user %u; it must be root's", name, st.st_uid);
    if ((st.st_mode & 07777) != 0700 && fchmod(fd, 0700) < 0)
        return error_sys(error, errno, "change the mode of %s", name);
    return steal_fd(&fd);
}

/* Under another name first: with its owner or not at all. */
static int make_volume(int tenant, const char *name, unsigned uid, unsigned gid, uint32_t project)
{
    if (unlinkat(tenant, NEW_NAME, AT_REMOVEDIR) < 0 && errno != ENOENT)
        return -errno;
    if (mkdirat(tenant, NEW_NAME, 0700) < 0)
        return -errno;
    _cleanup_close_ int fd = open_level(tenant, NEW_NAME);
    if (fd < 0)
        return fd;
    if (fchown(fd, uid, gid) < 0 || fchmod(fd, 0755) < 0)
        return -errno;
    /* Where projects are not counted nothing is lost; later it could not be done without a walk. */
    quota_begin_project(fd, project);
    if (renameat2(tenant, NEW_NAME, tenant, name, RENAME_NOREPLACE) < 0)
        return -errno;
    return 0;
}

static int ensure_volume(int tenant, const char *name, unsigned uid, unsigned gid, uint32_t project,
                         struct error *error)
{
    _cleanup_close_ int fd = open_level(tenant, name);

    if (fd >= 0)
        return 0;
    if (fd == -ELOOP || fd == -ENOTDIR)
        return error_set(error, ENOTDIR, "it is not a directory; remove what is there");
    int r = fd == -ENOENT ? make_volume(tenant, name, uid, gid, project) : fd;
    return r < 0 ? error_sys(error, -r, "make it") : 0;
}

int volume_ensure(const char *data, const char *tenant, const char *name, unsigned uid,
                  unsigned gid, uint32_t project, char *path, struct error *error)
{
    int r = name_check("tenant", tenant, error);

    if (r < 0)
        return r;
    if (!is_volume_name(name))
        return error_set(
            error, EINVAL,
            "\"%.80s\" is not a volume name; write 1 to %d of letters, digits, '_', '.' "
            "and '-', with none of '.' and '-' in front",
            name, NAME_MAX_LENGTH);
    if (snprintf(path, PATH_MAX, "%s/volumes/%s/%s", data, tenant, name) >= PATH_MAX)
        return error_set(error, ENAMETOOLONG, "volume %s of %s: path too long", name, tenant);
    _cleanup_close_ int top = open(data, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (top < 0)
        return error_sys(error, errno, "open %s", data);
    _cleanup_close_ int volumes = ensure_level(top, "volumes", error);
    if (volumes < 0)
        return error_wrap(error, "%s", data);
    _cleanup_close_ int owner = ensure_level(volumes, tenant, error);
    if (owner < 0)
        return error_wrap(error, "%s/volumes", data);
    r = ensure_volume(owner, name, uid, gid, project, error);
    return r < 0 ? error_wrap(error, "volume %s", path) : 0;
}
