/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/cleanup.h"
#include "mod_container/gate_limit.h"

#define WORDS_MAX 5

static int parse(const char *const words[WORDS_MAX], struct gate_limit *limit, struct error *error)
{
    int count = 0;

    memset(limit, 0, sizeof(*limit));
    while (count < WORDS_MAX && words[count])
        count++;
    return gate_limit_parse(count, words, limit, error);
}

static void limits_are_read(void **state)
{
    static const struct {
        const char *words[WORDS_MAX];
        struct gate_limit limit;
    } cases[] = {
        {{"off"}, {.requests = 0}},
        {{"20"}, {.requests = 20, .deadline_ms = GATE_DEADLINE_DEFAULT_MS}},
        {{"1024", "queue=1024", "deadline=60s", "per-client=1024"},
         {1024, 1024, 1024, 60000, NULL}},
        {{"1", "per-client=1", "deadline=100ms", "queue=1"}, {1, 1, 1, 100, NULL}},
        {{"5", "queue=0"}, {.requests = 5, .deadline_ms = GATE_DEADLINE_DEFAULT_MS}},
        {{"5", "queue=7", "deadline=1"}, {.requests = 5, .queue = 7, .deadline_ms = 1000}},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct gate_limit limit;
        assert_int_equal(parse(cases[i].words, &limit, NULL), 0);
        assert_memory_equal(&limit, &cases[i].limit, sizeof(limit));
    }
}

static void mistakes_are_named(void **state)
{
    static const struct {
        const char *words[WORDS_MAX];
        const char *named;
    } cases[] = {
        {{NULL}, "from 1 to 1024, or off"},
        {{"0"}, "\"0\""},
        {{"1025"}, "\"1025\""},
        {{"-1"}, "\"-1\""},
        {{"off", "queue=1"}, "off alone"},
        {{"5", "queue=1025"}, "from 0 to 1024"},
        {{"5", "queue="}, "queue=\"\""},
        {{"5", "queue=1", "deadline=99ms"}, "from 100ms to 60s"},
        {{"5", "queue=1", "deadline=61s"}, "deadline=\"61s\""},
        {{"5", "deadline=5s"}, "needs queue=Q, such as queue=5"},
        {{"5", "queue=0", "deadline=5s"}, "needs queue=Q"},
        {{"5", "per-client=6"}, "from 1 to 5"},
        {{"5", "per-client=0"}, "per-client=\"0\""},
        {{"5", "queue=1", "queue=2"}, "given twice"},
        {{"5", "wait=1"}, "\"wait=1\" is not an option"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct gate_limit limit;
        struct error error = ERROR_INIT;
        assert_true(parse(cases[i].words, &limit, &error) < 0);
        if (!strstr(error.message, cases[i].named))
            fail_msg("%s is not in: %s", cases[i].named, error.message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_are_read),
        cmocka_unit_test(mistakes_are_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
