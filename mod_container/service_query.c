/* SPDX-License-Identifier: Apache-2.0 */
#include "mod_container/service_query.h"

#include <errno.h>
#include <string.h>

#include "common/board/form.h"
#include "common/board/query.h"
#include "common/cleanup.h"
#include "common/units.h"

#define FIELDS_MAX 8

static const char *const range_names[RANGE_COUNT] = {
    [RANGE_HOUR] = "1h",
    [RANGE_DAY] = "24h",
    [RANGE_MONTH] = "30d",
};

const char *service_range_name(enum service_range range)
{
    return range_names[range];
}

static int take_format(struct service_query *query, const char *value, struct error *error)
{
    query->is_json = strcmp(value, "json") == 0;
    if (!query->is_json && strcmp(value, "html") != 0)
        return error_set(error, EINVAL, "format=%.64s: a service has html and json", value);
    return 0;
}

static int take_why(struct service_query *query, const char *value, struct error *error)
{
    (void)value;
    (void)error;
    query->is_why = true;
    return 0;
}

static int take_refresh(struct service_query *query, const char *value, struct error *error)
{
    uint64_t seconds;

    if (parse_u64(value, QUERY_REFRESH_MAX, &seconds) < 0 || seconds == 0)
        return error_set(error, EINVAL, "refresh=%.64s: write a number of seconds from 1 to %d",
                         value, QUERY_REFRESH_MAX);
    query->refresh_seconds = (unsigned)seconds;
    return 0;
}

static int take_range(struct service_query *query, const char *value, struct error *error)
{
    for (int i = 0; i < RANGE_COUNT; i++)
        if (strcmp(range_names[i], value) == 0) {
            query->range = (enum service_range)i;
            return 0;
        }
    return error_set(error, EINVAL, "range=%.64s: there are 1h, 24h and 30d", value);
}

/* What is too long is none of ours, and is shown as little as any other that is not. */
static int take_flash(struct service_query *query, const char *value, struct error *error)
{
    (void)error;
    if (strlen(value) < sizeof(query->flash))
        strcpy(query->flash, value);
    return 0;
}

static const struct {
    const char *key;
    bool has_value;
    int (*take)(struct service_query *query, const char *value, struct error *error);
} keys[] = {
    {"format", true, take_format}, {"range", true, take_range}, {"refresh", true, take_refresh},
    {"why", false, take_why},      {"flash", true, take_flash},
};

static int take_field(struct service_query *query, const struct form_field *field,
                      struct error *error)
{
    for (size_t i = 0; i < ARRAY_LENGTH(keys); i++) {
        if (strcmp(keys[i].key, field->key) != 0)
            continue;
        if (keys[i].has_value && !field->value)
            return error_set(error, EINVAL, "\"%s\" needs a value", keys[i].key);
        /* "why=" is what forms and scripts of browsers make of "why". */
        if (!keys[i].has_value && field->value && *field->value)
            return error_set(error, EINVAL, "\"%s\" takes no value", keys[i].key);
        return keys[i].take(query, field->value, error);
    }
    return error_set(error, EINVAL,
                     "\"%.64s\" is not known here; a service has format, range, refresh and why",
                     field->key);
}

int service_query_parse(const char *text, struct service_query *query, struct error *error)
{
    char copy[2 * SERVICE_FLASH_MAX];
    struct form_field fields[FIELDS_MAX];

    memset(query, 0, sizeof(*query));
    if (!text)
        return 0;
    if (strlen(text) >= sizeof(copy))
        return error_set(error, EINVAL, "the query is longer than %zu characters",
                         sizeof(copy) - 1);
    strcpy(copy, text);
    int count = form_parse(copy, fields, FIELDS_MAX, error);
    for (int i = 0; i < count; i++) {
        int r = take_field(query, &fields[i], error);
        if (r < 0)
            return r;
    }
    return count < 0 ? -EINVAL : 0;
}
