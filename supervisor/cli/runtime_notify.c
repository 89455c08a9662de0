/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sd_notify(3) from inside: where the caller has a NOTIFY_SOCKET the container gets a socket of
 * ours, in a directory of its own that is mounted read-only at /run/notify, as runc and crun have
 * it. What comes there is from a container: of each message only lines that say something of the
 * service itself go on; MAINPID, descriptors and the like are ours to tell.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "supervisor/cli/runtime_log.h"
#include "supervisor/cli/runtime_verbs.h"

#define INSIDE             "/run/notify"
#define MESSAGE_MAX        4096
#define MESSAGES_AT_ONCE   16
#define SEND_TIMEOUT_S     5
#define BARRIER_TIMEOUT_MS 5000

/* sd_notify(3): what a service says of itself. */
static const char *const passed_on[] = {
    "READY=",    "RELOADING=",     "MONOTONIC_USEC=",      "STOPPING=", "STATUS=", "ERRNO=",
    "WATCHDOG=", "WATCHDOG_USEC=", "EXTEND_TIMEOUT_USEC=",
};

static const char *host_socket(void)
{
    const char *path = getenv("NOTIFY_SOCKET");

    return path && (*path == '/' || *path == '@') && path[1] ? path : NULL;
}

/* ---- the creation ---- */

/* Whoever wrote a socket into the config has a way of his own to it. */
static bool has_variable(const json_t *env)
{
    json_t *value;
    size_t i;

    json_array_foreach ((json_t *)env, i, value) {
        const char *text = json_string_value(value);
        if (text && strncmp(text, "NOTIFY_SOCKET=", strlen("NOTIFY_SOCKET=")) == 0)
            return true;
    }
    return false;
}

int runtime_notify_add(const struct runtime *runtime, const char *id, json_t *config)
{
    json_t *process = json_object_get(config, "process");
    json_t *env = json_object_get(process, "env"), *mounts = json_object_get(config, "mounts");
    _cleanup_free_ char *source = NULL;

    if (!host_socket() || !json_is_object(process) || has_variable(env))
        return 0;
    if (!json_is_array(env)) {
        env = json_array();
        json_object_set_new(process, "env", env);
    }
    if (!json_is_array(mounts)) {
        mounts = json_array();
        json_object_set_new(config, "mounts", mounts);
    }
    if (asprintf(&source, "%s/%s/" STORE_NOTIFY, runtime->store.path, id) < 0)
        return -ENOMEM;
    json_t *mount =
        json_pack("{s:s, s:s, s:s, s:[s, s, s, s, s]}", "destination", INSIDE, "type", "bind",
                  "source", source, "options", "bind", "nosuid", "noexec", "nodev", "ro");
    if (json_array_append_new(mounts, mount) < 0 ||
        json_array_append_new(env, json_string("NOTIFY_SOCKET=" INSIDE "/" STORE_NOTIFY_SOCKET)) <
            0)
        return -ENOMEM;
    return 1;
}

int runtime_notify_make(const struct store_entry *entry, struct error *error)
{
    /* Every user of the container must be able to enter, whatever our umask is. */
    return mkdirat(entry->fd, STORE_NOTIFY, 0755) < 0 ||
                   fchmodat(entry->fd, STORE_NOTIFY, 0755, 0) < 0
               ? error_sys(error, errno, "make %s/%s/" STORE_NOTIFY, entry->store->path, entry->id)
               : 0;
}

/* ---- the start ---- */

int runtime_notify_open(const struct store_entry *entry, int *notify, struct error *error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    *notify = -1;
    if (!host_socket())
        return 0;
    _cleanup_close_ int directory =
        openat(entry->fd, STORE_NOTIFY, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (directory < 0)
        return 0; /* created without */
    snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/" STORE_NOTIFY_SOCKET,
             directory);
    _cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    unlinkat(directory, STORE_NOTIFY_SOCKET, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        fchmodat(directory, STORE_NOTIFY_SOCKET, 0666, 0) < 0)
        return error_sys(error, errno, "make the socket " STORE_NOTIFY "/" STORE_NOTIFY_SOCKET);
    *notify = steal_fd(&fd);
    return 0;
}

/* ---- messages ---- */

/* A descriptor may go along, -1: none. */
static int tell_host(const char *text, int passed)
{
    const char *path = host_socket();
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval timeout = {.tv_sec = SEND_TIMEOUT_S};
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {0};
    size_t length = strlen(path);

    if (length >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    memcpy(address.sun_path, path, length);
    if (*path == '@') /* unix(7): an abstract name */
        address.sun_path[0] = '\0';
    struct iovec part = {.iov_base = (void *)text, .iov_len = strlen(text)};
    struct msghdr header = {
        .msg_name = &address,
        .msg_namelen = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length),
        .msg_iov = &part,
        .msg_iovlen = 1,
    };
    if (passed >= 0) {
        header.msg_control = control.bytes;
        header.msg_controllen = sizeof(control.bytes);
        struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(rights), &passed, sizeof(int));
    }
    _cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) < 0)
        return -errno;
    return sendmsg(fd, &header, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* sd_notify_barrier(3): whoever exits before the message is handled may not be known any more. */
static void wait_until_handled(void)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) < 0)
        return;
    int r = tell_host("BARRIER=1", ends[1]);
    close(ends[1]);
    struct pollfd handled = {.fd = ends[0], .events = POLLIN};
    if (r == 0)
        poll(&handled, 1, BARRIER_TIMEOUT_MS);
    close(ends[0]);
}

/* The lines of a message that go on. Whether READY=1 is among them. */
static bool choose_lines(const char *message, char *chosen, size_t size)
{
    bool is_ready = false;
    size_t used = 0;

    chosen[0] = '\0';
    while (*message) {
        size_t length = strcspn(message, "\n");
        for (size_t i = 0; i < ARRAY_LENGTH(passed_on); i++)
            if (strncmp(message, passed_on[i], strlen(passed_on[i])) == 0 &&
                used + length + 2 <= size) {
                used += (size_t)snprintf(chosen + used, size - used, "%s%.*s", used ? "\n" : "",
                                         (int)length, message);
                is_ready |= length == strlen("READY=1") && strncmp(message, "READY=1", length) == 0;
                break;
            }
        message += length + (message[length] == '\n');
    }
    return is_ready;
}

bool runtime_notify_forward(int fd, pid_t main_pid)
{
    char message[MESSAGE_MAX + 1], chosen[MESSAGE_MAX + 64];
    bool is_ready = false;

    /* Who sends without end must not keep us from signals. */
    for (int i = 0; i < MESSAGES_AT_ONCE; i++) {
        /* Descriptors that come along are closed by the kernel: a barrier waits for that. */
        ssize_t length = recv(fd, message, sizeof(message) - 1, 0);
        if (length < 0)
            break;
        message[length] = '\0';
        bool is_ready_now = choose_lines(message, chosen, MESSAGE_MAX);
        if (!*chosen)
            continue;
        if (is_ready_now && main_pid > 0)
            sprintf(chosen + strlen(chosen), "\nMAINPID=%d", (int)main_pid);
        int r = tell_host(chosen, -1);
        if (r < 0)
            runtime_log(RUNTIME_LOG_WARNING, "NOTIFY_SOCKET=%s: %s", host_socket(), strerror(-r));
        is_ready |= is_ready_now;
    }
    return is_ready;
}

void runtime_notify_wait(int fd, int pidfd, pid_t main_pid)
{
    bool is_over = fd < 0;

    while (!is_over) {
        struct pollfd polls[] = {{.fd = pidfd, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
        if (poll(polls, 2, -1) < 0 && errno != EINTR)
            return;
        is_over = runtime_notify_forward(fd, main_pid);
        if (is_over)
            wait_until_handled();
        is_over |= polls[0].revents != 0;
    }
}
