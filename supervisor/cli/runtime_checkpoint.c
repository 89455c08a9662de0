/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checkpoint and restore: what they need is told, and that they are not there. A checkpoint that
 * only looks whole would lose a tenant's data.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "supervisor/cli/runtime_verbs.h"

/* Whether the program can be found, in the directories of PATH unless it is a path. */
static bool is_installed(const char *program)
{
    const char *path = getenv("PATH");
    char buffer[PATH_MAX];

    if (strchr(program, '/'))
        return access(program, X_OK) == 0;
    for (const char *at = path; at && *at;) {
        int length = (int)strcspn(at, ":");
        if (snprintf(buffer, sizeof(buffer), "%.*s/%s", length, at, program) <
                (int)sizeof(buffer) &&
            access(buffer, X_OK) == 0)
            return true;
        at += length + (at[length] == ':');
    }
    return false;
}

static int refuse(const struct runtime *runtime, struct error *error)
{
    const char *criu = runtime->options.criu ? runtime->options.criu : "criu";

    if (!is_installed(criu))
        return error_set(error, EOPNOTSUPP,
                         "%s needs the program criu, and there is no \"%s\"; install it or give "
                         "--criu PATH",
                         runtime->verb, criu);
    return error_set(error, EOPNOTSUPP,
                     "%s: criu is there, but this runtime does not yet hand containers (their "
                     "mounts, cgroups and terminal) over to it",
                     runtime->verb);
}

int runtime_checkpoint_verb(struct runtime *runtime, int count, char **args, struct error *error)
{
    _cleanup_runtime_container_ struct runtime_container container;
    int r = runtime_find(runtime, args[0], false, &container, error);

    (void)count;
    return r < 0 ? r : refuse(runtime, error);
}

int runtime_restore_verb(struct runtime *runtime, int count, char **args, struct error *error)
{
    int r = store_id_check(args[0], error);

    (void)count;
    return r < 0 ? r : refuse(runtime, error);
}
