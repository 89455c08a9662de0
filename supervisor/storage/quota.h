/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORAGE_QUOTA_H
#define STORAGE_QUOTA_H

/*
 * Project quotas (quotactl(2); ext4 and XFS with prjquota): the file system counts what lies below
 * the directories of a project, and holds it to a limit that the administrator sets (setquota -P).
 * All functions take a descriptor on the file system and return 0 or a negative errno; -ENOTTY,
 * -ESRCH, -ENOSYS and their like mean that there are no such quotas.
 */

#include <stdint.h>

/* The project of a directory; 0: none. */
int quota_project(int directory, uint32_t *project);

/*
 * Makes an empty directory the root of a project, which all that is made below inherits, if the
 * file system counts projects; else -ESRCH or another error, and nothing changes.
 */
int quota_begin_project(int directory, uint32_t project);

/* What a project uses, and its hard limit, or the soft one where there is none; 0: none. */
int quota_read(int fd, uint32_t project, uint64_t *used_bytes, uint64_t *limit_bytes);

#endif
