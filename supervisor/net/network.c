/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/net/network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
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

#define BRIDGE_PREFIX_MAX                                                                          \
    10 /* IF_NAMESIZE less the NUL and the five digits of the last bridge's number                 \
        */
#define NAME_TRIES     4
#define NOTES_SIZE     2048
#define CONTAINER_LINK "eth0"

/* The two sockets stay in the network's namespace; sysctls alone need the caller to be there. */
struct network {
    int netns_fd;
    struct netlink *netlink;
    struct firewall *firewall;
    struct address_pool *pool;
    char prefix[BRIDGE_PREFIX_MAX + 1];      /* of bridges: "ctbr" */
    char port_prefix[BRIDGE_PREFIX_MAX + 2]; /* of ports: "ctbr-" */
    int *bridges;                            /* interface index by number */
    uint32_t bridge_count;
    bool is_clean; /* what an earlier supervisor left is gone: all of the names is ours */
    char notes[NOTES_SIZE];
};

static void cleanup_network(struct network **network)
{
    network_close(*network);
}

static bool is_bridge(const struct network *network, const struct link *link)
{
    size_t length = strlen(network->prefix);
    const char *number = link->name + length;

    return strcmp(link->kind, "bridge") == 0 && strncmp(link->name, network->prefix, length) == 0 &&
           *number && strspn(number, "0123456789") == strlen(number);
}

static bool is_port(const struct network *network, const struct link *link)
{
    return strcmp(link->kind, "veth") == 0 &&
           strncmp(link->name, network->port_prefix, strlen(network->port_prefix)) == 0;
}

/* ---- opening ---- */

static int check_prefix(const char *prefix, struct error *error)
{
    size_t length = strlen(prefix);

    if (length >= 1 && length <= BRIDGE_PREFIX_MAX && prefix[0] >= 'a' && prefix[0] <= 'z' &&
        strspn(prefix, "abcdefghijklmnopqrstuvwxyz0123456789") == length)
        return 0;
    return error_set(
        error, EINVAL,
        "network.bridge: \"%.80s\" is not a prefix of link names; write a letter and at "
        "most 9 of a-z and 0-9, such as \"ctbr\"",
        prefix);
}

struct leftovers {
    const struct network *network;
    int *indexes;
    size_t count;
    bool is_full; /* no memory */
    bool want_bridges;
};

static void keep_leftover(const struct link *link, void *data)
{
    struct leftovers *leftovers = data;
    bool is_wanted = leftovers->want_bridges ? is_bridge(leftovers->network, link)
                                             : is_port(leftovers->network, link);

    if (!is_wanted || leftovers->is_full)
        return;
    int *grown =
        reallocarray(leftovers->indexes, leftovers->count + 1, sizeof(*leftovers->indexes));
    if (!grown) {
        leftovers->is_full = true;
        return;
    }
    leftovers->indexes = grown;
    leftovers->indexes[leftovers->count++] = link->index;
}

static void reset_leftovers(void *data)
{
    ((struct leftovers *)data)->count = 0;
}

/* Removes all bridges, or all ports, of our names. */
static int remove_links(struct network *network, bool want_bridges, struct error *error)
{
    struct leftovers leftovers = {.network = network, .want_bridges = want_bridges};
    int r = link_list(network->netlink, keep_leftover, reset_leftovers, &leftovers);
    _cleanup_free_ int *indexes = leftovers.indexes;

    if (leftovers.is_full)
        r = -ENOMEM;
    if (r < 0)
        return error_sys(error, -r, "list links %s*", network->prefix);
    for (size_t i = 0; i < leftovers.count; i++) {
        r = link_delete(network->netlink, indexes[i]);
        /* A container's end takes the port along when its namespace goes. */
        if (r < 0 && r != -ENODEV)
            return error_sys(error, -r, "remove link number %d of %s*", indexes[i],
                             network->prefix);
    }
    return 0;
}

static int check_overlap(struct network *network, int family, struct error *error)
{
    struct in_addr ipv4 = address_ipv4(network->pool, 0, 0);
    struct in6_addr ipv6 = address_ipv6(network->pool, 0, 0);
    const void *address = family == AF_INET ? (const void *)&ipv4 : (const void *)&ipv6;
    unsigned length = address_pool_length(network->pool, family);
    char route[INET6_ADDRSTRLEN + 4], text[INET6_ADDRSTRLEN];
    int r = route_find_overlap(network->netlink, family, address, length, route);

    if (r == 0)
        return 0;
    if (r < 0)
        return error_sys(error, -r, "list routes");
    inet_ntop(family, address, text, sizeof(text));
    return error_set(
        error, EEXIST,
        "network.%s: %s/%u overlaps the route %s of this machine; write a pool that is "
        "not in use",
        family == AF_INET ? "ipv4_pool" : "ipv6_pool", text, length, route);
}

/* Addresses, then up: the last steps of a bridge that is there. */
static int start_bridge(struct network *network, uint32_t number, const char *name, int index,
                        struct error *error)
{
    struct in_addr ipv4 = address_ipv4(network->pool, number, ADDRESS_GATEWAY);
    struct in6_addr ipv6 = address_ipv6(network->pool, number, ADDRESS_GATEWAY);
    bool is_ipv6 = address_pool_has_ipv6(network->pool);
    int r = sysctl_setup_bridge(name, is_ipv6, error);

    if (r < 0)
        return r;
    r = address_add(network->netlink, index, AF_INET, &ipv4, ADDRESS_IPV4_PREFIX);
    if (r == 0 && is_ipv6)
        r = address_add(network->netlink, index, AF_INET6, &ipv6, ADDRESS_IPV6_PREFIX);
    if (r < 0)
        return error_sys(error, -r, "add the address of bridge %s", name);
    r = link_set_up(network->netlink, index);
    return r < 0 ? error_sys(error, -r, "set bridge %s up", name) : 0;
}

/* Makes bridge number bridge_count; the caller is in the network's namespace. */
static int make_bridge(struct network *network, struct error *error)
{
    uint32_t number = network->bridge_count;
    char name[IF_NAMESIZE];
    struct link link;
    uint8_t mac[6];
    int *grown = reallocarray(network->bridges, number + 1, sizeof(*grown));

    if (!grown)
        return error_sys(error, ENOMEM, "bridges");
    network->bridges = grown;
    snprintf(name, sizeof(name), "%.*s%u", BRIDGE_PREFIX_MAX, network->prefix, number % 100000);
    address_mac(network->pool, number, ADDRESS_GATEWAY, mac);
    /* The rules first, so that no packet passes before them. */
    int r = firewall_add_bridge(network->firewall, name, error);
    if (r < 0)
        return r;
    r = link_add_bridge(network->netlink, name, mac);
    if (r < 0)
        return error_sys(error, -r, "make bridge %s", name);
    r = link_find(network->netlink, name, &link);
    if (r < 0)
        return error_sys(error, -r, "find bridge %s", name);
    r = start_bridge(network, number, name, link.index, error);
    if (r < 0) {
        link_delete(network->netlink, link.index);
        return r;
    }
    network->bridges[network->bridge_count++] = link.index;
    return 0;
}

/* Opens the pools; the caller is in the network's namespace. */
static int open_pools(struct network *network, const struct network_config *config,
                      uint32_t capacity, struct error *error)
{
    int r =
        address_pool_open(config->ipv4_pool, config->ipv6_pool, capacity, &network->pool, error);

    if (r < 0 || !address_pool_has_ipv6(network->pool) || sysctl_has_ipv6())
        return r;
    snprintf(network->notes, sizeof(network->notes),
             "this kernel has no IPv6: network.ipv6_pool is not used\n");
    address_pool_free(steal_ptr(network->pool));
    return address_pool_open(config->ipv4_pool, "", capacity, &network->pool, error);
}

/* The sockets, and a clean place; the caller is in the network's namespace. */
static int open_sockets(struct network *network, const struct network_config *config,
                        struct error *error)
{
    struct firewall_config firewall = {
        .table = config->table,
        .port_prefix = network->port_prefix,
        .ipv4_pool = config->ipv4_pool,
        .ipv6_pool = address_pool_has_ipv6(network->pool) ? config->ipv6_pool : "",
    };
    int r = netlink_open(&network->netlink);

    if (r < 0)
        return error_sys(error, -r, "open a netlink socket");
    r = remove_links(network, false, error);
    if (r == 0)
        r = remove_links(network, true, error);
    if (r < 0)
        return r;
    network->is_clean = true;
    r = check_overlap(network, AF_INET, error);
    if (r == 0 && address_pool_has_ipv6(network->pool))
        r = check_overlap(network, AF_INET6, error);
    return r < 0 ? r : firewall_open(&firewall, &network->firewall, error);
}

static int open_inside(struct network *network, const struct network_config *config,
                       uint32_t capacity, struct error *error)
{
    int r = open_pools(network, config, capacity, error);

    if (r == 0)
        r = open_sockets(network, config, error);
    /* Forwarding last: with the rules in place nothing passes between tenants. */
    if (r == 0)
        r = sysctl_enable_forwarding(address_pool_has_ipv6(network->pool), network->notes,
                                     sizeof(network->notes), error);
    return r < 0 ? r : make_bridge(network, error);
}

int network_open_with_capacity(const struct network_config *config, uint32_t capacity,
                               struct network **network, struct error *error)
{
    _cleanup_(cleanup_network) struct network *made = NULL;
    _cleanup_(namespace_leave) int previous = -1;
    int r = check_prefix(config->bridge, error);

    if (r < 0)
        return r;
    made = calloc(1, sizeof(*made));
    if (!made)
        return error_sys(error, ENOMEM, "network");
    snprintf(made->prefix, sizeof(made->prefix), "%s", config->bridge);
    snprintf(made->port_prefix, sizeof(made->port_prefix), "%s-", config->bridge);
    made->netns_fd = namespace_open(config->namespace, error);
    if (made->netns_fd < 0)
        return made->netns_fd;
    r = namespace_enter(made->netns_fd, &previous);
    if (r < 0)
        return error_sys(error, -r, "enter network.namespace \"%s\"", config->namespace);
    r = open_inside(made, config, capacity, error);
    if (r < 0)
        return r;
    *network = steal_ptr(made);
    return 0;
}

int network_open(const struct network_config *config, struct network **network, struct error *error)
{
    return network_open_with_capacity(config, ADDRESS_BRIDGE_CAPACITY, network, error);
}

const char *network_notes(const struct network *network)
{
    return network->notes;
}

/* ---- attaching ---- */

/* PREFIX-XXXXXXXXX: letters of a 64-bit FNV-1a hash of the id (the id itself is too long for a
 * link's name). */
static void port_name(const struct network *network, const char *id, unsigned salt,
                      char name[IF_NAMESIZE])
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";
    uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ salt;
    size_t length = strlen(network->port_prefix);

    for (; *id; id++)
        hash = (hash ^ (uint8_t)*id) * UINT64_C(0x100000001b3);
    hash ^= hash >> 32;
    memcpy(name, network->port_prefix, length);
    for (; length < IF_NAMESIZE - 1; length++, hash >>= 5)
        name[length] = letters[hash & 31];
    name[length] = '\0';
}

static int make_port(struct network *network, const char *id, int netns_fd,
                     struct network_attachment *made, struct error *error)
{
    struct link link;
    int r = -EEXIST;

    for (unsigned salt = 0; salt < NAME_TRIES && r == -EEXIST; salt++) {
        port_name(network, id, salt, made->link);
        if (link_find(network->netlink, made->link, &link) == 0)
            continue;
        r = link_add_veth(network->netlink, made->link, network->bridges[made->bridge], netns_fd,
                          CONTAINER_LINK, made->mac);
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

static int next_bridge(struct network *network, struct error *error)
{
    _cleanup_(namespace_leave) int previous = -1;
    int r = namespace_enter(network->netns_fd, &previous);

    if (r < 0)
        return error_sys(error, -r, "enter the network's namespace");
    return make_bridge(network, error);
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
        r = next_bridge(network, error);
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
    const struct network *network;
    struct network_counters *counters;
    size_t count, max;
};

/* What the host's end receives is what the container has sent. */
static void count_link(const struct link *link, void *data)
{
    struct counting *counting = data;

    if (counting->count == counting->max || !is_port(counting->network, link))
        return;
    counting->counters[counting->count++] = (struct network_counters){
        .ifindex = link->index,
        .receive_bytes = link->transmit_bytes,
        .transmit_bytes = link->receive_bytes,
    };
}

static void reset_counting(void *data)
{
    ((struct counting *)data)->count = 0;
}

static int compare_counters(const void *a, const void *b)
{
    int left = ((const struct network_counters *)a)->ifindex;
    int right = ((const struct network_counters *)b)->ifindex;

    return (left > right) - (left < right);
}

ssize_t network_counters(struct network *network, struct network_counters *counters, size_t max)
{
    struct counting counting = {.network = network, .counters = counters, .max = max};
    int r = link_list(network->netlink, count_link, reset_counting, &counting);

    if (r < 0)
        return r;
    qsort(counters, counting.count, sizeof(*counters), compare_counters);
    return (ssize_t)counting.count;
}

/* ---- closing ---- */

void network_close(struct network *network)
{
    if (!network)
        return;
    if (network->is_clean) {
        remove_links(network, false, NULL);
        remove_links(network, true, NULL);
    }
    if (network->firewall)
        firewall_remove(network->firewall, NULL);
    firewall_close(network->firewall);
    netlink_close(network->netlink);
    address_pool_free(network->pool);
    free(network->bridges);
    close_fd(&network->netns_fd);
    free(network);
}
