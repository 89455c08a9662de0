/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_NETWORK_H
#define NET_NETWORK_H

/*
 * The tenants' network: bridges, a veth pair and addresses per container, masquerade, and the rules
 * that keep tenants apart from each other and from the host.
 *
 * A bridge has at most 1,023 ports (BR_PORT_BITS of the kernel's net/bridge), so bridge number k,
 * with the k-th part of the IPv4 pool (a /22: 1,021 containers) and the k-th /64 of the IPv6 pool,
 * appears when bridge k-1 is full. Ports are isolated (IFLA_BRPORT_ISOLATED): no frame goes from
 * tenant to tenant. One nftables table per family (inet, bridge) holds constant rules; what belongs
 * to one container is an element of a set, so a start adds an element, never a rule. Tenants reach
 * what is outside; they open no connection to each other, to any address of the host or, but for
 * the domain name system, to link-local addresses. A firewall of the host that drops forwarded
 * packets by default must allow the bridges: an accept here does not overrule it.
 *
 * One thread. All sockets (netlink, nftables) belong to the network namespace of the configuration;
 * the caller's own namespace is changed only inside a call and is back when it returns.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/error.h"

struct network_config {
    const char
        *namespace; /* "host", "private" (made here, gone with this process) or an absolute path */
    const char
        *bridge;       /* prefix of bridge names, at most 10 bytes: "ctbr" gives ctbr0, ctbr1 ... */
    const char *table; /* nftables table: "container_supervisor" */
    const char *ipv4_pool; /* "10.203.0.0/16": prefix length 8..22 */
    const char *ipv6_pool; /* "fd4d:6f64:43::/48": prefix length 8..64; "" for no IPv6 */
};

struct network;

/* What one container was given. Plain data: it is written into the run directory and read back. */
struct network_attachment {
    uint32_t bridge;         /* number of the bridge */
    uint32_t host;           /* host part of the address, 2..1022 */
    int ifindex;             /* of the host's end, 0 when not attached */
    char link[16];           /* name of the host's end */
    char ipv4[16], ipv6[48]; /* addresses inside, "" for none */
    char gateway4[16], gateway6[48];
    uint8_t mac[6];
};

/* Octets and packets as the container sees them. */
struct network_counters {
    int ifindex;
    bool is_found; /* the link is there */
    uint64_t receive_bytes, transmit_bytes;
    uint64_t receive_packets, transmit_packets;
    uint64_t receive_drops, transmit_drops;
};

/*
 * Opens or makes everything that containers share: the namespace, forwarding, the table. Links and
 * tables of the same names that an earlier supervisor left are removed first. Bridge 0 is made at
 * once. -EEXIST when another route of the namespace overlaps a pool, -EINVAL for a bad
 * configuration.
 */
int network_open(const struct network_config *config, struct network **network,
                 struct error *error);

/*
 * What network_open() changed for the whole namespace (forwarding and what follows from it) and
 * what it does without, as sentences with a newline each, for the log; "" when nothing. Lives as
 * long as the handle.
 */
const char *network_notes(const struct network *network);

/*
 * Gives the container in network namespace netns_fd an address and a link: inside, eth0 and lo are
 * up with addresses and default routes (IPv4, IPv6, no router advertisements, no duplicate address
 * detection wait). id seeds the link's name; it must be unique among the attached. On failure
 * nothing is left.
 */
int network_attach(struct network *network, const char *id, int netns_fd,
                   struct network_attachment *attachment, struct error *error);

/* Removes the link and the set elements, gives the address back. A link that is gone already is
 * fine. */
int network_detach(struct network *network, struct network_attachment *attachment,
                   struct error *error);

/*
 * Fills in the counters of the links that ifindex of each entry names, in ascending order, by one
 * netlink dump. 0 or a negative errno.
 */
int network_counters(struct network *network, struct network_counters *counters, size_t count);

/* Removes links, bridges, table and releases the handle. NULL is harmless. */
void network_close(struct network *network);

#endif
