/* SPDX-License-Identifier: Apache-2.0 */

/* Further processes in a running container. */

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/cleanup.h"
#include "supervisor/runtime/container_internal.h"

/* Entering the user namespace one is in already is EINVAL (setns(2)), so what the container shares
 * with the runtime by way of a path is left out. */
static uint64_t namespaces_to_join(const struct config *config, pid_t pid)
{
    uint64_t flags = config_new_namespaces(config) | config_joined_namespaces(config);

    for (int type = 0; type < NAMESPACE_TYPES; type++) {
        const char *file = config_namespace_file((enum config_namespace_type)type);
        char own[32], its[48];
        struct stat own_st, its_st;
        if (!config->namespaces[type].path)
            continue;
        snprintf(own, sizeof(own), "/proc/self/ns/%s", file);
        snprintf(its, sizeof(its), "/proc/%d/ns/%s", pid, file);
        if (stat(own, &own_st) == 0 && stat(its, &its_st) == 0 && own_st.st_ino == its_st.st_ino &&
            own_st.st_dev == its_st.st_dev)
            flags &= ~config_namespace_flag((enum config_namespace_type)type);
    }
    return flags;
}

static int fill_plan(const struct exec_request *request, struct plan *plan, struct error *error)
{
    const struct config *config = request->config;
    uint64_t flags = namespaces_to_join(config, request->pid);

    *plan = (struct plan){
        .id = request->id,
        .config = config,
        .process = request->process,
        .seccomp = request->seccomp,
        .is_exec = true,
        .has_new_keyring = true,
        .joins = {{request->pidfd, flags}},
        .join_count = flags ? 1 : 0,
        .keeps_mount_namespace = !(config_new_namespaces(config) & CLONE_NEWNS),
        .mount_namespace_fd = -1,
        .pid = request->pid,
        .cgroup_fd = request->cgroup ? cgroup_clone_fd(request->cgroup) : -1,
        .passed_count = request->passed_count,
        .console_fd = request->console_fd,
        .start_listener = -1,
        .timeout_ms = request->waits_for_resume ? -1 : CONTAINER_CREATE_TIMEOUT_MS,
    };
    if (request->passed_count > PLAN_PASSED_MAX)
        return error_set(error, E2BIG, "at most %d descriptors can be passed", PLAN_PASSED_MAX);
    memcpy(plan->stdio, request->stdio, sizeof(plan->stdio));
    for (size_t i = 0; i < request->passed_count; i++)
        plan->passed[i] = request->passed[i];
    int r = container_check_terminal(plan, request->wants_terminal, error);
    if (r == 0 && request->cgroup)
        r = cgroup_open_entry(request->cgroup, plan->cgroup_fd >= 0, &plan->entry, error);
    return r;
}

/* The process executes without waiting for a word: its closed end means that it has. */
static int wait_until_executed(struct container *container, const struct plan *plan,
                               struct error *error)
{
    struct plan_report report;
    int r = container_tell(container);

    if (r == 0)
        r = container_next_report(container, plan, plan->timeout_ms, &report);
    if (r < 0)
        return error_sys(error, -r, "exec %s", plan->process->args[0]);
    return r == 0 ? 0 : plan_explain(plan, &report, error);
}

int container_exec(const struct exec_request *request, struct container *container,
                   struct error *error)
{
    struct plan plan;

    *container = (struct container)CONTAINER_INIT;
    int r = fill_plan(request, &plan, error);
    if (r == 0)
        r = container_begin(&plan, container, error);
    if (r == 0)
        r = wait_until_executed(container, &plan, error);
    container_finish(&plan);
    if (r < 0)
        container_abandon(container);
    else
        close_fd(&container->start_fd);
    return r;
}
