/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MOD_CONTAINER_COLUMNS_H
#define MOD_CONTAINER_COLUMNS_H

/*
 * The one table of what is told about a container. A row is a figure of the machine formats (key,
 * auto_key), a column of the page (label, html), or both; the renderers walk it.
 */

#include <apr_pools.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/scoreboard.h"

enum figure_kind {
    FIGURE_ABSENT = 0, /* not known: "-" on the page, left out of auto, null in JSON */
    FIGURE_TEXT,
    FIGURE_COUNT,
    FIGURE_SIGNED,
    FIGURE_MILLI, /* count is in thousandths */
};

struct figure {
    enum figure_kind kind;
    const char *text; /* as it came; the renderer cleans and escapes it */
    uint64_t count;
    int64_t number; /* FIGURE_SIGNED */
};

/* The time the answer speaks of, the same for all containers. */
struct moment {
    uint64_t boottime_usec;
    uint64_t realtime_usec;
};

struct column {
    const char *key;      /* JSON; NULL: only on the page */
    const char *auto_key; /* ?auto: Container[i]KEY */
    struct figure (*figure)(const struct moment *moment, const struct container_slot *slot);
    const char *label;     /* heading; NULL: not on the page */
    const char *css_class; /* of the cell, or NULL */
    /* The cell's inside, escaped, or NULL for "-". No function: the figure itself. */
    const char *(*html)(apr_pool_t *pool, const struct moment *moment,
                        const struct container_slot *slot);
};

extern const struct column status_columns[];
extern const size_t status_column_count;

/* A figure as text: the pool's, or the slot's own. NULL when it is absent. */
const char *figure_text(apr_pool_t *pool, const struct figure *figure);

/* The page's style class of a state ("good", "busy", "slow", "bad", "off"). */
const char *state_css_class(uint32_t state);

#endif
