/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_CTL_BOARD_H
#define CLI_CTL_BOARD_H

/*
 * The board as text, for `status` and `top`: read from the mapped scoreboard, without a word to the
 * supervisor, so it works while that is busy, and while httpd has no worker free for its page. The
 * figures are those of common/figures.h, chosen and ordered as the page does (select.h).
 */

#include "common/board/query.h"
#include "common/board/select.h"
#include "common/figures.h"
#include "common/scoreboard.h"
#include "supervisor/cli/ctl.h"
#include "supervisor/cli/ctl_cell.h"

#define BOARD_CELL_MAX    256
#define BOARD_LINE_MAX    512
#define BOARD_LETTERS_ROW 64

struct ctl_board {
    struct scoreboard_reader *reader;
    struct scoreboard_info info;
    struct host_figures host; /* zeros: not known */
    struct moment moment;
    bool is_live;
    uint64_t age_usec; /* of what the board shows */
    struct selector selector;
    struct selection selection;
    struct figure throttled, requests; /* sums over all containers */
};

/* Maps the board. One whose supervisor has ended is -ESTALE; one that is only late is shown. */
int ctl_board_open(const struct ctl *ctl, struct ctl_board *view, struct error *error);
/* Reads it (again): clocks, host, counts, and the rows that the query chooses. */
int ctl_board_take(struct ctl_board *view, const struct status_query *query, struct error *error);
void ctl_board_close(struct ctl_board *view);

#define _cleanup_ctl_board_ _cleanup_(ctl_board_close)

/* The query that the options say (--sort, --state, -q, --limit), of one tenant or NULL. */
int board_query(const struct ctl *ctl, const char *tenant, struct status_query *query,
                struct error *error);

/* A line of the header; 0 to BOARD_HEADER_LINES - 1. "" when there is nothing to tell. */
#define BOARD_HEADER_LINES 4
void board_header(const struct ctl_board *view, unsigned line, char text[BOARD_LINE_MAX]);

/* The columns of the table, the most wanted first. */
struct board_column {
    const char *heading;
    const char *key; /* of common/figures.h; NULL: the name */
    enum cell_look look;
    unsigned width; /* on a screen; tables are as wide as they need to be */
    bool is_right;
    bool is_wide; /* only with -o wide */
};

extern const struct board_column board_columns[];
extern const size_t board_column_count;

/* A cell, as it came: to be cleaned. "" for what is not known. */
void board_cell(const struct ctl_board *view, const struct board_column *column,
                const struct container_slot *slot, char cell[BOARD_CELL_MAX]);

/* Prints all of it: header, letters, faults, table. 0 or -ENOMEM. */
int board_print(const struct ctl *ctl, const struct ctl_board *view);

/* Writes query->format, one of those for machines, to stdout. 0 or -ENOMEM. */
int board_write(const struct ctl_board *board, const struct status_query *query);

/* Whether a container is to be told among the faults. */
bool board_has_fault(const struct ctl_board *view, const struct container_slot *slot);

/* "42s ago: oom; the container's message", for a line of the faults. */
void board_fault(const struct ctl_board *view, const struct container_slot *slot,
                 char text[BOARD_LINE_MAX]);

#endif
