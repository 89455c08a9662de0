/* SPDX-License-Identifier: Apache-2.0 */

/* What a step's number and errno mean, in words that name the object. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "common/cleanup.h"
#include "supervisor/runtime/hooks.h"
#include "supervisor/runtime/plan.h"

static const char *const step_names[STEP_COUNT] = {
    [STEP_TIME_OFFSETS] = "linux.timeOffsets: set the clocks of the time namespace",
    [STEP_CLONE] = "clone into new namespaces",
    [STEP_CGROUP] = "enter the cgroup",
    [STEP_ROOT_IDS] = "become root of the user namespace",
    [STEP_CGROUP_NAMESPACE] = "make the cgroup namespace",
    [STEP_PROPAGATION] = "part the mounts from the host's",
    [STEP_LEAVE] = "go back to the mount namespace of the runtime",
    [STEP_LOOPBACK] = "set the loopback link up",
    [STEP_HOSTNAME] = "set the host name",
    [STEP_KEYRING] = "make a session keyring",
    [STEP_PERSONALITY] = "linux.personality: set it",
    [STEP_DESCRIPTORS] = "arrange the descriptors",
    [STEP_SESSION] = "make a session",
    [STEP_USER] = "become the user of process.user",
    [STEP_CAPABILITIES] = "set the capabilities",
    [STEP_NO_NEW_PRIVILEGES] = "set no_new_privs",
    [STEP_SECCOMP] = "load the seccomp filter",
};

/* The namespace of a join, which may be several at once (a pidfd). */
static int explain_join(const struct plan *plan, uint32_t index, int errnum, struct error *error)
{
    const struct config *config = plan->config;

    if (plan->is_exec)
        return error_sys(error, errnum, "join the namespaces of the container");
    for (int type = 0; type < NAMESPACE_TYPES; type++)
        if (index < plan->join_count &&
            plan->joins[index].flag == config_namespace_flag((enum config_namespace_type)type))
            return error_sys(error, errnum, "linux.namespaces: join the %s namespace %s",
                             config_namespace_name((enum config_namespace_type)type),
                             config->namespaces[type].path);
    return error_sys(error, errnum, "linux.namespaces: join");
}

static int explain_hook(const struct plan *plan, const struct plan_report *report,
                        struct error *error)
{
    unsigned kind = report->index >> 16, index = report->index & 0xffff;
    int status = -report->errnum;
    char said[sizeof(report->said)];

    if (kind >= HOOK_KINDS || index >= plan->config->hooks[kind].count)
        return error_set(error, EPROTO, "a hook failed");
    const struct config_hook *hook = &plan->config->hooks[kind].list[index];
    const char *path = hook->path;
    const char *name = config_hook_kind_name((enum config_hook_kind)kind);
    if (report->errnum == ETIMEDOUT)
        return error_set(error, ETIMEDOUT,
                         "hooks.%s[%u] %s: took longer than its timeout of %lld s", name, index,
                         path, (long long)hook->timeout_s);
    if (report->errnum > 0)
        return error_sys(error, report->errnum, "hooks.%s[%u] %s: it could not be executed", name,
                         index, path);
    strcpy(said, report->said);
    const char *text = hook_text(said), *colon = *text ? ": " : "";
    if (WIFSIGNALED(status))
        return error_set(error, ECANCELED, "hooks.%s[%u] %s: killed by signal %d (%s)%s%s", name,
                         index, path, WTERMSIG(status), strsignal(WTERMSIG(status)), colon, text);
    return error_set(error, ECANCELED, "hooks.%s[%u] %s: exit status %d%s%s", name, index, path,
                     WEXITSTATUS(status), colon, text);
}

/* What the kernel refuses as a whole: the value is shown as the config has it. */
static int explain_use(const struct plan *plan, uint32_t step, int errnum, struct error *error)
{
    static const struct {
        uint32_t step;
        bool is_of_linux;
        const char *key;
    } uses[] = {
        {STEP_MEMORY_POLICY, true, "memoryPolicy"},
        {STEP_SCHEDULER, false, "scheduler"},
        {STEP_IO_PRIORITY, false, "ioPriority"},
        {STEP_AFFINITY, false, "execCPUAffinity"},
    };
    size_t i = 0;

    while (i + 1 < ARRAY_LENGTH(uses) && uses[i].step != step)
        i++;
    const json_t *object = uses[i].is_of_linux ? json_object_get(plan->config->json, "linux")
                           : plan->process     ? plan->process->json
                                               : NULL;
    _cleanup_free_ char *value =
        json_dumps(json_object_get(object, uses[i].key), JSON_COMPACT | JSON_ENCODE_ANY);
    return error_sys(error, errnum, "%s.%s: set %.400s", uses[i].is_of_linux ? "linux" : "process",
                     uses[i].key, value ? value : "it");
}

static int explain_process(const struct plan *plan, const struct plan_report *report, int errnum,
                           struct error *error)
{
    const struct config_process *process = plan->process;

    switch (report->step) {
    case STEP_CAPABILITY_LACKING:
        return error_set(error, errnum,
                         "process.capabilities: %s cannot be granted: the runtime does not have it "
                         "itself",
                         capability_name((int)report->index));
    case STEP_CWD:
        return error_sys(error, errnum, "process.cwd: working directory %s", process->cwd);
    case STEP_LABEL:
        return error_sys(error, errnum, "set the label %s",
                         process->apparmor_profile ? process->apparmor_profile
                                                   : process->selinux_label);
    default: /* STEP_EXEC */
        if (errnum == ENOENT)
            /* The words in parentheses are those that engines look for. */
            return error_set(error, errnum,
                             "exec %s: no such program in the image (executable file not found in "
                             "$PATH: No such file or directory)",
                             process->args[0]);
        return error_sys(error, errnum, "exec %s", process->args[0]);
    }
}

int plan_explain(const struct plan *plan, const struct plan_report *report, struct error *error)
{
    int errnum = report->errnum > 0 ? report->errnum : EIO;

    switch (report->step) {
    case STEP_JOIN:
        return explain_join(plan, report->index, errnum, error);
    case STEP_ROOT:
    case STEP_MOUNT:
    case STEP_DEVICE:
    case STEP_READ_ONLY:
    case STEP_MASK:
    case STEP_PIVOT:
    case STEP_ROOT_FLAGS:
        return plan_explain_mounts(plan, report, error);
    case STEP_HOOK:
        return explain_hook(plan, report, error);
    case STEP_MEMORY_POLICY:
    case STEP_SCHEDULER:
    case STEP_IO_PRIORITY:
    case STEP_AFFINITY:
        return explain_use(plan, report->step, errnum, error);
    case STEP_TERMINAL:
        return error_sys(error, errnum,
                         "process.terminal: open a terminal in the devpts at /dev/pts of the "
                         "container");
    case STEP_SYSCTL:
        return error_sys(error, errnum, "linux.sysctl: set %s to \"%s\"",
                         plan->config->sysctls[report->index].key,
                         plan->config->sysctls[report->index].value);
    case STEP_BOUNDING_SET:
        return error_sys(error, errnum, "drop %s from the bounding set",
                         capability_name((int)report->index));
    case STEP_NO_PROCESS:
        return error_set(error, EINVAL, "process: is missing; without it nothing can be started");
    case STEP_CAPABILITY_LACKING:
    case STEP_CWD:
    case STEP_LABEL:
    case STEP_EXEC:
        return explain_process(plan, report, errnum, error);
    default:
        if (report->step < STEP_COUNT && step_names[report->step])
            return error_sys(error, errnum, "%s", step_names[report->step]);
    }
    return error_sys(error, errnum, "step %u", report->step);
}
