/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MOD_CONTAINER_TREE_H
#define MOD_CONTAINER_TREE_H

/*
 * A tenant's file tree on the host, looked at without trust: the tenant may write there at any
 * moment. Every look-up is one openat2(2) beneath the tree's directory that follows no link, so
 * that no race can lead it outside. Knows no httpd; any thread.
 */

#include <stddef.h>
#include <sys/stat.h>

enum tree_kind {
    TREE_NOTHING = 0, /* no such thing, or a link, device, socket or pipe */
    TREE_FILE,
    TREE_DIRECTORY,
};

/*
 * Opens the tree's directory, itself reached through no link. Returns a descriptor that the caller
 * closes, or a negative errno.
 */
int tree_open(const char *directory);

/*
 * What the first length bytes of path, which begins with '/', are. Returns an enum tree_kind, or a
 * negative errno when it cannot be told (-EACCES, -EMFILE, -ENOSYS on a kernel older than 5.6).
 */
int tree_look(int tree, const char *path, size_t length);

/*
 * Opens a regular file for reading and fills st. Returns a descriptor that the caller closes,
 * -ENOENT when there is none (any more), or another negative errno as above.
 */
int tree_open_file(int tree, const char *path, struct stat *st);

/*
 * Opens what is at path, whatever it is, reached through no link, for reading and fills st. Returns
 * a descriptor that the caller closes, or a negative errno (-ELOOP: a link).
 */
int tree_open_plain(const char *path, struct stat *st);

#endif
