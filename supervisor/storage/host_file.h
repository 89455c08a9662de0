/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORAGE_HOST_FILE_H
#define STORAGE_HOST_FILE_H

/* Small files of the host's own /etc, which are trusted, links and all. */

#include <stddef.h>

/*
 * Reads a regular file of at most 1 MiB; the caller frees the text, which ends with a NUL that
 * length does not count. -EFBIG, -EINVAL when it is no regular file, or what open(2) says.
 */
int host_file_read(const char *path, char **text, size_t *length);

#endif
