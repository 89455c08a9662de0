/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MOD_CONTAINER_REPLY_H
#define MOD_CONTAINER_REPLY_H

/*
 * Small answers with a body of our own. All forbid storing and guessing of types. Each returns what
 * the handler is to return.
 */

#include <httpd.h>
#include <jansson.h>

struct out_memory;

/* Headers that every page and answer of the module carries. */
void reply_guard_headers(request_rec *r);

/* One sentence as text/plain; it is cleaned (text.h) first. */
int reply_text(request_rec *r, int status, const char *sentence);

/* 405 with an Allow header. */
int reply_method_not_allowed(request_rec *r, const char *allow);

/* The answer to OPTIONS. */
int reply_options(request_rec *r, const char *allow);

/* A JSON object; takes over the reference. NULL (no memory) becomes a 500. */
int reply_json(request_rec *r, int status, json_t *object);

/* Sends what was written into memory, with its length, and frees it; no body for HEAD. */
void reply_memory(request_rec *r, struct out_memory *memory);

/* Copies text into pool, cleaned (text.h); html also escapes it for HTML. */
const char *reply_clean(apr_pool_t *pool, const char *text);
const char *reply_html(apr_pool_t *pool, const char *text);

#endif
