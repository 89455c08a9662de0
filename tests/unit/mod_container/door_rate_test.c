/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/cleanup.h"
#include "mod_container/door/rate.h"

static void rates(void **state)
{
    static const struct {
        const char *text;
        uint32_t units;
        uint64_t usec;
    } good[] = {
        {"10/1s", 10, 1000000},
        {"3/200ms", 3, 200000},
        {"600/h", 600, UINT64_C(3600000000)},
        {"65535/7m", 65535, 420000000},
        {"1/s", 1, 1000000},
        {"5/10", 5, 10000000},
    };
    static const char *const bad[] = {
        "",      "5",     "/1s",   "0/1s",  "65536/1s",
        "-1/1s", "5/",    "5/0s",  "5/1us", "5/1000000h",
        "5/1x",  "5 /1s", "5/1s/", "5/s1",  "5/11111111111111111111111111111111s"};
    struct throttle_limit limit = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(good); i++) {
        assert_int_equal(rate_parse(good[i].text, &limit, NULL), 0);
        assert_int_equal(limit.units, good[i].units);
        assert_true(limit.interval_usec == good[i].usec);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        struct error error = ERROR_INIT;
        assert_int_equal(rate_parse(bad[i], &limit, &error), -EINVAL);
        assert_true(strlen(error.message) > 0);
    }
}

static void costs(void **state)
{
    static const char *const bad[] = {"", ":1", "40:1", "6xx:1", "404:", "404:0", "4x4:1", "4040"};
    unsigned short from, to;
    uint32_t units;

    (void)state;
    assert_int_equal(rate_parse_cost("404:3", &from, &to, &units, NULL), 0);
    assert_true(from == 404 && to == 404 && units == 3);
    assert_int_equal(rate_parse_cost("5xx:2", &from, &to, &units, NULL), 0);
    assert_true(from == 500 && to == 599 && units == 2);
    assert_int_equal(rate_parse_cost("401", &from, &to, &units, NULL), 0);
    assert_true(from == 401 && to == 401 && units == 1);
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++)
        assert_int_equal(rate_parse_cost(bad[i], &from, &to, &units, NULL), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rates),
        cmocka_unit_test(costs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
