/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_BOARD_SELECT_H
#define COMMON_BOARD_SELECT_H

/*
 * Which containers an answer shows, in which order: one pass over the board that keeps a number and
 * two sort keys a row, never a slot. The renderers read each slot again as they write it out, so
 * that an answer about 65,536 containers takes 2 MB while it is sorted. Linear without an order,
 * n log n with one. Knows no httpd; any thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include "common/board/query.h"
#include "common/cleanup.h"
#include "common/figures.h"
#include "common/scoreboard.h"

/* What to choose from. */
struct selector {
    const struct scoreboard_reader *reader; /* NULL: nothing is known */
    uint32_t slots_used;
    const struct status_query *query;
    struct moment moment;
    /* Whether a tenant may be seen; NULL: all. */
    bool (*allows)(const void *context, const char *tenant);
    const void *context;
};

struct selection_row {
    uint64_t key[2];
    uint32_t slot;
};

struct selection {
    /* The rows to show: this page's, in order. */
    const struct selection_row *rows;
    uint32_t count;
    uint32_t matched; /* rows on all pages together */
    uint32_t pages;   /* at least 1 */

    /* The whole board, whatever is selected, as far as it may be seen. */
    uint32_t containers;
    uint32_t by_state[CONTAINER_STATE_COUNT];
    /* One letter a slot, '?' for one that could not be read, and which slot it is; all slots that
       were ever used, or with a scope those of its containers. */
    char *letters;
    uint32_t *letter_slots;
    uint32_t letter_count;

    struct selection_row *memory; /* all rows; selection_free() gives it back */
};

/* How long a fault counts as one of now: five minutes. */
#define SELECT_FAULT_USEC (300 * UINT64_C(1000000))

/*
 * How bad a container is off, for ORDER_FAULTS and marks on the page: 0 for well, more for a fault
 * of late, running into a limit, unhealthy, waiting after a crash, failed.
 */
unsigned select_fault_rank(const struct moment *moment, const struct container_slot *slot);

/* Whether the query's state, q and tenant choose this slot, which is not open. */
bool select_matches(const struct status_query *query, const struct container_slot *slot);

/* Chooses. 0 or -ENOMEM. The selection is to be freed in both cases. */
int selection_take(const struct selector *selector, struct selection *selection);
void selection_free(struct selection *selection);

#define _cleanup_selection_ _cleanup_(selection_free)

/*
 * Reads the slot of a row for writing it out; false when it can be shown no more: it was opened, is
 * being written, or has another tenant now that may not be seen.
 */
bool selection_slot(const struct selector *selector, uint32_t slot_index,
                    struct container_slot *slot);

/* The same for parts of it, of which SLOT_PART_HEAD is one: scoreboard_slot_read_parts(). */
bool selection_slot_parts(const struct selector *selector, uint32_t slot_index,
                          const struct seqlock_part *parts, size_t count,
                          struct container_slot *slot);

/* For one who needs no more than names and state. */
bool selection_slot_head(const struct selector *selector, uint32_t slot_index,
                         struct container_slot *slot);

#endif
