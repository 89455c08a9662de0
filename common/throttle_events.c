/* SPDX-License-Identifier: Apache-2.0 */
/* What happened to blocks, for the supervisor: a ring of the last ones. */
#include <string.h>

#include "common/clock.h"
#include "common/throttle_internal.h"

enum event_word {
    EVENT_KIND,
    EVENT_TIME,
    EVENT_WHO,
    EVENT_ADDRESS,
    EVENT_ADDRESS_LOW,
    EVENT_RULE,
    EVENT_SINCE,
    EVENT_UNTIL,
    EVENT_PERIOD,
    EVENT_REFUSED
};

void throttle_note(struct throttle_table *table, enum throttle_event_kind kind,
                   const struct throttle_block *block)
{
    uint64_t number = atomic_fetch_add(&table->header->last_event, 1) + 1;
    struct throttle_record *record = &table->header->events[number % THROTTLE_EVENTS];
    uint64_t words[EVENT_WORDS] = {
        [EVENT_KIND] = kind,
        [EVENT_TIME] = clock_realtime_usec(),
        [EVENT_WHO] = (uint64_t)block->client.family | (uint64_t)block->client.bits << 8 |
                      (uint64_t)(block->zone & 0xffff) << 16,
        [EVENT_RULE] = (block->rule & 0xffff) | (uint64_t)(block->origin & 0xff) << 16 |
                       (uint64_t)block->is_renewed << 24,
        [EVENT_SINCE] = block->since_usec,
        [EVENT_UNTIL] = block->until_usec,
        [EVENT_PERIOD] = block->period_usec,
        [EVENT_REFUSED] = block->refused,
    };

    memcpy(&words[EVENT_ADDRESS], block->client.bytes, sizeof(block->client.bytes));
    atomic_store(&record->number, 0);
    for (unsigned i = 0; i < EVENT_WORDS; i++)
        atomic_store_explicit(&record->words[i], words[i], memory_order_relaxed);
    atomic_store_explicit(&record->number, number, memory_order_release);
}

/* False for what nobody of ours wrote. */
static bool fill_event(const uint64_t words[EVENT_WORDS], struct throttle_event *event)
{
    uint64_t who = words[EVENT_WHO], rule = words[EVENT_RULE];

    *event = (struct throttle_event){
        .kind = (enum throttle_event_kind)words[EVENT_KIND],
        .time_realtime_usec = words[EVENT_TIME],
        .block = {.client = {.family = (uint8_t)who, .bits = (uint8_t)(who >> 8)},
                  .zone = (uint32_t)(who >> 16) & 0xffff,
                  .rule = (uint32_t)rule & 0xffff,
                  .origin = (rule >> 16 & 0xff) == THROTTLE_BY_ADMIN ? THROTTLE_BY_ADMIN
                                                                     : THROTTLE_BY_RULE,
                  .is_renewed = rule >> 24 & 1,
                  .since_usec = words[EVENT_SINCE],
                  .until_usec = words[EVENT_UNTIL],
                  .period_usec = words[EVENT_PERIOD],
                  .refused = words[EVENT_REFUSED]},
    };
    struct network *client = &event->block.client;
    memcpy(client->bytes, &words[EVENT_ADDRESS], sizeof(client->bytes));
    if (words[EVENT_KIND] == THROTTLE_EVENT_CLEARED)
        return true;
    if ((words[EVENT_KIND] != THROTTLE_EVENT_BLOCKED &&
         words[EVENT_KIND] != THROTTLE_EVENT_UNBLOCKED) ||
        (client->family != 4 && client->family != 6) ||
        client->bits > (client->family == 4 ? 32 : 128) ||
        event->block.period_usec > THROTTLE_BLOCK_MAX)
        return false;
    struct network cut =
        network_of(client->bytes, client->family == 4 ? 4 : 16, client->bits, client->bits);
    return cut.family == client->family && memcmp(&cut, client, sizeof(cut)) == 0;
}

static bool copy_event(const struct throttle_table *table, uint64_t number,
                       struct throttle_event *event)
{
    struct throttle_record *record = &table->header->events[number % THROTTLE_EVENTS];
    uint64_t words[EVENT_WORDS];

    if (atomic_load_explicit(&record->number, memory_order_acquire) != number)
        return false;
    for (unsigned i = 0; i < EVENT_WORDS; i++)
        words[i] = atomic_load_explicit(&record->words[i], memory_order_relaxed);
    atomic_thread_fence(memory_order_acquire);
    if (atomic_load_explicit(&record->number, memory_order_relaxed) != number ||
        !fill_event(words, event))
        return false;
    event->number = number;
    return true;
}

size_t throttle_events(const struct throttle_table *table, uint64_t after,
                       struct throttle_event *events, size_t max)
{
    uint64_t last = atomic_load(&table->header->last_event);
    size_t count = 0;

    if (last > THROTTLE_EVENTS && after < last - THROTTLE_EVENTS)
        after = last - THROTTLE_EVENTS;
    for (uint64_t number = after + 1; number <= last && number != 0 && count < max; number++)
        count += copy_event(table, number, &events[count]);
    return count;
}
