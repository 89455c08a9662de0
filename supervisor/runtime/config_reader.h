/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_CONFIG_READER_H
#define RUNTIME_CONFIG_READER_H

/*
 * Reading of JSON documents and objects: each object has a table of the keys that mean something,
 * each key a type. What is not in the table is ignored (runtime-spec, config.md, "Extensibility"),
 * and null is as good as absent, for encoders write it for what is not set. A wrong type is an
 * error that names the whole path: `process.cwd: must be a string`. Values stay owned by the JSON
 * tree.
 *
 * Integers from 2^63 to 2^64-1 are strings of their digits in the tree (config_uint64.h), which
 * CONFIG_UNSIGNED takes for the number, and which json_dumps() and another reading preserve.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

/* The largest document that is read, in bytes. */
#define CONFIG_FILE_MAX (4 << 20)

/*
 * Parses a document; name is for messages. A key that is there twice is an error. The caller owns
 * the result. NULL: the error names the document, and the line and column of what is no JSON (in
 * one with integers above 2^63, each of them before it in the line counts two columns more).
 */
json_t *config_parse(const char *text, size_t length, const char *name, struct error *error);

enum config_type {
    CONFIG_STRING = 1, /* without NUL in it */
    CONFIG_INTEGER,    /* int64_t */
    CONFIG_UNSIGNED,   /* uint64_t */
    CONFIG_BOOL,
    CONFIG_OBJECT,
    CONFIG_ARRAY,
    CONFIG_IGNORED, /* known and of no consequence here; as good as not in the table */
};

struct config_key {
    const char *name;
    enum config_type type;
    void *target; /* const char **, int64_t *, uint64_t *, bool *, const json_t ** */
    bool is_required;
};

/*
 * Reads object (at path, "" for the root) by a table that ends with a NULL name. Absent keys leave
 * their target as it is. Returns 0 or -EINVAL.
 */
int config_read_object(const json_t *object, const char *path, const struct config_key *keys,
                       struct error *error);

/* The same where what is not in the table is an error: for files that are ours alone. */
int config_read_known(const json_t *object, const char *path, const struct config_key *keys,
                      struct error *error);

/* Whether the object has the key with another value than null. */
bool config_has(const json_t *object, const char *key);

/*
 * An array of strings as a NULL-terminated array of pointers into the tree; the caller frees the
 * array only. NULL or an absent array (NULL json) gives an empty list.
 */
int config_read_strings(const json_t *array, const char *path, char ***list, struct error *error);

/*
 * A list of numbers below CONFIG_BITS as "0-3,7" into a bitmap (bit i of word i / 64). Returns 0 or
 * -EINVAL or -ERANGE with a message that begins with path.
 */
#define CONFIG_BITS 1024
int config_read_bits(const char *text, const char *path, uint64_t bits[CONFIG_BITS / 64],
                     struct error *error);

/* Whether value is within min..max, else -ERANGE with a message. */
int config_check_range(const char *path, int64_t value, int64_t min, int64_t max,
                       struct error *error);

/* Whether an array or object (or NULL) has at most max entries, else -E2BIG with a message. */
int config_check_count(const json_t *container, const char *path, size_t max, struct error *error);

/* Whether a path begins with "/", else -EINVAL with a message that begins with where it is. */
int config_check_absolute(const char *path, const char *text, struct error *error);

#endif
