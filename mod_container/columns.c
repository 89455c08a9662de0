/* SPDX-License-Identifier: Apache-2.0 */
#include "mod_container/columns.h"

#include <string.h>

#include "common/cleanup.h"
#include "mod_container/chart.h"
#include "mod_container/page.h"

/* ---- values with their unit ---- */

void write_cpu(struct out *out, uint64_t centi_percent)
{
    html_milli(out, centi_percent * 10, centi_percent < 10000 ? 1 : 0);
    out_text(out, " %");
}

void write_bytes(struct out *out, uint64_t bytes)
{
    html_size(out, bytes);
}

void write_byte_rate(struct out *out, uint64_t bytes)
{
    html_size(out, bytes);
    out_text(out, "/s");
}

void write_number(struct out *out, uint64_t number)
{
    out_count(out, number);
}

void write_request_rate(struct out *out, uint64_t milli)
{
    html_milli(out, milli, milli < 10000 ? 1 : 0);
    out_text(out, "/s");
}

/*
 * What is near its limit tells its share, in bold and in words for those who hear the page, not by
 * colour alone.
 */
void write_of_limit(struct out *out, uint64_t value, uint64_t limit,
                    void (*write_value)(struct out *out, uint64_t value))
{
    unsigned percent = chart_percent(value, limit);

    write_value(out, value);
    if (limit == 0)
        return;
    out_text(out, " <small class=\"of");
    out_text(out, chart_heat(percent));
    out_text(out, "\">");
    if (percent >= CHART_WARM_PERCENT) {
        out_count(out, percent);
        out_text(out, " % <span class=\"hidden\">");
        out_text(out, percent >= CHART_HOT_PERCENT ? "(at its limit) " : "(near its limit) ");
        out_text(out, "</span>");
    }
    out_text(out, "of ");
    write_value(out, limit);
    out_text(out, "</small>");
    chart_bar(out, percent);
}

/* ---- what is known ---- */

static bool always(const struct row *row)
{
    (void)row;
    return true;
}

#define KNOWN(name, condition)                                                                     \
    static bool knows_##name(const struct row *row)                                                \
    {                                                                                              \
        const struct container_slot *slot = row->slot;                                             \
        return (condition);                                                                        \
    }

KNOWN(uptime, slot->pid != 0 && slot->started_boottime_usec != 0)
KNOWN(cpu, slot->has &SLOT_HAS_CPU)
KNOWN(memory, slot->has &SLOT_HAS_MEMORY)
KNOWN(swap, slot->has &SLOT_HAS_SWAP)
KNOWN(tasks, slot->has &SLOT_HAS_TASKS)
KNOWN(io, slot->has &SLOT_HAS_IO)
KNOWN(net, slot->has &SLOT_HAS_NET)
KNOWN(disk, slot->has &SLOT_HAS_DISK)
KNOWN(traffic, slot->has &SLOT_HAS_TRAFFIC)
KNOWN(latency, slot->has &SLOT_HAS_LATENCY)
KNOWN(mails, slot->has &SLOT_HAS_MAILS)
KNOWN(oom, slot->has &SLOT_HAS_OOM)
KNOWN(exit, slot->has &SLOT_HAS_EXIT)
KNOWN(psi, slot->has &(SLOT_HAS_PSI_CPU | SLOT_HAS_PSI_MEMORY | SLOT_HAS_PSI_IO))
KNOWN(message, slot->message[0] || slot->next_start_boottime_usec)

static bool knows_history(const struct row *row)
{
    return row->history && row->history->rings[HISTORY_SECONDS].count > 1;
}

/* ---- cells ---- */

#define CELL(name)                                                                                 \
    static void cell_##name(struct out *out, __attribute__((unused)) const struct row *row)

CELL(state)
{
    enum container_state state = page_state(row->slot);

    page_letter(out, state);
    out_text(out, " ");
    out_text(out, container_state_name(state));
}

CELL(name)
{
    out_text(out, "<a href=\"");
    page_address(row->page, row->slot->tenant, row->slot->service);
    out_text(out, "\">");
    out_html(out, row->slot->tenant);
    out_text(out, "/<wbr>");
    out_html(out, row->slot->service);
    if (row->slot->replica > 1)
        out_format(out, " #%u", row->slot->replica);
    out_text(out, "</a>");
}

CELL(uptime)
{
    html_duration(out, since(row->moment->boottime_usec, row->slot->started_boottime_usec));
}

CELL(cpu)
{
    const struct container_slot *slot = row->slot;
    uint64_t limit = slot->has & SLOT_HAS_CPU_LIMIT ? slot->cpu_limit_milli * UINT64_C(10) : 0;

    write_of_limit(out, slot->cpu_percent_milli / 10, limit, write_cpu);
    if ((slot->has & SLOT_HAS_CPU_THROTTLE) && slot->cpu_throttled_rate > 0) {
        out_text(out, " <small class=\"of warm next\">throttled ");
        html_latency(out, slot->cpu_throttled_rate);
        out_text(out, "/s</small>");
    }
}

CELL(memory)
{
    const struct container_slot *slot = row->slot;

    out_text(out, "<span title=\"");
    out_count(out, slot->memory_bytes);
    out_text(out, " bytes");
    if (slot->has & SLOT_HAS_MEMORY_LIMIT) {
        out_text(out, " of ");
        out_count(out, slot->memory_limit_bytes);
    }
    if (slot->has & SLOT_HAS_MEMORY_DETAIL) {
        out_text(out, "; anonymous ");
        html_size(out, slot->memory_anon_bytes);
        out_text(out, ", file ");
        html_size(out, slot->memory_file_bytes);
        out_text(out, ", read ");
        html_duration(out, since(row->moment->boottime_usec, slot->detail_boottime_usec));
        out_text(out, " ago");
    }
    out_text(out, "\">");
    write_of_limit(out, slot->memory_bytes,
                   slot->has & SLOT_HAS_MEMORY_LIMIT ? slot->memory_limit_bytes : 0, write_bytes);
    out_text(out, "</span>");
}

CELL(swap)
{
    write_of_limit(out, row->slot->swap_bytes,
                   row->slot->has & SLOT_HAS_SWAP_LIMIT ? row->slot->swap_limit_bytes : 0,
                   write_bytes);
}

CELL(tasks)
{
    write_of_limit(out, row->slot->tasks,
                   row->slot->has & SLOT_HAS_TASKS_LIMIT ? row->slot->tasks_limit : 0,
                   write_number);
}

CELL(disk)
{
    write_of_limit(out, row->slot->disk_used_bytes,
                   row->slot->has & SLOT_HAS_DISK_LIMIT ? row->slot->disk_limit_bytes : 0,
                   write_bytes);
}

/* Rates with the totals behind them; the words say which is which. */
static void two_ways(struct out *out, const char *in, uint64_t in_rate, uint64_t in_total,
                     const char *back, uint64_t out_rate, uint64_t out_total)
{
    const struct {
        const char *word;
        uint64_t rate, total;
    } ways[] = {{in, in_rate, in_total}, {back, out_rate, out_total}};

    for (size_t i = 0; i < ARRAY_LENGTH(ways); i++) {
        out_text(out, "<span class=\"way\" title=\"");
        out_count(out, ways[i].rate);
        out_text(out, " bytes/s; in all ");
        html_size(out, ways[i].total);
        out_text(out, "\"><i>");
        out_text(out, ways[i].word);
        out_text(out, "</i> ");
        write_byte_rate(out, ways[i].rate);
        out_text(out, "</span>");
    }
}

CELL(io)
{
    const struct container_slot *slot = row->slot;

    two_ways(out, "read", slot->io_read_rate, slot->io_read_bytes, "write", slot->io_write_rate,
             slot->io_write_bytes);
}

CELL(net)
{
    const struct container_slot *slot = row->slot;

    two_ways(out, "in", slot->net_receive_rate, slot->net_receive_bytes, "out",
             slot->net_transmit_rate, slot->net_transmit_bytes);
}

CELL(requests)
{
    html_milli(out, row->slot->requests_rate_milli, row->slot->requests_rate_milli < 10000 ? 1 : 0);
}

CELL(in_flight)
{
    out_count(out, row->slot->requests_in_flight);
}

CELL(latency)
{
    html_latency(out, row->slot->latency_p95_usec);
}

CELL(errors)
{
    out_count(out, row->slot->status_classes[STATUS_CLASSES - 1]);
}

CELL(psi)
{
    static const char *const names[] = {"cpu", "mem", "io"};
    const struct container_slot *slot = row->slot;

    for (int i = 0; i < PRESSURE_COUNT; i++) {
        if (!(slot->has & SLOT_HAS_PSI_CPU << i))
            continue;
        out_format(out, "<span class=\"way\"><i>%s</i> ", names[i]);
        html_milli(out, slot->pressure[i].some_avg10_centi * UINT64_C(10), 1);
        out_text(out, " %</span>");
    }
}

CELL(restarts)
{
    out_count(out, row->slot->restarts);
}

CELL(oom_kills)
{
    out_count(out, row->slot->oom_kills);
}

CELL(mails)
{
    out_count(out, row->slot->mails);
}

CELL(faults)
{
    const struct container_slot *slot = row->slot;

    out_count(out, slot->faults);
    if (slot->faults == 0 || slot->last_fault_realtime_usec == 0)
        return;
    out_text(out, " <small>");
    out_text(out, slot_fault_name(slot->last_fault));
    out_text(out, ", ");
    html_duration(out, since(row->moment->realtime_usec, slot->last_fault_realtime_usec));
    out_text(out, " ago</small>");
}

void cell_exit(struct out *out, const struct container_slot *slot, const struct moment *moment)
{
    if (slot->exit_signal != 0) {
        const char *name = sigabbrev_np((int)slot->exit_signal);
        out_text(out, "signal ");
        if (name)
            out_text(out, name);
        else
            out_count(out, slot->exit_signal);
    } else {
        out_format(out, "status %d", slot->exit_code);
    }
    if ((slot->has & SLOT_HAS_OOM) && slot->oom_kills > 0)
        out_format(out, ", out of memory %u times", slot->oom_kills);
    if (slot->exit_realtime_usec == 0)
        return;
    out_text(out, " <small>");
    html_duration(out, since(moment->realtime_usec, slot->exit_realtime_usec));
    out_text(out, " ago</small>");
}

CELL(last_exit)
{
    cell_exit(out, row->slot, row->moment);
}

CELL(message)
{
    const struct container_slot *slot = row->slot;

    out_html(out, slot->message);
    if (slot->next_start_boottime_usec <= row->moment->boottime_usec)
        return;
    out_text(out, " <small>next start in ");
    html_duration(out, slot->next_start_boottime_usec - row->moment->boottime_usec);
    out_text(out, "</small>");
}

/* ---- reasons ---- */

const char *fault_sentence(uint32_t fault)
{
    static const char *const sentences[FAULT_COUNT] = {
        [FAULT_NONE] = "no fault",
        [FAULT_CPU] = "throttled by its CPU limit",
        [FAULT_MEMORY] = "at its memory limit",
        [FAULT_OOM] = "a process was killed for lack of memory",
        [FAULT_TASKS] = "a new process was refused by its tasks limit",
        [FAULT_DISK] = "at its disk limit",
        [FAULT_CRASH] = "ended by itself",
        [FAULT_HEALTH] = "its health check fails",
        [FAULT_REFUSED] = "requests were refused at the door",
    };

    return fault < FAULT_COUNT ? sentences[fault] : "a fault";
}

void cell_reason(struct out *out, const struct container_slot *slot, const struct moment *moment)
{
    const char *gap = "";

    if (slot->message[0]) {
        out_html(out, slot->message);
        gap = "; ";
    }
    if (slot->last_fault != FAULT_NONE && slot->last_fault_realtime_usec != 0) {
        out_text(out, gap);
        out_text(out, fault_sentence(slot->last_fault));
        out_text(out, " <small>");
        html_duration(out, since(moment->realtime_usec, slot->last_fault_realtime_usec));
        out_text(out, " ago</small>");
        gap = "; ";
    }
    if (slot->has & SLOT_HAS_EXIT) {
        out_text(out, gap);
        out_text(out, "last exit: ");
        cell_exit(out, slot, moment);
        gap = "; ";
    }
    if (slot->next_start_boottime_usec > moment->boottime_usec) {
        out_text(out, gap);
        out_text(out, "next start in ");
        html_duration(out, slot->next_start_boottime_usec - moment->boottime_usec);
        gap = "; ";
    }
    if (!*gap)
        out_text(out, "no reason is given");
}

/* ---- sparklines ---- */

/*
 * The last minute of one figure, a value a second; the newest is now. What is older than a minute
 * is no part of it.
 */
static unsigned last_minute(const struct row *row, bool is_memory,
                            uint64_t values[HISTORY_SECONDS_POINTS])
{
    struct history_point points[HISTORY_SECONDS_POINTS];
    unsigned count = (unsigned)history_points(row->history, HISTORY_SECONDS, points);
    uint64_t end = row->history->rings[HISTORY_SECONDS].end_boottime_usec;
    uint64_t step = row->history->rings[HISTORY_SECONDS].step_msec * UINT64_C(1000);
    uint64_t age = step ? since(row->moment->boottime_usec, end) / step : 0;
    unsigned gap =
        age > 2 ? (age < HISTORY_SECONDS_POINTS ? (unsigned)age : HISTORY_SECONDS_POINTS) : 0;

    for (unsigned i = 0; i < HISTORY_SECONDS_POINTS; i++)
        values[i] = CHART_GAP;
    for (unsigned i = 0; i < count; i++) {
        unsigned behind = count - 1 - i + gap;
        uint32_t value = is_memory ? points[i].memory_kib : points[i].cpu_centi;
        if (behind < HISTORY_SECONDS_POINTS && value != HISTORY_ABSENT)
            values[HISTORY_SECONDS_POINTS - 1 - behind] =
                is_memory ? value * UINT64_C(1024) : value;
    }
    return HISTORY_SECONDS_POINTS;
}

void cell_cpu_spark(struct out *out, const struct row *row)
{
    uint64_t values[HISTORY_SECONDS_POINTS];
    const struct spark spark = {
        .name = "CPU of the last minute",
        .values = values,
        .count = last_minute(row, false, values),
        .limit =
            row->slot->has & SLOT_HAS_CPU_LIMIT ? row->slot->cpu_limit_milli * UINT64_C(10) : 0,
        .top_least = 1000,
        .write_value = write_cpu,
    };

    chart_spark(out, &spark);
}

void cell_memory_spark(struct out *out, const struct row *row)
{
    uint64_t values[HISTORY_SECONDS_POINTS];
    const struct spark spark = {
        .name = "memory of the last minute",
        .values = values,
        .count = last_minute(row, true, values),
        .limit = row->slot->has & SLOT_HAS_MEMORY_LIMIT ? row->slot->memory_limit_bytes : 0,
        .top_least = 1 << 20,
        .write_value = write_bytes,
    };

    chart_spark(out, &spark);
}

/* clang-format off */
const struct column status_columns[] = {
    {"state",    "State",     NULL, "state", "", true, always, cell_state},
    {"name",     "Container", "tenant/service", "id", "name", true, always, cell_name},
    {"up",       "Up",        "since the start of this run", "uptime_seconds", "n", false, knows_uptime, cell_uptime},
    {"cpu",      "CPU",       "in percent of one CPU, over the last interval", "cpu_percent", "n bars", false, knows_cpu, cell_cpu},
    {"cpuline",  "CPU 60 s",  "the last minute; the line on top is the limit", NULL, "line", false, knows_history, cell_cpu_spark},
    {"memory",   "Memory",    "charged to the container: the number that the OOM killer compares with the limit", "memory_bytes", "n bars", false, knows_memory, cell_memory},
    {"memline",  "Mem 60 s",  "the last minute; the line on top is the limit", NULL, "line", false, knows_history, cell_memory_spark},
    {"swap",     "Swap",      NULL, "swap_bytes", "n wide", false, knows_swap, cell_swap},
    {"tasks",    "Tasks",     "processes and threads", "tasks", "n narrow", false, knows_tasks, cell_tasks},
    {"io",       "Disk I/O",  NULL, "io_write_rate", "n", false, knows_io, cell_io},
    {"net",      "Network",   NULL, "net_transmit_rate", "n mid", false, knows_net, cell_net},
    {"psi",      "Pressure",  "share of the last 10 s in which some task waited", NULL, "n wide", false, knows_psi, cell_psi},
    {"disk",     "Disk",      "space used", "disk_used_bytes", "n wide", false, knows_disk, cell_disk},
    {"rate",     "Req/s",     NULL, "requests_rate", "n", false, knows_traffic, cell_requests},
    {"busy",     "Busy",      "requests in flight", "requests_in_flight", "n mid", false, knows_traffic, cell_in_flight},
    {"p95",      "p95",       "19 of 20 requests of the last minute were faster", "latency_p95_seconds", "n", false, knows_latency, cell_latency},
    {"errors",   "5xx",       "answers with status 500 and above, in all", NULL, "n wide", false, knows_traffic, cell_errors},
    {"mails",    "Mails",     "sent with PHP's mail(), in all", "mails", "n wide", false, knows_mails, cell_mails},
    {"restarts", "Restarts",  "by the restart policy", "restarts", "n mid", false, always, cell_restarts},
    {"oom",      "OOM",       "processes killed for lack of memory", "oom_kills", "n wide", false, knows_oom, cell_oom_kills},
    {"faults",   "Faults",    "of all kinds, since the supervisor's start", "faults", "n", false, always, cell_faults},
    {"exit",     "Last exit", NULL, "exit_unix", "wide", false, knows_exit, cell_last_exit},
    {"message",  "Message",   NULL, NULL, "wide", true, knows_message, cell_message},
};
/* clang-format on */

const size_t status_column_count = ARRAY_LENGTH(status_columns);
