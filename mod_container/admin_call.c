/* SPDX-License-Identifier: Apache-2.0 */
#include "mod_container/admin_call.h"

#include <errno.h>
#include <string.h>

#include <apr_strings.h>
#include <http_protocol.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/control.h"
#include "mod_container/admin_answer.h"
#include "mod_container/module.h"
#include "mod_container/reply.h"

/* What a control call may take beyond the wait that the supervisor was asked for. */
#define CALL_MARGIN_MS 5000
#define LIST_PAGES_MAX 64

/* How one service took it. */
struct outcome {
    int status; /* of HTTP */
    const char *code;
    const char *message;
    json_t *body; /* for a program */
};

/* ---- one service ---- */

static json_t *make_request(request_rec *r, const struct order *order, const char *service,
                            int wait_ms)
{
    json_t *request = json_pack(
        "{s:s, s:s, s:s, s:i, s:{s:s, s:s, s:s}}", "verb", order->action, "tenant", order->tenant,
        "service", service, "wait_ms", wait_ms, "actor", "program", "mod_container", "user",
        r->user ? reply_clean(r->pool, r->user) : "", "ip", r->useragent_ip);

    if (request && order->signal[0])
        json_object_set_new(request, "signal", json_string(order->signal));
    return request;
}

static json_t *make_body(const struct order *order, const char *service, bool is_done)
{
    return json_pack("{s:b, s:b, s:s, s:s, s:s}", "ok", 1, "done", is_done, "tenant", order->tenant,
                     "service", service, "action", order->action);
}

/* What the supervisor told goes on to the caller, but for the protocol's own words. */
static struct outcome judge_done(const struct order *order, const char *service,
                                 const json_t *answer)
{
    const char *state = json_string_value(json_object_get(answer, "state"));
    bool is_done = !state || order_is_done(order, state);
    json_t *body = make_body(order, service, is_done);

    json_object_update_missing(body, (json_t *)answer);
    json_object_del(body, "version");
    return (struct outcome){
        .status = is_done ? HTTP_OK : HTTP_ACCEPTED,
        .code = is_done ? "ok" : "accepted",
        .message = "",
        .body = body,
    };
}

/*
 * The codes of the control protocol whose number means something else between the caller and httpd
 * than between httpd and the supervisor.
 */
static int status_of(enum control_code code)
{
    return code == CONTROL_WRONG_VERSION || code == CONTROL_TOO_LARGE
               ? HTTP_BAD_GATEWAY
               : control_code_http_status(code);
}

static struct outcome judge_failure(request_rec *r, const struct order *order, const char *service,
                                    const struct control_exchange *exchange)
{
    static const struct {
        int failure, status;
        const char *code;
    } kinds[] = {
        {-ETIMEDOUT, HTTP_GATEWAY_TIME_OUT, "no-answer"},
        {-EPROTO, HTTP_BAD_GATEWAY, "bad-answer"},
        {-EBADMSG, HTTP_BAD_GATEWAY, "bad-answer"},
        {-EMSGSIZE, HTTP_BAD_GATEWAY, "bad-answer"},
        {0, HTTP_SERVICE_UNAVAILABLE, "unreachable"},
    };
    const char *message = reply_clean(r->pool, exchange->error.message);
    size_t kind = 0;

    if (exchange->result == -EREMOTEIO && exchange->code == CONTROL_TIMEOUT) {
        json_t *body = make_body(order, service, false);
        json_object_set_new(body, "message", json_string(message));
        return (struct outcome){HTTP_ACCEPTED, "accepted", message, body};
    }
    struct outcome outcome = {status_of(exchange->code), control_code_name(exchange->code), message,
                              NULL};
    if (exchange->result != -EREMOTEIO) {
        /* Which socket it was is for the operator's log, not for the caller. */
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r, "container-admin: %s", message);
        while (kinds[kind].failure && kinds[kind].failure != exchange->result)
            kind++;
        outcome.status = kinds[kind].status;
        outcome.code = kinds[kind].code;
        outcome.message = "the supervisor does not answer as it should; the error log has more";
    }
    outcome.body =
        json_pack("{s:b, s:s, s:s}", "ok", 0, "code", outcome.code, "message", outcome.message);
    return outcome;
}

static struct outcome judge(request_rec *r, const struct order *order, const char *service,
                            const struct control_exchange *exchange)
{
    return exchange->result == 0 ? judge_done(order, service, exchange->answer)
                                 : judge_failure(r, order, service, exchange);
}

static int answer(request_rec *r, const struct order *order, struct outcome outcome)
{
    if (outcome.status < HTTP_BAD_REQUEST)
        return admin_answer(r, order, outcome.status, outcome.code, outcome.message, outcome.body);
    json_decref(outcome.body);
    return admin_refuse(r, order, outcome.status, outcome.code, outcome.message);
}

int admin_call_service(request_rec *r, const struct order *order)
{
    struct control_exchange exchange = {.error = ERROR_INIT};
    int wait_ms = (int)order->wait_seconds * 1000;
    _cleanup_json_ json_t *request = make_request(r, order, order->service, wait_ms);

    if (!request)
        return HTTP_INTERNAL_SERVER_ERROR;
    exchange.result = control_call(module_state()->control_path, request, wait_ms + CALL_MARGIN_MS,
                                   &exchange.answer, &exchange.code, &exchange.error);
    struct outcome outcome = judge(r, order, order->service, &exchange);
    json_decref(exchange.answer);
    return answer(r, order, outcome);
}

/* ---- all services of a tenant ---- */

/* The names in one page of the supervisor's list, each once: a service may have replicas. */
static void take_names(request_rec *r, const json_t *page, apr_array_header_t *services)
{
    const json_t *container;
    size_t i;

    json_array_foreach (json_object_get(page, "containers"), i, container) {
        const char *name = json_string_value(json_object_get(container, "service"));
        const char *last =
            services->nelts > 0 ? APR_ARRAY_IDX(services, services->nelts - 1, const char *) : "";
        if (name && name_is_valid(name) && strcmp(name, last) != 0)
            APR_ARRAY_PUSH(services, const char *) = apr_pstrdup(r->pool, name);
    }
}

/* Fills services; what went wrong is in exchange->result, as control_call() says it. */
static void list_services(request_rec *r, const struct order *order, apr_array_header_t *services,
                          struct control_exchange *exchange)
{
    const char *after = NULL;

    for (unsigned page = 0; page < LIST_PAGES_MAX; page++) {
        _cleanup_json_ json_t *list = NULL;
        _cleanup_json_ json_t *request =
            json_pack("{s:s, s:s, s:s*}", "verb", "list", "tenant", order->tenant, "after", after);
        exchange->result = control_call(module_state()->control_path, request, CALL_MARGIN_MS,
                                        &list, &exchange->code, &exchange->error);
        if (exchange->result < 0)
            return;
        take_names(r, list, services);
        const char *next = json_string_value(json_object_get(list, "next"));
        if (!next)
            break;
        after = apr_pstrdup(r->pool, next);
    }
    if (services->nelts > 0)
        return;
    exchange->code = CONTROL_NOT_FOUND;
    exchange->result =
        error_set(&exchange->error, EREMOTEIO, "there is no tenant \"%s\"", order->tenant);
}

/* The worst that happened stands for the whole: any failure before "accepted" before "ok". */
static void add_outcome(request_rec *r, struct outcome *whole, const char *service,
                        struct outcome one)
{
    json_t *entry = one.body;

    for (size_t i = 0; i < 2; i++)
        json_object_del(entry, i == 0 ? "tenant" : "action");
    json_object_set_new(entry, "service", json_string(service));
    json_object_set_new(entry, "status", json_integer(one.status));
    json_array_append_new(json_object_get(whole->body, "services"), entry);
    if (json_is_true(json_object_get(entry, "changed")))
        json_object_set_new(whole->body, "changed", json_true());
    if (one.status <= whole->status)
        return;
    whole->status = one.status;
    whole->code = one.code;
    whole->message = *one.message ? apr_pstrcat(r->pool, service, ": ", one.message, NULL) : "";
}

/* Sends the order to some services side by side. */
static void call_some(request_rec *r, const struct order *order, const char *const *services,
                      size_t count, int wait_ms, struct outcome *whole)
{
    struct control_exchange *exchanges = apr_pcalloc(r->pool, count * sizeof(*exchanges));

    for (size_t i = 0; i < count; i++)
        exchanges[i].request = make_request(r, order, services[i], wait_ms);
    control_call_many(module_state()->control_path, exchanges, count, wait_ms + CALL_MARGIN_MS);
    for (size_t i = 0; i < count; i++) {
        add_outcome(r, whole, services[i], judge(r, order, services[i], &exchanges[i]));
        json_decref(exchanges[i].request);
        json_decref(exchanges[i].answer);
    }
}

static int answer_whole(request_rec *r, const struct order *order, struct outcome whole)
{
    bool is_ok = whole.status < HTTP_BAD_REQUEST;

    json_object_set_new(whole.body, "ok", json_boolean(is_ok));
    json_object_set_new(whole.body, "done", json_boolean(whole.status == HTTP_OK));
    if (!is_ok) {
        json_object_set_new(whole.body, "code", json_string(whole.code));
        json_object_set_new(whole.body, "message", json_string(whole.message));
    }
    if (whole.status == HTTP_SERVICE_UNAVAILABLE)
        apr_table_setn(r->headers_out, "Retry-After", APR_STRINGIFY(RETRY_AFTER_SECONDS));
    return admin_answer(r, order, whole.status, whole.code, whole.message, whole.body);
}

int admin_call_tenant(request_rec *r, const struct order *order)
{
    int64_t end_ms = clock_monotonic_ms() + (int64_t)order->wait_seconds * 1000;
    apr_array_header_t *services = apr_array_make(r->pool, 8, sizeof(const char *));
    struct control_exchange listing = {.error = ERROR_INIT};

    list_services(r, order, services, &listing);
    if (listing.result < 0)
        return answer(r, order, judge(r, order, "", &listing));
    struct outcome whole = {
        .status = HTTP_OK,
        .code = "ok",
        .message = "",
        .body = json_pack("{s:s, s:s, s:b, s:[]}", "tenant", order->tenant, "action", order->action,
                          "changed", 0, "services"),
    };
    size_t count = (size_t)services->nelts;
    const char *const *names = (const char *const *)services->elts;
    for (size_t done = 0, some; done < count; done += some) {
        int64_t left_ms = end_ms - clock_monotonic_ms();
        some = count - done < CONTROL_EXCHANGES_MAX ? count - done : CONTROL_EXCHANGES_MAX;
        call_some(r, order, names + done, some, left_ms > 0 ? (int)left_ms : 0, &whole);
    }
    return answer_whole(r, order, whole);
}
