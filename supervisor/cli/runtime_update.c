/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/units.h"
#include "supervisor/cli/runtime_log.h"
#include "supervisor/cli/runtime_verbs.h"
#include "supervisor/runtime/cgroup.h"
#include "supervisor/runtime/config_reader.h"
#include "supervisor/runtime/resources.h"

enum kind {
    BYTES,    /* with a unit, or -1 */
    NUMBER,   /* whole, or -1 */
    UNSIGNED, /* whole */
    WORDS,
};

/* Each option is a key of linux.resources. */
static const struct row {
    const char *option;
    size_t offset;
    const char *object, *key;
    enum kind kind;
} rows[] = {
#define AT(field) offsetof(struct runtime_options, field)
    {"--memory", AT(memory), "memory", "limit", BYTES},
    {"--memory-reservation", AT(memory_reservation), "memory", "reservation", BYTES},
    {"--memory-swap", AT(memory_swap), "memory", "swap", BYTES},
    {"--pids-limit", AT(pids_limit), "pids", "limit", NUMBER},
    {"--cpu-share", AT(cpu_share), "cpu", "shares", UNSIGNED},
    {"--cpu-quota", AT(cpu_quota), "cpu", "quota", NUMBER},
    {"--cpu-period", AT(cpu_period), "cpu", "period", UNSIGNED},
    {"--cpu-burst", AT(cpu_burst), "cpu", "burst", UNSIGNED},
    {"--cpu-idle", AT(cpu_idle), "cpu", "idle", NUMBER},
    {"--cpu-rt-runtime", AT(cpu_rt_runtime), "cpu", "realtimeRuntime", NUMBER},
    {"--cpu-rt-period", AT(cpu_rt_period), "cpu", "realtimePeriod", UNSIGNED},
    {"--cpuset-cpus", AT(cpuset_cpus), "cpu", "cpus", WORDS},
    {"--cpuset-mems", AT(cpuset_mems), "cpu", "mems", WORDS},
    {"--blkio-weight", AT(blkio_weight), "blockIO", "weight", UNSIGNED},
#undef AT
};

/* NULL: the value is not of its kind. */
static json_t *make_value(enum kind kind, const char *text)
{
    uint64_t number = 0;

    if (kind == WORDS)
        return json_string(text);
    if (kind != UNSIGNED && strcmp(text, "-1") == 0)
        return json_integer(-1);
    int r = kind == BYTES ? parse_size(text, &number) : parse_u64(text, INT64_MAX, &number);
    return r < 0 || number > INT64_MAX ? NULL : json_integer((json_int_t)number);
}

/* The options as linux.resources. NULL with an error. */
static json_t *make_resources(const struct runtime_options *options, struct error *error)
{
    json_t *resources = json_object();

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        const struct row *row = &rows[i];
        const char *text = *(const char *const *)((const char *)options + row->offset);
        if (!text || !*text)
            continue;
        json_t *value = make_value(row->kind, text);
        if (!value) {
            error_set(error, EINVAL, "%s \"%s\": not a %s", row->option, text,
                      row->kind == BYTES    ? "size such as 512m or 536870912, nor -1"
                      : row->kind == NUMBER ? "whole number, nor -1"
                                            : "whole number");
            json_decref(resources);
            return NULL;
        }
        json_t *object = json_object_get(resources, row->object);
        if (!object) {
            object = json_object();
            json_object_set_new(resources, row->object, object);
        }
        json_object_set_new(object, row->key, value);
    }
    return resources;
}

static json_t *read_resources(const struct runtime_options *options, struct error *error)
{
    _cleanup_free_ char *text = NULL;
    size_t length;

    if (!options->resources || !*options->resources)
        return make_resources(options, error);
    if (runtime_file_read(options->resources, CONFIG_FILE_MAX, &text, &length, error) < 0)
        return NULL;
    return config_parse(text, length, options->resources, error);
}

int runtime_update_verb(struct runtime *runtime, int count, char **args, struct error *error)
{
    _cleanup_runtime_container_ struct runtime_container container = {.entry.fd = -1};
    _cleanup_runtime_cgroup_ struct runtime_cgroup group = {0};
    const struct runtime_options *options = &runtime->options;
    struct cgroup_resources *resources = NULL;

    (void)count;
    if (options->l3_cache_schema || options->mem_bw_schema)
        return error_set(error, EOPNOTSUPP,
                         "--l3-cache-schema, --mem-bw-schema: Intel RDT is not supported");
    if (options->kernel_memory || options->kernel_memory_tcp)
        runtime_log(RUNTIME_LOG_WARNING, "--kernel-memory and --kernel-memory-tcp are ignored");
    int r = runtime_find(runtime, args[0], true, &container, error);
    if (r < 0)
        return r;
    if (store_status(&container.entry, &container.state) == STORE_STOPPED)
        return error_set(error, EINVAL, "container not running: \"%s\" is stopped", args[0]);
    json_t *json = read_resources(options, error);
    if (!json)
        return error->code ? -error->code : -EINVAL;
    r = resources_read(json, &resources, error);
    if (r == 0)
        r = runtime_cgroup_find(&container.state, &group, error);
    if (r == 0 && group.scope)
        r = runtime_scope_update(group.scope, resources, group.driver, error);
    if (r == 0)
        r = cgroup_apply(group.cgroup, resources, error);
    resources_free(resources);
    json_decref(json);
    return r;
}
