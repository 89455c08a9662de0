/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/units.h"
#include "supervisor/cli/runtime_verbs.h"
#include "supervisor/sys/mount.h"

/*
 * Set while the program executes itself anew, so that it cannot do so for ever: the number of the
 * copy's descriptor.
 */
#define SEAL_MARK "_CONTAINER_RUNTIME_SEALED"
/* Above all that a caller may want passed on. */
#define SEAL_FD (3 + RUNTIME_PASSED_MAX)

/* The copy while the program runs from it; -1: none. */
static int seal_fd = -1;

static bool is_read_only(void)
{
    struct statvfs st;

    return statvfs("/proc/self/exe", &st) == 0 && (st.f_flag & ST_RDONLY);
}

/* A copy whose descriptor stays open over execve(2). */
static int make_copy(struct error *error)
{
    _cleanup_close_ int copy =
        open_tree(AT_FDCWD, "/proc/self/exe", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

    if (copy < 0)
        return errno == EPERM ? -EPERM : error_sys(error, errno, "seal the program: open_tree");
    int r = mount_change(copy, 0, MOUNT_ATTR_RDONLY, 0, 0, -1);
    if (r < 0)
        return error_sys(error, -r, "seal the program: mount_setattr");
    int kept = fcntl(copy, F_DUPFD, SEAL_FD);
    return kept < 0 ? error_sys(error, errno, "seal the program") : kept;
}

int runtime_seal(char **argv, struct error *error)
{
    const char *mark = getenv(SEAL_MARK);
    char text[16];

    if (geteuid() != 0)
        return 0;
    if (is_read_only()) {
        uint64_t fd;
        if (mark && parse_u64(mark, INT32_MAX, &fd) == 0 && fd >= SEAL_FD)
            seal_fd = (int)fd;
        unsetenv(SEAL_MARK);
        return 0;
    }
    if (mark)
        return error_set(error, EPERM,
                         "the program could not be sealed: its read-only copy is not read-only");
    int copy = make_copy(error);
    if (copy < 0)
        /* Root of a user namespace only: it may neither mount nor write to the file. */
        return copy == -EPERM ? 0 : copy;
    snprintf(text, sizeof(text), "%d", copy);
    setenv(SEAL_MARK, text, 1);
    execveat(copy, "", argv, environ, AT_EMPTY_PATH);
    return error_sys(error, errno, "seal the program: execveat");
}

void runtime_seal_close(void)
{
    close_fd(&seal_fd);
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
