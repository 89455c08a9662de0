/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/cleanup.h"
#include "common/figures.h"

static void assert_printed(struct figure figure, unsigned shift, const char *expected)
{
    char text[FIGURE_NUMBER_SIZE];

    assert_int_equal(figure_print(&figure, shift, text), strlen(expected));
    assert_string_equal(text, expected);
}

static void test_numbers(void **state)
{
    (void)state;
    assert_printed((struct figure){.kind = FIGURE_COUNT}, 0, "0");
    assert_printed((struct figure){.kind = FIGURE_COUNT, .count = UINT64_MAX}, 0,
                   "18446744073709551615");
    assert_printed((struct figure){.kind = FIGURE_SIGNED, .number = -12}, 0, "-12");
    assert_printed((struct figure){.kind = FIGURE_SIGNED, .number = INT64_MIN}, 0,
                   "-9223372036854775808");
    assert_printed((struct figure){.kind = FIGURE_DECIMAL, .decimals = 3, .count = 12345}, 0,
                   "12.345");
    assert_printed((struct figure){.kind = FIGURE_DECIMAL, .decimals = 3, .count = 12000}, 0,
                   "12.0");
    assert_printed((struct figure){.kind = FIGURE_DECIMAL, .decimals = 6, .count = 1050}, 0,
                   "0.00105");
    assert_printed((struct figure){.kind = FIGURE_DECIMAL, .decimals = 2, .count = 1234}, 2,
                   "0.1234");
    assert_printed((struct figure){.kind = FIGURE_DECIMAL, .decimals = 6, .count = UINT64_MAX}, 2,
                   "184467440737.09551615");
}

static struct figure take(const char *key, const struct container_slot *slot)
{
    static const struct moment moment = {.boottime_usec = 90000000, .realtime_usec = 1};
    const struct column_figure *row = column_figure_find(key);

    assert_non_null(row);
    return column_figure_of(row, &moment, slot);
}

static void test_known_and_absent(void **state)
{
    struct container_slot slot = {.has = SLOT_HAS_CPU | SLOT_HAS_EXIT,
                                  .cpu_usage_usec = 2500000,
                                  .pid = 1,
                                  .started_boottime_usec = 15000000,
                                  .started_realtime_usec = 7999999,
                                  .exit_code = 3};

    (void)state;
    assert_printed(take("cpu_seconds", &slot), 0, "2.5");
    assert_printed(take("cpu_percent", &slot), 0, "0.0");
    assert_printed(take("uptime_seconds", &slot), 0, "75");
    assert_printed(take("started_unix", &slot), 0, "7");
    assert_printed(take("exit_code", &slot), 0, "3");
    assert_int_equal(take("exit_signal", &slot).kind, FIGURE_ABSENT);
    assert_int_equal(take("memory_bytes", &slot).kind, FIGURE_ABSENT);
    assert_int_equal(take("tenant", &slot).kind, FIGURE_ABSENT);
    assert_int_equal(take("last_fault", &slot).kind, FIGURE_ABSENT);
    slot.exit_code = -1;
    slot.exit_signal = 9;
    assert_int_equal(take("exit_code", &slot).kind, FIGURE_ABSENT);
    assert_printed(take("exit_signal", &slot), 0, "9");
    assert_null(column_figure_find("slots"));
}

static void test_groups(void **state)
{
    struct container_slot slot = {.has = SLOT_HAS_IO | SLOT_HAS_PSI_IO,
                                  .devices = {{.major = 253, .minor = 1, .read_bytes = 42}}};
    const struct figure_group *devices = &figure_groups[0], *pressure = &figure_groups[1];
    char made[GROUP_NAME_SIZE];

    (void)state;
    slot.pressure[PRESSURE_IO].some_avg10_centi = 150;
    assert_string_equal(group_element_name(devices, slot.has, &slot, 0, made), "253:1");
    assert_null(group_element_name(devices, slot.has, &slot, 1, made));
    assert_printed(group_figure_of(devices, &devices->rows[0], slot.has, &slot, 0), 0, "42");
    /* Operations are told by another file of the kernel. */
    assert_int_equal(group_figure_of(devices, &devices->rows[2], slot.has, &slot, 0).kind,
                     FIGURE_ABSENT);
    assert_null(group_element_name(pressure, slot.has, &slot, PRESSURE_CPU, made));
    assert_string_equal(group_element_name(pressure, slot.has, &slot, PRESSURE_IO, made), "io");
    assert_printed(group_figure_of(pressure, &pressure->rows[0], slot.has, &slot, PRESSURE_IO), 0,
                   "1.5");
}

static void test_host(void **state)
{
    struct host_figures host = {.load_centi = {123}};

    (void)state;
    assert_int_equal(host_figure_of(&host_figure_rows[0], &host).kind, FIGURE_ABSENT);
    host.sampled_boottime_usec = 1;
    assert_printed(host_figure_of(&host_figure_rows[0], &host), 0, "1.23");
}

/* What OpenMetrics asks of names, and we of ours. */
static void check_metric(const struct column_figure *row, const char *previous_family)
{
    const struct metric *metric = &row->metric;
    bool is_first = !previous_family || strcmp(previous_family, metric->family) != 0;

    assert_true(metric->type != METRIC_NONE);
    for (const char *at = metric->family; *at; at++)
        assert_true(islower((unsigned char)*at) || *at == '_');
    assert_null(strstr(metric->family, "_total"));
    if (is_first)
        assert_non_null(metric->help);
    assert_true(row->width > 0);
    if (metric->unit) {
        size_t length = strlen(metric->family), unit = strlen(metric->unit);
        assert_true(length > unit + 1);
        assert_string_equal(metric->family + length - unit, metric->unit);
    }
    if (metric->type == METRIC_INFO || row->kind == FIGURE_TEXT)
        assert_non_null(metric->labels);
}

static void check_rows(const struct column_figure *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *previous = i > 0 ? rows[i - 1].metric.family : NULL;
        for (const char *at = rows[i].key; *at; at++)
            assert_true(islower((unsigned char)*at) || isdigit((unsigned char)*at) || *at == '_');
        if (!rows[i].figure)
            assert_true(rows[i].kind == FIGURE_TEXT || rows[i].width == 4 || rows[i].width == 8);
        if (!rows[i].metric.family)
            continue;
        check_metric(&rows[i], previous);
        for (size_t j = 0; j + 1 < i; j++)
            if (rows[j].metric.family && (!previous || strcmp(previous, rows[i].metric.family)))
                assert_string_not_equal(rows[j].metric.family, rows[i].metric.family);
    }
}

static void test_the_tables_are_sound(void **state)
{
    (void)state;
    check_rows(column_figures, column_figure_count);
    check_rows(host_figure_rows, host_figure_row_count);
    check_rows(host_pressure_group.rows, host_pressure_group.row_count);
    for (size_t i = 0; i < figure_group_count; i++)
        check_rows(figure_groups[i].rows, figure_groups[i].row_count);
    for (size_t i = 0; i < column_figure_count; i++)
        assert_ptr_equal(column_figure_find(column_figures[i].key), &column_figures[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_known_and_absent),
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_host),
        cmocka_unit_test(test_the_tables_are_sound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
