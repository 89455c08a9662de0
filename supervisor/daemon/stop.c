/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Asking a container to end, and what happens when it does not.
 *
 * The first process of a pid namespace gets no signal that it has no handler for
 * (pid_namespaces(7)). Two things follow. A stop that comes before the program has installed its
 * handlers would be lost, so the signal waits for the handler. And a program that never installs
 * one (`sleep`) would sit out its whole grace period, though anywhere else the signal would have
 * ended it at once: it is killed when the handler has not come within HANDLER_WAIT_USEC.
 */

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "supervisor/daemon/service.h"

#define USEC_PER_SEC      UINT64_C(1000000)
#define HANDLER_WAIT_USEC USEC_PER_SEC
#define HANDLER_POLL_USEC UINT64_C(10000)

static void kill_all(struct service *service)
{
    struct error error = ERROR_INIT;

    service->is_killed = true;
    if (cgroup_kill(service->cgroup, &error) < 0)
        log_error("%s: %s", service->id, error.message);
    container_signal(&service->container, SIGKILL);
}

static int on_grace_over(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct service *service = userdata;

    (void)source;
    (void)usec;
    service_cancel_timer(service);
    service_warn(service, "did not stop within %" PRIu64 " s: killed",
                 service->spec->stop_grace_period_usec / USEC_PER_SEC);
    kill_all(service);
    return 0;
}

/* Reads a file of a process's directory in /proc as text. False: the process is about to be gone.
 */
static bool read_process_file(pid_t pid, const char *name, char *text, size_t size)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? -1 : read(fd, text, size - 1);
    if (length <= 0)
        return false;
    text[length] = '\0';
    return true;
}

/*
 * Whether the process waits in sigwait(3) or sigtimedwait(2), as tini and dumb-init do. What it
 * waits for is blocked, but for the time of the wait the kernel does not show it in SigBlk.
 * proc_pid_syscall(5): the number of the system call comes first.
 */
static bool is_in_sigwait(pid_t pid)
{
    char text[256];

    return read_process_file(pid, "syscall", text, sizeof(text)) &&
           strtol(text, NULL, 10) == SYS_rt_sigtimedwait;
}

/*
 * Whether the signal does something to the process: it is caught, ignored on purpose, or blocked to
 * be taken by sigwait(3) or signalfd(2), for a blocked signal stays pending even for the first
 * process (proc_pid_status(5): SigCgt, SigIgn, SigBlk).
 */
static bool is_handled(pid_t pid, int signal)
{
    char text[4096];
    uint64_t blocked = 0, ignored = 0, caught = 0;

    if (!read_process_file(pid, "status", text, sizeof(text)))
        return true;
    const char *at = strstr(text, "\nSigBlk:");
    if (!at || sscanf(at, "\nSigBlk: %" SCNx64 " SigIgn: %" SCNx64 " SigCgt: %" SCNx64, &blocked,
                      &ignored, &caught) != 3)
        return true;
    return (((blocked | ignored | caught) >> (signal - 1)) & 1) || is_in_sigwait(pid);
}

static int stop_signal(const struct service *service)
{
    return service->spec->stop_signal ? service->spec->stop_signal : SIGTERM;
}

static int on_handler_poll(sd_event_source *source, uint64_t usec, void *userdata);

/* Sends the signal, or looks again in a moment. */
static void deliver(struct service *service)
{
    uint64_t grace = service->spec->stop_grace_period_usec;
    int signal = stop_signal(service);

    if (signal == SIGKILL) {
        kill_all(service);
        return;
    }
    if (is_handled(service->container.pid, signal)) {
        container_signal(&service->container, signal);
        service_arm_timer(service, grace, on_grace_over);
        return;
    }
    uint64_t waited = clock_boottime_usec() - service->state_since_usec;
    if (waited >= (grace < HANDLER_WAIT_USEC ? grace : HANDLER_WAIT_USEC)) {
        service_note(service, "its first process does not handle signal %d: killed", signal);
        kill_all(service);
        return;
    }
    service_arm_timer(service, HANDLER_POLL_USEC, on_handler_poll);
}

static int on_handler_poll(sd_event_source *source, uint64_t usec, void *userdata)
{
    (void)source;
    (void)usec;
    service_cancel_timer(userdata);
    deliver(userdata);
    return 0;
}

void service_ask_to_stop(struct service *service)
{
    struct error error = ERROR_INIT;

    /* Frozen tasks take no signal: they are thawed first. */
    if (service->state == CONTAINER_PAUSED &&
        cgroup_freeze(service->cgroup, false, SERVICE_FREEZE_TIMEOUT_MS, &error) < 0)
        log_error("%s: %s", service->id, error.message);
    service_set_state(service, CONTAINER_STOPPING);
    deliver(service);
}
