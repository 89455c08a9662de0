/* SPDX-License-Identifier: Apache-2.0 */
#include "mod_container/admin_answer.h"

#include <string.h>

#include <apr_strings.h>
#include <http_protocol.h>

#include "common/control.h"
#include "mod_container/admin.h"
#include "mod_container/module.h"
#include "mod_container/reply.h"
#include "mod_container/token.h"

static void audit(request_rec *r, const struct order *order, const char *result)
{
    const char *user = r->user ? ap_escape_logitem(r->pool, r->user) : "-";

    /* A notice goes into the log at any LogLevel. */
    ap_log_rerror(APLOG_MARK, APLOG_NOTICE, 0, r,
                  "container-admin: user=%s ip=%s action=%s target=%s result=%s", user,
                  r->useragent_ip, order->action ? order->action : "-",
                  admin_target_name(r->pool, order), result);
}

/*
 * Back to the page, by a path and no host: behind a proxy that is the one the browser knows. What
 * stands in front of the target is the Location's own path, whether or not it has a name.
 */
static int redirect(request_rec *r, const struct order *order, const char *code,
                    const char *message)
{
    const char *target = admin_target_of(r->uri, config_of_request(r)->base);
    const char *path = r->uri;
    struct flash flash = {
        .action = order->action ? order->action : "",
        .target = admin_target_name(r->pool, order),
        .code = code,
        .message = message,
    };

    if (order->back == ORDER_BACK_BOARD)
        path = apr_pstrndup(r->pool, r->uri, (apr_size_t)(target - r->uri - 1));
    apr_table_setn(r->headers_out, "Location",
                   apr_pstrcat(r->pool, ap_os_escape_path(r->pool, path, 1), "?", order->query,
                               *order->query ? "&" : "", "flash=", flash_make(r, &flash), NULL));
    return reply_text(r, HTTP_SEE_OTHER, "see the page");
}

int admin_answer(request_rec *r, const struct order *order, int status, const char *code,
                 const char *message, json_t *body)
{
    audit(r, order, code);
    if (order->back == ORDER_BACK_NONE)
        return reply_json(r, status, body);
    json_decref(body);
    return redirect(r, order, code, message);
}

int admin_refuse(request_rec *r, const struct order *order, int status, const char *code,
                 const char *message)
{
    if ((status == HTTP_SERVICE_UNAVAILABLE || status == HTTP_TOO_MANY_REQUESTS) &&
        !apr_table_get(r->headers_out, "Retry-After"))
        apr_table_setn(r->headers_out, "Retry-After", APR_STRINGIFY(RETRY_AFTER_SECONDS));
    return admin_answer(r, order, status, code, message,
                        json_pack("{s:b, s:s, s:s}", "ok", 0, "code", code, "message",
                                  reply_clean(r->pool, message)));
}
