/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_ROUTE_H
#define NET_ROUTE_H

/*
 * What a link knows about the internet protocol: addresses, the default route, neighbours
 * (rtnetlink(7)). Addresses are in network byte order: a struct in_addr for AF_INET, a struct
 * in6_addr for AF_INET6. All return 0 or the kernel's negative errno.
 */

#include <stdint.h>

#include "supervisor/net/netlink.h"

/* Gives the link an address, at once usable (IFA_F_NODAD: no duplicate address detection). */
int address_add(struct netlink *netlink, int index, int family, const void *address,
                unsigned prefix_length);

/* The default route of a family through a gateway on the link. */
int route_add_default(struct netlink *netlink, int index, int family, const void *gateway);

/*
 * Whether the namespace has a route, other than the default one, into or around the network
 * address/prefix_length. 1 with its text ("10.0.0.0/8") in `text` of INET6_ADDRSTRLEN + 4 bytes, 0,
 * or a negative errno.
 */
int route_find_overlap(struct netlink *netlink, int family, const void *address,
                       unsigned prefix_length, char *text);

/* A permanent neighbour: address is mac on the link. One that is there is replaced. */
int neighbour_add(struct netlink *netlink, int index, int family, const void *address,
                  const uint8_t mac[6]);
/* -ENOENT if it is not there. */
int neighbour_delete(struct netlink *netlink, int index, int family, const void *address);

/* A static entry of the bridge's forwarding table: frames for mac leave by this port. */
int neighbour_add_port(struct netlink *netlink, int index, const uint8_t mac[6]);

#endif
