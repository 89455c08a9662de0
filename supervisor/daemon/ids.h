/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_IDS_H
#define DAEMON_IDS_H

/*
 * Which 65,536 ids of the host a tenant has: DATA/ids.json, {"TENANT": NUMBER}. A tenant keeps its
 * range for ever (a range given to another one would give it the other's files), so entries are
 * never removed.
 */

#include <jansson.h>
#include <stdint.h>

#include "common/error.h"

/* Reads the file below data_fd; an absent file is an empty table. New reference in *ids. */
int ids_load(int data_fd, json_t **ids, struct error *error);

/*
 * The number of the tenant's range, given to it and written to disk (atomically, synced) if it has
 * none yet. -ENOSPC when all `count` are taken.
 */
int ids_take(int data_fd, json_t *ids, const char *tenant, uint32_t count, uint32_t *number,
             struct error *error);

#endif
