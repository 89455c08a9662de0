/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/net/link.h"

#include <errno.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <netlink/attr.h>
#include <string.h>

#include "common/cleanup.h"

/* Each step of building a message fails only when the message is full: once at the end is enough.
 */
#define BUILT(failed) ((failed) ? -EMSGSIZE : 0)

static struct nl_msg *link_message(int type, int flags, const struct ifinfomsg *header)
{
    return netlink_message(type, flags, header, sizeof(*header));
}

static int put_bridge(struct nl_msg *message, const char *name, const uint8_t mac[6])
{
    int failed =
        nla_put_string(message, IFLA_IFNAME, name) | nla_put(message, IFLA_ADDRESS, 6, mac);
    struct nlattr *info = nla_nest_start(message, IFLA_LINKINFO);

    if (!info)
        return -EMSGSIZE;
    failed |= nla_put_string(message, IFLA_INFO_KIND, "bridge");
    struct nlattr *data = nla_nest_start(message, IFLA_INFO_DATA);
    if (!data)
        return -EMSGSIZE;
    failed |= nla_put_u32(message, IFLA_BR_STP_STATE, 0);
    failed |= nla_put_u32(message, IFLA_BR_FORWARD_DELAY, 0);
    failed |= nla_put_u8(message, IFLA_BR_MCAST_SNOOPING, 0);
    failed |= nla_nest_end(message, data) | nla_nest_end(message, info);
    return BUILT(failed);
}

int link_add_bridge(struct netlink *netlink, const char *name, const uint8_t mac[6])
{
    struct ifinfomsg header = {.ifi_family = AF_UNSPEC};
    _cleanup_(cleanup_message) struct nl_msg *message =
        link_message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &header);

    if (!message)
        return -ENOMEM;
    int r = put_bridge(message, name, mac);
    return r < 0 ? r : netlink_request(netlink, message);
}

/* The peer is described as a link message of its own, header and all (VETH_INFO_PEER). */
static int put_peer(struct nl_msg *message, const struct veth *veth)
{
    struct nlattr *nest = nla_nest_start(message, VETH_INFO_PEER);
    void *header = nest ? nlmsg_reserve(message, sizeof(struct ifinfomsg), NLMSG_ALIGNTO) : NULL;

    if (!header)
        return -EMSGSIZE;
    memset(header, 0, sizeof(struct ifinfomsg));
    int failed = nla_put_string(message, IFLA_IFNAME, veth->peer) |
                 nla_put(message, IFLA_ADDRESS, 6, veth->mac) |
                 nla_put_u32(message, IFLA_NET_NS_FD, (uint32_t)veth->netns_fd) |
                 nla_put_u32(message, IFLA_NUM_TX_QUEUES, 1) |
                 nla_put_u32(message, IFLA_NUM_RX_QUEUES, 1);
    failed |= nla_nest_end(message, nest);
    return BUILT(failed);
}

static int put_veth(struct nl_msg *message, const struct veth *veth)
{
    int failed = nla_put_string(message, IFLA_IFNAME, veth->name) |
                 nla_put_u32(message, IFLA_GROUP, veth->group) |
                 nla_put_u32(message, IFLA_NUM_TX_QUEUES, 1) |
                 nla_put_u32(message, IFLA_NUM_RX_QUEUES, 1);

    if (veth->master)
        failed |= nla_put_u32(message, IFLA_MASTER, (uint32_t)veth->master);
    struct nlattr *info = nla_nest_start(message, IFLA_LINKINFO);
    if (!info)
        return -EMSGSIZE;
    failed |= nla_put_string(message, IFLA_INFO_KIND, "veth");
    struct nlattr *data = nla_nest_start(message, IFLA_INFO_DATA);
    if (!data)
        return -EMSGSIZE;
    failed |= put_peer(message, veth);
    failed |= nla_nest_end(message, data) | nla_nest_end(message, info);
    return BUILT(failed);
}

int link_add_veth(struct netlink *netlink, const struct veth *veth)
{
    struct ifinfomsg header = {.ifi_family = AF_UNSPEC};
    _cleanup_(cleanup_message) struct nl_msg *message =
        link_message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &header);

    if (!message)
        return -ENOMEM;
    int r = put_veth(message, veth);
    return r < 0 ? r : netlink_request(netlink, message);
}

static const struct {
    int attribute;
    uint8_t value;
} port_flags[] = {
    {IFLA_BRPORT_ISOLATED, 1}, /* no frame to another isolated port */
    {IFLA_BRPORT_LEARNING, 0}, /* a forged source must not draw frames to the port */
    {IFLA_BRPORT_UNICAST_FLOOD, 0}, {IFLA_BRPORT_MCAST_FLOOD, 0},
    {IFLA_BRPORT_BCAST_FLOOD, 0},   {IFLA_BRPORT_MODE, 0}, /* hairpin */
    {IFLA_BRPORT_PROTECT, 1},                              /* no spanning tree root behind it */
};

int link_set_port(struct netlink *netlink, int index, const char *alias)
{
    struct ifinfomsg header = {
        .ifi_family = AF_UNSPEC, .ifi_index = index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
    _cleanup_(cleanup_message) struct nl_msg *message = link_message(RTM_NEWLINK, 0, &header);

    if (!message)
        return -ENOMEM;
    int failed = nla_put_string(message, IFLA_IFALIAS, alias);
    struct nlattr *info = nla_nest_start(message, IFLA_LINKINFO);
    if (!info)
        return -EMSGSIZE;
    failed |= nla_put_string(message, IFLA_INFO_SLAVE_KIND, "bridge");
    struct nlattr *data = nla_nest_start(message, IFLA_INFO_SLAVE_DATA);
    if (!data)
        return -EMSGSIZE;
    for (size_t i = 0; i < ARRAY_LENGTH(port_flags); i++)
        failed |= nla_put_u8(message, port_flags[i].attribute, port_flags[i].value);
    failed |= nla_nest_end(message, data) | nla_nest_end(message, info);
    return failed ? -EMSGSIZE : netlink_request(netlink, message);
}

int link_set_up(struct netlink *netlink, int index)
{
    struct ifinfomsg header = {
        .ifi_family = AF_UNSPEC, .ifi_index = index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
    _cleanup_(cleanup_message) struct nl_msg *message = link_message(RTM_NEWLINK, 0, &header);

    return message ? netlink_request(netlink, message) : -ENOMEM;
}

int link_delete(struct netlink *netlink, int index)
{
    struct ifinfomsg header = {.ifi_family = AF_UNSPEC, .ifi_index = index};
    _cleanup_(cleanup_message) struct nl_msg *message = link_message(RTM_DELLINK, 0, &header);

    return message ? netlink_request(netlink, message) : -ENOMEM;
}

int link_delete_group(struct netlink *netlink, uint32_t group)
{
    struct ifinfomsg header = {.ifi_family = AF_UNSPEC};
    _cleanup_(cleanup_message) struct nl_msg *message = link_message(RTM_DELLINK, 0, &header);

    if (!message)
        return -ENOMEM;
    if (nla_put_u32(message, IFLA_GROUP, group) < 0)
        return -EMSGSIZE;
    return netlink_request(netlink, message);
}

static void parse_kind(struct nlattr *info, struct link *link)
{
    static const struct nla_policy policy[IFLA_INFO_MAX + 1] = {
        [IFLA_INFO_KIND] = {.type = NLA_STRING},
    };
    struct nlattr *parts[IFLA_INFO_MAX + 1];

    if (nla_parse_nested(parts, IFLA_INFO_MAX, info, policy) == 0 && parts[IFLA_INFO_KIND])
        nla_strlcpy(link->kind, parts[IFLA_INFO_KIND], sizeof(link->kind));
}

static int parse_link(struct nlmsghdr *message, struct link *link)
{
    static const struct nla_policy policy[IFLA_MAX + 1] = {
        [IFLA_IFNAME] = {.type = NLA_STRING},
        [IFLA_MASTER] = {.type = NLA_U32},
        [IFLA_GROUP] = {.type = NLA_U32},
    };
    struct nlattr *parts[IFLA_MAX + 1];

    if (message->nlmsg_type != RTM_NEWLINK ||
        nlmsg_parse(message, sizeof(struct ifinfomsg), parts, IFLA_MAX, policy) < 0 ||
        !parts[IFLA_IFNAME])
        return -EBADMSG;
    *link = (struct link){.index = ((struct ifinfomsg *)nlmsg_data(message))->ifi_index};
    nla_strlcpy(link->name, parts[IFLA_IFNAME], sizeof(link->name));
    if (parts[IFLA_MASTER])
        link->master = (int)nla_get_u32(parts[IFLA_MASTER]);
    if (parts[IFLA_GROUP])
        link->group = nla_get_u32(parts[IFLA_GROUP]);
    if (parts[IFLA_LINKINFO])
        parse_kind(parts[IFLA_LINKINFO], link);
    return 0;
}

static void keep_link(struct nlmsghdr *message, void *data)
{
    parse_link(message, data);
}

static int query_link(struct netlink *netlink, int index, const char *name, struct link *link)
{
    struct ifinfomsg header = {.ifi_family = AF_UNSPEC, .ifi_index = index};
    _cleanup_(cleanup_message) struct nl_msg *message = link_message(RTM_GETLINK, 0, &header);

    if (!message)
        return -ENOMEM;
    if (name && nla_put_string(message, IFLA_IFNAME, name) < 0)
        return -EMSGSIZE;
    link->index = 0;
    int r = netlink_query(netlink, message, keep_link, NULL, link);
    if (r < 0)
        return r;
    return link->index ? 0 : -EBADMSG;
}

int link_find(struct netlink *netlink, const char *name, struct link *link)
{
    return query_link(netlink, 0, name, link);
}

int link_get(struct netlink *netlink, int index, struct link *link)
{
    return query_link(netlink, index, NULL, link);
}

struct listing {
    void (*visit)(const struct link *link, void *data);
    void (*reset)(void *data);
    void *data;
};

static void visit_link(struct nlmsghdr *message, void *data)
{
    struct listing *listing = data;
    struct link link;

    if (parse_link(message, &link) == 0)
        listing->visit(&link, listing->data);
}

static void reset_listing(void *data)
{
    struct listing *listing = data;

    if (listing->reset)
        listing->reset(listing->data);
}

int link_list(struct netlink *netlink, void (*visit)(const struct link *link, void *data),
              void (*reset)(void *data), void *data)
{
    struct listing listing = {.visit = visit, .reset = reset, .data = data};
    struct ifinfomsg header = {.ifi_family = AF_UNSPEC};
    _cleanup_(cleanup_message) struct nl_msg *message =
        link_message(RTM_GETLINK, NLM_F_DUMP, &header);

    if (!message)
        return -ENOMEM;
    return netlink_query(netlink, message, visit_link, reset_listing, &listing);
}

/* ---- counters ---- */

struct counting {
    void (*visit)(int index, const struct rtnl_link_stats64 *stats, void *data);
    void (*reset)(void *data);
    void *data;
};

static void visit_statistics(struct nlmsghdr *message, void *data)
{
    static const struct nla_policy policy[IFLA_STATS_MAX + 1] = {
        [IFLA_STATS_LINK_64] = {.minlen = offsetof(struct rtnl_link_stats64, multicast)},
    };
    const struct counting *counting = data;
    struct nlattr *parts[IFLA_STATS_MAX + 1];
    struct rtnl_link_stats64 stats = {0};

    if (message->nlmsg_type != RTM_NEWSTATS ||
        nlmsg_parse(message, sizeof(struct if_stats_msg), parts, IFLA_STATS_MAX, policy) < 0 ||
        !parts[IFLA_STATS_LINK_64])
        return;
    nla_memcpy(&stats, parts[IFLA_STATS_LINK_64], sizeof(stats));
    counting->visit((int)((struct if_stats_msg *)nlmsg_data(message))->ifindex, &stats,
                    counting->data);
}

static void reset_statistics(void *data)
{
    const struct counting *counting = data;

    if (counting->reset)
        counting->reset(counting->data);
}

int link_statistics(struct netlink *netlink,
                    void (*visit)(int index, const struct rtnl_link_stats64 *stats, void *data),
                    void (*reset)(void *data), void *data)
{
    struct counting counting = {.visit = visit, .reset = reset, .data = data};
    struct if_stats_msg header = {.family = AF_UNSPEC,
                                  .filter_mask = IFLA_STATS_FILTER_BIT(IFLA_STATS_LINK_64)};
    _cleanup_(cleanup_message) struct nl_msg *message =
        netlink_message(RTM_GETSTATS, NLM_F_DUMP, &header, sizeof(header));

    if (!message)
        return -ENOMEM;
    return netlink_query(netlink, message, visit_statistics, reset_statistics, &counting);
}
