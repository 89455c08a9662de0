/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/cleanup.h"
#include "common/units.h"

#define KIB UINT64_C(1024)
#define SEC UINT64_C(1000000)

/* What a parser makes of a text: 0 and the value, or the error. */
struct reading {
    const char *text;
    int result;
    uint64_t value;
};

static void check(const struct reading *readings, size_t count,
                  int (*parse)(const char *text, uint64_t *value))
{
    for (size_t i = 0; i < count; i++) {
        uint64_t value = 0;
        int r = parse(readings[i].text, &value);
        if (r != readings[i].result || (r == 0 && value != readings[i].value))
            fail_msg("\"%s\": result %d, value %llu", readings[i].text, r,
                     (unsigned long long)value);
    }
}

static void whole_numbers(void **state)
{
    static const struct {
        const char *text;
        uint64_t max;
        int result;
        uint64_t value;
    } rows[] = {
        {"0", 0, 0, 0},
        {"5", 5, 0, 5},
        {"007", 9, 0, 7},
        {"18446744073709551615", UINT64_MAX, 0, UINT64_MAX},
        {"18446744073709551616", UINT64_MAX, -ERANGE, 0},
        {"99999999999999999999999", UINT64_MAX, -ERANGE, 0},
        {"6", 5, -ERANGE, 0},
        {"9", 5, -ERANGE, 0}, /* a bound below the digit itself */
        {"1", 0, -ERANGE, 0},
        {"10", 9, -ERANGE, 0},
        {"65536", 65535, -ERANGE, 0},
        {"", 9, -EINVAL, 0},
        {"-1", 9, -EINVAL, 0},
        {"+1", 9, -EINVAL, 0},
        {" 1", 9, -EINVAL, 0},
        {"1 ", 9, -EINVAL, 0},
        {"1\n", 9, -EINVAL, 0},
        {"0x1", 9, -EINVAL, 0},
        {"1e3", 9999, -EINVAL, 0},
        {"1.0", 9, -EINVAL, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        uint64_t value = 0;
        int r = parse_u64(rows[i].text, rows[i].max, &value);
        if (r != rows[i].result || (r == 0 && value != rows[i].value))
            fail_msg("\"%s\" of at most %llu: result %d, value %llu", rows[i].text,
                     (unsigned long long)rows[i].max, r, (unsigned long long)value);
    }
}

static void sizes(void **state)
{
    static const struct reading rows[] = {
        {"0", 0, 0},
        {"512", 0, 512},
        {"1b", 0, 1},
        {"1k", 0, KIB},
        {"1KB", 0, KIB},
        {"512m", 0, 512 * KIB * KIB},
        {"512Mb", 0, 512 * KIB * KIB},
        {"1.5g", 0, 1536 * KIB * KIB},
        {"2GB", 0, 2 * KIB * KIB * KIB},
        {"1t", 0, KIB * KIB * KIB * KIB},
        {"0.25k", 0, 256},
        {"0.0009k", 0, 0},
        {"9223372036854775807", 0, INT64_MAX},
        {"9223372036854775808", -ERANGE, 0},
        {"8589934592g", -ERANGE, 0},
        {"8388608t", -ERANGE, 0},
        {"8388607.999t", 0, (UINT64_C(8388607) << 40) + (UINT64_C(999) << 40) / 1000},
        {"99999999999999999999", -ERANGE, 0},
        {"", -EINVAL, 0},
        {"m", -EINVAL, 0},
        {"512X", -EINVAL, 0},
        {"512 m", -EINVAL, 0},
        {"-5m", -EINVAL, 0},
        {"5mm", -EINVAL, 0},
        {"5mib", -EINVAL, 0},
        {"1.", -EINVAL, 0},
        {"1.m", -EINVAL, 0},
        {".5m", -EINVAL, 0},
        {"1.2.3m", -EINVAL, 0},
    };

    (void)state;
    check(rows, ARRAY_LENGTH(rows), parse_size);
}

static void durations(void **state)
{
    static const struct reading rows[] = {
        {"0", 0, 0},
        {"10", 0, 10 * SEC},
        {"10s", 0, 10 * SEC},
        {"1m30s", 0, 90 * SEC},
        {"250ms", 0, SEC / 4},
        {"7us", 0, 7},
        {"1h5m30s20ms", 0, 3930 * SEC + 20000},
        {"1281023h", 0, UINT64_C(1281023) * 3600 * SEC},
        {"4611686018427", 0, UINT64_C(4611686018427) * SEC},
        {"4611686018428", -ERANGE, 0},
        {"4294967295h", -ERANGE, 0},
        /* the second part alone would turn the sum over and leave a small number */
        {"1281023h4294967295h", -ERANGE, 0},
        {"1281023h3843071682h", -ERANGE, 0},
        {"4294967296s", -ERANGE, 0},
        {"99999999999999999999", -ERANGE, 0},
        {"", -EINVAL, 0},
        {"s", -EINVAL, 0},
        {"-1s", -EINVAL, 0},
        {"1 s", -EINVAL, 0},
        {"1x", -EINVAL, 0},
        {"1.5s", -EINVAL, 0},
        {"1d", -EINVAL, 0},
        {"1m30", -EINVAL, 0},
        {"1S", -EINVAL, 0},
        {"10s ", -EINVAL, 0},
    };

    (void)state;
    check(rows, ARRAY_LENGTH(rows), parse_duration);
}

static int parse_cpus(const char *text, uint64_t *milli)
{
    return parse_milli(text, 64000, milli);
}

static void fractions(void **state)
{
    static const struct reading rows[] = {
        {"0", 0, 0},          {"0.5", 0, 500},      {"1.25", 0, 1250},      {"64", 0, 64000},
        {"64.000", 0, 64000}, {"0.0019", 0, 1},     {"64.001", -ERANGE, 0}, {"65", -ERANGE, 0},
        {"", -EINVAL, 0},     {".5", -EINVAL, 0},   {"1.", -EINVAL, 0},     {"-1", -EINVAL, 0},
        {"1,5", -EINVAL, 0},  {"1.5x", -EINVAL, 0}, {"nan", -EINVAL, 0},    {"1.5 ", -EINVAL, 0},
    };
    uint64_t milli;

    (void)state;
    check(rows, ARRAY_LENGTH(rows), parse_cpus);
    assert_int_equal(parse_milli("9", 5000, &milli), -ERANGE);
    assert_int_equal(parse_milli("2", 1999, &milli), -ERANGE);
}

static void sizes_for_people(void **state)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } rows[] = {
        {0, "0"},
        {1023, "1023"},
        {1024, "1.0K"},
        {1536, "1.5K"},
        {10 * KIB, "10K"},
        {512 * KIB * KIB, "512M"},
        {1023 * KIB + 511, "1023K"},
        {1023 * KIB + 512, "1.0M"},
        {UINT64_MAX, "16E"},
    };
    char buffer[16];

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        assert_string_equal(format_size(rows[i].bytes, buffer, sizeof(buffer)), rows[i].text);
    assert_string_equal(format_size(512 * KIB * KIB, buffer, 3), "51"); /* cut, never overrun */
}

static void durations_for_people(void **state)
{
    static const struct {
        uint64_t usec;
        const char *text;
    } rows[] = {
        {0, "0s"},
        {999999, "0s"},
        {59 * SEC, "59s"},
        {60 * SEC, "1m0s"},
        {312 * SEC, "5m12s"},
        {3600 * SEC, "1h0m"},
        {86399 * SEC, "23h59m"},
        {(3 * 86400 + 4 * 3600) * SEC, "3d4h"},
    };
    char buffer[32];

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        assert_string_equal(format_duration(rows[i].usec, buffer, sizeof(buffer)), rows[i].text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_numbers),    cmocka_unit_test(sizes),
        cmocka_unit_test(durations),        cmocka_unit_test(fractions),
        cmocka_unit_test(sizes_for_people), cmocka_unit_test(durations_for_people),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
