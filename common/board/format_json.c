/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ?format=json: one object (docs/status.schema.json); absent figures are null. Written container by
 * container, so that ten thousand of them need no tree of all.
 */
#include "common/board/overview.h"

/* "key": in front of a value; first is what stands in front of the key. */
static void key(struct out *out, const char *first, const char *name)
{
    out_text(out, first);
    out_char(out, '"');
    out_text(out, name);
    out_literal(out, "\":");
}

static void value(struct out *out, const struct figure *figure)
{
    if (figure->kind == FIGURE_ABSENT)
        out_literal(out, "null");
    else if (figure->kind == FIGURE_TEXT)
        out_json(out, figure->text);
    else
        out_figure(out, figure, 0);
}

static void text_or_null(struct out *out, const char *first, const char *name, const char *text)
{
    key(out, first, name);
    out_json(out, *text ? text : NULL);
}

static void count_if(struct out *out, const char *name, bool is_known, uint64_t count)
{
    struct figure figure = {.kind = is_known ? FIGURE_COUNT : FIGURE_ABSENT, .count = count};

    key(out, ",", name);
    value(out, &figure);
}

static void seconds_if(struct out *out, const char *name, bool is_known, uint64_t usec)
{
    struct figure figure = {
        .kind = is_known ? FIGURE_DECIMAL : FIGURE_ABSENT, .decimals = 3, .count = usec / 1000};

    key(out, ",", name);
    value(out, &figure);
}

/* Unreachable: the same keys, all null but for state and reason. */
static void supervisor_object(struct out *out, const struct overview *overview)
{
    const struct board_view *board = overview->board;
    const struct scoreboard_info *info = &board->info;
    bool is_known = board->reader != NULL;
    bool is_shown = is_known && !overview->is_limited;

    text_or_null(out, ",\"supervisor\":{", "state", board_condition_name(board->condition));
    text_or_null(out, ",", "reason", board->why.message);
    text_or_null(out, ",", "version", is_shown ? info->version : "");
    count_if(out, "pid", is_shown, info->engine_pid);
    count_if(out, "uptime_seconds", is_shown, overview->supervisor_uptime_usec / 1000000);
    seconds_if(out, "sample_age_seconds", is_known, board->age_usec);
    seconds_if(out, "sample_interval_seconds", is_known, info->sample_interval_usec);
    count_if(out, "host_cpus", is_shown, info->cpus);
    count_if(out, "host_memory_bytes", is_shown, info->memory_total_bytes);
    count_if(out, "slots", is_shown, info->slot_count);
    out_char(out, '}');
}

static void group_element(struct out *out, const struct figure_group *group, const char *name,
                          uint64_t has, const void *base, unsigned i)
{
    out_char(out, '{');
    key(out, "", group->name_key);
    out_json(out, name);
    for (size_t j = 0; j < group->row_count; j++) {
        struct figure figure = group_figure_of(group, &group->rows[j], has, base, i);
        key(out, ",", group->rows[j].key);
        value(out, &figure);
    }
    out_char(out, '}');
}

/* null where nothing of it is known, as for a figure. */
static void group_array(struct out *out, const struct figure_group *group, uint64_t has,
                        const void *base)
{
    char made[GROUP_NAME_SIZE];
    const char *before = "[";

    key(out, ",", group->key);
    for (unsigned i = 0; i < group->count; i++) {
        const char *name = group_element_name(group, has, base, i, made);
        if (!name)
            continue;
        out_text(out, before);
        before = ",";
        group_element(out, group, name, has, base, i);
    }
    out_text(out, *before == '[' ? "null" : "]");
}

static void host_object(struct out *out, const struct overview *overview)
{
    const char *before = ",\"host\":{";

    if (overview->host.sampled_boottime_usec == 0) {
        out_literal(out, ",\"host\":null");
        return;
    }
    for (size_t i = 0; i < host_figure_row_count; i++) {
        struct figure figure = host_figure_of(&host_figure_rows[i], &overview->host);
        key(out, before, host_figure_rows[i].key);
        value(out, &figure);
        before = ",";
    }
    group_array(out, &host_pressure_group, overview->host.has, &overview->host);
    out_char(out, '}');
}

static void counts_object(struct out *out, const struct overview *overview)
{
    out_literal(out, ",\"counts\":{\"total\":");
    out_count(out, overview->selection.containers);
    for (uint32_t state = CONTAINER_OPEN + 1; state < CONTAINER_STATE_COUNT; state++)
        count_if(out, container_state_name((enum container_state)state), true,
                 overview->selection.by_state[state]);
    out_char(out, '}');
}

void status_json_container(struct out *out, const struct moment *moment,
                           const struct container_slot *slot, uint32_t index)
{
    out_literal(out, "{\"slot\":");
    out_count(out, index);
    for (size_t i = 0; i < column_figure_count; i++) {
        struct figure figure = column_figure_of(&column_figures[i], moment, slot);
        key(out, ",", column_figures[i].key);
        value(out, &figure);
    }
    for (size_t i = 0; i < figure_group_count; i++)
        group_array(out, &figure_groups[i], slot->has, slot);
    out_char(out, '}');
}

static void containers(struct out *out, const struct overview *overview)
{
    const struct selection *selection = &overview->selection;
    const char *separator = "\n";
    struct container_slot slot;

    out_literal(out, ",\"selection\":{\"matched\":");
    out_count(out, selection->matched);
    count_if(out, "page", true, overview->query->page);
    count_if(out, "pages", true, selection->pages);
    out_literal(out, "},\"containers\":[");
    for (uint32_t i = 0; i < selection->count && !out->is_broken; i++)
        if (overview_slot(overview, selection->rows[i].slot, &slot)) {
            out_text(out, separator);
            status_json_container(out, &overview->moment, &slot, selection->rows[i].slot);
            separator = ",\n";
        }
    out_char(out, ']');
}

void status_json_board(struct out *out, const struct overview *overview)
{
    char time[OVERVIEW_TIME_SIZE];

    out_literal(out, "{\"version\":");
    out_count(out, STATUS_JSON_VERSION);
    text_or_null(out, ",", "time", overview_time(overview, time));
    text_or_null(out, ",\"server\":{", "version", overview->server_version);
    count_if(out, "uptime_seconds", overview->has_server_uptime, overview->httpd_uptime_seconds);
    out_char(out, '}');
    supervisor_object(out, overview);
    host_object(out, overview);
    counts_object(out, overview);
    text_or_null(out, ",", "scoreboard", overview->selection.letters);
}

void status_write_json(struct out *out, const struct overview *overview)
{
    status_json_board(out, overview);
    if (!overview->query->is_without_table)
        containers(out, overview);
    out_literal(out, "}\n");
}
