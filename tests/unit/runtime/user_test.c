/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "common/cleanup.h"
#include "supervisor/runtime/user.h"

static void users_are_numbers(void **state)
{
    static const struct {
        const char *text;
        struct user_ids ids;
    } rows[] = {
        {"0", {0, false, 0}},
        {"0:0", {0, true, 0}},
        {"1000", {1000, false, 0}},
        {"1000:100", {1000, true, 100}},
        {"4294967294:4294967294", {4294967294, true, 4294967294}},
        {"007", {7, false, 0}},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct user_ids ids = {9, false, 9};
        struct error error = ERROR_INIT;
        assert_int_equal(user_parse(rows[i].text, &ids, &error), 0);
        assert_int_equal(ids.uid, rows[i].ids.uid);
        assert_int_equal(ids.has_gid, rows[i].ids.has_gid);
        assert_int_equal(ids.gid, rows[i].ids.gid);
    }
}

/* CVE-2016-3697, CVE-2024-40635: none of them may become root, or anybody. */
static void nothing_else_is_a_user(void **state)
{
    static const char *const rows[] = {
        "",
        ":",
        "0:",
        ":0",
        "4294967295",
        "4294967296",
        "4294967296:0",
        "0:4294967296",
        "18446744073709551616",
        "-1",
        "+0",
        " 1",
        "1 ",
        "0x0",
        "1e3",
        "1.0",
        "root",
        "root:root",
        "1000:root",
        "0:0:0",
        "1000:-1",
        "1000: 1",
        "\t0",
        "0\n",
        "00000000000000000000000000000000000000",
        "1,2",
        "\xd9\xa1",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct user_ids ids = {9, false, 9};
        struct error error = ERROR_INIT;
        if (user_parse(rows[i], &ids, &error) != -EINVAL)
            fail_msg("taken: \"%s\"", rows[i]);
        assert_int_equal(ids.uid, 9);
        assert_int_equal(ids.gid, 9);
        assert_memory_equal(error.message, "--user: \"", 9);
    }
}

static void identities_of_options(void **state)
{
    uint32_t id = 9;
    struct error error = ERROR_INIT;

    (void)state;
    assert_int_equal(user_parse_id("--additional-gids", "4294967294", &id, &error), 0);
    assert_int_equal(id, 4294967294);
    assert_int_equal(user_parse_id("--additional-gids", "4294967295", &id, &error), -EINVAL);
    assert_string_equal(error.message,
                        "--additional-gids: \"4294967295\" is not a number of 0..4294967294");
    assert_int_equal(id, 4294967294);
}

static void numbers_of_options(void **state)
{
    static const char *const wrong[] = {"", "65", "-1", "+1", " 1", "1 ", "0x1", "1k", "a"};
    uint64_t number = 9;
    struct error error = ERROR_INIT;

    (void)state;
    assert_int_equal(user_parse_number("--preserve-fds", "64", 64, &number, &error), 0);
    assert_int_equal(number, 64);
    assert_int_equal(user_parse_number("--preserve-fds", "0", 64, &number, &error), 0);
    assert_int_equal(number, 0);
    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++)
        assert_int_equal(user_parse_number("--preserve-fds", wrong[i], 64, &number, &error),
                         -EINVAL);
    assert_string_equal(error.message, "--preserve-fds: \"a\" is not a number of 0..64");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(users_are_numbers),
        cmocka_unit_test(nothing_else_is_a_user),
        cmocka_unit_test(identities_of_options),
        cmocka_unit_test(numbers_of_options),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
