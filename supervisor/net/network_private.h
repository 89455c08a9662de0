/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_NETWORK_PRIVATE_H
#define NET_NETWORK_PRIVATE_H

/* What network.c (opening, bridges, closing) and attachment.c (one container) share; for them and
 * the tests. */

#include "supervisor/net/link.h"
#include "supervisor/net/network.h"

/* IF_NAMESIZE less the NUL and the five digits of the last bridge's number. */
#define BRIDGE_PREFIX_MAX 10
#define NOTES_SIZE        2048

/* The two sockets stay in the network's namespace; sysctls alone need the caller to be there. */
struct network {
    int netns_fd;
    struct netlink *netlink;
    struct firewall *firewall;
    struct address_pool *pool;
    char prefix[BRIDGE_PREFIX_MAX + 1];      /* of bridges: "ctbr" */
    char port_prefix[BRIDGE_PREFIX_MAX + 2]; /* of ports: "ctbr-" */
    uint32_t group;                          /* of links, that all ports are in */
    int *bridges;                            /* interface index by number */
    uint32_t bridge_count;
    bool is_clean; /* what an earlier supervisor left is gone: all of the names is ours */
    char notes[NOTES_SIZE];
};

/* As network_open(), with bridges that are full after capacity containers (1..1,021). */
int network_open_with_capacity(const struct network_config *config, uint32_t capacity,
                               struct network **network, struct error *error);

/* Makes the next bridge, number network->bridge_count. */
int network_add_bridge(struct network *network, struct error *error);

/* Whether the link is a container's port on one of our bridges. */
bool network_is_port(const struct network *network, const struct link *link);

/* A number that spreads; salt gives another one for the same text. */
uint64_t network_hash(const char *text, unsigned salt);

#endif
