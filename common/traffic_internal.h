/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_TRAFFIC_INTERNAL_H
#define COMMON_TRAFFIC_INTERNAL_H

/*
 * The layout of the traffic board's file.
 *
 *     0        struct traffic_header, 4096 bytes reserved
 *     4096     slot_count keys: an open-addressed table, 0 is free
 *     ...      TRAFFIC_IN_FLIGHT claims, then as many details: one of each for a request in flight
 *     ...      slot_count + 1 slots of 4096 bytes, on page borders; the last is "other"
 *
 * All but the slots is reserved when the file is made; a slot is reserved by the child that claims
 * its key, so that services without requests cost no memory. A hole would be a SIGBUS on a full
 * disk: nobody touches a slot of the mapping whose key is free.
 */

#include <stdatomic.h>
#include <sys/types.h>

#include "common/identity.h"
#include "common/seqlock.h"
#include "common/traffic.h"

#define TRAFFIC_MAGIC       UINT64_C(0x31464152544d434d) /* "MCMTRAF1" read little-endian */
#define TRAFFIC_ABI         1u
#define TRAFFIC_HEADER_SIZE 4096u
#define TRAFFIC_SLOT_SIZE   4096u
#define TRAFFIC_PROBES      64u

/*
 * A claim's service: one more than the index of its slot, 0 while it has none; with TRAFFIC_MOVING
 * while the service's counter is just being changed (traffic_sweep.c).
 */
#define TRAFFIC_MOVING UINT32_C(0x80000000)

/* The slot of it, which may be any number; of none, one that is out of range. */
static inline uint32_t traffic_claim_slot(uint32_t service)
{
    return (service & ~TRAFFIC_MOVING) - 1;
}

/*
 * A service's counter of requests in flight: the number in the low half, and in the high half how
 * often it was changed, so that who computes it anew can tell that nobody moved meanwhile.
 */
#define TRAFFIC_ONE_MORE ((UINT64_C(1) << 32) + 1)
#define TRAFFIC_ONE_LESS ((UINT64_C(1) << 32) - 1) /* carries into the high half */

typedef _Atomic uint64_t traffic_word;
typedef _Atomic uint32_t traffic_half;

struct traffic_header {
    uint64_t magic;
    uint32_t abi;
    uint32_t header_size;
    uint32_t slot_size;
    uint32_t slot_count; /* a power of two */
    uint32_t in_flight_count;
    traffic_half retired;
    uint64_t hash_key[2];
    uint64_t created_realtime_usec;
    char boot_id[40];
    /* Written by children. */
    traffic_word swept_usec; /* CLOCK_BOOTTIME: when the dead were last looked for */
    traffic_word unrecorded; /* requests for which no claim was free */
};

/* Who is at work on a request: a pid (22 bits, proc(5) pid_max) and its start time; 0: free. */
struct traffic_claim {
    traffic_word owner;
    traffic_half service;
    traffic_half begun_seconds; /* CLOCK_BOOTTIME */
};

struct traffic_detail {
    seqlock_word sequence; /* one writer: the claim's owner */
    seqlock_word words[sizeof(struct traffic_text) / sizeof(uint64_t)];
};

struct traffic_ended {
    struct traffic_text text;
    uint64_t bytes_out;
    uint32_t duration_usec; /* at most UINT32_MAX */
    uint16_t status;
    uint16_t is_aborted;
};

/*
 * The last ended requests may have two writers at once, when more than TRAFFIC_RECENT requests end
 * while one is being written. The sequence's low half is odd while somebody is inside, its high
 * half the second of CLOCK_BOOTTIME in which that one came.
 */
struct traffic_recent {
    seqlock_word sequence;
    seqlock_word words[sizeof(struct traffic_ended) / sizeof(uint64_t)];
};

enum traffic_count {
    COUNT_BEGUN,
    COUNT_REQUESTS,
    COUNT_LOST,
    COUNT_ABORTED,
    COUNT_REFUSED,
    COUNT_BYTES_IN,
    COUNT_BYTES_OUT,
    COUNT_DURATION,
    COUNT_LAST_REQUEST, /* a time: CLOCK_REALTIME */
    COUNT_CLASSES,
    TRAFFIC_COUNTS = COUNT_CLASSES + STATUS_CLASSES
};

struct traffic_name {
    char tenant[64];
    char service[64];
};

struct traffic_slot {
    traffic_half is_named;
    traffic_half padding[15];
    traffic_word name[sizeof(struct traffic_name) / sizeof(uint64_t)];
    traffic_word counts[TRAFFIC_COUNTS];
    traffic_word in_flight; /* see TRAFFIC_ONE_MORE */
    traffic_half next_recent;
    traffic_half reserved;
    traffic_half histogram[TRAFFIC_BUCKETS];
    struct traffic_recent recent[TRAFFIC_RECENT];
};

_Static_assert(sizeof(struct traffic_header) <= TRAFFIC_HEADER_SIZE, "header page");
_Static_assert(sizeof(struct traffic_claim) == 16, "the claims are an ABI");
_Static_assert(sizeof(struct traffic_text) % sizeof(uint64_t) == 0, "copied by words");
_Static_assert(sizeof(struct traffic_ended) % sizeof(uint64_t) == 0, "copied by words");
_Static_assert(offsetof(struct traffic_slot, histogram) == 320, "the slot is an ABI");
_Static_assert(sizeof(struct traffic_slot) <= TRAFFIC_SLOT_SIZE, "a slot is a page");

/* Where the parts of a file with slot_count slots lie. */
struct traffic_layout {
    uint32_t slot_count;
    off_t keys, claims, details, slots, size;
};

void traffic_layout_of(uint32_t slot_count, struct traffic_layout *layout);

/* The constant fields of a header as this program writes them, for a number of slots. */
void traffic_header_fill(struct traffic_header *header, uint32_t slot_count);

/*
 * Checks a copy of the header, and the file's size and owner, against what this program would
 * write for that number of slots (0: any). 0 or -EPROTO with the reason.
 */
int traffic_header_check(const struct traffic_header *header, int fd, uint32_t slot_count,
                         struct error *error);

/* The name as it lies in a slot, padded with zeros; its key, which is never 0. */
void traffic_name_of(const char *tenant, const char *service, struct traffic_name *name);
uint64_t traffic_key(const uint64_t hash_key[2], const struct traffic_name *name);

/*
 * Whether the name that lies in shared memory is this one. Where none lies yet it is written:
 * everybody who comes there writes the same one, for the key is the same.
 */
bool traffic_name_is(traffic_half *is_named, traffic_word *words, const struct traffic_name *name);

/* A process as one word, and back. 0: the pid does not fit. */
uint64_t traffic_owner(const struct identity *identity);
struct identity traffic_owner_identity(uint64_t owner);

#endif
