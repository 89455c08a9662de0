/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The hooks that run in the container's namespaces (config.md, "CreateContainer Hooks",
 * "StartContainer Hooks"): children of the first process. They get the state from a file in memory,
 * so that one which does not read it blocks nobody.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "supervisor/runtime/init_internal.h"
#include "supervisor/sys/clone.h"

/* execve(2) has no const; neither the strings nor the lists are changed. */
static _Noreturn void execute_hook(const struct plan *plan, const struct config_hook *hook)
{
    sigset_t none;

    lseek(plan->hook_state_fd, 0, SEEK_SET);
    sigemptyset(&none);
    signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (dup2(plan->hook_state_fd, STDIN_FILENO) == STDIN_FILENO &&
        syscall(SYS_close_range, 3U, ~0U, 0) == 0)
        execve(hook->path, hook->args, hook->env);
    _exit(127);
}

/* Its wait status, or a negative errno; -ETIMEDOUT when it was killed for taking too long. */
static int run_hook(const struct plan *plan, const struct config_hook *hook)
{
    _cleanup_close_ int pidfd = -1;
    int status = 0, r = 0;

    pid_t pid = clone_process(CLONE_PIDFD, -1, &pidfd);
    if (pid < 0)
        return pid;
    if (pid == 0)
        execute_hook(plan, hook);
    if (hook->timeout_s > 0) {
        struct pollfd ended = {.fd = pidfd, .events = POLLIN};
        int64_t limit_ms = hook->timeout_s < 1000000 ? hook->timeout_s * 1000 : -1;
        do
            r = poll(&ended, 1, (int)limit_ms);
        while (r < 0 && errno == EINTR);
        if (r == 0)
            kill(pid, SIGKILL);
    }
    bool is_late = hook->timeout_s > 0 && r == 0;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    return is_late ? -ETIMEDOUT : status;
}

void init_run_hooks(const struct plan *plan, enum config_hook_kind kind)
{
    const struct config_hooks *hooks = &plan->config->hooks[kind];

    for (size_t i = 0; i < hooks->count; i++) {
        /* A positive result is a wait status; it goes in the errnum's place, negated. */
        int r = run_hook(plan, &hooks->list[i]);
        if (r != 0) {
            init_report(plan, STEP_HOOK, r, (uint32_t)i | (uint32_t)kind << 16, false);
            _exit(126);
        }
    }
}
