/* SPDX-License-Identifier: Apache-2.0 */
/* The small readers of text: shell words, paths, nearest words, env files, quoting. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/cleanup.h"
#include "supervisor/spec/capability_name.h"
#include "supervisor/spec/compose_reader.h"
#include "supervisor/spec/path_text.h"
#include "supervisor/spec/shell_words.h"
#include "supervisor/spec/suggest.h"

/* The items with '|' between. */
static void join(const struct string_list *list, char *text, size_t size)
{
    text[0] = '\0';
    for (size_t i = 0; i < list->count; i++)
        snprintf(text + strlen(text), size - strlen(text), "%s%s", i ? "|" : "", list->items[i]);
}

static void words_are_split_as_by_a_shell(void **state)
{
    static const struct {
        const char *text, *words; /* NULL: refused */
    } cases[] = {
        {"", ""},
        {" \t ", ""},
        {"a", "a"},
        {" a  b\tc\n", "a|b|c"},
        {"a 'b c' d", "a|b c|d"},
        {"a \"b c\" d", "a|b c|d"},
        {"a''b", "ab"},
        {"'' a", "|a"},
        {"a\\ b", "a b"},
        {"'a\\b'", "a\\b"},
        {"\"a\\b \\\" \\\\ \\$\"", "a\\b \" \\ $"},
        {"a\\\nb", "ab"},
        {"sh -c 'echo \"x y\"; exit'", "sh|-c|echo \"x y\"; exit"},
        {"'a", NULL},
        {"\"a", NULL},
        {"a\\", NULL},
        {"\"a\\", NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        _cleanup_string_list_ struct string_list list = {0};
        char text[200];
        int r = shell_words_split(cases[i].text, &list);
        assert_int_equal(r, cases[i].words ? 0 : -EINVAL);
        join(&list, text, sizeof(text));
        if (cases[i].words)
            assert_string_equal(text, cases[i].words);
    }
}

static void paths_are_normalised(void **state)
{
    static const struct {
        const char *path, *normal; /* NULL: refused */
    } cases[] = {
        {"/", "/"},
        {"//", "/"},
        {"/.", "/"},
        {"/a", "/a"},
        {"/a/", "/a"},
        {"//a//b/", "/a/b"},
        {"/./a/./b", "/a/b"},
        {"a", "a"},
        {"./a", "a"},
        {"./", ""},
        {".", ""},
        {"", ""},
        {"./a/./b/", "a/b"},
        {"/a/..b", "/a/..b"},
        {"/...", "/..."},
        {"/..", NULL},
        {"/a/../b", NULL},
        {"..", NULL},
        {"a/..", NULL},
        {"/a\nb", NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        char path[64];
        strcpy(path, cases[i].path);
        assert_int_equal(path_text_normalise(path), cases[i].normal ? 0 : -EINVAL);
        if (cases[i].normal)
            assert_string_equal(path, cases[i].normal);
    }
    char name[300];
    memset(name, 'a', sizeof(name));
    name[0] = '/';
    name[256] = '\0';
    assert_int_equal(path_text_normalise(name), 0); /* NAME_MAX is 255 */
    name[256] = 'a';
    name[257] = '\0';
    assert_int_equal(path_text_normalise(name), -ENAMETOOLONG);
    assert_true(path_text_is_below("/proc", "/proc"));
    assert_true(path_text_is_below("/proc/a", "/proc"));
    assert_false(path_text_is_below("/process", "/proc"));
    assert_int_equal(path_text_depth("/"), 0);
    assert_int_equal(path_text_depth("/a/b"), 2);
}

static void the_nearest_word_is_found(void **state)
{
    static const char *const words[] = {"mem_limit", "pids_limit", "image", "user"};

    (void)state;
    assert_int_equal(suggest_distance("", "abc"), 3);
    assert_int_equal(suggest_distance("abc", "abc"), 0);
    assert_int_equal(suggest_distance("abc", "acb"), 1);
    assert_int_equal(suggest_distance("kitten", "sitting"), 3);
    assert_string_equal(suggest_nearest("memlimit", words, 4), "mem_limit");
    assert_string_equal(suggest_nearest("iamge", words, 4), "image");
    assert_null(suggest_nearest("x", words, 0));
    char text[200];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    assert_non_null(suggest_nearest(text, words, 4));
}

static void capability_names_have_many_forms(void **state)
{
    (void)state;
    assert_string_equal(capability_full_name("CAP_CHOWN"), "CAP_CHOWN");
    assert_string_equal(capability_full_name("chown"), "CAP_CHOWN");
    assert_string_equal(capability_full_name("Cap_Net_Raw"), "CAP_NET_RAW");
    assert_null(capability_full_name("CAP_"));
    assert_null(capability_full_name(""));
    assert_null(capability_full_name("CHOWNS"));
    assert_string_equal(capability_nearest("cap_chwon"), "CHOWN");
}

static void env_files_say_what_is_wrong(void **state)
{
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"A=1\nB", "e:2: no = in this line; write KEY=VALUE (nothing is inherited)"},
        {"=1", "e:1: not a KEY in front of the =; write KEY=VALUE"},
        {"A B=1", "e:1: not a KEY in front of the =; write KEY=VALUE"},
        {"A='x", "e:1: the quote ' has no end in this line"},
        {"A=\"x", "e:1: the quote \" has no end in this line"},
        {"A=\"x\\\"", "e:1: the quote \" has no end in this line"},
        {"A='x'y", "e:1: text behind the closing quote; remove it or quote the whole value"},
        {"A=$B", "e:1: a $ that Compose would interpolate, which is not supported; put the value "
                 "in single quotes"},
        {"A=\"$B\"", "e:1: a $ that Compose would interpolate, which is not supported; write \\$ "
                     "or use single quotes"},
        {"A=\xff", "e: not UTF-8"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        _cleanup_string_list_ struct string_list list = {0};
        struct error error = ERROR_INIT;
        assert_int_equal(env_file_parse(cases[i].text, "e", &list, &error), -EINVAL);
        assert_string_equal(error.message, cases[i].expected);
    }
}

static void env_files_are_read(void **state)
{
    _cleanup_string_list_ struct string_list list = {0};
    char text[200];

    (void)state;
    assert_int_equal(env_file_parse("A=\nB=x#y # z\n\n  # c\nC='' # c\nD=\"\\n\\x\"\nB=2\n"
                                    "E=#x\nexport\tF=1\n",
                                    "e", &list, NULL),
                     -EINVAL); /* "export\tF" is no key */
    string_list_free(&list);
    assert_int_equal(env_file_parse("A=\nB=x#y # z\n\n  # c\nC='' # c\nD=\"\\n\\x\"\nB=2\n"
                                    "E=#x\nexport  F=1\n",
                                    "e", &list, NULL),
                     0);
    join(&list, text, sizeof(text));
    assert_string_equal(text, "A=|B=2|C=|D=\n\\x|E=|F=1");
}

static void quotes_are_short_and_harmless(void **state)
{
    char buffer[12];

    (void)state;
    assert_string_equal(place_quote("a\033[2J\n", buffer, sizeof(buffer)), "a?[2J?");
    assert_string_equal(place_quote("12345678", buffer, sizeof(buffer)), "12345678");
    assert_string_equal(place_quote("123456789", buffer, sizeof(buffer)), "12345678...");
    /* A character of two bytes is not cut in half. */
    assert_string_equal(place_quote("1234567\xc3\xa4x", buffer, sizeof(buffer)), "1234567...");
}

static void sorted_lists_have_each_item_once(void **state)
{
    _cleanup_string_list_ struct string_list list = {0};
    char text[32], item[2] = "";

    (void)state;
    for (const char *c = "dbacabdd"; *c; c++) {
        item[0] = *c;
        assert_int_equal(string_list_add(&list, item), 0);
    }
    string_list_sort_unique(&list);
    assert_int_equal(string_list_add(&list, "e"), 0);
    join(&list, text, sizeof(text));
    assert_string_equal(text, "a|b|c|d|e");
    assert_null(list.items[list.count]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_split_as_by_a_shell),
        cmocka_unit_test(paths_are_normalised),
        cmocka_unit_test(the_nearest_word_is_found),
        cmocka_unit_test(capability_names_have_many_forms),
        cmocka_unit_test(env_files_say_what_is_wrong),
        cmocka_unit_test(env_files_are_read),
        cmocka_unit_test(quotes_are_short_and_harmless),
        cmocka_unit_test(sorted_lists_have_each_item_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
