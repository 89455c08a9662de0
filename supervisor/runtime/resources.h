/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_RESOURCES_H
#define RUNTIME_RESOURCES_H

/*
 * linux.resources of an OCI config (config-linux.md, "Control groups"), also read alone by `update
 * -r`. struct cgroup_resources is in cgroup.h.
 */

#include <jansson.h>

#include "common/error.h"
#include "supervisor/runtime/cgroup.h"

/* The caller frees with resources_free(). */
int resources_read(const json_t *object, struct cgroup_resources **resources, struct error *error);
void resources_free(struct cgroup_resources *resources);

#endif
