/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MOD_CONTAINER_LIMIT_STATUS_H
#define MOD_CONTAINER_LIMIT_STATUS_H

/*
 * What limits one service, told to those whom it concerns: below the status page's Location, to the
 * operator or, with a ContainerStatusScope, to a tenant; and on the tenant's own site, by a signed
 * link (common/board/limit_link.h).
 */

#include <httpd.h>
#include <stdbool.h>

#include "mod_container/config.h"

/* At httpd's start, in post_config. */
apr_status_t limit_status_start(apr_pool_t *pool);

/* Whether a target below the Location is TENANT/SERVICE/limits. */
bool limit_status_is_target(const char *target);

/* Answers a request for such a target, of any method. */
int limit_status_show(request_rec *r, const char *target);

/* Whether a routed request asks for LIMIT_LINK_PATH; its answer, of any method. */
bool limit_status_is_link(const request_rec *r);
int limit_status_link(request_rec *r, const struct route *route);

#endif
