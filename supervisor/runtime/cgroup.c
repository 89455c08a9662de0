/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/runtime/cgroup_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"

/* What every v2 group gets where it is to be had; cgroup_enable() hands down the rest on demand. */
#define V2_WANTED (CGROUP_CPU | CGROUP_MEMORY | CGROUP_PIDS | CGROUP_IO)
#define CPUS_MAX  4096 /* a list of CPUs or memory nodes: a page (kernfs) */

/* ---- paths ---- */

/* Absolute, not the root, no empty part, no "." or "..", no line feed (it would forge
 * /proc/PID/cgroup). */
int cgroup_path_check(const char *path, struct error *error)
{
    if (*path != '/' || strlen(path) >= PATH_MAX || strchr(path, '\n'))
        return error_set(error, EINVAL, "cgroup path \"%.128s\": must be absolute and short", path);
    for (const char *part = path; *part;) {
        size_t length = strcspn(++part, "/");
        bool is_dots = (length == 1 && part[0] == '.') || (length == 2 && !strncmp(part, "..", 2));
        if (length == 0 || length > NAME_MAX || is_dots)
            return error_set(error, EINVAL,
                             "cgroup path \"%.128s\": each part must be a name, not \"%.*s\"", path,
                             (int)length, part);
        part += length;
    }
    return 0;
}

const char *cgroup_hierarchy_name(const struct cgroup_hierarchy *hierarchy)
{
    return hierarchy->mount.is_v2 ? "cgroup2" : hierarchy->mount.options;
}

/* ---- the controllers of a v2 group ---- */

/* What of wanted the list in the file does not have. */
static int missing_in(int directory, const char *file, unsigned wanted, unsigned *missing)
{
    char text[512];
    int r = cgroup_file_read(directory, file, text, sizeof(text));

    *missing = r < 0 ? 0 : wanted & ~cgroup_controllers_parse(text, " \n");
    return r;
}

/*
 * Hands the controllers of a v2 group down to its children. One that cannot be is no error here:
 * its files will be missing, and then the limit that needs them says so.
 */
static int hand_down(int directory, unsigned wanted, struct error *error)
{
    unsigned unavailable, missing = 0;
    int r = missing_in(directory, "cgroup.controllers", wanted, &unavailable);

    if (r == 0)
        r = missing_in(directory, "cgroup.subtree_control", wanted & ~unavailable, &missing);
    if (r < 0)
        return error_sys(error, -r, "read cgroup.controllers");
    for (unsigned bit = 1; bit && bit <= missing; bit <<= 1) {
        if (!(missing & bit))
            continue;
        char text[32];
        snprintf(text, sizeof(text), "+%s", cgroup_controller_name(bit, true));
        r = cgroup_file_write(directory, "cgroup.subtree_control", text);
        if (r == -EBUSY)
            return error_set(
                error, EBUSY,
                "cannot hand \"%s\" down: processes live in this group itself; move them "
                "to a child group, or start the supervisor with Delegate=yes",
                text + 1);
    }
    return 0;
}

/* ---- the cpuset of a v1 group ---- */

/*
 * A v1 group takes no task before it has CPUs and memory nodes: the parent's, at first. -EAGAIN,
 * without a message, when the parent has none itself.
 */
static int copy_cpuset(int parent, int child, struct error *error)
{
    static const char *const files[] = {"cpuset.cpus", "cpuset.mems"};

    for (size_t i = 0; i < ARRAY_LENGTH(files); i++) {
        char text[CPUS_MAX];
        int r = cgroup_file_read(child, files[i], text, sizeof(text));
        if (r == 0 && text[0] != '\0' && text[0] != '\n')
            continue;
        if (r == 0)
            r = cgroup_file_read(parent, files[i], text, sizeof(text));
        if (r == 0 && (text[0] == '\0' || text[0] == '\n'))
            return -EAGAIN;
        if (r == 0)
            r = cgroup_file_write(child, files[i], text);
        if (r < 0)
            return error_sys(error, -r, "copy the parent's %s", files[i]);
    }
    return 0;
}

/* ---- create and open ---- */

/* What make_path() made: the last count parts of the first length bytes of the path. */
struct made {
    size_t length, count;
};

/* Before a group is made in parent: what its child can have is settled there. */
static int prepare_parent(const struct cgroup_hierarchy *hierarchy, int parent, struct error *error)
{
    return hierarchy->mount.is_v2 ? hand_down(parent, V2_WANTED, error) : 0;
}

/*
 * After: is_new says whether this call made it. Groups that are to have children hand their
 * cpuset on by themselves, so that only the first of a path is copied here.
 */
static int finish_child(const struct cgroup_hierarchy *hierarchy, int parent, int child,
                        bool is_new, bool is_inner, struct error *error)
{
    if (hierarchy->mount.is_v2 || !(hierarchy->mount.controllers & CGROUP_CPUSET))
        return 0;
    if (is_new && is_inner)
        cgroup_file_write(child, "cgroup.clone_children", "1"); /* else each is copied to */
    return copy_cpuset(parent, child, error);
}

/* Makes path part by part below the root. Returns the directory or a negative errno. */
static int make_path(const struct cgroup_hierarchy *hierarchy, const char *path, struct made *made,
                     struct error *error)
{
    _cleanup_close_ int directory = openat(hierarchy->root, ".", CGROUP_DIRECTORY_FLAGS);
    const char *at = path;
    char name[NAME_MAX + 1];

    while (directory >= 0 && *at) {
        size_t length = strcspn(at + 1, "/");
        memcpy(name, at + 1, length);
        name[length] = '\0';
        int r = prepare_parent(hierarchy, directory, error);
        if (r < 0)
            return error_wrap(error, "cgroup %.*s", at == path ? 1 : (int)(at - path), path);
        at += 1 + length;
        bool is_new = mkdirat(directory, name, 0755) == 0;
        if (is_new)
            *made = (struct made){.length = (size_t)(at - path), .count = made->count + 1};
        else if (errno != EEXIST)
            return error_sys(error, errno, "create cgroup %s (%s)", path,
                             cgroup_hierarchy_name(hierarchy));
        int child = openat(directory, name, CGROUP_DIRECTORY_FLAGS);
        if (child >= 0)
            r = finish_child(hierarchy, directory, child, is_new, *at != '\0', error);
        int failed = errno;
        close_fd(&directory);
        directory = child;
        errno = failed;
        if (r < 0)
            return error_wrap(error, "cgroup %.*s (%s)", (int)(at - path), path,
                              cgroup_hierarchy_name(hierarchy));
    }
    if (directory < 0)
        return error_sys(error, errno, "open cgroup %s (%s)", path,
                         cgroup_hierarchy_name(hierarchy));
    return steal_fd(&directory);
}

/* Takes back what was made; the first part that does not go ends it. */
static void unmake_path(int root, const char *path, const struct made *made)
{
    char buffer[PATH_MAX];

    snprintf(buffer, sizeof(buffer), "%.*s", (int)made->length, path);
    for (size_t i = 0; i < made->count && unlinkat(root, buffer + 1, AT_REMOVEDIR) == 0; i++)
        *strrchr(buffer, '/') = '\0';
}

/* Copies to a group that was made alone; its parent was made or found before. */
static int copy_parent_cpuset(int root, const char *path, int child, struct error *error)
{
    char name[PATH_MAX];

    snprintf(name, sizeof(name), ".%.*s", (int)(strrchr(path, '/') - path), path);
    _cleanup_close_ int parent = openat(root, name, CGROUP_DIRECTORY_FLAGS);
    if (parent < 0)
        return error_sys(error, errno, "open the parent");
    return copy_cpuset(parent, child, error);
}

/*
 * The usual case in few calls: the parents are there and can have what is wanted. -EAGAIN when the
 * long way has to be taken, with the group made or not.
 */
static int make_last(const struct cgroup_hierarchy *hierarchy, const char *path, struct made *made,
                     struct error *error)
{
    unsigned missing = 0;
    int r = 0;

    if (mkdirat(hierarchy->root, path + 1, 0755) < 0)
        return -EAGAIN;
    *made = (struct made){.length = strlen(path), .count = 1};
    _cleanup_close_ int directory = openat(hierarchy->root, path + 1, CGROUP_DIRECTORY_FLAGS);
    if (directory < 0)
        r = error_sys(error, errno, "open");
    else if (hierarchy->mount.is_v2)
        missing_in(directory, "cgroup.controllers", V2_WANTED & hierarchy->mount.controllers,
                   &missing);
    else if (hierarchy->mount.controllers & CGROUP_CPUSET)
        r = copy_parent_cpuset(hierarchy->root, path, directory, error);
    if (r < 0 && r != -EAGAIN)
        return error_wrap(error, "cgroup %s (%s)", path, cgroup_hierarchy_name(hierarchy));
    return missing || r < 0 ? -EAGAIN : steal_fd(&directory);
}

static struct cgroup *new_handle(struct cgroup_driver *driver, const char *path)
{
    struct cgroup *cgroup = calloc(1, sizeof(*cgroup));

    if (!cgroup)
        return NULL;
    cgroup->driver = driver;
    for (size_t i = 0; i < CGROUP_HIERARCHIES_MAX; i++)
        cgroup->directories[i] = -1;
    cgroup->path = strdup(path);
    if (!cgroup->path) {
        free(cgroup);
        return NULL;
    }
    return cgroup;
}

int cgroup_create(struct cgroup_driver *driver, const char *path, struct cgroup **out,
                  struct error *error)
{
    struct made made[CGROUP_HIERARCHIES_MAX];

    *out = NULL;
    int r = cgroup_path_check(path, error);
    if (r < 0)
        return r;
    _cleanup_cgroup_ struct cgroup *cgroup = new_handle(driver, path);
    if (!cgroup)
        return error_sys(error, ENOMEM, "cgroup %s", path);
    for (size_t i = 0; i < driver->count; i++) {
        made[i] = (struct made){0};
        int fd = make_last(&driver->hierarchies[i], path, &made[i], error);
        if (fd == -EAGAIN)
            fd = make_path(&driver->hierarchies[i], path, &made[i], error);
        cgroup->directories[i] = fd;
        if (fd >= 0)
            continue;
        for (size_t j = 0; j <= i; j++)
            unmake_path(driver->hierarchies[j].root, path, &made[j]);
        return fd;
    }
    *out = steal_ptr(cgroup);
    return 0;
}

int cgroup_enable(const struct cgroup *cgroup, unsigned controllers, struct error *error)
{
    const struct cgroup_driver *driver = cgroup->driver;
    unsigned missing;
    int group = cgroup_clone_fd(cgroup);

    if (group < 0 || missing_in(group, "cgroup.controllers", controllers, &missing) < 0 || !missing)
        return 0;
    const char *path = cgroup->path;
    char parent[PATH_MAX];
    for (const char *at = path; at; at = strchr(at + 1, '/')) {
        snprintf(parent, sizeof(parent), ".%.*s", (int)(at - path), path);
        _cleanup_close_ int directory =
            openat(driver->hierarchies[driver->v2].root, parent, CGROUP_DIRECTORY_FLAGS);
        int r = directory < 0 ? error_sys(error, errno, "open") : 0;
        if (r == 0)
            r = hand_down(directory, missing, error);
        if (r < 0)
            return error_wrap(error, "cgroup %.*s", at == path ? 1 : (int)(at - path), path);
    }
    return 0;
}

int cgroup_open(struct cgroup_driver *driver, const char *path, struct cgroup **out,
                struct error *error)
{
    bool is_there = false;

    *out = NULL;
    int r = cgroup_path_check(path, error);
    if (r < 0)
        return r;
    _cleanup_cgroup_ struct cgroup *cgroup = new_handle(driver, path);
    if (!cgroup)
        return error_sys(error, ENOMEM, "cgroup %s", path);
    for (size_t i = 0; i < driver->count; i++) {
        cgroup->directories[i] =
            openat(driver->hierarchies[i].root, path + 1, CGROUP_DIRECTORY_FLAGS);
        if (cgroup->directories[i] < 0 && errno != ENOENT)
            return error_sys(error, errno, "open cgroup %s (%s)", path,
                             cgroup_hierarchy_name(&driver->hierarchies[i]));
        is_there |= cgroup->directories[i] >= 0;
    }
    if (!is_there)
        return error_sys(error, ENOENT, "open cgroup %s", path);
    *out = steal_ptr(cgroup);
    return 0;
}

int cgroup_open_child(const struct cgroup *parent, const char *name, struct cgroup **out,
                      struct error *error)
{
    char path[PATH_MAX];

    *out = NULL;
    if (snprintf(path, sizeof(path), "%s/%s", parent->path, name) >= (int)sizeof(path))
        return error_sys(error, ENAMETOOLONG, "cgroup %s", parent->path);
    int r = cgroup_open(parent->driver, path, out, error);
    for (size_t i = 0; r == 0 && i < parent->driver->count; i++) {
        int *directory = &(*out)->directories[i];
        if (*directory >= 0 || parent->directories[i] < 0)
            continue;
        *directory = openat(parent->directories[i], ".", CGROUP_DIRECTORY_FLAGS);
        if (*directory < 0)
            r = error_sys(error, errno, "open cgroup %s", parent->path);
    }
    if (r < 0)
        cgroup_close(steal_ptr(*out));
    return r;
}

void cgroup_close(struct cgroup *cgroup)
{
    if (!cgroup)
        return;
    for (size_t i = 0; i < CGROUP_HIERARCHIES_MAX; i++)
        close_fd(&cgroup->directories[i]);
    for (size_t i = 0; i < cgroup->figure_count; i++)
        close_fd(&cgroup->figures[i].fd);
    free(cgroup->path);
    free(cgroup);
}

/* ---- entry ---- */

int cgroup_clone_fd(const struct cgroup *cgroup)
{
    return cgroup->driver->v2 < 0 ? -1 : cgroup->directories[cgroup->driver->v2];
}

int cgroup_attach(struct cgroup *cgroup, pid_t pid, struct error *error)
{
    char text[16];

    snprintf(text, sizeof(text), "%d", (int)pid);
    for (size_t i = 0; i < cgroup->driver->count; i++) {
        const struct cgroup_hierarchy *hierarchy = &cgroup->driver->hierarchies[i];
        if (cgroup->directories[i] < 0) /* opened, and somebody else made it */
            continue;
        int r = cgroup_file_write(cgroup->directories[i], "cgroup.procs", text);
        if (r < 0)
            return error_sys(error, -r, "move process %s into cgroup %s (%s)", text, cgroup->path,
                             cgroup_hierarchy_name(hierarchy));
    }
    return 0;
}
