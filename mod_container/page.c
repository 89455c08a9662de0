/* SPDX-License-Identifier: Apache-2.0 */
#include "mod_container/page.h"

#include <apr_strings.h>
#include <http_core.h>
#include <http_protocol.h>
#include <string.h>

#include "mod_container/page_static.h"
#include "mod_container/reply.h"
#include "mod_container/token.h"
#include "mod_container/traffic.h"

/* The request's path without the target and the slashes before it. */
static const char *base_of(request_rec *r, const char *target)
{
    size_t length = strlen(r->uri), behind = strlen(target);

    length -= behind <= length ? behind : 0;
    while (length > 0 && r->uri[length - 1] == '/')
        length--;
    return apr_pstrmemdup(r->pool, r->uri, length);
}

void page_begin(struct page *page, request_rec *r, const struct overview *overview,
                const char *target)
{
    memset(page, 0, sizeof(*page));
    out_begin(&page->out, r);
    page->r = r;
    page->overview = overview;
    page->base = base_of(r, target);
}

/* ---- head and foot ---- */

static void write_host_name(struct page *page)
{
    struct out *out = &page->out;
    out_html(out, ap_get_server_name(page->r));
}

static void write_title(struct page *page, const char *tenant, const char *service)
{
    struct out *out = &page->out;

    if (tenant)
        out_html(out, tenant);
    if (service) {
        out_text(out, "/");
        out_html(out, service);
    }
    out_text(out, tenant ? " - containers on " : "Containers on ");
    write_host_name(page);
}

static void write_path(struct page *page)
{
    struct out *out = &page->out;
    char *copy = apr_pstrdup(page->r->pool, page->base);
    char *state, *segment;

    for (segment = apr_strtok(copy, "/", &state); segment;
         segment = apr_strtok(NULL, "/", &state)) {
        out_text(out, "/");
        html_url(out, segment);
    }
}

void page_address(struct page *page, const char *a, const char *b)
{
    struct out *out = &page->out;
    const char *const segments[] = {a, b};

    write_path(page);
    if (!a && !*page->base)
        out_text(out, "/");
    for (size_t i = 0; i < 2 && segments[i]; i++) {
        out_text(out, "/");
        html_url(out, segments[i]);
    }
}

/* The age of the sample, red from three intervals on, as a word and a colour. */
static void write_engine(struct page *page)
{
    struct out *out = &page->out;
    const struct board_view *board = page->overview->board;
    const struct scoreboard_info *info = &board->info;
    bool is_old = board->age_usec > 3 * info->sample_interval_usec;
    const char *css = board->condition == BOARD_LIVE ? "good" : "bad";

    out_format(out,
               "<p class=\"engine\" data-key=\"engine\">Supervisor <b class=\"pill %s\">%s</b>",
               css, board_condition_name(board->condition));
    if (board->reader) {
        out_format(out, " <span class=\"%s\">sample ", is_old ? "bad" : "calm");
        html_milli(out, board->age_usec / 1000, 1);
        out_text(out, is_old ? " s old: late</span>" : " s old</span>");
    }
    out_text(out, "</p>\n");
}

/* The way up: Containers / blog / web. */
static void write_heading(struct page *page, const char *tenant, const char *service)
{
    struct out *out = &page->out;

    out_text(out, "<h1>");
    if (!tenant) {
        out_text(out, "Containers");
    } else {
        out_text(out, "<a href=\"");
        page_address(page, NULL, NULL);
        out_text(out, "\">Containers</a> / ");
        if (service) {
            out_text(out, "<a href=\"");
            page_address(page, tenant, NULL);
            out_text(out, "\">");
        }
        out_html(out, tenant);
    }
    if (service) {
        out_text(out, "</a> / ");
        out_html(out, service);
    }
    out_text(out, " <small>on ");
    write_host_name(page);
    out_text(out, "</small></h1>\n");
}

void page_head(struct page *page, const char *tenant, const char *service)
{
    struct out *out = &page->out;

    out_text(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                  "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                  "<meta name=\"color-scheme\" content=\"light dark\">\n<title>");
    write_title(page, tenant, service);
    out_text(out, "</title>\n<link rel=\"stylesheet\" href=\"");
    write_path(page);
    out_format(out, "/%s\">\n<script src=\"", page_static_path(PAGE_STYLE));
    write_path(page);
    out_format(out, "/%s\" defer></script>\n</head>\n<body data-interval=\"%u\">\n",
               page_static_path(PAGE_SCRIPT),
               (unsigned)(page->overview->board->info.sample_interval_usec / 1000));
    out_text(out, "<a class=\"skip\" href=\"#main\">Skip to the containers</a>\n"
                  "<header class=\"top\">\n");
    write_heading(page, tenant, service);
    write_engine(page);
    out_text(out, "<div class=\"controls\" id=\"controls\"></div>\n</header>\n");
}

void page_foot(struct page *page)
{
    struct out *out = &page->out;
    apr_time_exp_t at;

    apr_time_exp_gmt(&at, (apr_time_t)page->overview->moment.realtime_usec);
    out_format(out, "<footer data-key=\"foot\"><p><time>%04d-%02d-%02d %02d:%02d:%02d</time> UTC",
               at.tm_year + 1900, at.tm_mon + 1, at.tm_mday, at.tm_hour, at.tm_min, at.tm_sec);
    if (!page->overview->is_limited) {
        out_text(out, " · ");
        out_html(out, ap_get_server_description());
    }
    if (page->overview->board->reader && !page->overview->is_limited) {
        out_text(out, " · supervisor ");
        out_html(out, page->overview->board->info.version);
        out_text(out, ", up ");
        html_duration(out, since(page->overview->moment.boottime_usec,
                                 page->overview->board->info.engine_started_boottime_usec));
    }
    out_text(out, "</p></footer>\n</body>\n</html>\n");
    out_end(out);
}

/* ---- banners ---- */

void page_warning(struct page *page)
{
    struct out *out = &page->out;
    static const char *const sentences[] = {
        [BOARD_STALE] = "The figures below are old: ",
        [BOARD_UNREACHABLE] = "Nothing is known about the containers: ",
    };

    if (page->overview->board->condition == BOARD_LIVE)
        return;
    out_format(out,
               "<p class=\"banner bad\" role=\"alert\" data-key=\"warning\"><strong>%s</strong>",
               sentences[page->overview->board->condition]);
    out_html(out, page->overview->board->why.message);
    out_text(out, ".</p>\n");
}

void page_flash(struct page *page, const char *value)
{
    struct out *out = &page->out;
    struct flash flash;

    if (!value || !flash_read(page->r, value, &flash))
        return;
    bool is_done = strcmp(flash.code, "ok") == 0;
    bool is_accepted = strcmp(flash.code, "accepted") == 0;
    out_format(out,
               "<p class=\"banner %s\" role=\"status\" id=\"flash\" data-key=\"flash\"><strong>",
               is_done       ? "good"
               : is_accepted ? "busy"
                             : "bad");
    out_html(out, flash.target);
    out_text(out, ": ");
    out_html(out, flash.action);
    out_text(out, is_done ? " is done." : is_accepted ? " is under way." : " was refused.");
    out_text(out, "</strong> ");
    out_html(out, flash.message);
    out_text(out, "</p>\n");
}

/* ---- queries ---- */

static void write_states(struct out *out, uint32_t states)
{
    const char *comma = "";

    for (uint32_t i = 0; i < CONTAINER_STATE_COUNT; i++)
        if (states & UINT32_C(1) << i) {
            out_format(out, "%s%c", comma, container_state_letter((enum container_state)i));
            comma = ",";
        }
}

static void write_sort(struct out *out, const struct status_query *query)
{
    out_text(out, query->order == ORDER_FIGURE ? query->sort->key
                  : query->order == ORDER_SLOT ? "slot"
                                               : "faults_first");
    if (query->is_descending)
        out_text(out, ",desc");
}

static bool has_sort(const struct status_query *query)
{
    return query->order != ORDER_FAULTS || query->is_descending;
}

void page_query(struct page *page, const struct status_query *query)
{
    struct out *out = &page->out;
    const char *join = "?";

    page_address(page, query->tenant[0] ? query->tenant : NULL, NULL);
#define PARAMETER(condition, name, write)                                                          \
    if (condition) {                                                                               \
        out_text(out, join);                                                                       \
        out_text(out, name "=");                                                                   \
        write;                                                                                     \
        join = "&amp;";                                                                            \
    }
    PARAMETER(has_sort(query), "sort", write_sort(out, query))
    PARAMETER(query->states, "state", write_states(out, query->states))
    PARAMETER(query->text[0], "q", html_url(out, query->text))
    PARAMETER(query->limit != QUERY_LIMIT_HTML, "limit", out_count(out, query->limit))
    PARAMETER(query->page > 1, "page", out_count(out, query->page))
    PARAMETER(query->refresh_seconds, "refresh", out_count(out, query->refresh_seconds))
#undef PARAMETER
}

void page_hidden_query(struct page *page, const struct status_query *query)
{
    struct out *out = &page->out;

    if (has_sort(query)) {
        out_text(out, "<input type=\"hidden\" name=\"sort\" value=\"");
        write_sort(out, query);
        out_text(out, "\">");
    }
    if (query->refresh_seconds)
        out_format(out, "<input type=\"hidden\" name=\"refresh\" value=\"%u\">",
                   query->refresh_seconds);
}

/* ---- states ---- */

const char *state_css_class(uint32_t state)
{
    static const char *const classes[CONTAINER_STATE_COUNT] = {
        [CONTAINER_OPEN] = "off",      [CONTAINER_SLEEPING] = "off", [CONTAINER_STARTING] = "busy",
        [CONTAINER_RUNNING] = "good",  [CONTAINER_WORKING] = "busy", [CONTAINER_LIMITED] = "slow",
        [CONTAINER_UNHEALTHY] = "bad", [CONTAINER_PAUSED] = "off",   [CONTAINER_STOPPING] = "busy",
        [CONTAINER_BACKOFF] = "slow",  [CONTAINER_FAILED] = "bad",   [CONTAINER_STOPPED] = "off",
        [CONTAINER_EXITED] = "off",
    };

    return state < CONTAINER_STATE_COUNT ? classes[state] : "bad";
}

void page_letter(struct out *out, uint32_t state)
{
    out_format(out, "<b class=\"st %s\">%c</b>", state_css_class(state),
               container_state_letter((enum container_state)state));
}

enum container_state page_state(const struct container_slot *slot)
{
    return (enum container_state)slot->state;
}
