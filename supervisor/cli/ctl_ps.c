/* SPDX-License-Identifier: Apache-2.0 */
/*
 * containerctl ps: read from the scoreboard, so it answers while the engine is busy, and asking
 * costs the engine nothing.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/scoreboard.h"
#include "common/units.h"
#include "supervisor/cli/ctl.h"
#include "supervisor/cli/ctl_ps.h"
#include "supervisor/cli/ctl_table.h"
#include "supervisor/cli/ctl_text.h"

#define CELL_MAX (PATH_MAX)

/* ---- columns ---- */

static void show_name(const struct container_slot *slot, char *cell)
{
    snprintf(cell, CELL_MAX, "%s/%s", slot->tenant, slot->service);
}

static void show_state(const struct container_slot *slot, char *cell)
{
    snprintf(cell, CELL_MAX, "%s", container_state_name(slot->state));
}

static void show_uptime(const struct container_slot *slot, char *cell)
{
    uint64_t now = clock_boottime_usec();

    if (slot->pid && slot->started_boottime_usec && now >= slot->started_boottime_usec)
        format_duration(now - slot->started_boottime_usec, cell, CELL_MAX);
}

static void show_cpu(const struct container_slot *slot, char *cell)
{
    if (slot->has & SLOT_HAS_CPU)
        snprintf(cell, CELL_MAX, "%.1f", slot->cpu_percent_milli / 1000.0);
}

static void show_memory(const struct container_slot *slot, char *cell)
{
    char used[16] = "-", limit[16] = "-";

    if (slot->has & SLOT_HAS_MEMORY)
        format_size(slot->memory_bytes, used, sizeof(used));
    if (slot->has & SLOT_HAS_MEMORY_LIMIT)
        format_size(slot->memory_limit_bytes, limit, sizeof(limit));
    if (slot->has & (SLOT_HAS_MEMORY | SLOT_HAS_MEMORY_LIMIT))
        snprintf(cell, CELL_MAX, "%s/%s", used, limit);
}

static void show_tasks(const struct container_slot *slot, char *cell)
{
    if (slot->has & SLOT_HAS_TASKS)
        snprintf(cell, CELL_MAX, "%u", slot->tasks);
}

static void show_restarts(const struct container_slot *slot, char *cell)
{
    snprintf(cell, CELL_MAX, "%u", slot->restarts);
}

static void show_pid(const struct container_slot *slot, char *cell)
{
    if (slot->pid)
        snprintf(cell, CELL_MAX, "%u", slot->pid);
}

static void show_image(const struct container_slot *slot, char *cell)
{
    snprintf(cell, CELL_MAX, "%s", slot->image);
}

static void show_exit(const struct container_slot *slot, char *cell)
{
    const char *name = slot->exit_signal ? sigabbrev_np((int)slot->exit_signal) : NULL;

    if (!(slot->has & SLOT_HAS_EXIT))
        return;
    if (name)
        snprintf(cell, CELL_MAX, "SIG%s", name);
    else if (slot->exit_signal)
        snprintf(cell, CELL_MAX, "signal %u", slot->exit_signal);
    else
        snprintf(cell, CELL_MAX, "exit %d", slot->exit_code);
}

static void show_address(const struct container_slot *slot, char *cell)
{
    snprintf(cell, CELL_MAX, "%s", slot->address_ipv4[0] ? slot->address_ipv4 : slot->address_ipv6);
}

static void show_endpoint(const struct container_slot *slot, char *cell)
{
    if (slot->endpoint_path[0])
        snprintf(cell, CELL_MAX, "%s:%s", endpoint_kind_name(slot->endpoint_kind),
                 slot->endpoint_path);
}

static void show_message(const struct container_slot *slot, char *cell)
{
    snprintf(cell, CELL_MAX, "%s", slot->message);
}

static const struct {
    struct table_column column;
    bool is_wide; /* only with -o wide */
    void (*show)(const struct container_slot *slot, char *cell);
} columns[] = {
    {{"NAME", false, 48}, false, show_name},       {{"STATE", false, 0}, false, show_state},
    {{"UP", true, 0}, false, show_uptime},         {{"CPU%", true, 0}, false, show_cpu},
    {{"MEM/LIMIT", true, 0}, false, show_memory},  {{"TASKS", true, 0}, false, show_tasks},
    {{"RESTARTS", true, 0}, false, show_restarts}, {{"PID", true, 0}, false, show_pid},
    {{"IMAGE", false, 40}, false, show_image},     {{"LAST EXIT", false, 0}, true, show_exit},
    {{"ADDRESS", false, 0}, true, show_address},   {{"ENDPOINT", false, 0}, true, show_endpoint},
    {{"MESSAGE", false, 60}, true, show_message},
};

/* SGR colours of the states; what is not here is not coloured. */
static const char *const state_colours[CONTAINER_STATE_COUNT] = {
    [CONTAINER_RUNNING] = "32",  [CONTAINER_WORKING] = "32",   [CONTAINER_STARTING] = "36",
    [CONTAINER_STOPPING] = "36", [CONTAINER_SLEEPING] = "34",  [CONTAINER_PAUSED] = "34",
    [CONTAINER_LIMITED] = "33",  [CONTAINER_UNHEALTHY] = "33", [CONTAINER_BACKOFF] = "33",
    [CONTAINER_FAILED] = "31",
};

/* ---- rows ---- */

struct rows {
    struct container_slot *slots;
    size_t count;
    bool has_tenant;     /* some slot belongs to the tenant that was asked for, hidden or not */
    unsigned unreadable; /* slots that the writer has left half-written */
};

static bool is_hidden(const struct container_slot *slot)
{
    return slot->state == CONTAINER_STOPPED || slot->state == CONTAINER_EXITED;
}

static int compare_slots(const void *left, const void *right)
{
    const struct container_slot *a = left, *b = right;
    int order = strcmp(a->tenant, b->tenant);

    if (order == 0)
        order = strcmp(a->service, b->service);
    return order ? order : (a->replica > b->replica) - (a->replica < b->replica);
}

/* Copies what is to be shown off the board, sorted by name. */
static int collect(const struct ctl *ctl, const struct scoreboard_reader *board, const char *tenant,
                   struct rows *rows)
{
    struct scoreboard_info info;

    scoreboard_info(board, &info);
    rows->slots = calloc(info.slots_used ? info.slots_used : 1, sizeof(*rows->slots));
    if (!rows->slots)
        return -ENOMEM;
    for (uint32_t i = 0; i < info.slots_used; i++) {
        struct container_slot *slot = &rows->slots[rows->count];
        if (scoreboard_slot_read(board, i, slot) < 0) {
            rows->unreadable++;
            continue;
        }
        if (slot->state == CONTAINER_OPEN || (tenant && strcmp(slot->tenant, tenant) != 0))
            continue;
        rows->has_tenant = true;
        if (ctl->all || !is_hidden(slot))
            rows->count++;
    }
    qsort(rows->slots, rows->count, sizeof(*rows->slots), compare_slots);
    return 0;
}

static int print_rows(const struct ctl *ctl, const struct rows *rows)
{
    struct table_column shown[ARRAY_LENGTH(columns)];
    _cleanup_free_ char *cell = malloc(CELL_MAX);
    size_t count = 0;

    for (size_t i = 0; i < ARRAY_LENGTH(columns); i++) {
        if (columns[i].is_wide && ctl->output != CTL_OUTPUT_WIDE)
            break; /* the wide ones stand last */
        shown[count] = columns[i].column;
        if (ctl->no_trunc)
            shown[count].max_width = 0;
        count++;
    }
    _cleanup_table_ struct table *table = table_new(shown, count);
    if (!table || !cell)
        return -ENOMEM;
    for (size_t row = 0; row < rows->count; row++) {
        const struct container_slot *slot = &rows->slots[row];
        for (size_t i = 0; i < count; i++) {
            bool is_state = columns[i].show == show_state && slot->state < CONTAINER_STATE_COUNT;
            cell[0] = '\0';
            columns[i].show(slot, cell);
            if (table_add(table, cell, is_state ? state_colours[slot->state] : NULL) < 0)
                return -ENOMEM;
        }
    }
    table_print(table, stdout, ctl->has_colour);
    return 0;
}

static int print_rows_json(const struct ctl *ctl, const struct rows *rows)
{
    _cleanup_json_ json_t *array = json_array();

    for (size_t i = 0; i < rows->count; i++)
        if (json_array_append_new(array, slot_to_json(&rows->slots[i])) < 0)
            return -ENOMEM;
    return ctl_print_json(ctl, steal_ptr(array));
}

static int print_names(const struct rows *rows)
{
    for (size_t i = 0; i < rows->count; i++) {
        const struct container_slot *slot = &rows->slots[i];
        text_print_clean(stdout, slot->tenant, strlen(slot->tenant));
        putchar('/');
        text_print_clean(stdout, slot->service, strlen(slot->service));
        putchar('\n');
    }
    return 0;
}

/* ---- the verb ---- */

/* Refuses a board that nobody keeps: what it shows may be long past. */
static int check_live(const struct ctl *ctl, const struct scoreboard_reader *board,
                      struct error *error)
{
    struct scoreboard_info info;
    uint64_t age_usec;
    char age[32];

    if (scoreboard_is_live(board, &age_usec))
        return 0;
    scoreboard_info(board, &info);
    if (info.retired)
        return error_set(error, ESTALE, "%s is out of date: the supervisor that wrote it has ended",
                         ctl->scoreboard);
    return error_set(error, ESTALE, "%s is out of date: supervisor %u last wrote to it %s ago",
                     ctl->scoreboard, info.engine_pid, format_duration(age_usec, age, sizeof(age)));
}

static int show(const struct ctl *ctl, const struct rows *rows)
{
    if (ctl->output == CTL_OUTPUT_JSON)
        return print_rows_json(ctl, rows);
    return ctl->quiet ? print_names(rows) : print_rows(ctl, rows);
}

int ctl_ps(const struct ctl *ctl, int count, char **args)
{
    struct scoreboard_reader *board = NULL;
    const char *tenant = count ? args[0] : NULL;
    struct rows rows = {0};
    struct error error = ERROR_INIT;

    if (ctl->quiet && ctl->output != CTL_OUTPUT_TABLE)
        return ctl_usage(ctl, "-q prints names only: it goes with no -o");
    if (tenant && name_check("tenant", tenant, &error) < 0)
        return ctl_usage(ctl, "%s", error.message);
    int r = scoreboard_open(ctl->scoreboard, &board, &error);
    if (r == 0)
        r = check_live(ctl, board, &error);
    if (r == 0) {
        r = collect(ctl, board, tenant, &rows);
        if (r == 0 && tenant && !rows.has_tenant && !rows.unreadable)
            r = error_set(&error, ESRCH, "there is no tenant \"%s\"", tenant);
        else if (r == 0)
            r = show(ctl, &rows);
        if (r == 0 && rows.unreadable)
            r = error_set(
                &error, EAGAIN,
                "%u slots are left out: the supervisor stands in the middle of writing them",
                rows.unreadable);
        free(rows.slots);
    }
    scoreboard_close(board);
    if (r == -ENOMEM && !error.code)
        error_sys(&error, ENOMEM, "list containers");
    return r < 0 ? ctl_fail(ctl, NULL, r, CONTROL_OK, &error) : CTL_OK;
}
