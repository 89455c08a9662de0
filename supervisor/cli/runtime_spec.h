/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_RUNTIME_SPEC_H
#define CLI_RUNTIME_SPEC_H

#include <jansson.h>
#include <stdbool.h>

/*
 * The config.json that `container-runtime spec` writes: a shell on a terminal in a read-only
 * "rootfs" beside it, with the rights and mounts that runc and crun give it too. The rootless one
 * is for a caller without rights: a user namespace in which the caller is root, the host's network,
 * the host's /sys, no limits. A cgroup namespace only where cgroups are version 2, as with runc.
 * The caller owns the result; NULL: no memory.
 */
json_t *runtime_spec_default(bool is_rootless);

#endif
