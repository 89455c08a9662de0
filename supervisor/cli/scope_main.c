/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container-runtime-systemd: what the container runtime asks of systemd, in a program of its own,
 * so that the runtime itself links no bus library. One request, a JSON object, comes on standard
 * input, one answer goes to standard output: {"ok": {...}} with exit status 0, or {"error": "..."}
 * with 1. supervisor/runtime/systemd_scope.c writes the request:
 *
 *     action      "start", "set" or "stop"
 *     unit        "libpod-1234.scope"
 *     is_user     the user's own manager instead of the system's
 *     timeout_ms  for the job to end
 *     properties  start, set: [{"name": "TasksMax", "type": "t", "value": 100}, ...], of the table
 *                 below only: nothing else can be asked for (CVE-2024-3154)
 *     slice, description, pid   start
 *
 * "start" answers {"ok": {"control_group": "/system.slice/libpod-1234.scope"}}.
 */
#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/control.h"
#include "common/error.h"

#define REQUEST_MAX  (256 * 1024)
#define TIMEOUT_MAX  600000
#define SERVICE      "org.freedesktop.systemd1"
#define OBJECT       "/org/freedesktop/systemd1"
#define MANAGER      "org.freedesktop.systemd1.Manager"
#define SCOPE        "org.freedesktop.systemd1.Scope"
#define IDLE_SINCE   252                              /* CPUWeight=0 */
#define PRIVATE_PATH "unix:path=/run/systemd/private" /* the manager itself, for root only */

/* The properties that may be asked for; older managers do not know them and go without. */
static const struct property {
    const char *name, *type; /* of D-Bus; "t" also takes "infinity" */
    int since;
} properties[] = {
    {"AllowedCPUs", "ay", 244},     {"AllowedMemoryNodes", "ay", 244}, {"BlockIOWeight", "t", 0},
    {"CPUQuotaPerSecUSec", "t", 0}, {"CPUQuotaPeriodUSec", "t", 242},  {"CPUShares", "t", 0},
    {"CPUWeight", "t", 232},        {"DeviceAllow", "a(ss)", 0},       {"DevicePolicy", "s", 0},
    {"IOWeight", "t", 230},         {"MemoryHigh", "t", 231},          {"MemoryLimit", "t", 0},
    {"MemoryLow", "t", 231},        {"MemoryMax", "t", 231},           {"MemoryMin", "t", 240},
    {"MemorySwapMax", "t", 232},    {"OOMPolicy", "s", 253},           {"TasksMax", "t", 0},
};

struct request {
    const char *action, *unit, *slice, *description;
    const json_t *properties;
    bool is_user;
    uint32_t pid;
    int64_t end_ms; /* of the wait, on the monotonic clock */
};

struct connection {
    sd_bus *bus;
    int version; /* of systemd */
    /* The job that is waited for, and how it ended. */
    const char *job;
    char result[32];
};

static void cleanup_bus(sd_bus **bus)
{
    sd_bus_flush_close_unref(*bus);
}

static void cleanup_message(sd_bus_message **message)
{
    sd_bus_message_unref(*message);
}

#define _cleanup_message_ _cleanup_(cleanup_message)

/* ---- the request ---- */

static int read_request(json_t **request, struct error *error)
{
    _cleanup_free_ char *text = malloc(REQUEST_MAX);
    size_t used = 0;
    json_error_t wrong;

    if (!text)
        return error_sys(error, ENOMEM, "read the request");
    for (;;) {
        ssize_t n = read(STDIN_FILENO, text + used, REQUEST_MAX - used);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_sys(error, errno, "read the request");
        if (n == 0)
            break;
        used += (size_t)n;
        if (used == REQUEST_MAX)
            return error_set(error, E2BIG, "the request is longer than %d bytes", REQUEST_MAX);
    }
    *request = json_loadb(text, used, JSON_REJECT_DUPLICATES, &wrong);
    return *request ? 0 : error_set(error, EINVAL, "the request is not JSON: %s", wrong.text);
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

static const struct property *find_property(const char *name, const char *type)
{
    for (size_t i = 0; i < ARRAY_LENGTH(properties); i++)
        if (strcmp(properties[i].name, name) == 0 && strcmp(properties[i].type, type) == 0)
            return &properties[i];
    return NULL;
}

static int check_properties(const json_t *list, struct error *error)
{
    size_t i;
    json_t *property;

    json_array_foreach ((json_t *)list, i, property) {
        const char *name = text_of(property, "name"), *type = text_of(property, "type");
        if (!find_property(name, type))
            return error_set(error, EINVAL,
                             "properties: \"%.64s\" of type \"%.16s\" is not allowed", name, type);
    }
    return 0;
}

static int parse_request(const json_t *json, struct request *request, struct error *error)
{
    json_int_t timeout = json_integer_value(json_object_get(json, "timeout_ms"));
    json_int_t pid = json_integer_value(json_object_get(json, "pid"));

    *request = (struct request){
        .action = text_of(json, "action"),
        .unit = text_of(json, "unit"),
        .slice = text_of(json, "slice"),
        .description = text_of(json, "description"),
        .properties = json_object_get(json, "properties"),
        .is_user = json_is_true(json_object_get(json, "is_user")),
        .pid = (uint32_t)pid,
    };
    size_t length = strlen(request->unit);
    if (length < 7 || length > 255 || strcmp(request->unit + length - 6, ".scope") != 0)
        return error_set(error, EINVAL, "unit: \"%.80s\" is not the name of a scope",
                         request->unit);
    if (timeout < 1 || timeout > TIMEOUT_MAX)
        return error_set(error, ERANGE, "timeout_ms: must be from 1 to %d", TIMEOUT_MAX);
    request->end_ms = clock_monotonic_ms() + timeout;
    if (strcmp(request->action, "start") == 0 && (pid < 1 || pid > INT32_MAX || !*request->slice))
        return error_set(error, EINVAL, "start: needs a pid and a slice");
    return check_properties(request->properties, error);
}

/* ---- properties into messages ---- */

static int append_number(sd_bus_message *message, const json_t *value)
{
    uint64_t number = (uint64_t)json_integer_value(value);

    if (json_is_string(value) && strcmp(json_string_value(value), "infinity") == 0)
        number = UINT64_MAX;
    else if (!json_is_integer(value) || json_integer_value(value) < 0)
        return -EINVAL;
    return sd_bus_message_append(message, "t", number);
}

static int append_bytes(sd_bus_message *message, const json_t *value)
{
    size_t count = json_array_size(value);
    _cleanup_free_ uint8_t *bytes = malloc(count + 1);

    if (!bytes)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++)
        bytes[i] = (uint8_t)json_integer_value(json_array_get(value, i));
    return sd_bus_message_append_array(message, 'y', bytes, count);
}

/* Pairs of a device and what may be done with it. */
static int append_pairs(sd_bus_message *message, const json_t *value)
{
    int r = sd_bus_message_open_container(message, 'a', "(ss)");

    for (size_t i = 0; r >= 0 && i < json_array_size(value); i++) {
        const json_t *pair = json_array_get(value, i);
        const char *device = json_string_value(json_array_get(pair, 0));
        const char *access = json_string_value(json_array_get(pair, 1));
        r = device && access ? sd_bus_message_append(message, "(ss)", device, access) : -EINVAL;
    }
    return r < 0 ? r : sd_bus_message_close_container(message);
}

static int append_value(sd_bus_message *message, const char *type, const json_t *value)
{
    if (strcmp(type, "t") == 0)
        return append_number(message, value);
    if (strcmp(type, "ay") == 0)
        return append_bytes(message, value);
    if (strcmp(type, "a(ss)") == 0)
        return append_pairs(message, value);
    return json_is_string(value) ? sd_bus_message_append(message, "s", json_string_value(value))
                                 : -EINVAL;
}

static int append_property(sd_bus_message *message, int version, const json_t *json,
                           struct error *error)
{
    const char *name = text_of(json, "name"), *type = text_of(json, "type");
    const struct property *property = find_property(name, type);

    bool is_idle =
        strcmp(name, "CPUWeight") == 0 && json_integer_value(json_object_get(json, "value")) == 0;
    if (version < property->since || (is_idle && version < IDLE_SINCE))
        return 0;
    int r = sd_bus_message_open_container(message, 'r', "sv");
    if (r >= 0)
        r = sd_bus_message_append(message, "s", name);
    if (r >= 0)
        r = sd_bus_message_open_container(message, 'v', type);
    if (r >= 0)
        r = append_value(message, type, json_object_get(json, "value"));
    if (r >= 0)
        r = sd_bus_message_close_container(message);
    if (r >= 0)
        r = sd_bus_message_close_container(message);
    return r < 0 ? error_sys(error, -r, "properties: \"%s\"", name) : 0;
}

/* What each scope of a container is, beside its limits. */
static int append_nature(sd_bus_message *message, const struct request *request)
{
    int r = sd_bus_message_append(
        message, "(sv)(sv)(sv)(sv)(sv)(sv)(sv)(sv)(sv)(sv)", "Description", "s",
        request->description, "Slice", "s", request->slice, "Delegate", "b", 1, "PIDs", "au", 1,
        request->pid, "MemoryAccounting", "b", 1, "CPUAccounting", "b", 1, "IOAccounting", "b", 1,
        "TasksAccounting", "b", 1, "DefaultDependencies", "b", 0, "CollectMode", "s",
        "inactive-or-failed");
    return r;
}

static int append_properties(sd_bus_message *message, int version, const struct request *request,
                             bool is_new, struct error *error)
{
    int r = sd_bus_message_open_container(message, 'a', "(sv)");

    if (r >= 0 && is_new)
        r = append_nature(message, request);
    if (r < 0)
        return error_sys(error, -r, "compose a message");
    for (size_t i = 0; i < json_array_size(request->properties); i++) {
        r = append_property(message, version, json_array_get(request->properties, i), error);
        if (r < 0)
            return r;
    }
    r = sd_bus_message_close_container(message);
    return r < 0 ? error_sys(error, -r, "compose a message") : 0;
}

/* ---- the bus ---- */

static int open_bus(bool is_user, sd_bus **bus, struct error *error)
{
    int r = is_user ? sd_bus_open_user(bus) : sd_bus_open_system(bus);

    if (r >= 0 || is_user || geteuid() != 0)
        return r < 0
                   ? error_sys(error, -r, "connect to %s bus", is_user ? "the user" : "the system")
                   : 0;
    /* Without a bus (a minimal system) root speaks with the manager itself. */
    r = sd_bus_new(bus);
    if (r >= 0)
        r = sd_bus_set_address(*bus, PRIVATE_PATH);
    if (r >= 0)
        r = sd_bus_start(*bus);
    return r < 0 ? error_sys(error, -r, "connect to the system bus or to systemd") : 0;
}

static int on_job_removed(sd_bus_message *message, void *context, sd_bus_error *failure)
{
    struct connection *connection = context;
    const char *job, *unit, *result;
    uint32_t id;

    (void)failure;
    if (sd_bus_message_read(message, "uoss", &id, &job, &unit, &result) < 0)
        return 0;
    if (connection->job && strcmp(job, connection->job) == 0)
        snprintf(connection->result, sizeof(connection->result), "%s", result);
    return 0;
}

static int connect_manager(const struct request *request, struct connection *connection,
                           struct error *error)
{
    _cleanup_free_ char *version = NULL;
    sd_bus_error failure = SD_BUS_ERROR_NULL;

    int r = open_bus(request->is_user, &connection->bus, error);
    if (r < 0)
        return r;
    r = sd_bus_get_property_string(connection->bus, SERVICE, OBJECT, MANAGER, "Version", &failure,
                                   &version);
    if (r < 0)
        error_sys(error, -r, "systemd's version: %s", failure.message ? failure.message : "");
    sd_bus_error_free(&failure);
    if (r < 0)
        return r;
    connection->version = atoi(version + strcspn(version, "0123456789"));
    r = sd_bus_match_signal(connection->bus, NULL, SERVICE, OBJECT, MANAGER, "JobRemoved",
                            on_job_removed, connection);
    if (r >= 0) /* without it the manager sends no signals */
        r = sd_bus_call_method(connection->bus, SERVICE, OBJECT, MANAGER, "Subscribe", NULL, NULL,
                               "");
    return r < 0 ? error_sys(error, -r, "subscribe to systemd's signals") : 0;
}

/* Waits for the job that the reply names. */
static int wait_job(struct connection *connection, const struct request *request,
                    sd_bus_message *reply, struct error *error)
{
    int r = sd_bus_message_read(reply, "o", &connection->job);

    while (r >= 0 && !*connection->result) {
        r = sd_bus_process(connection->bus, NULL);
        if (r != 0)
            continue;
        int64_t left_ms = request->end_ms - clock_monotonic_ms();
        if (left_ms <= 0)
            return error_set(error, ETIMEDOUT, "%s %s: systemd did not end the job in time",
                             request->action, request->unit);
        r = sd_bus_wait(connection->bus, (uint64_t)left_ms * 1000);
    }
    if (r < 0)
        return error_sys(error, -r, "%s %s: wait for systemd", request->action, request->unit);
    if (strcmp(connection->result, "done") != 0)
        return error_set(error, EIO, "%s %s: systemd's job ended with \"%s\"; see journalctl -u %s",
                         request->action, request->unit, connection->result, request->unit);
    return 0;
}

static void reset_failed(struct connection *connection, const struct request *request)
{
    sd_bus_call_method(connection->bus, SERVICE, OBJECT, MANAGER, "ResetFailedUnit", NULL, NULL,
                       "s", request->unit);
}

static int call(struct connection *connection, const struct request *request,
                sd_bus_message *message, sd_bus_message **reply, const char *ignored,
                struct error *error)
{
    sd_bus_error failure = SD_BUS_ERROR_NULL;
    int64_t left_ms = request->end_ms - clock_monotonic_ms();
    int r = sd_bus_call(connection->bus, message, left_ms > 0 ? (uint64_t)left_ms * 1000 : 1,
                        &failure, reply);

    if (r < 0 && ignored && sd_bus_error_has_name(&failure, ignored))
        r = 0;
    else if (r < 0)
        r = error_set(error, -r, "%s %s: systemd says: %s", request->action, request->unit,
                      failure.message ? failure.message : strerror(-r));
    sd_bus_error_free(&failure);
    return r < 0 ? r : 0;
}

static int new_call(struct connection *connection, const char *method, sd_bus_message **message,
                    struct error *error)
{
    int r =
        sd_bus_message_new_method_call(connection->bus, message, SERVICE, OBJECT, MANAGER, method);

    return r < 0 ? error_sys(error, -r, "compose a message") : 0;
}

/* ---- the actions ---- */

static int try_start(struct connection *connection, const struct request *request,
                     const char *ignored, sd_bus_message **reply, struct error *error)
{
    _cleanup_message_ sd_bus_message *message = NULL;
    int r = new_call(connection, "StartTransientUnit", &message, error);

    if (r == 0 && sd_bus_message_append(message, "ss", request->unit, "fail") < 0)
        r = error_sys(error, ENOMEM, "compose a message");
    if (r == 0)
        r = append_properties(message, connection->version, request, true, error);
    if (r == 0 && sd_bus_message_append(message, "a(sa(sv))", 0) < 0)
        r = error_sys(error, ENOMEM, "compose a message");
    return r < 0 ? r : call(connection, request, message, reply, ignored, error);
}

/* Where the manager put the unit. */
static int control_group(struct connection *connection, const struct request *request,
                         json_t **answer, struct error *error)
{
    _cleanup_free_ char *object = NULL, *path = NULL;
    int r = sd_bus_path_encode(OBJECT "/unit", request->unit, &object);

    if (r >= 0)
        r = sd_bus_get_property_string(connection->bus, SERVICE, object, SCOPE, "ControlGroup",
                                       NULL, &path);
    if (r < 0)
        return error_sys(error, -r, "%s: its control group", request->unit);
    *answer = json_pack("{s:s}", "control_group", path);
    return *answer ? 0 : error_sys(error, ENOMEM, "%s", request->unit);
}

static int start(struct connection *connection, const struct request *request, json_t **answer,
                 struct error *error)
{
    _cleanup_message_ sd_bus_message *reply = NULL;
    /* A failed unit of that name may be left over: it gives way once. */
    int r = try_start(connection, request, SERVICE ".UnitExists", &reply, error);

    if (r == 0 && !reply) {
        reset_failed(connection, request);
        r = try_start(connection, request, NULL, &reply, error);
    }
    if (r == 0)
        r = wait_job(connection, request, reply, error);
    if (r < 0) {
        reset_failed(connection, request);
        return r;
    }
    return control_group(connection, request, answer, error);
}

static int set(struct connection *connection, const struct request *request, json_t **answer,
               struct error *error)
{
    _cleanup_message_ sd_bus_message *message = NULL;
    int r = new_call(connection, "SetUnitProperties", &message, error);

    (void)answer;
    if (r == 0 && sd_bus_message_append(message, "sb", request->unit, 1) < 0)
        r = error_sys(error, ENOMEM, "compose a message");
    if (r == 0)
        r = append_properties(message, connection->version, request, false, error);
    return r < 0 ? r : call(connection, request, message, NULL, NULL, error);
}

static int stop(struct connection *connection, const struct request *request, json_t **answer,
                struct error *error)
{
    _cleanup_message_ sd_bus_message *message = NULL, *reply = NULL;
    int r = new_call(connection, "StopUnit", &message, error);

    (void)answer;
    if (r == 0 && sd_bus_message_append(message, "ss", request->unit, "replace") < 0)
        r = error_sys(error, ENOMEM, "compose a message");
    if (r == 0) /* a scope goes by itself with its last process */
        r = call(connection, request, message, &reply, SERVICE ".NoSuchUnit", error);
    if (r == 0 && reply)
        r = wait_job(connection, request, reply, error);
    reset_failed(connection, request);
    return r;
}

static int run(const json_t *json, json_t **answer, struct error *error)
{
    static const struct {
        const char *name;
        int (*act)(struct connection *connection, const struct request *request, json_t **answer,
                   struct error *error);
    } actions[] = {{"start", start}, {"set", set}, {"stop", stop}};
    struct connection connection = {0};
    struct request request;

    int r = parse_request(json, &request, error);
    if (r < 0)
        return r;
    for (size_t i = 0; i < ARRAY_LENGTH(actions); i++) {
        if (strcmp(actions[i].name, request.action) != 0)
            continue;
        r = connect_manager(&request, &connection, error);
        if (r == 0)
            r = actions[i].act(&connection, &request, answer, error);
        cleanup_bus(&connection.bus);
        return r;
    }
    return error_set(error, EINVAL, "action: \"%.32s\" is not start, set or stop", request.action);
}

int main(void)
{
    _cleanup_json_ json_t *request = NULL, *answer = NULL, *whole = NULL;
    struct error error = ERROR_INIT;

    signal(SIGPIPE, SIG_IGN); /* the runtime may have gone; the exit status is enough then */
    int r = read_request(&request, &error);
    if (r == 0)
        r = run(request, &answer, &error);
    if (r == 0 && answer)
        whole = json_pack("{s:O}", "ok", answer);
    else if (r == 0)
        whole = json_pack("{s:{}}", "ok");
    else
        whole = json_pack("{s:o}", "error", control_text(error.message, strlen(error.message)));
    if (!whole || json_dumpf(whole, stdout, JSON_COMPACT) < 0 || fflush(stdout) != 0)
        return EXIT_FAILURE;
    return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
