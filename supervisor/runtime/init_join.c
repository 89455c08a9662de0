/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Namespaces that exist already are entered by a process of their own, which then makes the
 * container's first process as its sibling: a pid namespace holds only for children, and so do the
 * clocks of a new time namespace, which must be set before anybody lives in it
 * (time_namespaces(7)).
 */

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "supervisor/runtime/init_internal.h"
#include "supervisor/sys/clone.h"
#include "supervisor/sys/openat2.h"

/*
 * The user namespace comes last: until then the host's root may enter all others. One that root of
 * a user's own namespace may only enter from within is tried once more behind it.
 */
static int join_namespaces(const struct plan *plan, uint32_t *index)
{
    bool is_done[PLAN_JOINS_MAX] = {false};

    for (int round = 0; round < 3; round++)
        for (size_t i = 0; i < plan->join_count; i++) {
            const struct planned_join *join = &plan->joins[i];
            bool is_user = join->flag == CLONE_NEWUSER;
            if (is_done[i] || is_user != (round == 1))
                continue;
            *index = (uint32_t)i;
            if (setns(join->fd, (int)join->flag) == 0)
                is_done[i] = true;
            else if (errno != EPERM || round > 0)
                return -errno;
        }
    return 0;
}

static int set_clocks(const struct plan *plan)
{
    if (!(plan->clone_flags & CLONE_NEWTIME))
        return 0;
    if (unshare(CLONE_NEWTIME) < 0)
        return -errno;
    if (!plan->time_offsets[0])
        return 0;
    /* "self" is a link, and the whole path lies in a procfs of the runtime's own. */
    _cleanup_close_ int fd = open_beneath(plan->proc_fd, "self/timens_offsets", O_WRONLY, 0);
    if (fd < 0)
        return fd;
    size_t length = strlen(plan->time_offsets);
    return write(fd, plan->time_offsets, length) == (ssize_t)length ? 0 : -errno;
}

/* execCPUAffinity.initial: before the cgroup, which may allow other CPUs. */
static int set_initial_affinity(const struct plan *plan)
{
    const struct config_process *process = plan->process;

    if (!plan->is_exec || !process->has_initial_affinity)
        return 0;
    return sched_setaffinity(0, sizeof(process->initial_affinity), &process->initial_affinity) < 0
               ? -errno
               : 0;
}

void init_join_run(const struct plan *plan)
{
    uint64_t flags = plan->clone_flags & ~(uint64_t)(CLONE_NEWTIME | CLONE_NEWCGROUP);
    uint32_t index = 0;

    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    init_check(plan, STEP_AFFINITY, set_initial_affinity(plan), 0);
    init_check(plan, STEP_CGROUP, cgroup_enter(&plan->entry), 0);
    int r = join_namespaces(plan, &index);
    init_check(plan, STEP_JOIN, r, index);
    init_check(plan, STEP_TIME_OFFSETS, set_clocks(plan), 0);
    init_narrow_rights(plan);
    pid_t pid = clone_process(flags | CLONE_PARENT, -1, NULL);
    if (pid == 0)
        init_run(plan);
    init_check(plan, STEP_CLONE, pid, 0);
    init_report(plan, STEP_CLONED, 0, (uint32_t)pid, false);
    _exit(0);
}
