/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_SIPHASH_H
#define COMMON_SIPHASH_H

/*
 * SipHash-2-4 (Aumasson and Bernstein, "SipHash: a fast short-input PRF", INDOCRYPT 2012) of whole
 * words: who does not know the key cannot choose inputs that collide.
 */

#include <stddef.h>
#include <stdint.h>

/* The hash of count words, each as eight bytes, the lowest first. */
uint64_t siphash_words(const uint64_t key[2], const uint64_t *words, size_t count);

#endif
