/* SPDX-License-Identifier: Apache-2.0 */
#include "mod_container/route.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include <apr_atomic.h>
#include <apr_strings.h>
#include <http_core.h>
#include <http_protocol.h>
#include <http_request.h>

#include "common/clock.h"
#include "mod_container/limit_page.h"
#include "mod_container/limit_status.h"
#include "mod_container/module.h"
#include "mod_container/path.h"
#include "mod_container/plan.h"
#include "mod_container/static.h"
#include "mod_container/tree.h"

#define RETRY_SOON_SECONDS 5

struct routed *route_of_request(const request_rec *r)
{
    const struct module_request *request = module_request_find(r);

    return request ? request->routed : NULL;
}

/* ---- before the handler ---- */

/* A SetHandler in the server's configuration for this very Location goes before the route. */
static bool has_own_handler(const request_rec *r)
{
    const core_dir_config *core = ap_get_core_module_config(r->per_dir_config);

    return core->expr_handler || (core->handler && strcasecmp(core->handler, "none") != 0);
}

int route_translate_name(request_rec *r)
{
    struct route *route = config_of_request(r)->route;

    if (!route || route->is_off || r->proxyreq || r->uri[0] != '/' || has_own_handler(r))
        return DECLINED;
    struct routed *routed = apr_pcalloc(r->pool, sizeof(*routed));
    routed->route = route;
    /* The tenant who looks for a reason is no visitor of the site. */
    routed->is_limit_link = limit_status_is_link(r);
    if (!routed->is_limit_link)
        routed->traffic = traffic_begin(r, route);
    module_request_make(r)->routed = routed;
    if (!path_is_acceptable(r->uri)) {
        ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r,
                      "path with a control character, '?' or encoded slash: not handed on");
        return HTTP_BAD_REQUEST;
    }
    if (r->method_number == M_CONNECT)
        return HTTP_METHOD_NOT_ALLOWED;
    r->filename = apr_pstrcat(r->pool, route->docroot, r->uri, NULL);
    /* No file of this machine, whatever its name: nobody is to open or negotiate it. */
    r->finfo.filetype = APR_SOCK;
    return OK;
}

/* TRACE stays with the core, which answers or refuses it next. */
int route_map_to_storage(request_rec *r)
{
    return route_of_request(r) && r->method_number != M_TRACE ? OK : DECLINED;
}

int route_type_checker(request_rec *r)
{
    const struct routed *routed = route_of_request(r);

    return routed && !routed->is_static ? OK : DECLINED;
}

/* ---- refusals ---- */

/* The visitor gets a general sentence, the log the reason. detail is cleaned there. */
static int refuse(request_rec *r, struct route *route, enum limit_kind kind, const char *detail)
{
    const struct limit_cause cause = {.kind = kind, .detail = detail};

    return limit_page_answer(r, route, &cause);
}

static int refuse_state(request_rec *r, struct route *route, const struct container_slot *slot)
{
    const struct moment moment = {clock_boottime_usec(), clock_realtime_usec()};
    struct limit_cause cause;

    limit_cause_of_slot(slot, &moment, &cause);
    cause.detail = apr_psprintf(
        r->pool, "%s %s", container_state_name((enum container_state)slot->state), slot->message);
    return limit_page_answer(r, route, &cause);
}

/*
 * States whose socket answers: the supervisor holds it, so that connections wait in its backlog
 * while the container starts, sleeps or starts anew. All others are 503.
 */
static bool state_is_routed(uint32_t state)
{
    switch ((enum container_state)state) {
    case CONTAINER_SLEEPING:
    case CONTAINER_STARTING:
    case CONTAINER_RUNNING:
    case CONTAINER_WORKING:
    case CONTAINER_LIMITED:
    case CONTAINER_UNHEALTHY:
    case CONTAINER_STOPPING:
    case CONTAINER_BACKOFF:
        return true;
    default:
        return false;
    }
}

/* Finds the service's slot. Returns OK, or what refuse() returned through *answer and DONE. */
static int find_service(request_rec *r, struct route *route, struct container_slot *slot,
                        int *answer)
{
    _cleanup_board_view_ struct board_view view;

    board_acquire(module_board(), &view);
    if (view.condition != BOARD_LIVE) {
        *answer =
            refuse(r, route, view.condition == BOARD_STALE ? LIMIT_STALE : LIMIT_NO_SUPERVISOR,
                   view.why.message);
        return DONE;
    }
    uint32_t hint = apr_atomic_read32(&route->slot_hint);
    int found = scoreboard_find(view.reader, route->tenant, route->service, &hint, slot);
    if (found == 0) {
        apr_atomic_set32(&route->slot_hint, hint);
        return OK;
    }
    *answer = found == -ENOENT
                  ? refuse(r, route, LIMIT_NO_SERVICE, "the supervisor has none of this name")
                  : refuse(r, route, LIMIT_UNREADABLE, "the supervisor is in the middle of it");
    return DONE;
}

/* What is wrong with a slot's endpoint, or NULL. The path becomes part of a URL of mod_proxy. */
static const char *endpoint_problem(const struct container_slot *slot)
{
    if (slot->endpoint_kind == ENDPOINT_NONE)
        return "the service has no x-listen";
    if (slot->endpoint_kind != ENDPOINT_FCGI && slot->endpoint_kind != ENDPOINT_HTTP)
        return "this module does not know the kind of its endpoint";
    if (slot->endpoint_path[0] != '/' || strpbrk(slot->endpoint_path, "|?#%"))
        return "its socket's path is not an absolute one without | ? # %";
    return NULL;
}

/* ---- handing on ---- */

/*
 * Access rules hold for the index or fallback script that stands in for the visitor's path, too: a
 * sub-request runs them.
 */
static int check_access(request_rec *r, const char *uri)
{
    request_rec *target = ap_sub_req_method_uri(r->method, ap_escape_uri(r->pool, uri), r, NULL);

    if (target->status == HTTP_OK)
        return OK;
    apr_table_overlap(r->err_headers_out, target->err_headers_out, APR_OVERLAP_TABLES_SET);
    return target->status;
}

/* mod_proxy's handler runs next; "unix:" of SetHandler is its own syntax. */
static int hand_to_fcgi(request_rec *r, struct routed *routed, const struct container_slot *slot,
                        const struct plan *plan)
{
    const struct route *route = routed->route;
    int answer;

    if (plan->uri != r->uri) {
        int status = check_access(r, plan->uri);
        if (status != OK)
            return status;
        r->uri = (char *)plan->uri;
    }
    if (!gate_pass(r, routed, &answer))
        return answer;
    r->filename = apr_pstrcat(r->pool, route->docroot,
                              apr_pstrmemdup(r->pool, r->uri, plan->script_length), NULL);
    r->path_info = r->uri + plan->script_length;
    ap_set_document_root(r, *route->docroot ? route->docroot : "/");
    ap_set_context_info(r, "", *route->docroot ? route->docroot : "/");
    r->handler = apr_pstrcat(r->pool, "proxy:unix:", slot->endpoint_path, "|fcgi://", route->tenant,
                             "-", route->service, NULL);
    return DECLINED;
}

/* The name and port the visitor asked for, so that the program inside makes right URLs. */
static const char *visible_host(request_rec *r)
{
    const char *name = r->hostname && *r->hostname ? r->hostname : "localhost";

    if (strchr(name, ':'))
        name = apr_pstrcat(r->pool, "[", name, "]", NULL);
    if (r->parsed_uri.port_str && *r->parsed_uri.port_str)
        return apr_psprintf(r->pool, "%s:%u", name, r->parsed_uri.port);
    return name;
}

static int hand_to_http(request_rec *r, struct routed *routed, const struct container_slot *slot)
{
    int answer;

    if (!ap_find_linked_module("mod_proxy_http.c")) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r,
                      "%s/%s speaks HTTP: load mod_proxy_http (LoadModule proxy_http_module ...)",
                      slot->tenant, slot->service);
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    if (!gate_pass(r, routed, &answer))
        return answer;
    r->filename = r->uri;
    r->handler =
        apr_pstrcat(r->pool, "proxy:unix:", slot->endpoint_path, "|http://", visible_host(r), NULL);
    return DECLINED;
}

static int add_slash(request_rec *r)
{
    const char *path = apr_pstrcat(r->pool, ap_escape_uri(r->pool, r->uri), "/",
                                   r->args ? "?" : NULL, r->args, NULL);

    apr_table_setn(r->headers_out, "Location", ap_construct_url(r->pool, path, r));
    return HTTP_MOVED_PERMANENTLY;
}

static int follow_plan(request_rec *r, struct routed *routed, const struct container_slot *slot,
                       int tree, const struct plan *plan)
{
    switch (plan->action) {
    case PLAN_SCRIPT:
        return hand_to_fcgi(r, routed, slot, plan);
    case PLAN_ADD_SLASH:
        return add_slash(r);
    case PLAN_NOT_FOUND:
        return HTTP_NOT_FOUND;
    case PLAN_FORBIDDEN:
        return HTTP_FORBIDDEN;
    case PLAN_FILE:
        routed->is_static = true;
        if (plan->uri != r->uri) {
            int status = check_access(r, plan->uri);
            if (status != OK)
                return status;
        }
        return static_serve(r, tree, plan->uri);
    case PLAN_FAILED:
        break;
    }
    ap_log_rerror(APLOG_MARK, APLOG_ERR, APR_FROM_OS_ERROR(-plan->error), r, "cannot look below %s",
                  routed->route->static_dir);
    return HTTP_INTERNAL_SERVER_ERROR;
}

/* With static= for an HTTP service, only plain files are sent from here. */
static int serve_http(request_rec *r, struct routed *routed, const struct container_slot *slot,
                      int tree)
{
    struct plan plan = {.action = PLAN_NOT_FOUND};

    if (tree >= 0)
        plan = plan_by_tree(r->pool, tree, r->uri, NULL);
    if (plan.action == PLAN_FILE && plan.uri == r->uri)
        return follow_plan(r, routed, slot, tree, &plan);
    return hand_to_http(r, routed, slot);
}

static int serve(request_rec *r, struct routed *routed, const struct container_slot *slot)
{
    struct route *route = routed->route;
    _cleanup_close_ int tree = route->static_dir ? tree_open(route->static_dir) : -EBADF;

    if (route->static_dir && tree < 0)
        return refuse(r, route, LIMIT_BAD_STATIC,
                      apr_psprintf(r->pool, "%s cannot be opened without following links: %s",
                                   route->static_dir, strerror(-tree)));
    if (slot->endpoint_kind == ENDPOINT_HTTP)
        return serve_http(r, routed, slot, tree);
    struct plan plan = tree >= 0 ? plan_by_tree(r->pool, tree, r->uri, route->fallback)
                                 : plan_by_name(r->pool, r->uri, route->fallback);
    return follow_plan(r, routed, slot, tree, &plan);
}

int route_handler(request_rec *r)
{
    struct routed *routed = route_of_request(r);
    struct container_slot slot;
    int answer;

    if (!routed)
        return DECLINED;
    if (routed->is_limit_link)
        return limit_status_link(r, routed->route);
    if (find_service(r, routed->route, &slot, &answer) != OK)
        return answer;
    if (!state_is_routed(slot.state))
        return refuse_state(r, routed->route, &slot);
    const char *problem = endpoint_problem(&slot);
    if (problem)
        return refuse(r, routed->route, LIMIT_NO_ENDPOINT, problem);
    limit_mark_take(&slot, &routed->mark);
    routed->has_mark = true;
    /* "Proxy:" of a visitor would become HTTP_PROXY of the program inside (CVE-2016-5387). */
    apr_table_unset(r->headers_in, "Proxy");
    return serve(r, routed, &slot);
}

/* Where ContainerLimitPage is off, mod_proxy's own 503 says no time to come again. */
void route_insert_error_filter(request_rec *r)
{
    if (r->status == HTTP_SERVICE_UNAVAILABLE && route_of_request(r) &&
        !apr_table_get(r->err_headers_out, "Retry-After"))
        apr_table_setn(r->err_headers_out, "Retry-After", apr_itoa(r->pool, RETRY_SOON_SECONDS));
}
