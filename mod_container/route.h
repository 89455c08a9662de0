/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MOD_CONTAINER_ROUTE_H
#define MOD_CONTAINER_ROUTE_H

/*
 * ContainerRoute: from a visitor's request to the socket of a service. A routed request never meets
 * the host's file system (no directory walk, no .htaccess), but for static.h; the service's socket
 * is looked up on the scoreboard at each request.
 */

#include <httpd.h>

#include "mod_container/config.h"
#include "mod_container/gate.h"
#include "mod_container/traffic.h"

/* What a request of ours carries from hook to hook. */
struct routed {
    struct route *route;
    bool is_static;     /* a file of the tree: its type is asked for */
    bool is_limit_link; /* a signed link to the service's limits (limit_status.h) */
    bool has_mark;      /* it was handed on, and the board said then: */
    struct limit_mark mark;
    struct traffic_count *traffic; /* NULL: not counted, or counted with another of its chain */
    struct gate_hold *hold;        /* NULL: has not been at the gate */
};

/* NULL: the request has no route. */
struct routed *route_of_request(const request_rec *r);

/* Hooks, in the order in which a request meets them. */
int route_translate_name(request_rec *r);
int route_map_to_storage(request_rec *r);
int route_type_checker(request_rec *r);
int route_handler(request_rec *r);
void route_insert_error_filter(request_rec *r);

#endif
