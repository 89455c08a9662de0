/* SPDX-License-Identifier: Apache-2.0 */
#include "common/seal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/sha256.h"
#include "common/units.h"

/*
 * The words as one text, each behind its length: {"ab", "c"} and {"a", "bc"} must differ, and no
 * word can end another one, whatever is in it.
 */
static char *join(const char *const words[], size_t count, uint64_t expiry)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    if (!out)
        return NULL;
    fprintf(out, "%" PRIu64, expiry);
    for (size_t i = 0; i < count; i++)
        fprintf(out, " %zu:%s", strlen(words[i]), words[i]);
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}

char *seal_make(const uint8_t key[SEAL_KEY_SIZE], const char *const words[], size_t count,
                uint64_t expiry, char text[SEAL_TEXT_SIZE])
{
    uint8_t digest[SHA256_SIZE];
    _cleanup_free_ char *joined = join(words, count, expiry);

    if (!joined)
        return NULL;
    hmac_sha256(key, SEAL_KEY_SIZE, joined, strlen(joined), digest);
    int length = snprintf(text, SEAL_TEXT_SIZE, "%" PRIu64 "-", expiry);
    for (size_t i = 0; i < sizeof(digest); i++)
        length += snprintf(text + length, SEAL_TEXT_SIZE - (size_t)length, "%02x", digest[i]);
    return text;
}

bool seal_is_valid(const uint8_t key[SEAL_KEY_SIZE], const char *const words[], size_t count,
                   uint64_t now, const char *text)
{
    char made[SEAL_TEXT_SIZE], number[21];
    uint8_t sums[2][SHA256_SIZE];
    uint64_t expiry;

    size_t length = strcspn(text, "-");
    if (length >= sizeof(number) || strlen(text) >= SEAL_TEXT_SIZE)
        return false;
    memcpy(number, text, length);
    number[length] = '\0';
    if (parse_u64(number, UINT64_MAX, &expiry) < 0 || expiry < now)
        return false;
    if (!seal_make(key, words, count, expiry, made))
        return false;
    /* Their hashes are compared: of one length, and known to nobody. */
    hmac_sha256(key, SEAL_KEY_SIZE, made, strlen(made), sums[0]);
    hmac_sha256(key, SEAL_KEY_SIZE, text, strlen(text), sums[1]);
    return sha256_is_equal(sums[0], sums[1]);
}
