/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MOD_CONTAINER_ADMIN_H
#define MOD_CONTAINER_ADMIN_H

/*
 * Admin calls: POST to LOCATION/TENANT/SERVICE, or to LOCATION/TENANT for all of its services,
 * becomes requests on the supervisor's control socket (docs/admin-api.md). httpd's access rules
 * have passed by then; the supervisor checks the names and what the web group may do once more.
 *
 *     admin.c         who may call at all, and what is ordered
 *     order.c         the order in the body
 *     admin_call.c    the calls of the supervisor
 *     admin_answer.c  the audit line; JSON, or a redirect back to the page
 *     throttle.c, token.c, origin.c, scope.c   limits, forms, other sites, tenants
 */

#include <httpd.h>

struct order;

/*
 * What stands behind the Location's path: "" for the Location itself, "TENANT" or "TENANT/SERVICE"
 * below it (not checked). base is NULL for a LocationMatch: then the last two of at least three
 * segments. Points into uri.
 */
const char *admin_target_of(const char *uri, const char *base);

/* "TENANT/SERVICE", or "TENANT". */
const char *admin_target_name(apr_pool_t *pool, const struct order *order);

/*
 * Answers a request for a target that is neither GET nor HEAD; the caller has seen that
 * ContainerAdmin is on.
 */
int admin_handle(request_rec *r);

/* Hook: the handler container-admin. */
int admin_handler(request_rec *r);

#endif
