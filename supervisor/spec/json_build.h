/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SPEC_JSON_BUILD_H
#define SPEC_JSON_BUILD_H

/*
 * Building JSON without a check at every line: jansson's *_new functions take NULL for "there was
 * no memory", give everything up and return -1. Whoever builds adds up these results.
 */

#include <jansson.h>

/*
 * Appends item, taken over, to *array. Without memory *array is given up and becomes NULL, so that
 * a list never lacks an item in silence; whoever packs the NULL fails.
 */
void json_build_append(json_t **array, json_t *item);

/* The strings of a NULL-terminated array (NULL: none); NULL without memory. */
json_t *json_build_strings(const char *const *strings);

#endif
