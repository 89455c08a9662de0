/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MOD_CONTAINER_ADMIN_LIMIT_H
#define MOD_CONTAINER_ADMIN_LIMIT_H

/* ContainerAdminLimit: how many admin calls a minute one client may make, over all children. */

#include <httpd.h>

#include "mod_container/config.h"

/* Makes the shared table; called in post_config. A restart begins to count anew. */
apr_status_t admin_limit_start(apr_pool_t *config_pool);

/*
 * Counts a call. Returns 0, or after how many seconds the client may try again. A client is an
 * address (after mod_remoteip), with IPv6 a network of 64 bits, for a host has a whole one.
 */
unsigned admin_limit_take(const request_rec *r, const struct location_config *config);

#endif
