/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "supervisor/cli/runtime_log.h"
#include "supervisor/cli/runtime_verbs.h"
#include "supervisor/runtime/cgroup.h"
#include "supervisor/runtime/resources.h"

/* ---- whose cgroups are they? ---- */

/* user_namespaces(7): outside of any the map is the identity on all ids. */
static bool is_in_user_namespace(void)
{
    char text[64] = "";
    unsigned inside = 1, outside = 1, count = 0;
    _cleanup_close_ int fd = open("/proc/self/uid_map", O_RDONLY | O_CLOEXEC);

    if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
        return false;
    return sscanf(text, "%u %u %u", &inside, &outside, &count) != 3 || inside != 0 ||
           outside != 0 || count != UINT32_MAX;
}

bool runtime_is_rootless(const struct runtime *runtime)
{
    const char *forced = runtime->options.rootless;

    if (forced && strcmp(forced, "true") == 0)
        return true;
    if (forced && strcmp(forced, "false") == 0)
        return false;
    return geteuid() != 0 || is_in_user_namespace();
}

/* ---- which one? ---- */

enum manager {
    MANAGER_CGROUPFS,
    MANAGER_SYSTEMD,
    MANAGER_DISABLED,
};

static int find_manager(const struct runtime *runtime, enum manager *manager, struct error *error)
{
    const char *name = runtime->options.cgroup_manager;

    *manager = runtime->options.has_systemd_cgroup ? MANAGER_SYSTEMD : MANAGER_CGROUPFS;
    if (!name)
        return 0;
    if (strcmp(name, "systemd") == 0)
        *manager = MANAGER_SYSTEMD;
    else if (strcmp(name, "disabled") == 0)
        *manager = MANAGER_DISABLED;
    else if (strcmp(name, "cgroupfs") != 0)
        return error_set(error, EINVAL,
                         "--cgroup-manager \"%s\": not one of cgroupfs, systemd and disabled",
                         name);
    return 0;
}

/*
 * The path of the config, or one made of the id. A relative one, and that of the id, begin where we
 * may make groups: at the root, or for others than root at the group delegated to them.
 */
static int find_path(const struct runtime *runtime, struct cgroup_driver *driver, const char *id,
                     const char *wanted, char **path, struct error *error)
{
    char base[PATH_MAX] = "";
    const char *name = wanted && *wanted ? wanted : id;

    if (*name != '/' && runtime_is_rootless(runtime)) {
        int r = cgroup_driver_base(driver, base, error);
        if (r < 0)
            return r;
    }
    while (*name == '/')
        name++;
    *path = malloc(strlen(base) + strlen(name) + 2);
    if (!*path)
        return error_sys(error, ENOMEM, "cgroup of \"%s\"", id);
    sprintf(*path, "%s/%s", base, name);
    for (size_t length = strlen(*path); length > 1 && (*path)[length - 1] == '/'; length--)
        (*path)[length - 1] = '\0';
    return 0;
}

/* The file that tells whether the group is frozen, for `state`, which is to be quick. */
static char *find_freezer(const struct cgroup_driver *driver, const char *path)
{
    const char *directory, *type, *options, *file = NULL, *where = NULL;
    char *freezer;

    for (size_t i = 0; cgroup_driver_mount(driver, i, &directory, &type, &options); i++) {
        bool is_v2 = strcmp(type, "cgroup2") == 0;
        if (is_v2 || strcmp(options, "freezer") == 0) {
            where = directory;
            file = is_v2 ? "cgroup.freeze" : "freezer.state";
        }
        if (is_v2)
            break;
    }
    if (!file ||
        asprintf(&freezer, "/sys/fs/cgroup%s%s%s/%s", *where ? "/" : "", where, path, file) < 0)
        return NULL;
    return freezer;
}

/* ---- making ---- */

/* Devices that the config does not allow are denied, whether it speaks of devices or not. */
static int set_limits(struct cgroup *cgroup, const struct config *config, struct error *error)
{
    _cleanup_resources_ struct cgroup_resources *empty = NULL;
    struct cgroup_resources *resources = config->resources;
    int r = 0;

    if (!resources) {
        json_t *nothing = json_object();
        r = resources_read(nothing, &empty, error);
        json_decref(nothing);
        resources = empty;
    }
    if (r == 0)
        r = resources_allow_default_devices(resources, error);
    return r < 0 ? r : cgroup_apply(cgroup, resources, error);
}

/* Others than root often may not make groups; a container without limits can live without one. */
static int go_without(const struct runtime *runtime, const struct config *config,
                      struct runtime_cgroup *group, const struct error *reason, struct error *error)
{
    int code = reason->code;
    bool is_denied = code == EACCES || code == EPERM || code == EROFS || code == ENOENT;

    runtime_cgroup_remove(group, NULL);
    runtime_cgroup_close(group);
    if (!is_denied || config->resources || !runtime_is_rootless(runtime)) {
        *error = *reason;
        return -code;
    }
    runtime_log(RUNTIME_LOG_WARNING, "the container has no cgroup of its own: %s", reason->message);
    return 0;
}

/*
 * A container with a writable view of its group may make groups below. Others than root often may
 * not give theirs away: then it cannot, and all else is as it should be.
 */
static int give_away(const struct runtime *runtime, struct cgroup *cgroup,
                     const struct config *config, struct error *error)
{
    struct error reason = ERROR_INIT;
    uid_t owner;
    int r = config_gives_cgroup(config, &owner) ? cgroup_delegate(cgroup, owner, &reason) : 0;

    if (r == 0)
        return 0;
    if (runtime_is_rootless(runtime)) {
        runtime_log(RUNTIME_LOG_WARNING, "%s", reason.message);
        return 0;
    }
    *error = reason;
    return r;
}

static int make_group(const struct runtime *runtime, struct runtime_cgroup *group,
                      const struct config *config, struct error *error)
{
    int r = cgroup_create(group->driver, group->path, &group->cgroup, error);

    if (r < 0)
        return r;
    /* `delete` kills all that is in it. */
    if (group->placeholder == 0 && !cgroup_is_new(group->cgroup) &&
        cgroup_is_populated(group->cgroup)) {
        cgroup_close(steal_ptr(group->cgroup));
        return error_set(error, EBUSY,
                         "linux.cgroupsPath: processes live in the cgroup %s already; a container "
                         "must have one to itself",
                         group->path);
    }
    r = set_limits(group->cgroup, config, error);
    return r < 0 ? r : give_away(runtime, group->cgroup, config, error);
}

int runtime_cgroup_name(const struct runtime *runtime, const char *id, const struct config *config,
                        struct runtime_cgroup *group, struct error *error)
{
    enum manager manager;
    struct error reason = ERROR_INIT;
    int r = find_manager(runtime, &manager, error);

    *group = (struct runtime_cgroup){0};
    if (r < 0 || manager == MANAGER_DISABLED)
        return r;
    r = cgroup_driver_open(&group->driver, &reason);
    if (r == 0 && manager == MANAGER_SYSTEMD)
        r = runtime_scope_name(runtime, id, config, group, &reason);
    else if (r == 0)
        r = find_path(runtime, group->driver, id, config->cgroups_path, &group->path, &reason);
    if (r == 0)
        group->freezer = find_freezer(group->driver, group->path);
    return r < 0 ? go_without(runtime, config, group, &reason, error) : 0;
}

int runtime_cgroup_make(const struct runtime *runtime, const char *id, const struct config *config,
                        struct runtime_cgroup *group, struct error *error)
{
    struct error reason = ERROR_INIT;
    int r = 0;

    if (!group->path)
        return 0;
    if (group->scope)
        r = runtime_scope_make(runtime, id, config, group, &reason);
    if (r == 0)
        r = make_group(runtime, group, config, &reason);
    return r < 0 ? go_without(runtime, config, group, &reason, error) : 0;
}

int runtime_cgroup_find(const struct store_state *state, struct runtime_cgroup *group,
                        struct error *error)
{
    *group = (struct runtime_cgroup){0};
    if (!state->cgroup)
        return error_set(error, ENOENT, "container \"%s\" has no cgroup of its own", state->id);
    group->scope = state->scope ? strdup(state->scope) : NULL;
    if (state->scope && !group->scope)
        return error_sys(error, ENOMEM, "cgroup of \"%s\"", state->id);
    int r = cgroup_driver_open(&group->driver, error);
    if (r == 0)
        r = cgroup_open(group->driver, state->cgroup, &group->cgroup, error);
    if (r < 0)
        runtime_cgroup_close(group);
    return r;
}

int runtime_cgroup_remove(struct runtime_cgroup *group, struct error *error)
{
    int r = 0;

    /* Mostly its first process has taken all others along. */
    if (group->cgroup && (group->scope || cgroup_remove_idle(group->cgroup) < 0))
        r = cgroup_kill(group->cgroup, error);

    runtime_scope_settle(group);
    /* What systemd did not make is left for us. */
    if (r == 0 && group->scope)
        r = runtime_scope_remove(group->scope, error);
    if (r == 0 && group->cgroup)
        r = cgroup_destroy(steal_ptr(group->cgroup), RUNTIME_KILL_TIMEOUT_MS, error);
    return r;
}

void runtime_cgroup_close(struct runtime_cgroup *group)
{
    runtime_scope_settle(group);
    cgroup_close(group->cgroup);
    cgroup_driver_close(group->driver);
    free(group->path);
    free(group->scope);
    free(group->freezer);
    *group = (struct runtime_cgroup){0};
}
