/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_NAMES_H
#define COMMON_NAMES_H

/*
 * Names and paths: what a tenant or service may be called, and the one place that builds a path.
 *
 * A name is a DNS label (RFC 1123 section 2.1) in lower case: 1 to 63 of [a-z0-9-], no hyphen at
 * either end. It is a directory name, a cgroup name and a host name, so it can hold no dot and no
 * slash.
 */

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"

#define NAME_MAX_LENGTH 63
/* TENANT-SERVICE-N with N of at most 5 digits. */
#define CONTAINER_ID_MAX_LENGTH (2 * NAME_MAX_LENGTH + 7)

/* Whether text is a valid tenant or service name. */
bool name_is_valid(const char *text);

/* Refuses a bad name with a sentence; what says which name it is ("tenant", "service"). */
int name_check(const char *what, const char *text, struct error *error);

/*
 * Splits "TENANT/SERVICE" and checks both halves. Both buffers hold NAME_MAX_LENGTH + 1 bytes.
 * Returns 0 or -EINVAL.
 */
int name_split(const char *text, char *tenant, char *service, struct error *error);

/*
 * Where things live. With no root (NULL or ""), the places of the Filesystem Hierarchy Standard;
 * under a root DIR everything is below DIR: DIR/etc, DIR/run, DIR/lib. A prefix short enough
 * matters, for a socket's path ends at 107 bytes (unix(7)).
 */
struct paths {
    char etc[PATH_MAX];  /* supervisor.json, tenants.d/ */
    char run[PATH_MAX];  /* control.sock, scoreboard, lock, services/, containers/ */
    char data[PATH_MAX]; /* volumes/, logs/, events/, history/, ids.json */
};

/* Fills paths for a root; -EINVAL when the root is not absolute, -ENAMETOOLONG when too long. */
int paths_init(struct paths *paths, const char *root, struct error *error);

/* Joins two halves with a slash into a buffer of PATH_MAX bytes; -ENAMETOOLONG if it is too small.
 */
int path_join(char *buffer, const char *directory, const char *name, struct error *error);

/*
 * An absolute path of what a person typed: a relative one is taken below the working directory.
 * Buffer of PATH_MAX bytes; -ENAMETOOLONG if it is too small.
 */
int path_absolute(char *buffer, const char *path, struct error *error);

/* The names below paths.run that cross a process border. Buffers hold PATH_MAX bytes. */
int path_control_socket(const struct paths *paths, char *buffer, struct error *error);
int path_scoreboard(const struct paths *paths, char *buffer, struct error *error);
int path_traffic(const struct paths *paths, char *buffer, struct error *error);
int path_limit_key(const struct paths *paths, char *buffer, struct error *error);
int path_throttle(const struct paths *paths, char *buffer, struct error *error);

#endif
