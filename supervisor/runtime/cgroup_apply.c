/* SPDX-License-Identifier: Apache-2.0 */
/* Which limits are asked for, what controller each needs, and where that lives. */
#include "supervisor/runtime/cgroup_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"

enum wanted {
    WANTED_NOT = 0,
    WANTED_UNLIMITED, /* only "no limit": true where nothing can limit */
    WANTED_LIMIT,
};

static enum wanted wants(int64_t value)
{
    return value == 0 ? WANTED_NOT : value < 0 ? WANTED_UNLIMITED : WANTED_LIMIT;
}

static enum wanted wants_most(enum wanted a, enum wanted b)
{
    return a > b ? a : b;
}

/* For what is either asked for or not, and asks for nothing with its default. */
static enum wanted wants_setting(bool is_given, bool is_default)
{
    return !is_given ? WANTED_NOT : is_default ? WANTED_UNLIMITED : WANTED_LIMIT;
}

static enum wanted wants_memory(const struct cgroup_resources *resources)
{
    enum wanted wanted = wants(resources->memory_limit);

    wanted = wants_most(wanted, wants(resources->memory_swap));
    wanted = wants_most(wanted, wants(resources->memory_reservation));
    wanted = wants_most(wanted, wants_setting(resources->has_swappiness, false));
    return wants_most(wanted,
                      wants_setting(resources->has_oom_killer, !resources->is_oom_killer_disabled));
}

static enum wanted wants_cpu(const struct cgroup_resources *resources)
{
    if (resources->cpu_shares || resources->cpu_period || resources->cpu_realtime_runtime ||
        resources->cpu_realtime_period)
        return WANTED_LIMIT;
    enum wanted wanted = wants(resources->cpu_quota);
    wanted = wants_most(wanted, wants_setting(resources->has_cpu_burst, !resources->cpu_burst));
    return wants_most(wanted, wants_setting(resources->has_cpu_idle, !resources->cpu_idle));
}

static enum wanted wants_pids(const struct cgroup_resources *resources)
{
    return wants_setting(resources->has_pids_limit, resources->pids_limit < 0);
}

static enum wanted wants_cpuset(const struct cgroup_resources *resources)
{
    return resources->cpus || resources->mems ? WANTED_LIMIT : WANTED_NOT;
}

static enum wanted wants_io(const struct cgroup_resources *resources)
{
    return resources->io_weight || resources->io_leaf_weight || resources->weight_count ||
                   resources->throttle_count
               ? WANTED_LIMIT
               : WANTED_NOT;
}

static enum wanted wants_hugetlb(const struct cgroup_resources *resources)
{
    return resources->hugepage_count ? WANTED_LIMIT : WANTED_NOT;
}

static enum wanted wants_class(const struct cgroup_resources *resources)
{
    return wants_setting(resources->has_network_class, resources->network_class == 0);
}

static enum wanted wants_priority(const struct cgroup_resources *resources)
{
    return resources->priority_count ? WANTED_LIMIT : WANTED_NOT;
}

static enum wanted wants_rdma(const struct cgroup_resources *resources)
{
    return resources->rdma_count ? WANTED_LIMIT : WANTED_NOT;
}

static enum wanted wants_devices(const struct cgroup_resources *resources)
{
    return resources->device_count ? WANTED_LIMIT : WANTED_NOT;
}

static const struct {
    const char *key; /* below linux.resources of an OCI config */
    enum cgroup_controller controller;
    enum wanted (*wanted)(const struct cgroup_resources *resources);
} limits[LIMIT_COUNT] = {
    [LIMIT_MEMORY] = {"memory", CGROUP_MEMORY, wants_memory},
    [LIMIT_CPU] = {"cpu", CGROUP_CPU, wants_cpu},
    [LIMIT_PIDS] = {"pids", CGROUP_PIDS, wants_pids},
    [LIMIT_CPUSET] = {"cpu.cpus and cpu.mems", CGROUP_CPUSET, wants_cpuset},
    [LIMIT_IO] = {"blockIO", CGROUP_IO, wants_io},
    [LIMIT_HUGETLB] = {"hugepageLimits", CGROUP_HUGETLB, wants_hugetlb},
    [LIMIT_NETWORK_CLASS] = {"network.classID", CGROUP_NET_CLS, wants_class},
    [LIMIT_NETWORK_PRIORITY] = {"network.priorities", CGROUP_NET_PRIO, wants_priority},
    [LIMIT_RDMA] = {"rdma", CGROUP_RDMA, wants_rdma},
    [LIMIT_DEVICES] = {"devices", CGROUP_DEVICES, wants_devices},
};

static int check_weight(const char *key, unsigned weight, struct error *error)
{
    if (weight == 0 || (weight >= 10 && weight <= 1000))
        return 0;
    return error_set(error, EINVAL, "blockIO.%s: %u is not from 10 to 1000", key, weight);
}

/* What both versions demand alike. */
static int check_resources(const struct cgroup_resources *resources, struct error *error)
{
    int64_t limit = resources->memory_limit, swap = resources->memory_swap;

    if (swap > 0 && limit > 0 && swap < limit)
        return error_set(error, EINVAL,
                         "memory.swap: %" PRId64 " is below memory.limit %" PRId64
                         "; it counts memory and swap together",
                         swap, limit);
    int r = check_weight("weight", resources->io_weight, error);
    if (r == 0)
        r = check_weight("leafWeight", resources->io_leaf_weight, error);
    for (size_t i = 0; r == 0 && i < resources->weight_count; i++) {
        r = check_weight("weightDevice", resources->weights[i].weight, error);
        if (r == 0)
            r = check_weight("weightDevice", resources->weights[i].leaf_weight, error);
    }
    return r;
}

static int apply_limit(struct cgroup *cgroup, size_t i, const struct cgroup_resources *resources,
                       struct error *error)
{
    const struct cgroup_driver *driver = cgroup->driver;
    enum wanted wanted = limits[i].wanted(resources);
    int home = driver->home[__builtin_ctz(limits[i].controller)];

    if (wanted == WANTED_NOT || (home < 0 && wanted == WANTED_UNLIMITED))
        return 0;
    if (home < 0 || !driver->hierarchies[home].ops->set[i])
        return error_set(
            error, EOPNOTSUPP,
            "%s: this limit needs the cgroup controller \"%s\", which this machine does "
            "not have; boot it with the controller or leave the limit out",
            limits[i].key, cgroup_controller_name(limits[i].controller, driver->mode == CGROUP_V2));
    int directory = cgroup_directory(cgroup, (size_t)home);
    if (directory < 0)
        return error_set(error, ENOENT, "%s: the group is not in the hierarchy %s", limits[i].key,
                         cgroup_hierarchy_name(&driver->hierarchies[home]));
    if (home == driver->v2 && limits[i].controller & CGROUP_ON_DEMAND) {
        int r = cgroup_enable(cgroup, limits[i].controller, error);
        if (r < 0)
            return r;
    }
    return driver->hierarchies[home].ops->set[i](directory, resources, error);
}

int cgroup_apply(struct cgroup *cgroup, const struct cgroup_resources *resources,
                 struct error *error)
{
    if (!resources)
        return 0;
    int r = check_resources(resources, error);
    for (size_t i = 0; r == 0 && i < LIMIT_COUNT; i++)
        r = apply_limit(cgroup, i, resources, error);
    if (r == 0)
        r = cgroup_unified_apply(cgroup, resources, error);
    return r < 0 ? error_wrap(error, "cgroup %s: linux.resources", cgroup->path) : 0;
}

/* ---- what the versions do alike ---- */

unsigned cgroup_io_weight(unsigned weight)
{
    return 1 + (weight - 10) * 9999 / 990;
}

/*
 * 0 tasks is written as 1: no fork either way, but the first process can be born in the group
 * (CLONE_INTO_CGROUP), and systemd, which has no 0, agrees.
 */
int cgroup_set_pids(int directory, const struct cgroup_resources *resources, struct error *error)
{
    if (resources->pids_limit < 0)
        return cgroup_file_set(directory, "pids.limit", "pids.max", "max", error);
    return cgroup_file_set_number(directory, "pids.limit", "pids.max",
                                  resources->pids_limit ? resources->pids_limit : 1, error);
}

/* A group that is idle takes no weight (EINVAL), so idleness ends first and begins last. */
int cgroup_set_shares(int directory, const struct cgroup_resources *resources, const char *file,
                      uint64_t value, struct error *error)
{
    /* Kernels before 5.15 have no idle groups, which is what 0 asks for. */
    bool has_idle = resources->has_cpu_idle &&
                    (resources->cpu_idle || cgroup_file_exists(directory, "cpu.idle"));
    int r = 0;

    if (has_idle && (value || !resources->cpu_idle))
        r = cgroup_file_set(directory, "cpu.idle", "cpu.idle", "0", error);
    if (r == 0 && value)
        r = cgroup_file_set_number(directory, "cpu.shares", file, (int64_t)value, error);
    if (r == 0 && has_idle && resources->cpu_idle)
        r = cgroup_file_set_number(directory, "cpu.idle", "cpu.idle", resources->cpu_idle, error);
    return r;
}

int cgroup_set_cpuset(int directory, const struct cgroup_resources *resources, struct error *error)
{
    int r = 0;

    if (resources->cpus)
        r = cgroup_file_set(directory, "cpu.cpus", "cpuset.cpus", resources->cpus, error);
    if (r == 0 && resources->mems)
        r = cgroup_file_set(directory, "cpu.mems", "cpuset.mems", resources->mems, error);
    return r;
}

int cgroup_set_hugetlb(int directory, const char *suffix, const struct cgroup_resources *resources,
                       struct error *error)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < resources->hugepage_count; i++) {
        const struct cgroup_hugepage *page = &resources->hugepages[i];
        char file[64], value[24];
        snprintf(value, sizeof(value), "%" PRIu64, page->limit);
        snprintf(file, sizeof(file), "hugetlb.%s.%s", page->page_size, suffix);
        r = cgroup_file_set(directory, "hugepageLimits", file, value, error);
        if (r < 0)
            break;
        /* Reservations are counted since Linux 5.7. */
        snprintf(file, sizeof(file), "hugetlb.%s.rsvd.%s", page->page_size, suffix);
        r = cgroup_file_write(directory, file, value);
        if (r == -ENOENT)
            r = 0;
        else if (r < 0)
            r = error_sys(error, -r, "hugepageLimits: write \"%s\" to %s", value, file);
    }
    return r;
}

int cgroup_set_rdma(int directory, const struct cgroup_resources *resources, struct error *error)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < resources->rdma_count; i++) {
        const struct cgroup_rdma *rdma = &resources->rdma[i];
        char key[80], text[160];
        int used = snprintf(text, sizeof(text), "%s", rdma->device);
        if (rdma->has_handles)
            used += snprintf(text + used, sizeof(text) - (size_t)used, " hca_handle=%" PRIu32,
                             rdma->handles);
        if (rdma->has_objects)
            snprintf(text + used, sizeof(text) - (size_t)used, " hca_object=%" PRIu32,
                     rdma->objects);
        snprintf(key, sizeof(key), "rdma.%s", rdma->device);
        r = cgroup_file_set(directory, key, "rdma.max", text, error);
    }
    return r;
}
