/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/board/out_memory.h"
#include "common/cleanup.h"
#include "mod_container/limit_template.h"

static const char *const values[LIMIT_PLACE_COUNT] = {
    [LIMIT_PLACE_STATUS] = "503",      [LIMIT_PLACE_TITLE] = "Service Unavailable",
    [LIMIT_PLACE_MESSAGE] = "<b>\"'&", [LIMIT_PLACE_RETRY_AFTER] = "7",
    [LIMIT_PLACE_REFERENCE] = "AB-C",  [LIMIT_PLACE_HOST] = NULL,
};

static char *render(const char *text)
{
    struct limit_template *template;
    struct out_memory memory;
    struct error error = ERROR_INIT;

    if (limit_template_parse(text, strlen(text), &template, &error) < 0)
        fail_msg("\"%s\": %s", text, error.message);
    out_memory_begin(&memory);
    limit_template_write(template, values, &memory.out);
    limit_template_free(template);
    return out_memory_end(&memory, NULL);
}

static void places_are_filled_and_escaped(void **state)
{
    static const char *const cases[][2] = {
        {"plain", "plain"},
        {"%{status} %{title}", "503 Service Unavailable"},
        {"%{status}%{status}", "503503"},
        {"<p title=\"%{message}\">", "<p title=\"&lt;b&gt;&quot;&#39;&amp;\">"},
        {"a%{retry_after}b%{reference}c%{host}d", "a7bAB-Ccd"},
        {"width:100%;x%", "width:100%;x%"},
        {"50% {opacity:0}", "50% {opacity:0}"},
        {"50%%{opacity:0}", "50%{opacity:0}"},
        {"%%{status}", "%{status}"},
        {"%{status}%%{status}%{status}", "503%{status}503"},
        {"%%", "%%"},
        {"{status}%", "{status}%"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        _cleanup_free_ char *text = render(cases[i][0]);
        assert_string_equal(text, cases[i][1]);
    }
}

static void what_is_wrong_is_named_with_its_line(void **state)
{
    static const struct {
        const char *text;
        size_t length;
        const char *said[2];
    } cases[] = {
        {"", 0, {"1: ", "empty"}},
        {"a\nb\n%{stauts}", 13, {"3: %{stauts} is not known", "%{retry_after}"}},
        {"%{status", 8, {"1: ", "has no '}'"}},
        {"\n%{sta\ntus}", 11, {"2: ", "has no '}'"}},
        {"%{}", 3, {"1: %{} is not known", "%{host}"}},
        {"%{STATUS}", 9, {"1: %{STATUS} is not known", "%%{"}},
        {"a\nb\0c", 5, {"2: ", "NUL"}},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct limit_template *template = NULL;
        struct error error = ERROR_INIT;
        assert_int_equal(limit_template_parse(cases[i].text, cases[i].length, &template, &error),
                         -EINVAL);
        assert_null(template);
        assert_non_null(strstr(error.message, cases[i].said[0]));
        assert_non_null(strstr(error.message, cases[i].said[1]));
    }
}

static void its_size_has_a_bound(void **state)
{
    _cleanup_free_ char *text = malloc(LIMIT_TEMPLATE_MAX_BYTES + 1);
    struct limit_template *template = NULL;
    struct error error = ERROR_INIT;

    (void)state;
    memset(text, 'x', LIMIT_TEMPLATE_MAX_BYTES + 1);
    assert_int_equal(limit_template_parse(text, LIMIT_TEMPLATE_MAX_BYTES, &template, &error), 0);
    limit_template_free(template);
    assert_int_equal(limit_template_parse(text, LIMIT_TEMPLATE_MAX_BYTES + 1, &template, &error),
                     -E2BIG);
}

static void it_is_read_from_a_plain_file_only(void **state)
{
    char directory[] = "/tmp/limit-template-XXXXXX", path[64], other[64];
    struct limit_template *template = NULL;
    struct error error = ERROR_INIT;

    (void)state;
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/page", directory);
    snprintf(other, sizeof(other), "%s/other", directory);
    assert_int_equal(limit_template_load(path, &template, &error), -ENOENT);
    assert_non_null(strstr(error.message, path));
    FILE *file = fopen(path, "w");
    fputs("ok\n%{nonsense}", file);
    fclose(file);
    assert_int_equal(limit_template_load(path, &template, &error), -EINVAL);
    assert_non_null(strstr(error.message, path));
    assert_non_null(strstr(error.message, ": 2: %{nonsense}"));
    file = fopen(path, "w");
    fputs("%{status}", file);
    fclose(file);
    assert_int_equal(limit_template_load(path, &template, &error), 0);
    limit_template_free(template);
    assert_int_equal(symlink(path, other), 0);
    assert_int_equal(limit_template_load(other, &template, &error), -ELOOP);
    unlink(other);
    assert_int_equal(mkfifo(other, 0600), 0);
    assert_int_equal(limit_template_load(other, &template, &error), -EINVAL);
    unlink(other);
    assert_int_equal(limit_template_load(directory, &template, &error), -EINVAL);
    unlink(path);
    rmdir(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_are_filled_and_escaped),
        cmocka_unit_test(what_is_wrong_is_named_with_its_line),
        cmocka_unit_test(its_size_has_a_bound),
        cmocka_unit_test(it_is_read_from_a_plain_file_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
