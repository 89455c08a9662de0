/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FUZZ_CONFIG_CHECKS_H
#define FUZZ_CONFIG_CHECKS_H

/*
 * What config.h, cgroup.h and error.h promise of what their readers accept or refuse, for the
 * harnesses that call one of them: each function aborts where a promise is broken.
 */

#include <stdlib.h>

#include "common/error.h"
#include "supervisor/runtime/config.h"

static inline void check(int is_true)
{
    if (!is_true)
        abort();
}

/* A reader's result r: it made something, or there is a message for a human. */
void check_outcome(int r, int is_made, const struct error *error);
void check_process(const struct config_process *process);
void check_mount(const struct config_mount *mount);
/*
 * No option that is understood goes to the file system, which would take it for its own. Only for
 * options without commas in them, which are passed as they are (context="a:b:c1,c2").
 */
void check_mount_data(const char *data);
void check_resources(const struct cgroup_resources *resources);
/* A NULL-terminated list of paths, or NULL. */
void check_absolute_paths(char *const *paths);
/* Mappings of one kind: neither side has a place twice. */
void check_id_map(const struct id_range *map, size_t count);

#endif
