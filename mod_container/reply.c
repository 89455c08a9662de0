/* SPDX-License-Identifier: Apache-2.0 */
#include "mod_container/reply.h"

#include <string.h>

#include <apr_strings.h>
#include <http_core.h>
#include <http_protocol.h>
#include <mod_core.h>

#include "common/board/text.h"

const char *reply_clean(apr_pool_t *pool, const char *text)
{
    size_t size = TEXT_CLEAN_SIZE(strlen(text));

    return text_clean(text, apr_palloc(pool, size), size);
}

const char *reply_html(apr_pool_t *pool, const char *text)
{
    return ap_escape_html(pool, reply_clean(pool, text));
}

void reply_guard_headers(request_rec *r)
{
    static const char *const headers[][2] = {
        {"Cache-Control", "no-store"},
        {"X-Content-Type-Options", "nosniff"},
        /* Not no-referrer: then a browser says "Origin: null" of the page's own forms (Fetch,
           "Append a request `Origin` header"), and they are refused. */
        {"Referrer-Policy", "same-origin"},
    };

    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
        apr_table_setn(r->headers_out, headers[i][0], headers[i][1]);
}

static void begin(request_rec *r, int status, const char *type)
{
    r->status = status;
    reply_guard_headers(r);
    ap_set_content_type(r, type);
}

int reply_text(request_rec *r, int status, const char *sentence)
{
    begin(r, status, "text/plain; charset=utf-8");
    ap_rvputs(r, reply_clean(r->pool, sentence), "\n", NULL);
    return OK;
}

int reply_method_not_allowed(request_rec *r, const char *allow)
{
    apr_table_setn(r->headers_out, "Allow", allow);
    return reply_text(r, HTTP_METHOD_NOT_ALLOWED,
                      apr_psprintf(r->pool, "this address answers %s", allow));
}

int reply_options(request_rec *r, const char *allow)
{
    apr_table_setn(r->headers_out, "Allow", allow);
    reply_guard_headers(r);
    ap_set_content_length(r, 0);
    return OK;
}

int reply_json(request_rec *r, int status, json_t *object)
{
    char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;

    json_decref(object);
    if (!text)
        return HTTP_INTERNAL_SERVER_ERROR;
    begin(r, status, "application/json");
    ap_rvputs(r, text, "\n", NULL);
    free(text);
    return OK;
}

int reply_unavailable(request_rec *r, unsigned retry_after_seconds)
{
    static const char page[] =
        "<!DOCTYPE html>\n"
        "<html lang=\"en\">\n"
        "<head>\n"
        "<meta charset=\"utf-8\">\n"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
        "<title>503 Service Unavailable</title>\n"
        "</head>\n"
        "<body>\n"
        "<h1>Service Unavailable</h1>\n"
        "<p>This site cannot be reached at the moment. Please try again later.</p>\n"
        "</body>\n"
        "</html>\n";

    apr_table_setn(r->err_headers_out, "Retry-After", apr_itoa(r->pool, (int)retry_after_seconds));
    if (ap_response_code_string(r, ap_index_of_response(HTTP_SERVICE_UNAVAILABLE)))
        return HTTP_SERVICE_UNAVAILABLE;
    begin(r, HTTP_SERVICE_UNAVAILABLE, "text/html; charset=utf-8");
    apr_table_setn(r->headers_out, "Content-Security-Policy",
                   "default-src 'none'; frame-ancestors 'none'");
    ap_rputs(page, r);
    return OK;
}
