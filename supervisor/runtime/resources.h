/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_RESOURCES_H
#define RUNTIME_RESOURCES_H

/*
 * linux.resources of an OCI config (runtime-spec 1.3, config-linux.md, "Control groups") as what
 * cgroup_apply() takes: as a part of a config, or alone, as "update --resources" gives it. Any
 * thread.
 */

#include <jansson.h>

#include "supervisor/runtime/cgroup.h"

/*
 * Reads the whole object. Numbers are checked for what the kernel's files can hold, not for what
 * this machine can do: that is for cgroup_apply(). Returns 0, -EINVAL, -ERANGE or -E2BIG with a
 * message that begins with the key's path ("linux.resources.cpu.quota"). The result keeps nothing
 * of the tree; the caller frees it with resources_free().
 */
int resources_read(const json_t *object, struct cgroup_resources **resources, struct error *error);

/*
 * Adds the devices that every container may use (config-linux.md, "Default Devices", with the
 * pseudo terminals, /dev/net/tun, and mknod of any device, which gives no right to open it, as
 * engines expect) behind the rules of the config. Without a rule of its own a config gets these
 * and nothing else. For new containers, not for updates. Returns 0, -E2BIG or -ENOMEM.
 */
int resources_allow_default_devices(struct cgroup_resources *resources, struct error *error);

/* NULL is harmless. */
void resources_free(struct cgroup_resources *resources);

static inline void resources_cleanup(struct cgroup_resources **resources)
{
    resources_free(*resources);
}
#define _cleanup_resources_ __attribute__((cleanup(resources_cleanup)))

#endif
