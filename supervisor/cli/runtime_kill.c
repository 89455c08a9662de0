/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>

#include "common/cleanup.h"
#include "common/units.h"
#include "supervisor/cli/runtime_verbs.h"
#include "supervisor/runtime/cgroup.h"

/* ---- names ---- */

/* "RTMIN", "RTMIN+3", "RTMAX-1". */
static int realtime_number(const char *name)
{
    bool is_min = strncasecmp(name, "RTMIN", 5) == 0;
    uint64_t offset = 0;

    if (!is_min && strncasecmp(name, "RTMAX", 5) != 0)
        return -EINVAL;
    name += 5;
    if (*name && (*name != (is_min ? '+' : '-') ||
                  parse_u64(name + 1, (uint64_t)(SIGRTMAX - SIGRTMIN), &offset) < 0))
        return -EINVAL;
    return is_min ? SIGRTMIN + (int)offset : SIGRTMAX - (int)offset;
}

int runtime_signal_number(const char *text)
{
    uint64_t number;

    if (isdigit((unsigned char)*text))
        return parse_u64(text, NSIG - 1, &number) < 0 ? -EINVAL : (int)number;
    if (strncasecmp(text, "SIG", 3) == 0)
        text += 3;
    for (int i = 1; i < NSIG; i++) {
        const char *name = sigabbrev_np(i);
        if (name && strcasecmp(name, text) == 0)
            return i;
    }
    return realtime_number(text);
}

/* ---- the verb ---- */

/* What `kill` was asked to send; it is one run of the program. */
static int wanted_signal = SIGTERM;

/*
 * To every process. `--all` of a container whose first process has ended is no error, even if
 * nobody is left: engines call it to be sure.
 */
static int signal_all(const struct runtime_container *container, struct error *error)
{
    _cleanup_runtime_cgroup_ struct runtime_cgroup group;
    int r = runtime_cgroup_find(&container->state, &group, error);

    if (r < 0)
        return r;
    return wanted_signal == SIGKILL ? cgroup_kill(group.cgroup, error)
                                    : cgroup_signal(group.cgroup, wanted_signal, error);
}

static int signal_first(const struct runtime_container *container, struct error *error)
{
    _cleanup_close_ int pidfd = identity_open(&container->state.process);
    int r = pidfd < 0 ? pidfd : 0;

    if (r == 0 && pidfd_send_signal(pidfd, wanted_signal, NULL, 0) < 0)
        r = -errno;
    if (r == -ESRCH)
        return error_set(error, ESRCH, "container not running: \"%s\"", container->state.id);
    return r < 0 ? error_sys(error, -r, "send signal %d to container \"%s\"", wanted_signal,
                             container->state.id)
                 : 0;
}

/* The freezer of v1 holds even SIGKILL back. */
static void thaw(const struct runtime_container *container)
{
    struct runtime_cgroup group;

    if (runtime_cgroup_find(&container->state, &group, NULL) < 0)
        return;
    cgroup_freeze(group.cgroup, false, RUNTIME_KILL_TIMEOUT_MS, NULL);
    runtime_cgroup_close(&group);
}

static int kill_one(struct runtime *runtime, const char *id, struct error *error)
{
    _cleanup_runtime_container_ struct runtime_container container;
    int r = runtime_find(runtime, id, false, &container, error);

    if (r < 0)
        return r;
    enum store_status status = store_status(&container.entry, &container.state);
    if (status == STORE_CREATING)
        return error_set(error, EBUSY, "container not running: \"%s\" is still being created", id);
    bool is_all =
        runtime->options.is_all || (wanted_signal == SIGKILL && !container.state.has_own_pids &&
                                    container.state.cgroup && status != STORE_STOPPED);
    if (runtime->options.is_all && status == STORE_STOPPED && !container.state.cgroup)
        return 0;
    r = is_all ? signal_all(&container, error) : signal_first(&container, error);
    if (r == -ENOENT && runtime->options.is_all && status == STORE_STOPPED)
        r = 0; /* the group is gone with its last process */
    if (r == 0 && status == STORE_PAUSED && wanted_signal == SIGKILL)
        thaw(&container);
    return r;
}

int runtime_kill_verb(struct runtime *runtime, int count, char **args, struct error *error)
{
    const char *name = count > 1 ? args[1] : "SIGTERM";

    wanted_signal = runtime_signal_number(name);
    if (wanted_signal < 0)
        return error_set(error, EINVAL,
                         "unknown signal \"%s\": write a number or a name such as KILL", name);
    return runtime_for_each(runtime, args[0], kill_one, error);
}
