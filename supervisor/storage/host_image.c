/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/storage/host_image.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/cleanup.h"
#include "supervisor/storage/host_file.h"
#include "supervisor/sys/openat2.h"

/* Besides those of skeleton_base(). */
static const struct {
    const char *path;
    mode_t mode;
} directories[] = {
    {"usr", 0755},       {"etc/ssl", 0755}, {"home", 0755},      {"root", 0700},
    {"srv", 0755},       {"opt", 0755},     {"mnt", 0755},       {"var", 0755},
    {"var/cache", 0755}, {"var/lib", 0755}, {"var/local", 0755}, {"var/log", 0755},
    {"var/mail", 0755},  {"var/opt", 0755}, {"var/spool", 0755}, {"var/tmp", 01777},
    {"var/www", 0755},
};

/* Filesystem Hierarchy Standard 3.0, 5.13 and 5.9; proc(5) for mtab. */
static const struct {
    const char *path, *target;
} links[] = {
    {"var/run", "/run"},
    {"var/lock", "/run/lock"},
    {"etc/mtab", "../proc/self/mounts"},
    {"etc/os-release", "../usr/lib/os-release"},
};

/* Copied where the host has them: public, small, and read by libc, OpenSSL or many programs. */
static const char *const copies[] = {
    "etc/ld.so.cache", "etc/ld.so.conf", "etc/host.conf",      "etc/gai.conf",
    "etc/protocols",   "etc/services",   "etc/networks",       "etc/shells",
    "etc/timezone",    "etc/localtime",  "etc/debian_version", "etc/ssl/openssl.cnf",
};

/* Merged into /usr or not, as on the host (Debian: usrmerge). */
static const char *const program_directories[] = {"bin", "sbin", "lib", "lib32", "lib64", "libx32"};

/* Directories of /etc that programs of /usr lead to; readable by everybody on the host. */
static const char *const etc_binds[] = {"/etc/alternatives", "/etc/ssl/certs", "/etc/php",
                                        "/etc/mysql"};

/* No db, no systemd, no network directory: what needs a daemon of the host cannot be asked inside.
 */
static const char nsswitch[] = "passwd: files\n"
                               "group: files\n"
                               "shadow: files\n"
                               "hosts: files dns\n"
                               "networks: files\n"
                               "protocols: files\n"
                               "services: files\n"
                               "ethers: files\n"
                               "rpc: files\n";

static int add_bind(struct rootfs *rootfs, const char *path, bool is_exec, struct error *error)
{
    if (rootfs->bind_count == ROOTFS_BINDS_MAX)
        return error_set(error, E2BIG, "host image: more than %d binds", ROOTFS_BINDS_MAX);
    struct rootfs_bind *bind = &rootfs->binds[rootfs->bind_count++];
    snprintf(bind->source, sizeof(bind->source), "%s", path);
    snprintf(bind->target, sizeof(bind->target), "%s", path);
    bind->is_exec = is_exec;
    return 0;
}

static int add_program_directories(const struct skeleton *skeleton, struct rootfs *rootfs,
                                   struct error *error)
{
    char path[32], target[PATH_MAX];
    struct stat st;
    int r = add_bind(rootfs, "/usr", true, error);

    for (size_t i = 0; r == 0 && i < ARRAY_LENGTH(program_directories); i++) {
        const char *name = program_directories[i];
        snprintf(path, sizeof(path), "/%s", name);
        if (lstat(path, &st) < 0)
            continue;
        if (S_ISDIR(st.st_mode)) {
            r = skeleton_directory(skeleton, name, 0755, error);
            if (r == 0)
                r = add_bind(rootfs, path, true, error);
            continue;
        }
        ssize_t length = S_ISLNK(st.st_mode) ? readlink(path, target, sizeof(target) - 1) : 0;
        if (length <= 0)
            continue;
        target[length] = '\0';
        r = skeleton_link(skeleton, name, target, error);
    }
    return r;
}

static int add_etc_binds(const struct skeleton *skeleton, struct rootfs *rootfs,
                         struct error *error)
{
    struct stat st;
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_LENGTH(etc_binds); i++) {
        if (lstat(etc_binds[i], &st) < 0 || !S_ISDIR(st.st_mode))
            continue;
        r = skeleton_directory(skeleton, etc_binds[i] + 1, 0755, error);
        if (r == 0)
            r = add_bind(rootfs, etc_binds[i], false, error);
    }
    return r;
}

static int copy_files(const struct skeleton *skeleton, struct error *error)
{
    char path[64], target[PATH_MAX];
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_LENGTH(copies); i++) {
        _cleanup_free_ char *text = NULL;
        size_t size;
        snprintf(path, sizeof(path), "/%s", copies[i]);
        /* localtime is a link whose name says the zone. */
        ssize_t length = readlink(path, target, sizeof(target) - 1);
        if (length > 0) {
            target[length] = '\0';
            r = skeleton_link(skeleton, copies[i], target, error);
        } else if (host_file_read(path, &text, &size) == 0) {
            r = skeleton_file(skeleton, copies[i], text, size, error);
        }
    }
    return r;
}

static int add_accounts(const struct skeleton *skeleton, struct error *error)
{
    _cleanup_free_ char *passwd = NULL, *group = NULL;
    size_t size;
    int r = host_file_read("/etc/passwd", &passwd, &size);

    if (r == 0)
        r = host_file_read("/etc/group", &group, &size);
    if (r < 0)
        return error_sys(error, -r, "host image: read /etc/passwd and /etc/group");
    _cleanup_free_ char *users = host_accounts_users(passwd);
    _cleanup_free_ char *groups = users ? host_accounts_groups(group, users) : NULL;
    if (!groups)
        return error_sys(error, ENOMEM, "host image");
    r = skeleton_file(skeleton, "etc/passwd", users, strlen(users), error);
    return r < 0 ? r : skeleton_file(skeleton, "etc/group", groups, strlen(groups), error);
}

int host_image_fill(const struct skeleton *skeleton, struct rootfs *rootfs, struct error *error)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_LENGTH(directories); i++)
        r = skeleton_directory(skeleton, directories[i].path, directories[i].mode, error);
    for (size_t i = 0; r == 0 && i < ARRAY_LENGTH(links); i++)
        r = skeleton_link(skeleton, links[i].path, links[i].target, error);
    if (r == 0)
        r = copy_files(skeleton, error);
    if (r == 0)
        r = add_accounts(skeleton, error);
    if (r == 0)
        r = skeleton_file(skeleton, "etc/nsswitch.conf", nsswitch, strlen(nsswitch), error);
    if (r == 0)
        r = add_program_directories(skeleton, rootfs, error);
    return r < 0 ? r : add_etc_binds(skeleton, rootfs, error);
}

/* The bind that the path lies in (not: is), or NULL. Links of the root are read: bin/x is
 * usr/bin/x. */
static const struct rootfs_bind *find_bind(const struct rootfs *rootfs, const char *path)
{
    for (size_t i = 0; i < rootfs->bind_count; i++) {
        size_t length = strlen(rootfs->binds[i].target);
        if (strncmp(path, rootfs->binds[i].target, length) == 0 && path[length] == '/')
            return &rootfs->binds[i];
    }
    return NULL;
}

/* Puts "/usr/bin" for a leading "/bin" where the host has a link. */
static void follow_program_link(const char *path, char *followed, size_t size)
{
    char target[PATH_MAX];

    snprintf(followed, size, "%s", path);
    for (size_t i = 0; i < ARRAY_LENGTH(program_directories); i++) {
        char name[32];
        size_t length = (size_t)snprintf(name, sizeof(name), "/%s", program_directories[i]);
        if (strncmp(path, name, length) != 0 || path[length] != '/')
            continue;
        ssize_t got = readlink(name, target, sizeof(target) - 1);
        if (got <= 0)
            return;
        target[got] = '\0';
        snprintf(followed, size, "%s%s%s", target[0] == '/' ? "" : "/", target, path + length);
        return;
    }
}

int host_image_has_mount_point(const struct rootfs *rootfs, const char *path, bool is_file,
                               struct error *error)
{
    char followed[2 * PATH_MAX];
    struct stat st;

    follow_program_link(path, followed, sizeof(followed));
    const struct rootfs_bind *bind = find_bind(rootfs, followed);
    if (!bind)
        return 0;
    _cleanup_close_ int source = open(bind->source, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (source < 0)
        return error_sys(error, errno, "host image: open %s", bind->source);
    _cleanup_close_ int fd = open_beneath(source, followed + strlen(bind->target) + 1, O_PATH, 0);
    if (fd >= 0 && fstat(fd, &st) == 0 && is_file != S_ISDIR(st.st_mode))
        return 1;
    return error_set(
        error, EROFS,
        "mount point %s: %s is the host's own and read-only, and has no such %s; mount "
        "it outside of %s",
        path, bind->target, is_file ? "file" : "directory", bind->target);
}
