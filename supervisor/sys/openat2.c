/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/sys/openat2.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/cleanup.h"

/* openat2(2): RESOLVE_BENEATH may say EAGAIN when a rename or mount raced with it; then try again.
 */
#define RACE_TRIES 64

static int open_resolved(int directory, const char *path, int flags, mode_t mode, uint64_t resolve)
{
    struct open_how how = {
        .flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
        .mode = (flags & (O_CREAT | O_TMPFILE)) ? mode : 0,
        .resolve = resolve,
    };

    for (unsigned try = 0; try < RACE_TRIES; try++) {
        long fd = syscall(SYS_openat2, directory, path, &how, sizeof(how));
        if (fd >= 0)
            return (int)fd;
        if (errno != EAGAIN && errno != EINTR)
            return -errno;
    }
    return -EAGAIN;
}

int open_beneath(int directory, const char *path, int flags, mode_t mode)
{
    return open_resolved(directory, path, flags, mode, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS);
}

int open_beneath_nofollow(int directory, const char *path, int flags, mode_t mode)
{
    return open_resolved(directory, path, flags, mode, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
}

int open_in_root(int directory, const char *path, int flags, mode_t mode)
{
    return open_resolved(directory, path, flags, mode, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

int open_in_root_nofollow(int directory, const char *path, int flags, mode_t mode)
{
    return open_resolved(directory, path, flags, mode, RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS);
}

int open_without_links(const char *path, int flags)
{
    return open_resolved(AT_FDCWD, path, flags, 0, RESOLVE_NO_SYMLINKS);
}

int read_text_beneath(int directory, const char *path, size_t max, char **text, size_t *length)
{
    /* O_NONBLOCK: a FIFO must not hold us up before fstat() refuses it. */
    _cleanup_close_ int fd = open_beneath(directory, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
    struct stat st;
    size_t used = 0;

    if (fd < 0)
        return fd;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return -EINVAL;
    /* What the file says of its size is a hint: max may be a hundred times as much. */
    size_t room = st.st_size > 0 && (uint64_t)st.st_size < max ? (size_t)st.st_size : max;
    _cleanup_free_ char *buffer = malloc(room + 2);
    while (buffer && used <= room) {
        ssize_t got = read(fd, buffer + used, room + 1 - used);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0)
            break;
        used += (size_t)got;
        if (used > room && room < max) {
            char *grown = realloc(buffer, max + 2);
            if (!grown)
                return -ENOMEM;
            buffer = grown;
            room = max;
        }
    }
    if (!buffer)
        return -ENOMEM;
    if (used > max)
        return -EFBIG;
    if (memchr(buffer, '\0', used))
        return -EINVAL;
    buffer[used] = '\0';
    *text = steal_ptr(buffer);
    if (length)
        *length = used;
    return 0;
}
