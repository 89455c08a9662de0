/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/cleanup.h"
#include "mod_container/service_query.h"

static void test_plain(void **state)
{
    struct service_query query;

    (void)state;
    assert_int_equal(service_query_parse(NULL, &query, NULL), 0);
    assert_int_equal(query.range, RANGE_HOUR);
    assert_false(query.is_why);
    assert_false(query.is_json);
    assert_string_equal(query.flash, "");
}

static void test_all(void **state)
{
    struct service_query query;

    (void)state;
    assert_int_equal(
        service_query_parse("why&range=30d&refresh=7&format=json&flash=a%2Bb", &query, NULL), 0);
    assert_int_equal(query.range, RANGE_MONTH);
    assert_true(query.is_why);
    assert_true(query.is_json);
    assert_int_equal(query.refresh_seconds, 7);
    assert_string_equal(query.flash, "a+b");
    for (int i = 0; i < RANGE_COUNT; i++) {
        char text[16] = "range=";
        strcat(text, service_range_name((enum service_range)i));
        assert_int_equal(service_query_parse(text, &query, NULL), 0);
        assert_int_equal(query.range, i);
    }
}

/* A result that is too long cannot be ours: the page comes, without a banner. */
static void test_long_flash_is_dropped(void **state)
{
    struct service_query query;
    char text[SERVICE_FLASH_MAX + 16] = "flash=";

    (void)state;
    memset(text + 6, 'x', SERVICE_FLASH_MAX + 1);
    assert_int_equal(service_query_parse(text, &query, NULL), 0);
    assert_string_equal(query.flash, "");
}

static void test_refused(void **state)
{
    static const struct {
        const char *query, *named;
    } cases[] = {
        {"range=2h", "range=2h"},     {"range=", "range="},
        {"range", "needs a value"},   {"why=1", "takes no value"},
        {"format=csv", "format=csv"}, {"refresh=0", "refresh=0"},
        {"refresh=x", "refresh=x"},   {"sort=cpu", "\"sort\""},
        {"why&why", "why"},           {"&", "name"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct service_query query;
        struct error error = ERROR_INIT;
        assert_true(service_query_parse(cases[i].query, &query, &error) < 0);
        assert_non_null(strstr(error.message, cases[i].named));
    }
    char text[4096] = {0};
    struct service_query query;
    struct error error = ERROR_INIT;
    memset(text, 'a', sizeof(text) - 1);
    assert_true(service_query_parse(text, &query, &error) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_all),
        cmocka_unit_test(test_long_flash_is_dropped),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
