/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_SYSCTL_H
#define NET_SYSCTL_H

/*
 * The sysctls of the network namespace that the caller is in: /proc/sys/net shows the namespace of
 * the task that opens it. What they mean is in the kernel's Documentation/networking/ip-sysctl.rst.
 */

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"

/* Whether this kernel speaks IPv6. */
bool sysctl_has_ipv6(void);

/* What a bridge's own interface answers to. Without is_ipv6 it speaks none. Set before the link is
 * up. */
int sysctl_setup_bridge(const char *link, bool is_ipv6, struct error *error);

/* The same for a container's end of its veth pair; the caller is in the container's namespace. */
int sysctl_setup_container(const char *link, bool is_ipv6, struct error *error);

/*
 * Lets the namespace forward packets, and changes only what is not so already. An interface that
 * takes router advertisements would stop doing so with IPv6 forwarding on, and the machine would
 * lose its default route: such an interface is told to go on (accept_ra 2). Each change is noted in
 * notes, a text of at most size bytes that is appended to.
 */
int sysctl_enable_forwarding(bool is_ipv6, char *notes, size_t size, struct error *error);

#endif
