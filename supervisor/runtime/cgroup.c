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
/* The name of the hierarchy comes before it, and a file's may come behind. */
#define PATH_LIMIT (CGROUP_PLACE_MAX - sizeof(((struct cgroup_mount *)0)->directory) - 2)

/* ---- paths ---- */

/* Absolute, not the root, no empty part, no "." or "..", no line feed (it would forge
 * /proc/PID/cgroup). */
int cgroup_path_check(const char *path, struct error *error)
{
    if (*path != '/' || strlen(path) >= PATH_LIMIT || strchr(path, '\n'))
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

const char *cgroup_place(const struct cgroup_hierarchy *hierarchy, const char *path,
                         const char *file, char *place)
{
    const char *directory = hierarchy->mount.directory;
    int length = snprintf(place, CGROUP_PLACE_MAX, "%s%s%s%s", directory,
                          *directory ? path : path + 1, *file ? "/" : "", file);

    return length < CGROUP_PLACE_MAX ? place : "";
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

static bool is_empty_list(const char *text)
{
    return text[0] == '\0' || text[0] == '\n';
}

/*
 * A v1 group takes no task before it has CPUs and memory nodes: the parent's, at first. Both are
 * named below directory. is_bare: the child is known to have none, which only a group right below
 * the root is, for others hand theirs down by themselves (finish_child). -EAGAIN, without a
 * message, when the parent has none itself.
 */
static int copy_cpuset(int directory, const char *parent, const char *child, bool is_bare,
                       struct error *error)
{
    static const char *const files[] = {"cpuset.cpus", "cpuset.mems"};

    for (size_t i = 0; i < ARRAY_LENGTH(files); i++) {
        char text[CPUS_MAX], from[PATH_MAX], to[PATH_MAX];
        if (snprintf(from, sizeof(from), "%s/%s", parent, files[i]) >= (int)sizeof(from) ||
            snprintf(to, sizeof(to), "%s/%s", child, files[i]) >= (int)sizeof(to))
            return error_set(error, ENAMETOOLONG, "copy the parent's %s", files[i]);
        int r = is_bare ? 0 : cgroup_file_read(directory, to, text, sizeof(text));
        if (r == 0 && !is_bare && !is_empty_list(text))
            continue;
        if (r == 0)
            r = cgroup_file_read(directory, from, text, sizeof(text));
        if (r == 0 && is_empty_list(text))
            return -EAGAIN;
        if (r == 0)
            r = cgroup_file_write(directory, to, text);
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
                        const char *name, bool is_new, bool is_inner, struct error *error)
{
    if (hierarchy->mount.is_v2 || !(hierarchy->mount.controllers & CGROUP_CPUSET))
        return 0;
    if (is_new && is_inner)
        cgroup_file_write(child, "cgroup.clone_children", "1"); /* else each is copied to */
    return copy_cpuset(parent, ".", name, false, error);
}

static int open_root(const struct cgroup_driver *driver, const struct cgroup_hierarchy *hierarchy)
{
    const char *directory = hierarchy->mount.directory;

    return openat(driver->top, *directory ? directory : ".", CGROUP_DIRECTORY_FLAGS);
}

/* Makes path part by part below the root. Returns the directory or a negative errno. */
static int make_path(const struct cgroup_driver *driver, const struct cgroup_hierarchy *hierarchy,
                     const char *path, struct made *made, struct error *error)
{
    _cleanup_close_ int directory = open_root(driver, hierarchy);
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
            r = finish_child(hierarchy, directory, child, name, is_new, *at != '\0', error);
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
static void unmake_path(const struct cgroup_driver *driver, size_t i, const char *path,
                        const struct made *made)
{
    char buffer[PATH_MAX], place[CGROUP_PLACE_MAX];

    snprintf(buffer, sizeof(buffer), "%.*s", (int)made->length, path);
    for (size_t j = 0; j < made->count; j++) {
        cgroup_place(&driver->hierarchies[i], buffer, "", place);
        if (unlinkat(driver->top, place, AT_REMOVEDIR) < 0)
            return;
        *strrchr(buffer, '/') = '\0';
    }
}

/* Copies to a group that was made alone; its parent was made or found before. */
static int copy_parent_cpuset(const struct cgroup_driver *driver, const char *place, bool is_first,
                              struct error *error)
{
    char parent[CGROUP_PLACE_MAX];
    const char *slash = strrchr(place, '/');

    snprintf(parent, sizeof(parent), "%.*s", slash ? (int)(slash - place) : 1, slash ? place : ".");
    return copy_cpuset(driver->top, parent, place, is_first, error);
}

/* A v2 group that was made alone: whether it has what it is to have. */
static int check_controllers(const struct cgroup_driver *driver,
                             const struct cgroup_hierarchy *hierarchy, const char *place,
                             struct error *error)
{
    unsigned missing = 0;
    _cleanup_close_ int directory = openat(driver->top, place, CGROUP_DIRECTORY_FLAGS);

    if (directory < 0)
        return error_sys(error, errno, "open");
    missing_in(directory, "cgroup.controllers", V2_WANTED & hierarchy->mount.controllers, &missing);
    return missing ? -EAGAIN : steal_fd(&directory);
}

/*
 * The usual case in few calls: the parents are there and can have what is wanted. Returns the
 * directory, or CGROUP_MADE for one that need not be open. -EAGAIN when the long way has to be
 * taken, with the group made or not; *error is set when that would lead nowhere.
 */
static int make_last(const struct cgroup_driver *driver, const struct cgroup_hierarchy *hierarchy,
                     const char *path, struct made *made, int *directory, struct error *error)
{
    char place[CGROUP_PLACE_MAX];
    int r = 0;

    *directory = CGROUP_MADE;
    if (mkdirat(driver->top, cgroup_place(hierarchy, path, "", place), 0755) < 0)
        return -EAGAIN;
    *made = (struct made){.length = strlen(path), .count = 1};
    if (hierarchy->mount.is_v2) {
        r = check_controllers(driver, hierarchy, place, error);
        if (r >= 0)
            *directory = r;
    } else if (hierarchy->mount.controllers & CGROUP_CPUSET) {
        r = copy_parent_cpuset(driver, place, strrchr(path, '/') == path, error);
    }
    if (r < 0 && r != -EAGAIN)
        return error_wrap(error, "cgroup %s (%s)", path, cgroup_hierarchy_name(hierarchy));
    return r < 0 ? r : 0;
}

static struct cgroup *new_handle(struct cgroup_driver *driver, const char *path)
{
    struct cgroup *cgroup = calloc(1, sizeof(*cgroup));

    if (!cgroup)
        return NULL;
    cgroup->driver = driver;
    cgroup->count = driver->count;
    cgroup->path = strdup(path);
    cgroup->directories = calloc(driver->count, sizeof(*cgroup->directories));
    if (!cgroup->path || !cgroup->directories) {
        free(cgroup->path);
        free(cgroup->directories);
        free(cgroup);
        return NULL;
    }
    for (size_t i = 0; i < driver->count; i++)
        cgroup->directories[i] = CGROUP_UNKNOWN;
    return cgroup;
}

int cgroup_directory(const struct cgroup *cgroup, size_t i)
{
    const struct cgroup_driver *driver = cgroup->driver;
    int *directory = &cgroup->directories[i];
    char place[CGROUP_PLACE_MAX];

    if (*directory < CGROUP_ABSENT) {
        int fd = openat(driver->top, cgroup_place(&driver->hierarchies[i], cgroup->path, "", place),
                        CGROUP_DIRECTORY_FLAGS);
        if (fd >= 0)
            *directory = fd;
        else if (errno == ENOENT && *directory == CGROUP_UNKNOWN)
            *directory = CGROUP_ABSENT;
    }
    return *directory < 0 ? -1 : *directory;
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
    cgroup->is_new = true;
    for (size_t i = 0; i < driver->count; i++) {
        const struct cgroup_hierarchy *hierarchy = &driver->hierarchies[i];
        made[i] = (struct made){0};
        r = make_last(driver, hierarchy, path, &made[i], &cgroup->directories[i], error);
        if (r == -EAGAIN)
            r = cgroup->directories[i] = make_path(driver, hierarchy, path, &made[i], error);
        cgroup->is_new &= made[i].length == strlen(path);
        if (r >= 0)
            continue;
        for (size_t j = 0; j <= i; j++)
            unmake_path(driver, j, path, &made[j]);
        return r;
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
    /* That of v2 is always open; without it one shows whether the group is there at all. */
    for (size_t n = 0; n < driver->count; n++) {
        size_t i = driver->v2 < 0 ? n : ((size_t)driver->v2 + n) % driver->count;
        if (is_there)
            break;
        is_there = cgroup_directory(cgroup, i) >= 0;
        if (!is_there && cgroup->directories[i] != CGROUP_ABSENT)
            return error_sys(error, errno, "open cgroup %s (%s)", path,
                             cgroup_hierarchy_name(&driver->hierarchies[i]));
    }
    if (!is_there)
        return error_sys(error, ENOENT, "open cgroup %s", path);
    *out = steal_ptr(cgroup);
    return 0;
}

void cgroup_close(struct cgroup *cgroup)
{
    if (!cgroup)
        return;
    close_fds(cgroup->directories, cgroup->count);
    for (size_t i = 0; i < cgroup->figure_count; i++)
        close_fd(&cgroup->figures[i].fd);
    free(cgroup->directories);
    free(cgroup->path);
    free(cgroup);
}

/* ---- entry ---- */

int cgroup_clone_fd(const struct cgroup *cgroup)
{
    return cgroup->driver->v2 < 0 ? -1 : cgroup_directory(cgroup, (size_t)cgroup->driver->v2);
}

bool cgroup_is_new(const struct cgroup *cgroup)
{
    return cgroup->is_new;
}

int cgroup_attach(struct cgroup *cgroup, pid_t pid, struct error *error)
{
    char text[16];

    snprintf(text, sizeof(text), "%d", (int)pid);
    for (size_t i = 0; i < cgroup->driver->count; i++) {
        const struct cgroup_hierarchy *hierarchy = &cgroup->driver->hierarchies[i];
        int directory = cgroup_directory(cgroup, i);
        if (directory < 0 && cgroup->directories[i] == CGROUP_ABSENT)
            continue; /* opened, and somebody else made it */
        int r = directory < 0 ? -errno : cgroup_file_write(directory, "cgroup.procs", text);
        if (r < 0)
            return error_sys(error, -r, "move process %s into cgroup %s (%s)", text, cgroup->path,
                             cgroup_hierarchy_name(hierarchy));
    }
    return 0;
}
