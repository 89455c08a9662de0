/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/error.h"

static void set_keeps_code_and_text(void **state)
{
    struct error error = ERROR_INIT;

    (void)state;
    assert_int_equal(error_set(&error, EINVAL, "%s: %d is too much", "x.yaml", 7), -EINVAL);
    assert_int_equal(error.code, EINVAL);
    assert_string_equal(error.message, "x.yaml: 7 is too much");
}

static void sys_adds_the_systems_text(void **state)
{
    struct error error = ERROR_INIT;

    (void)state;
    assert_int_equal(error_sys(&error, ENOENT, "open %s", "/x"), -ENOENT);
    assert_string_equal(error.message, "open /x: No such file or directory");
}

static void wrap_reads_from_the_whole_to_the_part(void **state)
{
    struct error error = ERROR_INIT;

    (void)state;
    error_sys(&error, EPERM, "mount /proc");
    assert_int_equal(error_wrap(&error, "start %s", "blog/web"), -EPERM);
    assert_string_equal(error.message, "start blog/web: mount /proc: Operation not permitted");
    assert_int_equal(error.code, EPERM);
}

static void a_code_that_is_none_is_still_a_failure(void **state)
{
    struct error error = ERROR_INIT;

    (void)state;
    assert_int_equal(error_set(&error, 0, "x"), -EIO);
    assert_int_equal(error_set(&error, -3, "x"), -EIO);
    assert_int_equal(error.code, EIO);
}

static void long_texts_are_cut_and_terminated(void **state)
{
    char text[3000];
    struct error error;

    (void)state;
    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    memset(&error, 'x', sizeof(error));
    error_sys(&error, EPERM, "%s", text);
    assert_int_equal(strlen(error.message), sizeof(error.message) - 1);
    error_wrap(&error, "%s", text);
    assert_int_equal(strlen(error.message), sizeof(error.message) - 1);
    error_wrap(&error, "whole");
    assert_int_equal(strlen(error.message), sizeof(error.message) - 1);
    assert_memory_equal(error.message, "whole: aaa", 10);
}

static void null_is_taken_everywhere(void **state)
{
    (void)state;
    assert_int_equal(error_set(NULL, EINVAL, "x"), -EINVAL);
    assert_int_equal(error_sys(NULL, EPERM, "x"), -EPERM);
    assert_true(error_wrap(NULL, "x") < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(set_keeps_code_and_text),
        cmocka_unit_test(sys_adds_the_systems_text),
        cmocka_unit_test(wrap_reads_from_the_whole_to_the_part),
        cmocka_unit_test(a_code_that_is_none_is_still_a_failure),
        cmocka_unit_test(long_texts_are_cut_and_terminated),
        cmocka_unit_test(null_is_taken_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
