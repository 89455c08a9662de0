/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_SAMPLER_H
#define DAEMON_SAMPLER_H

/*
 * Once an interval: reads the figures of every container that runs, writes its slot, and says on
 * the board that the engine lives.
 *
 * What is read of a container depends on what it did, so that the price of looking stays far below
 * that of working. Each turn reads the one file that tells how much CPU it used. If that stands
 * still and nothing else moved when all was read last, then nothing happened: the slot says that
 * its figures are still true. A container that used a little is read in full every five seconds,
 * one that used more at once. The dear part (memory.stat, limits, disk) is read every ten seconds,
 * spread over the containers so that no turn reads all.
 */

#include "supervisor/daemon/engine.h"

/* Starts the timer. 0 or a negative errno. */
int sampler_start(struct engine *engine, struct error *error);

/* Ends it. Harmless where sampler_start() was not called or failed. */
void sampler_close(struct engine *engine);

/* The services of which something was sampled of late, by next_sampled. */
struct service *sampler_services(struct engine *engine);

/* Takes those off that have no container any more. */
void sampler_drop_idle(struct engine *engine);

/* A container of the service runs from now on. */
void sampler_begin_run(struct service *service);

/*
 * Its process has ended and its cgroup is still there: looks a last time, so that no fault is lost.
 * Returns whether the kernel killed a process of this run for lack of memory.
 */
bool sampler_look_back(struct service *service);

/* The container is put away: nothing of it is open any more, and its figures are gone. */
void sampler_end_run(struct service *service);

/* The service goes away. */
void sampler_forget(struct service *service);

#endif
