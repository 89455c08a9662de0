/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_BOARD_SUMMARY_H
#define COMMON_BOARD_SUMMARY_H

/*
 * The whole board in a few numbers: counts by state, letters, sums of the figures. A child makes
 * them once for all requests until the board changes, which its header tells with one word, so that
 * asking for them costs the same with ten containers and with ten thousand. Threads share a
 * summary; it is never written after it was made. Knows no httpd.
 */

#include "common/board/select.h"

struct summary {
    struct selection selection; /* of all containers, without rows in any order */
    /* One a row of column_figures; absent where a sum means nothing or nobody knows the figure. */
    struct figure *sums;

    uint64_t engine_started_boottime_usec, changes; /* of what board, and of when */
    unsigned users;                                 /* under the cache's lock */
};

/* A child's last summary. */
struct summary_cache;

/* Aborts when there is no memory, as httpd itself does. It outlives all that was taken of it. */
struct summary_cache *summary_cache_new(void);
void summary_cache_free(struct summary_cache *cache);

/*
 * The summary of the board that selector reads, of info's time or newer; selector->query is not
 * looked at. With selector->allows it is made for this one request. NULL when there is no memory;
 * else summary_release() gives it back.
 */
const struct summary *summary_take(struct summary_cache *cache, const struct selector *selector,
                                   const struct scoreboard_info *info);
void summary_release(struct summary_cache *cache, const struct summary *summary);

#endif
