/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MOD_CONTAINER_GATE_H
#define MOD_CONTAINER_GATE_H

/*
 * ContainerMaxRequests: so many requests of a service are in flight at once and no more, over all
 * of httpd's children, so that one slow service cannot take all of httpd's workers. A request takes
 * a place before it goes to the service and holds it until its answer went out; internal redirects,
 * sub-requests and error documents go with the place of their first request.
 */

#include <httpd.h>

#include <http_config.h>

#include "mod_container/gate_table.h"

struct gate_hold; /* what a request has at the gate; in route.h's struct routed */
struct route;
struct routed;

/* A refusal, for the page that tells of it. */
struct gate_verdict {
    enum gate_answer answer; /* GATE_FULL, GATE_QUEUE_FULL, GATE_LATE or GATE_CLIENT */
    const struct gate_limit *limit;
    unsigned retry_after_seconds;
    unsigned waited_ms;
    struct gate_figures figures;
};

/* ---- configuration ---- */

/* ContainerMaxRequests N [queue=Q] [deadline=DURATION] [per-client=M] | off */
const char *gate_set_limit(cmd_parms *cmd, void *data, int argc, char *const argv[]);

/* Forgets that the configuration wanted a table; before it is read. */
void gate_reset(void);

/* ---- hooks ---- */

/*
 * post_config: makes the shared memory once for httpd's life, if the configuration wants it. OK, or
 * logs why not.
 */
int gate_start(server_rec *main_server);
void gate_child_init(void);

/* child_stopping: those who wait here leave, if the child does not wait for its requests. */
void gate_stop(apr_pool_t *child_pool, int is_graceful);

/*
 * To be asked before a request is handed to its service; waits in the queue if there is one. True:
 * it has its place, or needs none. Else it was refused, and the handler is to return *answer.
 */
bool gate_pass(request_rec *r, struct routed *routed, int *answer);

/* Answers a refused request with the page of limits, which logs it. Returns what the handler is to
 * return. */
int gate_refuse(request_rec *r, struct route *route, const struct gate_verdict *verdict);

/* ---- for pages ---- */

/* 0 or -ENOENT: the service has no limit, or no request has come yet. */
int gate_read(const char *tenant, const char *service, struct gate_figures *figures);

#endif
