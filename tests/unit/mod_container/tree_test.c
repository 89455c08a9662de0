/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/cleanup.h"
#include "mod_container/tree.h"

/* A tree with a file, a directory, links of all sorts and a pipe; below the link "entry" again. */
static char base[] = "/tmp/tree-test-XXXXXX";

static const char *at(const char *name)
{
    static char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/%s", base, name);
    return path;
}

static int set_up(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(base));
    assert_int_equal(mkdir(at("site"), 0755), 0);
    assert_int_equal(mkdir(at("site/dir"), 0755), 0);
    _cleanup_close_ int file = creat(at("site/file"), 0644);
    _cleanup_close_ int secret = creat(at("secret"), 0644);
    assert_true(file >= 0 && secret >= 0);
    assert_int_equal(symlink("file", at("site/link")), 0);
    assert_int_equal(symlink("/etc/passwd", at("site/passwd")), 0);
    assert_int_equal(symlink("..", at("site/up")), 0);
    assert_int_equal(symlink("/proc/self/fd/0", at("site/magic")), 0);
    assert_int_equal(mkfifo(at("site/pipe"), 0644), 0);
    assert_int_equal(symlink("site", at("entry")), 0);
    return 0;
}

static int tear_down(void **state)
{
    static const char *const names[] = {"entry",       "site/pipe", "site/magic", "site/up",
                                        "site/passwd", "site/link", "secret",     "site/file"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
        unlink(at(names[i]));
    rmdir(at("site/dir"));
    rmdir(at("site"));
    return rmdir(base);
}

static int look(int tree, const char *path)
{
    return tree_look(tree, path, strlen(path));
}

static void test_look(void **state)
{
    (void)state;
    _cleanup_close_ int tree = tree_open(at("site"));
    assert_true(tree >= 0);
    assert_int_equal(look(tree, "/file"), TREE_FILE);
    assert_int_equal(tree_look(tree, "/file/more", 5), TREE_FILE);
    assert_int_equal(look(tree, "//file"), TREE_FILE);
    assert_int_equal(look(tree, "/"), TREE_DIRECTORY);
    assert_int_equal(look(tree, "/dir"), TREE_DIRECTORY);
    assert_int_equal(look(tree, "/none"), TREE_NOTHING);
    assert_int_equal(look(tree, "/file/more"), TREE_NOTHING);
}

static void test_nothing_leads_outside(void **state)
{
    static const char *const paths[] = {"/link",  "/passwd", "/up",        "/up/secret",
                                        "/magic", "/pipe",   "/../secret", "/dir/../../secret"};
    struct stat st;

    (void)state;
    _cleanup_close_ int tree = tree_open(at("site"));
    for (size_t i = 0; i < ARRAY_LENGTH(paths); i++) {
        assert_int_equal(look(tree, paths[i]), TREE_NOTHING);
        assert_int_equal(tree_open_file(tree, paths[i], &st), -ENOENT);
    }
    assert_int_equal(tree_open(at("entry")), -ENOTDIR);
    assert_int_equal(tree_open(at("entry/dir")), -ELOOP);
}

static void test_open_file(void **state)
{
    struct stat st;

    (void)state;
    _cleanup_close_ int tree = tree_open(at("site"));
    _cleanup_close_ int fd = tree_open_file(tree, "/file", &st);
    assert_true(fd >= 0);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(tree_open_file(tree, "/dir", &st), -ENOENT);
    assert_int_equal(tree_open_file(tree, "/none", &st), -ENOENT);
}

static void test_long_path(void **state)
{
    static char path[2 * PATH_MAX];

    (void)state;
    memset(path, 'a', sizeof(path) - 1);
    path[0] = '/';
    _cleanup_close_ int tree = tree_open(at("site"));
    assert_int_equal(look(tree, path), TREE_NOTHING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_look),
        cmocka_unit_test(test_nothing_leads_outside),
        cmocka_unit_test(test_open_file),
        cmocka_unit_test(test_long_path),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
