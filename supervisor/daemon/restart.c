/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/daemon/restart.h"

uint64_t restart_wait_usec(uint32_t attempt)
{
    /* 100 ms << 10 is past 60 s already. */
    uint64_t wait = RESTART_FIRST_USEC << (attempt < 10 ? attempt : 10);

    return wait < RESTART_MOST_USEC ? wait : RESTART_MOST_USEC;
}

enum restart_decision restart_decide(struct restart_state *state, enum restart_policy policy,
                                     uint32_t max, const struct restart_end *end,
                                     uint64_t *wait_usec)
{
    if (end->ran_usec >= RESTART_RESET_USEC)
        state->attempts = 0;
    bool is_wanted =
        policy == RESTART_ALWAYS || policy == RESTART_UNLESS_STOPPED ||
        (policy == RESTART_ON_FAILURE && end->is_failure && (max == 0 || state->attempts < max));
    if (!is_wanted)
        return end->is_failure ? RESTART_GIVE_UP : RESTART_DONE;
    *wait_usec = restart_wait_usec(state->attempts);
    if (state->attempts < UINT32_MAX)
        state->attempts++;
    return RESTART_AGAIN;
}
