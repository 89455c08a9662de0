/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "supervisor/cli/runtime_log.h"
#include "supervisor/cli/runtime_verbs.h"
#include "supervisor/runtime/cgroup.h"
#include "supervisor/runtime/seccomp.h"

/* All that one `exec` needs, gathered before anything is done. It goes with the process. */
struct execution {
    struct runtime_container container;
    json_t *json;
    struct config *config;
    struct config_process *process;
    struct runtime_cgroup group;
    struct seccomp_program *seccomp;
    struct runtime_passed passed;
    int pidfd, console;
};

static int check_status(const struct runtime *runtime, const struct runtime_container *container,
                        struct error *error)
{
    enum store_status status = store_status(&container->entry, &container->state);

    if (status == STORE_STOPPED)
        return error_set(error, ESRCH, "cannot exec in a stopped container: \"%s\"",
                         container->state.id);
    if (status == STORE_CREATING)
        return error_set(error, EBUSY, "cannot exec in container \"%s\": it is still being created",
                         container->state.id);
    if (status == STORE_PAUSED && !runtime->options.is_paused_ignored)
        return error_set(error, EBUSY,
                         "cannot exec in a paused container (use --ignore-paused to override): "
                         "\"%s\"",
                         container->state.id);
    return 0;
}

/* The container's cgroup, or what --cgroup names below it. */
static int find_group(const struct runtime *runtime, struct execution *execution,
                      struct error *error)
{
    const struct store_state *state = &execution->container.state;
    const struct option_list *list = &runtime->options.cgroups;
    struct runtime_cgroup *group = &execution->group;
    struct cgroup *below;

    if (!state->cgroup && list->count == 0)
        return 0;
    int r = runtime_cgroup_find(state, group, error);
    if (r < 0)
        return r;
    if (list->count == 0)
        r = cgroup_open_home(group->cgroup, state->process.pid, &below, error);
    else
        r = cgroup_open_below(group->cgroup, (const char *const *)list->items, list->count, &below,
                              error);
    if (r < 0)
        return list->count ? error_wrap(error, "--cgroup") : r;
    if (below) {
        cgroup_close(group->cgroup);
        group->cgroup = below;
    }
    return 0;
}

static int gather(struct runtime *runtime, int count, char **args, struct execution *execution,
                  struct error *error)
{
    struct runtime_container *container = &execution->container;
    int r = runtime_find(runtime, args[0], false, container, error);

    if (r == 0)
        r = check_status(runtime, container, error);
    if (r < 0)
        return r;
    execution->pidfd = identity_open(&container->state.process);
    if (execution->pidfd < 0)
        return error_set(error, ESRCH, "cannot exec in a stopped container: \"%s\"", args[0]);
    execution->json = runtime_config_json(container, error);
    if (!execution->json)
        return error->code ? -error->code : -EINVAL;
    r = config_read(execution->json, container->state.bundle, &execution->config, error);
    if (r == 0)
        r = runtime_exec_process(runtime, execution->json, count - 1, args + 1, &execution->process,
                                 error);
    if (r == 0)
        r = runtime_passed_find(runtime, false, &execution->passed, error);
    if (r == 0)
        r = find_group(runtime, execution, error);
    if (r == 0)
        r = runtime_seccomp(runtime, execution->config, &execution->seccomp, error);
    if (r == 0)
        r = runtime_console(runtime, execution->process->has_terminal, runtime->options.is_detached,
                            &execution->console, error);
    return r;
}

static int execute(const struct runtime *runtime, const struct execution *execution,
                   struct container *made, struct error *error)
{
    const struct runtime_options *options = &runtime->options;
    const struct exec_request request = {
        .id = execution->container.state.id,
        .config = execution->config,
        .process = execution->process,
        .pid = execution->container.state.process.pid,
        .pidfd = execution->pidfd,
        .cgroup = execution->group.cgroup,
        .seccomp = execution->seccomp,
        .stdio = {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO},
        .passed = execution->passed.fds,
        .passed_count = execution->passed.count,
        .console_fd = execution->console,
        .wants_terminal = execution->process->has_terminal && execution->console < 0,
        .waits_for_resume = options->is_paused_ignored,
    };
    if (request.wants_terminal)
        runtime_terminal_size(execution->process);
    int r = container_exec(&request, made, error);

    if (r < 0)
        return r;
    runtime_log_warnings(made->warnings);
    runtime_log(RUNTIME_LOG_DEBUG, "process %d runs", (int)made->pid);
    if (options->pidfd_socket && *options->pidfd_socket)
        r = runtime_send_pidfd(options->pidfd_socket, made->pidfd, "setns", error);
    if (r == 0 && options->pid_file && *options->pid_file)
        r = runtime_pid_file_write(options->pid_file, made->pid, error);
    if (r < 0)
        container_abandon(made);
    return r;
}

int runtime_exec_verb(struct runtime *runtime, int count, char **args, struct error *error)
{
    static struct execution execution = {.container.entry.fd = -1, .pidfd = -1, .console = -1};
    bool is_foreground = !runtime->options.is_detached;
    _cleanup_close_ int signals = -1;
    struct container made;
    int r = gather(runtime, count, args, &execution, error);

    if (r == 0)
        r = execute(runtime, &execution, &made, error);
    if (r == 0 && is_foreground) {
        signals = runtime_hold_signals();
        r = signals < 0 ? error_sys(error, -signals, "take signals")
                        : runtime_wait(&made, signals, -1, error);
    }
    return r < 0 ? error_wrap(error, "exec failed") : r;
}
