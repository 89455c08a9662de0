/* SPDX-License-Identifier: Apache-2.0 */

/* Creation and start of a container: the parent's side. */

#include "supervisor/runtime/container.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "supervisor/runtime/container_internal.h"
#include "supervisor/runtime/hooks.h"
#include "supervisor/runtime/netdev.h"

/* ---- the plan ---- */

/* ioctl_nsfs(2). A namespace of another kind would be a bare "Invalid argument" much later. */
static int check_type(int fd, enum config_namespace_type wanted, const char *path,
                      struct error *error)
{
    const char *name = config_namespace_name(wanted);
    int flag = ioctl(fd, NS_GET_NSTYPE);

    if (flag < 0)
        return error_set(error, EINVAL, "linux.namespaces: %s namespace %s: it is no namespace",
                         name, path);
    for (int type = 0; type < NAMESPACE_TYPES; type++)
        if (config_namespace_flag((enum config_namespace_type)type) == (uint64_t)flag &&
            type != (int)wanted)
            return error_set(error, EINVAL,
                             "linux.namespaces: %s namespace %s: it is one of type %s", name, path,
                             config_namespace_name((enum config_namespace_type)type));
    return 0;
}

static int open_joins(struct plan *plan, struct error *error)
{
    const struct config *config = plan->config;
    struct stat own, other;

    for (int type = 0; type < NAMESPACE_TYPES; type++) {
        const struct config_namespace *namespace = &config->namespaces[type];
        const char *name = config_namespace_name((enum config_namespace_type)type);
        char path[32];
        if (!namespace->path)
            continue;
        _cleanup_close_ int fd = open(namespace->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0)
            return error_sys(error, errno, "linux.namespaces: %s namespace %s", name,
                             namespace->path);
        int r = check_type(fd, (enum config_namespace_type)type, namespace->path, error);
        if (r < 0)
            return r;
        snprintf(path, sizeof(path), "/proc/self/ns/%s",
                 config_namespace_file((enum config_namespace_type)type));
        /* Where we are already: entering one's own user namespace is EINVAL (setns(2)). */
        if (stat(path, &own) == 0 && fstat(fd, &other) == 0 && own.st_ino == other.st_ino &&
            own.st_dev == other.st_dev)
            continue;
        plan->joins[plan->join_count++] = (struct planned_join){
            .fd = steal_fd(&fd),
            .flag = config_namespace_flag((enum config_namespace_type)type),
        };
    }
    return 0;
}

/*
 * A mount namespace that is not new is that of others too: the runtime's, or the one that is
 * joined. The container stays in it, and changes nothing of it (init_leave.c).
 */
static int keep_mount_namespace(struct plan *plan, struct error *error)
{
    int fd = -1;

    plan->keeps_mount_namespace = !(plan->clone_flags & CLONE_NEWNS);
    if (!plan->keeps_mount_namespace)
        return 0;
    for (size_t i = 0; i < plan->join_count; i++)
        if (plan->joins[i].flag == CLONE_NEWNS)
            fd = fcntl(plan->joins[i].fd, F_DUPFD_CLOEXEC, 3);
    plan->mount_namespace_fd = fd >= 0 ? fd : open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
    return plan->mount_namespace_fd < 0 ? error_sys(error, errno, "open the mount namespace") : 0;
}

static void close_joins(struct plan *plan)
{
    close_fd(&plan->mount_namespace_fd);
    for (size_t i = 0; i < plan->join_count; i++)
        close_fd(&plan->joins[i].fd);
    plan->join_count = 0;
}

static int fill_plan(const struct container_request *request, struct plan *plan,
                     struct error *error)
{
    const struct config *config = request->config;

    *plan = (struct plan){
        .id = request->id,
        .config = config,
        .process = config->process,
        .seccomp = request->seccomp,
        .has_strict_sources = request->has_strict_sources,
        .has_no_pivot = request->has_no_pivot,
        .has_new_keyring = request->has_new_keyring,
        .clone_flags = config_new_namespaces(config),
        .driver = request->driver,
        .cgroup = request->cgroup,
        .cgroup_fd = request->cgroup ? cgroup_clone_fd(request->cgroup) : -1,
        .passed_count = request->passed_count,
        .console_fd = request->console_fd,
        .start_listener = request->start_listener,
        .timeout_ms = CONTAINER_CREATE_TIMEOUT_MS,
        .mount_namespace_fd = -1,
    };
    if (request->passed_count > PLAN_PASSED_MAX)
        return error_set(error, E2BIG, "at most %d descriptors can be passed", PLAN_PASSED_MAX);
    memcpy(plan->stdio, request->stdio, sizeof(plan->stdio));
    for (size_t i = 0; i < request->passed_count; i++)
        plan->passed[i] = request->passed[i];
    int r = container_check_terminal(plan, request->wants_terminal, error);
    if (r == 0)
        r = open_joins(plan, error);
    if (r == 0)
        r = keep_mount_namespace(plan, error);
    if (r == 0 && request->cgroup)
        r = cgroup_open_entry(request->cgroup, plan->cgroup_fd >= 0, &plan->entry, error);
    return r;
}

/* ---- the steps of a creation ---- */

/* What is done in the runtime's namespaces while the process waits with its mounts made. */
static int serve_hooks(const struct container_request *request, struct container *container,
                       struct error *error)
{
    const struct config *config = request->config;

    int r = netdev_move_all(config, container->pid, error);
    if (r == 0)
        r = hooks_run(config, HOOK_PRESTART, request->id, "created", container->pid, error);
    if (r == 0)
        r = hooks_run(config, HOOK_CREATE_RUNTIME, request->id, "created", container->pid, error);
    if (r == 0 && container_tell(container) < 0)
        r = error_set(error, EIO, "create the container: its first process has died");
    return r;
}

/* Hooks of the process's own have timeouts of their own, or none. */
static int building_timeout_ms(const struct config *config)
{
    return config->hooks[HOOK_CREATE_CONTAINER].count ? -1 : CONTAINER_CREATE_TIMEOUT_MS;
}

static int wait_until_built(const struct container_request *request, struct container *container,
                            const struct plan *plan, struct error *error)
{
    int timeout_ms = building_timeout_ms(request->config);
    struct plan_report report;

    if (plan_waits_for_parent(plan) && container_tell(container) < 0)
        return container_explain_death(container, "create the container", error);
    for (;;) {
        int r = container_next_report(container, plan, timeout_ms, &report);
        if (r < 0)
            return error_sys(error, -r, "create the container");
        if (r == 0)
            return container_explain_death(container, "create the container", error);
        if (report.step == STEP_READY)
            return 0;
        if (report.step != STEP_HOOKS)
            return plan_explain(plan, &report, error);
        r = serve_hooks(request, container, error);
        if (r < 0)
            return r;
    }
}

int container_create(const struct container_request *request, struct container *container,
                     struct error *error)
{
    struct plan plan;

    *container = (struct container)CONTAINER_INIT;
    int r = fill_plan(request, &plan, error);
    if (r == 0)
        r = container_begin(&plan, container, error);
    if (r == 0)
        r = wait_until_built(request, container, &plan, error);
    container_finish(&plan);
    close_joins(&plan);
    if (r < 0)
        container_abandon(container);
    else if (request->start_listener >= 0)
        close_fd(&container->start_fd);
    return r;
}

/* ---- the start ---- */

/* Messages of the start speak of the config's process and hooks only. */
static int explain_start(const struct config *config, const struct plan_report *report,
                         struct error *error)
{
    const struct plan plan = {.config = config, .process = config->process};

    return plan_explain(&plan, report, error);
}

static int starting_timeout_ms(const struct config *config)
{
    return config->hooks[HOOK_START_CONTAINER].count ? -1 : CONTAINER_START_TIMEOUT_MS;
}

int container_start(struct container *container, const struct config *config, struct error *error)
{
    struct plan_report report;
    int r = container_tell(container);

    if (r == 0)
        r = container_next_report(container, NULL, starting_timeout_ms(config), &report);
    if (r == 0) {
        close_fd(&container->start_fd);
        return 0;
    }
    r = r < 0 ? error_sys(error, -r, "start the container") : explain_start(config, &report, error);
    container_abandon(container);
    return r;
}

int container_start_at(int directory, const char *name, const struct config *config,
                       struct error *error)
{
    struct container container = CONTAINER_INIT;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct plan_report report;

    if (snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s", directory,
                 name) >= (int)sizeof(address.sun_path))
        return error_set(error, ENAMETOOLONG, "start socket %s", name);
    _cleanup_close_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return error_sys(error, errno, "start the container");
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        return error_sys(error, errno, "start the container: its waiting process does not answer");
    container.start_fd = fd;
    int r = container_next_report(&container, NULL, starting_timeout_ms(config), &report);
    if (r == 0)
        return 0;
    return r < 0 ? error_sys(error, -r, "start the container")
                 : explain_start(config, &report, error);
}

/* ---- small things ---- */

int container_network_namespace(const struct container *container)
{
    char path[64];

    /* The process is ours and not yet reaped: its pid cannot be another's. */
    snprintf(path, sizeof(path), "/proc/%d/ns/net", container->pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int container_signal(const struct container *container, int signal)
{
    return pidfd_send_signal(container->pidfd, signal, NULL, 0) < 0 ? -errno : 0;
}

void container_abandon(struct container *container)
{
    if (container->pid > 0) {
        kill(container->pid, SIGKILL); /* not reaped yet, so the pid is still its own */
        while (waitpid(container->pid, NULL, 0) < 0 && errno == EINTR)
            continue;
    }
    close_fd(&container->pidfd);
    close_fd(&container->start_fd);
    close_fd(&container->terminal_fd);
    container->pid = -1;
}
