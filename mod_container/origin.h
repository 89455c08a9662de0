/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MOD_CONTAINER_ORIGIN_H
#define MOD_CONTAINER_ORIGIN_H

/*
 * Whether a browser sent a request on behalf of another site. A client that is no browser (curl)
 * sends neither header and is never refused. Knows no httpd; any thread.
 */

#include <stdbool.h>

/*
 * fetch_site, origin and host are the headers Sec-Fetch-Site (W3C Fetch Metadata, section 2.3),
 * Origin (RFC 6454 section 7) and Host, NULL where absent. is_tls says that the connection itself
 * is encrypted: then the Origin's scheme must be https; without TLS a proxy in front may have had
 * it, and only the hosts are compared.
 */
bool origin_is_foreign(const char *fetch_site, const char *origin, const char *host, bool is_tls);

#endif
