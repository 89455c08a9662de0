/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_container: httpd's side of the supervisor. This file holds the hooks and the state that lives
 * from one (re)start to the next; each duty has a file of its own:
 *
 *     config     directives                      board    the child's mapping of the scoreboard
 *     route      ContainerRoute                  status   /container-status and its formats
 *     plan,tree  which script or file            admin    POST actions
 *     static     a tenant's plain files          reply    small answers
 *     traffic    what is counted of requests
 *     gate       ContainerMaxRequests; gate_table, gate_claim, gate_limit know no httpd
 *     limit_page    what a visitor reads whom a service cannot serve; limit_failure: why
 *     limit_status  the tenant's and the operator's views of that, and signed links
 *     scope  ContainerStatusScope                token    the tokens and results of its forms
 *     form, query, origin, path, text, tree: no httpd inside, unit-tested
 */
#include <httpd.h>

#include <http_config.h>
#include <http_core.h>
#include <http_log.h>
#include <http_protocol.h>
#include <http_request.h>
#include <mod_proxy.h>
#include <mod_status.h>
#include <mpm_common.h>

#include <apr_optional_hooks.h>

#include "mod_container/admin.h"
#include "mod_container/admin_limit.h"
#include "mod_container/door/door.h"
#include "mod_container/door/evasive.h"
#include "mod_container/gate.h"
#include "mod_container/limit_page.h"
#include "mod_container/limit_status.h"
#include "mod_container/module.h"
#include "mod_container/route.h"
#include "mod_container/status.h"
#include "mod_container/status_events.h"
#include "mod_container/token.h"
#include "mod_container/traffic.h"

static struct module_state *state;            /* set once a start, before children exist */
static struct board *child_board;             /* set once a child, before threads exist */
static struct summary_cache *child_summaries; /* likewise; ends with the process */
static struct answer_cache *child_answers;    /* likewise */

const struct module_state *module_state(void)
{
    return state;
}

struct board *module_board(void)
{
    return child_board;
}

struct summary_cache *module_summaries(void)
{
    return child_summaries;
}

struct answer_cache *module_answers(void)
{
    return child_answers;
}

struct module_request *module_request_find(const request_rec *r)
{
    return ap_get_module_config(r->request_config, &container_module);
}

struct module_request *module_request_make(request_rec *r)
{
    struct module_request *request = module_request_find(r);

    if (!request) {
        request = apr_pcalloc(r->pool, sizeof(*request));
        ap_set_module_config(r->request_config, &container_module, request);
    }
    return request;
}

static int pre_config(apr_pool_t *config_pool, apr_pool_t *log_pool, apr_pool_t *temp_pool)
{
    (void)config_pool;
    (void)log_pool;
    (void)temp_pool;
    state = NULL;
    child_board = NULL;
    config_reset();
    gate_reset();
    return OK;
}

/* Runs for "apache2 -t", too: a configuration that cannot work does not pass there either. */
static int check_config(apr_pool_t *config_pool, apr_pool_t *log_pool, apr_pool_t *temp_pool,
                        server_rec *server)
{
    static const struct {
        const char *file, *module, *purpose;
    } needed[] = {
        {"mod_proxy.c", "proxy", "hands requests on"},
        {"mod_proxy_fcgi.c", "proxy_fcgi", "speaks FastCGI"},
    };

    (void)config_pool;
    (void)log_pool;
    (void)temp_pool;
    for (size_t i = 0; config_first_route() && i < ARRAY_LENGTH(needed); i++) {
        if (ap_find_linked_module(needed[i].file))
            continue;
        ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_CRIT, 0, server,
                     "ContainerRoute at %s needs mod_%s, which %s: add \"LoadModule %s_module "
                     "modules/mod_%s.so\" (on Debian: a2enmod %s)",
                     config_first_route(), needed[i].module, needed[i].purpose, needed[i].module,
                     needed[i].module, needed[i].module);
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    return OK;
}

/*
 * The plan:
 *   1. nothing in the first of httpd's two passes: what it makes is thrown away
 *   2. the two paths, from ContainerRoot and ContainerSupervisor
 *   3. the hash of the style sheet
 *   4. the key of the page's forms, the memory that counts admin calls
 *   5. the places of event streams, which the children share
 *   6. the pages of limits
 *   7. our name in the Server header, as far as ServerTokens allows
 *   8. the door's table, when there is a rule
 *   9. the places of requests in flight, when a service has a limit of them
 */
static int post_config(apr_pool_t *config_pool, apr_pool_t *log_pool, apr_pool_t *temp_pool,
                       server_rec *server)
{
    struct error error = ERROR_INIT;

    (void)log_pool;
    (void)temp_pool;
    if (ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG) /* 1 */
        return OK;
    state = apr_pcalloc(config_pool, sizeof(*state));
    if (config_resolve(server, state, &error) < 0) { /* 2 */
        ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_CRIT, 0, server, "ContainerRoot: %s",
                     error.message);
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    state->content_security_policy = status_security_policy(config_pool); /* 3 */
    apr_status_t status = token_start(server);                            /* 4 */
    if (status == APR_SUCCESS)
        status = admin_limit_start(config_pool);
    if (status != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_CRIT, status, server,
                     "no random bytes or no shared memory for the admin calls");
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    status = status_events_start(config_pool); /* 5 */
    if (status != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_CRIT, status, server,
                     "no shared memory for the places of event streams");
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    if (limit_page_start(config_pool) != APR_SUCCESS || /* 6 */
        limit_status_start(config_pool) != APR_SUCCESS)
        return HTTP_INTERNAL_SERVER_ERROR;
    ap_add_version_component(config_pool, "mod_container/" MOD_CONTAINER_VERSION); /* 7 */
    int answer = door_start(config_pool, server);                                  /* 8 */
    return answer == OK ? gate_start(server) : answer;                             /* 9 */
}

static void child_init(apr_pool_t *child_pool, server_rec *server)
{
    (void)server;
    child_board = board_create(child_pool, state->scoreboard_path);
    child_summaries = summary_cache_new();
    child_answers = answer_cache_new();
    traffic_child_init();
    gate_child_init();
}

static void register_hooks(apr_pool_t *pool)
{
    /* What the administrator mapped by hand (Redirect, Alias, ProxyPass, RewriteRule) goes first.
     */
    static const char *const mappers[] = {"mod_alias.c",   "mod_proxy.c",       "mod_rewrite.c",
                                          "mod_userdir.c", "mod_vhost_alias.c", NULL};
    static const char *const proxy[] = {"mod_proxy.c", NULL};
    /* mod_logio's count of a request is there once its own hook has run, behind mod_log_config's.
     */
    static const char *const logs[] = {"mod_log_config.c", "mod_logio.c", NULL};

    ap_hook_pre_config(pre_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_check_config(check_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_post_config(post_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_child_init(child_init, NULL, NULL, APR_HOOK_MIDDLE);

    ap_hook_translate_name(route_translate_name, mappers, NULL, APR_HOOK_LAST);
    ap_hook_map_to_storage(route_map_to_storage, NULL, NULL, APR_HOOK_FIRST);
    ap_hook_type_checker(route_type_checker, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_handler(route_handler, NULL, proxy, APR_HOOK_REALLY_FIRST);
    APR_OPTIONAL_HOOK(proxy, request_status, limit_page_proxy_failed, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_insert_error_filter(route_insert_error_filter, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_log_transaction(traffic_log_transaction, logs, NULL, APR_HOOK_LAST);
    traffic_register();
    door_register();
    evasive_register(pool);

    ap_hook_child_stopping(status_events_stop, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_child_stopping(gate_stop, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_handler(status_handler, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_handler(admin_handler, NULL, NULL, APR_HOOK_MIDDLE);
    APR_OPTIONAL_HOOK(ap, status_hook, status_hook_section, NULL, NULL, APR_HOOK_MIDDLE);
}

module AP_MODULE_DECLARE_DATA container_module = {
    STANDARD20_MODULE_STUFF,
    config_create_location,
    config_merge_location,
    config_create_server,
    NULL, /* the server's two directives are the main server's alone */
    config_directives,
    register_hooks,
#if defined(AP_MODULE_FLAG_NONE)
    AP_MODULE_FLAG_NONE,
#endif
};
