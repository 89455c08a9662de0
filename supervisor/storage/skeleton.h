/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORAGE_SKELETON_H
#define STORAGE_SKELETON_H

/*
 * Making directories, files, links and mount points inside a root file system. Its content is
 * hostile: a parent is opened without following links, or resolved as the container will see it;
 * what stands in the way is replaced, never written through. Everything made belongs to the
 * container's root.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/error.h"

struct skeleton {
    int root_fd;
    uint32_t id_base;
};

/*
 * All paths are relative to the root, without "." and "..", and their parents are there.
 * skeleton_directory() leaves a directory that is there as it is.
 */
int skeleton_directory(const struct skeleton *skeleton, const char *path, mode_t mode,
                       struct error *error);
int skeleton_file(const struct skeleton *skeleton, const char *path, const char *text,
                  size_t length, struct error *error);
int skeleton_link(const struct skeleton *skeleton, const char *path, const char *target,
                  struct error *error);

/*
 * Makes sure that the absolute path, with links resolved as the container will see them, is a
 * directory, or with is_file anything else. Parents are made. -ENOTDIR or -EISDIR when the image
 * has the other thing there.
 */
int skeleton_mount_point(const struct skeleton *skeleton, const char *path, bool is_file,
                         struct error *error);

/* /proc, /sys, /dev, /run, /tmp and /etc, whatever the image has there. */
int skeleton_base(const struct skeleton *skeleton, struct error *error);

/* /etc/hostname, /etc/hosts and /etc/resolv.conf. */
int skeleton_network_files(const struct skeleton *skeleton, const char *hostname,
                           struct error *error);

/*
 * What a container's resolv.conf says, made of the host's: name servers but for loopback addresses
 * and those of one link, search domains and options (resolv.conf(5)). The caller frees the text.
 * NULL: no memory.
 */
char *skeleton_resolver(const char *host_text);

#endif
