/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_WHY_INTERNAL_H
#define DAEMON_WHY_INTERNAL_H

/* What the files of a look share (why.h). All but the request is the helper process's own. */

#include "supervisor/daemon/processes.h"
#include "supervisor/daemon/why.h"
#include "supervisor/runtime/cgroup_stats.h"

/* What is to be looked at; copied from the service before the fork. */
struct why_request {
    enum why_kind kind;
    bool is_whole;
    char name[2 * NAME_MAX_LENGTH + 2]; /* TENANT/SERVICE */
    enum container_state state;
    const struct cgroup *cgroup;
    pid_t pid; /* of its first process; 0: it has none */
    uint32_t id_base;
    uint64_t cpu_limit_milli;
    uint64_t cpu_throttled_rate; /* microseconds a second, all tasks together */
    uint64_t memory_limit_bytes; /* 0: none or not known */
    uint64_t memory_bytes;
};

/* ---- why_tasks.c ---- */

#define WHY_TASKS_MAX   2048 /* that are looked at */
#define WHY_WAITING_MAX 64   /* that are told */

struct waiting_task {
    pid_t pid, tid;
    char name[PROCESS_NAME_SIZE];
    char wait_channel[PROCESS_CHANNEL_SIZE];
    long syscall;  /* -1: not known */
    unsigned seen; /* in how many of the looks it waited */
    unsigned last_look;
    double seconds; /* since it ran last; below 0: not known */
};

struct task_census {
    unsigned looks;
    size_t tasks; /* of the last look */
    struct waiting_task waiting[WHY_WAITING_MAX];
    size_t waiting_count;
};

/* Looks at the state of every task once. */
void task_census_look(struct task_census *census, const struct process_list *list);
json_t *task_census_to_json(const struct task_census *census);

/* What a wait channel of the kernel stands for. */
enum wait_reason {
    WAIT_FOR_OTHER,
    WAIT_FOR_DISK,
    WAIT_FOR_WRITEBACK, /* it wrote faster than the disk, and is held back */
    WAIT_FOR_NETWORK_FS,
    WAIT_FOR_FUSE,
    WAIT_FOR_MEMORY,
    WAIT_FOR_CHILD, /* vfork(2) */
    WAIT_FOR_LOCK,
    WAIT_FOR_THAW,
    WAIT_REASONS,
};
enum wait_reason wait_reason_of(const char *wait_channel);

/* ---- why_files.c ---- */

#define WHY_FILES_MAX     512 /* open for writing, that are looked at */
#define WHY_FILE_PATH_MAX 512

struct open_file {
    pid_t pid;
    int directory; /* of its process; the process list's */
    int fd;        /* its number there */
    int mount_id;
    uint64_t first_position, position;
    bool has_first;
    bool has_size;
    uint64_t size;
    unsigned major, minor; /* with has_size: of its file system */
    uint64_t process_rate;
    char path[WHY_FILE_PATH_MAX];
};

struct file_list {
    struct open_file *files;
    size_t count;
};

/* The two looks: the first before the processes' second, the second behind it. */
int file_list_first(struct file_list *list, struct process_list *processes);
void file_list_now(struct file_list *list, struct process_list *processes);
/* Sizes and devices: a file system that does not answer can make this wait. */
void file_list_sizes(struct file_list *list);
/* The bytes that were written into it between the looks, as its position tells. */
/* For those who may not see secrets: with the name of a PHP session's file one can enter it. */
void file_list_hide_keys(struct file_list *list);
uint64_t open_file_written(const struct open_file *file);
json_t *file_list_to_json(const struct file_list *list, uint64_t elapsed_usec);

/* ---- why_devices.c ---- */

#define WHY_DISKS_MAX   256 /* of the machine */
#define WHY_DEVICES_MAX 8   /* of one container */

struct disk_list {
    struct disk_stat disks[WHY_DISKS_MAX];
    size_t count;
};

struct device {
    char name[32];
    unsigned major, minor;
    double busy_percent;
    uint64_t read_rate, write_rate; /* bytes a second, of everybody */
    double wait_msec;               /* a request's; below 0: there was none */
    uint64_t queue;                 /* requests in flight now */
};

struct device_list {
    struct device devices[WHY_DEVICES_MAX];
    size_t count;
    struct disk_list first, now;
    uint64_t elapsed_usec;
};

void disk_list_read(struct disk_list *list);
/* Adds the whole disks behind a block device; numbers that are no disk's are passed over. */
void device_list_add(struct device_list *list, unsigned major, unsigned minor);
/* Those on which the group has read or written. */
void device_list_add_group(struct device_list *list, const struct cgroup_stats *stats);
/* Those behind the mounts of a process, and behind files that are on them. This may wait. */
void device_list_add_mounts(struct device_list *list, int directory, const struct file_list *files);
const struct device *device_list_busiest(const struct device_list *list);
json_t *device_list_to_json(const struct device_list *list);

/* ---- why_sentences.c ---- */

/* All that was seen. */
struct why_view {
    const struct why_request *request;
    struct process_list processes;
    struct task_census census;
    struct file_list files;
    struct device_list devices;
    struct cgroup_stats stats;
    uint64_t elapsed_usec;
};

json_t *why_sentences(struct why_view *view);

/* ---- why_helper.c ---- */

/* Looks, writes one or two answers to fd, each with a line feed behind it, and ends the process. */
_Noreturn void why_helper(const struct why_request *request, int fd);

#endif
