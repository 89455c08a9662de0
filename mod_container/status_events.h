/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MOD_CONTAINER_STATUS_EVENTS_H
#define MOD_CONTAINER_STATUS_EVENTS_H

/*
 * ?format=events: what each sample changes, as Server-Sent Events (the WHATWG HTML standard, 9.2).
 * A stream holds a worker, so their number is bounded, over all children: EVENTS_MAX, and a quarter
 * of the server's workers; of one child's threads a quarter likewise, but one. A stream ends with
 * its client, with its child, and after an hour; the client comes again by itself.
 */

#include <httpd.h>

#include "common/board/query.h"

#define EVENTS_MAX 16u

/* Called in post_config: the places that the children share, until the configuration goes. */
apr_status_t status_events_start(apr_pool_t *config_pool);

/* Hook child_stopping: the child's streams end. */
void status_events_stop(apr_pool_t *child_pool, int is_graceful);

/* Answers the request until its client or its child goes; 503 when all places are taken. */
int status_events(request_rec *r, const struct status_query *query);

#endif
