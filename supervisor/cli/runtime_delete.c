/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "supervisor/cli/runtime_log.h"
#include "supervisor/cli/runtime_verbs.h"
#include "supervisor/runtime/cgroup.h"
#include "supervisor/runtime/hooks.h"

/* runtime.md, "Lifecycle", 13: those that fail are warnings. */
void runtime_poststop(const struct config *config, const char *id)
{
    struct error error = ERROR_INIT;

    if (hooks_run(config, HOOK_POSTSTOP, id, "stopped", 0, &error) < 0)
        runtime_log(RUNTIME_LOG_WARNING, "%s", error.message);
}

int runtime_destroy(struct runtime_container *container, struct error *error)
{
    _cleanup_config_ struct config *config = NULL;
    struct runtime_cgroup group;
    struct error reason = ERROR_INIT;
    int r = 0;

    /* The hooks run when all else is gone, so the config is read before. */
    if (container->state.has_poststop && runtime_config(container, &config, &reason) < 0)
        runtime_log(RUNTIME_LOG_WARNING, "poststop hooks cannot run: %s", reason.message);
    if (container->state.cgroup) {
        r = runtime_cgroup_find(&container->state, &group, error);
        if (r == 0) {
            r = runtime_cgroup_remove(&group, error);
            runtime_cgroup_close(&group);
        }
        if (r == -ENOENT)
            r = 0;
    }
    if (r == 0)
        r = store_remove(&container->entry, error);
    if (r == 0)
        runtime_log(RUNTIME_LOG_DEBUG, "\"%s\" is removed", container->state.id);
    if (r == 0 && config)
        runtime_poststop(config, container->state.id);
    return r;
}

/* Kills the first process, which takes those of its pid namespace along, and waits for its end. */
static int end_process(const struct runtime_container *container, struct error *error)
{
    _cleanup_close_ int pidfd = identity_open(&container->state.process);
    struct runtime_cgroup group;

    if (pidfd == -ESRCH)
        return 0;
    if (pidfd < 0)
        return error_sys(error, -pidfd, "open process %d", (int)container->state.process.pid);
    /* By the group first: the freezer cannot hold that back. */
    if (container->state.cgroup && runtime_cgroup_find(&container->state, &group, NULL) == 0) {
        cgroup_kill(group.cgroup, NULL);
        runtime_cgroup_close(&group);
    }
    if (pidfd_send_signal(pidfd, SIGKILL, NULL, 0) < 0 && errno != ESRCH)
        return error_sys(error, errno, "kill process %d", (int)container->state.process.pid);
    struct pollfd ended = {.fd = pidfd, .events = POLLIN};
    if (poll(&ended, 1, RUNTIME_KILL_TIMEOUT_MS) > 0)
        return 0;
    return error_set(error, EBUSY,
                     "container \"%s\": process %d is still there %d seconds after SIGKILL; it may "
                     "hang in the kernel",
                     container->state.id, (int)container->state.process.pid,
                     RUNTIME_KILL_TIMEOUT_MS / 1000);
}

/* Files that are no container, after a program was killed at a bad moment: only with --force. */
static int remove_broken(struct runtime *runtime, const char *id, struct error *error)
{
    _cleanup_store_entry_ struct store_entry entry;
    int r = store_find(&runtime->store, id, &entry, error);

    if (r == 0)
        r = store_lock(&entry, RUNTIME_LOCK_TIMEOUT_MS, error);
    if (r == 0)
        r = store_remove(&entry, error);
    return r;
}

static int delete_one(struct runtime *runtime, const char *id, struct error *error)
{
    _cleanup_runtime_container_ struct runtime_container container;
    bool is_forced = runtime->options.is_forced;
    int r = runtime_find(runtime, id, true, &container, error);

    if (r == -EINVAL && is_forced && runtime->store.fd >= 0 && store_id_check(id, NULL) == 0) {
        runtime_log(RUNTIME_LOG_WARNING, "%s; its directory is removed", error->message);
        r = remove_broken(runtime, id, error);
        return r == -ENOENT ? 0 : r;
    }
    if (r < 0)
        return r == -ENOENT && is_forced ? 0 : r;
    enum store_status status = store_status(&container.entry, &container.state);
    if (status != STORE_STOPPED && !is_forced)
        return error_set(error, EBUSY,
                         "cannot delete container %s that is not stopped: %s; kill it first, or "
                         "use --force",
                         id, store_status_name(status));
    if (status != STORE_STOPPED)
        r = end_process(&container, error);
    return r < 0 ? r : runtime_destroy(&container, error);
}

int runtime_delete_verb(struct runtime *runtime, int count, char **args, struct error *error)
{
    (void)count;
    return runtime_for_each(runtime, args[0], delete_one, error);
}
