/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_ADDRESS_H
#define NET_ADDRESS_H

/*
 * Arithmetic on the address pools, and who has which address. Nothing here talks to the kernel.
 *
 * Bridge number k owns the k-th /22 of the IPv4 pool and the k-th /64 of the IPv6 pool. In both,
 * host part 1 is the bridge's own address (the gateway) and 2..1022 are containers: 1,021 of them,
 * which stays below the 1,023 ports that a bridge takes (BR_PORT_BITS 10 in the kernel's
 * net/bridge/br_private.h). The lowest free address is given first, so bridge k is needed only when
 * bridge k-1 is full.
 */

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"

#define ADDRESS_IPV4_PREFIX     22
#define ADDRESS_IPV6_PREFIX     64
#define ADDRESS_GATEWAY         1
#define ADDRESS_FIRST           2
#define ADDRESS_BRIDGE_CAPACITY 1021
#define ADDRESS_IPV4_TEXT       16
#define ADDRESS_IPV6_TEXT       48

struct address_pool;

/*
 * Reads "10.203.0.0/16" (prefix length 8..22) and "fd4d:6f64:43::/48" (8..64) or "" for no IPv6. A
 * pool with host bits set, or one that holds loopback, multicast or link-local addresses, is
 * refused: -EINVAL. capacity is how many containers a bridge takes, 1..ADDRESS_BRIDGE_CAPACITY. The
 * caller frees the pool.
 */
int address_pool_open(const char *ipv4, const char *ipv6, uint32_t capacity,
                      struct address_pool **pool, struct error *error);
void address_pool_free(struct address_pool *pool);

bool address_pool_has_ipv6(const struct address_pool *pool);
/* The prefix length of the pool of a family (AF_INET or AF_INET6); its network is bridge 0, host 0.
 */
unsigned address_pool_length(const struct address_pool *pool, int family);
/* How many bridges the smaller of the two pools has room for. */
uint32_t address_pool_bridges(const struct address_pool *pool);

/* The lowest free address. -ENOSPC when the pool is used up. */
int address_take(struct address_pool *pool, uint32_t *bridge, uint32_t *host, struct error *error);
/* Gives it back. One that is not taken is left alone. */
void address_give(struct address_pool *pool, uint32_t bridge, uint32_t host);

/* The addresses as numbers (network byte order) and as text. There is no IPv6 text without a pool:
 * "". */
struct in_addr address_ipv4(const struct address_pool *pool, uint32_t bridge, uint32_t host);
struct in6_addr address_ipv6(const struct address_pool *pool, uint32_t bridge, uint32_t host);
void address_ipv4_text(const struct address_pool *pool, uint32_t bridge, uint32_t host,
                       char text[ADDRESS_IPV4_TEXT]);
void address_ipv6_text(const struct address_pool *pool, uint32_t bridge, uint32_t host,
                       char text[ADDRESS_IPV6_TEXT]);

/*
 * A hardware address that follows from the IPv4 address: 02:c7, then its four octets. Bit 1 of the
 * first octet marks it as locally administered (IEEE 802, 8.4).
 */
void address_mac(const struct address_pool *pool, uint32_t bridge, uint32_t host, uint8_t mac[6]);

/* The link-local IPv6 address that the kernel derives from mac (RFC 4291, appendix A). */
struct in6_addr address_link_local(const uint8_t mac[6]);

#endif
