/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_CLEANUP_H
#define COMMON_CLEANUP_H

/*
 * Ownership that can be read off a declaration.
 *
 *     _cleanup_close_ int fd = -EBADF;
 *     _cleanup_free_ char *text = NULL;
 *
 * The resource is released when the variable leaves its scope, on every path. steal_fd() and
 * steal_ptr() mark the one place where ownership moves on.
 */

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static inline void cleanup_free_ptr(void *ptr)
{
    free(*(void **)ptr);
}

static inline void cleanup_close_file(FILE **file)
{
    if (*file)
        fclose(*file);
}

static inline void cleanup_close_dir(DIR **dir)
{
    if (*dir)
        closedir(*dir);
}

#define _cleanup_(function) __attribute__((cleanup(function)))
#define _cleanup_close_     _cleanup_(cleanup_close_fd)
#define _cleanup_free_      _cleanup_(cleanup_free_ptr)
#define _cleanup_fclose_    _cleanup_(cleanup_close_file)
#define _cleanup_closedir_  _cleanup_(cleanup_close_dir)

/* Gives the descriptor away: the variable holds none afterwards. */
static inline int steal_fd(int *fd)
{
    int stolen = *fd;
    *fd = -1;
    return stolen;
}

/* Gives the pointer away: the variable is NULL afterwards. */
#define steal_ptr(ptr)                                                                             \
    ({                                                                                             \
        typeof(ptr) stolen_ptr = (ptr);                                                            \
        (ptr) = NULL;                                                                              \
        stolen_ptr;                                                                                \
    })

/* Closes and forgets; harmless on a variable that holds none. */
static inline void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/*
 * The same for many, with one system call for each run of consecutive numbers, as descriptors have
 * that were opened one after the other.
 */
static inline void close_fds(int *fds, size_t count)
{
    for (size_t i = 0, next; i < count; i = next) {
        for (next = i + 1; next < count && fds[i] >= 0 && fds[next] == fds[next - 1] + 1; next++)
            continue;
        if (fds[i] >= 0 && next > i + 1)
            close_range((unsigned)fds[i], (unsigned)fds[next - 1], 0);
        else if (fds[i] >= 0)
            close(fds[i]);
    }
    for (size_t i = 0; i < count; i++)
        fds[i] = -1;
}

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))

#endif
