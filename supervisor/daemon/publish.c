/* SPDX-License-Identifier: Apache-2.0 */

/* A service's slot on the scoreboard. */

#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"
#include "supervisor/daemon/mail.h"
#include "supervisor/daemon/service.h"
#include "supervisor/daemon/traffic.h"

/* What sample and slot have under one name. */
#define COPY(name) slot->name = sample->name

static void fill_cgroup(const struct sampling *sampling, struct container_slot *slot)
{
    const struct cgroup_sample *sample = &sampling->sample;

    slot->has |= sample->has;
    slot->sampled_boottime_usec = sampling->sampled_usec;
    slot->detail_boottime_usec = sampling->dear_usec;
    COPY(cpu_usage_usec);
    COPY(cpu_user_usec);
    COPY(cpu_system_usec);
    COPY(cpu_periods);
    COPY(cpu_throttled_periods);
    COPY(cpu_throttled_usec);
    COPY(memory_bytes);
    COPY(memory_limit_bytes);
    COPY(memory_peak_bytes);
    COPY(memory_anon_bytes);
    COPY(memory_file_bytes);
    COPY(memory_kernel_bytes);
    COPY(swap_bytes);
    COPY(swap_limit_bytes);
    COPY(memory_limit_hits);
    COPY(page_faults);
    COPY(major_page_faults);
    COPY(tasks_limit_hits);
    COPY(io_read_bytes);
    COPY(io_write_bytes);
    COPY(io_read_ops);
    COPY(io_write_ops);
    COPY(io_wait_usec);
    slot->tasks = (uint32_t)sample->tasks;
    slot->tasks_limit = (uint32_t)sample->tasks_limit;
    slot->oom_kills = (uint32_t)sample->oom_kills;
    memcpy(slot->devices, sample->devices, sizeof(slot->devices));
    memcpy(slot->pressure, sample->pressure, sizeof(slot->pressure));
}

static void fill_network(const struct network_counters *counters, struct container_slot *slot)
{
    if (!counters->ifindex)
        return;
    slot->has |= SLOT_HAS_NET;
    slot->net_receive_bytes = counters->receive_bytes;
    slot->net_transmit_bytes = counters->transmit_bytes;
    slot->net_receive_packets = counters->receive_packets;
    slot->net_transmit_packets = counters->transmit_packets;
    slot->net_receive_drops = counters->receive_drops;
    slot->net_transmit_drops = counters->transmit_drops;
}

static void fill_rates(const struct sampling *sampling, struct container_slot *slot)
{
    slot->cpu_percent_milli = sampling->cpu_percent_milli;
    slot->cpu_throttled_rate = sampling->cpu_throttled_rate;
    slot->io_read_rate = sampling->io_read_rate;
    slot->io_write_rate = sampling->io_write_rate;
    slot->io_read_ops_rate = sampling->io_read_ops_rate;
    slot->io_write_ops_rate = sampling->io_write_ops_rate;
    slot->net_receive_rate = sampling->net_receive_rate;
    slot->net_transmit_rate = sampling->net_transmit_rate;
}

static void fill_figures(const struct sampling *sampling, struct container_slot *slot)
{
    fill_cgroup(sampling, slot);
    fill_network(&sampling->counters, slot);
    fill_rates(sampling, slot);
    slot->has |= sampling->disk.has;
    slot->disk_used_bytes = sampling->disk.used_bytes;
    slot->disk_limit_bytes = sampling->disk.limit_bytes;
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

    if (state == CONTAINER_RUNNING && service->sampling.is_limited)
        state = CONTAINER_LIMITED;
    slot.state = state;
    if (service->has_container)
        fill_figures(&service->sampling, &slot);
    fill_limits(service, &slot);
    traffic_fill(service, &slot);
    mail_fill(service, &slot);
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
    slot.faults = service->sampling.faults;
    slot.last_fault = service->sampling.last_fault;
    slot.last_fault_realtime_usec = service->sampling.last_fault_realtime_usec;
    if (service->has_exit) {
        slot.has |= SLOT_HAS_EXIT;
        slot.exit_code = service->exit_code;
        slot.exit_signal = (uint32_t)service->exit_signal;
        slot.exit_realtime_usec = service->exit_realtime_usec;
    }
    snprintf(slot.message, sizeof(slot.message), "%s", service->message);
    scoreboard_slot_write(service->engine->board, service->slot, &slot);
}
