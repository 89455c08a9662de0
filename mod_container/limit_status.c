/* SPDX-License-Identifier: Apache-2.0 */
#include "mod_container/limit_status.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>
#include <http_core.h>
#include <http_protocol.h>

#include "common/board/limit_link.h"
#include "common/board/limit_view.h"
#include "common/board/out_memory.h"
#include "mod_container/html.h"
#include "mod_container/limit_page.h"
#include "mod_container/module.h"
#include "mod_container/page.h"
#include "mod_container/reply.h"
#include "mod_container/scope.h"

#define ALLOWED_METHODS "GET, HEAD, OPTIONS"
#define TARGET_END      "/limits"

#define STYLE                                                                                      \
    ":root{color-scheme:light dark;--ink:#1d2228;--paper:#f6f7f8;--card:#fff;--dim:#59636e;"       \
    "--line:#c9d0d6;--link:#0a58b8;--bad:#b3142c}"                                                 \
    "@media(prefers-color-scheme:dark){:root{--ink:#e6e9ec;--paper:#15191d;--card:#1c2127;"        \
    "--dim:#9aa5af;--line:#3a444d;--link:#7db5ff;--bad:#ff8b91}}"                                  \
    "*{box-sizing:border-box}"                                                                     \
    "body{margin:0;background:var(--paper);color:var(--ink);font:1rem/1.5 system-ui,sans-serif}"   \
    "main{max-width:46rem;margin:0 auto;padding:1.25rem}"                                          \
    "h1{font-size:1.4rem;margin:0 0 1rem;overflow-wrap:anywhere}"                                  \
    "h2{font-size:1.05rem;margin:0 0 .5rem}"                                                       \
    "section{background:var(--card);border:1px solid var(--line);border-radius:.5rem;"             \
    "padding:1rem;margin:0 0 1rem}"                                                                \
    "p{margin:0 0 .5rem;overflow-wrap:anywhere}p:last-child{margin:0}"                             \
    ".cause{font-size:1.15rem;font-weight:600}.hot{color:var(--bad)}"                              \
    ".dim,footer{color:var(--dim);font-size:.9rem}a{color:var(--link)}code{font-weight:600;white-" \
    "space:nowrap}"                                                                                \
    "table{border-collapse:collapse;width:100%}"                                                   \
    "th,td{text-align:left;font-weight:400;padding:.35rem .75rem .35rem 0;vertical-align:top;"     \
    "border-top:1px solid var(--line);overflow-wrap:anywhere}"                                     \
    "thead th{border:0;color:var(--dim);font-size:.9rem}"                                          \
    "td.n,th.n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}"             \
    "th:last-child,td:last-child{padding-right:0}"

static const char *policy; /* set before there are children */

apr_status_t limit_status_start(apr_pool_t *pool)
{
    policy = limit_page_policy(pool, STYLE);
    return APR_SUCCESS;
}

/* ---- the page ---- */

/* "2026-11-25 05:30:12 UTC (12s ago)" */
static void write_time(struct out *out, const struct limit_view *view, uint64_t realtime_usec)
{
    apr_time_exp_t at;

    apr_time_exp_gmt(&at, (apr_time_t)realtime_usec);
    out_format(out, "%04d-%02d-%02d %02d:%02d:%02d UTC (", at.tm_year + 1900, at.tm_mon + 1,
               at.tm_mday, at.tm_hour, at.tm_min, at.tm_sec);
    html_duration(out, since(view->moment.realtime_usec, realtime_usec));
    out_literal(out, " ago)");
}

static void write_value(struct out *out, enum limit_unit unit, bool is_known, uint64_t value)
{
    char text[LIMIT_VALUE_SIZE];

    out_html(out, is_known ? limit_value(unit, value, text) : "–");
}

static void write_reference(struct out *out, const char *reference)
{
    out_literal(out, "<p class=\"dim\">Its reference, as visitors see it: <code>");
    out_html(out, reference);
    out_literal(out, "</code></p>\n");
}

static void write_figures(struct out *out, const struct limit_cause *cause)
{
    enum limit_unit unit = limit_kind_row(cause->kind)->unit;

    if (!cause->has_figures)
        return;
    out_literal(out, "<p>In use now: ");
    write_value(out, unit, true, cause->value);
    out_literal(out, " of ");
    write_value(out, unit, true, cause->limit);
    out_literal(out, unit == LIMIT_UNIT_MILLI_CPUS ? " CPUs.</p>\n" : ".</p>\n");
}

/* A fault is of a moment, all else lasts. */
static bool is_last_fault(const struct limit_view *view)
{
    return view->last.kind && view->cause.kind == view->last.kind &&
           view->cause.event_usec == view->last.event_usec;
}

static void write_cause(struct out *out, const struct limit_view *view)
{
    const struct limit_cause *cause = &view->cause;
    const struct limit_kind_row *row = limit_kind_row(cause->kind);

    out_literal(out, "<section aria-labelledby=\"now\"><h2 id=\"now\">Now</h2>\n");
    out_format(out, "<p class=\"cause%s\">", cause->kind ? " hot" : "");
    out_html(out, row->title);
    out_literal(out, "</p>\n");
    if (cause->because) {
        out_literal(out, "<p>What led to it: ");
        out_html(out, limit_kind_row(cause->because)->title);
        out_literal(out, "</p>\n");
    }
    if (cause->since_realtime_usec) {
        out_text(out, is_last_fault(view) ? "<p>At " : "<p>Since ");
        write_time(out, view, cause->since_realtime_usec);
        out_literal(out, ".</p>\n");
    }
    write_figures(out, cause);
    if (cause->kind) {
        out_literal(out, "<p><strong>What to do:</strong> ");
        out_html(out, limit_kind_row(cause->because ? cause->because : cause->kind)->advice);
        out_format(out,
                   "</p>\n<p>A visitor who gets no answer is told %u, and to come back after %u s.",
                   cause->status, cause->retry_after_seconds);
        out_literal(out, "</p>\n");
        write_reference(out, view->reference);
    }
    out_literal(out, "</section>\n");
}

static void write_last_fault(struct out *out, const struct limit_view *view)
{
    const struct limit_cause *last = &view->last;
    const struct limit_kind_row *row = limit_kind_row(last->kind);

    out_literal(out, "<section aria-labelledby=\"last\"><h2 id=\"last\">Last fault</h2>\n<p>");
    if (!last->kind) {
        out_literal(out, "None since the supervisor's start.</p>\n</section>\n");
        return;
    }
    if (is_last_fault(view)) {
        out_literal(out, "The one above. Faults in all: ");
        out_count(out, view->slot->faults);
        out_literal(out, ".</p>\n</section>\n");
        return;
    }
    out_html(out, row->title);
    out_literal(out, "</p>\n<p>At ");
    write_time(out, view, last->since_realtime_usec);
    out_literal(out, ". Faults in all: ");
    out_count(out, view->slot->faults);
    out_literal(out, ".</p>\n<p><strong>What to do:</strong> ");
    out_html(out, row->advice);
    out_literal(out, "</p>\n");
    write_reference(out, view->last_reference);
    out_literal(out, "</section>\n");
}

static void write_row(struct out *out, const struct limit_row *row)
{
    out_literal(out, "<tr><th scope=\"row\">");
    out_html(out, row->label);
    out_literal(out, "</th><td class=\"n\">");
    write_value(out, row->unit, row->has_value, row->value);
    out_literal(out, "</td><td class=\"n\">");
    write_value(out, row->unit, row->has_limit, row->limit);
    out_literal(out, "</td><td>");
    if (row->has_hits) {
        out_count(out, row->hits);
        out_literal(out, " ");
        out_html(out, row->hits_label);
    }
    out_literal(out, "</td></tr>\n");
}

static void write_rows(struct out *out, const struct limit_view *view)
{
    out_literal(out, "<section aria-labelledby=\"all\"><h2 id=\"all\">Limits</h2>\n<table><thead>"
                     "<tr><th scope=\"col\">Of what</th><th scope=\"col\" class=\"n\">In use</th>"
                     "<th scope=\"col\" class=\"n\">Limit</th><th scope=\"col\">In this run</th>"
                     "</tr></thead><tbody>\n");
    for (size_t i = 0; i < LIMIT_ROWS; i++)
        write_row(out, &view->rows[i]);
    out_literal(out, "</tbody></table></section>\n");
}

static void write_fact(struct out *out, const char *name, const char *value)
{
    out_literal(out, "<tr><th scope=\"row\">");
    out_text(out, name);
    out_literal(out, "</th><td>");
    out_html(out, *value ? value : "–");
    out_literal(out, "</td></tr>\n");
}

/* What is the machine's: for the operator only. */
static void write_inside(struct out *out, const struct limit_view *view)
{
    const struct container_slot *slot = view->slot;
    char number[32];

    out_literal(out, "<section aria-labelledby=\"in\"><h2 id=\"in\">For the operator</h2>\n"
                     "<table><tbody>\n");
    write_fact(out, "State", container_state_name((enum container_state)slot->state));
    write_fact(out, "Message", slot->message);
    write_fact(out, "Container", slot->id);
    write_fact(out, "Image", slot->image);
    apr_snprintf(number, sizeof(number), slot->pid ? "%u" : "", slot->pid);
    write_fact(out, "First process", number);
    write_fact(out, "Socket", slot->endpoint_path);
    apr_snprintf(number, sizeof(number), "%u", slot->restarts);
    write_fact(out, "Restarts", number);
    if (slot->has & SLOT_HAS_EXIT) {
        apr_snprintf(number, sizeof(number), slot->exit_signal ? "signal %d" : "status %d",
                     slot->exit_signal ? (int)slot->exit_signal : (int)slot->exit_code);
        write_fact(out, "Last end", number);
    }
    out_literal(out, "</tbody></table></section>\n<p><a href=\"../");
    html_url(out, slot->service);
    out_literal(out, "\">All figures, processes and events of it</a></p>\n");
}

static void write_page(struct out *out, const struct limit_view *view)
{
    const struct container_slot *slot = view->slot;

    out_literal(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                     "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                     "<meta name=\"robots\" content=\"noindex\">\n<title>Limits of ");
    out_html(out, slot->tenant);
    out_literal(out, "/");
    out_html(out, slot->service);
    out_literal(out, "</title>\n<style>" STYLE "</style>\n</head>\n<body>\n<main>\n<h1>Limits of ");
    out_html(out, slot->tenant);
    out_literal(out, "/");
    out_html(out, slot->service);
    out_literal(out, "</h1>\n");
    write_cause(out, view);
    write_last_fault(out, view);
    write_rows(out, view);
    if (view->is_operators)
        write_inside(out, view);
    out_literal(out, "<footer>As of ");
    write_time(out, view, view->moment.realtime_usec);
    out_literal(out, "</footer>\n</main>\n</body>\n</html>\n");
}

/* ---- the answer ---- */

static int send_view(request_rec *r, const struct limit_view *view, bool is_json)
{
    struct out_memory memory;

    reply_guard_headers(r);
    /* The address of a signed link is its secret. */
    apr_table_setn(r->headers_out, "Referrer-Policy", "no-referrer");
    out_memory_begin(&memory);
    if (is_json) {
        ap_set_content_type(r, "application/json");
        limit_view_json(&memory.out, view);
    } else {
        ap_set_content_type(r, "text/html; charset=utf-8");
        apr_table_setn(r->headers_out, "Content-Security-Policy", policy);
        write_page(&memory.out, view);
    }
    reply_memory(r, &memory);
    return OK;
}

static int unavailable(request_rec *r, const char *sentence)
{
    apr_table_setn(r->headers_out, "Retry-After", "5");
    return reply_text(r, HTTP_SERVICE_UNAVAILABLE, sentence);
}

static int show(request_rec *r, const char *tenant, const char *service, bool is_operators,
                bool is_json)
{
    struct container_slot slot;
    struct limit_view *view = apr_palloc(r->pool, sizeof(*view));
    uint8_t key[SEAL_KEY_SIZE];
    uint32_t index = 0;
    const struct moment moment = {clock_boottime_usec(), clock_realtime_usec()};
    _cleanup_board_view_ struct board_view board;

    board_acquire(module_board(), &board);
    /* What an earlier supervisor knew is not how it is now. */
    if (board.condition != BOARD_LIVE)
        return unavailable(r, is_operators ? board.why.message
                                           : limit_kind_row(LIMIT_NO_SUPERVISOR)->title);
    int found = scoreboard_find(board.reader, tenant, service, &index, &slot);
    if (found == -ENOENT)
        return HTTP_NOT_FOUND;
    if (found < 0)
        return unavailable(r, limit_kind_row(LIMIT_UNREADABLE)->title);
    limit_page_key(key);
    limit_view_take(&slot, index, &moment, key, is_operators, view);
    return send_view(r, view, is_json);
}

static int refuse_method(request_rec *r)
{
    return r->method_number == M_OPTIONS ? reply_options(r, ALLOWED_METHODS)
                                         : reply_method_not_allowed(r, ALLOWED_METHODS);
}

/* ---- below the status page ---- */

bool limit_status_is_target(const char *target)
{
    size_t length = strlen(target), end = strlen(TARGET_END);
    const char *slash = strchr(target, '/');

    return length > end && strcmp(target + length - end, TARGET_END) == 0 &&
           slash != target + length - end;
}

int limit_status_show(request_rec *r, const char *target)
{
    char tenant[NAME_MAX_LENGTH + 1], service[NAME_MAX_LENGTH + 1];
    const struct location_config *config = config_of_request(r);
    const char *name = apr_pstrndup(r->pool, target, strlen(target) - strlen(TARGET_END));
    const char *query = r->args ? r->args : "";
    struct error error = ERROR_INIT;

    if (name_split(name, tenant, service, &error) < 0 || !status_scope_allows(config, tenant))
        return HTTP_NOT_FOUND;
    if (r->method_number != M_GET)
        return refuse_method(r);
    bool is_json = strcmp(query, "json") == 0 || strcmp(query, "format=json") == 0;
    if (!is_json && *query && strcmp(query, "format=html") != 0)
        return reply_text(r, HTTP_BAD_REQUEST, "limits have json, format=json and format=html");
    return show(r, tenant, service, !status_scope_is_limited(config), is_json);
}

/* ---- signed links ---- */

bool limit_status_is_link(const request_rec *r)
{
    return strcmp(r->uri, LIMIT_LINK_PATH) == 0;
}

int limit_status_link(request_rec *r, const struct route *route)
{
    uint8_t key[SEAL_KEY_SIZE];
    struct limit_link link;
    struct error error = ERROR_INIT;

    if (r->method_number != M_GET)
        return refuse_method(r);
    if (limit_link_parse(r->args, &link, &error) < 0)
        return reply_text(r, HTTP_BAD_REQUEST, error.message);
    int found = limit_key_read(module_state()->limit_key_path, key, &error);
    if (found < 0 && found != -ENOENT)
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r, "limit links: %s", error.message);
    if (found < 0)
        return unavailable(r, "links cannot be checked at the moment: there is no supervisor");
    /* A link is shown on the tenant's own sites; another tenant's are no place for it. */
    if (!limit_link_is_valid(&link, key, (uint64_t)apr_time_sec(r->request_time)) ||
        strcmp(link.tenant, route->tenant) != 0)
        return reply_text(r, HTTP_FORBIDDEN,
                          "this link is not valid, or not any more; ask for a new one");
    return show(r, link.tenant, link.service, false, link.is_json);
}
