/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/storage/scratch.h"

#include "supervisor/storage/volume.h"

static char path[PATH_MAX];
static struct error error;

static int ensure(const char *tenant, const char *name)
{
    error = (struct error)ERROR_INIT;
    return volume_ensure(scratch, tenant, name, 33, 34, 7, path, &error);
}

static void assert_mode(const char *name, mode_t mode, uid_t uid, gid_t gid)
{
    struct stat st;

    assert_ok(fstatat(scratch_fd, name, &st, AT_SYMLINK_NOFOLLOW));
    assert_int_equal(st.st_mode, S_IFDIR | mode);
    assert_int_equal(st.st_uid, uid);
    assert_int_equal(st.st_gid, gid);
}

static void test_made_with_its_owner(void **state)
{
    (void)state;
    umask(0777);
    assert_ok(ensure("blog", "uploads"));
    umask(022);
    assert_string_equal(path, at("volumes/blog/uploads"));
    assert_mode("volumes", 0700, 0, 0);
    assert_mode("volumes/blog", 0700, 0, 0);
    assert_mode("volumes/blog/uploads", 0755, 33, 34);
    assert_int_equal(count_entries("volumes/blog"), 1);
}

static void test_existing_stays_as_it_is(void **state)
{
    (void)state;
    assert_ok(ensure("blog", "uploads"));
    make_file("volumes/blog/uploads/photo", "x");
    assert_ok(chown(path, 1, 2));
    assert_ok(chmod(path, 0710));
    assert_ok(ensure("blog", "uploads"));
    assert_mode("volumes/blog/uploads", 0710, 1, 2);
    assert_int_equal(count_entries("volumes/blog/uploads"), 1);
}

static void test_left_by_a_crash(void **state)
{
    (void)state;
    assert_ok(ensure("blog", "a"));
    make_directory("volumes/blog/.new");
    assert_ok(ensure("blog", "b"));
    assert_mode("volumes/blog/b", 0755, 33, 34);
    assert_int_equal(count_entries("volumes/blog"), 2);
}

static void test_levels_are_closed_again(void **state)
{
    (void)state;
    assert_ok(ensure("blog", "a"));
    assert_ok(chmod(at("volumes"), 0755));
    assert_ok(chmod(at("volumes/blog"), 0777));
    assert_ok(ensure("blog", "a"));
    assert_mode("volumes", 0700, 0, 0);
    assert_mode("volumes/blog", 0700, 0, 0);
    assert_ok(chown(at("volumes/blog"), 1000, 1000));
    assert_int_equal(ensure("blog", "a"), -EPERM);
    assert_message(&error, "belongs to user 1000");
}

static void test_links_are_not_followed(void **state)
{
    (void)state;
    make_directory("elsewhere");
    assert_ok(ensure("blog", "a"));
    make_link("volumes/blog/b", at("elsewhere"));
    assert_int_equal(ensure("blog", "b"), -ENOTDIR);
    assert_message(&error, "is not a directory");
    make_link("volumes/shop", at("elsewhere"));
    assert_int_equal(ensure("shop", "a"), -ENOTDIR);
    assert_ok(renameat(scratch_fd, "volumes", scratch_fd, "old"));
    make_link("volumes", at("elsewhere"));
    assert_int_equal(ensure("blog", "a"), -ENOTDIR);
    assert_int_equal(count_entries("elsewhere"), 0);
    assert_mode("elsewhere", 0755, 0, 0);
}

static void test_file_in_the_way(void **state)
{
    (void)state;
    assert_ok(ensure("blog", "a"));
    make_file("volumes/blog/b", "");
    assert_int_equal(ensure("blog", "b"), -ENOTDIR);
}

static void test_bad_names(void **state)
{
    static const char *const names[] = {
        "",     ".",        "..",
        ".new", "-a",       "a/b",
        "/",    "../x",     "a b",
        "a\n",  "\xc3\xa4", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        if (ensure("blog", names[i]) != -EINVAL)
            fail_msg("volume \"%s\" was taken", names[i]);
        if (ensure(names[i], "a") != -EINVAL)
            fail_msg("tenant \"%s\" was taken", names[i]);
    }
    assert_int_equal(count_entries("."), 0);
    assert_ok(ensure("blog", "My_data.v2-x"));
}

static void test_no_data_directory(void **state)
{
    (void)state;
    assert_int_equal(volume_ensure("/nowhere", "blog", "a", 0, 0, 7, path, &error), -ENOENT);
    assert_message(&error, "/nowhere");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_scratch, remove_scratch)
    const struct CMUnitTest tests[] = {
        TEST(test_made_with_its_owner),
        TEST(test_existing_stays_as_it_is),
        TEST(test_left_by_a_crash),
        TEST(test_levels_are_closed_again),
        TEST(test_links_are_not_followed),
        TEST(test_file_in_the_way),
        TEST(test_bad_names),
        TEST(test_no_data_directory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
