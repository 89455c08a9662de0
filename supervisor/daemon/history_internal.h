/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_HISTORY_INTERNAL_H
#define DAEMON_HISTORY_INTERNAL_H

/* What history.c (the running past), history_restore.c (after a start) and history_read.c (what is
 * asked for) share. */

#include "supervisor/daemon/history.h"
#include "supervisor/daemon/service.h"

/* Minutes of half an hour, those of an old board, and the half hour itself. */
#define PENDING_MAX 100
#define PENDING_DUE 70

/* What is to be written to disk. */
struct history_pending {
    size_t count;
    bool is_due;
    struct history_record records[PENDING_MAX];
};

/* Adds a step to what is to be written. */
void history_add_record(struct service *service, enum history_grain grain, uint64_t number,
                        const struct history_step *step);

/* The running sum of a grain, and what it comes to by now. */
struct history_sum *history_sum_of(struct sampling *sampling, enum history_grain grain);
struct history_step history_step_of(const struct history_sum *sum);

#endif
