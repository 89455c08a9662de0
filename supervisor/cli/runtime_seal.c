/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "supervisor/cli/runtime_verbs.h"
#include "supervisor/sys/mount.h"

/* Set while the program executes itself anew, so that it cannot do so for ever. */
#define SEAL_MARK "_CONTAINER_RUNTIME_SEALED"

static bool is_read_only(void)
{
    struct statvfs st;

    return statvfs("/proc/self/exe", &st) == 0 && (st.f_flag & ST_RDONLY);
}

int runtime_seal(char **argv, struct error *error)
{
    bool was_tried = getenv(SEAL_MARK) != NULL;

    if (geteuid() != 0)
        return 0;
    unsetenv(SEAL_MARK);
    if (is_read_only())
        return 0;
    if (was_tried)
        return error_set(error, EPERM,
                         "the program could not be sealed: its read-only copy is not read-only");
    _cleanup_close_ int copy =
        open_tree(AT_FDCWD, "/proc/self/exe", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    if (copy < 0)
        /* Root of a user namespace only: it may neither mount nor write to the file. */
        return errno == EPERM ? 0 : error_sys(error, errno, "seal the program: open_tree");
    int r = mount_change(copy, 0, MOUNT_ATTR_RDONLY, 0, 0, -1);
    if (r < 0)
        return error_sys(error, -r, "seal the program: mount_setattr");
    if (setenv(SEAL_MARK, "1", 1) < 0)
        return error_sys(error, errno, "seal the program");
    execveat(copy, "", argv, environ, AT_EMPTY_PATH);
    return error_sys(error, errno, "seal the program: execveat");
}

void runtime_close_up(void)
{
    close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
#ifndef __SANITIZE_ADDRESS__
    /*
     * CVE-2016-9962: a process that is about to join a container must not be traced from inside.
     * Others than root could then not even write their own children's uid_map.
     */
    if (geteuid() == 0)
        prctl(PR_SET_DUMPABLE, 0);
#endif
}
