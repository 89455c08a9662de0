/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MOD_CONTAINER_STATUS_H
#define MOD_CONTAINER_STATUS_H

/*
 * The status page: one overview taken from the scoreboard, a renderer a format. The formats are
 * described in docs/admin-api.md.
 */

#include <apr_pools.h>
#include <httpd.h>

#include "mod_container/board.h"
#include "mod_container/columns.h"
#include "mod_container/config.h"
#include "mod_container/out.h"
#include "mod_container/query.h"
#include "mod_container/select.h"
#include "mod_container/summary.h"

#define STATUS_JSON_VERSION 2

/* What an answer speaks of, but for the slots, which are read as they are written out. */
struct overview {
    const struct board_view *board;
    const struct location_config *config;
    const struct status_query *query;
    struct moment moment;
    uint64_t httpd_uptime_seconds;
    uint64_t supervisor_uptime_usec; /* 0 when unreachable */
    bool is_limited;                 /* by ContainerStatusScope: nothing of the host is shown */
    struct host_figures host;        /* all zero: not known, or not to be shown */
    struct selector selector;
    struct selection selection; /* rows, counts by state, letters */
    const struct figure *sums;  /* one a row of column_figures; NULL without a summary */
};

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

/* Reads a slot for writing it out: selection_slot(). */
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
void status_render_csv(request_rec *r, const struct overview *overview,
                       const struct status_query *query);
void status_render_openmetrics(request_rec *r, const struct overview *overview,
                               const struct status_query *query);

/* The media type that the client understands. */
const char *status_openmetrics_type(request_rec *r);

/* The JSON object of the board up to its containers, without the last brace. */
void status_json_board(struct out *out, request_rec *r, const struct overview *overview);

/* One container as a JSON object; for status_events.c, too. */
void status_json_container(struct out *out, const struct moment *moment,
                           const struct container_slot *slot, uint32_t index);

/* The page's Content-Security-Policy, with the hash of its style sheet; lives in pool. */
const char *status_security_policy(apr_pool_t *pool);

/* Hooks: the handler container-status, and the section in mod_status' page. */
int status_handler(request_rec *r);
int status_hook_section(request_rec *r, int flags);

#endif
