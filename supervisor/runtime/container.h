/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_CONTAINER_H
#define RUNTIME_CONTAINER_H

/*
 * One container: from a config to a running process and back. Knows no tenant, no network policy,
 * no daemon.
 *
 *     container_create()   clones into all namespaces, builds the root, gives up the rights, and
 * waits (what needs the namespaces from outside, as links, is done now) container_start() executes
 * the program
 *
 * The caller has one thread. It blocks for the milliseconds a start takes, never longer than the
 * deadlines below. It reaps the process itself: pidfd becomes readable at its end.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/error.h"
#include "supervisor/runtime/cgroup.h"
#include "supervisor/runtime/config.h"
#include "supervisor/runtime/seccomp.h"

/* How long building a container's world and its exec may take. */
#define CONTAINER_CREATE_TIMEOUT_MS 30000
#define CONTAINER_START_TIMEOUT_MS  10000

struct container_request {
    const struct config *config;
    const struct cgroup_driver *driver;
    struct cgroup *cgroup;                 /* created, limits set; the process is born into it */
    const struct seccomp_program *seccomp; /* of config->seccomp, or NULL for none */
    int stdio[3];                          /* stay the caller's */
    const int *passed;                     /* become 3, 4 ... inside; stay the caller's */
    size_t passed_count;
    /*
     * Sources of bind mounts may not lead through symbolic links: a tenant who can write to a
     * directory above a source could otherwise make it lead anywhere.
     */
    bool has_strict_sources;
};

struct container {
    pid_t pid;
    int pidfd;
    int status_fd;       /* to the waiting process; -1 after the start */
    char warnings[1024]; /* what was asked and could not be granted, a line each; "" if all was */
    char program[256];   /* of process.args, for messages */
};

/*
 * Creates. On failure nothing is left: the process is killed and reaped. The error names the step
 * and the object.
 */
int container_create(const struct container_request *request, struct container *container,
                     struct error *error);

/* Starts a created container. On failure it is killed and reaped, and container holds nothing. */
int container_start(struct container *container, struct error *error);

/* A descriptor of the network namespace of a container that was created, or a negative errno. */
int container_network_namespace(const struct container *container);

/* Kills and reaps a container that was created and never started, or whose start is given up. */
void container_abandon(struct container *container);

/* Sends a signal to the container's first process. 0 or a negative errno (-ESRCH: it is gone). */
int container_signal(const struct container *container, int signal);

#endif
