/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MOD_CONTAINER_BODY_H
#define MOD_CONTAINER_BODY_H

/* The body of a request; of a small one, read whole and bounded. */

#include <stdbool.h>

#include <httpd.h>

/* Whether the headers announce one; a stream of HTTP/2 needs none for it. */
bool body_is_announced(const request_rec *r);

/*
 * Reads the body into *text (of the request's pool, NUL-terminated; *length does not count that).
 * Returns OK, 411 when there is neither Content-Length nor chunked coding, 413 when it is over max
 * bytes (the connection is closed then: the rest is not read), 400 and others of httpd's filters.
 */
int body_read(request_rec *r, apr_size_t max, char **text, apr_size_t *length);

#endif
