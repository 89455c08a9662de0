/* SPDX-License-Identifier: Apache-2.0 */
#include "mod_container/origin.h"

#include <string.h>
#include <strings.h>

/* The length of "host:port" without a port that is the scheme's default. */
static size_t authority_length(const char *authority, const char *default_port)
{
    size_t length = strlen(authority);
    size_t port = strlen(default_port);

    if (length > port && strcmp(authority + length - port, default_port) == 0)
        return length - port;
    return length;
}

static bool origin_is_host(const char *origin, const char *host, bool is_tls)
{
    bool is_https = strncasecmp(origin, "https://", 8) == 0;

    if (!is_https && strncasecmp(origin, "http://", 7) != 0)
        return false; /* "null" and schemes of browsers' own */
    if (is_tls && !is_https)
        return false;
    const char *authority = origin + (is_https ? 8 : 7);
    const char *default_port = is_https ? ":443" : ":80";
    size_t length = authority_length(authority, default_port);
    return length > 0 && length == authority_length(host, default_port) &&
           strncasecmp(authority, host, length) == 0;
}

bool origin_is_foreign(const char *fetch_site, const char *origin, const char *host, bool is_tls)
{
    if (fetch_site && strcmp(fetch_site, "same-origin") != 0 && strcmp(fetch_site, "none") != 0)
        return true;
    return origin && (!host || !origin_is_host(origin, host, is_tls));
}
