/* SPDX-License-Identifier: Apache-2.0 */
#include "mod_container/gate_limit.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/units.h"

static int set_queue(struct gate_limit *limit, const char *value, struct error *error)
{
    uint64_t queue;

    if (parse_u64(value, GATE_WAITERS, &queue) < 0)
        return error_set(error, EINVAL,
                         "queue=\"%s\": write how many requests may wait for a place, from 0 to %u",
                         value, GATE_WAITERS);
    limit->queue = (uint32_t)queue;
    return 0;
}

static int set_deadline(struct gate_limit *limit, const char *value, struct error *error)
{
    uint64_t usec;

    if (parse_duration(value, &usec) < 0 || usec < GATE_DEADLINE_MIN_MS * UINT64_C(1000) ||
        usec > GATE_DEADLINE_MAX_MS * UINT64_C(1000))
        return error_set(error, EINVAL,
                         "deadline=\"%s\": write how long a request may wait for a place, from "
                         "%ums to %us, such as deadline=5s",
                         value, GATE_DEADLINE_MIN_MS, GATE_DEADLINE_MAX_MS / 1000);
    limit->deadline_ms = (uint32_t)(usec / 1000);
    return 0;
}

static int set_per_client(struct gate_limit *limit, const char *value, struct error *error)
{
    uint64_t requests;

    if (parse_u64(value, limit->requests, &requests) < 0 || requests == 0)
        return error_set(error, EINVAL,
                         "per-client=\"%s\": write how many of the %u requests one client may "
                         "have, from 1 to %u",
                         value, limit->requests, limit->requests);
    limit->per_client = (uint32_t)requests;
    return 0;
}

static const struct {
    const char *key;
    int (*set)(struct gate_limit *limit, const char *value, struct error *error);
} options[] = {
    {"queue=", set_queue},
    {"deadline=", set_deadline},
    {"per-client=", set_per_client},
};

static int set_option(struct gate_limit *limit, const char *option, unsigned *seen,
                      struct error *error)
{
    for (size_t i = 0; i < ARRAY_LENGTH(options); i++) {
        size_t length = strlen(options[i].key);
        if (strncmp(option, options[i].key, length) != 0)
            continue;
        if (*seen & 1u << i)
            return error_set(error, EINVAL, "%s is given twice", options[i].key);
        *seen |= 1u << i;
        return options[i].set(limit, option + length, error);
    }
    return error_set(error, EINVAL,
                     "\"%s\" is not an option; there are queue=Q, deadline=DURATION and "
                     "per-client=M",
                     option);
}

int gate_limit_parse(int argc, const char *const argv[], struct gate_limit *limit,
                     struct error *error)
{
    uint64_t requests;
    unsigned seen = 0;
    int r = 0;

    if (argc == 1 && strcmp(argv[0], "off") == 0) {
        limit->requests = 0;
        return 0;
    }
    if (argc < 1 || parse_u64(argv[0], GATE_PLACES, &requests) < 0 || requests == 0)
        return error_set(error, EINVAL,
                         "\"%s\": write how many requests of a service may be in flight at once, "
                         "from 1 to %u, or off alone",
                         argc < 1 ? "" : argv[0], GATE_PLACES);
    limit->requests = (uint32_t)requests;
    for (int i = 1; i < argc && r == 0; i++)
        r = set_option(limit, argv[i], &seen, error);
    if (r == 0 && limit->deadline_ms > 0 && limit->queue == 0)
        return error_set(error, EINVAL,
                         "deadline= is for requests that wait: it needs queue=Q, such as "
                         "queue=%u",
                         limit->requests);
    if (r == 0 && limit->deadline_ms == 0)
        limit->deadline_ms = GATE_DEADLINE_DEFAULT_MS;
    return r;
}
