/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MOD_CONTAINER_LIMIT_TEMPLATE_H
#define MOD_CONTAINER_LIMIT_TEMPLATE_H

/*
 * The HTML page that a visitor gets when a service cannot answer: text with places %{NAME}. What
 * comes into a place is escaped for HTML's text and quoted attributes. "%%{" writes "%{", and a '%'
 * in front of anything else is one. Knows no httpd; a template is read once and then by any thread.
 */

#include <stddef.h>

#include "common/board/out.h"
#include "common/error.h"

#define LIMIT_TEMPLATE_MAX_BYTES 65536

enum limit_place {
    LIMIT_PLACE_STATUS = 0,
    LIMIT_PLACE_TITLE,
    LIMIT_PLACE_MESSAGE,
    LIMIT_PLACE_RETRY_AFTER,
    LIMIT_PLACE_REFERENCE,
    LIMIT_PLACE_HOST,
    LIMIT_PLACE_COUNT
};

struct limit_template;

/*
 * Takes a template apart; text is copied. Returns 0, -EINVAL with "LINE: what is wrong" (a place
 * that is not known or not closed, a NUL, nothing at all), -E2BIG or -ENOMEM.
 */
int limit_template_parse(const char *text, size_t length, struct limit_template **template,
                         struct error *error);

/*
 * Reads one from a file: a regular one, reached through no symbolic link, for it is read as root
 * and shown to everybody. The message begins with the path. Errors as above and those of open(2).
 */
int limit_template_load(const char *path, struct limit_template **template, struct error *error);

void limit_template_free(struct limit_template *template);

/* Writes it with the values of the places; NULL is "". */
void limit_template_write(const struct limit_template *template,
                          const char *const values[LIMIT_PLACE_COUNT], struct out *out);

#endif
