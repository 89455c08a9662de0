/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_BOARD_OVERVIEW_H
#define COMMON_BOARD_OVERVIEW_H

/*
 * One look at the scoreboard and the formats for machines, written from it. Knows no httpd: the
 * module sends them to clients (status.h), containerctl to its standard output. docs/admin-api.md
 * describes the formats.
 */

#include "common/board/out.h"
#include "common/board/query.h"
#include "common/board/select.h"
#include "common/board/view.h"

#define STATUS_JSON_VERSION 2

struct location_config;

/* What an answer speaks of, but for the slots, which are read as they are written out. */
struct overview {
    const struct board_view *board;
    const struct location_config *config; /* NULL outside httpd */
    const struct status_query *query;
    struct moment moment;
    const char *server_version; /* who answers */
    bool has_server_uptime;
    uint64_t httpd_uptime_seconds;
    uint64_t supervisor_uptime_usec; /* 0 when unreachable */
    bool is_limited;                 /* by ContainerStatusScope: nothing of the host is shown */
    struct host_figures host;        /* all zero: not known, or not to be shown */
    struct selector selector;
    struct selection selection; /* rows, counts by state, letters */
    const struct figure *sums;  /* one a row of column_figures; NULL without a summary */
};

/* Reads a slot for writing it out: selection_slot(). */
bool overview_slot(const struct overview *overview, uint32_t i, struct container_slot *slot);

/* "2026-11-22T05:30:00Z"; returns text. */
#define OVERVIEW_TIME_SIZE 32
const char *overview_time(const struct overview *overview, char text[OVERVIEW_TIME_SIZE]);

/* The formats for machines: the whole body of an answer. */
void status_write_auto(struct out *out, const struct overview *overview);
void status_write_json(struct out *out, const struct overview *overview);
void status_write_csv(struct out *out, const struct overview *overview);
/* With is_text in the text format 0.0.4 that came before OpenMetrics. */
void status_write_openmetrics(struct out *out, const struct overview *overview, bool is_text);

/* The JSON object of the board up to its containers, without the last brace. */
void status_json_board(struct out *out, const struct overview *overview);

/* One container as a JSON object. */
void status_json_container(struct out *out, const struct moment *moment,
                           const struct container_slot *slot, uint32_t index);

#endif
