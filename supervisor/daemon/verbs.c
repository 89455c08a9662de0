/* SPDX-License-Identifier: Apache-2.0 */

/* The verbs of the control socket, one row each: who may call it, which members it takes, what it
 * does. */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/scoreboard.h"
#include "supervisor/daemon/control_server.h"
#include "supervisor/daemon/history.h"
#include "supervisor/daemon/inspect.h"
#include "supervisor/daemon/journal.h"
#include "supervisor/daemon/logread.h"
#include "supervisor/daemon/mail.h"
#include "supervisor/daemon/service.h"
#include "supervisor/daemon/tenants.h"
#include "supervisor/daemon/why.h"

#define WAIT_MAX_MS      60000
#define LOGS_WAIT_MAX_MS 5000
#define LIST_BUDGET      48000

enum member {
    MEMBER_TENANT = 1 << 0,
    MEMBER_SERVICE = 1 << 1,
    MEMBER_WAIT = 1 << 2,
    MEMBER_SIGNAL = 1 << 3,
    MEMBER_AFTER = 1 << 4,
    MEMBER_CURSOR = 1 << 5,
    MEMBER_TAIL = 1 << 6,
    MEMBER_RANGE = 1 << 7,
    MEMBER_TARGET = MEMBER_TENANT | MEMBER_SERVICE, /* both needed; the service is looked up */
};

static const struct {
    const char *name;
    unsigned member;
    json_type type;
} members[] = {
    {"tenant", MEMBER_TENANT, JSON_STRING}, {"service", MEMBER_SERVICE, JSON_STRING},
    {"wait_ms", MEMBER_WAIT, JSON_INTEGER}, {"signal", MEMBER_SIGNAL, JSON_STRING},
    {"after", MEMBER_AFTER, JSON_STRING},   {"cursor", MEMBER_CURSOR, JSON_STRING},
    {"tail", MEMBER_TAIL, JSON_INTEGER},    {"range", MEMBER_RANGE, JSON_STRING},
};

/* A request, checked. */
struct request {
    struct engine *engine;
    struct connection *connection;
    const json_t *json;
    struct service *service; /* with MEMBER_TARGET */
    unsigned wait_ms;
};

static const char *text_of(const struct request *request, const char *name)
{
    return json_string_value(json_object_get(request->json, name));
}

static void refuse_error(const struct request *request, int r, const struct error *error)
{
    enum control_code code = r == -EBUSY    ? CONTROL_CONFLICT
                             : r == -EINVAL ? CONTROL_BAD_REQUEST
                             : r == -EAGAIN ? CONTROL_BUSY
                                            : CONTROL_FAILED;

    if (request->service)
        connection_refuse(request->connection, code, "%s/%s: %s", request->service->tenant,
                          request->service->spec->name, error->message);
    else
        connection_refuse(request->connection, code, "%s", error->message);
}

static void note_action(const struct request *request, const char *verb)
{
    connection_order(request->connection, request->service, verb);
}

static void verb_version(const struct request *request)
{
    static const char *const modes[] = {
        [CGROUP_V1] = "v1", [CGROUP_HYBRID] = "hybrid", [CGROUP_V2] = "v2"};
    struct engine *engine = request->engine;
    const char *network = engine->network ? engine->settings.network_namespace : "none";

    connection_answer(request->connection,
                      json_pack("{s:b, s:s, s:{s:i, s:i}, s:i, s:s, s:s}", "ok", 1, "supervisor",
                                MOD_CONTAINER_VERSION, "abi", "control", CONTROL_VERSION,
                                "scoreboard", (int)SCOREBOARD_ABI, "pid", (int)getpid(), "cgroup",
                                modes[cgroup_driver_mode(engine->cgroups)], "network", network));
}

static void verb_start(const struct request *request)
{
    struct service *service = request->service;
    struct error error = ERROR_INIT;

    note_action(request, "start");
    int r = service_start(service, &error);
    /* One that is just stopping ends this run first; the run that was asked for is the next one. */
    uint32_t run = service->run + (service->state == CONTAINER_STOPPING);
    if (r < 0)
        refuse_error(request, r, &error);
    else
        connection_wait(request->connection, service, WAIT_RUNNING, run, request->wait_ms, r > 0);
}

static void verb_stop(const struct request *request)
{
    struct service *service = request->service;
    uint32_t run = service->run;

    note_action(request, "stop");
    int r = service_stop(service, NEXT_STOPPED);
    if (!service->has_container)
        connection_answer(request->connection, service_state_answer(service, r > 0));
    else
        connection_wait(request->connection, service, WAIT_STOPPED, run, request->wait_ms, r > 0);
}

static void verb_restart(const struct request *request)
{
    struct service *service = request->service;
    struct error error = ERROR_INIT;
    uint32_t run = service->has_container ? service->run + 1 : service->run;

    note_action(request, "restart");
    int r = service_restart(service, &error);
    if (r < 0)
        refuse_error(request, r, &error);
    else
        connection_wait(request->connection, service, WAIT_RUNNING, run, request->wait_ms, true);
}

static void verb_pause(const struct request *request)
{
    struct error error = ERROR_INIT;

    note_action(request, "pause");
    int r = service_pause(request->service, &error);
    if (r < 0)
        refuse_error(request, r, &error);
    else
        connection_answer(request->connection, service_state_answer(request->service, r > 0));
}

static void verb_resume(const struct request *request)
{
    struct error error = ERROR_INIT;

    note_action(request, "resume");
    int r = service_resume(request->service, &error);
    if (r < 0)
        refuse_error(request, r, &error);
    else
        connection_answer(request->connection, service_state_answer(request->service, r > 0));
}

/* "SIGHUP" or "HUP". */
static int signal_number(const char *name)
{
    if (strncmp(name, "SIG", 3) == 0)
        name += 3;
    for (int signal = 1; signal < SIGRTMIN; signal++) {
        const char *known = sigabbrev_np(signal);
        if (known && strcmp(known, name) == 0)
            return signal;
    }
    return -EINVAL;
}

static void verb_kill(const struct request *request)
{
    struct service *service = request->service;
    struct error error = ERROR_INIT;
    const char *name = text_of(request, "signal");
    int signal = name ? signal_number(name) : SIGKILL;

    if (signal < 0) {
        connection_refuse(request->connection, CONTROL_BAD_REQUEST,
                          "signal: \"%.40s\" is not a signal; write SIGHUP or HUP", name);
        return;
    }
    note_action(request, "kill");
    uint32_t run = service->run;
    int r = service_kill(service, signal, &error);
    if (r < 0)
        refuse_error(request, r, &error);
    else if (signal != SIGKILL || !service->has_container)
        connection_answer(request->connection, service_state_answer(service, true));
    else
        connection_wait(request->connection, service, WAIT_STOPPED, run, request->wait_ms, true);
}

static void verb_inspect(const struct request *request)
{
    bool is_whole = connection_role(request->connection) == CONTROL_ROLE_ROOT;

    connection_answer(request->connection, inspect_answer(request->service, is_whole));
}

static int compare_services(const void *a, const void *b)
{
    const struct service *left = *(struct service *const *)a, *right = *(struct service *const *)b;
    int order = strcmp(left->tenant, right->tenant);

    return order ? order : strcmp(left->spec->name, right->spec->name);
}

/* All services in the order of their names, so that a list goes on where it ended whatever came and
 * went. */
static const struct service **sorted_services(struct engine *engine, size_t *count)
{
    size_t n = 0;

    for (const struct service *s = engine->services; s; s = s->next_service)
        n++;
    const struct service **list = calloc(n + 1, sizeof(*list));
    *count = list ? n : 0;
    n = 0;
    for (const struct service *s = engine->services; list && s; s = s->next_service)
        list[n++] = s;
    if (n > 1)
        qsort(list, n, sizeof(*list), compare_services);
    return list;
}

/* Whether s comes behind "TENANT/SERVICE", which need not exist any more. */
static bool is_behind(const struct service *s, const char *after)
{
    const char *slash = strchr(after, '/');
    int order = strncmp(s->tenant, after, (size_t)(slash - after));

    if (order == 0)
        order = s->tenant[slash - after] ? 1 : strcmp(s->spec->name, slash + 1);
    return order > 0;
}

static json_t *list_entry(const struct service *s)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:i}", "tenant", s->tenant, "service", s->spec->name,
                     "id", s->id, "state", container_state_name(s->state), "pid",
                     s->has_container ? (int)s->container.pid : 0);
}

static void verb_list(const struct request *request)
{
    const char *tenant = text_of(request, "tenant"), *after = text_of(request, "after");
    json_t *containers = json_array(), *answer;
    size_t used = 0, count;

    if (after && !strchr(after, '/')) {
        json_decref(containers);
        connection_refuse(request->connection, CONTROL_BAD_REQUEST,
                          "after: \"%.80s\" is not TENANT/SERVICE", after);
        return;
    }
    answer = json_pack("{s:b, s:o}", "ok", 1, "containers", containers);
    _cleanup_free_ const struct service **list = sorted_services(request->engine, &count);
    for (size_t i = 0; answer && i < count; i++) {
        const struct service *s = list[i];
        if ((after && !is_behind(s, after)) || (tenant && strcmp(tenant, s->tenant) != 0))
            continue;
        json_array_append_new(containers, list_entry(s));
        used += strlen(s->tenant) + strlen(s->spec->name) + strlen(s->id) + 100;
        if (used > LIST_BUDGET && i + 1 < count) {
            json_object_set_new(answer, "next", json_sprintf("%s/%s", s->tenant, s->spec->name));
            break;
        }
    }
    connection_answer(request->connection, answer);
}

static bool may_read_logs(const struct request *request)
{
    return connection_role(request->connection) == CONTROL_ROLE_ROOT ||
           request->engine->settings.web_may_read_logs;
}

static void verb_logs(const struct request *request)
{
    const json_t *tail = json_object_get(request->json, "tail");
    struct service *service = request->service;
    struct error error = ERROR_INIT;
    json_t *lines = NULL;
    char cursor[64];
    int more;

    if (!may_read_logs(request)) {
        connection_refuse(request->connection, CONTROL_FORBIDDEN,
                          "logs: only root may do this, for web_may_read_logs is not set");
        return;
    }
    if (tail && json_integer_value(tail) < 0) {
        connection_refuse(request->connection, CONTROL_BAD_REQUEST, "tail: must not be negative");
        return;
    }
    int r = logread(
        request->engine->data_fd, service->tenant, service->spec->name, text_of(request, "cursor"),
        tail ? (uint64_t)json_integer_value(tail) : UINT64_MAX, &lines, cursor, &more, &error);
    if (r < 0)
        refuse_error(request, r, &error);
    else
        connection_answer(request->connection, json_pack("{s:b, s:o, s:s, s:b}", "ok", 1, "lines",
                                                         lines, "cursor", cursor, "more", more));
}

/* The lines of a log that an ending is remembered by are as secret as the log. */
static void hide_logs(json_t *events)
{
    json_t *event;
    size_t i;

    json_array_foreach (events, i, event) {
        json_object_del(json_object_get(event, "exit"), "log");
    }
}

static void verb_events(const struct request *request)
{
    const json_t *tail = json_object_get(request->json, "tail");
    const struct journal_query query = {
        .tenant = text_of(request, "tenant"),
        .service = text_of(request, "service"),
        .cursor = text_of(request, "cursor"),
        .tail = tail ? (uint64_t)json_integer_value(tail) : UINT64_MAX,
    };
    struct error error = ERROR_INIT;
    char next[JOURNAL_CURSOR_SIZE];
    json_t *events = NULL;
    bool has_more;

    if (tail && json_integer_value(tail) < 0) {
        connection_refuse(request->connection, CONTROL_BAD_REQUEST, "tail: must not be negative");
        return;
    }
    bool is_tenant_bad = query.tenant && !name_is_valid(query.tenant);
    if (is_tenant_bad || (query.service && (!query.tenant || !name_is_valid(query.service)))) {
        connection_refuse(request->connection, CONTROL_BAD_REQUEST,
                          is_tenant_bad ? "tenant: is not a name"
                                        : "service: is not a name, or has no tenant before it");
        return;
    }
    int r = journal_read(request->engine->data_fd, &query, &events, next, &has_more, &error);
    if (r < 0) {
        refuse_error(request, r, &error);
        return;
    }
    if (!may_read_logs(request))
        hide_logs(events);
    connection_answer(request->connection, json_pack("{s:b, s:o, s:s, s:b}", "ok", 1, "events",
                                                     events, "next", next, "more", has_more));
}

static bool is_known(const struct engine *engine, const char *tenant, const char *service)
{
    for (const struct service *s = engine->services; s; s = s->next_service)
        if (strcmp(s->tenant, tenant) == 0 && (!service || strcmp(s->spec->name, service) == 0))
            return true;
    return false;
}

static void verb_mails(const struct request *request)
{
    bool is_whole = connection_role(request->connection) == CONTROL_ROLE_ROOT;
    const char *tenant = text_of(request, "tenant"), *service = text_of(request, "service");
    uint64_t total;

    if (!is_known(request->engine, tenant, service)) {
        connection_refuse(request->connection, CONTROL_NOT_FOUND, "there is no %.63s%s%.63s",
                          tenant, service ? "/" : "", service ? service : "");
        return;
    }
    json_t *mails = mail_list(request->engine, tenant, service, is_whole, &total);
    connection_answer(request->connection, json_pack("{s:b, s:o, s:I}", "ok", 1, "mails", mails,
                                                     "total", (json_int_t)total));
}

static void verb_history(const struct request *request)
{
    const char *text = text_of(request, "range");
    enum history_range range;
    struct error error = ERROR_INIT;

    if (history_range_parse(text, &range) < 0) {
        connection_refuse(request->connection, CONTROL_BAD_REQUEST,
                          "range: \"%.20s\" is none; write 1h, 24h or 30d", text);
        return;
    }
    _cleanup_free_ struct history_series *series = malloc(sizeof(*series));
    int r = !series ? error_sys(&error, ENOMEM, "history")
                    : history_read(request->engine, text_of(request, "tenant"),
                                   text_of(request, "service"), range, series, &error);
    if (r < 0)
        refuse_error(request, r, &error);
    else
        connection_answer(request->connection, history_to_json(series));
}

static void ask_why(const struct request *request, enum why_kind kind)
{
    bool is_whole = connection_role(request->connection) == CONTROL_ROLE_ROOT;
    struct error error = ERROR_INIT;
    uint64_t number;

    if (!request->service->has_container) {
        connection_answer(request->connection, why_answer_idle(request->service, kind));
        return;
    }
    int r = why_ask(request->engine, request->service, kind, is_whole, &number, &error);
    if (r < 0)
        refuse_error(request, r, &error);
    else
        connection_wait_look(request->connection, request->service, number);
}

static void verb_processes(const struct request *request)
{
    ask_why(request, WHY_PROCESSES);
}

static void verb_why(const struct request *request)
{
    ask_why(request, WHY_REASONS);
}

static void verb_apply(const struct request *request)
{
    json_t *answer = tenants_reload(request->engine->tenants);

    if (answer)
        json_object_set_new(answer, "ok", json_true());
    connection_answer(request->connection, answer);
}

static const struct {
    const char *name;
    enum control_role role;
    unsigned members, optional;
    void (*run)(const struct request *request);
    bool is_reading; /* answered while the supervisor stops, too */
} verbs[] = {
    {"version", CONTROL_ROLE_WEB, 0, 0, verb_version, true},
    {"list", CONTROL_ROLE_WEB, 0, MEMBER_TENANT | MEMBER_AFTER, verb_list, true},
    {"start", CONTROL_ROLE_WEB, MEMBER_TARGET, MEMBER_WAIT, verb_start, false},
    {"stop", CONTROL_ROLE_WEB, MEMBER_TARGET, MEMBER_WAIT, verb_stop, false},
    {"restart", CONTROL_ROLE_WEB, MEMBER_TARGET, MEMBER_WAIT, verb_restart, false},
    {"pause", CONTROL_ROLE_WEB, MEMBER_TARGET, MEMBER_WAIT, verb_pause, false},
    {"resume", CONTROL_ROLE_WEB, MEMBER_TARGET, MEMBER_WAIT, verb_resume, false},
    {"kill", CONTROL_ROLE_WEB, MEMBER_TARGET, MEMBER_WAIT | MEMBER_SIGNAL, verb_kill, false},
    {"inspect", CONTROL_ROLE_WEB, MEMBER_TARGET, 0, verb_inspect, true},
    {"logs", CONTROL_ROLE_WEB, MEMBER_TARGET, MEMBER_CURSOR | MEMBER_TAIL | MEMBER_WAIT, verb_logs,
     true},
    {"history", CONTROL_ROLE_WEB, MEMBER_TARGET | MEMBER_RANGE, 0, verb_history, true},
    {"processes", CONTROL_ROLE_WEB, MEMBER_TARGET, 0, verb_processes, true},
    {"why", CONTROL_ROLE_WEB, MEMBER_TARGET, 0, verb_why, true},
    {"events", CONTROL_ROLE_WEB, 0, MEMBER_TENANT | MEMBER_SERVICE | MEMBER_CURSOR | MEMBER_TAIL,
     verb_events, true},
    {"mails", CONTROL_ROLE_WEB, MEMBER_TENANT, MEMBER_SERVICE, verb_mails, true},
    {"apply", CONTROL_ROLE_ROOT, 0, 0, verb_apply, false},
};

/* Every member of a request is known to its verb, and of its type. */
static bool check_members(const struct request *request, size_t verb)
{
    unsigned allowed = verbs[verb].members | verbs[verb].optional, seen = 0;
    const char *name;
    json_t *value;

    json_object_foreach ((json_t *)request->json, name, value) {
        size_t m = 0;
        if (strcmp(name, "version") == 0 || strcmp(name, "verb") == 0 || strcmp(name, "actor") == 0)
            continue;
        while (m < ARRAY_LENGTH(members) && strcmp(members[m].name, name) != 0)
            m++;
        if (m == ARRAY_LENGTH(members) || !(members[m].member & allowed)) {
            connection_refuse(request->connection, CONTROL_BAD_REQUEST,
                              "%.80s: not a member of a %s request", name, verbs[verb].name);
            return false;
        }
        if (json_is_null(value) && members[m].member == MEMBER_CURSOR)
            continue;
        if (json_typeof(value) != members[m].type) {
            connection_refuse(request->connection, CONTROL_BAD_REQUEST, "%s: must be %s", name,
                              members[m].type == JSON_STRING ? "a string" : "an integer");
            return false;
        }
        seen |= members[m].member;
    }
    for (size_t m = 0; m < ARRAY_LENGTH(members); m++)
        if (verbs[verb].members & ~seen & members[m].member) {
            connection_refuse(request->connection, CONTROL_BAD_REQUEST, "%s: is missing",
                              members[m].name);
            return false;
        }
    return true;
}

static bool find_target(struct request *request)
{
    const char *tenant = text_of(request, "tenant"), *service = text_of(request, "service");

    request->service = engine_find(request->engine, tenant, service);
    if (!request->service)
        connection_refuse(request->connection, CONTROL_NOT_FOUND,
                          "there is no service %.63s of a tenant %.63s", service, tenant);
    return request->service != NULL;
}

static bool take_wait(struct request *request, int most)
{
    json_int_t wait_ms = json_integer_value(json_object_get(request->json, "wait_ms"));

    if (wait_ms < 0 || wait_ms > most) {
        connection_refuse(request->connection, CONTROL_BAD_REQUEST, "wait_ms: must be within 0..%d",
                          WAIT_MAX_MS);
        return false;
    }
    request->wait_ms = (unsigned)wait_ms;
    return true;
}

void verbs_dispatch(struct engine *engine, struct connection *connection, const json_t *json)
{
    struct request request = {.engine = engine, .connection = connection, .json = json};
    const char *name = json_string_value(json_object_get(json, "verb"));
    json_int_t version = json_integer_value(json_object_get(json, "version"));
    size_t verb = 0;

    if (version != CONTROL_VERSION) {
        connection_refuse(connection, CONTROL_WRONG_VERSION,
                          "the request has version %lld, this supervisor speaks %d",
                          (long long)version, CONTROL_VERSION);
        return;
    }
    while (name && verb < ARRAY_LENGTH(verbs) && strcmp(verbs[verb].name, name) != 0)
        verb++;
    if (!name || verb == ARRAY_LENGTH(verbs)) {
        connection_refuse(connection, name ? CONTROL_NOT_FOUND : CONTROL_BAD_REQUEST,
                          name ? "there is no verb \"%.40s\"" : "verb: is missing", name);
        return;
    }
    if (connection_role(connection) < verbs[verb].role) {
        connection_refuse(connection, CONTROL_FORBIDDEN, "%s: only root may do this", name);
        return;
    }
    if (engine->is_stopping && !verbs[verb].is_reading) {
        connection_refuse(connection, CONTROL_BUSY, "the supervisor is stopping");
        return;
    }
    if (!check_members(&request, verb) ||
        !take_wait(&request, verbs[verb].run == verb_logs ? LOGS_WAIT_MAX_MS : WAIT_MAX_MS))
        return;
    if ((verbs[verb].members & MEMBER_TARGET) == MEMBER_TARGET && !find_target(&request))
        return;
    verbs[verb].run(&request);
}
