/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MOD_CONTAINER_SHA256_H
#define MOD_CONTAINER_SHA256_H

/*
 * SHA-256 (FIPS 180-4), for the style sheet's hash in the status page's Content-Security-Policy.
 * Computed once a start; APR-util 1.6 has no such function. Knows no httpd; any thread.
 */

#include <stddef.h>
#include <stdint.h>

#define SHA256_SIZE 32

void sha256(const void *data, size_t length, uint8_t digest[SHA256_SIZE]);

#endif
