/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/runtime/netdev.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/cleanup.h"
#include "supervisor/sys/rtnetlink.h"

/* So many indexes from the link's own on are tried for a free one. */
#define INDEXES_TRIED 65536

/* Both sides of a move. */
struct crossing {
    struct rtnetlink outside, inside;
    int netns_fd;
};

static void crossing_cleanup(struct crossing *crossing)
{
    rtnetlink_close(&crossing->outside);
    rtnetlink_close(&crossing->inside);
    close_fd(&crossing->netns_fd);
}

static int crossing_open(struct crossing *crossing, pid_t pid, struct error *error)
{
    char path[64];
    struct stat own, other;

    snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
    crossing->netns_fd = open(path, O_RDONLY | O_CLOEXEC);
    if (crossing->netns_fd < 0 || fstat(crossing->netns_fd, &other) < 0 ||
        stat("/proc/thread-self/ns/net", &own) < 0)
        return error_sys(error, errno, "linux.netDevices: open %s", path);
    if (own.st_dev == other.st_dev && own.st_ino == other.st_ino)
        return error_set(error, EINVAL,
                         "linux.netDevices: the container shares the network namespace of the "
                         "runtime; give it one of its own in linux.namespaces");
    int r = rtnetlink_open(&crossing->outside, -1);
    if (r == 0)
        r = rtnetlink_open(&crossing->inside, crossing->netns_fd);
    return r < 0 ? error_sys(error, -r, "linux.netDevices: open a netlink socket") : 0;
}

/* What the kernel says beyond the errno comes in brackets. */
static int refused(const struct rtnetlink *netlink, const struct config_net_device *device,
                   int errnum, const char *what, struct error *error)
{
    const char *reason = netlink->reason;

    return error_set(error, errnum, "linux.netDevices: %s: %s: %s%s%s%s", device->host_name, what,
                     strerror(errnum), *reason ? " (" : "", reason, *reason ? ")" : "");
}

/* ---- names ---- */

static bool is_template(const char *name)
{
    return strchr(name, '%') != NULL;
}

/* As the kernel (dev_valid_name() in net/core/dev.c), which would find out after the move. */
static int check_name(const struct config_net_device *device, struct error *error)
{
    const char *name = device->name, *percent = strchr(name, '%');
    size_t length = strlen(name);
    bool is_valid = length > 0 && length < IFNAMSIZ && strcmp(name, ".") && strcmp(name, "..");

    for (const char *c = name; *c; c++)
        is_valid = is_valid && *c != '/' && *c != ':' && !isspace((unsigned char)*c);
    if (percent)
        is_valid = is_valid && percent[1] == 'd' && percent[2] == '\0';
    if (is_valid)
        return 0;
    return error_set(error, EINVAL,
                     "linux.netDevices: %s: \"%s\" is not a name of a device; write 1 to %d "
                     "characters without blanks, '/' and ':', with \"%%d\" at the end for a free "
                     "number",
                     device->host_name, name, IFNAMSIZ - 1);
}

static int name_taken(const struct config_net_device *device, struct error *error)
{
    return error_set(error, EEXIST,
                     "linux.netDevices: %s: the container has a device \"%s\" already; choose "
                     "another \"name\", or one that ends in \"%%d\"",
                     device->host_name, device->name);
}

/* Whether the move is possible, as far as one can tell before; fills link. */
static int check_device(struct crossing *crossing, const struct config_net_device *device,
                        struct rtnetlink_link *link, struct error *error)
{
    struct rtnetlink_link other;

    int r = check_name(device, error);
    if (r < 0)
        return r;
    r = rtnetlink_link_find(&crossing->outside, device->host_name, 0, link);
    if (r == -ENODEV)
        return error_set(error, ENODEV, "linux.netDevices: %s: no such device", device->host_name);
    if (r < 0)
        return refused(&crossing->outside, device, -r, "find it", error);
    if (is_template(device->name))
        return 0;
    r = rtnetlink_link_find(&crossing->inside, device->name, 0, &other);
    if (r == 0)
        return name_taken(device, error);
    return r == -ENODEV ? 0 : refused(&crossing->inside, device, -r, "look for its name", error);
}

/* ---- the move ---- */

/* An index that no link inside has, its own if possible: with it the link can be found again,
 * whatever name the kernel makes of a template. A negative errno if there is none. */
static int find_free_index(struct crossing *crossing, int own_index)
{
    struct rtnetlink_link other;

    for (int i = 0; i < INDEXES_TRIED && own_index <= INT32_MAX - i; i++) {
        int r = rtnetlink_link_find(&crossing->inside, NULL, own_index + i, &other);
        if (r == -ENODEV)
            return own_index + i;
        if (r < 0)
            return r;
    }
    return -EBUSY;
}

/* The label of an IPv4 address is the link's name, or that and ":TEXT"; as the kernel does where a
 * link is renamed (devinet.c), the text stays. A label that gets too long is left out. */
static void rename_label(struct rtnetlink_value *label, const char *name)
{
    char renamed[2 * IFNAMSIZ];
    const char *colon = memchr(label->bytes, ':', label->length);

    int length = snprintf(renamed, sizeof(renamed), "%s%.*s", name,
                          colon ? (int)(label->length - (colon - (char *)label->bytes)) : 0,
                          colon ? colon : "");
    label->length = 0;
    if (!colon || length < 0 || (size_t)length >= sizeof(label->bytes))
        return;
    memcpy(label->bytes, renamed, (size_t)length + 1);
    label->length = (uint8_t)(length + 1);
}

static int restore_addresses(struct crossing *crossing, const struct config_net_device *device,
                             int index, struct rtnetlink_address *addresses, int count,
                             struct error *error)
{
    struct rtnetlink_link link;

    int r = count ? rtnetlink_link_find(&crossing->inside, NULL, index, &link) : 0;
    if (r < 0)
        return refused(&crossing->inside, device, -r, "find it in the container", error);
    for (int i = 0; i < count; i++) {
        rename_label(&addresses[i].values[IFA_LABEL], link.name);
        r = rtnetlink_address_add(&crossing->inside, index, &addresses[i]);
        if (r < 0)
            return refused(&crossing->inside, device, -r, "set its addresses in the container",
                           error);
    }
    return 0;
}

static int move_device(struct crossing *crossing, const struct config_net_device *device,
                       const struct rtnetlink_link *link, struct error *error)
{
    _cleanup_free_ struct rtnetlink_address *addresses = NULL;
    /* Without a request to rename it, a link that is meant by an alternative name keeps both. */
    const char *name = strcmp(device->name, device->host_name) ? device->name : NULL;

    int count = rtnetlink_addresses_read(&crossing->outside, link->index, &addresses);
    if (count < 0)
        return refused(&crossing->outside, device, -count, "read its addresses", error);
    int index = find_free_index(crossing, link->index);
    if (index < 0)
        return refused(&crossing->inside, device, -index, "find a free index", error);
    int r = rtnetlink_link_move(&crossing->outside, link->index, crossing->netns_fd, index, name);
    if (r == -EEXIST)
        return name_taken(device, error);
    if (r < 0)
        return refused(&crossing->outside, device, -r, "move it into the container", error);
    r = restore_addresses(crossing, device, index, addresses, count, error);
    if (r < 0)
        return r;
    r = rtnetlink_link_set_up(&crossing->inside, index);
    return r < 0 ? refused(&crossing->inside, device, -r, "set it up in the container", error) : 0;
}

int netdev_move_all(const struct config *config, pid_t pid, struct error *error)
{
    _cleanup_(crossing_cleanup) struct crossing crossing = {
        .outside.fd = -1, .inside.fd = -1, .netns_fd = -1};
    struct rtnetlink_link link;

    if (config->net_device_count == 0)
        return 0;
    int r = crossing_open(&crossing, pid, error);
    /* All are checked before the first one moves; what an earlier move took is found by the second
     * look. */
    for (size_t i = 0; i < config->net_device_count && r == 0; i++)
        r = check_device(&crossing, &config->net_devices[i], &link, error);
    for (size_t i = 0; i < config->net_device_count && r == 0; i++) {
        r = check_device(&crossing, &config->net_devices[i], &link, error);
        if (r == 0)
            r = move_device(&crossing, &config->net_devices[i], &link, error);
    }
    return r;
}
