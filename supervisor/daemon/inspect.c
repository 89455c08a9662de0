/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/daemon/inspect.h"

#include <string.h>

static json_t *events_of(const struct service *service)
{
    json_t *events = json_array();
    unsigned count = service->event_count < SERVICE_EVENTS ? service->event_count : SERVICE_EVENTS;

    for (unsigned i = service->event_count - count; i < service->event_count; i++) {
        const struct service_event *event = &service->events[i % SERVICE_EVENTS];
        json_array_append_new(events, json_pack("{s:s, s:o}", "time", event->time, "event",
                                                control_text(event->text, strlen(event->text))));
    }
    return events;
}

static json_t *last_exit_of(const struct service *service)
{
    if (!service->has_exit)
        return json_null();
    return json_pack("{s:i, s:i, s:I}", "code", service->exit_code, "signal", service->exit_signal,
                     "time_usec", (json_int_t)service->exit_realtime_usec);
}

/*
 * Of the spec, what the page of a web server may show: what it is, not what it is told.
 * Environment, arguments, host paths and all else stay out, for they may hold passwords.
 */
static json_t *public_spec(const struct service_spec *spec)
{
    static const char *const kinds[] = {
        [MOUNT_BIND] = "bind", [MOUNT_VOLUME] = "volume", [MOUNT_TMPFS] = "tmpfs"};
    char *const *program = spec->entrypoint ? spec->entrypoint : spec->command;
    json_t *mounts = json_array();

    for (size_t i = 0; i < spec->mount_count; i++)
        json_array_append_new(mounts, json_pack("{s:s, s:s, s:b}", "target", spec->mounts[i].target,
                                                "type", kinds[spec->mounts[i].kind], "read_only",
                                                spec->mounts[i].is_read_only));
    return json_pack("{s:s?, s:s?, s:o, s:I, s:I, s:I}", "image", spec->image, "command",
                     program ? program[0] : NULL, "mounts", mounts, "memory_limit_bytes",
                     (json_int_t)spec->memory_limit_bytes, "cpu_limit_milli",
                     (json_int_t)spec->cpu_limit_milli, "tasks_limit",
                     (json_int_t)spec->tasks_limit);
}

json_t *inspect_answer(const struct service *s, bool is_whole)
{
    static const char *const kinds[] = {
        [ENDPOINT_NONE] = "none", [ENDPOINT_FCGI] = "fcgi", [ENDPOINT_HTTP] = "http"};
    json_t *answer = json_pack(
        "{s:b, s:s, s:s, s:s, s:s, s:i, s:i, s:{s:s, s:s}, s:{s:s, s:s, s:s}}", "ok", 1, "tenant",
        s->tenant, "service", s->spec->name, "id", s->id, "state", container_state_name(s->state),
        "pid", s->has_container ? (int)s->container.pid : 0, "restarts", (int)s->restarts,
        "endpoint", "kind", kinds[s->spec->listen_kind], "path", s->listen_path, "network", "ipv4",
        s->network.ipv4, "ipv6", s->network.ipv6, "link", s->network.link);

    if (answer) {
        json_object_set_new(answer, "message", control_text(s->message, strlen(s->message)));
        json_object_set_new(answer, "last_exit", last_exit_of(s));
        json_object_set_new(answer, "events", events_of(s));
        json_object_set_new(answer, "spec",
                            is_whole ? service_spec_to_json(s->spec) : public_spec(s->spec));
    }
    if (answer && is_whole) {
        json_object_set_new(answer, "cgroup", json_string(s->cgroup_path));
        json_object_set_new(answer, "id_base", json_integer((json_int_t)s->id_base));
        json_object_set_new(answer, "source", json_string(s->reference->spec->source));
    }
    return answer;
}
