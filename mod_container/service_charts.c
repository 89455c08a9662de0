/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The page of a service: charts of an hour and of a day from the rings of its slot, of 30 days (and
 * of a day with its faults) from the supervisor's history.
 */
#include <string.h>

#include "common/control.h"
#include "mod_container/chart.h"
#include "mod_container/columns.h"
#include "mod_container/service_page.h"

enum series { SERIES_CPU, SERIES_MEMORY, SERIES_IO, SERIES_REQUESTS, SERIES_COUNT };

/* What the charts show, the oldest first. */
struct past {
    unsigned count;
    uint64_t step_seconds;
    uint64_t end_unix;
    bool has_faults;
    uint64_t values[SERIES_COUNT][CHART_POINTS_MAX];
    uint32_t faults[CHART_POINTS_MAX];
};

static const struct {
    const char *id, *name;
    bool is_binary;
    uint64_t top_least;
    void (*write)(struct out *out, uint64_t value);
} series_table[SERIES_COUNT] = {
    [SERIES_CPU] = {"chart-cpu", "CPU", false, 1000, write_cpu},
    [SERIES_MEMORY] = {"chart-memory", "Memory", true, 1 << 20, write_bytes},
    [SERIES_IO] = {"chart-io", "Disk I/O", true, 4096, write_byte_rate},
    [SERIES_REQUESTS] = {"chart-requests", "Requests", false, 1000, write_request_rate},
};

/* ---- from the slot's rings ---- */

static uint64_t known(uint32_t value, uint64_t factor)
{
    return value == HISTORY_ABSENT ? CHART_GAP : value * factor;
}

static void take_point(struct past *past, unsigned at, const struct history_point *point)
{
    past->values[SERIES_CPU][at] = known(point->cpu_centi, 1);
    past->values[SERIES_MEMORY][at] = known(point->memory_kib, 1024);
    past->values[SERIES_IO][at] = known(point->io_rate, 1);
    past->values[SERIES_REQUESTS][at] = known(point->requests_milli, 1);
}

static void clear_past(struct past *past, unsigned count, uint64_t step_seconds, uint64_t end_unix)
{
    past->count = count;
    past->step_seconds = step_seconds;
    past->end_unix = end_unix;
    past->has_faults = false;
    for (int i = 0; i < SERIES_COUNT; i++)
        for (unsigned at = 0; at < count; at++)
            past->values[i][at] = CHART_GAP;
    memset(past->faults, 0, sizeof(past->faults));
}

/* The moment of the last fault is all that a slot tells of them. */
static void mark_last_fault(struct past *past, const struct container_slot *slot)
{
    uint64_t fault_unix = slot->last_fault_realtime_usec / 1000000;
    uint64_t range = past->count * past->step_seconds;

    past->has_faults = true;
    if (slot->last_fault == FAULT_NONE || fault_unix > past->end_unix ||
        fault_unix + range <= past->end_unix)
        return;
    past->faults[past->count - 1 - (past->end_unix - fault_unix) / past->step_seconds] = 1;
}

static bool take_ring(struct service_page *service, enum history_ring ring, struct past *past)
{
    static const unsigned counts[HISTORY_RINGS] = {HISTORY_SECONDS_POINTS, HISTORY_MINUTES_POINTS,
                                                   HISTORY_HALF_HOURS_POINTS};
    const struct moment *moment = &service->page.overview->moment;
    struct slot_history history;
    struct history_point points[HISTORY_SECONDS_POINTS];

    if (scoreboard_history_read(service->page.overview->board->reader, service->index, &history) <
            0 ||
        history.rings[ring].step_msec == 0)
        return false;
    uint64_t step = history.rings[ring].step_msec * UINT64_C(1000);
    uint64_t age = since(moment->boottime_usec, history.rings[ring].end_boottime_usec) / step;
    unsigned used = (unsigned)history_points(&history, ring, points);
    clear_past(past, counts[ring], step / 1000000, moment->realtime_usec / 1000000);
    if (past->step_seconds == 0 || used == 0)
        return false;
    for (unsigned i = 0; i < used; i++) {
        uint64_t behind = used - 1 - i + age;
        if (behind < past->count)
            take_point(past, past->count - 1 - (unsigned)behind, &points[i]);
    }
    mark_last_fault(past, &service->slot);
    return true;
}

/* ---- from the supervisor ---- */

static uint64_t scaled(const json_t *value, double factor)
{
    double number = json_number_value(value) * factor;

    return json_is_number(value) && number >= 0 && number < 1e18 ? (uint64_t)number : CHART_GAP;
}

static bool take_history(struct service_page *service, struct past *past)
{
    _cleanup_json_ json_t *answer = service_ask_quietly(
        service, "history", json_pack("{s:s}", "range", service_range_name(service->query->range)));
    json_t *points = json_object_get(answer, "points"), *point;
    size_t i, count = json_array_size(points);
    json_int_t step = json_integer_value(json_object_get(answer, "step_seconds"));

    if (count == 0 || step <= 0)
        return false;
    size_t skipped = count > CHART_POINTS_MAX ? count - CHART_POINTS_MAX : 0;
    clear_past(past, (unsigned)(count - skipped), (uint64_t)step,
               (uint64_t)json_integer_value(json_object_get(answer, "end_unix")));
    past->has_faults = true;
    json_array_foreach (points, i, point) {
        if (i < skipped)
            continue;
        size_t at = i - skipped;
        past->values[SERIES_CPU][at] = scaled(json_array_get(point, 0), 100);
        past->values[SERIES_MEMORY][at] = scaled(json_array_get(point, 1), 1);
        past->values[SERIES_IO][at] = scaled(json_array_get(point, 2), 1);
        past->values[SERIES_REQUESTS][at] = scaled(json_array_get(point, 3), 1000);
        past->faults[at] = (uint32_t)json_integer_value(json_array_get(point, 4));
    }
    return true;
}

static bool take_past(struct service_page *service, struct past *past)
{
    switch (service->query->range) {
    case RANGE_HOUR:
        return take_ring(service, HISTORY_MINUTES, past);
    case RANGE_DAY:
        return take_history(service, past) || take_ring(service, HISTORY_HALF_HOURS, past);
    case RANGE_MONTH:
    case RANGE_COUNT:
        break;
    }
    return take_history(service, past);
}

/* ---- the section ---- */

static uint64_t limit_of(const struct container_slot *slot, int series)
{
    if (series == SERIES_CPU && (slot->has & SLOT_HAS_CPU_LIMIT))
        return slot->cpu_limit_milli * UINT64_C(10);
    if (series == SERIES_MEMORY && (slot->has & SLOT_HAS_MEMORY_LIMIT))
        return slot->memory_limit_bytes;
    return 0;
}

static void write_ranges(struct service_page *service)
{
    static const char *const labels[RANGE_COUNT] = {"1 hour", "24 hours", "30 days"};
    struct out *out = &service->page.out;

    out_text(out, "<nav class=\"ranges\" aria-label=\"Time shown\">");
    for (int i = 0; i < RANGE_COUNT; i++) {
        out_text(out, "<a href=\"");
        page_address(&service->page, service->tenant, service->service);
        out_format(out, "?range=%s\"%s>%s</a>", service_range_name((enum service_range)i),
                   (int)service->query->range == i ? " aria-current=\"true\"" : "", labels[i]);
    }
    out_text(out, "</nav>\n");
}

void service_charts(struct service_page *service)
{
    struct past *past = apr_palloc(service->page.r->pool, sizeof(*past));
    struct out *out = &service->page.out;

    service_open(service, "past", "The past");
    write_ranges(service);
    if (!take_past(service, past)) {
        out_text(out, service->silence
                          ? "<p class=\"quiet\">The supervisor did not answer.</p>\n"
                          : "<p class=\"quiet\">Nothing is recorded for this time.</p>\n");
        service_close(service);
        return;
    }
    out_text(out, "<div class=\"charts\">\n");
    for (int i = 0; i < SERIES_COUNT; i++) {
        const struct chart chart = {
            .name = series_table[i].name,
            .id = series_table[i].id,
            .values = past->values[i],
            .faults = past->has_faults ? past->faults : NULL,
            .count = past->count,
            .step_seconds = past->step_seconds,
            .end_unix = past->end_unix,
            .limit = limit_of(&service->slot, i),
            .top_least = series_table[i].top_least,
            .is_binary = series_table[i].is_binary,
            .write_value = series_table[i].write,
        };
        chart_draw(out, &chart);
    }
    out_text(out, "</div>\n<p class=\"quiet\">Dashed: the limit. Ticks at the foot: faults. Times "
                  "are UTC.</p>\n");
    service_close(service);
}
