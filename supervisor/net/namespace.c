/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/net/namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <net/if.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/vfs.h>

#include "common/cleanup.h"

int namespace_open_own(void)
{
    int fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

    return fd < 0 ? -errno : fd;
}

int namespace_enter(int netns_fd, int *previous)
{
    _cleanup_close_ int own = namespace_open_own();

    if (own < 0)
        return own;
    if (setns(netns_fd, CLONE_NEWNET) < 0)
        return -errno;
    *previous = steal_fd(&own);
    return 0;
}

void namespace_leave(int *previous)
{
    if (*previous < 0)
        return;
    if (setns(*previous, CLONE_NEWNET) < 0)
        abort();
    close_fd(previous);
}

static int set_loopback_up(void)
{
    _cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};

    if (fd < 0)
        return -errno;
    return ioctl(fd, SIOCSIFFLAGS, &request) < 0 ? -errno : 0;
}

static int open_private(struct error *error)
{
    _cleanup_(namespace_leave) int previous = namespace_open_own();

    if (previous < 0)
        return error_sys(error, -previous, "network.namespace \"private\"");
    if (unshare(CLONE_NEWNET) < 0) {
        close_fd(&previous);
        return error_sys(error, errno, "network.namespace \"private\": unshare");
    }
    int r = set_loopback_up();
    if (r < 0)
        return error_sys(error, -r, "network.namespace \"private\": set lo up");
    r = namespace_open_own();
    return r < 0 ? error_sys(error, -r, "network.namespace \"private\"") : r;
}

static int open_path(const char *path, struct error *error)
{
    /* O_NONBLOCK: what is there may be a FIFO. */
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct statfs fs;

    if (fd < 0)
        return error_sys(error, errno, "network.namespace \"%.200s\"", path);
    if (fstatfs(fd, &fs) < 0)
        return error_sys(error, errno, "network.namespace \"%.200s\"", path);
    if (fs.f_type != NSFS_MAGIC || ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWNET)
        return error_set(
            error, EINVAL,
            "network.namespace: \"%.200s\" is not a network namespace; write \"host\", "
            "\"private\" or the path of one, such as /run/netns/NAME",
            path);
    return steal_fd(&fd);
}

int namespace_open(const char *name, struct error *error)
{
    if (strcmp(name, "private") == 0)
        return open_private(error);
    if (strcmp(name, "host") == 0) {
        int fd = namespace_open_own();
        return fd < 0 ? error_sys(error, -fd, "network.namespace \"host\"") : fd;
    }
    if (name[0] == '/')
        return open_path(name, error);
    return error_set(error, EINVAL,
                     "network.namespace: \"%.80s\" is not known; write \"host\", \"private\" or an "
                     "absolute path such as /run/netns/NAME",
                     name);
}
