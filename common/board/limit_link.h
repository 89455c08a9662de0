/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_BOARD_LIMIT_LINK_H
#define COMMON_BOARD_LIMIT_LINK_H

/*
 * Signed links to what limits a service: who has one sees the tenant's view of one service for some
 * time, and nothing else.
 *
 *     LIMIT_LINK_PATH?tenant=blog&service=web&until=1795324203&signature=64 hexadecimal digits
 *
 * The signature is HMAC-SHA256 (seal.h) of tenant, service and expiry, with the key that the
 * supervisor made. All that may hold a valid link may show it to others; no link can be made from
 * one. Who may read the key, root and the web group, can make any. Knows no httpd; any thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"
#include "common/names.h"
#include "common/seal.h"

#define LIMIT_LINK_PATH "/.well-known/container-limits"

/* The most that a link may last, and what it lasts when nothing is said: 31 days, one day. */
#define LIMIT_LINK_MAX_SECONDS     UINT64_C(2678400)
#define LIMIT_LINK_DEFAULT_SECONDS UINT64_C(86400)

/*
 * Reads the key (path_limit_key()). It must be a regular file of root's that nobody else can write.
 * Returns 0; -ENOENT: no supervisor has made one; -EPERM; or another negative errno of open(2).
 */
int limit_key_read(const char *path, uint8_t key[SEAL_KEY_SIZE], struct error *error);

/* Path and query of a link until then (seconds since 1970), in new memory; NULL without memory. */
char *limit_link_make(const uint8_t key[SEAL_KEY_SIZE], const char *tenant, const char *service,
                      uint64_t until);

struct limit_link {
    char tenant[NAME_MAX_LENGTH + 1];
    char service[NAME_MAX_LENGTH + 1];
    char seal[SEAL_TEXT_SIZE];
    bool is_json; /* "json" or "format=json" stood in the query, too */
};

/* Reads a query string, as it came; NULL is none. -EINVAL with a sentence. */
int limit_link_parse(const char *query, struct limit_link *link, struct error *error);

/* Whether the key signed it, and it has not expired at `now` (seconds since 1970). */
bool limit_link_is_valid(const struct limit_link *link, const uint8_t key[SEAL_KEY_SIZE],
                         uint64_t now);

#endif
