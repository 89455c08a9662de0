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

/* What is handed down the v2 tree where it is to be had. */
#define V2_WANTED (CGROUP_CPU | CGROUP_MEMORY | CGROUP_PIDS | CGROUP_IO)

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

/* ---- create and open ---- */

/*
 * Hands the controllers of a v2 group down to its children. One that cannot be is no error here:
 * its files will be missing, and then the limit that needs them says so.
 */
static int enable_controllers(int directory, struct error *error)
{
    char available[512], enabled[512];
    int r = cgroup_file_read(directory, "cgroup.controllers", available, sizeof(available));

    if (r == 0)
        r = cgroup_file_read(directory, "cgroup.subtree_control", enabled, sizeof(enabled));
    if (r < 0)
        return error_sys(error, -r, "read cgroup.controllers");
    unsigned missing = cgroup_controllers_parse(available, " \n") & V2_WANTED &
                       ~cgroup_controllers_parse(enabled, " \n");
    for (unsigned bit = 1; bit <= missing; bit <<= 1) {
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

/* What make_path() made: the last count parts of the first length bytes of the path. */
struct made {
    size_t length, count;
};

/* Makes path part by part below the root. Returns the directory or a negative errno. */
static int make_path(const struct cgroup_hierarchy *hierarchy, const char *path, struct made *made,
                     struct error *error)
{
    _cleanup_close_ int directory = openat(hierarchy->root, ".", CGROUP_DIRECTORY_FLAGS);
    const char *at = path;
    char name[NAME_MAX + 1];

    *made = (struct made){0};
    while (directory >= 0 && *at) {
        size_t length = strcspn(at + 1, "/");
        memcpy(name, at + 1, length);
        name[length] = '\0';
        if (hierarchy->mount.is_v2) {
            int r = enable_controllers(directory, error);
            if (r < 0)
                return error_wrap(error, "cgroup %.*s", at == path ? 1 : (int)(at - path), path);
        }
        at += 1 + length;
        if (mkdirat(directory, name, 0755) == 0)
            *made = (struct made){.length = (size_t)(at - path), .count = made->count + 1};
        else if (errno != EEXIST)
            return error_sys(error, errno, "create cgroup %s (%s)", path,
                             cgroup_hierarchy_name(hierarchy));
        int child = openat(directory, name, CGROUP_DIRECTORY_FLAGS);
        close_fd(&directory);
        directory = child;
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
        cgroup->directories[i] = make_path(&driver->hierarchies[i], path, &made[i], error);
        if (cgroup->directories[i] >= 0)
            continue;
        for (size_t j = 0; j <= i; j++)
            unmake_path(driver->hierarchies[j].root, path, &made[j]);
        return cgroup->directories[i];
    }
    *out = steal_ptr(cgroup);
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

/* ---- limits ---- */

enum wanted {
    WANTED_NOT = 0,
    WANTED_UNLIMITED, /* only "no limit": true where nothing can limit */
    WANTED_LIMIT,
};

static enum wanted wants(int64_t value)
{
    return value == 0 ? WANTED_NOT : value < 0 ? WANTED_UNLIMITED : WANTED_LIMIT;
}

static enum wanted wants_most(enum wanted a, enum wanted b)
{
    return a > b ? a : b;
}

static enum wanted wants_memory(const struct cgroup_resources *resources)
{
    return wants_most(
        wants(resources->memory_limit),
        wants_most(wants(resources->memory_swap), wants(resources->memory_reservation)));
}

static enum wanted wants_cpu(const struct cgroup_resources *resources)
{
    if (resources->cpu_shares || resources->cpu_period)
        return WANTED_LIMIT;
    return wants(resources->cpu_quota);
}

static enum wanted wants_pids(const struct cgroup_resources *resources)
{
    return wants(resources->pids_limit);
}

static enum wanted wants_io(const struct cgroup_resources *resources)
{
    return resources->io_weight || resources->throttle_count ? WANTED_LIMIT : WANTED_NOT;
}

static enum wanted wants_devices(const struct cgroup_resources *resources)
{
    return resources->device_count ? WANTED_LIMIT : WANTED_NOT;
}

static const struct {
    const char *key; /* below linux.resources of an OCI config */
    enum cgroup_controller controller;
    enum wanted (*wanted)(const struct cgroup_resources *resources);
} limits[LIMIT_COUNT] = {
    [LIMIT_MEMORY] = {"memory", CGROUP_MEMORY, wants_memory},
    [LIMIT_CPU] = {"cpu", CGROUP_CPU, wants_cpu},
    [LIMIT_PIDS] = {"pids", CGROUP_PIDS, wants_pids},
    [LIMIT_IO] = {"blockIO", CGROUP_IO, wants_io},
    [LIMIT_DEVICES] = {"devices", CGROUP_DEVICES, wants_devices},
};

/* What both versions demand alike. */
static int check_resources(const struct cgroup_resources *resources, struct error *error)
{
    if (resources->memory_swap > 0 && resources->memory_limit <= 0)
        return error_set(error, EINVAL,
                         "memory.swap: it counts memory and swap together and needs memory.limit");
    if (resources->memory_swap > 0 && resources->memory_swap < resources->memory_limit)
        return error_set(error, EINVAL,
                         "memory.swap: %lld is below memory.limit %lld; it counts memory and swap "
                         "together",
                         (long long)resources->memory_swap, (long long)resources->memory_limit);
    if (resources->io_weight && (resources->io_weight < 10 || resources->io_weight > 1000))
        return error_set(error, EINVAL, "blockIO.weight: %u is not from 10 to 1000",
                         resources->io_weight);
    return 0;
}

int cgroup_apply(struct cgroup *cgroup, const struct cgroup_resources *resources,
                 struct error *error)
{
    const struct cgroup_driver *driver = cgroup->driver;
    int r = check_resources(resources, error);

    for (int i = 0; r == 0 && i < LIMIT_COUNT; i++) {
        enum wanted wanted = limits[i].wanted(resources);
        int home = driver->home[__builtin_ctz(limits[i].controller)];
        if (wanted == WANTED_NOT || (home < 0 && wanted == WANTED_UNLIMITED))
            continue;
        if (home < 0)
            r = error_set(
                error, EOPNOTSUPP,
                "%s: this limit needs the cgroup controller \"%s\", which this machine does "
                "not have; boot it with the controller or leave the limit out",
                limits[i].key,
                cgroup_controller_name(limits[i].controller, driver->mode == CGROUP_V2));
        else if (cgroup->directories[home] < 0)
            r = error_set(error, ENOENT, "%s: the group is not in the hierarchy %s", limits[i].key,
                          cgroup_hierarchy_name(&driver->hierarchies[home]));
        else
            r = driver->hierarchies[home].ops->set[i](cgroup->directories[home], resources, error);
    }
    return r < 0 ? error_wrap(error, "cgroup %s: linux.resources", cgroup->path) : 0;
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
        int r = cgroup_file_write(cgroup->directories[i], "cgroup.procs", text);
        if (r < 0)
            return error_sys(error, -r, "move process %s into cgroup %s (%s)", text, cgroup->path,
                             cgroup_hierarchy_name(hierarchy));
    }
    return 0;
}
