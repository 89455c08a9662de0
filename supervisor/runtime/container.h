/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_CONTAINER_H
#define RUNTIME_CONTAINER_H

/*
 * One container: from a config to a running process and back. Knows no tenant, no network policy,
 * no daemon.
 *
 *     container_create()  makes or joins the namespaces, builds the root, runs the hooks of the
 *                         creation, gives up the rights, and waits (what needs the namespaces from
 *                         outside, as links, is done now)
 *     container_start()   runs the startContainer hooks and executes the program
 *
 * The waiting process is the container's first process. Whoever holds the other end of its start
 * socket starts it: the process that created it (container_start), or, where the request names a
 * listening socket, anybody who can connect to that (container_start_at), so that `create` and
 * `start` can be two programs.
 *
 * The caller has one thread. It blocks for the milliseconds a start takes, never longer than the
 * deadlines below (hooks have their own). It reaps the process itself: pidfd becomes readable at
 * its end.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/error.h"
#include "supervisor/runtime/cgroup.h"
#include "supervisor/runtime/config.h"
#include "supervisor/runtime/seccomp.h"

/* How long building a container's world and its exec may take, hooks not counted. */
#define CONTAINER_CREATE_TIMEOUT_MS 30000
#define CONTAINER_START_TIMEOUT_MS  10000

struct container_request {
    const char *id; /* for the state that hooks see */
    const struct config *config;
    const struct cgroup_driver *driver;    /* for the cgroup mounts; NULL: none is possible */
    struct cgroup *cgroup;                 /* created, limits set; NULL: stay in the caller's */
    const struct seccomp_program *seccomp; /* of config->seccomp, or NULL for none */
    int stdio[3];                          /* stay the caller's; ignored with a terminal */
    const int *passed;                     /* become 3, 4 ... inside; stay the caller's */
    size_t passed_count;
    /*
     * A connected Unix socket that gets the terminal's master by SCM_RIGHTS, -1 for none. With
     * process.terminal one of console_fd >= 0 or wants_terminal must be there.
     */
    int console_fd;
    bool wants_terminal;  /* the master is to come back in container->terminal_fd */
    int start_listener;   /* a listening SOCK_SEQPACKET socket for container_start_at(), or -1 */
    bool has_no_pivot;    /* --no-pivot: MS_MOVE and chroot, for a root that is a ramfs */
    bool has_new_keyring; /* false: --no-new-keyring */
    /*
     * Sources of bind mounts may not lead through symbolic links: a tenant who can write to a
     * directory above a source could otherwise make it lead anywhere.
     */
    bool has_strict_sources;
};

struct container {
    pid_t pid;
    int pidfd;
    int start_fd;        /* to the waiting process; -1 after the start or with start_listener */
    int terminal_fd;     /* the terminal's master, with wants_terminal; else -1 */
    char warnings[2048]; /* what was asked and could not be granted, a line each; "" if all was */
};

/* Holds nothing. */
#define CONTAINER_INIT                                                                             \
    {                                                                                              \
        .pid = -1, .pidfd = -1, .start_fd = -1, .terminal_fd = -1                                  \
    }

/*
 * Creates. On failure nothing is left: the process is killed and reaped. The error names the step
 * and the object.
 */
int container_create(const struct container_request *request, struct container *container,
                     struct error *error);

/* Starts a created container, of whose config messages speak. On failure it is killed and reaped,
 * and container holds nothing. */
int container_start(struct container *container, const struct config *config, struct error *error);

/*
 * Starts the container whose process listens at the Unix socket `name` in the directory. On failure
 * that process has ended or ends at once. -ECONNREFUSED or -ENOENT: nobody waits there.
 */
int container_start_at(int directory, const char *name, const struct config *config,
                       struct error *error);

/* A descriptor of the network namespace of a container that was created, or a negative errno. */
int container_network_namespace(const struct container *container);

/* Kills and reaps a container that was created and never started, or whose start is given up. */
void container_abandon(struct container *container);

/* Sends a signal to the container's first process. 0 or a negative errno (-ESRCH: it is gone). */
int container_signal(const struct container *container, int signal);

/* ---- further processes ---- */

struct exec_request {
    const char *id;                       /* for the state that a seccomp agent sees */
    const struct config *config;          /* of the container: its namespaces and seccomp */
    const struct config_process *process; /* what to run */
    pid_t pid;                            /* the container's first process ... */
    int pidfd;                            /* ... and that it is that one */
    struct cgroup *cgroup;                /* to join; NULL: stay in the caller's */
    const struct seccomp_program *seccomp;
    int stdio[3];
    const int *passed;
    size_t passed_count;
    int console_fd; /* as in struct container_request */
    bool wants_terminal;
    bool waits_for_resume; /* however long the container is paused; else that is a timeout */
};

/*
 * Runs a further process in a container and returns once it has executed. The result has its pid
 * and pidfd; the caller reaps it.
 */
int container_exec(const struct exec_request *request, struct container *container,
                   struct error *error);

#endif
