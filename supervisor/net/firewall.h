/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_FIREWALL_H
#define NET_FIREWALL_H

/*
 * The packet filter: one nftables table of constant rules per family (inet for what is routed,
 * bridge for what enters a bridge port), both of the configured name. Containers and bridges are
 * elements of sets.
 *
 * Without its element a port passes nothing: the rules match every link whose name begins with the
 * ports' prefix and end in drop. Every change is one transaction of the kernel. One thread.
 */

#include <stdbool.h>

#include "common/error.h"
#include "supervisor/net/network.h"

struct firewall;

struct firewall_config {
    const char *table;       /* [a-z][a-z0-9_]*, at most 31 bytes */
    const char *port_prefix; /* what the names of all ports begin with: "ctbr-" */
    const char *ipv4_pool;   /* as in struct network_config, checked */
    const char *ipv6_pool;   /* "" for none */
};

/*
 * Opens the filter of the current network namespace and puts the tables in; tables of that name are
 * replaced in the same transaction.
 */
int firewall_open(const struct firewall_config *config, struct firewall **firewall,
                  struct error *error);

int firewall_add_bridge(struct firewall *firewall, const char *name, struct error *error);

/*
 * Lets a port send from its own addresses only: its MAC with its IPv4 address (ARP's sender too)
 * and with its IPv6 address or its link-local one. A port that is there stays.
 */
int firewall_add_port(struct firewall *firewall, const struct network_attachment *attachment,
                      struct error *error);
/* Takes that back. What is not there is no error. */
int firewall_delete_port(struct firewall *firewall, const struct network_attachment *attachment,
                         struct error *error);

/* Releases the handle; the tables stay. NULL is harmless. */
void firewall_close(struct firewall *firewall);
/* Removes the tables, for firewall_close() to follow. */
int firewall_remove(struct firewall *firewall, struct error *error);

#endif
