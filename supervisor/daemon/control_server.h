/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_CONTROL_SERVER_H
#define DAEMON_CONTROL_SERVER_H

/*
 * The supervisor's end of the control socket (common/control.h, docs/control-protocol.md):
 * connections, their roles and deadlines, and requests that wait for a state. The verbs themselves
 * are in verbs.c.
 */

#include <jansson.h>
#include <stdbool.h>

#include "common/control.h"
#include "supervisor/daemon/engine.h"

struct connection;

int control_server_open(struct engine *engine, struct control_server **server, struct error *error);
/* Closes all connections and removes the socket. NULL is harmless. */
void control_server_close(struct control_server *server);

/* A service changed its state: whoever waited for that is answered. server may be NULL. */
void control_service_changed(struct control_server *server, struct service *service);
/* A service is freed: whoever waited for it is told that it is gone. */
void control_service_gone(struct control_server *server, struct service *service);
/* A look has ended: whoever waited for it gets its answer, which is taken over; NULL: it has none.
 */
void control_look_done(struct control_server *server, uint64_t number, json_t *answer);

/* ---- for verbs.c ---- */

enum control_role connection_role(const struct connection *connection);
/* "uid=0 pid=123", and the actor that a trusted peer named; for notes. */
const char *connection_actor(const struct connection *connection);
/* The same as an object {"uid", "pid", ...} for the journal; belongs to the connection. */
const json_t *connection_actor_json(const struct connection *connection);

/*
 * Notes in the journal who asked for a change of service; when the request is answered, what became
 * of it. verb outlives the connection.
 */
void connection_order(struct connection *connection, struct service *service, const char *verb);

/* Answers; takes the reference. Adds "version". */
void connection_answer(struct connection *connection, json_t *answer);
void connection_refuse(struct connection *connection, enum control_code code, const char *format,
                       ...) __attribute__((format(printf, 3, 4)));

/* What a waiting request waits for. */
enum wait_for {
    WAIT_RUNNING, /* a run after `run` is up, or could not be */
    WAIT_STOPPED, /* run number `run` has ended */
    WAIT_LOOK,    /* connection_wait_look() */
};

/* Puts the connection's request to sleep until the service is there, at most wait_ms. */
void connection_wait(struct connection *connection, struct service *service, enum wait_for what,
                     uint32_t run, unsigned wait_ms, bool is_changed);

/* Puts it to sleep until the look (why.h) has its answer; the look has a deadline of its own. */
void connection_wait_look(struct connection *connection, struct service *service, uint64_t number);

/* {"ok":true,"tenant","service","state","pid","changed"}; a new reference. */
json_t *service_state_answer(const struct service *service, bool is_changed);

/* Handles one request: answers it or puts it to sleep. */
void verbs_dispatch(struct engine *engine, struct connection *connection, const json_t *request);

#endif
