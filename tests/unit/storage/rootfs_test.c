/* SPDX-License-Identifier: Apache-2.0 */

/* What mounting and unmounting leave behind, whatever the image. Run as root. */

#include "tests/unit/storage/stage.h"

static void test_can_be_cloned(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        if (i == 1)
            use_image();
        mount_it();
        _cleanup_close_ int fd = open(rootfs.path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        _cleanup_close_ int clone = mount_clone(fd, 1);
        assert_ok(clone);
        assert_int_equal(faccessat(clone, "etc/hostname", F_OK, 0), 0);
        assert_ok(rootfs_unmount(request.directory, &error));
    }
}

static void test_unmount_leaves_what_is_not_ours(void **state)
{
    (void)state;
    make_file("c/state.json", "{}");
    assert_ok(rootfs_unmount(request.directory, &error));
    mount_it();
    assert_int_equal(count_mounts(), 1);
    assert_ok(rootfs_unmount(request.directory, &error));
    assert_ok(rootfs_unmount(request.directory, &error));
    assert_int_equal(count_mounts(), 0);
    assert_int_equal(count_entries("c"), 1);
    assert_text("c/state.json", "{}");
    assert_int_equal(rootfs_unmount("/nowhere", &error), -ENOENT);
}

/* A start that died half way, and another on top of it. */
static void test_leftovers_of_a_crash(void **state)
{
    (void)state;
    use_image();
    request.is_read_only = false;
    mount_it();
    assert_ok(mount(at("image"), at("c/lower"), NULL, MS_BIND, NULL));
    assert_ok(mount("tmpfs", at("c/rootfs"), "tmpfs", 0, NULL));
    assert_ok(mount("tmpfs", at("c/layers"), "tmpfs", 0, NULL));
    make_file("c/layers/stale", "");
    assert_int_equal(count_mounts(), 4);
    mount_it();
    assert_text("c/rootfs/srv/page", "hello");
    assert_int_equal(count_mounts(), 1);
    assert_ok(rootfs_unmount(request.directory, &error));
    assert_clean();
    /* What was mounted on "lower" was not taken for our own. */
    assert_text("image/srv/page", "hello");
}

static void test_directory_with_odd_letters(void **state)
{
    (void)state;
    use_image();
    make_directory("c/a,b:c\\d");
    free((char *)request.directory);
    request.directory = strdup(at("c/a,b:c\\d"));
    request.is_read_only = false;
    mount_it();
    assert_int_equal(run_inside(change_image), 0);
    assert_ok(rootfs_unmount(request.directory, &error));
    assert_int_equal(count_entries("c/a,b:c\\d"), 0);
}

static void test_bad_host_name(void **state)
{
    (void)state;
    request.hostname = "a\n10.0.0.1 bank.example";
    assert_int_equal(rootfs_mount(&request, &rootfs, &error), -EINVAL);
    assert_message(&error, "is not a host name");
    assert_clean();
}

static void test_no_descriptor_is_left(void **state)
{
    (void)state;
    int before = dup(0);
    close(before);
    for (int i = 0; i < 3; i++) {
        mount_it();
        assert_ok(rootfs_unmount(request.directory, &error));
    }
    use_image();
    mount_it();
    assert_ok(rootfs_unmount(request.directory, &error));
    points[0] = "/srv/page";
    assert_int_equal(rootfs_mount(&request, &rootfs, &error), -ENOTDIR);
    int after = dup(0);
    close(after);
    assert_int_equal(after, before);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_can_be_cloned),        TEST(test_unmount_leaves_what_is_not_ours),
        TEST(test_leftovers_of_a_crash), TEST(test_directory_with_odd_letters),
        TEST(test_bad_host_name),        TEST(test_no_descriptor_is_left),
    };

    return cmocka_run_group_tests(tests, own_mounts, NULL);
}
