/* SPDX-License-Identifier: Apache-2.0 */

#ifndef TESTS_UNIT_NET_STAGE_H
#define TESTS_UNIT_NET_STAGE_H

/*
 * The stage for tests of the network with real packets. The test makes itself a network namespace
 * that plays the host; tenants and the world outside are further namespaces. A socket stays in the
 * namespace it was made in, so that one process speaks for all of them. Run as root.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <linux/rtnetlink.h>
#include <net/ethernet.h>
#include <netlink/attr.h>
#include <nftables/libnftables.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include "common/cleanup.h"
#include "supervisor/net/address.h"
#include "supervisor/net/link.h"
#include "supervisor/net/namespace.h"
#include "supervisor/net/network_private.h"
#include "supervisor/net/route.h"

#define PORT         7777
#define ALLOWED_MS   3000 /* for what must succeed */
#define FORBIDDEN_MS 350  /* for what must not */
#define TENANTS      3

static const struct network_config host_config = {
    .namespace = "host",
    .bridge = "ctbr",
    .table = "container_supervisor",
    .ipv4_pool = "10.203.0.0/16",
    .ipv6_pool = "fd4d:6f64:43::/48",
};

struct tenant {
    int netns_fd;
    struct network_attachment attachment;
};

static struct network *network;
static struct tenant tenants[TENANTS];
static int host_fd, outside_fd;
static struct error error;

#define assert_ok(call)                                                                            \
    do {                                                                                           \
        error = (struct error)ERROR_INIT;                                                          \
        int result_ = (int)(call);                                                                 \
        if (result_ < 0)                                                                           \
            fail_msg("%s: %d (%s) %s", #call, result_, strerror(-result_), error.message);         \
    } while (0)

/* ---- sockets in namespaces ---- */

static inline int socket_in(int netns_fd, int family, int type, int protocol)
{
    _cleanup_(namespace_leave) int previous = -1;

    assert_ok(namespace_enter(netns_fd, &previous));
    int fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
    assert_true(fd >= 0);
    return fd;
}

static inline socklen_t endpoint(struct sockaddr_storage *address, const char *text, int port,
                                 int scope)
{
    struct sockaddr_in *ipv4 = (struct sockaddr_in *)address;
    struct sockaddr_in6 *ipv6 = (struct sockaddr_in6 *)address;

    memset(address, 0, sizeof(*address));
    if (inet_pton(AF_INET, text, &ipv4->sin_addr) == 1) {
        ipv4->sin_family = AF_INET;
        ipv4->sin_port = htons((uint16_t)port);
        return sizeof(*ipv4);
    }
    assert_int_equal(inet_pton(AF_INET6, text, &ipv6->sin6_addr), 1);
    ipv6->sin6_family = AF_INET6;
    ipv6->sin6_port = htons((uint16_t)port);
    ipv6->sin6_scope_id = (uint32_t)scope;
    return sizeof(*ipv6);
}

/* A listener for both families on all addresses. */
static inline int listen_on(int netns_fd, int port)
{
    int fd = socket_in(netns_fd, AF_INET6, SOCK_STREAM, 0), one = 1;
    struct sockaddr_storage address;
    socklen_t length = endpoint(&address, "::", port, 0);

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    assert_int_equal(bind(fd, (struct sockaddr *)&address, length), 0);
    assert_int_equal(listen(fd, 16), 0);
    return fd;
}

static inline int listen_in(int netns_fd)
{
    return listen_on(netns_fd, PORT);
}

/* 0 when a connection came to be, else the errno; ETIMEDOUT after timeout_ms. */
static inline int try_port(int netns_fd, const char *to, int port, int scope, int timeout_ms)
{
    struct sockaddr_storage address;
    socklen_t length = endpoint(&address, to, port, scope);
    _cleanup_close_ int fd = socket_in(netns_fd, address.ss_family, SOCK_STREAM, 0);
    int code = 0;
    socklen_t size = sizeof(code);

    if (connect(fd, (struct sockaddr *)&address, length) == 0)
        return 0;
    if (errno != EINPROGRESS)
        return errno;
    struct pollfd event = {.fd = fd, .events = POLLOUT};
    if (poll(&event, 1, timeout_ms) == 0)
        return ETIMEDOUT;
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &size);
    return code;
}

static inline int try_connect(int netns_fd, const char *to, int scope, int timeout_ms)
{
    return try_port(netns_fd, to, PORT, scope, timeout_ms);
}

static inline void assert_reaches(int netns_fd, const char *to)
{
    int code = try_connect(netns_fd, to, 0, ALLOWED_MS);

    if (code != 0)
        fail_msg("no connection to %s: %s", to, strerror(code));
}

static inline void assert_does_not_reach(int netns_fd, const char *to)
{
    int code = try_connect(netns_fd, to, 0, FORBIDDEN_MS);

    if (code == 0)
        fail_msg("a connection to %s", to);
    /* Refused would mean that the packet got there. */
    assert_int_not_equal(code, ECONNREFUSED);
}

/* ---- raw frames ---- */

struct frame {
    uint8_t bytes[128];
    size_t length;
};

static const char marker[] = "mod_container test frame";

static inline int packet_socket_in(int netns_fd, const char *name)
{
    int fd = socket_in(netns_fd, AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
    _cleanup_(namespace_leave) int previous = -1;

    assert_ok(namespace_enter(netns_fd, &previous));
    struct sockaddr_ll address = {
        .sll_family = AF_PACKET,
        .sll_protocol = htons(ETH_P_ALL),
        .sll_ifindex = (int)if_nametoindex(name),
    };
    assert_true(address.sll_ifindex > 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static inline void put(struct frame *frame, const void *bytes, size_t length)
{
    assert_true(frame->length + length <= sizeof(frame->bytes));
    memcpy(frame->bytes + frame->length, bytes, length);
    frame->length += length;
}

static inline void put_text_address(struct frame *frame, int family, const char *text)
{
    struct in6_addr address;

    assert_int_equal(inet_pton(family, text, &address), 1);
    put(frame, &address, family == AF_INET ? 4 : 16);
}

static inline struct frame ethernet(const uint8_t *to, const uint8_t *from, uint16_t type)
{
    struct frame frame = {.length = 0};
    uint16_t wire = htons(type);

    put(&frame, to, 6);
    put(&frame, from, 6);
    put(&frame, &wire, 2);
    return frame;
}

/* UDP without a checksum (IPv4) or with a false one (IPv6): whoever looks at the link sees it. */
static inline void put_udp(struct frame *frame)
{
    uint8_t header[8] = {0x1e, 0x61, 0x1e, 0x61, 0, 8 + sizeof(marker), 0, 0};

    put(frame, header, sizeof(header));
    put(frame, marker, sizeof(marker));
}

static inline struct frame ipv4_frame(const uint8_t *to_mac, const uint8_t *from_mac,
                                      const char *from, const char *to)
{
    struct frame frame = ethernet(to_mac, from_mac, ETH_P_IP);
    uint8_t header[12] = {0x45, 0, 0, 28 + sizeof(marker), 0, 1, 0, 0, 64, IPPROTO_UDP, 0, 0};
    size_t start = frame.length;
    uint32_t sum = 0;

    put(&frame, header, sizeof(header));
    put_text_address(&frame, AF_INET, from);
    put_text_address(&frame, AF_INET, to);
    for (size_t i = start; i < frame.length; i += 2)
        sum += (uint32_t)frame.bytes[i] << 8 | frame.bytes[i + 1];
    sum = (sum & 0xffff) + (sum >> 16);
    sum = ~((sum & 0xffff) + (sum >> 16));
    frame.bytes[start + 10] = (uint8_t)(sum >> 8);
    frame.bytes[start + 11] = (uint8_t)sum;
    put_udp(&frame);
    return frame;
}

static inline struct frame ipv6_frame(const uint8_t *to_mac, const uint8_t *from_mac,
                                      const char *from, const char *to)
{
    struct frame frame = ethernet(to_mac, from_mac, ETH_P_IPV6);
    uint8_t header[8] = {0x60, 0, 0, 0, 0, 8 + sizeof(marker), IPPROTO_UDP, 64};

    put(&frame, header, sizeof(header));
    put_text_address(&frame, AF_INET6, from);
    put_text_address(&frame, AF_INET6, to);
    put_udp(&frame);
    return frame;
}

static inline struct frame arp_frame(const uint8_t *ethernet_from, const uint8_t *sender_mac,
                                     const char *sender, const char *target)
{
    static const uint8_t all[6] = {255, 255, 255, 255, 255, 255};
    struct frame frame = ethernet(all, ethernet_from, ETH_P_ARP);
    static const uint8_t header[8] = {0, 1, 8, 0, 6, 4, 0, 1};

    put(&frame, header, sizeof(header));
    put(&frame, sender_mac, 6);
    put_text_address(&frame, AF_INET, sender);
    put(&frame, "\0\0\0\0\0", 6);
    put_text_address(&frame, AF_INET, target);
    put(&frame, marker, sizeof(marker));
    return frame;
}

/* Whether a frame with the marker comes in by the socket within the time. */
static inline bool is_seen(int fd, int timeout_ms)
{
    struct pollfd event = {.fd = fd, .events = POLLIN};
    struct timespec start, now;
    uint8_t bytes[2048];

    clock_gettime(CLOCK_MONOTONIC, &start);
    for (;;) {
        clock_gettime(CLOCK_MONOTONIC, &now);
        int passed =
            (int)((now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000);
        if (passed >= timeout_ms || poll(&event, 1, timeout_ms - passed) <= 0)
            return false;
        ssize_t got = recv(fd, bytes, sizeof(bytes), 0);
        if (got > 0 && memmem(bytes, (size_t)got, marker, sizeof(marker)))
            return true;
    }
}

/* Sends the frame from a tenant and tells whether the link at the other place sees it. */
static inline bool frame_arrives(const struct tenant *from, const struct frame *frame, int netns_fd,
                                 const char *link, int timeout_ms)
{
    _cleanup_close_ int receiver = packet_socket_in(netns_fd, link);
    _cleanup_close_ int sender = packet_socket_in(from->netns_fd, "eth0");

    assert_int_equal(send(sender, frame->bytes, frame->length, 0), frame->length);
    return is_seen(receiver, timeout_ms);
}

static inline void gateway_mac(uint8_t mac[6])
{
    memcpy(mac, "\x02\xc7\x0a\xcb\x00\x01", 6);
}

/* ---- what is there ---- */

static inline void append_line(const struct link *link, void *data)
{
    if (strcmp(link->name, "lo") != 0 && strcmp(link->name, "out0") != 0)
        snprintf((char *)data + strlen(data), 4096 - strlen(data), "%s\n", link->name);
}

/* The names of all links but lo and the test's own. */
static inline const char *links_in(int netns_fd)
{
    static char text[4096];
    _cleanup_(namespace_leave) int previous = -1;
    _cleanup_(cleanup_netlink) struct netlink *netlink = NULL;

    text[0] = '\0';
    assert_ok(namespace_enter(netns_fd, &previous));
    assert_ok(netlink_open(&netlink));
    assert_ok(link_list(netlink, append_line, NULL, text));
    return text;
}

static inline void free_nft(struct nft_ctx **nft)
{
    nft_ctx_free(*nft);
}

/* Runs nft commands in the host's namespace; the output lasts until the next call. */
static inline const char *nft(const char *commands)
{
    static char text[65536];
    _cleanup_(free_nft) struct nft_ctx *context = nft_ctx_new(NFT_CTX_DEFAULT);

    assert_non_null(context);
    nft_ctx_buffer_output(context);
    nft_ctx_buffer_error(context);
    if (nft_run_cmd_from_buffer(context, commands) != 0)
        fail_msg("%s: %s", commands, nft_ctx_get_error_buffer(context));
    snprintf(text, sizeof(text), "%s", nft_ctx_get_output_buffer(context));
    return text;
}

static inline void read_proc(int netns_fd, const char *path, char *value, size_t size)
{
    _cleanup_(namespace_leave) int previous = -1;

    assert_ok(namespace_enter(netns_fd, &previous));
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        fail_msg("%s: %s", path, strerror(errno));
    ssize_t got = read(fd, value, size - 1);
    assert_true(got >= 0);
    value[got] = '\0';
    value[strcspn(value, "\n")] = '\0';
}

static inline int open_descriptors(void)
{
    _cleanup_closedir_ DIR *directory = opendir("/proc/self/fd");
    int count = 0;

    while (readdir(directory))
        count++;
    return count;
}

/* ---- the stage ---- */

/* The world outside: 192.0.2.2 and 2001:db8:2::2 behind a veth pair; it knows a way to the tenants.
 */
static inline void make_outside(void)
{
    static const uint8_t mac[6] = {0x02, 0, 0, 0, 0, 2};
    _cleanup_(cleanup_netlink) struct netlink *here = NULL, *there = NULL;
    struct in_addr host4, outside4, metadata;
    struct in6_addr host6, outside6;
    struct link near, far;

    inet_pton(AF_INET, "192.0.2.1", &host4);
    inet_pton(AF_INET, "192.0.2.2", &outside4);
    inet_pton(AF_INET, "169.254.169.254", &metadata);
    inet_pton(AF_INET6, "2001:db8:2::1", &host6);
    inet_pton(AF_INET6, "2001:db8:2::2", &outside6);
    outside_fd = namespace_open("private", &error);
    assert_true(outside_fd >= 0);
    struct veth veth = {.name = "out0", .netns_fd = outside_fd, .peer = "out1", .mac = mac};
    assert_ok(netlink_open(&here));
    {
        _cleanup_(namespace_leave) int previous = -1;
        assert_ok(namespace_enter(outside_fd, &previous));
        assert_ok(netlink_open(&there));
    }
    assert_ok(link_add_veth(here, &veth));
    assert_ok(link_find(here, "out0", &near));
    assert_ok(link_find(there, "out1", &far));
    assert_ok(link_set_up(here, 1)); /* lo */
    assert_ok(link_set_up(here, near.index));
    assert_ok(link_set_up(there, far.index));
    assert_ok(address_add(here, near.index, AF_INET, &host4, 24));
    assert_ok(address_add(here, near.index, AF_INET6, &host6, 64));
    assert_ok(address_add(there, far.index, AF_INET, &outside4, 24));
    assert_ok(address_add(there, far.index, AF_INET6, &outside6, 64));
    assert_ok(address_add(there, far.index, AF_INET, &metadata, 32));
    assert_ok(route_add_default(there, far.index, AF_INET, &host4));
    assert_ok(route_add_default(there, far.index, AF_INET6, &host6));
    assert_ok(route_add_default(here, near.index, AF_INET, &outside4));
}

static inline int make_host(void **state)
{
    (void)state;
    if (unshare(CLONE_NEWNET) < 0) {
        fprintf(stderr, "unshare: %s: run as root\n", strerror(errno));
        return -1;
    }
    host_fd = namespace_open_own();
    make_outside();
    return host_fd < 0 ? -1 : 0;
}

static inline int open_network(const struct network_config *config, uint32_t capacity)
{
    assert_ok(network_open_with_capacity(config, capacity, &network, &error));
    for (size_t i = 0; i < TENANTS; i++) {
        tenants[i].netns_fd = namespace_open("private", &error);
        assert_true(tenants[i].netns_fd >= 0);
        memset(&tenants[i].attachment, 0, sizeof(tenants[i].attachment));
    }
    return 0;
}

static inline void attach(size_t i)
{
    char id[32];

    snprintf(id, sizeof(id), "tenant-web-%zu", i);
    assert_ok(network_attach(network, id, tenants[i].netns_fd, &tenants[i].attachment, &error));
}

static inline void attach_all(void)
{
    for (size_t i = 0; i < TENANTS; i++)
        attach(i);
}

static inline int setup(void **state)
{
    (void)state;
    return open_network(&host_config, ADDRESS_BRIDGE_CAPACITY);
}

static inline int teardown(void **state)
{
    (void)state;
    network_close(steal_ptr(network));
    for (size_t i = 0; i < TENANTS; i++)
        close_fd(&tenants[i].netns_fd);
    return 0;
}

static inline void check_masquerade(int netns_fd, const char *to, const char *as)
{
    _cleanup_close_ int listener = listen_in(outside_fd);
    struct sockaddr_in6 peer;
    socklen_t length = sizeof(peer);
    char text[INET6_ADDRSTRLEN];

    assert_reaches(netns_fd, to);
    _cleanup_close_ int fd =
        accept4(listener, (struct sockaddr *)&peer, &length, SOCK_CLOEXEC | SOCK_NONBLOCK);
    assert_true(fd >= 0);
    inet_ntop(AF_INET6, &peer.sin6_addr, text, sizeof(text));
    assert_string_equal(text, as);
}

#endif
