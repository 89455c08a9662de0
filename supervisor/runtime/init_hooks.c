/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The hooks that run in the container's namespaces (config.md, "CreateContainer Hooks",
 * "StartContainer Hooks"): children of the first process. They get the state from a file in memory,
 * so that one which does not read it blocks nobody.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "supervisor/runtime/init_internal.h"
#include "supervisor/sys/clone.h"

/* What a hook of a kind is called in a report. */
static uint32_t hook_index(enum config_hook_kind kind, size_t index)
{
    return (uint32_t)index | (uint32_t)kind << 16;
}

/* stderr_fd -1: it says what it says to our own stderr. */
static _Noreturn void execute_hook(const struct plan *plan, const struct config_hook *hook,
                                   int stderr_fd, uint32_t index)
{
    sigset_t none;

    lseek(plan->hook_state_fd, 0, SEEK_SET);
    sigemptyset(&none);
    signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if ((stderr_fd < 0 || dup2(stderr_fd, STDERR_FILENO) == STDERR_FILENO) &&
        dup2(plan->hook_state_fd, STDIN_FILENO) == STDIN_FILENO &&
        syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC) == 0)
        execve(hook->path, hook->args, hook->env);
    init_report(plan, STEP_HOOK, -errno, index, false);
    _exit(127);
}

/* Its wait status, or a negative errno; -ETIMEDOUT when it was killed for taking too long. */
static int run_hook(const struct plan *plan, struct hook_process *process, uint32_t index)
{
    int ends[2] = {-1, -1}, status = 0;

    /* Without one (the container's limit of descriptors may be low) the message says less. */
    if (pipe2(ends, O_CLOEXEC) < 0)
        ends[0] = ends[1] = -1;
    process->stderr_fd = ends[0];
    process->pid = clone_process(CLONE_PIDFD, -1, &process->pidfd);
    if (process->pid == 0)
        execute_hook(plan, process->hook, ends[1], index);
    close_fd(&ends[1]);
    if (process->pid < 0)
        return process->pid;
    bool is_late = !hook_process_wait(process);
    if (is_late)
        kill(process->pid, SIGKILL);
    while (waitpid(process->pid, &status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    return is_late ? -ETIMEDOUT : status;
}

/* A positive result is a wait status; it goes in the errnum's place, negated. */
static _Noreturn void report_failure(const struct plan *plan, int r, uint32_t index,
                                     const struct hook_process *process)
{
    struct plan_report message = {.step = STEP_HOOK, .index = index, .errnum = -r};

    memcpy(message.said, process->said, process->said_length);
    init_report_fd(plan->status_fd, &message, PLAN_REPORT_SIZE + process->said_length, -1);
    _exit(126);
}

void init_run_hooks(const struct plan *plan, enum config_hook_kind kind)
{
    const struct config_hooks *hooks = &plan->config->hooks[kind];

    for (size_t i = 0; i < hooks->count; i++) {
        struct hook_process process = {.hook = &hooks->list[i], .pidfd = -1};
        uint32_t index = hook_index(kind, i);
        int r = run_hook(plan, &process, index);
        close_fd(&process.pidfd);
        close_fd(&process.stderr_fd);
        if (r != 0)
            report_failure(plan, r, index, &process);
    }
}
