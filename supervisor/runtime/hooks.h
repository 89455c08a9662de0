/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_HOOKS_H
#define RUNTIME_HOOKS_H

/*
 * Hooks of an OCI config (config.md, "POSIX-platform Hooks") that run in the runtime's own
 * namespaces: prestart, createRuntime, poststart, poststop. Those that run in the container's are
 * part of its first process's life (init_hooks.c).
 */

#include <sys/types.h>

#include "common/error.h"
#include "supervisor/runtime/config.h"

/*
 * The state as hooks and the `state` command see it (runtime.md, "State"). status is "creating",
 * "created", "running" or "stopped"; pid 0 is left out. The caller owns the result; NULL: no
 * memory.
 */
json_t *state_json(const struct config *config, const char *id, const char *status, pid_t pid);

/*
 * Makes what a hook said, of which perhaps only the end is there, fit for a message of one line:
 * the rest of a character that was cut in two and line ends at the end are left out, others are
 * blanks, and control characters, or in what is not UTF-8 (logs may drop a message that is not)
 * every byte beyond ASCII, become '?'. Changes said and returns where the text begins in it.
 */
const char *hook_text(char *said);

/*
 * Runs the hooks of a kind one after the other, each with the state on its standard input, within
 * its timeout. The first that fails ends it: -ECANCELED (or -ETIMEDOUT) with a message that names
 * the kind, the path, the exit status and the end of what it wrote on its standard error. Of
 * poststop hooks all run, and the first failure is told (runtime.md, "Lifecycle", 13).
 */
int hooks_run(const struct config *config, enum config_hook_kind kind, const char *id,
              const char *status, pid_t pid, struct error *error);

#endif
