/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/net/firewall.h"

#include <arpa/inet.h>
#include <errno.h>
#include <nftables/libnftables.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "supervisor/net/address.h"

#define TABLE_MAX 31

struct firewall {
    struct nft_ctx *nft;
    char table[TABLE_MAX + 1];
};

/* %1$s: table, %2$s: prefix of the ports' names. Priority -300 is before all else (nft(8), bridge
 * family). */
static const char bridge_rules[] =
    "table bridge %1$s {\n"
    " set ipv4 { type ifname . ether_addr . ipv4_addr; }\n"
    " set ipv6 { type ifname . ether_addr . ipv6_addr; }\n"
    " chain prerouting {\n"
    "  type filter hook prerouting priority -300; policy accept;\n"
    "  iifname \"%2$s*\" jump port\n"
    " }\n"
    " chain port {\n"
    "  ether type ip iifname . ether saddr . ip saddr @ipv4 accept\n"
    "  ether type ip6 iifname . ether saddr . ip6 saddr @ipv6 accept\n"
    "  ether type arp iifname . ether saddr . arp saddr ip @ipv4"
    " iifname . arp saddr ether . arp saddr ip @ipv4 accept\n"
    "  drop\n"
    " }\n"
    /* Ports are isolated anyway; this holds even if somebody changes a port's flags. */
    " chain forward {\n"
    "  type filter hook forward priority -300; policy accept;\n"
    "  iifname \"%2$s*\" drop\n"
    "  oifname \"%2$s*\" drop\n"
    " }\n"
    "}\n";

/* %1$s: table. */
static const char inet_rules[] =
    "table inet %1$s {\n"
    " set bridges { type ifname; }\n"
    " chain forward {\n"
    "  type filter hook forward priority 0; policy accept;\n"
    "  iifname @bridges oifname @bridges drop\n"
    "  iifname @bridges ct state invalid drop\n"
    /*
     * A router must not forward link-local addresses (RFC 3927 section 7), where clouds keep
     * secrets; but the same clouds have their resolvers there.
     */
    "  iifname @bridges ip daddr 169.254.0.0/16 jump link_local\n"
    "  iifname @bridges accept\n"
    "  oifname @bridges ct state established,related accept\n"
    "  oifname @bridges drop\n"
    " }\n"
    " chain link_local {\n"
    "  meta l4proto { tcp, udp } th dport 53 accept\n"
    "  drop\n"
    " }\n"
    " chain input {\n"
    "  type filter hook input priority 0; policy accept;\n"
    "  iifname @bridges jump tenant\n"
    " }\n"
    " chain tenant {\n"
    "  ct state established,related accept\n"
    /* RFC 4861 section 7.1: hop limit 255 shows that no router was passed. */
    "  icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } ip6 hoplimit 255 accept\n"
    "  drop\n"
    " }\n"
    " chain postrouting {\n"
    "  type nat hook postrouting priority 100; policy accept;\n"
    " }\n"
    "}\n";

/* Runs a batch of commands, all or nothing. */
static int run(struct firewall *firewall, const char *commands, const char *what,
               struct error *error)
{
    errno = 0;
    if (nft_run_cmd_from_buffer(firewall->nft, commands) == 0)
        return 0;
    int errnum = errno > 0 ? errno : EIO;
    const char *text = nft_ctx_get_error_buffer(firewall->nft);
    /* The first line says it; those below repeat the command. */
    return error_set(error, errnum, "nftables table %s: %s: %.*s", firewall->table, what,
                     (int)strcspn(text ? text : "", "\n"), text ? text : "");
}

static int run_format(struct firewall *firewall, struct error *error, const char *what,
                      const char *format, ...) __attribute__((format(printf, 4, 5)));

static int run_format(struct firewall *firewall, struct error *error, const char *what,
                      const char *format, ...)
{
    _cleanup_free_ char *commands = NULL;
    va_list args;

    va_start(args, format);
    int length = vasprintf(&commands, format, args);
    va_end(args);
    if (length < 0) {
        commands = NULL;
        return error_sys(error, ENOMEM, "nftables table %s", firewall->table);
    }
    return run(firewall, commands, what, error);
}

static int check_table(const char *table, struct error *error)
{
    size_t length = strlen(table);

    if (length >= 1 && length <= TABLE_MAX && table[0] >= 'a' && table[0] <= 'z' &&
        strspn(table, "abcdefghijklmnopqrstuvwxyz0123456789_") == length)
        return 0;
    return error_set(
        error, EINVAL,
        "network.table: \"%.80s\" is not a table name; write a letter and at most 30 of "
        "a-z, 0-9 and '_', such as \"container_supervisor\"",
        table);
}

static int put_rules(struct firewall *firewall, const struct firewall_config *config,
                     struct error *error)
{
    _cleanup_free_ char *commands = NULL;
    size_t size;
    FILE *stream = open_memstream(&commands, &size);
    static const char *const families[] = {"bridge", "inet"};

    if (!stream)
        return error_sys(error, errno, "nftables table %s", firewall->table);
    /* "add" first, for "delete" of what is not there would fail. */
    for (size_t i = 0; i < ARRAY_LENGTH(families); i++)
        fprintf(stream, "add table %1$s %2$s\ndelete table %1$s %2$s\n", families[i],
                config->table);
    fprintf(stream, bridge_rules, config->table, config->port_prefix);
    fprintf(stream, inet_rules, config->table);
    fprintf(stream, "add rule inet %s postrouting ip saddr %s oifname != @bridges masquerade\n",
            config->table, config->ipv4_pool);
    if (*config->ipv6_pool)
        fprintf(stream,
                "add rule inet %s postrouting ip6 saddr %s oifname != @bridges masquerade\n",
                config->table, config->ipv6_pool);
    if (fclose(stream) != 0)
        return error_sys(error, ENOMEM, "nftables table %s", firewall->table);
    return run(firewall, commands, "put the rules in", error);
}

static void cleanup_firewall(struct firewall **firewall)
{
    firewall_close(*firewall);
}

int firewall_open(const struct firewall_config *config, struct firewall **firewall,
                  struct error *error)
{
    int r = check_table(config->table, error);

    if (r < 0)
        return r;
    _cleanup_(cleanup_firewall) struct firewall *made = calloc(1, sizeof(*made));
    if (!made)
        return error_sys(error, ENOMEM, "nftables");
    strcpy(made->table, config->table);
    made->nft = nft_ctx_new(NFT_CTX_DEFAULT);
    if (!made->nft || nft_ctx_buffer_error(made->nft) != 0 || nft_ctx_buffer_output(made->nft) != 0)
        return error_sys(error, ENOMEM, "nftables");
    r = put_rules(made, config, error);
    if (r < 0)
        return r;
    *firewall = steal_ptr(made);
    return 0;
}

int firewall_add_bridge(struct firewall *firewall, const char *name, struct error *error)
{
    return run_format(firewall, error, name, "add element inet %s bridges { \"%s\" }\n",
                      firewall->table, name);
}

/* The commands that "add" or "delete" the elements of a port. The caller frees them. NULL: no
 * memory. */
static char *port_commands(const struct firewall *firewall, const char *verb,
                           const struct network_attachment *attachment)
{
    const uint8_t *mac = attachment->mac;
    char *text = NULL, link_local[INET6_ADDRSTRLEN], key[64];
    struct in6_addr address = address_link_local(mac);
    int length;

    inet_ntop(AF_INET6, &address, link_local, sizeof(link_local));
    snprintf(key, sizeof(key), "\"%s\" . %02x:%02x:%02x:%02x:%02x:%02x", attachment->link, mac[0],
             mac[1], mac[2], mac[3], mac[4], mac[5]);
    if (attachment->ipv6[0])
        length =
            asprintf(&text,
                     "%1$s element bridge %2$s ipv4 { %3$s . %4$s }\n"
                     "%1$s element bridge %2$s ipv6 { %3$s . %5$s, %3$s . %6$s }\n",
                     verb, firewall->table, key, attachment->ipv4, attachment->ipv6, link_local);
    else
        length = asprintf(&text, "%s element bridge %s ipv4 { %s . %s }\n", verb, firewall->table,
                          key, attachment->ipv4);
    return length < 0 ? NULL : text;
}

int firewall_add_port(struct firewall *firewall, const struct network_attachment *attachment,
                      struct error *error)
{
    _cleanup_free_ char *commands = port_commands(firewall, "add", attachment);

    if (!commands)
        return error_sys(error, ENOMEM, "nftables table %s", firewall->table);
    return run(firewall, commands, attachment->link, error);
}

int firewall_delete_port(struct firewall *firewall, const struct network_attachment *attachment,
                         struct error *error)
{
    _cleanup_free_ char *add = port_commands(firewall, "add", attachment);
    _cleanup_free_ char *delete = port_commands(firewall, "delete", attachment);

    if (!add || !delete)
        return error_sys(error, ENOMEM, "nftables table %s", firewall->table);
    /* "add" first, as with tables: then what is gone already is no error. */
    return run_format(firewall, error, attachment->link, "%s%s", add, delete);
}

int firewall_remove(struct firewall *firewall, struct error *error)
{
    return run_format(firewall, error, "remove",
                      "add table bridge %1$s\ndelete table bridge %1$s\n"
                      "add table inet %1$s\ndelete table inet %1$s\n",
                      firewall->table);
}

void firewall_close(struct firewall *firewall)
{
    if (!firewall)
        return;
    if (firewall->nft)
        nft_ctx_free(firewall->nft);
    free(firewall);
}
