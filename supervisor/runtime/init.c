/* SPDX-License-Identifier: Apache-2.0 */

/*
 * From clone to exec: the new process walks the plan, step by step. It may only make system calls:
 * no allocation, no lock, no stdio. A step that fails is reported to the parent and ends the
 * process.
 */

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "supervisor/runtime/plan.h"
#include "supervisor/sys/clone.h"

static void report(const struct plan *plan, uint32_t step, int r, uint32_t index, bool is_warning)
{
    struct plan_report message = {
        .step = step,
        .index = index,
        .errnum = -r,
        .is_warning = is_warning,
    };

    while (send(plan->status_fd, &message, sizeof(message), MSG_NOSIGNAL) < 0 && errno == EINTR)
        continue;
}

static void check(const struct plan *plan, uint32_t step, int r, uint32_t index)
{
    if (r >= 0)
        return;
    report(plan, step, r, index, false);
    _exit(126);
}

/* Waits for the parent's word. Its end closed means that nobody wants us any more. */
static void wait_for_parent(const struct plan *plan)
{
    char byte;
    ssize_t r;

    do
        r = recv(plan->status_fd, &byte, 1, 0);
    while (r < 0 && errno == EINTR);
    if (r != 1)
        _exit(126);
}

static int become_root(const struct config *config)
{
    if (!(config->namespaces & CLONE_NEWUSER))
        return 0;
    if (setgroups(0, NULL) < 0 || setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
        return -errno;
    return 0;
}

/* The cgroup was joined by now, so its directory becomes the root of the new namespace. */
static int enter_cgroup_namespace(const struct config *config)
{
    if (!(config->namespaces & CLONE_NEWCGROUP))
        return 0;
    return unshare(CLONE_NEWCGROUP) < 0 ? -errno : 0;
}

static int make_mounts_private(void)
{
    return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ? -errno : 0;
}

/* On top of the old root: the path that every process can resolve, whoever owns what lies on the
 * way. */
static int attach_root(const struct plan *plan)
{
    if (move_mount(plan->root_fd, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0)
        return -errno;
    return 0;
}

/*
 * pivot_root(2), "pivot_root(".", ".")": the old root ends up stacked on the new one and is
 * detached from there, so no directory of the image is needed to hold it.
 */
static int change_root(const struct plan *plan)
{
    if (fchdir(plan->root_fd) < 0)
        return -errno;
    int r = pivot_root_to(".", ".");
    if (r < 0)
        return r;
    if (umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
        return -errno;
    return 0;
}

static int set_hostname(const struct config *config)
{
    if (!config->hostname)
        return 0;
    return sethostname(config->hostname, strlen(config->hostname)) < 0 ? -errno : 0;
}

/* A keyring of our own, so that none is shared with the host's root. Kernels may lack keys. */
static int make_keyring(void)
{
    if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 && errno != ENOSYS)
        return -errno;
    return 0;
}

static void set_rlimits(const struct plan *plan)
{
    const struct config *config = plan->config;

    for (size_t i = 0; i < config->rlimit_count; i++) {
        struct rlimit limit = config->rlimits[i].limit;
        if (setrlimit(config->rlimits[i].resource, &limit) == 0)
            continue;
        /* Without CAP_SYS_RESOURCE the hard limit cannot rise: take what there is, and say so. */
        int r = -errno;
        struct rlimit in_force;
        if (getrlimit(config->rlimits[i].resource, &in_force) == 0) {
            if (limit.rlim_cur > in_force.rlim_max)
                limit.rlim_cur = in_force.rlim_max;
            limit.rlim_max = in_force.rlim_max;
            setrlimit(config->rlimits[i].resource, &limit);
        }
        report(plan, STEP_RLIMIT, r, (uint32_t)i, true);
    }
}

/*
 * Puts stdio on 0..2, the passed descriptors on 3.., the status socket behind them, and closes all
 * the rest: nothing of the supervisor's reaches the program. All are moved out of the way first.
 */
static int arrange_descriptors(struct plan *plan)
{
    int count = 3 + (int)plan->passed_count;
    int moved[3 + PLAN_PASSED_MAX];

    for (int i = 0; i < count; i++) {
        int fd = i < 3 ? plan->stdio[i] : plan->passed[i - 3];
        moved[i] = fcntl(fd, F_DUPFD_CLOEXEC, count + 1);
        if (moved[i] < 0)
            return -errno;
    }
    int status = fcntl(plan->status_fd, F_DUPFD_CLOEXEC, count + 1);
    if (status < 0)
        return -errno;
    for (int i = 0; i < count; i++)
        if (dup2(moved[i], i) < 0)
            return -errno;
    if (dup3(status, count, O_CLOEXEC) < 0)
        return -errno;
    plan->status_fd = count;
    if (syscall(SYS_close_range, (unsigned)count + 1, ~0U, 0) < 0)
        return -errno;
    return 0;
}

static int drop_bounding_set(const struct plan *plan, uint32_t *index)
{
    uint64_t keep = plan->config->capabilities.bounding;

    for (int capability = 0; capability <= plan->capability_last; capability++) {
        *index = (uint32_t)capability;
        if (keep & (UINT64_C(1) << capability))
            continue;
        if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0)
            return -errno;
    }
    return 0;
}

static int become_user(const struct config *config)
{
    /* Keeps the permitted set over the change; capset below then sets it as asked. */
    if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
        return -errno;
    if (setgroups(config->additional_gid_count, config->additional_gids) < 0)
        return -errno;
    if (setresgid(config->gid, config->gid, config->gid) < 0 ||
        setresuid(config->uid, config->uid, config->uid) < 0)
        return -errno;
    umask(config->umask);
    return 0;
}

/* What the process has itself; what is asked beyond that cannot be granted (config.md: a warning).
 */
static uint64_t permitted_now(const struct plan *plan)
{
    uint64_t set = 0;
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];

    if (syscall(SYS_capget, &header, data) == 0)
        set = data[0].permitted | ((uint64_t)data[1].permitted << 32);
    uint64_t asked = plan->config->capabilities.permitted;
    for (uint32_t capability = 0; capability < 64; capability++)
        if (asked & ~set & (UINT64_C(1) << capability))
            report(plan, STEP_CAPABILITY_LACKING, -EPERM, capability, true);
    return set;
}

static int set_capabilities(const struct plan *plan)
{
    const struct config_capabilities *asked = &plan->config->capabilities;
    uint64_t possible = permitted_now(plan);
    uint64_t inheritable = asked->inheritable & possible;

    /* Ambient ones survive exec: none is left over from us (CVE-2022-29162). */
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
        return -errno;
    int r = capabilities_set(asked->effective & possible, asked->permitted & possible, inheritable);
    for (int capability = 0; r == 0 && capability <= plan->capability_last; capability++)
        if ((asked->ambient & inheritable & (UINT64_C(1) << capability)) &&
            prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) < 0)
            r = -errno;
    return r;
}

/* chdir(2) as the user, and proof that we are inside the new root (CVE-2024-21626). */
static int enter_cwd(const struct config *config)
{
    char here[4096];

    if (chdir(config->cwd) < 0)
        return -errno;
    if (syscall(SYS_getcwd, here, sizeof(here)) < 0)
        return -errno;
    return here[0] == '/' ? 0 : -EXDEV;
}

static int load_seccomp(const struct plan *plan)
{
    if (!plan->seccomp)
        return 0;
    return seccomp_load_program(&plan->seccomp->program, plan->seccomp->flags);
}

static void reset_signals(void)
{
    sigset_t none;

    signal(SIGPIPE, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* execvp(3)'s rule: go on where nothing is, remember that something could not be executed. */
static int execute(const struct plan *plan)
{
    int result = -ENOENT;

    for (char *const *path = plan->exec_paths; *path; path++) {
        execve(*path, plan->config->args, plan->config->env);
        if (errno == EACCES)
            result = -EACCES;
        else if (errno != ENOENT && errno != ENOTDIR)
            return -errno;
    }
    return result;
}

/* Everything that needs the rights of the namespace's root. */
static void build_world(struct plan *plan)
{
    const struct config *config = plan->config;
    uint32_t index = 0;

    check(plan, STEP_ROOT_IDS, become_root(config), 0);
    check(plan, STEP_CGROUP_NAMESPACE, enter_cgroup_namespace(config), 0);
    check(plan, STEP_PROPAGATION, make_mounts_private(), 0);
    check(plan, STEP_ROOT, attach_root(plan), 0);
    int r = init_attach_mounts(plan, &index);
    check(plan, STEP_MOUNT, r, index);
    r = init_read_only_paths(plan, &index);
    check(plan, STEP_READ_ONLY, r, index);
    r = init_mask_paths(plan, &index);
    check(plan, STEP_MASK, r, index);
    check(plan, STEP_PIVOT, change_root(plan), 0);
    check(plan, STEP_HOSTNAME, set_hostname(config), 0);
    check(plan, STEP_KEYRING, make_keyring(), 0);
}

/* Everything that gives rights up, in the one order that works. */
static void give_up_rights(struct plan *plan)
{
    const struct config *config = plan->config;
    uint32_t index = 0;
    int r;

    /* Before the limits: the supervisor may have more descriptors open than the program may. */
    check(plan, STEP_DESCRIPTORS, arrange_descriptors(plan), 0);
    set_rlimits(plan);
    check(plan, STEP_SESSION, setsid() < 0 ? -errno : 0, 0);
    if (!config->no_new_privileges) /* without it the filter needs the rights that go now */
        check(plan, STEP_SECCOMP, load_seccomp(plan), 0);
    r = drop_bounding_set(plan, &index);
    check(plan, STEP_BOUNDING_SET, r, index);
    check(plan, STEP_USER, become_user(config), 0);
    check(plan, STEP_CAPABILITIES, set_capabilities(plan), 0);
    if (config->no_new_privileges) {
        r = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
        check(plan, STEP_NO_NEW_PRIVILEGES, r, 0);
    }
    check(plan, STEP_CWD, enter_cwd(config), 0);
}

void init_run(const struct plan *prepared)
{
    struct plan plan = *prepared;

    /* Nobody may trace us or look through our descriptors while we still have rights
     * (CVE-2016-9962). */
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    wait_for_parent(&plan);
    build_world(&plan);
    give_up_rights(&plan);
    report(&plan, STEP_READY, 0, 0, false);
    wait_for_parent(&plan);
    reset_signals();
    if (plan.config->no_new_privileges)
        check(&plan, STEP_SECCOMP, load_seccomp(&plan), 0);
    check(&plan, STEP_EXEC, execute(&plan), 0);
    _exit(126);
}
