/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/runtime/config.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "supervisor/runtime/config_reader.h"
#include "supervisor/runtime/resources.h"

#define IDS_MAX INT64_C(4294967294) /* uid_t without (uid_t) -1, which means "unchanged" */

static int read_user(const json_t *object, struct config *config, struct error *error)
{
    const json_t *gids = NULL;
    int64_t uid = 0, gid = 0, mask = 022;
    const struct config_key keys[] = {
        {"uid", CONFIG_INTEGER, &uid, true},
        {"gid", CONFIG_INTEGER, &gid, true},
        {"umask", CONFIG_INTEGER, &mask, false},
        {"additionalGids", CONFIG_ARRAY, &gids, false},
        {NULL, 0, NULL, false},
    };

    int r = config_read_object(object, "process.user", keys, error);
    if (r == 0)
        r = config_check_range("process.user.uid", uid, 0, IDS_MAX, error);
    if (r == 0)
        r = config_check_range("process.user.gid", gid, 0, IDS_MAX, error);
    if (r == 0)
        r = config_check_range("process.user.umask", mask, 0, 0777, error);
    size_t count = json_array_size(gids);
    if (r == 0 && count > 1024)
        r = error_set(error, E2BIG, "process.user.additionalGids: more than 1024 entries");
    if (r < 0)
        return r;
    config->additional_gids = calloc(count + 1, sizeof(*config->additional_gids));
    if (!config->additional_gids)
        return error_sys(error, ENOMEM, "process.user");
    for (size_t i = 0; i < count; i++) {
        const json_t *entry = json_array_get(gids, i);
        if (!json_is_integer(entry))
            return error_set(error, EINVAL, "process.user.additionalGids[%zu]: must be an integer",
                             i);
        r = config_check_range("process.user.additionalGids", json_integer_value(entry), 0, IDS_MAX,
                               error);
        if (r < 0)
            return r;
        config->additional_gids[i] = (uint32_t)json_integer_value(entry);
    }
    config->additional_gid_count = count;
    config->uid = (uint32_t)uid;
    config->gid = (uint32_t)gid;
    config->umask = (uint32_t)mask;
    return 0;
}

static int read_capability_set(const json_t *array, const char *path, uint64_t *set,
                               struct error *error)
{
    size_t i;
    json_t *entry;

    json_array_foreach ((json_t *)array, i, entry) {
        const char *name = json_string_value(entry);
        int number = name ? capability_number(name) : -EINVAL;
        if (number < 0)
            return error_set(error, EINVAL, "%s[%zu]: \"%s\" is not a capability; write CAP_...",
                             path, i, name ? name : "?");
        *set |= UINT64_C(1) << number;
    }
    return 0;
}

static int read_capabilities(const json_t *object, struct config_capabilities *capabilities,
                             struct error *error)
{
    const json_t *lists[5] = {NULL};
    struct {
        const char *name, *path;
        uint64_t *set;
    } sets[5] = {
        {"bounding", "process.capabilities.bounding", &capabilities->bounding},
        {"effective", "process.capabilities.effective", &capabilities->effective},
        {"inheritable", "process.capabilities.inheritable", &capabilities->inheritable},
        {"permitted", "process.capabilities.permitted", &capabilities->permitted},
        {"ambient", "process.capabilities.ambient", &capabilities->ambient},
    };
    struct config_key keys[6] = {{0}};

    for (size_t i = 0; i < ARRAY_LENGTH(sets); i++)
        keys[i] = (struct config_key){sets[i].name, CONFIG_ARRAY, &lists[i], false};
    int r = config_read_object(object, "process.capabilities", keys, error);
    for (size_t i = 0; r == 0 && i < ARRAY_LENGTH(sets); i++)
        r = read_capability_set(lists[i], sets[i].path, sets[i].set, error);
    return r;
}

/* The names of getrlimit(2). */
static const struct {
    const char *name;
    int resource;
} rlimits[] = {
    {"RLIMIT_AS", RLIMIT_AS},           {"RLIMIT_CORE", RLIMIT_CORE},
    {"RLIMIT_CPU", RLIMIT_CPU},         {"RLIMIT_DATA", RLIMIT_DATA},
    {"RLIMIT_FSIZE", RLIMIT_FSIZE},     {"RLIMIT_LOCKS", RLIMIT_LOCKS},
    {"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK}, {"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE},
    {"RLIMIT_NICE", RLIMIT_NICE},       {"RLIMIT_NOFILE", RLIMIT_NOFILE},
    {"RLIMIT_NPROC", RLIMIT_NPROC},     {"RLIMIT_RSS", RLIMIT_RSS},
    {"RLIMIT_RTPRIO", RLIMIT_RTPRIO},   {"RLIMIT_RTTIME", RLIMIT_RTTIME},
    {"RLIMIT_STACK", RLIMIT_STACK},     {"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING},
};

static int read_rlimit(const json_t *object, struct config *config, struct error *error)
{
    const char *type = NULL;
    int64_t soft = 0, hard = 0;
    const struct config_key keys[] = {
        {"type", CONFIG_STRING, &type, true},
        {"soft", CONFIG_INTEGER, &soft, true},
        {"hard", CONFIG_INTEGER, &hard, true},
        {NULL, 0, NULL, false},
    };

    int r = config_read_object(object, "process.rlimits", keys, error);
    if (r < 0)
        return r;
    for (size_t i = 0; i < config->rlimit_count; i++)
        if (strcmp(config->rlimits[i].name, type) == 0)
            return error_set(error, EINVAL, "process.rlimits: %s is there twice", type);
    for (size_t i = 0; i < ARRAY_LENGTH(rlimits); i++) {
        if (strcmp(rlimits[i].name, type) != 0)
            continue;
        config->rlimits[config->rlimit_count++] = (struct config_rlimit){
            .resource = rlimits[i].resource,
            .name = rlimits[i].name,
            .limit = {.rlim_cur = (rlim_t)soft, .rlim_max = (rlim_t)hard},
        };
        return 0;
    }
    return error_set(error, EINVAL, "process.rlimits: \"%s\" is not a limit of getrlimit(2)", type);
}

static int read_process(const json_t *object, struct config *config, struct error *error)
{
    const json_t *user = NULL, *args = NULL, *env = NULL, *capabilities = NULL, *limits = NULL;
    bool has_terminal = false;
    int64_t oom_score_adj = 0;
    size_t i;
    json_t *entry;
    const struct config_key keys[] = {
        {"terminal", CONFIG_BOOL, &has_terminal, false},
        {"user", CONFIG_OBJECT, &user, true},
        {"args", CONFIG_ARRAY, &args, true},
        {"env", CONFIG_ARRAY, &env, false},
        {"cwd", CONFIG_STRING, &config->cwd, true},
        {"capabilities", CONFIG_OBJECT, &capabilities, false},
        {"rlimits", CONFIG_ARRAY, &limits, false},
        {"noNewPrivileges", CONFIG_BOOL, &config->no_new_privileges, false},
        {"oomScoreAdj", CONFIG_INTEGER, &oom_score_adj, false},
        {NULL, 0, NULL, false},
    };

    int r = config_read_object(object, "process", keys, error);
    if (r == 0 && has_terminal)
        r = error_set(error, EINVAL, "process.terminal: this runtime has no terminals yet");
    if (r == 0 && config->cwd[0] != '/')
        r = error_set(error, EINVAL, "process.cwd: \"%s\" is not an absolute path", config->cwd);
    if (r == 0)
        r = read_user(user, config, error);
    if (r == 0)
        r = config_read_strings(args, "process.args", &config->args, error);
    if (r == 0 && !config->args[0])
        r = error_set(error, EINVAL, "process.args: is empty; name the program to run");
    if (r == 0)
        r = config_read_strings(env, "process.env", &config->env, error);
    if (r == 0 && capabilities)
        r = read_capabilities(capabilities, &config->capabilities, error);
    json_array_foreach ((json_t *)limits, i, entry) {
        if (r == 0)
            r = read_rlimit(entry, config, error);
    }
    if (r == 0 && json_object_get(object, "oomScoreAdj")) {
        config->has_oom_score_adj = true;
        config->oom_score_adj = (int)oom_score_adj;
        r = config_check_range("process.oomScoreAdj", oom_score_adj, -1000, 1000, error);
    }
    return r;
}

static int read_id_map(const json_t *array, const char *path, struct id_range *map, size_t *count,
                       struct error *error)
{
    size_t i;
    json_t *entry;

    if (json_array_size(array) > ID_RANGES_MAX)
        return error_set(error, E2BIG, "%s: more than %d ranges", path, ID_RANGES_MAX);
    json_array_foreach ((json_t *)array, i, entry) {
        int64_t inside = 0, outside = 0, size = 0;
        const struct config_key keys[] = {
            {"containerID", CONFIG_INTEGER, &inside, true},
            {"hostID", CONFIG_INTEGER, &outside, true},
            {"size", CONFIG_INTEGER, &size, true},
            {NULL, 0, NULL, false},
        };
        int r = config_read_object(entry, path, keys, error);
        if (r == 0)
            r = config_check_range(path, inside, 0, IDS_MAX, error);
        if (r == 0)
            r = config_check_range(path, outside, 0, IDS_MAX, error);
        if (r == 0)
            r = config_check_range(path, size, 1, IDS_MAX - (outside > inside ? outside : inside),
                                   error);
        if (r < 0)
            return r;
        map[(*count)++] = (struct id_range){(uint32_t)inside, (uint32_t)outside, (uint32_t)size};
    }
    return 0;
}

static const struct {
    const char *name;
    uint64_t flag;
} namespaces[] = {
    {"pid", CLONE_NEWPID},       {"network", CLONE_NEWNET}, {"mount", CLONE_NEWNS},
    {"ipc", CLONE_NEWIPC},       {"uts", CLONE_NEWUTS},     {"user", CLONE_NEWUSER},
    {"cgroup", CLONE_NEWCGROUP},
};

static int read_namespaces(const json_t *array, struct config *config, struct error *error)
{
    size_t i;
    json_t *entry;

    json_array_foreach ((json_t *)array, i, entry) {
        const char *type = NULL;
        uint64_t flag = 0;
        const struct config_key keys[] = {
            {"type", CONFIG_STRING, &type, true},
            {NULL, 0, NULL, false},
        };
        int r = config_read_object(entry, "linux.namespaces", keys, error);
        if (r < 0)
            return r;
        for (size_t n = 0; n < ARRAY_LENGTH(namespaces); n++)
            if (strcmp(namespaces[n].name, type) == 0)
                flag = namespaces[n].flag;
        if (!flag)
            return error_set(error, EINVAL, "linux.namespaces: \"%s\" is not known to this runtime",
                             type);
        config->namespaces |= flag;
    }
    return 0;
}

static int read_linux(const json_t *object, struct config *config, struct error *error)
{
    const json_t *uids = NULL, *gids = NULL, *list = NULL, *resources = NULL, *masked = NULL,
                 *read_only = NULL;
    const char *propagation = "private";
    const struct config_key keys[] = {
        {"uidMappings", CONFIG_ARRAY, &uids, false},
        {"gidMappings", CONFIG_ARRAY, &gids, false},
        {"namespaces", CONFIG_ARRAY, &list, true},
        {"cgroupsPath", CONFIG_STRING, &config->cgroups_path, false},
        {"resources", CONFIG_OBJECT, &resources, false},
        {"seccomp", CONFIG_OBJECT, &config->seccomp, false},
        {"maskedPaths", CONFIG_ARRAY, &masked, false},
        {"readonlyPaths", CONFIG_ARRAY, &read_only, false},
        {"rootfsPropagation", CONFIG_STRING, &propagation, false},
        {NULL, 0, NULL, false},
    };

    int r = config_read_object(object, "linux", keys, error);
    if (r == 0)
        r = read_namespaces(list, config, error);
    if (r == 0)
        r = read_id_map(uids, "linux.uidMappings", config->uid_map, &config->uid_map_count, error);
    if (r == 0)
        r = read_id_map(gids, "linux.gidMappings", config->gid_map, &config->gid_map_count, error);
    if (r == 0 && resources)
        r = resources_read(resources, &config->resources, error);
    if (r == 0)
        r = config_read_strings(masked, "linux.maskedPaths", &config->masked_paths, error);
    if (r == 0)
        r = config_read_strings(read_only, "linux.readonlyPaths", &config->read_only_paths, error);
    if (r == 0 && strcmp(propagation, "private") != 0 && strcmp(propagation, "rprivate") != 0)
        r = error_set(error, EINVAL, "linux.rootfsPropagation: \"%s\" is not known to this runtime",
                      propagation);
    return r;
}

/* What holds between the parts. */
static int check_whole(const struct config *config, struct error *error)
{
    if (!(config->namespaces & CLONE_NEWNS))
        return error_set(error, EINVAL, "linux.namespaces: a mount namespace is needed");
    if (config->hostname && !(config->namespaces & CLONE_NEWUTS))
        return error_set(error, EINVAL, "hostname: needs a uts namespace in linux.namespaces");
    bool has_maps = config->uid_map_count > 0 && config->gid_map_count > 0;
    if (((config->namespaces & CLONE_NEWUSER) != 0) != has_maps)
        return error_set(error, EINVAL,
                         "linux: a user namespace goes with uidMappings and gidMappings");
    for (size_t i = 0; i < config->mount_count; i++)
        if (config->mounts[i].is_idmapped && !has_maps)
            return error_set(error, EINVAL, "mounts[%zu]: idmap needs linux.uidMappings", i);
    return 0;
}

static int read_all(struct config *config, struct error *error)
{
    const json_t *process = NULL, *root = NULL, *mounts = NULL, *linux_part = NULL;
    const char *version = NULL;
    const struct config_key keys[] = {
        {"ociVersion", CONFIG_STRING, &version, true},
        {"process", CONFIG_OBJECT, &process, true},
        {"root", CONFIG_OBJECT, &root, true},
        {"hostname", CONFIG_STRING, &config->hostname, false},
        {"mounts", CONFIG_ARRAY, &mounts, false},
        {"linux", CONFIG_OBJECT, &linux_part, true},
        {"annotations", CONFIG_IGNORED, NULL, false}, /* annotations never become settings */
        {NULL, 0, NULL, false},
    };
    const struct config_key root_keys[] = {
        {"path", CONFIG_STRING, &config->root_path, true},
        {"readonly", CONFIG_BOOL, &config->is_root_read_only, false},
        {NULL, 0, NULL, false},
    };

    int r = config_read_object(config->json, "", keys, error);
    if (r == 0 && strncmp(version, "1.", 2) != 0)
        r = error_set(error, EINVAL, "ociVersion: \"%s\" is not 1.x", version);
    if (r == 0)
        r = config_read_object(root, "root", root_keys, error);
    if (r == 0)
        r = read_process(process, config, error);
    if (r == 0)
        r = config_read_mounts(mounts, config, error);
    if (r == 0)
        r = read_linux(linux_part, config, error);
    return r < 0 ? r : check_whole(config, error);
}

int config_read(json_t *json, struct config **config, struct error *error)
{
    _cleanup_config_ struct config *made = calloc(1, sizeof(*made));

    if (!made)
        return error_sys(error, ENOMEM, "read the container's config");
    made->json = json_incref(json);
    int r = read_all(made, error);
    if (r < 0)
        return r;
    *config = steal_ptr(made);
    return 0;
}

void config_free(struct config *config)
{
    if (!config)
        return;
    for (size_t i = 0; i < config->mount_count; i++)
        free(config->mounts[i].data);
    free(config->mounts);
    free(config->args);
    free(config->env);
    free(config->additional_gids);
    resources_free(config->resources);
    free(config->masked_paths);
    free(config->read_only_paths);
    json_decref(config->json);
    free(config);
}
