/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MOD_CONTAINER_ADMIN_H
#define MOD_CONTAINER_ADMIN_H

/*
 * Admin calls: POST to LOCATION/TENANT/SERVICE becomes one request on the supervisor's control
 * socket (docs/admin-api.md). httpd's access rules have passed by then; the supervisor checks the
 * names and what the web group may do once more.
 */

#include <httpd.h>

/*
 * What stands behind the Location's path: "" for the Location itself, "TENANT/SERVICE" below it
 * (not checked). base is NULL for a LocationMatch: then the last two of at least three segments.
 * Points into uri.
 */
const char *admin_target_of(const char *uri, const char *base);

/* Answers a request for a target; the caller has seen that ContainerAdmin is on. */
int admin_handle(request_rec *r);

/* Hook: the handler container-admin. */
int admin_handler(request_rec *r);

#endif
