/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_RESTART_H
#define DAEMON_RESTART_H

/*
 * When a container that ended is started again: pure decisions, no clock and no process in here.
 *
 * The wait is 100 ms, doubled at each end, at most 60 s, and begins anew after a run of 10 s (the
 * figures of Docker's restart manager). It is computed by a bounded shift, so no number of failures
 * overflows it (CVE-2025-55753 was such an overflow).
 */

#include <stdbool.h>
#include <stdint.h>

#include "supervisor/spec/spec.h"

#define RESTART_FIRST_USEC UINT64_C(100000)
#define RESTART_MOST_USEC  UINT64_C(60000000)
#define RESTART_RESET_USEC UINT64_C(10000000)

struct restart_state {
    uint32_t attempts; /* ends in a row without a run of RESTART_RESET_USEC; saturates */
};

/* How a run ended. */
struct restart_end {
    bool is_failure; /* not exit status 0, or the start itself failed */
    uint64_t ran_usec;
};

enum restart_decision {
    RESTART_AGAIN,   /* after *wait_usec */
    RESTART_DONE,    /* ended well, and the policy asks for no more */
    RESTART_GIVE_UP, /* failed, and the policy asks for no more */
};

/* Decides, and counts the end in state. */
enum restart_decision restart_decide(struct restart_state *state, enum restart_policy policy,
                                     uint32_t max, const struct restart_end *end,
                                     uint64_t *wait_usec);

/* The wait before attempt number n (from 0) is made. */
uint64_t restart_wait_usec(uint32_t attempt);

#endif
