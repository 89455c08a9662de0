/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "supervisor/runtime/home.h"

static char root[] = "/tmp/home-test-XXXXXX";
static int root_fd = -1, etc_fd = -1;

static int set_up(void **state)
{
    (void)state;
    strcpy(root + strlen(root) - 6, "XXXXXX");
    if (!mkdtemp(root))
        return -1;
    root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (mkdirat(root_fd, "etc", 0755) < 0)
        return -1;
    etc_fd = openat(root_fd, "etc", O_PATH | O_DIRECTORY | O_CLOEXEC);
    return etc_fd < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlinkat(etc_fd, "passwd", 0);
    unlinkat(etc_fd, "passwd", AT_REMOVEDIR);
    unlinkat(etc_fd, "other", 0);
    unlinkat(root_fd, "etc", AT_REMOVEDIR);
    close_fd(&etc_fd);
    close_fd(&root_fd);
    return rmdir(root);
}

static void write_file(const char *name, const char *text, size_t length)
{
    _cleanup_close_ int fd = openat(etc_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, length), length);
}

static void assert_home(uint32_t uid, const char *wanted)
{
    char home[HOME_MAX];

    memset(home, 'x', sizeof(home));
    home_find(root_fd, uid, home);
    assert_string_equal(home, wanted);
}

static void the_first_line_of_a_user_counts(void **state)
{
    static const char text[] = "root:x:0:0:root:/root:/bin/sh\n"
                               "web:x:33:33::/var/www:/usr/sbin/nologin\n"
                               "again:x:33:33::/other:/bin/sh\n"
                               "empty:x:34:34:::/bin/sh\n"
                               "relative:x:35:35::home:/bin/sh\n"
                               "max:x:4294967294:1::/max:/bin/sh\n"
                               "last:x:36:36::/last:";

    (void)state;
    write_file("passwd", text, strlen(text));
    assert_home(0, "/root");
    assert_home(33, "/var/www");
    assert_home(34, "/");
    assert_home(35, "/");
    assert_home(36, "/last");
    assert_home(4294967294, "/max");
    assert_home(1000, "/");
}

/* CVE-2016-3697, CVE-2024-40635: what is no number is nobody's, above all not root's. */
static void lines_that_are_none_are_passed_over(void **state)
{
    static const char *const lines[] = {
        "x:x::0::/bad:",
        "x:x:-1:0::/bad:",
        "x:x:+0:0::/bad:",
        "x:x: 0:0::/bad:",
        "x:x:0x0:0::/bad:",
        "x:x:4294967296:0::/bad:",
        "x:x:0 :0::/bad:",
        "x:x:0:0::/bad",
        "0:0",
        "x:x:99999999999999999999:0::/bad:",
        "0",
        "",
        "1000:x:0a:0::/bad:",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(lines); i++) {
        char text[256];
        int length = snprintf(text, sizeof(text), "%s\nroot:x:0:0::/root:/bin/sh\n", lines[i]);
        write_file("passwd", text, (size_t)length);
        assert_home(0, "/root");
        assert_home(UINT32_MAX, "/");
    }
}

static void a_home_that_is_too_long_is_none(void **state)
{
    char text[HOME_MAX + 64], path[HOME_MAX + 1];

    (void)state;
    for (size_t length = HOME_MAX - 1; length <= HOME_MAX; length++) {
        memset(path, 'a', length);
        path[0] = '/';
        path[length] = '\0';
        int size = snprintf(text, sizeof(text), "u:x:5:5::%s:/bin/sh\n", path);
        write_file("passwd", text, (size_t)size);
        assert_home(5, length < HOME_MAX ? path : "/");
    }
}

static void only_the_first_part_of_a_large_file_is_read(void **state)
{
    static const char last[] = "\nlate:x:7:7::/late:/bin/sh\n", first[] = "early:x:6:6::/early:\n";
    size_t size = 300 * 1024;
    _cleanup_free_ char *text = malloc(size);

    (void)state;
    assert_non_null(text);
    memset(text, '#', size);
    memcpy(text, first, strlen(first));
    memcpy(text + size - strlen(last), last, strlen(last));
    write_file("passwd", text, size);
    assert_home(6, "/early");
    assert_home(7, "/");
}

static void a_byte_of_zero_ends_what_is_read(void **state)
{
    static const char text[] = "a:x:8\0:8::/bad:\nb:x:9:9::/b:/bin/sh\n";

    (void)state;
    write_file("passwd", text, sizeof(text) - 1);
    assert_home(8, "/");
    assert_home(9, "/");
}

/* None of these may be waited for, or lead out of the root. */
static void what_is_no_file_is_not_read(void **state)
{
    (void)state;
    unlinkat(etc_fd, "passwd", 0);
    assert_home(0, "/");
    assert_int_equal(mkfifoat(etc_fd, "passwd", 0644), 0);
    assert_home(0, "/");
    unlinkat(etc_fd, "passwd", 0);
    assert_int_equal(mkdirat(etc_fd, "passwd", 0755), 0);
    assert_home(0, "/");
    unlinkat(etc_fd, "passwd", AT_REMOVEDIR);
    assert_int_equal(symlinkat("../../../../../../etc/passwd", etc_fd, "passwd"), 0);
    assert_home(0, "/"); /* the host's would be /root; in the root it is a loop */
    unlinkat(etc_fd, "passwd", 0);
    write_file("other", "root:x:0:0::/linked:\n", 21);
    assert_int_equal(symlinkat("/etc/other", etc_fd, "passwd"), 0);
    assert_home(0, "/linked");
    write_file("other", "", 0);
    assert_home(0, "/");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_line_of_a_user_counts),
        cmocka_unit_test(lines_that_are_none_are_passed_over),
        cmocka_unit_test(a_home_that_is_too_long_is_none),
        cmocka_unit_test(only_the_first_part_of_a_large_file_is_read),
        cmocka_unit_test(a_byte_of_zero_ends_what_is_read),
        cmocka_unit_test(what_is_no_file_is_not_read),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
