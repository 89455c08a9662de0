/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_THROTTLE_INTERNAL_H
#define COMMON_THROTTLE_INTERNAL_H

/*
 * The layout of the throttle table's file.
 *
 *     0        struct throttle_header, on pages of its own
 *     ...      sets of eight places each; the last eighth of them is the reserve, for those who
 *              find no room in their own set
 *
 * A place is a key, a word and a detail. The key is the hash of what the detail says, so that a
 * detail that is being written, or that a stolen child wrote, is never shown. The word counts:
 *
 *     window   start of the window << 16 | units taken in it
 *     bucket   when the bucket will be full again << 16
 *     block    its end << 16 | how often it was taken back
 *     tomb     TOMB | a number of its own: the place is being given to another, nobody counts here
 *
 * Times in words are microseconds since shortly before the file was made: 48 bits are 8.9 years.
 *
 * How a place changes hands, without a lock (throttle_place.c):
 *     1. the word of one that counts for nothing becomes a tomb, by compare and swap: from now on
 *        nobody can begin to count on it for its old client
 *     2. its key becomes the new one, marked PENDING
 *     3. all places of the set are looked at: where the same key is confirmed, that one is used and
 *        the new one given back; where it is pending, it is taken away from whoever works on it
 *     4. word and detail are written, and PENDING is taken off the key, by compare and swap
 * Two with the same key cannot both be confirmed: each marked its place before it looked for the
 * other. Whoever dies on the way leaves a tomb or a pending key, which count for nothing.
 */

#include <stdatomic.h>
#include <sys/types.h>

#include "common/throttle.h"

#define THROTTLE_MAGIC UINT64_C(0x31524854434d434d) /* "MCMCTHR1" read little-endian */
#define THROTTLE_ABI   1u
#define THROTTLE_WAYS  8u

typedef _Atomic uint64_t throttle_word;
typedef _Atomic uint32_t throttle_half;

enum throttle_kind { KIND_NONE, KIND_WINDOW, KIND_BUCKET, KIND_BLOCK };

/* The words of a detail. The first five are what the key is the hash of, but for blocks, whose
   page and interval are none: there, DETAIL_RULE and DETAIL_PERIOD are in their places. */
enum throttle_detail {
    DETAIL_WHO, /* kind, family, bits, rule, zone */
    DETAIL_ADDRESS,
    DETAIL_ADDRESS_LOW,
    DETAIL_PAGE,
    DETAIL_INTERVAL,
    DETAIL_ADMITTED, /* of blocks: when it began, CLOCK_MONOTONIC */
    DETAIL_REFUSED,
    DETAIL_SEEN, /* CLOCK_MONOTONIC */
    DETAIL_WORDS,
    DETAIL_RULE = DETAIL_PAGE, /* rule, origin, is_renewed */
    DETAIL_PERIOD = DETAIL_INTERVAL,
    DETAIL_SINCE = DETAIL_ADMITTED,
    DETAIL_HASHED = DETAIL_INTERVAL + 1,
};

struct throttle_set {
    throttle_word keys[THROTTLE_WAYS];
    throttle_word words[THROTTLE_WAYS];
    throttle_word details[THROTTLE_WAYS][DETAIL_WORDS];
};

enum throttle_count {
    COUNT_ADMITTED,
    COUNT_REFUSED,
    COUNT_BLOCKED,
    COUNT_WOULD,
    COUNT_CROWDED,
    COUNT_UNMEASURED,
    THROTTLE_COUNTS
};

#define EVENT_WORDS 10

struct throttle_record {
    throttle_word number; /* 0 while it is being written */
    throttle_word words[EVENT_WORDS];
};

struct throttle_header {
    uint64_t magic;
    uint32_t abi;
    uint32_t header_size;
    uint32_t sets; /* a power of two */
    throttle_half retired;
    uint64_t hash_key[2];
    uint64_t created_usec; /* CLOCK_MONOTONIC */
    uint64_t created_realtime_usec;
    char boot_id[40];
    throttle_word counts[THROTTLE_COUNTS] __attribute__((aligned(64)));
    throttle_word tombs;           /* the number of the last tomb */
    throttle_word blocked_bits[4]; /* prefix lengths that were ever blocked: 0..128 of IPv6 in the
                                      first three words, IPv4 in the fourth */
    throttle_word last_event;
    uint32_t name_count; /* of the parent alone */
    char names[THROTTLE_NAMES][THROTTLE_NAME_SIZE];
    struct throttle_record events[THROTTLE_EVENTS];
};

/* What a process knows of its mapping: taken once, never read again from what others write. */
struct throttle_table {
    struct throttle_header *header;
    struct throttle_set *sets;
    size_t size;
    uint32_t set_count, own_sets; /* own_sets: without the reserve */
    uint64_t hash_key[2];
    uint64_t created_usec;
};

#define THROTTLE_HEADER_SIZE ((sizeof(struct throttle_header) + 4095) & ~(size_t)4095)

_Static_assert(sizeof(struct throttle_set) == 640, "the sets are an ABI");

/* ---- words ---- */

#define WORD_LOW  UINT64_C(0xffff)
#define TOMB      (UINT64_C(0xfff) << 52)
#define TIME_MAX  ((TOMB >> 16) - 1)
#define TIME_ZERO (UINT64_C(1) << 40) /* the file's beginning: more than the longest interval */

static inline bool word_is_tomb(uint64_t word)
{
    return word >= TOMB;
}

static inline uint64_t word_time(uint64_t word)
{
    return word >> 16;
}

static inline uint64_t word_of(uint64_t time, uint64_t low)
{
    return (time < TIME_MAX ? time : TIME_MAX) << 16 | low;
}

/* A time of CLOCK_MONOTONIC as words have it, and back. */
static inline uint64_t throttle_time(const struct throttle_table *table, uint64_t usec)
{
    uint64_t time = usec > table->created_usec ? usec - table->created_usec : 0;

    return time < TIME_MAX - TIME_ZERO ? time + TIME_ZERO : TIME_MAX;
}

static inline uint64_t throttle_usec(const struct throttle_table *table, uint64_t time)
{
    return time > TIME_ZERO ? table->created_usec + (time - TIME_ZERO) : table->created_usec;
}

/* Whether a word counts for nothing at that time. */
bool throttle_is_idle(enum throttle_kind kind, uint64_t interval, uint64_t word, uint64_t time);

/* ---- places ---- */

/* What a place is for; its first five words make the key. */
struct throttle_who {
    uint64_t words[DETAIL_HASHED];
    uint64_t key;
    uint32_t set, spare; /* its own set, and the one of the reserve */
};

void throttle_who_of(const struct throttle_table *table, enum throttle_kind kind, uint32_t rule,
                     uint32_t zone, const struct network *client, uint64_t page, uint64_t interval,
                     struct throttle_who *who);

static inline enum throttle_kind who_kind(uint64_t word)
{
    return (enum throttle_kind)(word & 0xff);
}

struct throttle_place {
    throttle_word *key, *word, *detail;
};

/* The place of who in that set, if it has one. */
bool throttle_look(const struct throttle_table *table, const struct throttle_who *who, uint32_t set,
                   struct throttle_place *place);

/* The same, or a new place for it; false when there is no room. */
bool throttle_claim(struct throttle_table *table, const struct throttle_who *who, uint32_t set,
                    uint64_t now_usec, struct throttle_place *place);

/* A copy of place `index` of all, with what its detail says checked; false: nothing to show. */
struct throttle_copy {
    enum throttle_kind kind;
    struct network client;
    uint32_t rule, zone;
    uint64_t word;
    uint64_t detail[DETAIL_WORDS];
};

bool throttle_copy(const struct throttle_table *table, uint32_t index, struct throttle_copy *copy);
struct throttle_place throttle_place_at(const struct throttle_table *table, uint32_t index);

static inline uint32_t throttle_place_count(const struct throttle_table *table)
{
    return table->set_count * THROTTLE_WAYS;
}

static inline void throttle_add(struct throttle_table *table, enum throttle_count count)
{
    atomic_fetch_add_explicit(&table->header->counts[count], 1, memory_order_relaxed);
}

/* throttle_block.c: the block in place `index`, if one is in force there. */
bool throttle_copy_block(const struct throttle_table *table, uint32_t index, uint64_t now_usec,
                         struct throttle_block *block);

/* throttle_events.c */
void throttle_note(struct throttle_table *table, enum throttle_event_kind kind,
                   const struct throttle_block *block);

#endif
