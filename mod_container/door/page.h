/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DOOR_PAGE_H
#define DOOR_PAGE_H

/*
 * Which page a URI names: "/a//b", "/a/./b", "/a/c/../b", "/%61/b" and "/a/b?c" are one, as they
 * are for httpd itself. Knows no httpd; any thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Writes the page of a path, as the client sent it (up to '?' or '#'), to page: escapes decoded
 * once, runs of slashes made one, dot segments taken out (RFC 3986 section 5.2.4; above the root
 * they name the root). What is no escape stays as it is. page has room for strlen(path) + 1 bytes,
 * and may be path itself. A decoded zero byte is left out, for it ends no name here. Returns page.
 */
char *page_normalise(const char *path, char *page);

/* Whether a page is one of a pattern: "/a" is one page, "/a/" all below it, "*.php" by its end. */
bool page_matches(const char *page, const char *pattern);

/* A number for the page of a host, the same in all processes and after restarts. */
uint64_t page_hash(const char *host, unsigned port, const char *page);

#endif
