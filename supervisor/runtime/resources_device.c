/* SPDX-License-Identifier: Apache-2.0 */
/* What of linux.resources names devices: block I/O and the rules of who may open which. */
#include "supervisor/runtime/resources.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "supervisor/runtime/cgroup_internal.h"
#include "supervisor/runtime/resources_internal.h"

#define MAJOR_MAX ((1 << 12) - 1) /* dev_t has 12 bits for it inside the kernel, */
#define MINOR_MAX ((1 << 20) - 1) /* and 20 for this */

/* ---- block I/O ---- */

static int check_device(const char *path, int64_t major, int64_t minor, struct error *error)
{
    const struct resources_range ranges[] = {
        {"major", major, 0, MAJOR_MAX},
        {"minor", minor, 0, MINOR_MAX},
    };

    return resources_check_ranges(path, ranges, ARRAY_LENGTH(ranges), error);
}

static int read_throttle(const json_t *object, const char *path, struct cgroup_throttle *throttle,
                         struct error *error)
{
    int64_t major = 0, minor = 0, rate = 0;
    const struct config_key keys[] = {
        {"major", CONFIG_INTEGER, &major, true},
        {"minor", CONFIG_INTEGER, &minor, true},
        {"rate", CONFIG_INTEGER, &rate, true},
        END_OF_KEYS,
    };
    int r = config_read_object(object, path, keys, error);
    if (r == 0)
        r = check_device(path, major, minor, error);
    if (r == 0)
        r = resources_check_ranges(path, &(struct resources_range){"rate", rate, 0, INT64_MAX}, 1,
                                   error);
    throttle->major = (unsigned)major;
    throttle->minor = (unsigned)minor;
    throttle->rate = (uint64_t)rate;
    return r;
}

/* In the order of enum cgroup_throttle_kind. */
static const char *const throttle_keys[CGROUP_THROTTLE_KINDS] = {
    "throttleReadBpsDevice",
    "throttleWriteBpsDevice",
    "throttleReadIOPSDevice",
    "throttleWriteIOPSDevice",
};

static int read_throttles(const json_t *const *lists, struct cgroup_resources *resources,
                          struct error *error)
{
    struct cgroup_throttle *throttles;
    size_t total = 0;

    for (size_t kind = 0; kind < CGROUP_THROTTLE_KINDS; kind++)
        total += json_array_size(lists[kind]);
    if (total > RESOURCES_ENTRIES_MAX)
        return error_set(error, E2BIG, ROOT ".blockIO: %zu throttles; at most %d are possible",
                         total, RESOURCES_ENTRIES_MAX);
    throttles = calloc(total + 1, sizeof(*throttles));
    if (!throttles)
        return error_sys(error, ENOMEM, ROOT ".blockIO");
    resources->throttles = throttles;
    for (size_t kind = 0; kind < CGROUP_THROTTLE_KINDS; kind++) {
        for (size_t i = 0; i < json_array_size(lists[kind]); i++) {
            char path[96];
            snprintf(path, sizeof(path), ROOT ".blockIO.%s[%zu]", throttle_keys[kind], i);
            throttles->kind = (enum cgroup_throttle_kind)kind;
            int r = read_throttle(json_array_get(lists[kind], i), path, throttles++, error);
            if (r < 0)
                return r;
            resources->throttle_count++;
        }
    }
    return 0;
}

static int read_weight(const json_t *object, const char *path, struct cgroup_weight *entry,
                       struct error *error)
{
    int64_t major = 0, minor = 0, weight = 0, leaf_weight = 0;
    const struct config_key keys[] = {
        {"major", CONFIG_INTEGER, &major, true},
        {"minor", CONFIG_INTEGER, &minor, true},
        {"weight", CONFIG_INTEGER, &weight, false},
        {"leafWeight", CONFIG_INTEGER, &leaf_weight, false},
        END_OF_KEYS,
    };
    int r = config_read_object(object, path, keys, error);
    if (r == 0)
        r = check_device(path, major, minor, error);
    const struct resources_range ranges[] = {{"weight", weight, 0, UINT16_MAX},
                                             {"leafWeight", leaf_weight, 0, UINT16_MAX}};
    if (r == 0)
        r = resources_check_ranges(path, ranges, ARRAY_LENGTH(ranges), error);
    if (r == 0 && weight == 0 && leaf_weight == 0)
        r = error_set(error, EINVAL, "%s: needs a weight or a leafWeight", path);
    *entry = (struct cgroup_weight){(unsigned)major, (unsigned)minor, (uint16_t)weight,
                                    (uint16_t)leaf_weight};
    return r;
}

static int read_weights(const json_t *array, struct cgroup_resources *resources,
                        struct error *error)
{
    int r;
    struct cgroup_weight *weights =
        resources_list(array, "blockIO.weightDevice", sizeof(*weights), &r, error);

    resources->weights = weights;
    resources->weight_count = r == 0 ? json_array_size(array) : 0;
    for (size_t i = 0; r == 0 && i < resources->weight_count; i++) {
        char path[96];
        resources_entry_path(path, sizeof(path), "blockIO.weightDevice", i);
        r = read_weight(json_array_get(array, i), path, &weights[i], error);
    }
    return r;
}

int resources_read_block_io(const json_t *object, struct cgroup_resources *resources,
                            struct error *error)
{
    const json_t *lists[CGROUP_THROTTLE_KINDS] = {NULL}, *weights = NULL;
    int64_t weight = 0, leaf_weight = 0;
    const struct config_key keys[] = {
        {"weight", CONFIG_INTEGER, &weight, false},
        {"leafWeight", CONFIG_INTEGER, &leaf_weight, false},
        {"weightDevice", CONFIG_ARRAY, &weights, false},
        {throttle_keys[CGROUP_READ_BPS], CONFIG_ARRAY, &lists[CGROUP_READ_BPS], false},
        {throttle_keys[CGROUP_WRITE_BPS], CONFIG_ARRAY, &lists[CGROUP_WRITE_BPS], false},
        {throttle_keys[CGROUP_READ_IOPS], CONFIG_ARRAY, &lists[CGROUP_READ_IOPS], false},
        {throttle_keys[CGROUP_WRITE_IOPS], CONFIG_ARRAY, &lists[CGROUP_WRITE_IOPS], false},
        END_OF_KEYS,
    };

    int r = config_read_object(object, ROOT ".blockIO", keys, error);
    const struct resources_range ranges[] = {{"weight", weight, 0, UINT16_MAX},
                                             {"leafWeight", leaf_weight, 0, UINT16_MAX}};
    if (r == 0)
        r = resources_check_ranges(ROOT ".blockIO", ranges, ARRAY_LENGTH(ranges), error);
    if (r < 0)
        return r;
    resources->io_weight = (uint16_t)weight;
    resources->io_leaf_weight = (uint16_t)leaf_weight;
    r = read_weights(weights, resources, error);
    return r < 0 ? r : read_throttles(lists, resources, error);
}

/* ---- devices ---- */

static int read_device(const json_t *object, const char *path, struct cgroup_device_rule *rule,
                       struct error *error)
{
    const char *type = "a", *access = "rwm";
    const struct config_key keys[] = {
        {"allow", CONFIG_BOOL, &rule->is_allow, true},
        {"type", CONFIG_STRING, &type, false},
        {"major", CONFIG_INTEGER, &rule->major, false},
        {"minor", CONFIG_INTEGER, &rule->minor, false},
        {"access", CONFIG_STRING, &access, false},
        END_OF_KEYS,
    };

    rule->major = rule->minor = -1;
    int r = config_read_object(object, path, keys, error);
    const struct resources_range ranges[] = {{"major", rule->major, -1, MAJOR_MAX},
                                             {"minor", rule->minor, -1, MINOR_MAX}};
    if (r == 0)
        r = resources_check_ranges(path, ranges, ARRAY_LENGTH(ranges), error);
    if (r < 0)
        return r;
    if (!*type)
        type = "a";
    if (!*access)
        access = "rwm";
    if (strlen(type) != 1 || !strchr("abc", type[0]))
        return error_set(error, EINVAL, "%s.type: \"%.32s\" is not one of a, b, c", path, type);
    if (strlen(access) > 3 || strspn(access, "rwm") != strlen(access))
        return error_set(error, EINVAL, "%s.access: \"%.32s\" is not made of r, w, m", path,
                         access);
    rule->type = type[0];
    strcpy(rule->access, access);
    return 0;
}

int resources_read_devices(const json_t *array, struct cgroup_resources *resources,
                           struct error *error)
{
    int r;
    struct cgroup_device_rule *rules = resources_list(array, "devices", sizeof(*rules), &r, error);

    resources->devices = rules;
    resources->device_count = r == 0 ? json_array_size(array) : 0;
    for (size_t i = 0; r == 0 && i < resources->device_count; i++) {
        char path[64];
        resources_entry_path(path, sizeof(path), "devices", i);
        r = read_device(json_array_get(array, i), path, &rules[i], error);
    }
    return r;
}

int resources_allow_default_devices(struct cgroup_resources *resources, struct error *error)
{
    static const struct cgroup_device_rule deny_all = {false, 'a', -1, -1, "rwm"};
    static const struct cgroup_device_rule defaults[] = {
        {true, 'c', -1, -1, "m"},    {true, 'b', -1, -1, "m"}, {true, 'c', 1, 3, "rwm"}, /* null */
        {true, 'c', 1, 5, "rwm"},                                                        /* zero */
        {true, 'c', 1, 7, "rwm"},                                                        /* full */
        {true, 'c', 1, 8, "rwm"},    /* random */
        {true, 'c', 1, 9, "rwm"},    /* urandom */
        {true, 'c', 5, 0, "rwm"},    /* tty */
        {true, 'c', 5, 2, "rwm"},    /* ptmx */
        {true, 'c', 136, -1, "rwm"}, /* pts */
    };
    size_t own = resources->device_count, first = own ? own : 1;
    size_t total = first + ARRAY_LENGTH(defaults);

    if (total > CGROUP_DEVICE_RULES_MAX)
        return error_set(error, E2BIG, ROOT ".devices: %zu entries; at most %zu are possible", own,
                         CGROUP_DEVICE_RULES_MAX - ARRAY_LENGTH(defaults));
    struct cgroup_device_rule *rules = calloc(total, sizeof(*rules));
    if (!rules)
        return error_sys(error, ENOMEM, ROOT ".devices");
    rules[0] = deny_all;
    if (own)
        memcpy(rules, resources->devices, own * sizeof(*rules));
    memcpy(rules + first, defaults, sizeof(defaults));
    free((void *)resources->devices);
    resources->devices = rules;
    resources->device_count = total;
    return 0;
}
