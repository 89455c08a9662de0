/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --systemd-cgroup: the cgroup is a scope of systemd. A scope is made of a process that runs and
 * goes when there is none; the container's does not run yet, so that a process which does nothing
 * holds its place until it does.
 */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "supervisor/cli/runtime_verbs.h"
#include "supervisor/runtime/systemd_scope.h"

#define HELPER_NAME       "container-runtime-systemd"
#define HELPER_TIMEOUT_MS 30000

/* Where the program that speaks to systemd is; tests have it elsewhere. */
static struct systemd_helper find_helper(void)
{
    const char *path = getenv("CONTAINER_RUNTIME_SYSTEMD");

    return (struct systemd_helper){
        .path = path && *path == '/' ? path : MOD_CONTAINER_LIBEXECDIR "/" HELPER_NAME,
        .timeout_ms = HELPER_TIMEOUT_MS,
    };
}

static struct systemd_scope scope_of(const char *unit)
{
    struct systemd_scope scope = {.is_user = geteuid() != 0};

    strncpy(scope.unit, unit, sizeof(scope.unit) - 1);
    return scope;
}

static pid_t start_placeholder(void)
{
    pid_t parent = getpid();
    pid_t pid = fork();

    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        while (getppid() == parent)
            pause();
        _exit(0);
    }
    return pid < 0 ? -errno : pid;
}

int runtime_scope_name(const struct runtime *runtime, const char *id, const struct config *config,
                       struct runtime_cgroup *group, struct error *error)
{
    struct systemd_scope scope;
    char path[PATH_MAX];
    int r =
        systemd_scope_name(config->cgroups_path, id, runtime_is_rootless(runtime), &scope, error);

    if (r == 0)
        r = systemd_scope_path(&scope, path, sizeof(path), error);
    if (r < 0)
        return r;
    group->scope = strdup(scope.unit);
    group->path = strdup(path);
    return group->scope && group->path ? 0 : error_sys(error, ENOMEM, "systemd scope");
}

int runtime_scope_make(const struct runtime *runtime, const char *id, const struct config *config,
                       struct runtime_cgroup *group, struct error *error)
{
    struct systemd_helper helper = find_helper();
    struct systemd_scope scope;
    char path[PATH_MAX];
    int r =
        systemd_scope_name(config->cgroups_path, id, runtime_is_rootless(runtime), &scope, error);

    if (r < 0)
        return r;
    group->placeholder = start_placeholder();
    if (group->placeholder < 0)
        return error_sys(error, -group->placeholder, "systemd scope %s", scope.unit);
    r = systemd_scope_start(&helper, &scope, group->placeholder, config->resources,
                            cgroup_driver_mode(group->driver), path, error);
    if (r < 0 || strcmp(path, group->path) == 0)
        return r;
    /* systemd knows better where it is. */
    free(group->path);
    group->path = strdup(path);
    return group->path ? 0 : error_sys(error, ENOMEM, "systemd scope");
}

void runtime_scope_settle(struct runtime_cgroup *group)
{
    if (group->placeholder <= 0)
        return;
    kill(group->placeholder, SIGKILL);
    while (waitpid(group->placeholder, NULL, 0) < 0 && errno == EINTR)
        ;
    group->placeholder = 0;
}

int runtime_scope_update(const char *unit, const struct cgroup_resources *resources,
                         const struct cgroup_driver *driver, struct error *error)
{
    struct systemd_helper helper = find_helper();
    struct systemd_scope scope = scope_of(unit);

    return systemd_scope_update(&helper, &scope, resources, cgroup_driver_mode(driver), error);
}

int runtime_scope_remove(const char *unit, struct error *error)
{
    struct systemd_helper helper = find_helper();
    struct systemd_scope scope = scope_of(unit);

    return systemd_scope_stop(&helper, &scope, error);
}
