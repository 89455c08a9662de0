/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The process of one look. It is the engine's child with the engine's rights, so it does little: it
 * closes what it does not need, reads, writes its answers and ends. Whatever it hangs on, the
 * engine does not.
 */

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "supervisor/daemon/why_internal.h"
#include "supervisor/runtime/cgroup_internal.h"

#define LOOK_USEC 200000
/* In between, the tasks' states are looked at: a task that waits for a disk now and then is seen.
 */
#define CENSUS_LOOKS     5
#define CENSUS_LOOKS_FEW 2 /* with more tasks than CENSUS_TASKS_FEW */
#define CENSUS_TASKS_FEW 256
/* An answer is at most 64 KiB (control.h); these are its parts. */
#define PROCESSES_BUDGET 60000
#define TOP_BUDGET       8000
#define TOP_MAX          5

static int compare_fds(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

/* The engine's descriptors would outlive it here: its lock, the pipes of logs, sockets. */
static void close_all_but(int *fds, size_t count)
{
    unsigned from = STDERR_FILENO + 1;

    qsort(fds, count, sizeof(*fds), compare_fds);
    for (size_t i = 0; i < count; i++) {
        if ((unsigned)fds[i] > from)
            close_range(from, (unsigned)fds[i] - 1, 0);
        if ((unsigned)fds[i] >= from)
            from = (unsigned)fds[i] + 1;
    }
    close_range(from, ~0U, 0);
}

static void close_others(const struct process_list *list, const struct cgroup *cgroup, int fd)
{
    int keep[PROCESSES_MAX + CGROUP_HIERARCHIES_MAX + 1];
    size_t count = 0;

    keep[count++] = fd;
    for (size_t i = 0; i < cgroup->count && i < CGROUP_HIERARCHIES_MAX; i++)
        if (cgroup->directories[i] >= 0)
            keep[count++] = cgroup->directories[i];
    for (size_t i = 0; i < list->count; i++)
        keep[count++] = list->processes[i].directory;
    close_all_but(keep, count);
}

static void sleep_usec(uint64_t usec)
{
    const struct timespec time = {.tv_sec = (time_t)(usec / 1000000),
                                  .tv_nsec = (long)(usec % 1000000) * 1000};

    nanosleep(&time, NULL);
}

/* The first look, the time in between, the second. Nothing here waits for a tenant. */
static void look(struct why_view *view)
{
    uint64_t start = clock_boottime_usec();
    unsigned looks = 1;

    process_list_first(&view->processes);
    if (view->request->kind == WHY_REASONS) {
        disk_list_read(&view->devices.first);
        file_list_first(&view->files, &view->processes);
        task_census_look(&view->census, &view->processes);
        looks = view->census.tasks > CENSUS_TASKS_FEW ? CENSUS_LOOKS_FEW : CENSUS_LOOKS;
    }
    for (unsigned i = 1; i < looks; i++) {
        sleep_usec(LOOK_USEC / (looks - 1));
        task_census_look(&view->census, &view->processes);
    }
    if (looks == 1)
        sleep_usec(LOOK_USEC);
    /* Those born in the meantime began with nothing: what they did is what they have. */
    process_list_open(view->request->cgroup, &view->processes);
    view->elapsed_usec = clock_boottime_usec() - start;
    process_list_now(&view->processes, view->request->id_base, view->elapsed_usec);
    if (view->request->kind == WHY_REASONS) {
        disk_list_read(&view->devices.now);
        view->devices.elapsed_usec = view->elapsed_usec;
        file_list_now(&view->files, &view->processes);
        if (!view->request->is_whole)
            file_list_hide_keys(&view->files);
        device_list_add_group(&view->devices, &view->stats);
    }
}

/* What may wait for as long as a tenant likes. */
static void look_closer(struct why_view *view)
{
    const struct process_list *list = &view->processes;

    if (view->request->kind == WHY_REASONS) {
        file_list_sizes(&view->files);
        for (size_t i = 0; i < list->count; i++)
            if (list->processes[i].pid == view->request->pid)
                device_list_add_mounts(&view->devices, list->processes[i].directory, &view->files);
    }
    process_list_commands(&view->processes, view->request->is_whole);
}

/* ---- the answer ---- */

static json_t *stall_to_json(const struct cgroup_stall *stall)
{
    return json_pack("{s:f, s:f, s:I}", "avg10", stall->average10, "avg60", stall->average60,
                     "total_usec", (json_int_t)stall->total_usec);
}

static json_t *pressure_to_json(const struct cgroup_stats *stats)
{
    const struct {
        const char *name;
        const struct cgroup_pressure *pressure;
    } kinds[] = {
        {"cpu", &stats->cpu_pressure},
        {"memory", &stats->memory_pressure},
        {"io", &stats->io_pressure},
    };
    json_t *object = json_object();

    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++)
        if (kinds[i].pressure->is_known)
            json_object_set_new(object, kinds[i].name,
                                json_pack("{s:o, s:o}", "some",
                                          stall_to_json(&kinds[i].pressure->some), "full",
                                          stall_to_json(&kinds[i].pressure->full)));
    return object;
}

static json_t *top_of(struct process_list *list, enum process_order order)
{
    return process_list_to_json(list, order, TOP_MAX, true, TOP_BUDGET, NULL);
}

static json_t *reasons(struct why_view *view)
{
    struct process_list *list = &view->processes;

    return json_pack("{s:b, s:f, s:I, s:I, s:o, s:{s:o, s:o, s:o}, s:o, s:o, s:o, s:o}", //
                     "ok", 1, "seconds", (double)view->elapsed_usec / 1e6,               //
                     "processes", (json_int_t)list->total,                               //
                     "tasks", (json_int_t)view->census.tasks,                            //
                     "uninterruptible", task_census_to_json(&view->census), "top",       //
                     "cpu", top_of(list, PROCESS_BY_CPU),                                //
                     "memory", top_of(list, PROCESS_BY_MEMORY),                          //
                     "disk", top_of(list, PROCESS_BY_DISK),                              //
                     "files", file_list_to_json(&view->files, view->elapsed_usec),       //
                     "devices", device_list_to_json(&view->devices),                     //
                     "pressure", pressure_to_json(&view->stats),                         //
                     "sentences", why_sentences(view));
}

static json_t *processes(struct why_view *view)
{
    bool has_more;
    json_t *list = process_list_to_json(&view->processes, PROCESS_BY_CPU, PROCESSES_MAX, false,
                                        PROCESSES_BUDGET, &has_more);

    return json_pack("{s:b, s:o, s:b}", "ok", 1, "processes", list, "more", has_more);
}

static int write_all(int fd, const char *text, size_t length)
{
    while (length > 0) {
        ssize_t written = write(fd, text, length);
        if (written < 0 && errno != EINTR)
            return -errno;
        if (written > 0) {
            text += written;
            length -= (size_t)written;
        }
    }
    return 0;
}

static int send_answer(struct why_view *view, int fd)
{
    _cleanup_json_ json_t *answer =
        view->request->kind == WHY_PROCESSES ? processes(view) : reasons(view);
    _cleanup_free_ char *text = answer ? json_dumps(answer, JSON_COMPACT) : NULL;

    if (!text)
        return -ENOMEM;
    size_t length = strlen(text);
    text[length] = '\n'; /* in the place of the NUL */
    return write_all(fd, text, length + 1);
}

void why_helper(const struct why_request *request, int fd)
{
    static struct why_view view; /* large, and the process has only one */

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    view.request = request;
    int r = process_list_open(request->cgroup, &view.processes);
    if (r == 0 && request->kind == WHY_REASONS)
        r = cgroup_stats_read(request->cgroup, &view.stats, NULL);
    close_others(&view.processes, request->cgroup, fd);
    if (r == 0) {
        look(&view);
        r = send_answer(&view, fd);
    }
    if (r == 0) {
        look_closer(&view);
        r = send_answer(&view, fd);
    }
    _exit(r < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
}
