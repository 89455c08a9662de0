/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/spec/place.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/units.h"

/* The path of a place in a message: the end of it matters most. */
#define PATH_SIZE 256

struct place place_root(const struct yaml_tree *tree)
{
    return (struct place){.tree = tree, .value = tree->root, .line = 1};
}

static void locate(struct place *place, const json_t *container)
{
    const struct position *position =
        positions_find(&place->tree->positions, container, place->key, place->index);

    if (position) {
        place->line = position->line;
        place->written = position->written;
    }
}

struct place place_member(const struct place *object, const char *key)
{
    struct place place = {.tree = object->tree,
                          .up = object,
                          .key = key,
                          .value = json_object_get(object->value, key),
                          .line = object->line};

    locate(&place, object->value);
    return place;
}

struct place place_item(const struct place *array, size_t index)
{
    struct place place = {.tree = array->tree,
                          .up = array,
                          .index = index,
                          .value = json_array_get(array->value, index),
                          .line = array->line};

    locate(&place, array->value);
    return place;
}

/* ---- messages ---- */

const char *place_quote(const char *text, char *buffer, size_t size)
{
    size_t length = strlen(text), room = size - 4, used = 0;

    for (; used < length && used < room; used++)
        buffer[used] = (unsigned char)text[used] < 0x20 || text[used] == 0x7f ? '?' : text[used];
    if (used < length) { /* cut between characters, not inside one */
        while (used > 0 && ((unsigned char)text[used] & 0xc0) == 0x80)
            used--;
        strcpy(buffer + used, "...");
    } else {
        buffer[used] = '\0';
    }
    return buffer;
}

/* Writes "services.web.command[2]" so that it ends where buffer ends; returns its start. */
static const char *render_path(const struct place *place, char *buffer, size_t size)
{
    char *start = buffer + size - 1;
    char part[PLACE_QUOTE_SIZE + 2], quoted[PLACE_QUOTE_SIZE];

    *start = '\0';
    for (; place->up; place = place->up) {
        if (place->key)
            snprintf(part, sizeof(part), "%s%s", place->up->up ? "." : "",
                     place_quote(place->key, quoted, sizeof(quoted)));
        else
            snprintf(part, sizeof(part), "[%zu]", place->index);
        size_t length = strlen(part);
        if (length > (size_t)(start - buffer))
            break;
        start -= length;
        memcpy(start, part, length);
    }
    return start;
}

int place_refuse(const struct place *place, struct error *error, const char *format, ...)
{
    char path[PATH_SIZE], message[640];
    va_list args;

    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    const char *start = render_path(place, path, sizeof(path));
    return error_set(error, EINVAL, "%.255s:%u: %s%s%s", place->tree->display, place->line, start,
                     *start ? ": " : "", message);
}

int place_refuse_value(const struct place *place, struct error *error, const char *what, ...)
{
    char quoted[PLACE_QUOTE_SIZE], message[512];
    const char *text =
        json_is_string(place->value) ? json_string_value(place->value) : place->written;
    va_list args;

    va_start(args, what);
    vsnprintf(message, sizeof(message), what, args);
    va_end(args);
    if (!text || json_is_null(place->value) || json_is_object(place->value) ||
        json_is_array(place->value))
        return place_refuse(place, error, "%s is not %s", place_kind(place->value), message);
    return place_refuse(place, error, "\"%s\" is not %s", place_quote(text, quoted, sizeof(quoted)),
                        message);
}

int place_no_memory(const struct place *place, struct error *error)
{
    return error_sys(error, ENOMEM, "%.255s:%u", place->tree->display, place->line);
}

const char *place_kind(const json_t *value)
{
    if (!value || json_is_null(value))
        return "nothing";
    if (json_is_object(value))
        return "a mapping";
    if (json_is_array(value))
        return "a list";
    if (json_is_boolean(value))
        return "true or false";
    return json_is_string(value) ? "a text" : "a number";
}

int place_need_object(const struct place *place, struct error *error)
{
    if (json_is_object(place->value))
        return 0;
    return place_refuse_value(place, error, "a mapping; write KEY: VALUE lines below it");
}

int place_need_array(const struct place *place, struct error *error)
{
    if (json_is_array(place->value))
        return 0;
    return place_refuse_value(place, error, "a list; write - VALUE lines below it, or [VALUE]");
}

/* ---- scalars ---- */

int place_unescape(const struct place *place, const char *text, char **plain, struct error *error)
{
    _cleanup_free_ char *copy = malloc(strlen(text) + 1);
    char quoted[PLACE_QUOTE_SIZE];
    size_t used = 0;

    if (!copy)
        return place_no_memory(place, error);
    for (const char *at = text; *at; at++) {
        if (*at == '$' && *++at != '$')
            return place_refuse(place, error,
                                "\"%s\" has a $ that Compose would interpolate, which is not "
                                "supported; write $$ for a $ sign",
                                place_quote(text, quoted, sizeof(quoted)));
        copy[used++] = *at;
    }
    copy[used] = '\0';
    *plain = steal_ptr(copy);
    return 0;
}

int place_text(const struct place *place, char **text, struct error *error)
{
    if (json_is_string(place->value))
        return place_unescape(place, json_string_value(place->value), text, error);
    if (!json_is_number(place->value) && !json_is_boolean(place->value))
        return place_refuse_value(place, error, "a text; write one");
    *text = strdup(place->written ? place->written : "");
    return *text ? 0 : place_no_memory(place, error);
}

int place_bool(const struct place *place, bool *value, struct error *error)
{
    if (!json_is_boolean(place->value))
        return place_refuse_value(place, error, "true or false; write one of these, unquoted");
    *value = json_is_true(place->value);
    return 0;
}

int place_number(const struct place *place, const char *what, uint64_t min, uint64_t max,
                 uint64_t *value, struct error *error)
{
    _cleanup_free_ char *text = NULL;
    int r = place_text(place, &text, error);

    if (r < 0)
        return r;
    if (parse_u64(text, max, value) < 0 || *value < min)
        return place_refuse_value(place, error, "%s; write a whole number from %llu to %llu", what,
                                  (unsigned long long)min, (unsigned long long)max);
    return 0;
}

int place_size(const struct place *place, uint64_t min, uint64_t max, uint64_t *bytes,
               struct error *error)
{
    _cleanup_free_ char *text = NULL;
    char least[16], most[16];
    int r = place_text(place, &text, error);

    if (r < 0)
        return r;
    r = parse_size(text, bytes);
    if (r == -EINVAL)
        return place_refuse_value(place, error, "a size; write 512m or 536870912");
    if (r < 0 || *bytes < min || *bytes > max)
        return place_refuse_value(place, error, "a size from %s to %s",
                                  format_size(min, least, sizeof(least)),
                                  format_size(max, most, sizeof(most)));
    return 0;
}

int place_duration(const struct place *place, uint64_t max_usec, uint64_t *usec,
                   struct error *error)
{
    _cleanup_free_ char *text = NULL;
    char most[32];
    int r = place_text(place, &text, error);

    if (r < 0)
        return r;
    r = parse_duration(text, usec);
    if (r == -EINVAL)
        return place_refuse_value(place, error, "a duration; write 10s or 1m30s");
    if (r < 0 || *usec > max_usec)
        return place_refuse_value(place, error, "a duration of at most %s",
                                  format_duration(max_usec, most, sizeof(most)));
    return 0;
}

int place_texts(const struct place *place, struct string_list *list, struct error *error)
{
    int r = place_need_array(place, error);

    for (size_t i = 0; r == 0 && i < json_array_size(place->value); i++) {
        struct place item = place_item(place, i);
        char *text = NULL;
        r = place_text(&item, &text, error);
        if (r == 0 && string_list_take(list, text) < 0)
            r = place_no_memory(&item, error);
    }
    return r;
}
