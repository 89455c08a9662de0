/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/cli/ctl_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/cli/ctl_text.h"

struct cell {
    char *text;
    const char *colour;
};

struct table {
    const struct table_column *columns;
    size_t column_count;
    struct cell *cells;
    size_t cell_count, cell_room;
    size_t *widths;
};

struct table *table_new(const struct table_column *columns, size_t column_count)
{
    struct table *table = calloc(1, sizeof(*table));

    if (!table)
        return NULL;
    table->widths = calloc(column_count, sizeof(*table->widths));
    if (!table->widths) {
        free(table);
        return NULL;
    }
    table->columns = columns;
    table->column_count = column_count;
    for (size_t i = 0; i < column_count; i++)
        table->widths[i] = text_width(columns[i].heading);
    return table;
}

void table_free(struct table *table)
{
    if (!table)
        return;
    for (size_t i = 0; i < table->cell_count; i++)
        free(table->cells[i].text);
    free(table->cells);
    free(table->widths);
    free(table);
}

/* Cuts text to width characters, the last three of them dots. width is at least 4. */
static void shorten(char *text, size_t width)
{
    if (text_width(text) <= width)
        return;
    size_t seen = 0;
    char *at = text;
    for (; *at; at++) {
        seen += ((unsigned char)*at & 0xC0) != 0x80;
        if (seen > width - 3)
            break;
    }
    strcpy(at, "..."); /* there were at least four characters more */
}

int table_add(struct table *table, const char *text, const char *colour)
{
    size_t column = table->cell_count % table->column_count;

    if (table->cell_count == table->cell_room) {
        size_t room = table->cell_room ? 2 * table->cell_room : 64;
        struct cell *cells = reallocarray(table->cells, room, sizeof(*cells));
        if (!cells)
            return -ENOMEM;
        table->cells = cells;
        table->cell_room = room;
    }
    char *clean = text_clean_copy(*text ? text : "-");
    if (!clean)
        return -ENOMEM;
    if (table->columns[column].max_width)
        shorten(clean, table->columns[column].max_width);
    size_t width = text_width(clean);
    if (width > table->widths[column])
        table->widths[column] = width;
    table->cells[table->cell_count++] = (struct cell){.text = clean, .colour = colour};
    return 0;
}

static void print_cell(const struct table *table, FILE *file, size_t column, const char *text,
                       const char *colour)
{
    bool is_last = column + 1 == table->column_count, is_right = table->columns[column].is_right;
    int padding = (int)(table->widths[column] - text_width(text));

    fprintf(file, "%*s", is_right ? padding : 0, "");
    if (colour)
        fprintf(file, "\033[%sm%s\033[0m", colour, text);
    else
        fputs(text, file);
    if (is_last)
        fputc('\n', file);
    else
        fprintf(file, "%*s", (is_right ? 0 : padding) + 2, "");
}

void table_print(const struct table *table, FILE *file, bool has_colour)
{
    for (size_t i = 0; i < table->column_count; i++)
        print_cell(table, file, i, table->columns[i].heading, NULL);
    for (size_t i = 0; i < table->cell_count; i++)
        print_cell(table, file, i % table->column_count, table->cells[i].text,
                   has_colour ? table->cells[i].colour : NULL);
}
