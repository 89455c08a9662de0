/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/cleanup.h"
#include "mod_container/door/page.h"

static void spellings(void **state)
{
    static const char *const cases[][2] = {
        {"/a/b", "/a/b"},     {"//a///b", "/a/b"},
        {"/a/./b", "/a/b"},   {"/a/c/../b", "/a/b"},
        {"/%61/%62", "/a/b"}, {"/a/b?c", "/a/b"},
        {"/a/b#c", "/a/b"},   {"/a%2Fb", "/a/b"},
        {"/%2e%2E/a", "/a"},  {"/../../a", "/a"},
        {"/a/..", "/"},       {"/a/.", "/a/"},
        {"/", "/"},           {"", ""},
        {"/..", "/"},         {"/a/b/../..", "/"},
        {"/%zz%4", "/%zz%4"}, {"/%", "/%"},
        {"/%2561", "/%61"},   {"/a%00b", "/ab"},
        {"/...", "/..."},     {"/a.", "/a."},
        {"*", "*"},           {"/a//../b", "/b"},
        {"/%e4", "/\xe4"},    {"a:1", "a:1"},
        {"../a", "/a"},       {"..", ""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        _cleanup_free_ char *page = malloc(strlen(cases[i][0]) + 1);
        assert_non_null(page);
        assert_string_equal(page_normalise(cases[i][0], page), cases[i][1]);
        strcpy(page, cases[i][0]);
        assert_string_equal(page_normalise(page, page), cases[i][1]);
    }
}

static void patterns(void **state)
{
    (void)state;
    assert_true(page_matches("/a", "/a"));
    assert_false(page_matches("/a/b", "/a"));
    assert_true(page_matches("/a/b", "/a/"));
    assert_false(page_matches("/ab", "/a/"));
    assert_true(page_matches("/", "/"));
    assert_false(page_matches("/a", "/"));
    assert_true(page_matches("/x/y.php", "*.php"));
    assert_false(page_matches("php", "*.php"));
}

static void hashes(void **state)
{
    (void)state;
    assert_true(page_hash("a", 80, "/b") == page_hash("a", 80, "/b"));
    assert_true(page_hash("a", 80, "/b") != page_hash("a", 81, "/b"));
    assert_true(page_hash("a", 80, "/b") != page_hash("a/", 80, "b"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spellings),
        cmocka_unit_test(patterns),
        cmocka_unit_test(hashes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
