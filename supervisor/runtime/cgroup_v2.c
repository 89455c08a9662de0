/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup v2: the kernel's Documentation/admin-guide/cgroup-v2.rst. OCI's values are v1's; how they
 * become v2's is said at each function.
 */
#include "supervisor/runtime/cgroup_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"

/* ---- limits ---- */

static int set_bytes(int directory, const char *key, const char *file, int64_t bytes,
                     struct error *error)
{
    if (bytes < 0)
        return cgroup_file_set(directory, key, file, "max", error);
    return cgroup_file_set_number(directory, key, file, bytes, error);
}

/*
 * OCI counts memory and swap together, v2 swap alone. Without a memory limit in the same breath
 * (an update) the one that stands is taken.
 */
static int swap_alone(int directory, const struct cgroup_resources *resources, int64_t *swap,
                      struct error *error)
{
    uint64_t limit = (uint64_t)resources->memory_limit;

    *swap = resources->memory_swap;
    if (*swap <= 0) /* "no limit", also when only the memory limit goes */
        *swap = -1;
    if (*swap < 0 || resources->memory_limit < 0)
        return 0;
    if (limit == 0) {
        int r = cgroup_file_number(directory, "memory.max", &limit);
        if (r < 0)
            return error_sys(error, -r, "memory.swap: read memory.max");
        if (limit >= CGROUP_UNLIMITED)
            return error_set(error, EINVAL,
                             "memory.swap: it counts memory and swap together and needs "
                             "memory.limit");
    }
    if ((uint64_t)*swap < limit)
        return error_set(error, EINVAL,
                         "memory.swap: %" PRId64 " is below the memory limit %" PRIu64
                         "; it counts memory and swap together",
                         *swap, limit);
    *swap -= (int64_t)limit;
    return 0;
}

static int set_swap(int directory, const struct cgroup_resources *resources, struct error *error)
{
    struct error missing = ERROR_INIT;
    int64_t swap;

    int r = swap_alone(directory, resources, &swap, error);
    if (r < 0)
        return r;
    r = set_bytes(directory, "memory.swap", "memory.swap.max", swap, &missing);
    /* "No limit" is kept where nothing limits. */
    if (r == -EOPNOTSUPP && swap < 0)
        return 0;
    if (r < 0 && error)
        *error = missing;
    return r;
}

/* checkBeforeUpdate: v1 refuses such a limit by itself, v2 would begin to kill. */
static int check_usage(int directory, const struct cgroup_resources *resources, struct error *error)
{
    uint64_t used;

    if (!resources->is_usage_checked || resources->memory_limit <= 0 ||
        cgroup_file_number(directory, "memory.current", &used) < 0 ||
        used <= (uint64_t)resources->memory_limit)
        return 0;
    return error_set(error, EBUSY,
                     "memory.limit: %" PRId64 " bytes: the group uses %" PRIu64
                     " and checkBeforeUpdate is set",
                     resources->memory_limit, used);
}

static int set_memory(int directory, const struct cgroup_resources *resources, struct error *error)
{
    if (resources->has_swappiness)
        return error_set(error, EOPNOTSUPP,
                         "memory.swappiness: cgroup v2 has no such setting; leave it out");
    if (resources->memory_kernel_tcp > 0)
        return error_set(error, EOPNOTSUPP,
                         "memory.kernelTCP: cgroup v2 counts it in memory.limit; leave it out");
    if (resources->is_oom_killer_disabled)
        return error_set(error, EOPNOTSUPP,
                         "memory.disableOOMKiller: cgroup v2 cannot; leave it out");
    int r = check_usage(directory, resources, error);
    if (r == 0 && (resources->memory_swap != 0 || resources->memory_limit < 0))
        r = set_swap(directory, resources, error);
    if (r == 0 && resources->memory_limit != 0)
        r = set_bytes(directory, "memory.limit", "memory.max", resources->memory_limit, error);
    if (r == 0 && resources->memory_reservation != 0)
        r = set_bytes(directory, "memory.reservation", "memory.low", resources->memory_reservation,
                      error);
    return r;
}

/*
 * The curve that runc (from 1.3.2) and crun (from 1.23) use: it takes the least, the default and
 * the greatest of the shares (2, 1024, 262144) to those of the weights (1, 100, 10000), with l =
 * log2: weight = 10^((l^2 + 125 l) / 612 - 7/34).
 */
unsigned cgroup_weight_of_shares(uint64_t shares)
{
    if (shares <= 2)
        return 1;
    if (shares >= 262144)
        return 10000;
    double l = log2((double)shares);
    double weight = pow(10, (l * l + 125 * l) / 612 - 7.0 / 34.0);
    /* Rounded up, but not for the last bits of a double: 1024 is 100. */
    return (unsigned)ceil(weight - 1e-6);
}

/* cpu.max is "QUOTA PERIOD": a quota alone keeps the period, a period needs the quota said. */
static int set_quota(int directory, const struct cgroup_resources *resources, struct error *error)
{
    char quota[64] = "max", text[128];

    if (resources->cpu_quota > 0) {
        snprintf(quota, sizeof(quota), "%" PRId64, resources->cpu_quota);
    } else if (resources->cpu_quota == 0) {
        int r = cgroup_file_read(directory, "cpu.max", quota, sizeof(quota));
        if (r < 0 && r != -ENOENT)
            return error_sys(error, -r, "cpu.period: read cpu.max");
        quota[r < 0 ? 0 : strcspn(quota, " \n")] = '\0';
    }
    snprintf(text, sizeof(text), "%s", quota);
    if (resources->cpu_period)
        snprintf(text, sizeof(text), "%s %" PRIu64, quota, resources->cpu_period);
    return cgroup_file_set(directory, "cpu.quota", "cpu.max", text, error);
}

/* The kernel wants burst <= quota at each write: what it refuses first it may take after. */
static int set_bandwidth(int directory, const struct cgroup_resources *resources,
                         struct error *error)
{
    bool has_quota = resources->cpu_quota != 0 || resources->cpu_period != 0;
    /* Kernels before 5.14 have no bursts, which is what 0 asks for. */
    bool has_burst = resources->has_cpu_burst &&
                     (resources->cpu_burst || cgroup_file_exists(directory, "cpu.max.burst"));
    int64_t burst = (int64_t)resources->cpu_burst;
    int r = 0;

    if (has_burst) {
        r = cgroup_file_set_number(directory, "cpu.burst", "cpu.max.burst", burst, error);
        has_burst = r == -EINVAL && has_quota;
        if (has_burst)
            r = 0;
    }
    if (r == 0 && has_quota)
        r = set_quota(directory, resources, error);
    if (r == 0 && has_burst)
        r = cgroup_file_set_number(directory, "cpu.burst", "cpu.max.burst", burst, error);
    return r;
}

static int set_cpu(int directory, const struct cgroup_resources *resources, struct error *error)
{
    if (resources->cpu_realtime_runtime || resources->cpu_realtime_period)
        return error_set(error, EOPNOTSUPP,
                         "cpu.realtimeRuntime and cpu.realtimePeriod: cgroup v2 has no such "
                         "limits; leave them out");
    unsigned weight = resources->cpu_shares ? cgroup_weight_of_shares(resources->cpu_shares) : 0;
    int r = cgroup_set_shares(directory, resources, "cpu.weight", weight, error);
    return r < 0 ? r : set_bandwidth(directory, resources, error);
}

/*
 * BFQ's weight is OCI's; io.weight (1..10000) is filled from 10..1000 in a straight line, as crun
 * and runc do. device is "8:0 " or "".
 */
static int set_weight(int directory, const char *key, const char *device, unsigned weight,
                      struct error *error)
{
    const char *file =
        cgroup_file_exists(directory, "io.bfq.weight") ? "io.bfq.weight" : "io.weight";
    char text[48];

    if (strcmp(file, "io.weight") == 0)
        weight = cgroup_io_weight(weight);
    snprintf(text, sizeof(text), "%s%u", device, weight);
    return cgroup_file_set(directory, key, file, text, error);
}

static int set_weights(int directory, const struct cgroup_resources *resources, struct error *error)
{
    bool has_leaf = resources->io_leaf_weight != 0;
    int r = 0;

    for (size_t i = 0; i < resources->weight_count; i++)
        has_leaf |= resources->weights[i].leaf_weight != 0;
    if (has_leaf)
        return error_set(error, EOPNOTSUPP,
                         "blockIO.leafWeight: cgroup v2 has no such weight; leave it out");
    if (resources->io_weight)
        r = set_weight(directory, "blockIO.weight", "", resources->io_weight, error);
    for (size_t i = 0; r == 0 && i < resources->weight_count; i++) {
        const struct cgroup_weight *weight = &resources->weights[i];
        char device[32];
        snprintf(device, sizeof(device), "%u:%u ", weight->major, weight->minor);
        r = set_weight(directory, "blockIO.weightDevice", device, weight->weight, error);
    }
    return r;
}

static int set_io(int directory, const struct cgroup_resources *resources, struct error *error)
{
    static const struct {
        const char *key, *name;
    } kinds[CGROUP_THROTTLE_KINDS] = {
        [CGROUP_READ_BPS] = {"blockIO.throttleReadBpsDevice", "rbps"},
        [CGROUP_WRITE_BPS] = {"blockIO.throttleWriteBpsDevice", "wbps"},
        [CGROUP_READ_IOPS] = {"blockIO.throttleReadIOPSDevice", "riops"},
        [CGROUP_WRITE_IOPS] = {"blockIO.throttleWriteIOPSDevice", "wiops"},
    };
    int r = set_weights(directory, resources, error);

    for (size_t i = 0; r == 0 && i < resources->throttle_count; i++) {
        const struct cgroup_throttle *throttle = &resources->throttles[i];
        char rate[24] = "max", text[80];
        if (throttle->rate)
            snprintf(rate, sizeof(rate), "%" PRIu64, throttle->rate);
        snprintf(text, sizeof(text), "%u:%u %s=%s", throttle->major, throttle->minor,
                 kinds[throttle->kind].name, rate);
        r = cgroup_file_set(directory, kinds[throttle->kind].key, "io.max", text, error);
    }
    return r;
}

static int set_hugetlb(int directory, const struct cgroup_resources *resources, struct error *error)
{
    return cgroup_set_hugetlb(directory, "max", resources, error);
}

/* ---- freezer ---- */

static int freeze(int directory, bool is_wanted)
{
    return cgroup_file_write(directory, "cgroup.freeze", is_wanted ? "1" : "0");
}

static int is_frozen(int directory)
{
    char events[256];
    uint64_t value;
    int r = cgroup_file_read(directory, "cgroup.events", events, sizeof(events));

    if (r < 0)
        return r;
    return cgroup_text_sum(events, "frozen", &value) == 1 && value == 1;
}

/* ---- figures ---- */

#define FIGURE(member, bit) .has = SLOT_HAS_##bit, .offset = offsetof(struct cgroup_sample, member)
#define USUAL               .part = CGROUP_PART_USUAL
#define DEAR                .part = CGROUP_PART_DEAR

#define PRESSURE(kind)                                                                             \
    .parse = cgroup_parse_pressure, .has = SLOT_HAS_PSI_##kind,                                    \
    .offset = offsetof(struct cgroup_sample, pressure[PRESSURE_##kind]), USUAL

static const struct cgroup_figure figures[] = {
    {"cpu.stat", "usage_usec", FIGURE(cpu_usage_usec, CPU), .part = CGROUP_PART_CPU},
    {"cpu.stat", "user_usec", FIGURE(cpu_user_usec, CPU_SPLIT)},
    {"cpu.stat", "system_usec", FIGURE(cpu_system_usec, CPU_SPLIT)},
    {"cpu.stat", "nr_periods", FIGURE(cpu_periods, CPU_THROTTLE)},
    {"cpu.stat", "nr_throttled", FIGURE(cpu_throttled_periods, CPU_THROTTLE)},
    {"cpu.stat", "throttled_usec", FIGURE(cpu_throttled_usec, CPU_THROTTLE)},
    {"memory.current", NULL, FIGURE(memory_bytes, MEMORY), USUAL},
    {"memory.max", NULL, FIGURE(memory_limit_bytes, MEMORY_LIMIT), DEAR},
    {"memory.peak", NULL, FIGURE(memory_peak_bytes, MEMORY_PEAK), USUAL},
    {"memory.swap.current", NULL, FIGURE(swap_bytes, SWAP), USUAL},
    {"memory.swap.max", NULL, FIGURE(swap_limit_bytes, SWAP_LIMIT), DEAR},
    {"memory.events", "max", FIGURE(memory_limit_hits, MEMORY_HITS), USUAL},
    {"memory.events", "oom_kill", FIGURE(oom_kills, OOM)},
    {"memory.stat", "anon", FIGURE(memory_anon_bytes, MEMORY_DETAIL), DEAR},
    {"memory.stat", "file", FIGURE(memory_file_bytes, MEMORY_DETAIL)},
    {"memory.stat", "kernel", FIGURE(memory_kernel_bytes, MEMORY_KERNEL)},
    {"memory.stat", "pgfault", FIGURE(page_faults, FAULTS)},
    {"memory.stat", "pgmajfault", FIGURE(major_page_faults, FAULTS)},
    {"pids.current", NULL, FIGURE(tasks, TASKS), USUAL},
    {"pids.max", NULL, FIGURE(tasks_limit, TASKS_LIMIT), DEAR},
    {"pids.events", "max", FIGURE(tasks_limit_hits, TASKS_HITS), USUAL},
    {"io.stat", NULL, .parse = cgroup_parse_io_stat, .has = SLOT_HAS_IO | SLOT_HAS_IO_OPS, USUAL},
    {"cpu.pressure", NULL, PRESSURE(CPU)},
    {"memory.pressure", NULL, PRESSURE(MEMORY)},
    {"io.pressure", NULL, PRESSURE(IO)},
};

const struct cgroup_ops cgroup_v2_ops = {
    .set = {[LIMIT_MEMORY] = set_memory,
            [LIMIT_CPU] = set_cpu,
            [LIMIT_PIDS] = cgroup_set_pids,
            [LIMIT_CPUSET] = cgroup_set_cpuset,
            [LIMIT_IO] = set_io,
            [LIMIT_HUGETLB] = set_hugetlb,
            [LIMIT_RDMA] = cgroup_set_rdma,
            [LIMIT_DEVICES] = cgroup_device_attach},
    .freeze = freeze,
    .is_frozen = is_frozen,
    .figures = figures,
    .figure_count = ARRAY_LENGTH(figures),
};
