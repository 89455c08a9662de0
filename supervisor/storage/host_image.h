/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORAGE_HOST_IMAGE_H
#define STORAGE_HOST_IMAGE_H

/*
 * The image "host": the machine's own programs under a generated /etc and an empty /var. Nothing of
 * the host that a tenant could not read as a stranger goes in: no shadow, no accounts of people, no
 * keys.
 */

#include "common/error.h"
#include "supervisor/storage/rootfs.h"
#include "supervisor/storage/skeleton.h"

/* Fills an empty root, and rootfs->binds with what comes from the host as it is. */
int host_image_fill(const struct skeleton *skeleton, struct rootfs *rootfs, struct error *error);

/*
 * A mount point inside one of the binds cannot be made, for binds are read-only: 1 when it is there
 * already, 0 when the path is in none of them, -EROFS with a message when it is missing.
 */
int host_image_has_mount_point(const struct rootfs *rootfs, const char *path, bool is_file,
                               struct error *error);

/*
 * The system's accounts out of the text of passwd(5) or group(5): ids below 1000 and 65534,
 * passwords gone. host_accounts_groups() keeps as members only users of `passwd`, what
 * host_accounts_users() returned. The caller frees the text. NULL: no memory.
 */
char *host_accounts_users(const char *passwd);
char *host_accounts_groups(const char *group, const char *passwd);

#endif
