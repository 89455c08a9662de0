/* SPDX-License-Identifier: Apache-2.0 */
#include "mod_container/gate_table.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/network.h"
#include "mod_container/gate_internal.h"

#define PROBES            64u
#define SWEEP_INTERVAL_MS 1000u

/* ---- memory ---- */

size_t gate_table_size(uint32_t count)
{
    return sizeof(struct gate_memory) + (size_t)count * sizeof(struct gate);
}

void gate_table_own(struct gate_table *table)
{
    struct identity identity;

    /* Without /proc (ChrootDir) a pid alone has to do. */
    if (identity_of(getpid(), &identity) < 0)
        identity.start_time = 0;
    table->owner = traffic_owner(&identity);
}

uint64_t gate_now_ms(void)
{
    return clock_boottime_usec() / 1000;
}

uint32_t gate_seats_end(const _Atomic uint32_t *end, uint32_t max)
{
    uint32_t seats = atomic_load(end);

    return seats < max ? seats : max;
}

uint64_t gate_client(const void *address, size_t length)
{
    const struct network network = network_of(address, length, 32, 64);
    uint64_t client = 0;

    if (network.family == 0)
        return 0;
    for (size_t i = 0; i < (network.family == 4 ? 4 : 8); i++)
        client = client << 8 | network.bytes[i];
    if (network.family == 4)
        return UINT64_C(0xffffffff00000000) | client;
    return client ? client : 1; /* ::1: it shares its word with 0:0:0:1::/64, which nobody has */
}

/* ---- gates ---- */

struct gate *gate_find(const struct gate_table *table, const char *tenant, const char *service,
                       bool create)
{
    struct traffic_name name;

    if (!table->memory)
        return NULL;
    traffic_name_of(tenant, service, &name);
    uint64_t key = traffic_key(table->hash_key, &name);
    for (uint32_t i = 0; i < PROBES; i++) {
        uint32_t at = ((uint32_t)key + i) & (table->count - 1);
        uint64_t found = atomic_load(&table->memory->keys[at]);
        if (found == 0 && !create)
            return NULL;
        if (found == 0 && atomic_compare_exchange_strong(&table->memory->keys[at], &found, key))
            found = key;
        struct gate *gate = &table->memory->gates[at];
        if (found == key && traffic_name_is(&gate->is_named, gate->name, &name))
            return gate;
    }
    return NULL;
}

/* ---- the dead ---- */

struct sweep {
    uint64_t own;
    uint64_t last_owner; /* of the last seat that was looked at, and whether it lives */
    bool is_last_alive;
};

static bool look_at(const struct sweep *sweep, uint64_t owner)
{
    struct identity identity = traffic_owner_identity(owner);

    if (owner == sweep->own)
        return true;
    if (identity.pid <= 0)
        return false;
    if (identity.start_time == 0)
        return kill(identity.pid, 0) == 0 || errno != ESRCH;
    return identity_is_alive(&identity);
}

static bool is_alive(struct sweep *sweep, uint64_t owner)
{
    if (owner != sweep->last_owner) {
        sweep->is_last_alive = look_at(sweep, owner);
        sweep->last_owner = owner;
    }
    return sweep->is_last_alive;
}

void gate_seat_free(struct gate_seat *seat)
{
    atomic_store(&seat->ticket, 0);
    atomic_store(&seat->client, 0);
    atomic_store(&seat->owner, 0);
}

/*
 * A seat of a dead one is taken over before it is emptied, so that nobody else gets it half empty;
 * should this process die in between, the next sweep finds its name there.
 */
static unsigned sweep_seats(struct sweep *sweep, struct gate_seat *seats, uint32_t end)
{
    unsigned swept = 0;

    for (uint32_t i = 0; i < end; i++) {
        uint64_t owner = atomic_load(&seats[i].owner);
        if (owner == 0 || is_alive(sweep, owner) ||
            !atomic_compare_exchange_strong(&seats[i].owner, &owner, sweep->own))
            continue;
        gate_seat_free(&seats[i]);
        swept++;
    }
    return swept;
}

unsigned gate_sweep(const struct gate_table *table, struct gate *gate)
{
    struct sweep sweep = {.own = table->owner};
    uint64_t now = gate_now_ms(), before = atomic_load(&gate->swept_ms);

    /* A time in the future is a hostile one: it would keep the dead for ever. */
    if (before <= now && now - before < SWEEP_INTERVAL_MS)
        return 0;
    if (table->owner == 0 || !atomic_compare_exchange_strong(&gate->swept_ms, &before, now))
        return 0;
    unsigned swept =
        sweep_seats(&sweep, gate->waiters, gate_seats_end(&gate->waiters_end, GATE_WAITERS));
    swept += sweep_seats(&sweep, gate->places, gate_seats_end(&gate->places_end, GATE_PLACES));
    if (swept > 0)
        gate_ring(gate, 0);
    return swept;
}

/* ---- figures ---- */

static uint32_t count_seats(const struct gate_seat *seats, uint32_t end, uint64_t *age_ms)
{
    uint32_t now = (uint32_t)gate_now_ms(), count = 0;

    *age_ms = 0;
    for (uint32_t i = 0; i < end; i++) {
        if (atomic_load(&seats[i].owner) == 0 || atomic_load(&seats[i].ticket) == 0)
            continue;
        *age_ms += now - atomic_load(&seats[i].since_ms);
        count++;
    }
    return count;
}

static void read_gate(const struct gate *gate, struct gate_figures *figures)
{
    uint64_t age_ms;

    figures->limit = atomic_load(&gate->limit);
    figures->queue = atomic_load(&gate->queue);
    figures->waiting =
        count_seats(gate->waiters, gate_seats_end(&gate->waiters_end, GATE_WAITERS), &age_ms);
    figures->in_flight =
        count_seats(gate->places, gate_seats_end(&gate->places_end, GATE_PLACES), &age_ms);
    figures->mean_age_usec = figures->in_flight ? age_ms * 1000 / figures->in_flight : 0;
    figures->mean_usec = atomic_load(&gate->mean_usec);
    for (int i = 0; i < GATE_ANSWERS; i++)
        figures->refused[i] = atomic_load(&gate->refused[i]);
}

int gate_table_read(const struct gate_table *table, const char *tenant, const char *service,
                    struct gate_figures *figures)
{
    struct gate *gate = gate_find(table, tenant, service, false);

    if (!gate)
        return -ENOENT;
    gate_sweep(table, gate);
    read_gate(gate, figures);
    return 0;
}

void gate_read_claimed(const struct gate_claim *claim, struct gate_figures *figures)
{
    memset(figures, 0, sizeof(*figures));
    if (claim->gate)
        read_gate(claim->gate, figures);
}

void gate_count_refused(const struct gate_claim *claim, enum gate_answer answer)
{
    if (claim->gate)
        atomic_fetch_add(&claim->gate->refused[answer], 1);
}

unsigned gate_retry_seconds(const struct gate_figures *figures, const struct gate_limit *limit,
                            enum gate_answer answer)
{
    bool is_client = answer == GATE_CLIENT;
    uint64_t usec =
        figures->mean_usec > figures->mean_age_usec ? figures->mean_usec : figures->mean_age_usec;
    uint64_t ends = is_client ? limit->per_client : limit->requests;
    uint64_t before = is_client ? 0 : figures->waiting;

    if (usec == 0 || ends == 0)
        return GATE_RETRY_UNKNOWN;
    /* So many end in that time, one after the other. */
    if (usec > GATE_RETRY_MAX_SECONDS * UINT64_C(1000000) * ends)
        return GATE_RETRY_MAX_SECONDS;
    uint64_t seconds = (usec * (before + 1) / ends + 999999) / 1000000;
    return seconds < 1                        ? 1
           : seconds > GATE_RETRY_MAX_SECONDS ? GATE_RETRY_MAX_SECONDS
                                              : (unsigned)seconds;
}
