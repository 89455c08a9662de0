/* SPDX-License-Identifier: Apache-2.0 */
#include "mod_container/admin_limit.h"

#include <string.h>

#include <apr_shm.h>

#include "common/clock.h"
#include "common/sha256.h"
#include "mod_container/limiter.h"

static struct limiter *limiter; /* set once a start, before children exist */

apr_status_t admin_limit_start(apr_pool_t *config_pool)
{
    apr_shm_t *memory;
    apr_status_t status = apr_shm_create(&memory, sizeof(*limiter), NULL, config_pool);

    if (status != APR_SUCCESS)
        return status;
    limiter = apr_shm_baseaddr_get(memory);
    memset(limiter, 0, sizeof(*limiter));
    return APR_SUCCESS;
}

/* Two Locations with limits of their own count apart. */
static uint64_t hash_client(const apr_sockaddr_t *address, int limit)
{
    struct {
        int32_t limit;
        uint8_t address[16];
    } who = {.limit = limit};
    uint8_t digest[SHA256_SIZE];
    uint64_t client;
    size_t length = (size_t)address->ipaddr_len;

    if (address->family == APR_INET6 && !IN6_IS_ADDR_V4MAPPED(&address->sa.sin6.sin6_addr))
        length = 8;
    if (length > sizeof(who.address))
        length = sizeof(who.address);
    memcpy(who.address, address->ipaddr_ptr, length);
    sha256(&who, sizeof(who), digest);
    memcpy(&client, digest, sizeof(client));
    return client;
}

unsigned admin_limit_take(const request_rec *r, const struct location_config *config)
{
    int limit = config->admin_limit >= 0 ? config->admin_limit : ADMIN_LIMIT_DEFAULT;

    if (limit == 0)
        return 0;
    uint64_t wait_ms = limiter_take(limiter, hash_client(r->useragent_addr, limit), (unsigned)limit,
                                    (uint64_t)clock_monotonic_ms());
    return (unsigned)((wait_ms + 999) / 1000);
}
