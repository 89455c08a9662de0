/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DOOR_RATE_H
#define DOOR_RATE_H

/* What people write of rates and costs. Knows no httpd; any thread. */

#include "common/error.h"
#include "common/throttle.h"

/*
 * "10/1s", "3/200ms", "600/h": units and an interval, with or without the number of it. Sets units
 * and interval_usec. -EINVAL with a sentence.
 */
int rate_parse(const char *text, struct throttle_limit *limit, struct error *error);

/* A duration of at least 1 ms and at most max_usec. -EINVAL with a sentence. */
int rate_parse_duration(const char *text, uint64_t max_usec, uint64_t *usec, struct error *error);

/* A number of units, from 1 to THROTTLE_UNITS_MAX. -EINVAL with a sentence. */
int rate_parse_units(const char *text, uint32_t *units, struct error *error);

/* One cost: "404:3", "5xx:2", "401" (costs 1). -EINVAL with a sentence. */
int rate_parse_cost(const char *text, unsigned short *from, unsigned short *to, uint32_t *units,
                    struct error *error);

#endif
