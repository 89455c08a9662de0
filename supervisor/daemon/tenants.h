/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_TENANTS_H
#define DAEMON_TENANTS_H

/*
 * tenants.d: what is wanted. Reads NAME/compose.yaml (or NAME.yaml) of every tenant, compares with
 * what is there, and changes only what differs. A file with an error changes nothing: what runs
 * goes on running. The directory is watched; changes are taken up half a second after the last of
 * them.
 */

#include <jansson.h>

#include "supervisor/daemon/engine.h"

struct tenants;

/* Opens and watches ETC/tenants.d, made if it is not there. Loads nothing yet. */
int tenants_open(struct engine *engine, struct tenants **tenants, struct error *error);
void tenants_close(struct tenants *tenants);

/*
 * Brings the services in line with the files. Returns
 * {"added","removed","changed","unchanged","errors"}, a new reference (docs/control-protocol.md,
 * "apply"). Errors are logged too.
 */
json_t *tenants_reload(struct tenants *tenants);

/* Reads all files and only says what is wrong: the number of errors, each written to standard
 * error. */
int tenants_check(const struct settings *settings);

#endif
