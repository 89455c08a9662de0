/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MOD_CONTAINER_GATE_INTERNAL_H
#define MOD_CONTAINER_GATE_INTERNAL_H

/*
 * The table's memory, for gate_table.c (gates, figures, the dead) and gate_claim.c (places, queue).
 *
 *     keys    GATE_COUNT_MAX words: an open-addressed table, 0 is free
 *     gates   as many as the table has; each a head of one page, its places, its waiters
 *
 * A seat's words are written in this order when it is taken: owner, client, ticket; and emptied in
 * the other one. The ticket is drawn after the client stands there: who draws a later one and then
 * looks for the same client sees all that drew before.
 */

#include <stdatomic.h>

#include "common/traffic_internal.h"
#include "mod_container/gate_table.h"

#define GATE_HEAD_SIZE 4096u

/* A ticket's word: its number, the limit of its request, and whether its request may yet find that
 * its client has too many. 0: none yet. */
#define TICKET_SHIFT       16
#define TICKET_LIMIT_SHIFT 1
#define TICKET_LIMIT_MASK  UINT64_C(0x7fff)
#define TICKET_PROVISIONAL UINT64_C(1)

struct gate_seat {
    _Atomic uint64_t owner; /* the process, as on the traffic board; 0: free */
    _Atomic uint64_t client;
    _Atomic uint64_t ticket;
    _Atomic uint32_t since_ms; /* CLOCK_BOOTTIME, the low half */
    _Atomic uint32_t bell;     /* of one who waits: a futex */
};

struct gate {
    _Atomic uint32_t is_named;
    _Atomic uint32_t limit, queue;            /* of the last request */
    _Atomic uint32_t places_end, waiters_end; /* seats from here on were never taken */
    _Atomic uint32_t mean_usec;               /* of the last requests, with less weight the older */
    _Atomic uint64_t refused[GATE_ANSWERS];
    _Atomic uint64_t next_ticket;
    _Atomic uint64_t swept_ms; /* CLOCK_BOOTTIME: when the dead were last looked for */
    seqlock_word name[sizeof(struct traffic_name) / sizeof(uint64_t)];
    _Alignas(GATE_HEAD_SIZE) struct gate_seat places[GATE_PLACES];
    struct gate_seat waiters[GATE_WAITERS];
};

struct gate_memory {
    _Atomic uint64_t keys[GATE_COUNT_MAX];
    struct gate gates[];
};

_Static_assert(sizeof(struct gate_seat) == 32, "two seats to a line");
_Static_assert(sizeof(struct gate) % GATE_HEAD_SIZE == 0, "gates lie on pages");
_Static_assert(sizeof(uint32_t) == sizeof(_Atomic uint32_t), "futex(2) takes the word itself");

/* The service's gate, a new one unless create is false; NULL: there is none, or no room. */
struct gate *gate_find(const struct gate_table *table, const char *tenant, const char *service,
                       bool create);

/* CLOCK_BOOTTIME in milliseconds. */
uint64_t gate_now_ms(void);

/* How many seats from the first one on may be taken; at most max whatever stands there. */
uint32_t gate_seats_end(const _Atomic uint32_t *end, uint32_t max);

/* Empties a seat that the caller owns. */
void gate_seat_free(struct gate_seat *seat);

/* Wakes the first in the queue who may take the place, given by its number. */
void gate_ring(struct gate *gate, uint32_t place);

#endif
