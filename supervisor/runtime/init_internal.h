/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_INIT_INTERNAL_H
#define RUNTIME_INIT_INTERNAL_H

/*
 * What the files of the new process share. Everything here is called between clone and exec: system
 * calls only, no allocation, no lock, no stdio.
 */

#include <stdbool.h>
#include <stdint.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "supervisor/runtime/plan.h"

/*
 * _cleanup_later_: for descriptors that nothing depends on being closed (no file open for writing,
 * which would keep a mount from becoming read-only). All of the new process's are closed by one
 * call before exec (init_rights.c), so that only those beyond a small number are closed one by one.
 */
#define INIT_LATER_MAX 64

static inline void cleanup_close_later(int *fd)
{
    if (*fd >= INIT_LATER_MAX)
        close(*fd);
}
#define _cleanup_later_ _cleanup_(cleanup_close_later)

/* Tells the parent (or the starter) of a step; errnum is -r. */
void init_report(const struct plan *plan, uint32_t step, int r, uint32_t index, bool is_warning);
/* The same with a descriptor along, that stays ours. 0 or a negative errno. */
int init_report_fd(int socket_fd, const void *message, size_t size, int fd);
/* Reports r < 0 as the end of everything, and ends the process. */
void init_check(const struct plan *plan, uint32_t step, int r, uint32_t index);
/* Waits for the parent's word. Its end closed means that nobody wants us any more. */
void init_wait(const struct plan *plan);

/* ---- init_hooks.c ---- */

/* Runs the hooks of a kind as children of this process, in its namespaces. Ends it on failure. */
void init_run_hooks(const struct plan *plan, enum config_hook_kind kind);

/* ---- init_terminal.c ---- */

/*
 * Opens a terminal in the container's devpts, sends its master away, and makes its slave the
 * plan's stdio. Mounts it on /dev/console unless this is an exec.
 */
int init_open_terminal(struct plan *plan);

/* ---- init_rights.c ---- */

/* Everything that gives rights up, in the one order that works. What may still be needed for the
 * seccomp filter goes with exec(2), which computes the capabilities anew. */
void init_give_up_rights(struct plan *plan);
/*
 * A container without a user namespace whose processes have CAP_SYS_PTRACE sees the process of an
 * exec, dumpable or not, as soon as that is in its pid namespace, and may do with its rights what
 * it likes (CVE-2016-9962). So an exec leaves behind before what neither the program nor the steps
 * on its way have a use for. For the process that joins; does nothing for a container's first one.
 */
void init_narrow_rights(const struct plan *plan);
/* Whether that was done before this process was made. */
bool init_is_narrowed(const struct plan *plan);
/* The label that exec(2) shall take on: SELinux, AppArmor. */
int init_set_label(const struct plan *plan);
/* The filter, and its listener to the agent. */
int init_load_seccomp(const struct plan *plan);

#endif
