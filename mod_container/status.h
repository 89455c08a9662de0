/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MOD_CONTAINER_STATUS_H
#define MOD_CONTAINER_STATUS_H

/*
 * The status page: one overview taken from the scoreboard, three renderers of it. The formats are
 * described in docs/admin-api.md.
 */

#include <apr_pools.h>
#include <httpd.h>

#include "mod_container/board.h"
#include "mod_container/columns.h"
#include "mod_container/query.h"

#define STATUS_JSON_VERSION 1

/* The whole of what an answer says, but for the slots, which are read as they are written out. */
struct overview {
    const struct board_view *board;
    struct moment moment;
    uint64_t httpd_uptime_seconds;
    uint64_t supervisor_uptime_usec; /* 0 when unreachable */
    unsigned containers;
    unsigned by_state[CONTAINER_STATE_COUNT];
    const char *letters; /* one a slot that was ever used */
};

/* Reads the whole board once. */
void overview_take(request_rec *r, const struct board_view *board, struct overview *overview);

/* Reads slot i; false for an open slot, and for one that cannot be read now. */
bool overview_slot(const struct overview *overview, uint32_t i, struct container_slot *slot);

/* "2026-11-22T05:30:00Z" */
const char *overview_time(request_rec *r, const struct overview *overview);

/* The renderers. Status and headers are set; they only write the body. */
void status_render_html(request_rec *r, const struct overview *overview,
                        const struct status_query *query);
void status_render_auto(request_rec *r, const struct overview *overview,
                        const struct status_query *query);
void status_render_json(request_rec *r, const struct overview *overview,
                        const struct status_query *query);

/* The page's Content-Security-Policy, with the hash of its style sheet; lives in pool. */
const char *status_security_policy(apr_pool_t *pool);

/* Hooks: the handler container-status, and the section in mod_status' page. */
int status_handler(request_rec *r);
int status_hook_section(request_rec *r, int flags);

#endif
