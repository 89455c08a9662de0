/* SPDX-License-Identifier: Apache-2.0 */
/* containerctl status: the whole board, once. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"
#include "supervisor/cli/ctl_board.h"
#include "supervisor/cli/ctl_table.h"
#include "supervisor/cli/ctl_text.h"

/* SGR colours of the letters, never without the letter. */
static const char *colour_of(uint32_t state)
{
    switch (state) {
    case CONTAINER_RUNNING:
    case CONTAINER_WORKING:
        return "32";
    case CONTAINER_LIMITED:
    case CONTAINER_BACKOFF:
        return "33";
    case CONTAINER_UNHEALTHY:
    case CONTAINER_FAILED:
        return "31";
    default:
        return NULL;
    }
}

static void print_letters(const struct ctl_board *view)
{
    const struct selection *selection = &view->selection;

    if (selection->letter_count)
        putchar('\n');
    for (uint32_t i = 0; i < selection->letter_count; i += BOARD_LETTERS_ROW)
        printf("%.*s\n", BOARD_LETTERS_ROW, selection->letters + i);
}

static void print_faults(const struct ctl_board *view)
{
    struct container_slot slot;
    char name[2 * NAME_MAX_LENGTH + 2], text[BOARD_LINE_MAX];
    bool has_any = false;

    for (uint32_t i = 0; i < view->selection.count; i++) {
        if (!selection_slot(&view->selector, view->selection.rows[i].slot, &slot) ||
            !board_has_fault(view, &slot))
            continue;
        fputs(has_any ? "" : "\nFaults\n", stdout);
        snprintf(name, sizeof(name), "%s/%s", slot.tenant, slot.service);
        text_print_clean(stdout, name, strlen(name));
        fputs(": ", stdout);
        board_fault(view, &slot, text);
        text_print_clean(stdout, text, strlen(text));
        putchar('\n');
        has_any = true;
    }
}

static int print_table(const struct ctl *ctl, const struct ctl_board *view)
{
    struct table_column shown[32];
    const struct board_column *columns[ARRAY_LENGTH(shown)];
    struct container_slot slot;
    char cell[BOARD_CELL_MAX];
    size_t count = 0;

    for (size_t i = 0; i < board_column_count && count < ARRAY_LENGTH(shown); i++) {
        if (board_columns[i].is_wide && ctl->output != CTL_OUTPUT_WIDE)
            continue;
        columns[count] = &board_columns[i];
        shown[count++] = (struct table_column){
            .heading = board_columns[i].heading,
            .is_right = board_columns[i].is_right,
            .max_width =
                ctl->no_trunc || board_columns[i].is_right ? 0 : 2 * board_columns[i].width,
        };
    }
    _cleanup_table_ struct table *table = table_new(shown, count);
    if (!table)
        return -ENOMEM;
    for (uint32_t row = 0; row < view->selection.count; row++) {
        if (!selection_slot(&view->selector, view->selection.rows[row].slot, &slot))
            continue;
        for (size_t i = 0; i < count; i++) {
            bool is_state = columns[i]->key && strcmp(columns[i]->key, "state") == 0;
            board_cell(view, columns[i], &slot, cell);
            if (table_add(table, cell, is_state ? colour_of(slot.state) : NULL) < 0)
                return -ENOMEM;
        }
    }
    putchar('\n');
    table_print(table, stdout, ctl->has_colour);
    return 0;
}

int board_print(const struct ctl *ctl, const struct ctl_board *view)
{
    char line[BOARD_LINE_MAX];

    for (unsigned i = 0; i < BOARD_HEADER_LINES; i++) {
        board_header(view, i, line);
        if (!*line)
            continue;
        text_print_clean(stdout, line, strlen(line));
        putchar('\n');
    }
    print_letters(view);
    print_faults(view);
    int r = print_table(ctl, view);
    if (view->selection.count < view->selection.matched)
        printf("... %u of %u\n", view->selection.count, view->selection.matched);
    return r;
}

int ctl_status(const struct ctl *ctl, int count, char **args)
{
    _cleanup_ctl_board_ struct ctl_board view = {0};
    struct status_query query;
    struct error error = ERROR_INIT;

    if (board_query(ctl, count ? args[0] : NULL, &query, &error) < 0)
        return ctl_usage(ctl, "%s", error.message);
    int r = ctl_board_open(ctl, &view, &error);
    if (r == 0)
        r = ctl_board_take(&view, &query, &error);
    if (r == 0)
        r = ctl->output == CTL_OUTPUT_TABLE || ctl->output == CTL_OUTPUT_WIDE
                ? board_print(ctl, &view)
                : board_write(&view, &query);
    if (r == -ENOMEM && !error.code)
        error_sys(&error, ENOMEM, "show the board");
    return r < 0 ? ctl_fail(ctl, NULL, r, CONTROL_OK, &error) : CTL_OK;
}
