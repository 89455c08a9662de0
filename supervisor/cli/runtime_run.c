/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "supervisor/cli/runtime_log.h"
#include "supervisor/cli/runtime_verbs.h"
#include "supervisor/runtime/hooks.h"

/* Starts what was made, and takes all of it back if that fails. What was restored runs already. */
static int start(struct runtime_creation *creation, bool is_running, struct error *error)
{
    struct container *made = &creation->made;
    const struct config *config = creation->config;
    const char *id = creation->container.state.id;
    int r = is_running ? 0 : container_start(made, config, error);

    if (r < 0)
        creation->is_made = false; /* it holds nothing any more */
    else
        r = hooks_run(config, HOOK_POSTSTART, id, "running", made->pid, error);
    if (r < 0)
        runtime_creation_undo(creation);
    return r;
}

/* The end of a container in the foreground. */
static void finish(const struct runtime *runtime, struct runtime_creation *creation)
{
    struct error error = ERROR_INIT;

    if (runtime->options.is_kept)
        return;
    /* Somebody else may have deleted it meanwhile. */
    int r = store_lock(&creation->container.entry, RUNTIME_LOCK_TIMEOUT_MS, &error);
    if (r == -ENOENT)
        return;
    if (r == 0)
        r = runtime_cgroup_remove(&creation->cgroup, &error);
    if (r == 0)
        r = store_remove(&creation->container.entry, &error);
    if (r < 0)
        runtime_log(RUNTIME_LOG_WARNING, "delete \"%s\": %s", creation->container.state.id,
                    error.message);
    runtime_poststop(creation->config, creation->container.state.id);
}

int runtime_run_made(struct runtime *runtime, const char *id, runtime_maker *maker,
                     struct error *error)
{
    bool is_foreground = !runtime->options.is_detached;
    static struct runtime_creation creation; /* what is open in the end goes with the process */
    _cleanup_close_ int signals = -1, notify = -1;

    if (is_foreground && !runtime->options.has_no_subreaper)
        prctl(PR_SET_CHILD_SUBREAPER, 1);
    int r = runtime_creation_make(runtime, id, false, is_foreground, maker, &creation, error);
    if (r < 0)
        return r;
    if (is_foreground) {
        /* What comes from now on is meant for the container. */
        signals = runtime_hold_signals();
        r = signals < 0 ? error_sys(error, -signals, "take signals") : 0;
    }
    if (r == 0)
        r = runtime_notify_open(&creation.container.entry, &notify, error);
    if (r < 0)
        runtime_creation_undo(&creation);
    else
        r = start(&creation, maker != NULL, error);
    if (r == 0 && is_foreground) {
        store_unlock(&creation.container.entry);
        r = runtime_wait(&creation.made, signals, notify, error);
        finish(runtime, &creation);
    } else if (r == 0) {
        store_unlock(&creation.container.entry);
        runtime_notify_wait(notify, creation.made.pidfd, creation.made.pid);
    }
    return r;
}

int runtime_run_verb(struct runtime *runtime, int count, char **args, struct error *error)
{
    (void)count;
    return runtime_run_made(runtime, args[0], NULL, error);
}
