/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux.resources, and with it the file of `update --resources`, as any bytes: refused with a
 * message that begins with the key's path, or within the bounds of cgroup.h; with the default
 * devices behind its rules, which then are a program that stays within its bounds, too.
 *
 * libFuzzer: -max_len=16384 -dict=tests/fuzz/oci.dict
 */
#include <stdint.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/control.h"
#include "supervisor/runtime/config_reader.h"
#include "tests/fuzz/config_checks.h"
#include "tests/fuzz/json_mutator.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
FUZZ_MUTATES_JSON

/* Takes out of an object what is null, at every depth. */
static void drop_nulls(json_t *json)
{
    const char *key;
    json_t *value;
    void *next;

    json_object_foreach_safe (json, next, key, value) {
        drop_nulls(value);
        if (json_is_null(value))
            json_object_del(json, key);
    }
    for (size_t i = 0; i < json_array_size(json); i++)
        drop_nulls(json_array_get(json, i));
}

/* config_reader.h: null is as good as absent. Device rules and the like are compared by number. */
static void check_nulls(json_t *json, const struct cgroup_resources *resources)
{
    _cleanup_resources_ struct cgroup_resources *other = NULL;
    struct error error = ERROR_INIT;

    drop_nulls(json);
    check_outcome(resources_read(json, &other, &error), other != NULL, &error);
    check(other != NULL);
    check(other->memory_limit == resources->memory_limit &&
          other->has_swappiness == resources->has_swappiness &&
          other->has_oom_killer == resources->has_oom_killer);
    check(other->has_cpu_burst == resources->has_cpu_burst &&
          other->has_cpu_idle == resources->has_cpu_idle &&
          other->has_pids_limit == resources->has_pids_limit);
    check(other->has_network_class == resources->has_network_class &&
          other->device_count == resources->device_count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error error = ERROR_INIT;
    _cleanup_resources_ struct cgroup_resources *resources = NULL;
    _cleanup_json_ json_t *json = config_parse((const char *)data, size, "r.json", &error);

    if (!json)
        return 0;
    int r = resources_read(json, &resources, &error);
    check_outcome(r, resources != NULL, &error);
    if (!resources) {
        check(strncmp(error.message, "linux.resources", 15) == 0);
        return 0;
    }
    check_resources(resources);
    check_nulls(json, resources);
    size_t own = resources->device_count;
    r = resources_allow_default_devices(resources, &error);
    check(r == 0 ? resources->device_count > own : resources->device_count == own);
    check_resources(resources);
    return 0;
}
