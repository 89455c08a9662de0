/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_SEAL_H
#define COMMON_SEAL_H

/*
 * A short text that proves that one who has the key made it, for these words and until that time:
 * "EXPIRY-MAC", the seconds since 1970 in decimal and HMAC-SHA256 (RFC 2104) in lower-case
 * hexadecimal. Knows no httpd; any thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SEAL_KEY_SIZE 32
/* With the NUL at its end: 20 digits, '-', 64 digits. */
#define SEAL_TEXT_SIZE 86

/* Writes the seal of words until expiry. Returns text, or NULL without memory. */
char *seal_make(const uint8_t key[SEAL_KEY_SIZE], const char *const words[], size_t count,
                uint64_t expiry, char text[SEAL_TEXT_SIZE]);

/* Whether text is a seal of these very words that has not expired at `now`. */
bool seal_is_valid(const uint8_t key[SEAL_KEY_SIZE], const char *const words[], size_t count,
                   uint64_t now, const char *text);

#endif
