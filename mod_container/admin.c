/* SPDX-License-Identifier: Apache-2.0 */
#include "mod_container/admin.h"

#include <string.h>

#include <apr_strings.h>
#include <http_core.h>
#include <http_protocol.h>

#include "mod_container/admin_answer.h"
#include "mod_container/admin_call.h"
#include "mod_container/admin_limit.h"
#include "mod_container/body.h"
#include "mod_container/module.h"
#include "mod_container/order.h"
#include "mod_container/origin.h"
#include "mod_container/reply.h"
#include "mod_container/scope.h"
#include "mod_container/token.h"

#define BODY_MAX 4096

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

const char *admin_target_name(apr_pool_t *pool, const struct order *order)
{
    return *order->service ? apr_pstrcat(pool, order->tenant, "/", order->service, NULL)
                           : order->tenant;
}

/* ---- who may call ---- */

static bool is_of_browser(const request_rec *r)
{
    return apr_table_get(r->headers_in, "Origin") || apr_table_get(r->headers_in, "Sec-Fetch-Site");
}

static bool is_of_another_site(const request_rec *r)
{
    return origin_is_foreign(
        apr_table_get(r->headers_in, "Sec-Fetch-Site"), apr_table_get(r->headers_in, "Origin"),
        apr_table_get(r->headers_in, "Host"), strcmp(ap_http_scheme(r), "https") == 0);
}

/*
 * A browser needs the token of a form of this page, also on its own site: a tenant's site may have
 * the same host and port. A program that shows no browser's marks needs none, for no other site can
 * have sent it; one that brings a token must bring a good one.
 */
static bool has_right_token(request_rec *r, const struct order *order)
{
    if (!order->token[0])
        return !is_of_browser(r) && order->back == ORDER_BACK_NONE;
    return token_check(r, order->action, admin_target_name(r->pool, order), order->token);
}

/* ---- what is ordered ---- */

static int refuse_body(request_rec *r, const struct order *order, int status)
{
    static const struct {
        int status;
        const char *code, *message;
    } kinds[] = {
        {HTTP_REQUEST_ENTITY_TOO_LARGE, "too-large", "the body is over 4096 bytes"},
        {HTTP_LENGTH_REQUIRED, "length-required",
         "there is no body; send action=stop, for example"},
        {HTTP_REQUEST_TIME_OUT, "too-slow", "the body did not come in time"},
        {0, "bad-request", "the body could not be read"},
    };
    size_t kind = 0;

    while (kinds[kind].status && kinds[kind].status != status)
        kind++;
    return admin_refuse(r, order, status, kinds[kind].code, kinds[kind].message);
}

static int read_order(request_rec *r, struct order *order)
{
    struct error error = ERROR_INIT;
    apr_size_t length;
    char *text;

    enum order_type type = order_type_of(apr_table_get(r->headers_in, "Content-Type"));
    if (type == ORDER_TYPE_UNKNOWN || apr_table_get(r->headers_in, "Content-Encoding"))
        return admin_refuse(r, order, HTTP_UNSUPPORTED_MEDIA_TYPE, "unsupported-type",
                            "send application/x-www-form-urlencoded (curl -d action=stop) or "
                            "application/json, in UTF-8 and not compressed");
    int status = body_read(r, BODY_MAX, &text, &length);
    if (status != OK)
        return refuse_body(r, order, status);
    if (order_read(order, type, text, length, &error) < 0) {
        order->back = ORDER_BACK_NONE; /* what it says is not to be trusted */
        return admin_refuse(r, order, HTTP_BAD_REQUEST, "bad-request", error.message);
    }
    if (!has_right_token(r, order))
        return admin_refuse(r, order, HTTP_FORBIDDEN, "bad-token",
                            "the form is missing its token, or the page was open for too long; "
                            "try again");
    return *order->service ? admin_call_service(r, order) : admin_call_tenant(r, order);
}

static int handle_post(request_rec *r, struct order *order)
{
    unsigned wait_seconds = admin_limit_take(r, config_of_request(r));

    if (wait_seconds > 0) {
        apr_table_setn(r->headers_out, "Retry-After", apr_itoa(r->pool, (int)wait_seconds));
        return admin_refuse(r, order, HTTP_TOO_MANY_REQUESTS, "too-many",
                            "too many admin calls from this address; try again later");
    }
    if (is_of_another_site(r))
        return admin_refuse(r, order, HTTP_FORBIDDEN, "cross-site",
                            "a page of another site may not do this");
    if (r->args)
        return admin_refuse(r, order, HTTP_BAD_REQUEST, "bad-request",
                            "parameters belong into the body, not behind a '?'");
    return read_order(r, order);
}

/* ---- the handler ---- */

static int refuse_target(request_rec *r, const char *message)
{
    return reply_json(r, HTTP_NOT_FOUND,
                      json_pack("{s:b, s:s, s:s}", "ok", 0, "code", "not-found", "message",
                                reply_clean(r->pool, message)));
}

/* The words that the supervisor has for a name it does not know: who is here, nobody learns. */
static int refuse_tenant(request_rec *r, const struct order *order)
{
    if (!*order->service)
        return refuse_target(r, apr_psprintf(r->pool, "there is no tenant \"%s\"", order->tenant));
    return refuse_target(r, apr_psprintf(r->pool, "there is no service %s of a tenant %s",
                                         order->service, order->tenant));
}

int admin_handle(request_rec *r)
{
    const struct location_config *config = config_of_request(r);
    bool has_page = strcmp(r->handler, "container-status") == 0;
    const char *allowed = has_page ? "GET, HEAD, POST, OPTIONS" : "POST, OPTIONS";
    struct order order;
    struct error error = ERROR_INIT;

    if (order_begin(&order, admin_target_of(r->uri, config->base), &error) < 0)
        return refuse_target(r, error.message);
    if (!status_scope_allows(config, order.tenant))
        return refuse_tenant(r, &order);
    if (r->method_number == M_OPTIONS)
        return reply_options(r, allowed);
    if (r->method_number != M_POST)
        return reply_method_not_allowed(r, allowed);
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
