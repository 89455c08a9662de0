/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MOD_CONTAINER_STATUS_SERVICE_H
#define MOD_CONTAINER_STATUS_SERVICE_H

/*
 * The page of one service, LOCATION/TENANT/SERVICE: its containers' use, limits and faults from the
 * scoreboard, its requests from the traffic board, and what only the supervisor knows from the
 * control socket, with a short deadline. A panel whose source is silent says so; the page comes.
 */

#include <httpd.h>

/* Answers GET; target is "TENANT/SERVICE", not checked. Returns what the handler is to return. */
int status_page_service(request_rec *r, const char *target);

#endif
