/* SPDX-License-Identifier: Apache-2.0 */

/* The answer to `history` (docs/control-protocol.md). */

#include <jansson.h>

#include "supervisor/daemon/history.h"

static json_t *history_figure(uint32_t value, double divisor)
{
    if (value == HISTORY_ABSENT)
        return json_null();
    return divisor > 1 ? json_real(value / divisor) : json_integer((json_int_t)value);
}

/* [cpu_percent, memory_bytes, io_bytes_rate, requests_rate, faults] */
static json_t *history_row(const struct history_step *step)
{
    const struct history_point *point = &step->point;
    json_t *memory = point->memory_kib == HISTORY_ABSENT
                         ? json_null()
                         : json_integer((json_int_t)point->memory_kib * 1024);

    return json_pack("[o, o, o, o, I]", history_figure(point->cpu_centi, 100), memory,
                     history_figure(point->io_rate, 1), history_figure(point->requests_milli, 1000),
                     (json_int_t)step->faults);
}

json_t *history_to_json(const struct history_series *series)
{
    json_t *points = json_array();

    for (size_t i = 0; i < series->count; i++)
        json_array_append_new(points, history_row(&series->steps[i]));
    return json_pack("{s:b, s:I, s:I, s:o}", "ok", 1, "step_seconds",
                     (json_int_t)series->step_seconds, "end_unix", (json_int_t)series->end_unix,
                     "points", points);
}
