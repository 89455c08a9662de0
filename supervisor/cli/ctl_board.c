/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/cli/ctl_board.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/units.h"

/* ---- the view ---- */

int ctl_board_open(const struct ctl *ctl, struct ctl_board *view, struct error *error)
{
    *view = (struct ctl_board){0};
    int r = scoreboard_open(ctl->scoreboard, &view->reader, error);
    if (r < 0)
        return r;
    scoreboard_info(view->reader, &view->info);
    if (!view->info.retired)
        return 0;
    ctl_board_close(view);
    return error_set(error, ESTALE, "%s is out of date: the supervisor that wrote it has ended",
                     ctl->scoreboard);
}

static void add_up(struct ctl_board *view)
{
    const struct column_figure *throttled = column_figure_find("cpu_throttled_rate"),
                               *requests = column_figure_find("requests_rate");
    struct container_slot slot;

    view->throttled = view->requests = (struct figure){.kind = FIGURE_ABSENT};
    for (uint32_t i = 0; i < view->info.slots_used; i++) {
        if (!selection_slot(&view->selector, i, &slot))
            continue;
        struct figure figure = column_figure_of(throttled, &view->moment, &slot);
        figure_add(&view->throttled, &figure);
        figure = column_figure_of(requests, &view->moment, &slot);
        figure_add(&view->requests, &figure);
    }
}

int ctl_board_take(struct ctl_board *view, const struct status_query *query, struct error *error)
{
    selection_free(&view->selection);
    scoreboard_info(view->reader, &view->info);
    view->is_live = scoreboard_is_live(view->reader, &view->age_usec);
    view->moment = (struct moment){
        .boottime_usec = clock_boottime_usec(),
        .realtime_usec = clock_realtime_usec(),
    };
    if (scoreboard_host_read(view->reader, &view->host) < 0)
        view->host = (struct host_figures){0};
    view->selector = (struct selector){
        .reader = view->reader,
        .slots_used = view->info.slots_used,
        .query = query,
        .moment = view->moment,
    };
    if (selection_take(&view->selector, &view->selection) < 0)
        return error_sys(error, ENOMEM, "read the board");
    add_up(view);
    return 0;
}

void ctl_board_close(struct ctl_board *view)
{
    selection_free(&view->selection);
    scoreboard_close(view->reader);
    view->reader = NULL;
}

/* ---- the query ---- */

/* Appends "&key=value" with all but plain characters escaped (RFC 3986 section 2.1). */
static void add_field(char *text, size_t size, const char *key, const char *value)
{
    size_t used = strlen(text);

    if (!value)
        return;
    used += (size_t)snprintf(text + used, size - used, "%s%s=", used ? "&" : "", key);
    for (; *value && used + 4 < size; value++)
        used += (size_t)snprintf(
            text + used, size - used,
            isalnum((unsigned char)*value) || strchr("_-.,", *value) ? "%c" : "%%%02X",
            (unsigned char)*value);
}

int board_query(const struct ctl *ctl, const char *tenant, struct status_query *query,
                struct error *error)
{
    static const char *const formats[] = {
        /* Tables have no limit that nobody asked for, as csv has none. */
        [CTL_OUTPUT_TABLE] = "csv", [CTL_OUTPUT_WIDE] = "csv",
        [CTL_OUTPUT_JSON] = "json", [CTL_OUTPUT_AUTO] = "auto",
        [CTL_OUTPUT_CSV] = "csv",   [CTL_OUTPUT_OPENMETRICS] = "openmetrics",
    };
    char text[1024] = "";

    add_field(text, sizeof(text), "format", formats[ctl->output]);
    add_field(text, sizeof(text), "sort", ctl->sort ? ctl->sort : "faults_first");
    add_field(text, sizeof(text), "state", ctl->states);
    add_field(text, sizeof(text), "q", ctl->search);
    add_field(text, sizeof(text), "limit", ctl->limit);
    add_field(text, sizeof(text), "tenant", tenant);
    int r = status_query_parse(text, query, error);
    query->has_selection = ctl->sort || ctl->states || ctl->search || ctl->limit || tenant;
    return r;
}

/* ---- the header ---- */

static double value_of(const struct figure *figure)
{
    double value = (double)figure->count;

    if (figure->kind != FIGURE_COUNT && figure->kind != FIGURE_DECIMAL)
        return -1;
    for (unsigned i = 0; i < figure->decimals && figure->kind == FIGURE_DECIMAL; i++)
        value /= 10;
    return value;
}

static void add(char *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(char *text, const char *format, ...)
{
    size_t used = strlen(text);
    va_list args;

    va_start(args, format);
    vsnprintf(text + used, BOARD_LINE_MAX - used, format, args);
    va_end(args);
}

static void supervisor_line(const struct ctl_board *view, char *text)
{
    const struct scoreboard_info *info = &view->info;
    char up[32], memory[16];
    uint64_t now = view->moment.boottime_usec;

    add(text, "container-supervisor %s, pid %u, up %s; %u CPUs, %s memory", info->version,
        info->engine_pid,
        format_duration(
            now > info->engine_started_boottime_usec ? now - info->engine_started_boottime_usec : 0,
            up, sizeof(up)),
        info->cpus, format_size(info->memory_total_bytes, memory, sizeof(memory)));
}

static void host_line(const struct ctl_board *view, char *text)
{
    static const char *const kinds[PRESSURE_COUNT] = {"cpu", "memory", "io"};
    const struct host_figures *host = &view->host;
    bool has_pressure = false;
    char available[16];

    if (!host->sampled_boottime_usec)
        return;
    add(text, "Host: load %.2f %.2f %.2f", host->load_centi[0] / 100.0, host->load_centi[1] / 100.0,
        host->load_centi[2] / 100.0);
    if (host->has & SLOT_HAS_CPU)
        add(text, ", CPU %.1f%%", host->cpu_percent_milli / 1000.0);
    if (host->has & SLOT_HAS_MEMORY)
        add(text, ", memory free %s",
            format_size(host->memory_available_bytes, available, sizeof(available)));
    for (unsigned i = 0; i < PRESSURE_COUNT; i++) {
        if (!(host->has & SLOT_HAS_PSI_CPU << i))
            continue;
        add(text, "%s %s %.1f%%", has_pressure ? "" : ", pressure", kinds[i],
            host->pressure[i].some_avg10_centi / 100.0);
        has_pressure = true;
    }
}

static void sample_line(const struct ctl_board *view, char *text)
{
    char age[32], throttled[32];

    cell_number((double)view->age_usec / 1e6, CELL_SECONDS, age, sizeof(age));
    add(text, "Sample: %s old%s", age,
        view->is_live ? "" : ", OUT OF DATE: the supervisor is busy or has ended");
    if (view->host.sampled_boottime_usec)
        add(text, "; starts %llu, failures %llu, wakes %llu", (unsigned long long)view->host.starts,
            (unsigned long long)view->host.failures, (unsigned long long)view->host.wakes);
    if (view->throttled.kind != FIGURE_ABSENT) {
        cell_number(value_of(&view->throttled), CELL_MSEC, throttled, sizeof(throttled));
        add(text, "; throttled %s/s", throttled);
    }
    if (view->requests.kind != FIGURE_ABSENT)
        add(text, "; requests %.1f/s", value_of(&view->requests));
}

static void count_line(const struct ctl_board *view, char *text)
{
    const char *between = ": ";

    add(text, "Containers: %u", view->selection.containers);
    for (uint32_t state = CONTAINER_OPEN + 1; state < CONTAINER_STATE_COUNT; state++) {
        if (!view->selection.by_state[state])
            continue;
        add(text, "%s%u %s", between, view->selection.by_state[state],
            container_state_name((enum container_state)state));
        between = ", ";
    }
}

void board_header(const struct ctl_board *view, unsigned line, char text[BOARD_LINE_MAX])
{
    static void (*const lines[BOARD_HEADER_LINES])(const struct ctl_board *, char *) = {
        supervisor_line, host_line, sample_line, count_line};

    text[0] = '\0';
    lines[line](view, text);
}

/* ---- the table ---- */

const struct board_column board_columns[] = {
    {"NAME", NULL, CELL_TEXT, 24, false, false},
    {"STATE", "state", CELL_TEXT, 9, false, false},
    {"CPU%", "cpu_percent", CELL_DECIMAL, 6, true, false},
    {"MEM", "memory_bytes", CELL_BYTES, 6, true, false},
    {"OF", "memory_limit_bytes", CELL_BYTES, 6, true, false},
    {"READ/S", "io_read_rate", CELL_BYTES, 6, true, false},
    {"WRITE/S", "io_write_rate", CELL_BYTES, 7, true, false},
    {"TASKS", "tasks", CELL_NUMBER, 5, true, false},
    {"REQ/S", "requests_rate", CELL_DECIMAL, 7, true, false},
    {"NOW", "requests_in_flight", CELL_NUMBER, 4, true, false},
    {"P95", "latency_p95_seconds", CELL_MSEC, 6, true, false},
    {"NET IN", "net_receive_rate", CELL_BYTES, 6, true, false},
    {"NET OUT", "net_transmit_rate", CELL_BYTES, 7, true, false},
    {"FAULTS", "faults", CELL_NUMBER, 6, true, false},
    {"UP", "uptime_seconds", CELL_SECONDS, 7, true, false},
    {"RESTARTS", "restarts", CELL_NUMBER, 8, true, true},
    {"CPUS", "cpu_limit", CELL_DECIMAL, 5, true, true},
    {"THROTTLED", "cpu_throttled_rate", CELL_MSEC, 9, true, true},
    {"PEAK", "memory_peak_bytes", CELL_BYTES, 6, true, true},
    {"SWAP", "swap_bytes", CELL_BYTES, 6, true, true},
    {"DISK", "disk_used_bytes", CELL_BYTES, 6, true, true},
    {"OF DISK", "disk_limit_bytes", CELL_BYTES, 7, true, true},
    {"OOM", "oom_kills", CELL_NUMBER, 4, true, true},
    {"MAILS", "mails", CELL_NUMBER, 6, true, true},
    {"PID", "pid", CELL_NUMBER, 8, true, true},
    {"ADDRESS", "address_ipv4", CELL_TEXT, 15, false, true},
    {"IMAGE", "image", CELL_TEXT, 24, false, true},
    {"MESSAGE", "message", CELL_TEXT, 40, false, true},
};
const size_t board_column_count = ARRAY_LENGTH(board_columns);

void board_cell(const struct ctl_board *view, const struct board_column *column,
                const struct container_slot *slot, char cell[BOARD_CELL_MAX])
{
    const struct column_figure *row = column->key ? column_figure_find(column->key) : NULL;

    cell[0] = '\0';
    if (!column->key)
        snprintf(cell, BOARD_CELL_MAX, "%s/%s", slot->tenant, slot->service);
    if (!row)
        return;
    struct figure figure = column_figure_of(row, &view->moment, slot);
    if (figure.kind == FIGURE_TEXT)
        snprintf(cell, BOARD_CELL_MAX, "%s", figure.text);
    else
        cell_number(value_of(&figure), column->look, cell, BOARD_CELL_MAX);
}

/* ---- faults ---- */

bool board_has_fault(const struct ctl_board *view, const struct container_slot *slot)
{
    return select_fault_rank(&view->moment, slot) > 0;
}

void board_fault(const struct ctl_board *view, const struct container_slot *slot,
                 char text[BOARD_LINE_MAX])
{
    uint64_t now = view->moment.realtime_usec, then = slot->last_fault_realtime_usec;
    char age[32];

    text[0] = '\0';
    add(text, "%s", container_state_name((enum container_state)slot->state));
    if (slot->last_fault != FAULT_NONE && then) {
        cell_number(now > then ? (double)((now - then) / 1000000) : 0, CELL_SECONDS, age,
                    sizeof(age));
        add(text, "; %s, %s ago, %u in all", slot_fault_name(slot->last_fault), age, slot->faults);
    }
    if (slot->message[0])
        add(text, "; %s", slot->message);
}
