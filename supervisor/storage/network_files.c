/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"
#include "supervisor/storage/host_file.h"
#include "supervisor/storage/skeleton.h"

#define HOSTNAME_MAX 253 /* RFC 1035 section 2.3.4, without the final dot */

/* resolv.conf(5). "sortlist" is about the host's own interfaces. */
static const char *const copied_keywords[] = {"search", "domain", "options"};

/*
 * Of these files the first that names a server a container can reach: systemd-resolved's stub
 * listens on the host's loopback, and its second file names the servers behind it
 * (systemd-resolved.service(8)).
 */
static const char *const resolver_files[] = {"/etc/resolv.conf",
                                             "/run/systemd/resolve/resolv.conf"};

static bool is_reachable(const char *server)
{
    struct in_addr ipv4;
    struct in6_addr ipv6;

    if (inet_pton(AF_INET, server, &ipv4) == 1)
        return (ntohl(ipv4.s_addr) >> 24) != 127 && ipv4.s_addr != INADDR_ANY;
    /* A server with a zone ("fe80::1%eth0") is on a link that the container does not have. */
    if (inet_pton(AF_INET6, server, &ipv6) == 1)
        return !IN6_IS_ADDR_LOOPBACK(&ipv6) && !IN6_IS_ADDR_UNSPECIFIED(&ipv6) &&
               !IN6_IS_ADDR_LINKLOCAL(&ipv6);
    return false;
}

static bool is_kept(const char *line)
{
    char keyword[16], server[64];

    if (sscanf(line, "%15s %63s", keyword, server) < 2 || line[0] == ' ' || line[0] == '\t')
        return false;
    if (strcmp(keyword, "nameserver") == 0)
        return is_reachable(server);
    for (size_t i = 0; i < ARRAY_LENGTH(copied_keywords); i++)
        if (strcmp(keyword, copied_keywords[i]) == 0)
            return true;
    return false;
}

char *skeleton_resolver(const char *host_text)
{
    _cleanup_free_ char *copy = strdup(host_text), *text = NULL;
    char *rest = copy, *line;
    size_t size;
    FILE *stream = copy ? open_memstream(&text, &size) : NULL;

    if (!stream)
        return NULL;
    while ((line = strsep(&rest, "\n")))
        if (is_kept(line))
            fprintf(stream, "%s\n", line);
    return fclose(stream) == 0 ? steal_ptr(text) : NULL;
}

static char *resolver_text(void)
{
    for (size_t i = 0; i < ARRAY_LENGTH(resolver_files); i++) {
        _cleanup_free_ char *host = NULL;
        size_t length;
        if (host_file_read(resolver_files[i], &host, &length) < 0)
            continue;
        _cleanup_free_ char *text = skeleton_resolver(host);
        if (text && strstr(text, "nameserver"))
            return steal_ptr(text);
    }
    return strdup("# The host names no server that a container can reach.\n");
}

int skeleton_network_files(const struct skeleton *skeleton, const char *hostname,
                           struct error *error)
{
    _cleanup_free_ char *resolver = resolver_text();
    char line[HOSTNAME_MAX + 2], hosts[HOSTNAME_MAX + 128];

    if (!resolver)
        return error_sys(error, ENOMEM, "/etc of the image");
    if (strlen(hostname) > HOSTNAME_MAX || strpbrk(hostname, " \t\n#"))
        return error_set(error, EINVAL, "\"%.80s\" is not a host name", hostname);
    snprintf(line, sizeof(line), "%s\n", hostname);
    snprintf(hosts, sizeof(hosts),
             "127.0.0.1 localhost\n"
             "127.0.1.1 %s\n"
             "::1 localhost ip6-localhost ip6-loopback\n",
             hostname);
    int r = skeleton_file(skeleton, "etc/hostname", line, strlen(line), error);
    if (r == 0)
        r = skeleton_file(skeleton, "etc/hosts", hosts, strlen(hosts), error);
    return r < 0 ? r
                 : skeleton_file(skeleton, "etc/resolv.conf", resolver, strlen(resolver), error);
}
