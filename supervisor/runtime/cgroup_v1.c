/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup v1: the kernel's Documentation/admin-guide/cgroup-v1/ (memory, cpuacct, blkio-controller,
 * devices, freezer-subsystem, pids) and Documentation/scheduler/sched-bwc.
 */
#include "supervisor/runtime/cgroup_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"

/* ---- limits ---- */

static int set_swap(int directory, int64_t swap, struct error *error)
{
    struct error missing = ERROR_INIT;
    int r = cgroup_file_set_number(directory, "memory.swap", "memory.memsw.limit_in_bytes", swap,
                                   &missing);

    /* "No limit" is kept where nothing limits. */
    if (r == -EOPNOTSUPP && swap < 0)
        return 0;
    if (r < 0 && error)
        *error = missing;
    return r;
}

static int set_limit(int directory, int64_t limit, struct error *error)
{
    int r =
        cgroup_file_set_number(directory, "memory.limit", "memory.limit_in_bytes", limit, error);

    return r == -EBUSY ? error_set(error, EBUSY,
                                   "memory.limit: %" PRId64 " bytes: the group uses more than that "
                                   "and nothing can be reclaimed",
                                   limit)
                       : r;
}

/*
 * The kernel keeps limit_in_bytes <= memsw.limit_in_bytes at each write, so which comes first
 * depends on where they stand: only a limit above the present memsw must wait for memsw.
 */
static int set_memory(int directory, const struct cgroup_resources *resources, struct error *error)
{
    int64_t limit = resources->memory_limit, swap = resources->memory_swap;
    uint64_t present;
    int r = 0;

    if (limit < 0 && swap == 0)
        swap = -1;
    bool is_swap_first =
        swap != 0 && limit != 0 &&
        cgroup_file_number(directory, "memory.memsw.limit_in_bytes", &present) == 0 &&
        (limit < 0 || (uint64_t)limit > present);
    if (is_swap_first)
        r = set_swap(directory, swap, error);
    if (r == 0 && limit != 0)
        r = set_limit(directory, limit, error);
    if (r == 0 && swap != 0 && !is_swap_first)
        r = set_swap(directory, swap, error);
    if (r == 0 && resources->memory_reservation != 0)
        r = cgroup_file_set_number(directory, "memory.reservation", "memory.soft_limit_in_bytes",
                                   resources->memory_reservation, error);
    return r;
}

/* The kernel checks quota/period against the parent's at each write: try the other order too. */
static int set_quota(int directory, int64_t quota, int64_t period, struct error *error)
{
    int r = cgroup_file_set_number(directory, "cpu.period", "cpu.cfs_period_us", period, error);
    bool is_period_last = r == -EINVAL && quota != 0;

    if (r < 0 && !is_period_last)
        return r;
    if (quota != 0)
        r = cgroup_file_set_number(directory, "cpu.quota", "cpu.cfs_quota_us", quota, error);
    if (r == 0 && is_period_last)
        r = cgroup_file_set_number(directory, "cpu.period", "cpu.cfs_period_us", period, error);
    return r;
}

static int set_cpu(int directory, const struct cgroup_resources *resources, struct error *error)
{
    int r = 0;

    if (resources->cpu_shares != 0)
        r = cgroup_file_set_number(directory, "cpu.shares", "cpu.shares",
                                   (int64_t)resources->cpu_shares, error);
    if (r == 0 && (resources->cpu_quota != 0 || resources->cpu_period != 0))
        r = set_quota(directory, resources->cpu_quota < 0 ? -1 : resources->cpu_quota,
                      resources->cpu_period ? (int64_t)resources->cpu_period : 100000, error);
    return r;
}

static int set_pids(int directory, const struct cgroup_resources *resources, struct error *error)
{
    if (resources->pids_limit < 0)
        return cgroup_file_set(directory, "pids.limit", "pids.max", "max", error);
    return cgroup_file_set_number(directory, "pids.limit", "pids.max", resources->pids_limit,
                                  error);
}

/* 0 takes a limit away, so all four of a device are written. */
static int set_throttle(int directory, const struct cgroup_throttle *throttle, struct error *error)
{
    const struct {
        const char *key, *file;
        uint64_t value;
    } limits[] = {
        {"blockIO.throttleReadBpsDevice", "blkio.throttle.read_bps_device", throttle->read_bps},
        {"blockIO.throttleWriteBpsDevice", "blkio.throttle.write_bps_device", throttle->write_bps},
        {"blockIO.throttleReadIOPSDevice", "blkio.throttle.read_iops_device", throttle->read_iops},
        {"blockIO.throttleWriteIOPSDevice", "blkio.throttle.write_iops_device",
         throttle->write_iops},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(limits); i++) {
        char text[64];
        snprintf(text, sizeof(text), "%u:%u %" PRIu64, throttle->major, throttle->minor,
                 limits[i].value);
        int r = cgroup_file_set(directory, limits[i].key, limits[i].file, text, error);
        if (r < 0)
            return r;
    }
    return 0;
}

static int set_io(int directory, const struct cgroup_resources *resources, struct error *error)
{
    int r = 0;

    if (resources->io_weight != 0) {
        r = cgroup_file_set_number(directory, "blockIO.weight", "blkio.bfq.weight",
                                   resources->io_weight, error);
        if (r == -EOPNOTSUPP) /* CFQ, before Linux 5.0 */
            r = cgroup_file_set_number(directory, "blockIO.weight", "blkio.weight",
                                       resources->io_weight, error);
    }
    for (size_t i = 0; r == 0 && i < resources->throttle_count; i++)
        r = set_throttle(directory, &resources->throttles[i], error);
    return r;
}

/*
 * One write of devices.allow or devices.deny. The kernel takes "a" as everything, whatever numbers
 * and accesses follow, so such a rule is given for both types instead, unless it means everything.
 */
static int write_rule(int directory, const struct cgroup_device_rule *rule, struct error *error)
{
    const char *file = rule->is_allow ? "devices.allow" : "devices.deny";
    bool is_everything =
        rule->type == 'a' && rule->major < 0 && rule->minor < 0 && strlen(rule->access) == 3;
    const char *types = rule->type == 'a' ? "bc" : (const char[]){rule->type, '\0'};
    char major[24] = "*", minor[24] = "*", text[64];

    if (is_everything)
        return cgroup_file_set(directory, "devices", file, "a", error);
    if (rule->major >= 0)
        snprintf(major, sizeof(major), "%" PRId64, rule->major);
    if (rule->minor >= 0)
        snprintf(minor, sizeof(minor), "%" PRId64, rule->minor);
    for (const char *type = types; *type; type++) {
        snprintf(text, sizeof(text), "%c %s:%s %s", *type, major, minor, rule->access);
        int r = cgroup_file_set(directory, "devices", file, text, error);
        if (r < 0)
            return r;
    }
    return 0;
}

/* A new group has its parent's rules, which may be "everything": begin with nothing, as on v2. */
static int set_devices(int directory, const struct cgroup_resources *resources, struct error *error)
{
    int r = cgroup_device_check(resources, error);

    if (r == 0)
        r = cgroup_file_set(directory, "devices", "devices.deny", "a", error);
    for (size_t i = 0; r == 0 && i < resources->device_count; i++)
        r = write_rule(directory, &resources->devices[i], error);
    return r;
}

/* ---- freezer ---- */

static int freeze(int directory, bool is_wanted)
{
    return cgroup_file_write(directory, "freezer.state", is_wanted ? "FROZEN" : "THAWED");
}

static int is_frozen(int directory)
{
    char state[32]; /* FREEZING is neither */

    int r = cgroup_file_read(directory, "freezer.state", state, sizeof(state));
    return r < 0 ? r : strcmp(state, "FROZEN\n") == 0;
}

/* ---- figures ---- */

#define FIGURE(member) .offset = offsetof(struct cgroup_sample, member)

static const struct cgroup_figure figures[] = {
    {"cpuacct.usage", NULL, CGROUP_HAS_CPU, FIGURE(cpu_usage_usec), .divisor = 1000},
    {"cpu.stat", "throttled_time", CGROUP_HAS_THROTTLED, FIGURE(cpu_throttled_usec),
     .divisor = 1000},
    {"memory.usage_in_bytes", NULL, CGROUP_HAS_MEMORY, FIGURE(memory_bytes)},
    {"memory.limit_in_bytes", NULL, CGROUP_HAS_MEMORY_LIMIT, FIGURE(memory_limit_bytes)},
    {"memory.max_usage_in_bytes", NULL, CGROUP_HAS_MEMORY_PEAK, FIGURE(memory_peak_bytes)},
    {"memory.oom_control", "oom_kill", CGROUP_HAS_OOM, FIGURE(oom_kills)},
    {"pids.current", NULL, CGROUP_HAS_TASKS, FIGURE(tasks)},
    {"pids.max", NULL, CGROUP_HAS_TASKS_LIMIT, FIGURE(tasks_limit)},
    {"blkio.throttle.io_service_bytes_recursive", "Read", CGROUP_HAS_IO, FIGURE(io_read_bytes),
     .is_zero_if_absent = true},
    {"blkio.throttle.io_service_bytes_recursive", "Write", CGROUP_HAS_IO, FIGURE(io_write_bytes),
     .is_zero_if_absent = true},
};

const struct cgroup_ops cgroup_v1_ops = {
    .set = {[LIMIT_MEMORY] = set_memory,
            [LIMIT_CPU] = set_cpu,
            [LIMIT_PIDS] = set_pids,
            [LIMIT_IO] = set_io,
            [LIMIT_DEVICES] = set_devices},
    .freeze = freeze,
    .is_frozen = is_frozen,
    .figures = figures,
    .figure_count = ARRAY_LENGTH(figures),
};
