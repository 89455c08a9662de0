/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/sys/userns.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "supervisor/sys/clone.h"

static int write_map(pid_t pid, const char *file, const struct id_range *ranges, size_t count)
{
    char path[64], text[ID_RANGES_MAX * 40];
    size_t used = 0;

    if (count > ID_RANGES_MAX)
        return -E2BIG;
    for (size_t i = 0; i < count; i++)
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%u %u %u\n", ranges[i].inside,
                                 ranges[i].outside, ranges[i].count);
    snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
    _cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return -errno;
    /* The kernel takes a map in one write only. */
    ssize_t written = write(fd, text, used);
    if (written < 0)
        return -errno;
    return (size_t)written == used ? 0 : -EIO;
}

int userns_write_maps(pid_t pid, const struct id_range *uids, size_t uid_count,
                      const struct id_range *gids, size_t gid_count)
{
    int r = write_map(pid, "uid_map", uids, uid_count);

    return r < 0 ? r : write_map(pid, "gid_map", gids, gid_count);
}

int userns_create(const struct id_range *uids, size_t uid_count, const struct id_range *gids,
                  size_t gid_count)
{
    char path[64];
    int pidfd = -1;
    pid_t pid = clone_process(CLONE_NEWUSER | CLONE_PIDFD, -1, &pidfd);

    if (pid < 0)
        return pid;
    if (pid == 0) {
        /* Waits to be killed, by its parent or by the end of its parent. */
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            pause();
    }
    int r = userns_write_maps(pid, uids, uid_count, gids, gid_count);
    if (r == 0) {
        snprintf(path, sizeof(path), "/proc/%d/ns/user", pid);
        r = open(path, O_RDONLY | O_CLOEXEC);
        if (r < 0)
            r = -errno;
    }
    kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    close_fd(&pidfd);
    return r;
}
