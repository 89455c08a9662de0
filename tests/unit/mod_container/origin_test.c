/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/cleanup.h"
#include "mod_container/origin.h"

static void test_origins(void **state)
{
    static const struct {
        const char *fetch_site, *origin, *host;
        bool is_tls, is_foreign;
    } cases[] = {
        {NULL, NULL, "a:8080", false, false}, /* curl */
        {"same-origin", NULL, "a", false, false},
        {"none", NULL, "a", false, false},
        {"same-site", NULL, "a", false, true},
        {"cross-site", "http://a", "a", false, true},
        {"", NULL, "a", false, true},
        {NULL, "http://a:8080", "a:8080", false, false},
        {NULL, "http://A:8080", "a:8080", false, false},
        {NULL, "http://a", "a:80", false, false},
        {NULL, "http://a:80", "a", false, false},
        {NULL, "https://a", "a:443", true, false},
        {NULL, "https://a", "a", false, false}, /* a proxy in front speaks TLS */
        {NULL, "http://a", "a", true, true},
        {NULL, "http://a:8081", "a:8080", false, true},
        {NULL, "http://a", "a:8080", false, true},
        {NULL, "http://a.evil", "a", false, true},
        {NULL, "http://a", "a.evil", false, true},
        {NULL, "null", "a", false, true},
        {NULL, "", "a", false, true},
        {NULL, "file://a", "a", false, true},
        {NULL, "http://", "", false, true},
        {NULL, "http://a", NULL, false, true},
        {"same-origin", "http://evil", "a", false, true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
        if (origin_is_foreign(cases[i].fetch_site, cases[i].origin, cases[i].host,
                              cases[i].is_tls) != cases[i].is_foreign)
            fail_msg("case %zu", i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_origins)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
