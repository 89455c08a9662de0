/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup v1: the kernel's Documentation/admin-guide/cgroup-v1/ (memory, cpuacct, blkio-controller,
 * devices, freezer-subsystem, pids) and Documentation/scheduler/sched-bwc.
 */
#include "supervisor/runtime/cgroup_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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
    if (r == 0 && resources->memory_kernel_tcp != 0)
        r = cgroup_file_set_number(directory, "memory.kernelTCP", "memory.kmem.tcp.limit_in_bytes",
                                   resources->memory_kernel_tcp, error);
    if (r == 0 && resources->has_swappiness)
        r = cgroup_file_set_number(directory, "memory.swappiness", "memory.swappiness",
                                   (int64_t)resources->swappiness, error);
    if (r == 0 && resources->has_oom_killer)
        r = cgroup_file_set(directory, "memory.disableOOMKiller", "memory.oom_control",
                            resources->is_oom_killer_disabled ? "1" : "0", error);
    return r;
}

/*
 * Values that the kernel checks against one another at each write, in the order in which they are
 * written: what it refuses (EINVAL) is tried again when the others stand.
 */
struct dependent {
    const char *key, *file;
    bool is_given;
    int64_t value;
};

static int set_dependent(int directory, const struct dependent *values, size_t count,
                         struct error *error)
{
    bool is_refused[4] = {false}, is_one_set = false;
    int r = 0;

    for (size_t i = 0; r == 0 && i < count; i++) {
        if (!values[i].is_given)
            continue;
        r = cgroup_file_set_number(directory, values[i].key, values[i].file, values[i].value,
                                   error);
        is_refused[i] = r == -EINVAL;
        is_one_set |= r == 0;
        if (is_refused[i])
            r = 0;
    }
    for (size_t i = 0; r == 0 && i < count; i++)
        if (is_refused[i])
            r = is_one_set ? cgroup_file_set_number(directory, values[i].key, values[i].file,
                                                    values[i].value, error)
                           : -EINVAL; /* the message of the first try stands */
    return r;
}

static int set_bandwidth(int directory, const struct cgroup_resources *resources,
                         struct error *error)
{
    const struct dependent values[] = {
        {"cpu.period", "cpu.cfs_period_us", resources->cpu_period != 0,
         (int64_t)resources->cpu_period},
        {"cpu.quota", "cpu.cfs_quota_us", resources->cpu_quota != 0,
         resources->cpu_quota < 0 ? -1 : resources->cpu_quota},
        /* Kernels before 5.14 have no bursts, which is what 0 asks for. */
        {"cpu.burst", "cpu.cfs_burst_us",
         resources->has_cpu_burst &&
             (resources->cpu_burst || cgroup_file_exists(directory, "cpu.cfs_burst_us")),
         (int64_t)resources->cpu_burst},
    };

    return set_dependent(directory, values, ARRAY_LENGTH(values), error);
}

static int set_realtime(int directory, const struct cgroup_resources *resources,
                        struct error *error)
{
    const struct dependent values[] = {
        {"cpu.realtimePeriod", "cpu.rt_period_us", resources->cpu_realtime_period != 0,
         (int64_t)resources->cpu_realtime_period},
        {"cpu.realtimeRuntime", "cpu.rt_runtime_us", resources->cpu_realtime_runtime != 0,
         resources->cpu_realtime_runtime},
    };

    return set_dependent(directory, values, ARRAY_LENGTH(values), error);
}

static int set_cpu(int directory, const struct cgroup_resources *resources, struct error *error)
{
    int r = cgroup_set_shares(directory, resources, "cpu.shares", resources->cpu_shares, error);

    if (r == 0)
        r = set_bandwidth(directory, resources, error);
    return r < 0 ? r : set_realtime(directory, resources, error);
}

/* BFQ's files, or those of CFQ before Linux 5.0. Leaf weights were CFQ's only. */
static int set_weight(int directory, const char *suffix, const char *value, struct error *error)
{
    char key[32], file[40];

    snprintf(key, sizeof(key), "blockIO.weight%s", *suffix ? "Device" : "");
    snprintf(file, sizeof(file), "blkio.weight%s", suffix);
    if (cgroup_file_exists(directory, file))
        return cgroup_file_set(directory, key, file, value, error);
    snprintf(file, sizeof(file), "blkio.bfq.weight%s", suffix);
    return cgroup_file_set(directory, key, file, value, error);
}

static int set_weights(int directory, const struct cgroup_resources *resources, struct error *error)
{
    char text[48];
    int r = 0;

    if (resources->io_weight != 0) {
        snprintf(text, sizeof(text), "%u", resources->io_weight);
        r = set_weight(directory, "", text, error);
    }
    if (r == 0 && resources->io_leaf_weight != 0)
        r = cgroup_file_set_number(directory, "blockIO.leafWeight", "blkio.leaf_weight",
                                   resources->io_leaf_weight, error);
    for (size_t i = 0; r == 0 && i < resources->weight_count; i++) {
        const struct cgroup_weight *weight = &resources->weights[i];
        snprintf(text, sizeof(text), "%u:%u %u", weight->major, weight->minor, weight->weight);
        if (weight->weight)
            r = set_weight(directory, "_device", text, error);
        snprintf(text, sizeof(text), "%u:%u %u", weight->major, weight->minor, weight->leaf_weight);
        if (r == 0 && weight->leaf_weight)
            r = cgroup_file_set(directory, "blockIO.weightDevice.leafWeight",
                                "blkio.leaf_weight_device", text, error);
    }
    return r;
}

static int set_io(int directory, const struct cgroup_resources *resources, struct error *error)
{
    static const struct {
        const char *key, *file;
    } kinds[CGROUP_THROTTLE_KINDS] = {
        [CGROUP_READ_BPS] = {"blockIO.throttleReadBpsDevice", "blkio.throttle.read_bps_device"},
        [CGROUP_WRITE_BPS] = {"blockIO.throttleWriteBpsDevice", "blkio.throttle.write_bps_device"},
        [CGROUP_READ_IOPS] = {"blockIO.throttleReadIOPSDevice", "blkio.throttle.read_iops_device"},
        [CGROUP_WRITE_IOPS] = {"blockIO.throttleWriteIOPSDevice",
                               "blkio.throttle.write_iops_device"},
    };
    int r = set_weights(directory, resources, error);

    for (size_t i = 0; r == 0 && i < resources->throttle_count; i++) {
        const struct cgroup_throttle *throttle = &resources->throttles[i];
        char text[64]; /* a rate of 0 takes the limit away */
        snprintf(text, sizeof(text), "%u:%u %" PRIu64, throttle->major, throttle->minor,
                 throttle->rate);
        r = cgroup_file_set(directory, kinds[throttle->kind].key, kinds[throttle->kind].file, text,
                            error);
    }
    return r;
}

static int set_hugetlb(int directory, const struct cgroup_resources *resources, struct error *error)
{
    return cgroup_set_hugetlb(directory, "limit_in_bytes", resources, error);
}

static int set_class(int directory, const struct cgroup_resources *resources, struct error *error)
{
    return cgroup_file_set_number(directory, "network.classID", "net_cls.classid",
                                  resources->network_class, error);
}

static int set_priorities(int directory, const struct cgroup_resources *resources,
                          struct error *error)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < resources->priority_count; i++) {
        char text[48];
        snprintf(text, sizeof(text), "%s %" PRIu32, resources->priorities[i].interface,
                 resources->priorities[i].priority);
        r = cgroup_file_set(directory, "network.priorities", "net_prio.ifpriomap", text, error);
    }
    return r;
}

/* ---- devices ---- */

/* devices.deny and devices.allow, open while the rules are written; -1: not opened yet. */
struct rule_files {
    int directory;
    int fds[2]; /* by is_allow */
};

static int write_rule_text(struct rule_files *files, bool is_allow, const char *text,
                           struct error *error)
{
    const char *file = is_allow ? "devices.allow" : "devices.deny";
    int *fd = &files->fds[is_allow];

    if (*fd < 0)
        *fd = openat(files->directory, file, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (*fd < 0)
        return error_sys(error, errno, "devices: open %s", file);
    if (write(*fd, text, strlen(text)) < 0)
        return error_sys(error, errno, "devices: write \"%s\" to %s", text, file);
    return 0;
}

static bool is_everything(const struct cgroup_device_rule *rule)
{
    return rule->type == 'a' && rule->major < 0 && rule->minor < 0 && strlen(rule->access) == 3;
}

/*
 * The kernel takes "a" as everything, whatever numbers and accesses follow, so such a rule is given
 * for both types instead, unless it means everything.
 */
static int write_rule(struct rule_files *files, const struct cgroup_device_rule *rule,
                      struct error *error)
{
    const char *types = rule->type == 'a' ? "bc" : (const char[]){rule->type, '\0'};
    char major[24] = "*", minor[24] = "*", text[64];

    if (is_everything(rule))
        return write_rule_text(files, rule->is_allow, "a", error);
    if (rule->major >= 0)
        snprintf(major, sizeof(major), "%" PRId64, rule->major);
    if (rule->minor >= 0)
        snprintf(minor, sizeof(minor), "%" PRId64, rule->minor);
    for (const char *type = types; *type; type++) {
        snprintf(text, sizeof(text), "%c %s:%s %s", *type, major, minor, rule->access);
        int r = write_rule_text(files, rule->is_allow, text, error);
        if (r < 0)
            return r;
    }
    return 0;
}

/* A new group has its parent's rules, which may be "everything": begin with nothing, as on v2. */
static int set_devices(int directory, const struct cgroup_resources *resources, struct error *error)
{
    struct rule_files files = {.directory = directory, .fds = {-1, -1}};
    int r = cgroup_device_check(resources, error);

    if (r == 0 && !(resources->device_count && !resources->devices[0].is_allow &&
                    is_everything(&resources->devices[0])))
        r = write_rule_text(&files, false, "a", error);
    for (size_t i = 0; r == 0 && i < resources->device_count; i++)
        r = write_rule(&files, &resources->devices[i], error);
    close_fd(&files.fds[0]);
    close_fd(&files.fds[1]);
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

#define FIGURE(member, bit) .has = SLOT_HAS_##bit, .offset = offsetof(struct cgroup_sample, member)
#define USUAL               .part = CGROUP_PART_USUAL
#define DEAR                .part = CGROUP_PART_DEAR

/* A blkio file tells one field of each device. */
#define DEVICES(member, bit)                                                                       \
    .parse = cgroup_parse_blkio, .has = SLOT_HAS_##bit,                                            \
    .offset = offsetof(struct slot_device, member), USUAL

static const struct cgroup_figure figures[] = {
    {"cpuacct.usage", NULL, FIGURE(cpu_usage_usec, CPU), .divisor = 1000, .part = CGROUP_PART_CPU},
    /* In USER_HZ, which is 100 on every architecture of ours. */
    {"cpuacct.stat", "user", FIGURE(cpu_user_usec, CPU_SPLIT), .factor = 10000, USUAL},
    {"cpuacct.stat", "system", FIGURE(cpu_system_usec, CPU_SPLIT), .factor = 10000},
    {"cpu.stat", "nr_periods", FIGURE(cpu_periods, CPU_THROTTLE), USUAL},
    {"cpu.stat", "nr_throttled", FIGURE(cpu_throttled_periods, CPU_THROTTLE)},
    {"cpu.stat", "throttled_time", FIGURE(cpu_throttled_usec, CPU_THROTTLE), .divisor = 1000},
    {"memory.usage_in_bytes", NULL, FIGURE(memory_bytes, MEMORY), USUAL},
    {"memory.limit_in_bytes", NULL, FIGURE(memory_limit_bytes, MEMORY_LIMIT), DEAR},
    {"memory.max_usage_in_bytes", NULL, FIGURE(memory_peak_bytes, MEMORY_PEAK), USUAL},
    {"memory.memsw.usage_in_bytes", NULL, .has = SLOT_HAS_SWAP, .is_in_reading = true,
     .offset = offsetof(struct cgroup_reading, memory_and_swap_bytes), USUAL},
    {"memory.memsw.limit_in_bytes", NULL, .has = SLOT_HAS_SWAP_LIMIT, .is_in_reading = true,
     .offset = offsetof(struct cgroup_reading, memory_and_swap_limit_bytes), DEAR},
    {"memory.failcnt", NULL, FIGURE(memory_limit_hits, MEMORY_HITS), USUAL},
    /* Which of the two limits fails first is not said where they are the same. */
    {"memory.memsw.failcnt", NULL, .has = SLOT_HAS_MEMORY_HITS, .is_in_reading = true,
     .offset = offsetof(struct cgroup_reading, memory_and_swap_hits), USUAL},
    {"memory.oom_control", "oom_kill", FIGURE(oom_kills, OOM), USUAL},
    {"memory.stat", "total_rss", FIGURE(memory_anon_bytes, MEMORY_DETAIL), DEAR},
    {"memory.stat", "total_cache", FIGURE(memory_file_bytes, MEMORY_DETAIL)},
    {"memory.stat", "total_pgfault", FIGURE(page_faults, FAULTS)},
    {"memory.stat", "total_pgmajfault", FIGURE(major_page_faults, FAULTS)},
    {"memory.kmem.usage_in_bytes", NULL, FIGURE(memory_kernel_bytes, MEMORY_KERNEL), DEAR},
    {"pids.current", NULL, FIGURE(tasks, TASKS), USUAL},
    {"pids.max", NULL, FIGURE(tasks_limit, TASKS_LIMIT), DEAR},
    {"pids.events", "max", FIGURE(tasks_limit_hits, TASKS_HITS), USUAL},
    {"blkio.throttle.io_service_bytes_recursive", NULL, DEVICES(read_bytes, IO)},
    {"blkio.throttle.io_serviced_recursive", NULL, DEVICES(read_ops, IO_OPS)},
    /* Kernels with CFQ (before 5.0), and those with BFQ and its debugging counters. */
    {"blkio.io_wait_time_recursive", NULL, .parse = cgroup_parse_blkio_wait,
     .has = SLOT_HAS_IO_WAIT, USUAL},
    {"blkio.bfq.io_wait_time_recursive", NULL, .parse = cgroup_parse_blkio_wait,
     .has = SLOT_HAS_IO_WAIT, USUAL},
};

const struct cgroup_ops cgroup_v1_ops = {
    .set = {[LIMIT_MEMORY] = set_memory,
            [LIMIT_CPU] = set_cpu,
            [LIMIT_PIDS] = cgroup_set_pids,
            [LIMIT_CPUSET] = cgroup_set_cpuset,
            [LIMIT_IO] = set_io,
            [LIMIT_HUGETLB] = set_hugetlb,
            [LIMIT_NETWORK_CLASS] = set_class,
            [LIMIT_NETWORK_PRIORITY] = set_priorities,
            [LIMIT_RDMA] = cgroup_set_rdma,
            [LIMIT_DEVICES] = set_devices},
    .freeze = freeze,
    .is_frozen = is_frozen,
    .figures = figures,
    .figure_count = ARRAY_LENGTH(figures),
};
