/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MOD_CONTAINER_GATE_LIMIT_H
#define MOD_CONTAINER_GATE_LIMIT_H

/* What ContainerMaxRequests says. Knows no httpd. */

#include <stdint.h>

#include "common/error.h"

#define GATE_PLACES              1024u /* the most requests in flight that a limit may allow */
#define GATE_WAITERS             1024u /* the longest queue */
#define GATE_DEADLINE_DEFAULT_MS 5000u
#define GATE_DEADLINE_MIN_MS     100u
#define GATE_DEADLINE_MAX_MS     60000u

struct gate_limit {
    uint32_t requests;    /* of a service, in flight at once; 0: off */
    uint32_t queue;       /* as many more may wait for a place */
    uint32_t per_client;  /* in flight or waiting of one client; 0: no limit of its own */
    uint32_t deadline_ms; /* how long one waits */
    const char *where;    /* FILE:LINE of the directive; the parser leaves it alone */
};

/*
 * Reads the directive's arguments: N [queue=Q] [deadline=DURATION] [per-client=M], or off. 0 or
 * -EINVAL with a sentence that names the value and what would be right.
 */
int gate_limit_parse(int argc, const char *const argv[], struct gate_limit *limit,
                     struct error *error);

#endif
