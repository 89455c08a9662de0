/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/storage/host_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "common/cleanup.h"

#define SIZE_MAX_BYTES (1024 * 1024)

int host_file_read(const char *path, char **text, size_t *length)
{
    _cleanup_close_ int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return -EINVAL;
    if (st.st_size > SIZE_MAX_BYTES)
        return -EFBIG;
    _cleanup_free_ char *buffer = malloc((size_t)st.st_size + 1);
    if (!buffer)
        return -ENOMEM;
    ssize_t got = pread(fd, buffer, (size_t)st.st_size, 0);
    if (got < 0)
        return -errno;
    buffer[got] = '\0';
    *length = (size_t)got;
    *text = steal_ptr(buffer);
    return 0;
}
