/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_CONFIG_READER_H
#define RUNTIME_CONFIG_READER_H

/*
 * Strict reading of JSON objects: each object has a table of the keys it may hold, each key a type.
 * What is not in the table is an error that names the whole path: `linux.intelRdt: not known to
 * this runtime`. Values stay owned by the JSON tree.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

enum config_type {
    CONFIG_STRING = 1,
    CONFIG_INTEGER, /* int64_t */
    CONFIG_BOOL,
    CONFIG_OBJECT,
    CONFIG_ARRAY,
    CONFIG_IGNORED, /* known, of any type, and of no consequence here */
};

struct config_key {
    const char *name;
    enum config_type type;
    void *target; /* const char **, int64_t *, bool *, const json_t **; NULL with CONFIG_IGNORED */
    bool is_required;
};

/*
 * Reads object (at path, "" for the root) by a table that ends with a NULL name. Absent keys leave
 * their target as it is. Returns 0 or -EINVAL.
 */
int config_read_object(const json_t *object, const char *path, const struct config_key *keys,
                       struct error *error);

/*
 * An array of strings as a NULL-terminated array of pointers into the tree; the caller frees the
 * array only. NULL or an absent array (NULL json) gives an empty list.
 */
int config_read_strings(const json_t *array, const char *path, char ***list, struct error *error);

/* Whether value is within min..max, else -ERANGE with a message. */
int config_check_range(const char *path, int64_t value, int64_t min, int64_t max,
                       struct error *error);

#endif
