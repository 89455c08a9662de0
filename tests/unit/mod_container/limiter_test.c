/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "mod_container/limiter.h"

#define START_MS UINT64_C(1000000)

static struct limiter limiter;

static int setup(void **state)
{
    (void)state;
    memset(&limiter, 0, sizeof(limiter));
    return 0;
}

/* A whole minute's calls at once, then one each sixtieth of a minute, and all again a minute later.
 */
static void a_minute_has_so_many_calls(void **state)
{
    const uint64_t client = UINT64_C(0x1234567890abcdef);

    (void)state;
    for (int i = 0; i < 60; i++)
        assert_int_equal(limiter_take(&limiter, client, 60, START_MS), 0);
    assert_int_equal(limiter_take(&limiter, client, 60, START_MS), 1000);
    assert_int_equal(limiter_take(&limiter, client, 60, START_MS + 400), 600);
    assert_int_equal(limiter_take(&limiter, client, 60, START_MS + 1000), 0);
    assert_int_equal(limiter_take(&limiter, client, 60, START_MS + 1000), 1000);
    for (int i = 0; i < 60; i++)
        assert_int_equal(limiter_take(&limiter, client, 60, START_MS + 70000), 0);
    assert_true(limiter_take(&limiter, client, 60, START_MS + 70000) > 0);
}

static void clients_count_apart(void **state)
{
    (void)state;
    for (uint64_t client = 0; client < 8; client++) {
        assert_int_equal(limiter_take(&limiter, client << 44, 1, START_MS), 0);
        assert_int_equal(limiter_take(&limiter, client << 44, 1, START_MS), 60000);
    }
}

/* Eight places, nine clients: the one quiet longest is forgotten, the others are not. */
static void the_quietest_makes_room(void **state)
{
    (void)state;
    for (uint64_t client = 1; client <= 9; client++)
        assert_int_equal(limiter_take(&limiter, client << 44, 1, START_MS + client), 0);
    for (uint64_t client = 2; client <= 9; client++)
        assert_true(limiter_take(&limiter, client << 44, 1, START_MS + 9) > 0);
    assert_int_equal(limiter_take(&limiter, UINT64_C(1) << 44, 1, START_MS + 9), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_minute_has_so_many_calls, setup),
        cmocka_unit_test_setup(clients_count_apart, setup),
        cmocka_unit_test_setup(the_quietest_makes_room, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
