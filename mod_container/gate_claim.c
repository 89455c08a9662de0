/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Places and the queue. That N are in flight and no more is a matter of one compare-and-swap on one
 * of N words. That one client has M and no more takes an order among its requests: each is seated
 * first, draws a ticket, and stays only if fewer than M of the same client with earlier tickets are
 * seated. Whether an earlier one stays may just be being found out: that is waited for, a moment.
 */
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "mod_container/gate_internal.h"

/* Turns of a wait for another who is just being seated; who takes longer is taken for seated. */
#define SETTLE_TRIES 2000

/* Of one who takes longer than that to draw its ticket: no number of a ticket. */
#define TICKET_UNKNOWN UINT64_MAX

/* The newest duration's share in the mean: one in so many. */
#define MEAN_WEIGHT 8

static uint64_t ticket_number(uint64_t word)
{
    return word >> TICKET_SHIFT;
}

static uint32_t ticket_limit(uint64_t word)
{
    return (uint32_t)(word >> TICKET_LIMIT_SHIFT & TICKET_LIMIT_MASK);
}

static uint64_t ticket_word(uint64_t number, uint32_t limit, bool is_provisional)
{
    return number << TICKET_SHIFT | (uint64_t)limit << TICKET_LIMIT_SHIFT |
           (is_provisional ? TICKET_PROVISIONAL : 0);
}

/* ---- one client's requests ---- */

/* How a client's seats are counted. */
struct census {
    uint64_t client;
    uint64_t before;     /* only earlier tickets */
    bool is_provisional; /* those who may not stay count, too, once they stay: wait for it */
    uint32_t count;
    uint32_t
        waiting; /* of the queue: their tickets, for one who moves up is in both for a moment */
    uint64_t tickets[GATE_WAITERS];
};

/* The ticket of a seat of this client that counts, or 0. */
static uint64_t settled_ticket(const struct census *census, struct gate_seat *seat)
{
    for (unsigned try = 0;; try++) {
        if (atomic_load(&seat->client) != census->client || atomic_load(&seat->owner) == 0)
            return 0;
        uint64_t word = atomic_load(&seat->ticket);
        bool is_settled = word != 0 && !(word & TICKET_PROVISIONAL);
        bool is_later = word != 0 && ticket_number(word) >= census->before;
        if (atomic_load(&seat->client) != census->client)
            continue;
        if (is_later)
            return 0;
        if (is_settled)
            return ticket_number(word);
        if (!census->is_provisional)
            return 0;
        if (try == SETTLE_TRIES)
            return word ? ticket_number(word) : TICKET_UNKNOWN;
        sched_yield();
    }
}

static bool is_counted(const struct census *census, uint64_t ticket)
{
    for (uint32_t i = 0; i < census->waiting && ticket != TICKET_UNKNOWN; i++)
        if (census->tickets[i] == ticket)
            return true;
    return false;
}

/* Those in the queue come first: who moves up meanwhile is found in a place. */
static uint32_t take_census(struct gate *gate, struct census *census)
{
    uint32_t waiters = gate_seats_end(&gate->waiters_end, GATE_WAITERS);
    uint32_t places = gate_seats_end(&gate->places_end, GATE_PLACES);

    for (uint32_t i = 0; i < waiters; i++) {
        uint64_t ticket = settled_ticket(census, &gate->waiters[i]);
        if (ticket != 0)
            census->tickets[census->waiting++] = ticket;
    }
    census->count = census->waiting;
    for (uint32_t i = 0; i < places; i++) {
        uint64_t ticket = settled_ticket(census, &gate->places[i]);
        if (ticket != 0 && !is_counted(census, ticket))
            census->count++;
    }
    return census->count;
}

/*
 * Whether a client has all it may have without this request. Asked before a seat is taken, too: one
 * who asks for more and more would else hold seats for moments in which others are turned away.
 */
static bool client_is_full(struct gate *gate, const struct gate_request *request, uint64_t before)
{
    struct census census = {.client = request->client, .before = before};

    if (request->limit->per_client == 0 || request->client == 0)
        return false;
    census.is_provisional = before != UINT64_MAX;
    return take_census(gate, &census) >= request->limit->per_client;
}

/* ---- seats ---- */

static void raise_end(_Atomic uint32_t *end, uint32_t to)
{
    uint32_t now = atomic_load(end);

    while (now < to && !atomic_compare_exchange_weak(end, &now, to))
        continue;
}

/* Takes a free seat of [from, to), whose end is raised first so that all who look see it. */
static struct gate_seat *take_seat(const struct gate_table *table, struct gate_seat *seats,
                                   _Atomic uint32_t *end, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++) {
        uint64_t nobody = 0;
        if (atomic_load(&seats[i].owner) != 0)
            continue;
        raise_end(end, i + 1);
        if (atomic_compare_exchange_strong(&seats[i].owner, &nobody, table->owner))
            return &seats[i];
    }
    return NULL;
}

/*
 * The places up to which one with this ticket leaves to those who wait and came before: theirs are
 * the first so many. One with a greater limit may pass them where they could not go.
 */
static uint32_t places_of_earlier(const struct gate *gate, uint64_t ticket)
{
    uint32_t end = gate_seats_end(&gate->waiters_end, GATE_WAITERS), floor = 0;

    for (uint32_t i = 0; i < end; i++) {
        uint64_t word = atomic_load(&gate->waiters[i].ticket);
        if (word != 0 && ticket_number(word) < ticket && ticket_limit(word) > floor)
            floor = ticket_limit(word);
    }
    return floor;
}

void gate_ring(struct gate *gate, uint32_t place)
{
    uint32_t end = gate_seats_end(&gate->waiters_end, GATE_WAITERS);
    struct gate_seat *first = NULL;
    uint64_t ticket = UINT64_MAX;

    for (uint32_t i = 0; i < end; i++) {
        uint64_t word = atomic_load(&gate->waiters[i].ticket);
        if (word != 0 && ticket_number(word) < ticket && ticket_limit(word) > place) {
            ticket = ticket_number(word);
            first = &gate->waiters[i];
        }
    }
    if (!first)
        return;
    atomic_fetch_add(&first->bell, 1);
    syscall(SYS_futex, &first->bell, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

/* ---- entering ---- */

/* Writes who sits there; the ticket is drawn when the client can be seen. */
static void sit_down(struct gate *gate, const struct gate_request *request, bool is_provisional,
                     struct gate_claim *claim)
{
    struct gate_seat *seat = claim->seat;

    claim->since_ms = (uint32_t)gate_now_ms();
    atomic_store(&seat->since_ms, claim->since_ms);
    atomic_store(&seat->client, request->client);
    claim->ticket = atomic_fetch_add(&gate->next_ticket, 1) + 1;
    atomic_store(&seat->ticket, ticket_word(claim->ticket, claim->limit, is_provisional));
}

/* Takes a place, or one in the queue. False: there is none. */
static bool take_any(const struct gate_table *table, struct gate *gate,
                     const struct gate_limit *limit, struct gate_claim *claim)
{
    uint32_t floor = places_of_earlier(gate, UINT64_MAX);

    claim->is_waiting = false;
    claim->seat = take_seat(table, gate->places, &gate->places_end, floor, limit->requests);
    if (!claim->seat && limit->queue > 0) {
        claim->is_waiting = true;
        claim->seat = take_seat(table, gate->waiters, &gate->waiters_end, 0, limit->queue);
    }
    return claim->seat;
}

static enum gate_answer try_enter(const struct gate_table *table, struct gate *gate,
                                  const struct gate_request *request, struct gate_claim *claim)
{
    const struct gate_limit *limit = request->limit;
    bool is_provisional = limit->per_client > 0 && request->client != 0;

    if (client_is_full(gate, request, UINT64_MAX))
        return GATE_CLIENT;
    if (!take_any(table, gate, limit, claim))
        return limit->queue > 0 ? GATE_QUEUE_FULL : GATE_FULL;
    sit_down(gate, request, is_provisional, claim);
    if (is_provisional) {
        if (client_is_full(gate, request, claim->ticket)) {
            gate_leave(claim);
            return GATE_CLIENT;
        }
        atomic_store(&claim->seat->ticket, ticket_word(claim->ticket, claim->limit, false));
    }
    return claim->is_waiting ? GATE_WAITING : GATE_ADMITTED;
}

enum gate_answer gate_enter(const struct gate_table *table, const struct gate_request *request,
                            struct gate_claim *claim)
{
    struct gate *gate =
        table->owner ? gate_find(table, request->tenant, request->service, true) : NULL;

    memset(claim, 0, sizeof(*claim));
    if (!gate)
        return GATE_OPEN;
    claim->gate = gate;
    claim->limit = request->limit->requests;
    atomic_store_explicit(&gate->limit, request->limit->requests, memory_order_relaxed);
    atomic_store_explicit(&gate->queue, request->limit->queue, memory_order_relaxed);
    enum gate_answer answer = try_enter(table, gate, request, claim);
    /* The dead may be who is in the way. */
    if (answer != GATE_ADMITTED && answer != GATE_WAITING && gate_sweep(table, gate) > 0)
        answer = try_enter(table, gate, request, claim);
    return answer;
}

/* ---- waiting ---- */

/* From the queue into a place, with the ticket that one has; for a moment one sits on both. */
static bool move_up(const struct gate_table *table, struct gate_claim *claim)
{
    struct gate *gate = claim->gate;
    struct gate_seat *waiter = claim->seat;
    uint32_t floor = places_of_earlier(gate, claim->ticket);

    struct gate_seat *place =
        take_seat(table, gate->places, &gate->places_end, floor, claim->limit);
    if (!place)
        return false;
    claim->since_ms = (uint32_t)gate_now_ms();
    atomic_store(&place->since_ms, claim->since_ms);
    atomic_store(&place->client, atomic_load(&waiter->client));
    atomic_store(&place->ticket, ticket_word(claim->ticket, claim->limit, false));
    claim->seat = place;
    claim->is_waiting = false;
    gate_seat_free(waiter);
    /* Two places may have become free at once, and both have rung here. */
    gate_ring(gate, 0);
    return true;
}

enum gate_answer gate_wait(const struct gate_table *table, struct gate_claim *claim,
                           unsigned timeout_ms)
{
    const struct timespec timeout = {.tv_sec = timeout_ms / 1000,
                                     .tv_nsec = (long)(timeout_ms % 1000) * 1000000};

    /* The bell is looked at before the places: who frees one after that rings it again. */
    uint32_t bell = atomic_load(&claim->seat->bell);
    if (move_up(table, claim))
        return GATE_ADMITTED;
    syscall(SYS_futex, &claim->seat->bell, FUTEX_WAIT, bell, &timeout, NULL, 0);
    gate_sweep(table, claim->gate);
    return move_up(table, claim) ? GATE_ADMITTED : GATE_WAITING;
}

/* ---- leaving ---- */

static void learn_duration(struct gate *gate, uint32_t since_ms)
{
    uint64_t usec = ((uint32_t)gate_now_ms() - since_ms) * UINT64_C(1000);
    uint64_t mean = atomic_load_explicit(&gate->mean_usec, memory_order_relaxed);

    if (usec < 1000)
        usec = 1000;
    if (usec > UINT32_MAX)
        usec = UINT32_MAX;
    if (mean != 0)
        usec = (mean * (MEAN_WEIGHT - 1) + usec) / MEAN_WEIGHT;
    /* Two that end at once may lose one of the two: it is a mean. */
    atomic_store_explicit(&gate->mean_usec, (uint32_t)usec, memory_order_relaxed);
}

void gate_leave(struct gate_claim *claim)
{
    struct gate_seat *seat = claim->seat;

    if (!seat)
        return;
    claim->seat = NULL;
    uint32_t place = claim->is_waiting ? 0 : (uint32_t)(seat - claim->gate->places);
    if (!claim->is_waiting && !(atomic_load(&seat->ticket) & TICKET_PROVISIONAL))
        learn_duration(claim->gate, claim->since_ms);
    gate_seat_free(seat);
    /* The place is free now; or, without one, another is the first of the queue. */
    gate_ring(claim->gate, place);
}
