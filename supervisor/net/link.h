/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_LINK_H
#define NET_LINK_H

/*
 * Links (rtnetlink(7), RTM_*LINK): bridges, veth pairs, bridge ports. All functions return 0 or the
 * kernel's negative errno, unless they say otherwise.
 */

#include <linux/if_link.h>
#include <net/if.h>
#include <stdint.h>

#include "supervisor/net/netlink.h"

struct link {
    int index;
    int master; /* index of the bridge that it is a port of, 0: none */
    uint32_t group;
    char name[IF_NAMESIZE];
    char kind[16]; /* "bridge", "veth"; "" for hardware and lo */
};

/* A bridge with a fixed hardware address, no spanning tree, no multicast snooping; down. */
int link_add_bridge(struct netlink *netlink, const char *name, const uint8_t mac[6]);

/*
 * A veth pair: `name` here, in a group of links, a port of the link `master` from the start (0: of
 * none), and `peer` with hardware address mac in the network namespace netns_fd. Both are down. One
 * queue each.
 */
struct veth {
    const char *name;
    uint32_t group;
    int master;
    int netns_fd;
    const char *peer;
    const uint8_t *mac;
};
int link_add_veth(struct netlink *netlink, const struct veth *veth);

/*
 * Makes a bridge port one that talks to the bridge alone (isolated) and gets only frames for the
 * addresses that it was given by neighbour_add_port(): no learning, no flooding, no hairpin, no
 * spanning tree packets; notes alias for the administrator (ip link shows it) and sets the link up.
 */
int link_set_port(struct netlink *netlink, int index, const char *alias);

int link_set_up(struct netlink *netlink, int index);
int link_delete(struct netlink *netlink, int index);
/* Removes all links of a group at once: one wait of the kernel's instead of one a link. */
int link_delete_group(struct netlink *netlink, uint32_t group);

/* Fills link; -ENODEV if there is none of that name or index. */
int link_find(struct netlink *netlink, const char *name, struct link *link);
int link_get(struct netlink *netlink, int index, struct link *link);

/* Calls visit for every link by one dump; reset as netlink_query() says. */
int link_list(struct netlink *netlink, void (*visit)(const struct link *link, void *data),
              void (*reset)(void *data), void *data);

/*
 * Calls visit with the 64-bit counters of every link by one dump of them alone (RTM_GETSTATS, Linux
 * 4.7), which is much less to write and to read than all that link_list() tells.
 */
int link_statistics(struct netlink *netlink,
                    void (*visit)(int index, const struct rtnl_link_stats64 *stats, void *data),
                    void (*reset)(void *data), void *data);

#endif
