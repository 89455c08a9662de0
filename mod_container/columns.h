/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MOD_CONTAINER_COLUMNS_H
#define MOD_CONTAINER_COLUMNS_H

/*
 * The columns of the page: what a cell of the table adds to the figures of common/figures.h, which
 * drive all other formats.
 */

#include <apr_pools.h>

#include "common/figures.h"

struct column {
    const char *label;     /* heading */
    const char *css_class; /* of the cell */
    const char *sort;      /* the figure (common/figures.h) that sort= orders by */
    /* The cell's inside, escaped, or NULL for "-". */
    const char *(*html)(apr_pool_t *pool, const struct moment *moment,
                        const struct container_slot *slot);
};

extern const struct column status_columns[];
extern const size_t status_column_count;

/* The page's style class of a state ("good", "busy", "slow", "bad", "off"). */
const char *state_css_class(uint32_t state);

#endif
