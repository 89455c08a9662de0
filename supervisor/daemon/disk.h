/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_DISK_H
#define DAEMON_DISK_H

/*
 * How full a container's places are: volumes whose project quota the file system counts
 * (quotactl_fd(2)), and tmpfs of limited size (statfs(2)). One call a place; nothing walks through
 * files. The board has the place that is fullest in proportion to its limit.
 */

#include "supervisor/daemon/service.h"

/*
 * Reads service->sampling.disk anew; opens the places when it is first called in a run. Returns
 * whether a place is full now and none was before.
 */
bool disk_sample(struct service *service);

/* Closes the places, which would keep the container's file systems alive. */
void disk_close(struct disk_figures *disk);

#endif
