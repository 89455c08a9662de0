/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORAGE_PASSWD_H
#define STORAGE_PASSWD_H

/*
 * Who a container runs as: resolves `user:` of a spec against /etc/passwd and /etc/group of an
 * image. A numeric user is a number, never looked up first; anything out of 0..65535 is refused, as
 * are signs, blanks and overflow (CVE-2016-3697, CVE-2024-40635). The image's files are hostile:
 * bounded in size, regular files only, opened beneath the image's root.
 */

#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

#define PASSWD_GROUPS_MAX 64

struct passwd_user {
    uint32_t uid, gid;
    uint32_t additional_gids[PASSWD_GROUPS_MAX];
    size_t additional_gid_count;
    char home[256]; /* "/" when unknown or not absolute */
};

/*
 * user: "uid", "uid:gid", "name", "name:group" or NULL for 0:0. root_fd is the image's root (for
 * the host image: of the container's generated root). -ENOENT when a name is not there.
 *
 * Without a group the user has the groups that the image gives to it; a number that the image does
 * not know has group 0, as with other engines. With a group it has that one alone. An image without
 * the files has no names; -EINVAL, -EFBIG, -EXDEV or -ELOOP when a file is not a small regular one
 * inside the image.
 */
int passwd_resolve(int root_fd, const char *user, struct passwd_user *found, struct error *error);

#endif
