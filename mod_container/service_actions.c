/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The page of a service: buttons, for those whom the Location's own rules let act. Whether they do
 * is not guessed: httpd decides about a POST to this very address, in a sub-request that is never
 * run.
 */
#include <httpd.h>

#include <apr_strings.h>
#include <http_core.h>
#include <http_log.h>
#include <http_protocol.h>
#include <http_request.h>

#include "common/cleanup.h"
#include "mod_container/service_page.h"
#include "mod_container/token.h"

/* Its rules as for a request of its own: a sub-request whose configuration is the page's own is
   taken for allowed without a look, although <Limit> may tell GET from POST. */
static bool rules_allow(request_rec *sub)
{
    int status = ap_run_access_checker_ex(sub);

    if (status == OK)
        return true;
    if (status != DECLINED)
        return false;
    return ap_run_check_user_id(sub) == OK && ap_run_auth_checker(sub) == OK;
}

static bool may_act(const struct service_page *service)
{
    /* That somebody may look but not act is nothing to write into the error log, at each look. */
    static const struct ap_logconf quiet = {.level = APLOG_EMERG};
    request_rec *r = service->page.r;
    const struct ap_logconf *log = r->log;

    if (service->page.overview->config->admin_on != 1 || r->main)
        return false;
    r->log = &quiet;
    request_rec *sub = ap_sub_req_method_uri("POST", r->uri, r, NULL);
    sub->log = &quiet;
    bool is_allowed = sub->status == HTTP_OK && rules_allow(sub);
    r->log = log;
    ap_destroy_sub_req(sub);
    return is_allowed;
}

static const struct {
    const char *verb, *label;
    uint32_t states;      /* where it means something: bits 1 << enum container_state */
    const char *question; /* asked before: what would be lost */
} actions[] = {
#define IN(state) (UINT32_C(1) << CONTAINER_##state)
#define UP        (IN(RUNNING) | IN(WORKING) | IN(LIMITED) | IN(UNHEALTHY))
    {"start", "Start", IN(SLEEPING) | IN(STOPPED) | IN(FAILED) | IN(EXITED) | IN(BACKOFF), NULL},
    {"restart", "Restart", UP | IN(PAUSED) | IN(BACKOFF) | IN(FAILED), NULL},
    {"pause", "Pause", UP, NULL},
    {"resume", "Resume", IN(PAUSED), NULL},
    {"stop", "Stop", UP | IN(PAUSED) | IN(STARTING) | IN(BACKOFF) | IN(SLEEPING),
     "Visitors get an error until somebody starts it again."},
    {"kill", "Kill", UP | IN(PAUSED) | IN(STARTING) | IN(STOPPING),
     "Its processes end at once and save nothing. It stays stopped."},
#undef UP
#undef IN
};

static void write_form(struct service_page *service, size_t action)
{
    struct page *page = &service->page;
    struct out *out = &page->out;
    char target[2 * NAME_MAX_LENGTH + 2];

    apr_snprintf(target, sizeof(target), "%s/%s", service->tenant, service->service);
    out_text(out, "<form method=\"post\" action=\"");
    page_address(page, service->tenant, service->service);
    out_format(out,
               "\"><input type=\"hidden\" name=\"action\" value=\"%s\"><input type=\"hidden\" "
               "name=\"back\" value=\"service\"><input type=\"hidden\" name=\"token\" value=\"",
               actions[action].verb);
    out_html(out, token_make(page->r, actions[action].verb, target));
    out_format(out, "\"><button%s>%s%s</button></form>",
               actions[action].question ? " class=\"danger\"" : "",
               actions[action].question ? "Yes, " : "", actions[action].label);
}

void service_actions(struct service_page *service)
{
    uint32_t state = UINT32_C(1) << page_state(&service->slot);
    struct out *out = &service->page.out;

    if (!may_act(service))
        return;
    out_text(out, "<div class=\"actions\" role=\"group\" aria-label=\"Actions\" "
                  "data-key=\"actions\">\n");
    for (size_t i = 0; i < ARRAY_LENGTH(actions); i++) {
        if (!(actions[i].states & state))
            continue;
        if (actions[i].question)
            out_format(out, "<details data-key=\"%s\"><summary>%s...</summary><p>%s</p>",
                       actions[i].verb, actions[i].label, actions[i].question);
        write_form(service, i);
        out_text(out, actions[i].question ? "</details>\n" : "\n");
    }
    out_text(out, "</div>\n");
}
