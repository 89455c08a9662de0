/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's word that a group ran out of memory: an eventfd on v1 (the kernel's
 * Documentation/admin-guide/cgroup-v1/memory.rst, "OOM Control"), inotify(7) on memory.events on
 * v2.
 */
#include "supervisor/runtime/cgroup_stats.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "supervisor/runtime/cgroup_internal.h"

#define KILL_WAIT_MS 20

static const char *events_file(bool is_v2)
{
    return is_v2 ? "memory.events" : "memory.oom_control";
}

/* oom_kill of v1 came with Linux 4.13; without it the event itself has to do. */
static int read_events(const struct cgroup_oom_watch *watch, uint64_t *kills, bool *is_waiting)
{
    char text[512];
    uint64_t waiting;
    int r = cgroup_file_read(watch->memory, events_file(watch->is_v2), text, sizeof(text));

    if (r < 0)
        return r;
    bool is_counted = cgroup_text_sum(text, "oom_kill", kills) == 1;
    *is_waiting = cgroup_text_sum(text, "under_oom", &waiting) == 1 && waiting;
    return is_counted ? 1 : 0;
}

static int watch_v1(int memory, struct error *error)
{
    _cleanup_close_ int control = openat(memory, "memory.oom_control", O_RDONLY | O_CLOEXEC);
    _cleanup_close_ int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    char text[32];

    if (control < 0 || event < 0)
        return error_sys(error, errno, "memory.oom_control");
    snprintf(text, sizeof(text), "%d %d", event, control);
    int r = cgroup_file_write(memory, "cgroup.event_control", text);
    return r < 0 ? error_sys(error, -r, "cgroup.event_control") : steal_fd(&event);
}

static int watch_v2(int memory, struct error *error)
{
    _cleanup_close_ int notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    char path[64];

    snprintf(path, sizeof(path), "/proc/self/fd/%d/memory.events", memory);
    if (notify < 0 || inotify_add_watch(notify, path, IN_MODIFY) < 0)
        return error_sys(error, errno, "watch memory.events");
    return steal_fd(&notify);
}

int cgroup_oom_watch_open(const struct cgroup *cgroup, struct cgroup_oom_watch *watch,
                          struct error *error)
{
    int home = cgroup->driver->home[__builtin_ctz(CGROUP_MEMORY)];
    bool is_waiting;

    *watch = (struct cgroup_oom_watch){.fd = -1, .memory = -1};
    int memory = home < 0 ? -1 : cgroup_directory(cgroup, (size_t)home);
    if (memory < 0)
        return error_set(error, EOPNOTSUPP,
                         "out-of-memory events of cgroup %s: the machine has no memory controller",
                         cgroup->path);
    watch->is_v2 = home == cgroup->driver->v2;
    watch->memory = fcntl(memory, F_DUPFD_CLOEXEC, 0);
    int r = watch->memory < 0 ? error_sys(error, errno, "descriptor") : 0;
    if (r == 0)
        r = watch->is_v2 ? watch_v2(watch->memory, error) : watch_v1(watch->memory, error);
    if (r >= 0) {
        watch->fd = r;
        r = read_events(watch, &watch->kills, &is_waiting);
        if (r < 0)
            error_sys(error, -r, "read %s", events_file(watch->is_v2));
    }
    if (r < 0) {
        cgroup_oom_watch_close(watch);
        return error_wrap(error, "out-of-memory events of cgroup %s", cgroup->path);
    }
    return 0;
}

int cgroup_oom_watch_check(struct cgroup_oom_watch *watch)
{
    char events[4096];
    uint64_t kills = watch->kills;
    bool is_waiting, has_event = false;

    while (read(watch->fd, events, watch->is_v2 ? sizeof(events) : sizeof(uint64_t)) > 0)
        has_event = true;
    for (int waited_ms = 0;; waited_ms++) {
        int r = read_events(watch, &kills, &is_waiting);
        if (r < 0)
            return r == -ENOENT ? -ENODEV : r;
        bool is_new = r == 1 ? kills > watch->kills : has_event;
        watch->kills = kills;
        if (is_new || is_waiting)
            return 1;
        if (watch->is_v2 || !has_event || waited_ms == KILL_WAIT_MS)
            return 0;
        usleep(1000);
    }
}

void cgroup_oom_watch_close(struct cgroup_oom_watch *watch)
{
    close_fd(&watch->fd);
    close_fd(&watch->memory);
}
