/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/spec/positions.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define CAPACITY_MIN 64

/* FNV-1a (draft-eastlake-fnv) from a random start. */
static size_t slot_of(const struct positions *positions, const json_t *container, const char *key,
                      size_t index)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ positions->seed;
    uint64_t head[2] = {(uint64_t)(uintptr_t)container, key ? 0 : (uint64_t)index + 1};
    const unsigned char *bytes = (const unsigned char *)head;

    for (size_t i = 0; i < sizeof(head); i++)
        hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    for (; key && *key; key++)
        hash = (hash ^ (unsigned char)*key) * UINT64_C(0x100000001b3);
    hash ^= hash >> 32;
    return (size_t)hash & (positions->capacity - 1);
}

static int is_entry(const struct position *entry, const json_t *container, const char *key,
                    size_t index)
{
    if (entry->container != container || !entry->key != !key)
        return 0;
    return key ? strcmp(entry->key, key) == 0 : entry->index == index;
}

static struct position *find_slot(const struct positions *positions, const json_t *container,
                                  const char *key, size_t index)
{
    size_t at = slot_of(positions, container, key, index);

    while (positions->entries[at].container &&
           !is_entry(&positions->entries[at], container, key, index))
        at = (at + 1) & (positions->capacity - 1);
    return &positions->entries[at];
}

static int grow(struct positions *positions)
{
    struct positions larger = {.seed = positions->seed};

    if (positions->capacity == 0 &&
        getrandom(&larger.seed, sizeof(larger.seed), GRND_NONBLOCK) != sizeof(larger.seed))
        larger.seed = (unsigned)(uintptr_t)positions; /* early boot: an address must do */
    larger.capacity = positions->capacity ? positions->capacity * 2 : CAPACITY_MIN;
    larger.entries = calloc(larger.capacity, sizeof(*larger.entries));
    if (!larger.entries)
        return -ENOMEM;
    for (size_t i = 0; i < positions->capacity; i++) {
        const struct position *entry = &positions->entries[i];
        if (entry->container)
            *find_slot(&larger, entry->container, entry->key, entry->index) = *entry;
    }
    larger.count = positions->count;
    free(positions->entries);
    *positions = larger;
    return 0;
}

int positions_add(struct positions *positions, const json_t *container, const char *key,
                  size_t index, unsigned line, const char *written)
{
    struct position entry = {.container = container, .index = index, .line = line};

    if (positions->count * 2 >= positions->capacity && grow(positions) < 0)
        return -ENOMEM;
    struct position *slot = find_slot(positions, container, key, index);
    if (slot->container)
        return 0; /* the first one written stays: a second is refused before it gets here */
    if (key && !(entry.key = strdup(key)))
        return -ENOMEM;
    if (written && !(entry.written = strdup(written))) {
        free(entry.key);
        return -ENOMEM;
    }
    *slot = entry;
    positions->count++;
    return 0;
}

const struct position *positions_find(const struct positions *positions, const json_t *container,
                                      const char *key, size_t index)
{
    if (positions->capacity == 0)
        return NULL;
    const struct position *entry = find_slot(positions, container, key, index);
    return entry->container ? entry : NULL;
}

void positions_free(struct positions *positions)
{
    for (size_t i = 0; i < positions->capacity; i++) {
        free(positions->entries[i].key);
        free(positions->entries[i].written);
    }
    free(positions->entries);
    *positions = (struct positions){0};
}
