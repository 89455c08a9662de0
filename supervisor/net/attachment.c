/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "supervisor/net/address.h"
#include "supervisor/net/firewall.h"
#include "supervisor/net/link.h"
#include "supervisor/net/namespace.h"
#include "supervisor/net/network_private.h"
#include "supervisor/net/route.h"
#include "supervisor/net/sysctl.h"

#define NAME_TRIES     4
#define CONTAINER_LINK "eth0"

/* ---- attaching ---- */

/* PREFIX-XXXXXXXXX: letters of a hash of the id (the id itself is too long for a link's name). */
static void port_name(const struct network *network, const char *id, unsigned salt,
                      char name[IF_NAMESIZE])
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";
    uint64_t hash = network_hash(id, salt);
    size_t length = strlen(network->port_prefix);

    memcpy(name, network->port_prefix, length);
    for (; length < IF_NAMESIZE - 1; length++, hash >>= 5)
        name[length] = letters[hash & 31];
    name[length] = '\0';
}

static int make_port(struct network *network, const char *id, int netns_fd,
                     struct network_attachment *made, struct error *error)
{
    struct veth veth = {
        .name = made->link,
        .group = network->group,
        .master = network->bridges[made->bridge],
        .netns_fd = netns_fd,
        .peer = CONTAINER_LINK,
        .mac = made->mac,
    };
    struct link link;
    int r = -EEXIST;

    for (unsigned salt = 0; salt < NAME_TRIES && r == -EEXIST; salt++) {
        port_name(network, id, salt, made->link);
        if (link_find(network->netlink, made->link, &link) == 0)
            continue;
        r = link_add_veth(network->netlink, &veth);
        if (r == -EEXIST)
            return error_set(error, EEXIST, "the container has a link " CONTAINER_LINK " already");
    }
    if (r < 0)
        return error_sys(error, -r, "make link %s", made->link);
    r = link_find(network->netlink, made->link, &link);
    if (r < 0)
        return error_sys(error, -r, "find link %s", made->link);
    made->ifindex = link.index;
    r = link_set_port(network->netlink, link.index, id);
    if (r == 0)
        r = neighbour_add_port(network->netlink, link.index, made->mac);
    return r < 0 ? error_sys(error, -r, "set link %s up as a bridge port", made->link) : 0;
}

/* Bridges flood nothing to a port, so the host is told where each container is. */
static int add_neighbours(struct network *network, const struct network_attachment *made,
                          struct error *error)
{
    int bridge = network->bridges[made->bridge];
    struct in_addr ipv4 = address_ipv4(network->pool, made->bridge, made->host);
    struct in6_addr ipv6 = address_ipv6(network->pool, made->bridge, made->host);
    int r = neighbour_add(network->netlink, bridge, AF_INET, &ipv4, made->mac);

    if (r == 0 && made->ipv6[0])
        r = neighbour_add(network->netlink, bridge, AF_INET6, &ipv6, made->mac);
    return r < 0 ? error_sys(error, -r, "add neighbour %s", made->ipv4) : 0;
}

/* Sets the links of the container up with addresses and routes through a socket of its namespace.
 */
static int start_inside(struct network *network, struct netlink *netlink,
                        const struct network_attachment *made, struct error *error)
{
    struct in_addr ipv4 = address_ipv4(network->pool, made->bridge, made->host);
    struct in6_addr ipv6 = address_ipv6(network->pool, made->bridge, made->host);
    struct in_addr gateway4 = address_ipv4(network->pool, made->bridge, ADDRESS_GATEWAY);
    struct in6_addr gateway6 = address_ipv6(network->pool, made->bridge, ADDRESS_GATEWAY);
    struct link lo, link;
    int r = link_find(netlink, "lo", &lo);

    if (r == 0)
        r = link_find(netlink, CONTAINER_LINK, &link);
    if (r == 0)
        r = link_set_up(netlink, lo.index);
    if (r == 0)
        r = link_set_up(netlink, link.index);
    if (r < 0)
        return error_sys(error, -r, "set lo and " CONTAINER_LINK " up inside");
    r = address_add(netlink, link.index, AF_INET, &ipv4, ADDRESS_IPV4_PREFIX);
    if (r == 0 && made->ipv6[0])
        r = address_add(netlink, link.index, AF_INET6, &ipv6, ADDRESS_IPV6_PREFIX);
    if (r < 0)
        return error_sys(error, -r, "add addresses inside");
    r = route_add_default(netlink, link.index, AF_INET, &gateway4);
    if (r == 0 && made->ipv6[0])
        r = route_add_default(netlink, link.index, AF_INET6, &gateway6);
    return r < 0 ? error_sys(error, -r, "add default routes inside") : 0;
}

static int setup_inside(struct network *network, int netns_fd,
                        const struct network_attachment *made, struct error *error)
{
    _cleanup_(cleanup_netlink) struct netlink *netlink = NULL;
    _cleanup_(namespace_leave) int previous = -1;
    int r = namespace_enter(netns_fd, &previous);

    if (r < 0)
        return error_sys(error, -r, "enter the container's network namespace");
    r = sysctl_setup_container(CONTAINER_LINK, made->ipv6[0] != '\0', error);
    if (r < 0)
        return r;
    r = netlink_open(&netlink);
    if (r < 0)
        return error_sys(error, -r, "open a netlink socket inside");
    return start_inside(network, netlink, made, error);
}

static void describe(const struct network *network, struct network_attachment *made)
{
    address_ipv4_text(network->pool, made->bridge, made->host, made->ipv4);
    address_ipv6_text(network->pool, made->bridge, made->host, made->ipv6);
    address_ipv4_text(network->pool, made->bridge, ADDRESS_GATEWAY, made->gateway4);
    address_ipv6_text(network->pool, made->bridge, ADDRESS_GATEWAY, made->gateway6);
    address_mac(network->pool, made->bridge, made->host, made->mac);
}

static int attach_steps(struct network *network, const char *id, int netns_fd,
                        struct network_attachment *made, struct error *error)
{
    int r = make_port(network, id, netns_fd, made, error);

    if (r == 0)
        r = firewall_add_port(network->firewall, made, error);
    if (r == 0)
        r = add_neighbours(network, made, error);
    return r < 0 ? r : setup_inside(network, netns_fd, made, error);
}

int network_attach(struct network *network, const char *id, int netns_fd,
                   struct network_attachment *attachment, struct error *error)
{
    struct network_attachment made = {0};
    int r = address_take(network->pool, &made.bridge, &made.host, error);

    if (r < 0)
        return error_wrap(error, "network of %s", id);
    describe(network, &made);
    /* Addresses are given from the lowest up, so at most one bridge is missing. */
    if (made.bridge == network->bridge_count)
        r = network_add_bridge(network, error);
    if (r < 0) {
        address_give(network->pool, made.bridge, made.host);
        return error_wrap(error, "network of %s", id);
    }
    r = attach_steps(network, id, netns_fd, &made, error);
    if (r < 0) {
        network_detach(network, &made, NULL);
        return error_wrap(error, "network of %s", id);
    }
    *attachment = made;
    return 0;
}

/* ---- detaching ---- */

/* Only the link that has both the number and the name: numbers begin anew in another namespace. */
static int remove_port(struct network *network, const struct network_attachment *attachment)
{
    struct link link;

    if (!attachment->ifindex)
        return 0;
    int r = link_get(network->netlink, attachment->ifindex, &link);
    if (r == 0 && strcmp(link.name, attachment->link) == 0)
        r = link_delete(network->netlink, link.index);
    return r == -ENODEV ? 0 : r;
}

static int remove_neighbours(struct network *network, const struct network_attachment *attachment)
{
    int bridge = network->bridges[attachment->bridge];
    struct in_addr ipv4 = address_ipv4(network->pool, attachment->bridge, attachment->host);
    struct in6_addr ipv6 = address_ipv6(network->pool, attachment->bridge, attachment->host);
    int r = neighbour_delete(network->netlink, bridge, AF_INET, &ipv4);

    if (r < 0 && r != -ENOENT)
        return r;
    if (!attachment->ipv6[0])
        return 0;
    r = neighbour_delete(network->netlink, bridge, AF_INET6, &ipv6);
    return r == -ENOENT ? 0 : r;
}

int network_detach(struct network *network, struct network_attachment *attachment,
                   struct error *error)
{
    if (!attachment->host)
        return 0;
    if (attachment->bridge >= network->bridge_count)
        return error_set(error, EINVAL, "detach %s: there is no bridge number %u", attachment->link,
                         attachment->bridge);
    int r = remove_port(network, attachment);
    if (r < 0)
        return error_sys(error, -r, "remove link %s", attachment->link);
    r = remove_neighbours(network, attachment);
    if (r < 0)
        return error_sys(error, -r, "remove neighbour %s", attachment->ipv4);
    r = firewall_delete_port(network->firewall, attachment, error);
    if (r < 0)
        return r;
    /* Only now may another have the address. */
    address_give(network->pool, attachment->bridge, attachment->host);
    memset(attachment, 0, sizeof(*attachment));
    return 0;
}

/* ---- counting ---- */

struct counting {
    struct network_counters *counters;
    size_t count;
};

static int compare_counters(const void *a, const void *b)
{
    int left = ((const struct network_counters *)a)->ifindex;
    int right = ((const struct network_counters *)b)->ifindex;

    return (left > right) - (left < right);
}

/* What the host's end receives is what the container has sent. */
static void count_link(int index, const struct rtnl_link_stats64 *stats, void *data)
{
    const struct counting *counting = data;
    const struct network_counters key = {.ifindex = index};
    struct network_counters *found =
        bsearch(&key, counting->counters, counting->count, sizeof(key), compare_counters);

    if (!found)
        return;
    found->is_found = true;
    found->receive_bytes = stats->tx_bytes;
    found->transmit_bytes = stats->rx_bytes;
    found->receive_packets = stats->tx_packets;
    found->transmit_packets = stats->rx_packets;
    found->receive_drops = stats->tx_dropped;
    found->transmit_drops = stats->rx_dropped;
}

int network_counters(struct network *network, struct network_counters *counters, size_t count)
{
    struct counting counting = {.counters = counters, .count = count};

    for (size_t i = 0; i < count; i++)
        counters[i] = (struct network_counters){.ifindex = counters[i].ifindex};
    return link_statistics(network->netlink, count_link, NULL, &counting);
}
