/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MOD_CONTAINER_TRAFFIC_H
#define MOD_CONTAINER_TRAFFIC_H

/*
 * Counting what httpd does for each service, on the traffic board (common/traffic.h), and showing
 * it. A request counts once, from the moment its route is known to the moment its last byte went to
 * the kernel, whatever it becomes in between: an error page, an internal redirect, sub-requests.
 */

#include <httpd.h>

#include "common/traffic.h"
#include "mod_container/config.h"

/* ---- for pages ---- */

/*
 * The traffic of one service at this very moment; the slot of the scoreboard has the engine's last
 * sample. 0 or -ENOENT: no request yet, or no traffic board.
 */
int traffic_totals(request_rec *r, const char *tenant, const char *service,
                   struct traffic_totals *totals);

/*
 * Requests in flight, the oldest first; the caller's own is among them. Returns how many are in
 * requests, an array of max; *total, unless NULL, gets how many there are.
 */
size_t traffic_in_flight(request_rec *r, const char *tenant, const char *service,
                         struct traffic_request *requests, size_t max, uint32_t *total);

/* The last requests that ended, the newest first; at most TRAFFIC_RECENT. */
size_t traffic_last_requests(request_rec *r, const char *tenant, const char *service,
                             struct traffic_request *requests, size_t max);

/* ---- for hooks ---- */

struct traffic_count;

/*
 * The request belongs to the route's service from now on. What it returns goes into route.h's
 * struct routed, where the end of the request looks for it. NULL: sub-requests do not count, nor
 * does an internal redirect of a request that was counted.
 */
struct traffic_count *traffic_begin(request_rec *r, struct route *route);

/* Refused at the door; the request is not counted as begun. */
void traffic_refuse(request_rec *r, struct route *route);

/* At httpd's start, a child's start, and the end of a request. */
void traffic_register(void);
void traffic_child_init(void);
int traffic_log_transaction(request_rec *r);

#endif
