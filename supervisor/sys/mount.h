/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SYS_MOUNT_H
#define SYS_MOUNT_H

/*
 * Detached mounts: made here as descriptors, attached elsewhere with move_mount(2). The calls
 * themselves are glibc's (2.36, <sys/mount.h>); here are the sequences that are used in more than
 * one room. Nothing here allocates: all of it may run between clone and exec.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Takes the next option off *rest, which is changed: "key=value" or "key" (*value is then NULL).
 * Options end at a comma that is not in double quotes, which labels of SELinux have and lose here
 * (context="a:b:c:s0:c1,c2"; with mount(2) the kernel does so, selinux_sb_eat_lsm_opts()), and not
 * behind a backslash, which stays: overlay itself reads "\," as a comma of a path. False at the
 * end; empty options are left out.
 */
bool mount_option_next(char **rest, char **key, char **value);

/*
 * A new file system as a detached mount: fsopen, fsconfig for each "key=value" or "key" of options
 * (comma-separated, may be NULL), create, fsmount. attributes are MOUNT_ATTR_*. Returns a
 * descriptor or a negative errno.
 */
int mount_new(const char *type, const char *source, const char *options, uint64_t attributes);

/* The same, with flags of the file system itself: MS_SYNCHRONOUS, MS_DIRSYNC, MS_MANDLOCK,
 * MS_LAZYTIME; others are ignored. */
int mount_new_with(const char *type, const char *source, const char *options, unsigned super_flags,
                   uint64_t attributes);

/*
 * A new file system mounted with mount(2) on the working directory ("."), or on a name in it: one
 * call where mount_new() and mount_attach() take eight. Safe where the working directory was
 * entered by descriptor, and for a name only in a directory of our own. options may be NULL. 0 or a
 * negative errno.
 */
int mount_here(const char *name, const char *type, const char *source, const char *options,
               unsigned super_flags, uint64_t attributes);

/*
 * Sets options and flags (see mount_new_with(); with is_read_only also "ro", else "rw") of the file
 * system that is mounted where fd is. 0 or a negative errno.
 */
int mount_reconfigure(int fd, const char *options, unsigned super_flags, int is_read_only);

/*
 * A detached copy of the mount below the object of fd (an O_PATH descriptor of a directory or
 * file); is_recursive takes the mounts beneath it along. Returns a descriptor or a negative errno.
 */
int mount_clone(int fd, int is_recursive);

/* The same of the entry `name` of the directory, no link followed, without mounts beneath it. */
int mount_clone_entry(int directory, const char *name);

/*
 * Changes attributes of a mount (of the whole tree if is_recursive): set and clear are
 * MOUNT_ATTR_*. propagation is MS_PRIVATE, MS_SLAVE or 0. userns_fd, unless -1, idmaps it. 0 or a
 * negative errno.
 */
int mount_change(int fd, int is_recursive, uint64_t set, uint64_t clear, uint64_t propagation,
                 int userns_fd);

/*
 * As mount_change() for a copy of somebody's mount. In a user namespace what restricts that mount
 * is locked (mount_namespaces(7)): then nosuid, nodev, noexec and the access times stay as they
 * are. A mount that is read-only and cannot be made writable is -EPERM even so. Access times are
 * completed to what mount_setattr(2) takes.
 */
int mount_restrict(int fd, int is_recursive, uint64_t set, uint64_t clear);

/* Attaches a detached mount onto the object of target (an O_PATH descriptor). */
int mount_attach(int mount_fd, int target_fd);

#endif
