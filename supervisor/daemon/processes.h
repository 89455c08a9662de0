/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_PROCESSES_H
#define DAEMON_PROCESSES_H

/*
 * The processes of one container as /proc tells them (proc(5)), for the verbs `processes` and
 * `why`. Reading them is for the helper process of why.h only: a tenant can make some of these
 * files block.
 *
 *     processes_parse.c   the texts; no file is opened there
 *     processes_read.c    /proc/PID, through a descriptor of its directory: a pid that is given to
 *                         another process in the meantime is not followed
 *     processes_json.c    what the answer shows
 */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "supervisor/runtime/cgroup.h"

#define PROCESSES_MAX        512
#define PROCESS_NAME_SIZE    64 /* the kernel's has at most 15, a kernel thread's 63 bytes */
#define PROCESS_CHANNEL_SIZE 64
#define PROCESS_COMMAND_SIZE 256

/* Counters that grow; a look less the look before it is a rate. */
struct process_counters {
    bool has_io;
    uint64_t cpu_usec;
    uint64_t read_bytes, write_bytes; /* from and to disks, not to the page cache only */
};

struct process {
    pid_t pid;     /* as the host sees it */
    int directory; /* of /proc/PID, O_PATH; -1: not open */
    bool is_gone;  /* it ended between the looks */
    pid_t pid_inside;
    int64_t user; /* as the container sees it; -1: an id that is not the container's */
    char state;   /* 'R', 'S', 'D', 'Z', 'T' ... */
    char name[PROCESS_NAME_SIZE];
    char command[PROCESS_COMMAND_SIZE]; /* "": not read */
    char wait_channel[PROCESS_CHANNEL_SIZE];
    uint64_t start_ticks; /* since boot */
    uint64_t memory_bytes;
    uint32_t threads;
    bool has_first; /* it was there at the first look */
    struct process_counters first, now;
    double cpu_percent; /* of one CPU, between the looks */
    uint64_t read_rate, write_rate;
};

struct process_list {
    struct process *processes;
    size_t count, total; /* total: how many there are; more than PROCESSES_MAX are not looked at */
};

/* ---- processes_parse.c; -EINVAL for a text of another form ---- */

struct process_stat {
    char name[PROCESS_NAME_SIZE];
    char state;
    uint32_t threads;
    uint64_t start_ticks;
    uint64_t resident_pages;
};

/* /proc/PID/stat. The name may hold blanks and parentheses. */
int process_parse_stat(const char *text, struct process_stat *stat);

/* /proc/PID/io. */
int process_parse_io(const char *text, uint64_t *read_bytes, uint64_t *write_bytes);

/* /proc/PID/status: the pid in the innermost namespace, and the effective uid (the host's). */
int process_parse_status(const char *text, pid_t *pid_inside, uint32_t *uid);

/* /proc/PID/fdinfo/N. */
int process_parse_fdinfo(const char *text, uint64_t *position, unsigned *flags, int *mount_id);

/* /proc/PID/syscall: the number; -ENOENT when the task runs or is in no system call. */
int process_parse_syscall(const char *text, long *number);

/* /proc/PID/sched: when it ran last, in microseconds of the scheduler's clock. */
int process_parse_sched(const char *text, uint64_t *last_ran_usec);

/*
 * /proc/PID/cmdline: length bytes of arguments, each with a NUL behind it. With is_whole they come
 * with a blank between them, else only the first: the others may hold passwords.
 */
void process_format_command(const char *text, size_t length, bool is_whole,
                            char command[PROCESS_COMMAND_SIZE]);

/* One line of /proc/PID/mountinfo. Texts point into line, which is changed. */
struct process_mount {
    int id;
    unsigned major, minor;
    const char *type, *source, *upper; /* upper: of an overlay, else NULL */
};
int process_parse_mount(char *line, struct process_mount *mount);

/* One line of /proc/diskstats (the kernel's Documentation/admin-guide/iostats.rst). */
struct disk_stat {
    unsigned major, minor;
    char name[32];
    uint64_t reads, read_bytes, read_msec;
    uint64_t writes, write_bytes, write_msec;
    uint64_t in_flight, busy_msec;
};
int process_parse_disk(const char *line, struct disk_stat *disk);

/* ---- processes_read.c ---- */

/* Reads a file below directory, at most size - 1 bytes; their number or a negative errno. */
ssize_t process_read_text(int directory, const char *file, char *text, size_t size);

/*
 * Opens the directories of the processes of a group, at most PROCESSES_MAX; called again for the
 * same list, of those that were born since. One that left the group is marked as gone, before its
 * directory was open too. The list begins as zeros and is freed with process_list_clear().
 */
int process_list_open(const struct cgroup *cgroup, struct process_list *list);
void process_list_clear(struct process_list *list);

/* Reads the counters of all: the first look, or the look now with everything else. */
void process_list_first(struct process_list *list);
void process_list_now(struct process_list *list, uint32_t id_base, uint64_t elapsed_usec);

/* Reads the command lines, which may block for as long as a tenant likes. */
void process_list_commands(struct process_list *list, bool is_whole);

/* ---- processes_json.c ---- */

/* One process; a new reference. */
json_t *process_to_json(const struct process *process);

enum process_order { PROCESS_BY_CPU, PROCESS_BY_MEMORY, PROCESS_BY_DISK };

/*
 * The first `most` of them in that order, as long as they fit into budget bytes of JSON; those that
 * are gone are left out, and with is_busy_only those for whose order there is nothing to tell. The
 * list is sorted. has_more may be NULL.
 */
json_t *process_list_to_json(struct process_list *list, enum process_order order, size_t most,
                             bool is_busy_only, size_t budget, bool *has_more);

#endif
