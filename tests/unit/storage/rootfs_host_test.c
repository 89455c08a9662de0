/* SPDX-License-Identifier: Apache-2.0 */

/* The host image. Run as root. */

#include "tests/unit/storage/stage.h"

static const struct rootfs_bind *find_bind(const char *target)
{
    for (size_t i = 0; i < rootfs.bind_count; i++)
        if (strcmp(rootfs.binds[i].target, target) == 0)
            return &rootfs.binds[i];
    return NULL;
}

static void test_host_image(void **state)
{
    static const char *const directories[] = {"proc", "sys",     "dev",     "run",     "tmp",
                                              "home", "var/lib", "var/www", "var/log", "etc"};
    char path[128], here[PATH_MAX], there[PATH_MAX];
    struct stat st;

    (void)state;
    mount_it();
    assert_string_equal(rootfs.path, at("c/rootfs"));
    for (size_t i = 0; i < ARRAY_LENGTH(directories); i++) {
        snprintf(path, sizeof(path), "c/rootfs/%s", directories[i]);
        assert_ok(fstatat(scratch_fd, path, &st, AT_SYMLINK_NOFOLLOW));
        assert_true(S_ISDIR(st.st_mode));
        assert_int_equal(st.st_uid, ID_BASE);
        assert_int_equal(st.st_gid, ID_BASE);
    }
    assert_owner("c/rootfs", S_IFDIR | 0755, ID_BASE);
    assert_owner("c/rootfs/tmp", S_IFDIR | 01777, ID_BASE);
    assert_owner("c/rootfs/root", S_IFDIR | 0700, ID_BASE);
    assert_owner("c/rootfs/etc/passwd", S_IFREG | 0644, ID_BASE);
    /* As on this machine, merged or not. */
    ssize_t length = readlink("/bin", here, sizeof(here) - 1);
    if (length > 0) {
        here[length] = '\0';
        length = readlinkat(scratch_fd, "c/rootfs/bin", there, sizeof(there) - 1);
        assert_true(length > 0);
        there[length] = '\0';
        assert_string_equal(there, here);
    } else {
        assert_non_null(find_bind("/bin"));
    }
    assert_non_null(find_bind("/usr"));
    assert_true(find_bind("/usr")->is_exec);
    if (access("/etc/ssl/certs", F_OK) == 0)
        assert_false(find_bind("/etc/ssl/certs")->is_exec);
}

static void test_host_image_etc(void **state)
{
    static const char *const absent[] = {"shadow", "gshadow", "ssh", "sudoers", "ssl/private"};
    char path[128];

    (void)state;
    mount_it();
    assert_text("c/rootfs/etc/hostname", "blog-web\n");
    assert_text("c/rootfs/etc/hosts", "127.0.0.1 localhost\n127.0.1.1 blog-web\n"
                                      "::1 localhost ip6-localhost ip6-loopback\n");
    for (size_t i = 0; i < ARRAY_LENGTH(absent); i++) {
        snprintf(path, sizeof(path), "c/rootfs/etc/%s", absent[i]);
        assert_int_equal(faccessat(scratch_fd, path, F_OK, AT_SYMLINK_NOFOLLOW), -1);
    }
    _cleanup_fclose_ FILE *passwd = fopen(at("c/rootfs/etc/passwd"), "re");
    char line[1024];
    unsigned uid, lines = 0;
    while (fgets(line, sizeof(line), passwd)) {
        assert_int_equal(sscanf(line, "%*[^:]:x:%u:", &uid), 1);
        assert_true(uid < 1000 || uid == 65534);
        lines++;
    }
    assert_true(lines >= 2);
}

static void test_host_image_is_small_and_read_only(void **state)
{
    struct statvfs fs;

    (void)state;
    mount_it();
    assert_ok(statvfs(rootfs.path, &fs));
    assert_true(fs.f_blocks * fs.f_frsize <= 4 * 1024 * 1024);
    assert_int_equal(fs.f_flag & (ST_RDONLY | ST_NOSUID | ST_NODEV | ST_NOEXEC),
                     ST_RDONLY | ST_NOSUID | ST_NODEV | ST_NOEXEC);
    assert_int_equal(openat(scratch_fd, "c/rootfs/etc/new", O_WRONLY | O_CREAT, 0644), -1);
    assert_int_equal(errno, EROFS);
}

static int write_own_root(void)
{
    return mkdir("/srv/mine", 0755) < 0 || open("/etc/motd", O_WRONLY | O_CREAT, 0644) < 0;
}

static void test_host_image_writable_when_asked(void **state)
{
    (void)state;
    request.is_read_only = false;
    mount_it();
    assert_int_equal(run_inside(write_own_root), 0);
    assert_owner("c/rootfs/srv/mine", S_IFDIR | 0755, ID_BASE);
}

static int run_programs(void)
{
    execl(
        "/bin/sh", "sh", "-ec",
        "test \"$(getent passwd 0 | cut -d: -f1)\" = root; test -n \"$(getent hosts localhost)\"\n"
        "test \"$(id -u)\" = 0; test ! -r /etc/shadow; awk 'BEGIN { exit 0 }'\n"
        "test \"$(cat /etc/hostname)\" = blog-web",
        (char *)NULL);
    return 98;
}

/* The programs of the machine run in it, with the binds put where they belong. */
static void test_host_image_runs_programs(void **state)
{
    char target[PATH_MAX];

    (void)state;
    mount_it();
    for (size_t i = 0; i < rootfs.bind_count; i++) {
        snprintf(target, sizeof(target), "%s%s", rootfs.path, rootfs.binds[i].target);
        assert_ok(mount(rootfs.binds[i].source, target, NULL, MS_BIND, NULL));
    }
    int r = run_inside(run_programs);
    for (size_t i = rootfs.bind_count; i > 0; i--) {
        snprintf(target, sizeof(target), "%s%s", rootfs.path, rootfs.binds[i - 1].target);
        assert_ok(umount2(target, MNT_DETACH));
    }
    assert_int_equal(r, 0);
}

static void test_host_image_mount_points(void **state)
{
    (void)state;
    points[0] = "/var/www/html";
    points[1] = "/data/deep/er";
    points[2] = "/etc/app.conf";
    files[2] = true;
    points[3] = "/usr/share"; /* there */
    points[4] = "/bin/sh";    /* there, by way of a link */
    files[4] = true;
    mount_it();
    assert_owner("c/rootfs/var/www/html", S_IFDIR | 0755, ID_BASE);
    assert_owner("c/rootfs/data/deep", S_IFDIR | 0755, ID_BASE);
    assert_owner("c/rootfs/data/deep/er", S_IFDIR | 0755, ID_BASE);
    assert_owner("c/rootfs/etc/app.conf", S_IFREG | 0644, ID_BASE);
    assert_int_equal(count_entries("c/rootfs/usr"), 0);
}

static void test_host_image_mount_points_that_cannot_be(void **state)
{
    static const struct {
        const char *path;
        bool is_file;
        int code;
        const char *message;
    } cases[] = {
        {"/usr/share/no-such", false, -EROFS,
         "mount point /usr/share/no-such: /usr is the host's own and read-only, and has no such "
         "directory; mount it outside of /usr"},
        {"/bin/no-such", true, -EROFS, "has no such file"},
        {"/usr/share", true, -EROFS, "has no such file"},
        {"/usr/share/x/y", true, -EROFS, "/usr is the host's own"},
        {"/etc/passwd", false, -ENOTDIR, "the image has a file there"},
        {"/etc/passwd/x", false, -ENOTDIR, "/etc/passwd is no directory"},
        {"/var/www", true, -EISDIR, "the image has a directory there"},
        {"relative", false, -EINVAL, "not an absolute path"},
        {"", false, -EINVAL, "not an absolute path"},
        {"/", false, -EINVAL, "not an absolute path below /"},
        {"/a/../b", false, -EINVAL, "\"..\""},
        {"/a/./b", false, -EINVAL, "\".\""},
        {"/a//b", false, -EINVAL, "an empty part"},
        {"/a/", false, -EINVAL, "an empty part"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        points[0] = cases[i].path;
        files[0] = cases[i].is_file;
        int r = rootfs_mount(&request, &rootfs, &error);
        if (r != cases[i].code)
            fail_msg("%s: %d %s", cases[i].path, r, r < 0 ? error.message : "");
        assert_message(&error, cases[i].message);
        assert_clean();
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_host_image),
        TEST(test_host_image_etc),
        TEST(test_host_image_is_small_and_read_only),
        TEST(test_host_image_writable_when_asked),
        TEST(test_host_image_runs_programs),
        TEST(test_host_image_mount_points),
        TEST(test_host_image_mount_points_that_cannot_be),
    };

    return cmocka_run_group_tests(tests, own_mounts, NULL);
}
