/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ?auto, in mod_status' habit: one "Key: value" a line. Without a selection the keys are the same
 * on every machine, but for what is absent: sums over all containers, and the scoreboard. With one
 * (limit=, tenant=, sort= ...) a line a figure of each chosen container.
 */
#include <ctype.h>

#include <stdio.h>

#include "common/board/overview.h"

static void line_text(struct out *out, const char *key, const char *value)
{
    if (!*value)
        return;
    out_text(out, key);
    out_literal(out, ": ");
    out_clean(out, value);
    out_char(out, '\n');
}

static void line_count(struct out *out, const char *key, uint64_t value)
{
    out_text(out, key);
    out_literal(out, ": ");
    out_count(out, value);
    out_char(out, '\n');
}

static void line_seconds(struct out *out, const char *key, uint64_t usec)
{
    out_text(out, key);
    out_literal(out, ": ");
    out_seconds(out, usec);
    out_char(out, '\n');
}

static void value_and_end(struct out *out, const struct figure *figure)
{
    out_literal(out, ": ");
    if (figure->kind == FIGURE_TEXT)
        out_clean(out, figure->text);
    else
        out_figure(out, figure, 0);
    out_char(out, '\n');
}

static void supervisor_lines(struct out *out, const struct overview *overview)
{
    const struct board_view *board = overview->board;
    const struct scoreboard_info *info = &board->info;

    line_text(out, "SupervisorState", board_condition_name(board->condition));
    line_text(out, "SupervisorReason", board->why.message);
    if (!board->reader)
        return;
    line_seconds(out, "SampleAgeSeconds", board->age_usec);
    line_seconds(out, "SampleIntervalSeconds", info->sample_interval_usec);
    if (overview->is_limited)
        return;
    line_text(out, "SupervisorVersion", info->version);
    line_count(out, "SupervisorPid", info->engine_pid);
    line_count(out, "SupervisorUptimeSeconds", overview->supervisor_uptime_usec / 1000000);
    line_count(out, "HostCpus", info->cpus);
    line_count(out, "HostMemoryBytes", info->memory_total_bytes);
    line_count(out, "Slots", info->slot_count);
}

/* A group's elements behind a prefix: "HostPressure" "Cpu" "SomeAvg10Percent". */
static void group_lines(struct out *out, const char *prefix, const struct figure_group *group,
                        uint64_t has, const void *base)
{
    char made[GROUP_NAME_SIZE];

    for (unsigned i = 0; i < group->count; i++) {
        const char *name = group_element_name(group, has, base, i, made);
        if (!name)
            continue;
        char key[64];
        if (group->names)
            snprintf(key, sizeof(key), "%s%s%c%s", prefix, group->flat_auto,
                     toupper((unsigned char)name[0]), name + 1);
        else
            snprintf(key, sizeof(key), "%s%s%u", prefix, group->flat_auto, i + 1);
        if (!group->names)
            line_text(out, key, name);
        for (size_t j = 0; j < group->row_count; j++) {
            struct figure figure = group_figure_of(group, &group->rows[j], has, base, i);
            if (figure.kind == FIGURE_ABSENT)
                continue;
            out_text(out, key);
            out_text(out, group->rows[j].auto_key);
            value_and_end(out, &figure);
        }
    }
}

static void host_lines(struct out *out, const struct overview *overview)
{
    for (size_t i = 0; i < host_figure_row_count; i++) {
        struct figure figure = host_figure_of(&host_figure_rows[i], &overview->host);
        if (figure.kind == FIGURE_ABSENT)
            continue;
        out_text(out, host_figure_rows[i].auto_key);
        value_and_end(out, &figure);
    }
    group_lines(out, "", &host_pressure_group, overview->host.has, &overview->host);
}

/* "ContainersRunning", from the state's own name. */
static void count_lines(struct out *out, const struct overview *overview)
{
    line_count(out, "Containers", overview->selection.containers);
    for (uint32_t state = CONTAINER_OPEN + 1; state < CONTAINER_STATE_COUNT; state++) {
        const char *name = container_state_name((enum container_state)state);
        out_literal(out, "Containers");
        out_char(out, (char)toupper((unsigned char)name[0]));
        line_count(out, name + 1, overview->selection.by_state[state]);
    }
}

/* "TotalMemoryBytes": of all containers, whatever is selected. */
static void total_lines(struct out *out, const struct overview *overview)
{
    for (size_t i = 0; overview->sums && i < column_figure_count; i++) {
        if (overview->sums[i].kind == FIGURE_ABSENT)
            continue;
        out_literal(out, "Total");
        out_text(out, column_figures[i].auto_key);
        value_and_end(out, &overview->sums[i]);
    }
}

static void container_lines(struct out *out, const struct overview *overview, uint32_t index)
{
    struct container_slot slot;
    char prefix[32];
    size_t length;

    if (!overview_slot(overview, index, &slot))
        return;
    length = (size_t)snprintf(prefix, sizeof(prefix), "Container[%u]", index);
    for (size_t i = 0; i < column_figure_count; i++) {
        const struct column_figure *row = &column_figures[i];
        struct figure figure = column_figure_of(row, &overview->moment, &slot);
        if (figure.kind == FIGURE_ABSENT)
            continue;
        out_bytes(out, prefix, length);
        out_text(out, row->auto_key);
        value_and_end(out, &figure);
    }
    for (size_t i = 0; i < figure_group_count; i++)
        group_lines(out, prefix, &figure_groups[i], slot.has, &slot);
}

void status_write_auto(struct out *out, const struct overview *overview)
{
    const struct status_query *query = overview->query;
    char time[OVERVIEW_TIME_SIZE];
    const struct selection *selection = &overview->selection;

    line_text(out, "ServerVersion", overview->server_version);
    line_text(out, "CurrentTime", overview_time(overview, time));
    if (overview->has_server_uptime)
        line_count(out, "ServerUptimeSeconds", overview->httpd_uptime_seconds);
    supervisor_lines(out, overview);
    host_lines(out, overview);
    count_lines(out, overview);
    total_lines(out, overview);
    if (query->has_selection) {
        line_count(out, "ContainersMatched", selection->matched);
        for (uint32_t i = 0; i < selection->count && !query->is_without_table; i++)
            container_lines(out, overview, selection->rows[i].slot);
    }
    out_literal(out, "Scoreboard: ");
    out_bytes(out, selection->letters, selection->letter_count);
    out_char(out, '\n');
}
