/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "supervisor/spec/json_build.h"
#include "supervisor/spec/spec.h"

/*
 * The canonical form (docs/container-spec.md): what is at its default is absent, sets are sorted.
 * Every function returns 0, or less than 0 without memory.
 */

#define STOP_GRACE_USEC_DEFAULT 10000000

static int set_text(json_t *json, const char *key, const char *text)
{
    return text ? json_object_set_new(json, key, json_string(text)) : 0;
}

static int set_number(json_t *json, const char *key, uint64_t number)
{
    return number ? json_object_set_new(json, key, json_integer((json_int_t)number)) : 0;
}

static int set_strings(json_t *json, const char *key, char *const *strings)
{
    if (!strings)
        return 0;
    return json_object_set_new(json, key, json_build_strings((const char *const *)strings));
}

/* The order of variables means nothing: an object, which is written sorted. */
static int set_environment(json_t *json, char *const *environment)
{
    if (!environment || !*environment)
        return 0;
    json_t *object = json_object();
    int r = json_object_set_new(json, "environment", object);
    for (; r == 0 && *environment; environment++) {
        size_t length = strcspn(*environment, "=");
        _cleanup_free_ char *name = strndup(*environment, length);
        const char *value = (*environment)[length] ? *environment + length + 1 : "";
        r = name ? json_object_set_new(object, name, json_string(value)) : -1;
    }
    return r;
}

static json_t *mount_to_json(const struct mount_spec *mount)
{
    static const char *const kinds[] = {
        [MOUNT_BIND] = "bind", [MOUNT_VOLUME] = "volume", [MOUNT_TMPFS] = "tmpfs"};
    json_t *json = json_object();
    int r = set_text(json, "type", kinds[mount->kind]);

    r |= set_text(json, "source", mount->source);
    r |= set_text(json, "target", mount->target);
    r |= set_number(json, "size", mount->size_bytes);
    r |= set_number(json, "mode", mount->mode);
    if (mount->is_read_only)
        r |= json_object_set_new(json, "read_only", json_true());
    if (r == 0)
        return json;
    json_decref(json);
    return NULL;
}

static int compare_mounts(const void *a, const void *b)
{
    return strcmp((*(const struct mount_spec *const *)a)->target,
                  (*(const struct mount_spec *const *)b)->target);
}

static int set_mounts(json_t *json, const struct service_spec *service)
{
    if (service->mount_count == 0)
        return 0;
    _cleanup_free_ const struct mount_spec **sorted =
        calloc(service->mount_count, sizeof(struct mount_spec *));
    if (!sorted)
        return -1;
    for (size_t i = 0; i < service->mount_count; i++)
        sorted[i] = &service->mounts[i];
    qsort(sorted, service->mount_count, sizeof(struct mount_spec *), compare_mounts);
    json_t *array = json_array();
    int r = json_object_set_new(json, "mounts", array);
    for (size_t i = 0; r == 0 && i < service->mount_count; i++)
        r = json_array_append_new(array, mount_to_json(sorted[i]));
    return r;
}

/* A device is there once, so that an object of devices is a sorted list of them. */
static int set_io_limits(json_t *json, const struct service_spec *service)
{
    if (service->io_limit_count == 0)
        return 0;
    json_t *devices = json_object();
    int r = json_object_set_new(json, "io_limits", devices);
    for (size_t i = 0; r == 0 && i < service->io_limit_count; i++) {
        const struct io_limit_spec *limit = &service->io_limits[i];
        json_t *entry = json_object();
        r = json_object_set_new(devices, limit->device, entry);
        if (r < 0)
            break;
        r |= set_number(entry, "read_bps", limit->read_bps);
        r |= set_number(entry, "write_bps", limit->write_bps);
        r |= set_number(entry, "read_iops", limit->read_iops);
        r |= set_number(entry, "write_iops", limit->write_iops);
    }
    return r;
}

static int set_listen(json_t *json, const struct service_spec *service)
{
    if (service->listen_kind == ENDPOINT_NONE)
        return 0;
    json_t *listen = json_object();
    int r = json_object_set_new(json, "listen", listen);
    if (r == 0)
        r = set_text(listen, "protocol", service->listen_kind == ENDPOINT_FCGI ? "fcgi" : "http");
    return r == 0 ? set_text(listen, "path", service->listen_path) : r;
}

static int set_expose(json_t *json, const struct service_spec *service)
{
    if (service->expose_count == 0)
        return 0;
    json_t *ports = json_array();
    int r = json_object_set_new(json, "expose", ports);
    for (size_t i = 0; r == 0 && i < service->expose_count; i++)
        r = json_array_append_new(ports, json_integer(service->expose[i]));
    return r;
}

/* What a running program would not notice: how it ends, and what follows then. */
static int set_lifecycle(json_t *json, const struct service_spec *service)
{
    int r = 0;

    if (service->restart != RESTART_NO)
        r |= set_text(json, "restart", restart_policy_name(service->restart));
    r |= set_number(json, "restart_max", service->restart_max);
    r |= set_number(json, "stop_signal", (uint64_t)service->stop_signal);
    if (service->stop_grace_period_usec != STOP_GRACE_USEC_DEFAULT)
        r |= json_object_set_new(json, "stop_grace_period_usec",
                                 json_integer((json_int_t)service->stop_grace_period_usec));
    return r | set_expose(json, service);
}

static int set_program(json_t *json, const struct service_spec *service)
{
    int r = set_text(json, "name", service->name);

    r |= set_text(json, "image", service->image);
    r |= set_strings(json, "entrypoint", service->entrypoint);
    r |= set_strings(json, "command", service->command);
    r |= set_environment(json, service->environment);
    r |= set_text(json, "user", service->user);
    r |= set_text(json, "working_dir", service->working_dir);
    r |= set_text(json, "hostname", service->hostname);
    r |= set_strings(json, "cap_add", service->cap_add);
    if (!service->is_read_only)
        r |= json_object_set_new(json, "read_only", json_false());
    r |= set_number(json, "memory_limit_bytes", service->memory_limit_bytes);
    r |= set_number(json, "cpu_limit_milli", service->cpu_limit_milli);
    r |= set_number(json, "tasks_limit", service->tasks_limit);
    r |= set_mounts(json, service);
    r |= set_io_limits(json, service);
    r |= set_text(json, "mail_log", service->mail_log);
    return r | set_listen(json, service);
}

json_t *service_spec_to_json(const struct service_spec *service)
{
    json_t *json = json_object();

    if (set_program(json, service) == 0 && set_lifecycle(json, service) == 0)
        return json;
    json_decref(json);
    return NULL;
}

bool service_spec_equal(const struct service_spec *a, const struct service_spec *b)
{
    json_t *first = json_object(), *second = json_object();
    bool is_equal =
        set_program(first, a) == 0 && set_program(second, b) == 0 && json_equal(first, second);

    json_decref(first);
    json_decref(second);
    return is_equal;
}
