/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_RECORD_H
#define DAEMON_RECORD_H

/*
 * RUN/containers/ID/: what a next engine must know of a container (state.json) and how it was
 * started (config.json), and the cleaning up after an engine that died.
 */

#include <jansson.h>

#include "common/error.h"
#include "supervisor/daemon/engine.h"

/* Writes both files. config is the OCI config. */
int record_write(const struct service *service, const char *directory, const json_t *config,
                 struct error *error);

/* Removes the files and the directory. */
void record_remove(const char *directory);

/*
 * Ends what an engine that died left: kills each recorded container by its cgroup, removes cgroups,
 * images' leftovers, sockets and records. Returns how many containers there were, or a negative
 * errno.
 */
int record_clean_leftovers(struct engine *engine, struct error *error);

#endif
