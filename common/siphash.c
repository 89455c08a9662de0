/* SPDX-License-Identifier: Apache-2.0 */
#include "common/siphash.h"

static inline uint64_t rotate(uint64_t word, unsigned bits)
{
    return word << bits | word >> (64 - bits);
}

static inline void turn(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] = rotate(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] = rotate(v[2], 32);
}

static inline void take(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    turn(v);
    turn(v);
    v[0] ^= word;
}

uint64_t siphash_words(const uint64_t key[2], const uint64_t *words, size_t count)
{
    uint64_t v[4] = {
        key[0] ^ UINT64_C(0x736f6d6570736575),
        key[1] ^ UINT64_C(0x646f72616e646f6d),
        key[0] ^ UINT64_C(0x6c7967656e657261),
        key[1] ^ UINT64_C(0x7465646279746573),
    };

    for (size_t i = 0; i < count; i++)
        take(v, words[i]);
    /* The last word is the length in its highest byte, and no bytes of a half word. */
    take(v, (uint64_t)(count * sizeof(uint64_t)) << 56);
    v[2] ^= 0xff;
    for (int i = 0; i < 4; i++)
        turn(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}
