/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_STORAGE_SCRATCH_H
#define TESTS_UNIT_STORAGE_SCRATCH_H

/* A directory to try things in, and short words for making them. Every word fails the test if it
 * fails. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/error.h"
#include "supervisor/storage/tree.h"

static char scratch[64];
static int scratch_fd;

#define assert_ok(call)                                                                            \
    do {                                                                                           \
        int result_ = (int)(call);                                                                 \
        if (result_ < 0)                                                                           \
            fail_msg("%s: %d %s", #call, result_, strerror(result_ == -1 ? errno : -result_));     \
    } while (0)

static inline int make_scratch(void **state)
{
    (void)state;
    /* Idmapped mounts of a tmpfs came with Linux 6.3: where /tmp is one, TMPDIR names a disk. */
    const char *directory = getenv("TMPDIR");
    snprintf(scratch, sizeof(scratch), "%.40s/storage-test-XXXXXX", directory ? directory : "/tmp");
    if (!mkdtemp(scratch))
        return -1;
    scratch_fd = open(scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    umask(022);
    return scratch_fd < 0 ? -1 : 0;
}

static inline int remove_scratch(void **state)
{
    (void)state;
    close_fd(&scratch_fd);
    return tree_remove(AT_FDCWD, scratch) < 0 ? -1 : 0;
}

/* The absolute path of a name in the scratch directory; four at a time. */
static inline const char *at(const char *name)
{
    static char paths[4][PATH_MAX];
    static unsigned next;
    char *path = paths[next++ % 4];

    snprintf(path, PATH_MAX, "%s/%s", scratch, name);
    return path;
}

static inline void make_directory(const char *name)
{
    assert_ok(mkdirat(scratch_fd, name, 0755));
}

static inline void make_file(const char *name, const char *text)
{
    _cleanup_close_ int fd =
        openat(scratch_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    assert_ok(fd);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static inline void make_link(const char *name, const char *target)
{
    assert_ok(symlinkat(target, scratch_fd, name));
}

static inline void read_file_at(const char *path, char *text, size_t size)
{
    _cleanup_close_ int fd = openat(scratch_fd, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0)
        fail_msg("%s: %s", path, strerror(errno));
    memset(text, 0, size);
    assert_ok(read(fd, text, size - 1));
}

static inline void assert_text(const char *path, const char *text)
{
    char found[4096];

    read_file_at(path, found, sizeof(found));
    assert_string_equal(found, text);
}

static inline int count_entries(const char *name)
{
    _cleanup_closedir_ DIR *directory = opendir(at(name));
    int count = 0;

    assert_non_null(directory);
    while (readdir(directory))
        count++;
    return count - 2;
}

static inline void assert_message(const struct error *error, const char *part)
{
    if (!strstr(error->message, part))
        fail_msg("\"%s\" does not say \"%s\"", error->message, part);
}

#endif
