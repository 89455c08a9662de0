/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/runtime/resources.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "supervisor/runtime/cgroup_internal.h"
#include "supervisor/runtime/resources_internal.h"

#define TEXT_MAX 4096 /* a page, which is what a cgroup file takes at once (kernfs) */

/* ---- what the parts share ---- */

void resources_entry_path(char *path, size_t size, const char *key, size_t i)
{
    snprintf(path, size, ROOT ".%s[%zu]", key, i);
}

/* Room for the entries of an array and one more. NULL on an error, which *r says. */
void *resources_list(const json_t *array, const char *key, size_t size, int *r, struct error *error)
{
    size_t count = json_array_size(array);
    void *list = count > RESOURCES_ENTRIES_MAX ? NULL : calloc(count + 1, size);

    *r = 0;
    if (count > RESOURCES_ENTRIES_MAX)
        *r = error_set(error, E2BIG, ROOT ".%s: %zu entries; at most %d are possible", key, count,
                       RESOURCES_ENTRIES_MAX);
    else if (!list)
        *r = error_sys(error, ENOMEM, ROOT ".%s", key);
    return list;
}

static int copy_text(const char *path, const char *text, const char **copy, struct error *error)
{
    if (!text || !*text)
        return 0;
    if (strlen(text) >= TEXT_MAX)
        return error_set(error, E2BIG, "%s: longer than %d bytes", path, TEXT_MAX - 1);
    *copy = strdup(text);
    return *copy ? 0 : error_sys(error, ENOMEM, "%s", path);
}

int resources_check_ranges(const char *path, const struct resources_range *ranges, size_t count,
                           struct error *error)
{
    for (size_t i = 0; i < count; i++) {
        char whole[192];
        snprintf(whole, sizeof(whole), "%s.%s", path, ranges[i].key);
        int r = config_check_range(whole, ranges[i].value, ranges[i].min, ranges[i].max, error);
        if (r < 0)
            return r;
    }
    return 0;
}

/* A list of numbers and ranges: whether they exist is for the kernel to say. */
static int copy_cpu_list(const char *path, const char *text, const char **copy, struct error *error)
{
    if (text && text[strspn(text, "0123456789-, ")])
        return error_set(error, EINVAL, "%s: \"%.64s\" is not a list such as 0-3,7", path, text);
    return copy_text(path, text, copy, error);
}

/* ---- memory ---- */

static int read_memory(const json_t *object, struct cgroup_resources *resources,
                       struct error *error)
{
    int64_t swappiness = 0;
    const struct config_key keys[] = {
        {"limit", CONFIG_INTEGER, &resources->memory_limit, false},
        {"reservation", CONFIG_INTEGER, &resources->memory_reservation, false},
        {"swap", CONFIG_INTEGER, &resources->memory_swap, false},
        {"swappiness", CONFIG_INTEGER, &swappiness, false},
        {"disableOOMKiller", CONFIG_BOOL, &resources->is_oom_killer_disabled, false},
        {"checkBeforeUpdate", CONFIG_BOOL, &resources->is_usage_checked, false},
        /* Kernels from 5.11 on have no such limits any more and count hierarchically, always. */
        {"kernel", CONFIG_IGNORED, NULL, false},
        {"kernelTCP", CONFIG_IGNORED, NULL, false},
        {"useHierarchy", CONFIG_IGNORED, NULL, false},
        END_OF_KEYS,
    };

    int r = config_read_object(object, ROOT ".memory", keys, error);
    if (r < 0)
        return r;
    const struct resources_range ranges[] = {
        {"limit", resources->memory_limit, -1, INT64_MAX},
        {"reservation", resources->memory_reservation, -1, INT64_MAX},
        {"swap", resources->memory_swap, -1, INT64_MAX},
        {"swappiness", swappiness, 0, 100},
    };
    resources->has_swappiness = config_has(object, "swappiness");
    resources->swappiness = (uint64_t)swappiness;
    resources->has_oom_killer = config_has(object, "disableOOMKiller");
    return resources_check_ranges(ROOT ".memory", ranges, ARRAY_LENGTH(ranges), error);
}

/* ---- cpu and cpuset ---- */

static int read_cpu(const json_t *object, struct cgroup_resources *resources, struct error *error)
{
    int64_t shares = 0, period = 0, burst = 0, realtime_period = 0;
    const char *cpus = NULL, *mems = NULL;
    const struct config_key keys[] = {
        {"shares", CONFIG_INTEGER, &shares, false},
        {"quota", CONFIG_INTEGER, &resources->cpu_quota, false},
        {"period", CONFIG_INTEGER, &period, false},
        {"burst", CONFIG_INTEGER, &burst, false},
        {"realtimeRuntime", CONFIG_INTEGER, &resources->cpu_realtime_runtime, false},
        {"realtimePeriod", CONFIG_INTEGER, &realtime_period, false},
        {"idle", CONFIG_INTEGER, &resources->cpu_idle, false},
        {"cpus", CONFIG_STRING, &cpus, false},
        {"mems", CONFIG_STRING, &mems, false},
        END_OF_KEYS,
    };

    int r = config_read_object(object, ROOT ".cpu", keys, error);
    if (r < 0)
        return r;
    const struct resources_range ranges[] = {
        {"shares", shares, 0, INT64_MAX},    {"period", period, 0, INT64_MAX},
        {"burst", burst, 0, INT64_MAX},      {"realtimePeriod", realtime_period, 0, INT64_MAX},
        {"idle", resources->cpu_idle, 0, 1},
    };
    resources->cpu_shares = (uint64_t)shares;
    resources->cpu_period = (uint64_t)period;
    resources->cpu_burst = (uint64_t)burst;
    resources->cpu_realtime_period = (uint64_t)realtime_period;
    resources->has_cpu_burst = config_has(object, "burst");
    resources->has_cpu_idle = config_has(object, "idle");
    r = resources_check_ranges(ROOT ".cpu", ranges, ARRAY_LENGTH(ranges), error);
    if (r == 0 && resources->cpu_quota > 0 && burst > resources->cpu_quota)
        r = error_set(error, EINVAL, ROOT ".cpu.burst: %lld is above cpu.quota %lld",
                      (long long)burst, (long long)resources->cpu_quota);
    if (r == 0)
        r = copy_cpu_list(ROOT ".cpu.cpus", cpus, &resources->cpus, error);
    if (r == 0)
        r = copy_cpu_list(ROOT ".cpu.mems", mems, &resources->mems, error);
    return r;
}

/* ---- pids ---- */

static int read_pids(const json_t *object, struct cgroup_resources *resources, struct error *error)
{
    const struct config_key keys[] = {
        {"limit", CONFIG_INTEGER, &resources->pids_limit, false},
        END_OF_KEYS,
    };

    int r = config_read_object(object, ROOT ".pids", keys, error);
    resources->has_pids_limit = r == 0 && config_has(object, "limit");
    return r;
}

/* ---- huge pages ---- */

/* <number><K, M or G>B, as in the names of the kernel's files: nothing else can name one. */
static bool is_page_size(const char *text)
{
    size_t digits = strspn(text, "0123456789");

    return digits > 0 && digits <= 10 && text[0] != '0' && strchr("KMG", text[digits]) &&
           text[digits] && strcmp(text + digits + 1, "B") == 0;
}

static int read_hugepages(const json_t *array, struct cgroup_resources *resources,
                          struct error *error)
{
    int r;
    struct cgroup_hugepage *pages =
        resources_list(array, "hugepageLimits", sizeof(*pages), &r, error);

    resources->hugepages = pages;
    resources->hugepage_count = r == 0 ? json_array_size(array) : 0;
    for (size_t i = 0; r == 0 && i < resources->hugepage_count; i++) {
        char path[64];
        const char *size = NULL;
        int64_t limit = 0;
        const struct config_key keys[] = {
            {"pageSize", CONFIG_STRING, &size, true},
            {"limit", CONFIG_INTEGER, &limit, true},
            END_OF_KEYS,
        };
        resources_entry_path(path, sizeof(path), "hugepageLimits", i);
        r = config_read_object(json_array_get(array, i), path, keys, error);
        if (r == 0)
            r = resources_check_ranges(
                path, &(struct resources_range){"limit", limit, 0, INT64_MAX}, 1, error);
        if (r == 0 && !is_page_size(size))
            r = error_set(error, EINVAL,
                          "%s.pageSize: \"%.32s\" is not a size such as 64KB, 2MB or 1GB", path,
                          size);
        if (r < 0)
            return r;
        strcpy(pages[i].page_size, size);
        pages[i].limit = (uint64_t)limit;
    }
    return r;
}

/* ---- network ---- */

/* What dev_valid_name() of the kernel takes. */
static bool is_interface(const char *name)
{
    if (!*name || strlen(name) >= IF_NAMESIZE || !strcmp(name, ".") || !strcmp(name, ".."))
        return false;
    for (; *name; name++)
        if (*name == '/' || *name == ':' || isspace((unsigned char)*name))
            return false;
    return true;
}

static int read_priorities(const json_t *array, struct cgroup_resources *resources,
                           struct error *error)
{
    int r;
    struct cgroup_priority *priorities =
        resources_list(array, "network.priorities", sizeof(*priorities), &r, error);

    resources->priorities = priorities;
    resources->priority_count = r == 0 ? json_array_size(array) : 0;
    for (size_t i = 0; r == 0 && i < resources->priority_count; i++) {
        char path[64];
        const char *name = NULL;
        int64_t priority = 0;
        const struct config_key keys[] = {
            {"name", CONFIG_STRING, &name, true},
            {"priority", CONFIG_INTEGER, &priority, true},
            END_OF_KEYS,
        };
        resources_entry_path(path, sizeof(path), "network.priorities", i);
        r = config_read_object(json_array_get(array, i), path, keys, error);
        if (r == 0)
            r = resources_check_ranges(
                path, &(struct resources_range){"priority", priority, 0, UINT32_MAX}, 1, error);
        if (r == 0 && !is_interface(name))
            r = error_set(error, EINVAL, "%s.name: \"%.32s\" is not a network interface's name",
                          path, name);
        if (r < 0)
            return r;
        strcpy(priorities[i].interface, name);
        priorities[i].priority = (uint32_t)priority;
    }
    return r;
}

static int read_network(const json_t *object, struct cgroup_resources *resources,
                        struct error *error)
{
    const json_t *priorities = NULL;
    int64_t class_id = 0;
    const struct config_key keys[] = {
        {"classID", CONFIG_INTEGER, &class_id, false},
        {"priorities", CONFIG_ARRAY, &priorities, false},
        END_OF_KEYS,
    };

    int r = config_read_object(object, ROOT ".network", keys, error);
    if (r == 0)
        r = resources_check_ranges(ROOT ".network",
                                   &(struct resources_range){"classID", class_id, 0, UINT32_MAX}, 1,
                                   error);
    if (r < 0)
        return r;
    resources->has_network_class = config_has(object, "classID");
    resources->network_class = (uint32_t)class_id;
    return read_priorities(priorities, resources, error);
}

/* ---- RDMA and what is written literally: objects whose keys are names ---- */

static int read_rdma_device(const char *name, const json_t *object, struct cgroup_rdma *rdma,
                            struct error *error)
{
    char path[128];
    int64_t handles = 0, objects = 0;
    const struct config_key keys[] = {
        {"hcaHandles", CONFIG_INTEGER, &handles, false},
        {"hcaObjects", CONFIG_INTEGER, &objects, false},
        END_OF_KEYS,
    };

    snprintf(path, sizeof(path), ROOT ".rdma.%.70s", name);
    if (!*name || strlen(name) >= sizeof(rdma->device) || strpbrk(name, " \t\n="))
        return error_set(error, EINVAL, "%s: is not the name of an RDMA device", path);
    int r = config_read_object(object, path, keys, error);
    const struct resources_range ranges[] = {{"hcaHandles", handles, 0, UINT32_MAX},
                                             {"hcaObjects", objects, 0, UINT32_MAX}};
    if (r == 0)
        r = resources_check_ranges(path, ranges, ARRAY_LENGTH(ranges), error);
    if (r < 0)
        return r;
    strcpy(rdma->device, name);
    rdma->has_handles = config_has(object, "hcaHandles");
    rdma->has_objects = config_has(object, "hcaObjects");
    rdma->handles = (uint32_t)handles;
    rdma->objects = (uint32_t)objects;
    if (!rdma->has_handles && !rdma->has_objects)
        return error_set(error, EINVAL, "%s: needs hcaHandles or hcaObjects", path);
    return 0;
}

static int read_rdma(const json_t *object, struct cgroup_resources *resources, struct error *error)
{
    const char *name;
    json_t *value;
    size_t count = json_object_size(object);

    if (count > RESOURCES_ENTRIES_MAX)
        return error_set(error, E2BIG, ROOT ".rdma: %zu entries; at most %d are possible", count,
                         RESOURCES_ENTRIES_MAX);
    struct cgroup_rdma *rdma = calloc(count + 1, sizeof(*rdma));
    if (!rdma)
        return error_sys(error, ENOMEM, ROOT ".rdma");
    resources->rdma = rdma;
    json_object_foreach ((json_t *)object, name, value) {
        int r = read_rdma_device(name, value, &rdma[resources->rdma_count++], error);
        if (r < 0)
            return r;
    }
    return 0;
}

static int read_unified_file(const char *name, const json_t *value, struct cgroup_unified *unified,
                             struct error *error)
{
    char path[128];

    snprintf(path, sizeof(path), ROOT ".unified.%.80s", name);
    int r = cgroup_unified_check(name, error);
    if (r < 0)
        return error_wrap(error, ROOT ".unified");
    if (!json_is_string(value))
        return error_set(error, EINVAL, "%s: must be a string", path);
    if (strlen(json_string_value(value)) != json_string_length(value))
        return error_set(error, EINVAL, "%s: holds a zero byte", path);
    r = copy_text(path, name, &unified->file, error);
    return r < 0 ? r : copy_text(path, json_string_value(value), &unified->value, error);
}

static int read_unified(const json_t *object, struct cgroup_resources *resources,
                        struct error *error)
{
    const char *name;
    json_t *value;
    size_t count = json_object_size(object);

    if (count > RESOURCES_ENTRIES_MAX)
        return error_set(error, E2BIG, ROOT ".unified: %zu entries; at most %d are possible", count,
                         RESOURCES_ENTRIES_MAX);
    struct cgroup_unified *unified = calloc(count + 1, sizeof(*unified));
    if (!unified)
        return error_sys(error, ENOMEM, ROOT ".unified");
    resources->unified = unified;
    json_object_foreach ((json_t *)object, name, value) {
        int r = read_unified_file(name, value, &unified[resources->unified_count++], error);
        if (r < 0)
            return r;
    }
    return 0;
}

/* ---- the whole ---- */

int resources_read(const json_t *object, struct cgroup_resources **out, struct error *error)
{
    static const struct {
        const char *key;
        enum config_type type;
        resources_part *read;
    } parts[] = {
        {"memory", CONFIG_OBJECT, read_memory},
        {"cpu", CONFIG_OBJECT, read_cpu},
        {"pids", CONFIG_OBJECT, read_pids},
        {"blockIO", CONFIG_OBJECT, resources_read_block_io},
        {"devices", CONFIG_ARRAY, resources_read_devices},
        {"hugepageLimits", CONFIG_ARRAY, read_hugepages},
        {"network", CONFIG_OBJECT, read_network},
        {"rdma", CONFIG_OBJECT, read_rdma},
        {"unified", CONFIG_OBJECT, read_unified},
    };
    const json_t *values[ARRAY_LENGTH(parts)] = {NULL};
    struct config_key keys[ARRAY_LENGTH(parts) + 1] = {0};

    *out = NULL;
    for (size_t i = 0; i < ARRAY_LENGTH(parts); i++)
        keys[i] = (struct config_key){parts[i].key, parts[i].type, &values[i], false};
    _cleanup_resources_ struct cgroup_resources *resources = calloc(1, sizeof(*resources));
    if (!resources)
        return error_sys(error, ENOMEM, ROOT);
    int r = config_read_object(object, ROOT, keys, error);
    for (size_t i = 0; r == 0 && i < ARRAY_LENGTH(parts); i++)
        r = values[i] ? parts[i].read(values[i], resources, error) : 0;
    if (r < 0)
        return r;
    *out = steal_ptr(resources);
    return 0;
}

void resources_free(struct cgroup_resources *resources)
{
    if (!resources)
        return;
    for (size_t i = 0; i < resources->unified_count; i++) {
        free((void *)resources->unified[i].file);
        free((void *)resources->unified[i].value);
    }
    free((void *)resources->unified);
    free((void *)resources->rdma);
    free((void *)resources->priorities);
    free((void *)resources->hugepages);
    free((void *)resources->throttles);
    free((void *)resources->weights);
    free((void *)resources->devices);
    free((void *)resources->cpus);
    free((void *)resources->mems);
    free(resources);
}
