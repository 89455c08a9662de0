/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "common/cleanup.h"
#include "supervisor/daemon/history_internal.h"

#define USEC_PER_SEC UINT64_C(1000000)

static const struct {
    const char *word;
    enum history_grain grain;
    size_t steps;    /* of the grain */
    size_t together; /* that make one step of the answer */
} ranges[HISTORY_RANGES] = {
    [HISTORY_RANGE_HOUR] = {"1h", HISTORY_GRAIN_MINUTE, 60, 1},
    [HISTORY_RANGE_DAY] = {"24h", HISTORY_GRAIN_MINUTE, 1440, 5},
    [HISTORY_RANGE_MONTH] = {"30d", HISTORY_GRAIN_HALF_HOUR, 1440, 1},
};

int history_range_parse(const char *text, enum history_range *range)
{
    for (unsigned i = 0; i < HISTORY_RANGES; i++)
        if (strcmp(text, ranges[i].word) == 0) {
            *range = i;
            return 0;
        }
    return -EINVAL;
}

/* ---- what is not written yet ---- */

static void put_step(uint64_t number, const struct history_step *step, uint64_t first, size_t count,
                     struct history_step *steps)
{
    if (number >= first && number - first < count)
        steps[number - first] = *step;
}

static void add_unwritten(struct service *service, enum history_grain grain, uint64_t first,
                          size_t count, struct history_step *steps)
{
    const struct history_pending *pending = service->sampling.pending;
    const struct history_sum *sum = history_sum_of(&service->sampling, grain);
    uint64_t running =
        grain == HISTORY_GRAIN_MINUTE ? service->engine->minute : service->engine->half_hour;

    for (size_t i = 0; pending && i < pending->count; i++)
        if (pending->records[i].grain == grain)
            put_step(pending->records[i].number, &pending->records[i].step, first, count, steps);
    if (sum->samples) {
        const struct history_step step = history_step_of(sum);
        put_step(running + 1, &step, first, count, steps);
    }
}

/* ---- several steps to one ---- */

static const size_t averaged[] = {
    offsetof(struct history_point, cpu_centi),
    offsetof(struct history_point, io_rate),
    offsetof(struct history_point, requests_milli),
};

static uint32_t *figure_of(struct history_step *step, size_t offset)
{
    return (uint32_t *)((char *)&step->point + offset);
}

/* Averages of what is known; of memory the last that is. */
static struct history_step merge(struct history_step *steps, size_t count)
{
    struct history_step merged = history_step_absent;

    for (size_t f = 0; f < ARRAY_LENGTH(averaged); f++) {
        uint64_t sum = 0, known = 0;
        for (size_t i = 0; i < count; i++) {
            uint32_t value = *figure_of(&steps[i], averaged[f]);
            sum += value != HISTORY_ABSENT ? value : 0;
            known += value != HISTORY_ABSENT;
        }
        if (known)
            *figure_of(&merged, averaged[f]) = (uint32_t)((sum + known / 2) / known);
    }
    for (size_t i = 0; i < count; i++) {
        if (steps[i].point.memory_kib != HISTORY_ABSENT)
            merged.point.memory_kib = steps[i].point.memory_kib;
        merged.faults += steps[i].faults;
    }
    return merged;
}

int history_read(struct engine *engine, const char *tenant, const char *service,
                 enum history_range range, struct history_series *series, struct error *error)
{
    enum history_grain grain = ranges[range].grain;
    size_t count = ranges[range].steps, together = ranges[range].together;
    uint32_t seconds = history_grain_seconds[grain];
    uint64_t now = clock_realtime_usec() / USEC_PER_SEC;
    /* To the end of the step that runs, of the answer's steps. */
    uint64_t last = (now / (seconds * together) + 1) * together, first = last - count + 1;

    int r = history_file_read(engine->data_fd, tenant, service, grain, first, count, series->steps,
                              error);
    if (r < 0)
        return r;
    struct service *found = engine_find(engine, tenant, service);
    if (found)
        add_unwritten(found, grain, first, count, series->steps);
    for (size_t i = 0; together > 1 && i < count / together; i++)
        series->steps[i] = merge(&series->steps[i * together], together);
    series->step_seconds = seconds * (uint32_t)together;
    series->end_unix = last * seconds;
    series->count = count / together;
    return 0;
}
