/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MOD_CONTAINER_STATUS_H
#define MOD_CONTAINER_STATUS_H

/*
 * The status page: one overview taken from the scoreboard, a renderer a format. The formats are
 * described in docs/admin-api.md.
 */

#include <apr_pools.h>
#include <httpd.h>

#include "common/board/overview.h"
#include "common/board/summary.h"
#include "mod_container/columns.h"
#include "mod_container/config.h"

/* Takes clocks, scope and the host's figures; the board's slots are not read yet. */
void overview_begin(request_rec *r, const struct board_view *board,
                    const struct status_query *query, struct overview *overview);

/*
 * Fills overview->selection, which lives as long as the request: of all containers in no order,
 * with their sums (summary.h); or with the rows that the query chooses, in its order. OK or an HTTP
 * status.
 */
int overview_take_summary(request_rec *r, struct overview *overview);
int overview_take_rows(request_rec *r, struct overview *overview);

/* The page for people. Status and headers are set; it only writes the body. */
void status_render_html(request_rec *r, const struct overview *overview,
                        const struct status_query *query);

/* The page's Content-Security-Policy, with the hash of its style sheet; lives in pool. */
const char *status_security_policy(apr_pool_t *pool);

/* Hooks: the handler container-status, and the section in mod_status' page. */
int status_handler(request_rec *r);
int status_hook_section(request_rec *r, int flags);

#endif
