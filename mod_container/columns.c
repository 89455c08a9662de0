/* SPDX-License-Identifier: Apache-2.0 */
#include "mod_container/columns.h"

#include <string.h>

#include <apr_strings.h>

#include "common/cleanup.h"
#include "common/units.h"
#include "mod_container/reply.h"

static uint64_t since(uint64_t now, uint64_t then)
{
    return now > then ? now - then : 0;
}

/* ---- cells of the page that say more than one figure ---- */

#define CELL(name)                                                                                 \
    static const char *cell_##name(apr_pool_t *pool,                                               \
                                   __attribute__((unused)) const struct moment *moment,            \
                                   const struct container_slot *slot)

static const char *size_text(apr_pool_t *pool, uint64_t bytes)
{
    char buffer[32];

    return apr_pstrdup(pool, format_size(bytes, buffer, sizeof(buffer)));
}

static const char *duration_text(apr_pool_t *pool, uint64_t usec)
{
    char buffer[32];

    return apr_pstrdup(pool, format_duration(usec, buffer, sizeof(buffer)));
}

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

CELL(state)
{
    return apr_psprintf(pool, "<b class=\"%s\">%c</b> %s", state_css_class(slot->state),
                        container_state_letter((enum container_state)slot->state),
                        container_state_name((enum container_state)slot->state));
}

CELL(name)
{
    return apr_pstrcat(pool, reply_html(pool, slot->tenant), "/<wbr>",
                       reply_html(pool, slot->service),
                       slot->replica > 1 ? apr_psprintf(pool, " #%u", slot->replica) : NULL, NULL);
}

CELL(uptime)
{
    if (slot->pid == 0 || slot->started_boottime_usec == 0)
        return NULL;
    return duration_text(pool, since(moment->boottime_usec, slot->started_boottime_usec));
}

CELL(cpu)
{
    if (!(slot->has & SLOT_HAS_CPU))
        return NULL;
    return apr_psprintf(pool, "%u.%u", slot->cpu_percent_milli / 1000,
                        slot->cpu_percent_milli / 100 % 10);
}

/* "12M of 64M"; a limit alone is still worth telling. */
static const char *of_limit(apr_pool_t *pool, const char *value, const char *limit)
{
    if (!value && !limit)
        return NULL;
    return apr_pstrcat(pool, value ? value : "-", limit ? " <small>of " : NULL, limit, "</small>",
                       NULL);
}

CELL(memory)
{
    return of_limit(pool, slot->has & SLOT_HAS_MEMORY ? size_text(pool, slot->memory_bytes) : NULL,
                    slot->has & SLOT_HAS_MEMORY_LIMIT ? size_text(pool, slot->memory_limit_bytes)
                                                      : NULL);
}

CELL(tasks)
{
    return of_limit(pool, slot->has & SLOT_HAS_TASKS ? apr_psprintf(pool, "%u", slot->tasks) : NULL,
                    slot->has & SLOT_HAS_TASKS_LIMIT ? apr_psprintf(pool, "%u", slot->tasks_limit)
                                                     : NULL);
}

/* Rates with the totals behind them; the words say which is which. */
static const char *two_ways(apr_pool_t *pool, const char *in, uint64_t in_rate, uint64_t in_total,
                            const char *out, uint64_t out_rate, uint64_t out_total)
{
    return apr_psprintf(pool,
                        "<span title=\"%s in all\">%s %s/s</span> "
                        "<span title=\"%s in all\">%s %s/s</span>",
                        size_text(pool, in_total), in, size_text(pool, in_rate),
                        size_text(pool, out_total), out, size_text(pool, out_rate));
}

CELL(io)
{
    if (!(slot->has & SLOT_HAS_IO))
        return NULL;
    return two_ways(pool, "read", slot->io_read_rate, slot->io_read_bytes, "write",
                    slot->io_write_rate, slot->io_write_bytes);
}

CELL(net)
{
    if (!(slot->has & SLOT_HAS_NET))
        return NULL;
    return two_ways(pool, "in", slot->net_receive_rate, slot->net_receive_bytes, "out",
                    slot->net_transmit_rate, slot->net_transmit_bytes);
}

CELL(exit)
{
    const char *how, *name;

    if (!(slot->has & SLOT_HAS_EXIT))
        return NULL;
    if (slot->exit_signal != 0) {
        name = sigabbrev_np((int)slot->exit_signal);
        how = name ? apr_psprintf(pool, "signal %s", name)
                   : apr_psprintf(pool, "signal %u", slot->exit_signal);
    } else {
        how = apr_psprintf(pool, "status %d", slot->exit_code);
    }
    if ((slot->has & SLOT_HAS_OOM) && slot->oom_kills > 0)
        how = apr_psprintf(pool, "%s, out of memory %u times", how, slot->oom_kills);
    if (slot->exit_realtime_usec == 0)
        return how;
    return apr_pstrcat(pool, how, " <small>",
                       duration_text(pool, since(moment->realtime_usec, slot->exit_realtime_usec)),
                       " ago</small>", NULL);
}

CELL(message)
{
    const char *next = "";

    if (slot->next_start_boottime_usec > moment->boottime_usec)
        next =
            apr_pstrcat(pool, " <small>next start in ",
                        duration_text(pool, slot->next_start_boottime_usec - moment->boottime_usec),
                        "</small>", NULL);
    if (!*slot->message && !*next)
        return NULL;
    return apr_pstrcat(pool, reply_html(pool, slot->message), next, NULL);
}

CELL(pid)
{
    return slot->pid ? apr_psprintf(pool, "%u", slot->pid) : NULL;
}

CELL(restarts)
{
    return apr_psprintf(pool, "%u", slot->restarts);
}

/* clang-format off */
const struct column status_columns[] = {
    {"State",     "state",   "state",          cell_state},
    {"Container", "name",    "tenant",         cell_name},
    {"PID",       "number",  "pid",            cell_pid},
    {"Uptime",    "number",  "uptime_seconds", cell_uptime},
    {"CPU %",     "number",  "cpu_percent",    cell_cpu},
    {"Memory",    "number",  "memory_bytes",   cell_memory},
    {"Tasks",     "number",  "tasks",          cell_tasks},
    {"I/O",       "rates",   "io_read_rate",   cell_io},
    {"Network",   "rates",   "net_receive_rate", cell_net},
    {"Restarts",  "number",  "restarts",       cell_restarts},
    {"Last exit", "exit",    "exit_unix",      cell_exit},
    {"Message",   "message", "message",        cell_message},
};
/* clang-format on */

const size_t status_column_count = ARRAY_LENGTH(status_columns);
