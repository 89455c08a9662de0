/* SPDX-License-Identifier: Apache-2.0 */

/* What a look has seen, in the words of somebody who knows what these figures mean. */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/control.h"
#include "common/units.h"
#include "supervisor/daemon/why_internal.h"

/* From where on something is worth a sentence. */
#define BUSY_PERCENT      60.0
#define NEAR_LIMIT        0.9
#define PRESSURE_PERCENT  10.0
#define RATE_BYTES        (UINT64_C(1) << 20) /* a second */
#define LONG_WAIT_SECONDS 5.0
#define THROTTLED_MSEC    20.0 /* in a second */

static void say(json_t *sentences, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void say(json_t *sentences, const char *format, ...)
{
    char text[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    json_array_append_new(sentences, control_text(text, strlen(text)));
}

static const char *plural(size_t count)
{
    return count == 1 ? "" : "s";
}

/* ---- tasks that wait ---- */

static const struct {
    const char *what; /* behind "3 of 12 tasks wait" */
    bool is_disk;     /* the busiest disk is named */
} reasons[WAIT_REASONS] = {
    [WAIT_FOR_DISK] = {"for the disk", true},
    [WAIT_FOR_WRITEBACK] = {"because they write faster than their disk takes it", true},
    [WAIT_FOR_NETWORK_FS] = {"for a network file system", false},
    [WAIT_FOR_FUSE] = {"for a FUSE file system, which is a program that does not answer", false},
    [WAIT_FOR_MEMORY] = {"for memory: the kernel must free some first", false},
    [WAIT_FOR_CHILD] = {"for a child that is just starting a program (vfork)", false},
    [WAIT_FOR_LOCK] = {"for a lock in the kernel that another task holds", false},
    [WAIT_FOR_THAW] = {"because they are frozen", false},
    [WAIT_FOR_OTHER] = {"in the kernel", false},
};

struct reason_count {
    size_t tasks;
    const struct waiting_task *longest;
};

/* Counts those that waited in half of the looks at least, or wait now. */
static void count_reasons(const struct task_census *census, struct reason_count *counts)
{
    for (size_t i = 0; i < census->waiting_count; i++) {
        const struct waiting_task *task = &census->waiting[i];
        struct reason_count *count = &counts[wait_reason_of(task->wait_channel)];
        if (2 * task->seen < census->looks && task->last_look != census->looks)
            continue;
        count->tasks++;
        if (!count->longest || task->seconds > count->longest->seconds)
            count->longest = task;
    }
}

static void say_waiting(const struct why_view *view, json_t *sentences)
{
    const struct device *disk = device_list_busiest(&view->devices);
    struct reason_count counts[WAIT_REASONS] = {0};
    char more[128];

    count_reasons(&view->census, counts);
    for (size_t i = 0; i < WAIT_REASONS; i++) {
        const struct waiting_task *longest = counts[i].longest;
        if (!longest)
            continue;
        more[0] = '\0';
        if (reasons[i].is_disk && disk)
            snprintf(more, sizeof(more), "%s %.31s, which is %.0f %% busy",
                     i == WAIT_FOR_DISK ? "" : ":", disk->name, disk->busy_percent);
        else if (i == WAIT_FOR_OTHER)
            snprintf(more, sizeof(more), " (%s)",
                     longest->wait_channel[0] ? longest->wait_channel : "it does not tell where");
        say(sentences, "%s: %zu of %zu task%s %s %s%s.", view->request->name, counts[i].tasks,
            view->census.tasks, plural(view->census.tasks), counts[i].tasks == 1 ? "waits" : "wait",
            reasons[i].what, more);
        if (longest->seconds >= LONG_WAIT_SECONDS)
            say(sentences,
                "%s (pid %d) has waited for %.0f s; it cannot be killed until that ends.",
                longest->name, (int)longest->tid, longest->seconds);
    }
}

/* ---- processes ---- */

static const struct process *largest(const struct process_list *list,
                                     uint64_t (*weight)(const struct process *))
{
    const struct process *found = NULL;

    for (size_t i = 0; i < list->count; i++)
        if (!list->processes[i].is_gone && (!found || weight(&list->processes[i]) > weight(found)))
            found = &list->processes[i];
    return found;
}

static uint64_t by_writes(const struct process *process)
{
    return process->write_rate;
}

static uint64_t by_reads(const struct process *process)
{
    return process->read_rate;
}

static uint64_t by_cpu(const struct process *process)
{
    return (uint64_t)(process->cpu_percent * 1000);
}

static uint64_t by_memory(const struct process *process)
{
    return process->memory_bytes;
}

static const struct open_file *file_of(const struct file_list *files, pid_t pid)
{
    for (size_t i = 0; i < files->count; i++)
        if (files->files[i].pid == pid)
            return &files->files[i];
    return NULL;
}

/* The file of another process may be that of a child, which the writer's figures hold too. */
static void say_writer(const struct why_view *view, const struct process *writer, json_t *sentences)
{
    const struct open_file *file = file_of(&view->files, writer->pid);
    const struct open_file *other = !file && view->files.count ? view->files.files : NULL;
    char size[16], more[WHY_FILE_PATH_MAX + 64] = "";

    if (file)
        snprintf(more, sizeof(more), " into %s", file->path);
    else if (other)
        snprintf(more, sizeof(more), "; written most is %s (by pid %d)", other->path,
                 (int)other->pid);
    say(sentences, "%s (pid %d) wrote %sB/s%s.", writer->name, (int)writer->pid,
        format_size(writer->write_rate, size, sizeof(size)), more);
}

static void say_disk_users(const struct why_view *view, json_t *sentences)
{
    const struct process *writer = largest(&view->processes, by_writes);
    const struct process *reader = largest(&view->processes, by_reads);
    const struct device *disk = device_list_busiest(&view->devices);
    bool is_busy = disk && disk->busy_percent >= BUSY_PERCENT;
    uint64_t least = is_busy ? 1 : RATE_BYTES;
    char size[16];

    if (writer && writer->write_rate >= least)
        say_writer(view, writer, sentences);
    if (reader && reader->read_rate >= least)
        say(sentences, "%s (pid %d) read %sB/s from disk.", reader->name, (int)reader->pid,
            format_size(reader->read_rate, size, sizeof(size)));
    if (is_busy && !(writer && writer->write_rate) && !(reader && reader->read_rate))
        say(sentences, "The disk %s is %.0f %% busy, but not with the work of %s.", disk->name,
            disk->busy_percent, view->request->name);
}

static void say_cpu(const struct why_view *view, json_t *sentences)
{
    double limit = (double)view->request->cpu_limit_milli / 10, sum = 0;
    double held_msec = (double)view->request->cpu_throttled_rate / 1000;
    const struct process *user = largest(&view->processes, by_cpu);

    for (size_t i = 0; i < view->processes.count; i++)
        sum += view->processes.processes[i].cpu_percent;
    if (!user || limit <= 0)
        return;
    if (held_msec >= THROTTLED_MSEC)
        say(sentences,
            "The limit of %.2f CPUs holds it back: %.0f ms of waiting in each second. Most CPU is "
            "used by %s "
            "(pid %d).",
            limit / 100, held_msec, user->name, (int)user->pid);
    else if (sum >= NEAR_LIMIT * limit)
        say(sentences,
            "Its processes use %.2f of the %.2f CPUs that they may use, %s (pid %d) %.2f.",
            sum / 100, limit / 100, user->name, (int)user->pid, user->cpu_percent / 100);
}

static void say_memory(const struct why_view *view, json_t *sentences)
{
    const struct why_request *request = view->request;
    const struct process *user = largest(&view->processes, by_memory);
    char used[16], limit[16], most[16];

    if (!user || !request->memory_limit_bytes ||
        (double)request->memory_bytes < NEAR_LIMIT * (double)request->memory_limit_bytes)
        return;
    say(sentences,
        "It uses %sB of the %sB of memory that it may use; the largest is %s (pid %d), %sB.",
        format_size(request->memory_bytes, used, sizeof(used)),
        format_size(request->memory_limit_bytes, limit, sizeof(limit)), user->name, (int)user->pid,
        format_size(user->memory_bytes, most, sizeof(most)));
}

static void say_pressure(const struct why_view *view, json_t *sentences)
{
    const struct {
        const struct cgroup_pressure *pressure;
        const char *what;
    } kinds[] = {
        {&view->stats.io_pressure, "a disk"},
        {&view->stats.memory_pressure, "memory"},
        {&view->stats.cpu_pressure, "a CPU"},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++)
        if (kinds[i].pressure->is_known && kinds[i].pressure->some.average10 >= PRESSURE_PERCENT)
            say(sentences, "In %.0f %% of the last 10 seconds some task waited for %s.",
                kinds[i].pressure->some.average10, kinds[i].what);
}

json_t *why_sentences(struct why_view *view)
{
    json_t *sentences = json_array();

    if (view->request->state == CONTAINER_PAUSED)
        say(sentences, "%s is paused: none of its tasks runs until it is resumed.",
            view->request->name);
    say_waiting(view, sentences);
    say_disk_users(view, sentences);
    say_cpu(view, sentences);
    say_memory(view, sentences);
    say_pressure(view, sentences);
    if (json_array_size(sentences) == 0)
        say(sentences,
            "%s: nothing stands out: of its %zu task%s none waits for a disk, and no limit is "
            "near.",
            view->request->name, view->census.tasks, plural(view->census.tasks));
    return sentences;
}
