/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/sys/rtnetlink.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "supervisor/sys/clone.h"

/* As much as the kernel puts in one answer of a dump (netlink_dump() in af_netlink.c). */
#define ANSWER_MAX  32768
#define REQUEST_MAX 512

/* A dump during which the list changed is begun anew so often. */
#define DUMPS_MAX 16

/* ---- sockets ---- */

static int set_options(int fd)
{
    int one = 1;

    if (setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof(one)) < 0 ||
        setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one)) < 0 ||
        setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &one, sizeof(one)) < 0)
        return -errno;
    return 0;
}

static int make_socket(void)
{
    return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
}

/* The child shares the table of descriptors with us: it puts the socket in a place that we keep
 * free for it. Only system calls. */
static _Noreturn void make_socket_inside(int netns_fd, int place)
{
    int errnum = 0;

    if (setns(netns_fd, CLONE_NEWNET) < 0)
        _exit(errno);
    int fd = make_socket();
    if (fd < 0)
        _exit(errno);
    if (dup3(fd, place, O_CLOEXEC) < 0)
        errnum = errno;
    close(fd);
    _exit(errnum);
}

static int open_inside(int netns_fd)
{
    _cleanup_close_ int place = make_socket();
    int status;

    if (place < 0)
        return -errno;
    pid_t pid = clone_process(CLONE_FILES, -1, NULL);
    if (pid < 0)
        return pid;
    if (pid == 0)
        make_socket_inside(netns_fd, place);
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    if (status != 0)
        return WIFEXITED(status) ? -WEXITSTATUS(status) : -EIO;
    return steal_fd(&place);
}

int rtnetlink_open(struct rtnetlink *netlink, int netns_fd)
{
    *netlink = (struct rtnetlink){.fd = -1};
    _cleanup_close_ int fd = netns_fd < 0 ? make_socket() : open_inside(netns_fd);
    if (fd < 0)
        return netns_fd < 0 ? -errno : fd;
    int r = set_options(fd);
    if (r == 0)
        netlink->fd = steal_fd(&fd);
    return r;
}

void rtnetlink_close(struct rtnetlink *netlink)
{
    close_fd(&netlink->fd);
}

/* ---- requests ---- */

struct request {
    struct nlmsghdr header;
    uint8_t body[REQUEST_MAX];
};

static void request_append(struct request *request, const void *data, size_t size)
{
    size_t used = NLMSG_ALIGN(request->header.nlmsg_len) - sizeof(request->header);

    assert(used + size <= sizeof(request->body));
    memcpy(request->body + used, data, size);
    request->header.nlmsg_len = (uint32_t)(sizeof(request->header) + used + size);
}

static void request_begin(struct request *request, uint16_t type, uint16_t flags, const void *data,
                          size_t size)
{
    memset(request, 0, sizeof(*request));
    request->header.nlmsg_type = type;
    request->header.nlmsg_flags = NLM_F_REQUEST | flags;
    request->header.nlmsg_len = sizeof(request->header);
    request_append(request, data, size);
}

static void request_put(struct request *request, uint16_t type, const void *data, size_t size)
{
    struct rtattr head = {.rta_type = type, .rta_len = (uint16_t)(sizeof(head) + size)};

    request_append(request, &head, sizeof(head));
    request_append(request, data, size);
}

static void request_put_name(struct request *request, uint16_t type, const char *name)
{
    request_put(request, type, name, strlen(name) + 1);
}

/* ---- answers ---- */

/* Takes one attribute; a negative errno ends the reading. */
typedef int (*attribute_fn)(uint16_t type, const void *data, size_t size, void *result);

static int attributes_read(const uint8_t *bytes, size_t size, attribute_fn take, void *result)
{
    while (size >= sizeof(struct rtattr)) {
        struct rtattr head;
        memcpy(&head, bytes, sizeof(head));
        if (head.rta_len < sizeof(head) || head.rta_len > size)
            return -EBADMSG;
        int r = take(head.rta_type & NLA_TYPE_MASK, bytes + sizeof(head),
                     head.rta_len - sizeof(head), result);
        if (r < 0)
            return r;
        size_t step = RTA_ALIGN(head.rta_len);
        if (step >= size)
            return 0;
        bytes += step;
        size -= step;
    }
    return size ? -EBADMSG : 0;
}

/* The attributes of a message behind a fixed part, which is copied to fixed. */
static int message_read(const struct nlmsghdr *message, void *fixed, size_t fixed_size,
                        attribute_fn take, void *result)
{
    const uint8_t *bytes = (const uint8_t *)message;
    size_t begin = NLMSG_HDRLEN + NLMSG_ALIGN(fixed_size);

    if (message->nlmsg_len < begin)
        return -EBADMSG;
    memcpy(fixed, bytes + NLMSG_HDRLEN, fixed_size);
    return attributes_read(bytes + begin, message->nlmsg_len - begin, take, result);
}

struct exchange {
    struct rtnetlink *netlink;
    int (*take)(const struct nlmsghdr *message, void *data); /* NULL: no answer is expected */
    void *data;
    int result;
    bool is_over, is_interrupted;
};

static int take_reason(uint16_t type, const void *data, size_t size, void *result)
{
    struct rtnetlink *netlink = result;

    if (type == NLMSGERR_ATTR_MSG && size > 0) {
        size_t kept = size < sizeof(netlink->reason) ? size : sizeof(netlink->reason);
        memcpy(netlink->reason, data, kept);
        netlink->reason[kept - 1] = '\0';
    }
    return 0;
}

/* NLMSG_ERROR ends a request, NLMSG_DONE a dump; both begin with an errno, 0 if all is well. */
static int take_end(struct rtnetlink *netlink, const struct nlmsghdr *message)
{
    struct nlmsgerr end = {0};
    size_t capped = NLMSG_HDRLEN + sizeof(end);

    if (message->nlmsg_len < NLMSG_HDRLEN + sizeof(end.error))
        return -EBADMSG;
    memcpy(&end.error, (const uint8_t *)message + NLMSG_HDRLEN, sizeof(end.error));
    bool has_reason = message->nlmsg_type == NLMSG_ERROR &&
                      (message->nlmsg_flags & NLM_F_ACK_TLVS) &&
                      (message->nlmsg_flags & NLM_F_CAPPED) && message->nlmsg_len > capped;
    if (has_reason && end.error < 0)
        attributes_read((const uint8_t *)message + capped, message->nlmsg_len - capped, take_reason,
                        netlink);
    return end.error > 0 ? -EBADMSG : end.error;
}

static void take_message(struct exchange *exchange, const struct nlmsghdr *message)
{
    int r = 0;

    if (message->nlmsg_seq != exchange->netlink->sequence || message->nlmsg_type == NLMSG_NOOP)
        return;
    if (message->nlmsg_flags & NLM_F_DUMP_INTR)
        exchange->is_interrupted = true;
    if (message->nlmsg_type == NLMSG_ERROR || message->nlmsg_type == NLMSG_DONE) {
        exchange->is_over = true;
        r = take_end(exchange->netlink, message);
    } else if (exchange->take && exchange->result == 0) {
        r = exchange->take(message, exchange->data);
    }
    /* After a failure of ours the rest of a dump is read all the same: the next request would find
     * it instead of its answer. */
    if (exchange->result == 0)
        exchange->result = r;
}

static int receive(struct exchange *exchange)
{
    _Alignas(struct nlmsghdr) uint8_t buffer[ANSWER_MAX];
    struct sockaddr_nl sender = {0};
    struct iovec vector = {.iov_base = buffer, .iov_len = sizeof(buffer)};
    struct msghdr packet = {
        .msg_name = &sender, .msg_namelen = sizeof(sender), .msg_iov = &vector, .msg_iovlen = 1};

    ssize_t length = recvmsg(exchange->netlink->fd, &packet, 0);
    if (length < 0)
        return errno == EINTR ? 0 : -errno;
    if (packet.msg_namelen != sizeof(sender) || sender.nl_pid != 0)
        return 0; /* of somebody who is not the kernel */
    if (packet.msg_flags & MSG_TRUNC)
        return -EMSGSIZE;
    for (size_t at = 0; at < (size_t)length && !exchange->is_over;) {
        const struct nlmsghdr *message = (const struct nlmsghdr *)(void *)(buffer + at);
        size_t left = (size_t)length - at;
        if (left < sizeof(*message) || message->nlmsg_len < sizeof(*message) ||
            message->nlmsg_len > left)
            return -EBADMSG;
        take_message(exchange, message);
        at += NLMSG_ALIGN(message->nlmsg_len);
    }
    return 0;
}

/* Sends a request and reads its answers to the end. -EAGAIN: a list changed while it was read. */
static int request_perform(struct exchange *exchange, struct request *request)
{
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    struct rtnetlink *netlink = exchange->netlink;
    ssize_t sent;

    netlink->reason[0] = '\0';
    request->header.nlmsg_seq = ++netlink->sequence;
    do
        sent = sendto(netlink->fd, request, request->header.nlmsg_len, 0,
                      (struct sockaddr *)&kernel, sizeof(kernel));
    while (sent < 0 && errno == EINTR);
    if (sent < 0)
        return -errno;
    while (!exchange->is_over) {
        int r = receive(exchange);
        if (r < 0)
            return r;
    }
    return exchange->result == 0 && exchange->is_interrupted ? -EAGAIN : exchange->result;
}

static int request_tell(struct rtnetlink *netlink, struct request *request)
{
    struct exchange exchange = {.netlink = netlink};

    return request_perform(&exchange, request);
}

/* ---- links ---- */

static int take_link_name(uint16_t type, const void *data, size_t size, void *result)
{
    struct rtnetlink_link *link = result;

    if (type != IFLA_IFNAME)
        return 0;
    if (size < 2 || size > sizeof(link->name) || ((const char *)data)[size - 1] != '\0')
        return -EBADMSG;
    memcpy(link->name, data, size);
    return 0;
}

static int take_link(const struct nlmsghdr *message, void *data)
{
    struct rtnetlink_link *link = data;
    struct ifinfomsg header;

    if (message->nlmsg_type != RTM_NEWLINK)
        return -EBADMSG;
    int r = message_read(message, &header, sizeof(header), take_link_name, link);
    link->index = header.ifi_index;
    return r;
}

int rtnetlink_link_find(struct rtnetlink *netlink, const char *name, int index,
                        struct rtnetlink_link *link)
{
    struct ifinfomsg header = {.ifi_index = name ? 0 : index};
    struct exchange exchange = {.netlink = netlink, .take = take_link, .data = link};
    struct request request;

    if (name && (strlen(name) == 0 || strlen(name) >= sizeof(link->name)))
        return -ENODEV;
    *link = (struct rtnetlink_link){0};
    request_begin(&request, RTM_GETLINK, NLM_F_ACK, &header, sizeof(header));
    if (name)
        request_put_name(&request, IFLA_IFNAME, name);
    int r = request_perform(&exchange, &request);
    if (r == 0 && (link->index <= 0 || link->name[0] == '\0'))
        return -EBADMSG;
    return r;
}

int rtnetlink_link_move(struct rtnetlink *netlink, int index, int netns_fd, int new_index,
                        const char *name)
{
    struct ifinfomsg header = {.ifi_index = index};
    struct request request;

    if (name && strlen(name) >= IFNAMSIZ)
        return -ENAMETOOLONG;
    request_begin(&request, RTM_SETLINK, NLM_F_ACK, &header, sizeof(header));
    request_put(&request, IFLA_NET_NS_FD, &netns_fd, sizeof(netns_fd));
    request_put(&request, IFLA_NEW_IFINDEX, &new_index, sizeof(new_index));
    if (name)
        request_put_name(&request, IFLA_IFNAME, name);
    return request_tell(netlink, &request);
}

int rtnetlink_link_set_up(struct rtnetlink *netlink, int index)
{
    struct ifinfomsg header = {.ifi_index = index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
    struct request request;

    request_begin(&request, RTM_SETLINK, NLM_F_ACK, &header, sizeof(header));
    return request_tell(netlink, &request);
}

/* ---- addresses ---- */

/* What the kernel takes back of what it tells: the rest is its own (IFA_F_TENTATIVE). */
#define ADDRESS_FLAGS                                                                              \
    (IFA_F_NODAD | IFA_F_OPTIMISTIC | IFA_F_HOMEADDRESS | IFA_F_MANAGETEMPADDR |                   \
     IFA_F_NOPREFIXROUTE | IFA_F_MCAUTOJOIN)

static const bool address_attributes[IFA_PROTO + 1] = {
    [IFA_ADDRESS] = true,   [IFA_LOCAL] = true, [IFA_LABEL] = true,       [IFA_BROADCAST] = true,
    [IFA_CACHEINFO] = true, [IFA_FLAGS] = true, [IFA_RT_PRIORITY] = true, [IFA_PROTO] = true,
};

struct address_list {
    struct rtnetlink_address *addresses; /* owned */
    size_t count, room;
    int index, family;
};

static int take_address_value(uint16_t type, const void *data, size_t size, void *result)
{
    struct rtnetlink_address *address = result;

    if (type >= ARRAY_LENGTH(address_attributes) || !address_attributes[type])
        return 0;
    if (size == 0 || size > sizeof(address->values[type].bytes))
        return -EBADMSG;
    memcpy(address->values[type].bytes, data, size);
    address->values[type].length = (uint8_t)size;
    return 0;
}

/* The flags of the header are the lower 8 bits of those of the attribute. */
static uint32_t address_flags(const struct rtnetlink_address *address)
{
    uint32_t flags = address->header.ifa_flags;

    if (address->values[IFA_FLAGS].length == sizeof(flags))
        memcpy(&flags, address->values[IFA_FLAGS].bytes, sizeof(flags));
    return flags;
}

static int keep_address(struct address_list *list, const struct rtnetlink_address *address)
{
    if (list->count == RTNETLINK_ADDRESSES_MAX)
        return -E2BIG;
    if (list->count == list->room) {
        size_t room = list->room ? 2 * list->room : 8;
        void *grown = reallocarray(list->addresses, room, sizeof(*address));
        if (!grown)
            return -ENOMEM;
        list->addresses = grown;
        list->room = room;
    }
    list->addresses[list->count++] = *address;
    return 0;
}

static int take_address(const struct nlmsghdr *message, void *data)
{
    struct rtnetlink_address address = {0};
    struct address_list *list = data;

    if (message->nlmsg_type != RTM_NEWADDR)
        return -EBADMSG;
    int r = message_read(message, &address.header, sizeof(address.header), take_address_value,
                         &address);
    if (r < 0)
        return r;
    /* A kernel without the family answers for another one. */
    if (address.header.ifa_family != list->family ||
        address.header.ifa_index != (uint32_t)list->index ||
        address.header.ifa_scope != RT_SCOPE_UNIVERSE ||
        !(address_flags(&address) & IFA_F_PERMANENT))
        return 0;
    return keep_address(list, &address);
}

static int read_family(struct rtnetlink *netlink, struct address_list *list, int family)
{
    struct ifaddrmsg header = {.ifa_family = (uint8_t)family, .ifa_index = (uint32_t)list->index};
    struct request request;
    size_t before = list->count;
    int r = -EAGAIN;

    list->family = family;
    for (int i = 0; i < DUMPS_MAX && r == -EAGAIN; i++) {
        struct exchange exchange = {.netlink = netlink, .take = take_address, .data = list};
        list->count = before;
        request_begin(&request, RTM_GETADDR, NLM_F_DUMP, &header, sizeof(header));
        r = request_perform(&exchange, &request);
    }
    return r;
}

/* The kernel puts a new IPv6 address before those it has (ipv6_link_dev_addr() in addrconf.c). */
static void reverse(struct rtnetlink_address *addresses, size_t count)
{
    for (size_t i = 0; i < count / 2; i++) {
        struct rtnetlink_address other = addresses[i];
        addresses[i] = addresses[count - 1 - i];
        addresses[count - 1 - i] = other;
    }
}

int rtnetlink_addresses_read(struct rtnetlink *netlink, int index, struct rtnetlink_address **list)
{
    struct address_list addresses = {.index = index};

    int r = read_family(netlink, &addresses, AF_INET);
    size_t ipv4_count = addresses.count;
    if (r == 0)
        r = read_family(netlink, &addresses, AF_INET6);
    if (r < 0) {
        free(addresses.addresses);
        return r;
    }
    reverse(addresses.addresses + ipv4_count, addresses.count - ipv4_count);
    *list = addresses.addresses;
    return (int)addresses.count;
}

int rtnetlink_address_add(struct rtnetlink *netlink, int index,
                          const struct rtnetlink_address *address)
{
    struct ifaddrmsg header = address->header;
    uint32_t flags = address_flags(address) & ADDRESS_FLAGS;
    struct request request;

    header.ifa_index = (uint32_t)index;
    header.ifa_flags = (uint8_t)flags;
    request_begin(&request, RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, &header,
                  sizeof(header));
    for (uint16_t type = 0; type < ARRAY_LENGTH(address->values); type++)
        if (type != IFA_FLAGS && address->values[type].length)
            request_put(&request, type, address->values[type].bytes, address->values[type].length);
    request_put(&request, IFA_FLAGS, &flags, sizeof(flags));
    return request_tell(netlink, &request);
}
