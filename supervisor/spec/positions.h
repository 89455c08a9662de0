/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SPEC_POSITIONS_H
#define SPEC_POSITIONS_H

/*
 * Where each value of a JSON tree was written: a table from (container, key) or (container, index)
 * to a line and to the text as it stands in the file. Containers are told apart by their address,
 * so a container that stands in several places (a YAML alias) is recorded once.
 */

#include <jansson.h>
#include <stddef.h>

struct position {
    const json_t *container;
    char *key;    /* member of an object; NULL: item of an array */
    size_t index; /* item of an array */
    unsigned line;
    char *written; /* text of a scalar that is no string ("0755", "1.10"); NULL otherwise */
};

struct positions {
    struct position *entries; /* open addressing; container NULL: free */
    size_t capacity, count;
    unsigned seed; /* so that no file can be made of keys that collide */
};

/* Records a value. key, written: copied; NULL is possible. Returns 0 or -ENOMEM. */
int positions_add(struct positions *positions, const json_t *container, const char *key,
                  size_t index, unsigned line, const char *written);

/* The entry, or NULL. It is valid until the next positions_add(). */
const struct position *positions_find(const struct positions *positions, const json_t *container,
                                      const char *key, size_t index);

void positions_free(struct positions *positions);

#endif
