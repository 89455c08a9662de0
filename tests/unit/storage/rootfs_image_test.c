/* SPDX-License-Identifier: Apache-2.0 */

/* A directory as image. Run as root. */

#include "tests/unit/storage/stage.h"

static int look_at_image(void)
{
    struct stat st;

    if (stat("/srv/page", &st) < 0 || st.st_uid != 33 || st.st_gid != 33)
        return 1;
    if (stat("/srv", &st) < 0 || st.st_uid != 0 || stat("/", &st) < 0 || st.st_uid != 0)
        return 2;
    if (open("/srv/secret", O_RDONLY) < 0) /* root inside owns root's files */
        return 3;
    if (open("/srv/page", O_WRONLY) >= 0 || errno != EROFS)
        return 4;
    if (mkdir("/new", 0755) == 0 || errno != EROFS)
        return 5;
    return 0;
}

static void test_image_is_seen_with_its_ids(void **state)
{
    struct statvfs fs;

    (void)state;
    use_image();
    mount_it();
    assert_int_equal(rootfs.bind_count, 0);
    assert_int_equal(run_inside(look_at_image), 0);
    assert_owner("c/rootfs/srv/page", S_IFREG | 0644, ID_BASE + 33);
    assert_text("c/rootfs/srv/page", "hello");
    assert_text("c/rootfs/etc/hostname", "blog-web\n");
    assert_ok(statvfs(rootfs.path, &fs));
    assert_int_equal(fs.f_flag & (ST_RDONLY | ST_NOSUID | ST_NODEV),
                     ST_RDONLY | ST_NOSUID | ST_NODEV);
    /* The image itself is as it was. */
    assert_int_equal(count_entries("image"), 3);
    assert_int_equal(count_entries("image/etc"), 1);
    assert_owner("image/srv", S_IFDIR | 0755, 0);
    assert_int_equal(count_mounts(), 1);
}

static void check_writable(void)
{
    request.is_read_only = false;
    mount_it();
    assert_int_equal(run_inside(change_image), 0);
    assert_text("c/rootfs/srv/page", "changed");
    assert_owner("c/rootfs/srv/page", S_IFREG | 0644, ID_BASE + 77);
    assert_text("image/srv/page", "hello");
    assert_text("image/srv/secret", "of root");
    assert_int_equal(count_entries("image"), 3);
    assert_ok(rootfs_unmount(request.directory, &error));
    assert_int_equal(count_entries("c"), 0);
    /* The next start begins anew. */
    mount_it();
    assert_text("c/rootfs/srv/page", "hello");
    assert_int_equal(faccessat(scratch_fd, "c/rootfs/new", F_OK, 0), -1);
}

static void test_image_writable_when_asked(void **state)
{
    (void)state;
    use_image();
    check_writable();
}

static void test_writable_layer_in_memory_is_bounded(void **state)
{
    struct statvfs fs;

    (void)state;
    use_image();
    assert_ok(mount("tmpfs", request.directory, "tmpfs", 0, NULL));
    check_writable();
    assert_ok(statvfs(rootfs.path, &fs));
    assert_true(fs.f_blocks * fs.f_frsize <= 256 * 1024 * 1024);
    assert_ok(rootfs_unmount(request.directory, &error));
    assert_ok(umount(request.directory));
}

static void test_image_mount_points(void **state)
{
    (void)state;
    use_image();
    make_directory("image/var");
    make_link("image/www", "/var/sites");
    make_directory("image/var/sites");
    make_file("image/var/sites/there", "");
    points[0] = "/www/html";
    points[1] = "/data/x";
    points[2] = "/srv/page";
    files[2] = true;
    points[3] = "/srv/socket";
    files[3] = true;
    mount_it();
    assert_owner("c/rootfs/var/sites/html", S_IFDIR | 0755, ID_BASE);
    assert_owner("c/rootfs/data/x", S_IFDIR | 0755, ID_BASE);
    assert_owner("c/rootfs/srv/socket", S_IFREG | 0644, ID_BASE);
    /* What the image has beside them is still there. */
    assert_int_equal(faccessat(scratch_fd, "c/rootfs/var/sites/there", F_OK, 0), 0);
    assert_text("c/rootfs/srv/page", "hello");
    assert_int_equal(count_entries("image/var/sites"), 1);
}

static void test_empty_image(void **state)
{
    (void)state;
    request.image_path = strdup(at("image"));
    mount_it();
    assert_owner("c/rootfs/proc", S_IFDIR | 0555, ID_BASE);
    assert_owner("c/rootfs/dev", S_IFDIR | 0755, ID_BASE);
    assert_int_equal(count_entries("image"), 0);
}

/* Everything that we write to is a trap that leads to a place outside. */
static void test_hostile_image(void **state)
{
    char outside[PATH_MAX];

    (void)state;
    make_directory("outside");
    make_file("outside/canary", "untouched");
    snprintf(outside, sizeof(outside), "../../../../../../../..%s", at("outside"));
    request.image_path = strdup(at("image"));
    make_link("image/etc", at("outside"));
    make_link("image/dev", outside);
    make_link("image/tmp", "/proc/self/root/tmp");
    make_file("image/proc", "a file");
    assert_ok(mkfifoat(scratch_fd, "image/run", 0666));
    make_link("image/var", "../../../../../../../../place");
    make_directory("image/place");
    make_link("image/up", "../../..");
    points[0] = "/var/www";
    points[1] = "/up/in-root";
    mount_it();
    assert_owner("c/rootfs/place/www", S_IFDIR | 0755, ID_BASE);
    assert_owner("c/rootfs/etc", S_IFDIR | 0755, ID_BASE);
    assert_owner("c/rootfs/dev", S_IFDIR | 0755, ID_BASE);
    assert_owner("c/rootfs/tmp", S_IFDIR | 01777, ID_BASE);
    assert_owner("c/rootfs/proc", S_IFDIR | 0555, ID_BASE);
    assert_owner("c/rootfs/run", S_IFDIR | 0755, ID_BASE);
    assert_text("c/rootfs/etc/hostname", "blog-web\n");
    assert_owner("c/rootfs/in-root", S_IFDIR | 0755, ID_BASE);
    assert_int_equal(count_entries("outside"), 1);
    assert_text("outside/canary", "untouched");
    assert_owner("outside", S_IFDIR | 0755, 0);
}

static void test_hostile_etc_files(void **state)
{
    (void)state;
    use_image();
    make_directory("outside");
    make_file("outside/canary", "untouched");
    make_link("image/etc/resolv.conf", at("outside/canary"));
    make_link("image/etc/hostname", "/nowhere/at/all");
    assert_ok(mkfifoat(scratch_fd, "image/etc/hosts", 0666));
    alarm(20);
    mount_it();
    alarm(0);
    assert_text("c/rootfs/etc/hostname", "blog-web\n");
    assert_owner("c/rootfs/etc/resolv.conf", S_IFREG | 0644, ID_BASE);
    assert_owner("c/rootfs/etc/hosts", S_IFREG | 0644, ID_BASE);
    assert_text("outside/canary", "untouched");
}

static void test_image_mount_points_that_cannot_be(void **state)
{
    static const struct {
        const char *path;
        bool is_file;
        int code;
        const char *message;
    } cases[] = {
        {"/srv/page/x", false, -ENOTDIR, "in the image, /srv/page is no directory"},
        {"/srv/page", false, -ENOTDIR, "the image has a file there"},
        {"/srv", true, -EISDIR, "the image has a directory there"},
        {"/dangling", false, -ELOOP, "the image has a link at /dangling that leads nowhere"},
        {"/outside/x", false, -ELOOP, "the image has a link at /outside that leads nowhere"},
        {"/loop/x", false, -ELOOP, "/loop"},
    };

    (void)state;
    use_image();
    make_link("image/dangling", "/nowhere");
    make_link("image/loop", "loop");
    make_link("image/outside", "../c");
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

static int open_device(void)
{
    int fd = open("/srv/null", O_RDWR);

    return fd >= 0 || errno != EACCES;
}

static void test_device_nodes_of_an_image_are_dead(void **state)
{
    (void)state;
    use_image();
    assert_ok(mknodat(scratch_fd, "image/srv/null", S_IFCHR | 0666, makedev(1, 3)));
    assert_ok(chmod(at("image/srv/null"), 0666));
    mount_it();
    assert_int_equal(run_inside(open_device), 0);
}

static void test_images_that_are_not(void **state)
{
    static const struct {
        const char *path;
        int code;
        const char *message;
    } cases[] = {
        {"/nowhere/image", -ENOENT, "image directory /nowhere/image does not exist"},
        {"/etc/passwd", -ENOTDIR, "image /etc/passwd is not a directory"},
        {"/", -EINVAL, "is the host's own root; write \"image: host\""},
        {"/usr/..", -EINVAL, "is the host's own root"},
        {"/proc/fs", -EINVAL, "its file system (proc) takes no idmapped mounts"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        request.image_path = cases[i].path;
        int r = rootfs_mount(&request, &rootfs, &error);
        request.image_path = NULL;
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
        TEST(test_image_is_seen_with_its_ids),
        TEST(test_image_writable_when_asked),
        TEST(test_writable_layer_in_memory_is_bounded),
        TEST(test_image_mount_points),
        TEST(test_empty_image),
        TEST(test_hostile_image),
        TEST(test_hostile_etc_files),
        TEST(test_image_mount_points_that_cannot_be),
        TEST(test_device_nodes_of_an_image_are_dead),
        TEST(test_images_that_are_not),
    };

    return cmocka_run_group_tests(tests, own_mounts, NULL);
}
