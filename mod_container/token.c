/* SPDX-License-Identifier: Apache-2.0 */
#include "mod_container/token.h"

#include <apr_general.h>
#include <apr_strings.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/seal.h"
#include "mod_container/reply.h"

#define KEY_NAME "mod_container:token-key"

/* In the memory of the process's pool, which children inherit and restarts keep. */
static const uint8_t *key;

apr_status_t token_start(server_rec *server)
{
    apr_pool_t *pool = server->process->pool;
    void *kept = NULL;

    apr_pool_userdata_get(&kept, KEY_NAME, pool);
    if (!kept) {
        kept = apr_palloc(pool, SEAL_KEY_SIZE);
        apr_status_t status = apr_generate_random_bytes(kept, SEAL_KEY_SIZE);
        if (status != APR_SUCCESS)
            return status;
        apr_pool_userdata_setn(kept, KEY_NAME, apr_pool_cleanup_null, pool);
    }
    key = kept;
    return APR_SUCCESS;
}

/*
 * Whom a seal is for, so that nobody can fetch one here and have somebody else's browser send it.
 * Where the access rules ask for no user, httpd knows none, whatever the browser sent; then it is
 * the address.
 */
static const char *address_of(const request_rec *r)
{
    return apr_pstrcat(r->pool, "address ", r->useragent_ip, NULL);
}

static const char *person_of(const request_rec *r)
{
    return r->user ? apr_pstrcat(r->pool, "user ", r->user, NULL) : address_of(r);
}

static uint64_t seconds_of(const request_rec *r)
{
    return (uint64_t)apr_time_sec(r->request_time);
}

const char *token_make(request_rec *r, const char *action, const char *target)
{
    const char *const words[] = {"token", person_of(r), action, target};
    char *text = apr_palloc(r->pool, SEAL_TEXT_SIZE);

    return seal_make(key, words, ARRAY_LENGTH(words), seconds_of(r) + TOKEN_LIFE_SECONDS, text)
               ? text
               : "";
}

bool token_check(request_rec *r, const char *action, const char *target, const char *token)
{
    const char *words[] = {"token", person_of(r), action, target};

    if (seal_is_valid(key, words, ARRAY_LENGTH(words), seconds_of(r), token))
        return true;
    /* The rules may ask for a user to act, but not to look: then the page knew the address only. */
    words[1] = address_of(r);
    return seal_is_valid(key, words, ARRAY_LENGTH(words), seconds_of(r), token);
}

/* ---- the result ---- */

/* Cut at a character's end, not within one (RFC 3629 section 3). */
static const char *short_message(request_rec *r, const char *message)
{
    char *text = apr_pstrdup(r->pool, reply_clean(r->pool, message));
    size_t length = strlen(text);

    if (length > FLASH_MESSAGE_MAX) {
        length = FLASH_MESSAGE_MAX;
        while (length > 0 && ((unsigned char)text[length] & 0xc0) == 0x80)
            length--;
        text[length] = '\0';
    }
    return text;
}

/* "SEAL~action~target~code~message", percent-encoded where a query string needs it. */
const char *flash_make(request_rec *r, const struct flash *flash)
{
    const char *message = short_message(r, flash->message);
    const char *const words[] = {"flash",       address_of(r), flash->action,
                                 flash->target, flash->code,   message};
    char seal[SEAL_TEXT_SIZE];

    if (!seal_make(key, words, ARRAY_LENGTH(words), seconds_of(r) + FLASH_LIFE_SECONDS, seal))
        return "";
    return apr_pstrcat(r->pool, seal, "~", flash->action, "~", flash->target, "~", flash->code, "~",
                       ap_escape_urlencoded(r->pool, message), NULL);
}

bool flash_read(request_rec *r, const char *value, struct flash *flash)
{
    char *parts[5] = {apr_pstrdup(r->pool, value)};

    /* Only the message, the last one, may hold a '~'. */
    for (size_t i = 1; i < ARRAY_LENGTH(parts); i++) {
        parts[i] = strchr(parts[i - 1], '~');
        if (!parts[i])
            return false;
        *parts[i]++ = '\0';
    }
    const char *const words[] = {"flash", address_of(r), parts[1], parts[2], parts[3], parts[4]};
    if (!seal_is_valid(key, words, ARRAY_LENGTH(words), seconds_of(r), parts[0]))
        return false;
    *flash = (struct flash){
        .action = parts[1], .target = parts[2], .code = parts[3], .message = parts[4]};
    return true;
}
