/* SPDX-License-Identifier: Apache-2.0 */
#include "mod_container/status.h"

#include <string.h>

#include <apr_strings.h>
#include <http_core.h>
#include <http_protocol.h>
#include <http_request.h>
#include <scoreboard.h>

#include "mod_container/admin.h"
#include "mod_container/limit_status.h"
#include "mod_container/module.h"
#include "mod_container/order.h"
#include "mod_container/page_static.h"
#include "mod_container/reply.h"
#include "mod_container/scope.h"
#include "mod_container/status_events.h"
#include "mod_container/status_service.h"

#define ALLOWED_METHODS "GET, HEAD, OPTIONS"

/* ---- the overview ---- */

static bool is_allowed(const void *config, const char *tenant)
{
    return status_scope_allows(config, tenant);
}

static apr_status_t selection_end(void *selection)
{
    selection_free(selection);
    return APR_SUCCESS;
}

static apr_status_t summary_end(void *summary)
{
    summary_release(module_summaries(), summary);
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
    overview->server_version = ap_get_server_description();
    overview->has_server_uptime = true;
    if (r->request_time > restarted)
        overview->httpd_uptime_seconds = (uint64_t)apr_time_sec(r->request_time - restarted);
}

void overview_begin(request_rec *r, const struct board_view *board,
                    const struct status_query *query, struct overview *overview)
{
    memset(overview, 0, sizeof(*overview));
    overview->board = board;
    overview->config = config_of_request(r);
    overview->query = query;
    overview->is_limited = status_scope_is_limited(overview->config);
    take_clocks(r, overview);
    if (board->reader && !overview->is_limited &&
        scoreboard_host_read(board->reader, &overview->host) < 0)
        memset(&overview->host, 0, sizeof(overview->host));
    overview->selector = (struct selector){
        .reader = board->reader,
        .slots_used = board->info.slots_used,
        .query = query,
        .moment = overview->moment,
        .allows = overview->is_limited ? is_allowed : NULL,
        .context = overview->config,
    };
}

int overview_take_summary(request_rec *r, struct overview *overview)
{
    const struct summary *summary =
        summary_take(module_summaries(), &overview->selector, &overview->board->info);

    if (!summary)
        return HTTP_INTERNAL_SERVER_ERROR;
    apr_pool_cleanup_register(r->pool, summary, summary_end, apr_pool_cleanup_null);
    overview->selection = summary->selection;
    overview->sums = summary->sums;
    return OK;
}

int overview_take_rows(request_rec *r, struct overview *overview)
{
    apr_pool_cleanup_register(r->pool, &overview->selection, selection_end, apr_pool_cleanup_null);
    return selection_take(&overview->selector, &overview->selection) < 0
               ? HTTP_INTERNAL_SERVER_ERROR
               : OK;
}

/* ---- the formats ---- */

#define TYPE_OPENMETRICS "application/openmetrics-text; version=1.0.0; charset=utf-8"
#define TYPE_TEXT        "text/plain; version=0.0.4; charset=utf-8"

/* Whether the client knows the older format only. */
static bool wants_text(request_rec *r)
{
    const char *accept = apr_table_get(r->headers_in, "Accept");

    return accept && strstr(accept, "text/plain") && !strstr(accept, "openmetrics-text");
}

static const char *openmetrics_type(request_rec *r)
{
    return wants_text(r) ? TYPE_TEXT : TYPE_OPENMETRICS;
}

static void write_auto(request_rec *r, struct out *out, const struct overview *overview)
{
    (void)r;
    status_write_auto(out, overview);
}

static void write_json(request_rec *r, struct out *out, const struct overview *overview)
{
    (void)r;
    status_write_json(out, overview);
}

static void write_csv(request_rec *r, struct out *out, const struct overview *overview)
{
    (void)r;
    status_write_csv(out, overview);
}

static void write_openmetrics(request_rec *r, struct out *out, const struct overview *overview)
{
    status_write_openmetrics(out, overview, wants_text(r));
}

static const struct {
    const char *type; /* NULL: depends on the request */
    void (*write)(request_rec *r, struct out *out, const struct overview *overview);
} formats[] = {
    [STATUS_HTML] = {"text/html; charset=utf-8", NULL},
    [STATUS_AUTO] = {"text/plain; charset=utf-8", write_auto},
    [STATUS_JSON] = {"application/json", write_json},
    [STATUS_CSV] = {"text/csv; charset=utf-8; header=present", write_csv},
    [STATUS_OPENMETRICS] = {NULL, write_openmetrics},
};

static void write_format(request_rec *r, const struct overview *overview,
                         const struct status_query *query)
{
    struct out out;

    if (!formats[query->format].write) {
        status_render_html(r, overview, query);
        return;
    }
    out_begin(&out, r);
    formats[query->format].write(r, &out, overview);
    out_end(&out);
}

/* FNV-1a, 64 bits: for equality among the answers of one board, not against an enemy. */
static uint64_t mix(uint64_t hash, const void *data, size_t size)
{
    const unsigned char *bytes = data;

    for (size_t i = 0; i < size; i++)
        hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    return hash;
}

/* All that an answer depends on but for the clocks in it; NULL unless the board is live: then the
   age is the news. A result of an action is for one visitor, and shown once. */
static const char *answer_key(request_rec *r, const struct board_view *board,
                              const struct status_query *query)
{
    const struct scoreboard_info *info = &board->info;
    const struct location_config *config = config_of_request(r);

    if (board->condition != BOARD_LIVE || query->flash[0])
        return NULL;
    return apr_psprintf(r->pool,
                        "%s %" APR_UINT64_T_HEX_FMT " %" APR_UINT64_T_HEX_FMT
                        " %" APR_UINT64_T_HEX_FMT " %pp %d %d\n%s\n%s\n%s\n%s\n%s\n%s\n%s",
                        info->boot_id, info->engine_started_boottime_usec, info->changes,
                        (uint64_t)ap_get_scoreboard_global()->restart_time, config->status_scope,
                        config->admin_on, config->status_logs, config->base ? config->base : "",
                        r->uri, r->args ? r->args : "", r->user ? r->user : "",
                        r->hostname ? r->hostname : "", ap_get_server_name(r), r->content_type);
}

/* Weak, for clocks and ages in the answer go on; another for each sample, also of one that brought
   nothing new. */
static void set_etag(request_rec *r, const char *key, uint64_t heartbeat)
{
    uint64_t hash = mix(UINT64_C(0xcbf29ce484222325), key, strlen(key));

    hash = mix(hash, &heartbeat, sizeof(heartbeat));

    apr_table_setn(r->headers_out, "ETag",
                   apr_psprintf(r->pool, "W/\"%016" APR_UINT64_T_HEX_FMT "\"", hash));
}

/*
 * Instead of no-store: a 304 speaks of what the client has stored. no-cache lets it store an answer
 * but never show it without asking again (RFC 9111, 5.2.2.4), private keeps it out of proxies.
 */
static void set_headers(request_rec *r, const struct status_query *query)
{
    reply_guard_headers(r);
    apr_table_setn(r->headers_out, "Cache-Control", "private, no-cache");
    apr_table_setn(r->headers_out, "Content-Security-Policy",
                   module_state()->content_security_policy);
    if (query->refresh_seconds)
        apr_table_setn(r->headers_out, "Refresh", apr_itoa(r->pool, (int)query->refresh_seconds));
    if (query->format == STATUS_OPENMETRICS)
        apr_table_setn(r->headers_out, "Vary", "Accept");
    ap_set_content_type(r, formats[query->format].type ? formats[query->format].type
                                                       : openmetrics_type(r));
}

/* Whether there is more to tell than the summary does. */
static bool wants_rows(const struct status_query *query)
{
    return query->format != STATUS_AUTO || query->has_selection;
}

static int render(request_rec *r, const struct board_view *board, const struct status_query *query)
{
    struct overview *overview = apr_palloc(r->pool, sizeof(*overview));
    int status = OK;

    overview_begin(r, board, query, overview);
    if (query->format == STATUS_AUTO)
        status = overview_take_summary(r, overview);
    if (status == OK && wants_rows(query))
        status = overview_take_rows(r, overview);
    if (status == OK)
        write_format(r, overview, query);
    return status;
}

/*
 * From what this child has answered just now, or anew. So a renderer writes nothing that depends on
 * more than the key does: no token of a form, nothing of the client.
 */
static int render_or_send(request_rec *r, const struct board_view *board,
                          const struct status_query *query, const char *key)
{
    struct answer_cache *cache = module_answers();
    uint64_t now = clock_boottime_usec();
    struct answer *answer = answer_cache_find(cache, key, now);
    int status;

    if (answer) {
        status = out_send(r, answer);
        answer_cache_release(cache, answer);
        return status;
    }
    answer = answer_new(key, now);
    if (answer)
        out_keep(r, answer);
    status = render(r, board, query);
    answer = status == OK ? out_kept(r) : NULL;
    if (answer)
        answer_cache_keep(cache, answer);
    return status;
}

static int show_board(request_rec *r, const struct board_view *board,
                      const struct status_query *query)
{
    const char *key;
    int status;

    set_headers(r, query);
    key = answer_key(r, board, query);
    if (key)
        set_etag(r, key, board->info.heartbeat_boottime_usec);
    status = ap_meets_conditions(r);
    if (status != OK || r->header_only)
        return status;
    return key ? render_or_send(r, board, query, key) : render(r, board, query);
}

/* A board that cannot be read does not say that somebody is not on it. */
static bool is_unknown(const struct board_view *board, const char *tenant)
{
    const struct seqlock_part head = SLOT_PART_HEAD;
    struct container_slot slot = {0};

    if (!board->reader)
        return false;
    for (uint32_t i = 0; i < board->info.slots_used; i++)
        if (scoreboard_slot_read_parts(board->reader, i, &head, 1, &slot) < 0 ||
            (slot.state != CONTAINER_OPEN && strcmp(slot.tenant, tenant) == 0))
            return false;
    return true;
}

/* tenant: of LOCATION/TENANT, or NULL. */
static int show(request_rec *r, const char *tenant)
{
    struct status_query query;
    struct error error = ERROR_INIT;
    _cleanup_board_view_ struct board_view board;

    /* Before any return: the clean-up runs on each. */
    board_acquire(module_board(), &board);
    if (status_query_parse(r->args, &query, &error) < 0)
        return reply_text(r, HTTP_BAD_REQUEST, error.message);
    if (tenant && is_unknown(&board, tenant))
        return HTTP_NOT_FOUND;
    if (tenant && query.tenant[0])
        return reply_text(r, HTTP_BAD_REQUEST, "\"tenant\" is said by the address already");
    if (tenant) {
        apr_cpystrn(query.tenant, tenant, sizeof(query.tenant));
        query.has_selection = true;
    }
    if (query.format == STATUS_EVENTS) {
        board_release(&board); /* a stream takes its own, again and again */
        return status_events(r, &query);
    }
    return show_board(r, &board, &query);
}

/* ---- the handler ---- */

/*
 * What can be read below the Location:
 *     TENANT           the board of one tenant
 *     TENANT/SERVICE   the page of one service
 *     TENANT/SERVICE/limits   what limits it
 *     -/NAME           the page's own files
 */
static int show_target(request_rec *r, const struct location_config *config, const char *target)
{
    if (target[0] == '-' && target[1] == '/')
        return page_static_serve(r, target);
    if (limit_status_is_target(target))
        return limit_status_show(r, target);
    if (strchr(target, '/'))
        return status_page_service(r, target);
    return name_is_valid(target) && status_scope_allows(config, target) ? show(r, target)
                                                                        : HTTP_NOT_FOUND;
}

/* Anything but GET and HEAD of what can be read below the Location. */
static int change_target(request_rec *r, const struct location_config *config, const char *target)
{
    struct order order;
    bool is_file = target[0] == '-' && target[1] == '/';

    if (limit_status_is_target(target))
        return limit_status_show(r, target);
    if (config->admin_on == 1 && !is_file)
        return admin_handle(r);
    if (!is_file &&
        (order_begin(&order, target, NULL) < 0 || !status_scope_allows(config, order.tenant)))
        return HTTP_NOT_FOUND;
    return r->method_number == M_OPTIONS ? reply_options(r, ALLOWED_METHODS)
                                         : reply_method_not_allowed(r, ALLOWED_METHODS);
}

static int route(request_rec *r, const struct location_config *config)
{
    const char *target = admin_target_of(r->uri, config->base);

    if (*target && r->method_number == M_GET)
        return show_target(r, config, target);
    if (*target)
        return change_target(r, config, target);
    if (r->method_number == M_OPTIONS)
        return reply_options(r, ALLOWED_METHODS);
    if (r->method_number != M_GET)
        return reply_method_not_allowed(r, ALLOWED_METHODS);
    return show(r, NULL);
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
    return route(r, config);
}
