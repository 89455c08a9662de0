/* SPDX-License-Identifier: Apache-2.0 */
#include "common/control.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "common/cleanup.h"
#include "common/clock.h"

static const struct {
    const char *name;
    int http_status;
} codes[CONTROL_CODE_COUNT] = {
    [CONTROL_OK] = {"ok", 200},
    [CONTROL_BAD_REQUEST] = {"bad-request", 400},
    [CONTROL_FORBIDDEN] = {"forbidden", 403},
    [CONTROL_NOT_FOUND] = {"not-found", 404},
    [CONTROL_CONFLICT] = {"conflict", 409},
    [CONTROL_TOO_LARGE] = {"too-large", 413},
    [CONTROL_FAILED] = {"failed", 500},
    [CONTROL_BUSY] = {"busy", 503},
    [CONTROL_TIMEOUT] = {"timeout", 504},
    [CONTROL_WRONG_VERSION] = {"wrong-version", 505},
};

const char *control_code_name(enum control_code code)
{
    return codes[(unsigned)code < CONTROL_CODE_COUNT ? code : CONTROL_FAILED].name;
}

int control_code_http_status(enum control_code code)
{
    return codes[(unsigned)code < CONTROL_CODE_COUNT ? code : CONTROL_FAILED].http_status;
}

enum control_code control_code_from_name(const char *name)
{
    for (unsigned i = 0; i < CONTROL_CODE_COUNT; i++)
        if (strcmp(codes[i].name, name) == 0)
            return (enum control_code)i;
    return CONTROL_FAILED;
}

static bool peer_has_group(int fd, gid_t gid)
{
    gid_t groups[256];
    socklen_t size = sizeof(groups);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) < 0)
        return false;
    for (size_t i = 0; i < size / sizeof(gid_t); i++)
        if (groups[i] == gid)
            return true;
    return false;
}

enum control_role control_peer_role(int fd, gid_t web_gid, uid_t *uid, pid_t *pid)
{
    struct ucred peer;
    socklen_t size = sizeof(peer);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
        return CONTROL_ROLE_NONE;
    if (uid)
        *uid = peer.uid;
    if (pid)
        *pid = peer.pid;
    if (peer.uid == 0)
        return CONTROL_ROLE_ROOT;
    if (peer.gid == web_gid || peer_has_group(fd, web_gid))
        return CONTROL_ROLE_WEB;
    return CONTROL_ROLE_NONE;
}

/* Waits until fd is ready or the deadline (of CLOCK_MONOTONIC, ms) has passed: -ETIMEDOUT. */
static int wait_until(int fd, short events, int64_t deadline_ms)
{
    for (;;) {
        int64_t left = deadline_ms - clock_monotonic_ms();
        if (left <= 0)
            return -ETIMEDOUT;
        struct pollfd ready = {.fd = fd, .events = events};
        int r = poll(&ready, 1, left > INT32_MAX ? INT32_MAX : (int)left);
        if (r > 0)
            return 0;
        if (r < 0 && errno != EINTR)
            return -errno;
    }
}

static int send_until(int fd, const json_t *message, int64_t deadline_ms, struct error *error)
{
    _cleanup_free_ char *text = json_dumps(message, JSON_COMPACT | JSON_REAL_PRECISION(9));

    if (!text)
        return error_sys(error, ENOMEM, "write a control message");
    size_t length = strlen(text);
    if (length > CONTROL_MESSAGE_MAX)
        return error_set(error, EMSGSIZE, "control message of %zu bytes: at most %d are possible",
                         length, CONTROL_MESSAGE_MAX);
    for (;;) {
        if (send(fd, text, length, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
            return 0;
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN)
            return error_sys(error, errno, "send on the control socket");
        int r = wait_until(fd, POLLOUT, deadline_ms);
        if (r < 0)
            return error_sys(error, -r, "send on the control socket");
    }
}

int control_send(int fd, const json_t *message, int timeout_ms, struct error *error)
{
    return send_until(fd, message, clock_monotonic_ms() + timeout_ms, error);
}

int control_receive(int fd, json_t **message, struct error *error)
{
    _cleanup_free_ char *buffer = malloc(CONTROL_MESSAGE_MAX);
    struct iovec part = {.iov_base = buffer, .iov_len = CONTROL_MESSAGE_MAX};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
    json_error_t problem;
    ssize_t length;

    if (!buffer)
        return error_sys(error, ENOMEM, "read a control message");
    do
        length = recvmsg(fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (length < 0 && errno == EINTR);
    if (length < 0)
        return error_sys(error, errno, "receive on the control socket");
    if (length == 0)
        return 0;
    if (header.msg_flags & MSG_TRUNC)
        return error_set(error, EMSGSIZE, "control message over %d bytes", CONTROL_MESSAGE_MAX);
    json_t *parsed = json_loadb(buffer, (size_t)length, JSON_REJECT_DUPLICATES, &problem);
    if (!json_is_object(parsed)) {
        json_decref(parsed);
        return error_set(error, EBADMSG, "control message is not a JSON object: %s",
                         parsed ? "another type" : problem.text);
    }
    *message = parsed;
    return 1;
}

static int connect_socket(const char *path, struct error *error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (strlen(path) >= sizeof(address.sun_path))
        return error_set(error, ENAMETOOLONG, "%s: a socket's path has at most %zu bytes", path,
                         sizeof(address.sun_path) - 1);
    strcpy(address.sun_path, path);
    _cleanup_close_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return error_sys(error, errno, "create a socket");
    /* A Unix socket connects at once or, with a full backlog, says EAGAIN: both are answers. */
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        return error_sys(error, errno, "the supervisor does not answer at %s", path);
    return steal_fd(&fd);
}

/* Sorts an answer into 0, -EREMOTEIO (refused) or -EPROTO. */
static int judge_answer(const json_t *answer, enum control_code *code, struct error *error)
{
    const char *name = json_string_value(json_object_get(answer, "code"));
    const char *message = json_string_value(json_object_get(answer, "message"));
    json_int_t version = json_integer_value(json_object_get(answer, "version"));

    if (version != CONTROL_VERSION)
        return error_set(error, EPROTO,
                         "the supervisor speaks control version %lld, this program %d; "
                         "install the same version of both",
                         (long long)version, CONTROL_VERSION);
    if (json_is_true(json_object_get(answer, "ok")))
        return 0;
    if (code && (!name || (*code = control_code_from_name(name)) == CONTROL_OK))
        *code = CONTROL_FAILED;
    return error_set(error, EREMOTEIO, "%s", message ? message : "refused without a reason");
}

/* Connects and sends; returns the descriptor from which the answer is to be read. */
static int begin_call(const char *socket_path, json_t *request, int64_t deadline_ms,
                      struct error *error)
{
    if (json_object_set_new(request, "version", json_integer(CONTROL_VERSION)) < 0)
        return error_sys(error, ENOMEM, "write a control message");
    _cleanup_close_ int fd = connect_socket(socket_path, error);
    if (fd < 0)
        return fd;
    int r = send_until(fd, request, deadline_ms, error);
    /* A supervisor that refused at once ("busy") and closed has left its answer to be read. */
    if (r < 0 && r != -EPIPE && r != -ECONNRESET)
        return r;
    return steal_fd(&fd);
}

static int end_call(int fd, int64_t deadline_ms, int timeout_ms, json_t **answer,
                    enum control_code *code, struct error *error)
{
    _cleanup_json_ json_t *received = NULL;

    int r = wait_until(fd, POLLIN, deadline_ms);
    if (r < 0)
        return error_sys(error, -r, "the supervisor gave no answer within %d ms", timeout_ms);
    r = control_receive(fd, &received, error);
    if (r == -ECONNRESET) /* told once, in front of what the peer had sent before it closed */
        r = control_receive(fd, &received, error);
    if (r < 0)
        return r;
    if (r == 0)
        return error_set(error, EPROTO, "the supervisor closed the connection without an answer");
    r = judge_answer(received, code, error);
    if (r == 0) {
        if (code)
            *code = CONTROL_OK;
        *answer = steal_ptr(received);
    }
    return r;
}

int control_call(const char *socket_path, json_t *request, int timeout_ms, json_t **answer,
                 enum control_code *code, struct error *error)
{
    int64_t deadline_ms = clock_monotonic_ms() + timeout_ms;

    _cleanup_close_ int fd = begin_call(socket_path, request, deadline_ms, error);
    return fd < 0 ? fd : end_call(fd, deadline_ms, timeout_ms, answer, code, error);
}

void control_call_many(const char *socket_path, struct control_exchange *exchanges, size_t count,
                       int timeout_ms)
{
    int64_t deadline_ms = clock_monotonic_ms() + timeout_ms;
    int fds[CONTROL_EXCHANGES_MAX];

    for (size_t i = 0; i < count; i++)
        fds[i] = begin_call(socket_path, exchanges[i].request, deadline_ms, &exchanges[i].error);
    for (size_t i = 0; i < count; i++) {
        struct control_exchange *at = &exchanges[i];
        _cleanup_close_ int fd = fds[i];
        at->result =
            fd < 0 ? fd : end_call(fd, deadline_ms, timeout_ms, &at->answer, &at->code, &at->error);
    }
}

json_t *control_text(const char *text, size_t length)
{
    json_t *value = memchr(text, '\0', length) ? NULL : json_stringn(text, length);

    if (value)
        return value;
    _cleanup_free_ char *copy = malloc(length + 1);
    if (!copy)
        return NULL;
    for (size_t i = 0; i < length; i++)
        copy[i] = (unsigned char)text[i] < 0x80 && text[i] ? text[i] : '?';
    return json_stringn(copy, length);
}

json_t *control_refusal(enum control_code code, const char *message)
{
    return json_pack("{s:i, s:b, s:s, s:o}", "version", CONTROL_VERSION, "ok", 0, "code",
                     control_code_name(code), "message", control_text(message, strlen(message)));
}

int control_listen(const char *path, gid_t gid, struct error *error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (strlen(path) >= sizeof(address.sun_path))
        return error_set(error, ENAMETOOLONG,
                         "%s: a socket's path has at most %zu bytes; choose a shorter --root", path,
                         sizeof(address.sun_path) - 1);
    strcpy(address.sun_path, path);
    _cleanup_close_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return error_sys(error, errno, "create a socket");
    if (unlink(path) < 0 && errno != ENOENT)
        return error_sys(error, errno, "remove the old %s", path);
    mode_t mask = umask(0177);
    int r = bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
    umask(mask);
    if (r < 0)
        return error_sys(error, -r, "bind %s", path);
    if (chown(path, 0, gid) < 0 || chmod(path, 0660) < 0 || listen(fd, 64) < 0) {
        r = error_sys(error, errno, "set up %s", path);
        unlink(path);
        return r;
    }
    return steal_fd(&fd);
}
