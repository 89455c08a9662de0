/* SPDX-License-Identifier: Apache-2.0 */
/* The tasks of a group and of the groups below it: list, freeze, signal, kill, and remove what is
 * left. */
#include "supervisor/runtime/cgroup_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"

/* ---- waiting ---- */

struct deadline {
    int64_t end_ms;
    useconds_t pause_usec;
};

static struct deadline deadline_in(int timeout_ms)
{
    return (struct deadline){.end_ms = clock_monotonic_ms() + timeout_ms, .pause_usec = 100};
}

/* Sleeps a little, longer each time up to 10 ms; false when the time is over. */
static bool deadline_pause(struct deadline *deadline)
{
    if (clock_monotonic_ms() >= deadline->end_ms)
        return false;
    usleep(deadline->pause_usec);
    if (deadline->pause_usec < 10000)
        deadline->pause_usec *= 2;
    return true;
}

/* ---- listing ---- */

/* The directory that lists the tasks: the v2 tree's, or that of any v1 hierarchy. */
static int tasks_directory(const struct cgroup *cgroup)
{
    int fd = cgroup_clone_fd(cgroup);

    for (size_t i = 0; fd < 0 && i < cgroup->driver->count; i++)
        fd = cgroup_directory(cgroup, i);
    return fd;
}

struct task_visitor {
    bool (*visit)(pid_t pid, void *context); /* false ends the walk */
    void *context;
};

/* 1 when the visitor ended it, 0 at the end, or a negative errno. */
static int visit_own_tasks(int directory, const struct task_visitor *visitor)
{
    _cleanup_close_ int fd = openat(directory, "cgroup.procs", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    _cleanup_fclose_ FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
    char line[32];
    uint64_t pid;

    if (!file)
        return -errno;
    steal_fd(&fd);
    while (fgets(line, sizeof(line), file)) {
        /* 0 is a task that our pid namespace does not see. */
        if (cgroup_text_number(line, &pid) < 0 || pid == 0 || pid > INT32_MAX)
            continue;
        if (!visitor->visit((pid_t)pid, visitor->context))
            return 1;
    }
    /* A group just removed is ENODEV; a threaded one (EOPNOTSUPP) shows its tasks at its root. */
    return ferror(file) && errno != ENODEV && errno != EOPNOTSUPP ? -errno : 0;
}

static bool is_child_group(const struct dirent *entry)
{
    return entry->d_type == DT_DIR && strcmp(entry->d_name, ".") != 0 &&
           strcmp(entry->d_name, "..") != 0;
}

static DIR *open_list(int directory)
{
    int fd = openat(directory, ".", CGROUP_DIRECTORY_FLAGS);
    DIR *list = fd < 0 ? NULL : fdopendir(fd);

    if (!list && fd >= 0)
        close(fd);
    return list;
}

static int visit_tasks(int directory, const struct task_visitor *visitor, int depth)
{
    int r = visit_own_tasks(directory, visitor);

    if (r != 0)
        return r;
    if (depth == 0)
        return -ELOOP;
    _cleanup_closedir_ DIR *list = open_list(directory);
    struct dirent *entry;
    if (!list)
        return -errno;
    while (r == 0 && (entry = readdir(list))) {
        if (!is_child_group(entry))
            continue;
        _cleanup_close_ int child = openat(directory, entry->d_name, CGROUP_DIRECTORY_FLAGS);
        if (child >= 0)
            r = visit_tasks(child, visitor, depth - 1);
    }
    return r;
}

static int for_each_task(const struct cgroup *cgroup, bool (*visit)(pid_t, void *), void *context)
{
    const struct task_visitor visitor = {.visit = visit, .context = context};
    int r = visit_tasks(tasks_directory(cgroup), &visitor, CGROUP_DEPTH_MAX);

    return r == -ENODEV || r == -ENOENT ? 0 : r;
}

struct pid_list {
    pid_t *pids;
    size_t max, count;
};

static bool collect(pid_t pid, void *context)
{
    struct pid_list *list = context;

    if (list->count < list->max)
        list->pids[list->count] = pid;
    list->count++;
    return true;
}

ssize_t cgroup_pids(const struct cgroup *cgroup, pid_t *pids, size_t max)
{
    struct pid_list list = {.pids = pids, .max = max};
    int r = for_each_task(cgroup, collect, &list);

    return r < 0 ? r : (ssize_t)list.count;
}

static bool stop_at_first(pid_t pid, void *context)
{
    (void)pid;
    (void)context;
    return false;
}

bool cgroup_is_populated(const struct cgroup *cgroup)
{
    char events[256];
    uint64_t value;
    int v2 = cgroup_clone_fd(cgroup);

    if (v2 >= 0 && cgroup_file_read(v2, "cgroup.events", events, sizeof(events)) == 0 &&
        cgroup_text_sum(events, "populated", &value) == 1)
        return value != 0;
    /* A list that cannot be read is not taken for an empty one. */
    return for_each_task(cgroup, stop_at_first, NULL) != 0;
}

/* ---- freeze, signal, kill ---- */

int cgroup_freeze(struct cgroup *cgroup, bool freeze, int timeout_ms, struct error *error)
{
    const struct cgroup_driver *driver = cgroup->driver;
    int home = driver->home[__builtin_ctz(CGROUP_FREEZER)];
    const char *what = freeze ? "freeze" : "thaw";

    int directory = home < 0 ? -1 : cgroup_directory(cgroup, (size_t)home);
    if (directory < 0)
        return error_set(
            error, EOPNOTSUPP,
            "%s cgroup %s: the machine has neither cgroup v2 nor the freezer controller", what,
            cgroup->path);
    const struct cgroup_ops *ops = driver->hierarchies[home].ops;
    struct deadline deadline = deadline_in(timeout_ms);
    int r = ops->freeze(directory, freeze);
    while (r >= 0) {
        r = ops->is_frozen(directory);
        if (r >= 0 && (r > 0) == freeze)
            return 0;
        if (r >= 0 && !deadline_pause(&deadline))
            r = -ETIMEDOUT;
    }
    /* A group that froze in part would neither run nor rest. */
    if (r == -ETIMEDOUT && freeze)
        ops->freeze(directory, false);
    return error_sys(error, -r, "%s cgroup %s", what, cgroup->path);
}

static bool send_signal(pid_t pid, void *context)
{
    kill(pid, *(int *)context); /* ESRCH: it ended meanwhile */
    return true;
}

int cgroup_signal(struct cgroup *cgroup, int signal, struct error *error)
{
    int r = for_each_task(cgroup, send_signal, &signal);

    return r < 0 ? error_sys(error, -r, "signal %d to cgroup %s", signal, cgroup->path) : 0;
}

/*
 * Without cgroup.kill (v1, or before Linux 5.14) a task may fork while the list is read. Frozen,
 * none can; v1's frozen tasks take the signal when they thaw. Where they cannot be frozen, the list
 * is read again until it is empty, for half a second.
 */
static int kill_listed(struct cgroup *cgroup, struct error *error)
{
    bool is_frozen = cgroup_freeze(cgroup, true, 500, NULL) == 0;
    struct deadline deadline = deadline_in(500);
    int r;

    do
        r = cgroup_signal(cgroup, SIGKILL, error);
    while (r == 0 && !is_frozen && cgroup_is_populated(cgroup) && deadline_pause(&deadline));
    if (!is_frozen)
        return r;
    int thawed = cgroup_freeze(cgroup, false, 500, r < 0 ? NULL : error);
    return r < 0 ? r : thawed;
}

int cgroup_kill(struct cgroup *cgroup, struct error *error)
{
    int v2 = cgroup_clone_fd(cgroup);
    int r = v2 < 0 ? -ENOENT : cgroup_file_write(v2, "cgroup.kill", "1");

    if (r == -ENOENT)
        return kill_listed(cgroup, error);
    return r < 0 ? error_sys(error, -r, "kill cgroup %s", cgroup->path) : 0;
}

/* ---- removal ---- */

/* It is gone. */
static void close_directory(const struct cgroup *cgroup, size_t i)
{
    close_fd(&cgroup->directories[i]);
    cgroup->directories[i] = CGROUP_ABSENT;
}

/* The name of the first child group; false when there is none. */
static bool first_child(int directory, char *name, size_t size)
{
    _cleanup_closedir_ DIR *list = open_list(directory);
    struct dirent *entry;

    while (list && (entry = readdir(list))) {
        if (is_child_group(entry))
            return snprintf(name, size, "%s", entry->d_name) < (int)size;
    }
    return false;
}

/*
 * Removes the last group on the way of first children; -ENOENT when there is no child. Two
 * descriptors at a time, whatever depth a container has made.
 */
static int remove_one_leaf(int directory)
{
    _cleanup_close_ int current = openat(directory, ".", CGROUP_DIRECTORY_FLAGS);
    _cleanup_close_ int parent = -1;
    char name[NAME_MAX + 1];

    while (current >= 0 && first_child(current, name, sizeof(name))) {
        close_fd(&parent);
        parent = current;
        current = openat(parent, name, CGROUP_DIRECTORY_FLAGS);
    }
    if (parent < 0)
        return -ENOENT;
    return unlinkat(parent, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

/* 0, or a negative errno. */
static int remove_group(const struct cgroup_driver *driver, size_t i, const char *path)
{
    char place[CGROUP_PLACE_MAX];

    cgroup_place(&driver->hierarchies[i], path, "", place);
    return unlinkat(driver->top, place, AT_REMOVEDIR) < 0 ? -errno : 0;
}

int cgroup_remove_idle(struct cgroup *cgroup)
{
    const struct cgroup_driver *driver = cgroup->driver;
    size_t first = driver->v2 < 0 ? 0 : (size_t)driver->v2;

    /* Where cgroup_kill() would look for tasks: when that refuses, the others stay as they are. */
    int r = cgroup->directories[first] == CGROUP_ABSENT ? -ENOENT
                                                        : remove_group(driver, first, cgroup->path);
    for (size_t i = 0; r == 0 && i < driver->count; i++)
        if (i == first || remove_group(driver, i, cgroup->path) == 0)
            close_directory(cgroup, i);
    return r;
}

static int remove_tree(const struct cgroup *cgroup, size_t i, struct deadline *deadline)
{
    for (;;) {
        int r = remove_group(cgroup->driver, i, cgroup->path);
        if (r == 0 || r == -ENOENT)
            return 0;
        if (r != -EBUSY && r != -ENOTEMPTY)
            return r;
        r = remove_one_leaf(cgroup_directory(cgroup, i));
        bool is_progress = r == 0;
        if ((!is_progress || clock_monotonic_ms() >= deadline->end_ms) && !deadline_pause(deadline))
            return -EBUSY;
    }
}

int cgroup_destroy(struct cgroup *cgroup, int timeout_ms, struct error *error)
{
    _cleanup_cgroup_ struct cgroup *released = cgroup;
    struct deadline deadline = deadline_in(timeout_ms);
    int first = 0;

    for (size_t i = 0; cgroup && i < cgroup->driver->count; i++) {
        if (cgroup->directories[i] == CGROUP_ABSENT)
            continue;
        int r = remove_tree(cgroup, i, &deadline);
        if (r < 0 && first == 0)
            first = error_sys(error, -r, "remove cgroup %s (%s)", cgroup->path,
                              cgroup_hierarchy_name(&cgroup->driver->hierarchies[i]));
    }
    return first;
}

void cgroup_remove_empty(struct cgroup_driver *driver, const char *path)
{
    if (cgroup_path_check(path, NULL) < 0)
        return;
    /* The v2 tree first, for there every task is: when it refuses, the others stay as they are. */
    int r = driver->v2 < 0 ? 0 : remove_group(driver, (size_t)driver->v2, path);
    for (size_t i = 0; (r == 0 || r == -ENOENT) && i < driver->count; i++)
        if ((int)i != driver->v2)
            remove_group(driver, i, path);
}
