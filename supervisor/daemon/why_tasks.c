/* SPDX-License-Identifier: Apache-2.0 */

/* Tasks in uninterruptible sleep: a disk, a file system or the kernel keeps them. */

#include <dirent.h>
#include <fcntl.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/control.h"
#include "supervisor/daemon/why_internal.h"

/* Names of kernel functions, or parts of them, in the order in which they are tried. */
static const struct {
    const char *part;
    enum wait_reason reason;
} channels[] = {
    {"refrigerator", WAIT_FOR_THAW},
    {"do_freezer_trap", WAIT_FOR_THAW},
    {"vfork", WAIT_FOR_CHILD},
    {"kernel_clone", WAIT_FOR_CHILD},
    {"balance_dirty_pages", WAIT_FOR_WRITEBACK},
    {"wbt_wait", WAIT_FOR_WRITEBACK},
    {"rq_qos_wait", WAIT_FOR_WRITEBACK},
    {"blk_throtl", WAIT_FOR_WRITEBACK},
    {"mem_cgroup", WAIT_FOR_MEMORY},
    {"try_charge", WAIT_FOR_MEMORY},
    {"reclaim", WAIT_FOR_MEMORY},
    {"fuse", WAIT_FOR_FUSE},
    {"request_wait_answer", WAIT_FOR_FUSE},
    {"nfs", WAIT_FOR_NETWORK_FS},
    {"rpc", WAIT_FOR_NETWORK_FS},
    {"cifs", WAIT_FOR_NETWORK_FS},
    {"smb", WAIT_FOR_NETWORK_FS},
    {"p9_", WAIT_FOR_NETWORK_FS},
    {"io_schedule", WAIT_FOR_DISK},
    {"folio_wait", WAIT_FOR_DISK},
    {"wait_on_page", WAIT_FOR_DISK},
    {"wait_on_buffer", WAIT_FOR_DISK},
    {"wait_on_bit_io", WAIT_FOR_DISK},
    {"wait_on_bit", WAIT_FOR_DISK},
    {"submit_bio", WAIT_FOR_DISK},
    {"blkdev", WAIT_FOR_DISK},
    {"blk_", WAIT_FOR_DISK},
    {"bio_", WAIT_FOR_DISK},
    {"dio_", WAIT_FOR_DISK},
    {"iomap", WAIT_FOR_DISK},
    {"jbd2", WAIT_FOR_DISK},
    {"ext4", WAIT_FOR_DISK},
    {"xfs", WAIT_FOR_DISK},
    {"xlog", WAIT_FOR_DISK},
    {"btrfs", WAIT_FOR_DISK},
    {"sync_inodes", WAIT_FOR_DISK},
    {"writeback", WAIT_FOR_DISK},
    {"swap", WAIT_FOR_DISK},
    {"rwsem", WAIT_FOR_LOCK},
    {"mutex", WAIT_FOR_LOCK},
    {"percpu_down", WAIT_FOR_LOCK},
};

enum wait_reason wait_reason_of(const char *wait_channel)
{
    for (size_t i = 0; i < ARRAY_LENGTH(channels); i++)
        if (strstr(wait_channel, channels[i].part))
            return channels[i].reason;
    return WAIT_FOR_OTHER;
}

/*
 * How long the task has not run: the scheduler notes when it did, on its own clock, on which the
 * reader runs right now. Below 0 where the kernel does not show it (CONFIG_SCHED_DEBUG).
 */
static double seconds_asleep(int tasks, const char *tid)
{
    char path[64], text[4096];
    uint64_t then, now;

    snprintf(path, sizeof(path), "%.20s/sched", tid);
    if (process_read_text(tasks, path, text, sizeof(text)) <= 0 ||
        process_parse_sched(text, &then) < 0 ||
        process_read_text(AT_FDCWD, "/proc/self/sched", text, sizeof(text)) <= 0 ||
        process_parse_sched(text, &now) < 0)
        return -1;
    return now > then ? (double)(now - then) / 1e6 : 0;
}

static struct waiting_task *find_or_add(struct task_census *census, pid_t pid, pid_t tid)
{
    for (size_t i = 0; i < census->waiting_count; i++)
        if (census->waiting[i].tid == tid)
            return &census->waiting[i];
    if (census->waiting_count == WHY_WAITING_MAX)
        return NULL;
    struct waiting_task *task = &census->waiting[census->waiting_count++];
    *task = (struct waiting_task){.pid = pid, .tid = tid, .syscall = -1, .seconds = -1};
    return task;
}

static void note_waiting(struct task_census *census, pid_t pid, int tasks, const char *tid,
                         const struct process_stat *stat)
{
    struct waiting_task *task = find_or_add(census, pid, atoi(tid));
    char path[64], text[256];
    long number;

    if (!task)
        return;
    task->seen++;
    task->last_look = census->looks;
    strcpy(task->name, stat->name);
    snprintf(path, sizeof(path), "%.20s/wchan", tid);
    if (process_read_text(tasks, path, text, sizeof(text)) > 0 && strcmp(text, "0") != 0)
        snprintf(task->wait_channel, sizeof(task->wait_channel), "%.63s", text);
    snprintf(path, sizeof(path), "%.20s/syscall", tid);
    if (process_read_text(tasks, path, text, sizeof(text)) > 0 &&
        process_parse_syscall(text, &number) == 0)
        task->syscall = number;
    task->seconds = seconds_asleep(tasks, tid);
}

static void look_at_process(struct task_census *census, const struct process *process)
{
    int fd = openat(process->directory, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _cleanup_closedir_ DIR *list = fd < 0 ? NULL : fdopendir(fd);
    struct process_stat stat;
    struct dirent *entry;
    char path[NAME_MAX + 8], text[1024];

    if (!list && fd >= 0)
        close(fd);
    while (list && census->tasks < WHY_TASKS_MAX && (entry = readdir(list))) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "%s/stat", entry->d_name);
        if (process_read_text(fd, path, text, sizeof(text)) <= 0 ||
            process_parse_stat(text, &stat) < 0)
            continue;
        census->tasks++;
        if (stat.state == 'D')
            note_waiting(census, process->pid, fd, entry->d_name, &stat);
    }
}

void task_census_look(struct task_census *census, const struct process_list *list)
{
    census->looks++;
    census->tasks = 0;
    for (size_t i = 0; i < list->count; i++)
        if (!list->processes[i].is_gone)
            look_at_process(census, &list->processes[i]);
}

static json_t *syscall_to_json(long number)
{
    if (number < 0)
        return json_null();
    _cleanup_free_ char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, (int)number);
    return name ? json_string(name) : json_sprintf("%ld", number);
}

static int compare_seen(const void *a, const void *b)
{
    const struct waiting_task *left = a, *right = b;

    if (left->seen != right->seen)
        return left->seen > right->seen ? -1 : 1;
    return (left->seconds < right->seconds) - (left->seconds > right->seconds);
}

json_t *task_census_to_json(const struct task_census *census)
{
    struct waiting_task sorted[WHY_WAITING_MAX];
    json_t *array = json_array();

    memcpy(sorted, census->waiting, sizeof(sorted));
    qsort(sorted, census->waiting_count, sizeof(*sorted), compare_seen);
    for (size_t i = 0; i < census->waiting_count; i++) {
        const struct waiting_task *task = &sorted[i];
        json_array_append_new(
            array, json_pack("{s:i, s:i, s:o, s:o, s:o, s:o, s:f}", "pid", (int)task->pid, "tid",
                             (int)task->tid, "name", control_text(task->name, strlen(task->name)),
                             "wait_channel",
                             *task->wait_channel ? json_string(task->wait_channel) : json_null(),
                             "seconds", task->seconds < 0 ? json_null() : json_real(task->seconds),
                             "syscall", syscall_to_json(task->syscall), "share_percent",
                             100.0 * task->seen / census->looks));
    }
    return array;
}
