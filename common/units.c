/* SPDX-License-Identifier: Apache-2.0 */
#include "common/units.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Far beyond what anybody waits for, and the sum of two is still no overflow. */
#define DURATION_MAX_USEC (UINT64_C(0x7fffffffffffffff) / 2)

/* Reads digits at *text and moves past them; -EINVAL when there are none. */
static int take_digits(const char **text, uint64_t max, uint64_t *value)
{
    const char *at = *text;
    uint64_t number = 0;

    if (!isdigit((unsigned char)*at))
        return -EINVAL;
    for (; isdigit((unsigned char)*at); at++) {
        uint64_t digit = (uint64_t)(*at - '0');
        if (digit > max || number > (max - digit) / 10)
            return -ERANGE;
        number = number * 10 + digit;
    }
    *text = at;
    *value = number;
    return 0;
}

/* Reads ".ddd" into thousandths; more digits than three are dropped, none means zero. */
static int take_thousandths(const char **text, uint64_t *milli)
{
    unsigned weight = 100;

    *milli = 0;
    if (**text != '.')
        return 0;
    (*text)++;
    if (!isdigit((unsigned char)**text))
        return -EINVAL;
    for (; isdigit((unsigned char)**text); (*text)++) {
        *milli += (uint64_t)(**text - '0') * weight;
        weight /= 10;
    }
    return 0;
}

int parse_u64(const char *text, uint64_t max, uint64_t *value)
{
    int r = take_digits(&text, max, value);

    if (r < 0)
        return r;
    return *text == '\0' ? 0 : -EINVAL;
}

int parse_milli(const char *text, uint64_t max, uint64_t *milli)
{
    uint64_t whole, part;
    int r = take_digits(&text, max / 1000, &whole);

    if (r < 0)
        return r;
    r = take_thousandths(&text, &part);
    if (r < 0 || *text != '\0')
        return -EINVAL;
    if (whole * 1000 + part > max)
        return -ERANGE;
    *milli = whole * 1000 + part;
    return 0;
}

int parse_size(const char *text, uint64_t *bytes)
{
    static const struct {
        const char *suffix;
        unsigned shift;
    } units[] = {{"", 0},    {"b", 0},  {"k", 10},  {"kb", 10}, {"m", 20},
                 {"mb", 20}, {"g", 30}, {"gb", 30}, {"t", 40},  {"tb", 40}};
    uint64_t whole, milli;
    int r = take_digits(&text, INT64_MAX, &whole);

    if (r < 0)
        return r;
    r = take_thousandths(&text, &milli);
    if (r < 0)
        return r;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcasecmp(text, units[i].suffix) != 0)
            continue;
        unsigned shift = units[i].shift;
        if (whole > ((uint64_t)INT64_MAX >> shift))
            return -ERANGE;
        *bytes = (whole << shift) + ((milli << shift) / 1000);
        return *bytes > INT64_MAX ? -ERANGE : 0;
    }
    return -EINVAL;
}

int parse_duration(const char *text, uint64_t *usec)
{
    static const struct {
        const char *suffix;
        uint64_t usec;
    } units[] = {{"us", 1}, {"ms", 1000}, {"s", 1000000}, {"m", 60000000}, {"h", 3600000000}};
    uint64_t total = 0;

    if (!*text)
        return -EINVAL;
    if (text[strspn(text, "0123456789")] == '\0') {
        int r = parse_u64(text, DURATION_MAX_USEC / 1000000, &total);
        *usec = total * 1000000;
        return r;
    }
    while (*text) {
        uint64_t number, unit = 0;
        int r = take_digits(&text, UINT32_MAX, &number);
        if (r < 0)
            return r;
        size_t length = strcspn(text, "0123456789");
        for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
            if (strlen(units[i].suffix) == length && strncmp(text, units[i].suffix, length) == 0)
                unit = units[i].usec;
        if (unit == 0)
            return -EINVAL;
        text += length;
        if (number > (DURATION_MAX_USEC - total) / unit)
            return -ERANGE;
        total += number * unit;
    }
    *usec = total;
    return 0;
}

char *format_size(uint64_t bytes, char *buffer, size_t size)
{
    static const char units[] = "KMGTPE";

    if (bytes < 1024) {
        snprintf(buffer, size, "%u", (unsigned)bytes);
        return buffer;
    }
    double value = (double)bytes / 1024;
    unsigned unit = 0;
    while (value >= 1023.5 && units[unit + 1]) {
        value /= 1024;
        unit++;
    }
    snprintf(buffer, size, value < 9.95 ? "%.1f%c" : "%.0f%c", value, units[unit]);
    return buffer;
}

char *format_duration(uint64_t usec, char *buffer, size_t size)
{
    uint64_t seconds = usec / 1000000;
    unsigned days = (unsigned)(seconds / 86400), hours = seconds / 3600 % 24;
    unsigned minutes = seconds / 60 % 60, rest = seconds % 60;

    if (days)
        snprintf(buffer, size, "%ud%uh", days, hours);
    else if (hours)
        snprintf(buffer, size, "%uh%um", hours, minutes);
    else if (minutes)
        snprintf(buffer, size, "%um%us", minutes, rest);
    else
        snprintf(buffer, size, "%us", rest);
    return buffer;
}
