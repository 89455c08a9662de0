/* SPDX-License-Identifier: Apache-2.0 */

/* Groups below a container's own, for further processes in it. */

#include "supervisor/runtime/cgroup_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "supervisor/sys/openat2.h"

#define NAMES_MAX 256 /* of a list of controllers */
#define WORDS_MAX 32  /* the kernel has 15 controllers */

/* What is asked for: the hierarchies of some controllers, or all, and where to go in them. */
struct below {
    const char *text;
    char names[NAMES_MAX];
    bool has_names;
    char path[PATH_MAX]; /* begins with '/' */
};

static int parse(const char *text, struct below *below, struct error *error)
{
    const char *colon = strchr(text, ':'), *path = colon ? colon + 1 : text;
    size_t length = strlen(path);

    *below = (struct below){.text = text, .has_names = colon};
    if (colon && (size_t)(colon - text) >= sizeof(below->names))
        return error_sys(error, ENAMETOOLONG, "\"%.64s\"", text);
    if (colon)
        memcpy(below->names, text, (size_t)(colon - text));
    for (; *path == '/'; path++)
        length--;
    while (length > 0 && path[length - 1] == '/')
        length--;
    if (length + 1 >= sizeof(below->path))
        return error_sys(error, ENAMETOOLONG, "\"%.64s\"", path);
    snprintf(below->path, sizeof(below->path), "/%.*s", (int)length, path);
    return length ? cgroup_path_check(below->path, error) : 0;
}

/* The hierarchy that has the controller: by its bit, or "name=systemd" as it was mounted. -1: none.
 */
static int home_of(const struct cgroup_driver *driver, const char *name)
{
    unsigned bit = cgroup_controllers_parse(name, ",");

    for (size_t i = 0; i < driver->count; i++) {
        const struct cgroup_mount *mount = &driver->hierarchies[i].mount;
        if (bit ? (mount->controllers & bit) != 0 : *name && strcmp(mount->options, name) == 0)
            return (int)i;
    }
    return -1;
}

static bool is_inside(const char *path)
{
    return path[1] != '\0';
}

/* Lets the handle's hierarchy be the group below. -ENOENT: there is none. */
static int go_below(const struct cgroup *parent, struct cgroup *cgroup, size_t i, const char *path)
{
    int directory = cgroup_directory(parent, i);

    if (!is_inside(path))
        return 0;
    if (directory < 0)
        return -ENOENT;
    int fd = open_beneath_nofollow(directory, path + 1, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return fd;
    if (cgroup_directory(cgroup, i) >= 0)
        close_fd(&cgroup->directories[i]);
    cgroup->directories[i] = fd;
    return 0;
}

/* Where a hierarchy does not have it, the parent stands for it: its limits hold even so. */
static int go_everywhere(const struct cgroup *parent, struct cgroup *cgroup,
                         const struct below *below, struct error *error)
{
    bool is_found = !is_inside(below->path);

    for (size_t i = 0; i < cgroup->count; i++) {
        int r = go_below(parent, cgroup, i, below->path);
        if (r < 0 && r != -ENOENT)
            return error_sys(error, -r, "open cgroup %s%s", parent->path, below->path);
        is_found |= r == 0;
    }
    return is_found ? 0 : error_sys(error, ENOENT, "open cgroup %s%s", parent->path, below->path);
}

/* paths: of each hierarchy that was named before; one cannot be in two groups of the same. */
static int go_by_name(const struct cgroup *parent, struct cgroup *cgroup, struct below *below,
                      const char **paths, struct error *error)
{
    char *rest = below->names, *name;

    while ((name = strsep(&rest, ","))) {
        int i = home_of(parent->driver, name);
        if (i < 0)
            return error_set(error, EINVAL, "\"%.128s\": there is no controller \"%.64s\" here",
                             below->text, name);
        if (paths[i] && strcmp(paths[i], below->path) != 0)
            return error_set(
                error, EINVAL, "\"%.128s\": %s, where controller %s is, must get the same path",
                below->text, cgroup_hierarchy_name(&parent->driver->hierarchies[i]), name);
        if (paths[i])
            continue;
        paths[i] = below->path;
        int r = go_below(parent, cgroup, (size_t)i, below->path);
        if (r < 0)
            return error_sys(error, -r, "open cgroup %s%s (%s)", parent->path, below->path, name);
    }
    return 0;
}

int cgroup_open_below(const struct cgroup *parent, const char *const *wanted, size_t count,
                      struct cgroup **out, struct error *error)
{
    const char *paths[CGROUP_HIERARCHIES_MAX] = {NULL};
    _cleanup_free_ struct below *list = NULL;
    _cleanup_cgroup_ struct cgroup *cgroup = NULL;

    *out = NULL;
    if (count > WORDS_MAX)
        return error_set(error, E2BIG, "at most %d groups can be named", WORDS_MAX);
    list = calloc(count + 1, sizeof(*list));
    if (!list)
        return error_sys(error, ENOMEM, "cgroup %s", parent->path);
    int r = cgroup_open(parent->driver, parent->path, &cgroup, error);
    for (size_t k = 0; r == 0 && k < count; k++) {
        r = parse(wanted[k], &list[k], error);
        if (r == 0 && !list[k].has_names && count > 1)
            r = error_set(error, EINVAL, "\"%.128s\": of several each must name its controllers",
                          wanted[k]);
        else if (r == 0)
            r = list[k].has_names ? go_by_name(parent, cgroup, &list[k], paths, error)
                                  : go_everywhere(parent, cgroup, &list[k], error);
    }
    if (r == 0)
        *out = steal_ptr(cgroup);
    return r;
}

/* ---- where the container's first process went ---- */

/* cgroups(7): the v2 line of /proc/PID/cgroup is "0::/PATH". */
static int read_v2_path(pid_t pid, char *path, size_t size)
{
    char name[32], text[CGROUP_FILE_MAX];

    snprintf(name, sizeof(name), "%d/cgroup", (int)pid);
    _cleanup_close_ int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
    int r = proc < 0 ? -errno : cgroup_file_read(proc, name, text, sizeof(text));
    if (r < 0)
        return r;
    char *line = strncmp(text, "0::/", 4) == 0 ? text : strstr(text, "\n0::/");
    if (!line)
        return -ENOENT;
    line += *line == '\n';
    snprintf(path, size, "%.*s", (int)strcspn(line + 3, "\n"), line + 3);
    return 0;
}

int cgroup_open_home(const struct cgroup *parent, pid_t pid, struct cgroup **out,
                     struct error *error)
{
    char text[CGROUP_FILE_MAX], path[PATH_MAX];
    size_t length = strlen(parent->path);

    *out = NULL;
    if (parent->driver->mode != CGROUP_V2 ||
        cgroup_file_read(cgroup_clone_fd(parent), "cgroup.subtree_control", text, sizeof(text)) <
            0 ||
        text[strspn(text, "\n")] == '\0' || read_v2_path(pid, path, sizeof(path)) < 0 ||
        strncmp(path, parent->path, length) != 0 || path[length] != '/')
        return 0;
    const char *below = path + length;
    return cgroup_open_below(parent, &below, 1, out, error);
}
