/* SPDX-License-Identifier: Apache-2.0 */

/* The parent's dealings with a new process: clone, reports, what it cannot do for itself. */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "supervisor/runtime/container_internal.h"
#include "supervisor/runtime/hooks.h"
#include "supervisor/runtime/mounts_internal.h"
#include "supervisor/sys/clone.h"

static void limit_text(rlim_t limit, char *text, size_t size)
{
    if (limit == RLIM_INFINITY)
        snprintf(text, size, "unlimited");
    else
        snprintf(text, size, "%llu", (unsigned long long)limit);
}

/* ---- reports ---- */

void container_warn(struct container *container, const char *text)
{
    size_t used = strlen(container->warnings);

    snprintf(container->warnings + used, sizeof(container->warnings) - used, "%s%s",
             used ? "\n" : "", text);
}

/* One message with the descriptor that may come along; the length, 0 at the end, or -errno. What a
 * hook said ends with a zero byte afterwards. */
static ssize_t receive(int socket_fd, struct plan_report *report, int *fd)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec part = {.iov_base = report, .iov_len = sizeof(*report) - 1};
    struct msghdr header = {
        .msg_iov = &part,
        .msg_iovlen = 1,
        .msg_control = control.bytes,
        .msg_controllen = sizeof(control.bytes),
    };

    *fd = -1;
    ssize_t length = recvmsg(socket_fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (length < 0)
        return -errno;
    const struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
    if (rights && rights->cmsg_level == SOL_SOCKET && rights->cmsg_type == SCM_RIGHTS)
        memcpy(fd, CMSG_DATA(rights), sizeof(*fd));
    if ((size_t)length >= PLAN_REPORT_SIZE)
        ((char *)report)[length] = '\0';
    return length;
}

/* What was asked and what the process has, whose limits are not yet those of the program. */
static void warn_of_limit(struct container *container, const struct config_rlimit *wanted,
                          int errnum)
{
    struct rlimit limit = {0};
    char text[256], hard[32];

    prlimit(container->pid, wanted->resource, NULL, &limit);
    limit_text(wanted->limit.rlim_max, hard, sizeof(hard));
    int length =
        snprintf(text, sizeof(text), "process.rlimits: %s: hard limit %s cannot be set: %s",
                 wanted->name, hard, strerror(errnum));
    limit_text(limit.rlim_max, hard, sizeof(hard));
    snprintf(text + length, sizeof(text) - (size_t)length, " (%s stays in force)", hard);
    container_warn(container, text);
}

/* Whether a report is for the caller of container_next_report(). */
static bool take_report(struct container *container, const struct plan *plan,
                        const struct plan_report *report, int *fd)
{
    struct error warning = ERROR_INIT;

    if (report->step == STEP_TERMINAL_SENT) {
        close_fd(&container->terminal_fd);
        container->terminal_fd = steal_fd(fd);
        return false;
    }
    if (!report->is_warning)
        return true;
    if (plan && report->step == STEP_RLIMIT) {
        warn_of_limit(container, &plan->process->rlimits[report->index], report->errnum);
    } else if (plan) {
        plan_explain(plan, report, &warning);
        container_warn(container, warning.message);
    }
    return false;
}

int container_next_report(struct container *container, const struct plan *plan, int timeout_ms,
                          struct plan_report *report)
{
    int64_t deadline_ms = clock_monotonic_ms() + timeout_ms;

    for (;;) {
        int64_t left = timeout_ms < 0 ? -1 : deadline_ms - clock_monotonic_ms();
        struct pollfd ready = {.fd = container->start_fd, .events = POLLIN};
        if (timeout_ms >= 0 && left <= 0)
            return -ETIMEDOUT;
        int r = poll(&ready, 1, (int)left);
        if (r < 0 && errno != EINTR)
            return -errno;
        if (r <= 0)
            continue;
        _cleanup_close_ int fd = -1;
        ssize_t length = receive(container->start_fd, report, &fd);
        if (length == -EINTR || length == -EAGAIN)
            continue;
        if (length == 0 || length == -ECONNRESET)
            return 0;
        if (length < (ssize_t)PLAN_REPORT_SIZE)
            return length < 0 ? (int)length : -EPROTO;
        if (take_report(container, plan, report, &fd))
            return 1;
    }
}

int container_tell(const struct container *container)
{
    return send(container->start_fd, "g", 1, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int container_explain_death(const struct container *container, const char *doing,
                            struct error *error)
{
    siginfo_t info = {0};

    if (waitid(P_PID, (id_t)container->pid, &info, WEXITED | WNOWAIT) == 0 &&
        (info.si_code == CLD_KILLED || info.si_code == CLD_DUMPED))
        return error_set(error, EIO, "%s: the first process was killed by signal %d (%s)%s", doing,
                         info.si_status, strsignal(info.si_status),
                         info.si_status == 9 ? "; its memory limit may be too small" : "");
    return error_set(error, EIO, "%s: the first process has died", doing);
}

/* ---- clone ---- */

/* The joining process has told the pid of its sibling, and ends; that is not waited for here. */
static int adopt_sibling(struct plan *plan, struct container *container, struct error *error)
{
    struct plan_report report;
    pid_t joiner = container->pid;

    int r = container_next_report(container, plan, plan->timeout_ms, &report);
    if (r == 0)
        return container_explain_death(container, "join the namespaces", error);
    if (r < 0)
        return error_sys(error, -r, "join the namespaces");
    if (report.step != STEP_CLONED)
        return plan_explain(plan, &report, error);
    plan->joiner = joiner;
    close_fd(&container->pidfd);
    container->pid = (pid_t)report.index;
    container->pidfd = pidfd_open(container->pid, 0); /* our child, not reaped: it is that one */
    return container->pidfd < 0 ? error_sys(error, errno, "open the process") : 0;
}

static void reap_joiner(struct plan *plan)
{
    while (plan->joiner > 0 && waitpid(plan->joiner, NULL, 0) < 0 && errno == EINTR)
        continue;
    plan->joiner = 0;
}

static int clone_first(struct plan *plan, struct container *container, struct error *error)
{
    bool needs_joining = plan_needs_joining(plan);
    /* The cgroup namespace is made later, when the cgroup is entered everywhere. */
    uint64_t flags = needs_joining ? 0 : plan->clone_flags & ~(uint64_t)CLONE_NEWCGROUP;
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return error_sys(error, errno, "make a socket pair");
    plan->status_fd = ends[1];
    container->pid = clone_process(flags | CLONE_PIDFD, plan->cgroup_fd, &container->pidfd);
    if (container->pid == 0) {
        close(ends[0]);
        if (needs_joining)
            init_join_run(plan);
        init_run(plan);
    }
    close(ends[1]);
    plan->status_fd = -1;
    container->start_fd = ends[0];
    if (container->pid < 0)
        return error_sys(error, -container->pid, "clone into new namespaces");
    return needs_joining ? adopt_sibling(plan, container, error) : 0;
}

/* ---- what the process cannot do for itself ---- */

/* in_force is the score afterwards, whatever came of it. */
static int set_oom_score(pid_t pid, int value, int *in_force)
{
    char path[64], text[16];

    snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", pid);
    int length = snprintf(text, sizeof(text), "%d", value);
    _cleanup_close_ int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return -errno;
    if (write(fd, text, (size_t)length) >= 0)
        return 0;
    int r = -errno;
    ssize_t got = pread(fd, text, sizeof(text) - 1, 0);
    text[got > 0 ? got : 0] = '\0';
    *in_force = atoi(text);
    return r;
}

/* Lowering it takes CAP_SYS_RESOURCE (proc_pid_oom_score_adj(5)); else the score in force stays. */
static void adjust_oom_score(const struct config_process *process, struct container *container)
{
    char text[160];
    int in_force = 0;

    int r = set_oom_score(container->pid, process->oom_score_adj, &in_force);
    if (r == 0)
        return;
    snprintf(text, sizeof(text), "process.oomScoreAdj: %d cannot be set: %s (%d stays in force)",
             process->oom_score_adj, strerror(-r), in_force);
    container_warn(container, text);
}

/*
 * The hard limits rise here, because a process in a user namespace of its own has no
 * CAP_SYS_RESOURCE that counts. What cannot rise stays; the process tells of it when it sets its
 * limits.
 */
static void raise_hard_limits(const struct config_process *process, pid_t pid)
{
    for (size_t i = 0; i < process->rlimit_count; i++) {
        const struct config_rlimit *wanted = &process->rlimits[i];
        struct rlimit limit;
        if (prlimit(pid, wanted->resource, NULL, &limit) < 0 ||
            limit.rlim_max >= wanted->limit.rlim_max)
            continue;
        limit.rlim_max = wanted->limit.rlim_max;
        prlimit(pid, wanted->resource, &limit, NULL);
    }
}

/*
 * What own_pipes() does for others (init_rights.c), root of a user namespace may not: the pipes
 * belong to an id of the host. What cannot change stays.
 */
static void own_pipes(const struct plan *plan)
{
    struct stat st;
    uid_t outside;

    if (!plan->config->namespaces[NAMESPACE_USER].is_given ||
        config_outside_uid(plan->config, plan->process->uid, &outside) < 0)
        return;
    for (int fd = 0; fd < 3; fd++)
        if (fstat(plan->stdio[fd], &st) == 0 && S_ISFIFO(st.st_mode) &&
            fchown(plan->stdio[fd], outside, (gid_t)-1) < 0)
            continue;
}

/* config.md and config-linux.md leave open what a label is worth where its LSM is off. */
static void warn_of_label(struct container *container, const char *key, const char *label,
                          const char *lsm)
{
    char text[256];

    snprintf(text, sizeof(text), "%s: %.128s is not set: %s is off on this machine", key, label,
             lsm);
    container_warn(container, text);
}

/* Once, not at each exec, for it is the machine's state and not a matter of rights. */
static void warn_of_labels(const struct plan *plan, struct container *container)
{
    const struct config_process *process = plan->process;
    const char *mount_label = plan->config->mount_label;

    if (plan->is_exec)
        return;
    if (process && process->apparmor_profile && !plan->has_apparmor)
        warn_of_label(container, "process.apparmorProfile", process->apparmor_profile, "AppArmor");
    if (process && process->selinux_label && !plan->has_selinux)
        warn_of_label(container, "process.selinuxLabel", process->selinux_label, "SELinux");
    if (mount_label && !mounts_needs_label(plan->config))
        warn_of_label(container, "linux.mountLabel", mount_label, "SELinux");
}

static int prepare_process(const struct plan *plan, struct container *container,
                           struct error *error)
{
    const struct config *config = plan->config;
    const struct config_process *process = plan->process;

    warn_of_labels(plan, container);
    if (process && process->notes[0])
        container_warn(container, process->notes);
    if (process && !process->has_terminal)
        own_pipes(plan);
    if (process && plan_waits_for_parent(plan))
        raise_hard_limits(process, container->pid);
    if (process && process->has_oom_score_adj)
        adjust_oom_score(process, container);
    if (!(plan->clone_flags & CLONE_NEWUSER))
        return 0;
    int r = userns_write_maps(container->pid, config->uid_map, config->uid_map_count,
                              config->gid_map, config->gid_map_count);
    return r < 0 ? error_sys(error, -r, "linux.uidMappings: map the ids of the user namespace") : 0;
}

/* ---- states for hooks and agents ---- */

/* Hooks of the container's own may be programs of the image: they only read. */
static int seal(int fd, struct error *error)
{
    return fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0
               ? error_sys(error, errno, "seal the state")
               : 0;
}

static int write_json(int fd, json_t *json, struct error *error)
{
    _cleanup_free_ char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;

    json_decref(json);
    if (!text)
        return error_sys(error, ENOMEM, "write the state");
    size_t length = strlen(text);
    if (pwrite(fd, text, length, 0) != (ssize_t)length)
        return error_sys(error, EIO, "write the state");
    return seal(fd, error);
}

/* config-linux.md, "The Container Process State". */
static json_t *agent_state(const struct plan *plan, pid_t pid)
{
    json_t *state = json_pack("{s:s, s:[s], s:i, s:o}", "ociVersion", plan->config->oci_version,
                              "fds", "seccompFd", "pid", (int)pid, "state",
                              state_json(plan->config, plan->id, "creating", pid));

    if (state && plan->seccomp->listener_metadata)
        json_object_set_new(state, "metadata", json_string(plan->seccomp->listener_metadata));
    return state;
}

static int write_states(const struct plan *plan, pid_t pid, struct error *error)
{
    int r = 0;

    if (plan->hook_state_fd >= 0)
        r = write_json(plan->hook_state_fd, state_json(plan->config, plan->id, "created", pid),
                       error);
    if (r == 0 && plan->notify_state_fd >= 0)
        r = write_json(plan->notify_state_fd, agent_state(plan, pid), error);
    return r;
}

/* ---- the whole ---- */

int container_check_terminal(const struct plan *plan, bool wants_terminal, struct error *error)
{
    bool has_terminal = plan->process && plan->process->has_terminal;

    if (!has_terminal || plan->console_fd >= 0 || wants_terminal)
        return 0;
    return error_set(error, EINVAL,
                     "process.terminal: is true, so somebody must take the terminal: give a "
                     "console socket");
}

int container_begin(struct plan *plan, struct container *container, struct error *error)
{
    int r = plan_prepare(plan, error);

    if (r < 0)
        return r;
    plan->is_prepared = true;
    r = clone_first(plan, container, error);
    if (r == 0)
        r = write_states(plan, container->pid, error);
    return r < 0 ? r : prepare_process(plan, container, error);
}

void container_finish(struct plan *plan)
{
    reap_joiner(plan);
    if (plan->is_prepared)
        plan_release(plan);
    cgroup_entry_close(&plan->entry);
}
