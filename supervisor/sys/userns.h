/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SYS_USERNS_H
#define SYS_USERNS_H

/* User namespaces as things to map mounts by (mount_setattr(2), MOUNT_ATTR_IDMAP). */

#include <stdint.h>
#include <sys/types.h>

/* One line of /proc/PID/uid_map (user_namespaces(7)). */
struct id_range {
    uint32_t inside, outside, count;
};

/* As the kernel: at most 340 lines (user_namespaces(7)); we take fewer. */
#define ID_RANGES_MAX 32

/*
 * Writes /proc/PID/uid_map and gid_map. A writer without the rights to (rootless) maps its own id
 * itself, and setgroups(2) is then denied to the process; for more ids it runs newuidmap(1) and
 * newgidmap(1). Returns 0 or a negative errno; -ENOENT: those programs are not installed.
 */
int userns_write_maps(pid_t pid, const struct id_range *uids, size_t uid_count,
                      const struct id_range *gids, size_t gid_count);

/*
 * Makes a user namespace with the given maps that nobody lives in and returns a descriptor of it,
 * or a negative errno. The helper process it takes is gone when the call returns.
 */
int userns_create(const struct id_range *uids, size_t uid_count, const struct id_range *gids,
                  size_t gid_count);

#endif
