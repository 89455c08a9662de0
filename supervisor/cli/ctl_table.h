/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_CTL_TABLE_H
#define CLI_CTL_TABLE_H

/*
 * A table of text for people: columns as wide as their widest cell, two blanks between them, the
 * last one not padded. Cells are cleaned (ctl_text.h) when they are added.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct table;

struct table_column {
    const char *heading;
    bool is_right;    /* figures stand to the right */
    size_t max_width; /* longer cells end in "..."; 0: no bound */
};

/* columns must outlive the table. NULL without memory. */
struct table *table_new(const struct table_column *columns, size_t column_count);
void table_free(struct table *table);

/*
 * Adds the next cell, row by row from left to right. colour is an SGR sequence of ECMA-48
 * section 8.3.117 ("32") or NULL. Returns 0 or -ENOMEM.
 */
int table_add(struct table *table, const char *text, const char *colour);

/* Prints headings and rows; colours only if has_colour. */
void table_print(const struct table *table, FILE *file, bool has_colour);

static inline void cleanup_table(struct table **table)
{
    table_free(*table);
}
#define _cleanup_table_ __attribute__((cleanup(cleanup_table)))

#endif
