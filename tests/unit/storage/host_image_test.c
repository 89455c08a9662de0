/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/storage/scratch.h"

#include "supervisor/storage/host_file.h"
#include "supervisor/storage/host_image.h"

static void test_only_system_users(void **state)
{
    _cleanup_free_ char *users =
        host_accounts_users("root:$6$salt$hash:0:0:root:/root:/bin/bash\n"
                            "www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin\n"
                            "alice:x:1000:1000:Alice,,,:/home/alice:/bin/bash\n"
                            "bob:x:999:1000::/home/bob:/bin/bash\n"
                            "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
                            "+nis::::::\n"
                            "minus:x:-1:0::/:/bin/sh\n"
                            "huge:x:4294967296:0::/:/bin/sh\n"
                            "short:x:5:5\n"
                            ":x:5:5::/:/bin/sh\n"
                            "\n");

    (void)state;
    assert_string_equal(users, "root:x:0:0:root:/root:/bin/bash\n"
                               "www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin\n"
                               "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n");
}

static void test_only_system_groups_and_members(void **state)
{
    _cleanup_free_ char *groups = host_accounts_groups("root:x:0:\n"
                                                       "sudo:x:27:alice,www-data,www-dat\n"
                                                       "ssl-cert:!:103:www-data,root,bob\n"
                                                       "alice:x:1000:\n"
                                                       "broken:x:\n",
                                                       "root:x:0:0:root:/root:/bin/bash\n"
                                                       "www-data:x:33:33::/var/www:/bin/sh\n");

    (void)state;
    assert_string_equal(groups, "root:x:0:\n"
                                "sudo:x:27:www-data\n"
                                "ssl-cert:x:103:www-data,root\n");
}

static void test_resolver(void **state)
{
    _cleanup_free_ char *text = skeleton_resolver("# a comment\n"
                                                  "nameserver 127.0.0.53\n"
                                                  "nameserver ::1\n"
                                                  "nameserver 0.0.0.0\n"
                                                  "nameserver 10.0.0.2\n"
                                                  "nameserver fe80::1%eth0\n"
                                                  "nameserver fe80::1\n"
                                                  "nameserver 2001:db8::53\n"
                                                  "nameserver\n"
                                                  "nameserver 10.0.0.2.3\n"
                                                  " nameserver 10.0.0.4\n"
                                                  "search example.org lan\n"
                                                  "sortlist 10.0.0.0/8\n"
                                                  "options edns0 trust-ad\n"
                                                  "nameserver\t10.0.0.3");

    (void)state;
    assert_string_equal(text, "nameserver 10.0.0.2\n"
                              "nameserver 2001:db8::53\n"
                              "search example.org lan\n"
                              "options edns0 trust-ad\n"
                              "nameserver\t10.0.0.3\n");
}

static void test_resolver_of_loopback_only_is_empty(void **state)
{
    _cleanup_free_ char *text = skeleton_resolver("nameserver 127.0.0.1\n");

    (void)state;
    assert_string_equal(text, "");
}

static void test_host_file(void **state)
{
    _cleanup_free_ char *text = NULL, *none = NULL;
    size_t length;

    (void)state;
    make_file("file", "12345");
    make_link("link", "file");
    assert_ok(host_file_read(at("link"), &text, &length));
    assert_int_equal(length, 5);
    assert_string_equal(text, "12345");
    assert_int_equal(host_file_read(at("none"), &none, &length), -ENOENT);
    assert_int_equal(host_file_read(scratch, &none, &length), -EINVAL);
    assert_ok(truncate(at("file"), 1024 * 1024 + 1));
    assert_int_equal(host_file_read(at("file"), &none, &length), -EFBIG);
    assert_ok(mkfifoat(scratch_fd, "fifo", 0644));
    assert_int_equal(host_file_read(at("fifo"), &none, &length), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_system_users),
        cmocka_unit_test(test_only_system_groups_and_members),
        cmocka_unit_test(test_resolver),
        cmocka_unit_test(test_resolver_of_loopback_only_is_empty),
        cmocka_unit_test_setup_teardown(test_host_file, make_scratch, remove_scratch),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
