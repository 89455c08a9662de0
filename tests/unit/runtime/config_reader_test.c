/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/control.h"
#include "supervisor/runtime/config_reader.h"

/* ---- documents ---- */

static void a_document_is_read(void **state)
{
    static const char text[] = "{\"a\": [1, \"x\"]}\n";
    struct error error = ERROR_INIT;

    (void)state;
    _cleanup_json_ json_t *json = config_parse(text, strlen(text), "config.json", &error);
    assert_non_null(json);
    assert_int_equal(json_array_size(json_object_get(json, "a")), 2);
}

static void an_empty_document_is_refused(void **state)
{
    struct error error = ERROR_INIT;

    (void)state;
    assert_null(config_parse("", 0, "config.json", &error));
    assert_string_equal(error.message,
                        "config.json: line 1, column 0: '[' or '{' expected near end of file");
    assert_int_equal(error.code, EINVAL);
}

static void the_place_of_a_mistake_is_told(void **state)
{
    static const struct {
        const char *text, *message;
    } rows[] = {
        {"{\n  \"a\": 1,\n  \"b\": }\n", "line 3, column 8: "},
        {"{\"a\": 1", "line 1, column 7: "},
        {"{\"a\": 18446744073709551615,\n\"b\": x}", "line 2, column 6: "},
        {"{\"a\": 1, \"a\": 2}", "duplicate"},
        {"{\"a\": 1} {}", "end of file expected"},
        {"{\"a\": \"\\u0000\"}", "\\u0000"},
        {"{\"a\": 18446744073709551616}", "too big"},
        {"{\"a\": -9223372036854775809}", "too"},
        {"7", "line 1, column 1: "},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct error error = ERROR_INIT;
        assert_null(config_parse(rows[i].text, strlen(rows[i].text), "p", &error));
        if (!strstr(error.message, rows[i].message))
            fail_msg("%s: \"%s\"", rows[i].text, error.message);
        assert_memory_equal(error.message, "p: line ", 8);
        assert_int_equal(error.code, EINVAL);
    }
}

/* ---- numbers ---- */

static void numbers_are_exact(void **state)
{
    static const struct {
        const char *text;
        uint64_t value;
    } rows[] = {
        {"[0]", 0},
        {"[9223372036854775807]", INT64_MAX},
        {"[9223372036854775808]", UINT64_C(9223372036854775808)},
        {"[18446744073709551614]", UINT64_MAX - 1},
        {"[18446744073709551615]", UINT64_MAX},
        {"[18446744073709551615 , \"18446744073709551615\\\"\"]", UINT64_MAX},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct error error = ERROR_INIT;
        uint64_t value = 7;
        const struct config_key keys[] = {
            {"n", CONFIG_UNSIGNED, &value, true},
            {NULL, 0, NULL, false},
        };
        _cleanup_json_ json_t *json = config_parse(rows[i].text, strlen(rows[i].text), "p", &error);
        _cleanup_json_ json_t *object = json_pack("{s:O}", "n", json_array_get(json, 0));
        assert_int_equal(config_read_object(object, "o", keys, &error), 0);
        assert_true(value == rows[i].value);
        /* what is written is read again as the same */
        _cleanup_free_ char *text = json_dumps(json, 0);
        _cleanup_json_ json_t *again = config_parse(text, strlen(text), "p", &error);
        assert_true(json_equal(json, again));
    }
}

static void types_are_checked(void **state)
{
    static const struct {
        enum config_type type;
        const char *text, *message;
    } rows[] = {
        {CONFIG_STRING, "{\"k\":\"\"}", NULL},
        {CONFIG_STRING, "{\"k\":1}", "o.k: must be a string"},
        {CONFIG_INTEGER, "{\"k\":-9223372036854775808}", NULL},
        {CONFIG_INTEGER, "{\"k\":1.0}", "o.k: must be an integer"},
        {CONFIG_INTEGER, "{\"k\":\"1\"}", "o.k: must be an integer"},
        {CONFIG_INTEGER, "{\"k\":9223372036854775808}",
         "o.k: 9223372036854775808 is more than 9223372036854775807"},
        {CONFIG_UNSIGNED, "{\"k\":9223372036854775808}", NULL},
        {CONFIG_UNSIGNED, "{\"k\":-1}", "o.k: -1"},
        {CONFIG_UNSIGNED, "{\"k\":1.5}", "o.k: must be"},
        {CONFIG_UNSIGNED, "{\"k\":\"1\"}", "o.k: must be"},
        {CONFIG_BOOL, "{\"k\":false}", NULL},
        {CONFIG_BOOL, "{\"k\":0}", "o.k: must be true or false"},
        {CONFIG_OBJECT, "{\"k\":{}}", NULL},
        {CONFIG_OBJECT, "{\"k\":[]}", "o.k: must be an object"},
        {CONFIG_ARRAY, "{\"k\":[]}", NULL},
        {CONFIG_ARRAY, "{\"k\":{}}", "o.k: must be an array"},
        {CONFIG_IGNORED, "{\"k\":3}", NULL},
        {CONFIG_STRING, "{}", "o.k: is missing"},
        {CONFIG_STRING, "{\"k\":null}", "o.k: is missing"},
        {CONFIG_STRING, "[]", "o: must be an object"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        uint64_t target = 0;
        struct error error = ERROR_INIT;
        const struct config_key keys[] = {
            {"k", rows[i].type, &target, true},
            {NULL, 0, NULL, false},
        };
        _cleanup_json_ json_t *json = config_parse(rows[i].text, strlen(rows[i].text), "p", &error);
        assert_non_null(json);
        int r = config_read_object(json, "o", keys, &error);
        assert_int_equal(r < 0, rows[i].message != NULL);
        if (rows[i].message && strncmp(error.message, rows[i].message, strlen(rows[i].message)))
            fail_msg("%s: \"%s\"", rows[i].text, error.message);
    }
}

static void absent_keys_leave_their_target(void **state)
{
    static const char text[] = "{\"null\":null,\"unknown\":[1],\"there\":5}";
    int64_t absent = 1, null = 2, there = 3;
    struct error error = ERROR_INIT;
    const struct config_key keys[] = {
        {"absent", CONFIG_INTEGER, &absent, false},
        {"null", CONFIG_INTEGER, &null, false},
        {"there", CONFIG_INTEGER, &there, true},
        {NULL, 0, NULL, false},
    };
    _cleanup_json_ json_t *json = config_parse(text, strlen(text), "p", &error);

    (void)state;
    assert_int_equal(config_read_object(json, "", keys, &error), 0);
    assert_int_equal(absent, 1);
    assert_int_equal(null, 2);
    assert_int_equal(there, 5);
    assert_true(config_has(json, "there") && config_has(json, "unknown"));
    assert_false(config_has(json, "null") || config_has(json, "absent"));
}

/* A tree that was not parsed can have it, and would be cut short by whoever uses it. */
static void a_string_with_nul_is_none(void **state)
{
    const char *text = NULL;
    char **list = NULL;
    struct error error = ERROR_INIT;
    const struct config_key keys[] = {
        {"k", CONFIG_STRING, &text, false},
        {NULL, 0, NULL, false},
    };
    _cleanup_json_ json_t *object = json_object(), *array = json_array();

    (void)state;
    json_object_set_new(object, "k", json_stringn("a\0b", 3));
    json_array_append_new(array, json_stringn("a\0b", 3));
    assert_int_equal(config_read_object(object, "", keys, &error), -EINVAL);
    assert_int_equal(config_read_strings(array, "l", &list, &error), -EINVAL);
    assert_string_equal(error.message, "l[0]: must be a string");
    assert_null(list);
}

static void lists_of_numbers(void **state)
{
    static const struct {
        const char *text;
        int errnum;
        uint64_t first, last;
    } rows[] = {
        {"0", 0, 1, 0},
        {"0-3,7", 0, 0x8f, 0},
        {"63,1023", 0, UINT64_C(1) << 63, UINT64_C(1) << 63},
        {"5-5", 0, 32, 0},
        {"0-1023", 0, UINT64_MAX, UINT64_MAX},
        {"007", 0, 128, 0},
        {"", EINVAL, 0, 0},
        {",", EINVAL, 0, 0},
        {"1,", EINVAL, 0, 0},
        {",1", EINVAL, 0, 0},
        {"1,,2", EINVAL, 0, 0},
        {"1-", EINVAL, 0, 0},
        {"-1", EINVAL, 0, 0},
        {"3-1", EINVAL, 0, 0},
        {"1-2-3", EINVAL, 0, 0},
        {" 1", EINVAL, 0, 0},
        {"1 ", EINVAL, 0, 0},
        {"+1", EINVAL, 0, 0},
        {"0x1", EINVAL, 0, 0},
        {"a", EINVAL, 0, 0},
        {"1024", ERANGE, 0, 0},
        {"0-1024", ERANGE, 0, 0},
        {"18446744073709551617", ERANGE, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        uint64_t bits[CONFIG_BITS / 64];
        struct error error = ERROR_INIT;
        int r = config_read_bits(rows[i].text, "p", bits, &error);
        if (r != -rows[i].errnum)
            fail_msg("\"%s\": %d %s", rows[i].text, r, error.message);
        if (r == 0) {
            assert_true(bits[0] == rows[i].first);
            assert_true(bits[15] == rows[i].last);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_document_is_read),
        cmocka_unit_test(an_empty_document_is_refused),
        cmocka_unit_test(the_place_of_a_mistake_is_told),
        cmocka_unit_test(numbers_are_exact),
        cmocka_unit_test(types_are_checked),
        cmocka_unit_test(absent_keys_leave_their_target),
        cmocka_unit_test(a_string_with_nul_is_none),
        cmocka_unit_test(lists_of_numbers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
