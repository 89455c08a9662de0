/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "supervisor/daemon/restart.h"

static const struct restart_end failed_at_once = {.is_failure = true, .ran_usec = 1000};
static const struct restart_end ended_well = {.is_failure = false, .ran_usec = 1000};

static void test_wait_doubles_to_a_minute(void **state)
{
    (void)state;
    assert_int_equal(restart_wait_usec(0), 100000);
    assert_int_equal(restart_wait_usec(1), 200000);
    assert_int_equal(restart_wait_usec(9), 51200000);
    assert_int_equal(restart_wait_usec(10), 60000000);
}

/* CVE-2025-55753 was a back-off that overflowed to zero after a month. */
static void test_wait_never_overflows(void **state)
{
    (void)state;
    for (uint32_t attempt = 10; attempt < 1000000; attempt++)
        assert_int_equal(restart_wait_usec(attempt), RESTART_MOST_USEC);
    assert_int_equal(restart_wait_usec(UINT32_MAX), RESTART_MOST_USEC);
}

static void test_attempts_saturate(void **state)
{
    struct restart_state restart = {.attempts = UINT32_MAX};
    uint64_t wait = 0;

    (void)state;
    assert_int_equal(restart_decide(&restart, RESTART_ALWAYS, 0, &failed_at_once, &wait),
                     RESTART_AGAIN);
    assert_int_equal(wait, RESTART_MOST_USEC);
    assert_int_equal(restart.attempts, UINT32_MAX);
}

static void test_ten_seconds_of_running_begin_anew(void **state)
{
    const struct restart_end long_run = {.is_failure = true, .ran_usec = 10000000};
    const struct restart_end short_run = {.is_failure = true, .ran_usec = 9999999};
    struct restart_state restart = {.attempts = 8};
    uint64_t wait = 0;

    (void)state;
    restart_decide(&restart, RESTART_ALWAYS, 0, &short_run, &wait);
    assert_int_equal(wait, 25600000);
    restart_decide(&restart, RESTART_ALWAYS, 0, &long_run, &wait);
    assert_int_equal(wait, 100000);
    assert_int_equal(restart.attempts, 1);
}

static void test_policy_no(void **state)
{
    struct restart_state restart = {0};
    uint64_t wait;

    (void)state;
    assert_int_equal(restart_decide(&restart, RESTART_NO, 0, &failed_at_once, &wait),
                     RESTART_GIVE_UP);
    assert_int_equal(restart_decide(&restart, RESTART_NO, 0, &ended_well, &wait), RESTART_DONE);
}

static void test_policy_on_failure_counts(void **state)
{
    struct restart_state restart = {0};
    uint64_t wait;

    (void)state;
    assert_int_equal(restart_decide(&restart, RESTART_ON_FAILURE, 2, &ended_well, &wait),
                     RESTART_DONE);
    for (int i = 0; i < 2; i++)
        assert_int_equal(restart_decide(&restart, RESTART_ON_FAILURE, 2, &failed_at_once, &wait),
                         RESTART_AGAIN);
    assert_int_equal(restart_decide(&restart, RESTART_ON_FAILURE, 2, &failed_at_once, &wait),
                     RESTART_GIVE_UP);
    restart.attempts = 1000;
    assert_int_equal(restart_decide(&restart, RESTART_ON_FAILURE, 0, &failed_at_once, &wait),
                     RESTART_AGAIN);
}

static void test_always_restarts_what_ended_well(void **state)
{
    struct restart_state restart = {0};
    uint64_t wait;

    (void)state;
    assert_int_equal(restart_decide(&restart, RESTART_ALWAYS, 0, &ended_well, &wait),
                     RESTART_AGAIN);
    assert_int_equal(restart_decide(&restart, RESTART_UNLESS_STOPPED, 0, &ended_well, &wait),
                     RESTART_AGAIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wait_doubles_to_a_minute),
        cmocka_unit_test(test_wait_never_overflows),
        cmocka_unit_test(test_attempts_saturate),
        cmocka_unit_test(test_ten_seconds_of_running_begin_anew),
        cmocka_unit_test(test_policy_no),
        cmocka_unit_test(test_policy_on_failure_counts),
        cmocka_unit_test(test_always_restarts_what_ended_well),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
