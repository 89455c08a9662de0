/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/storage/scratch.h"

#include <sys/resource.h>

static void test_nothing_there(void **state)
{
    (void)state;
    assert_ok(tree_remove(scratch_fd, "nothing"));
}

static void test_not_a_directory(void **state)
{
    (void)state;
    make_file("file", "");
    make_directory("kept");
    make_link("link", "kept");
    assert_true(tree_remove(scratch_fd, "file") < 0);
    assert_true(tree_remove(scratch_fd, "link") < 0);
    assert_int_equal(count_entries("."), 3);
}

static void test_every_kind_of_file(void **state)
{
    (void)state;
    make_directory("kept");
    make_file("kept/file", "x");
    make_directory("tree");
    make_directory("tree/a");
    make_directory("tree/a/b");
    /* Names that removal itself uses; the order in which they come is the file system's. */
    make_directory("tree/removed-0");
    make_file("tree/removed-0/x", "");
    make_file("tree/removed-1", "");
    make_directory("tree/removed-2");
    make_directory("tree/removed-2/y");
    make_file("tree/removed-2/y/x", "");
    make_file("tree/a/file", "");
    make_file("tree/a/b/file", "");
    make_link("tree/a/out", "../../kept");
    make_link("tree/out", at("kept"));
    assert_ok(mkfifoat(scratch_fd, "tree/fifo", 0));
    assert_ok(fchmodat(scratch_fd, "tree/a/b", 0, 0));
    assert_ok(tree_remove(scratch_fd, "tree"));
    assert_int_equal(count_entries("."), 1);
    assert_text("kept/file", "x");
}

/* Deeper than a path can name, than a stack of calls, or than descriptors would last. */
static void test_depth(void **state)
{
    const struct rlimit few = {.rlim_cur = 32, .rlim_max = 32};
    struct rlimit before;

    (void)state;
    make_directory("tree");
    int fd = openat(scratch_fd, "tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; i < 20000; i++) {
        assert_ok(mkdirat(fd, "d", 0755));
        int next = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_ok(next);
        close(fd);
        fd = next;
    }
    close(fd);
    getrlimit(RLIMIT_NOFILE, &before);
    struct rlimit lowered = {.rlim_cur = few.rlim_cur, .rlim_max = before.rlim_max};
    setrlimit(RLIMIT_NOFILE, &lowered);
    int r = tree_remove(scratch_fd, "tree");
    setrlimit(RLIMIT_NOFILE, &before);
    assert_int_equal(r, 0);
    assert_int_equal(count_entries("."), 0);
}

static void test_breadth(void **state)
{
    char name[64];

    (void)state;
    make_directory("tree");
    for (int i = 0; i < 3000; i++) {
        snprintf(name, sizeof(name), "tree/file-%d", i);
        make_file(name, "");
        snprintf(name, sizeof(name), "tree/directory-%d", i);
        make_directory(name);
        snprintf(name, sizeof(name), "tree/directory-%d/x", i);
        make_directory(name);
    }
    assert_ok(tree_remove(scratch_fd, "tree"));
    assert_int_equal(count_entries("."), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_scratch, remove_scratch)
    const struct CMUnitTest tests[] = {
        TEST(test_nothing_there), TEST(test_not_a_directory), TEST(test_every_kind_of_file),
        TEST(test_depth),         TEST(test_breadth),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
