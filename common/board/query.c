/* SPDX-License-Identifier: Apache-2.0 */
#include "common/board/query.h"

#include <errno.h>
#include <string.h>

#include "common/board/form.h"
#include "common/cleanup.h"
#include "common/units.h"

#define QUERY_LENGTH_MAX 2048
#define QUERY_FIELDS_MAX 12

static const char *const format_names[STATUS_FORMATS] = {
    [STATUS_HTML] = "html",
    [STATUS_AUTO] = "auto",
    [STATUS_JSON] = "json",
    [STATUS_CSV] = "csv",
    [STATUS_OPENMETRICS] = "openmetrics",
    [STATUS_EVENTS] = "events",
};

const char *status_format_name(enum status_format format)
{
    return format_names[format];
}

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
    for (size_t i = 0; i < ARRAY_LENGTH(format_names); i++)
        if (strcmp(format_names[i], value) == 0)
            return set_format(query, (enum status_format)i, error);
    return error_set(error, EINVAL,
                     "format=%.64s: there are html, auto, json, csv, openmetrics and events",
                     value);
}

static int take_number(const char *key, const char *value, uint64_t max, uint32_t *number,
                       struct error *error)
{
    uint64_t parsed;

    if (parse_u64(value, max, &parsed) < 0 || parsed == 0)
        return error_set(error, EINVAL, "%s=%.64s: write a number from 1 to %llu", key, value,
                         (unsigned long long)max);
    *number = (uint32_t)parsed;
    return 0;
}

static int take_refresh(struct status_query *query, const char *value, struct error *error)
{
    return take_number("refresh", value, QUERY_REFRESH_MAX, &query->refresh_seconds, error);
}

static int take_notable(struct status_query *query, const char *value, struct error *error)
{
    (void)value;
    (void)error;
    query->is_without_table = true;
    return 0;
}

/* sort=KEY, sort=KEY,desc, sort=KEY,asc; KEY is a figure's, "slot" or "faults" (the default). */
static int take_sort(struct status_query *query, const char *value, struct error *error)
{
    char key[64];
    size_t length = strcspn(value, ",");
    const char *direction = value[length] ? value + length + 1 : "asc";

    query->is_descending = strcmp(direction, "desc") == 0;
    if (!query->is_descending && strcmp(direction, "asc") != 0)
        return error_set(error, EINVAL, "sort=%.64s: behind the comma stands asc or desc", value);
    if (length >= sizeof(key))
        length = sizeof(key) - 1;
    memcpy(key, value, length);
    key[length] = '\0';
    query->sort = column_figure_find(key);
    query->order = query->sort                ? ORDER_FIGURE
                   : strcmp(key, "slot") == 0 ? ORDER_SLOT
                                              : ORDER_FAULTS;
    if (query->order == ORDER_FAULTS && strcmp(key, "faults_first") != 0)
        return error_set(error, EINVAL,
                         "sort=%.64s: there is no figure of that name; write the JSON key of one, "
                         "as sort=memory_bytes,desc, or slot, or faults_first",
                         value);
    return 0;
}

static int add_state(struct status_query *query, const char *word, size_t length)
{
    for (uint32_t i = CONTAINER_OPEN + 1; i < CONTAINER_STATE_COUNT; i++) {
        const char *name = container_state_name((enum container_state)i);
        bool is_letter = length == 1 && word[0] == container_state_letter((enum container_state)i);
        if (is_letter || (strlen(name) == length && memcmp(name, word, length) == 0)) {
            query->states |= UINT32_C(1) << i;
            return 0;
        }
    }
    return -EINVAL;
}

static int take_state(struct status_query *query, const char *value, struct error *error)
{
    const char *word = value;

    /* What a browser sends for a field of the page's form that says nothing. */
    while (*value) {
        size_t length = strcspn(word, ",");
        if (add_state(query, word, length) < 0)
            return error_set(error, EINVAL,
                             "state=%.64s: write letters or words of the board with commas "
                             "between, as state=R,L or state=running,limited",
                             value);
        if (!word[length])
            return 0;
        word += length + 1;
    }
    return 0;
}

static int take_text(struct status_query *query, const char *value, struct error *error)
{
    if (strlen(value) > QUERY_TEXT_MAX)
        return error_set(error, EINVAL,
                         "q=%.64s: write at most %d bytes of a tenant's, service's, container's or "
                         "image's name",
                         value, QUERY_TEXT_MAX);
    strcpy(query->text, value);
    return 0;
}

static int take_tenant(struct status_query *query, const char *value, struct error *error)
{
    if (!name_is_valid(value))
        return error_set(error, EINVAL, "tenant=%.64s: that is no tenant's name", value);
    strcpy(query->tenant, value);
    return 0;
}

/* What is too long is none of ours, and is shown as little as any other that is not. */
static int take_flash(struct status_query *query, const char *value, struct error *error)
{
    (void)error;
    if (strlen(value) <= QUERY_FLASH_MAX)
        strcpy(query->flash, value);
    return 0;
}

static int take_limit(struct status_query *query, const char *value, struct error *error)
{
    return take_number("limit", value, QUERY_LIMIT_MAX, &query->limit, error);
}

static int take_page(struct status_query *query, const char *value, struct error *error)
{
    return take_number("page", value, SCOREBOARD_SLOTS_MAX, &query->page, error);
}

static const struct {
    const char *key;
    bool has_value;
    bool is_selection;
    bool is_for_events; /* makes sense with format=events */
    int (*take)(struct status_query *query, const char *value, struct error *error);
} keys[] = {
    {"auto", false, false, false, take_auto},
    {"format", true, false, true, take_format},
    {"refresh", true, false, false, take_refresh},
    {"notable", false, false, false, take_notable},
    {"sort", true, true, false, take_sort},
    {"state", true, true, true, take_state},
    {"q", true, true, true, take_text},
    {"tenant", true, true, true, take_tenant},
    {"limit", true, true, false, take_limit},
    {"page", true, true, false, take_page},
    {"flash", true, false, false, take_flash},
};

/* Returns the index of the key, or -EINVAL. */
static int take_field(struct status_query *query, const struct form_field *field,
                      struct error *error)
{
    for (size_t i = 0; i < ARRAY_LENGTH(keys); i++) {
        if (strcmp(keys[i].key, field->key) != 0)
            continue;
        if (keys[i].has_value && !field->value)
            return error_set(error, EINVAL, "\"%s\" needs a value: write %s=VALUE", keys[i].key,
                             keys[i].key);
        /* "auto=" is what forms and scripts of browsers make of "auto". */
        if (!keys[i].has_value && field->value && *field->value)
            return error_set(error, EINVAL, "\"%s\" takes no value", keys[i].key);
        int r = keys[i].take(query, field->value, error);
        query->has_selection |= keys[i].is_selection;
        return r < 0 ? r : (int)i;
    }
    return error_set(error, EINVAL,
                     "\"%.64s\" is not known here; there are auto, format, refresh, notable, sort, "
                     "state, q, tenant, limit and page",
                     field->key);
}

int status_query_parse(const char *text, struct status_query *query, struct error *error)
{
    char copy[QUERY_LENGTH_MAX + 1];
    struct form_field fields[QUERY_FIELDS_MAX];
    const char *not_for_events = NULL;

    memset(query, 0, sizeof(*query));
    query->page = 1;
    if (!text)
        text = "";
    if (strlen(text) > QUERY_LENGTH_MAX)
        return error_set(error, EINVAL, "the query is longer than %d characters", QUERY_LENGTH_MAX);
    strcpy(copy, text);
    int count = form_parse(copy, fields, QUERY_FIELDS_MAX, error);
    for (int i = 0; i < count; i++) {
        int key = take_field(query, &fields[i], error);
        if (key < 0)
            return key;
        if (!keys[key].is_for_events)
            not_for_events = keys[key].key;
    }
    if (query->format == STATUS_EVENTS && not_for_events)
        return error_set(error, EINVAL,
                         "\"%s\" means nothing with format=events, which takes state, q and tenant",
                         not_for_events);
    if (query->format == STATUS_HTML && query->limit == 0)
        query->limit = QUERY_LIMIT_HTML;
    return count < 0 ? -EINVAL : 0;
}
