/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/daemon/history_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "supervisor/daemon/sampler.h"

#define USEC_PER_SEC UINT64_C(1000000)

#define WRITES_A_TURN 20

/* ---- points ---- */

/* A figure of a point; one that does not fit is the largest that does. */
static uint32_t figure(uint64_t value)
{
    return value < HISTORY_ABSENT ? (uint32_t)value : HISTORY_ABSENT - 1;
}

static struct history_point point_of_now(const struct sampling *sampling)
{
    const struct cgroup_sample *sample = &sampling->sample;
    struct history_point point = {HISTORY_ABSENT, HISTORY_ABSENT, HISTORY_ABSENT, HISTORY_ABSENT};

    if (sample->has & SLOT_HAS_CPU)
        point.cpu_centi = figure(sampling->cpu_percent_milli / 10);
    if (sample->has & SLOT_HAS_MEMORY)
        point.memory_kib = figure(sample->memory_bytes / 1024);
    if (sample->has & SLOT_HAS_IO)
        point.io_rate = figure(sampling->io_read_rate + sampling->io_write_rate);
    if (sampling->has_requests_rate)
        point.requests_milli = figure(sampling->requests_rate_milli);
    return point;
}

static void add_to_sum(struct history_sum *sum, const struct history_point *point)
{
    sum->samples++;
    sum->memory_kib = point->memory_kib;
    sum->cpu_samples += point->cpu_centi != HISTORY_ABSENT;
    sum->cpu_centi += point->cpu_centi != HISTORY_ABSENT ? point->cpu_centi : 0;
    sum->io_samples += point->io_rate != HISTORY_ABSENT;
    sum->io_rate += point->io_rate != HISTORY_ABSENT ? point->io_rate : 0;
    sum->request_samples += point->requests_milli != HISTORY_ABSENT;
    sum->requests_milli += point->requests_milli != HISTORY_ABSENT ? point->requests_milli : 0;
}

static uint32_t average(uint64_t total, uint32_t samples)
{
    return samples ? figure((total + samples / 2) / samples) : HISTORY_ABSENT;
}

struct history_step history_step_of(const struct history_sum *sum)
{
    return (struct history_step){
        .point = {.cpu_centi = average(sum->cpu_centi, sum->cpu_samples),
                  .memory_kib = sum->samples ? sum->memory_kib : HISTORY_ABSENT,
                  .io_rate = average(sum->io_rate, sum->io_samples),
                  .requests_milli = average(sum->requests_milli, sum->request_samples)},
        .faults = sum->faults,
    };
}

struct history_sum *history_sum_of(struct sampling *sampling, enum history_grain grain)
{
    return grain == HISTORY_GRAIN_MINUTE ? &sampling->minute : &sampling->half_hour;
}

/* A board on a full disk has no histories; that is no news each second. */
static void push(const struct service *service, enum history_ring ring, uint32_t step_msec,
                 uint64_t now, const struct history_point *point)
{
    scoreboard_history_push(service->engine->board, service->slot, ring, step_msec, now, point);
}

void history_add(struct service *service, uint64_t now)
{
    struct sampling *sampling = &service->sampling;
    const struct history_point point = point_of_now(sampling);

    push(service, HISTORY_SECONDS,
         (uint32_t)(service->engine->settings.sample_interval_usec / 1000), now, &point);
    add_to_sum(&sampling->minute, &point);
    add_to_sum(&sampling->half_hour, &point);
}

/* ---- what is to be written ---- */

void history_add_record(struct service *service, enum history_grain grain, uint64_t number,
                        const struct history_step *step)
{
    struct history_pending *pending = service->sampling.pending;

    if (!pending)
        pending = service->sampling.pending = calloc(1, sizeof(*pending));
    if (!pending)
        return;
    if (pending->count == PENDING_MAX) /* the disk was full for long: the oldest is lost */
        memmove(pending->records, pending->records + 1,
                --pending->count * sizeof(*pending->records));
    pending->records[pending->count++] =
        (struct history_record){.grain = grain, .number = number, .step = *step};
    pending->is_due |= grain == HISTORY_GRAIN_HALF_HOUR || pending->count > PENDING_DUE;
}

/* A disk that is full is one line of the log, not one a service. */
static void write_pending(struct service *service)
{
    static int last_result;
    struct history_pending *pending = service->sampling.pending;
    struct error error = ERROR_INIT;

    if (!pending || pending->count == 0)
        return;
    int r = history_file_write(service->engine->data_fd, service->tenant, service->spec->name,
                               pending->records, pending->count, &error);
    if (r < 0 && r != last_result)
        log_warning("history of %s: %s", service->tenant, error.message);
    last_result = r;
    pending->is_due = false;
    if (r == 0)
        pending->count = 0;
    if (r == 0 && !service->has_container)
        free(steal_ptr(service->sampling.pending));
}

/* ---- the ends of steps ---- */

static void end_step(struct service *service, enum history_grain grain, uint64_t number,
                     uint64_t now)
{
    static const enum history_ring rings[HISTORY_GRAINS] = {
        [HISTORY_GRAIN_HALF_HOUR] = HISTORY_HALF_HOURS, [HISTORY_GRAIN_MINUTE] = HISTORY_MINUTES};
    struct history_sum *sum = history_sum_of(&service->sampling, grain);
    const struct history_step step = history_step_of(sum);

    if (sum->samples) {
        push(service, rings[grain], history_grain_seconds[grain] * 1000, now, &step.point);
        history_add_record(service, grain, number, &step);
    }
    *sum = (struct history_sum){0};
}

/* Once a day, and with the first turn. */
static void clean_files(struct engine *engine, uint64_t minute)
{
    if (engine->history_cleaned_minute && minute < engine->history_cleaned_minute + 1440)
        return;
    engine->history_cleaned_minute = minute;
    history_file_clean(engine->data_fd, minute * 60);
}

/* A few a turn: a thousand files at once would be felt. */
static void write_some(struct engine *engine)
{
    unsigned written = 0;

    for (struct service *s = sampler_services(engine); s && written < WRITES_A_TURN;
         s = s->next_sampled)
        if (s->sampling.pending && s->sampling.pending->is_due) {
            write_pending(s);
            written++;
        }
}

void history_turn(struct engine *engine, uint64_t now)
{
    uint64_t seconds = clock_realtime_usec() / USEC_PER_SEC;
    uint64_t minute = seconds / 60, half_hour = seconds / 1800;
    bool is_new_half_hour = engine->half_hour && half_hour != engine->half_hour;

    /* A step is named by its end: the number that begins now. */
    if (engine->minute && minute != engine->minute)
        for (struct service *s = sampler_services(engine); s; s = s->next_sampled) {
            end_step(s, HISTORY_GRAIN_MINUTE, engine->minute + 1, now);
            if (is_new_half_hour)
                end_step(s, HISTORY_GRAIN_HALF_HOUR, engine->half_hour + 1, now);
        }
    engine->minute = minute;
    engine->half_hour = half_hour;
    write_some(engine);
    clean_files(engine, minute);
    if (is_new_half_hour)
        sampler_drop_idle(engine);
}

void history_finish(struct service *service)
{
    struct engine *engine = service->engine;
    struct sampling *sampling = &service->sampling;

    for (unsigned grain = 0; grain < HISTORY_GRAINS; grain++) {
        const struct history_sum *sum = history_sum_of(sampling, grain);
        const struct history_step step = history_step_of(sum);
        uint64_t number = grain == HISTORY_GRAIN_MINUTE ? engine->minute : engine->half_hour;
        if (sum->samples && number)
            history_add_record(service, grain, number + 1, &step);
    }
    write_pending(service);
    free(steal_ptr(sampling->pending));
}
