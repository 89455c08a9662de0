/* SPDX-License-Identifier: Apache-2.0 */
#include "common/board/limit_view.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/board/overview.h"
#include "common/cleanup.h"
#include "common/units.h"

static struct limit_row row(const char *name, const char *label, enum limit_unit unit)
{
    return (struct limit_row){.name = name, .label = label, .unit = unit};
}

static void take_value(struct limit_row *row, uint64_t has, uint64_t bit, uint64_t value)
{
    row->has_value = (has & bit) == bit;
    row->value = row->has_value ? value : 0;
}

static void take_limit(struct limit_row *row, uint64_t has, uint64_t bit, uint64_t limit)
{
    row->has_limit = (has & bit) == bit && limit;
    row->limit = row->has_limit ? limit : 0;
}

static void take_hits(struct limit_row *row, uint64_t has, uint64_t bit, const char *label,
                      uint64_t hits)
{
    row->has_hits = (has & bit) == bit;
    row->hits_label = label;
    row->hits = row->has_hits ? hits : 0;
}

static void take_rows(const struct container_slot *slot, struct limit_row rows[LIMIT_ROWS])
{
    uint64_t has = slot->has;

    rows[0] = row("memory", "Memory", LIMIT_UNIT_BYTES);
    take_value(&rows[0], has, SLOT_HAS_MEMORY, slot->memory_bytes);
    take_limit(&rows[0], has, SLOT_HAS_MEMORY_LIMIT, slot->memory_limit_bytes);
    take_hits(&rows[0], has, SLOT_HAS_MEMORY_HITS, "times at the limit", slot->memory_limit_hits);
    rows[1] = row("oom", "Killed for lack of memory", LIMIT_UNIT_COUNT);
    take_hits(&rows[1], has, SLOT_HAS_OOM, "processes killed", slot->oom_kills);
    rows[2] = row("cpu", "CPUs", LIMIT_UNIT_MILLI_CPUS);
    take_value(&rows[2], has, SLOT_HAS_CPU, slot->cpu_percent_milli / 100);
    take_limit(&rows[2], has, SLOT_HAS_CPU_LIMIT, slot->cpu_limit_milli);
    take_hits(&rows[2], has, SLOT_HAS_CPU_THROTTLE, "periods held up", slot->cpu_throttled_periods);
    rows[3] = row("tasks", "Processes and threads", LIMIT_UNIT_COUNT);
    take_value(&rows[3], has, SLOT_HAS_TASKS, slot->tasks);
    take_limit(&rows[3], has, SLOT_HAS_TASKS_LIMIT, slot->tasks_limit);
    take_hits(&rows[3], has, SLOT_HAS_TASKS_HITS, "starts refused", slot->tasks_limit_hits);
    rows[4] = row("disk", "Disk", LIMIT_UNIT_BYTES);
    take_value(&rows[4], has, SLOT_HAS_DISK, slot->disk_used_bytes);
    take_limit(&rows[4], has, SLOT_HAS_DISK_LIMIT, slot->disk_limit_bytes);
    rows[5] = row("requests", "Requests in flight", LIMIT_UNIT_COUNT);
    take_value(&rows[5], has, SLOT_HAS_TRAFFIC, slot->requests_in_flight);
    take_hits(&rows[5], has, SLOT_HAS_TRAFFIC, "refused at the door", slot->requests_refused);
}

void limit_view_take(const struct container_slot *slot, uint32_t index, const struct moment *moment,
                     const uint8_t key[SEAL_KEY_SIZE], bool is_operators, struct limit_view *view)
{
    *view = (struct limit_view){
        .slot = slot, .index = index, .moment = *moment, .is_operators = is_operators};
    limit_cause_of_slot(slot, moment, &view->cause);
    limit_cause_of_last_fault(slot, &view->last);
    take_rows(slot, view->rows);
    if (view->cause.kind)
        limit_reference(key, slot->tenant, slot->service, &view->cause, view->reference);
    if (view->last.kind)
        limit_reference(key, slot->tenant, slot->service, &view->last, view->last_reference);
}

const char *limit_value(enum limit_unit unit, uint64_t value, char text[LIMIT_VALUE_SIZE])
{
    if (unit == LIMIT_UNIT_BYTES)
        return format_size(value, text, LIMIT_VALUE_SIZE);
    if (unit == LIMIT_UNIT_MILLI_CPUS)
        snprintf(text, LIMIT_VALUE_SIZE, "%" PRIu64 ".%02u", value / 1000,
                 (unsigned)(value % 1000 / 10));
    else
        snprintf(text, LIMIT_VALUE_SIZE, "%" PRIu64, value);
    return text;
}

/* ---- JSON ---- */

static const char *unit_name(enum limit_unit unit)
{
    static const char *const names[] = {[LIMIT_UNIT_BYTES] = "bytes",
                                        [LIMIT_UNIT_COUNT] = "count",
                                        [LIMIT_UNIT_MILLI_CPUS] = "cpus"};

    return names[unit]; /* NULL: none */
}

static void write_number(struct out *out, const char *key, bool is_known, enum limit_unit unit,
                         uint64_t value)
{
    struct figure figure = {.kind = FIGURE_COUNT, .count = value};

    if (unit == LIMIT_UNIT_MILLI_CPUS) {
        figure.kind = FIGURE_DECIMAL;
        figure.decimals = 3;
    }
    out_format(out, ",\"%s\":", key);
    if (is_known)
        out_figure(out, &figure, 0);
    else
        out_literal(out, "null");
}

static void write_text(struct out *out, const char *key, const char *text)
{
    out_format(out, ",\"%s\":", key);
    out_json(out, text);
}

static void write_cause(struct out *out, const struct limit_cause *cause, const char *reference)
{
    const struct limit_kind_row *row = limit_kind_row(cause->kind);

    if (!cause->kind) {
        out_literal(out, "null");
        return;
    }
    out_literal(out, "{\"kind\":");
    out_json(out, row->name);
    write_text(out, "because", cause->because ? limit_kind_row(cause->because)->name : NULL);
    write_number(out, "status", true, LIMIT_UNIT_COUNT, cause->status);
    write_number(out, "retry_after_seconds", true, LIMIT_UNIT_COUNT, cause->retry_after_seconds);
    write_number(out, "since_unix", cause->since_realtime_usec, LIMIT_UNIT_COUNT,
                 cause->since_realtime_usec / 1000000);
    write_text(out, "unit", unit_name(row->unit));
    write_number(out, "value", cause->has_figures, row->unit, cause->value);
    write_number(out, "limit", cause->has_figures, row->unit, cause->limit);
    write_text(out, "title", row->title);
    write_text(out, "advice", row->advice);
    write_text(out, "reference", reference);
    out_char(out, '}');
}

static void write_row(struct out *out, const struct limit_row *row)
{
    out_literal(out, "{\"name\":");
    out_json(out, row->name);
    write_text(out, "unit", unit_name(row->unit));
    write_number(out, "value", row->has_value, row->unit, row->value);
    write_number(out, "limit", row->has_limit, row->unit, row->limit);
    write_number(out, "hits", row->has_hits, LIMIT_UNIT_COUNT, row->hits);
    out_char(out, '}');
}

void limit_view_json(struct out *out, const struct limit_view *view)
{
    const struct container_slot *slot = view->slot;

    out_literal(out, "{\"version\":1");
    write_number(out, "time_unix", true, LIMIT_UNIT_COUNT, view->moment.realtime_usec / 1000000);
    write_text(out, "tenant", slot->tenant);
    write_text(out, "service", slot->service);
    write_text(out, "state", container_state_name((enum container_state)slot->state));
    out_literal(out, ",\"cause\":");
    write_cause(out, &view->cause, view->reference);
    write_number(out, "faults", true, LIMIT_UNIT_COUNT, slot->faults);
    out_literal(out, ",\"last_fault\":");
    write_cause(out, &view->last, view->last_reference);
    out_literal(out, ",\"limits\":[");
    for (size_t i = 0; i < LIMIT_ROWS; i++) {
        out_text(out, i ? "," : "");
        write_row(out, &view->rows[i]);
    }
    out_char(out, ']');
    if (view->is_operators) {
        out_literal(out, ",\"container\":");
        status_json_container(out, &view->moment, slot, view->index);
    }
    out_literal(out, "}\n");
}
