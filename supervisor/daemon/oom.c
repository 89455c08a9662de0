/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/daemon/oom.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/control.h"

#define KERNEL_LOG "/dev/kmsg"
/* The kernel's longest record is below this; one read(2) gives one. */
#define RECORD_MAX 8192
/* Of one call: a kill is reported with a line for each task of the group. */
#define RECORDS_MAX 4096
#define VICTIMS     16

struct oom_log {
    int fd;
    struct entry {
        char cgroup[OOM_CGROUP_MAX]; /* "": taken, or never used */
        struct oom_victim victim;
    } entries[VICTIMS];
    unsigned next; /* the oldest, which the next one takes the place of */
};

struct oom_log *oom_log_open(void)
{
    _cleanup_close_ int fd = open(KERNEL_LOG, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

    if (fd < 0 || lseek(fd, 0, SEEK_END) < 0)
        return NULL;
    struct oom_log *log = calloc(1, sizeof(*log));
    if (log)
        log->fd = steal_fd(&fd);
    return log;
}

void oom_log_close(struct oom_log *log)
{
    if (log)
        close(log->fd);
    free(log);
}

/* ---- the messages (mm/oom_kill.c of the kernel) ---- */

static const char *find_last(const char *text, const char *end, const char *part)
{
    size_t length = strlen(part);

    for (const char *at = end - length; at >= text; at--)
        if (strncmp(at, part, length) == 0)
            return at;
    return NULL;
}

static void copy(char *to, size_t size, const char *from, const char *end)
{
    snprintf(to, size, "%.*s", (int)(end - from), from);
}

/*
 * "oom-kill:constraint=CONSTRAINT_MEMCG,...,oom_memcg=/a/b,task_memcg=/a/b/c,task=NAME,pid=7,uid=0".
 * The name is the tenant's and may hold commas: what stands behind it is searched from the end.
 */
static int parse_kill(const char *text, char *cgroup, struct oom_victim *victim)
{
    static const char group[] = ",oom_memcg=", task_group[] = ",task_memcg=", task[] = ",task=",
                      pid[] = ",pid=";
    const char *end = text + strlen(text);
    const char *at_pid = find_last(text, end, pid), *at_group = strstr(text, group);
    const char *at_task_group = at_group ? strstr(at_group, task_group) : NULL;
    const char *at_task = at_task_group ? strstr(at_task_group, task) : NULL;

    if (!at_pid || !at_task || at_task + sizeof(task) - 1 > at_pid ||
        (size_t)(at_task_group - at_group) - sizeof(group) + 1 >= OOM_CGROUP_MAX)
        return 0;
    *victim = (struct oom_victim){0};
    if (sscanf(at_pid + sizeof(pid) - 1, "%9d", &victim->pid) != 1 || victim->pid <= 0)
        return 0;
    copy(cgroup, OOM_CGROUP_MAX, at_group + sizeof(group) - 1, at_task_group);
    copy(victim->name, sizeof(victim->name), at_task + sizeof(task) - 1, at_pid);
    return 1;
}

/* "Memory cgroup out of memory: Killed process 7 (NAME) total-vm:1kB, anon-rss:2kB, file-rss:3kB,
 * ..."
 */
static int parse_killed(const char *text, struct oom_victim *victim)
{
    static const char *const parts[] = {" anon-rss:", ", file-rss:", ", shmem-rss:"};
    static const char killed[] = "Killed process ";
    const char *at = strstr(text, killed), *close = strrchr(text, ')');
    uint64_t sum = 0, kib;
    int pid;

    if (!at || !close || sscanf(at + sizeof(killed) - 1, "%9d", &pid) != 1 || pid != victim->pid)
        return 0;
    for (size_t i = 0; i < ARRAY_LENGTH(parts); i++) {
        const char *part = strstr(close, parts[i]);
        if (part && sscanf(part + strlen(parts[i]), "%15" SCNu64, &kib) == 1)
            sum += kib * 1024;
    }
    victim->memory_bytes = sum;
    return 2;
}

int oom_parse(const char *message, char cgroup[OOM_CGROUP_MAX], struct oom_victim *victim)
{
    if (strncmp(message, "oom-kill:", 9) == 0)
        return parse_kill(message, cgroup, victim);
    return strncmp(message, "Memory cgroup out of memory: ", 29) == 0 ||
                   strncmp(message, "Out of memory: ", 15) == 0
               ? parse_killed(message, victim)
               : 0;
}

/* ---- the log ---- */

static void take_message(struct oom_log *log, const char *message)
{
    struct entry *last = &log->entries[(log->next + VICTIMS - 1) % VICTIMS];
    struct entry made = {.victim = last->victim};

    switch (oom_parse(message, made.cgroup, &made.victim)) {
    case 1:
        log->entries[log->next] = made;
        log->next = (log->next + 1) % VICTIMS;
        break;
    case 2:
        last->victim = made.victim;
        break;
    default:
        break;
    }
}

/* "6,1234,5678,-;MESSAGE\n KEY=VALUE..."; only the kernel's own count, for programs may write too.
 */
static void take_record(struct oom_log *log, char *record)
{
    char *message = strchr(record, ';');
    unsigned long priority = strtoul(record, NULL, 10);

    if (!message || priority >> 3 != 0)
        return;
    message++;
    message[strcspn(message, "\n")] = '\0';
    take_message(log, message);
}

static void read_on(struct oom_log *log)
{
    char record[RECORD_MAX];

    for (unsigned i = 0; i < RECORDS_MAX; i++) {
        ssize_t length = read(log->fd, record, sizeof(record) - 1);
        if (length < 0 && (errno == EPIPE || errno == EINTR))
            continue; /* EPIPE: some were overwritten before they were read */
        if (length <= 0)
            return;
        record[length] = '\0';
        take_record(log, record);
    }
}

bool oom_log_take(struct oom_log *log, const char *cgroup_path, struct oom_victim *victim)
{
    size_t length = strlen(cgroup_path);
    bool is_found = false;

    if (!log)
        return false;
    read_on(log);
    for (unsigned i = 0; i < VICTIMS; i++) {
        struct entry *entry = &log->entries[(log->next + i) % VICTIMS];
        if (strncmp(entry->cgroup, cgroup_path, length) != 0 ||
            (entry->cgroup[length] && entry->cgroup[length] != '/'))
            continue;
        *victim = entry->victim;
        entry->cgroup[0] = '\0';
        is_found = true;
    }
    return is_found;
}

json_t *oom_victim_to_json(const struct oom_victim *victim)
{
    return json_pack(
        "{s:i, s:o, s:o}", "pid", (int)victim->pid, "name",
        victim->name[0] ? control_text(victim->name, strlen(victim->name)) : json_null(),
        "memory_bytes",
        victim->memory_bytes ? json_integer((json_int_t)victim->memory_bytes) : json_null());
}
