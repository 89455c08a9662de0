/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What systemd is told of a container's limits (systemd.resource-control(5)). It would write its
 * own defaults over ours at a reload, so it has to know as much as it can express; cgroup_apply()
 * writes the exact values and the rest.
 */
#include "supervisor/runtime/systemd_scope.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/units.h"
#include "supervisor/runtime/cgroup_internal.h"

#define CPUS_MAX       8192   /* CONFIG_NR_CPUS of the largest kernels */
#define DEFAULT_PERIOD 100000 /* usec; the kernel's (Documentation/scheduler/sched-bwc.rst) */
#define PER_CENT       10000  /* usec of CPU a second: systemd counts quotas in whole per cents */

/* Takes the reference to value; without memory for it this fails. */
static int add(json_t *list, const char *name, const char *type, json_t *value)
{
    return json_array_append_new(
        list, json_pack("{s:s, s:s, s:o}", "name", name, "type", type, "value", value));
}

/* systemd's UINT64_MAX is beyond JSON's numbers here. */
static int add_number(json_t *list, const char *name, uint64_t value)
{
    return add(list, name, "t",
               value >= CGROUP_UNLIMITED ? json_string("infinity")
                                         : json_integer((json_int_t)value));
}

/* 0: not given, below 0: no limit. */
static int add_limit(json_t *list, const char *name, int64_t value)
{
    return value == 0 ? 0 : add_number(list, name, value < 0 ? UINT64_MAX : (uint64_t)value);
}

/* ---- CPUs as bits ---- */

/* "0-3,7" as bytes, the lowest CPU in the lowest bit of the first; -EINVAL for anything else. */
static int parse_bits(const char *list, uint8_t *bits, size_t *length)
{
    _cleanup_free_ char *text = strdup(list);
    char *rest = text, *range;

    *length = 0;
    memset(bits, 0, CPUS_MAX / 8);
    if (!text)
        return -ENOMEM;
    while ((range = strsep(&rest, ", \n"))) {
        uint64_t first, last;
        char *dash = strchr(range, '-');
        if (!*range)
            continue;
        if (dash)
            *dash++ = '\0';
        if (parse_u64(range, CPUS_MAX - 1, &first) < 0 ||
            parse_u64(dash ? dash : range, CPUS_MAX - 1, &last) < 0 || first > last)
            return -EINVAL;
        for (; first <= last; first++) {
            bits[first / 8] |= (uint8_t)(1u << first % 8);
            if (*length < first / 8 + 1)
                *length = first / 8 + 1;
        }
    }
    return *length ? 0 : -EINVAL;
}

static int add_bits(json_t *list, const char *name, const char *key, const char *value,
                    struct error *error)
{
    uint8_t bits[CPUS_MAX / 8];
    size_t length;

    if (!value)
        return 0;
    int r = parse_bits(value, bits, &length);
    if (r < 0)
        return error_set(error, -r, "%s: \"%.64s\" is not a list such as 0-3,7", key, value);
    json_t *array = json_array();
    for (size_t i = 0; i < length; i++)
        r |= json_array_append_new(array, json_integer(bits[i]));
    r |= add(list, name, "ay", array);
    return r < 0 ? error_sys(error, ENOMEM, "%s", key) : 0;
}

/* ---- parts of both versions ---- */

static int add_quota(json_t *list, int64_t quota, uint64_t period)
{
    int r = period ? add_number(list, "CPUQuotaPeriodUSec", period) : 0;

    if (quota < 0)
        return r | add_number(list, "CPUQuotaPerSecUSec", UINT64_MAX);
    if (quota == 0)
        return r;
    double share = (double)quota / (double)(period ? period : DEFAULT_PERIOD);
    if (share > (double)(CGROUP_UNLIMITED / 1000000))
        return r | add_number(list, "CPUQuotaPerSecUSec", UINT64_MAX);
    /* Rounded up: what is below may then have what it was given exactly. */
    uint64_t per_second = (uint64_t)(share * 1000000 + 0.999999);
    per_second = (per_second + PER_CENT - 1) / PER_CENT * PER_CENT;
    return r | add_number(list, "CPUQuotaPerSecUSec", per_second);
}

static int add_common(json_t *list, const struct cgroup_resources *resources)
{
    int r = add_quota(list, resources->cpu_quota, resources->cpu_period);

    if (resources->has_pids_limit) /* systemd has no 0 */
        r |= add_limit(list, "TasksMax", resources->pids_limit ? resources->pids_limit : 1);
    return r;
}

static int add_cpuset(json_t *list, const struct cgroup_resources *resources, struct error *error)
{
    int r = add_bits(list, "AllowedCPUs", "cpu.cpus", resources->cpus, error);

    return r < 0 ? r : add_bits(list, "AllowedMemoryNodes", "cpu.mems", resources->mems, error);
}

/* ---- v1 ---- */

/*
 * Devices on v1 only: on v2 systemd leaves the group's own BPF program alone. Its rules can allow
 * and nothing else, so later denials are left to what cgroup_apply() writes.
 */
static int add_devices(json_t *list, const struct cgroup_resources *resources)
{
    json_t *allowed = json_array();
    int r = allowed ? 0 : -1;

    for (size_t i = 0; i < resources->device_count; i++) {
        const struct cgroup_device_rule *rule = &resources->devices[i];
        /* "char-5" is all of one major number; one minor number of any major cannot be said. */
        if (!rule->is_allow || (rule->major < 0 && rule->minor >= 0))
            continue;
        for (const char *type = rule->type == 'a' ? "bc" : (char[]){rule->type, '\0'}; *type;
             type++) {
            const char *word = *type == 'b' ? "block" : "char";
            char device[64];
            if (rule->major < 0)
                snprintf(device, sizeof(device), "%s-*", word);
            else if (rule->minor < 0)
                snprintf(device, sizeof(device), "%s-%" PRId64, word, rule->major);
            else
                snprintf(device, sizeof(device), "/dev/%s/%" PRId64 ":%" PRId64, word, rule->major,
                         rule->minor);
            r |= json_array_append_new(allowed, json_pack("[s, s]", device, rule->access));
        }
    }
    /* An empty list first clears what the unit has. */
    r |= add(list, "DeviceAllow", "a(ss)", json_array());
    r |= add(list, "DevicePolicy", "s", json_string("strict"));
    return r | add(list, "DeviceAllow", "a(ss)", allowed);
}

static int add_v1(json_t *list, const struct cgroup_resources *resources)
{
    int r = add_limit(list, "MemoryLimit", resources->memory_limit);

    if (resources->cpu_shares)
        r |= add_number(list, "CPUShares", resources->cpu_shares);
    if (resources->io_weight)
        r |= add_number(list, "BlockIOWeight", resources->io_weight);
    if (resources->device_count)
        r |= add_devices(list, resources);
    return r;
}

/* ---- v2 ---- */

/* As in cgroup_v2.c, but without a look at the group: 0 is "not known". */
static int64_t swap_alone(const struct cgroup_resources *resources)
{
    int64_t limit = resources->memory_limit, swap = resources->memory_swap;

    if (swap < 0 || (swap == 0 && limit < 0))
        return -1;
    if (swap == 0 || limit <= 0)
        return limit < 0 ? swap : 0;
    return swap - limit;
}

static int add_v2(json_t *list, const struct cgroup_resources *resources)
{
    int64_t swap = swap_alone(resources);
    bool is_idle = resources->has_cpu_idle && resources->cpu_idle;
    int r = add_limit(list, "MemoryMax", resources->memory_limit);

    r |= add_limit(list, "MemoryLow", resources->memory_reservation);
    if (swap == 0 && resources->memory_swap > 0 && resources->memory_limit > 0)
        r |= add_number(list, "MemorySwapMax", 0);
    else
        r |= add_limit(list, "MemorySwapMax", swap);
    if (is_idle) /* a weight of 0 stands for it */
        r |= add_number(list, "CPUWeight", 0);
    else if (resources->cpu_shares)
        r |= add_number(list, "CPUWeight", cgroup_weight_of_shares(resources->cpu_shares));
    if (resources->io_weight)
        r |= add_number(list, "IOWeight", cgroup_io_weight(resources->io_weight));
    return r;
}

/* ---- what v2 configs write literally ---- */

static const struct {
    const char *file, *property;
} unified_numbers[] = {
    {"memory.high", "MemoryHigh"}, {"memory.low", "MemoryLow"},
    {"memory.min", "MemoryMin"},   {"memory.max", "MemoryMax"},
    {"pids.max", "TasksMax"},      {"memory.swap.max", "MemorySwapMax"},
    {"cpu.weight", "CPUWeight"},
};

static int unified_wrong(const struct cgroup_unified *unified, struct error *error)
{
    return error_set(error, EINVAL, "unified.%s: \"%.64s\" is not a value for it", unified->file,
                     unified->value);
}

/* cpu.max: "QUOTA [PERIOD]" */
static int add_unified_quota(json_t *list, const struct cgroup_unified *unified,
                             struct error *error)
{
    char quota[24] = "", period[24] = "";
    uint64_t quota_usec = 0, period_usec = 0;
    int count = sscanf(unified->value, "%23s %23s", quota, period);

    if (count < 1 || cgroup_text_number(quota, &quota_usec) < 0 ||
        (count == 2 && parse_u64(period, UINT32_MAX, &period_usec) < 0) || quota_usec == 0)
        return unified_wrong(unified, error);
    return add_quota(list, quota_usec >= CGROUP_UNLIMITED ? -1 : (int64_t)quota_usec, period_usec);
}

static int add_unified_file(json_t *list, const struct cgroup_unified *unified, bool is_new,
                            struct error *error)
{
    char key[64];
    uint64_t value;

    snprintf(key, sizeof(key), "unified.%.40s", unified->file);
    if (strcmp(unified->file, "cpu.max") == 0)
        return add_unified_quota(list, unified, error);
    if (strcmp(unified->file, "cpuset.cpus") == 0)
        return add_bits(list, "AllowedCPUs", key, unified->value, error);
    if (strcmp(unified->file, "cpuset.mems") == 0)
        return add_bits(list, "AllowedMemoryNodes", key, unified->value, error);
    /* systemd takes this one with a new scope only. */
    if (strcmp(unified->file, "memory.oom.group") == 0 && is_new)
        return add(list, "OOMPolicy", "s",
                   json_string(*unified->value == '1' ? "kill" : "continue"));
    for (size_t i = 0; i < ARRAY_LENGTH(unified_numbers); i++) {
        if (strcmp(unified->file, unified_numbers[i].file) != 0)
            continue;
        if (cgroup_text_number(unified->value, &value) < 0)
            return unified_wrong(unified, error);
        if (value == 0 && strcmp(unified->file, "pids.max") == 0)
            value = 1; /* systemd has no 0 */
        return add_number(list, unified_numbers[i].property, value);
    }
    return 0;
}

/* ---- the whole ---- */

static int add_all(json_t *list, const struct cgroup_resources *resources, enum cgroup_mode mode,
                   bool is_new, struct error *error)
{
    int r = mode == CGROUP_V2 ? add_v2(list, resources) : add_v1(list, resources);

    if ((r | add_common(list, resources)) < 0)
        return error_sys(error, ENOMEM, "linux.resources");
    r = add_cpuset(list, resources, error);
    for (size_t i = 0; r == 0 && mode == CGROUP_V2 && i < resources->unified_count; i++)
        if (resources->unified[i].value)
            r = add_unified_file(list, &resources->unified[i], is_new, error);
    return r < 0 ? error_wrap(error, "linux.resources") : 0;
}

json_t *systemd_scope_properties(const struct cgroup_resources *resources, enum cgroup_mode mode,
                                 bool is_new, struct error *error)
{
    json_t *list = json_array();

    if (!list) {
        error_sys(error, ENOMEM, "linux.resources");
        return NULL;
    }
    if (add_all(list, resources, mode, is_new, error) == 0)
        return list;
    json_decref(list);
    return NULL;
}
