/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/net/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/units.h"

#define IPV4_LENGTH_MIN 8
#define IPV6_LENGTH_MIN 8
#define WORDS           16 /* of 64 host parts: 0..1023 */

struct address_pool {
    uint32_t ipv4; /* host byte order */
    unsigned ipv4_length, ipv6_length;
    struct in6_addr ipv6;
    bool has_ipv6;
    uint32_t bridge_max;
    uint32_t capacity;
    uint64_t (*used)[WORDS]; /* one bit per host part, for each bridge that was ever needed */
    uint32_t used_count;
};

struct ipv4_range {
    uint32_t first;
    unsigned length;
    const char *what;
};

/* RFC 6890 (special-purpose registry), RFC 5771 (multicast). */
static const struct ipv4_range ipv4_refused[] = {
    {0x00000000, 8, "\"this network\" (0.0.0.0/8)"}, {0x7f000000, 8, "loopback (127.0.0.0/8)"},
    {0xa9fe0000, 16, "link-local (169.254.0.0/16)"}, {0xe0000000, 4, "multicast (224.0.0.0/4)"},
    {0xf0000000, 4, "reserved (240.0.0.0/4)"},
};

static uint32_t ipv4_mask(unsigned length)
{
    return length == 0 ? 0 : UINT32_MAX << (32 - length);
}

/* Splits "ADDRESS/LENGTH" into an address of the family and a length of min..max. */
static int parse_prefix(const char *key, const char *example, const char *text, int family,
                        unsigned min, unsigned max, void *address, unsigned *length,
                        struct error *error)
{
    char buffer[INET6_ADDRSTRLEN];
    const char *slash = strchr(text, '/');
    uint64_t number;

    if (!slash || (size_t)(slash - text) >= sizeof(buffer))
        return error_set(error, EINVAL, "network.%s: \"%.80s\" is not ADDRESS/LENGTH; write \"%s\"",
                         key, text, example);
    memcpy(buffer, text, (size_t)(slash - text));
    buffer[slash - text] = '\0';
    if (inet_pton(family, buffer, address) != 1)
        return error_set(error, EINVAL, "network.%s: \"%.80s\" is not an %s address; write \"%s\"",
                         key, buffer, family == AF_INET ? "IPv4" : "IPv6", example);
    if (parse_u64(slash + 1, 128, &number) < 0 || number < min || number > max)
        return error_set(error, EINVAL,
                         "network.%s: prefix length \"%.20s\" is not one of %u to %u; write \"%s\"",
                         key, slash + 1, min, max, example);
    *length = (unsigned)number;
    return 0;
}

static int parse_ipv4(struct address_pool *pool, const char *text, struct error *error)
{
    struct in_addr address;
    unsigned length = 0;
    int r = parse_prefix("ipv4_pool", "10.203.0.0/16", text, AF_INET, IPV4_LENGTH_MIN,
                         ADDRESS_IPV4_PREFIX, &address, &length, error);

    if (r < 0)
        return r;
    pool->ipv4 = ntohl(address.s_addr);
    if (pool->ipv4 & ~ipv4_mask(length)) {
        char right[INET_ADDRSTRLEN];
        address.s_addr = htonl(pool->ipv4 & ipv4_mask(length));
        inet_ntop(AF_INET, &address, right, sizeof(right));
        return error_set(error, EINVAL,
                         "network.ipv4_pool: \"%.80s\" has bits behind its prefix; write \"%s/%u\"",
                         text, right, length);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(ipv4_refused); i++) {
        const struct ipv4_range *range = &ipv4_refused[i];
        uint32_t common = ipv4_mask(range->length < length ? range->length : length);
        if ((pool->ipv4 & common) == (range->first & common))
            return error_set(error, EINVAL,
                             "network.ipv4_pool: \"%.80s\" overlaps %s; write \"10.203.0.0/16\"",
                             text, range->what);
    }
    pool->ipv4_length = length;
    pool->bridge_max = UINT32_C(1) << (ADDRESS_IPV4_PREFIX - length);
    return 0;
}

/* Zeroes all behind the first length bits. */
static struct in6_addr ipv6_network(struct in6_addr address, unsigned length)
{
    for (unsigned i = 0; i < 16; i++) {
        unsigned kept = length > i * 8 ? length - i * 8 : 0;
        if (kept < 8)
            address.s6_addr[i] &= (uint8_t)(0xff00 >> kept);
    }
    return address;
}

static int parse_ipv6(struct address_pool *pool, const char *text, struct error *error)
{
    unsigned length = 0;
    int r;

    if (!*text)
        return 0;
    r = parse_prefix("ipv6_pool", "fd4d:6f64:43::/48", text, AF_INET6, IPV6_LENGTH_MIN,
                     ADDRESS_IPV6_PREFIX, &pool->ipv6, &length, error);
    if (r < 0)
        return r;
    struct in6_addr network = ipv6_network(pool->ipv6, length);
    if (memcmp(&network, &pool->ipv6, sizeof(network)) != 0) {
        char right[INET6_ADDRSTRLEN];
        inet_ntop(AF_INET6, &network, right, sizeof(right));
        return error_set(error, EINVAL,
                         "network.ipv6_pool: \"%.80s\" has bits behind its prefix; write \"%s/%u\"",
                         text, right, length);
    }
    /* Unicast is 2000::/3 and fc00::/7 (RFC 4291 section 2.4, RFC 4193); a shorter prefix holds
     * more. */
    uint8_t first = pool->ipv6.s6_addr[0];
    if ((first & 0xe0) != 0x20 && (first & 0xfe) != 0xfc)
        return error_set(
            error, EINVAL,
            "network.ipv6_pool: \"%.80s\" is neither unique local (fc00::/7) nor global "
            "unicast (2000::/3); write \"fd4d:6f64:43::/48\"",
            text);
    unsigned spare = ADDRESS_IPV6_PREFIX - length;
    if (spare < 31 && (UINT32_C(1) << spare) < pool->bridge_max)
        pool->bridge_max = UINT32_C(1) << spare;
    pool->ipv6_length = length;
    pool->has_ipv6 = true;
    return 0;
}

int address_pool_open(const char *ipv4, const char *ipv6, uint32_t capacity,
                      struct address_pool **pool, struct error *error)
{
    _cleanup_free_ struct address_pool *made = calloc(1, sizeof(*made));

    if (!made)
        return error_sys(error, ENOMEM, "address pool");
    if (capacity < 1 || capacity > ADDRESS_BRIDGE_CAPACITY)
        return error_set(error, EINVAL, "%u containers on a bridge: not one of 1 to %u", capacity,
                         ADDRESS_BRIDGE_CAPACITY);
    made->capacity = capacity;
    int r = parse_ipv4(made, ipv4, error);
    if (r == 0)
        r = parse_ipv6(made, ipv6, error);
    if (r < 0)
        return r;
    *pool = steal_ptr(made);
    return 0;
}

void address_pool_free(struct address_pool *pool)
{
    if (!pool)
        return;
    free(pool->used);
    free(pool);
}

bool address_pool_has_ipv6(const struct address_pool *pool)
{
    return pool->has_ipv6;
}

unsigned address_pool_length(const struct address_pool *pool, int family)
{
    return family == AF_INET ? pool->ipv4_length : pool->ipv6_length;
}

uint32_t address_pool_bridges(const struct address_pool *pool)
{
    return pool->bridge_max;
}

static int take_host(struct address_pool *pool, uint32_t bridge, uint32_t *host)
{
    for (uint32_t i = ADDRESS_FIRST; i < ADDRESS_FIRST + pool->capacity; i++) {
        uint64_t bit = UINT64_C(1) << (i % 64);
        if (pool->used[bridge][i / 64] & bit)
            continue;
        pool->used[bridge][i / 64] |= bit;
        *host = i;
        return 0;
    }
    return -ENOSPC;
}

int address_take(struct address_pool *pool, uint32_t *bridge, uint32_t *host, struct error *error)
{
    for (uint32_t i = 0; i < pool->bridge_max; i++) {
        if (i == pool->used_count) {
            uint64_t(*grown)[WORDS] = reallocarray(pool->used, i + 1, sizeof(*pool->used));
            if (!grown)
                return error_sys(error, ENOMEM, "address pool");
            pool->used = grown;
            memset(pool->used[i], 0, sizeof(pool->used[i]));
            pool->used_count++;
        }
        if (take_host(pool, i, host) == 0) {
            *bridge = i;
            return 0;
        }
    }
    return error_set(error, ENOSPC,
                     "no address left: the pools have room for %u bridges of %u containers; give "
                     "network.ipv4_pool or network.ipv6_pool a shorter prefix",
                     pool->bridge_max, pool->capacity);
}

void address_give(struct address_pool *pool, uint32_t bridge, uint32_t host)
{
    if (bridge < pool->used_count && host < WORDS * 64)
        pool->used[bridge][host / 64] &= ~(UINT64_C(1) << (host % 64));
}

struct in_addr address_ipv4(const struct address_pool *pool, uint32_t bridge, uint32_t host)
{
    uint32_t number = pool->ipv4 + (bridge << (32 - ADDRESS_IPV4_PREFIX)) + host;

    return (struct in_addr){.s_addr = htonl(number)};
}

struct in6_addr address_ipv6(const struct address_pool *pool, uint32_t bridge, uint32_t host)
{
    struct in6_addr address = pool->ipv6;
    uint32_t subnet = htonl(bridge), interface = htonl(host), old;

    /* Bridges number at most 2^14 (a /8 of /22s), so no carry leaves the four octets before the
     * /64. */
    memcpy(&old, &address.s6_addr[4], sizeof(old));
    subnet |= old;
    memcpy(&address.s6_addr[4], &subnet, sizeof(subnet));
    memcpy(&address.s6_addr[12], &interface, sizeof(interface));
    return address;
}

void address_ipv4_text(const struct address_pool *pool, uint32_t bridge, uint32_t host,
                       char text[ADDRESS_IPV4_TEXT])
{
    struct in_addr address = address_ipv4(pool, bridge, host);

    inet_ntop(AF_INET, &address, text, ADDRESS_IPV4_TEXT);
}

void address_ipv6_text(const struct address_pool *pool, uint32_t bridge, uint32_t host,
                       char text[ADDRESS_IPV6_TEXT])
{
    struct in6_addr address = address_ipv6(pool, bridge, host);

    text[0] = '\0';
    if (pool->has_ipv6)
        inet_ntop(AF_INET6, &address, text, ADDRESS_IPV6_TEXT);
}

void address_mac(const struct address_pool *pool, uint32_t bridge, uint32_t host, uint8_t mac[6])
{
    struct in_addr address = address_ipv4(pool, bridge, host);

    mac[0] = 0x02;
    mac[1] = 0xc7;
    memcpy(&mac[2], &address, sizeof(address));
}

struct in6_addr address_link_local(const uint8_t mac[6])
{
    struct in6_addr address = {.s6_addr = {0xfe, 0x80}};

    address.s6_addr[8] = mac[0] ^ 0x02;
    address.s6_addr[9] = mac[1];
    address.s6_addr[10] = mac[2];
    address.s6_addr[11] = 0xff;
    address.s6_addr[12] = 0xfe;
    memcpy(&address.s6_addr[13], &mac[3], 3);
    return address;
}
