/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_CGROUP_H
#define RUNTIME_CGROUP_H

/*
 * A container's control group: one interface, two drivers. cgroup v2 (cgroups(7), the kernel's
 * Documentation/admin-guide/cgroup-v2.rst) has one tree. On v1 and hybrid machines each controller
 * has a tree of its own for the limits, and where the v2 tree exists beside them (hybrid) it is
 * used to start tasks in the group, to freeze and to kill.
 *
 * Paths are relative to the root of the hierarchies and begin with '/':
 * "/container-supervisor/a/b". One thread. Handles keep the descriptors of the directories that
 * were needed.
 */

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/error.h"
#include "common/scoreboard.h"

enum cgroup_mode {
    CGROUP_V1 = 1,
    CGROUP_HYBRID,
    CGROUP_V2,
};

enum cgroup_controller {
    CGROUP_CPU = 1 << 0,
    CGROUP_CPUACCT = 1 << 1,
    CGROUP_MEMORY = 1 << 2,
    CGROUP_PIDS = 1 << 3,
    CGROUP_IO = 1 << 4, /* blkio on v1 */
    CGROUP_DEVICES = 1 << 5,
    CGROUP_FREEZER = 1 << 6,
    CGROUP_CPUSET = 1 << 7,
    CGROUP_HUGETLB = 1 << 8,
    CGROUP_NET_CLS = 1 << 9,
    CGROUP_NET_PRIO = 1 << 10,
    CGROUP_PERF_EVENT = 1 << 11,
    CGROUP_RDMA = 1 << 12,
    CGROUP_MISC = 1 << 13,
};

struct cgroup_driver;
struct cgroup;

enum cgroup_throttle_kind {
    CGROUP_READ_BPS,
    CGROUP_WRITE_BPS,
    CGROUP_READ_IOPS,
    CGROUP_WRITE_IOPS,
    CGROUP_THROTTLE_KINDS,
};

struct cgroup_throttle {
    enum cgroup_throttle_kind kind;
    unsigned major, minor;
    uint64_t rate; /* bytes or operations a second; 0: no limit */
};

struct cgroup_weight {
    unsigned major, minor;
    uint16_t weight, leaf_weight; /* 10..1000, else cgroup_apply() refuses; 0: not given */
};

struct cgroup_hugepage {
    char page_size[16]; /* "2MB", as the kernel's files are named */
    uint64_t limit;     /* bytes */
};

struct cgroup_priority {
    char interface[IF_NAMESIZE];
    uint32_t priority;
};

struct cgroup_rdma {
    char device[64];
    bool has_handles, has_objects;
    uint32_t handles, objects;
};

/* A file of the v2 group and what goes into it, line by line. */
struct cgroup_unified {
    const char *file;
    const char *value;
};

struct cgroup_device_rule {
    bool is_allow;
    char type;      /* 'a', 'b' or 'c' */
    int64_t major;  /* -1: any */
    int64_t minor;  /* -1: any */
    char access[4]; /* of "rwm" */
};

/*
 * What linux.resources of an OCI config asks for, with its conversions still to be done. Zeros ask
 * for nothing. resources_read() (resources.h) makes one that owns what its pointers lead to; the
 * functions here only read it.
 */
struct cgroup_resources {
    int64_t memory_limit;       /* bytes; 0: not given, -1: no limit */
    int64_t memory_reservation; /* the same */
    int64_t memory_swap; /* memory + swap in bytes, as OCI and v1 count; 0: not given, -1: none */
    int64_t memory_kernel_tcp; /* bytes of TCP buffers, v1 only; 0: not given, -1: no limit */
    bool has_swappiness;
    uint64_t swappiness; /* 0..100 */
    bool has_oom_killer; /* whether is_oom_killer_disabled was given */
    bool is_oom_killer_disabled;
    bool
        is_usage_checked; /* refuse a memory_limit below what is used (the v1 kernel always does) */
    uint64_t cpu_shares;  /* 0: not given; v1 scale 2..262144 */
    int64_t cpu_quota;    /* usec per period; 0: not given, -1: none */
    uint64_t cpu_period;  /* usec; 0: not given, the kernel's is 100000 */
    bool has_cpu_burst;
    uint64_t cpu_burst;           /* usec */
    int64_t cpu_realtime_runtime; /* usec; 0: not given */
    uint64_t cpu_realtime_period; /* usec; 0: not given */
    bool has_cpu_idle;
    int64_t cpu_idle;        /* 0 or 1 */
    const char *cpus;        /* "0-3,7"; NULL: not given */
    const char *mems;        /* the same of memory nodes */
    bool has_pids_limit;     /* 0 is a limit */
    int64_t pids_limit;      /* below 0: no limit */
    uint16_t io_weight;      /* 10..1000, as all weights; 0: not given */
    uint16_t io_leaf_weight; /* the same */
    const struct cgroup_weight *weights;
    size_t weight_count;
    const struct cgroup_throttle *throttles;
    size_t throttle_count;
    const struct cgroup_hugepage *hugepages;
    size_t hugepage_count;
    bool has_network_class;
    uint32_t network_class;
    const struct cgroup_priority *priorities;
    size_t priority_count;
    const struct cgroup_rdma *rdma;
    size_t rdma_count;
    const struct cgroup_unified *unified;
    size_t unified_count;
    const struct cgroup_device_rule *devices; /* in order */
    size_t device_count;
};

/*
 * Figures of a sample, named and told apart as the scoreboard does (SLOT_HAS_*). A limit that is
 * "none" is not known either.
 */
struct cgroup_sample {
    uint64_t has;
    uint64_t cpu_usage_usec;
    uint64_t cpu_user_usec, cpu_system_usec;
    uint64_t cpu_periods, cpu_throttled_periods, cpu_throttled_usec;
    uint64_t memory_bytes, memory_limit_bytes, memory_peak_bytes;
    uint64_t memory_anon_bytes, memory_file_bytes, memory_kernel_bytes;
    uint64_t swap_bytes, swap_limit_bytes;
    uint64_t memory_limit_hits, oom_kills;
    uint64_t page_faults, major_page_faults;
    uint64_t tasks, tasks_limit, tasks_limit_hits;
    uint64_t io_read_bytes, io_write_bytes, io_read_ops, io_write_ops, io_wait_usec;
    struct slot_device devices[SLOT_DEVICES]; /* the busiest, in the order of their numbers */
    struct pressure_figures pressure[PRESSURE_COUNT];
};

/* Parts of a sample, by how often they are worth their price. */
enum cgroup_part {
    CGROUP_PART_CPU = 1 << 0,   /* one file: cpu_usage_usec */
    CGROUP_PART_USUAL = 1 << 1, /* some ten small files */
    CGROUP_PART_DEAR = 1 << 2,  /* memory.stat; limits, which seldom change */
    CGROUP_PART_ALL = CGROUP_PART_CPU | CGROUP_PART_USUAL | CGROUP_PART_DEAR,
};

/*
 * Looks at /sys/fs/cgroup and /proc/self/mountinfo and opens the hierarchies. -ENOENT with a
 * message when the machine has no usable cgroup mount.
 */
int cgroup_driver_open(struct cgroup_driver **driver, struct error *error);
void cgroup_driver_close(struct cgroup_driver *driver);
enum cgroup_mode cgroup_driver_mode(const struct cgroup_driver *driver);
/* The controllers that limits can use here, or-ed enum cgroup_controller. */
unsigned cgroup_driver_controllers(const struct cgroup_driver *driver);

/*
 * The path below which a supervisor may make groups: on v2 its own group if that was delegated to
 * it (systemd's Delegate=yes sets the xattr trusted.delegate or user.delegate; the caller is then
 * moved to a leaf "supervisor" of it, for no process may live in an inner group), else "". Buffer
 * of PATH_MAX bytes. Call once, early.
 */
int cgroup_driver_base(struct cgroup_driver *driver, char *base, struct error *error);

/*
 * What a container must mount to see its own groups under a cgroup namespace: entry i of the list,
 * i from 0. directory is the name below /sys/fs/cgroup ("" on v2, else "memory", "unified"), type
 * and options are mount(2)'s ("cgroup2" and "", or "cgroup" and "memory"). Returns false past the
 * end.
 */
bool cgroup_driver_mount(const struct cgroup_driver *driver, size_t i, const char **directory,
                         const char **type, const char **options);

/*
 * Creates the group with its parents in every hierarchy, controllers enabled on the way (v2), or
 * opens it where it exists. What was created is removed again on failure.
 */
int cgroup_create(struct cgroup_driver *driver, const char *path, struct cgroup **cgroup,
                  struct error *error);
/* Whether cgroup_create() made it in every hierarchy, so that nobody can have been in it before. */
bool cgroup_is_new(const struct cgroup *cgroup);
/* Opens a group that exists in at least one hierarchy; -ENOENT if in none. */
int cgroup_open(struct cgroup_driver *driver, const char *path, struct cgroup **cgroup,
                struct error *error);
/*
 * Opens groups below another, each of wanted a "PATH" or, as `exec --cgroup` has it,
 * "CONTROLLER[,CONTROLLER...]:PATH"; "/" is the other itself. A path alone is for all hierarchies,
 * and those that do not have it get the other's group; those that no named controller is in do
 * also: whoever enters stays within all limits of the parent. -ENOENT if there is no such group.
 */
int cgroup_open_below(const struct cgroup *parent, const char *const *wanted, size_t count,
                      struct cgroup **cgroup, struct error *error);
/*
 * Where a further process must go if the group is v2 and has handed controllers down, so that the
 * kernel lets no process in: the group below in which pid, the container's first process, is.
 * *cgroup is NULL where that is not so, or nothing better is known.
 */
int cgroup_open_home(const struct cgroup *parent, pid_t pid, struct cgroup **cgroup,
                     struct error *error);
/* Releases the handle; the group stays. NULL is harmless. */
void cgroup_close(struct cgroup *cgroup);

/*
 * Sets what resources asks for and leaves the rest as it is, so that it serves a new group and the
 * update of a running container alike. NULL asks for nothing. A limit whose controller the machine
 * lacks is -EOPNOTSUPP with a message that names the limit and the controller: a container never
 * gets more because a controller is missing. On an error some limits may be set already.
 */
int cgroup_apply(struct cgroup *cgroup, const struct cgroup_resources *resources,
                 struct error *error);

/*
 * Gives the v2 group to the user uid (a host id, the container's own root), as config-linux.md,
 * "Cgroup ownership", has it for a config whose cgroup mount is writable and in a new cgroup
 * namespace: the directory and the files of /sys/kernel/cgroup/delegate, so that it can make groups
 * below, and not touch its own limits. On v1 nothing: delegation is not safe there.
 */
int cgroup_delegate(struct cgroup *cgroup, uid_t uid, struct error *error);

/* A directory descriptor for CLONE_INTO_CGROUP (the v2 tree), or -1 where there is none (v1). */
int cgroup_clone_fd(const struct cgroup *cgroup);
/* Moves a process into the group in every hierarchy (the v2 tree too: harmless after the clone). */
int cgroup_attach(struct cgroup *cgroup, pid_t pid, struct error *error);

/*
 * The way into a group for a process that goes itself. Moving another process takes the kernel's
 * lock over all threads of the machine, which after some idle time costs an RCU grace period
 * (10 ms and more); a thread that moves itself on v1 does not.
 */
#define CGROUP_ENTRY_MAX 20

struct cgroup_entry {
    int fds[CGROUP_ENTRY_MAX]; /* close-on-exec */
    size_t count;
};

/*
 * Opens the files to write to, with the caller's permissions, for a process that is to enter. With
 * is_born_in_v2 it is there in the v2 tree already (CLONE_INTO_CGROUP). Close with
 * cgroup_entry_close() on success.
 */
int cgroup_open_entry(const struct cgroup *cgroup, bool is_born_in_v2, struct cgroup_entry *entry,
                      struct error *error);
/*
 * Moves the calling process, which must have one thread only. Safe between clone and exec: nothing
 * but write(2). Returns 0 or a negative errno.
 */
int cgroup_enter(const struct cgroup_entry *entry);
void cgroup_entry_close(struct cgroup_entry *entry);

/* Freezes or thaws and waits, at most timeout_ms, until it is so (-ETIMEDOUT). */
int cgroup_freeze(struct cgroup *cgroup, bool freeze, int timeout_ms, struct error *error);
/* SIGKILL to every task of the group and its children, frozen ones too. Does not wait. */
int cgroup_kill(struct cgroup *cgroup, struct error *error);
/* Another signal to every task. */
int cgroup_signal(struct cgroup *cgroup, int signal, struct error *error);
/* Whether any task is left. */
bool cgroup_is_populated(const struct cgroup *cgroup);
/* At most max pids into pids; returns how many there are, or a negative errno. */
ssize_t cgroup_pids(const struct cgroup *cgroup, pid_t *pids, size_t max);

/*
 * Reads parts of a sample anew, from descriptors opened once and kept, one read a file, and leaves
 * the other parts as they are. What a kernel lacks is absent from sample->has.
 */
void cgroup_sample_parts(struct cgroup *cgroup, struct cgroup_sample *sample, unsigned parts);
/* All parts of a new sample. */
void cgroup_sample(struct cgroup *cgroup, struct cgroup_sample *sample);
/* The text of one file of pressure, a group's or the machine's; false: it is none. */
bool cgroup_text_pressure(const char *text, struct pressure_figures *pressure);

/*
 * Removes a group that has neither tasks nor child groups, which need not be killed then. 0, or a
 * negative errno with nothing changed; the handle stays, for cgroup_destroy().
 */
int cgroup_remove_idle(struct cgroup *cgroup);
/*
 * Removes the group and its child groups in every hierarchy, and the handle. Tasks that are just
 * dying are waited for, at most timeout_ms; -EBUSY if some stay (the handle is released even so).
 * Parents are not removed: cgroup_remove_empty() does that.
 */
int cgroup_destroy(struct cgroup *cgroup, int timeout_ms, struct error *error);
/* Removes the group at path, if it has neither tasks nor children. Anything else is left alone. */
void cgroup_remove_empty(struct cgroup_driver *driver, const char *path);

#endif
