/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <linux/mempolicy.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/personality.h>

#include "common/cleanup.h"
#include "supervisor/runtime/config_parts.h"
#include "supervisor/runtime/config_reader.h"

/* ---- clocks ---- */

static int read_offset(const json_t *object, const char *path, struct config_time_offset *offset,
                       struct error *error)
{
    char where[64];
    int64_t nanosecs = 0;
    const struct config_key keys[] = {
        {"secs", CONFIG_INTEGER, &offset->secs, false},
        {"nanosecs", CONFIG_INTEGER, &nanosecs, false},
        {NULL, 0, NULL, false},
    };

    int r = config_read_object(object, path, keys, error);
    snprintf(where, sizeof(where), "%s.nanosecs", path);
    if (r == 0) /* time_namespaces(7) */
        r = config_check_range(where, nanosecs, 0, 999999999, error);
    offset->nanosecs = (uint32_t)nanosecs;
    offset->is_given = true;
    return r;
}

static int read_offsets(const json_t *object, struct config *config, struct error *error)
{
    const char *clock;
    json_t *value;
    int r = 0;

    json_object_foreach ((json_t *)object, clock, value) {
        if (json_is_null(value))
            continue;
        if (strcmp(clock, "boottime") == 0)
            r = read_offset(value, "linux.timeOffsets.boottime", &config->boottime_offset, error);
        else if (strcmp(clock, "monotonic") == 0)
            r = read_offset(value, "linux.timeOffsets.monotonic", &config->monotonic_offset, error);
        else
            r = error_set(error, EINVAL,
                          "linux.timeOffsets.%.80s: only boottime and monotonic "
                          "have offsets",
                          clock);
        if (r < 0)
            return r;
    }
    return 0;
}

/* ---- words ---- */

static const struct config_word propagations[] = {
    {"private", MS_PRIVATE},
    {"rprivate", MS_PRIVATE | MS_REC},
    {"slave", MS_SLAVE},
    {"rslave", MS_SLAVE | MS_REC},
    {"shared", MS_SHARED},
    {"rshared", MS_SHARED | MS_REC},
    {"unbindable", MS_UNBINDABLE},
    {"runbindable", MS_UNBINDABLE | MS_REC},
    {NULL, 0},
};

static int read_propagation(const char *word, struct config *config, struct error *error)
{
    int64_t value = config_word_value(propagations, word);

    if (value < 0)
        return error_set(error, EINVAL,
                         "linux.rootfsPropagation: \"%.80s\" is not one of shared, "
                         "slave, private, unbindable",
                         word);
    config->root_propagation = (uint64_t)value;
    return 0;
}

static const struct config_word domains[] = {
    {"LINUX", PER_LINUX},
    {"LINUX32", PER_LINUX32},
    {NULL, 0},
};

static int read_personality(const json_t *object, struct config *config, struct error *error)
{
    const char *domain = NULL;
    const json_t *flags = NULL;
    const struct config_key keys[] = {
        {"domain", CONFIG_STRING, &domain, true},
        {"flags", CONFIG_ARRAY, &flags, false},
        {NULL, 0, NULL, false},
    };

    int r = config_read_object(object, "linux.personality", keys, error);
    if (r < 0)
        return r;
    int64_t value = config_word_value(domains, domain);
    if (value < 0)
        return error_set(error, EINVAL,
                         "linux.personality.domain: \"%.80s\" is not LINUX or "
                         "LINUX32",
                         domain);
    if (json_array_size(flags) > 0)
        return error_set(error, EINVAL, "linux.personality.flags: there are no flags");
    config->personality = (uint64_t)value;
    config->has_personality = true;
    return 0;
}

/* ---- memory policy: set_mempolicy(2) ---- */

#ifndef MPOL_F_NUMA_BALANCING
#define MPOL_F_NUMA_BALANCING (1 << 13)
#endif
#define POLICY_PREFERRED_MANY      5 /* linux/mempolicy.h of Linux 5.15 */
#define POLICY_WEIGHTED_INTERLEAVE 6 /* 6.9 */

static const struct config_word modes[] = {
    {"MPOL_DEFAULT", MPOL_DEFAULT},
    {"MPOL_PREFERRED", MPOL_PREFERRED},
    {"MPOL_BIND", MPOL_BIND},
    {"MPOL_INTERLEAVE", MPOL_INTERLEAVE},
    {"MPOL_LOCAL", MPOL_LOCAL},
    {"MPOL_PREFERRED_MANY", POLICY_PREFERRED_MANY},
    {"MPOL_WEIGHTED_INTERLEAVE", POLICY_WEIGHTED_INTERLEAVE},
    {NULL, 0},
};

static const struct config_word mode_flags[] = {
    {"MPOL_F_STATIC_NODES", MPOL_F_STATIC_NODES},
    {"MPOL_F_RELATIVE_NODES", MPOL_F_RELATIVE_NODES},
    {"MPOL_F_NUMA_BALANCING", MPOL_F_NUMA_BALANCING},
    {NULL, 0},
};

static int read_mode_flags(const json_t *array, struct config_memory_policy *policy,
                           struct error *error)
{
    _cleanup_free_ char **names = NULL;
    int r = config_read_strings(array, "linux.memoryPolicy.flags", &names, error);

    for (size_t i = 0; r == 0 && names[i]; i++) {
        int64_t flag = config_word_value(mode_flags, names[i]);
        if (flag < 0)
            return error_set(error, EINVAL,
                             "linux.memoryPolicy.flags[%zu]: \"%.80s\" is not a "
                             "flag of set_mempolicy(2)",
                             i, names[i]);
        policy->mode |= (int)flag;
    }
    int both = MPOL_F_STATIC_NODES | MPOL_F_RELATIVE_NODES;
    if (r == 0 && (policy->mode & both) == both)
        r = error_set(error, EINVAL,
                      "linux.memoryPolicy.flags: MPOL_F_STATIC_NODES and "
                      "MPOL_F_RELATIVE_NODES exclude each other");
    return r;
}

int config_read_memory_policy(const json_t *object, struct config_memory_policy *policy,
                              struct error *error)
{
    const char *name = NULL, *nodes = NULL;
    const json_t *flags = NULL;
    const struct config_key keys[] = {
        {"mode", CONFIG_STRING, &name, true},
        {"nodes", CONFIG_STRING, &nodes, false},
        {"flags", CONFIG_ARRAY, &flags, false},
        {NULL, 0, NULL, false},
    };

    int r = config_read_object(object, "linux.memoryPolicy", keys, error);
    if (r < 0)
        return r;
    int64_t mode = config_word_value(modes, name);
    if (mode < 0)
        return error_set(error, EINVAL,
                         "linux.memoryPolicy.mode: \"%.80s\" is not a mode of "
                         "set_mempolicy(2)",
                         name);
    bool has_nodes = nodes && *nodes;
    if (has_nodes && (mode == MPOL_DEFAULT || mode == MPOL_LOCAL))
        return error_set(error, EINVAL, "linux.memoryPolicy.nodes: %s takes no nodes", name);
    if (!has_nodes && mode != MPOL_DEFAULT && mode != MPOL_LOCAL && mode != MPOL_PREFERRED)
        return error_set(error, EINVAL, "linux.memoryPolicy.nodes: is missing; %s needs nodes",
                         name);
    policy->mode = (int)mode;
    policy->is_given = true;
    if (has_nodes)
        r = config_read_bits(nodes, "linux.memoryPolicy.nodes", policy->nodes, error);
    return r < 0 ? r : read_mode_flags(flags, policy, error);
}

/* ---- the whole of "linux" ---- */

static int read_paths(const json_t *array, const char *key, char ***list, struct error *error)
{
    char where[64];
    int r = config_read_strings(array, key, list, error);

    for (size_t i = 0; r == 0 && (*list)[i]; i++) {
        snprintf(where, sizeof(where), "%s[%zu]", key, i);
        r = config_check_absolute(where, (*list)[i], error);
    }
    return r;
}

struct linux_parts {
    const json_t *uids, *gids, *namespaces, *offsets, *devices, *net_devices, *resources, *sysctls,
        *masked, *read_only, *personality, *memory_policy, *rdt;
    const char *propagation;
};

static int read_world(const struct linux_parts *parts, struct config *config, struct error *error)
{
    int r = config_read_namespaces(parts->namespaces, config, error);

    if (r == 0)
        r = config_read_id_map(parts->uids, "linux.uidMappings", config->uid_map,
                               &config->uid_map_count, error);
    if (r == 0)
        r = config_read_id_map(parts->gids, "linux.gidMappings", config->gid_map,
                               &config->gid_map_count, error);
    if (r == 0)
        r = read_offsets(parts->offsets, config, error);
    if (r == 0)
        r = config_read_devices(parts->devices, config, error);
    if (r == 0)
        r = config_read_net_devices(parts->net_devices, config, error);
    return r;
}

static int read_limits(const struct linux_parts *parts, struct config *config, struct error *error)
{
    int r = parts->rdt ? error_set(error, ENOTSUP,
                                   "linux.intelRdt: this runtime has no support for Intel RDT")
                       : 0;

    if (r == 0 && parts->resources)
        r = resources_read(parts->resources, &config->resources, error);
    if (r == 0)
        r = config_read_sysctls(parts->sysctls, config, error);
    if (r == 0)
        r = read_paths(parts->masked, "linux.maskedPaths", &config->masked_paths, error);
    if (r == 0)
        r = read_paths(parts->read_only, "linux.readonlyPaths", &config->read_only_paths, error);
    if (r == 0 && parts->propagation && *parts->propagation)
        r = read_propagation(parts->propagation, config, error);
    if (r == 0 && parts->personality)
        r = read_personality(parts->personality, config, error);
    if (r == 0 && parts->memory_policy)
        r = config_read_memory_policy(parts->memory_policy, &config->memory_policy, error);
    return r;
}

int config_read_linux(const json_t *object, struct config *config, struct error *error)
{
    struct linux_parts parts = {0};
    const struct config_key keys[] = {
        {"namespaces", CONFIG_ARRAY, &parts.namespaces, false},
        {"uidMappings", CONFIG_ARRAY, &parts.uids, false},
        {"gidMappings", CONFIG_ARRAY, &parts.gids, false},
        {"timeOffsets", CONFIG_OBJECT, &parts.offsets, false},
        {"devices", CONFIG_ARRAY, &parts.devices, false},
        {"netDevices", CONFIG_OBJECT, &parts.net_devices, false},
        {"cgroupsPath", CONFIG_STRING, &config->cgroups_path, false},
        {"resources", CONFIG_OBJECT, &parts.resources, false},
        {"sysctl", CONFIG_OBJECT, &parts.sysctls, false},
        {"seccomp", CONFIG_OBJECT, &config->seccomp, false},
        {"maskedPaths", CONFIG_ARRAY, &parts.masked, false},
        {"readonlyPaths", CONFIG_ARRAY, &parts.read_only, false},
        {"mountLabel", CONFIG_STRING, &config->mount_label, false},
        {"rootfsPropagation", CONFIG_STRING, &parts.propagation, false},
        {"personality", CONFIG_OBJECT, &parts.personality, false},
        {"memoryPolicy", CONFIG_OBJECT, &parts.memory_policy, false},
        {"intelRdt", CONFIG_OBJECT, &parts.rdt, false},
        {NULL, 0, NULL, false},
    };

    int r = config_read_object(object, "linux", keys, error);
    if (r < 0)
        return r;
    if (config->cgroups_path && !*config->cgroups_path)
        config->cgroups_path = NULL;
    if (config->mount_label && !*config->mount_label)
        config->mount_label = NULL;
    r = read_world(&parts, config, error);
    return r < 0 ? r : read_limits(&parts, config, error);
}
