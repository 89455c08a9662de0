/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_PLAN_H
#define RUNTIME_PLAN_H

/*
 * What the new process does between clone and exec, prepared beforehand by its parent: every string
 * is built, every file that the initial user namespace must open is open, every mount that only the
 * host's root may make is made (detached). The process itself then only walks the plan; it
 * allocates nothing and takes no lock.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "supervisor/runtime/cgroup.h"
#include "supervisor/runtime/config.h"
#include "supervisor/runtime/seccomp.h"

#define PLAN_PASSED_MAX  16
#define PLAN_CGROUPS_MAX 16

struct planned_mount {
    const struct config_mount *mount;
    int fd;       /* a detached mount made by the parent, or -1: the process makes it */
    bool is_file; /* the mount point is a file */
    bool is_cgroup;
};

struct planned_cgroup {
    const char *directory, *type, *options;
};

struct plan {
    const struct config *config;
    const struct seccomp_program *seccomp; /* NULL: none */
    int root_fd;                           /* detached copy of the root file system */
    struct planned_mount *mounts;          /* config->mount_count of them */
    struct planned_cgroup cgroups[PLAN_CGROUPS_MAX];
    size_t cgroup_count;
    char **exec_paths; /* candidates for exec, in order, NULL-terminated */
    int stdio[3];
    int passed[PLAN_PASSED_MAX]; /* become descriptors 3, 4 ... */
    size_t passed_count;
    int capability_last;
    int status_fd; /* the process's end of the socket to its parent */
};

/*
 * The steps, in order. A failing step is reported with its number, the errno and the index of the
 * object it was at; the parent, which knows the plan, makes a sentence of it.
 */
enum plan_step {
    STEP_READY = 1, /* not a failure: everything but exec is done */
    STEP_ROOT_IDS,
    STEP_CGROUP_NAMESPACE,
    STEP_PROPAGATION,
    STEP_ROOT,
    STEP_MOUNT,     /* index: of config->mounts */
    STEP_READ_ONLY, /* index: of config->read_only_paths */
    STEP_MASK,      /* index: of config->masked_paths */
    STEP_PIVOT,
    STEP_HOSTNAME,
    STEP_KEYRING,
    STEP_RLIMIT, /* index: of config->rlimits; a warning */
    STEP_DESCRIPTORS,
    STEP_SESSION,
    STEP_BOUNDING_SET, /* index: the capability */
    STEP_USER,
    STEP_CAPABILITIES,
    STEP_CAPABILITY_LACKING, /* index: the capability; a warning */
    STEP_NO_NEW_PRIVILEGES,
    STEP_CWD,
    STEP_SECCOMP,
    STEP_EXEC,
    STEP_COUNT
};

struct plan_report {
    uint32_t step;
    uint32_t index;
    int32_t errnum;
    uint32_t is_warning;
};

/*
 * Opens and builds all that is needed. driver is for the cgroup mounts of the config, may be NULL
 * if it has none. has_strict_sources: see container.h. plan_release() closes what was opened, in
 * the parent; config and seccomp stay the caller's.
 */
int plan_prepare(struct plan *plan, const struct config *config, const struct cgroup_driver *driver,
                 bool has_strict_sources, struct error *error);
void plan_release(struct plan *plan);

/* The mounts' part of plan_prepare(). */
int plan_prepare_mounts(struct plan *plan, const struct cgroup_driver *driver,
                        bool has_strict_sources, struct error *error);

/* Turns a report into error text: "mount /var/www: No such file or directory". Returns -errnum. */
int plan_explain(const struct plan *plan, const struct plan_report *report, struct error *error);

/*
 * The new process's whole life until exec. Never returns. Talks to the parent on plan->status_fd:
 * waits for a byte (identities are mapped, the cgroup is joined), works, reports STEP_READY, waits
 * for a second byte, executes. The parent's end closed means: exit.
 */
void init_run(const struct plan *plan) __attribute__((noreturn));

/* The mounts' part of init_run(): attaches everything below root_fd. 0, or -errno with *index set.
 */
int init_attach_mounts(const struct plan *plan, uint32_t *index);
int init_read_only_paths(const struct plan *plan, uint32_t *index);
int init_mask_paths(const struct plan *plan, uint32_t *index);

#endif
