/* SPDX-License-Identifier: Apache-2.0 */
#include "mod_container/query.h"

#include <errno.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/units.h"
#include "mod_container/form.h"

#define QUERY_LENGTH_MAX 256
#define QUERY_FIELDS_MAX 8

static int set_format(struct status_query *query, enum status_format format, struct error *error)
{
    if (query->format != STATUS_HTML)
        return error_set(error, EINVAL, "\"auto\" and \"format\" exclude each other");
    query->format = format;
    return 0;
}

static int take_auto(struct status_query *query, const char *value, struct error *error)
{
    (void)value;
    return set_format(query, STATUS_AUTO, error);
}

static int take_format(struct status_query *query, const char *value, struct error *error)
{
    static const struct {
        const char *name;
        enum status_format format;
    } formats[] = {{"html", STATUS_HTML}, {"auto", STATUS_AUTO}, {"json", STATUS_JSON}};

    for (size_t i = 0; i < ARRAY_LENGTH(formats); i++)
        if (strcmp(formats[i].name, value) == 0)
            return set_format(query, formats[i].format, error);
    return error_set(error, EINVAL, "format=%.64s: write format=html, format=auto or format=json",
                     value);
}

static int take_refresh(struct status_query *query, const char *value, struct error *error)
{
    uint64_t seconds;

    if (parse_u64(value, QUERY_REFRESH_MAX, &seconds) < 0 || seconds == 0)
        return error_set(error, EINVAL, "refresh=%.64s: write a number of seconds from 1 to %d",
                         value, QUERY_REFRESH_MAX);
    query->refresh_seconds = (unsigned)seconds;
    return 0;
}

static int take_notable(struct status_query *query, const char *value, struct error *error)
{
    (void)value;
    (void)error;
    query->is_without_table = true;
    return 0;
}

static const struct {
    const char *key;
    bool has_value;
    int (*take)(struct status_query *query, const char *value, struct error *error);
} keys[] = {
    {"auto", false, take_auto},
    {"format", true, take_format},
    {"refresh", true, take_refresh},
    {"notable", false, take_notable},
};

static int take_field(struct status_query *query, const struct form_field *field,
                      struct error *error)
{
    for (size_t i = 0; i < ARRAY_LENGTH(keys); i++) {
        if (strcmp(keys[i].key, field->key) != 0)
            continue;
        if (keys[i].has_value && !field->value)
            return error_set(error, EINVAL, "\"%s\" needs a value: write %s=VALUE", keys[i].key,
                             keys[i].key);
        if (!keys[i].has_value && field->value)
            return error_set(error, EINVAL, "\"%s\" takes no value", keys[i].key);
        return keys[i].take(query, field->value, error);
    }
    return error_set(error, EINVAL,
                     "\"%.64s\" is not known here; there are auto, format, refresh and notable",
                     field->key);
}

int status_query_parse(const char *text, struct status_query *query, struct error *error)
{
    char copy[QUERY_LENGTH_MAX + 1];
    struct form_field fields[QUERY_FIELDS_MAX];

    memset(query, 0, sizeof(*query));
    if (!text)
        return 0;
    if (strlen(text) > QUERY_LENGTH_MAX)
        return error_set(error, EINVAL, "the query is longer than %d characters", QUERY_LENGTH_MAX);
    strcpy(copy, text);
    int count = form_parse(copy, fields, QUERY_FIELDS_MAX, error);
    for (int i = 0; i < count; i++) {
        int r = take_field(query, &fields[i], error);
        if (r < 0)
            return r;
    }
    return count < 0 ? -EINVAL : 0;
}
