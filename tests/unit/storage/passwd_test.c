/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/storage/scratch.h"

#include <sys/sysmacros.h>

#include "supervisor/storage/passwd.h"

static struct passwd_user found;
static struct error error;

static const char passwd[] = "root:x:0:0:root:/root:/bin/bash\n"
                             "1000:x:0:0:a trap:/root:/bin/sh\n"
                             "www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin\n"
                             "relative:x:50:50::home:/bin/sh\n"
                             "alice:x:1001:1002:Alice:/home/alice:/bin/sh\n"
                             "minus:x:-1:33::/:/bin/sh\n"
                             "huge:x:4294967296:0::/:/bin/sh\n"
                             "badgroup:x:60:65536::/:/bin/sh\n"
                             "short:x\n"
                             "+nis::::::\n"
                             "last:x:70:70::/srv:/bin/sh";
static const char group[] = "root:x:0:\n"
                            "33:x:0:www-data\n"
                            "www-data:x:33:\n"
                            "web:x:200:bob,www-data\n"
                            "web2:x:201:www-data\n"
                            "web-again:x:200:www-data\n"
                            "prefix:x:202:www-data2,xwww-data\n"
                            "bad:x:-1:www-data\n"
                            "empty:x::\n";

static int setup(void **state)
{
    make_scratch(state);
    make_directory("etc");
    make_file("etc/passwd", passwd);
    make_file("etc/group", group);
    memset(&found, 0xff, sizeof(found));
    error = (struct error)ERROR_INIT;
    return 0;
}

static int resolve(const char *user)
{
    return passwd_resolve(scratch_fd, user, &found, &error);
}

static void assert_is(const char *user, uint32_t uid, uint32_t gid, const char *home, size_t groups)
{
    int r = resolve(user);

    if (r < 0)
        fail_msg("%s: %s", user ? user : "NULL", error.message);
    if (found.uid != uid || found.gid != gid)
        fail_msg("%s is %u:%u", user, found.uid, found.gid);
    assert_string_equal(found.home, home);
    assert_int_equal(found.additional_gid_count, groups);
}

static void test_names(void **state)
{
    (void)state;
    assert_is("root", 0, 0, "/root", 0);
    assert_is("alice", 1001, 1002, "/home/alice", 0);
    assert_is("relative", 50, 50, "/", 0);
    assert_is("last", 70, 70, "/srv", 0);
    assert_is("www-data", 33, 33, "/var/www", 3);
    assert_int_equal(found.additional_gids[0], 0); /* of the group named "33", by membership */
    assert_int_equal(found.additional_gids[1], 200);
    assert_int_equal(found.additional_gids[2], 201);
    assert_is("www-data:web", 33, 200, "/var/www", 0);
    assert_is("www-data:7", 33, 7, "/var/www", 0);
    assert_is("5:web", 5, 200, "/", 0);
}

static void test_numbers_are_numbers(void **state)
{
    (void)state;
    /* There is a user called 1000, who is root. */
    assert_is("1000", 1000, 0, "/", 0);
    assert_is("1000:1000", 1000, 1000, "/", 0);
    /* There is a group called 33, which is 0. */
    assert_is("5:33", 5, 33, "/", 0);
    assert_is("33", 33, 33, "/var/www", 3);
    assert_is("0", 0, 0, "/root", 0);
    assert_is("65535:65535", 65535, 65535, "/", 0);
    assert_is("00033:0", 33, 0, "/var/www", 0);
    assert_is(NULL, 0, 0, "/root", 0);
}

static void test_refuses_what_is_neither(void **state)
{
    static const char *const users[] = {
        "",
        ":",
        ":5",
        "5:",
        "-1",
        "+0",
        " 0",
        "0 ",
        "0\n",
        "\t0",
        "0x0",
        "1e3",
        "65536",
        "4294967295",
        "4294967296",
        "18446744073709551616",
        "4294967296:0",
        "0:4294967296",
        "0:-1",
        "0:+0",
        "0: 0",
        "0:0:0",
        "1000abc",
        "-root",
        "ro/ot",
        "root\nroot",
        "..",
        "*",
        "root:",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(users); i++) {
        int r = resolve(users[i]);
        if (r != -EINVAL)
            fail_msg("\"%s\": %d, %u:%u", users[i], r, found.uid, found.gid);
        assert_int_equal(found.uid, UINT32_MAX); /* untouched */
    }
}

static void test_unknown_names(void **state)
{
    (void)state;
    assert_int_equal(resolve("mallory"), -ENOENT);
    assert_message(&error, "user \"mallory\" is not in /etc/passwd of the image");
    assert_int_equal(resolve("root:nogroup"), -ENOENT);
    assert_message(&error, "group \"nogroup\" is not in /etc/group");
    assert_int_equal(resolve("roo"), -ENOENT);
    assert_int_equal(resolve("nis"), -ENOENT);
}

static void test_bad_numbers_in_the_files(void **state)
{
    static const char *const users[] = {"minus", "huge",     "badgroup",
                                        "short", "root:bad", "root:empty"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(users); i++) {
        int r = resolve(users[i]);
        if (r != -EINVAL)
            fail_msg("\"%s\": %d, %u:%u", users[i], r, found.uid, found.gid);
        assert_message(&error, "must be 0 to 65535");
    }
}

static void test_image_without_files(void **state)
{
    (void)state;
    assert_ok(unlinkat(scratch_fd, "etc/passwd", 0));
    assert_ok(unlinkat(scratch_fd, "etc/group", 0));
    assert_is(NULL, 0, 0, "/", 0);
    assert_is("1000", 1000, 0, "/", 0);
    assert_int_equal(resolve("root"), -ENOENT);
    assert_ok(unlinkat(scratch_fd, "etc", AT_REMOVEDIR));
    assert_is("7:8", 7, 8, "/", 0);
}

static void test_links_out_of_the_image(void **state)
{
    static const char *const targets[] = {"/etc/passwd", "../../../../../../etc/passwd"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(targets); i++) {
        assert_ok(unlinkat(scratch_fd, "etc/passwd", 0));
        make_link("etc/passwd", targets[i]);
        assert_int_equal(resolve("daemon"), -EXDEV);
        assert_message(&error, "leads out of it");
    }
    assert_ok(unlinkat(scratch_fd, "etc/passwd", 0));
    make_link("etc/passwd", "passwd");
    assert_int_equal(resolve("root"), -ELOOP);
    /* One that stays inside is fine. */
    assert_ok(unlinkat(scratch_fd, "etc/passwd", 0));
    make_file("users", passwd);
    make_link("etc/passwd", "../users");
    assert_is("alice", 1001, 1002, "/home/alice", 0);
}

static void test_directory_link_out_of_the_image(void **state)
{
    (void)state;
    assert_ok(renameat(scratch_fd, "etc", scratch_fd, "old"));
    make_link("etc", "/etc");
    assert_int_equal(resolve("daemon"), -EXDEV);
}

static void test_strange_files(void **state)
{
    (void)state;
    alarm(10); /* a FIFO must not hold us up */
    assert_ok(unlinkat(scratch_fd, "etc/passwd", 0));
    assert_ok(mkfifoat(scratch_fd, "etc/passwd", 0644));
    assert_int_equal(resolve("root"), -EINVAL);
    assert_message(&error, "/etc/passwd of the image is not a regular text file");
    assert_ok(unlinkat(scratch_fd, "etc/passwd", 0));
    make_directory("etc/passwd");
    assert_int_equal(resolve("0"), -EINVAL);
    assert_ok(unlinkat(scratch_fd, "etc/passwd", AT_REMOVEDIR));
    assert_ok(mknodat(scratch_fd, "etc/passwd", S_IFCHR | 0644, makedev(1, 5)));
    assert_true(resolve("root") < 0);
    alarm(0);
}

static void test_huge_file(void **state)
{
    (void)state;
    _cleanup_close_ int fd = open(at("etc/passwd"), O_WRONLY | O_CLOEXEC);
    assert_ok(ftruncate(fd, 1LL << 40));
    assert_int_equal(resolve("root"), -EFBIG);
    assert_message(&error, "larger than 1048576 bytes");
    /* NUL inside. */
    assert_ok(ftruncate(fd, 4096));
    assert_int_equal(resolve("root"), -EINVAL);
}

static void test_too_many_groups(void **state)
{
    _cleanup_fclose_ FILE *file = fopen(at("etc/group"), "we");

    (void)state;
    for (int i = 0; i < 64; i++)
        fprintf(file, "g%d:x:%d:alice\n", i, 2000 + i);
    fflush(file);
    assert_is("alice", 1001, 1002, "/home/alice", 64);
    fprintf(file, "one-more:x:3000:alice\n");
    fflush(file);
    assert_int_equal(resolve("alice"), -E2BIG);
    assert_is("alice:one-more", 1001, 3000, "/home/alice", 0);
}

static void test_long_home(void **state)
{
    char line[1024] = "long:x:80:80::/";

    (void)state;
    memset(line + strlen(line), 'h', 400);
    make_file("etc/passwd", line);
    assert_is("long", 80, 80, "/", 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, remove_scratch)
    const struct CMUnitTest tests[] = {
        TEST(test_names),
        TEST(test_numbers_are_numbers),
        TEST(test_refuses_what_is_neither),
        TEST(test_unknown_names),
        TEST(test_bad_numbers_in_the_files),
        TEST(test_image_without_files),
        TEST(test_links_out_of_the_image),
        TEST(test_directory_link_out_of_the_image),
        TEST(test_strange_files),
        TEST(test_huge_file),
        TEST(test_too_many_groups),
        TEST(test_long_home),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
