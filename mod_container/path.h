/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MOD_CONTAINER_PATH_H
#define MOD_CONTAINER_PATH_H

/*
 * What a visitor's path means, judged from its text alone. Paths are decoded and begin with '/'.
 * Knows no httpd; any thread.
 */

#include <stdbool.h>
#include <stddef.h>

/*
 * Whether a path may be handed on at all: no control character, no '?' (PHP-FPM would cut the
 * script's name there), no "%2F" left (a slash to one reader and none to the next), no "." or ".."
 * as a segment.
 */
bool path_is_acceptable(const char *path);

/*
 * The length of the part that names a PHP script: up to the end of the first segment that ends in
 * ".php". 0 when there is none. What follows is the script's PATH_INFO (RFC 3875 section 4.1.5).
 */
size_t path_script_length(const char *path);

/* Whether a segment begins with a dot; ".well-known" (RFC 8615) as the first segment does not
 * count. */
bool path_is_hidden(const char *path);

/*
 * Whether the last segment may be PHP source: an extension, the last or one before it, that begins
 * with php, phtml, phar or pht in any case ("a.PHP", "a.php~", "a.php.bak").
 */
bool path_is_source(const char *path);

#endif
