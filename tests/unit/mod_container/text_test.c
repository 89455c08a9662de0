/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/cleanup.h"
#include "mod_container/sha256.h"
#include "mod_container/text.h"

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

/* FIPS 180-4 examples (NIST, "SHA256.pdf") and the two lengths around a block's padding. */
static void test_sha256(void **state)
{
    static const struct {
        const char *text, *hex;
    } cases[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
         "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318"},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
         "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        uint8_t digest[SHA256_SIZE];
        char hex[2 * SHA256_SIZE + 1];
        sha256(cases[i].text, strlen(cases[i].text), digest);
        for (unsigned j = 0; j < SHA256_SIZE; j++)
            snprintf(hex + 2 * j, 3, "%02x", digest[j]);
        assert_string_equal(hex, cases[i].hex);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clean),
        cmocka_unit_test(test_clean_stops_at_the_end),
        cmocka_unit_test(test_sha256),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
