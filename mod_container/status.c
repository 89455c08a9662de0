/* SPDX-License-Identifier: Apache-2.0 */
#include "mod_container/status.h"

#include <string.h>

#include <apr_strings.h>
#include <http_core.h>
#include <http_protocol.h>
#include <mod_status.h>
#include <scoreboard.h>
#include <util_time.h>

#include "mod_container/admin.h"
#include "mod_container/module.h"
#include "mod_container/reply.h"
#include "mod_container/scope.h"

#define ALLOWED_METHODS "GET, HEAD, OPTIONS"

/* ---- the overview ---- */

static bool is_allowed(const void *config, const char *tenant)
{
    return status_scope_allows(config, tenant);
}

bool overview_slot(const struct overview *overview, uint32_t i, struct container_slot *slot)
{
    return selection_slot(&overview->selector, i, slot);
}

static apr_status_t overview_end(void *selection)
{
    selection_free(selection);
    return APR_SUCCESS;
}

static void take_clocks(request_rec *r, struct overview *overview)
{
    const struct scoreboard_info *info = &overview->board->info;
    apr_time_t restarted = ap_get_scoreboard_global()->restart_time;

    overview->moment.boottime_usec = clock_boottime_usec();
    overview->moment.realtime_usec = clock_realtime_usec();
    if (overview->board->reader &&
        overview->moment.boottime_usec > info->engine_started_boottime_usec)
        overview->supervisor_uptime_usec =
            overview->moment.boottime_usec - info->engine_started_boottime_usec;
    if (r->request_time > restarted)
        overview->httpd_uptime_seconds = (uint64_t)apr_time_sec(r->request_time - restarted);
}

int overview_take(request_rec *r, const struct board_view *board, const struct status_query *query,
                  struct overview *overview)
{
    static const struct status_query all = {.order = ORDER_SLOT, .page = 1};

    memset(overview, 0, sizeof(*overview));
    overview->board = board;
    overview->config = config_of_request(r);
    overview->query = query ? query : &all;
    overview->is_limited = status_scope_is_limited(overview->config);
    take_clocks(r, overview);
    if (board->reader && !overview->is_limited &&
        scoreboard_host_read(board->reader, &overview->host) < 0)
        memset(&overview->host, 0, sizeof(overview->host));
    overview->selector = (struct selector){
        .reader = board->reader,
        .slots_used = board->info.slots_used,
        .query = overview->query,
        .moment = overview->moment,
        .allows = overview->is_limited ? is_allowed : NULL,
        .context = overview->config,
    };
    apr_pool_cleanup_register(r->pool, &overview->selection, overview_end, apr_pool_cleanup_null);
    return selection_take(&overview->selector, &overview->selection) < 0
               ? HTTP_INTERNAL_SERVER_ERROR
               : OK;
}

const char *overview_time(request_rec *r, const struct overview *overview)
{
    apr_time_exp_t at;

    apr_time_exp_gmt(&at, (apr_time_t)overview->moment.realtime_usec);
    return apr_psprintf(r->pool, "%04d-%02d-%02dT%02d:%02d:%02dZ", at.tm_year + 1900, at.tm_mon + 1,
                        at.tm_mday, at.tm_hour, at.tm_min, at.tm_sec);
}

/* ---- the handler ---- */

static const struct {
    const char *type;
    void (*render)(request_rec *r, const struct overview *overview,
                   const struct status_query *query);
} formats[] = {
    [STATUS_HTML] = {"text/html; charset=utf-8", status_render_html},
    [STATUS_AUTO] = {"text/plain; charset=utf-8", status_render_auto},
    [STATUS_JSON] = {"application/json", status_render_json},
    [STATUS_CSV] = {"text/csv; charset=utf-8; header=present", status_render_csv},
};

static int show(request_rec *r)
{
    struct status_query query;
    struct overview *overview = apr_palloc(r->pool, sizeof(*overview));
    struct error error = ERROR_INIT;
    _cleanup_board_view_ struct board_view board;

    /* Before any return: the clean-up runs on each. */
    board_acquire(module_board(), &board);
    if (status_query_parse(r->args, &query, &error) < 0)
        return reply_text(r, HTTP_BAD_REQUEST, error.message);
    reply_guard_headers(r);
    apr_table_setn(r->headers_out, "Content-Security-Policy",
                   module_state()->content_security_policy);
    if (query.refresh_seconds)
        apr_table_setn(r->headers_out, "Refresh", apr_itoa(r->pool, (int)query.refresh_seconds));
    ap_set_content_type(r, formats[query.format].type);
    if (r->header_only)
        return OK;
    int status = overview_take(r, &board, &query, overview);
    if (status == OK)
        formats[query.format].render(r, overview, &query);
    return status;
}

/* Whether the path is the Location itself, not something below it. */
static bool is_page(const request_rec *r, const struct location_config *config)
{
    const char *rest = admin_target_of(r->uri, config->base);

    return *rest == '\0';
}

int status_handler(request_rec *r)
{
    const struct location_config *config;

    if (!r->handler || strcmp(r->handler, "container-status") != 0)
        return DECLINED;
    config = config_of_request(r);
    if (config->status_on != 1) {
        ap_log_rerror(APLOG_MARK, APLOG_WARNING, 0, r,
                      "container-status is asked for where no ContainerStatus On of the server's "
                      "configuration allows it: answered 404");
        return HTTP_NOT_FOUND;
    }
    if (!is_page(r, config))
        return config->admin_on == 1 ? admin_handle(r) : HTTP_NOT_FOUND;
    if (r->method_number == M_OPTIONS)
        return reply_options(r, ALLOWED_METHODS);
    if (r->method_number != M_GET)
        return reply_method_not_allowed(r, ALLOWED_METHODS);
    return show(r);
}

/* ---- the section in mod_status' page: counts and letters, no names ---- */

static void section_short(request_rec *r, const struct overview *overview)
{
    ap_rprintf(r, "ContainerSupervisorState: %s\nContainersTotal: %u\nContainersRunning: %u\n",
               board_condition_name(overview->board->condition), overview->selection.containers,
               overview->selection.by_state[CONTAINER_RUNNING]);
}

static void section_long(request_rec *r, const struct overview *overview)
{
    ap_rprintf(r, "<hr />\n<h2>Containers</h2>\n<p>Supervisor: %s. Containers: %u.</p>\n",
               board_condition_name(overview->board->condition), overview->selection.containers);
    ap_rputs("<ul>\n", r);
    for (uint32_t state = CONTAINER_OPEN + 1; state < CONTAINER_STATE_COUNT; state++)
        if (overview->selection.by_state[state])
            ap_rprintf(r, "<li>%s: %u</li>\n", container_state_name((enum container_state)state),
                       overview->selection.by_state[state]);
    ap_rputs("</ul>\n", r);
}

int status_hook_section(request_rec *r, int flags)
{
    struct overview *overview = apr_palloc(r->pool, sizeof(*overview));
    _cleanup_board_view_ struct board_view board;

    board_acquire(module_board(), &board);
    if (overview_take(r, &board, NULL, overview) != OK)
        return OK;
    if (flags & AP_STATUS_SHORT)
        section_short(r, overview);
    else
        section_long(r, overview);
    return OK;
}
