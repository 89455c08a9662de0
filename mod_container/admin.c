/* SPDX-License-Identifier: Apache-2.0 */
#include "mod_container/admin.h"

#include <errno.h>
#include <string.h>

#include <apr_strings.h>
#include <http_core.h>
#include <http_protocol.h>

#include "common/control.h"
#include "common/units.h"
#include "mod_container/body.h"
#include "mod_container/form.h"
#include "mod_container/module.h"
#include "mod_container/origin.h"
#include "mod_container/reply.h"

#define ALLOWED_METHODS      "POST, OPTIONS"
#define BODY_MAX             4096
#define WAIT_DEFAULT_SECONDS 10
#define WAIT_MAX_SECONDS     30
/* What the control call may take beyond the wait that the supervisor was asked for. */
#define CALL_MARGIN_MS      5000
#define RETRY_AFTER_SECONDS "5"

struct order {
    char tenant[NAME_MAX_LENGTH + 1];
    char service[NAME_MAX_LENGTH + 1];
    const char *action; /* one of actions[], or NULL while not known */
    unsigned wait_seconds;
};

static const char *const actions[] = {"start", "stop", "restart", "pause", "resume", "kill"};

/* ---- the address ---- */

/* The last two segments of a path of at least three, else "". */
static const char *last_two(const char *uri)
{
    const char *slashes[3] = {NULL, NULL, NULL};

    for (const char *at = strchr(uri, '/'); at; at = strchr(at + 1, '/')) {
        slashes[0] = slashes[1];
        slashes[1] = slashes[2];
        slashes[2] = at;
    }
    return slashes[0] ? slashes[1] + 1 : "";
}

const char *admin_target_of(const char *uri, const char *base)
{
    size_t length = base ? strlen(base) : 0;

    while (length > 0 && base[length - 1] == '/')
        length--;
    if (!base || strncmp(uri, base, length) != 0 || (uri[length] != '/' && uri[length] != '\0'))
        return last_two(uri);
    return uri[length] == '/' ? uri + length + 1 : "";
}

/* ---- answers ---- */

/* One line for each call that names a target, whatever came of it. */
static void audit(request_rec *r, const struct order *order, const char *result)
{
    const char *user = r->user ? ap_escape_logitem(r->pool, r->user) : "-";

    /* A notice goes into the log at any LogLevel. */
    ap_log_rerror(APLOG_MARK, APLOG_NOTICE, 0, r,
                  "container-admin: user=%s ip=%s action=%s target=%s/%s result=%s", user,
                  r->useragent_ip, order->action ? order->action : "-", order->tenant,
                  order->service, result);
}

static int refuse(request_rec *r, const struct order *order, int status, const char *code,
                  const char *message)
{
    audit(r, order, code);
    if (status == HTTP_SERVICE_UNAVAILABLE)
        apr_table_setn(r->headers_out, "Retry-After", RETRY_AFTER_SECONDS);
    return reply_json(r, status,
                      json_pack("{s:b, s:s, s:s}", "ok", 0, "code", code, "message",
                                reply_clean(r->pool, message)));
}

/* ---- the order in the body ---- */

static int set_action(struct order *order, const char *value, struct error *error)
{
    for (size_t i = 0; i < ARRAY_LENGTH(actions); i++)
        if (strcmp(actions[i], value) == 0) {
            order->action = actions[i];
            return 0;
        }
    return error_set(error, EINVAL,
                     "\"%.32s\" is not an action; there are start, stop, restart, pause, resume "
                     "and kill",
                     value);
}

static int set_wait(struct order *order, const char *value, struct error *error)
{
    uint64_t seconds;

    if (parse_u64(value, WAIT_MAX_SECONDS, &seconds) < 0)
        return error_set(error, EINVAL, "wait=%.32s: write a number of seconds from 0 to %d", value,
                         WAIT_MAX_SECONDS);
    order->wait_seconds = (unsigned)seconds;
    return 0;
}

static int set_parameter(struct order *order, const char *key, const char *value,
                         struct error *error)
{
    if (strcmp(key, "action") == 0)
        return set_action(order, value, error);
    if (strcmp(key, "wait") == 0)
        return set_wait(order, value, error);
    return error_set(error, EINVAL, "\"%.64s\" is not known here; there are action and wait", key);
}

static int parse_form(char *text, apr_size_t length, struct order *order, struct error *error)
{
    struct form_field fields[8];

    if (strlen(text) != length)
        return error_set(error, EINVAL, "the body holds a NUL character");
    /* Text files and shells end with a newline, which is no part of the value. */
    text[strcspn(text, "\r\n")] = '\0';
    int count = form_parse(text, fields, ARRAY_LENGTH(fields), error);
    for (int i = 0; i < count; i++) {
        int r = set_parameter(order, fields[i].key, fields[i].value ? fields[i].value : "", error);
        if (r < 0)
            return r;
    }
    return count < 0 ? count : 0;
}

static int parse_json(char *text, apr_size_t length, struct order *order, struct error *error)
{
    json_error_t problem;
    const char *key;
    json_t *value;
    char number[32];
    _cleanup_json_ json_t *object = json_loadb(text, length, JSON_REJECT_DUPLICATES, &problem);

    if (!json_is_object(object))
        return error_set(error, EINVAL, "the body is not a JSON object: %s",
                         object ? "another type" : problem.text);
    json_object_foreach (object, key, value) {
        const char *string = json_string_value(value);
        if (json_is_integer(value) && strcmp(key, "wait") == 0) {
            apr_snprintf(number, sizeof(number), "%" APR_INT64_T_FMT,
                         (apr_int64_t)json_integer_value(value));
            string = number;
        }
        if (!string)
            return error_set(error, EINVAL, "\"%.64s\": action is a string, wait a whole number",
                             key);
        int r = set_parameter(order, key, string, error);
        if (r < 0)
            return r;
    }
    return 0;
}

static const struct {
    const char *type;
    int (*parse)(char *text, apr_size_t length, struct order *order, struct error *error);
} body_types[] = {
    {"application/x-www-form-urlencoded", parse_form},
    {"application/json", parse_json},
};

/* The row of the request's media type (parameters do not count), or -1. */
static int find_body_type(request_rec *r)
{
    const char *type = apr_table_get(r->headers_in, "Content-Type");
    size_t length = type ? strcspn(type, "; \t") : 0;

    for (size_t i = 0; i < ARRAY_LENGTH(body_types); i++)
        if (strlen(body_types[i].type) == length &&
            ap_cstr_casecmpn(type, body_types[i].type, length) == 0)
            return (int)i;
    return -1;
}

/* ---- the call ---- */

static json_t *make_request(request_rec *r, const struct order *order)
{
    return json_pack("{s:s, s:s, s:s, s:i, s:{s:s, s:s}}", "verb", order->action, "tenant",
                     order->tenant, "service", order->service, "wait_ms",
                     (int)order->wait_seconds * 1000, "actor", "user",
                     r->user ? reply_clean(r->pool, r->user) : "", "ip", r->useragent_ip);
}

static json_t *make_answer(const struct order *order, bool is_done)
{
    return json_pack("{s:b, s:b, s:s, s:s, s:s}", "ok", 1, "done", is_done, "tenant", order->tenant,
                     "service", order->service, "action", order->action);
}

/* What the supervisor told goes on to the caller, but for the protocol's own words. */
static int report_done(request_rec *r, const struct order *order, json_t *told)
{
    json_t *answer = make_answer(order, true);

    json_object_del(told, "version");
    json_object_update_missing(answer, told);
    audit(r, order, "ok");
    return reply_json(r, HTTP_OK, answer);
}

static int report_failure(request_rec *r, const struct order *order, int failure,
                          enum control_code code, const struct error *error)
{
    if (failure == -EREMOTEIO && code == CONTROL_TIMEOUT) {
        json_t *answer = make_answer(order, false);
        json_object_set_new(answer, "message", json_string(reply_clean(r->pool, error->message)));
        audit(r, order, "accepted");
        return reply_json(r, HTTP_ACCEPTED, answer);
    }
    if (failure == -EREMOTEIO)
        return refuse(r, order, control_code_http_status(code), control_code_name(code),
                      error->message);
    ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r, "container-admin: %s", error->message);
    if (failure == -ETIMEDOUT)
        return refuse(r, order, HTTP_GATEWAY_TIME_OUT, "no-answer", error->message);
    if (failure == -EPROTO || failure == -EBADMSG || failure == -EMSGSIZE)
        return refuse(r, order, HTTP_BAD_GATEWAY, "bad-answer", error->message);
    return refuse(r, order, HTTP_SERVICE_UNAVAILABLE, "unreachable", error->message);
}

static int carry_out(request_rec *r, const struct order *order)
{
    struct error error = ERROR_INIT;
    enum control_code code = CONTROL_FAILED;
    _cleanup_json_ json_t *request = make_request(r, order);
    _cleanup_json_ json_t *told = NULL;

    if (!request)
        return HTTP_INTERNAL_SERVER_ERROR;
    int failure =
        control_call(module_state()->control_path, request,
                     (int)order->wait_seconds * 1000 + CALL_MARGIN_MS, &told, &code, &error);
    return failure == 0 ? report_done(r, order, told)
                        : report_failure(r, order, failure, code, &error);
}

/* ---- the handler ---- */

static int read_order(request_rec *r, struct order *order)
{
    struct error error = ERROR_INIT;
    apr_size_t length;
    char *text;

    int type = find_body_type(r);
    if (type < 0)
        return refuse(r, order, HTTP_UNSUPPORTED_MEDIA_TYPE, "unsupported-type",
                      "send application/x-www-form-urlencoded (curl -d action=stop) or "
                      "application/json");
    int status = body_read(r, BODY_MAX, &text, &length);
    if (status == HTTP_REQUEST_ENTITY_TOO_LARGE)
        return refuse(r, order, status, "too-large", "the body is over 4096 bytes");
    if (status == HTTP_LENGTH_REQUIRED)
        return refuse(r, order, status, "length-required",
                      "there is no body; send action=stop, for example");
    if (status != OK)
        return refuse(r, order, status, "bad-request", "the body could not be read");
    if (body_types[type].parse(text, length, order, &error) < 0)
        return refuse(r, order, HTTP_BAD_REQUEST, "bad-request", error.message);
    if (!order->action)
        return refuse(r, order, HTTP_BAD_REQUEST, "bad-request",
                      "the action is missing; send action=stop, for example");
    return carry_out(r, order);
}

static int handle_post(request_rec *r, struct order *order)
{
    bool is_tls = strcmp(ap_http_scheme(r), "https") == 0;

    if (origin_is_foreign(apr_table_get(r->headers_in, "Sec-Fetch-Site"),
                          apr_table_get(r->headers_in, "Origin"),
                          apr_table_get(r->headers_in, "Host"), is_tls))
        return refuse(r, order, HTTP_FORBIDDEN, "cross-site",
                      "a page of another site may not do this");
    if (r->args)
        return refuse(r, order, HTTP_BAD_REQUEST, "bad-request",
                      "parameters belong into the body, not behind a '?'");
    return read_order(r, order);
}

int admin_handle(request_rec *r)
{
    struct order order = {.wait_seconds = WAIT_DEFAULT_SECONDS};
    struct error error = ERROR_INIT;
    const char *target = admin_target_of(r->uri, config_of_request(r)->base);

    if (name_split(target, order.tenant, order.service, &error) < 0)
        return reply_json(r, HTTP_NOT_FOUND,
                          json_pack("{s:b, s:s, s:s}", "ok", 0, "code", "not-found", "message",
                                    reply_clean(r->pool, error.message)));
    if (r->method_number == M_OPTIONS)
        return reply_options(r, ALLOWED_METHODS);
    if (r->method_number != M_POST)
        return reply_method_not_allowed(r, ALLOWED_METHODS);
    return handle_post(r, &order);
}

int admin_handler(request_rec *r)
{
    if (!r->handler || strcmp(r->handler, "container-admin") != 0)
        return DECLINED;
    if (config_of_request(r)->admin_on != 1) {
        ap_log_rerror(APLOG_MARK, APLOG_WARNING, 0, r,
                      "container-admin is asked for where no ContainerAdmin On of the server's "
                      "configuration allows it: answered 404");
        return HTTP_NOT_FOUND;
    }
    return admin_handle(r);
}
