/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_HOOK_PROCESS_H
#define RUNTIME_HOOK_PROCESS_H

/*
 * A hook while it runs: waiting for its end, and keeping the last of what it says on its standard
 * error. Nothing but system calls, so that the new process of a container, too, can wait so for the
 * hooks that run as its children (init_hooks.c).
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "supervisor/runtime/config.h"

#define HOOK_SAID_MAX 512 /* of what a failing hook says, for the message */

struct hook_process {
    const struct config_hook *hook;
    pid_t pid;
    int pidfd;
    int stderr_fd; /* our end of the pipe; -1: closed, or there is none */
    char said[HOOK_SAID_MAX + 1];
    size_t said_length;
};

/*
 * Until it ends, whoever else still holds its stderr; false when its time is over. What it says is
 * passed on to our own stderr as fast as that takes it, and the end of it kept in said. Does not
 * reap.
 */
bool hook_process_wait(struct hook_process *process);

#endif
