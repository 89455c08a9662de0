/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_BOARD_LIMIT_VIEW_H
#define COMMON_BOARD_LIMIT_VIEW_H

/*
 * What limits one service, for its tenant or for the operator: what is in the way now, the last
 * fault, and each limit with what is used of it. The page, its JSON and containerctl show the same.
 * Knows no httpd; any thread.
 */

#include "common/board/limit_cause.h"
#include "common/board/out.h"

/* One limit, as a row of a table. What is not known is absent, never zero. */
struct limit_row {
    const char *name;  /* for machines: "memory" */
    const char *label; /* for people: "Memory" */
    const char *hits_label;
    enum limit_unit unit;
    bool has_value, has_limit, has_hits;
    uint64_t value, limit;
    uint64_t hits; /* how often it was met in this run */
};

#define LIMIT_ROWS 6

struct limit_view {
    const struct container_slot *slot;
    uint32_t index;
    struct moment moment;
    bool is_operators; /* with what is the machine's and not the tenant's */
    struct limit_cause cause, last;
    char reference[LIMIT_REFERENCE_SIZE]; /* of the cause; "" without one */
    char last_reference[LIMIT_REFERENCE_SIZE];
    struct limit_row rows[LIMIT_ROWS];
};

/* Fills the view; the slot is read, and stays the caller's. */
void limit_view_take(const struct container_slot *slot, uint32_t index, const struct moment *moment,
                     const uint8_t key[SEAL_KEY_SIZE], bool is_operators, struct limit_view *view);

/* One JSON object (docs/admin-api.md), with a line feed behind it. */
void limit_view_json(struct out *out, const struct limit_view *view);

/* "96M", "12", "0.5": a value in its unit. Returns text. */
#define LIMIT_VALUE_SIZE 32
const char *limit_value(enum limit_unit unit, uint64_t value, char text[LIMIT_VALUE_SIZE]);

#endif
