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

/* OCI counts memory and swap together, v2 swap alone. */
static int set_swap(int directory, const struct cgroup_resources *resources, struct error *error)
{
    int64_t swap =
        resources->memory_swap < 0 ? -1 : resources->memory_swap - resources->memory_limit;
    struct error missing = ERROR_INIT;
    int r = set_bytes(directory, "memory.swap", "memory.swap.max", swap, &missing);

    /* "No limit" is kept where nothing limits. */
    if (r == -EOPNOTSUPP && swap < 0)
        return 0;
    if (r < 0 && error)
        *error = missing;
    return r;
}

static int set_memory(int directory, const struct cgroup_resources *resources, struct error *error)
{
    int r = 0;

    if (resources->memory_limit != 0)
        r = set_bytes(directory, "memory.limit", "memory.max", resources->memory_limit, error);
    if (r == 0 && (resources->memory_swap != 0 || resources->memory_limit < 0)) {
        struct cgroup_resources wanted = *resources;
        if (wanted.memory_swap == 0)
            wanted.memory_swap = -1;
        r = set_swap(directory, &wanted, error);
    }
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

/* cpu.max is "QUOTA PERIOD"; a period alone keeps the quota that is set. */
static int set_quota(int directory, const struct cgroup_resources *resources, struct error *error)
{
    uint64_t period = resources->cpu_period ? resources->cpu_period : 100000;
    char quota[64] = "max", text[128];

    if (resources->cpu_quota > 0) {
        snprintf(quota, sizeof(quota), "%" PRId64, resources->cpu_quota);
    } else if (resources->cpu_quota == 0) {
        int r = cgroup_file_read(directory, "cpu.max", quota, sizeof(quota));
        if (r == -ENOENT)
            snprintf(quota, sizeof(quota), "max");
        else if (r < 0)
            return error_sys(error, -r, "cpu.period: read cpu.max");
        quota[strcspn(quota, " \n")] = '\0';
    }
    snprintf(text, sizeof(text), "%s %" PRIu64, quota, period);
    return cgroup_file_set(directory, "cpu.quota", "cpu.max", text, error);
}

static int set_cpu(int directory, const struct cgroup_resources *resources, struct error *error)
{
    int r = 0;

    if (resources->cpu_shares != 0)
        r = cgroup_file_set_number(directory, "cpu.shares", "cpu.weight",
                                   cgroup_weight_of_shares(resources->cpu_shares), error);
    if (r == 0 && (resources->cpu_quota != 0 || resources->cpu_period != 0))
        r = set_quota(directory, resources, error);
    return r;
}

static int set_pids(int directory, const struct cgroup_resources *resources, struct error *error)
{
    return set_bytes(directory, "pids.limit", "pids.max", resources->pids_limit, error);
}

/* BFQ's weight is OCI's; io.weight (1..10000) is filled from 10..1000 in a straight line, as crun
 * does. */
static int set_weight(int directory, uint16_t weight, struct error *error)
{
    int r = cgroup_file_set_number(directory, "blockIO.weight", "io.bfq.weight", weight, NULL);

    if (r != -EOPNOTSUPP)
        return r < 0 ? error_sys(error, -r, "blockIO.weight: write %u to io.bfq.weight", weight)
                     : 0;
    return cgroup_file_set_number(directory, "blockIO.weight", "io.weight",
                                  1 + ((int64_t)weight - 10) * 9999 / 990, error);
}

static void format_rate(char *text, size_t size, const char *name, uint64_t rate)
{
    size_t used = strlen(text);

    if (rate)
        snprintf(text + used, size - used, " %s=%" PRIu64, name, rate);
    else
        snprintf(text + used, size - used, " %s=max", name);
}

static int set_io(int directory, const struct cgroup_resources *resources, struct error *error)
{
    int r = resources->io_weight ? set_weight(directory, resources->io_weight, error) : 0;

    for (size_t i = 0; r == 0 && i < resources->throttle_count; i++) {
        const struct cgroup_throttle *throttle = &resources->throttles[i];
        char text[160];
        snprintf(text, sizeof(text), "%u:%u", throttle->major, throttle->minor);
        format_rate(text, sizeof(text), "rbps", throttle->read_bps);
        format_rate(text, sizeof(text), "wbps", throttle->write_bps);
        format_rate(text, sizeof(text), "riops", throttle->read_iops);
        format_rate(text, sizeof(text), "wiops", throttle->write_iops);
        r = cgroup_file_set(directory, "blockIO.throttle", "io.max", text, error);
    }
    return r;
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

#define FIGURE(member) .offset = offsetof(struct cgroup_sample, member)

static const struct cgroup_figure figures[] = {
    {"cpu.stat", "usage_usec", CGROUP_HAS_CPU, FIGURE(cpu_usage_usec)},
    {"cpu.stat", "throttled_usec", CGROUP_HAS_THROTTLED, FIGURE(cpu_throttled_usec)},
    {"memory.current", NULL, CGROUP_HAS_MEMORY, FIGURE(memory_bytes)},
    {"memory.max", NULL, CGROUP_HAS_MEMORY_LIMIT, FIGURE(memory_limit_bytes)},
    {"memory.peak", NULL, CGROUP_HAS_MEMORY_PEAK, FIGURE(memory_peak_bytes)},
    {"memory.events", "oom_kill", CGROUP_HAS_OOM, FIGURE(oom_kills)},
    {"pids.current", NULL, CGROUP_HAS_TASKS, FIGURE(tasks)},
    {"pids.max", NULL, CGROUP_HAS_TASKS_LIMIT, FIGURE(tasks_limit)},
    {"io.stat", "rbytes", CGROUP_HAS_IO, FIGURE(io_read_bytes), .is_zero_if_absent = true},
    {"io.stat", "wbytes", CGROUP_HAS_IO, FIGURE(io_write_bytes), .is_zero_if_absent = true},
};

const struct cgroup_ops cgroup_v2_ops = {
    .set = {[LIMIT_MEMORY] = set_memory,
            [LIMIT_CPU] = set_cpu,
            [LIMIT_PIDS] = set_pids,
            [LIMIT_IO] = set_io,
            [LIMIT_DEVICES] = cgroup_device_attach},
    .freeze = freeze,
    .is_frozen = is_frozen,
    .figures = figures,
    .figure_count = ARRAY_LENGTH(figures),
};
