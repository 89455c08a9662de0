/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <time.h>

#include "supervisor/cli/ctl_ps.h"
#include "supervisor/cli/ctl_text.h"

const char *endpoint_kind_name(uint32_t kind)
{
    switch (kind) {
    case ENDPOINT_FCGI:
        return "fcgi";
    case ENDPOINT_HTTP:
        return "http";
    default:
        return "none";
    }
}

static json_t *number_or_null(bool is_known, uint64_t value)
{
    return is_known ? json_integer((json_int_t)value) : json_null();
}

static json_t *text_or_null(const char *text)
{
    return *text ? text_to_json(text) : json_null();
}

/* RFC 3339 in UTC with microseconds; null for 0. */
static json_t *time_or_null(uint64_t realtime_usec)
{
    time_t seconds = (time_t)(realtime_usec / 1000000);
    char date[32], text[48];
    struct tm when;

    if (!realtime_usec || !gmtime_r(&seconds, &when))
        return json_null();
    strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &when);
    snprintf(text, sizeof(text), "%s.%06uZ", date, (unsigned)(realtime_usec % 1000000));
    return json_string(text);
}

static json_t *endpoint_or_null(const struct container_slot *slot)
{
    if (slot->endpoint_kind == ENDPOINT_NONE)
        return json_null();
    return json_pack("{s:s, s:o}", "kind", endpoint_kind_name(slot->endpoint_kind), "path",
                     text_or_null(slot->endpoint_path));
}

static json_t *exit_or_null(const struct container_slot *slot)
{
    if (!(slot->has & SLOT_HAS_EXIT))
        return json_null();
    return json_pack("{s:o, s:o, s:o}", "code",
                     slot->exit_signal ? json_null() : json_integer(slot->exit_code), "signal",
                     slot->exit_signal ? json_integer(slot->exit_signal) : json_null(), "time",
                     time_or_null(slot->exit_realtime_usec));
}

static json_t *uptime_or_null(const struct container_slot *slot)
{
    uint64_t now = clock_boottime_usec();
    bool is_up = slot->pid && slot->started_boottime_usec && now >= slot->started_boottime_usec;

    return number_or_null(is_up, is_up ? (now - slot->started_boottime_usec) / 1000000 : 0);
}

static json_t *milli_or_null(bool is_known, uint32_t milli)
{
    return is_known ? json_real(milli / 1000.0) : json_null();
}

static json_t *figures_to_json(const struct container_slot *slot)
{
    uint32_t has = slot->has;
    bool has_io = has & SLOT_HAS_IO, has_net = has & SLOT_HAS_NET;

    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",         //
                     "cpu_percent", milli_or_null(has & SLOT_HAS_CPU, slot->cpu_percent_milli),   //
                     "cpu_usage_usec", number_or_null(has & SLOT_HAS_CPU, slot->cpu_usage_usec),  //
                     "cpu_limit", milli_or_null(has & SLOT_HAS_CPU_LIMIT, slot->cpu_limit_milli), //
                     "memory_bytes", number_or_null(has & SLOT_HAS_MEMORY, slot->memory_bytes),   //
                     "memory_limit_bytes",                                                        //
                     number_or_null(has & SLOT_HAS_MEMORY_LIMIT, slot->memory_limit_bytes),       //
                     "memory_peak_bytes",                                                         //
                     number_or_null(has & SLOT_HAS_MEMORY_PEAK, slot->memory_peak_bytes),         //
                     "tasks", number_or_null(has & SLOT_HAS_TASKS, slot->tasks),                  //
                     "tasks_limit",
                     number_or_null(has & SLOT_HAS_TASKS_LIMIT, slot->tasks_limit),               //
                     "io_read_bytes", number_or_null(has_io, slot->io_read_bytes),                //
                     "io_write_bytes", number_or_null(has_io, slot->io_write_bytes),              //
                     "network_receive_bytes", number_or_null(has_net, slot->net_receive_bytes),   //
                     "network_transmit_bytes", number_or_null(has_net, slot->net_transmit_bytes), //
                     "oom_kills", number_or_null(has & SLOT_HAS_OOM, slot->oom_kills));
}

json_t *slot_to_json(const struct container_slot *slot)
{
    json_t *json = json_pack(
        "{s:o, s:o, s:o, s:s, s:o, s:o, s:o, s:I, s:o, s:o, s:{s:o, s:o}, s:o, s:o}",       //
        "tenant", text_to_json(slot->tenant), "service", text_to_json(slot->service),       //
        "id", text_to_json(slot->id), "state", container_state_name(slot->state),           //
        "pid", number_or_null(slot->pid, slot->pid), "started",                             //
        time_or_null(slot->started_realtime_usec), "uptime_seconds",                        //
        uptime_or_null(slot), "restarts", (json_int_t)slot->restarts, "image",              //
        text_or_null(slot->image), "endpoint", endpoint_or_null(slot), "network",           //
        "ipv4", text_or_null(slot->address_ipv4), "ipv6", text_or_null(slot->address_ipv6), //
        "last_exit", exit_or_null(slot), "message", text_to_json(slot->message));
    json_t *figures = figures_to_json(slot);

    if (!json || !figures || json_object_update(json, figures) < 0) {
        json_decref(json);
        json = NULL;
    }
    json_decref(figures);
    return json;
}
