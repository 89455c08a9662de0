/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SPEC_PLACE_H
#define SPEC_PLACE_H

/*
 * A place is a value of a tree together with the way that leads to it, so that whoever refuses the
 * value can say where it stands:
 *
 *     tenants.d/blog/compose.yaml:12: services.web.mem_limit: "512X" is not a size; write 512m ...
 *
 * Places live on the stack of those who walk; a place is valid while the ones above it are.
 * The readers here are the only ones that turn a value into a text, a number or a size. All return
 * 0 or a negative errno with such a message.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"
#include "supervisor/spec/string_list.h"
#include "supervisor/spec/yaml.h"

struct place {
    const struct yaml_tree *tree;
    const struct place *up; /* NULL: the root */
    const char *key;        /* NULL: an item of a list */
    size_t index;
    json_t *value; /* borrowed from the tree */
    unsigned line;
    const char *written; /* of a scalar that is no string; NULL otherwise */
};

/* Enough for a quoted value in a message. */
#define PLACE_QUOTE_SIZE 96

struct place place_root(const struct yaml_tree *tree);
/* A member; its value is NULL when there is none of that name. */
struct place place_member(const struct place *object, const char *key);
struct place place_item(const struct place *array, size_t index);

/* Refuses what stands at the place, in our own words. Returns -EINVAL. */
int place_refuse(const struct place *place, struct error *error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Refuses the value: `"VALUE" is not WHAT`; WHAT goes on with what would be right. */
int place_refuse_value(const struct place *place, struct error *error, const char *what, ...)
    __attribute__((format(printf, 3, 4)));

/* text in a message: short, and without characters that a terminal would obey. Returns buffer. */
const char *place_quote(const char *text, char *buffer, size_t size);

/* "a mapping", "a list", "nothing" ... */
const char *place_kind(const json_t *value);

/*
 * The text of a scalar as it was written; "$$" becomes "$", any other '$' is refused, since there
 * is nothing to interpolate from. The caller frees *text.
 */
int place_text(const struct place *place, char **text, struct error *error);
/* The same for a text that is at hand and stands at the place. */
int place_unescape(const struct place *place, const char *text, char **plain, struct error *error);

int place_bool(const struct place *place, bool *value, struct error *error);
/* A whole number from min to max; what: "a port". */
int place_number(const struct place *place, const char *what, uint64_t min, uint64_t max,
                 uint64_t *value, struct error *error);
/* A size in bytes from min to max. */
int place_size(const struct place *place, uint64_t min, uint64_t max, uint64_t *bytes,
               struct error *error);
/* A duration of at most max_usec. */
int place_duration(const struct place *place, uint64_t max_usec, uint64_t *usec,
                   struct error *error);

/* Refuses all but a mapping, all but a list. */
int place_need_object(const struct place *place, struct error *error);
int place_need_array(const struct place *place, struct error *error);

/* Appends the texts of a list of scalars. */
int place_texts(const struct place *place, struct string_list *list, struct error *error);

/* -ENOMEM with a message. */
int place_no_memory(const struct place *place, struct error *error);

#endif
