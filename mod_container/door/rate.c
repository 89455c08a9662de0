/* SPDX-License-Identifier: Apache-2.0 */
#include "mod_container/door/rate.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/units.h"

#define DURATION_MIN UINT64_C(1000) /* usec */
#define TEXT_SIZE    32

int rate_parse_units(const char *text, uint32_t *units, struct error *error)
{
    uint64_t value;

    if (parse_u64(text, THROTTLE_UNITS_MAX, &value) < 0 || value == 0)
        return error_set(error, EINVAL, "\"%s\" is not a number from 1 to %u", text,
                         THROTTLE_UNITS_MAX);
    *units = (uint32_t)value;
    return 0;
}

int rate_parse_duration(const char *text, uint64_t max_usec, uint64_t *usec, struct error *error)
{
    char longest[TEXT_SIZE];

    if (parse_duration(text, usec) < 0)
        return error_set(error, EINVAL, "\"%s\" is not a duration such as 200ms, 10s, 1m or 1h",
                         text);
    if (*usec < DURATION_MIN || *usec > max_usec)
        return error_set(error, EINVAL, "\"%s\" is not from 1ms to %s", text,
                         format_duration(max_usec, longest, sizeof(longest)));
    return 0;
}

int rate_parse(const char *text, struct throttle_limit *limit, struct error *error)
{
    char number[TEXT_SIZE], interval[TEXT_SIZE];
    const char *slash = strchr(text, '/');

    if (!slash || !slash[1] || (size_t)(slash - text) >= sizeof(number) ||
        strlen(slash) >= sizeof(interval))
        return error_set(error, EINVAL, "\"%s\" is not NUMBER/INTERVAL, such as 10/1s or 3/200ms",
                         text);
    snprintf(number, sizeof(number), "%.*s", (int)(slash - text), text);
    snprintf(interval, sizeof(interval), "%s%s", isdigit((unsigned char)slash[1]) ? "" : "1",
             slash + 1);
    int r = rate_parse_units(number, &limit->units, error);
    if (r == 0)
        r = rate_parse_duration(interval, THROTTLE_INTERVAL_MAX, &limit->interval_usec, error);
    return r;
}

/* "404", or "4xx" for all of a hundred. */
static bool parse_statuses(const char *text, unsigned short *from, unsigned short *to)
{
    if (strlen(text) != 3 || text[0] < '1' || text[0] > '5')
        return false;
    unsigned hundred = (unsigned)(text[0] - '0') * 100;
    if (strcmp(text + 1, "xx") == 0) {
        *from = (unsigned short)hundred;
        *to = (unsigned short)(hundred + 99);
        return true;
    }
    if (!isdigit((unsigned char)text[1]) || !isdigit((unsigned char)text[2]))
        return false;
    *from = (unsigned short)(hundred + (unsigned)(text[1] - '0') * 10 + (unsigned)(text[2] - '0'));
    *to = *from;
    return true;
}

int rate_parse_cost(const char *text, unsigned short *from, unsigned short *to, uint32_t *units,
                    struct error *error)
{
    char status[4];
    const char *colon = strchr(text, ':');
    size_t length = colon ? (size_t)(colon - text) : strlen(text);

    *units = 1;
    if (length >= sizeof(status))
        length = 0;
    snprintf(status, sizeof(status), "%.*s", (int)length, text);
    if (!parse_statuses(status, from, to))
        return error_set(error, EINVAL,
                         "\"%s\" is not STATUS:COST, such as 404:3 or 5xx:2 (100 to 599)", text);
    return colon ? rate_parse_units(colon + 1, units, error) : 0;
}
