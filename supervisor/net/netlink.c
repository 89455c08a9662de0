/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/net/netlink.h"

#include <errno.h>
#include <fcntl.h>
#include <netlink/errno.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "common/cleanup.h"

#define MESSAGE_SIZE  2048
#define RECEIVE_BYTES (256 * 1024)
#define DUMP_TRIES    8
/* The kernel answers within the call; the bound is for a kernel that does not. */
#define TIMEOUT_S 10

struct netlink {
    struct nl_sock *socket;
    int kernel_error; /* errno of the last answer, negative; libnl's own codes say less */
};

struct visitor {
    void (*visit)(struct nlmsghdr *header, void *data);
    void *data;
};

/* What libnl says about a failure of its own, where the kernel said nothing. */
static int errno_of(int code)
{
    switch (-code) {
    case NLE_NOMEM:
    case NLE_MSGSIZE:
    case NLE_MSG_OVERFLOW:
        return ENOBUFS;
    case NLE_AGAIN:
        return ETIMEDOUT;
    case NLE_DUMP_INTR:
        return EAGAIN;
    case NLE_PERM:
        return EPERM;
    default:
        return EIO;
    }
}

static int keep_error(struct sockaddr_nl *from, struct nlmsgerr *answer, void *data)
{
    struct netlink *netlink = data;

    (void)from;
    netlink->kernel_error = answer->error;
    return NL_STOP;
}

static int setup(struct netlink *netlink)
{
    struct timeval timeout = {.tv_sec = TIMEOUT_S};
    int code = nl_connect(netlink->socket, NETLINK_ROUTE);

    if (code < 0)
        return -errno_of(code);
    int fd = nl_socket_get_fd(netlink->socket);
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0)
        return -errno;
    code = nl_socket_set_buffer_size(netlink->socket, RECEIVE_BYTES, 0);
    if (code < 0)
        return -errno_of(code);
    code = nl_socket_modify_err_cb(netlink->socket, NL_CB_CUSTOM, keep_error, netlink);
    return code < 0 ? -errno_of(code) : 0;
}

int netlink_open(struct netlink **netlink)
{
    _cleanup_(cleanup_netlink) struct netlink *made = calloc(1, sizeof(*made));

    if (!made)
        return -ENOMEM;
    made->socket = nl_socket_alloc();
    if (!made->socket)
        return -ENOMEM;
    int r = setup(made);
    if (r < 0)
        return r;
    *netlink = steal_ptr(made);
    return 0;
}

void netlink_close(struct netlink *netlink)
{
    if (!netlink)
        return;
    if (netlink->socket)
        nl_socket_free(netlink->socket);
    free(netlink);
}

void cleanup_netlink(struct netlink **netlink)
{
    netlink_close(*netlink);
}

struct nl_msg *netlink_message(int type, int flags, const void *header, size_t size)
{
    _cleanup_(cleanup_message) struct nl_msg *message = nlmsg_alloc_size(MESSAGE_SIZE);

    if (!message || !nlmsg_put(message, NL_AUTO_PORT, NL_AUTO_SEQ, type, 0, NLM_F_REQUEST | flags))
        return NULL;
    if (nlmsg_append(message, (void *)header, size, NLMSG_ALIGNTO) < 0)
        return NULL;
    return steal_ptr(message);
}

void cleanup_message(struct nl_msg **message)
{
    nlmsg_free(*message);
}

static int result_of(struct netlink *netlink, int code)
{
    if (code >= 0)
        return 0;
    return netlink->kernel_error < 0 ? netlink->kernel_error : -errno_of(code);
}

int netlink_request(struct netlink *netlink, struct nl_msg *message)
{
    netlink->kernel_error = 0;
    int code = nl_send_auto(netlink->socket, message);
    if (code >= 0)
        code = nl_wait_for_ack(netlink->socket);
    return result_of(netlink, code);
}

static int pass_on(struct nl_msg *message, void *data)
{
    struct visitor *visitor = data;

    visitor->visit(nlmsg_hdr(message), visitor->data);
    return NL_OK;
}

static int query_once(struct netlink *netlink, struct nl_msg *message, struct visitor *visitor)
{
    bool is_dump = (nlmsg_hdr(message)->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;

    netlink->kernel_error = 0;
    /* A message that is sent again must get a new sequence number. */
    nlmsg_hdr(message)->nlmsg_seq = NL_AUTO_SEQ;
    int code = nl_socket_modify_cb(netlink->socket, NL_CB_VALID, NL_CB_CUSTOM, pass_on, visitor);
    if (code >= 0)
        code = nl_send_auto(netlink->socket, message);
    if (code >= 0)
        code = nl_recvmsgs_default(netlink->socket);
    /* A get is followed by its acknowledgement. */
    if (code >= 0 && !is_dump)
        code = nl_wait_for_ack(netlink->socket);
    nl_socket_modify_cb(netlink->socket, NL_CB_VALID, NL_CB_DEFAULT, NULL, NULL);
    return result_of(netlink, code);
}

int netlink_query(struct netlink *netlink, struct nl_msg *message,
                  void (*visit)(struct nlmsghdr *header, void *data), void (*reset)(void *data),
                  void *data)
{
    struct visitor visitor = {.visit = visit, .data = data};
    int r = -EAGAIN;

    for (unsigned try = 0; try < DUMP_TRIES && r == -EAGAIN; try++) {
        if (reset)
            reset(data);
        r = query_once(netlink, message, &visitor);
    }
    return r;
}
