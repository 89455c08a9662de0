/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SYS_MOUNT_H
#define SYS_MOUNT_H

/*
 * Detached mounts: made here as descriptors, attached elsewhere with move_mount(2). The calls
 * themselves are glibc's (2.36, <sys/mount.h>); here are the sequences that are used in more than
 * one room.
 */

#include <stddef.h>
#include <stdint.h>

/*
 * A new file system as a detached mount: fsopen, fsconfig for each "key=value" or "key" of options
 * (comma-separated, may be NULL), create, fsmount. attributes are MOUNT_ATTR_*. Returns a
 * descriptor or a negative errno.
 */
int mount_new(const char *type, const char *source, const char *options, uint64_t attributes);

/*
 * A detached copy of the mount below the object of fd (an O_PATH descriptor of a directory or
 * file); is_recursive takes the mounts beneath it along. Returns a descriptor or a negative errno.
 */
int mount_clone(int fd, int is_recursive);

/*
 * Changes attributes of a mount (of the whole tree if is_recursive): set and clear are
 * MOUNT_ATTR_*. propagation is MS_PRIVATE, MS_SLAVE or 0. userns_fd, unless -1, idmaps it. 0 or a
 * negative errno.
 */
int mount_change(int fd, int is_recursive, uint64_t set, uint64_t clear, uint64_t propagation,
                 int userns_fd);

/* Attaches a detached mount onto the object of target (an O_PATH descriptor). */
int mount_attach(int mount_fd, int target_fd);

#endif
