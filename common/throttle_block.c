/* SPDX-License-Identifier: Apache-2.0 */
/* Who is blocked. */
#include <errno.h>

#include "common/throttle_internal.h"

#define TRIES 1000

/* ---- the rule, origin and renewal of a block, in one word ---- */

static uint64_t pack_rule(const struct throttle_block *block)
{
    return (block->rule & 0xffff) | (uint64_t)(block->origin & 0xff) << 16 |
           (uint64_t)block->is_renewed << 24;
}

static void fill_block(const struct throttle_table *table, const struct throttle_copy *copy,
                       struct throttle_block *block)
{
    uint64_t rule = copy->detail[DETAIL_RULE];

    *block = (struct throttle_block){
        .client = copy->client,
        .zone = copy->zone,
        .rule = (uint32_t)rule & 0xffff,
        .origin = (rule >> 16 & 0xff) == THROTTLE_BY_ADMIN ? THROTTLE_BY_ADMIN : THROTTLE_BY_RULE,
        .is_renewed = rule >> 24 & 1,
        .since_usec = copy->detail[DETAIL_SINCE],
        .until_usec = throttle_usec(table, word_time(copy->word)),
        .period_usec = copy->detail[DETAIL_PERIOD],
        .refused = copy->detail[DETAIL_REFUSED],
    };
}

bool throttle_copy_block(const struct throttle_table *table, uint32_t index, uint64_t now_usec,
                         struct throttle_block *block)
{
    struct throttle_copy copy;

    if (!throttle_copy(table, index, &copy) || copy.kind != KIND_BLOCK ||
        throttle_is_idle(KIND_BLOCK, 0, copy.word, throttle_time(table, now_usec)))
        return false;
    fill_block(table, &copy, block);
    return true;
}

/* ---- finding ---- */

static bool has_length(const struct throttle_table *table, const struct network *client,
                       unsigned bits)
{
    unsigned word = client->family == 4 ? 3 : bits / 64;

    return atomic_load_explicit(&table->header->blocked_bits[word], memory_order_relaxed) >>
               (bits % 64) &
           1;
}

static bool find_exact(const struct throttle_table *table, const struct network *client,
                       uint32_t zone, uint64_t time, struct throttle_who *who,
                       struct throttle_place *place)
{
    throttle_who_of(table, KIND_BLOCK, 0, zone, client, 0, 0, who);
    return (throttle_look(table, who, who->set, place) ||
            throttle_look(table, who, who->spare, place)) &&
           !throttle_is_idle(KIND_BLOCK, 0, atomic_load(place->word), time);
}

static void copy_block(const struct throttle_table *table, const struct network *client,
                       uint32_t zone, const struct throttle_place *place,
                       struct throttle_block *block)
{
    struct throttle_copy copy = {.client = *client, .zone = zone, .word = atomic_load(place->word)};

    for (unsigned i = 0; i < DETAIL_WORDS; i++)
        copy.detail[i] = atomic_load_explicit(&place->detail[i], memory_order_relaxed);
    fill_block(table, &copy, block);
}

/* Every network around the client of which a length was ever blocked, in the zone and anywhere. */
static bool find(const struct throttle_table *table, const struct network *client, uint32_t zone,
                 uint64_t time, struct throttle_place *place, struct throttle_block *block)
{
    struct throttle_who who;

    if (client->family != 4 && client->family != 6)
        return false;
    for (unsigned bits = 0; bits <= client->bits; bits++) {
        if (!has_length(table, client, bits))
            continue;
        struct network around = network_of(client->bytes, client->family == 4 ? 4 : 16, bits, bits);
        uint32_t at = zone;
        bool is_found = find_exact(table, &around, at, time, &who, place);
        if (!is_found && zone != THROTTLE_ANYWHERE) {
            at = THROTTLE_ANYWHERE;
            is_found = find_exact(table, &around, at, time, &who, place);
        }
        if (!is_found)
            continue;
        copy_block(table, &around, at, place, block);
        return true;
    }
    return false;
}

/* The period begins anew, unless the block was taken back meanwhile. */
static void renew(const struct throttle_table *table, const struct throttle_place *place,
                  struct throttle_block *block, uint64_t now_usec)
{
    uint64_t time = throttle_time(table, now_usec), word = atomic_load(place->word);
    uint64_t period =
        block->period_usec < THROTTLE_BLOCK_MAX ? block->period_usec : THROTTLE_BLOCK_MAX;
    uint64_t until = time + period;

    while (!throttle_is_idle(KIND_BLOCK, 0, word, time) && word_time(word) < until)
        if (atomic_compare_exchange_weak(place->word, &word, word_of(until, word & WORD_LOW))) {
            block->until_usec = throttle_usec(table, until);
            break;
        }
}

bool throttle_is_blocked(struct throttle_table *table, const struct network *client, uint32_t zone,
                         uint64_t now_usec, struct throttle_block *block)
{
    struct throttle_place place;
    struct throttle_block found;

    if (!find(table, client, zone, throttle_time(table, now_usec), &place, &found))
        return false;
    found.refused =
        atomic_fetch_add_explicit(&place.detail[DETAIL_REFUSED], 1, memory_order_relaxed) + 1;
    throttle_add(table, COUNT_REFUSED);
    if (found.is_renewed)
        renew(table, &place, &found, now_usec);
    if (block)
        *block = found;
    return true;
}

bool throttle_find_block(const struct throttle_table *table, const struct network *client,
                         uint32_t zone, uint64_t now_usec, struct throttle_block *block)
{
    struct throttle_place place;
    struct throttle_block found;

    if (!find(table, client, zone, throttle_time(table, now_usec), &place, &found))
        return false;
    if (block)
        *block = found;
    return true;
}

/* ---- blocking ---- */

static void note_length(struct throttle_table *table, const struct network *client)
{
    unsigned word = client->family == 4 ? 3 : client->bits / 64;
    uint64_t bit = UINT64_C(1) << client->bits % 64;

    if (!(atomic_load(&table->header->blocked_bits[word]) & bit))
        atomic_fetch_or(&table->header->blocked_bits[word], bit);
}

/* 1: began, 0: was blocked, -EAGAIN: the place went to another. */
static int block_on(struct throttle_table *table, const struct throttle_who *who,
                    const struct throttle_place *place, const struct throttle_block *block,
                    uint64_t now_usec)
{
    uint64_t time = throttle_time(table, now_usec), until = time + block->period_usec;
    uint64_t word = atomic_load(place->word);
    bool is_new;

    do {
        if (word_is_tomb(word) || atomic_load(place->key) != who->key)
            return -EAGAIN;
        is_new = throttle_is_idle(KIND_BLOCK, 0, word, time);
        if (!is_new && word_time(word) >= until)
            return 0;
    } while (!atomic_compare_exchange_weak(place->word, &word, word_of(until, word & WORD_LOW)));
    if (is_new || block->origin == THROTTLE_BY_ADMIN) {
        atomic_store(&place->detail[DETAIL_RULE], pack_rule(block));
        atomic_store(&place->detail[DETAIL_PERIOD], block->period_usec);
    }
    if (is_new) {
        atomic_store(&place->detail[DETAIL_SINCE], now_usec);
        atomic_store(&place->detail[DETAIL_REFUSED], 0);
    }
    return is_new;
}

int throttle_block(struct throttle_table *table, const struct throttle_block *block,
                   uint64_t now_usec)
{
    const struct network *client = &block->client;
    struct throttle_place place;
    struct throttle_who who;
    int r = -EAGAIN;

    if ((client->family != 4 && client->family != 6) || block->period_usec == 0 ||
        block->period_usec > THROTTLE_BLOCK_MAX || client->bits > (client->family == 4 ? 32 : 128))
        return -EINVAL;
    throttle_who_of(table, KIND_BLOCK, 0, block->zone, client, 0, 0, &who);
    for (int try = 0; try < TRIES && r == -EAGAIN; try++) {
        if (!throttle_look(table, &who, who.spare, &place) &&
            !throttle_claim(table, &who, who.set, now_usec, &place) &&
            !throttle_claim(table, &who, who.spare, now_usec, &place)) {
            throttle_add(table, COUNT_UNMEASURED);
            return -ENOSPC;
        }
        r = block_on(table, &who, &place, block, now_usec);
    }
    if (r < 0)
        return -ENOSPC;
    note_length(table, client);
    if (r == 1) {
        struct throttle_block noted = *block;
        noted.since_usec = now_usec;
        noted.until_usec = now_usec + block->period_usec;
        throttle_add(table, COUNT_BLOCKED);
        throttle_note(table, THROTTLE_EVENT_BLOCKED, &noted);
    }
    return r;
}

/* ---- taking back ---- */

/* The place counts for nothing from now on; false: it did not before either. */
static bool end_count(const struct throttle_place *place, enum throttle_kind kind,
                      uint64_t interval, uint64_t seen, uint64_t time)
{
    while (!throttle_is_idle(kind, interval, seen, time))
        if (atomic_compare_exchange_weak(place->word, &seen,
                                         kind == KIND_BLOCK ? word_of(time, (seen + 1) & WORD_LOW)
                                                            : word_of(1, 0)))
            return true;
    return false;
}

static bool is_same(const struct network *a, const struct network *b)
{
    return network_contains(a, b) && network_contains(b, a);
}

/* Goes over all places; client NULL: of everybody. */
static unsigned end_all(struct throttle_table *table, const struct network *client, uint32_t zone,
                        bool all_zones, bool admins_too, uint64_t now_usec)
{
    uint64_t time = throttle_time(table, now_usec);
    struct throttle_copy copy;
    unsigned ended = 0;

    for (uint32_t i = 0; i < throttle_place_count(table); i++) {
        if (!throttle_copy(table, i, &copy) || (client && !is_same(client, &copy.client)) ||
            (!all_zones && copy.kind == KIND_BLOCK && copy.zone != zone))
            continue;
        struct throttle_place place = throttle_place_at(table, i);
        struct throttle_block block;
        if (copy.kind != KIND_BLOCK) {
            end_count(&place, copy.kind, copy.detail[DETAIL_INTERVAL], copy.word, time);
            continue;
        }
        fill_block(table, &copy, &block);
        if ((block.origin == THROTTLE_BY_ADMIN && !admins_too) ||
            !end_count(&place, KIND_BLOCK, 0, copy.word, time))
            continue;
        ended++;
        if (client)
            throttle_note(table, THROTTLE_EVENT_UNBLOCKED, &block);
    }
    return ended;
}

unsigned throttle_unblock(struct throttle_table *table, const struct network *client, uint32_t zone,
                          bool all_zones, uint64_t now_usec)
{
    return end_all(table, client, zone, all_zones, true, now_usec);
}

unsigned throttle_clear(struct throttle_table *table, bool admins_too, uint64_t now_usec)
{
    unsigned ended = end_all(table, NULL, 0, true, admins_too, now_usec);

    throttle_note(table, THROTTLE_EVENT_CLEARED, &(struct throttle_block){.since_usec = now_usec});
    return ended;
}
