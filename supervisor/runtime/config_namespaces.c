/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "common/cleanup.h"
#include "supervisor/runtime/config_parts.h"
#include "supervisor/runtime/config_reader.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

/* namespaces(7) */
static const struct {
    const char *name, *file;
    uint64_t flag;
} types[NAMESPACE_TYPES] = {
    [NAMESPACE_USER] = {"user", "user", CLONE_NEWUSER},
    [NAMESPACE_CGROUP] = {"cgroup", "cgroup", CLONE_NEWCGROUP},
    [NAMESPACE_IPC] = {"ipc", "ipc", CLONE_NEWIPC},
    [NAMESPACE_UTS] = {"uts", "uts", CLONE_NEWUTS},
    [NAMESPACE_NETWORK] = {"network", "net", CLONE_NEWNET},
    [NAMESPACE_PID] = {"pid", "pid", CLONE_NEWPID},
    [NAMESPACE_MOUNT] = {"mount", "mnt", CLONE_NEWNS},
    [NAMESPACE_TIME] = {"time", "time", CLONE_NEWTIME},
};

uint64_t config_namespace_flag(enum config_namespace_type type)
{
    return types[type].flag;
}

const char *config_namespace_name(enum config_namespace_type type)
{
    return types[type].name;
}

const char *config_namespace_file(enum config_namespace_type type)
{
    return types[type].file;
}

uint64_t config_new_namespaces(const struct config *config)
{
    uint64_t flags = 0;

    for (size_t i = 0; i < NAMESPACE_TYPES; i++)
        if (config->namespaces[i].is_given && !config->namespaces[i].path)
            flags |= types[i].flag;
    return flags;
}

uint64_t config_joined_namespaces(const struct config *config)
{
    uint64_t flags = 0;

    for (size_t i = 0; i < NAMESPACE_TYPES; i++)
        if (config->namespaces[i].path)
            flags |= types[i].flag;
    return flags;
}

bool config_has_other_namespace(const struct config *config, enum config_namespace_type type)
{
    char own_path[64];
    struct stat own, joined;
    const struct config_namespace *namespace = &config->namespaces[type];

    if (!namespace->path)
        return namespace->is_given;
    snprintf(own_path, sizeof(own_path), "/proc/self/ns/%s", types[type].file);
    if (stat(namespace->path, &joined) < 0 || stat(own_path, &own) < 0)
        return true;
    return own.st_dev != joined.st_dev || own.st_ino != joined.st_ino;
}

static int read_namespace(const json_t *object, size_t index, struct config *config,
                          struct error *error)
{
    char path[48];
    const char *name = NULL, *file = NULL;
    size_t type = 0;
    const struct config_key keys[] = {
        {"type", CONFIG_STRING, &name, true},
        {"path", CONFIG_STRING, &file, false},
        {NULL, 0, NULL, false},
    };

    snprintf(path, sizeof(path), "linux.namespaces[%zu]", index);
    int r = config_read_object(object, path, keys, error);
    if (r < 0)
        return r;
    while (type < NAMESPACE_TYPES && strcmp(types[type].name, name) != 0)
        type++;
    if (type == NAMESPACE_TYPES)
        return error_set(error, EINVAL, "%s.type: \"%.80s\" is not a namespace of Linux", path,
                         name);
    if (config->namespaces[type].is_given)
        return error_set(error, EINVAL, "%s.type: \"%s\" is there twice", path, name);
    config->namespaces[type].is_given = true;
    if (!file || !*file)
        return 0;
    config->namespaces[type].path = file;
    snprintf(path, sizeof(path), "linux.namespaces[%zu].path", index);
    return config_check_absolute(path, file, error);
}

int config_read_namespaces(const json_t *array, struct config *config, struct error *error)
{
    /* None can be there twice. */
    int r = config_check_count(array, "linux.namespaces", NAMESPACE_TYPES, error);

    for (size_t i = 0; r == 0 && i < json_array_size(array); i++)
        r = read_namespace(json_array_get(array, i), i, config, error);
    return r;
}

/* ---- mappings of identities ---- */

static bool do_overlap(uint32_t a, uint32_t a_count, uint32_t b, uint32_t b_count)
{
    return (uint64_t)a < (uint64_t)b + b_count && (uint64_t)b < (uint64_t)a + a_count;
}

static int read_range(const json_t *object, const char *path, struct id_range *range,
                      struct error *error)
{
    char where[80];
    int64_t inside = 0, outside = 0, size = 0;
    const struct config_key keys[] = {
        {"containerID", CONFIG_INTEGER, &inside, true},
        {"hostID", CONFIG_INTEGER, &outside, true},
        {"size", CONFIG_INTEGER, &size, true},
        {NULL, 0, NULL, false},
    };

    int r = config_read_object(object, path, keys, error);
    snprintf(where, sizeof(where), "%s.containerID", path);
    if (r == 0)
        r = config_check_range(where, inside, 0, CONFIG_ID_MAX, error);
    snprintf(where, sizeof(where), "%s.hostID", path);
    if (r == 0)
        r = config_check_range(where, outside, 0, CONFIG_ID_MAX, error);
    snprintf(where, sizeof(where), "%s.size", path);
    if (r == 0)
        r = config_check_range(where, size, 1,
                               CONFIG_ID_MAX + 1 - (outside > inside ? outside : inside), error);
    *range = (struct id_range){(uint32_t)inside, (uint32_t)outside, (uint32_t)size};
    return r;
}

int config_read_id_map(const json_t *array, const char *path, struct id_range *map, size_t *count,
                       struct error *error)
{
    char where[64];
    int r = config_check_count(array, path, ID_RANGES_MAX, error);

    for (size_t i = 0; r == 0 && i < json_array_size(array); i++) {
        snprintf(where, sizeof(where), "%s[%zu]", path, i);
        r = read_range(json_array_get(array, i), where, &map[i], error);
        for (size_t k = 0; r == 0 && k < i; k++) /* user_namespaces(7): it would be EINVAL */
            if (do_overlap(map[i].inside, map[i].count, map[k].inside, map[k].count) ||
                do_overlap(map[i].outside, map[i].count, map[k].outside, map[k].count))
                r = error_set(error, EINVAL, "%s: overlaps with %s[%zu]", where, path, k);
        *count = i + 1;
    }
    return r;
}

int config_outside_uid(const struct config *config, uint32_t uid, uid_t *outside)
{
    *outside = uid;
    if (!config->namespaces[NAMESPACE_USER].is_given)
        return 0;
    for (size_t i = 0; i < config->uid_map_count; i++) {
        const struct id_range *range = &config->uid_map[i];
        if (uid < range->inside || uid - range->inside >= range->count)
            continue;
        *outside = range->outside + (uid - range->inside);
        return 0;
    }
    return -ENOENT;
}

/* ---- whose cgroup it is ---- */

bool config_gives_cgroup(const struct config *config, uid_t *owner)
{
    const struct config_namespace *cgroups = &config->namespaces[NAMESPACE_CGROUP];
    bool is_writable = false;

    if (!config->process || !cgroups->is_given || cgroups->path ||
        config->namespaces[NAMESPACE_USER].path)
        return false;
    for (size_t i = 0; i < config->mount_count; i++) {
        const struct config_mount *mount = &config->mounts[i];
        if (mount->source && strcmp(mount->source, "cgroup") == 0 &&
            strcmp(mount->destination, "/sys/fs/cgroup") == 0)
            is_writable = !((mount->attributes | mount->tree_attributes) & MOUNT_ATTR_RDONLY);
    }
    return is_writable && config_outside_uid(config, config->process->uid, owner) == 0;
}
