/* SPDX-License-Identifier: Apache-2.0 */
#include "common/network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static unsigned width_of(const struct network *network)
{
    return network->family == 4 ? 32 : 128;
}

/* Zeroes what lies behind the prefix. Returns whether there was anything. */
static bool cut(struct network *network)
{
    bool had_more = false;

    for (unsigned i = 0; i < sizeof(network->bytes); i++) {
        unsigned kept = network->bits > 8 * i ? network->bits - 8 * i : 0;
        uint8_t mask = kept >= 8 ? 0xff : (uint8_t)(0xff00 >> kept);
        had_more |= (network->bytes[i] & ~mask) != 0;
        network->bytes[i] &= mask;
    }
    return had_more;
}

struct network network_of(const void *address, size_t length, unsigned bits4, unsigned bits6)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    struct network network = {.family = 0};

    if (length == 16 && memcmp(address, mapped, sizeof(mapped)) == 0) {
        address = (const char *)address + sizeof(mapped);
        length = 4;
    }
    if (length != 4 && length != 16)
        return network;
    network.family = length == 4 ? 4 : 6;
    memcpy(network.bytes, address, length);
    unsigned bits = length == 4 ? bits4 : bits6, width = width_of(&network);
    network.bits = (uint8_t)(bits < width ? bits : width);
    cut(&network);
    return network;
}

int network_parse(const char *text, struct network *network, struct error *error)
{
    char address[INET6_ADDRSTRLEN], right[NETWORK_TEXT_SIZE];
    const char *slash = strchrnul(text, '/');
    size_t length = (size_t)(slash - text);
    uint8_t bytes[16];
    int bits = 128, end = 0;

    *network = (struct network){.family = 0};
    if (length >= sizeof(address))
        return error_set(error, EINVAL, "\"%.60s\" is not an address or a network", text);
    memcpy(address, text, length);
    address[length] = '\0';
    if (inet_pton(AF_INET, address, bytes) == 1)
        *network = network_of(bytes, 4, 32, 128);
    else if (inet_pton(AF_INET6, address, bytes) == 1)
        *network = network_of(bytes, 16, 32, 128);
    else
        return error_set(error, EINVAL,
                         "\"%.60s\" is not an address or a network such as 192.0.2.0/24 or "
                         "2001:db8::/32",
                         text);
    if (*slash == '\0')
        return 0;
    bool is_mapped = network->family == 4 && strchr(address, ':');
    if (slash[1] < '0' || slash[1] > '9' || sscanf(slash + 1, "%3d%n", &bits, &end) != 1 ||
        slash[1 + end] != '\0')
        bits = -1;
    if (is_mapped)
        bits = bits < 96 ? -1 : bits - 96;
    if (bits < 0 || bits > (int)width_of(network)) {
        network->family = 0;
        return error_set(error, EINVAL, "\"%.60s\" has no prefix of 0 to %d bits behind its \"/\"",
                         text, strchr(address, ':') ? 128 : 32);
    }
    network->bits = (uint8_t)bits;
    if (!cut(network))
        return 0;
    network_format(network, right);
    network->family = 0;
    return error_set(error, EINVAL, "\"%.60s\" has bits behind its prefix: %s is that network",
                     text, right);
}

const char *network_format(const struct network *network, char text[NETWORK_TEXT_SIZE])
{
    if (network->family == 0 || !inet_ntop(network->family == 4 ? AF_INET : AF_INET6,
                                           network->bytes, text, INET6_ADDRSTRLEN))
        return strcpy(text, "?");
    if (network->bits < width_of(network)) {
        size_t length = strlen(text);
        snprintf(text + length, NETWORK_TEXT_SIZE - length, "/%u", network->bits);
    }
    return text;
}

bool network_contains(const struct network *outer, const struct network *inner)
{
    if (outer->family == 0 || outer->family != inner->family || inner->bits < outer->bits)
        return false;
    struct network part = *inner;
    part.bits = outer->bits;
    cut(&part);
    return memcmp(part.bytes, outer->bytes, sizeof(part.bytes)) == 0;
}

bool network_is_loopback(const struct network *network)
{
    static const struct network loops[] = {
        {.family = 4, .bits = 8, .bytes = {127}},
        {.family = 6, .bits = 64, .bytes = {0}},
    };
    static const struct network one = {.family = 6, .bits = 128, .bytes = {[15] = 1}};

    /* ::1 as the client's network of 64 bits is ::/64, in which nobody else lives. */
    return network_contains(&loops[0], network) || network_contains(&one, network) ||
           (network->bits == 64 && network_contains(&loops[1], network));
}
