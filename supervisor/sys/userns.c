/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/sys/userns.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
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

/*
 * newuidmap(1) and newgidmap(1) write the ids that subuid(5) gives to an unprivileged user. -ENOENT
 * where they are not installed, -EPERM when they refuse.
 */
static int run_helper(const char *program, pid_t pid, const struct id_range *ranges, size_t count)
{
    char numbers[1 + 3 * ID_RANGES_MAX][16], *arguments[2 + 3 * ID_RANGES_MAX + 1];
    char *environment[] = {"PATH=/usr/local/bin:/usr/bin:/bin", NULL};
    size_t used = 0;
    pid_t helper;
    int status;

    if (count > ID_RANGES_MAX)
        return -E2BIG;
    snprintf(numbers[used++], sizeof(numbers[0]), "%d", pid);
    for (size_t i = 0; i < count; i++) {
        snprintf(numbers[used++], sizeof(numbers[0]), "%u", ranges[i].inside);
        snprintf(numbers[used++], sizeof(numbers[0]), "%u", ranges[i].outside);
        snprintf(numbers[used++], sizeof(numbers[0]), "%u", ranges[i].count);
    }
    arguments[0] = (char *)program;
    for (size_t i = 0; i < used; i++)
        arguments[1 + i] = numbers[i];
    arguments[1 + used] = NULL;
    int r = posix_spawnp(&helper, program, NULL, NULL, arguments, environment);
    if (r != 0)
        return -r;
    while (waitpid(helper, &status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EPERM;
}

/* user_namespaces(7): who has no right over the groups of others must give up changing them. */
static int deny_setgroups(pid_t pid)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/setgroups", pid);
    _cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return -errno;
    return write(fd, "deny", 4) < 0 ? -errno : 0;
}

/* The unprivileged: one's own id is mapped by oneself, more by the helper. */
static int write_map_of_user(pid_t pid, const char *file, const char *helper,
                             const struct id_range *ranges, size_t count)
{
    if (count != 1 || ranges[0].count != 1)
        return run_helper(helper, pid, ranges, count);
    int r = strcmp(file, "gid_map") == 0 ? deny_setgroups(pid) : 0;
    if (r == 0)
        r = write_map(pid, file, ranges, count);
    return r == -EPERM ? run_helper(helper, pid, ranges, count) : r;
}

int userns_write_maps(pid_t pid, const struct id_range *uids, size_t uid_count,
                      const struct id_range *gids, size_t gid_count)
{
    int r = write_map(pid, "uid_map", uids, uid_count);

    if (r == -EPERM)
        r = write_map_of_user(pid, "uid_map", "newuidmap", uids, uid_count);
    if (r < 0)
        return r;
    r = write_map(pid, "gid_map", gids, gid_count);
    return r == -EPERM ? write_map_of_user(pid, "gid_map", "newgidmap", gids, gid_count) : r;
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
