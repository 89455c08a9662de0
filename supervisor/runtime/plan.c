/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/runtime/plan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "supervisor/sys/mount.h"

/* What execvp(3) takes when there is no PATH. */
#define DEFAULT_PATH   "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define CANDIDATES_MAX 64

static const char *environment_value(char *const *env, const char *key)
{
    size_t length = strlen(key);

    for (; *env; env++)
        if (strncmp(*env, key, length) == 0 && (*env)[length] == '=')
            return *env + length + 1;
    return NULL;
}

/* A name with a slash is the path; another is looked for in the PATH of the container's
 * environment. */
static int build_exec_paths(struct plan *plan, struct error *error)
{
    const char *program = plan->config->args[0];
    const char *search = environment_value(plan->config->env, "PATH");
    size_t count = 0;

    if (!search)
        search = DEFAULT_PATH;
    plan->exec_paths = calloc(CANDIDATES_MAX + 1, sizeof(char *));
    if (!plan->exec_paths)
        return error_sys(error, ENOMEM, "process.args");
    if (strchr(program, '/')) {
        plan->exec_paths[0] = strdup(program);
        return plan->exec_paths[0] ? 0 : error_sys(error, ENOMEM, "process.args");
    }
    while (count < CANDIDATES_MAX) {
        int length = (int)strcspn(search, ":");
        /* An empty part would mean the working directory; nobody wants that. */
        if (length > 0 &&
            asprintf(&plan->exec_paths[count], "%.*s/%s", length, search, program) < 0) {
            plan->exec_paths[count] = NULL;
            return error_sys(error, ENOMEM, "process.args");
        }
        count += length > 0;
        if (!search[length])
            return 0;
        search += length + 1;
    }
    return 0;
}

static int prepare_root(struct plan *plan, struct error *error)
{
    const struct config *config = plan->config;
    _cleanup_close_ int source =
        open(config->root_path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (source < 0)
        return error_sys(error, errno, "root.path %s", config->root_path);
    plan->root_fd = mount_clone(source, 1);
    if (plan->root_fd < 0)
        return error_sys(error, -plan->root_fd, "root.path %s: copy the mount", config->root_path);
    /* An image may hold device nodes; they are never devices here: /dev is a file system of our
     * own. */
    uint64_t attributes = MOUNT_ATTR_NODEV;
    if (config->is_root_read_only)
        attributes |= MOUNT_ATTR_RDONLY;
    int r = mount_change(plan->root_fd, 0, attributes, 0, 0, -1);
    if (r == 0)
        r = mount_change(plan->root_fd, 1, 0, 0, MS_PRIVATE, -1);
    return r < 0 ? error_sys(error, -r, "root.path %s: change the mount", config->root_path) : 0;
}

int plan_prepare(struct plan *plan, const struct config *config, const struct cgroup_driver *driver,
                 bool has_strict_sources, struct error *error)
{
    *plan = (struct plan){
        .config = config,
        .root_fd = -1,
        .stdio = {-1, -1, -1},
        .capability_last = capability_last(),
        .status_fd = -1,
    };
    int r = build_exec_paths(plan, error);
    if (r == 0)
        r = prepare_root(plan, error);
    if (r == 0)
        r = plan_prepare_mounts(plan, driver, has_strict_sources, error);
    if (r < 0)
        plan_release(plan);
    return r;
}

void plan_release(struct plan *plan)
{
    close_fd(&plan->root_fd);
    for (size_t i = 0; plan->mounts && i < plan->config->mount_count; i++)
        close_fd(&plan->mounts[i].fd);
    free(plan->mounts);
    plan->mounts = NULL;
    for (size_t i = 0; plan->exec_paths && plan->exec_paths[i]; i++)
        free(plan->exec_paths[i]);
    free(plan->exec_paths);
    plan->exec_paths = NULL;
}

static const char *const step_names[STEP_COUNT] = {
    [STEP_ROOT_IDS] = "become root of the user namespace",
    [STEP_CGROUP_NAMESPACE] = "make the cgroup namespace",
    [STEP_PROPAGATION] = "make the mounts private",
    [STEP_ROOT] = "attach the root file system",
    [STEP_PIVOT] = "change the root directory",
    [STEP_HOSTNAME] = "set the host name",
    [STEP_KEYRING] = "make a session keyring",
    [STEP_DESCRIPTORS] = "arrange the descriptors",
    [STEP_SESSION] = "make a session",
    [STEP_USER] = "become the user of process.user",
    [STEP_CAPABILITIES] = "set the capabilities",
    [STEP_NO_NEW_PRIVILEGES] = "set no_new_privs",
    [STEP_SECCOMP] = "load the seccomp filter",
};

/* A mount that fails because its source is of another kind than its target deserves a better word.
 */
static int explain_mount(const struct config_mount *mount, int errnum, struct error *error)
{
    if (errnum == ENOTDIR)
        return error_set(error, errnum,
                         "mount %s: the source %s and the mount point are not of one kind "
                         "(file or directory)",
                         mount->destination, mount->source ? mount->source : "");
    if (errnum == EROFS || errnum == ENOENT)
        return error_set(error, errnum,
                         "mount %s: the image has no such mount point, and none can be made there",
                         mount->destination);
    return error_sys(error, errnum, "mount %s (%s)", mount->destination,
                     mount->is_bind ? mount->source : mount->type);
}

int plan_explain(const struct plan *plan, const struct plan_report *report, struct error *error)
{
    const struct config *config = plan->config;
    int errnum = report->errnum > 0 ? report->errnum : EIO;

    switch (report->step) {
    case STEP_MOUNT:
        if (report->index < config->mount_count)
            return explain_mount(&config->mounts[report->index], errnum, error);
        break;
    case STEP_READ_ONLY:
        return error_sys(error, errnum, "make %s read-only",
                         config->read_only_paths[report->index]);
    case STEP_MASK:
        return error_sys(error, errnum, "mask %s", config->masked_paths[report->index]);
    case STEP_RLIMIT:
        return error_sys(error, errnum, "set %s (the limit in force stays)",
                         config->rlimits[report->index].name);
    case STEP_BOUNDING_SET:
        return error_sys(error, errnum, "drop capability %u", report->index);
    case STEP_CAPABILITY_LACKING:
        return error_set(error, errnum,
                         "capability %u cannot be granted: this process does not have it itself",
                         report->index);
    case STEP_CWD:
        return error_sys(error, errnum, "working directory %s", config->cwd);
    case STEP_EXEC:
        if (errnum == ENOENT)
            return error_set(error, errnum, "exec %s: no such program in the image",
                             config->args[0]);
        return error_sys(error, errnum, "exec %s", config->args[0]);
    default:
        if (report->step < STEP_COUNT && step_names[report->step])
            return error_sys(error, errnum, "%s", step_names[report->step]);
    }
    return error_sys(error, errnum, "step %u", report->step);
}
