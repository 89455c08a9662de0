/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_CONTAINER_INTERNAL_H
#define RUNTIME_CONTAINER_INTERNAL_H

/* What creation and exec share: the parent's side of a plan. */

#include "supervisor/runtime/container.h"
#include "supervisor/runtime/plan.h"

/* Whether somebody takes the terminal of a process that has one; else -EINVAL with a sentence. */
int container_check_terminal(const struct plan *plan, bool wants_terminal, struct error *error);

/*
 * Prepares a filled plan, clones its process (by way of a joining one, where that is needed) and
 * does for it what it cannot do itself: pid, pidfd and start_fd of the container are filled. On
 * success and on failure the caller ends with container_finish().
 */
int container_begin(struct plan *plan, struct container *container, struct error *error);

/* Reaps the joining process, which ends while the one that it made is at work, and releases what
 * container_begin() prepared and the cgroup's entry. */
void container_finish(struct plan *plan);

/*
 * Waits for the process's next report that is no warning; warnings are noted and a terminal's
 * master is kept on the way. Returns 1 with it, 0 when the process closed its end (it has executed,
 * or it died), a negative errno.
 */
int container_next_report(struct container *container, const struct plan *plan, int timeout_ms,
                          struct plan_report *report);

/* Lets the process go on. 0 or a negative errno. */
int container_tell(const struct container *container);

/* Adds a line to the container's warnings. */
void container_warn(struct container *container, const char *text);

/* After what the process died, when it closed its end without a report. Reaps nothing. */
int container_explain_death(const struct container *container, const char *doing,
                            struct error *error);

#endif
