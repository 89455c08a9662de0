/* SPDX-License-Identifier: Apache-2.0 */

/* The second half of the new process's life: descriptors, limits, identity, capabilities, label,
 * filter. Shared by the first process and by those of exec. */

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "supervisor/runtime/init_internal.h"
#include "supervisor/sys/clone.h"
#include "supervisor/sys/openat2.h"

#define IOPRIO_WHO_PROCESS 1 /* ioprio_set(2); glibc has no header for it */

/* ---- descriptors ---- */

/* Ours that live until exec, behind those of the program. */
#define KEPT_MAX 5

/* Where a descriptor is, what it becomes, and whether the program gets it. */
struct place {
    int fd, target;
    bool is_for_program;
};

/* Nobody's target may still be somebody's source: those are moved out of the way. */
static int make_way(struct place *places, int count)
{
    for (int i = 0; i < count; i++) {
        if (places[i].fd == places[i].target || places[i].fd >= count)
            continue;
        places[i].fd = fcntl(places[i].fd, F_DUPFD_CLOEXEC, count);
        if (places[i].fd < 0)
            return -errno;
    }
    return 0;
}

static int settle(const struct place *place)
{
    int flags = place->is_for_program ? 0 : O_CLOEXEC;

    if (place->fd != place->target)
        return dup3(place->fd, place->target, flags) < 0 ? -errno : 0;
    /* The kept ones are close-on-exec from the beginning. */
    return place->is_for_program && fcntl(place->fd, F_SETFD, 0) < 0 ? -errno : 0;
}

/*
 * Puts stdio on 0..2, the passed descriptors on 3.., what we still need behind them, and closes all
 * the rest: nothing of the runtime's reaches the program. Close together, so that no number between
 * them is still the caller's (CVE-2024-21626).
 */
static int arrange_descriptors(struct plan *plan)
{
    int *kept[KEPT_MAX] = {&plan->status_fd, &plan->start_listener, &plan->hook_state_fd,
                           &plan->notify_fd, &plan->notify_state_fd};
    struct place places[3 + PLAN_PASSED_MAX + KEPT_MAX];
    int count = 0;

    for (int i = 0; i < 3; i++, count++)
        places[count] = (struct place){plan->stdio[i], count, true};
    for (size_t i = 0; i < plan->passed_count; i++, count++)
        places[count] = (struct place){plan->passed[i], count, true};
    for (int i = 0; i < KEPT_MAX; i++) {
        if (*kept[i] < 0)
            continue;
        places[count] = (struct place){*kept[i], count, false};
        *kept[i] = count++;
    }
    int r = make_way(places, count);
    for (int i = 0; r == 0 && i < count; i++)
        r = settle(&places[i]);
    if (r < 0)
        return r;
    plan->proc_fd = plan->root_fd = plan->console_fd = -1;
    return syscall(SYS_close_range, (unsigned)count, ~0U, 0) < 0 ? -errno : 0;
}

/*
 * A program that reopens its standard streams (/proc/self/fd/2, as PHP-FPM does) must own the pipes
 * behind them. Files and terminals of the caller are left alone, and so is what cannot change.
 */
static void own_pipes(const struct config_process *process)
{
    struct stat st;

    for (int fd = 0; fd < 3; fd++)
        if (fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode) && st.st_uid != process->uid &&
            fchown(fd, process->uid, (gid_t)-1) < 0)
            continue;
}

static int make_session(const struct config_process *process)
{
    if (setsid() < 0 && errno != EPERM)
        return -errno;
    if (process && process->has_terminal && ioctl(STDIN_FILENO, TIOCSCTTY, 0) < 0)
        return -errno;
    return 0;
}

/* ---- what the process may use ---- */

static void set_rlimits(const struct plan *plan)
{
    const struct config_process *process = plan->process;

    for (size_t i = 0; i < process->rlimit_count; i++) {
        struct rlimit limit = process->rlimits[i].limit;
        if (setrlimit(process->rlimits[i].resource, &limit) == 0)
            continue;
        /* Without CAP_SYS_RESOURCE the hard limit cannot rise: take what there is, and say so. */
        int r = -errno;
        struct rlimit in_force;
        if (getrlimit(process->rlimits[i].resource, &in_force) == 0) {
            if (limit.rlim_cur > in_force.rlim_max)
                limit.rlim_cur = in_force.rlim_max;
            limit.rlim_max = in_force.rlim_max;
            setrlimit(process->rlimits[i].resource, &limit);
        }
        init_report(plan, STEP_RLIMIT, r, (uint32_t)i, true);
    }
}

/* sched_setattr(2). The kernel's own header cannot be used together with the C library's. */
struct scheduler_attributes {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
};

static int set_scheduler(const struct config_scheduler *scheduler)
{
    const struct scheduler_attributes attributes = {
        .size = sizeof(attributes),
        .policy = scheduler->policy,
        .flags = scheduler->flags,
        .nice = scheduler->nice,
        .priority = scheduler->priority,
        .runtime = scheduler->runtime,
        .deadline = scheduler->deadline,
        .period = scheduler->period,
    };

    if (!scheduler->is_given)
        return 0;
    return syscall(SYS_sched_setattr, 0, &attributes, 0) < 0 ? -errno : 0;
}

static int set_io_priority(const struct config_process *process)
{
    if (!process->has_io_priority)
        return 0;
    return syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, process->io_priority) < 0 ? -errno : 0;
}

static int set_final_affinity(const struct plan *plan)
{
    const struct config_process *process = plan->process;

    if (!plan->is_exec || !process->has_final_affinity)
        return 0;
    return sched_setaffinity(0, sizeof(process->final_affinity), &process->final_affinity) < 0
               ? -errno
               : 0;
}

/* ---- labels: proc_pid_attr(5) ---- */

static int write_label(const struct plan *plan, const char *file, const char *prefix,
                       const char *label)
{
    char text[1024];
    size_t length = strlen(prefix), size = length + strlen(label);

    if (size >= sizeof(text))
        return -ENAMETOOLONG;
    memcpy(text, prefix, length);
    memcpy(text + length, label, size - length);
    _cleanup_close_ int fd = open_beneath(plan->proc_fd, file, O_WRONLY, 0);
    if (fd < 0)
        return fd;
    return write(fd, text, size) < 0 ? -errno : 0;
}

int init_set_label(const struct plan *plan)
{
    const struct config_process *process = plan->process;
    int r = 0;

    if (!process || plan->proc_fd < 0)
        return 0;
    if (process->apparmor_profile && plan->has_apparmor) {
        r = write_label(plan, "thread-self/attr/apparmor/exec", "exec ", process->apparmor_profile);
        if (r == -ENOENT) /* before Linux 5.8 */
            r = write_label(plan, "thread-self/attr/exec", "exec ", process->apparmor_profile);
    }
    if (r == 0 && process->selinux_label && plan->has_selinux)
        r = write_label(plan, "thread-self/attr/exec", "", process->selinux_label);
    return r;
}

/* ---- identity and capabilities ---- */

static int drop_bounding_set(const struct plan *plan, uint32_t *index)
{
    uint64_t keep = plan->process->capabilities.bounding;

    for (int capability = 0; capability <= plan->capability_last; capability++) {
        *index = (uint32_t)capability;
        if (keep & (UINT64_C(1) << capability))
            continue;
        if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0)
            return -errno;
    }
    return 0;
}

static int become_user(const struct config_process *process)
{
    /* Keeps the permitted set over the change; capset below then sets it as asked. Root keeps it.
     */
    if (process->uid != 0 && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
        return -errno;
    /* A user namespace that denies setgroups has no groups to give or to lose. */
    if (setgroups(process->additional_gid_count, process->additional_gids) < 0 &&
        (errno != EPERM || process->additional_gid_count > 0))
        return -errno;
    if (setresgid(process->gid, process->gid, process->gid) < 0 ||
        setresuid(process->uid, process->uid, process->uid) < 0)
        return -errno;
    if (process->has_umask)
        umask(process->umask);
    return 0;
}

/* What the process has itself; what is asked beyond that cannot be granted (config.md: a warning).
 */
static uint64_t permitted_now(const struct plan *plan)
{
    const struct config_capabilities *asked = &plan->process->capabilities;
    uint64_t set = 0, wanted = asked->permitted | asked->bounding;
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];

    if (syscall(SYS_capget, &header, data) == 0)
        set = data[0].permitted | ((uint64_t)data[1].permitted << 32);
    for (uint32_t capability = 0; capability < 64; capability++)
        if (wanted & ~set & (UINT64_C(1) << capability))
            init_report(plan, STEP_CAPABILITY_LACKING, -EPERM, capability, true);
    return set;
}

/*
 * The filter is the last thing before exec, so that none of our own calls meets it, and without
 * no_new_privs loading it takes CAP_SYS_ADMIN. That one is therefore kept until exec(2), which
 * computes the sets anew from the inheritable, ambient and bounding ones (capabilities(7)).
 */
static uint64_t needed_for_filter(const struct plan *plan)
{
    return plan->seccomp && !plan->process->no_new_privileges ? UINT64_C(1) << CAP_SYS_ADMIN : 0;
}

static int set_capabilities(const struct plan *plan)
{
    const struct config_capabilities *asked = &plan->process->capabilities;
    uint64_t possible = permitted_now(plan);
    uint64_t inheritable = asked->inheritable & possible;
    uint64_t needed = needed_for_filter(plan) & possible;

    /* Ambient ones survive exec: none is left over from us (CVE-2022-29162). */
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
        return -errno;
    int r = capabilities_set((asked->effective & possible) | needed,
                             (asked->permitted & possible) | needed, inheritable);
    for (int capability = 0; r == 0 && capability <= plan->capability_last; capability++)
        if ((asked->ambient & inheritable & asked->permitted & (UINT64_C(1) << capability)) &&
            prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) < 0)
            r = -errno;
    return r;
}

#define BIT(capability) (UINT64_C(1) << (capability))

/* What the steps between joining and exec may take, beyond what the program may have. */
static uint64_t needed_after_joining(const struct plan *plan)
{
    const struct config_process *process = plan->process;
    uint64_t set = BIT(CAP_SETUID) | BIT(CAP_SETGID) | BIT(CAP_CHOWN) | needed_for_filter(plan);

    if (process->rlimit_count > 0)
        set |= BIT(CAP_SYS_RESOURCE);
    if (process->scheduler.is_given || process->has_io_priority)
        set |= BIT(CAP_SYS_NICE);
    if (process->has_terminal) /* a devpts may have a ptmx of mode 0 (mount option ptmxmode) */
        set |= BIT(CAP_DAC_OVERRIDE);
    if (plan->keeps_mount_namespace)
        set |= BIT(CAP_SYS_CHROOT);
    return set;
}

bool init_is_narrowed(const struct plan *plan)
{
    return plan->is_exec && plan->process && plan_needs_joining(plan);
}

void init_narrow_rights(const struct plan *plan)
{
    uint32_t index = 0;
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {0};

    if (!init_is_narrowed(plan))
        return;
    int r = drop_bounding_set(plan, &index);
    init_check(plan, STEP_BOUNDING_SET, r, index);
    const struct config_capabilities *asked = &plan->process->capabilities;
    uint64_t keep = asked->bounding | asked->permitted | asked->effective | asked->inheritable |
                    asked->ambient | needed_after_joining(plan);
    r = syscall(SYS_capget, &header, data) < 0 ? -errno : 0;
    keep &= data[0].permitted | ((uint64_t)data[1].permitted << 32);
    if (r == 0)
        r = capabilities_set(keep, keep, 0);
    init_check(plan, STEP_CAPABILITIES, r, 0);
}

/* chdir(2) as the user, and proof that we are inside the new root (CVE-2024-21626): where the new
 * process of a container was left by the change of roots. */
static int enter_cwd(const struct plan *plan)
{
    const struct config_process *process = plan->process;
    char here[4096];

    if (!plan->is_exec && strcmp(process->cwd, "/") == 0)
        return 0;
    if (chdir(process->cwd) < 0)
        return -errno;
    if (syscall(SYS_getcwd, here, sizeof(here)) < 0)
        return -errno;
    return here[0] == '/' ? 0 : -EXDEV;
}

static void set_uses(const struct plan *plan)
{
    const struct config_process *process = plan->process;

    set_rlimits(plan);
    init_check(plan, STEP_SCHEDULER, set_scheduler(&process->scheduler), 0);
    init_check(plan, STEP_IO_PRIORITY, set_io_priority(process), 0);
    init_check(plan, STEP_AFFINITY, set_final_affinity(plan), 0);
}

void init_give_up_rights(struct plan *plan)
{
    const struct config_process *process = plan->process;
    uint32_t index = 0;

    /* Before the limits: the runtime may have more descriptors open than the program may. */
    init_check(plan, STEP_DESCRIPTORS, arrange_descriptors(plan), 0);
    init_check(plan, STEP_SESSION, make_session(process), 0);
    if (!process)
        return;
    own_pipes(process);
    set_uses(plan);
    int r = init_is_narrowed(plan) ? 0 : drop_bounding_set(plan, &index);
    init_check(plan, STEP_BOUNDING_SET, r, index);
    init_check(plan, STEP_USER, become_user(process), 0);
    init_check(plan, STEP_CAPABILITIES, set_capabilities(plan), 0);
    if (process->no_new_privileges) {
        r = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
        init_check(plan, STEP_NO_NEW_PRIVILEGES, r, 0);
    }
    init_check(plan, STEP_CWD, enter_cwd(plan), 0);
}

/* ---- the filter ---- */

/* The agent gets the listener with the state of the container (config-linux.md, "The Container
 * Process State"), which the parent has put into a file in memory. */
static int load_with_listener(const struct plan *plan)
{
    struct stat st;

    if (fstat(plan->notify_state_fd, &st) < 0)
        return -errno;
    void *state = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, plan->notify_state_fd, 0);
    if (state == MAP_FAILED)
        return -errno;
    int listener = seccomp_load_listener(&plan->seccomp->program, plan->seccomp->flags);
    if (listener < 0)
        return listener;
    return init_report_fd(plan->notify_fd, state, (size_t)st.st_size, listener);
}

int init_load_seccomp(const struct plan *plan)
{
    if (!plan->seccomp)
        return 0;
    if (plan->notify_fd >= 0)
        return load_with_listener(plan);
    return seccomp_load_program(&plan->seccomp->program, plan->seccomp->flags);
}
