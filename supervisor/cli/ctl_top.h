/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_CTL_TOP_H
#define CLI_CTL_TOP_H

/* The orders of `containerctl top`: one key each. */

#include "supervisor/cli/ctl_board.h"

enum top_sort {
    TOP_BY_QUERY, /* what --sort says; without it faults come first */
    TOP_BY_CPU,
    TOP_BY_MEMORY,
    TOP_BY_IO,
    TOP_BY_NETWORK,
    TOP_BY_TRAFFIC,
    TOP_BY_FAULTS,
    TOP_SORTS,
};

/* What the screen calls it. */
const char *top_sort_name(enum top_sort sort);
/* 'c', 'm', 'i', 'n', 't', 'f'; -EINVAL for another key. */
int top_sort_of_key(int key, enum top_sort *sort);
/* Lets the query choose rows for it. */
void top_sort_query(enum top_sort sort, struct status_query *query);

/* Rows in order. */
struct top_row {
    uint64_t weight;
    uint32_t slot;
};

struct top_rows {
    struct top_row *rows;
    uint32_t count;
};

/* Takes the view's rows, in the order of sort. 0 or -ENOMEM. */
int top_rows_take(struct top_rows *rows, const struct ctl_board *view, enum top_sort sort);
void top_rows_free(struct top_rows *rows);

#endif
