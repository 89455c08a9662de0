/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/cleanup.h"
#include "supervisor/runtime/config_uint64.h"

static json_t *load(const char *text)
{
    json_error_t problem;

    return config_load_json(text, strlen(text), JSON_REJECT_DUPLICATES, &problem);
}

static void all_64_bits_arrive(void **state)
{
    static const struct {
        const char *text;
        uint64_t number;
    } cases[] = {
        {"[0]", 0},
        {"[4294967295]", 4294967295U},
        {"[9223372036854775807]", INT64_MAX},
        {"[9223372036854775808]", UINT64_C(1) << 63},
        {"[18446744071562067968]", UINT64_C(0xffffffff80000000)},
        {"[18446744073709551615]", UINT64_MAX},
        {"[ 18446744073709551615\n]", UINT64_MAX},
        {"[18446744073709551615,{\"a\":9223372036854775808}]", UINT64_MAX},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct error error = ERROR_INIT;
        uint64_t number = 1;
        json_t *json = load(cases[i].text);
        assert_non_null(json);
        assert_int_equal(config_read_uint64(json_array_get(json, 0), "p", &number, &error), 0);
        assert_true(number == cases[i].number);
        json_decref(json);
    }
}

static void other_values_are_refused(void **state)
{
    static const char *const cases[] = {
        "[-1]",
        "[-9223372036854775808]",
        "[1.0]",
        "[1.8446744073709551615e19]",
        "[\"7\"]",
        "[\"9223372036854775807\"]",
        "[\"09223372036854775808\"]",
        "[\"18446744073709551616\"]",
        "[\"9223372036854775808 \"]",
        "[\"\"]",
        "[true]",
        "[null]",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct error error = ERROR_INIT;
        uint64_t number = 1;
        json_t *json = load(cases[i]);
        assert_non_null(json);
        assert_int_equal(config_read_uint64(json_array_get(json, 0), "a.b", &number, &error),
                         -EINVAL);
        assert_memory_equal(error.message, "a.b: ", 5);
        json_decref(json);
    }
}

static void documents_that_stay_wrong(void **state)
{
    static const char *const cases[] = {
        "[18446744073709551616]",
        "[-9223372036854775809]",
        "[018446744073709551615]",
        "[18446744073709551615",
        "[18446744073709551615}",
        "[9223372036854775808 1]",
        "[99999999999999999999999]",
        "[1e400]",
        "{\"a\":9223372036854775808,\"a\":1}",
        "[9223372036854775808,\"\\",
        "[9223372036854775808,\"",
        "{9223372036854775808:1,\"a\":",
        "[9223372036854775808x]",
        "",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
        assert_null(load(cases[i]));
}

static void digits_in_strings_stay_as_they_are(void **state)
{
    json_t *json = load("{\"18446744073709551615\": \"x\\\"9223372036854775808\", \"\\\\\": "
                        "[9223372036854775808, -12345678901234567, 1.5e3]}");
    const json_t *list;

    (void)state;
    assert_non_null(json);
    assert_string_equal(json_string_value(json_object_get(json, "18446744073709551615")),
                        "x\"9223372036854775808");
    list = json_object_get(json, "\\");
    assert_string_equal(json_string_value(json_array_get(list, 0)), "9223372036854775808");
    assert_true(json_integer_value(json_array_get(list, 1)) == -12345678901234567);
    assert_true(json_real_value(json_array_get(list, 2)) == 1500.0);
    json_decref(json);
}

/* The copy with quotes has the room it needs where every number is quoted. */
static void many_wide_numbers(void **state)
{
    enum { COUNT = 1000 };
    char text[COUNT * 20 + 2] = "[";

    (void)state;
    for (int i = 0; i < COUNT; i++)
        memcpy(text + 1 + (size_t)i * 20, "9223372036854775808,", 20);
    text[COUNT * 20] = ']';
    json_t *json = load(text);
    assert_int_equal(json_array_size(json), COUNT);
    json_decref(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_64_bits_arrive),
        cmocka_unit_test(other_values_are_refused),
        cmocka_unit_test(documents_that_stay_wrong),
        cmocka_unit_test(digits_in_strings_stay_as_they_are),
        cmocka_unit_test(many_wide_numbers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
