/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_NETLINK_H
#define NET_NETLINK_H

/*
 * A route netlink socket (rtnetlink(7)) and the exchange of one message with its answer. The socket
 * stays in the network namespace it was opened in. One thread.
 */

#include <netlink/msg.h>
#include <stddef.h>

struct netlink;

/* Opens a socket in the current network namespace. 0 or a negative errno. */
int netlink_open(struct netlink **netlink);
void netlink_close(struct netlink *netlink);
void cleanup_netlink(struct netlink **netlink);

/*
 * A message of a type (RTM_*) with flags (NLM_F_*) and the fixed part that the type begins with
 * (struct ifinfomsg and the like). The caller frees it: _cleanup_(cleanup_message). NULL: no
 * memory.
 */
struct nl_msg *netlink_message(int type, int flags, const void *header, size_t size);
void cleanup_message(struct nl_msg **message);

/* Sends the message and waits for the kernel's word. 0 or the kernel's negative errno. */
int netlink_request(struct netlink *netlink, struct nl_msg *message);

/*
 * Sends a message that asks (a get, or a dump with NLM_F_DUMP) and calls visit for each answer. A
 * dump that was interrupted by a change begins again, so visit may see an entry twice: reset is
 * called first (may be NULL). 0 or a negative errno.
 */
int netlink_query(struct netlink *netlink, struct nl_msg *message,
                  void (*visit)(struct nlmsghdr *header, void *data), void (*reset)(void *data),
                  void *data);

#endif
