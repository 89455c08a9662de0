/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/units.h"
#include "supervisor/spec/compose_reader.h"
#include "supervisor/spec/path_text.h"

/* ---- memory, CPU, tasks ---- */

static int read_memory(const struct place *place, struct compose_limits *limits,
                       struct error *error)
{
    return place_size(place, COMPOSE_MEMORY_MIN, COMPOSE_MEMORY_MAX, &limits->memory_bytes, error);
}

static int read_cpu(const struct place *place, struct compose_limits *limits, struct error *error)
{
    _cleanup_free_ char *text = NULL;
    int r = place_text(place, &text, error);

    if (r < 0)
        return r;
    if (parse_milli(text, COMPOSE_CPU_MILLI_MAX, &limits->cpu_milli) < 0 ||
        limits->cpu_milli < COMPOSE_CPU_MILLI_MIN)
        return place_refuse_value(place, error,
                                  "a number of CPUs; write a number from 0.01 to %d: 0.5 or 2",
                                  COMPOSE_CPU_MILLI_MAX / 1000);
    return 0;
}

static int read_tasks(const struct place *place, struct compose_limits *limits, struct error *error)
{
    return place_number(place, "a number of tasks", 1, COMPOSE_TASKS_MAX, &limits->tasks, error);
}

int compose_read_mem_limit(const struct place *place, void *target, struct error *error)
{
    return read_memory(place, &((struct service_reader *)target)->limits, error);
}

int compose_read_cpus(const struct place *place, void *target, struct error *error)
{
    return read_cpu(place, &((struct service_reader *)target)->limits, error);
}

int compose_read_pids_limit(const struct place *place, void *target, struct error *error)
{
    return read_tasks(place, &((struct service_reader *)target)->limits, error);
}

/* ---- deploy.resources.limits ---- */

static int read_deploy_memory(const struct place *place, void *target, struct error *error)
{
    return read_memory(place, &((struct service_reader *)target)->deploy_limits, error);
}

static int read_deploy_cpus(const struct place *place, void *target, struct error *error)
{
    return read_cpu(place, &((struct service_reader *)target)->deploy_limits, error);
}

static int read_deploy_pids(const struct place *place, void *target, struct error *error)
{
    return read_tasks(place, &((struct service_reader *)target)->deploy_limits, error);
}

static int read_limits(const struct place *place, void *target, struct error *error)
{
    static const struct key keys[] = {
        {"cpus", read_deploy_cpus, NULL},
        {"memory", read_deploy_memory, NULL},
        {"pids", read_deploy_pids, NULL},
        {"devices", NULL, "a container gets the standard devices only"},
        {NULL, NULL, NULL},
    };

    return keys_read(place, keys, target, error);
}

static int read_resources(const struct place *place, void *target, struct error *error)
{
    static const struct key keys[] = {
        {"limits", read_limits, NULL},
        {"reservations", NULL, "one machine has nothing to reserve from; write limits"},
        {NULL, NULL, NULL},
    };

    return keys_read(place, keys, target, error);
}

int compose_read_deploy(const struct place *place, void *target, struct error *error)
{
    static const struct key keys[] = {
        {"resources", read_resources, NULL},
        {"replicas", NULL, "a service has one container for now"},
        {"restart_policy", NULL, "write restart: in the service"},
        {"mode", NULL, "a service has one container"},
        {"placement", NULL, "there is one machine"},
        {"endpoint_mode", NULL, "httpd is the only way in"},
        {"labels", NULL, "nothing reads them; write labels: in the service"},
        {"update_config", NULL, "a changed service is restarted at once"},
        {"rollback_config", NULL, "a changed service is restarted at once"},
        {NULL, NULL, NULL},
    };

    return keys_read(place, keys, target, error);
}

/* A limit written in two places must be the same in both. */
static int merge_limit(const struct place *place, const char *key, const char *deploy_key,
                       uint64_t value, uint64_t deploy_value, uint64_t *result, struct error *error)
{
    struct place member = place_member(place, key);

    if (value && deploy_value && value != deploy_value)
        return place_refuse(&member, error,
                            "differs from deploy.resources.limits.%s; write one of the two",
                            deploy_key);
    *result = value ? value : deploy_value;
    return 0;
}

int compose_finish_limits(const struct place *place, struct service_reader *reader,
                          struct error *error)
{
    const struct compose_limits *own = &reader->limits, *deploy = &reader->deploy_limits;
    struct service_spec *service = reader->service;
    int r = merge_limit(place, "mem_limit", "memory", own->memory_bytes, deploy->memory_bytes,
                        &service->memory_limit_bytes, error);

    if (r == 0)
        r = merge_limit(place, "cpus", "cpus", own->cpu_milli, deploy->cpu_milli,
                        &service->cpu_limit_milli, error);
    if (r == 0)
        r = merge_limit(place, "pids_limit", "pids", own->tasks, deploy->tasks,
                        &service->tasks_limit, error);
    return r;
}

/* ---- blkio_config ---- */

struct device_rate {
    char *path;
    uint64_t rate;
    bool is_bytes;
};

static int read_device_path(const struct place *place, void *target, struct error *error)
{
    struct device_rate *rate = target;
    int r = place_text(place, &rate->path, error);

    if (r == 0 && (rate->path[0] != '/' || path_text_normalise(rate->path) < 0))
        return place_refuse_value(place, error, "the path of a disk; write /dev/sda or the like");
    return r;
}

static int read_device_rate(const struct place *place, void *target, struct error *error)
{
    struct device_rate *rate = target;

    if (rate->is_bytes)
        return place_size(place, 1, COMPOSE_MEMORY_MAX, &rate->rate, error);
    return place_number(place, "a number of operations a second", 1, UINT32_MAX, &rate->rate,
                        error);
}

/* The limits of a device; makes an empty entry for a new one. NULL without memory. */
static struct io_limit_spec *io_limit_of(struct service_spec *service, const char *device)
{
    for (size_t i = 0; i < service->io_limit_count; i++)
        if (strcmp(service->io_limits[i].device, device) == 0)
            return &service->io_limits[i];
    struct io_limit_spec *limits =
        reallocarray(service->io_limits, service->io_limit_count + 1, sizeof(*limits));
    if (!limits)
        return NULL;
    service->io_limits = limits;
    limits += service->io_limit_count;
    *limits = (struct io_limit_spec){.device = strdup(device)};
    if (!limits->device)
        return NULL;
    service->io_limit_count++;
    return limits;
}

static int read_device_item(const struct place *place, struct service_spec *service, size_t field,
                            struct device_rate *rate, struct error *error)
{
    static const struct key keys[] = {
        {"path", read_device_path, NULL},
        {"rate", read_device_rate, NULL},
        {NULL, NULL, NULL},
    };
    int r = keys_read(place, keys, rate, error);

    if (r < 0)
        return r;
    if (!rate->path || rate->rate == 0)
        return place_refuse(place, error, "needs both; write path: /dev/sda and rate: 10m");
    if (service->io_limit_count >= COMPOSE_IO_DEVICES_MAX)
        return place_refuse(place, error, "more than %d devices", COMPOSE_IO_DEVICES_MAX);
    struct io_limit_spec *limit = io_limit_of(service, rate->path);
    if (!limit)
        return place_no_memory(place, error);
    uint64_t *value = (uint64_t *)((char *)limit + field);
    if (*value)
        return place_refuse(place, error, "%s has this limit already; remove one", rate->path);
    *value = rate->rate;
    return 0;
}

static int read_devices(const struct place *place, void *target, size_t field, bool is_bytes,
                        struct error *error)
{
    int r = place_need_array(place, error);

    for (size_t i = 0; r == 0 && i < json_array_size(place->value); i++) {
        struct place item = place_item(place, i);
        struct device_rate rate = {.is_bytes = is_bytes};
        r = read_device_item(&item, ((struct service_reader *)target)->service, field, &rate,
                             error);
        free(rate.path);
    }
    return r;
}

static int read_read_bps(const struct place *place, void *target, struct error *error)
{
    return read_devices(place, target, offsetof(struct io_limit_spec, read_bps), true, error);
}

static int read_write_bps(const struct place *place, void *target, struct error *error)
{
    return read_devices(place, target, offsetof(struct io_limit_spec, write_bps), true, error);
}

static int read_read_iops(const struct place *place, void *target, struct error *error)
{
    return read_devices(place, target, offsetof(struct io_limit_spec, read_iops), false, error);
}

static int read_write_iops(const struct place *place, void *target, struct error *error)
{
    return read_devices(place, target, offsetof(struct io_limit_spec, write_iops), false, error);
}

int compose_read_blkio_config(const struct place *place, void *target, struct error *error)
{
    static const struct key keys[] = {
        {"device_read_bps", read_read_bps, NULL},
        {"device_write_bps", read_write_bps, NULL},
        {"device_read_iops", read_read_iops, NULL},
        {"device_write_iops", read_write_iops, NULL},
        {"weight", NULL, "most disks have no scheduler that weighs; write device_read_bps ..."},
        {"weight_device", NULL,
         "most disks have no scheduler that weighs; write device_read_bps ..."},
        {NULL, NULL, NULL},
    };

    return keys_read(place, keys, target, error);
}
