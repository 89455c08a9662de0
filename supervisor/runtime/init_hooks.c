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
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "supervisor/runtime/init_internal.h"
#include "supervisor/sys/clone.h"

/* What a hook of a kind is called in a report. */
static uint32_t hook_index(enum config_hook_kind kind, size_t index)
{
    return (uint32_t)index | (uint32_t)kind << 16;
}

static _Noreturn void execute_hook(const struct plan *plan, const struct config_hook *hook,
                                   uint32_t index)
{
    sigset_t none;

    lseek(plan->hook_state_fd, 0, SEEK_SET);
    sigemptyset(&none);
    signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (dup2(plan->hook_state_fd, STDIN_FILENO) == STDIN_FILENO &&
        syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC) == 0)
        execve(hook->path, hook->args, hook->env);
    init_report(plan, STEP_HOOK, -errno, index, false);
    _exit(127);
}

/* Waits for its end. False when its time is over first. */
static bool wait_for_end(const struct config_hook *hook, int pidfd)
{
    int64_t limit_ms = hook->timeout_s < INT32_MAX / 1000 ? hook->timeout_s * 1000 : INT32_MAX;
    int64_t deadline_ms = clock_monotonic_ms() + limit_ms;
    struct pollfd ended = {.fd = pidfd, .events = POLLIN};
    int r;

    if (hook->timeout_s == 0)
        return true;
    do {
        int64_t left_ms = deadline_ms - clock_monotonic_ms();
        r = poll(&ended, 1, left_ms > 0 ? (int)left_ms : 0);
    } while (r < 0 && errno == EINTR);
    return r > 0;
}

/* Its wait status, or a negative errno; -ETIMEDOUT when it was killed for taking too long. */
static int run_hook(const struct plan *plan, const struct config_hook *hook, uint32_t index)
{
    _cleanup_close_ int pidfd = -1;
    int status = 0;

    pid_t pid = clone_process(CLONE_PIDFD, -1, &pidfd);
    if (pid < 0)
        return pid;
    if (pid == 0)
        execute_hook(plan, hook, index);
    bool is_late = !wait_for_end(hook, pidfd);
    if (is_late)
        kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    return is_late ? -ETIMEDOUT : status;
}

void init_run_hooks(const struct plan *plan, enum config_hook_kind kind)
{
    const struct config_hooks *hooks = &plan->config->hooks[kind];

    for (size_t i = 0; i < hooks->count; i++) {
        uint32_t index = hook_index(kind, i);
        /* A positive result is a wait status; it goes in the errnum's place, negated. */
        int r = run_hook(plan, &hooks->list[i], index);
        if (r != 0) {
            init_report(plan, STEP_HOOK, r, index, false);
            _exit(126);
        }
    }
}
