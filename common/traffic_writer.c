/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing the traffic board: what httpd's children do at the beginning and the end of a request.
 * No lock, no system call but for the first request of a service and the sweep once a second. The
 * file may hold anything that a stolen sibling wrote: every index read from it is checked.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "common/clock.h"
#include "common/traffic_mapping.h"

/* Claims that are looked at for a free one. */
#define CLAIM_PROBES 512u

/* Who has been inside a record of an ended request for so long has died there. */
#define STUCK_SECONDS 10u

static void add(struct traffic_slot *slot, enum traffic_count count, uint64_t value)
{
    atomic_fetch_add_explicit(&slot->counts[count], value, memory_order_relaxed);
}

/* ---- the slot of a service ---- */

static bool slot_has_name(struct traffic_slot *slot, const struct traffic_name *name)
{
    return traffic_name_is(&slot->is_named, slot->name, name);
}

/* Gives a slot its memory, then its key: a hole must not be touched. */
static bool claim_slot(struct traffic_mapping *mapping, uint32_t index, uint64_t *key)
{
    uint64_t free_key = 0;

    if (posix_fallocate(mapping->fd,
                        mapping->layout.slots + (off_t)index * (off_t)TRAFFIC_SLOT_SIZE,
                        TRAFFIC_SLOT_SIZE) != 0)
        return false;
    if (!atomic_compare_exchange_strong(&mapping->keys[index], &free_key, *key))
        *key = free_key; /* another was faster: whose is it now? */
    return true;
}

/* The index of a service's slot, a new one if it has none; "other" when there is no room. */
static uint32_t find_slot(struct traffic_mapping *mapping, const char *tenant, const char *service,
                          volatile uint32_t *hint)
{
    uint32_t mask = mapping->layout.slot_count - 1;
    uint32_t at = __atomic_load_n(hint, __ATOMIC_RELAXED);
    struct traffic_name name;

    traffic_name_of(tenant, service, &name);
    uint64_t key = traffic_key(mapping->hash_key, &name);
    if (at <= mask && atomic_load_explicit(&mapping->keys[at], memory_order_acquire) == key &&
        slot_has_name(traffic_mapping_slot(mapping, at), &name))
        return at;
    for (uint32_t i = 0; i < TRAFFIC_PROBES; i++) {
        at = ((uint32_t)key + i) & mask;
        uint64_t found = atomic_load_explicit(&mapping->keys[at], memory_order_acquire);
        if (found == 0) {
            found = key;
            if (!claim_slot(mapping, at, &found))
                break;
        }
        if (found == key && slot_has_name(traffic_mapping_slot(mapping, at), &name)) {
            __atomic_store_n(hint, at, __ATOMIC_RELAXED);
            return at;
        }
    }
    return mapping->layout.slot_count;
}

/* ---- the record of a request in flight ---- */

/* Where this thread found its last claim: mostly it is free again, and no other thread's. */
static _Thread_local uint32_t last_claim;

static uint32_t first_claim(const uint64_t *owner)
{
    /* The address of a thread's own variable tells the threads apart. */
    if (last_claim == 0)
        last_claim = (uint32_t)((((uintptr_t)&last_claim >> 6) ^ *owner ^ *owner >> 42) *
                                    UINT64_C(0x9e3779b97f4a7c15) >>
                                40) |
                     1;
    return last_claim;
}

static uint32_t take_claim(struct traffic_writer *writer, struct traffic_mapping *mapping)
{
    uint32_t first = first_claim(&writer->owner);

    for (uint32_t i = 0; i < CLAIM_PROBES && writer->owner != 0; i++) {
        /* Steps of an odd number of lines: neighbours in time are no neighbours in memory. */
        uint32_t at = (first + i * 13) % TRAFFIC_IN_FLIGHT;
        uint64_t nobody = 0;
        if (atomic_load_explicit(&mapping->claims[at].owner, memory_order_relaxed) == 0 &&
            atomic_compare_exchange_strong(&mapping->claims[at].owner, &nobody, writer->owner)) {
            last_claim = at + TRAFFIC_IN_FLIGHT;
            return at;
        }
    }
    atomic_fetch_add_explicit(&mapping->header->unrecorded, 1, memory_order_relaxed);
    return TRAFFIC_IN_FLIGHT;
}

/* TRAFFIC_MOVING around each change of the counter is for traffic_sweep.c, which may set it right.
 */
static void open_record(struct traffic_mapping *mapping, struct traffic_ticket *ticket)
{
    struct traffic_claim *claim = &mapping->claims[ticket->record];
    struct traffic_detail *detail = &mapping->details[ticket->record];

    seqlock_write(&detail->sequence, detail->words, &ticket->text, sizeof(ticket->text));
    atomic_store_explicit(&claim->begun_seconds, (uint32_t)(ticket->begun_usec / 1000000),
                          memory_order_relaxed);
    atomic_store(&claim->service, (ticket->slot + 1) | TRAFFIC_MOVING);
    atomic_fetch_add(&traffic_mapping_slot(mapping, ticket->slot)->in_flight, TRAFFIC_ONE_MORE);
    atomic_store(&claim->service, ticket->slot + 1);
}

static void close_record(struct traffic_mapping *mapping, const struct traffic_ticket *ticket)
{
    struct traffic_claim *claim = &mapping->claims[ticket->record];

    atomic_store(&claim->service, (ticket->slot + 1) | TRAFFIC_MOVING);
    atomic_fetch_add(&traffic_mapping_slot(mapping, ticket->slot)->in_flight, TRAFFIC_ONE_LESS);
    atomic_store(&claim->service, 0);
    atomic_store(&claim->owner, 0);
}

/* ---- a request ---- */

static void fill_text(const struct traffic_begin *begin, uint64_t now, struct traffic_text *text)
{
    size_t length = begin->uri_length;

    text->time_realtime_usec = now;
    text->reserved = 0;
    text->protocol = (uint16_t)begin->protocol;
    text->client_length = 0;
    memset(text->client, 0, sizeof(text->client));
    if (begin->client && (begin->client_length == 4 || begin->client_length == 16)) {
        text->client_length = (uint16_t)begin->client_length;
        memcpy(text->client, begin->client, begin->client_length);
    }
    memset(text->method, 0, sizeof(text->method));
    memcpy(text->method, begin->method, strnlen(begin->method, sizeof(text->method)));
    if (length > sizeof(text->uri))
        length = sizeof(text->uri);
    memcpy(text->uri, begin->uri, length);
    memset(text->uri + length, 0, sizeof(text->uri) - length);
}

void traffic_start(struct traffic_writer *writer, const struct traffic_begin *begin,
                   struct traffic_ticket *ticket)
{
    struct traffic_mapping *mapping = traffic_mapping_take(writer);

    if (!mapping)
        return;
    ticket->mapping = mapping;
    ticket->writer = writer;
    ticket->begun_usec = clock_boottime_usec();
    fill_text(begin, clock_realtime_usec(), &ticket->text);
    ticket->slot = find_slot(mapping, begin->tenant, begin->service, begin->hint);
    struct traffic_slot *slot = traffic_mapping_slot(mapping, ticket->slot);
    atomic_fetch_add(&slot->counts[COUNT_BEGUN], 1);
    atomic_store_explicit(&slot->counts[COUNT_LAST_REQUEST], ticket->text.time_realtime_usec,
                          memory_order_relaxed);
    ticket->record = take_claim(writer, mapping);
    if (ticket->record < TRAFFIC_IN_FLIGHT)
        open_record(mapping, ticket);
}

/* Enters a record as its only writer. 0: somebody else is inside, and this record stays theirs. */
static uint64_t enter_recent(struct traffic_recent *recent, uint64_t now_seconds)
{
    uint64_t before = atomic_load_explicit(&recent->sequence, memory_order_relaxed);

    if (before % 2 != 0 && (uint32_t)((uint32_t)now_seconds - (before >> 32)) < STUCK_SECONDS)
        return 0;
    uint64_t inside = now_seconds << 32 | (uint32_t)((uint32_t)(before | 1) + (before & 1) * 2);
    if (!atomic_compare_exchange_strong(&recent->sequence, &before, inside))
        return 0;
    atomic_thread_fence(memory_order_release);
    return inside;
}

static void remember(struct traffic_slot *slot, const struct traffic_ended *ended,
                     uint64_t boottime_usec)
{
    uint32_t next = atomic_fetch_add_explicit(&slot->next_recent, 1, memory_order_relaxed);
    struct traffic_recent *recent = &slot->recent[next % TRAFFIC_RECENT];
    uint64_t inside = enter_recent(recent, boottime_usec / 1000000);

    if (inside == 0)
        return;
    seqlock_store(recent->words, ended, sizeof(*ended));
    uint64_t outside = (inside & ~(uint64_t)UINT32_MAX) | (uint32_t)((uint32_t)inside + 1);
    /* Unless somebody took over who found us inside for too long. */
    atomic_compare_exchange_strong_explicit(&recent->sequence, &inside, outside,
                                            memory_order_release, memory_order_relaxed);
}

static void count_end(struct traffic_slot *slot, const struct traffic_end *end,
                      uint64_t duration_usec)
{
    unsigned class = end->status / 100 >= 1 && end->status / 100 <= STATUS_CLASSES
                         ? end->status / 100
                         : STATUS_CLASSES;

    add(slot, COUNT_CLASSES + class - 1, 1);
    if (end->is_aborted)
        add(slot, COUNT_ABORTED, 1);
    if (end->bytes_in > 0)
        add(slot, COUNT_BYTES_IN, end->bytes_in);
    add(slot, COUNT_BYTES_OUT, end->bytes_out);
    add(slot, COUNT_DURATION, duration_usec);
    atomic_fetch_add_explicit(&slot->histogram[traffic_bucket(duration_usec)], 1,
                              memory_order_relaxed);
    add(slot, COUNT_REQUESTS, 1);
}

void traffic_finish(struct traffic_ticket *ticket, const struct traffic_end *end)
{
    struct traffic_mapping *mapping = ticket->mapping;

    if (!mapping)
        return;
    ticket->mapping = NULL;
    struct traffic_slot *slot = traffic_mapping_slot(mapping, ticket->slot);
    uint64_t now = clock_boottime_usec();
    uint64_t duration = now - ticket->begun_usec;
    struct traffic_ended ended = {
        .text = ticket->text,
        .bytes_out = end->bytes_out,
        .duration_usec = duration < UINT32_MAX ? (uint32_t)duration : UINT32_MAX,
        .status = (uint16_t)end->status,
        .is_aborted = end->is_aborted,
    };

    count_end(slot, end, duration);
    remember(slot, &ended, now);
    atomic_store_explicit(&slot->counts[COUNT_LAST_REQUEST],
                          ticket->text.time_realtime_usec + duration, memory_order_relaxed);
    if (ticket->record < TRAFFIC_IN_FLIGHT)
        close_record(mapping, ticket);
    traffic_sweep(ticket->writer, mapping, now);
    traffic_mapping_drop(mapping);
}

void traffic_count_refused(struct traffic_writer *writer, const char *tenant, const char *service,
                           volatile uint32_t *hint)
{
    struct traffic_mapping *mapping = traffic_mapping_take(writer);

    if (!mapping)
        return;
    add(traffic_mapping_slot(mapping, find_slot(mapping, tenant, service, hint)), COUNT_REFUSED, 1);
    traffic_mapping_drop(mapping);
}

uint32_t traffic_in_flight_now(struct traffic_writer *writer, const char *tenant,
                               const char *service, volatile uint32_t *hint)
{
    struct traffic_mapping *mapping = traffic_mapping_take(writer);

    if (!mapping)
        return 0;
    uint32_t slot = find_slot(mapping, tenant, service, hint);
    uint32_t count = (uint32_t)atomic_load(&traffic_mapping_slot(mapping, slot)->in_flight);
    traffic_mapping_drop(mapping);
    return count;
}
