/* SPDX-License-Identifier: Apache-2.0 */

/* A service's slot on the scoreboard. */

#include <stdio.h>

#include "common/cleanup.h"
#include "supervisor/daemon/service.h"
#include "supervisor/daemon/traffic.h"

static uint64_t fill_figures(const struct service *service, struct container_slot *slot)
{
    static const struct {
        uint32_t from;
        uint64_t to;
    } flags[] = {
        {CGROUP_HAS_CPU, SLOT_HAS_CPU},
        {CGROUP_HAS_MEMORY, SLOT_HAS_MEMORY},
        {CGROUP_HAS_MEMORY_LIMIT, SLOT_HAS_MEMORY_LIMIT},
        {CGROUP_HAS_MEMORY_PEAK, SLOT_HAS_MEMORY_PEAK},
        {CGROUP_HAS_TASKS, SLOT_HAS_TASKS},
        {CGROUP_HAS_TASKS_LIMIT, SLOT_HAS_TASKS_LIMIT},
        {CGROUP_HAS_IO, SLOT_HAS_IO},
        {CGROUP_HAS_OOM, SLOT_HAS_OOM},
    };
    const struct cgroup_sample *sample = &service->sample;
    uint64_t has = 0;

    for (size_t i = 0; i < ARRAY_LENGTH(flags); i++)
        if (sample->has & flags[i].from)
            has |= flags[i].to;
    slot->sampled_boottime_usec = service->sampled_usec;
    slot->cpu_usage_usec = sample->cpu_usage_usec;
    slot->cpu_percent_milli = service->cpu_percent_milli;
    slot->memory_bytes = sample->memory_bytes;
    slot->memory_limit_bytes = sample->memory_limit_bytes;
    slot->memory_peak_bytes = sample->memory_peak_bytes;
    slot->tasks = (uint32_t)sample->tasks;
    slot->tasks_limit = (uint32_t)sample->tasks_limit;
    slot->io_read_bytes = sample->io_read_bytes;
    slot->io_write_bytes = sample->io_write_bytes;
    slot->io_read_rate = service->io_read_rate;
    slot->io_write_rate = service->io_write_rate;
    slot->oom_kills = (uint32_t)sample->oom_kills;
    if (service->counters.ifindex) {
        has |= SLOT_HAS_NET;
        slot->net_receive_bytes = service->counters.receive_bytes;
        slot->net_transmit_bytes = service->counters.transmit_bytes;
        slot->net_receive_rate = service->net_receive_rate;
        slot->net_transmit_rate = service->net_transmit_rate;
    }
    return has;
}

static void fill_limits(const struct service *service, struct container_slot *slot)
{
    const struct settings *settings = &service->engine->settings;
    const struct service_spec *spec = service->spec;

    /* The limits hold for a container that does not run, too: they are what it will get. */
    if (!(slot->has & SLOT_HAS_MEMORY_LIMIT)) {
        slot->memory_limit_bytes =
            spec->memory_limit_bytes ? spec->memory_limit_bytes : settings->default_memory_bytes;
        slot->has |= SLOT_HAS_MEMORY_LIMIT;
    }
    if (!(slot->has & SLOT_HAS_TASKS_LIMIT)) {
        slot->tasks_limit =
            (uint32_t)(spec->tasks_limit ? spec->tasks_limit : settings->default_tasks);
        slot->has |= SLOT_HAS_TASKS_LIMIT;
    }
    slot->cpu_limit_milli =
        (uint32_t)(spec->cpu_limit_milli ? spec->cpu_limit_milli : settings->default_cpu_milli);
    slot->has |= SLOT_HAS_CPU_LIMIT;
}

void service_publish(struct service *service)
{
    const struct service_spec *spec = service->spec;
    enum container_state state = service->state;
    struct container_slot slot = {0};

    if (state == CONTAINER_RUNNING && service->is_limited)
        state = CONTAINER_LIMITED;
    slot.state = state;
    if (service->has_container)
        slot.has = fill_figures(service, &slot);
    fill_limits(service, &slot);
    traffic_fill(service, &slot);
    snprintf(slot.tenant, sizeof(slot.tenant), "%s", service->tenant);
    snprintf(slot.service, sizeof(slot.service), "%s", spec->name);
    snprintf(slot.id, sizeof(slot.id), "%s", service->id);
    slot.replica = 1;
    slot.pid = service->has_container ? (uint32_t)service->container.pid : 0;
    slot.started_boottime_usec = service->started_usec;
    slot.started_realtime_usec = service->started_realtime_usec;
    slot.state_since_boottime_usec = service->state_since_usec;
    slot.next_start_boottime_usec = state == CONTAINER_BACKOFF ? service->next_start_usec : 0;
    slot.endpoint_kind = spec->listen_kind;
    slot.id_base = service->id_base;
    snprintf(slot.endpoint_path, sizeof(slot.endpoint_path), "%s", service->listen_path);
    snprintf(slot.address_ipv4, sizeof(slot.address_ipv4), "%s", service->network.ipv4);
    snprintf(slot.address_ipv6, sizeof(slot.address_ipv6), "%s", service->network.ipv6);
    snprintf(slot.image, sizeof(slot.image), "%s", spec->image);
    slot.restarts = service->restarts;
    if (service->has_exit) {
        slot.has |= SLOT_HAS_EXIT;
        slot.exit_code = service->exit_code;
        slot.exit_signal = (uint32_t)service->exit_signal;
        slot.exit_realtime_usec = service->exit_realtime_usec;
    }
    snprintf(slot.message, sizeof(slot.message), "%s", service->message);
    scoreboard_slot_write(service->engine->board, service->slot, &slot);
}
