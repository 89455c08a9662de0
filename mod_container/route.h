/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MOD_CONTAINER_ROUTE_H
#define MOD_CONTAINER_ROUTE_H

/*
 * ContainerRoute: from a visitor's request to the socket of a service. A routed request never meets
 * the host's file system (no directory walk, no .htaccess), but for static.h; the service's socket
 * is looked up on the scoreboard at each request.
 */

#include <httpd.h>

/* Hooks, in the order in which a request meets them. */
int route_translate_name(request_rec *r);
int route_map_to_storage(request_rec *r);
int route_type_checker(request_rec *r);
int route_handler(request_rec *r);
void route_insert_error_filter(request_rec *r);

#endif
