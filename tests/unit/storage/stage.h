/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_STORAGE_STAGE_H
#define TESTS_UNIT_STORAGE_STAGE_H

/* For tests that mount root file systems for real, in a mount namespace of their own, as root. */

#include "tests/unit/storage/scratch.h"

#include <grp.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "supervisor/storage/rootfs.h"
#include "supervisor/sys/clone.h"
#include "supervisor/sys/mount.h"
#include "supervisor/sys/userns.h"

#define ID_BASE 300000

static struct rootfs rootfs;
static struct error error;
static const char *points[8];
static bool files[8];
static struct rootfs_request request;

static inline int own_mounts(void **state)
{
    (void)state;
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
        fprintf(stderr, "unshare: %s: run as root\n", strerror(errno));
        return -1;
    }
    return 0;
}

static inline int setup(void **state)
{
    if (make_scratch(state) < 0)
        return -1;
    make_directory("c");
    make_directory("image");
    chmod(scratch, 0755);
    memset(&rootfs, 0, sizeof(rootfs));
    memset(points, 0, sizeof(points));
    memset(files, 0, sizeof(files));
    error = (struct error)ERROR_INIT;
    request = (struct rootfs_request){
        .directory = strdup(at("c")),
        .id_base = ID_BASE,
        .hostname = "blog-web",
        .is_read_only = true,
        .mount_points = points,
        .is_file = files,
    };
    return 0;
}

static inline int teardown(void **state)
{
    rootfs_unmount(request.directory, NULL);
    free((char *)request.directory);
    free((char *)request.image_path);
    return remove_scratch(state);
}

static inline void use_image(void)
{
    static const char *const directories[] = {"image/etc", "image/srv", "image/usr"};

    request.image_path = strdup(at("image"));
    for (size_t i = 0; i < ARRAY_LENGTH(directories); i++)
        make_directory(directories[i]);
    make_file("image/etc/passwd", "root:x:0:0::/root:/bin/sh\n");
    make_file("image/srv/page", "hello");
    make_file("image/srv/secret", "of root");
    assert_ok(chmod(at("image/srv/secret"), 0600));
    assert_ok(chown(at("image/srv/page"), 33, 33));
}

static inline void mount_it(void)
{
    int r = rootfs_mount(&request, &rootfs, &error);

    if (r < 0)
        fail_msg("%d: %s", r, error.message);
}

/* How many mounts there are below the scratch directory. */
static inline int count_mounts(void)
{
    _cleanup_fclose_ FILE *file = fopen("/proc/self/mountinfo", "re");
    char line[8192];
    int count = 0;

    while (fgets(line, sizeof(line), file))
        count += strstr(line, scratch) != NULL;
    return count;
}

static inline void assert_clean(void)
{
    assert_int_equal(count_mounts(), 0);
    assert_int_equal(count_entries("c"), 0);
}

static inline void assert_owner(const char *path, mode_t mode, uid_t uid)
{
    struct stat st;

    assert_ok(fstatat(scratch_fd, path, &st, AT_SYMLINK_NOFOLLOW));
    if (st.st_mode != mode || st.st_uid != uid || st.st_gid != uid)
        fail_msg("%s: mode %o, owner %u:%u", path, st.st_mode, st.st_uid, st.st_gid);
}

/*
 * Runs the function as root of a user namespace with the container's ids, with the rootfs as root.
 * What it returns is the process's exit status: 0 for success.
 */
static inline int run_inside(int (*function)(void))
{
    const struct id_range range = {.inside = 0, .outside = ID_BASE, .count = 65536};
    int gate[2], status;
    char byte;

    assert_ok(pipe2(gate, O_CLOEXEC));
    pid_t pid = clone_process(CLONE_NEWUSER, -1, NULL);
    assert_ok(pid);
    if (pid == 0) {
        close(gate[1]);
        if (read(gate[0], &byte, 1) != 1 || setgid(0) < 0 || setuid(0) < 0 ||
            setgroups(0, NULL) < 0 || chroot(rootfs.path) < 0 || chdir("/") < 0)
            _exit(99);
        umask(022);
        alarm(20);
        _exit(function());
    }
    close(gate[0]);
    assert_ok(userns_write_maps(pid, &range, 1, &range, 1));
    assert_int_equal(write(gate[1], "x", 1), 1);
    close(gate[1]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* What a container with a writable root may do to it. */
static inline int change_image(void)
{
    int fd = open("/srv/page", O_WRONLY | O_TRUNC);

    if (fd < 0 || write(fd, "changed", 7) != 7)
        return 1;
    if (unlink("/srv/secret") < 0 || mkdir("/new", 0755) < 0 || mkdir("/new/deep", 0) < 0)
        return 2;
    if (symlink("/etc/shadow", "/new/link") < 0 || chown("/srv/page", 77, 77) < 0)
        return 3;
    return 0;
}

#endif
