/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A child that dies by SIGKILL leaves its claims behind, and counts them as in flight. Its siblings
 * find them: once a second one of them looks, at the end of a request, when the answer is already
 * with the visitor. httpd's parent could know earlier, but it is root, and must not map a file that
 * a stolen child may truncate. Readers look at the processes for themselves.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>

#include "common/traffic_mapping.h"

#define SWEEP_INTERVAL_USEC UINT64_C(1000000)

/*
 * A claim younger than this is taken for alive if its pid is; of an older one the start time of the
 * process is compared, too, which takes a read of /proc: by then the pid may be another's.
 */
#define TRUSTED_SECONDS 60u

/* Services whose counter is set right in one sweep; the dead of others wait for the next. */
#define TOUCHED_MAX 32

/* Times that a counter is computed again because requests came or went meanwhile. */
#define CORRECT_TRIES 1000

struct sweep {
    struct traffic_writer *writer;
    struct traffic_mapping *mapping;
    uint64_t now_usec;
    uint64_t last_owner; /* of the last claim that was looked at, and whether it lives */
    bool is_last_alive;
    uint32_t touched[TOUCHED_MAX];
    unsigned touched_count;
};

static bool look_at(const struct sweep *sweep, uint64_t owner, uint32_t begun_seconds)
{
    struct identity identity = traffic_owner_identity(owner);

    if (owner == sweep->writer->owner)
        return true;
    if (identity.pid <= 0 || (kill(identity.pid, 0) < 0 && errno == ESRCH))
        return false;
    return (uint32_t)(sweep->now_usec / 1000000) - begun_seconds < TRUSTED_SECONDS ||
           identity_is_alive(&identity);
}

static bool is_alive(struct sweep *sweep, uint64_t owner, uint32_t begun_seconds)
{
    if (owner != sweep->last_owner) {
        sweep->is_last_alive = look_at(sweep, owner, begun_seconds);
        sweep->last_owner = owner;
    }
    return sweep->is_last_alive;
}

/* False when there is no room left to remember the service. */
static bool touch(struct sweep *sweep, uint32_t slot)
{
    for (unsigned i = 0; i < sweep->touched_count; i++)
        if (sweep->touched[i] == slot)
            return true;
    if (sweep->touched_count == TOUCHED_MAX)
        return false;
    sweep->touched[sweep->touched_count++] = slot;
    return true;
}

/*
 * Takes the claim over before it is emptied, so that nobody else gets it with the dead one's
 * service still in it; should this process die here, the next sweep finds its claim.
 */
static void bury(struct sweep *sweep, struct traffic_claim *claim, uint64_t owner)
{
    const struct traffic_mapping *mapping = sweep->mapping;
    uint32_t slot = traffic_claim_slot(atomic_load(&claim->service));
    bool has_slot = slot <= mapping->layout.slot_count &&
                    (slot == mapping->layout.slot_count || atomic_load(&mapping->keys[slot]) != 0);

    if (has_slot && !touch(sweep, slot))
        return;
    if (!atomic_compare_exchange_strong(&claim->owner, &owner, sweep->writer->owner))
        return;
    if (has_slot)
        atomic_fetch_add_explicit(&traffic_mapping_slot(mapping, slot)->counts[COUNT_LOST], 1,
                                  memory_order_relaxed);
    atomic_store(&claim->service, 0);
    atomic_store(&claim->owner, 0);
}

/* False when one of them is just moving: whether the counter has it already is not to be told. */
static bool count_claims(const struct traffic_mapping *mapping, uint32_t slot, uint32_t *count)
{
    *count = 0;
    for (uint32_t i = 0; i < TRAFFIC_IN_FLIGHT; i++) {
        uint32_t service = atomic_load(&mapping->claims[i].service);
        if (service == ((slot + 1) | TRAFFIC_MOVING))
            return false;
        *count += service == slot + 1 && atomic_load(&mapping->claims[i].owner) != 0;
    }
    return true;
}

/*
 * Sets a service's counter to the number of its claims. Its high half tells that no request moved
 * the counter while the claims were counted; those that had marked their claim but not yet moved
 * the counter are seen by the mark.
 */
static void correct(const struct traffic_mapping *mapping, uint32_t index)
{
    struct traffic_slot *slot = traffic_mapping_slot(mapping, index);
    uint32_t count;

    for (int try = 0; try < CORRECT_TRIES; try++) {
        uint64_t before = atomic_load(&slot->in_flight);
        if (count_claims(mapping, index, &count)) {
            uint64_t after = ((before >> 32) + 1) << 32 | count;
            if ((uint32_t)before == count ||
                atomic_compare_exchange_strong(&slot->in_flight, &before, after))
                return;
        }
        sched_yield();
    }
}

static void sweep_claims(struct sweep *sweep)
{
    struct traffic_mapping *mapping = sweep->mapping;

    for (uint32_t i = 0; i < TRAFFIC_IN_FLIGHT; i++) {
        struct traffic_claim *claim = &mapping->claims[i];
        uint64_t owner = atomic_load_explicit(&claim->owner, memory_order_relaxed);
        if (owner != 0 && !is_alive(sweep, owner, atomic_load(&claim->begun_seconds)))
            bury(sweep, claim, owner);
    }
    for (unsigned i = 0; i < sweep->touched_count; i++)
        correct(mapping, sweep->touched[i]);
}

void traffic_sweep(struct traffic_writer *writer, struct traffic_mapping *mapping,
                   uint64_t boottime_usec)
{
    uint64_t swept = atomic_load_explicit(&mapping->header->swept_usec, memory_order_relaxed);
    struct sweep sweep = {.writer = writer, .mapping = mapping, .now_usec = boottime_usec};

    /* A time in the future is a hostile one: it would keep the dead for ever. */
    if (swept <= boottime_usec && boottime_usec - swept < SWEEP_INTERVAL_USEC)
        return;
    if (writer->owner == 0 ||
        !atomic_compare_exchange_strong(&mapping->header->swept_usec, &swept, boottime_usec))
        return;
    if (atomic_flag_test_and_set(&mapping->is_sweeping))
        return;
    sweep_claims(&sweep);
    atomic_flag_clear(&mapping->is_sweeping);
}
