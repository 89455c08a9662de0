/* SPDX-License-Identifier: Apache-2.0 */
#include "common/board/overview.h"

#include <stdio.h>
#include <time.h>

const char *board_condition_name(enum board_condition condition)
{
    static const char *const names[] = {"live", "stale", "unreachable"};

    return names[condition];
}

bool overview_slot(const struct overview *overview, uint32_t i, struct container_slot *slot)
{
    return selection_slot(&overview->selector, i, slot);
}

const char *overview_time(const struct overview *overview, char text[OVERVIEW_TIME_SIZE])
{
    time_t seconds = (time_t)(overview->moment.realtime_usec / 1000000);
    struct tm when = {0};

    gmtime_r(&seconds, &when);
    strftime(text, OVERVIEW_TIME_SIZE, "%Y-%m-%dT%H:%M:%SZ", &when);
    return text;
}
