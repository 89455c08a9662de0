/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MOD_CONTAINER_ACCEPT_H
#define MOD_CONTAINER_ACCEPT_H

/* What kind of answer a client reads. Knows no httpd; any thread. */

#include <stdbool.h>

/*
 * Whether a program asks that reads JSON: it accepts JSON but no HTML, or it is a script's request
 * (X-Requested-With: XMLHttpRequest) that does not name HTML. Either header may be NULL.
 */
bool accept_wants_json(const char *accept, const char *requested_with);

#endif
