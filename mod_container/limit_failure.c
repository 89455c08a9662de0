/* SPDX-License-Identifier: Apache-2.0 */
/* A request that was handed on and got no answer: why. */
#include <errno.h>

#include <apr_atomic.h>
#include <apr_strings.h>
#include <http_core.h>

#include "common/clock.h"
#include "mod_container/limit_page.h"
#include "mod_container/module.h"
#include "mod_container/route.h"

/*
 * The kernel kills a worker, and its connection breaks at once; the supervisor notes the kill some
 * milliseconds later. So who finds no reason looks again for a moment. At most a few of a child's
 * threads do: a service that breaks all its connections must not hold them all.
 */
#define WAIT_MAX_MS  300
#define WAIT_STEP_MS 20
#define WAITERS_MAX  4

static volatile apr_uint32_t waiters;

static void look(const struct routed *routed, bool is_timeout, struct limit_cause *cause)
{
    struct container_slot slot;
    struct moment moment = {clock_boottime_usec(), clock_realtime_usec()};
    _cleanup_board_view_ struct board_view view;

    board_acquire(module_board(), &view);
    *cause = (struct limit_cause){.kind = LIMIT_UNKNOWN};
    if (view.condition != BOARD_LIVE) {
        cause->kind = view.condition == BOARD_STALE ? LIMIT_STALE : LIMIT_NO_SUPERVISOR;
        return;
    }
    uint32_t hint = apr_atomic_read32(&routed->route->slot_hint);
    int found =
        scoreboard_find(view.reader, routed->route->tenant, routed->route->service, &hint, &slot);
    if (found == 0)
        limit_cause_of_failure(&slot, &routed->mark, &moment, is_timeout, cause);
    else if (found == -ENOENT)
        cause->kind = LIMIT_NO_SERVICE;
}

static void look_for_a_moment(const struct routed *routed, bool is_timeout,
                              struct limit_cause *cause)
{
    look(routed, is_timeout, cause);
    if (cause->kind != LIMIT_UNKNOWN)
        return;
    if (apr_atomic_inc32(&waiters) < WAITERS_MAX)
        for (int ms = 0; ms < WAIT_MAX_MS && cause->kind == LIMIT_UNKNOWN; ms += WAIT_STEP_MS) {
            apr_sleep(apr_time_from_msec(WAIT_STEP_MS));
            look(routed, is_timeout, cause);
        }
    apr_atomic_dec32(&waiters);
}

static bool is_failure(int status)
{
    return status == HTTP_BAD_GATEWAY || status == HTTP_SERVICE_UNAVAILABLE ||
           status == HTTP_GATEWAY_TIME_OUT;
}

/*
 * With ProxyErrorOverride, mod_proxy returns the status of the program's own answer. Of HTTP it
 * makes a note; of FastCGI there is the program's status line, and no word of an error of its own.
 */
static bool is_programs_answer(const request_rec *r)
{
    return apr_table_get(r->notes, "proxy-error-override") ||
           (r->status_line && !apr_table_get(r->notes, "error-notes"));
}

int limit_page_proxy_failed(int *status, request_rec *r)
{
    struct routed *routed = route_of_request(r);
    const struct limit_setting *setting;
    struct limit_cause cause;

    if (!routed || !routed->has_mark || r->main || !is_failure(*status) || r->eos_sent ||
        r->sent_bodyct || r->connection->aborted || is_programs_answer(r))
        return DECLINED;
    setting = config_of_request(r)->limit_page;
    if (setting && setting->is_off)
        return DECLINED;
    look_for_a_moment(routed, *status == HTTP_GATEWAY_TIME_OUT, &cause);
    if (cause.kind == LIMIT_UNKNOWN)
        cause.status = (unsigned)*status;
    cause.detail =
        apr_psprintf(r->pool, "%s (mod_proxy: %d)", limit_kind_row(cause.kind)->title, *status);
    *status = limit_page_answer(r, routed->route, &cause);
    return OK;
}
