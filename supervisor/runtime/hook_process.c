/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/runtime/hook_process.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"

#define READ_SIZE  1024  /* at once; a pipe that can be written to takes as much (pipe(7)) */
#define PIPE_HOLDS 65536 /* pipe(7) */

static void keep(struct hook_process *process, const char *text, size_t size)
{
    size_t kept = size < HOOK_SAID_MAX ? size : HOOK_SAID_MAX;
    size_t room = HOOK_SAID_MAX - kept;
    size_t old = process->said_length < room ? process->said_length : room;

    memmove(process->said, process->said + process->said_length - old, old);
    memcpy(process->said + old, text + size - kept, kept);
    process->said_length = old + kept;
    process->said[process->said_length] = '\0';
}

static void read_stderr(struct hook_process *process, bool is_passed_on)
{
    char buffer[READ_SIZE];

    ssize_t length = read(process->stderr_fd, buffer, sizeof(buffer));
    if (length < 0 && errno == EINTR)
        return;
    if (length <= 0) {
        close_fd(&process->stderr_fd);
        return;
    }
    keep(process, buffer, (size_t)length);
    if (is_passed_on && write(STDERR_FILENO, buffer, (size_t)length) < 0)
        return;
}

/* Whether a write would not block: an error is for write(2) to tell. */
static bool is_writable(void)
{
    struct pollfd ready = {.fd = STDERR_FILENO, .events = POLLOUT};

    return poll(&ready, 1, 0) != 0;
}

/* What the hook left in the pipe, and no more: a process that it left behind may go on writing. */
static void drain_stderr(struct hook_process *process)
{
    for (int i = 0; i < PIPE_HOLDS / READ_SIZE && process->stderr_fd >= 0; i++) {
        struct pollfd ready = {.fd = process->stderr_fd, .events = POLLIN};
        if (poll(&ready, 1, 0) <= 0)
            return;
        read_stderr(process, is_writable());
    }
}

bool hook_process_wait(struct hook_process *process)
{
    int64_t timeout_s = process->hook->timeout_s;
    int64_t timeout_ms = timeout_s < INT32_MAX / 1000 ? timeout_s * 1000 : INT32_MAX;
    int64_t deadline_ms = clock_monotonic_ms() + timeout_ms;
    bool is_blocked = false;

    for (;;) {
        /* Where nobody reads our own stderr, the hook waits in its write, and we for its end. */
        struct pollfd ready[] = {{.fd = process->pidfd, .events = POLLIN},
                                 {.fd = is_blocked ? STDERR_FILENO : process->stderr_fd,
                                  .events = is_blocked ? POLLOUT : POLLIN}};
        int64_t left = timeout_s ? deadline_ms - clock_monotonic_ms() : -1;
        if (timeout_s && left <= 0)
            return false;
        int r = poll(ready, 2, (int)left);
        if (r > 0 && ready[0].revents) {
            drain_stderr(process);
            return true;
        }
        if (r <= 0 || !ready[1].revents)
            continue;
        is_blocked = !is_blocked && !is_writable();
        if (!is_blocked && ready[1].fd == process->stderr_fd)
            read_stderr(process, true);
    }
}
