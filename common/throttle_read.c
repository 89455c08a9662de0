/* SPDX-License-Identifier: Apache-2.0 */
/* What is seen of the throttle table: totals, blocks, talkers. */
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/throttle_internal.h"

void throttle_totals(const struct throttle_table *table, uint64_t now_usec,
                     struct throttle_totals *totals)
{
    throttle_word *counts = table->header->counts;
    uint64_t time = throttle_time(table, now_usec);
    struct throttle_copy copy;

    *totals = (struct throttle_totals){
        .entries = throttle_place_count(table),
        .admitted = atomic_load(&counts[COUNT_ADMITTED]),
        .refused = atomic_load(&counts[COUNT_REFUSED]),
        .blocked = atomic_load(&counts[COUNT_BLOCKED]),
        .would = atomic_load(&counts[COUNT_WOULD]),
        .crowded = atomic_load(&counts[COUNT_CROWDED]),
        .unmeasured = atomic_load(&counts[COUNT_UNMEASURED]),
        .created_realtime_usec = table->header->created_realtime_usec,
    };
    for (uint32_t i = 0; i < totals->entries; i++) {
        if (!throttle_copy(table, i, &copy) ||
            throttle_is_idle(copy.kind, copy.detail[DETAIL_INTERVAL], copy.word, time))
            continue;
        totals->used++;
        totals->blocks += copy.kind == KIND_BLOCK;
    }
}

/* ---- the first of many: a heap whose root is the one to give way ---- */

typedef int (*compare_function)(const void *one, const void *other);

struct best {
    char *items;
    size_t size, count, max;
    compare_function compare; /* below 0: the first goes before */
};

static void swap_items(struct best *best, size_t a, size_t b)
{
    char *one = best->items + a * best->size, *other = best->items + b * best->size;

    for (size_t i = 0; i < best->size; i++) {
        char byte = one[i];
        one[i] = other[i];
        other[i] = byte;
    }
}

static bool is_worse(const struct best *best, size_t a, size_t b)
{
    return best->compare(best->items + a * best->size, best->items + b * best->size) > 0;
}

static void sink(struct best *best, size_t at)
{
    for (;;) {
        size_t worst = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < best->count; child++)
            if (is_worse(best, child, worst))
                worst = child;
        if (worst == at)
            return;
        swap_items(best, at, worst);
        at = worst;
    }
}

static void offer(struct best *best, const void *item)
{
    if (best->count < best->max) {
        memcpy(best->items + best->count++ * best->size, item, best->size);
        for (size_t at = best->count / 2; best->count == best->max && at-- > 0;)
            sink(best, at);
    } else if (best->max > 0 && best->compare(item, best->items) < 0) {
        memcpy(best->items, item, best->size);
        sink(best, 0);
    }
}

static int by_rest(const void *one, const void *other)
{
    const struct throttle_block *a = one, *b = other;

    return (a->until_usec < b->until_usec) - (a->until_usec > b->until_usec);
}

static int by_refused(const void *one, const void *other)
{
    const struct throttle_talker *a = one, *b = other;

    if (a->refused != b->refused)
        return a->refused > b->refused ? -1 : 1;
    return (a->admitted < b->admitted) - (a->admitted > b->admitted);
}

size_t throttle_blocks(const struct throttle_table *table, const struct network *client,
                       uint64_t now_usec, struct throttle_block *blocks, size_t max, size_t *total)
{
    struct best best = {
        .items = (char *)blocks, .size = sizeof(*blocks), .max = max, .compare = by_rest};
    struct throttle_block block;
    size_t found = 0;

    for (uint32_t i = 0; i < throttle_place_count(table); i++)
        if (throttle_copy_block(table, i, now_usec, &block) &&
            (!client || network_contains(&block.client, client))) {
            found++;
            offer(&best, &block);
        }
    qsort(blocks, best.count, sizeof(*blocks), by_rest);
    if (total)
        *total = found;
    return best.count;
}

/* ---- talkers ---- */

static bool copy_talker(const struct throttle_table *table, uint32_t index, uint64_t time,
                        struct throttle_talker *talker)
{
    struct throttle_copy copy;

    if (!throttle_copy(table, index, &copy) || copy.kind == KIND_BLOCK ||
        throttle_is_idle(copy.kind, copy.detail[DETAIL_INTERVAL], copy.word, time))
        return false;
    *talker = (struct throttle_talker){
        .client = copy.client,
        .rule = copy.rule,
        .zone = copy.zone,
        .units = copy.kind == KIND_WINDOW ? (uint32_t)(copy.word & WORD_LOW) : 0,
        .seen_usec = copy.detail[DETAIL_SEEN],
        .admitted = copy.detail[DETAIL_ADMITTED],
        .refused = copy.detail[DETAIL_REFUSED],
    };
    return true;
}

size_t throttle_talkers(const struct throttle_table *table, uint64_t now_usec,
                        struct throttle_talker *talkers, size_t max, size_t *total)
{
    struct best best = {
        .items = (char *)talkers, .size = sizeof(*talkers), .max = max, .compare = by_refused};
    uint64_t time = throttle_time(table, now_usec);
    struct throttle_talker talker;
    size_t found = 0;

    for (uint32_t i = 0; i < throttle_place_count(table); i++)
        if (copy_talker(table, i, time, &talker)) {
            found++;
            offer(&best, &talker);
        }
    qsort(talkers, best.count, sizeof(*talkers), by_refused);
    if (total)
        *total = found;
    return best.count;
}

/* ---- names ---- */

void throttle_name_of(const struct throttle_table *table, uint32_t number,
                      char text[THROTTLE_NAME_SIZE])
{
    strcpy(text, "?");
    if (number == 0 || number > THROTTLE_NAMES || !table->header->names[number - 1][0])
        return;
    memcpy(text, table->header->names[number - 1], THROTTLE_NAME_SIZE - 1);
    text[THROTTLE_NAME_SIZE - 1] = '\0';
}

uint32_t throttle_name(struct throttle_table *table, const char *text)
{
    char name[THROTTLE_NAME_SIZE] = "";

    memcpy(name, text, strnlen(text, sizeof(name) - 1));
    for (uint32_t i = 0; i < THROTTLE_NAMES; i++) {
        char *at = table->header->names[i];
        if (at[0] && strncmp(at, name, sizeof(name)) != 0)
            continue;
        memcpy(at, name, sizeof(name));
        return i + 1;
    }
    return 0;
}
