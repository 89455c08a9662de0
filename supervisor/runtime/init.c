/* SPDX-License-Identifier: Apache-2.0 */

/*
 * From clone to exec: the new process walks the plan, step by step. It may only make system calls:
 * no allocation, no lock, no stdio. A step that fails is reported to the parent and ends the
 * process.
 */

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/keyctl.h>
#include <linux/mempolicy.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "supervisor/runtime/init_internal.h"
#include "supervisor/sys/openat2.h"

int init_report_fd(int socket_fd, const void *message, size_t size, int fd)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {0};
    struct iovec part = {.iov_base = (void *)message, .iov_len = size};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
    ssize_t r;

    if (fd >= 0) {
        header.msg_control = control.bytes;
        header.msg_controllen = sizeof(control.bytes);
        struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(rights), &fd, sizeof(fd));
    }
    do
        r = sendmsg(socket_fd, &header, MSG_NOSIGNAL);
    while (r < 0 && errno == EINTR);
    return r < 0 ? -errno : 0;
}

void init_report(const struct plan *plan, uint32_t step, int r, uint32_t index, bool is_warning)
{
    struct plan_report message = {
        .step = step,
        .index = index,
        .errnum = -r,
        .is_warning = is_warning,
    };

    init_report_fd(plan->status_fd, &message, PLAN_REPORT_SIZE, -1);
}

void init_check(const struct plan *plan, uint32_t step, int r, uint32_t index)
{
    if (r >= 0)
        return;
    init_report(plan, step, r, index, false);
    _exit(126);
}

void init_wait(const struct plan *plan)
{
    char byte;
    ssize_t r;

    do
        r = recv(plan->status_fd, &byte, 1, 0);
    while (r < 0 && errno == EINTR);
    if (r != 1)
        _exit(126);
}

/* ---- the world: everything that needs the rights of the namespace's root ---- */

static bool has_namespace(const struct plan *plan, enum config_namespace_type type)
{
    return plan->config->namespaces[type].is_given;
}

/* Root of a user namespace that was just made or joined, where it has such a user. */
static int become_root(const struct plan *plan)
{
    if (!has_namespace(plan, NAMESPACE_USER))
        return 0;
    /* EPERM: setgroups is denied here (user_namespaces(7)), so there are no groups to lose. */
    if (setgroups(0, NULL) < 0 && errno != EPERM)
        return -errno;
    if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
        return -errno;
    return 0;
}

/* The cgroup was joined by now, so its directory becomes the root of the new namespace. */
static int enter_cgroup_namespace(const struct plan *plan)
{
    if (!(plan->clone_flags & CLONE_NEWCGROUP))
        return 0;
    return unshare(CLONE_NEWCGROUP) < 0 ? -errno : 0;
}

/* Nothing that is mounted here may show outside. A root that is to follow the host stays a slave.
 */
static int part_mounts(const struct plan *plan)
{
    bool follows = plan->config->root_propagation & (MS_SLAVE | MS_SHARED);

    if (plan->keeps_mount_namespace && unshare(CLONE_NEWNS) < 0)
        return -errno;
    return mount(NULL, "/", NULL, MS_REC | (follows ? MS_SLAVE : MS_PRIVATE), NULL) < 0 ? -errno
                                                                                        : 0;
}

/* A network namespace is born with its loopback link down, and every program expects it up. */
static int raise_loopback(const struct plan *plan)
{
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};

    if (!(plan->clone_flags & CLONE_NEWNET))
        return 0;
    _cleanup_later_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return errno == EAFNOSUPPORT ? 0 : -errno;
    return ioctl(fd, SIOCSIFFLAGS, &request) < 0 ? -errno : 0;
}

static int set_names(const struct config *config)
{
    if (config->hostname && sethostname(config->hostname, strlen(config->hostname)) < 0)
        return -errno;
    if (config->domainname && setdomainname(config->domainname, strlen(config->domainname)) < 0)
        return -errno;
    return 0;
}

/* Which namespace a file below sys/ speaks of is decided by who opens it. */
static int set_sysctls(const struct plan *plan, uint32_t *index)
{
    const struct config *config = plan->config;

    if (config->sysctl_count == 0)
        return 0;
    _cleanup_close_ int sys = open_beneath_nofollow(plan->proc_fd, "sys", O_PATH | O_DIRECTORY, 0);
    if (sys < 0)
        return sys;
    for (size_t i = 0; i < config->sysctl_count; i++) {
        const struct config_sysctl *sysctl = &config->sysctls[i];
        *index = (uint32_t)i;
        _cleanup_close_ int fd = open_beneath_nofollow(sys, sysctl->path, O_WRONLY, 0);
        if (fd < 0)
            return fd;
        if (write(fd, sysctl->value, strlen(sysctl->value)) < 0)
            return -errno;
    }
    return 0;
}

/* A keyring of our own, so that none is shared with the host's root. Kernels may lack keys. */
static int make_keyring(const struct plan *plan)
{
    if (!plan->has_new_keyring)
        return 0;
    if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 && errno != ENOSYS)
        return -errno;
    return 0;
}

static int set_personality(const struct config *config)
{
    if (!config->has_personality)
        return 0;
    return personality((unsigned long)config->personality) < 0 ? -errno : 0;
}

static int set_memory_policy(const struct config *config)
{
    const struct config_memory_policy *policy = &config->memory_policy;

    if (!policy->is_given)
        return 0;
    long r = syscall(SYS_set_mempolicy, policy->mode, policy->nodes, sizeof(policy->nodes) * 8);
    return r < 0 ? -errno : 0;
}

/* The runtime's hooks may change what they like now, and the createContainer ones run here. */
static void meet_hooks(const struct plan *plan)
{
    const struct config_hooks *hooks = plan->config->hooks;

    if (hooks[HOOK_PRESTART].count + hooks[HOOK_CREATE_RUNTIME].count +
            hooks[HOOK_CREATE_CONTAINER].count + plan->config->net_device_count ==
        0)
        return;
    init_report(plan, STEP_HOOKS, 0, 0, false);
    init_wait(plan);
    init_run_hooks(plan, HOOK_CREATE_CONTAINER);
}

static void build_mounts(struct plan *plan)
{
    uint32_t index = 0;

    init_check(plan, STEP_PROPAGATION, part_mounts(plan), 0);
    init_check(plan, STEP_ROOT, init_attach_root(plan), 0);
    int r = init_attach_mounts(plan, &index);
    init_check(plan, STEP_MOUNT, r, index);
    r = init_make_devices(plan, &index);
    init_check(plan, STEP_DEVICE, r, index);
    init_check(plan, STEP_TERMINAL, init_open_terminal(plan), 0);
    meet_hooks(plan);
    r = init_read_only_paths(plan, &index);
    init_check(plan, STEP_READ_ONLY, r, index);
    r = init_mask_paths(plan, &index);
    init_check(plan, STEP_MASK, r, index);
    if (plan->process &&
        strcmp(plan->process->cwd, "/") !=
            0) /* as all runtimes do; a read-only root may lack it, and then chdir says so
                */
        init_ensure_directory(plan, plan->process->cwd);
    init_check(plan, STEP_PIVOT, init_change_root(plan), 0);
    init_check(plan, STEP_ROOT_FLAGS, init_finish_root(plan), 0);
    init_check(plan, STEP_LEAVE, init_leave_mounts(plan), 0);
}

static void build_world(struct plan *plan)
{
    const struct config *config = plan->config;
    uint32_t index = 0;

    if (!plan_needs_joining(plan)) /* else the process before us has entered */
        init_check(plan, STEP_CGROUP, cgroup_enter(&plan->entry), 0);
    init_check(plan, STEP_ROOT_IDS, become_root(plan), 0);
    init_check(plan, STEP_CGROUP_NAMESPACE, enter_cgroup_namespace(plan), 0);
    if (plan->is_exec) {
        init_check(plan, STEP_LEAVE, init_enter_root(plan), 0);
        init_check(plan, STEP_TERMINAL, init_open_terminal(plan), 0);
    } else {
        build_mounts(plan);
        init_check(plan, STEP_LOOPBACK, raise_loopback(plan), 0);
        init_check(plan, STEP_HOSTNAME, set_names(config), 0);
        int r = set_sysctls(plan, &index);
        init_check(plan, STEP_SYSCTL, r, index);
    }
    init_check(plan, STEP_KEYRING, make_keyring(plan), 0);
    init_check(plan, STEP_PERSONALITY, set_personality(config), 0);
    init_check(plan, STEP_MEMORY_POLICY, set_memory_policy(config), 0);
    init_check(plan, STEP_LABEL, init_set_label(plan), 0);
}

/* ---- the end ---- */

/*
 * Whether there is such a program, as the user who is to run it sees it. Whoever creates the
 * container wants to know now, not when it is started, unless a hook may still put it there.
 */
static int find_program(const struct plan *plan)
{
    int result = -ENOENT;
    struct stat st;

    if (!plan->process || plan->config->hooks[HOOK_START_CONTAINER].count)
        return 0;
    for (char *const *path = plan->exec_paths; *path; path++) {
        if (stat(*path, &st) < 0)
            continue;
        if (S_ISREG(st.st_mode) && access(*path, X_OK) == 0)
            return 0;
        result = -EACCES;
    }
    return result;
}

/* The word to start: from the parent, or from whoever connects to the listening socket. */
static void wait_for_start(struct plan *plan)
{
    int fd;

    init_report(plan, STEP_READY, 0, 0, false);
    if (plan->start_listener < 0) {
        init_wait(plan);
        return;
    }
    close_fd(&plan->status_fd);
    do
        fd = accept4(plan->start_listener, NULL, NULL, SOCK_CLOEXEC);
    while (fd < 0 && errno == EINTR);
    if (fd < 0)
        _exit(126);
    close_fd(&plan->start_listener);
    plan->status_fd = fd;
}

/*
 * What was caught is reset by exec(2), what was ignored or blocked is not. These are the signals
 * that daemons, shells and nohup(1) ignore; asking for all 64 would double the calls of a start.
 */
static void reset_signals(void)
{
    static const int ignored[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGPIPE, SIGTERM,
                                  SIGCHLD, SIGTSTP, SIGTTIN, SIGTTOU};
    sigset_t none;

    for (size_t i = 0; i < ARRAY_LENGTH(ignored); i++)
        signal(ignored[i], SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* execvp(3)'s rule: go on where nothing is, remember that something could not be executed. */
static int execute(const struct plan *plan)
{
    int result = -ENOENT;

    for (char *const *path = plan->exec_paths; *path; path++) {
        execve(*path, plan->process->args, plan->env ? plan->env : plan->process->env);
        if (errno == EACCES)
            result = -EACCES;
        else if (errno != ENOENT && errno != ENOTDIR)
            return -errno;
    }
    return result;
}

void init_run(const struct plan *prepared)
{
    struct plan plan = *prepared;

    /* A parent without rights could not map the ids of a process that is not dumpable. In a new
     * user namespace that joins nothing nobody is there yet who could make use of it. */
    bool is_alone = (plan.clone_flags & CLONE_NEWUSER) && !plan_needs_joining(&plan);
    if (is_alone)
        init_wait(&plan);
    /* Nobody may trace us or look through our descriptors while we still have rights
     * (CVE-2016-9962). */
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    if (!is_alone && plan_waits_for_parent(&plan))
        init_wait(&plan);
    build_world(&plan);
    init_give_up_rights(&plan);
    if (!plan.is_exec) {
        init_check(&plan, STEP_EXEC, find_program(&plan), 0);
        wait_for_start(&plan);
        init_check(&plan, STEP_NO_PROCESS, plan.process ? 0 : -EINVAL, 0);
        init_run_hooks(&plan, HOOK_START_CONTAINER);
    }
    reset_signals();
    init_check(&plan, STEP_SECCOMP, init_load_seccomp(&plan), 0);
    init_check(&plan, STEP_EXEC, execute(&plan), 0);
    _exit(126);
}
