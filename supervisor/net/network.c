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

static void cleanup_network(struct network **network)
{
    network_close(*network);
}

/* FNV-1a of 64 bits (draft-eastlake-fnv), the halves mixed. */
uint64_t network_hash(const char *text, unsigned salt)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ salt;

    for (; *text; text++)
        hash = (hash ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
    return hash ^ hash >> 32;
}

static bool is_bridge(const struct network *network, const struct link *link)
{
    size_t length = strlen(network->prefix);
    const char *number = link->name + length;

    return strcmp(link->kind, "bridge") == 0 && strncmp(link->name, network->prefix, length) == 0 &&
           *number && strspn(number, "0123456789") == strlen(number);
}

bool network_is_port(const struct network *network, const struct link *link)
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
                                             : network_is_port(leftovers->network, link);

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

struct group_check {
    const struct network *network;
    bool is_foreign;
};

static void check_group(const struct link *link, void *data)
{
    struct group_check *check = data;

    if (link->group == check->network->group && !network_is_port(check->network, link))
        check->is_foreign = true;
}

/* Removes all ports at once. Ten thousand one by one would take minutes. What it cannot do,
 * remove_links() does, and reports. */
static void remove_group(struct network *network)
{
    struct group_check check = {.network = network};

    if (link_list(network->netlink, check_group, NULL, &check) == 0 && !check.is_foreign)
        link_delete_group(network->netlink, network->group);
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

static int remove_all(struct network *network, struct error *error)
{
    remove_group(network);
    int r = remove_links(network, false, error);
    return r < 0 ? r : remove_links(network, true, error);
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

int network_add_bridge(struct network *network, struct error *error)
{
    _cleanup_(namespace_leave) int previous = -1;
    int r = namespace_enter(network->netns_fd, &previous);

    if (r < 0)
        return error_sys(error, -r, "enter the network's namespace");
    return make_bridge(network, error);
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
    r = remove_all(network, error);
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
    /* Far from the numbers that people give to groups (ip-link(8)). */
    made->group = (uint32_t)(network_hash(config->bridge, 0) & 0x3fffffff) | 0x40000000;
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

/* ---- closing ---- */

void network_close(struct network *network)
{
    if (!network)
        return;
    if (network->is_clean)
        remove_all(network, NULL);
    if (network->firewall)
        firewall_remove(network->firewall, NULL);
    firewall_close(network->firewall);
    netlink_close(network->netlink);
    address_pool_free(network->pool);
    free(network->bridges);
    close_fd(&network->netns_fd);
    free(network);
}
