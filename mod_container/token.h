/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MOD_CONTAINER_TOKEN_H
#define MOD_CONTAINER_TOKEN_H

/*
 * What makes the page's forms safe to send (cross-site request forgery), and their result safe to
 * show. The key is random, made at httpd's start, kept in the memory of httpd's processes only, and
 * lives through graceful restarts. Any thread once the configuration is there.
 *
 * A form of the page has these hidden fields, beside `action`:
 *
 *     token   token_make(r, action, target); without it, what a browser sends is refused
 *     back    "board" or "service": go back to the Location, or to the service's page, with 303 and
 *             the result as ?flash=...; without the field the answer is JSON as for curl
 *     query   optional: the query string to go back to ("sort=cpu&state=running"), without '?'
 */

#include <httpd.h>
#include <stdbool.h>

#define TOKEN_LIFE_SECONDS 43200 /* a page that is left open all day without a reload */
#define FLASH_LIFE_SECONDS 60    /* then a reload shows the result no more */
#define FLASH_MESSAGE_MAX  200

/* Makes the key, or takes over that of the generation before; called in post_config. */
apr_status_t token_start(server_rec *server);

/*
 * The token with which the user of this request may do action ("stop") to target ("blog/web", or
 * "blog" for all its services). Lives in the request's pool.
 */
const char *token_make(request_rec *r, const char *action, const char *target);
bool token_check(request_rec *r, const char *action, const char *target, const char *token);

/* The result of a form, on its way through the address bar of the one who sent it. */
struct flash {
    const char *action;  /* "stop" */
    const char *target;  /* "blog/web" */
    const char *code;    /* "ok", "accepted", or the code of a refusal (docs/admin-api.md) */
    const char *message; /* what the supervisor said, maybe ""; not escaped */
};

/* The value of ?flash=, fit for a query string as it is. Lives in the request's pool. */
const char *flash_make(request_rec *r, const struct flash *flash);

/*
 * Reads the decoded value of ?flash=. False for what this httpd did not make for this address
 * within the last minute: then the page shows nothing.
 */
bool flash_read(request_rec *r, const char *value, struct flash *flash);

#endif
