/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_LIMIT_KEY_H
#define DAEMON_LIMIT_KEY_H

/*
 * The key of signed links to a service's limits and of the references on limit pages
 * (common/board/limit_link.h). It is made once and kept in the data directory, where only root
 * comes, so that links live through restarts; a copy in the run directory is for httpd's children
 * while the supervisor runs. To revoke all links: stop the supervisor, remove DATA/limit-key, start
 * it.
 */

#include "supervisor/daemon/engine.h"

/* Makes the key if there is none, and its copy. Engine thread, at the start. */
int limit_key_publish(struct engine *engine, struct error *error);

/* Removes the copy. Harmless if there is none. */
void limit_key_withdraw(struct engine *engine);

#endif
