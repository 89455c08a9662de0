/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ?format=openmetrics (OpenMetrics 1.0, and the older text format for those who accept only that).
 * The samples of a family stand together, so there is one pass over the rows for each family; a
 * pass reads of each slot the names and the family's own fields only.
 */
#include <stdio.h>
#include <string.h>

#include "common/board/overview.h"

/* Where samples go, and in which of the two languages. */
struct exposition {
    struct out *out;
    const struct overview *overview;
    bool is_text;                 /* version 0.0.4 */
    const struct metric *pending; /* whose head the next sample writes; NULL: none */
};

/* ---- a family's head ---- */

static const char *sample_suffix(enum metric_type type)
{
    return type == METRIC_COUNTER ? "_total" : type == METRIC_INFO ? "_info" : "";
}

static void head_line(struct exposition *to, const char *word, const struct metric *metric,
                      const char *rest)
{
    struct out *out = to->out;

    out_literal(out, "# ");
    out_text(out, word);
    out_char(out, ' ');
    out_text(out, metric->family);
    /* The older format speaks of samples, not of families. */
    if (to->is_text)
        out_text(out, sample_suffix(metric->type));
    out_char(out, ' ');
    out_text(out, rest);
    out_char(out, '\n');
}

static void head(struct exposition *to, const struct metric *metric)
{
    static const char *const types[] = {[METRIC_NONE] = "unknown",
                                        [METRIC_GAUGE] = "gauge",
                                        [METRIC_COUNTER] = "counter",
                                        [METRIC_INFO] = "info",
                                        [METRIC_SUMMARY] = "summary"};
    bool is_old_info = to->is_text && metric->type == METRIC_INFO;

    head_line(to, "TYPE", metric, is_old_info ? "gauge" : types[metric->type]);
    if (metric->unit && !to->is_text)
        head_line(to, "UNIT", metric, metric->unit);
    head_line(to, "HELP", metric, metric->help);
}

/* ---- samples ---- */

static void container_labels(struct out *out, const struct container_slot *slot)
{
    out_literal(out, "{tenant=\"");
    out_escaped(out, slot->tenant, OUT_JSON);
    out_literal(out, "\",service=\"");
    out_escaped(out, slot->service, OUT_JSON);
    out_literal(out, "\",replica=\"");
    out_count(out, slot->replica);
    out_char(out, '"');
}

/* A family without a sample has no head either. */
static void sample_name(struct exposition *to, const struct metric *metric, const char *suffix)
{
    if (to->pending)
        head(to, to->pending);
    to->pending = NULL;
    out_text(to->out, metric->family);
    out_text(to->out, suffix);
}

/* One more label; before is '{' or ','. */
static void label(struct out *out, char before, const char *name, const char *value)
{
    out_char(out, before);
    out_text(out, name);
    out_literal(out, "=\"");
    out_escaped(out, value, OUT_JSON);
    out_char(out, '"');
}

static void end_sample(struct out *out, const struct figure *figure, unsigned shift)
{
    out_literal(out, "} ");
    out_figure(out, figure, shift);
    out_char(out, '\n');
}

/* When the counter began: the start of this run. */
static void created(struct exposition *to, const struct metric *metric,
                    const struct container_slot *slot)
{
    struct figure start = {
        .kind = FIGURE_DECIMAL, .decimals = 6, .count = slot->started_realtime_usec};

    if (to->is_text || !metric->has_created || slot->started_realtime_usec == 0)
        return;
    sample_name(to, metric, "_created");
    container_labels(to->out, slot);
    end_sample(to->out, &start, 0);
}

/* A family's rows in a table: first to last. */
struct family {
    const struct column_figure *rows;
    size_t count;
    const struct figure_group *group; /* NULL: of the container itself */
};

static void number_sample(struct exposition *to, const struct column_figure *row,
                          const struct container_slot *slot, const struct figure *figure,
                          const char *group_label, const char *element)
{
    struct out *out = to->out;

    sample_name(to, &row->metric, sample_suffix(row->metric.type));
    container_labels(out, slot);
    if (element)
        label(out, ',', group_label, element);
    if (row->metric.labels) {
        out_char(out, ',');
        out_text(out, row->metric.labels);
    }
    end_sample(out, figure, row->metric.shift);
    created(to, &row->metric, slot);
}

/* One sample of value 1 whose labels are the family's text figures. */
static void text_sample(struct exposition *to, const struct family *family,
                        const struct container_slot *slot)
{
    static const struct figure one = {.kind = FIGURE_COUNT, .count = 1};
    const struct metric *metric = &family->rows->metric;

    sample_name(to, metric, sample_suffix(metric->type));
    container_labels(to->out, slot);
    for (size_t i = 0; i < family->count; i++) {
        struct figure figure = column_figure_of(&family->rows[i], &to->overview->moment, slot);
        if (figure.kind == FIGURE_TEXT)
            label(to->out, ',', family->rows[i].metric.labels, figure.text);
    }
    end_sample(to->out, &one, 0);
}

static void container_samples(struct exposition *to, const struct family *family,
                              const struct container_slot *slot)
{
    char made[GROUP_NAME_SIZE];

    if (!family->group && family->rows->kind == FIGURE_TEXT) {
        text_sample(to, family, slot);
        return;
    }
    if (!family->group) {
        for (size_t i = 0; i < family->count; i++) {
            struct figure figure = column_figure_of(&family->rows[i], &to->overview->moment, slot);
            if (figure.kind != FIGURE_ABSENT)
                number_sample(to, &family->rows[i], slot, &figure, NULL, NULL);
        }
        return;
    }
    for (unsigned element = 0; element < family->group->count; element++) {
        const char *name = group_element_name(family->group, slot->has, slot, element, made);
        for (size_t i = 0; name && i < family->count; i++) {
            struct figure figure =
                group_figure_of(family->group, &family->rows[i], slot->has, slot, element);
            if (figure.kind != FIGURE_ABSENT)
                number_sample(to, &family->rows[i], slot, &figure, family->group->name_key, name);
        }
    }
}

/* The part of a slot that a family needs besides the names. */
static struct seqlock_part part_of(const struct family *family)
{
    const struct figure_group *group = family->group;
    size_t first = SIZE_MAX, end = 0;

    if (group)
        return slot_part(group->offset, (size_t)group->count * group->stride);
    for (size_t i = 0; i < family->count; i++) {
        const struct column_figure *row = &family->rows[i];
        if (row->offset < first)
            first = row->offset;
        if ((size_t)row->offset + row->width > end)
            end = (size_t)row->offset + row->width;
    }
    /* The start of a run, for _created. */
    if (family->rows->metric.has_created &&
        first > offsetof(struct container_slot, started_realtime_usec))
        first = offsetof(struct container_slot, started_realtime_usec);
    return slot_part(first, end - first);
}

static void write_family(struct exposition *to, const struct family *family)
{
    const struct overview *overview = to->overview;
    const struct seqlock_part parts[] = {SLOT_PART_HEAD, part_of(family)};
    struct container_slot slot;

    memset(&slot, 0, sizeof(slot));
    to->pending = &family->rows->metric;
    for (uint32_t i = 0; i < overview->selection.count && !to->out->is_broken; i++)
        if (selection_slot_parts(&overview->selector, overview->selection.rows[i].slot, parts, 2,
                                 &slot))
            container_samples(to, family, &slot);
}

static void write_table(struct exposition *to, const struct column_figure *rows, size_t count,
                        const struct figure_group *group)
{
    for (size_t i = 0, end; i < count; i = end) {
        const char *name = rows[i].metric.family;
        for (end = i + 1; name && end < count && rows[end].metric.family &&
                          strcmp(rows[end].metric.family, name) == 0;
             end++)
            continue;
        if (name)
            write_family(to, &(struct family){&rows[i], end - i, group});
    }
}

/* ---- what is told once ---- */

/* A sample without a container; labels may be NULL. */
static void single(struct exposition *to, const struct metric *metric, const char *suffix,
                   const char *labels, const char *more, const struct figure *figure)
{
    struct out *out = to->out;

    sample_name(to, metric, suffix);
    if (labels || more) {
        out_char(out, '{');
        out_text(out, labels ? labels : "");
        if (labels && more)
            out_char(out, ',');
        out_text(out, more ? more : "");
        out_char(out, '}');
    }
    out_char(out, ' ');
    out_figure(out, figure, metric->shift);
    out_char(out, '\n');
}

static void host_rows(struct exposition *to)
{
    const struct host_figures *host = &to->overview->host;
    const char *last = "";
    struct figure start = {.kind = FIGURE_DECIMAL,
                           .decimals = 6,
                           .count = to->overview->board->info.engine_started_realtime_usec};

    for (size_t i = 0; i < host_figure_row_count; i++) {
        const struct metric *metric = &host_figure_rows[i].metric;
        struct figure figure = host_figure_of(&host_figure_rows[i], host);
        if (figure.kind == FIGURE_ABSENT)
            continue;
        if (strcmp(metric->family, last) != 0)
            head(to, metric);
        last = metric->family;
        single(to, metric, sample_suffix(metric->type), metric->labels, NULL, &figure);
        if (metric->has_created && !to->is_text && start.count)
            single(to, metric, "_created", NULL, NULL, &start);
    }
}

static void host_pressure(struct exposition *to)
{
    const struct host_figures *host = &to->overview->host;
    const struct figure_group *group = &host_pressure_group;
    bool has_head = false;
    char made[GROUP_NAME_SIZE], labels[64];

    for (unsigned element = 0; element < group->count; element++) {
        const char *name = group_element_name(group, host->has, host, element, made);
        for (size_t i = 0; name && i < group->row_count; i++) {
            const struct metric *metric = &group->rows[i].metric;
            if (!metric->family)
                continue;
            if (!has_head)
                head(to, metric);
            has_head = true;
            struct figure figure =
                group_figure_of(group, &group->rows[i], host->has, host, element);
            snprintf(labels, sizeof(labels), "%s=\"%s\"", group->name_key, name);
            single(to, metric, sample_suffix(metric->type), labels, metric->labels, &figure);
        }
    }
}

static void count_by_state(struct exposition *to)
{
    static const struct metric metric = {
        .family = "containers", .type = METRIC_GAUGE, .help = "Containers by state"};
    char labels[64];

    head(to, &metric);
    for (uint32_t state = CONTAINER_OPEN + 1; state < CONTAINER_STATE_COUNT; state++) {
        struct figure figure = {.kind = FIGURE_COUNT,
                                .count = to->overview->selection.by_state[state]};
        snprintf(labels, sizeof(labels), "state=\"%s\"",
                 container_state_name((enum container_state)state));
        single(to, &metric, "", labels, NULL, &figure);
    }
}

static void one_gauge(struct exposition *to, const char *family, const char *unit, const char *help,
                      const char *labels, struct figure figure)
{
    const struct metric metric = {
        .family = family, .type = METRIC_GAUGE, .unit = unit, .help = help};

    head(to, &metric);
    single(to, &metric, "", labels, NULL, &figure);
}

static void supervisor_families(struct exposition *to)
{
    static const struct metric info = {.family = "container_supervisor",
                                       .type = METRIC_INFO,
                                       .help = "The supervisor that wrote the figures"};
    static const struct figure one = {.kind = FIGURE_COUNT, .count = 1};
    const struct board_view *board = to->overview->board;

    one_gauge(to, "container_supervisor_up", NULL,
              "Whether the supervisor answers for the figures: 1, or 0 when they are old or none",
              NULL, (struct figure){.kind = FIGURE_COUNT, .count = board->condition == BOARD_LIVE});
    if (!board->reader)
        return;
    one_gauge(to, "container_supervisor_sample_age_seconds", "seconds",
              "Age of the supervisor's last sample", NULL,
              (struct figure){.kind = FIGURE_DECIMAL, .decimals = 6, .count = board->age_usec});
    if (to->overview->is_limited)
        return;
    head(to, &info);
    out_literal(to->out, "container_supervisor_info");
    label(to->out, '{', "version", board->info.version);
    end_sample(to->out, &one, 0);
    one_gauge(to, "container_supervisor_start_time_seconds", "seconds",
              "Start of the supervisor's engine, since 1970", NULL,
              (struct figure){.kind = FIGURE_DECIMAL,
                              .decimals = 6,
                              .count = board->info.engine_started_realtime_usec});
    one_gauge(to, "container_host_cpus", NULL, "CPUs of the machine", NULL,
              (struct figure){.kind = FIGURE_COUNT, .count = board->info.cpus});
    one_gauge(to, "container_host_memory_size_bytes", "bytes", "Memory of the machine", NULL,
              (struct figure){.kind = FIGURE_COUNT, .count = board->info.memory_total_bytes});
}

void status_write_openmetrics(struct out *out, const struct overview *overview, bool is_text)
{
    struct exposition to = {.out = out, .overview = overview, .is_text = is_text};

    supervisor_families(&to);
    host_rows(&to);
    host_pressure(&to);
    count_by_state(&to);
    if (!overview->query->is_without_table) {
        write_table(&to, column_figures, column_figure_count, NULL);
        for (size_t i = 0; i < figure_group_count; i++)
            write_table(&to, figure_groups[i].rows, figure_groups[i].row_count, &figure_groups[i]);
    }
    if (!to.is_text)
        out_literal(to.out, "# EOF\n");
}
