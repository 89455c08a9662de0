/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/board/limit_link.h"
#include "common/cleanup.h"

#define UNTIL UINT64_C(1795324203)

static const uint8_t key[SEAL_KEY_SIZE] = {1, 2, 3};

static const char *query_of(const char *link)
{
    assert_int_equal(strncmp(link, LIMIT_LINK_PATH "?", strlen(LIMIT_LINK_PATH) + 1), 0);
    return link + strlen(LIMIT_LINK_PATH) + 1;
}

static void a_link_holds_until_it_expires(void **state)
{
    static const uint8_t other[SEAL_KEY_SIZE] = {1, 2, 4};
    _cleanup_free_ char *text = limit_link_make(key, "blog", "web", UNTIL);
    struct limit_link link;

    (void)state;
    assert_int_equal(limit_link_parse(query_of(text), &link, NULL), 0);
    assert_string_equal(link.tenant, "blog");
    assert_string_equal(link.service, "web");
    assert_false(link.is_json);
    assert_true(limit_link_is_valid(&link, key, UNTIL));
    assert_false(limit_link_is_valid(&link, key, UNTIL + 1));
    assert_false(limit_link_is_valid(&link, other, UNTIL));
    strcpy(link.service, "we");
    assert_false(limit_link_is_valid(&link, key, UNTIL));
    strcpy(link.service, "web");
    strcpy(link.tenant, "shop");
    assert_false(limit_link_is_valid(&link, key, UNTIL));
}

/* A change of any character is refused, or is no link. */
static void no_change_passes(void **state)
{
    _cleanup_free_ char *text = limit_link_make(key, "blog", "web", UNTIL);
    const char *query = query_of(text);
    struct limit_link link;
    char changed[512];

    (void)state;
    for (size_t i = 0; i < strlen(query); i++) {
        strcpy(changed, query);
        changed[i] = changed[i] == '1' ? '2' : '1';
        assert_false(limit_link_parse(changed, &link, NULL) == 0 &&
                     limit_link_is_valid(&link, key, UNTIL));
    }
}

static void what_is_no_link_is_said_so(void **state)
{
    static const char *const bad[] = {
        "",
        "tenant=blog",
        "tenant=blog&service=web&until=1",
        "tenant=blog&service=web&until=1&signature",
        "tenant=Blog&service=web&until=1&signature=a",
        "tenant=blog&service=../x&until=1&signature=a",
        "tenant=blog&service=web&until=1&signature=a&x=y",
        "tenant=blog&tenant=shop&service=web&until=1&signature=a",
        "tenant=blog&service=web&until=1&signature=a&format=csv",
        "tenant=blog&service=web&until=1&signature="
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    };
    struct limit_link link;

    (void)state;
    assert_int_equal(limit_link_parse(NULL, &link, NULL), -EINVAL);
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        struct error error = ERROR_INIT;
        assert_int_equal(limit_link_parse(bad[i], &link, &error), -EINVAL);
        assert_true(error.message[0]);
    }
    assert_int_equal(
        limit_link_parse("tenant=blog&service=web&until=1&signature=a&json", &link, NULL), 0);
    assert_true(link.is_json);
    assert_int_equal(
        limit_link_parse("format=json&tenant=blog&service=web&until=1&signature=a", &link, NULL),
        0);
    assert_true(link.is_json);
}

static void put_file(const char *path, size_t size, mode_t mode)
{
    static const char bytes[64] = "0123456789";
    _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), size);
    assert_int_equal(fchmod(fd, mode), 0);
}

static void a_key_is_a_file_of_roots(void **state)
{
    char directory[] = "/tmp/limit-link-XXXXXX", path[64], other[64];
    uint8_t read[SEAL_KEY_SIZE];

    (void)state;
    if (geteuid() != 0)
        skip();
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/key", directory);
    snprintf(other, sizeof(other), "%s/link", directory);
    assert_int_equal(limit_key_read(path, read, NULL), -ENOENT);
    put_file(path, SEAL_KEY_SIZE, 0640);
    assert_int_equal(limit_key_read(path, read, NULL), 0);
    assert_int_equal(memcmp(read, "0123456789", 11), 0);
    static const mode_t modes[] = {0660, 0644, 0604, 0602};
    for (size_t i = 0; i < ARRAY_LENGTH(modes); i++) {
        assert_int_equal(chmod(path, modes[i]), 0);
        assert_int_equal(limit_key_read(path, read, NULL), -EPERM);
    }
    put_file(path, SEAL_KEY_SIZE - 1, 0600);
    assert_int_equal(limit_key_read(path, read, NULL), -EPROTO);
    put_file(path, SEAL_KEY_SIZE + 1, 0600);
    assert_int_equal(limit_key_read(path, read, NULL), -EPROTO);
    put_file(path, SEAL_KEY_SIZE, 0600);
    assert_int_equal(symlink(path, other), 0);
    assert_int_equal(limit_key_read(other, read, NULL), -ELOOP);
    assert_int_equal(chown(path, 33, 33), 0);
    assert_int_equal(limit_key_read(path, read, NULL), -EPERM);
    assert_int_equal(limit_key_read(directory, read, NULL), -EPERM);
    unlink(other);
    unlink(path);
    rmdir(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_link_holds_until_it_expires),
        cmocka_unit_test(no_change_passes),
        cmocka_unit_test(what_is_no_link_is_said_so),
        cmocka_unit_test(a_key_is_a_file_of_roots),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
