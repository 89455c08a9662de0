/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/daemon/history.h"

#include <errno.h>
#include <string.h>

#include "common/cleanup.h"
#include "supervisor/daemon/sampler.h"
#include "supervisor/daemon/service.h"

#define USEC_PER_SEC      UINT64_C(1000000)
#define MINUTE_SECONDS    60
#define HALF_HOUR_SECONDS 1800

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

static struct history_point point_of_sum(const struct history_sum *sum)
{
    return (struct history_point){
        .cpu_centi = average(sum->cpu_centi, sum->cpu_samples),
        .memory_kib = sum->samples ? sum->memory_kib : HISTORY_ABSENT,
        .io_rate = average(sum->io_rate, sum->io_samples),
        .requests_milli = average(sum->requests_milli, sum->request_samples),
    };
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

/* ---- the ends of steps ---- */

static void end_minute(struct service *service, uint64_t now)
{
    struct history_sum *sum = &service->sampling.minute;
    const struct history_point point = point_of_sum(sum);

    if (sum->samples)
        push(service, HISTORY_MINUTES, MINUTE_SECONDS * 1000, now, &point);
    *sum = (struct history_sum){0};
}

static void end_half_hour(struct service *service, uint64_t now)
{
    struct history_sum *sum = &service->sampling.half_hour;
    const struct history_point point = point_of_sum(sum);

    if (sum->samples)
        push(service, HISTORY_HALF_HOURS, HALF_HOUR_SECONDS * 1000, now, &point);
    *sum = (struct history_sum){0};
}

void history_turn(struct engine *engine, uint64_t now)
{
    uint64_t seconds = clock_realtime_usec() / USEC_PER_SEC;
    uint64_t minute = seconds / MINUTE_SECONDS, half_hour = seconds / HALF_HOUR_SECONDS;
    bool is_new_minute = engine->minute && minute != engine->minute;
    bool is_new_half_hour = engine->half_hour && half_hour != engine->half_hour;

    engine->minute = minute;
    engine->half_hour = half_hour;
    for (struct service *s = is_new_minute ? sampler_services(engine) : NULL; s;
         s = s->next_sampled) {
        end_minute(s, now);
        if (is_new_half_hour)
            end_half_hour(s, now);
    }
}
