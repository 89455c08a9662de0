/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SPEC_YAML_H
#define SPEC_YAML_H

/*
 * The one reader of YAML and JSON that people write: text into a JSON tree that knows the line of
 * each value. JSON goes through the same code (YAML 1.2 contains it).
 *
 * Scalars are resolved by the core schema of YAML 1.2.2 (section 10.3.2): `no` and `on` are text,
 * 0o17 is a number. Anchors, aliases and `<<` (yaml.org/type/merge.html) work. Refused, with the
 * line: duplicate keys, keys that are not text, tags outside the core schema, several documents,
 * NUL, text that is not UTF-8, numbers beyond 64 bits, and whatever exceeds the bounds below.
 *
 * The tree must not be changed: an alias shares its value with its anchor.
 */

#include <jansson.h>
#include <stddef.h>

#include "common/error.h"
#include "supervisor/spec/positions.h"

#define YAML_FILE_MAX    1048576 /* bytes of one file */
#define YAML_NODES_MAX   100000  /* values, with every alias counted as what it stands for */
#define YAML_TEXT_MAX    4194304 /* bytes of all texts, counted likewise */
#define YAML_DEPTH_MAX   64
#define YAML_ANCHORS_MAX 1000
#define YAML_KEY_MAX     1024 /* bytes; YAML 1.2.2, section 7.4.2 has the same bound */

struct yaml_tree {
    json_t *root;
    char *display; /* what messages call the file */
    struct positions positions;
    /* Mappings merged by `<<`: kept, for positions knows containers by their address. */
    json_t *merged;
};

/*
 * Reads text (length bytes, need not end with NUL). display is what messages call the file. Returns
 * 0 and a tree that the caller frees, -EINVAL or -E2BIG with "FILE:LINE: what is wrong", or
 * -ENOMEM.
 */
int yaml_tree_parse(const char *text, size_t length, const char *display, struct yaml_tree **tree,
                    struct error *error);
void yaml_tree_free(struct yaml_tree *tree);

/* What a scalar means: resolves it by the core schema. */
enum yaml_scalar_error {
    YAML_SCALAR_OK = 0,
    YAML_SCALAR_NUL,       /* holds a NUL character */
    YAML_SCALAR_NOT_UTF8,  /* is no UTF-8 */
    YAML_SCALAR_TOO_LARGE, /* a number beyond 64 bits, or not finite */
    YAML_SCALAR_BAD_TAG,   /* a tag that is not of the core schema */
    YAML_SCALAR_NOT_TAGGED /* the tag does not fit the text: !!int "x" */
};

/*
 * tag: NULL or as libyaml gives it. Returns YAML_SCALAR_OK and a new reference in *value (NULL when
 * there is no memory).
 */
enum yaml_scalar_error yaml_scalar_resolve(const char *text, size_t length, int is_plain,
                                           const char *tag, json_t **value);

static inline void yaml_tree_cleanup(struct yaml_tree **tree)
{
    yaml_tree_free(*tree);
}
#define _cleanup_yaml_tree_ __attribute__((cleanup(yaml_tree_cleanup)))

#endif
