/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/runtime/container.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "supervisor/runtime/plan.h"
#include "supervisor/sys/clone.h"
#include "supervisor/sys/userns.h"

static void note_warning(struct container *container, const struct plan *plan,
                         const struct plan_report *report)
{
    struct error warning = ERROR_INIT;
    size_t used = strlen(container->warnings);

    plan_explain(plan, report, &warning);
    snprintf(container->warnings + used, sizeof(container->warnings) - used, "%s%s",
             used ? "\n" : "", warning.message);
}

/*
 * Waits for the next report that is no warning. Returns 1 with it, 0 when the process closed its
 * end (it has executed, or it died), -ETIMEDOUT.
 */
static int next_report(struct container *container, const struct plan *plan, int64_t deadline_ms,
                       struct plan_report *report)
{
    for (;;) {
        int64_t left = deadline_ms - clock_monotonic_ms();
        struct pollfd ready = {.fd = container->status_fd, .events = POLLIN};
        int r = left > 0 ? poll(&ready, 1, (int)left) : 0;
        if (r == 0)
            return -ETIMEDOUT;
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return -errno;
        ssize_t length = recv(container->status_fd, report, sizeof(*report), MSG_DONTWAIT);
        if (length < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (length <= 0)
            return 0;
        if (length != sizeof(*report))
            return -EPROTO;
        if (!report->is_warning)
            return 1;
        if (plan)
            note_warning(container, plan, report);
    }
}

static int set_oom_score(pid_t pid, int value)
{
    char path[64], text[16];

    snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", pid);
    int length = snprintf(text, sizeof(text), "%d", value);
    _cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return -errno;
    return write(fd, text, (size_t)length) < 0 ? -errno : 0;
}

/*
 * The hard limits rise here, because a process in a user namespace of its own has no
 * CAP_SYS_RESOURCE that counts. What cannot rise stays; the process tells of it when it sets its
 * limits.
 */
static void raise_hard_limits(const struct config *config, pid_t pid)
{
    for (size_t i = 0; i < config->rlimit_count; i++) {
        const struct config_rlimit *wanted = &config->rlimits[i];
        struct rlimit limit;
        if (prlimit(pid, wanted->resource, NULL, &limit) < 0 ||
            limit.rlim_max >= wanted->limit.rlim_max)
            continue;
        limit.rlim_max = wanted->limit.rlim_max;
        prlimit(pid, wanted->resource, &limit, NULL);
    }
}

/* What the process cannot do for itself: its limits, its identities, its cgroup, its OOM score. */
static int prepare_process(const struct container_request *request, struct container *container,
                           struct error *error)
{
    const struct config *config = request->config;
    int r = 0;

    raise_hard_limits(config, container->pid);
    if (config->namespaces & CLONE_NEWUSER)
        r = userns_write_maps(container->pid, config->uid_map, config->uid_map_count,
                              config->gid_map, config->gid_map_count);
    if (r < 0)
        return error_sys(error, -r, "map the ids of the user namespace");
    r = request->cgroup ? cgroup_attach(request->cgroup, container->pid, error) : 0;
    if (r == 0 && config->has_oom_score_adj) {
        r = set_oom_score(container->pid, config->oom_score_adj);
        if (r < 0) /* lowering it takes CAP_SYS_RESOURCE; the score in force stays */
            snprintf(container->warnings, sizeof(container->warnings),
                     "process.oomScoreAdj: %d cannot be set: %s", config->oom_score_adj,
                     strerror(-r));
        r = 0;
    }
    return r;
}

static int tell(struct container *container)
{
    return send(container->status_fd, "g", 1, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int wait_until_built(struct container *container, const struct plan *plan,
                            struct error *error)
{
    struct plan_report report;
    int r = tell(container);

    if (r == 0)
        r = next_report(container, plan, clock_monotonic_ms() + CONTAINER_CREATE_TIMEOUT_MS,
                        &report);
    if (r < 0)
        return error_sys(error, -r, "build the container");
    if (r == 0)
        return error_set(error, EIO, "build the container: the process died");
    return report.step == STEP_READY ? 0 : plan_explain(plan, &report, error);
}

static int clone_init(const struct container_request *request, struct plan *plan,
                      struct container *container, struct error *error)
{
    const struct config *config = request->config;
    /* The cgroup namespace is made later, when the cgroup is joined everywhere. */
    uint64_t flags = (config->namespaces & ~(uint64_t)CLONE_NEWCGROUP) | CLONE_PIDFD;
    int cgroup_fd = request->cgroup ? cgroup_clone_fd(request->cgroup) : -1;
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return error_sys(error, errno, "make a socket pair");
    plan->status_fd = ends[1];
    container->pid = clone_process(flags, cgroup_fd, &container->pidfd);
    if (container->pid == 0) {
        close(ends[0]);
        init_run(plan);
    }
    close(ends[1]);
    if (container->pid < 0) {
        close(ends[0]);
        return error_sys(error, -container->pid, "clone into new namespaces");
    }
    container->status_fd = ends[0];
    return 0;
}

int container_create(const struct container_request *request, struct container *container,
                     struct error *error)
{
    struct plan plan;

    *container = (struct container){.pid = -1, .pidfd = -1, .status_fd = -1};
    if (request->passed_count > PLAN_PASSED_MAX)
        return error_set(error, E2BIG, "at most %d descriptors can be passed", PLAN_PASSED_MAX);
    int r =
        plan_prepare(&plan, request->config, request->driver, request->has_strict_sources, error);
    if (r < 0)
        return r;
    plan.seccomp = request->seccomp;
    memcpy(plan.stdio, request->stdio, sizeof(plan.stdio));
    for (size_t i = 0; i < request->passed_count; i++)
        plan.passed[i] = request->passed[i];
    plan.passed_count = request->passed_count;
    snprintf(container->program, sizeof(container->program), "%s", request->config->args[0]);

    r = clone_init(request, &plan, container, error);
    if (r == 0)
        r = prepare_process(request, container, error);
    if (r == 0)
        r = wait_until_built(container, &plan, error);
    plan_release(&plan);
    if (r < 0)
        container_abandon(container);
    return r;
}

/* The exec error of a program, without the plan, which is gone by now. */
static int explain_exec(const struct container *container, const struct plan_report *report,
                        struct error *error)
{
    if (report->step == STEP_EXEC && report->errnum == ENOENT)
        return error_set(error, ENOENT, "exec %s: no such program in the image",
                         container->program);
    if (report->step == STEP_SECCOMP)
        return error_sys(error, report->errnum, "load the seccomp filter");
    return error_sys(error, report->errnum, "exec %s", container->program);
}

int container_start(struct container *container, struct error *error)
{
    struct plan_report report;
    int r = tell(container);

    if (r == 0)
        r = next_report(container, NULL, clock_monotonic_ms() + CONTAINER_START_TIMEOUT_MS,
                        &report);
    if (r == 0) {
        close_fd(&container->status_fd);
        return 0;
    }
    if (r < 0)
        r = error_sys(error, -r, "start %s", container->program);
    else
        r = explain_exec(container, &report, error);
    container_abandon(container);
    return r;
}

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
        pidfd_send_signal(container->pidfd, SIGKILL, NULL, 0);
        while (waitpid(container->pid, NULL, 0) < 0 && errno == EINTR)
            continue;
    }
    close_fd(&container->pidfd);
    close_fd(&container->status_fd);
    container->pid = -1;
}
