/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/cleanup.h"
#include "common/seal.h"

#define EXPIRY 1795324203u

static const uint8_t key[SEAL_KEY_SIZE] = {1, 2, 3};
static const char *const words[] = {"ada", "stop", "blog/web"};

static void holds_for_its_words_until_it_expires(void **state)
{
    char text[SEAL_TEXT_SIZE];

    (void)state;
    assert_ptr_equal(seal_make(key, words, ARRAY_LENGTH(words), EXPIRY, text), text);
    assert_int_equal(strncmp(text, "1795324203-", 11), 0);
    assert_int_equal(strlen(text), 11 + 64);
    assert_true(seal_is_valid(key, words, ARRAY_LENGTH(words), EXPIRY - 1, text));
    assert_true(seal_is_valid(key, words, ARRAY_LENGTH(words), EXPIRY, text));
    assert_false(seal_is_valid(key, words, ARRAY_LENGTH(words), EXPIRY + 1, text));
}

static void holds_for_no_other_words(void **state)
{
    static const char *const others[][3] = {
        {"ada", "stop", "blog/we"},  {"ada", "start", "blog/web"},   {"eve", "stop", "blog/web"},
        {"", "adastop", "blog/web"}, {"adas", "top", "blog/web"},    {"ada 4:stop", "", "blog/web"},
        {"ada", "stop", ""},         {"ada", "stop 8:blog/web", ""},
    };
    char text[SEAL_TEXT_SIZE];

    (void)state;
    seal_make(key, words, ARRAY_LENGTH(words), EXPIRY, text);
    for (size_t i = 0; i < ARRAY_LENGTH(others); i++)
        assert_false(seal_is_valid(key, others[i], 3, EXPIRY, text));
    assert_false(seal_is_valid(key, words, 2, EXPIRY, text));
}

static void holds_for_no_other_key(void **state)
{
    uint8_t other[SEAL_KEY_SIZE];
    char text[SEAL_TEXT_SIZE];

    (void)state;
    seal_make(key, words, ARRAY_LENGTH(words), EXPIRY, text);
    for (size_t i = 0; i < SEAL_KEY_SIZE; i++) {
        memcpy(other, key, sizeof(other));
        other[i] ^= 1;
        assert_false(seal_is_valid(other, words, ARRAY_LENGTH(words), EXPIRY, text));
    }
}

static void no_change_of_the_text_passes(void **state)
{
    char text[SEAL_TEXT_SIZE], changed[SEAL_TEXT_SIZE + 8];

    (void)state;
    seal_make(key, words, ARRAY_LENGTH(words), EXPIRY, text);
    for (size_t i = 0; i < strlen(text); i++) {
        strcpy(changed, text);
        changed[i] = changed[i] == '0' ? '1' : '0';
        assert_false(seal_is_valid(key, words, ARRAY_LENGTH(words), EXPIRY, changed));
        strcpy(changed, text);
        changed[i] = '\0';
        assert_false(seal_is_valid(key, words, ARRAY_LENGTH(words), EXPIRY, changed));
    }
    const char *const forms[] = {"0%s", "+%s", " %s", "%s ", "%s0", "-%s"};
    for (size_t i = 0; i < ARRAY_LENGTH(forms); i++) {
        snprintf(changed, sizeof(changed), "%.1s%s%s", forms[i][0] == '%' ? "" : forms[i], text,
                 forms[i][0] == '%' ? forms[i] + 2 : "");
        assert_false(seal_is_valid(key, words, ARRAY_LENGTH(words), EXPIRY, changed));
    }
}

static void nonsense_is_no_seal(void **state)
{
    static const char *const texts[] = {
        "",
        "-",
        "x",
        "18446744073709551616-",
        "18446744073709551615-",
        "99999999999999999999999999-",
        "-1795324203-00",
        "1795324203",
        "111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111"
        "11",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++)
        assert_false(seal_is_valid(key, words, ARRAY_LENGTH(words), EXPIRY, texts[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(holds_for_its_words_until_it_expires),
        cmocka_unit_test(holds_for_no_other_words),
        cmocka_unit_test(holds_for_no_other_key),
        cmocka_unit_test(no_change_of_the_text_passes),
        cmocka_unit_test(nonsense_is_no_seal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
