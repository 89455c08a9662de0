/* SPDX-License-Identifier: Apache-2.0 */
/* The page: HTML5, no script, one style sheet whose hash is in the Content-Security-Policy. */
#include <apr_base64.h>
#include <apr_strings.h>
#include <http_core.h>
#include <http_protocol.h>
#include <string.h>

#include "common/sha256.h"
#include "common/units.h"
#include "mod_container/reply.h"
#include "mod_container/status.h"

#define LETTERS_A_LINE 64

static const char style[] =
    ":root{color-scheme:light dark;--bg:#fff;--fg:#1b1f24;--dim:#57606a;--line:#d0d7de;"
    "--soft:#f3f5f7;--good:#116329;--busy:#0550ae;--slow:#8a4600;--bad:#b0132b;--off:#57606a;"
    "--warn:#fff1c9}"
    "@media(prefers-color-scheme:dark){:root{--bg:#0d1117;--fg:#e6edf3;--dim:#9aa4af;"
    "--line:#30363d;--soft:#161b22;--good:#56d364;--busy:#79c0ff;--slow:#f0b45a;--bad:#ff8a80;"
    "--off:#9aa4af;--warn:#3b2f00}}"
    "*{box-sizing:border-box}"
    "body{margin:0 auto;padding:1rem;max-width:100rem;background:var(--bg);color:var(--fg);"
    "font:16px/1.45 system-ui,sans-serif}"
    "h1{font-size:1.4rem;margin:0 0 .8rem}h2{font-size:1.05rem;margin:1.6rem 0 .5rem}"
    "small{color:var(--dim);font-size:.85em}"
    ".warn{background:var(--warn);border-left:.3rem solid var(--slow);padding:.6rem .8rem;margin:0 "
    "0 1rem}"
    ".facts{display:flex;flex-wrap:wrap;gap:.4rem 2rem;margin:0}"
    ".facts dt{color:var(--dim);font-size:.8rem}.facts dd{margin:0}"
    ".counts,.key{list-style:none;display:flex;flex-wrap:wrap;gap:.3rem 1.2rem;margin:0;padding:0}"
    ".key{font-size:.85rem;color:var(--dim);margin-top:.6rem}"
    ".board{background:var(--soft);border:1px solid var(--line);border-radius:.4rem;padding:.5rem;"
    "font:clamp(8px,2.15vw,17px)/1.5 ui-monospace,monospace;overflow-x:auto;white-space:pre}"
    ".board i{font-style:normal;cursor:help}"
    ".good{color:var(--good)}.busy{color:var(--busy)}.slow{color:var(--slow)}.bad{color:var(--bad)}"
    ".off{color:var(--off)}b.bad,i.bad,b.slow,i.slow{font-weight:700}"
    ".key b,td b{font-family:ui-monospace,monospace}"
    "table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}"
    "th,td{text-align:left;vertical-align:top;padding:.35rem .7rem;border-bottom:1px solid "
    "var(--line)}"
    "th{font-size:.8rem;color:var(--dim);font-weight:600;white-space:nowrap}"
    ".number{text-align:right;white-space:nowrap}.name{font-weight:600;overflow-wrap:anywhere;min-"
    "width:11rem}"
    ".state{white-space:nowrap}.rates span{display:block;white-space:nowrap}"
    ".message{overflow-wrap:anywhere;min-width:9rem}"
    "footer{margin-top:1.6rem;color:var(--dim);font-size:.85rem}"
    "@media(max-width:60rem){thead{display:none}table,tbody,tr,td{display:block;width:100%}"
    "tr{border:1px solid var(--line);border-radius:.4rem;padding:.3rem .7rem;margin:0 0 .7rem}"
    "td,.number{display:flex;justify-content:space-between;gap:1rem;border:0;padding:.15rem 0;"
    "text-align:right;white-space:normal;min-width:0}"
    "td::before{content:attr(data-label);flex:none;color:var(--dim);font-size:.85rem;font-weight:"
    "400;"
    "text-align:left}td.absent{display:none}}";

const char *status_security_policy(apr_pool_t *pool)
{
    uint8_t digest[SHA256_SIZE];
    char *hash = apr_palloc(pool, (apr_size_t)apr_base64_encode_len(SHA256_SIZE));

    sha256(style, sizeof(style) - 1, digest);
    apr_base64_encode_binary(hash, digest, SHA256_SIZE);
    return apr_pstrcat(pool, "default-src 'none'; style-src 'sha256-", hash,
                       "'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'", NULL);
}

static void fact(request_rec *r, const char *name, const char *value)
{
    if (*value)
        ap_rvputs(r, "<div><dt>", name, "</dt><dd>", reply_html(r->pool, value), "</dd></div>\n",
                  NULL);
}

static const char *duration(request_rec *r, uint64_t usec)
{
    char buffer[32];

    return apr_pstrdup(r->pool, format_duration(usec, buffer, sizeof(buffer)));
}

static const char *host_text(request_rec *r, const struct scoreboard_info *info)
{
    char buffer[32];

    if (info->cpus == 0 && info->memory_total_bytes == 0)
        return "";
    return apr_psprintf(r->pool, "%u CPUs, %s memory", info->cpus,
                        format_size(info->memory_total_bytes, buffer, sizeof(buffer)));
}

static void facts(request_rec *r, const struct overview *overview)
{
    const struct scoreboard_info *info = &overview->board->info;

    ap_rputs("<dl class=\"facts\">\n", r);
    fact(r, "Server", ap_get_server_description());
    fact(r, "Server uptime", duration(r, overview->httpd_uptime_seconds * 1000000));
    if (overview->board->reader) {
        fact(r, "Supervisor", info->version);
        fact(r, "Supervisor uptime", duration(r, overview->supervisor_uptime_usec));
        fact(r, "Sample age",
             apr_psprintf(r->pool, "%.1f s", (double)overview->board->age_usec / 1e6));
        fact(r, "Machine", host_text(r, info));
    } else {
        fact(r, "Supervisor", "unreachable");
    }
    fact(r, "Time", overview_time(r, overview));
    ap_rputs("</dl>\n", r);
}

static void warning(request_rec *r, const struct overview *overview)
{
    static const char *const sentences[] = {
        [BOARD_STALE] = "The figures below are old: ",
        [BOARD_UNREACHABLE] = "Nothing is known about the containers: ",
    };

    if (overview->board->condition != BOARD_LIVE)
        ap_rvputs(r, "<p class=\"warn\" role=\"alert\"><strong>",
                  sentences[overview->board->condition], "</strong>",
                  reply_html(r->pool, overview->board->why.message), ".</p>\n", NULL);
}

static void counts(request_rec *r, const struct overview *overview)
{
    ap_rprintf(r, "<h2>Containers</h2>\n<ul class=\"counts\">\n<li><b>%u</b> in all</li>\n",
               overview->selection.containers);
    for (uint32_t state = CONTAINER_OPEN + 1; state < CONTAINER_STATE_COUNT; state++)
        if (overview->selection.by_state[state])
            ap_rprintf(r, "<li><b class=\"%s\">%u</b> %s</li>\n", state_css_class(state),
                       overview->selection.by_state[state],
                       container_state_name((enum container_state)state));
    ap_rputs("</ul>\n", r);
}

static void letter(request_rec *r, const struct overview *overview, uint32_t index,
                   apr_pool_t *scratch)
{
    struct container_slot slot;
    char text = overview->selection.letters[index];

    if (text == container_state_letter(CONTAINER_OPEN)) {
        ap_rputs("<i class=\"off\" title=\"open\">.</i>", r);
    } else if (overview_slot(overview, overview->selection.letter_slots[index], &slot)) {
        ap_rprintf(r, "<i class=\"%s\" title=\"%s/%s: %s\">%c</i>", state_css_class(slot.state),
                   reply_html(scratch, slot.tenant), reply_html(scratch, slot.service),
                   container_state_name((enum container_state)slot.state),
                   container_state_letter((enum container_state)slot.state));
    } else {
        ap_rputs("<i class=\"bad\" title=\"being written\">?</i>", r);
    }
}

static void letters(request_rec *r, const struct overview *overview)
{
    apr_pool_t *scratch;

    apr_pool_create(&scratch, r->pool);
    ap_rputs("<h2>Scoreboard</h2>\n<div class=\"board\">", r);
    for (uint32_t i = 0; i < overview->selection.letter_count; i++) {
        if (i > 0 && i % LETTERS_A_LINE == 0)
            ap_rputs("\n", r);
        letter(r, overview, i, scratch);
        apr_pool_clear(scratch);
    }
    apr_pool_destroy(scratch);
    ap_rputs("</div>\n<ul class=\"key\">\n", r);
    for (uint32_t state = CONTAINER_OPEN; state < CONTAINER_STATE_COUNT; state++)
        ap_rprintf(r, "<li><b class=\"%s\">%c</b> %s</li>\n", state_css_class(state),
                   container_state_letter((enum container_state)state),
                   container_state_name((enum container_state)state));
    ap_rputs("</ul>\n", r);
}

static const char *cell(const struct column *column, const struct overview *overview,
                        const struct container_slot *slot, apr_pool_t *scratch)
{
    return column->html(scratch, &overview->moment, slot);
}

static void row(request_rec *r, const struct overview *overview, uint32_t index,
                apr_pool_t *scratch)
{
    struct container_slot slot;

    if (!overview_slot(overview, index, &slot))
        return;
    ap_rputs("<tr>", r);
    for (size_t i = 0; i < status_column_count; i++) {
        const struct column *column = &status_columns[i];
        if (!column->label)
            continue;
        const char *inside = cell(column, overview, &slot, scratch);
        ap_rvputs(r, "<td class=\"", column->css_class, inside ? "" : " absent", "\" data-label=\"",
                  column->label, "\"><span>", inside ? inside : "-", "</span></td>", NULL);
    }
    ap_rputs("</tr>\n", r);
}

static void table(request_rec *r, const struct overview *overview)
{
    apr_pool_t *scratch;

    apr_pool_create(&scratch, r->pool);
    ap_rputs("<h2>Table</h2>\n<table>\n<thead><tr>", r);
    for (size_t i = 0; i < status_column_count; i++)
        if (status_columns[i].label)
            ap_rvputs(r, "<th scope=\"col\" class=\"", status_columns[i].css_class, "\">",
                      status_columns[i].label, "</th>", NULL);
    ap_rputs("</tr></thead>\n<tbody>\n", r);
    for (uint32_t i = 0; i < overview->selection.count; i++) {
        row(r, overview, overview->selection.rows[i].slot, scratch);
        apr_pool_clear(scratch);
    }
    ap_rputs("</tbody>\n</table>\n", r);
    apr_pool_destroy(scratch);
}

void status_render_html(request_rec *r, const struct overview *overview,
                        const struct status_query *query)
{
    const char *name = reply_html(r->pool, ap_get_server_name(r));

    ap_rvputs(r,
              "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
              "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
              "<title>Containers on ",
              name, "</title>\n<style>", style, "</style>\n</head>\n<body>\n<h1>Containers on ",
              name, "</h1>\n", NULL);
    warning(r, overview);
    facts(r, overview);
    if (overview->board->reader) {
        counts(r, overview);
        letters(r, overview);
        if (!query->is_without_table && overview->selection.containers > 0)
            table(r, overview);
    }
    ap_rputs("<footer>For programs: <code>?auto</code> and <code>?format=json</code>. "
             "<code>?refresh=5</code> loads anew every 5 seconds, <code>?notable</code> leaves the "
             "table out.</footer>\n</body>\n</html>\n",
             r);
}
