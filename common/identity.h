/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_IDENTITY_H
#define COMMON_IDENTITY_H

/*
 * Which process is meant, over the life of more than one program: a pid alone is given to another
 * process sooner or later; a pid with the time of its start (field 22 of /proc/PID/stat, proc(5))
 * is not, until the machine boots again.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct identity {
    pid_t pid;
    uint64_t start_time; /* clock ticks since boot */
};

/* The identity of a process that is there now. 0 or a negative errno (-ESRCH). */
int identity_of(pid_t pid, struct identity *identity);

/*
 * Takes the text of /proc/PID/stat apart: the letter of the state, and the start time. -EINVAL if
 * it is none. The name in it may hold anything, blanks and parentheses too.
 */
int identity_parse(const char *text, char *state, uint64_t *start_time);

/* Whether that very process is there and neither a zombie nor dead. */
bool identity_is_alive(const struct identity *identity);

/*
 * A pidfd of that very process (the caller closes it), or -ESRCH if it is gone or dying; what is
 * sent through the descriptor reaches no other.
 */
int identity_open(const struct identity *identity);

#endif
