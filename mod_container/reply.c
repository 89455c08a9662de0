/* SPDX-License-Identifier: Apache-2.0 */
#include "mod_container/reply.h"

#include <string.h>

#include <apr_strings.h>
#include <http_core.h>
#include <http_protocol.h>

#include "common/board/out_memory.h"
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

void reply_memory(request_rec *r, struct out_memory *memory)
{
    size_t length;
    char *text = out_memory_end(memory, &length);

    ap_set_content_length(r, (apr_off_t)length);
    if (!r->header_only)
        ap_rwrite(text, (int)length, r);
    free(text);
}
