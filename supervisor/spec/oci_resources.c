/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "common/cleanup.h"
#include "supervisor/spec/json_build.h"
#include "supervisor/spec/oci_parts.h"

#define CPU_PERIOD_USEC 100000
#define ANY             (-1)

/* runtime-spec 1.2, config-linux.md, "Default Devices", and the pseudo terminals of devpts. */
static const struct {
    int major, minor;
} standard_devices[] = {
    {1, 3},     /* null */
    {1, 5},     /* zero */
    {1, 7},     /* full */
    {1, 8},     /* random */
    {1, 9},     /* urandom */
    {5, 0},     /* tty */
    {5, 2},     /* ptmx */
    {136, ANY}, /* pts/N */
};

/* The four kinds of I/O limits under their OCI names. */
static const struct {
    const char *key;
    size_t field;
} throttles[] = {
    {"throttleReadBpsDevice", offsetof(struct io_limit_spec, read_bps)},
    {"throttleWriteBpsDevice", offsetof(struct io_limit_spec, write_bps)},
    {"throttleReadIOPSDevice", offsetof(struct io_limit_spec, read_iops)},
    {"throttleWriteIOPSDevice", offsetof(struct io_limit_spec, write_iops)},
};

static json_t *devices_json(void)
{
    json_t *rules = json_pack("[{s:b, s:s}]", "allow", 0, "access", "rwm");

    for (size_t i = 0; i < ARRAY_LENGTH(standard_devices); i++) {
        int number = standard_devices[i].minor;
        json_t *minor_json = number == ANY ? NULL : json_integer(number);
        json_t *rule = json_pack("{s:b, s:s, s:i, s:o*, s:s}", "allow", 1, "type", "c", "major",
                                 standard_devices[i].major, "minor", minor_json, "access", "rwm");
        json_build_append(&rules, rule);
    }
    return rules;
}

static int add_throttles(const struct io_limit_spec *limit, json_t *block_io, struct error *error)
{
    struct stat status;

    if (stat(limit->device, &status) < 0)
        return error_sys(error, errno, "blkio_config: %s", limit->device);
    if (!S_ISBLK(status.st_mode))
        return error_set(error, EINVAL,
                         "blkio_config: %s is not a block device; write the path of a disk",
                         limit->device);
    for (size_t i = 0; i < ARRAY_LENGTH(throttles); i++) {
        uint64_t rate = *(const uint64_t *)((const char *)limit + throttles[i].field);
        if (rate == 0)
            continue;
        json_t *list = json_object_get(block_io, throttles[i].key);
        if (!list) {
            list = json_array();
            json_object_set_new(block_io, throttles[i].key, list);
        }
        if (json_array_append_new(list, json_pack("{s:I, s:I, s:I}", "major",
                                                  (json_int_t)major(status.st_rdev), "minor",
                                                  (json_int_t)minor(status.st_rdev), "rate",
                                                  (json_int_t)rate)) < 0)
            return error_sys(error, ENOMEM, "blkio_config");
    }
    return 0;
}

static int add_block_io(const struct service_spec *service, json_t *resources, struct error *error)
{
    if (service->io_limit_count == 0)
        return 0;
    json_t *block_io = json_object();
    if (json_object_set_new(resources, "blockIO", block_io) < 0)
        return error_sys(error, ENOMEM, "resources");
    for (size_t i = 0; i < service->io_limit_count; i++) {
        int r = add_throttles(&service->io_limits[i], block_io, error);
        if (r < 0)
            return r;
    }
    return 0;
}

int oci_resources(const struct service_spec *service, const struct oci_facts *facts,
                  json_t **resources, struct error *error)
{
    json_int_t memory = (json_int_t)oci_memory_bytes(service, facts);
    uint64_t cpu_milli =
        service->cpu_limit_milli ? service->cpu_limit_milli : facts->default_cpu_milli;
    uint64_t tasks = service->tasks_limit ? service->tasks_limit : facts->default_tasks;

    if (memory == 0 || cpu_milli == 0 || tasks == 0)
        return error_set(
            error, EINVAL,
            "a container needs a limit of memory, CPU and tasks: the supervisor has no "
            "default for one of them");
    /* swap counts memory and swap together: the same number means no swap. */
    json_t *json = json_pack(
        "{s:{s:I, s:I}, s:{s:I, s:i}, s:{s:I}, s:o}", "memory", "limit", memory, "swap", memory,
        "cpu", "quota", (json_int_t)(cpu_milli * (CPU_PERIOD_USEC / 1000)), "period",
        CPU_PERIOD_USEC, "pids", "limit", (json_int_t)tasks, "devices", devices_json());
    if (!json)
        return error_sys(error, ENOMEM, "resources");
    int r = add_block_io(service, json, error);
    if (r < 0) {
        json_decref(json);
        return r;
    }
    *resources = json;
    return 0;
}
