/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/cleanup.h"
#include "mod_container/accept.h"

static void programs_get_json_and_people_do_not(void **state)
{
    static const struct {
        const char *accept, *requested_with;
        bool is_json;
    } cases[] = {
        {NULL, NULL, false},
        {"*/*", NULL, false},
        {"*/*", "XMLHttpRequest", true},
        {NULL, "xmlhttprequest", true},
        {"*/*", "com.example.app", false},
        {"application/json", NULL, true},
        {"Application/JSON;charset=utf-8", NULL, true},
        {"application/json, text/javascript, */*; q=0.01", NULL, true},
        {"application/problem+json", NULL, true},
        {"text/plain,application/json", NULL, true},
        {"application/json, text/html", NULL, false},
        {"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", NULL, false},
        {"text/html", "XMLHttpRequest", false},
        {"application/json;q=0", NULL, false},
        {"application/json; q=0.000", NULL, false},
        {"application/json;q=0.5", NULL, true},
        {"application/json;q=0.05", NULL, true},
        {"application/json, text/html;q=0", NULL, true},
        {"application/jsonx", NULL, false},
        {"xapplication/json", NULL, false},
        {",,, ,application/json", NULL, true},
        {"", NULL, false},
        {",", NULL, false},
        {";q=0", NULL, false},
        {"application/json;q=", NULL, true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
        if (accept_wants_json(cases[i].accept, cases[i].requested_with) != cases[i].is_json)
            fail_msg("Accept: %s, X-Requested-With: %s",
                     cases[i].accept ? cases[i].accept : "(none)",
                     cases[i].requested_with ? cases[i].requested_with : "(none)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(programs_get_json_and_people_do_not)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
