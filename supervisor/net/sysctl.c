/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/net/sysctl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"

#define NET_DIRECTORY "/proc/sys/net"

struct setting {
    const char *family;
    const char *key;
    const char *value;
};

static const struct setting bridge_settings[] = {
    {"ipv4", "arp_ignore", "1"}, /* tell tenants of no address but the bridge's own */
    {"ipv4", "accept_redirects", "0"}, {"ipv4", "send_redirects", "0"},
    {"ipv4", "proxy_arp", "0"},        {"ipv4", "route_localnet", "0"},
};

static const struct setting container_settings[] = {
    {"ipv4", "accept_redirects", "0"},
};

/* Both ends. The link-local address must follow from the MAC: the firewall expects it so. */
static const struct setting ipv6_settings[] = {
    {"ipv6", "disable_ipv6", "0"},     {"ipv6", "addr_gen_mode", "0"}, {"ipv6", "accept_ra", "0"},
    {"ipv6", "accept_redirects", "0"}, {"ipv6", "accept_dad", "0"},
};

static int sysctl_open(const char *name, int flags)
{
    char path[256];

    if ((size_t)snprintf(path, sizeof(path), NET_DIRECTORY "/%s", name) >= sizeof(path))
        return -ENAMETOOLONG;
    int fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW);
    return fd < 0 ? -errno : fd;
}

static int sysctl_read(const char *name, char *value, size_t size)
{
    _cleanup_close_ int fd = sysctl_open(name, O_RDONLY);

    if (fd < 0)
        return fd;
    ssize_t got = read(fd, value, size - 1);
    if (got < 0)
        return -errno;
    value[got] = '\0';
    value[strcspn(value, "\n")] = '\0';
    return 0;
}

/* Returns 1 when it was changed, 0 when it was so already, or a negative errno. */
static int sysctl_write(const char *name, const char *value, struct error *error)
{
    char now[64];
    int r = sysctl_read(name, now, sizeof(now));

    if (r < 0)
        return error_sys(error, -r, "read " NET_DIRECTORY "/%s", name);
    if (strcmp(now, value) == 0)
        return 0;
    _cleanup_close_ int fd = sysctl_open(name, O_WRONLY);
    if (fd < 0)
        return error_sys(error, -fd, "open " NET_DIRECTORY "/%s", name);
    if (write(fd, value, strlen(value)) < 0)
        return error_sys(error, errno, "write %s to " NET_DIRECTORY "/%s (it is %s)", value, name,
                         now);
    return 1;
}

static int write_settings(const struct setting *settings, size_t count, const char *link,
                          struct error *error)
{
    char name[128];

    for (size_t i = 0; i < count; i++) {
        snprintf(name, sizeof(name), "%s/conf/%s/%s", settings[i].family, link, settings[i].key);
        int r = sysctl_write(name, settings[i].value, error);
        if (r < 0)
            return r;
    }
    return 0;
}

bool sysctl_has_ipv6(void)
{
    return access(NET_DIRECTORY "/ipv6/conf/all/forwarding", F_OK) == 0;
}

static int setup_ipv6(const char *link, bool is_ipv6, struct error *error)
{
    static const struct setting off[] = {{"ipv6", "disable_ipv6", "1"}};

    if (is_ipv6)
        return write_settings(ipv6_settings, ARRAY_LENGTH(ipv6_settings), link, error);
    return sysctl_has_ipv6() ? write_settings(off, ARRAY_LENGTH(off), link, error) : 0;
}

int sysctl_setup_bridge(const char *link, bool is_ipv6, struct error *error)
{
    int r = write_settings(bridge_settings, ARRAY_LENGTH(bridge_settings), link, error);

    return r < 0 ? r : setup_ipv6(link, is_ipv6, error);
}

int sysctl_setup_container(const char *link, bool is_ipv6, struct error *error)
{
    int r = write_settings(container_settings, ARRAY_LENGTH(container_settings), link, error);

    /* The namespace is the tenant's alone, so port 80 in it is no privilege, and none is needed for
     * it. */
    if (r >= 0)
        r = sysctl_write("ipv4/ip_unprivileged_port_start", "0", error);
    return r < 0 ? r : setup_ipv6(link, is_ipv6, error);
}

/* Writes and notes a change in "KEY: was set to VALUE" form. */
static int write_noted(const char *name, const char *value, char *notes, size_t size,
                       struct error *error)
{
    int r = sysctl_write(name, value, error);
    size_t used = strlen(notes);

    if (r > 0)
        snprintf(notes + used, size - used, "sysctl net/%s was set to %s\n", name, value);
    return r < 0 ? r : 0;
}

static int keep_router_advertisements(char *notes, size_t size, struct error *error)
{
    _cleanup_closedir_ DIR *directory = opendir(NET_DIRECTORY "/ipv6/conf");
    char name[288], value[16];
    struct dirent *entry;

    if (!directory)
        return error_sys(error, errno, "open " NET_DIRECTORY "/ipv6/conf");
    while ((entry = readdir(directory))) {
        if (entry->d_name[0] == '.' || strcmp(entry->d_name, "all") == 0 ||
            strcmp(entry->d_name, "lo") == 0)
            continue;
        snprintf(name, sizeof(name), "ipv6/conf/%s/accept_ra", entry->d_name);
        /* An interface may go away meanwhile. */
        if (sysctl_read(name, value, sizeof(value)) < 0 || strcmp(value, "1") != 0)
            continue;
        int r = write_noted(name, "2", notes, size, error);
        if (r < 0 && r != -ENOENT)
            return r;
    }
    return 0;
}

int sysctl_enable_forwarding(bool is_ipv6, char *notes, size_t size, struct error *error)
{
    static const char ipv6_key[] = "ipv6/conf/all/forwarding";
    char value[16];
    int r = write_noted("ipv4/ip_forward", "1", notes, size, error);

    if (r < 0 || !is_ipv6)
        return r;
    r = sysctl_read(ipv6_key, value, sizeof(value));
    if (r < 0)
        return error_sys(error, -r, "read " NET_DIRECTORY "/%s", ipv6_key);
    if (strcmp(value, "0") != 0)
        return 0;
    r = keep_router_advertisements(notes, size, error);
    return r < 0 ? r : write_noted(ipv6_key, "1", notes, size, error);
}
