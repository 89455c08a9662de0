/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/runtime/cgroup_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/units.h"

#define CGROUP_ROOT      "/sys/fs/cgroup"
#define MOUNTINFO        "/proc/self/mountinfo"
#define MOUNTINFO_LINE   8192 /* longer lines are other file systems' (overlay with many layers) */
#define MOUNTINFO_MAX    200000 /* twice the kernel's default fs.mount-max */
#define MOUNTINFO_BUFFER 4096   /* what the kernel gives at a time */
#define PLACES_MAX       64
#define CANDIDATES_MAX   (2 * CGROUP_HIERARCHIES_MAX) /* some may be hidden */
#define SUPERVISOR_LEAF  "supervisor"

/* In the order of the bits of enum cgroup_controller. NULL: not a controller of that version. */
static const struct {
    const char *v1, *v2;
} controllers[CGROUP_CONTROLLERS] = {
    {"cpu", "cpu"},         {"cpuacct", NULL}, {"memory", "memory"}, {"pids", "pids"},
    {"blkio", "io"},        {"devices", NULL}, {"freezer", NULL},    {"cpuset", "cpuset"},
    {"hugetlb", "hugetlb"}, {"net_cls", NULL}, {"net_prio", NULL},   {"perf_event", NULL},
    {"rdma", "rdma"},       {"misc", "misc"},
};

/* What every v2 group can do without a controller: cpu.stat, cgroup.freeze, a BPF devices rule. */
#define V2_ALWAYS (CGROUP_CPUACCT | CGROUP_FREEZER | CGROUP_DEVICES | CGROUP_PERF_EVENT)

const char *cgroup_controller_name(enum cgroup_controller controller, bool is_v2)
{
    for (size_t i = 0; i < CGROUP_CONTROLLERS; i++)
        if (controller == 1u << i)
            return is_v2 && controllers[i].v2 ? controllers[i].v2 : controllers[i].v1;
    return "unknown";
}

unsigned cgroup_controllers_parse(const char *list, const char *separators)
{
    unsigned found = 0;

    while (*(list += strspn(list, separators))) {
        size_t length = strcspn(list, separators);
        for (size_t i = 0; i < CGROUP_CONTROLLERS; i++) {
            const char *names[] = {controllers[i].v1, controllers[i].v2};
            for (size_t j = 0; j < ARRAY_LENGTH(names); j++)
                if (names[j] && strlen(names[j]) == length && strncmp(list, names[j], length) == 0)
                    found |= 1u << i;
        }
        list += length;
    }
    return found;
}

/* ---- mountinfo ---- */

/* Undoes proc(5)'s \ooo escapes in place. */
static int unescape(char *text)
{
    char *to = text;

    for (const char *from = text; *from; to++) {
        if (*from != '\\') {
            *to = *from++;
            continue;
        }
        unsigned value = 0;
        for (int i = 1; i <= 3; i++) {
            if (from[i] < '0' || from[i] > '7')
                return -EINVAL;
            value = value * 8 + (unsigned)(from[i] - '0');
        }
        if (value == 0 || value > 255)
            return -EINVAL;
        *to = (char)value;
        from += 4;
    }
    *to = '\0';
    return 0;
}

static bool has_option(const char *options, const char *name)
{
    size_t length = strlen(name);

    for (const char *at = options; at; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, name, length) == 0 && (at[length] == ',' || at[length] == '\0'))
            return true;
    }
    return false;
}

/*
 * "cpu,cpuacct" out of "rw,cpu,cpuacct,release_agent=...", and "name=systemd": without a group of
 * its own a container would see the host's there. -ENAMETOOLONG if it does not fit.
 */
static int controller_options(char *super_options, char *buffer, size_t size)
{
    char *option;
    size_t used = 0;

    buffer[0] = '\0';
    while ((option = strsep(&super_options, ","))) {
        if (!cgroup_controllers_parse(option, ",") && strncmp(option, "name=", 5) != 0)
            continue;
        int n = snprintf(buffer + used, size - used, "%s%s", used ? "," : "", option);
        if (n < 0 || (size_t)n >= size - used)
            return -ENAMETOOLONG;
        used += (size_t)n;
    }
    return 0;
}

static int device_number(char *text, unsigned *major, unsigned *minor)
{
    char *colon = strchr(text, ':');
    uint64_t values[2];

    if (!colon)
        return -EINVAL;
    *colon = '\0';
    if (parse_u64(text, UINT32_MAX, &values[0]) < 0 ||
        parse_u64(colon + 1, UINT32_MAX, &values[1]) < 0)
        return -EINVAL;
    *major = (unsigned)values[0];
    *minor = (unsigned)values[1];
    return 0;
}

/*
 * proc(5): 36 35 98:0 /root /mount/point rw,noatime master:1 - type source super_options
 *          0  1  2    3     4            5          6...     -
 */
int cgroup_mount_parse(char *line, struct cgroup_mount *mount)
{
    char *fields[6] = {NULL}, *type, *word;

    memset(mount, 0, sizeof(*mount));
    line[strcspn(line, "\n")] = '\0';
    for (size_t i = 0; i < ARRAY_LENGTH(fields); i++)
        if (!(fields[i] = strsep(&line, " ")) || !*fields[i])
            return -EINVAL;
    do
        word = strsep(&line, " ");
    while (word && strcmp(word, "-") != 0);
    type = strsep(&line, " ");
    if (!type || !strsep(&line, " ") || !line)
        return -EINVAL;

    mount->is_v2 = strcmp(type, "cgroup2") == 0;
    if (!mount->is_v2 && strcmp(type, "cgroup") != 0)
        return 0;
    if (device_number(fields[2], &mount->major, &mount->minor) < 0 || unescape(fields[4]) < 0)
        return -EINVAL;
    if (strncmp(fields[4], CGROUP_ROOT, strlen(CGROUP_ROOT)) != 0)
        return 0;
    const char *directory = fields[4] + strlen(CGROUP_ROOT);
    if (*directory && *directory != '/')
        return 0;
    directory += *directory == '/';
    if (strlen(directory) >= sizeof(mount->directory))
        return 0;
    strcpy(mount->directory, directory);
    mount->is_read_only = has_option(fields[5], "ro") || has_option(line, "ro");
    if (mount->is_v2)
        return 1;
    if (controller_options(line, mount->options, sizeof(mount->options)) < 0)
        return 0;
    mount->controllers = cgroup_controllers_parse(mount->options, ",");
    return mount->options[0] ? 1 : 0;
}

/* ---- the driver ---- */

/* A line of mountinfo that may decide what is visible at or below /sys/fs/cgroup. */
struct place {
    unsigned id, parent;
    char point[sizeof(CGROUP_ROOT "/") + sizeof(((struct cgroup_mount *)0)->directory)];
};

struct survey {
    struct place places[PLACES_MAX];
    size_t count;
    bool is_partial; /* there were more, or one that could not be read */
    bool has_read_only;
};

static bool is_at_or_below(const char *path, const char *top)
{
    size_t length = strcmp(top, "/") == 0 ? 0 : strlen(top);

    return strncmp(path, top, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

/* Keeps what the line says, if it is of a place above or below /sys/fs/cgroup. */
static void note_place(struct survey *survey, const char *line)
{
    struct place place;

    /* proc(5), as above. What an escape would be in is no place of ours, or a strange one. */
    if (sscanf(line, "%u %u %*s %*s %79s", &place.id, &place.parent, place.point) != 3)
        survey->is_partial = true;
    else if (!is_at_or_below(CGROUP_ROOT, place.point) && !is_at_or_below(place.point, CGROUP_ROOT))
        return;
    else if (survey->count == PLACES_MAX || strchr(place.point, '\\'))
        survey->is_partial = true;
    else
        survey->places[survey->count++] = place;
}

/*
 * Whether a path leads to the mount that was noted for it, for all that mountinfo says: no other is
 * at that place or at one above, and each lies on the one above it.
 */
static bool is_surely_visible(const struct survey *survey, const char *point)
{
    const struct place *below = NULL;
    char path[sizeof(below->point)];

    snprintf(path, sizeof(path), "%s", point);
    for (bool is_first = true; !survey->is_partial; is_first = false) {
        const struct place *found = NULL;
        for (size_t i = 0; i < survey->count; i++) {
            if (strcmp(survey->places[i].point, path) != 0)
                continue;
            if (found)
                return false;
            found = &survey->places[i];
        }
        if ((is_first && !found) || (found && below && below->parent != found->id))
            return false;
        below = found ? found : below;
        if (strcmp(path, "/") == 0)
            return true;
        char *slash = strrchr(path, '/');
        slash[slash == path] = '\0';
    }
    return false;
}

/*
 * Whether the mount is what is visible at its place: a later mount may hide it, and then the
 * directory there is of another file system. That is asked for only where mountinfo leaves doubts.
 */
static bool is_visible(const struct survey *survey, const struct cgroup_mount *mount)
{
    char path[sizeof(CGROUP_ROOT) + sizeof(mount->directory) + 1];
    struct stat status;

    snprintf(path, sizeof(path), "%s%s%s", CGROUP_ROOT, *mount->directory ? "/" : "",
             mount->directory);
    if (is_surely_visible(survey, path))
        return true;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode) &&
           major(status.st_dev) == mount->major && minor(status.st_dev) == mount->minor;
}

static unsigned v2_controllers(int directory)
{
    char text[512];

    if (cgroup_file_read(directory, "cgroup.controllers", text, sizeof(text)) < 0)
        return 0;
    return cgroup_controllers_parse(text, " \n");
}

static void add_hierarchy(struct cgroup_driver *driver, const struct survey *survey,
                          const struct cgroup_mount *mount)
{
    unsigned known = 0;

    for (size_t i = 0; i < driver->count; i++) {
        known |= driver->hierarchies[i].mount.controllers;
        if (!mount->is_v2 && strcmp(driver->hierarchies[i].mount.options, mount->options) == 0)
            return;
    }
    /* A second mount of the same thing is no other hierarchy. */
    if (driver->count == CGROUP_HIERARCHIES_MAX || (mount->is_v2 && driver->v2 >= 0) ||
        (!mount->is_v2 && (known & mount->controllers)))
        return;
    if (!is_visible(survey, mount))
        return;
    if (mount->is_v2)
        driver->v2 = (int)driver->count;
    driver->hierarchies[driver->count++] = (struct cgroup_hierarchy){
        .mount = *mount,
        .ops = mount->is_v2 ? &cgroup_v2_ops : &cgroup_v1_ops,
        .root = -1,
    };
}

/* The mounts that could be a hierarchy, in the order of mountinfo. */
struct candidates {
    struct cgroup_mount mounts[CANDIDATES_MAX];
    size_t count;
};

static int read_mounts(struct candidates *candidates, struct survey *survey, struct error *error)
{
    char buffer[MOUNTINFO_BUFFER];
    _cleanup_free_ char *line = malloc(MOUNTINFO_LINE);
    _cleanup_fclose_ FILE *file = fopen(MOUNTINFO, "re");
    bool is_rest = false; /* of a line that was too long */

    if (!line)
        return error_sys(error, ENOMEM, "%s", MOUNTINFO);
    if (!file)
        return error_sys(error, errno, "%s", MOUNTINFO);
    setvbuf(file, buffer, _IOFBF, sizeof(buffer));
    for (int i = 0; i < MOUNTINFO_MAX && fgets(line, MOUNTINFO_LINE, file); i++) {
        struct cgroup_mount mount;
        bool is_whole = strchr(line, '\n') && !is_rest;
        if (!is_rest)
            note_place(survey, line);
        is_rest = !strchr(line, '\n');
        if (!is_whole || cgroup_mount_parse(line, &mount) <= 0)
            continue;
        if (mount.is_read_only)
            survey->has_read_only = true;
        else if (candidates->count < CANDIDATES_MAX)
            candidates->mounts[candidates->count++] = mount;
    }
    return ferror(file) ? error_sys(error, EIO, "%s", MOUNTINFO) : 0;
}

/* Decides where each controller lives: a v1 hierarchy has it to itself, but freezing is v2's. */
static void settle_homes(struct cgroup_driver *driver)
{
    driver->controllers = 0;
    for (int bit = 0; bit < CGROUP_CONTROLLERS; bit++) {
        driver->home[bit] = -1;
        for (size_t i = 0; i < driver->count; i++)
            if (driver->hierarchies[i].mount.controllers & (1u << bit) &&
                (driver->home[bit] < 0 || driver->home[bit] == driver->v2))
                driver->home[bit] = (int)i;
        if (1u << bit == CGROUP_FREEZER && driver->v2 >= 0)
            driver->home[bit] = driver->v2;
        if (driver->home[bit] >= 0)
            driver->controllers |= 1u << bit;
    }
}

/* 0 or a negative errno. */
static int open_top(struct cgroup_driver *driver)
{
    if (driver->count == 0)
        return 0;
    driver->top = open(CGROUP_ROOT, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (driver->top < 0)
        return -errno;
    if (driver->v2 < 0)
        return 0;
    struct cgroup_hierarchy *v2 = &driver->hierarchies[driver->v2];
    const char *directory = v2->mount.directory;
    v2->root =
        openat(driver->top, *directory ? directory : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return v2->root < 0 ? -errno : 0;
}

static void cleanup_driver(struct cgroup_driver **driver)
{
    cgroup_driver_close(*driver);
}

int cgroup_driver_open(struct cgroup_driver **out, struct error *error)
{
    _cleanup_(cleanup_driver) struct cgroup_driver *driver = calloc(1, sizeof(*driver));
    struct survey survey = {.count = 0};
    struct candidates candidates = {.count = 0};

    *out = NULL;
    if (!driver)
        return error_sys(error, ENOMEM, "cgroup");
    driver->v2 = -1;
    driver->top = -1;
    int r = read_mounts(&candidates, &survey, error);
    if (r < 0)
        return r;
    for (size_t i = 0; i < candidates.count; i++)
        add_hierarchy(driver, &survey, &candidates.mounts[i]);
    r = open_top(driver);
    if (r < 0)
        return error_sys(error, -r, "open %s", CGROUP_ROOT);
    if (driver->count == 0)
        return error_set(error, ENOENT,
                         survey.has_read_only
                             ? "no usable cgroup mount: what is at %s is read-only; remount it "
                               "writable (mount -o remount,rw)"
                             : "no cgroup mount found at %s; mount one (mount -t cgroup2 cgroup2 "
                               "/sys/fs/cgroup)",
                         CGROUP_ROOT);
    if (driver->v2 >= 0) {
        struct cgroup_hierarchy *v2 = &driver->hierarchies[driver->v2];
        v2->mount.controllers = V2_ALWAYS | v2_controllers(v2->root);
    }
    settle_homes(driver);
    driver->mode = driver->v2 < 0 ? CGROUP_V1 : driver->count == 1 ? CGROUP_V2 : CGROUP_HYBRID;
    *out = steal_ptr(driver);
    return 0;
}

void cgroup_driver_close(struct cgroup_driver *driver)
{
    if (!driver)
        return;
    if (driver->v2 >= 0)
        close_fd(&driver->hierarchies[driver->v2].root);
    close_fd(&driver->top);
    free(driver);
}

enum cgroup_mode cgroup_driver_mode(const struct cgroup_driver *driver)
{
    return driver->mode;
}

unsigned cgroup_driver_controllers(const struct cgroup_driver *driver)
{
    return driver->controllers;
}

bool cgroup_driver_mount(const struct cgroup_driver *driver, size_t i, const char **directory,
                         const char **type, const char **options)
{
    if (i >= driver->count)
        return false;
    const struct cgroup_mount *mount = &driver->hierarchies[i].mount;
    *directory = mount->directory;
    *type = mount->is_v2 ? "cgroup2" : "cgroup";
    *options = mount->options;
    return true;
}

/* ---- where a supervisor may make its groups ---- */

/* The caller's own group in the v2 tree; "" when it cannot be said or is the root. */
static int own_group(char *path, size_t size)
{
    _cleanup_fclose_ FILE *file = fopen("/proc/self/cgroup", "re");
    char line[PATH_MAX + 8];

    path[0] = '\0';
    if (!file)
        return -errno;
    while (fgets(line, sizeof(line), file)) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "0::/", 4) != 0)
            continue;
        /* Outside of our cgroup namespace's view, or just removed: nothing to build on. */
        if (!line[4] || strstr(line, "/..") || strstr(line, " (deleted)"))
            return 0;
        return snprintf(path, size, "%s", line + 3) < (int)size ? 0 : -ENAMETOOLONG;
    }
    return 0;
}

/* systemd marks what it has delegated (systemd's "Control Group APIs and Delegation"). */
static bool is_delegated(int root, const char *path)
{
    static const char *const marks[] = {"trusted.delegate", "user.delegate"};
    _cleanup_close_ int fd = openat(root, path + 1, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    for (size_t i = 0; fd >= 0 && i < ARRAY_LENGTH(marks); i++) {
        char value;
        if (fgetxattr(fd, marks[i], &value, 1) == 1 && value == '1')
            return true;
    }
    return false;
}

/* Cuts "/a/b/supervisor" to "/a/b"; false when the last name is another. */
static bool cut_leaf(char *path)
{
    char *slash = strrchr(path, '/');

    if (!slash || slash == path || strcmp(slash + 1, SUPERVISOR_LEAF) != 0)
        return false;
    *slash = '\0';
    return true;
}

static int move_to_leaf(int root, const char *base, struct error *error)
{
    char path[PATH_MAX + sizeof("/" SUPERVISOR_LEAF)];

    snprintf(path, sizeof(path), "%s/%s", base, SUPERVISOR_LEAF);
    if (mkdirat(root, path + 1, 0755) < 0 && errno != EEXIST)
        return error_sys(error, errno, "create cgroup %s", path);
    _cleanup_close_ int fd = openat(root, path + 1, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return error_sys(error, errno, "open cgroup %s", path);
    int r = cgroup_file_write(fd, "cgroup.procs", "0");
    return r < 0 ? error_sys(error, -r, "move the supervisor into cgroup %s", path) : 0;
}

int cgroup_driver_base(struct cgroup_driver *driver, char *base, struct error *error)
{
    char path[PATH_MAX];

    base[0] = '\0';
    if (driver->mode != CGROUP_V2)
        return 0;
    struct cgroup_hierarchy *v2 = &driver->hierarchies[driver->v2];
    int r = own_group(path, sizeof(path));
    if (r < 0)
        return error_sys(error, -r, "/proc/self/cgroup");
    if (!*path)
        return 0;
    if (is_delegated(v2->root, path)) {
        r = move_to_leaf(v2->root, path, error);
        if (r < 0)
            return r;
    } else if (!cut_leaf(path) || !is_delegated(v2->root, path)) {
        return 0;
    }
    /* What was delegated may be less than what the machine has. */
    _cleanup_close_ int fd = openat(v2->root, path + 1, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return error_sys(error, errno, "open cgroup %s", path);
    v2->mount.controllers = V2_ALWAYS | v2_controllers(fd);
    settle_homes(driver);
    strcpy(base, path);
    return 0;
}
