/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MOD_CONTAINER_GATE_TABLE_H
#define MOD_CONTAINER_GATE_TABLE_H

/*
 * How many requests of each service are in flight, in memory that all of httpd's children share,
 * old generations too. A gate has places; who finds one of the first N free takes it by one
 * compare-and-swap and writes its process there, so there is no counter that could go wrong, and
 * the places of a child that was killed are found by looking for its process. Behind the places is
 * a queue of the same kind. No lock; nothing waits for another process but for a bounded moment.
 *
 * Knows no httpd; unit-tested. The memory may hold anything that a stolen child wrote: whatever is
 * read from it is checked before it is used as an index, and httpd's parent, which is root, never
 * reads it at all.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mod_container/gate_limit.h"

/* Changes with the layout: a newer module does not take an older one's memory for its own. */
#define GATE_LAYOUT 1

#define GATE_COUNT_MAX 4096u /* gates of a table: services with a limit; a power of two */
#define GATE_COUNT_MIN 64u

struct gate;
struct gate_memory;
struct gate_seat;

/* A process's view of the table. */
struct gate_table {
    struct gate_memory *memory; /* NULL: there is none */
    uint32_t count;
    uint64_t hash_key[2];
    uint64_t owner; /* this process, as it stands in places */
};

enum gate_answer {
    GATE_OPEN,       /* there was no gate left for this service: go on without a place */
    GATE_ADMITTED,   /* the claim holds a place */
    GATE_WAITING,    /* the claim holds a place in the queue */
    GATE_FULL,       /* N are in flight, and nobody may wait */
    GATE_QUEUE_FULL, /* N are in flight, and as many wait as may */
    GATE_LATE,       /* waited until the deadline */
    GATE_CLIENT,     /* this client has all that one may have */
    GATE_GONE,       /* the client went away while it waited, or this process ends */
    GATE_ANSWERS
};

/* Who wants in. Pointers are read in the call only. */
struct gate_request {
    const char *tenant, *service;
    const struct gate_limit *limit;
    uint64_t client; /* gate_client(); 0: nobody known, whom no limit per client counts */
};

/* What one request holds; zero it first. Belongs to one thread at a time. */
struct gate_claim {
    struct gate *gate;      /* stays after the end: where figures are read and refusals counted */
    struct gate_seat *seat; /* NULL: holds nothing */
    uint64_t ticket;
    uint32_t since_ms;
    uint32_t limit; /* a place of the first so many */
    bool is_waiting;
};

/* One service's gate at this moment. */
struct gate_figures {
    uint32_t limit, queue; /* of the last request that came to it */
    uint32_t in_flight, waiting;
    uint64_t refused[GATE_ANSWERS]; /* since httpd's start, by reason */
    uint64_t mean_usec;             /* how long requests held a place lately; 0: none ended yet */
    uint64_t mean_age_usec;         /* how long those in flight have held theirs */
};

/* Bytes of memory for so many gates, zeroed; only pages of gates that are used are touched. */
size_t gate_table_size(uint32_t count);

/* In a child, before it has threads: says who this process is. */
void gate_table_own(struct gate_table *table);

/*
 * A client as one word: an IPv4 address or the first half of an IPv6 address, for a host has all of
 * a /64; IPv4 in IPv6 clothes is IPv4. No hash, so no two clients are taken for one: IPv4 stands in
 * ffff:ffff::/32, where no client can be (RFC 4291 2.7: multicast). 0 for any other length.
 */
uint64_t gate_client(const void *address, size_t length);

/*
 * Asks for a place: GATE_ADMITTED, GATE_WAITING (go on with gate_wait()), GATE_OPEN, or one of the
 * refusals. Those who wait go first.
 */
enum gate_answer gate_enter(const struct gate_table *table, const struct gate_request *request,
                            struct gate_claim *claim);

/*
 * Waits for a place for at most timeout_ms. GATE_ADMITTED or still GATE_WAITING; may return early.
 */
enum gate_answer gate_wait(const struct gate_table *table, struct gate_claim *claim,
                           unsigned timeout_ms);

/* Gives back what the claim holds and wakes who is next. Harmless on an empty claim. */
void gate_leave(struct gate_claim *claim);

/* ---- figures and refusals ---- */

/* -ENOENT: no request with a limit has come for this service. */
int gate_table_read(const struct gate_table *table, const char *tenant, const char *service,
                    struct gate_figures *figures);
void gate_read_claimed(const struct gate_claim *claim, struct gate_figures *figures);

/* Counts a refusal at the claim's gate. */
void gate_count_refused(const struct gate_claim *claim, enum gate_answer answer);

/*
 * After how many seconds a refused client may find a place: as long as those before it in the queue
 * need at the pace of the last requests, or of those in flight if they are slower. 1 to
 * GATE_RETRY_MAX_SECONDS.
 */
#define GATE_RETRY_MAX_SECONDS 300u
#define GATE_RETRY_UNKNOWN     5u /* nobody knows the pace yet */
unsigned gate_retry_seconds(const struct gate_figures *figures, const struct gate_limit *limit,
                            enum gate_answer answer);

/* Empties what dead processes left behind, at most once a second. Returns how many seats. */
unsigned gate_sweep(const struct gate_table *table, struct gate *gate);

#endif
