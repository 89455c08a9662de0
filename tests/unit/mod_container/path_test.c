/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/cleanup.h"
#include "mod_container/path.h"

static void test_acceptable(void **state)
{
    static const char *const good[] = {"/", "/a/b.php", "/a b", "/a..b/...", "/%2", "/\xc3\xa4"};
    static const char *const bad[] = {"",      "a",       "/a?b",   "/a\nb", "/\x01",
                                      "/\x7f", "/a%2Fb",  "/a%2fb", "/.",    "/..",
                                      "/../a", "/a/../b", "/a/..",  "/a/./b"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(good); i++)
        if (!path_is_acceptable(good[i]))
            fail_msg("\"%s\" is good", good[i]);
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++)
        if (path_is_acceptable(bad[i]))
            fail_msg("\"%s\" is bad", bad[i]);
}

static void test_script(void **state)
{
    static const struct {
        const char *path;
        size_t length;
    } cases[] = {
        {"/index.php", 10}, {"/index.php/more", 10}, {"/a.php.b", 0},      {"/a.phpx/b.php", 13},
        {"/.php", 0},       {"/d/.php/x", 0},        {"/a.PHP", 0},        {"/a", 0},
        {"/", 0},           {"/a.php/b.php", 6},     {"/x.php.php/y", 10}, {"/a.php/", 6},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
        if (path_script_length(cases[i].path) != cases[i].length)
            fail_msg("%s: %zu", cases[i].path, path_script_length(cases[i].path));
}

static void test_hidden(void **state)
{
    (void)state;
    assert_true(path_is_hidden("/.git/config"));
    assert_true(path_is_hidden("/a/.htaccess"));
    assert_true(path_is_hidden("/.well-knownx"));
    assert_true(path_is_hidden("/a/.well-known/x"));
    assert_true(path_is_hidden("/.well-known/.secret"));
    assert_false(path_is_hidden("/.well-known/acme-challenge/x"));
    assert_false(path_is_hidden("/a.b/c"));
}

static void test_source(void **state)
{
    static const char *const source[] = {"/a.php",      "/a.PHP",     "/a.Php5",    "/a.phtml",
                                         "/a.PHAR",     "/a.php~",    "/a.php.bak", "/x/a.phps",
                                         "/a.tar.phar", "/wp.php.swp"};
    static const char *const plain[] = {"/a.css", "/php/a.js", "/a.php/b.txt", "/php", "/a.xphp"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(source); i++)
        if (!path_is_source(source[i]))
            fail_msg("%s is source", source[i]);
    for (size_t i = 0; i < ARRAY_LENGTH(plain); i++)
        if (path_is_source(plain[i]))
            fail_msg("%s is plain", plain[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_acceptable),
        cmocka_unit_test(test_script),
        cmocka_unit_test(test_hidden),
        cmocka_unit_test(test_source),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
