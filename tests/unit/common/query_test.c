/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/board/form.h"
#include "common/board/query.h"
#include "common/cleanup.h"

static void test_plain_page(void **state)
{
    struct status_query query;

    (void)state;
    assert_int_equal(status_query_parse(NULL, &query, NULL), 0);
    assert_int_equal(query.format, STATUS_HTML);
    assert_int_equal(query.refresh_seconds, 0);
    assert_false(query.is_without_table);
    assert_int_equal(status_query_parse("", &query, NULL), 0);
}

static void test_all_keys_together(void **state)
{
    struct status_query query;

    (void)state;
    assert_int_equal(status_query_parse("auto&refresh=3600&notable", &query, NULL), 0);
    assert_int_equal(query.format, STATUS_AUTO);
    assert_int_equal(query.refresh_seconds, 3600);
    assert_true(query.is_without_table);
    assert_int_equal(status_query_parse("format=json", &query, NULL), 0);
    assert_int_equal(query.format, STATUS_JSON);
    /* So writes a browser's script that changes another part of the query. */
    assert_int_equal(status_query_parse("auto=&notable=", &query, NULL), 0);
    assert_true(query.format == STATUS_AUTO && query.is_without_table);
    assert_int_equal(status_query_parse("%61uto", &query, NULL), 0);
    assert_int_equal(query.format, STATUS_AUTO);
}

static void test_selection(void **state)
{
    struct status_query query;

    (void)state;
    assert_int_equal(status_query_parse("sort=memory_bytes,desc&state=R,limited&q=Web&tenant=blog&"
                                        "limit=10000&page=3&format=csv",
                                        &query, NULL),
                     0);
    assert_int_equal(query.format, STATUS_CSV);
    assert_int_equal(query.order, ORDER_FIGURE);
    assert_string_equal(query.sort->key, "memory_bytes");
    assert_true(query.is_descending);
    assert_int_equal(query.states, 1u << CONTAINER_RUNNING | 1u << CONTAINER_LIMITED);
    assert_string_equal(query.text, "Web");
    assert_string_equal(query.tenant, "blog");
    assert_int_equal(query.limit, 10000);
    assert_int_equal(query.page, 3);
    assert_true(query.has_selection);
    assert_int_equal(status_query_parse("auto", &query, NULL), 0);
    assert_false(query.has_selection);
    assert_int_equal(query.order, ORDER_FAULTS);
    assert_int_equal(query.page, 1);
    assert_int_equal(status_query_parse("sort=slot", &query, NULL), 0);
    assert_int_equal(query.order, ORDER_SLOT);
    assert_int_equal(status_query_parse("sort=tenant,asc", &query, NULL), 0);
    assert_false(query.is_descending);
    /* A form's empty fields say nothing. */
    assert_int_equal(status_query_parse("q=&state=&limit=25", &query, NULL), 0);
    assert_int_equal(query.states, 0);
    assert_string_equal(query.text, "");
    assert_int_equal(status_query_parse("format=events&state=X&q=a&tenant=b", &query, NULL), 0);
}

/* The message names what was wrong, so that the caller can see it. */
static void test_refused(void **state)
{
    static const struct {
        const char *text, *named;
    } cases[] = {
        {"foo=autograph", "foo"},
        {"autograph", "autograph"},
        {"auto=1", "auto"},
        {"AUTO", "AUTO"},
        {"refresh", "refresh"},
        {"refresh=", "refresh="},
        {"refresh=0", "refresh=0"},
        {"refresh=3601", "3601"},
        {"refresh=-1", "-1"},
        {"refresh=+1", "refresh"},
        {"refresh=1s", "1s"},
        {"refresh=1e2", "1e2"},
        {"format=xml", "xml"},
        {"format=openmetrics&format=csv", "format"},
        {"sort=memory", "sort=memory"},
        {"sort=memory_bytes,down", "asc or desc"},
        {"sort=memory_bytes,", "asc or desc"},
        {"sort=,desc", "no figure"},
        {"sort", "sort"},
        {"state=R,", "state=R,"},
        {"state=r", "state=r"},
        {"state=.", "state=."},
        {"state=open", "state=open"},
        {"state=RL", "state=RL"},
        {"q=12345678901234567890123456789012345678901234567890123456789012345", "64"},
        {"tenant=Blog", "Blog"},
        {"tenant=", "tenant="},
        {"limit=0", "1 to 10000"},
        {"limit=10001", "1 to 10000"},
        {"page=0", "page=0"},
        {"page=65537", "65536"},
        {"format=events&limit=5", "limit"},
        {"sort=slot&format=events", "sort"},
        {"format=events&refresh=5", "refresh"},
        {"format", "format"},
        {"auto&auto", "auto"},
        {"auto&format=json", "auto"},
        {"&", "name"},
        {"auto&&notable", "name"},
        {"=x", "name"},
        {"%", "hexadecimal"},
        {"%0", "hexadecimal"},
        {"%00", "hexadecimal"},
        {"auto%00", "hexadecimal"},
        {"%zz", "hexadecimal"},
        {"refresh=1%000", "hexadec"},
        {"refresh=9999999999999999999999", "refresh="},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct status_query query;
        struct error error = ERROR_INIT;
        if (status_query_parse(cases[i].text, &query, &error) != -EINVAL ||
            !strstr(error.message, cases[i].named))
            fail_msg("\"%s\": %s", cases[i].text, error.message);
    }
}

static void test_long_query(void **state)
{
    char text[600];
    struct status_query query;

    (void)state;
    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    assert_int_equal(status_query_parse(text, &query, NULL), -EINVAL);
}

static void test_form_decodes(void **state)
{
    char text[] = "action=%73top&a+b=c+%2B%26&empty=&bare";
    struct form_field fields[4];

    (void)state;
    assert_int_equal(form_parse(text, fields, 4, NULL), 4);
    assert_string_equal(fields[0].key, "action");
    assert_string_equal(fields[0].value, "stop");
    assert_string_equal(fields[1].key, "a b");
    assert_string_equal(fields[1].value, "c +&");
    assert_string_equal(fields[2].value, "");
    assert_null(fields[3].value);
}

static void test_form_bounds(void **state)
{
    char many[] = "a&b&c";
    char twice[] = "a=1&%61=2";
    struct form_field fields[3];

    (void)state;
    assert_int_equal(form_parse(many, fields, 2, NULL), -E2BIG);
    assert_int_equal(form_parse(twice, fields, 3, NULL), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_page),  cmocka_unit_test(test_all_keys_together),
        cmocka_unit_test(test_selection),   cmocka_unit_test(test_refused),
        cmocka_unit_test(test_long_query),  cmocka_unit_test(test_form_decodes),
        cmocka_unit_test(test_form_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
