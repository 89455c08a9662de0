/* SPDX-License-Identifier: Apache-2.0 */
/* What all sides of the traffic board share: its layout, its header, the histogram. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/scoreboard_internal.h"
#include "common/traffic_internal.h"

#define OWNER_PID_BITS   22
#define OWNER_START_BITS (64 - OWNER_PID_BITS)
#define OWNER_START_MASK ((UINT64_C(1) << OWNER_START_BITS) - 1)

/* ---- the file ---- */

static off_t align(off_t offset, off_t to)
{
    return (offset + to - 1) / to * to;
}

void traffic_layout_of(uint32_t slot_count, struct traffic_layout *layout)
{
    layout->slot_count = slot_count;
    layout->keys = TRAFFIC_HEADER_SIZE;
    layout->claims = align(layout->keys + (off_t)slot_count * (off_t)sizeof(traffic_word), 64);
    layout->details = layout->claims + TRAFFIC_IN_FLIGHT * (off_t)sizeof(struct traffic_claim);
    layout->slots =
        align(layout->details + TRAFFIC_IN_FLIGHT * (off_t)sizeof(struct traffic_detail),
              TRAFFIC_SLOT_SIZE);
    layout->size = layout->slots + ((off_t)slot_count + 1) * TRAFFIC_SLOT_SIZE;
}

void traffic_header_fill(struct traffic_header *header, uint32_t slot_count)
{
    memset(header, 0, sizeof(*header));
    header->magic = TRAFFIC_MAGIC;
    header->abi = TRAFFIC_ABI;
    header->header_size = TRAFFIC_HEADER_SIZE;
    header->slot_size = TRAFFIC_SLOT_SIZE;
    header->slot_count = slot_count;
    header->in_flight_count = TRAFFIC_IN_FLIGHT;
    scoreboard_boot_id(header->boot_id, sizeof(header->boot_id));
}

int traffic_header_check(const struct traffic_header *header, int fd, uint32_t slot_count,
                         struct error *error)
{
    struct traffic_header wanted;
    struct traffic_layout layout;
    uint32_t count = header->slot_count;
    struct stat st;

    if (fstat(fd, &st) < 0)
        return error_sys(error, errno, "stat the traffic board");
    if (!S_ISREG(st.st_mode) || st.st_uid != 0)
        return error_set(error, EPROTO, "not a file of root's");
    if (header->magic != TRAFFIC_MAGIC)
        return error_set(error, EPROTO, "not a traffic board");
    if (header->abi != TRAFFIC_ABI)
        return error_set(error, EPROTO, "a traffic board of ABI %u, where this program has %u",
                         header->abi, TRAFFIC_ABI);
    if (count == 0 || count > TRAFFIC_SLOTS_MAX || (count & (count - 1)) != 0 ||
        (slot_count != 0 && count != slot_count))
        return error_set(error, EPROTO, "a traffic board of %u slots", count);
    traffic_header_fill(&wanted, count);
    traffic_layout_of(count, &layout);
    if (header->header_size != wanted.header_size || header->slot_size != wanted.slot_size ||
        header->in_flight_count != wanted.in_flight_count || st.st_size != layout.size)
        return error_set(error, EPROTO, "a traffic board of another size");
    if (memcmp(header->boot_id, wanted.boot_id, sizeof(wanted.boot_id)) != 0)
        return error_set(error, EPROTO, "a traffic board of an earlier boot");
    return 0;
}

void traffic_name_of(const char *tenant, const char *service, struct traffic_name *name)
{
    memset(name, 0, sizeof(*name));
    memcpy(name->tenant, tenant, strnlen(tenant, sizeof(name->tenant) - 1));
    memcpy(name->service, service, strnlen(service, sizeof(name->service) - 1));
}

/* FNV-1a from a random start, mixed at the end: names are the operator's, not a visitor's. */
bool traffic_name_is(traffic_half *is_named, traffic_word *words, const struct traffic_name *name)
{
    if (atomic_load_explicit(is_named, memory_order_acquire) != 1) {
        seqlock_store(words, name, sizeof(*name));
        atomic_store_explicit(is_named, 1, memory_order_release);
    }
    for (size_t i = 0; i < sizeof(*name) / sizeof(uint64_t); i++) {
        uint64_t word;
        memcpy(&word, (const char *)name + i * sizeof(word), sizeof(word));
        if (atomic_load_explicit(&words[i], memory_order_relaxed) != word)
            return false;
    }
    return true;
}

uint64_t traffic_key(const uint64_t hash_key[2], const struct traffic_name *name)
{
    const char *const parts[] = {name->tenant, name->service};
    uint64_t hash = hash_key[0];

    for (size_t i = 0; i < 2; i++)
        for (const char *at = parts[i]; at == parts[i] || at[-1]; at++)
            hash = (hash ^ (unsigned char)*at) * UINT64_C(0x100000001b3);
    hash ^= hash_key[1];
    hash = (hash ^ hash >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    hash = (hash ^ hash >> 27) * UINT64_C(0x94d049bb133111eb);
    hash ^= hash >> 31;
    return hash ? hash : 1;
}

uint64_t traffic_owner(const struct identity *identity)
{
    uint64_t pid = (uint64_t)identity->pid;

    if (pid >> OWNER_PID_BITS || identity->start_time > OWNER_START_MASK)
        return 0;
    return pid << OWNER_START_BITS | identity->start_time;
}

struct identity traffic_owner_identity(uint64_t owner)
{
    return (struct identity){.pid = (pid_t)(owner >> OWNER_START_BITS),
                             .start_time = owner & OWNER_START_MASK};
}

/* ---- the histogram ---- */

/*
 * Eight buckets to each power of two, and one to each value below 8: 0 1 ... 7 8 9 ... 15 16-17
 * 18-19 ... 30-31 32-35 ... The last one takes all from 2^32 - 2^29 on.
 */
unsigned traffic_bucket(uint64_t usec)
{
    if (usec < 8)
        return (unsigned)usec;
    unsigned power = 63 - (unsigned)__builtin_clzll(usec);
    if (power > 31)
        return TRAFFIC_BUCKETS - 1;
    return (power - 2) * 8 + (unsigned)(usec >> (power - 3) & 7);
}

uint64_t traffic_bucket_limit(unsigned bucket)
{
    if (bucket < 8)
        return bucket;
    if (bucket >= TRAFFIC_BUCKETS)
        bucket = TRAFFIC_BUCKETS - 1;
    return ((UINT64_C(9) + bucket % 8) << (bucket / 8 - 1)) - 1;
}

uint64_t traffic_quantile(const uint32_t histogram[TRAFFIC_BUCKETS], unsigned permille)
{
    uint64_t total = 0, below = 0;

    for (unsigned i = 0; i < TRAFFIC_BUCKETS; i++)
        total += histogram[i];
    uint64_t rank = (total * permille + 999) / 1000;
    for (unsigned i = 0; i < TRAFFIC_BUCKETS && total > 0; i++) {
        below += histogram[i];
        if (below >= rank && histogram[i] > 0)
            return traffic_bucket_limit(i);
    }
    return 0;
}
