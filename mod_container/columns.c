/* SPDX-License-Identifier: Apache-2.0 */
#include "mod_container/columns.h"

#include <string.h>

#include <apr_strings.h>

#include "common/cleanup.h"
#include "common/units.h"
#include "mod_container/reply.h"

#define USEC_PER_SECOND 1000000u

static struct figure absent(void)
{
    return (struct figure){.kind = FIGURE_ABSENT};
}

static struct figure text(const char *value)
{
    return *value ? (struct figure){.kind = FIGURE_TEXT, .text = value} : absent();
}

static struct figure count_if(bool is_known, uint64_t value)
{
    return is_known ? (struct figure){.kind = FIGURE_COUNT, .count = value} : absent();
}

static struct figure milli_if(bool is_known, uint64_t value)
{
    return is_known ? (struct figure){.kind = FIGURE_MILLI, .count = value} : absent();
}

static uint64_t since(uint64_t now, uint64_t then)
{
    return now > then ? now - then : 0;
}

/* ---- figures: one small function each, in the order of the table ---- */

#define FIGURE(name)                                                                               \
    static struct figure figure_##name(__attribute__((unused)) const struct moment *moment,        \
                                       const struct container_slot *slot)

FIGURE(state)
{
    return text(container_state_name((enum container_state)slot->state));
}

FIGURE(tenant)
{
    return text(slot->tenant);
}

FIGURE(service)
{
    return text(slot->service);
}

FIGURE(id)
{
    return text(slot->id);
}

FIGURE(replica)
{
    return count_if(true, slot->replica);
}

FIGURE(image)
{
    return text(slot->image);
}

FIGURE(pid)
{
    return count_if(slot->pid != 0, slot->pid);
}

FIGURE(uptime)
{
    bool is_up = slot->pid != 0 && slot->started_boottime_usec != 0;

    return count_if(is_up,
                    since(moment->boottime_usec, slot->started_boottime_usec) / USEC_PER_SECOND);
}

FIGURE(started)
{
    return count_if(slot->started_realtime_usec != 0,
                    slot->started_realtime_usec / USEC_PER_SECOND);
}

FIGURE(state_age)
{
    return count_if(slot->state_since_boottime_usec != 0,
                    since(moment->boottime_usec, slot->state_since_boottime_usec) /
                        USEC_PER_SECOND);
}

FIGURE(next_start)
{
    return count_if(slot->next_start_boottime_usec != 0,
                    since(slot->next_start_boottime_usec, moment->boottime_usec) / USEC_PER_SECOND);
}

FIGURE(sample_age)
{
    return milli_if(slot->sampled_boottime_usec != 0,
                    since(moment->boottime_usec, slot->sampled_boottime_usec) / 1000);
}

FIGURE(cpu_percent)
{
    return milli_if(slot->has & SLOT_HAS_CPU, slot->cpu_percent_milli);
}

FIGURE(cpu_seconds)
{
    return milli_if(slot->has & SLOT_HAS_CPU, slot->cpu_usage_usec / 1000);
}

FIGURE(cpu_limit)
{
    return milli_if(slot->has & SLOT_HAS_CPU_LIMIT, slot->cpu_limit_milli);
}

FIGURE(memory)
{
    return count_if(slot->has & SLOT_HAS_MEMORY, slot->memory_bytes);
}

FIGURE(memory_limit)
{
    return count_if(slot->has & SLOT_HAS_MEMORY_LIMIT, slot->memory_limit_bytes);
}

FIGURE(memory_peak)
{
    return count_if(slot->has & SLOT_HAS_MEMORY_PEAK, slot->memory_peak_bytes);
}

FIGURE(tasks)
{
    return count_if(slot->has & SLOT_HAS_TASKS, slot->tasks);
}

FIGURE(tasks_limit)
{
    return count_if(slot->has & SLOT_HAS_TASKS_LIMIT, slot->tasks_limit);
}

#define COUNT_FIGURE(name, bit, field)                                                             \
    FIGURE(name)                                                                                   \
    {                                                                                              \
        return count_if(slot->has & (bit), slot->field);                                           \
    }

COUNT_FIGURE(io_read, SLOT_HAS_IO, io_read_bytes)
COUNT_FIGURE(io_write, SLOT_HAS_IO, io_write_bytes)
COUNT_FIGURE(io_read_rate, SLOT_HAS_IO, io_read_rate)
COUNT_FIGURE(io_write_rate, SLOT_HAS_IO, io_write_rate)
COUNT_FIGURE(net_receive, SLOT_HAS_NET, net_receive_bytes)
COUNT_FIGURE(net_transmit, SLOT_HAS_NET, net_transmit_bytes)
COUNT_FIGURE(net_receive_rate, SLOT_HAS_NET, net_receive_rate)
COUNT_FIGURE(net_transmit_rate, SLOT_HAS_NET, net_transmit_rate)
COUNT_FIGURE(oom_kills, SLOT_HAS_OOM, oom_kills)

FIGURE(restarts)
{
    return count_if(true, slot->restarts);
}

/* A run that a signal ended has no exit status, and the other way round. */
FIGURE(exit_code)
{
    if (!(slot->has & SLOT_HAS_EXIT) || slot->exit_signal != 0)
        return absent();
    return (struct figure){.kind = FIGURE_SIGNED, .number = slot->exit_code};
}

FIGURE(exit_signal)
{
    return count_if((slot->has & SLOT_HAS_EXIT) && slot->exit_signal != 0, slot->exit_signal);
}

FIGURE(exit_time)
{
    return count_if((slot->has & SLOT_HAS_EXIT) && slot->exit_realtime_usec != 0,
                    slot->exit_realtime_usec / USEC_PER_SECOND);
}

FIGURE(endpoint)
{
    return text(slot->endpoint_kind == ENDPOINT_FCGI   ? "fcgi"
                : slot->endpoint_kind == ENDPOINT_HTTP ? "http"
                                                       : "");
}

FIGURE(address_ipv4)
{
    return text(slot->address_ipv4);
}

FIGURE(address_ipv6)
{
    return text(slot->address_ipv6);
}

FIGURE(message)
{
    return text(slot->message);
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

/* clang-format off */
const struct column status_columns[] = {
    {"state",                "State",              figure_state,             "State",    "state", cell_state},
    {NULL,                   NULL,                 NULL,                     "Container", "name", cell_name},
    {"tenant",               "Tenant",             figure_tenant,            NULL, NULL, NULL},
    {"service",              "Service",            figure_service,           NULL, NULL, NULL},
    {"id",                   "Id",                 figure_id,                NULL, NULL, NULL},
    {"replica",              "Replica",            figure_replica,           NULL, NULL, NULL},
    {"image",                "Image",              figure_image,             NULL, NULL, NULL},
    {"pid",                  "Pid",                figure_pid,               "PID",      "number", NULL},
    {"uptime_seconds",       "UptimeSeconds",      figure_uptime,            "Uptime",   "number", cell_uptime},
    {"started_unix",         "StartedUnix",        figure_started,           NULL, NULL, NULL},
    {"state_seconds",        "StateSeconds",       figure_state_age,         NULL, NULL, NULL},
    {"next_start_seconds",   "NextStartSeconds",   figure_next_start,        NULL, NULL, NULL},
    {"sample_age_seconds",   "SampleAgeSeconds",   figure_sample_age,        NULL, NULL, NULL},
    {"cpu_percent",          "CpuPercent",         figure_cpu_percent,       "CPU %",    "number", cell_cpu},
    {"cpu_seconds",          "CpuSeconds",         figure_cpu_seconds,       NULL, NULL, NULL},
    {"cpu_limit",            "CpuLimit",           figure_cpu_limit,         NULL, NULL, NULL},
    {"memory_bytes",         "MemoryBytes",        figure_memory,            "Memory",   "number", cell_memory},
    {"memory_limit_bytes",   "MemoryLimitBytes",   figure_memory_limit,      NULL, NULL, NULL},
    {"memory_peak_bytes",    "MemoryPeakBytes",    figure_memory_peak,       NULL, NULL, NULL},
    {"tasks",                "Tasks",              figure_tasks,             "Tasks",    "number", cell_tasks},
    {"tasks_limit",          "TasksLimit",         figure_tasks_limit,       NULL, NULL, NULL},
    {"io_read_bytes",        "IoReadBytes",        figure_io_read,           "I/O",      "rates", cell_io},
    {"io_write_bytes",       "IoWriteBytes",       figure_io_write,          NULL, NULL, NULL},
    {"io_read_rate",         "IoReadRate",         figure_io_read_rate,      NULL, NULL, NULL},
    {"io_write_rate",        "IoWriteRate",        figure_io_write_rate,     NULL, NULL, NULL},
    {"net_receive_bytes",    "NetReceiveBytes",    figure_net_receive,       "Network",  "rates", cell_net},
    {"net_transmit_bytes",   "NetTransmitBytes",   figure_net_transmit,      NULL, NULL, NULL},
    {"net_receive_rate",     "NetReceiveRate",     figure_net_receive_rate,  NULL, NULL, NULL},
    {"net_transmit_rate",    "NetTransmitRate",    figure_net_transmit_rate, NULL, NULL, NULL},
    {"restarts",             "Restarts",           figure_restarts,          "Restarts", "number", NULL},
    {"oom_kills",            "OomKills",           figure_oom_kills,         NULL, NULL, NULL},
    {"exit_code",            "ExitCode",           figure_exit_code,         "Last exit", "exit", cell_exit},
    {"exit_signal",          "ExitSignal",         figure_exit_signal,       NULL, NULL, NULL},
    {"exit_unix",            "ExitUnix",           figure_exit_time,         NULL, NULL, NULL},
    {"endpoint",             "Endpoint",           figure_endpoint,          NULL, NULL, NULL},
    {"address_ipv4",         "AddressIpv4",        figure_address_ipv4,      NULL, NULL, NULL},
    {"address_ipv6",         "AddressIpv6",        figure_address_ipv6,      NULL, NULL, NULL},
    {"message",              "Message",            figure_message,           "Message",  "message", cell_message},
};
/* clang-format on */

const size_t status_column_count = ARRAY_LENGTH(status_columns);

/* Most of a page of many containers is numbers: apr_psprintf() took a quarter of its time. */
static const char *decimal(apr_pool_t *pool, uint64_t number)
{
    char text[24];
    char *at = text + sizeof(text);

    do
        *--at = (char)('0' + number % 10);
    while (number /= 10);
    return apr_pstrmemdup(pool, at, (apr_size_t)(text + sizeof(text) - at));
}

const char *figure_text(apr_pool_t *pool, const struct figure *figure)
{
    switch (figure->kind) {
    case FIGURE_TEXT:
        return figure->text;
    case FIGURE_COUNT:
        return decimal(pool, figure->count);
    case FIGURE_SIGNED:
        return apr_psprintf(pool, "%" APR_INT64_T_FMT, figure->number);
    case FIGURE_MILLI:
        return apr_psprintf(pool, "%" APR_UINT64_T_FMT ".%03u", figure->count / 1000,
                            (unsigned)(figure->count % 1000));
    case FIGURE_ABSENT:
        break;
    }
    return NULL;
}
