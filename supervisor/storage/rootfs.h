/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORAGE_ROOTFS_H
#define STORAGE_ROOTFS_H

/*
 * The root file system of one container, made from an image.
 *
 * host:    a small tmpfs owned by the container's mapped root, with links (bin -> usr/bin ...),
 *          a generated /etc and an empty /var; /usr comes as a read-only bind (rootfs->binds).
 * rootfs:  the directory, idmapped, as lower layer of an overlay. The mount points and
 *          /etc/{hostname,hosts,resolv.conf} are written into the upper layer, which then becomes
 *          read-only unless the service says read_only: false.
 *
 * A writable layer lives in memory, bounded and charged to the container, when `directory` does,
 * and on disk below `directory` otherwise. It is gone after rootfs_unmount().
 *
 * The caller lives in a mount namespace of its own, so that no mount shows on the host. The image's
 * content is hostile: every path inside is resolved beneath a directory handle.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

struct rootfs_request {
    const char *directory;  /* exists, private to this container; may hold the layers; absolute */
    const char *image_path; /* NULL: the host's own /usr */
    uint32_t id_base;       /* host id of root inside; 65,536 ids follow */
    const char *hostname;
    bool is_read_only;
    /* Absolute targets of mounts to come: mount points are made for them. NULL-terminated. */
    const char *const *mount_points;
    /* Whether the target of the same index is a file (else a directory). */
    const bool *is_file;
};

struct rootfs_bind {
    char source[256];
    char target[256];
    bool is_exec;
};

/* Where /bin, /sbin and the like are directories of their own, each is a bind. */
#define ROOTFS_BINDS_MAX 16

struct rootfs {
    char path[4096]; /* directory/rootfs, mounted */
    /* Read-only, not idmapped: files of the host's root show as nobody's. */
    struct rootfs_bind binds[ROOTFS_BINDS_MAX];
    size_t bind_count;
};

/*
 * Mounts. On failure nothing stays mounted or on disk below directory. -ENOENT (image directory is
 * not there), -ENOTDIR, -EINVAL (file system takes no idmapped mounts; the message says which), and
 * others.
 */
int rootfs_mount(const struct rootfs_request *request, struct rootfs *rootfs, struct error *error);

/* Unmounts directory/rootfs if it is mounted and removes what rootfs_mount() left below directory.
 */
int rootfs_unmount(const char *directory, struct error *error);

#endif
