/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_PLAN_H
#define RUNTIME_PLAN_H

/*
 * What the new process does between clone and exec, prepared beforehand by its parent: every string
 * is built, every file that the runtime's namespaces must open is open, every mount that only the
 * host's root may make is made (detached). The process itself then only walks the plan; it
 * allocates nothing and takes no lock.
 *
 *     plan.c          builds and releases it, turns a report into a sentence
 *     plan_mounts.c, plan_root.c, plan_devices.c, plan_explain_mounts.c   its mounts
 *     init.c          the container's first process walks it
 *     init_join.c     the process before it, where namespaces are joined or have clocks of their
 * own init_mounts.c and the others that mounts_internal.h lists   the mounts' part of that walk
 *     init_rights.c   the part that gives rights up, shared with exec
 *     init_terminal.c the terminal
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "supervisor/runtime/cgroup.h"
#include "supervisor/runtime/config.h"
#include "supervisor/runtime/hook_process.h"
#include "supervisor/runtime/seccomp.h"

#define PLAN_PASSED_MAX  64
#define PLAN_CGROUPS_MAX 20
#define PLAN_JOINS_MAX   NAMESPACE_TYPES

struct planned_mount {
    const struct config_mount *mount;
    int fd;          /* a detached mount made by the parent, or -1: the process makes it */
    bool is_late;    /* a bind mount whose source the process opens and copies itself: */
    int source;      /* a descriptor of it, or a negative errno */
    bool is_shelved; /* fd waits on the shelf (init_root.c); what is attached is a copy of it */
    bool is_own_dev; /* it is the tmpfs of /dev, filled with devices by the runtime */
    bool is_file;    /* the mount point is a file */
    bool is_cgroup;
    bool is_kernel; /* it is a procfs or sysfs, and fd stays open for the paths that lie in it */
    bool is_read_only_late; /* it becomes so in init_finish_root(); fd stays open until then */
};

struct planned_cgroup {
    const char *directory, *type, *options;
};

struct planned_join {
    int fd;        /* of the namespace; for exec a pidfd */
    uint64_t flag; /* CLONE_NEW*; for exec all of them, or-ed */
};

struct plan {
    const char *id; /* for the states that hooks and the seccomp agent see */
    const struct config *config;
    const struct config_process *process;  /* NULL: none yet (create without a process) */
    const struct seccomp_program *seccomp; /* NULL: none */
    bool has_strict_sources, has_no_pivot, has_new_keyring, is_exec;
    bool has_apparmor, has_selinux; /* the LSM is on, so that labels are set */

    uint64_t clone_flags; /* the namespaces that are new */
    struct planned_join joins[PLAN_JOINS_MAX];
    size_t join_count;
    bool is_prepared; /* plan_prepare() went well, so there is something to release */
    pid_t joiner; /* of the process that joined, once it has told its sibling's; 0: none to reap */
    /* Without a mount namespace of its own; see init_leave.c. */
    bool keeps_mount_namespace;
    int mount_namespace_fd;             /* the runtime's, then; else -1 */
    pid_t pid;                          /* of the container's first process, for exec */
    const struct cgroup_driver *driver; /* for cgroup mounts; NULL: none is possible */
    struct cgroup *cgroup;              /* to be entered; NULL: stay in the caller's */

    struct cgroup_entry entry; /* what of the cgroup is entered by writing; see cgroup.h */
    int cgroup_fd;             /* cgroup v2 to be born in, or -1; the cgroup's */
    char time_offsets[128];    /* for timens_offsets; "": none */
    int proc_fd; /* a procfs of the runtime's own that nothing covers; -1: not needed */
    int root_fd; /* detached copy of the root file system */
    struct planned_mount *mounts; /* config->mount_count of them */
    struct planned_cgroup cgroups[PLAN_CGROUPS_MAX];
    size_t cgroup_count;
    bool has_late_mounts; /* the parent may make no mounts: the process makes all from paths */
    int *shelf; /* a detached tmpfs of our own that nobody ever sees, with the nodes of devices that
                   lie elsewhere and places for mounts; NULL: none is needed. See plan_devices.c */
    bool has_shelf_nodes; /* devices stand on it; else the parent can make none */

    char **env;        /* of the process, with HOME; NULL: process->env is whole. The list and its
                          first string are owned */
    char **exec_paths; /* candidates for exec, in order, NULL-terminated */
    int stdio[3];
    int passed[PLAN_PASSED_MAX]; /* become descriptors 3, 4 ... */
    size_t passed_count;
    int console_fd;      /* where the terminal's master goes; -1: over status_fd, or no terminal */
    int timeout_ms;      /* for a step of the new process; -1: none */
    int start_listener;  /* -1: the word to start comes over status_fd */
    int notify_fd;       /* a connected socket for the seccomp listener; -1: none */
    int notify_state_fd; /* a memfd: what is sent along with the listener */
    int hook_state_fd;   /* a memfd: the state for createContainer and startContainer hooks */
    int capability_last;
    int status_fd; /* the process's end of the socket to its parent */
};

/*
 * The steps, in order. A failing step is reported with its number, the errno and the index of the
 * object it was at; the parent, which knows the plan, makes a sentence of it.
 */
enum plan_step {
    STEP_READY = 1,     /* not a failure: everything but exec is done */
    STEP_CLONED,        /* not a failure: the joining process tells the pid of the container's */
    STEP_HOOKS,         /* not a failure: the runtime may run its hooks now, and then says go */
    STEP_STARTED,       /* not a failure: to the starter, exec comes now */
    STEP_TERMINAL_SENT, /* not a failure: comes with the terminal's master */
    STEP_JOIN,          /* index: of joins */
    STEP_TIME_OFFSETS,
    STEP_CLONE,
    STEP_CGROUP,
    STEP_ROOT_IDS,
    STEP_CGROUP_NAMESPACE,
    STEP_PROPAGATION,
    STEP_ROOT,
    STEP_MOUNT,     /* index: of config->mounts */
    STEP_DEVICE,    /* index: of config->devices; from config->device_count on: default ones */
    STEP_HOOK,      /* index: of the hook, createContainer or startContainer; errnum < 0: the wait
                       status of it, negated */
    STEP_READ_ONLY, /* index: of config->read_only_paths */
    STEP_MASK,      /* index: of config->masked_paths */
    STEP_TERMINAL,
    STEP_PIVOT,
    STEP_ROOT_FLAGS,
    STEP_LEAVE,
    STEP_LOOPBACK,
    STEP_HOSTNAME,
    STEP_SYSCTL, /* index: of config->sysctls */
    STEP_KEYRING,
    STEP_PERSONALITY,
    STEP_MEMORY_POLICY,
    STEP_OOM_SCORE, /* a warning */
    STEP_RLIMIT,    /* index: of process->rlimits; a warning */
    STEP_SCHEDULER,
    STEP_IO_PRIORITY,
    STEP_AFFINITY,
    STEP_DESCRIPTORS,
    STEP_SESSION,
    STEP_LABEL,        /* SELinux or AppArmor */
    STEP_BOUNDING_SET, /* index: the capability */
    STEP_USER,
    STEP_CAPABILITIES,
    STEP_CAPABILITY_LACKING, /* index: the capability; a warning */
    STEP_NO_NEW_PRIVILEGES,
    STEP_CWD,
    STEP_SECCOMP,
    STEP_NO_PROCESS,
    STEP_EXEC,
    STEP_COUNT
};

struct plan_report {
    uint32_t step;
    uint32_t index;
    int32_t errnum;
    uint32_t is_warning;
    char said[HOOK_SAID_MAX + 1]; /* of STEP_HOOK: the end of what it said, as it said it */
};

/* A report is sent without what is behind the text. */
#define PLAN_REPORT_SIZE offsetof(struct plan_report, said)

/*
 * The fields above `proc_fd` that say what is wanted are filled in by the caller before; the rest
 * is opened and built here. plan_release() closes what was opened, in the parent; what the caller
 * gave stays the caller's.
 */
int plan_prepare(struct plan *plan, struct error *error);
void plan_release(struct plan *plan);

/* Turns a report into error text: "mount /var/www: No such file or directory". Returns -errnum. */
int plan_explain(const struct plan *plan, const struct plan_report *report, struct error *error);

/* ---- the mounts: in the parent ---- */

/* Makes root_fd: a detached copy of the root file system with its attributes, no device works in
 * it. */
int plan_prepare_root(struct plan *plan, struct error *error);
/* Checks where mounts go, and makes those that the parent must make: binds and /dev of a container
 * with a user namespace, idmapped ones, those that follow the host's, devices. */
int plan_prepare_mounts(struct plan *plan, struct error *error);
void plan_release_mounts(struct plan *plan);
/* The sentences of STEP_ROOT, STEP_MOUNT, STEP_DEVICE, STEP_READ_ONLY, STEP_MASK, STEP_PIVOT,
 * STEP_ROOT_FLAGS. */
int plan_explain_mounts(const struct plan *plan, const struct plan_report *report,
                        struct error *error);

/* ---- the mounts: in the new process, system calls only; 0 or -errno, with *index set ---- */

/* Attaches root_fd at root.path if hooks look for it there, else on top of the old root; the old
 * one is still what paths begin at (but for ".." at its top, which leads into what lies there). */
int init_attach_root(const struct plan *plan);
/* Attaches everything below root_fd. */
int init_attach_mounts(const struct plan *plan, uint32_t *index);
/* Supplies config->devices and the default devices and links where /dev is not ours already. */
int init_make_devices(const struct plan *plan, uint32_t *index);
int init_read_only_paths(const struct plan *plan, uint32_t *index);
int init_mask_paths(const struct plan *plan, uint32_t *index);
/* The new root's descriptor for paths of the container: root_fd as it is seen once attached. */
int init_open_in_root(const struct plan *plan, const char *path, int flags);
/* Makes or finds /dev/console of the container and mounts the terminal (an open slave) on it. */
int init_mount_console(const struct plan *plan, int slave);
/* pivot_root, or MS_MOVE and chroot with has_no_pivot; the old root is gone, "/" is the new one. */
int init_change_root(const struct plan *plan);
/* For a container without a mount namespace of its own: the world was built in one that is left
 * now, and goes on as a tree that no namespace has. */
int init_leave_mounts(const struct plan *plan);
/* The same for a further process in such a container: takes on the root of its first process. */
int init_enter_root(const struct plan *plan);
/* rootfsPropagation, and "ro" of a root that had to stay writable until now. */
int init_finish_root(const struct plan *plan);

/* Makes what is missing of a directory of the container, as its root, below root_fd. */
int init_ensure_directory(const struct plan *plan, const char *path);

/* ---- the processes ---- */

/* Whether namespaces are joined or clocks set, which takes a process that does it and clones. */
static inline bool plan_needs_joining(const struct plan *plan)
{
    return plan->join_count > 0 || plan->time_offsets[0] || (plan->clone_flags & CLONE_NEWTIME);
}

/* Whether the new process must wait until its parent has mapped its ids, or knows its pid. */
static inline bool plan_waits_for_parent(const struct plan *plan)
{
    return plan_needs_joining(plan) || (plan->clone_flags & CLONE_NEWUSER);
}

/*
 * The new process's whole life until exec. Never returns. Talks to the parent on plan->status_fd:
 * waits for a byte (identities are mapped), works, reports, waits for the word to start, executes.
 * The parent's end closed means: exit.
 */
void init_run(const struct plan *plan) __attribute__((noreturn));

/*
 * The life of the process before it, where plan_needs_joining(): joins, sets clocks, clones the
 * first process as its own sibling, tells its pid (STEP_CLONED) and ends.
 */
void init_join_run(const struct plan *plan) __attribute__((noreturn));

#endif
