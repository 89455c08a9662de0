/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_BOARD_QUERY_H
#define COMMON_BOARD_QUERY_H

/*
 * What may stand behind the '?' of the status page: the format and which containers, in which
 * order. Exact: an unknown key or a bad value is an error that names it. Knows no httpd; any
 * thread. docs/admin-api.md lists the keys.
 */

#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"
#include "common/figures.h"
#include "common/names.h"

#define QUERY_REFRESH_MAX 3600
#define QUERY_LIMIT_MAX   10000
#define QUERY_TEXT_MAX    64
/* A sealed result (token.h), decoded. */
#define QUERY_FLASH_MAX 511
/* Rows of a page for people where no limit is said. */
#define QUERY_LIMIT_HTML 100

enum status_format {
    STATUS_HTML = 0,
    STATUS_AUTO,
    STATUS_JSON,
    STATUS_CSV,
    STATUS_OPENMETRICS,
    STATUS_EVENTS,
    STATUS_FORMATS
};

/* The word behind format=. */
const char *status_format_name(enum status_format format);

/* What the rows are ordered by. */
enum query_order {
    ORDER_FAULTS = 0, /* faults first, then CPU: what an operator looks for */
    ORDER_SLOT,       /* the place on the scoreboard */
    ORDER_FIGURE,     /* the figure in sort */
};

struct status_query {
    enum status_format format;
    unsigned refresh_seconds; /* 0: no refresh */
    bool is_without_table;
    enum query_order order;
    const struct column_figure *sort; /* with ORDER_FIGURE */
    bool is_descending;
    uint32_t states;               /* bit 1 << enum container_state; 0: all */
    char text[QUERY_TEXT_MAX + 1]; /* "" for any */
    char tenant[NAME_MAX_LENGTH + 1];
    char flash[QUERY_FLASH_MAX + 1]; /* the result of a form, not checked; "" for none */
    uint32_t limit;                  /* rows at most; 0: not said */
    uint32_t page;                   /* from 1 */
    bool has_selection;              /* any of sort, state, q, tenant, limit, page was said */
};

/*
 * Reads the query string; NULL and "" are the plain page. Returns 0 or -EINVAL with a sentence that
 * names what is wrong and what would be right.
 */
int status_query_parse(const char *text, struct status_query *query, struct error *error);

#endif
