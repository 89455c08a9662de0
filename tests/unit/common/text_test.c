/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/board/text.h"
#include "common/cleanup.h"

#define BAD "\xef\xbf\xbd"

static void test_clean(void **state)
{
    static const struct {
        const char *text, *cleaned;
    } cases[] = {
        {"", ""},
        {"plain <b>&", "plain <b>&"},
        {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"},
        {"a\nb\tc\x1b[0m\x7f", "a b c [0m "},
        {"\xff"
         "a",
         BAD "a"},
        {"\xc3", BAD},
        {"\xe2\x82", BAD BAD},
        {"\xc0\x80", BAD BAD},                 /* overlong NUL */
        {"\xe0\x80\xbc", BAD BAD BAD},         /* overlong '<' */
        {"\xed\xa0\x80", BAD BAD BAD},         /* surrogate */
        {"\xf4\x90\x80\x80", BAD BAD BAD BAD}, /* beyond U+10FFFF */
        {"+ADw-", "+ADw-"},
        {"a\xc2\x85"
         "b",
         "a b"}, /* C1 */
        {"a\xe2\x80\xae"
         "b",
         "a b"}, /* right-to-left override */
        {"a\xe2\x80\xa8"
         "b",
         "a b"}, /* line separator */
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        char buffer[64];
        assert_string_equal(text_clean(cases[i].text, buffer, sizeof(buffer)), cases[i].cleaned);
    }
}

static void test_clean_stops_at_the_end(void **state)
{
    char buffer[5] = {'x', 'x', 'x', 'x', 'x'};

    (void)state;
    assert_string_equal(text_clean("a\xe2\x82\xac\xe2\x82\xac", buffer, 5), "a\xe2\x82\xac");
    assert_string_equal(text_clean("ab\xe2\x82\xac", buffer, 5), "ab");
    assert_string_equal(text_clean("abcdef", buffer, 1), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clean),
        cmocka_unit_test(test_clean_stops_at_the_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
