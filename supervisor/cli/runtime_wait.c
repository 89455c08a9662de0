/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "supervisor/cli/runtime_log.h"
#include "supervisor/cli/runtime_verbs.h"

/* Faults of our own, and what only the kernel sends for our terminal. */
static const int not_passed[] = {SIGSEGV, SIGBUS,  SIGFPE,  SIGILL,  SIGTRAP,
                                 SIGABRT, SIGTTIN, SIGTTOU, SIGPIPE, SIGURG};

int runtime_hold_signals(void)
{
    sigset_t set;

    sigfillset(&set);
    for (size_t i = 0; i < ARRAY_LENGTH(not_passed); i++)
        sigdelset(&set, not_passed[i]);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return -errno;
    /* Writing to our terminal from the background must not stop us; a closed pipe is an error. */
    signal(SIGTTOU, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return fd < 0 ? -errno : fd;
}

/* Reaps whatever has ended, also what the container left to us, up to the process itself: true. */
static bool reap(pid_t pid, int *status)
{
    int other;
    pid_t ended;

    while ((ended = waitpid(-1, &other, WNOHANG)) > 0 || (ended < 0 && errno == EINTR))
        if (ended == pid) {
            *status = other;
            return true;
        }
    return false;
}

/* Takes the signals that came. True: the process has ended. */
static bool take_signals(const struct container *made, int signals,
                         const struct runtime_terminal *terminal, int *status)
{
    struct signalfd_siginfo info;
    bool is_ended = false;

    while (!is_ended && read(signals, &info, sizeof(info)) == sizeof(info)) {
        if (info.ssi_signo == SIGCHLD)
            is_ended = reap(made->pid, status);
        else if (info.ssi_signo == SIGWINCH && terminal)
            runtime_terminal_resize(terminal);
        else if (pidfd_send_signal(made->pidfd, (int)info.ssi_signo, NULL, 0) < 0 && errno != ESRCH)
            runtime_log(RUNTIME_LOG_WARNING, "pass signal %u on: %s", info.ssi_signo,
                        strerror(errno));
    }
    return is_ended;
}

int runtime_wait(struct container *made, int signals, int notify, struct error *error)
{
    struct runtime_terminal *terminal = NULL;
    struct pollfd polls[6];
    int status = 0;

    int r = made->terminal_fd < 0 ? 0 : runtime_terminal_open(made->terminal_fd, &terminal, error);
    if (r < 0)
        pidfd_send_signal(made->pidfd, SIGKILL, NULL, 0);
    /* It may have ended before its SIGCHLD was held back. */
    bool is_ended = reap(made->pid, &status);
    while (!is_ended) {
        size_t count = terminal ? runtime_terminal_prepare(terminal, polls + 2) : 0;
        polls[0] = (struct pollfd){.fd = signals, .events = POLLIN};
        polls[1] = (struct pollfd){.fd = notify, .events = POLLIN};
        if (poll(polls, 2 + count, -1) < 0 && errno != EINTR) {
            r = error_sys(error, errno, "wait for the container");
            break;
        }
        if (terminal)
            runtime_terminal_move(terminal, polls + 2);
        if (notify >= 0) /* our own process is the service's main one, and stays it */
            runtime_notify_forward(notify, 0);
        is_ended = take_signals(made, signals, terminal, &status);
    }
    if (terminal)
        runtime_terminal_close(terminal);
    if (notify >= 0)
        runtime_notify_forward(notify, 0);
    if (r < 0)
        return r;
    runtime_log(RUNTIME_LOG_DEBUG, "process %d has ended with wait status 0x%x", (int)made->pid,
                (unsigned)status);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
