/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/daemon/control_server.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "supervisor/daemon/log.h"
#include "supervisor/daemon/service.h"

/* Peers at one time; httpd's children hold one each, for the length of an admin's action. */
#define CONNECTIONS_MAX 128
/* Of these, so many are left for root: a flood by the web group must not lock the operator out. */
#define CONNECTIONS_ROOT  16
#define IDLE_TIMEOUT_USEC (CONTROL_TIMEOUT_MS * UINT64_C(1000))
#define SEND_TIMEOUT_MS   1000

/* Of what a peer says of itself. */
#define ACTOR_MEMBERS_MAX 10
#define ACTOR_KEY_MAX     32
#define ACTOR_TEXT_MAX    128

struct waiting {
    struct service *service; /* NULL: nothing is waited for */
    enum wait_for what;
    uint32_t run;
    bool is_changed;
    uint64_t look; /* WAIT_LOOK: its number */
};

struct connection {
    struct connection *next;
    struct control_server *server;
    int fd;
    enum control_role role;
    uid_t uid;
    pid_t pid;
    char actor[256];
    json_t *actor_json;
    struct service *ordered; /* what the request is to change; its end is noted there */
    const char *order;       /* the verb */
    bool is_broken;
    struct waiting waiting;
    sd_event_source *source, *timer;
};

struct control_server {
    struct engine *engine;
    char path[PATH_MAX];
    int fd;
    sd_event_source *source;
    struct connection *connections;
    unsigned count;
};

enum control_role connection_role(const struct connection *connection)
{
    return connection->role;
}

const char *connection_actor(const struct connection *connection)
{
    return connection->actor;
}

const json_t *connection_actor_json(const struct connection *connection)
{
    return connection->actor_json;
}

static void close_connection(struct connection *connection)
{
    struct control_server *server = connection->server;

    for (struct connection **link = &server->connections; *link; link = &(*link)->next)
        if (*link == connection) {
            *link = connection->next;
            break;
        }
    server->count--;
    connection->source = sd_event_source_disable_unref(connection->source);
    connection->timer = sd_event_source_disable_unref(connection->timer);
    close(connection->fd);
    json_decref(connection->actor_json);
    free(connection);
}

static void set_deadline(struct connection *connection, uint64_t usec)
{
    sd_event_source_set_time_relative(connection->timer, usec);
    sd_event_source_set_enabled(connection->timer, SD_EVENT_ONESHOT);
}

void connection_order(struct connection *connection, struct service *service, const char *verb)
{
    connection->ordered = service;
    connection->order = verb;
    service_note_event(service, LOG_LEVEL_INFO, connection->actor_json, NULL, "%s asked by %s",
                       verb, connection->actor);
}

/* The other end of an order: whoever reads the journal sees what became of it. */
static void note_end(struct connection *connection, const json_t *answer)
{
    struct service *service = connection->ordered;
    const char *code = json_string_value(json_object_get(answer, "code"));
    const char *message = json_string_value(json_object_get(answer, "message"));

    if (!service)
        return;
    connection->ordered = NULL;
    service_note_event(service, LOG_LEVEL_INFO, connection->actor_json, NULL, "%s: %s%s%.200s",
                       connection->order,
                       answer && !code ? "ok"
                       : code          ? code
                                       : "failed",
                       message ? ": " : "", message ? message : "");
}

/* Never waits for a slow peer longer than SEND_TIMEOUT_MS; one that takes no answer is dropped. */
static void send_answer(struct connection *connection, const json_t *answer)
{
    struct error error = ERROR_INIT;

    connection->waiting.service = NULL;
    note_end(connection, answer);
    int r = answer ? control_send(connection->fd, answer, SEND_TIMEOUT_MS, &error) : -ENOMEM;
    if (r == -EMSGSIZE) {
        _cleanup_json_ json_t *refusal =
            control_refusal(CONTROL_TOO_LARGE, "the answer is larger than 64 KiB");
        r = control_send(connection->fd, refusal, SEND_TIMEOUT_MS, &error);
    }
    if (r < 0) {
        log_debug("answer to %s: %s", connection->actor, error.message);
        connection->is_broken = true;
    }
    set_deadline(connection, IDLE_TIMEOUT_USEC);
}

void connection_answer(struct connection *connection, json_t *answer)
{
    _cleanup_json_ json_t *owned = answer;

    if (owned)
        json_object_set_new(owned, "version", json_integer(CONTROL_VERSION));
    send_answer(connection, owned);
}

void connection_refuse(struct connection *connection, enum control_code code, const char *format,
                       ...)
{
    char message[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    _cleanup_json_ json_t *refusal = control_refusal(code, message);
    send_answer(connection, refusal);
}

json_t *service_state_answer(const struct service *service, bool is_changed)
{
    return json_pack("{s:b, s:s, s:s, s:s, s:i, s:b}", "ok", 1, "tenant", service->tenant,
                     "service", service->spec->name, "state", container_state_name(service->state),
                     "pid", service->has_container ? (int)service->container.pid : 0, "changed",
                     is_changed);
}

/* ---- waiting requests ---- */

static void check_waiting(struct connection *connection, const struct service *service)
{
    const struct waiting *waiting = &connection->waiting;
    bool is_changed = waiting->is_changed;

    if (waiting->what == WAIT_LOOK)
        return;
    if (waiting->what == WAIT_STOPPED) {
        if (service->ended - waiting->run < UINT32_MAX / 2 && !service->has_container)
            connection_answer(connection, service_state_answer(service, is_changed));
        return;
    }
    if (service->run - waiting->run >= UINT32_MAX / 2)
        return;
    if (service->state == CONTAINER_RUNNING || service->state == CONTAINER_PAUSED)
        connection_answer(connection, service_state_answer(service, is_changed));
    else if (service->ended - waiting->run < UINT32_MAX / 2 && !service->has_container)
        connection_refuse(connection, CONTROL_FAILED, "%s/%s is %s: %s", service->tenant,
                          service->spec->name, container_state_name(service->state),
                          service->message[0] ? service->message : "it ended at once");
}

void control_service_changed(struct control_server *server, struct service *service)
{
    for (struct connection *c = server ? server->connections : NULL; c; c = c->next)
        if (c->waiting.service == service)
            check_waiting(c, service);
}

void control_service_gone(struct control_server *server, struct service *service)
{
    for (struct connection *c = server ? server->connections : NULL; c; c = c->next)
        if (c->waiting.service == service)
            connection_refuse(c, CONTROL_NOT_FOUND, "%s/%s was removed", service->tenant,
                              service->spec->name);
}

void connection_wait(struct connection *connection, struct service *service, enum wait_for what,
                     uint32_t run, unsigned wait_ms, bool is_changed)
{
    if (wait_ms == 0) {
        connection_answer(connection, service_state_answer(service, is_changed));
        return;
    }
    connection->waiting =
        (struct waiting){.service = service, .what = what, .run = run, .is_changed = is_changed};
    set_deadline(connection, wait_ms * UINT64_C(1000));
    check_waiting(connection, service);
}

void connection_wait_look(struct connection *connection, struct service *service, uint64_t number)
{
    connection->waiting = (struct waiting){.service = service, .what = WAIT_LOOK, .look = number};
    set_deadline(connection, IDLE_TIMEOUT_USEC);
}

void control_look_done(struct control_server *server, uint64_t number, json_t *answer)
{
    _cleanup_json_ json_t *owned = answer;

    for (struct connection *c = server ? server->connections : NULL; c; c = c->next) {
        if (!c->waiting.service || c->waiting.what != WAIT_LOOK || c->waiting.look != number)
            continue;
        if (owned)
            connection_answer(c, json_incref(owned));
        else
            connection_refuse(c, CONTROL_FAILED, "%s/%s: the look into it came to no end in time",
                              c->waiting.service->tenant, c->waiting.service->spec->name);
    }
}

/* ---- connections ---- */

static int on_deadline(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct connection *connection = userdata;
    const struct service *service = connection->waiting.service;

    (void)source;
    (void)usec;
    if (!service) {
        close_connection(connection);
        return 0;
    }
    _cleanup_json_ json_t *answer =
        control_refusal(CONTROL_TIMEOUT, "accepted, but not done within the time given");
    if (answer)
        json_object_set_new(answer, "state", json_string(container_state_name(service->state)));
    send_answer(connection, answer);
    return 0;
}

/*
 * What the kernel knows of the peer, and behind it what it says of itself: texts and whole numbers,
 * few and short, for they go into the journal.
 */
static json_t *describe_actor(const struct connection *connection, const json_t *said)
{
    json_t *actor =
        json_pack("{s:I, s:i}", "uid", (json_int_t)connection->uid, "pid", (int)connection->pid);
    const char *key;
    json_t *value;

    json_object_foreach ((json_t *)said, key, value) {
        if (json_object_size(actor) >= ACTOR_MEMBERS_MAX || strlen(key) > ACTOR_KEY_MAX ||
            json_object_get(actor, key))
            continue;
        size_t length = json_string_length(value);
        if (json_is_string(value))
            json_object_set_new(actor, key,
                                control_text(json_string_value(value),
                                             length < ACTOR_TEXT_MAX ? length : ACTOR_TEXT_MAX));
        else if (json_is_integer(value))
            json_object_set(actor, key, value);
    }
    return actor;
}

static void note_actor(struct connection *connection, const json_t *request)
{
    const json_t *actor = json_object_get(request, "actor");
    const char *user = json_string_value(json_object_get(actor, "user"));
    const char *ip = json_string_value(json_object_get(actor, "ip"));

    snprintf(connection->actor, sizeof(connection->actor), "uid=%u pid=%d%s%.80s%s%.64s",
             connection->uid, connection->pid, user ? " user=" : "", user ? user : "",
             ip ? " ip=" : "", ip ? ip : "");
    json_decref(connection->actor_json);
    connection->actor_json = describe_actor(connection, actor);
}

static int on_request(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    struct connection *connection = userdata;
    _cleanup_json_ json_t *request = NULL;
    struct error error = ERROR_INIT;

    (void)source;
    (void)events;
    int r = control_receive(fd, &request, &error);
    if (r == -EAGAIN)
        return 0;
    if (r == -EMSGSIZE || r == -EBADMSG) {
        connection_refuse(connection, r == -EMSGSIZE ? CONTROL_TOO_LARGE : CONTROL_BAD_REQUEST,
                          "%s", error.message);
    } else if (r <= 0) {
        connection->is_broken = true;
    } else if (connection->waiting.service) {
        connection_refuse(connection, CONTROL_BAD_REQUEST,
                          "a request is under way on this connection");
        connection->is_broken = true;
    } else {
        note_actor(connection, request);
        set_deadline(connection, IDLE_TIMEOUT_USEC);
        verbs_dispatch(connection->server->engine, connection, request);
    }
    if (connection->is_broken)
        close_connection(connection);
    return 0;
}

static int add_connection(struct control_server *server, int fd, enum control_role role, uid_t uid,
                          pid_t pid)
{
    struct connection *connection = calloc(1, sizeof(*connection));

    if (!connection)
        return -ENOMEM;
    *connection = (struct connection){
        .next = server->connections,
        .server = server,
        .fd = fd,
        .role = role,
        .uid = uid,
        .pid = pid,
    };
    int r = sd_event_add_io(server->engine->loop, &connection->source, fd, EPOLLIN, on_request,
                            connection);
    if (r >= 0)
        r = sd_event_add_time_relative(server->engine->loop, &connection->timer, CLOCK_BOOTTIME,
                                       IDLE_TIMEOUT_USEC, 1000, on_deadline, connection);
    if (r < 0) {
        sd_event_source_disable_unref(connection->source);
        free(connection);
        return r;
    }
    server->connections = connection;
    server->count++;
    return 0;
}

static int on_connect(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    struct control_server *server = userdata;
    uid_t uid = (uid_t)-1;
    pid_t pid = -1;

    (void)source;
    (void)events;
    _cleanup_close_ int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (peer < 0)
        return 0;
    enum control_role role = control_peer_role(peer, server->engine->settings.web_gid, &uid, &pid);
    unsigned allowed =
        role == CONTROL_ROLE_ROOT ? CONNECTIONS_MAX : CONNECTIONS_MAX - CONNECTIONS_ROOT;
    _cleanup_json_ json_t *refusal = NULL;
    if (role == CONTROL_ROLE_NONE)
        refusal = control_refusal(CONTROL_FORBIDDEN, "only root and the web group may ask");
    else if (server->count >= allowed)
        refusal = control_refusal(CONTROL_BUSY, "too many connections; try again");
    if (refusal) {
        control_send(peer, refusal, 0, NULL);
        return 0;
    }
    if (add_connection(server, peer, role, uid, pid) == 0)
        steal_fd(&peer);
    return 0;
}

int control_server_open(struct engine *engine, struct control_server **server, struct error *error)
{
    _cleanup_free_ struct control_server *made = calloc(1, sizeof(*made));

    if (!made)
        return error_sys(error, ENOMEM, "control socket");
    made->engine = engine;
    int r = path_control_socket(&engine->settings.paths, made->path, error);
    if (r < 0)
        return r;
    made->fd = control_listen(made->path, engine->settings.web_gid, error);
    if (made->fd < 0)
        return made->fd;
    r = sd_event_add_io(engine->loop, &made->source, made->fd, EPOLLIN, on_connect, made);
    if (r < 0) {
        close(made->fd);
        unlink(made->path);
        return error_sys(error, -r, "watch the control socket");
    }
    *server = steal_ptr(made);
    return 0;
}

void control_server_close(struct control_server *server)
{
    if (!server)
        return;
    while (server->connections)
        close_connection(server->connections);
    sd_event_source_disable_unref(server->source);
    close(server->fd);
    unlink(server->path);
    free(server);
}
