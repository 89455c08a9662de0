/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_BOARD_VIEW_H
#define COMMON_BOARD_VIEW_H

/* The scoreboard as one answer sees it: who maps it (mod_container/board.h, containerctl) fills it.
 */

#include "common/error.h"
#include "common/scoreboard.h"

enum board_condition {
    BOARD_LIVE = 0,    /* its supervisor answers for it */
    BOARD_STALE,       /* readable, but its supervisor gives no sign of life */
    BOARD_UNREACHABLE, /* none, not readable, or of another version */
};

/* "live", "stale", "unreachable". */
const char *board_condition_name(enum board_condition condition);

struct board_mapping;

struct board_view {
    enum board_condition condition;
    const struct scoreboard_reader *reader; /* NULL when unreachable */
    struct scoreboard_info info;            /* zeros when unreachable */
    uint64_t age_usec;                      /* of the last heartbeat */
    struct error why;                       /* a sentence, unless live */
    struct board_mapping *mapping;
};

#endif
