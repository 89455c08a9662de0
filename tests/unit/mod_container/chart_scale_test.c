/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/cleanup.h"
#include "mod_container/chart_scale.h"

static void test_percent(void **state)
{
    static const struct {
        uint64_t value, limit;
        unsigned percent;
        const char *heat;
    } cases[] = {
        {0, 100, 0, ""},
        {69, 100, 69, ""},
        {70, 100, 70, " warm"},
        {89, 100, 89, " warm"},
        {90, 100, 90, " hot"},
        {150, 100, 150, " hot"},
        {5, 0, 0, ""},
        {UINT64_MAX, 1, 999, " hot"},
        {UINT64_MAX / 2, UINT64_MAX, 50, ""},
        {UINT64_MAX, UINT64_MAX, 100, " hot"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        assert_in_range(chart_percent(cases[i].value, cases[i].limit), cases[i].percent,
                        cases[i].percent + (cases[i].limit > UINT64_MAX / 1000));
        assert_string_equal(chart_heat(cases[i].percent), cases[i].heat);
    }
}

static void test_scales_end_at_round_numbers(void **state)
{
    static const struct {
        uint64_t value;
        int is_binary;
        uint64_t top, tick;
    } cases[] = {
        {0, 0, 1, 1},
        {4, 0, 4, 1},
        {5, 0, 6, 2},
        {37, 0, 40, 10},
        {15000, 0, 15000, 5000},
        {15001, 0, 20000, 5000},
        {512 << 20, 1, 512 << 20, 128 << 20},
        {(512 << 20) + 1, 1, 768 << 20, 256 << 20},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        uint64_t tick;
        assert_int_equal(chart_round_top(cases[i].value, cases[i].is_binary, &tick), cases[i].top);
        assert_int_equal(tick, cases[i].tick);
    }
}

/* Whatever it is given: it ends, holds the value, and has few ticks. */
static void test_any_value(void **state)
{
    (void)state;
    for (unsigned shift = 0; shift < 58; shift++)
        for (int is_binary = 0; is_binary < 2; is_binary++) {
            uint64_t tick, value = (UINT64_C(1) << shift) + shift;
            uint64_t top = chart_round_top(value, is_binary, &tick);
            assert_true(top >= value && tick > 0 && top % tick == 0 && top / tick <= 5);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_percent),
        cmocka_unit_test(test_scales_end_at_round_numbers),
        cmocka_unit_test(test_any_value),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
