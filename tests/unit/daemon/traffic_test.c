/* SPDX-License-Identifier: Apache-2.0 */
/* The part of a cumulative histogram that came in the last minute. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "supervisor/daemon/traffic.h"

#define SECOND UINT64_C(1000000)

/* One request a second; how many are counted as those of the last minute. */
static void a_minute_is_what_is_told(void **state)
{
    struct traffic_minute *minute = calloc(1, sizeof(*minute));
    uint32_t histogram[TRAFFIC_BUCKETS] = {0}, recent[TRAFFIC_BUCKETS];

    (void)state;
    for (unsigned second = 0; second < 500; second++) {
        traffic_minute_add(minute, (1000 + second) * SECOND, histogram, recent);
        if (second < 60)
            assert_int_equal(recent[9], second);
        else
            assert_in_range(recent[9], 60, 70);
        assert_int_equal(recent[8], 0);
        histogram[9]++;
    }
    free(minute);
}

static void a_gap_leaves_what_came_after_it(void **state)
{
    struct traffic_minute *minute = calloc(1, sizeof(*minute));
    uint32_t histogram[TRAFFIC_BUCKETS] = {0}, recent[TRAFFIC_BUCKETS];

    (void)state;
    for (unsigned second = 0; second < 100; second++) {
        traffic_minute_add(minute, (1000 + second) * SECOND, histogram, recent);
        histogram[9] += 5;
    }
    traffic_minute_add(minute, 1099 * SECOND, histogram, recent);
    traffic_minute_add(minute, 5000 * SECOND, histogram, recent);
    histogram[9] += 2;
    traffic_minute_add(minute, 5001 * SECOND, histogram, recent);
    assert_in_range(recent[9], 2, 2 + 5 * 10); /* at most what came behind the last snapshot */
    traffic_minute_add(minute, 5061 * SECOND, histogram, recent);
    traffic_minute_add(minute, 5062 * SECOND, histogram, recent);
    assert_in_range(recent[9], 0, 2);
    free(minute);
}

static void counts_may_wrap(void **state)
{
    struct traffic_minute *minute = calloc(1, sizeof(*minute));
    uint32_t histogram[TRAFFIC_BUCKETS] = {[3] = UINT32_MAX - 1}, recent[TRAFFIC_BUCKETS];

    (void)state;
    traffic_minute_add(minute, 10 * SECOND, histogram, recent);
    histogram[3] += 5;
    traffic_minute_add(minute, 11 * SECOND, histogram, recent);
    assert_int_equal(recent[3], 5);
    free(minute);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_minute_is_what_is_told),
        cmocka_unit_test(a_gap_leaves_what_came_after_it),
        cmocka_unit_test(counts_may_wrap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
