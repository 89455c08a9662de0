/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/net/route.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"

static int address_size(int family)
{
    return family == AF_INET ? 4 : 16;
}

int address_add(struct netlink *netlink, int index, int family, const void *address,
                unsigned prefix_length)
{
    struct ifaddrmsg header = {
        .ifa_family = (uint8_t)family,
        .ifa_prefixlen = (uint8_t)prefix_length,
        .ifa_index = (uint32_t)index,
    };
    _cleanup_(cleanup_message) struct nl_msg *message =
        netlink_message(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &header, sizeof(header));

    if (!message)
        return -ENOMEM;
    if (nla_put(message, IFA_LOCAL, address_size(family), address) < 0 ||
        nla_put(message, IFA_ADDRESS, address_size(family), address) < 0 ||
        nla_put_u32(message, IFA_FLAGS, IFA_F_PERMANENT | IFA_F_NODAD) < 0)
        return -EMSGSIZE;
    return netlink_request(netlink, message);
}

int route_add_default(struct netlink *netlink, int index, int family, const void *gateway)
{
    struct rtmsg header = {
        .rtm_family = (uint8_t)family,
        .rtm_table = RT_TABLE_MAIN,
        .rtm_protocol = RTPROT_STATIC,
        .rtm_scope = RT_SCOPE_UNIVERSE,
        .rtm_type = RTN_UNICAST,
    };
    _cleanup_(cleanup_message) struct nl_msg *message =
        netlink_message(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &header, sizeof(header));

    if (!message)
        return -ENOMEM;
    if (nla_put(message, RTA_GATEWAY, address_size(family), gateway) < 0 ||
        nla_put_u32(message, RTA_OIF, (uint32_t)index) < 0)
        return -EMSGSIZE;
    return netlink_request(netlink, message);
}

struct overlap {
    int family;
    const uint8_t *address;
    unsigned length;
    bool is_found;
    char *text;
};

/* Whether the first length bits are the same. */
static bool is_prefix_equal(const uint8_t *a, const uint8_t *b, unsigned length)
{
    unsigned octets = length / 8, bits = length % 8;

    if (memcmp(a, b, octets) != 0)
        return false;
    return bits == 0 || ((a[octets] ^ b[octets]) & (uint8_t)(0xff00 >> bits)) == 0;
}

static void visit_route(struct nlmsghdr *message, void *data)
{
    struct overlap *overlap = data;
    const struct rtmsg *route = nlmsg_data(message);
    struct nlattr *parts[RTA_MAX + 1];
    char text[INET6_ADDRSTRLEN];

    if (message->nlmsg_type != RTM_NEWROUTE || route->rtm_family != overlap->family ||
        route->rtm_table != RT_TABLE_MAIN || route->rtm_dst_len == 0 ||
        route->rtm_type != RTN_UNICAST ||
        nlmsg_parse(message, sizeof(*route), parts, RTA_MAX, NULL) < 0 || !parts[RTA_DST] ||
        nla_len(parts[RTA_DST]) != address_size(overlap->family))
        return;
    unsigned length = route->rtm_dst_len < overlap->length ? route->rtm_dst_len : overlap->length;
    if (overlap->is_found || !is_prefix_equal(nla_data(parts[RTA_DST]), overlap->address, length))
        return;
    overlap->is_found = true;
    inet_ntop(overlap->family, nla_data(parts[RTA_DST]), text, sizeof(text));
    snprintf(overlap->text, INET6_ADDRSTRLEN + 4, "%s/%u", text, route->rtm_dst_len);
}

static void reset_overlap(void *data)
{
    ((struct overlap *)data)->is_found = false;
}

int route_find_overlap(struct netlink *netlink, int family, const void *address,
                       unsigned prefix_length, char *text)
{
    struct overlap overlap = {
        .family = family, .address = address, .length = prefix_length, .text = text};
    struct rtmsg header = {.rtm_family = (uint8_t)family};
    _cleanup_(cleanup_message) struct nl_msg *message =
        netlink_message(RTM_GETROUTE, NLM_F_DUMP, &header, sizeof(header));

    if (!message)
        return -ENOMEM;
    int r = netlink_query(netlink, message, visit_route, reset_overlap, &overlap);
    return r < 0 ? r : overlap.is_found;
}

static int change_neighbour(struct netlink *netlink, int type, int flags,
                            const struct ndmsg *header, const void *address, const uint8_t *mac)
{
    _cleanup_(cleanup_message) struct nl_msg *message =
        netlink_message(type, flags, header, sizeof(*header));

    if (!message)
        return -ENOMEM;
    if (address && nla_put(message, NDA_DST, address_size(header->ndm_family), address) < 0)
        return -EMSGSIZE;
    if (mac && nla_put(message, NDA_LLADDR, 6, mac) < 0)
        return -EMSGSIZE;
    return netlink_request(netlink, message);
}

int neighbour_add(struct netlink *netlink, int index, int family, const void *address,
                  const uint8_t mac[6])
{
    struct ndmsg header = {
        .ndm_family = (uint8_t)family, .ndm_ifindex = index, .ndm_state = NUD_PERMANENT};

    return change_neighbour(netlink, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, &header, address,
                            mac);
}

int neighbour_delete(struct netlink *netlink, int index, int family, const void *address)
{
    struct ndmsg header = {.ndm_family = (uint8_t)family, .ndm_ifindex = index};

    return change_neighbour(netlink, RTM_DELNEIGH, 0, &header, address, NULL);
}

int neighbour_add_port(struct netlink *netlink, int index, const uint8_t mac[6])
{
    /* NTF_MASTER and NUD_NOARP: "bridge fdb add MAC dev PORT master static" (bridge(8)). */
    struct ndmsg header = {
        .ndm_family = AF_BRIDGE,
        .ndm_ifindex = index,
        .ndm_state = NUD_NOARP,
        .ndm_flags = NTF_MASTER,
    };

    return change_neighbour(netlink, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, &header, NULL,
                            mac);
}
