/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SYS_RTNETLINK_H
#define SYS_RTNETLINK_H

/*
 * The few requests of rtnetlink(7) that the runtime needs, without a library: links and their
 * addresses, in the caller's network namespace or another one. Functions return 0 or a negative
 * errno, the kernel's own where it refuses; a socket serves one thread.
 */

#include <linux/if_addr.h>
#include <net/if.h>
#include <stddef.h>
#include <stdint.h>

struct rtnetlink {
    int fd; /* -1: closed */
    uint32_t sequence;
    char reason[128]; /* what the kernel says beyond the errno of the last request; "": nothing */
};

struct rtnetlink_link {
    int index;
    char name[IFNAMSIZ];
};

/* An attribute of an address; length 0: it has none of this type. All that matter fit. */
struct rtnetlink_value {
    uint8_t length;
    uint8_t bytes[16];
};

/* An address as the kernel tells it and takes it back: ifaddrmsg and the IFA_* attributes. */
struct rtnetlink_address {
    struct ifaddrmsg header;
    struct rtnetlink_value values[IFA_PROTO + 1];
};

/*
 * Opens a socket that speaks of the network namespace netns_fd; -1: of the caller's. The caller
 * stays where it is: a child makes the socket. Close with rtnetlink_close().
 */
int rtnetlink_open(struct rtnetlink *netlink, int netns_fd);
void rtnetlink_close(struct rtnetlink *netlink);

/* Finds a link by its name (or one of its alternative names); if name is NULL, by index. -ENODEV:
 * there is none. */
int rtnetlink_link_find(struct rtnetlink *netlink, const char *name, int index,
                        struct rtnetlink_link *link);

/*
 * Lists the addresses of a link that are permanent and global (IFA_F_PERMANENT, RT_SCOPE_UNIVERSE),
 * IPv4 and IPv6, in the order in which they are to be added to have the same order again. The
 * caller frees *list. Returns their number; -E2BIG: there are more than RTNETLINK_ADDRESSES_MAX.
 */
#define RTNETLINK_ADDRESSES_MAX 4096
int rtnetlink_addresses_read(struct rtnetlink *netlink, int index, struct rtnetlink_address **list);

/* Gives the link an address, with the attributes and flags it was read with. */
int rtnetlink_address_add(struct rtnetlink *netlink, int index,
                          const struct rtnetlink_address *address);

/*
 * Moves a link into another network namespace under new_index and the name, which may be a template
 * with "%d"; NULL: it keeps the one it has. The link is down afterwards and without addresses. If
 * the kernel cannot rename it there (-EEXIST), it may have been moved all the same. Since Linux
 * 5.13.
 */
int rtnetlink_link_move(struct rtnetlink *netlink, int index, int netns_fd, int new_index,
                        const char *name);

int rtnetlink_link_set_up(struct rtnetlink *netlink, int index);

static inline void rtnetlink_cleanup(struct rtnetlink *netlink)
{
    rtnetlink_close(netlink);
}
#define _cleanup_rtnetlink_ __attribute__((cleanup(rtnetlink_cleanup)))

#endif
