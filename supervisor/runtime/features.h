/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_FEATURES_H
#define RUNTIME_FEATURES_H

/*
 * What this runtime can do, as the document that `container-runtime features` prints and engines
 * read (runtime-spec 1.3, features.md and features-linux.md). A claim here is a promise that a
 * config.json with it is understood; whoever adds a key to config.c adds it here.
 */

#include <jansson.h>
#include <stdbool.h>

/*
 * mount_options: the names that config_mounts.c understands itself, NULL-terminated.
 * can_checkpoint: whether the command line has `checkpoint` and `restore`. The caller owns the
 * result; NULL without memory. Asks the kernel for its capabilities and its seccomp flags.
 */
json_t *features_json(const char *const *mount_options, bool can_checkpoint);

#endif
