/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORAGE_VOLUME_H
#define STORAGE_VOLUME_H

/*
 * Named volumes: directories DATA/volumes/TENANT/NAME. The levels above a volume are 0700 and
 * root's, because ids on disk are ids inside the container (idmapped): a file that is root's inside
 * is root's on disk, and no user of the host may reach it.
 */

#include <stdint.h>

#include "common/error.h"

/*
 * Makes the volume if it is not there (owned by uid:gid on disk, mode 0755) and writes its absolute
 * path into path, a buffer of PATH_MAX bytes. An existing volume's owner stays. data is paths.data.
 * A new one becomes part of the project (quota.h) where the file system counts projects.
 */
int volume_ensure(const char *data, const char *tenant, const char *name, unsigned uid,
                  unsigned gid, uint32_t project, char *path, struct error *error);

#endif
