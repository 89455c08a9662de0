/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>

#include "supervisor/cli/ctl_top.h"

/*
 * What an order adds up: figures of common/figures.h. Two of them have no figure of their own on
 * the page, which knows only one column at a time.
 */
static const struct {
    int key;
    const char *name;
    const char *figures[2];
} sorts[TOP_SORTS] = {
    [TOP_BY_QUERY] = {0, "as asked", {NULL}},
    [TOP_BY_CPU] = {'c', "CPU", {"cpu_percent"}},
    [TOP_BY_MEMORY] = {'m', "memory", {"memory_bytes"}},
    [TOP_BY_IO] = {'i', "disk I/O", {"io_read_rate", "io_write_rate"}},
    [TOP_BY_NETWORK] = {'n', "network", {"net_receive_rate", "net_transmit_rate"}},
    [TOP_BY_TRAFFIC] = {'t', "requests", {"requests_rate", "requests_in_flight"}},
    [TOP_BY_FAULTS] = {'f', "faults first", {NULL}},
};

const char *top_sort_name(enum top_sort sort)
{
    return sorts[sort].name;
}

int top_sort_of_key(int key, enum top_sort *sort)
{
    for (int i = TOP_BY_CPU; i < TOP_SORTS; i++)
        if (sorts[i].key == key) {
            *sort = (enum top_sort)i;
            return 0;
        }
    return -EINVAL;
}

void top_sort_query(enum top_sort sort, struct status_query *query)
{
    if (sort == TOP_BY_QUERY)
        return;
    query->order = ORDER_FAULTS; /* which ties are left in */
    query->is_descending = false;
}

static uint64_t weight_of(const struct ctl_board *view, enum top_sort sort, uint32_t slot_index)
{
    struct container_slot slot;
    uint64_t weight = 0;

    if (!sorts[sort].figures[0] || !selection_slot(&view->selector, slot_index, &slot))
        return 0;
    for (size_t i = 0; i < 2 && sorts[sort].figures[i]; i++) {
        struct figure figure =
            column_figure_of(column_figure_find(sorts[sort].figures[i]), &view->moment, &slot);
        if (figure.kind != FIGURE_ABSENT)
            weight += figure.count;
    }
    return weight;
}

/* Stable by the place in the view. */
static int compare(const void *one, const void *other)
{
    const struct top_row *a = one, *b = other;

    return a->weight == b->weight ? 0 : a->weight > b->weight ? -1 : 1;
}

int top_rows_take(struct top_rows *rows, const struct ctl_board *view, enum top_sort sort)
{
    uint32_t count = view->selection.count;
    struct top_row *made = reallocarray(rows->rows, count + 1, sizeof(*made));

    if (!made)
        return -ENOMEM;
    rows->rows = made;
    rows->count = count;
    for (uint32_t i = 0; i < count; i++) {
        made[i].slot = view->selection.rows[i].slot;
        made[i].weight = weight_of(view, sort, made[i].slot);
    }
    if (sorts[sort].figures[0])
        qsort(made, count, sizeof(*made), compare); /* glibc merges: equal ones keep their order */
    return 0;
}

void top_rows_free(struct top_rows *rows)
{
    free(rows->rows);
    *rows = (struct top_rows){0};
}
