/* SPDX-License-Identifier: Apache-2.0 */
#include "mod_container/order.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/board/form.h"
#include "common/cleanup.h"
#include "common/control.h"
#include "common/units.h"

static const struct {
    const char *name;
    const char *on_the_way[3]; /* states in which it is not done yet */
} actions[] = {
    {"start", {"starting", "stopping", "backoff"}},
    {"stop", {"stopping"}},
    {"restart", {"starting", "stopping", "backoff"}},
    {"pause", {NULL}},
    {"resume", {NULL}},
    {"kill", {"stopping"}},
};

/* ---- the target ---- */

int order_begin(struct order *order, const char *target, struct error *error)
{
    *order = (struct order){.wait_seconds = ORDER_WAIT_DEFAULT_SECONDS};
    if (strchr(target, '/'))
        return name_split(target, order->tenant, order->service, error);
    int r = name_check("tenant", target, error);
    if (r == 0)
        strcpy(order->tenant, target);
    return r;
}

/* ---- the media type ---- */

static const char *skip_blanks(const char *at)
{
    return at + strspn(at, " \t");
}

/* One of "; charset=utf-8", "; charset=\"UTF-8\"" or ";"; NULL for anything else. */
static const char *skip_parameter(const char *at)
{
    static const char *const forms[] = {"charset=utf-8", "charset=\"utf-8\""};

    if (*at != ';')
        return NULL;
    at = skip_blanks(at + 1);
    for (size_t i = 0; i < ARRAY_LENGTH(forms); i++) {
        size_t length = strlen(forms[i]);
        if (strncasecmp(at, forms[i], length) == 0)
            return skip_blanks(at + length);
    }
    return *at == ';' || *at == '\0' ? at : NULL;
}

enum order_type order_type_of(const char *content_type)
{
    static const struct {
        const char *name;
        enum order_type type;
    } types[] = {
        {"application/x-www-form-urlencoded", ORDER_TYPE_FORM},
        {"application/json", ORDER_TYPE_JSON},
    };

    for (size_t i = 0; content_type && i < ARRAY_LENGTH(types); i++) {
        size_t length = strlen(types[i].name);
        if (strncasecmp(content_type, types[i].name, length) != 0)
            continue;
        const char *at = skip_blanks(content_type + length);
        while (at && *at)
            at = skip_parameter(at);
        return at ? types[i].type : ORDER_TYPE_UNKNOWN;
    }
    return ORDER_TYPE_UNKNOWN;
}

/* ---- parameters ---- */

static int take_action(struct order *order, const char *value, struct error *error)
{
    for (size_t i = 0; i < ARRAY_LENGTH(actions); i++)
        if (strcmp(actions[i].name, value) == 0) {
            order->action = actions[i].name;
            return 0;
        }
    return error_set(error, EINVAL,
                     "\"%.32s\" is not an action; there are start, stop, restart, pause, resume "
                     "and kill",
                     value);
}

static int take_wait(struct order *order, const char *value, struct error *error)
{
    uint64_t seconds;

    if (parse_u64(value, ORDER_WAIT_MAX_SECONDS, &seconds) < 0)
        return error_set(error, EINVAL, "wait=%.32s: write a number of seconds from 0 to %d", value,
                         ORDER_WAIT_MAX_SECONDS);
    order->wait_seconds = (unsigned)seconds;
    return 0;
}

/* Whether it is the name of a signal, the supervisor knows. */
static int take_signal(struct order *order, const char *value, struct error *error)
{
    size_t length = strspn(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789");

    if (length == 0 || value[length] || length > ORDER_SIGNAL_MAX)
        return error_set(error, EINVAL, "signal=%.32s: write a signal's name, such as SIGHUP",
                         value);
    strcpy(order->signal, value);
    return 0;
}

static int take_token(struct order *order, const char *value, struct error *error)
{
    if (!*value || strlen(value) > ORDER_TOKEN_MAX)
        return error_set(error, EINVAL, "this is not a token");
    strcpy(order->token, value);
    return 0;
}

static int take_back(struct order *order, const char *value, struct error *error)
{
    static const char *const places[] = {
        [ORDER_BACK_BOARD] = "board", [ORDER_BACK_SERVICE] = "service"};

    for (size_t i = ORDER_BACK_BOARD; i < ARRAY_LENGTH(places); i++)
        if (strcmp(places[i], value) == 0) {
            order->back = (enum order_back)i;
            return 0;
        }
    return error_set(error, EINVAL, "back=%.32s: write board or service", value);
}

/* It goes into a Location header: nothing but what a query is made of (RFC 3986 section 3.4). */
static int take_query(struct order *order, const char *value, struct error *error)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                  "-._~!$&'()*+,;=:@/?%";

    if (value[strspn(value, allowed)] || strlen(value) > ORDER_QUERY_MAX)
        return error_set(error, EINVAL, "query: this is not a query string of at most %d bytes",
                         ORDER_QUERY_MAX);
    strcpy(order->query, value);
    return 0;
}

static const struct {
    const char *key;
    int (*take)(struct order *order, const char *value, struct error *error);
    bool is_number, is_for_forms;
} parameters[] = {
    {"action", take_action, false, false}, {"wait", take_wait, true, false},
    {"signal", take_signal, false, false}, {"token", take_token, false, false},
    {"back", take_back, false, true},      {"query", take_query, false, true},
};

/* The row of a key, or -EINVAL. */
static int find_parameter(const char *key, bool is_form, struct error *error)
{
    for (size_t i = 0; i < ARRAY_LENGTH(parameters); i++)
        if (strcmp(parameters[i].key, key) == 0 && (is_form || !parameters[i].is_for_forms))
            return (int)i;
    return error_set(error, EINVAL,
                     "\"%.64s\" is not known here; there are action, wait and signal", key);
}

/* ---- bodies ---- */

static int read_form(struct order *order, char *text, size_t length, struct error *error)
{
    struct form_field fields[ARRAY_LENGTH(parameters)];

    if (strlen(text) != length)
        return error_set(error, EINVAL, "the body holds a NUL character");
    /* Text files and shells end with a newline, which is no part of the value. */
    size_t end = strcspn(text, "\r\n");
    if (text[end + strspn(text + end, "\r\n")])
        return error_set(error, EINVAL, "the body has more than one line");
    text[end] = '\0';
    int count = form_parse(text, fields, ARRAY_LENGTH(fields), error);
    for (int i = 0; i < count; i++) {
        int row = find_parameter(fields[i].key, true, error);
        int r = row < 0
                    ? row
                    : parameters[row].take(order, fields[i].value ? fields[i].value : "", error);
        if (r < 0)
            return r;
    }
    return count < 0 ? count : 0;
}

static int take_json(struct order *order, const char *key, const json_t *value, struct error *error)
{
    char number[24];
    int row = find_parameter(key, false, error);

    if (row < 0)
        return row;
    if (parameters[row].is_number ? !json_is_integer(value) : !json_is_string(value))
        return error_set(error, EINVAL, "\"%s\" must be a %s", parameters[row].key,
                         parameters[row].is_number ? "whole number" : "string");
    if (!parameters[row].is_number)
        return parameters[row].take(order, json_string_value(value), error);
    snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    return parameters[row].take(order, number, error);
}

static int read_json(struct order *order, const char *text, size_t length, struct error *error)
{
    json_error_t problem;
    const char *key;
    json_t *value;
    _cleanup_json_ json_t *object = json_loadb(text, length, JSON_REJECT_DUPLICATES, &problem);

    if (!json_is_object(object))
        return error_set(error, EINVAL, "the body is not a JSON object: %s",
                         object ? "another type" : problem.text);
    json_object_foreach (object, key, value) {
        int r = take_json(order, key, value, error);
        if (r < 0)
            return r;
    }
    return 0;
}

static int check(const struct order *order, struct error *error)
{
    if (!order->action)
        return error_set(error, EINVAL, "the action is missing; send action=stop, for example");
    if (order->signal[0] && strcmp(order->action, "kill") != 0)
        return error_set(error, EINVAL, "signal goes with action=kill only");
    return 0;
}

int order_read(struct order *order, enum order_type type, char *text, size_t length,
               struct error *error)
{
    int r = type == ORDER_TYPE_JSON ? read_json(order, text, length, error)
                                    : read_form(order, text, length, error);

    return r < 0 ? r : check(order, error);
}

/* ---- afterwards ---- */

bool order_is_done(const struct order *order, const char *state)
{
    for (size_t i = 0; i < ARRAY_LENGTH(actions); i++) {
        if (strcmp(actions[i].name, order->action) != 0)
            continue;
        for (size_t s = 0; s < ARRAY_LENGTH(actions[i].on_the_way); s++) {
            const char *busy = actions[i].on_the_way[s];
            if (busy && strcmp(busy, state) == 0)
                return false;
        }
    }
    return true;
}
