/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/units.h"
#include "supervisor/cli/runtime_verbs.h"

/* ---- reading ---- */

static int open_input(const char *path, struct error *error)
{
    struct stat st;

    if (strcmp(path, "-") == 0) {
        int copy = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
        return copy < 0 ? error_sys(error, errno, "read the standard input") : copy;
    }
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &st) < 0)
        return error_sys(error, errno, "open %s", path);
    if (S_ISREG(st.st_mode) || S_ISFIFO(st.st_mode)) {
        if (S_ISFIFO(st.st_mode)) /* a shell's <(command) */
            fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
        return steal_fd(&fd);
    }
    return error_set(error, EINVAL, "%s: not a regular file", path);
}

int runtime_file_read(const char *path, size_t max, char **text, size_t *length,
                      struct error *error)
{
    _cleanup_close_ int fd = open_input(path, error);
    size_t used = 0, size = 0;
    _cleanup_free_ char *buffer = NULL;

    if (fd < 0)
        return fd;
    for (;;) {
        if (used + 1 >= size) {
            size = size ? 2 * size : 32768;
            char *grown = realloc(buffer, size);
            if (!grown)
                return error_sys(error, ENOMEM, "read %s", path);
            buffer = grown;
        }
        ssize_t got = read(fd, buffer + used, size - used - 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_sys(error, errno, "read %s", path);
        if (got == 0)
            break;
        used += (size_t)got;
        if (used > max)
            return error_set(error, EFBIG, "%s: more than %zu bytes", path, max);
    }
    buffer[used] = '\0';
    *text = steal_ptr(buffer);
    *length = used;
    return 0;
}

/* ---- pid file ---- */

int runtime_pid_file_write(const char *path, pid_t pid, struct error *error)
{
    char text[16], temporary[PATH_MAX];
    const char *name = strrchr(path, '/');

    name = name ? name + 1 : path;
    int length = snprintf(temporary, sizeof(temporary), "%.*s.%s.%d", (int)(name - path), path,
                          name, (int)getpid());
    if (length >= (int)sizeof(temporary) || !*name)
        return error_sys(error, ENAMETOOLONG, "pid file %.128s", path);
    _cleanup_close_ int fd =
        open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0)
        return error_sys(error, errno, "create the pid file %s", path);
    length = snprintf(text, sizeof(text), "%d", (int)pid);
    if (write(fd, text, (size_t)length) == length && rename(temporary, path) == 0)
        return 0;
    int r = error_sys(error, errno, "write the pid file %s", path);
    unlink(temporary);
    return r;
}

/* ---- sockets ---- */

/*
 * The address of a name in a directory. sun_path has 108 bytes (unix(7)), paths have more; through
 * /proc/self/fd only the name counts.
 */
static int make_address(int directory, const char *name, struct sockaddr_un *address)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    return snprintf(address->sun_path, sizeof(address->sun_path), "/proc/self/fd/%d/%s", directory,
                    name) < (int)sizeof(address->sun_path)
               ? 0
               : -ENAMETOOLONG;
}

int runtime_socket_connect(const char *path, struct error *error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char parent[PATH_MAX];
    const char *name = strrchr(path, '/');
    _cleanup_close_ int directory = -1;
    int r = 0;

    if (strlen(path) < sizeof(address.sun_path)) {
        memcpy(address.sun_path, path, strlen(path));
    } else {
        if (!name || snprintf(parent, sizeof(parent), "%.*s", (int)(name - path), path) >=
                         (int)sizeof(parent))
            return error_sys(error, ENAMETOOLONG, "socket %.128s", path);
        directory = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
        r = directory < 0 ? -errno : make_address(directory, name + 1, &address);
    }
    _cleanup_close_ int fd = r < 0 ? -1 : socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (r == 0 && (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0))
        r = -errno;
    return r < 0 ? error_sys(error, -r, "connect to the socket %s", path) : steal_fd(&fd);
}

int runtime_socket_listen(int directory, const char *name, struct error *error)
{
    struct sockaddr_un address;
    int r = make_address(directory, name, &address);
    _cleanup_close_ int fd = r < 0 ? -1 : socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    if (r == 0 &&
        (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 8) < 0))
        r = -errno;
    return r < 0 ? error_sys(error, -r, "make the socket %s", name) : steal_fd(&fd);
}

int runtime_send_pidfd(const char *path, int pidfd, const char *what, struct error *error)
{
    char control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec data = {.iov_base = (void *)what, .iov_len = strlen(what)};
    struct msghdr message = {.msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof(control)};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);

    _cleanup_close_ int fd = runtime_socket_connect(path, error);
    if (fd < 0)
        return fd;
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &pidfd, sizeof(int));
    return sendmsg(fd, &message, MSG_NOSIGNAL) < 0
               ? error_sys(error, errno, "send the pidfd to %s", path)
               : 0;
}

int runtime_console(const struct runtime *runtime, bool has_terminal, bool is_detached,
                    int *console, struct error *error)
{
    const char *path = runtime->options.console_socket;
    bool is_given = path && *path;

    *console = -1;
    if (has_terminal && is_detached && !is_given)
        return error_set(error, EINVAL,
                         "cannot allocate tty if container-runtime will detach without setting "
                         "console socket: process.terminal is true; give --console-socket");
    if (is_given && !(has_terminal && is_detached))
        return error_set(error, EINVAL,
                         "cannot use console socket if container-runtime will not detach or "
                         "allocate tty: leave --console-socket out");
    if (is_given)
        *console = runtime_socket_connect(path, error);
    return is_given && *console < 0 ? *console : 0;
}

/* ---- descriptors that are passed on ---- */

/* sd_listen_fds(3): they are ours if LISTEN_PID is. */
static size_t listen_count(void)
{
    const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
    uint64_t number;

    if (!pid || !count || parse_u64(pid, INT_MAX, &number) < 0 || (pid_t)number != getpid() ||
        parse_u64(count, RUNTIME_PASSED_MAX, &number) < 0)
        return 0;
    return (size_t)number;
}

int runtime_passed_find(const struct runtime *runtime, bool with_listen,
                        struct runtime_passed *passed, struct error *error)
{
    passed->listen_count = with_listen ? listen_count() : 0;
    passed->count = passed->listen_count + runtime->options.preserve_fds;
    if (passed->count > RUNTIME_PASSED_MAX)
        return error_set(error, EINVAL, "--preserve-fds %u: too many with LISTEN_FDS=%zu",
                         runtime->options.preserve_fds, passed->listen_count);
    for (size_t i = 0; i < passed->count; i++) {
        passed->fds[i] = 3 + (int)i;
        if (fcntl(passed->fds[i], F_GETFD) < 0)
            return error_set(error, EBADF,
                             "descriptor %d, which LISTEN_FDS or --preserve-fds wants passed, is "
                             "not open",
                             passed->fds[i]);
    }
    return 0;
}
