/* SPDX-License-Identifier: Apache-2.0 */
#include "mod_container/status_service.h"

#include <errno.h>
#include <string.h>

#include <apr_strings.h>
#include <http_core.h>
#include <http_protocol.h>

#include "common/control.h"
#include "mod_container/module.h"
#include "mod_container/reply.h"
#include "mod_container/scope.h"
#include "mod_container/service_page.h"

/* ---- questions to the supervisor ---- */

json_t *service_ask_quietly(struct service_page *service, const char *verb, json_t *extra)
{
    struct error error = ERROR_INIT;
    enum control_code code = CONTROL_FAILED;
    json_t *answer = NULL;
    _cleanup_json_ json_t *request = json_pack("{s:s, s:s, s:s}", "verb", verb, "tenant",
                                               service->tenant, "service", service->service);

    json_object_update(request, extra);
    json_decref(extra);
    if (service->silence || !request)
        return NULL;
    int deadline_ms =
        service->budget_ms < SERVICE_DEADLINE_MS ? service->budget_ms : SERVICE_DEADLINE_MS;
    apr_time_t began = apr_time_now();
    int r =
        control_call(module_state()->control_path, request, deadline_ms, &answer, &code, &error);
    service->budget_ms -= (int)apr_time_as_msec(apr_time_now() - began);
    if (r == 0)
        return answer;
    /* A refusal is about this question; all else is about the supervisor. */
    const char *reason = apr_pstrdup(service->page.r->pool, error.message);
    service->refusal = r == -EREMOTEIO ? reason : NULL;
    if (r != -EREMOTEIO)
        service->silence = reason;
    if (service->budget_ms <= 0 && !service->silence)
        service->silence = "it took too long to answer";
    return NULL;
}

json_t *service_ask(struct service_page *service, const char *verb, json_t *extra)
{
    json_t *answer = service_ask_quietly(service, verb, extra);

    if (answer)
        return answer;
    const char *reason = service->silence ? service->silence : service->refusal;
    struct out *out = &service->page.out;
    out_text(out, service->silence ? "<p class=\"quiet\">The supervisor did not answer."
                                   : "<p class=\"quiet\">The supervisor does not tell.");
    /* Paths of this machine are nothing for those who see some tenants only. */
    if (reason && !service->page.overview->is_limited) {
        out_text(out, " <small>");
        out_html(out, reason);
        out_text(out, "</small>");
    }
    out_text(out, "</p>\n");
    return NULL;
}

/* ---- the page ---- */

void service_open(struct service_page *service, const char *id, const char *title)
{
    out_format(&service->page.out,
               "<section class=\"card\" aria-labelledby=\"h-%s\" data-key=\"%s\"><h2 "
               "id=\"h-%s\">%s</h2>\n",
               id, id, id, title);
}

void service_close(struct service_page *service)
{
    out_text(&service->page.out, "</section>\n");
}

static void write_who(struct service_page *service)
{
    const struct container_slot *slot = &service->slot;
    const struct moment *moment = &service->page.overview->moment;
    struct out *out = &service->page.out;
    enum container_state state = page_state(slot);

    out_format(out, "<div class=\"who\" data-key=\"who\"><b class=\"pill %s\">%c %s</b>",
               state_css_class(state), container_state_letter(state), container_state_name(state));
    if (slot->state_since_boottime_usec) {
        out_text(out, " <span>for ");
        html_duration(out, since(moment->boottime_usec, slot->state_since_boottime_usec));
        out_text(out, "</span>");
    }
    if (slot->message[0]) {
        out_text(out, "<p>");
        out_html(out, slot->message);
        out_text(out, "</p>");
    }
    out_text(out, "<p><a href=\"");
    page_address(&service->page, service->tenant, service->service);
    out_text(out, "/limits\">What limits it</a></p></div>\n");
}

static void write_page(struct service_page *service)
{
    struct page *page = &service->page;
    struct out *out = &page->out;

    page_head(page, service->tenant, service->service);
    page_warning(page);
    page_flash(page, service->query->flash);
    out_text(out, "<main id=\"main\">\n");
    write_who(service);
    service_actions(service);
    service_use(service);
    service_charts(service);
    service_requests(service);
    /* The reader has all of the above while the supervisor is asked. */
    out_flush(out);
    service_processes(service);
    service_why(service);
    service_mails(service);
    service_events(service);
    service_logs(service);
    out_text(out, "<div class=\"grid\" data-key=\"grid\">\n");
    service_facts(service);
    service_spec(service);
    out_text(out, "</div>\n</main>\n");
    page_foot(page);
}

/* ---- the handler ---- */

/* The first container of the service. False when there is none. */
static bool find_slot(struct service_page *service, const struct overview *overview)
{
    const struct selection *selection = &overview->selection;

    for (uint32_t i = 0; i < selection->count; i++) {
        service->index = selection->rows[i].slot;
        if (overview_slot(overview, service->index, &service->slot) &&
            strcmp(service->slot.tenant, service->tenant) == 0 &&
            strcmp(service->slot.service, service->service) == 0)
            return true;
    }
    return false;
}

static int show_json(request_rec *r, const struct service_page *service,
                     const struct overview *overview)
{
    struct out out;

    ap_set_content_type(r, "application/json");
    if (r->header_only)
        return OK;
    out_begin(&out, r);
    status_json_container(&out, &overview->moment, &service->slot, service->index);
    out_text(&out, "\n");
    return out_end(&out);
}

static int refuse_without_board(request_rec *r, const struct board_view *board)
{
    apr_table_setn(r->headers_out, "Retry-After", "5");
    return reply_text(r, HTTP_SERVICE_UNAVAILABLE, board->why.message);
}

static int show(request_rec *r, const struct board_view *board, struct service_page *service,
                const char *target)
{
    struct status_query query = {.order = ORDER_SLOT, .page = 1};
    struct overview *overview = apr_palloc(r->pool, sizeof(*overview));

    apr_cpystrn(query.tenant, service->tenant, sizeof(query.tenant));
    overview_begin(r, board, &query, overview);
    if (overview_take_rows(r, overview) != OK)
        return HTTP_INTERNAL_SERVER_ERROR;
    if (!find_slot(service, overview))
        return board->reader ? HTTP_NOT_FOUND : refuse_without_board(r, board);
    reply_guard_headers(r);
    apr_table_setn(r->headers_out, "Content-Security-Policy",
                   module_state()->content_security_policy);
    if (service->query->refresh_seconds)
        apr_table_setn(r->headers_out, "Refresh",
                       apr_itoa(r->pool, (int)service->query->refresh_seconds));
    if (service->query->is_json)
        return show_json(r, service, overview);
    ap_set_content_type(r, "text/html; charset=utf-8");
    if (r->header_only)
        return OK;
    page_begin(&service->page, r, overview, target);
    write_page(service);
    return OK;
}

int status_page_service(request_rec *r, const char *target)
{
    char tenant[NAME_MAX_LENGTH + 1], name[NAME_MAX_LENGTH + 1];
    struct service_query query;
    struct error error = ERROR_INIT;
    struct service_page *service = apr_pcalloc(r->pool, sizeof(*service));
    _cleanup_board_view_ struct board_view board;

    /* Before any return: the clean-up runs on each. */
    board_acquire(module_board(), &board);
    if (name_split(target, tenant, name, &error) < 0 ||
        !status_scope_allows(config_of_request(r), tenant))
        return HTTP_NOT_FOUND;
    if (service_query_parse(r->args, &query, &error) < 0)
        return reply_text(r, HTTP_BAD_REQUEST, error.message);
    service->tenant = tenant;
    service->service = name;
    service->query = &query;
    service->budget_ms = SERVICE_BUDGET_MS;
    return show(r, &board, service, target);
}
