/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_WHY_H
#define DAEMON_WHY_H

/*
 * Looks into one container, on demand: its processes (`processes`) and what they wait for (`why`).
 *
 * A look is a process of its own, forked from the engine, because a tenant can make files of /proc
 * block: a command line is read out of the memory of the process, which may be mapped from a file
 * system that does not answer. It takes two looks a fifth of a second apart, so that there are
 * rates, and writes its answer into a pipe: first without what may block, then whole. At its
 * deadline it is killed, and the last answer that came counts. The engine never waits for it.
 *
 *     why.c            the engine's side: start, deadline, answer
 *     why_helper.c     what the process does, step by step
 *     why_tasks.c      tasks in uninterruptible sleep
 *     why_files.c      files open for writing
 *     why_devices.c    the disks behind them
 *     why_sentences.c  what all this means, in words
 */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "supervisor/daemon/engine.h"

enum why_kind { WHY_PROCESSES, WHY_REASONS };

/*
 * Begins a look, or joins one that is under way, and sets *number to what control_look_done() will
 * be called with. is_whole: with the arguments of the commands. -EBUSY when too many looks are
 * under way.
 */
int why_ask(struct engine *engine, const struct service *service, enum why_kind kind, bool is_whole,
            uint64_t *number, struct error *error);

/* The answer for a service that has no process; a new reference. */
json_t *why_answer_idle(const struct service *service, enum why_kind kind);

/* Ends all looks. Nobody is answered. */
void why_close(struct engine *engine);

#endif
