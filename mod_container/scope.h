/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MOD_CONTAINER_SCOPE_H
#define MOD_CONTAINER_SCOPE_H

/*
 * ContainerStatusScope: a Location that shows, and acts on, some tenants only. Every renderer asks
 * for each slot, every address asks for its tenant, and what is outside is as if it were not there:
 * 404, the same as for a name that does not exist. Any thread.
 */

#include <stdbool.h>

#include "common/error.h"
#include "mod_container/config.h"

/* Whether the Location shows this tenant. tenant need not be a valid name. */
bool status_scope_allows(const struct location_config *config, const char *tenant);

/* Whether there is a scope at all: then figures of the host and of the supervisor are not shown. */
bool status_scope_is_limited(const struct location_config *config);

/*
 * While the configuration is read: adds a tenant to the scope of this section (NULL: the first).
 * Returns the scope, or NULL with error for a name that no tenant can have.
 */
struct status_scope *status_scope_add(apr_pool_t *pool, struct status_scope *scope,
                                      const char *tenant, struct error *error);

#endif
