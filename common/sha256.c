/* SPDX-License-Identifier: Apache-2.0 */
#include "common/sha256.h"

#include <string.h>

#define BLOCK_SIZE 64

/* FIPS 180-4 section 4.2.2. */
static const uint32_t constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotate(uint32_t word, unsigned bits)
{
    return word >> bits | word << (32 - bits);
}

static void expand(const uint8_t *block, uint32_t schedule[64])
{
    for (unsigned t = 0; t < 16; t++)
        schedule[t] = (uint32_t)block[4 * t] << 24 | (uint32_t)block[4 * t + 1] << 16 |
                      (uint32_t)block[4 * t + 2] << 8 | block[4 * t + 3];
    for (unsigned t = 16; t < 64; t++) {
        uint32_t a = schedule[t - 15], b = schedule[t - 2];
        schedule[t] = (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10) + schedule[t - 7] +
                      (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3) + schedule[t - 16];
    }
}

/*
 * One round (FIPS 180-4 section 6.2.2) on the eight working variables. They do not move: which of
 * them is the standard's "a" does, by one each round, so eight rounds bring it home again.
 */
static inline __attribute__((always_inline)) void turn(uint32_t v[8], unsigned t, uint32_t input)
{
#define ROLE(letter) v[((letter) - 'a' + 8 - t % 8) % 8]
    uint32_t a = ROLE('a'), e = ROLE('e');
    uint32_t choice = ROLE('g') ^ (e & (ROLE('f') ^ ROLE('g')));
    uint32_t majority = (a & ROLE('b')) | (ROLE('c') & (a | ROLE('b')));
    uint32_t first =
        ROLE('h') + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + choice + constants[t] + input;

    ROLE('d') += first;
    ROLE('h') = first + (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + majority;
#undef ROLE
}

static void compress(uint32_t state[8], const uint8_t *block)
{
    uint32_t schedule[64], v[8];

    expand(block, schedule);
    memcpy(v, state, sizeof(v));
    for (unsigned t = 0; t < 64; t += 8) {
        turn(v, t, schedule[t]);
        turn(v, t + 1, schedule[t + 1]);
        turn(v, t + 2, schedule[t + 2]);
        turn(v, t + 3, schedule[t + 3]);
        turn(v, t + 4, schedule[t + 4]);
        turn(v, t + 5, schedule[t + 5]);
        turn(v, t + 6, schedule[t + 6]);
        turn(v, t + 7, schedule[t + 7]);
    }
    for (unsigned i = 0; i < 8; i++)
        state[i] += v[i];
}

static const uint32_t initial[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

/* Takes the rest of a message of which state has seen `before` bytes, whole blocks, and ends it. */
static void finish(uint32_t state[8], size_t before, const void *data, size_t length,
                   uint8_t digest[SHA256_SIZE])
{
    uint8_t tail[2 * BLOCK_SIZE] = {0};
    const uint8_t *at = data;
    size_t left = length;

    for (; left >= BLOCK_SIZE; left -= BLOCK_SIZE, at += BLOCK_SIZE)
        compress(state, at);
    if (left > 0)
        memcpy(tail, at, left);
    tail[left] = 0x80;
    size_t tail_size = left + 9 <= BLOCK_SIZE ? BLOCK_SIZE : 2 * BLOCK_SIZE;
    for (unsigned i = 0; i < 8; i++)
        tail[tail_size - 1 - i] = (uint8_t)((uint64_t)(before + length) * 8 >> 8 * i);
    for (size_t done = 0; done < tail_size; done += BLOCK_SIZE)
        compress(state, tail + done);
    for (unsigned i = 0; i < SHA256_SIZE; i++)
        digest[i] = (uint8_t)(state[i / 4] >> 8 * (3 - i % 4));
}

void sha256(const void *data, size_t length, uint8_t digest[SHA256_SIZE])
{
    uint32_t state[8];

    memcpy(state, initial, sizeof(state));
    finish(state, 0, data, length, digest);
}

/* A hash of one block of the key, each byte turned by mask, and then of data. */
static void keyed(const uint8_t key[BLOCK_SIZE], uint8_t mask, const void *data, size_t length,
                  uint8_t digest[SHA256_SIZE])
{
    uint8_t block[BLOCK_SIZE];
    uint32_t state[8];

    for (unsigned i = 0; i < BLOCK_SIZE; i++)
        block[i] = key[i] ^ mask;
    memcpy(state, initial, sizeof(state));
    compress(state, block);
    finish(state, BLOCK_SIZE, data, length, digest);
}

void hmac_sha256(const void *key, size_t key_length, const void *data, size_t length,
                 uint8_t digest[SHA256_SIZE])
{
    uint8_t padded[BLOCK_SIZE] = {0};
    uint8_t inner[SHA256_SIZE];

    if (key_length > BLOCK_SIZE)
        sha256(key, key_length, padded);
    else if (key_length > 0)
        memcpy(padded, key, key_length);
    keyed(padded, 0x36, data, length, inner);
    keyed(padded, 0x5c, inner, sizeof(inner), digest);
}

bool sha256_is_equal(const uint8_t a[SHA256_SIZE], const uint8_t b[SHA256_SIZE])
{
    /* The compiler must not find out that one difference is enough. */
    volatile uint8_t difference = 0;

    for (unsigned i = 0; i < SHA256_SIZE; i++)
        difference = difference | (uint8_t)(a[i] ^ b[i]);
    return difference == 0;
}
