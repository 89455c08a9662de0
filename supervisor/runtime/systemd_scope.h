/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_SYSTEMD_SCOPE_H
#define RUNTIME_SYSTEMD_SCOPE_H

/*
 * A container's group as a scope of systemd ("--systemd-cgroup"): systemd makes the group in the
 * hierarchies it manages, with Delegate=yes, and knows its limits, so that a reload does not take
 * them back. The rest is as without systemd: cgroup_create() with the path that
 * systemd_scope_start() found opens what is there and makes what is missing, and cgroup_apply()
 * writes what systemd has no property for.
 *
 * systemd is spoken to by a program, container-runtime-systemd (supervisor/cli/scope_main.c), so
 * that nothing here links a bus library. Each call runs it once and waits for it. One thread.
 *
 * Only the resources of a config become properties, through a fixed table; annotations never do
 * (CVE-2024-3154).
 */

#include <jansson.h>
#include <limits.h>

#include "supervisor/runtime/cgroup.h"

#define SYSTEMD_UNIT_MAX 256 /* UNIT_NAME_MAX of systemd, with the NUL */

struct systemd_scope {
    char unit[SYSTEMD_UNIT_MAX];  /* "libpod-1234.scope" */
    char slice[SYSTEMD_UNIT_MAX]; /* "machine.slice" */
    bool is_user;                 /* the caller's own manager, not the system's */
};

/* Where the program is, and how long it may take in all. */
struct systemd_helper {
    const char *path;
    int timeout_ms;
};

/*
 * Names the unit after linux.cgroupsPath, which is then "slice:prefix:name". Without one (NULL or
 * "") it is "container-runtime-ID.scope"; without a slice it goes to system.slice, or user.slice of
 * a user's manager; without a prefix the unit is "name.scope". -EINVAL with a message otherwise.
 */
int systemd_scope_name(const char *cgroups_path, const char *id, bool is_user,
                       struct systemd_scope *scope, struct error *error);
/*
 * The group systemd will make for it below its own root: "/a.slice/a-b.slice/x.scope" for x.scope
 * in a-b.slice. size is that of path, PATH_MAX is enough. What really is, systemd_scope_start()
 * says.
 */
int systemd_scope_path(const struct systemd_scope *scope, char *path, size_t size,
                       struct error *error);

/*
 * The properties of a unit that stand for resources, as the program takes them: names of v2 or
 * of v1 (and hybrid). is_new: some can be given to a new scope only. NULL with a message on an
 * error; the caller owns the reference.
 */
json_t *systemd_scope_properties(const struct cgroup_resources *resources, enum cgroup_mode mode,
                                 bool is_new, struct error *error);

/*
 * Makes the scope with the process pid in it and waits for it. path, of PATH_MAX bytes, is where
 * the group is, to be given to cgroup_create(). resources may be NULL.
 */
int systemd_scope_start(const struct systemd_helper *helper, const struct systemd_scope *scope,
                        pid_t pid, const struct cgroup_resources *resources, enum cgroup_mode mode,
                        char *path, struct error *error);
/* Tells systemd of new limits; cgroup_apply() is still to follow. */
int systemd_scope_update(const struct systemd_helper *helper, const struct systemd_scope *scope,
                         const struct cgroup_resources *resources, enum cgroup_mode mode,
                         struct error *error);
/*
 * Stops the scope, which kills what is left in it. A scope that is gone is no error. Groups that
 * systemd does not manage stay: cgroup_destroy() removes them.
 */
int systemd_scope_stop(const struct systemd_helper *helper, const struct systemd_scope *scope,
                       struct error *error);

#endif
