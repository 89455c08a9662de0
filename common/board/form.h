/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_BOARD_FORM_H
#define COMMON_BOARD_FORM_H

/*
 * The strict reader of application/x-www-form-urlencoded text (WHATWG URL Standard, section 5): a
 * query string or the body of an admin call. Knows no httpd; any thread.
 */

#include <stddef.h>

#include "common/error.h"

struct form_field {
    const char *key;
    const char *value; /* NULL: the field has no '=' */
};

/*
 * Splits and decodes text in place. The fields point into text. Returns how many there are (0 for
 * an empty text), or -EINVAL for a bad '%', a NUL, an empty field or key, or a key given twice, and
 * -E2BIG for more than max fields.
 */
int form_parse(char *text, struct form_field *fields, size_t max, struct error *error);

#endif
