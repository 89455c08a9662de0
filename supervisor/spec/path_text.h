/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SPEC_PATH_TEXT_H
#define SPEC_PATH_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/*
 * A path as a text, nothing looked up: "//" and "." go, a slash at the end goes. Works in place.
 * Returns 0; -EINVAL for ".." and control characters; -ENAMETOOLONG beyond PATH_MAX or a part
 * beyond NAME_MAX. An absolute path stays absolute, "" and "." become "".
 */
int path_text_normalise(char *path);

/* Whether path is directory or below it; both normalised. */
bool path_text_is_below(const char *path, const char *directory);

/* How many parts a normalised path has: 0 for "/". */
size_t path_text_depth(const char *path);

#endif
