/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MOD_CONTAINER_LIMITER_H
#define MOD_CONTAINER_LIMITER_H

/*
 * How often a client may call, counted in a table of fixed size in memory that all of httpd's
 * processes share. Each client has one word: when its allowance will be whole again (the generic
 * cell rate algorithm, ITU-T I.371 annex A). Lock-free: a process that dies leaves nothing held.
 * Knows no httpd; any process, any thread.
 */

#include <stdatomic.h>
#include <stdint.h>

#define LIMITER_SETS 256
#define LIMITER_WAYS 8

/* All zero at first. */
struct limiter {
    _Atomic uint64_t words[LIMITER_SETS][LIMITER_WAYS];
};

/*
 * Counts one call of a client (a hash of who it is) that may make per_minute calls in a minute.
 * Returns 0, or in how many milliseconds it may try again. When more clients than fit are active at
 * the same time, those who were quiet longest are forgotten.
 */
uint64_t limiter_take(struct limiter *limiter, uint64_t client, unsigned per_minute,
                      uint64_t now_ms);

#endif
