/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MOD_CONTAINER_COLUMNS_H
#define MOD_CONTAINER_COLUMNS_H

/*
 * The columns of the page's tables: what a cell adds, for people, to the figures of
 * common/figures.h, which drive all other formats. A column is one row of the table.
 */

#include <stdbool.h>

#include "common/figures.h"
#include "mod_container/html.h"

/* One container, as it is being written out. */
struct row {
    const struct moment *moment;
    const struct container_slot *slot;
    const struct slot_history *history; /* NULL: there is none */
    struct page *page;
};

struct column {
    const char *key;   /* class "c-KEY" of its cells, name in the choice of columns */
    const char *label; /* heading */
    const char *more;  /* title of the heading, or NULL */
    const char *sort;  /* the figure that sort= orders by, or NULL */
    const char *css;   /* further classes: "n" for numbers, "wide" for wide windows only */
    bool is_sorted_up; /* the first click on the heading orders upwards: names */
    bool (*is_known)(const struct row *row);
    void (*write)(struct out *out, const struct row *row);
};

extern const struct column status_columns[];
extern const size_t status_column_count;

/* The cells that other pages use, too. */
void cell_exit(struct out *out, const struct container_slot *slot, const struct moment *moment);
/* Why a container stands in the section of faults: one or more sentences. */
void cell_reason(struct out *out, const struct container_slot *slot, const struct moment *moment);
/* "throttled by its CPU limit" */
const char *fault_sentence(uint32_t fault);

/* One row of figures as sparklines: CPU in hundredths of a percent, memory in bytes. */
void cell_cpu_spark(struct out *out, const struct row *row);
void cell_memory_spark(struct out *out, const struct row *row);

/* The amount with a bar and its limit: "48 MiB, 75 % of 64 MiB", warm and hot in words, too. */
void write_of_limit(struct out *out, uint64_t value, uint64_t limit,
                    void (*write_value)(struct out *out, uint64_t value));

/* Writers of values with their unit, for charts and cells. */
void write_cpu(struct out *out, uint64_t centi_percent);
void write_bytes(struct out *out, uint64_t bytes);
void write_byte_rate(struct out *out, uint64_t bytes);
void write_number(struct out *out, uint64_t number);
void write_request_rate(struct out *out, uint64_t milli);

#endif
