/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "supervisor/cli/runtime_verbs.h"
#include "supervisor/runtime/cgroup.h"

#define FREEZE_TIMEOUT_MS 10000

static int freeze(struct runtime *runtime, const char *id, bool is_wanted, struct error *error)
{
    _cleanup_runtime_container_ struct runtime_container container;
    _cleanup_runtime_cgroup_ struct runtime_cgroup group = {0};
    int r = runtime_find(runtime, id, true, &container, error);

    if (r < 0)
        return r;
    enum store_status status = store_status(&container.entry, &container.state);
    if (is_wanted && status != STORE_RUNNING && status != STORE_CREATED)
        return error_set(error, EINVAL, "container not running or created: \"%s\" is %s", id,
                         store_status_name(status));
    if (!is_wanted && status == STORE_STOPPED)
        return error_set(error, EINVAL, "container not paused: \"%s\" is stopped", id);
    r = runtime_cgroup_find(&container.state, &group, error);
    /* A created container can be frozen too, though its state does not tell. */
    if (r == 0)
        r = cgroup_freeze(group.cgroup, is_wanted, FREEZE_TIMEOUT_MS, error);
    return r;
}

int runtime_pause_verb(struct runtime *runtime, int count, char **args, struct error *error)
{
    (void)count;
    return freeze(runtime, args[0], true, error);
}

int runtime_resume_verb(struct runtime *runtime, int count, char **args, struct error *error)
{
    (void)count;
    return freeze(runtime, args[0], false, error);
}
