/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_NETWORK_H
#define COMMON_NETWORK_H

/*
 * A network of addresses: what the door counts, blocks and lets through. Bits behind the prefix are
 * always zero, so that two that are the same have the same bytes. An IPv4 address in IPv6 clothes
 * (::ffff:a.b.c.d, RFC 4291 2.5.5.2) is the IPv4 address. Knows no httpd; any thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

struct network {
    uint8_t family; /* 4 or 6; 0: none */
    uint8_t bits;   /* of the prefix: at most 32 or 128 */
    uint8_t bytes[16];
};

#define NETWORK_TEXT_SIZE 52 /* "xxxx:...:255.255.255.255/128" and its end */

/*
 * The network of an address of length 4 or 16, cut to bits4 or bits6 (more than there are: all).
 * family is 0 for any other length.
 */
struct network network_of(const void *address, size_t length, unsigned bits4, unsigned bits6);

/*
 * Reads "192.0.2.0/24", "2001:db8::/32" or one address. -EINVAL with a sentence for anything else,
 * for a longer prefix than the family has, and for bits behind the prefix ("192.0.2.1/24 has bits
 * behind its prefix: 192.0.2.0/24 is that network").
 */
int network_parse(const char *text, struct network *network, struct error *error);

/* An address without its prefix when that is all of it, else with; returns text. */
const char *network_format(const struct network *network, char text[NETWORK_TEXT_SIZE]);

/* Whether inner lies in outer; a network lies in itself. */
bool network_contains(const struct network *outer, const struct network *inner);

/* Whether it is in 127.0.0.0/8 or ::1. */
bool network_is_loopback(const struct network *network);

#endif
