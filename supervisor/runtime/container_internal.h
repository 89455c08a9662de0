/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_CONTAINER_INTERNAL_H
#define RUNTIME_CONTAINER_INTERNAL_H

/* What creation and exec share: the parent's side of a plan. */

#include "supervisor/runtime/container.h"
#include "supervisor/runtime/plan.h"

/* Clones the process of a prepared plan (by way of a joining one, where that is needed): fills pid,
 * pidfd and start_fd of the container. */
int container_clone(struct plan *plan, struct container *container, struct error *error);

/* Reaps the joining process, which ends while the one that it made is at work. */
void container_reap_joiner(struct plan *plan);

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

/* What the process cannot do for itself: its hard limits, its OOM score, its identities. */
int container_prepare_process(const struct plan *plan, struct container *container,
                              struct error *error);

/* Puts the states into the memory files for hooks and for the seccomp agent, once the pid is known.
 */
int container_write_states(const struct plan *plan, pid_t pid, struct error *error);

/* After what the process died, when it closed its end without a report. Reaps nothing. */
int container_explain_death(const struct container *container, const char *doing,
                            struct error *error);

#endif
