/* SPDX-License-Identifier: Apache-2.0 */
#include "common/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "common/cleanup.h"

/* proc(5): the fields after the name are counted from 3, the state; the start is field 22. */
#define FIELDS_FROM_STATE_TO_START 19

int identity_parse(const char *text, char *state, uint64_t *start_time)
{
    /* Only the name is in parentheses, and it may hold some: the last one ends it. */
    const char *at = strrchr(text, ')');
    char *end;

    if (!at || at[1] != ' ' || at[2] < 'A' || at[2] > 'z' || at[3] != ' ')
        return -EINVAL;
    at += 2;
    *state = *at;
    for (int i = 0; i < FIELDS_FROM_STATE_TO_START; i++) {
        at = strchr(at, ' ');
        if (!at)
            return -EINVAL;
        at++;
    }
    errno = 0;
    *start_time = strtoull(at, &end, 10);
    return errno || end == at || *at < '0' || *at > '9' || *end != ' ' ? -EINVAL : 0;
}

static int read_stat(pid_t pid, char *state, uint64_t *start_time)
{
    char path[32], text[1024];

    if (pid <= 0)
        return -ESRCH;
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? -ESRCH : -errno;
    ssize_t length = read(fd, text, sizeof(text) - 1);
    if (length < 0)
        return -errno;
    text[length] = '\0';
    return identity_parse(text, state, start_time);
}

int identity_of(pid_t pid, struct identity *identity)
{
    char state;

    identity->pid = pid;
    return read_stat(pid, &state, &identity->start_time);
}

bool identity_is_alive(const struct identity *identity)
{
    uint64_t start_time;
    char state;

    return read_stat(identity->pid, &state, &start_time) == 0 &&
           start_time == identity->start_time && state != 'Z' && state != 'X' && state != 'x';
}

int identity_open(const struct identity *identity)
{
    if (identity->pid <= 0)
        return -ESRCH;
    _cleanup_close_ int pidfd = pidfd_open(identity->pid, 0);
    if (pidfd < 0)
        return -errno;
    /* After the descriptor is there: from now on the number cannot change its owner unseen. */
    return identity_is_alive(identity) ? steal_fd(&pidfd) : -ESRCH;
}
