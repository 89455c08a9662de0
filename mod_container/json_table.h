/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MOD_CONTAINER_JSON_TABLE_H
#define MOD_CONTAINER_JSON_TABLE_H

/*
 * Tables of what the supervisor answered: an array of objects, a column a member. What is not
 * there, or of another type, is an empty cell. All text in it is taken for a tenant's.
 */

#include <jansson.h>
#include <stdbool.h>

#include "common/board/out.h"

enum json_kind {
    JSON_SHOWN_TEXT,
    JSON_SHOWN_NUMBER,
    JSON_SHOWN_PERCENT,
    JSON_SHOWN_BYTES,
    JSON_SHOWN_RATE,    /* bytes a second */
    JSON_SHOWN_SECONDS, /* a duration */
    JSON_SHOWN_MSEC,
    JSON_SHOWN_TIME, /* RFC 3339; shown without its fraction */
};

struct json_column {
    const char *key; /* of the member */
    const char *label;
    const char *css; /* classes of its cells */
    enum json_kind kind;
};

/* The member of an object as a text, "" for anything else. Lives as long as object. */
const char *json_text_of(const json_t *object, const char *key);

/* One value as it is shown in a cell; nothing for null. */
void json_value_write(struct out *out, const json_t *value, enum json_kind kind);

/* The table, or the paragraph with `none` for an empty array; name is what screen readers say. */
void json_table_write(struct out *out, const json_t *array, const char *name,
                      const struct json_column *columns, size_t count, const char *none);

#endif
