/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SYS_OPENAT2_H
#define SYS_OPENAT2_H

/* openat2(2), which glibc does not wrap: paths resolved inside a directory, whatever they hold. */

#include <sys/types.h>

/*
 * Opens path beneath the directory: a ".." or link that would leave it is -EXDEV, a link is
 * followed only if it stays beneath. Always close-on-exec. Returns the descriptor or a negative
 * errno.
 */
int open_beneath(int directory, const char *path, int flags, mode_t mode);

/* The same, and no symbolic link at all is followed, not even in the middle: -ELOOP. */
int open_beneath_nofollow(int directory, const char *path, int flags, mode_t mode);

/*
 * Opens path as chroot(2) would see it: absolute links and ".." end at the directory. For the root
 * file system of a container, in which links to absolute paths are common. Crossing mounts is
 * allowed.
 */
int open_in_root(int directory, const char *path, int flags, mode_t mode);

/*
 * The same, and no symbolic link at all is followed: -ELOOP. What comes out lies where path says,
 * word by word, unless path has a "..".
 */
int open_in_root_nofollow(int directory, const char *path, int flags, mode_t mode);

/* Opens an absolute path in which no component may be a symbolic link: -ELOOP. */
int open_without_links(const char *path, int flags);

/*
 * Reads a small regular file beneath the directory: at most max bytes, NUL-terminated text that the
 * caller frees. -EFBIG when it is larger, -EINVAL when it is not a regular file or holds a NUL.
 */
int read_text_beneath(int directory, const char *path, size_t max, char **text, size_t *length);

#endif
