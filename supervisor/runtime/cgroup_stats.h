/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_CGROUP_STATS_H
#define RUNTIME_CGROUP_STATS_H

/*
 * What the command "events" tells of a container: all figures of its group, read when asked for,
 * and the kernel's word that it ran out of memory. For the few figures that a supervisor wants
 * every second of every container, cgroup_sample() (cgroup.h) is the cheaper way.
 *
 * One thread. The figures of hierarchies, controllers or kernels that the machine lacks are 0 or
 * absent, as runc has them.
 */

#include <jansson.h>

#include "supervisor/runtime/cgroup.h"

/* Lists are owned by the struct cgroup_stats they stand in. */
struct cgroup_numbers {
    uint64_t *values;
    size_t count;
};

struct cgroup_memory_figure {
    uint64_t limit, usage, peak, failures; /* bytes; UINT64_MAX: no limit */
};

struct cgroup_named_number {
    char name[48];
    uint64_t value;
};

struct cgroup_io_entry {
    unsigned major, minor;
    char operation[16]; /* "Read"; "" where the file has none */
    uint64_t value;
};

struct cgroup_io_table {
    struct cgroup_io_entry *entries;
    size_t count;
};

enum cgroup_io_kind {
    CGROUP_IO_SERVICE_BYTES,
    CGROUP_IO_SERVICED,
    CGROUP_IO_QUEUED,
    CGROUP_IO_SERVICE_TIME,
    CGROUP_IO_WAIT_TIME,
    CGROUP_IO_MERGED,
    CGROUP_IO_TIME,
    CGROUP_IO_SECTORS,
    CGROUP_IO_KINDS,
};

struct cgroup_hugetlb_figure {
    char page_size[16]; /* "2MB" */
    uint64_t usage, peak, failures;
};

/* Pressure stall information (the kernel's Documentation/accounting/psi.rst). */
struct cgroup_stall {
    double average10, average60, average300; /* per cent */
    uint64_t total_usec;
};

struct cgroup_pressure {
    bool is_known;
    struct cgroup_stall some, full;
};

struct cgroup_stats {
    uint64_t cpu_total_nsec, cpu_kernel_nsec, cpu_user_nsec;
    struct cgroup_numbers cpu_each, cpu_each_kernel, cpu_each_user; /* nsec, by CPU; v1 */
    uint64_t periods, throttled_periods, throttled_nsec;
    struct cgroup_pressure cpu_pressure;

    struct cgroup_numbers cpus, mems;
    /* v1's switches of a cpuset. */
    uint64_t cpu_exclusive, mem_hardwall, mem_exclusive, memory_migrate, memory_spread_page,
        memory_spread_slab, memory_pressure_enabled, sched_load_balance;
    int64_t sched_relax_domain_level;

    uint64_t cache_bytes;
    struct cgroup_memory_figure memory, swap, kernel, kernel_tcp; /* swap: memory + swap */
    struct cgroup_named_number *memory_stat;
    size_t memory_stat_count;
    struct cgroup_pressure memory_pressure;

    uint64_t tasks, tasks_limit; /* 0: no limit */

    struct cgroup_io_table io[CGROUP_IO_KINDS];
    struct cgroup_pressure io_pressure;

    struct cgroup_hugetlb_figure *hugetlb;
    size_t hugetlb_count;
};

/*
 * Reads all. 0 or -ENOMEM. The caller releases what the struct holds with cgroup_stats_clear(),
 * after an error too.
 */
int cgroup_stats_read(const struct cgroup *cgroup, struct cgroup_stats *stats, struct error *error);
void cgroup_stats_clear(struct cgroup_stats *stats);

/*
 * The object "data" of an event of type "stats" as runc prints it (its types/events.go):
 * cpu, cpuset, memory, pids, blkio, hugetlb; network_interfaces is for the caller to add. Numbers
 * above 2^63-1 (no limit) are written as 2^63-1, the largest that this JSON library holds. NULL
 * without memory. The caller owns the reference.
 */
json_t *cgroup_stats_to_json(const struct cgroup_stats *stats);

/* ---- out of memory ---- */

struct cgroup_oom_watch {
    int fd;     /* becomes readable when something happens; close-on-exec, non-blocking */
    int memory; /* the group's directory in the hierarchy of the controller */
    bool is_v2;
    uint64_t kills; /* seen so far */
};

/*
 * Begins to watch the group: kills from now on count. Poll watch->fd for reading. -EOPNOTSUPP
 * where the machine has no memory controller. Close with cgroup_oom_watch_close().
 */
int cgroup_oom_watch_open(const struct cgroup *cgroup, struct cgroup_oom_watch *watch,
                          struct error *error);
/*
 * To be called when the descriptor is readable, or at any time: 1 if tasks of the group or below
 * were killed for lack of memory since the last call (or, on v1 with the killer off, wait for
 * memory), 0 if not, -ENODEV when the group is gone. On v1 the kernel tells before it kills, so
 * this may wait, at most 20 ms.
 */
int cgroup_oom_watch_check(struct cgroup_oom_watch *watch);
void cgroup_oom_watch_close(struct cgroup_oom_watch *watch);

#endif
