/* SPDX-License-Identifier: Apache-2.0 */
#include "mod_container/door/door_answer.h"

#include <string.h>

#include <apr_atomic.h>
#include <apr_strings.h>
#include <http_core.h>
#include <http_protocol.h>
#include <mod_core.h>

#include "mod_container/accept.h"
#include "mod_container/body.h"
#include "mod_container/door/page.h"
#include "mod_container/module.h"
#include "mod_container/reply.h"

#define LOG_INTERVAL_SECONDS 10

/* ---- answers ---- */

static unsigned seconds_up(uint64_t usec)
{
    uint64_t seconds = (usec + 999999) / 1000000;

    return seconds == 0 ? 1 : (unsigned)seconds;
}

static void write_json(request_rec *r, int status, unsigned seconds)
{
    ap_set_content_type(r, "application/json");
    ap_rprintf(r, "{\"status\":%d,\"error\":\"too many requests\"", status);
    if (seconds)
        ap_rprintf(r, ",\"retry_after\":%u", seconds);
    ap_rputs("}\n", r);
}

static void write_page(request_rec *r, const struct door_config *config, int status,
                       unsigned seconds)
{
    const char *line = ap_get_status_line(status);

    ap_set_content_type(r, "text/html; charset=utf-8");
    if (config->body) {
        ap_rputs(config->body, r);
        return;
    }
    apr_table_setn(r->headers_out, "Content-Security-Policy",
                   "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'");
    ap_rvputs(r,
              "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
              "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
              "<meta name=\"color-scheme\" content=\"light dark\">\n<title>",
              line,
              "</title>\n<style>body{font-family:system-ui,sans-serif;max-width:36em;"
              "margin:4em auto;padding:0 1em}</style>\n</head>\n<body>\n<h1>",
              line + 4, "</h1>\n", NULL);
    if (seconds)
        ap_rprintf(r,
                   "<p>More requests came from your network than this site takes. "
                   "Please try again in %u second%s.</p>\n",
                   seconds, seconds == 1 ? "" : "s");
    else
        ap_rputs("<p>This site takes no requests from your network.</p>\n", r);
    ap_rputs("</body>\n</html>\n", r);
}

int door_answer(request_rec *r, const struct door_config *config,
                const struct door_refusal *refusal)
{
    unsigned seconds = refusal->retry_after_usec ? seconds_up(refusal->retry_after_usec) : 0;
    const char *custom = ap_response_code_string(r, ap_index_of_response(refusal->status));

    if (seconds)
        apr_table_setn(r->err_headers_out, "Retry-After", apr_psprintf(r->pool, "%u", seconds));
    /* Nobody is to wait for the body of a request that is refused. */
    if (refusal->is_block || body_is_announced(r))
        r->connection->keepalive = AP_CONN_CLOSE;
    if (custom) {
        apr_table_setn(r->err_headers_out, "Cache-Control", "no-store");
        return refusal->status;
    }
    r->status = refusal->status;
    r->status_line = NULL;
    reply_guard_headers(r);
    if (accept_wants_json(apr_table_get(r->headers_in, "Accept"), NULL))
        write_json(r, refusal->status, seconds);
    else
        write_page(r, config, refusal->status, seconds);
    return DONE;
}

/* ---- the log ---- */

static const char *cleaned_uri(request_rec *r)
{
    char *page = apr_pstrdup(r->pool, r->parsed_uri.path ? r->parsed_uri.path : r->uri);

    return reply_clean(r->pool, apr_pstrndup(r->pool, page_normalise(page, page), 200));
}

void door_log_block(request_rec *r, const struct door_rule *rule, const struct network *client)
{
    char text[NETWORK_TEXT_SIZE], until[APR_RFC822_DATE_LEN];

    apr_rfc822_date(until, apr_time_now() + (apr_time_t)rule->block_usec);
    ap_log_rerror(APLOG_MARK, APLOG_NOTICE, 0, r,
                  "ContainerThrottle: client %s blocked in %s until %s by rule %s (%s) at %s",
                  network_format(client, text), rule->zone, until, rule->name, rule->where,
                  cleaned_uri(r));
}

/* Whether it is time for a line, and how many had none since the last. */
static bool is_time_to_log(apr_uint32_t *left_out)
{
    static volatile apr_uint32_t logged_at, unlogged;
    apr_uint32_t now = (apr_uint32_t)apr_time_sec(apr_time_now());
    apr_uint32_t last = apr_atomic_read32(&logged_at);

    if ((last != 0 && now - last < LOG_INTERVAL_SECONDS) ||
        apr_atomic_cas32(&logged_at, now, last) != last) {
        apr_atomic_inc32(&unlogged);
        return false;
    }
    *left_out = apr_atomic_xchg32(&unlogged, 0);
    return true;
}

void door_log_refusal(request_rec *r, const struct door_refusal *refusal,
                      const struct network *client, bool is_dry)
{
    char text[NETWORK_TEXT_SIZE];
    apr_uint32_t left_out;

    if (!is_time_to_log(&left_out))
        return;
    ap_log_rerror(
        APLOG_MARK, APLOG_INFO, 0, r,
        "ContainerThrottle: client %s %s by %s%s at %s (%u more since the last such line)",
        network_format(client, text), is_dry ? "would be refused" : "refused",
        refusal->is_block ? "a block"
        : refusal->rule   ? "rule "
                          : "a list",
        !refusal->is_block && refusal->rule ? refusal->rule->name : "", cleaned_uri(r), left_out);
}
