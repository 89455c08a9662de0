/* SPDX-License-Identifier: Apache-2.0 */
/* Counting requests: windows and buckets. */
#include "common/throttle_internal.h"

#define TRIES 1000

struct taking {
    const struct throttle_limit *limit;
    uint32_t cost;
    bool is_forced; /* as much as there is left, instead of all or nothing */
};

/* Microseconds for which a unit fills a bucket; rounded up, so never more than the limit. */
static uint64_t unit_usec(const struct throttle_limit *limit)
{
    uint64_t units = limit->units ? limit->units : 1;

    return (limit->interval_usec + units - 1) / units;
}

/* The word after the request; the same when it is refused. */
static uint64_t count_window(const struct taking *taking, uint64_t word, uint64_t time,
                             struct throttle_verdict *verdict)
{
    const struct throttle_limit *limit = taking->limit;
    uint64_t start = word_time(word), count = word & WORD_LOW, cost = taking->cost;

    if (time < start)
        time = start;
    if (time - start >= limit->interval_usec) {
        start = time;
        count = 0;
    }
    uint64_t left = limit->units > count ? limit->units - count : 0;
    verdict->is_admitted = cost <= left;
    if (!verdict->is_admitted) {
        verdict->retry_after_usec = start + limit->interval_usec - time;
        cost = taking->is_forced ? left : 0;
    }
    verdict->left = (uint32_t)(left - cost);
    return cost == 0 ? word : word_of(start, count + cost);
}

static uint64_t count_bucket(const struct taking *taking, uint64_t word, uint64_t time,
                             struct throttle_verdict *verdict)
{
    uint64_t unit = unit_usec(taking->limit), depth = unit * taking->limit->burst;
    uint64_t full_at = word_time(word), cost = taking->cost * unit;

    if (full_at < time)
        full_at = time;
    uint64_t taken = full_at - time, room = depth > taken ? depth - taken : 0;
    verdict->is_admitted = cost <= room;
    if (!verdict->is_admitted) {
        verdict->retry_after_usec = cost - room;
        cost = taking->is_forced ? room / unit * unit : 0;
    }
    verdict->left = (uint32_t)((room - cost) / unit);
    return cost == 0 ? word : word_of(full_at + cost, 0);
}

/* Counts on the place of who; false when it went to another, or there is none. */
static bool count_on(struct throttle_table *table, const struct throttle_who *who, uint32_t set,
                     const struct taking *taking, uint64_t now_usec,
                     struct throttle_verdict *verdict)
{
    uint64_t time = throttle_time(table, now_usec);
    struct throttle_place place;

    for (int try = 0; try < TRIES; try++) {
        if (!throttle_claim(table, who, set, now_usec, &place))
            return false;
        uint64_t word = atomic_load(place.word), after;
        do {
            if (word_is_tomb(word) || atomic_load(place.key) != who->key)
                break;
            after = taking->limit->burst ? count_bucket(taking, word, time, verdict)
                                         : count_window(taking, word, time, verdict);
        } while (!atomic_compare_exchange_weak(place.word, &word, after));
        if (word_is_tomb(word) || atomic_load(place.key) != who->key)
            continue;
        atomic_fetch_add_explicit(
            &place.detail[verdict->is_admitted ? DETAIL_ADMITTED : DETAIL_REFUSED], 1,
            memory_order_relaxed);
        atomic_store_explicit(&place.detail[DETAIL_SEEN], now_usec, memory_order_relaxed);
        return true;
    }
    return false;
}

/* The neighbours with whom one who finds no room is counted, ever more of them. */
static struct network crowd_of(const struct network *client, unsigned step)
{
    static const uint8_t bits4[] = {24, 16}, bits6[] = {48, 32};

    return network_of(client->bytes, client->family == 4 ? 4 : 16, bits4[step], bits6[step]);
}

static struct throttle_verdict count(struct throttle_table *table,
                                     const struct throttle_subject *subject,
                                     const struct taking *taking, uint64_t now_usec)
{
    const struct throttle_limit *limit = taking->limit;
    enum throttle_kind kind = limit->burst ? KIND_BUCKET : KIND_WINDOW;
    struct throttle_verdict verdict = {.is_admitted = true};
    struct throttle_who who;

    throttle_who_of(table, kind, subject->rule, subject->zone, &subject->client, subject->page,
                    limit->interval_usec, &who);
    if (count_on(table, &who, who.set, taking, now_usec, &verdict))
        return verdict;
    for (unsigned step = 0; step < 2; step++) {
        struct network crowd = crowd_of(&subject->client, step);
        throttle_who_of(table, kind, subject->rule, subject->zone, &crowd, subject->page,
                        limit->interval_usec, &who);
        if (!count_on(table, &who, who.spare, taking, now_usec, &verdict))
            continue;
        verdict.is_crowd = true;
        throttle_add(table, COUNT_CROWDED);
        return verdict;
    }
    throttle_add(table, COUNT_UNMEASURED);
    return (struct throttle_verdict){
        .is_admitted = true, .is_unmeasured = true, .left = limit->units};
}

struct throttle_verdict throttle_take(struct throttle_table *table,
                                      const struct throttle_subject *subject,
                                      const struct throttle_limit *limit, uint32_t cost,
                                      uint64_t now_usec)
{
    const struct taking taking = {.limit = limit, .cost = cost};
    struct throttle_verdict verdict = count(table, subject, &taking, now_usec);

    if (!verdict.is_admitted)
        throttle_add(table, COUNT_REFUSED);
    return verdict;
}

struct throttle_verdict throttle_charge(struct throttle_table *table,
                                        const struct throttle_subject *subject,
                                        const struct throttle_limit *limit, uint32_t cost,
                                        uint64_t now_usec)
{
    const struct taking taking = {.limit = limit, .cost = cost, .is_forced = true};
    struct throttle_verdict verdict = count(table, subject, &taking, now_usec);

    /* Reached is enough: the next one would be refused. */
    if (verdict.left == 0 && !verdict.is_unmeasured)
        verdict.is_admitted = false;
    return verdict;
}

void throttle_count_would(struct throttle_table *table)
{
    throttle_add(table, COUNT_WOULD);
}

void throttle_count_admitted(struct throttle_table *table)
{
    throttle_add(table, COUNT_ADMITTED);
}
