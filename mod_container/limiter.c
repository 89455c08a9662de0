/* SPDX-License-Identifier: Apache-2.0 */
#include "mod_container/limiter.h"

#include <stddef.h>

#define MINUTE_MS UINT64_C(60000)
/* A word is a tag of the client and, below it, a time; 2^44 ms are 557 years. */
#define TIME_BITS 44
#define TIME_MASK ((UINT64_C(1) << TIME_BITS) - 1)

/* The client's word, or the one to give it: a free one, or that of the client quiet longest. */
static _Atomic uint64_t *find(struct limiter *limiter, uint64_t client, uint64_t tag)
{
    _Atomic uint64_t *set = limiter->words[client % LIMITER_SETS], *oldest = set;

    for (size_t i = 0; i < LIMITER_WAYS; i++) {
        uint64_t word = atomic_load(&set[i]);
        if (word >> TIME_BITS == tag)
            return &set[i];
        if ((word & TIME_MASK) < (atomic_load(oldest) & TIME_MASK))
            oldest = &set[i];
    }
    return oldest;
}

uint64_t limiter_take(struct limiter *limiter, uint64_t client, unsigned per_minute,
                      uint64_t now_ms)
{
    uint64_t interval = MINUTE_MS / per_minute;
    uint64_t tag = client >> TIME_BITS;
    _Atomic uint64_t *place = find(limiter, client, tag);
    uint64_t seen = atomic_load(place), whole_at;

    do {
        whole_at = seen >> TIME_BITS == tag ? seen & TIME_MASK : 0;
        if (whole_at < now_ms)
            whole_at = now_ms;
        if (whole_at + interval > now_ms + MINUTE_MS)
            return whole_at + interval - now_ms - MINUTE_MS;
    } while (!atomic_compare_exchange_weak(place, &seen, tag << TIME_BITS | (whole_at + interval)));
    return 0;
}
