/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/daemon/sampler.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/cleanup.h"
#include "supervisor/daemon/disk.h"
#include "supervisor/daemon/faults.h"
#include "supervisor/daemon/history.h"
#include "supervisor/daemon/machine.h"
#include "supervisor/daemon/rate.h"
#include "supervisor/daemon/service.h"
#include "supervisor/daemon/traffic.h"

#define USEC_PER_SEC     UINT64_C(1000000)
#define LITTLE_USE_USEC  2000 /* a full reading costs some 40 us: two hundredths of it */
#define LITTLE_USE_EVERY (5 * USEC_PER_SEC)
#define DEAR_EVERY       (10 * USEC_PER_SEC)

struct sampler {
    sd_event_source *timer;
    struct machine *machine;
    struct service *services; /* those that have something to sample, by next_sampled */
    struct network_counters *counters;
    size_t counter_room;
    uint64_t turn;
    uint64_t little_turns, dear_turns; /* LITTLE_USE_EVERY and DEAR_EVERY in turns */
    uint64_t last_cost_usec;
};

/* ---- one container ---- */

static uint32_t rate32(uint64_t now, uint64_t before, uint64_t elapsed_usec)
{
    uint64_t value = rate_of(now, before, elapsed_usec, 1);

    return value < UINT32_MAX ? (uint32_t)value : UINT32_MAX;
}

/* Memory at its limit within one page cache's breath: 1/128 of it. */
static bool is_at_limit(const struct cgroup_sample *now, const struct cgroup_sample *before)
{
    const uint64_t memory = SLOT_HAS_MEMORY | SLOT_HAS_MEMORY_LIMIT;
    const uint64_t tasks = SLOT_HAS_TASKS | SLOT_HAS_TASKS_LIMIT;

    if ((now->has & before->has & SLOT_HAS_CPU_THROTTLE) &&
        now->cpu_throttled_usec > before->cpu_throttled_usec)
        return true;
    if ((now->has & tasks) == tasks && now->tasks >= now->tasks_limit)
        return true;
    return (now->has & memory) == memory &&
           now->memory_bytes >= now->memory_limit_bytes - now->memory_limit_bytes / 128;
}

static void take_rates(struct sampling *sampling, const struct cgroup_sample *before,
                       const struct cgroup_sample *now, uint64_t elapsed)
{
    sampling->cpu_throttled_rate =
        rate32(now->cpu_throttled_usec, before->cpu_throttled_usec, elapsed);
    sampling->io_read_rate = rate_of(now->io_read_bytes, before->io_read_bytes, elapsed, 1);
    sampling->io_write_rate = rate_of(now->io_write_bytes, before->io_write_bytes, elapsed, 1);
    sampling->io_read_ops_rate = rate32(now->io_read_ops, before->io_read_ops, elapsed);
    sampling->io_write_ops_rate = rate32(now->io_write_ops, before->io_write_ops, elapsed);
}

/* Whether nothing but the CPU figures differs. */
static bool is_same(const struct cgroup_sample *now, const struct cgroup_sample *before)
{
    struct cgroup_sample copy = *now;

    copy.cpu_usage_usec = before->cpu_usage_usec;
    return memcmp(&copy, before, sizeof(copy)) == 0;
}

/* The sample without this run's share of what the group counted before it. */
static void take_oom_kills(const struct sampling *sampling, struct cgroup_sample *sample)
{
    uint64_t before = sampling->oom_kills_before;

    sample->oom_kills = sample->oom_kills > before ? sample->oom_kills - before : 0;
}

static void read_rest(struct service *service, struct cgroup_sample *next, bool with_dear,
                      uint64_t now)
{
    struct sampling *sampling = &service->sampling;
    const struct cgroup_sample before = sampling->sample;
    uint64_t elapsed = sampling->usual_usec ? now - sampling->usual_usec : 0;

    cgroup_sample_parts(service->cgroup, next,
                        CGROUP_PART_USUAL | (with_dear ? CGROUP_PART_DEAR : 0));
    take_oom_kills(sampling, next);
    take_rates(sampling, &before, next, elapsed);
    sampling->is_quiet = elapsed && is_same(next, &before);
    sampling->is_limited = elapsed && is_at_limit(next, &before);
    if (elapsed)
        faults_compare(service, &before, next);
    if (with_dear) {
        if (disk_sample(service))
            fault_count(service, FAULT_DISK, false);
        sampling->dear_usec = now;
    }
    sampling->is_limited |= sampling->disk.is_full;
    sampling->sample = *next;
    sampling->cpu_use_then = next->cpu_usage_usec;
    sampling->usual_usec = now;
}

/* Whether a turn with this number is the one of the slot's, of so many. */
static bool is_turn(const struct sampler *sampler, const struct service *service, uint64_t turns)
{
    return (sampler->turn + service->slot) % turns == 0;
}

/* Reads what is worth reading. Returns whether anything but the CPU figure was read. */
static bool sample_cgroup(struct service *service, uint64_t now)
{
    const struct sampler *sampler = service->engine->sampler;
    struct sampling *sampling = &service->sampling;
    struct cgroup_sample next = sampling->sample;
    uint64_t before = next.cpu_usage_usec;
    uint64_t elapsed = sampling->cpu_usec ? now - sampling->cpu_usec : 0;

    cgroup_sample_parts(service->cgroup, &next, CGROUP_PART_CPU);
    bool has_cpu = next.has & SLOT_HAS_CPU;
    uint64_t used = next.cpu_usage_usec - sampling->cpu_use_then;
    sampling->cpu_percent_milli = /* usec a second to 1/1000 percent */
        rate32(next.cpu_usage_usec, before, elapsed) / 10;
    sampling->cpu_usec = now;
    bool is_dear = !sampling->dear_usec || is_turn(sampler, service, sampler->dear_turns);
    if (has_cpu && !is_dear && sampling->usual_usec) {
        bool is_idle = used == 0 && sampling->is_quiet;
        if (is_idle || (used > 0 && used < LITTLE_USE_USEC &&
                        !is_turn(sampler, service, sampler->little_turns))) {
            sampling->sample.cpu_usage_usec = next.cpu_usage_usec;
            if (is_idle)
                sampling->sampled_usec = now;
            return false;
        }
    }
    read_rest(service, &next, is_dear, now);
    sampling->sampled_usec = now;
    return true;
}

static int compare_ifindex(const void *a, const void *b)
{
    const struct network_counters *left = a, *right = b;

    return (left->ifindex > right->ifindex) - (left->ifindex < right->ifindex);
}

/* Returns whether the counters moved. */
static bool sample_network(struct service *service, size_t links, uint64_t elapsed)
{
    const struct sampler *sampler = service->engine->sampler;
    struct network_counters *last = &service->sampling.counters;
    struct network_counters now = {.ifindex = service->network.ifindex};

    const struct network_counters *found =
        links && service->has_network
            ? bsearch(&now, sampler->counters, links, sizeof(now), compare_ifindex)
            : NULL;
    now = found && found->is_found ? *found : (struct network_counters){0};
    if (memcmp(&now, last, sizeof(now)) == 0) {
        service->sampling.net_receive_rate = service->sampling.net_transmit_rate = 0;
        return false;
    }
    elapsed = last->ifindex && now.ifindex ? elapsed : 0;
    service->sampling.net_receive_rate =
        rate_of(now.receive_bytes, last->receive_bytes, elapsed, 1);
    service->sampling.net_transmit_rate =
        rate_of(now.transmit_bytes, last->transmit_bytes, elapsed, 1);
    *last = now;
    return true;
}

static bool has_rates(const struct sampling *sampling)
{
    return sampling->cpu_percent_milli || sampling->cpu_throttled_rate || sampling->io_read_rate ||
           sampling->io_write_rate || sampling->net_receive_rate || sampling->net_transmit_rate;
}

static void sample_service(struct service *service, size_t links, uint64_t now)
{
    struct sampling *sampling = &service->sampling;
    uint64_t elapsed = sampling->cpu_usec ? now - sampling->cpu_usec : 0;
    bool is_idle = !sample_cgroup(service, now) && sampling->sampled_usec == now;

    if (is_idle) /* what was read last is a reading of now, in which nothing moved */
        take_rates(sampling, &sampling->sample, &sampling->sample, 0);
    bool is_news = sample_network(service, links, elapsed);
    history_add(service, now);
    if (is_idle && !is_news && sampling->is_settled) {
        scoreboard_slot_confirm(service->engine->board, service->slot, now);
        return;
    }
    service_publish(service);
    sampling->is_settled = !has_rates(sampling);
}

/* ---- all of them ---- */

static bool make_room(struct sampler *sampler, size_t links)
{
    if (links <= sampler->counter_room)
        return true;
    struct network_counters *grown =
        realloc(sampler->counters, 2 * links * sizeof(*sampler->counters));
    if (!grown)
        return false;
    sampler->counters = grown;
    sampler->counter_room = 2 * links;
    return true;
}

/* The counters of all containers' links in ascending order of ifindex; returns how many. */
static size_t read_links(struct engine *engine)
{
    struct sampler *sampler = engine->sampler;
    size_t links = 0;

    for (const struct service *s = sampler->services; s; s = s->next_sampled)
        links += s->has_network;
    if (links == 0 || !make_room(sampler, links))
        return 0;
    links = 0;
    for (const struct service *s = sampler->services; s; s = s->next_sampled)
        if (s->has_network)
            sampler->counters[links++].ifindex = s->network.ifindex;
    qsort(sampler->counters, links, sizeof(*sampler->counters), compare_ifindex);
    return network_counters(engine->network, sampler->counters, links) == 0 ? links : 0;
}

static void sample_machine(struct engine *engine, uint64_t now)
{
    struct host_figures host = {
        .sampled_boottime_usec = now,
        .sampler_usec = engine->sampler->last_cost_usec,
        .engine_cpu_usec = clock_process_cpu_usec(),
        .starts = engine->starts,
        .failures = engine->failures,
        .wakes = engine->wakes,
    };

    machine_sample(engine->sampler->machine, &host);
    scoreboard_host_write(engine->board, &host);
}

static void sample_services(struct engine *engine, uint64_t now)
{
    size_t links = read_links(engine);

    for (struct service *s = engine->sampler->services; s; s = s->next_sampled)
        if (s->has_container && s->cgroup)
            sample_service(s, links, now);
}

/*
 * One turn, in the order in which later steps need earlier ones: whoever adds to what a slot or a
 * history shows (traffic) fills service->sampling before sample_services() writes it.
 */
static void (*const turn_steps[])(struct engine *engine, uint64_t now) = {
    sample_machine,
    traffic_sample,
    sample_services,
    history_turn,
};

static void turn(struct engine *engine)
{
    struct sampler *sampler = engine->sampler;
    uint64_t before = clock_thread_cpu_usec();
    uint64_t now = clock_boottime_usec();

    sampler->turn++;
    for (size_t i = 0; i < ARRAY_LENGTH(turn_steps); i++)
        turn_steps[i](engine, now);
    scoreboard_heartbeat(engine->board, clock_boottime_usec());
    sampler->last_cost_usec = clock_thread_cpu_usec() - before;
}

static int on_tick(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct engine *engine = userdata;
    uint64_t interval = engine->settings.sample_interval_usec;
    uint64_t now = clock_boottime_usec();

    turn(engine);
    /* A turn each interval, however long one takes; missed ones are not made up for. */
    usec = usec + interval > now ? usec + interval : now + interval;
    sd_event_source_set_time(source, usec);
    return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static uint64_t turns_of(uint64_t usec, uint64_t interval)
{
    return usec > interval ? usec / interval : 1;
}

int sampler_start(struct engine *engine, struct error *error)
{
    uint64_t interval = engine->settings.sample_interval_usec;
    struct sampler *sampler = calloc(1, sizeof(*sampler));

    if (!sampler)
        return error_sys(error, ENOMEM, "the sampler");
    engine->sampler = sampler;
    sampler->little_turns = turns_of(LITTLE_USE_EVERY, interval);
    sampler->dear_turns = turns_of(DEAR_EVERY, interval);
    int r = machine_open(&sampler->machine, error);
    if (r < 0)
        return r;
    r = sd_event_add_time_relative(engine->loop, &sampler->timer, CLOCK_BOOTTIME, interval, 1000,
                                   on_tick, engine);
    return r < 0 ? error_sys(error, -r, "start the sampler") : 0;
}

void sampler_close(struct engine *engine)
{
    struct sampler *sampler = steal_ptr(engine->sampler);

    if (!sampler)
        return;
    sd_event_source_disable_unref(sampler->timer);
    machine_close(sampler->machine);
    free(sampler->counters);
    free(sampler);
}

/* ---- runs ---- */

struct service *sampler_services(struct engine *engine)
{
    return engine->sampler->services;
}

void sampler_drop_idle(struct engine *engine)
{
    struct service **link = &engine->sampler->services;

    while (*link) {
        struct service *service = *link;
        const struct sampling *sampling = &service->sampling;
        if (service->has_container || sampling->pending) {
            link = &service->next_sampled;
            continue;
        }
        *link = service->next_sampled;
        service->sampling.is_listed = false;
    }
}

void sampler_begin_run(struct service *service)
{
    struct sampler *sampler = service->engine->sampler;

    if (service->sampling.is_listed)
        return;
    service->sampling.is_listed = true;
    service->next_sampled = sampler->services;
    sampler->services = service;
}

bool sampler_look_back(struct service *service)
{
    struct sampling *sampling = &service->sampling;
    struct cgroup_sample last = sampling->sample;

    if (!service->cgroup)
        return false;
    cgroup_sample_parts(service->cgroup, &last, CGROUP_PART_CPU | CGROUP_PART_USUAL);
    take_oom_kills(sampling, &last);
    /* A run that ended before its first sample began with no fault at all. */
    const struct cgroup_sample none = {.has = last.has};
    faults_compare(service, sampling->usual_usec ? &sampling->sample : &none, &last);
    sampling->sample = last;
    return (last.has & SLOT_HAS_OOM) && last.oom_kills > 0;
}

void sampler_end_run(struct service *service)
{
    struct sampling *sampling = &service->sampling;

    disk_close(&sampling->disk);
    memset(sampling, 0, offsetof(struct sampling, oom_kills_before));
}

void sampler_forget(struct service *service)
{
    struct sampler *sampler = service->engine->sampler;

    disk_close(&service->sampling.disk);
    for (struct service **link = sampler ? &sampler->services : NULL; link && *link;
         link = &(*link)->next_sampled)
        if (*link == service) {
            *link = service->next_sampled;
            break;
        }
    service->sampling.is_listed = false;
}
