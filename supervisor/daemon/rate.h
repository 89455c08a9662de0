/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_RATE_H
#define DAEMON_RATE_H

#include <stdint.h>

/*
 * What a counter grew by in a second, times unit (1000 for thousandths). A counter that went
 * backwards, as that of another container in the same place, has no rate. Counters may be written
 * by somebody hostile: what no integer holds is cut at INT64_MAX.
 */
static inline uint64_t rate_of(uint64_t now, uint64_t before, uint64_t elapsed_usec, uint64_t unit)
{
    if (now < before || elapsed_usec == 0)
        return 0;
    double value = (double)(now - before) * (double)unit * 1e6 / (double)elapsed_usec;
    return value < (double)INT64_MAX ? (uint64_t)value : INT64_MAX;
}

#endif
