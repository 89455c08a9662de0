/* SPDX-License-Identifier: Apache-2.0 */
/* Finding a place in the throttle table, and giving one to another: see throttle_internal.h. */
#include <string.h>

#include "common/siphash.h"
#include "common/throttle_internal.h"

#define PENDING UINT64_C(1)

/* Turns after which others are given up on: something is wrong with the file. */
#define TRIES 1000

bool throttle_is_idle(enum throttle_kind kind, uint64_t interval, uint64_t word, uint64_t time)
{
    if (word_is_tomb(word))
        return true;
    if (kind == KIND_WINDOW)
        return word_time(word) +
                   (interval < THROTTLE_INTERVAL_MAX ? interval : THROTTLE_INTERVAL_MAX) <=
               time;
    return word_time(word) <= time;
}

void throttle_who_of(const struct throttle_table *table, enum throttle_kind kind, uint32_t rule,
                     uint32_t zone, const struct network *client, uint64_t page, uint64_t interval,
                     struct throttle_who *who)
{
    who->words[DETAIL_WHO] = (uint64_t)kind | (uint64_t)client->family << 8 |
                             (uint64_t)client->bits << 16 | (uint64_t)(rule & 0xffff) << 32 |
                             (uint64_t)(zone & 0xffff) << 48;
    memcpy(&who->words[DETAIL_ADDRESS], client->bytes, sizeof(client->bytes));
    who->words[DETAIL_PAGE] = page;
    who->words[DETAIL_INTERVAL] = interval;
    uint64_t hash = siphash_words(table->hash_key, who->words, DETAIL_HASHED);
    who->key = hash & ~PENDING ? hash & ~PENDING : 2;
    who->set = (uint32_t)(hash >> 32) % table->own_sets;
    who->spare = table->own_sets + (uint32_t)(hash >> 16) % (table->set_count - table->own_sets);
}

static struct throttle_place place_of(const struct throttle_table *table, uint32_t set,
                                      unsigned way)
{
    struct throttle_set *at = &table->sets[set];

    return (struct throttle_place){&at->keys[way], &at->words[way], at->details[way]};
}

struct throttle_place throttle_place_at(const struct throttle_table *table, uint32_t index)
{
    return place_of(table, index / THROTTLE_WAYS, index % THROTTLE_WAYS);
}

bool throttle_look(const struct throttle_table *table, const struct throttle_who *who, uint32_t set,
                   struct throttle_place *place)
{
    for (unsigned way = 0; way < THROTTLE_WAYS; way++) {
        *place = place_of(table, set, way);
        if (atomic_load(place->key) == who->key && !word_is_tomb(atomic_load(place->word)))
            return true;
    }
    return false;
}

/* What came of the steps on one place. BUSY: it counts for somebody; LOST: others were faster. */
enum outcome { BUSY, LOST, CLAIMED, FOUND };

/*
 * Step 1: makes a tomb of one that counts for nothing; CLAIMED: it is made. The word is read before
 * the key: who counts on a new key has changed the word.
 */
static enum outcome bury(const struct throttle_table *table, const struct throttle_place *place,
                         bool pending_too, uint64_t time, uint64_t *key, uint64_t *tomb,
                         uint64_t *old)
{
    uint64_t word = atomic_load(place->word);

    *key = atomic_load(place->key);
    if (*key & PENDING ? !pending_too
                       : *key != 0 && !throttle_is_idle(
                                          who_kind(atomic_load(&place->detail[DETAIL_WHO])),
                                          atomic_load(&place->detail[DETAIL_INTERVAL]), word, time))
        return BUSY;
    *old = word_is_tomb(word) ? 0 : word_time(word);
    *tomb = TOMB | (atomic_fetch_add(&table->header->tombs, 1) & ~TOMB);
    return atomic_compare_exchange_strong(place->word, &word, *tomb) ? CLAIMED : LOST;
}

/* Step 3. Whether another place has the key already, which is then *place. */
static bool find_other(const struct throttle_table *table, const struct throttle_who *who,
                       uint32_t set, unsigned mine, struct throttle_place *place)
{
    for (unsigned way = 0; way < THROTTLE_WAYS; way++) {
        if (way == mine)
            continue;
        *place = place_of(table, set, way);
        uint64_t key = atomic_load(place->key);
        if (key == (who->key | PENDING) && atomic_compare_exchange_strong(place->key, &key, 0))
            continue;
        if (key == who->key && !word_is_tomb(atomic_load(place->word)))
            return true;
    }
    return false;
}

static void write_detail(const struct throttle_place *place, const struct throttle_who *who,
                         uint64_t now_usec)
{
    for (unsigned i = 0; i < DETAIL_HASHED; i++)
        atomic_store_explicit(&place->detail[i], who->words[i], memory_order_relaxed);
    atomic_store_explicit(&place->detail[DETAIL_ADMITTED], 0, memory_order_relaxed);
    atomic_store_explicit(&place->detail[DETAIL_REFUSED], 0, memory_order_relaxed);
    atomic_store_explicit(&place->detail[DETAIL_SEEN], now_usec, memory_order_relaxed);
}

/* Steps 1 to 4 on one place. */
static enum outcome take_place(struct throttle_table *table, const struct throttle_who *who,
                               uint32_t set, unsigned way, bool pending_too, uint64_t now_usec,
                               struct throttle_place *place)
{
    struct throttle_place mine = place_of(table, set, way);
    uint64_t time = throttle_time(table, now_usec), key, tomb, old;
    uint64_t pending = who->key | PENDING;

    enum outcome buried = bury(table, &mine, pending_too, time, &key, &tomb, &old);
    if (buried != CLAIMED)
        return buried;
    if (!atomic_compare_exchange_strong(mine.key, &key, pending))
        return LOST;
    if (find_other(table, who, set, way, place)) {
        atomic_compare_exchange_strong(mine.key, &pending, 0);
        return FOUND;
    }
    if (atomic_load(mine.key) != pending)
        return LOST;
    write_detail(&mine, who, now_usec);
    /* Later than whatever stood here, so that who read that cannot take this for it. */
    if (!atomic_compare_exchange_strong(mine.word, &tomb,
                                        word_of(time > old ? time : old + 1, 0)) ||
        !atomic_compare_exchange_strong(mine.key, &pending, who->key))
        return LOST;
    *place = mine;
    return CLAIMED;
}

bool throttle_claim(struct throttle_table *table, const struct throttle_who *who, uint32_t set,
                    uint64_t now_usec, struct throttle_place *place)
{
    enum outcome outcome = LOST;

    for (int try = 0; try < TRIES && outcome == LOST; try++) {
        if (throttle_look(table, who, set, place))
            return true;
        outcome = BUSY;
        /* Places on which somebody works are taken away only when there is no other. */
        for (unsigned i = 0; i < 2 * THROTTLE_WAYS && outcome == BUSY; i++)
            outcome =
                take_place(table, who, set, i % THROTTLE_WAYS, i >= THROTTLE_WAYS, now_usec, place);
    }
    return outcome == CLAIMED || outcome == FOUND;
}

/* ---- for those who look at all ---- */

bool throttle_copy(const struct throttle_table *table, uint32_t index, struct throttle_copy *copy)
{
    struct throttle_place place = throttle_place_at(table, index);
    uint64_t key = atomic_load(place.key);
    struct throttle_who who;

    if (key == 0 || key & PENDING)
        return false;
    copy->word = atomic_load(place.word);
    for (unsigned i = 0; i < DETAIL_WORDS; i++)
        copy->detail[i] = atomic_load_explicit(&place.detail[i], memory_order_relaxed);
    uint64_t what = copy->detail[DETAIL_WHO];
    copy->kind = who_kind(what);
    copy->client = (struct network){.family = (uint8_t)(what >> 8), .bits = (uint8_t)(what >> 16)};
    memcpy(copy->client.bytes, &copy->detail[DETAIL_ADDRESS], sizeof(copy->client.bytes));
    copy->zone = (uint32_t)(what >> 48);
    bool is_block = copy->kind == KIND_BLOCK;
    copy->rule =
        is_block ? (uint32_t)copy->detail[DETAIL_RULE] & 0xffff : (uint32_t)(what >> 32) & 0xffff;
    if (word_is_tomb(copy->word) || copy->kind < KIND_WINDOW || copy->kind > KIND_BLOCK ||
        (copy->client.family != 4 && copy->client.family != 6) ||
        copy->client.bits > (copy->client.family == 4 ? 32 : 128))
        return false;
    throttle_who_of(table, copy->kind, is_block ? 0 : copy->rule, copy->zone, &copy->client,
                    is_block ? 0 : copy->detail[DETAIL_PAGE],
                    is_block ? 0 : copy->detail[DETAIL_INTERVAL], &who);
    return who.key == key;
}
