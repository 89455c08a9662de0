/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_MACHINE_H
#define DAEMON_MACHINE_H

/* The machine's own figures, from files of /proc that stay open: load, CPU, memory, pressure. */

#include "common/error.h"
#include "common/scoreboard.h"

struct machine;

/* Opens what there is; a kernel without pressure has none. -ENOMEM. */
int machine_open(struct machine **machine, struct error *error);
void machine_close(struct machine *machine);

/* Fills the part of host that the machine tells; the CPU figure is that since the last call. */
void machine_sample(struct machine *machine, struct host_figures *host);

/* For its unit test: the text of /proc/loadavg, /proc/stat and /proc/meminfo. */
void machine_parse_load(const char *text, struct host_figures *host);
void machine_parse_memory(const char *text, struct host_figures *host);
/* Ticks of all CPUs together, from the first line. False: it is none. */
bool machine_parse_cpu(const char *text, uint64_t *busy, uint64_t *all);

#endif
