/* SPDX-License-Identifier: Apache-2.0 */
#include "mod_container/limit_page.h"

#include <stdlib.h>
#include <string.h>

#include <apr_atomic.h>
#include <apr_base64.h>
#include <apr_strings.h>
#include <http_core.h>
#include <http_protocol.h>
#include <http_request.h>
#include <mod_core.h>

#include "common/board/limit_link.h"
#include "common/board/out_memory.h"
#include "common/sha256.h"
#include "mod_container/accept.h"
#include "mod_container/module.h"
#include "mod_container/reply.h"
#include "mod_container/route.h"

/* The same reason is logged once in so many seconds, per route and child. */
#define LOG_INTERVAL_SECONDS 10
/* A browser comes again by itself when it is to wait no longer than this. */
#define REFRESH_MAX_SECONDS 30

#define STYLE                                                                                      \
    ":root{color-scheme:light dark;--ink:#1d2228;--paper:#f6f7f8;--dim:#59636e;--line:#c9d0d6}"    \
    "@media(prefers-color-scheme:dark){:root{--ink:#e6e9ec;--paper:#15191d;--dim:#9aa5af;"         \
    "--line:#3a444d}}"                                                                             \
    "body{margin:0;background:var(--paper);color:var(--ink);"                                      \
    "font:1.05rem/1.5 system-ui,sans-serif}"                                                       \
    "main{max-width:34rem;margin:12vh auto;padding:0 1.25rem}"                                     \
    "h1{font-size:1.6rem;line-height:1.2;margin:0 0 1rem}"                                         \
    "p{margin:0 0 1rem}"                                                                           \
    "footer{border-top:1px solid var(--line);padding-top:.75rem;color:var(--dim);font-size:.9rem;" \
    "overflow-wrap:anywhere}"                                                                      \
    "code{font:inherit;font-weight:600;color:var(--ink);white-space:nowrap}"

#define HEAD                                                                                       \
    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"                      \
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"

static const char own_page[] =
    HEAD "<meta name=\"robots\" content=\"noindex\">\n"
         "<title>%{status} %{title}</title>\n<style>" STYLE "</style>\n</head>\n"
         "<body>\n<main>\n<h1>%{title}</h1>\n<p>%{message}</p>\n"
         "<footer>%{host} · reference <code>%{reference}</code></footer>\n"
         "</main>\n</body>\n</html>\n";

static const char plain_page[] =
    HEAD "<title>%{status} %{title}</title>\n</head>\n"
         "<body>\n<h1>%{title}</h1>\n<p>%{message}</p>\n</body>\n</html>\n";

/* A page of the administrator may have styles and pictures of its own, and never a script. */
#define POLICY_OF_TEMPLATE                                                                         \
    "default-src 'none'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' " \
    "data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

/* Set before there are children; live as long as the configuration. */
static struct limit_template *own_template, *plain_template;
static const char *own_policy;

const char *limit_page_policy(apr_pool_t *pool, const char *style)
{
    uint8_t digest[SHA256_SIZE];
    char text[64];

    sha256(style, strlen(style), digest);
    apr_base64_encode_binary(text, digest, sizeof(digest));
    return apr_pstrcat(pool, "default-src 'none'; style-src 'sha256-", text,
                       "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'", NULL);
}

static apr_status_t free_templates(void *unused)
{
    (void)unused;
    limit_template_free(own_template);
    limit_template_free(plain_template);
    own_template = plain_template = NULL;
    return APR_SUCCESS;
}

apr_status_t limit_page_start(apr_pool_t *pool)
{
    apr_pool_cleanup_register(pool, NULL, free_templates, apr_pool_cleanup_null);
    if (limit_template_parse(own_page, strlen(own_page), &own_template, NULL) < 0 ||
        limit_template_parse(plain_page, strlen(plain_page), &plain_template, NULL) < 0)
        return APR_ENOMEM;
    own_policy = limit_page_policy(pool, STYLE);
    return APR_SUCCESS;
}

void limit_page_key(uint8_t key[SEAL_KEY_SIZE])
{
    if (limit_key_read(module_state()->limit_key_path, key, NULL) < 0)
        memset(key, 0, SEAL_KEY_SIZE);
}

/* ---- the words ---- */

static const struct words {
    unsigned status;
    const char *title, *sentence;
} all_words[] = {
    {HTTP_TOO_MANY_REQUESTS, "Too Many Requests", "You have too many requests open at the moment."},
    {HTTP_BAD_GATEWAY, "Bad Gateway", "This site did not answer."},
    {HTTP_GATEWAY_TIME_OUT, "Gateway Timeout", "This site did not answer in time."},
    /* As hosts of many sites have used it for long. */
    {HTTP_LOOP_DETECTED, "Resource Limit Is Reached",
     "This site has used up what it may use at the moment."},
    {HTTP_SERVICE_UNAVAILABLE, "Service Unavailable", "This site cannot be reached at the moment."},
};

/* The last row stands for any other status. */
static const struct words *words_of(unsigned status)
{
    const struct words *words = all_words;

    while (words->status != status && words->status != HTTP_SERVICE_UNAVAILABLE)
        words++;
    return words;
}

static const char *when_of(apr_pool_t *pool, const struct limit_cause *cause)
{
    unsigned seconds = cause->retry_after_seconds;

    switch (limit_kind_row(cause->kind)->when) {
    case LIMIT_SOON:
        return "Please try again in a moment.";
    case LIMIT_AT_A_TIME:
        break;
    default:
        return "Please try again later.";
    }
    if (seconds > 90)
        return apr_psprintf(pool, "Please try again in %u minutes.", (seconds + 59) / 60);
    return apr_psprintf(pool, "Please try again in %u second%s.", seconds, seconds == 1 ? "" : "s");
}

/* ---- the answer ---- */

struct answer_text {
    const struct limit_cause *cause;
    const struct limit_setting *setting; /* or NULL */
    const char *message, *reference;
    char status[8], retry_after[16];
};

static bool is_off(const struct limit_setting *setting)
{
    return setting && setting->is_off;
}

static void write_json(struct out *out, const struct answer_text *answer)
{
    out_literal(out, "{\"status\":");
    out_text(out, answer->status);
    out_literal(out, ",\"error\":");
    out_json(out, words_of(answer->cause->status)->title);
    out_literal(out, ",\"message\":");
    out_json(out, answer->message);
    out_literal(out, ",\"retry_after\":");
    out_text(out, answer->retry_after);
    out_literal(out, ",\"reference\":");
    out_json(out, answer->reference);
    out_literal(out, "}\n");
}

static void write_line(struct out *out, const struct answer_text *answer)
{
    out_text(out, words_of(answer->cause->status)->title);
    out_literal(out, ". ");
    out_text(out, answer->message);
    out_literal(out, " Reference ");
    out_text(out, answer->reference);
    out_literal(out, "\n");
}

static void write_html(struct out *out, request_rec *r, const struct answer_text *answer)
{
    const struct limit_template *template = is_off(answer->setting) ? plain_template
                                            : answer->setting       ? answer->setting->template
                                                                    : own_template;
    const char *values[LIMIT_PLACE_COUNT] = {
        [LIMIT_PLACE_STATUS] = answer->status,
        [LIMIT_PLACE_TITLE] = words_of(answer->cause->status)->title,
        [LIMIT_PLACE_MESSAGE] = answer->message,
        [LIMIT_PLACE_RETRY_AFTER] = answer->retry_after,
        [LIMIT_PLACE_REFERENCE] = answer->reference,
        [LIMIT_PLACE_HOST] = r->hostname,
    };

    limit_template_write(template, values, out);
}

/* Chooses a form, sets the type and what belongs to it. */
static void write_body(request_rec *r, struct out *out, const struct answer_text *answer)
{
    if (!is_off(answer->setting) &&
        accept_wants_json(apr_table_get(r->headers_in, "Accept"),
                          apr_table_get(r->headers_in, "X-Requested-With"))) {
        ap_set_content_type(r, "application/json");
        write_json(out, answer);
        return;
    }
    if (!is_off(answer->setting) && r->method_number != M_GET) {
        ap_set_content_type(r, "text/plain; charset=utf-8");
        write_line(out, answer);
        return;
    }
    ap_set_content_type(r, "text/html; charset=utf-8");
    apr_table_setn(r->headers_out, "Content-Security-Policy",
                   answer->setting && !is_off(answer->setting) ? POLICY_OF_TEMPLATE : own_policy);
    /* As a header: a page of the administrator's need not know. */
    if (!is_off(answer->setting) && !r->header_only &&
        limit_kind_row(answer->cause->kind)->when != LIMIT_LATER &&
        answer->cause->retry_after_seconds <= REFRESH_MAX_SECONDS)
        apr_table_set(r->headers_out, "Refresh", answer->retry_after);
    write_html(out, r, answer);
}

static void send_answer(request_rec *r, struct answer_text *answer)
{
    struct out_memory memory;

    r->status = (int)answer->cause->status;
    r->status_line = r->status == HTTP_LOOP_DETECTED ? "508 Resource Limit Is Reached" : NULL;
    r->content_encoding = NULL;
    r->content_languages = NULL;
    /* What a service said of an answer that did not come. */
    apr_table_clear(r->headers_out);
    reply_guard_headers(r);
    out_memory_begin(&memory);
    write_body(r, &memory.out, answer);
    reply_memory(r, &memory);
}

/* The status of a document that the administrator chose for it, or 0. */
static int document_of(request_rec *r, unsigned status)
{
    if (ap_response_code_string(r, ap_index_of_response((int)status)))
        return (int)status;
    /* To those who have a page for "unavailable", a site at its limit is that. */
    if (status == HTTP_LOOP_DETECTED &&
        ap_response_code_string(r, ap_index_of_response(HTTP_SERVICE_UNAVAILABLE)))
        return HTTP_SERVICE_UNAVAILABLE;
    return 0;
}

/* ---- the log ---- */

/* Whether this child has not logged the reason for this route just before; *second: when it did. */
static bool is_time_to_log(struct route *route, enum limit_kind kind, apr_uint32_t *second)
{
    apr_uint32_t now = (apr_uint32_t)apr_time_sec(apr_time_now());
    apr_uint32_t last = apr_atomic_read32(&route->logged_at[kind]);

    *second = last;
    if (last != 0 && now - last < LOG_INTERVAL_SECONDS)
        return false;
    *second = now;
    if (apr_atomic_cas32(&route->logged_at[kind], now, last) == last)
        return true;
    *second = apr_atomic_read32(&route->logged_at[kind]); /* another thread logs it just now */
    return false;
}

static void log_refusal(request_rec *r, const struct route *route, const struct limit_cause *cause,
                        const char *reference)
{
    const struct limit_kind_row *row = limit_kind_row(cause->kind);

    ap_log_rerror(APLOG_MARK, row->is_operators ? APLOG_ERR : APLOG_WARNING, 0, r,
                  "ContainerRoute %s/%s (%s): %s: %s; answered %u, reference %s", route->tenant,
                  route->service, route->where, row->reason,
                  reply_clean(r->pool, cause->detail ? cause->detail : row->title), cause->status,
                  reference);
}

int limit_page_answer(request_rec *r, struct route *route, const struct limit_cause *given)
{
    struct limit_cause cause = *given;
    struct answer_text answer = {.cause = &cause, .setting = config_of_request(r)->limit_page};
    uint8_t key[SEAL_KEY_SIZE];
    char reference[LIMIT_REFERENCE_SIZE];
    apr_uint32_t second;

    limit_cause_complete(&cause);
    if (is_off(answer.setting) && cause.status == HTTP_LOOP_DETECTED)
        cause.status = HTTP_SERVICE_UNAVAILABLE;
    int document = document_of(r, cause.status);
    if (document)
        cause.status = (unsigned)document;
    bool is_to_log = is_time_to_log(route, cause.kind, &second);
    /* An event that the board does not date is that which the log dates. */
    if (!cause.event_usec)
        cause.event_usec = second;
    limit_page_key(key);
    answer.reference = limit_reference(key, route->tenant, route->service, &cause, reference);
    if (is_to_log)
        log_refusal(r, route, &cause, reference);
    apr_snprintf(answer.status, sizeof(answer.status), "%u", cause.status);
    apr_snprintf(answer.retry_after, sizeof(answer.retry_after), "%u", cause.retry_after_seconds);
    apr_table_set(r->err_headers_out, "Retry-After", answer.retry_after);
    if (document)
        return document;
    answer.message =
        apr_pstrcat(r->pool, words_of(cause.status)->sentence, " ", when_of(r->pool, &cause), NULL);
    send_answer(r, &answer);
    return OK;
}
