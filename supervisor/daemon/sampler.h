/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_SAMPLER_H
#define DAEMON_SAMPLER_H

/* Once an interval: reads the figures of every container that runs, writes its slot, and says on
 * the board that the engine lives. */

#include "supervisor/daemon/engine.h"

/* Starts the timer. 0 or a negative errno. */
int sampler_start(struct engine *engine, struct error *error);

#endif
