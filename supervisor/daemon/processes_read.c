/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/daemon/processes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "supervisor/daemon/rate.h"
#include "supervisor/daemon/settings.h"

#define NSEC_PER_USEC 1000
#define TICK_USEC     10000 /* of a process's start */
/* More than a command line shows: no page more than needed is read of a memory that may block. */
#define COMMAND_READ PROCESS_COMMAND_SIZE

/* The CPU clock of a process (clock_getcpuclockid(3)): all its threads, in nanoseconds. /proc/PID/
 * stat counts in hundredths of a second, too coarse for looks that are fractions of one apart. */
#define CPU_CLOCK(pid) ((~(clockid_t)(pid) << 3) | 2)

ssize_t process_read_text(int directory, const char *file, char *text, size_t size)
{
    _cleanup_close_ int fd = openat(directory, file, O_RDONLY | O_CLOEXEC);
    size_t length = 0;
    ssize_t got;

    text[0] = '\0';
    if (fd < 0)
        return -errno;
    while (length < size - 1 && (got = read(fd, text + length, size - 1 - length)) != 0) {
        if (got < 0)
            return -errno;
        length += (size_t)got;
    }
    text[length] = '\0';
    return (ssize_t)length;
}

/* ---- the list ---- */

static int compare_pids(const void *a, const void *b)
{
    return *(const pid_t *)a - *(const pid_t *)b;
}

/* Those whose pid is not in the group any more may have another process's directory by now. */
static void mark_those_that_left(struct process_list *list, pid_t *pids, size_t count)
{
    qsort(pids, count, sizeof(*pids), compare_pids);
    for (size_t i = 0; i < list->count; i++)
        if (!bsearch(&list->processes[i].pid, pids, count, sizeof(*pids), compare_pids))
            list->processes[i].is_gone = true;
}

static bool is_known(const struct process_list *list, size_t count, pid_t pid)
{
    for (size_t i = 0; i < count; i++)
        if (list->processes[i].pid == pid)
            return true;
    return false;
}

static void add_process(struct process_list *list, pid_t pid)
{
    char path[32];

    snprintf(path, sizeof(path), "/proc/%d", pid);
    int directory = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (directory >= 0)
        list->processes[list->count++] =
            (struct process){.pid = pid, .directory = directory, .user = -1};
}

int process_list_open(const struct cgroup *cgroup, struct process_list *list)
{
    /* The list read again may be longer, by those that were born in between. */
    enum { AGAIN_MAX = 4 * PROCESSES_MAX };
    _cleanup_free_ pid_t *pids = calloc(AGAIN_MAX, sizeof(*pids));
    size_t before = list->count;

    if (!list->processes)
        list->processes = calloc(PROCESSES_MAX, sizeof(*list->processes));
    if (!pids || !list->processes)
        return -ENOMEM;
    ssize_t count = cgroup_pids(cgroup, pids, PROCESSES_MAX);
    for (ssize_t i = 0; i < count && i < PROCESSES_MAX && list->count < PROCESSES_MAX; i++)
        if (!is_known(list, before, pids[i]))
            add_process(list, pids[i]);
    ssize_t again = count < 0 ? count : cgroup_pids(cgroup, pids, AGAIN_MAX);
    if (again < 0)
        return (int)again;
    mark_those_that_left(list, pids, again < AGAIN_MAX ? (size_t)again : AGAIN_MAX);
    list->total = (size_t)again;
    return 0;
}

void process_list_clear(struct process_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        close_fd(&list->processes[i].directory);
    free(list->processes);
    *list = (struct process_list){0};
}

/* ---- the looks ---- */

static int read_counters(const struct process *process, struct process_counters *counters)
{
    struct timespec used;
    char text[512];

    *counters = (struct process_counters){0};
    if (clock_gettime(CPU_CLOCK(process->pid), &used) < 0)
        return -errno;
    counters->cpu_usec = (uint64_t)used.tv_sec * 1000000 + (uint64_t)used.tv_nsec / NSEC_PER_USEC;
    counters->has_io = process_read_text(process->directory, "io", text, sizeof(text)) > 0 &&
                       process_parse_io(text, &counters->read_bytes, &counters->write_bytes) == 0;
    return 0;
}

void process_list_first(struct process_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        if (read_counters(&list->processes[i], &list->processes[i].first) == 0)
            list->processes[i].has_first = true;
        else
            list->processes[i].is_gone = true;
}

static void read_place(struct process *process, uint32_t id_base)
{
    char text[8192];
    uint32_t uid;

    if (process_read_text(process->directory, "status", text, sizeof(text)) > 0 &&
        process_parse_status(text, &process->pid_inside, &uid) == 0)
        process->user =
            uid >= id_base && uid - id_base < IDS_PER_TENANT ? (int64_t)(uid - id_base) : -1;
    if (process->state != 'R' &&
        process_read_text(process->directory, "wchan", text, sizeof(text)) > 0 &&
        strcmp(text, "0") != 0)
        snprintf(process->wait_channel, sizeof(process->wait_channel), "%.63s", text);
}

static void look_now(struct process *process, uint32_t id_base, uint64_t elapsed_usec)
{
    struct process_stat stat;
    char text[1024];

    if (process_read_text(process->directory, "stat", text, sizeof(text)) <= 0 ||
        process_parse_stat(text, &stat) < 0 || read_counters(process, &process->now) < 0) {
        process->is_gone = true;
        return;
    }
    if (!process->has_first) { /* born since the first look, or moved into the group */
        uint64_t started_usec =
            stat.start_ticks * UINT64_C(1000000) / (uint64_t)sysconf(_SC_CLK_TCK);
        if (clock_boottime_usec() - started_usec > elapsed_usec + TICK_USEC)
            process->first = process->now;
        else
            process->first.has_io = true;
    }
    strcpy(process->name, stat.name);
    process->state = stat.state;
    process->threads = stat.threads;
    process->start_ticks = stat.start_ticks;
    process->memory_bytes = stat.resident_pages * (uint64_t)sysconf(_SC_PAGESIZE);
    process->cpu_percent =
        (double)rate_of(process->now.cpu_usec, process->first.cpu_usec, elapsed_usec, 1) / 1e4;
    process->read_rate =
        rate_of(process->now.read_bytes, process->first.read_bytes, elapsed_usec, 1);
    process->write_rate =
        rate_of(process->now.write_bytes, process->first.write_bytes, elapsed_usec, 1);
    read_place(process, id_base);
}

void process_list_now(struct process_list *list, uint32_t id_base, uint64_t elapsed_usec)
{
    for (size_t i = 0; i < list->count; i++)
        if (!list->processes[i].is_gone)
            look_now(&list->processes[i], id_base, elapsed_usec);
}

void process_list_commands(struct process_list *list, bool is_whole)
{
    char text[COMMAND_READ];

    for (size_t i = 0; i < list->count; i++) {
        struct process *process = &list->processes[i];
        if (process->is_gone || process->state == 'Z')
            continue;
        ssize_t length = process_read_text(process->directory, "cmdline", text, sizeof(text));
        if (length > 0)
            process_format_command(text, (size_t)length, is_whole, process->command);
    }
}
