/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MOD_CONTAINER_ADMIN_ANSWER_H
#define MOD_CONTAINER_ADMIN_ANSWER_H

/*
 * How an admin call ends: one line for the audit, and then JSON for a program, or for a form of the
 * page a redirect back to it with the result. Each returns what the handler is to return.
 */

#include <httpd.h>
#include <jansson.h>

#include "mod_container/order.h"

#define RETRY_AFTER_SECONDS 5

/* A refusal; code is a word of docs/admin-api.md. With 429 and 503 there is a Retry-After. */
int admin_refuse(request_rec *r, const struct order *order, int status, const char *code,
                 const char *message);

/*
 * The answer of a call that came to its end: `code` is what the audit and a form's page get, body
 * (taken over) what a program gets.
 */
int admin_answer(request_rec *r, const struct order *order, int status, const char *code,
                 const char *message, json_t *body);

#endif
