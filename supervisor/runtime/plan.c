/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/runtime/plan.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "supervisor/runtime/home.h"
#include "supervisor/sys/mount.h"

/* What execvp(3) takes when there is no PATH. */
#define DEFAULT_PATH   "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define CANDIDATES_MAX 64

static const char *environment_value(char *const *env, const char *key)
{
    size_t length = strlen(key);

    for (; *env; env++)
        if (strncmp(*env, key, length) == 0 && (*env)[length] == '=')
            return *env + length + 1;
    return NULL;
}

/* A name with a slash is the path; another is looked for in the PATH of the container's
 * environment. */
static int build_exec_paths(struct plan *plan, struct error *error)
{
    size_t count = 0;

    if (!plan->process)
        return 0;
    const char *program = plan->process->args[0];
    const char *search = environment_value(plan->process->env, "PATH");
    if (!search)
        search = DEFAULT_PATH;
    plan->exec_paths = calloc(CANDIDATES_MAX + 1, sizeof(char *));
    if (!plan->exec_paths)
        return error_sys(error, ENOMEM, "process.args");
    if (strchr(program, '/')) {
        plan->exec_paths[0] = strdup(program);
        return plan->exec_paths[0] ? 0 : error_sys(error, ENOMEM, "process.args");
    }
    while (count < CANDIDATES_MAX) {
        int length = (int)strcspn(search, ":");
        /* An empty part would mean the working directory; nobody wants that. */
        if (length > 0 &&
            asprintf(&plan->exec_paths[count], "%.*s/%s", length, search, program) < 0) {
            plan->exec_paths[count] = NULL;
            return error_sys(error, ENOMEM, "process.args");
        }
        count += length > 0;
        if (!search[length])
            return 0;
        search += length + 1;
    }
    return 0;
}

static int open_root_of_container(const struct plan *plan)
{
    char path[32];

    if (!plan->is_exec)
        return fcntl(plan->root_fd, F_DUPFD_CLOEXEC, 3);
    snprintf(path, sizeof(path), "/proc/%d/root", plan->pid);
    return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* An exec enters it by this descriptor, where its namespaces do not lead to it. */
static int open_shared_root(struct plan *plan, struct error *error)
{
    if (!plan->is_exec || !plan_shares_mounts(plan))
        return 0;
    plan->root_fd = open_root_of_container(plan);
    return plan->root_fd < 0 ? error_sys(error, errno, "open the container's root") : 0;
}

/* Programs expect HOME; who does not set it gets that of the image's user, as with all runtimes. */
static int add_home(struct plan *plan, struct error *error)
{
    char home[HOME_MAX];
    size_t count = 0;

    if (!plan->process || environment_value(plan->process->env, "HOME"))
        return 0;
    while (plan->process->env[count])
        count++;
    plan->env = calloc(count + 2, sizeof(char *));
    _cleanup_close_ int root = open_root_of_container(plan);
    if (!plan->env || root < 0)
        return error_sys(error, plan->env ? errno : ENOMEM, "process.env: find HOME");
    home_find(root, plan->process->uid, home);
    if (asprintf(&plan->env[0], "HOME=%s", home) < 0)
        return error_sys(error, ENOMEM, "process.env");
    memcpy(plan->env + 1, plan->process->env, count * sizeof(char *));
    return 0;
}

/* ---- labels ---- */

static bool is_apparmor_on(void)
{
    char value = 'N';
    _cleanup_close_ int fd = open("/sys/module/apparmor/parameters/enabled", O_RDONLY | O_CLOEXEC);

    return fd >= 0 && read(fd, &value, 1) == 1 && value == 'Y';
}

static bool is_selinux_on(void)
{
    struct statfs fs;

    return statfs("/sys/fs/selinux", &fs) == 0 && fs.f_type == SELINUX_MAGIC;
}

static void find_labels(struct plan *plan)
{
    plan->has_apparmor = plan->process && plan->process->apparmor_profile && is_apparmor_on();
    plan->has_selinux = plan->process && plan->process->selinux_label && is_selinux_on();
}

/* ---- proc ---- */

/* The clocks of config-linux.md as timens_offsets takes them (time_namespaces(7)). */
static void build_time_offsets(struct plan *plan)
{
    const struct config_time_offset *boottime = &plan->config->boottime_offset,
                                    *monotonic = &plan->config->monotonic_offset;
    size_t used = 0;

    plan->time_offsets[0] = '\0';
    if (plan->is_exec || !(plan->clone_flags & CLONE_NEWTIME))
        return;
    if (monotonic->is_given)
        used +=
            (size_t)snprintf(plan->time_offsets, sizeof(plan->time_offsets), "monotonic %lld %u\n",
                             (long long)monotonic->secs, monotonic->nanosecs);
    if (boottime->is_given)
        snprintf(plan->time_offsets + used, sizeof(plan->time_offsets) - used, "boottime %lld %u\n",
                 (long long)boottime->secs, boottime->nanosecs);
}

/*
 * A procfs that nothing of an image or of the host's administrator covers (CVE-2019-16884 and kin).
 * Without the right to mount one, the machine's own must prove what it is.
 */
static int open_proc(struct plan *plan, struct error *error)
{
    struct statfs fs;

    if (!(plan->config->sysctl_count && !plan->is_exec) && !plan->time_offsets[0] &&
        !plan->has_apparmor && !plan->has_selinux)
        return 0;
    plan->proc_fd =
        mount_new("proc", "proc", NULL, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
    if (plan->proc_fd >= 0)
        return 0;
    plan->proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (plan->proc_fd < 0)
        return error_sys(error, errno, "open /proc");
    if (fstatfs(plan->proc_fd, &fs) < 0)
        return error_sys(error, errno, "look at /proc");
    return fs.f_type == PROC_SUPER_MAGIC
               ? 0
               : error_set(error, EINVAL, "/proc of the runtime is not a procfs");
}

/* net.ipv4.ip_forward is sys/net/ipv4/ip_forward; a key with slashes is a path already. */
static int build_sysctl_paths(struct plan *plan, struct error *error)
{
    const struct config *config = plan->config;
    size_t size = 1;

    if (config->sysctl_count == 0 || plan->is_exec)
        return 0;
    for (size_t i = 0; i < config->sysctl_count; i++)
        size += strlen(config->sysctls[i].key) + sizeof("sys/");
    plan->sysctl_paths = malloc(size);
    if (!plan->sysctl_paths)
        return error_sys(error, ENOMEM, "linux.sysctl");
    char *at = plan->sysctl_paths;
    for (size_t i = 0; i < config->sysctl_count; i++) {
        const char *key = config->sysctls[i].key;
        bool is_path = strchr(key, '/') != NULL;
        at += sprintf(at, "sys/");
        for (; *key; key++)
            *at++ = *key == '.' && !is_path ? '/' : *key;
        *at++ = '\0';
    }
    return 0;
}

/* ---- what hooks and agents are given ---- */

static int open_hook_state(struct plan *plan, struct error *error)
{
    const struct config_hooks *hooks = plan->config->hooks;

    if (plan->is_exec ||
        hooks[HOOK_CREATE_CONTAINER].count + hooks[HOOK_START_CONTAINER].count == 0)
        return 0;
    plan->hook_state_fd = memfd_create("state", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    return plan->hook_state_fd < 0 ? error_sys(error, errno, "hooks: make a file in memory") : 0;
}

static int connect_agent(struct plan *plan, struct error *error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (!plan->seccomp || !plan->seccomp->has_notify)
        return 0;
    const char *path = plan->seccomp->listener_path;
    if (strlen(path) >= sizeof(address.sun_path))
        return error_set(error, ENAMETOOLONG,
                         "linux.seccomp.listenerPath: %s: at most %zu bytes are possible", path,
                         sizeof(address.sun_path) - 1);
    strcpy(address.sun_path, path);
    plan->notify_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    plan->notify_state_fd = memfd_create("seccomp-state", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (plan->notify_fd < 0 || plan->notify_state_fd < 0)
        return error_sys(error, errno, "linux.seccomp.listenerPath");
    if (connect(plan->notify_fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        return error_sys(error, errno, "linux.seccomp.listenerPath: connect to %s", path);
    return 0;
}

/* ---- the whole ---- */

int plan_prepare(struct plan *plan, struct error *error)
{
    static int (*const steps[])(struct plan *, struct error *) = {
        build_exec_paths, open_proc,         build_sysctl_paths,
        open_hook_state,  plan_prepare_root, plan_prepare_mounts,
        open_shared_root, connect_agent,     add_home,
    };
    int r = 0;

    plan->root_fd = plan->proc_fd = plan->hook_state_fd = -1;
    plan->notify_fd = plan->notify_state_fd = plan->status_fd = -1;
    plan->capability_last = capability_last();
    find_labels(plan);
    build_time_offsets(plan);
    for (size_t i = 0; r == 0 && i < ARRAY_LENGTH(steps); i++)
        if (!plan->is_exec || (steps[i] != plan_prepare_root && steps[i] != plan_prepare_mounts))
            r = steps[i](plan, error);
    if (r < 0)
        plan_release(plan);
    return r;
}

void plan_release(struct plan *plan)
{
    plan_release_mounts(plan);
    close_fd(&plan->root_fd);
    close_fd(&plan->proc_fd);
    close_fd(&plan->hook_state_fd);
    close_fd(&plan->notify_fd);
    close_fd(&plan->notify_state_fd);
    free(steal_ptr(plan->sysctl_paths));
    if (plan->env)
        free(plan->env[0]);
    free(steal_ptr(plan->env));
    for (size_t i = 0; plan->exec_paths && plan->exec_paths[i]; i++)
        free(plan->exec_paths[i]);
    free(steal_ptr(plan->exec_paths));
}
