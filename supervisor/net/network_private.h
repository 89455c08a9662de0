/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_NETWORK_PRIVATE_H
#define NET_NETWORK_PRIVATE_H

/* For network.c and its tests. */

#include "supervisor/net/network.h"

/* As network_open(), with bridges that are full after capacity containers (1..1,021). */
int network_open_with_capacity(const struct network_config *config, uint32_t capacity,
                               struct network **network, struct error *error);

#endif
