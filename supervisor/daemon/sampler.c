/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/daemon/sampler.h"

#include <stdlib.h>
#include <string.h>

#include "supervisor/daemon/service.h"
#include "supervisor/daemon/traffic.h"

#define USEC_PER_SEC UINT64_C(1000000)

/* A counter that went backwards (a new container in the slot) has no rate. */
static uint64_t rate(uint64_t now, uint64_t before, uint64_t elapsed_usec)
{
    if (now < before || elapsed_usec == 0)
        return 0;
    return (uint64_t)((double)(now - before) * (double)USEC_PER_SEC / (double)elapsed_usec);
}

/* Memory at its limit within one page cache's breath: 1/128 of it. */
static bool is_at_limit(const struct cgroup_sample *now, const struct cgroup_sample *before)
{
    uint32_t both = now->has & before->has;

    if ((both & CGROUP_HAS_THROTTLED) && now->cpu_throttled_usec > before->cpu_throttled_usec)
        return true;
    if ((now->has & CGROUP_HAS_TASKS) && (now->has & CGROUP_HAS_TASKS_LIMIT) &&
        now->tasks >= now->tasks_limit)
        return true;
    return (now->has & CGROUP_HAS_MEMORY) && (now->has & CGROUP_HAS_MEMORY_LIMIT) &&
           now->memory_bytes >= now->memory_limit_bytes - now->memory_limit_bytes / 128;
}

static void sample_cgroup(struct service *service, uint64_t now)
{
    struct cgroup_sample sample = {0};
    const struct cgroup_sample *before = &service->sample;
    uint64_t elapsed = service->sampled_usec ? now - service->sampled_usec : 0;

    cgroup_sample(service->cgroup, &sample);
    uint64_t cpu = rate(sample.cpu_usage_usec, before->cpu_usage_usec, elapsed);
    service->cpu_percent_milli = (uint32_t)(cpu / 10); /* usec a second to 1/1000 percent */
    service->io_read_rate = rate(sample.io_read_bytes, before->io_read_bytes, elapsed);
    service->io_write_rate = rate(sample.io_write_bytes, before->io_write_bytes, elapsed);
    service->is_limited = elapsed > 0 && is_at_limit(&sample, before);
    if (sample.has & CGROUP_HAS_OOM)
        sample.oom_kills -= sample.oom_kills >= service->oom_kills_before
                                ? service->oom_kills_before
                                : sample.oom_kills;
    service->sample = sample;
}

static int compare_ifindex(const void *a, const void *b)
{
    const struct network_counters *left = a, *right = b;

    return (left->ifindex > right->ifindex) - (left->ifindex < right->ifindex);
}

static void sample_network(struct service *service, const struct network_counters *all,
                           size_t count, uint64_t now)
{
    const struct network_counters key = {.ifindex = service->network.ifindex};
    uint64_t elapsed = service->counters.ifindex ? now - service->sampled_usec : 0;

    const struct network_counters *found =
        all ? bsearch(&key, all, count, sizeof(*all), compare_ifindex) : NULL;
    if (!found || !service->has_network) {
        service->counters = (struct network_counters){0};
        return;
    }
    service->net_receive_rate =
        rate(found->receive_bytes, service->counters.receive_bytes, elapsed);
    service->net_transmit_rate =
        rate(found->transmit_bytes, service->counters.transmit_bytes, elapsed);
    service->counters = *found;
}

static size_t count_links(const struct engine *engine)
{
    size_t count = 0;

    for (const struct service *s = engine->services; s; s = s->next_service)
        count += s->has_network;
    return count;
}

static void sample_all(struct engine *engine)
{
    uint64_t now = clock_boottime_usec();

    traffic_sample(engine, now);
    size_t links = engine->network ? count_links(engine) : 0;
    struct network_counters *counters = links ? calloc(links, sizeof(*counters)) : NULL;
    ssize_t known = counters ? network_counters(engine->network, counters, links) : 0;

    for (struct service *s = engine->services; s; s = s->next_service) {
        if (!s->has_container || !s->cgroup)
            continue;
        sample_cgroup(s, now);
        sample_network(s, counters, known > 0 ? (size_t)known : 0, now);
        s->sampled_usec = now;
        service_publish(s);
    }
    free(counters);
    scoreboard_heartbeat(engine->board, clock_boottime_usec());
}

static int on_tick(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct engine *engine = userdata;

    (void)usec;
    sample_all(engine);
    sd_event_source_set_time_relative(source, engine->settings.sample_interval_usec);
    return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

int sampler_start(struct engine *engine, struct error *error)
{
    int r =
        sd_event_add_time_relative(engine->loop, &engine->sample_timer, CLOCK_BOOTTIME,
                                   engine->settings.sample_interval_usec, 1000, on_tick, engine);

    return r < 0 ? error_sys(error, -r, "start the sampler") : 0;
}
