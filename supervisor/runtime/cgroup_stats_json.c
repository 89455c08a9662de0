/* SPDX-License-Identifier: Apache-2.0 */
/* The figures of a group as runc's "events --stats" prints them: what is zero is often left out. */
#include "supervisor/runtime/cgroup_stats.h"

#include <string.h>

#include "common/cleanup.h"

/* Each function below gives a new reference or NULL, and json_object_set_new() fails on NULL. */

static json_t *number(uint64_t value)
{
    return json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value);
}

static int set(json_t *object, const char *key, uint64_t value)
{
    return json_object_set_new(object, key, number(value));
}

static int set_unless_zero(json_t *object, const char *key, uint64_t value)
{
    return value ? set(object, key, value) : 0;
}

static int set_numbers(json_t *object, const char *key, const struct cgroup_numbers *numbers)
{
    if (numbers->count == 0)
        return 0;
    json_t *array = json_array();
    int r = array ? 0 : -1;
    for (size_t i = 0; i < numbers->count; i++)
        r |= json_array_append_new(array, number(numbers->values[i]));
    return r | json_object_set_new(object, key, array);
}

/* A part that may fail halfway is thrown away whole. */
static json_t *unless_failed(json_t *object, int r)
{
    if (r == 0)
        return object;
    json_decref(object);
    return NULL;
}

static json_t *stall_object(const struct cgroup_stall *stall)
{
    return json_pack("{s:f, s:f, s:f, s:o}", "avg10", stall->average10, "avg60", stall->average60,
                     "avg300", stall->average300, "total", number(stall->total_usec));
}

static int set_pressure(json_t *object, const struct cgroup_pressure *pressure)
{
    static const struct cgroup_stall nothing = {0};

    if (!pressure->is_known)
        return 0;
    json_t *psi = json_object();
    int r = psi ? 0 : -1;
    if (memcmp(&pressure->some, &nothing, sizeof(nothing)) != 0)
        r |= json_object_set_new(psi, "some", stall_object(&pressure->some));
    if (memcmp(&pressure->full, &nothing, sizeof(nothing)) != 0)
        r |= json_object_set_new(psi, "full", stall_object(&pressure->full));
    return r | json_object_set_new(object, "psi", psi);
}

static json_t *cpu_object(const struct cgroup_stats *stats)
{
    json_t *cpu = json_object(), *usage = json_object(), *throttling = json_object();
    int r = set_unless_zero(usage, "total", stats->cpu_total_nsec);

    r |= set_numbers(usage, "percpu", &stats->cpu_each);
    r |= set_numbers(usage, "percpu_kernel", &stats->cpu_each_kernel);
    r |= set_numbers(usage, "percpu_user", &stats->cpu_each_user);
    r |= set(usage, "kernel", stats->cpu_kernel_nsec);
    r |= set(usage, "user", stats->cpu_user_nsec);
    r |= set_unless_zero(throttling, "periods", stats->periods);
    r |= set_unless_zero(throttling, "throttledPeriods", stats->throttled_periods);
    r |= set_unless_zero(throttling, "throttledTime", stats->throttled_nsec);
    r |= json_object_set_new(cpu, "usage", usage);
    if (json_object_size(throttling) > 0)
        r |= json_object_set(cpu, "throttling", throttling);
    json_decref(throttling);
    r |= set_pressure(cpu, &stats->cpu_pressure);
    return unless_failed(cpu, r);
}

static json_t *cpuset_object(const struct cgroup_stats *stats)
{
    json_t *cpuset = json_object();
    int r = set_numbers(cpuset, "cpus", &stats->cpus);

    r |= set(cpuset, "cpu_exclusive", stats->cpu_exclusive);
    r |= set_numbers(cpuset, "mems", &stats->mems);
    r |= set(cpuset, "mem_hardwall", stats->mem_hardwall);
    r |= set(cpuset, "mem_exclusive", stats->mem_exclusive);
    r |= set(cpuset, "memory_migrate", stats->memory_migrate);
    r |= set(cpuset, "memory_spread_page", stats->memory_spread_page);
    r |= set(cpuset, "memory_spread_slab", stats->memory_spread_slab);
    r |= set(cpuset, "memory_pressure", stats->memory_pressure_enabled);
    r |= set(cpuset, "sched_load_balance", stats->sched_load_balance);
    r |= json_object_set_new(cpuset, "sched_relax_domain_level",
                             json_integer(stats->sched_relax_domain_level));
    return unless_failed(cpuset, r);
}

static int set_memory(json_t *object, const char *key, const struct cgroup_memory_figure *figure)
{
    if (!figure->limit && !figure->usage && !figure->peak && !figure->failures)
        return 0;
    json_t *entry = json_object();
    int r = set(entry, "limit", figure->limit);
    r |= set_unless_zero(entry, "usage", figure->usage);
    r |= set_unless_zero(entry, "max", figure->peak);
    r |= set(entry, "failcnt", figure->failures);
    return r | json_object_set_new(object, key, entry);
}

static json_t *memory_object(const struct cgroup_stats *stats)
{
    json_t *memory = json_object();
    int r = set_unless_zero(memory, "cache", stats->cache_bytes);

    r |= set_memory(memory, "usage", &stats->memory);
    r |= set_memory(memory, "swap", &stats->swap);
    r |= set_memory(memory, "kernel", &stats->kernel);
    r |= set_memory(memory, "kernelTCP", &stats->kernel_tcp);
    if (stats->memory_stat_count > 0) {
        json_t *raw = json_object();
        for (size_t i = 0; i < stats->memory_stat_count; i++)
            r |= set(raw, stats->memory_stat[i].name, stats->memory_stat[i].value);
        r |= json_object_set_new(memory, "raw", raw);
    }
    r |= set_pressure(memory, &stats->memory_pressure);
    return unless_failed(memory, r);
}

static json_t *pids_object(const struct cgroup_stats *stats)
{
    json_t *pids = json_object();
    int r = set_unless_zero(pids, "current", stats->tasks);

    r |= set_unless_zero(pids, "limit", stats->tasks_limit);
    return unless_failed(pids, r);
}

static json_t *io_entry_object(const struct cgroup_io_entry *entry)
{
    json_t *object = json_object();
    int r = set_unless_zero(object, "major", entry->major);

    r |= set_unless_zero(object, "minor", entry->minor);
    if (*entry->operation)
        r |= json_object_set_new(object, "op", json_string(entry->operation));
    r |= set_unless_zero(object, "value", entry->value);
    return unless_failed(object, r);
}

static json_t *io_object(const struct cgroup_stats *stats)
{
    static const char *const keys[CGROUP_IO_KINDS] = {
        [CGROUP_IO_SERVICE_BYTES] = "ioServiceBytesRecursive",
        [CGROUP_IO_SERVICED] = "ioServicedRecursive",
        [CGROUP_IO_QUEUED] = "ioQueueRecursive",
        [CGROUP_IO_SERVICE_TIME] = "ioServiceTimeRecursive",
        [CGROUP_IO_WAIT_TIME] = "ioWaitTimeRecursive",
        [CGROUP_IO_MERGED] = "ioMergedRecursive",
        [CGROUP_IO_TIME] = "ioTimeRecursive",
        [CGROUP_IO_SECTORS] = "sectorsRecursive",
    };
    json_t *io = json_object();
    int r = io ? 0 : -1;

    for (size_t kind = 0; kind < CGROUP_IO_KINDS; kind++) {
        const struct cgroup_io_table *table = &stats->io[kind];
        if (table->count == 0)
            continue;
        json_t *array = json_array();
        for (size_t i = 0; i < table->count; i++)
            r |= json_array_append_new(array, io_entry_object(&table->entries[i]));
        r |= json_object_set_new(io, keys[kind], array);
    }
    r |= set_pressure(io, &stats->io_pressure);
    return unless_failed(io, r);
}

static json_t *hugetlb_object(const struct cgroup_stats *stats)
{
    json_t *hugetlb = json_object();
    int r = hugetlb ? 0 : -1;

    for (size_t i = 0; i < stats->hugetlb_count; i++) {
        const struct cgroup_hugetlb_figure *figure = &stats->hugetlb[i];
        json_t *entry = json_object();
        r |= set_unless_zero(entry, "usage", figure->usage);
        r |= set_unless_zero(entry, "max", figure->peak);
        r |= set(entry, "failcnt", figure->failures);
        r |= json_object_set_new(hugetlb, figure->page_size, entry);
    }
    return unless_failed(hugetlb, r);
}

json_t *cgroup_stats_to_json(const struct cgroup_stats *stats)
{
    static const struct {
        const char *key;
        json_t *(*make)(const struct cgroup_stats *stats);
    } parts[] = {
        {"cpu", cpu_object},   {"cpuset", cpuset_object}, {"memory", memory_object},
        {"pids", pids_object}, {"blkio", io_object},      {"hugetlb", hugetlb_object},
    };
    json_t *data = json_object();
    int r = data ? 0 : -1;

    for (size_t i = 0; i < ARRAY_LENGTH(parts); i++)
        r |= json_object_set_new(data, parts[i].key, parts[i].make(stats));
    return unless_failed(data, r);
}
