/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/runtime/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "supervisor/runtime/config_reader.h"

#define RULES_MAX 256

static int read_memory(const json_t *object, struct cgroup_resources *resources,
                       struct error *error)
{
    const struct config_key keys[] = {
        {"limit", CONFIG_INTEGER, &resources->memory_limit, false},
        {"reservation", CONFIG_INTEGER, &resources->memory_reservation, false},
        {"swap", CONFIG_INTEGER, &resources->memory_swap, false},
        {NULL, 0, NULL, false},
    };

    return config_read_object(object, "linux.resources.memory", keys, error);
}

static int read_cpu(const json_t *object, struct cgroup_resources *resources, struct error *error)
{
    int64_t shares = 0, quota = 0, period = 0;
    const struct config_key keys[] = {
        {"shares", CONFIG_INTEGER, &shares, false},
        {"quota", CONFIG_INTEGER, &quota, false},
        {"period", CONFIG_INTEGER, &period, false},
        {NULL, 0, NULL, false},
    };

    int r = config_read_object(object, "linux.resources.cpu", keys, error);
    if (r == 0)
        r = config_check_range("linux.resources.cpu.shares", shares, 0, 262144, error);
    if (r == 0) /* sched(7): 1 ms to 1 s */
        r = period ? config_check_range("linux.resources.cpu.period", period, 1000, 1000000, error)
                   : 0;
    if (r < 0)
        return r;
    resources->cpu_shares = (uint64_t)shares;
    resources->cpu_quota = quota;
    resources->cpu_period = (uint64_t)period;
    return 0;
}

static struct cgroup_throttle *throttle_of(struct config *config, unsigned major, unsigned minor)
{
    for (size_t i = 0; i < config->resources.throttle_count; i++)
        if (config->throttles[i].major == major && config->throttles[i].minor == minor)
            return &config->throttles[i];
    struct cgroup_throttle *throttle = &config->throttles[config->resources.throttle_count++];
    *throttle = (struct cgroup_throttle){.major = major, .minor = minor};
    return throttle;
}

static int read_throttles(const json_t *array, const char *key, size_t field, struct config *config,
                          struct error *error)
{
    char path[96];
    size_t i;
    json_t *entry;

    if (json_array_size(array) > RULES_MAX)
        return error_set(error, E2BIG, "linux.resources.blockIO.%s: too many entries", key);
    json_array_foreach ((json_t *)array, i, entry) {
        int64_t major = -1, minor = -1, rate = 0;
        const struct config_key keys[] = {
            {"major", CONFIG_INTEGER, &major, true},
            {"minor", CONFIG_INTEGER, &minor, true},
            {"rate", CONFIG_INTEGER, &rate, true},
            {NULL, 0, NULL, false},
        };
        snprintf(path, sizeof(path), "linux.resources.blockIO.%s[%zu]", key, i);
        int r = config_read_object(entry, path, keys, error);
        if (r == 0)
            r = config_check_range(path, major, 0, 4095, error);
        if (r == 0)
            r = config_check_range(path, minor, 0, 1048575, error);
        if (r == 0)
            r = config_check_range(path, rate, 1, INT64_MAX, error);
        if (r < 0)
            return r;
        struct cgroup_throttle *throttle = throttle_of(config, (unsigned)major, (unsigned)minor);
        *(uint64_t *)((char *)throttle + field) = (uint64_t)rate;
    }
    return 0;
}

static int read_block_io(const json_t *object, struct config *config, struct error *error)
{
    static const struct {
        const char *key;
        size_t field;
    } kinds[] = {
        {"throttleReadBpsDevice", offsetof(struct cgroup_throttle, read_bps)},
        {"throttleWriteBpsDevice", offsetof(struct cgroup_throttle, write_bps)},
        {"throttleReadIOPSDevice", offsetof(struct cgroup_throttle, read_iops)},
        {"throttleWriteIOPSDevice", offsetof(struct cgroup_throttle, write_iops)},
    };
    const json_t *lists[ARRAY_LENGTH(kinds)] = {NULL};
    struct config_key keys[ARRAY_LENGTH(kinds) + 2] = {{0}};
    int64_t weight = 0;
    size_t total = 0;

    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++)
        keys[i] = (struct config_key){kinds[i].key, CONFIG_ARRAY, &lists[i], false};
    keys[ARRAY_LENGTH(kinds)] = (struct config_key){"weight", CONFIG_INTEGER, &weight, false};
    int r = config_read_object(object, "linux.resources.blockIO", keys, error);
    if (r == 0 && weight != 0)
        r = config_check_range("linux.resources.blockIO.weight", weight, 10, 1000, error);
    if (r < 0)
        return r;
    config->resources.io_weight = (uint16_t)weight;
    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++)
        total += json_array_size(lists[i]);
    config->throttles = calloc(total + 1, sizeof(*config->throttles));
    if (!config->throttles)
        return error_sys(error, ENOMEM, "linux.resources.blockIO");
    config->resources.throttles = config->throttles;
    for (size_t i = 0; r == 0 && i < ARRAY_LENGTH(kinds); i++)
        r = read_throttles(lists[i], kinds[i].key, kinds[i].field, config, error);
    return r;
}

static int read_device_rule(const json_t *object, size_t index, struct cgroup_device_rule *rule,
                            struct error *error)
{
    char path[48];
    const char *type = "a", *access = "rwm";
    const struct config_key keys[] = {
        {"allow", CONFIG_BOOL, &rule->is_allow, true},
        {"type", CONFIG_STRING, &type, false},
        {"major", CONFIG_INTEGER, &rule->major, false},
        {"minor", CONFIG_INTEGER, &rule->minor, false},
        {"access", CONFIG_STRING, &access, false},
        {NULL, 0, NULL, false},
    };

    rule->major = rule->minor = -1;
    snprintf(path, sizeof(path), "linux.resources.devices[%zu]", index);
    int r = config_read_object(object, path, keys, error);
    if (r < 0)
        return r;
    if (strlen(type) != 1 || !strchr("abc", type[0]))
        return error_set(error, EINVAL, "%s.type: \"%s\" is not one of a, b, c", path, type);
    if (!*access || strlen(access) > 3 || strspn(access, "rwm") != strlen(access))
        return error_set(error, EINVAL, "%s.access: \"%s\" is not made of r, w, m", path, access);
    rule->type = type[0];
    strcpy(rule->access, access);
    return 0;
}

static int read_devices(const json_t *array, struct config *config, struct error *error)
{
    size_t count = json_array_size(array);

    if (count > RULES_MAX)
        return error_set(error, E2BIG, "linux.resources.devices: %zu entries; at most %d", count,
                         RULES_MAX);
    config->device_rules = calloc(count + 1, sizeof(*config->device_rules));
    if (!config->device_rules)
        return error_sys(error, ENOMEM, "linux.resources.devices");
    for (size_t i = 0; i < count; i++) {
        int r = read_device_rule(json_array_get(array, i), i, &config->device_rules[i], error);
        if (r < 0)
            return r;
    }
    config->resources.devices = config->device_rules;
    config->resources.device_count = count;
    return 0;
}

int config_read_resources(const json_t *object, struct config *config, struct error *error)
{
    const json_t *memory = NULL, *cpu = NULL, *pids = NULL, *block_io = NULL, *devices = NULL;
    const struct config_key keys[] = {
        {"memory", CONFIG_OBJECT, &memory, false},  {"cpu", CONFIG_OBJECT, &cpu, false},
        {"pids", CONFIG_OBJECT, &pids, false},      {"blockIO", CONFIG_OBJECT, &block_io, false},
        {"devices", CONFIG_ARRAY, &devices, false}, {NULL, 0, NULL, false},
    };
    const struct config_key pids_keys[] = {
        {"limit", CONFIG_INTEGER, &config->resources.pids_limit, true},
        {NULL, 0, NULL, false},
    };

    int r = config_read_object(object, "linux.resources", keys, error);
    if (r == 0 && memory)
        r = read_memory(memory, &config->resources, error);
    if (r == 0 && cpu)
        r = read_cpu(cpu, &config->resources, error);
    if (r == 0 && pids)
        r = config_read_object(pids, "linux.resources.pids", pids_keys, error);
    if (r == 0 && block_io)
        r = read_block_io(block_io, config, error);
    if (r == 0 && devices)
        r = read_devices(devices, config, error);
    return r;
}
