/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/storage/rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "common/cleanup.h"
#include "supervisor/storage/host_image.h"
#include "supervisor/storage/skeleton.h"
#include "supervisor/storage/tree.h"
#include "supervisor/sys/mount.h"
#include "supervisor/sys/openat2.h"
#include "supervisor/sys/userns.h"

/* Of a generated root, of the mount points of a read-only one, and of what a container may write.
 */
#define HOST_IMAGE_SIZE "size=4m,nr_inodes=4k"
#define SKELETON_SIZE   "size=1m,nr_inodes=4k"
#define WRITABLE_SIZE   "size=256m,nr_inodes=64k"

#define IDS_PER_CONTAINER 65536
#define STACKED_MAX       16 /* mounts on one another, left by crashes */

/* All that is ever below request->directory; unmounted in this order. */
static const char *const places[] = {"rootfs", "lower", "layers"};

/* Without a program to start in it, a file of the image can be neither device nor setuid door. */
#define SAFE_ATTRIBUTES (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)

static int open_directory_at(int directory, const char *name)
{
    int fd = openat(directory, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    return fd < 0 ? -errno : fd;
}

/* Makes the directory of that name and opens it. */
static int make_place(int directory, const char *name, struct error *error)
{
    if (mkdirat(directory, name, 0700) < 0)
        return error_sys(error, errno, "make %s", name);
    int fd = open_directory_at(directory, name);
    return fd < 0 ? error_sys(error, -fd, "open %s", name) : fd;
}

/* ---- unmounting ---- */

static bool is_mount_root(int fd)
{
    struct statx st;

    return statx(fd, "", AT_EMPTY_PATH, 0, &st) == 0 &&
           (st.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

static int unmount_place(int directory, const char *name)
{
    char path[64];

    for (unsigned i = 0; i < STACKED_MAX; i++) {
        _cleanup_close_ int fd = open_directory_at(directory, name);
        if (fd == -ENOENT)
            return 0;
        if (fd < 0)
            return fd;
        if (!is_mount_root(fd))
            return 0;
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        /* Lazily: our own descriptor counts as a user. */
        if (umount2(path, MNT_DETACH) < 0)
            return -errno;
    }
    return -EBUSY;
}

static int release(int directory, struct error *error)
{
    for (size_t i = 0; i < ARRAY_LENGTH(places); i++) {
        int r = unmount_place(directory, places[i]);
        if (r < 0)
            return error_sys(error, -r, "unmount %s", places[i]);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(places); i++) {
        int r = tree_remove(directory, places[i]);
        if (r < 0)
            return error_sys(error, -r, "remove %s", places[i]);
    }
    return 0;
}

static int open_request_directory(const char *path, struct error *error)
{
    int fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    return fd < 0 ? error_sys(error, errno, "open %s", path) : fd;
}

int rootfs_unmount(const char *directory, struct error *error)
{
    _cleanup_close_ int fd = open_request_directory(directory, error);

    if (fd < 0)
        return fd;
    int r = release(fd, error);
    return r < 0 ? error_wrap(error, "%s", directory) : 0;
}

/* ---- mount points ---- */

/* Absolute, and without the parts that would make a comparison of paths a lie. */
static int check_mount_point(const char *path, struct error *error)
{
    const char *part = path;

    if (path[0] != '/' || path[1] == '\0' || strlen(path) >= PATH_MAX)
        return error_set(error, EINVAL, "mount point \"%.200s\" is not an absolute path below /",
                         path);
    while (*part) {
        size_t length = strcspn(++part, "/");
        if (length == 0 || (length == 1 && part[0] == '.') ||
            (length == 2 && part[0] == '.' && part[1] == '.'))
            return error_set(error, EINVAL,
                             "mount point \"%.200s\" has an empty part, \".\" or \"..\"; write it "
                             "without",
                             path);
        part += length;
    }
    return 0;
}

static int make_mount_points(const struct rootfs_request *request, const struct rootfs *rootfs,
                             const struct skeleton *skeleton, struct error *error)
{
    for (size_t i = 0; request->mount_points && request->mount_points[i]; i++) {
        const char *path = request->mount_points[i];
        bool is_file = request->is_file && request->is_file[i];
        int r = check_mount_point(path, error);
        if (r == 0)
            r = host_image_has_mount_point(rootfs, path, is_file, error);
        if (r == 0)
            r = skeleton_mount_point(skeleton, path, is_file, error);
        if (r < 0)
            return r;
    }
    return 0;
}

/* ---- the host image ---- */

static int mount_host_image(const struct rootfs_request *request, int place, struct error *error)
{
    char options[128];
    uint64_t attributes = SAFE_ATTRIBUTES | (request->is_read_only ? MOUNT_ATTR_NOEXEC : 0);

    snprintf(options, sizeof(options), "mode=755,uid=%u,gid=%u,%s", request->id_base,
             request->id_base, request->is_read_only ? HOST_IMAGE_SIZE : WRITABLE_SIZE);
    _cleanup_close_ int mount = mount_new("tmpfs", "rootfs", options, attributes);
    int r = mount < 0 ? mount : mount_attach(mount, place);
    return r < 0 ? error_sys(error, -r, "mount a tmpfs as root") : 0;
}

/* ---- a directory as image ---- */

/* The type of the file system that fd is on, as /proc/self/mountinfo names it (proc(5)). */
static void file_system_type(int fd, char *type, size_t size)
{
    _cleanup_fclose_ FILE *file = fopen("/proc/self/mountinfo", "re");
    _cleanup_free_ char *line = NULL;
    size_t capacity = 0;
    struct statx st;
    unsigned long long id;

    snprintf(type, size, "unknown");
    if (!file || statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &st) < 0)
        return;
    while (getline(&line, &capacity, file) > 0) {
        char *dash = strstr(line, " - ");
        if (!dash || sscanf(line, "%llu", &id) != 1 || id != st.stx_mnt_id)
            continue;
        snprintf(type, size, "%.*s", (int)strcspn(dash + 3, " "), dash + 3);
        return;
    }
}

static int open_image(const char *path, struct error *error)
{
    _cleanup_close_ int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct stat st, root;

    if (fd < 0 && errno == ENOENT)
        return error_set(error, ENOENT, "image directory %s does not exist", path);
    if (fd < 0 && errno == ENOTDIR)
        return error_set(error, ENOTDIR, "image %s is not a directory", path);
    if (fd < 0 || fstat(fd, &st) < 0 || stat("/", &root) < 0)
        return error_sys(error, errno, "image directory %s", path);
    /* Idmapped, the host's root would be the container's: it could read every file. */
    if (st.st_dev == root.st_dev && st.st_ino == root.st_ino)
        return error_set(error, EINVAL,
                         "image directory %s is the host's own root; write \"image: host\"", path);
    return steal_fd(&fd);
}

/* A copy of the image's mount with ids mapped to the container's range. Linux 6.1 wants it
 * attached. */
static int mount_lower(const struct rootfs_request *request, int place, struct error *error)
{
    const struct id_range range = {
        .inside = 0, .outside = request->id_base, .count = IDS_PER_CONTAINER};
    _cleanup_close_ int image = open_image(request->image_path, error);
    char type[32];

    if (image < 0)
        return image;
    _cleanup_close_ int userns = userns_create(&range, 1, &range, 1);
    if (userns < 0)
        return error_sys(error, -userns, "make a user namespace to map the image by");
    _cleanup_close_ int clone = mount_clone(image, 0);
    if (clone < 0)
        return error_sys(error, -clone, "copy the mount of %s", request->image_path);
    int r = mount_change(clone, 0, SAFE_ATTRIBUTES | MOUNT_ATTR_RDONLY, 0, MS_PRIVATE, userns);
    if (r == -EINVAL || r == -EPERM || r == -EOPNOTSUPP) {
        file_system_type(image, type, sizeof(type));
        return error_set(
            error, EINVAL,
            "image directory %s: its file system (%s) takes no idmapped mounts here; put "
            "it on ext4, xfs or btrfs",
            request->image_path, type);
    }
    if (r == 0)
        r = mount_attach(clone, place);
    return r < 0 ? error_sys(error, -r, "mount the image %s", request->image_path) : 0;
}

/* Where the upper layer is: memory if it will be read-only or the directory is memory, too. */
static int mount_layers(const struct rootfs_request *request, int directory, struct error *error)
{
    _cleanup_close_ int place = make_place(directory, "layers", error);
    struct statfs fs;

    if (place < 0)
        return place;
    if (fstatfs(place, &fs) < 0)
        return error_sys(error, errno, "%s/layers", request->directory);
    if (request->is_read_only || fs.f_type == TMPFS_MAGIC) {
        const char *options =
            request->is_read_only ? "mode=700," SKELETON_SIZE : "mode=700," WRITABLE_SIZE;
        _cleanup_close_ int mount = mount_new("tmpfs", "layers", options, SAFE_ATTRIBUTES);
        int r = mount < 0 ? mount : mount_attach(mount, place);
        if (r < 0)
            return error_sys(error, -r, "mount a tmpfs for the upper layer");
    }
    _cleanup_close_ int layers = open_directory_at(directory, "layers");
    if (layers < 0)
        return error_sys(error, -layers, "%s/layers", request->directory);
    if (mkdirat(layers, "upper", 0755) < 0 || mkdirat(layers, "work", 0755) < 0 ||
        fchmodat(layers, "upper", 0755, 0) < 0 ||
        fchownat(layers, "upper", request->id_base, request->id_base, AT_SYMLINK_NOFOLLOW) < 0 ||
        fchownat(layers, "work", request->id_base, request->id_base, AT_SYMLINK_NOFOLLOW) < 0)
        return error_sys(error, errno, "make the upper layer");
    return 0;
}

/* Overlay's options end a path at ',' and ':'; a backslash makes them common characters. */
static int escape_path(const char *path, char *escaped, size_t size)
{
    size_t used = 0;

    for (; *path; path++) {
        if (used + 3 > size)
            return -ENAMETOOLONG;
        if (strchr("\\,:", *path))
            escaped[used++] = '\\';
        escaped[used++] = *path;
    }
    escaped[used] = '\0';
    return 0;
}

static int mount_overlay(const struct rootfs_request *request, int place, struct error *error)
{
    char base[1024], options[4000], target[64];

    if (escape_path(request->directory, base, sizeof(base)) < 0)
        return error_set(error, ENAMETOOLONG, "%s: path too long for an overlay",
                         request->directory);
    /*
     * The image may hold xattrs that tell overlayfs to look elsewhere: they are not followed
     * (overlayfs.rst, "Redirects" and "Metadata only copy up").
     */
    snprintf(options, sizeof(options),
             "lowerdir=%1$s/lower,upperdir=%1$s/layers/upper,workdir=%1$s/layers/work,"
             "redirect_dir=nofollow,metacopy=off,index=off",
             base);
    snprintf(target, sizeof(target), "/proc/self/fd/%d", place);
    if (mount("overlay", target, "overlay", MS_NOSUID | MS_NODEV, options) < 0)
        return error_sys(error, errno, "mount an overlay over %s", request->image_path);
    return 0;
}

static int mount_image(const struct rootfs_request *request, int directory, int place,
                       struct error *error)
{
    _cleanup_close_ int lower = make_place(directory, "lower", error);

    if (lower < 0)
        return lower;
    int r = mount_lower(request, lower, error);
    if (r == 0)
        r = mount_layers(request, directory, error);
    if (r == 0)
        r = mount_overlay(request, place, error);
    if (r < 0)
        return r;
    /* The overlay has mounts of its own of both: these would only be in the way. */
    r = unmount_place(directory, "lower");
    if (r == 0)
        r = unmount_place(directory, "layers");
    return r < 0 ? error_sys(error, -r, "unmount the layers") : 0;
}

/* ---- both ---- */

static int fill(const struct rootfs_request *request, int directory, struct rootfs *rootfs,
                struct error *error)
{
    _cleanup_close_ int root = open_directory_at(directory, "rootfs");
    const struct skeleton skeleton = {.root_fd = root, .id_base = request->id_base};

    if (root < 0)
        return error_sys(error, -root, "open %s", rootfs->path);
    int r = skeleton_base(&skeleton, error);
    if (r == 0 && !request->image_path)
        r = host_image_fill(&skeleton, rootfs, error);
    if (r == 0)
        r = skeleton_network_files(&skeleton, request->hostname, error);
    return r < 0 ? r : make_mount_points(request, rootfs, &skeleton, error);
}

/* The file system itself, so that no other mount of it can be written either. */
static int make_read_only(const struct rootfs_request *request, int directory, struct error *error)
{
    _cleanup_close_ int root = open_directory_at(directory, "rootfs");
    unsigned long flags = MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV;
    char path[64];

    if (root < 0)
        return error_sys(error, -root, "open %s/rootfs", request->directory);
    if (!request->image_path)
        flags |= MS_NOEXEC;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", root);
    if (mount(NULL, path, NULL, flags, NULL) < 0)
        return error_sys(error, errno, "make %s/rootfs read-only", request->directory);
    return 0;
}

static int mount_and_fill(const struct rootfs_request *request, int directory,
                          struct rootfs *rootfs, struct error *error)
{
    _cleanup_close_ int place = make_place(directory, "rootfs", error);

    if (place < 0)
        return place;
    int r = request->image_path ? mount_image(request, directory, place, error)
                                : mount_host_image(request, place, error);
    if (r == 0)
        r = fill(request, directory, rootfs, error);
    if (r == 0 && request->is_read_only)
        r = make_read_only(request, directory, error);
    return r;
}

int rootfs_mount(const struct rootfs_request *request, struct rootfs *rootfs, struct error *error)
{
    _cleanup_close_ int directory = open_request_directory(request->directory, error);
    struct rootfs made = {0};

    if (directory < 0)
        return directory;
    if ((size_t)snprintf(made.path, sizeof(made.path), "%s/rootfs", request->directory) >=
        sizeof(made.path))
        return error_set(error, ENAMETOOLONG, "%.200s...: path too long", request->directory);
    mode_t mask = umask(0);
    /* What a crash left of the container's last run. */
    int r = release(directory, error);
    if (r == 0)
        r = mount_and_fill(request, directory, &made, error);
    if (r < 0)
        release(directory, NULL);
    umask(mask);
    if (r == 0)
        *rootfs = made;
    return r;
}
