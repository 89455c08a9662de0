/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_BOARD_ANSWERS_H
#define COMMON_BOARD_ANSWERS_H

/*
 * The last few answers of a child, kept while the board says the same and at most for a second:
 * many who watch one board cost little more than one. An answer is kept as the pieces in which it
 * went out; a piece is freed by who uses it last, a request or the cache. What is large is not
 * kept: the bound is ANSWERS_MAX_BYTES a child. Threads share the cache. Knows no httpd.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PIECE_SIZE        16384u
#define ANSWERS_MAX       8u
#define ANSWER_MAX_BYTES  (1u << 20)
#define ANSWERS_MAX_BYTES (2u << 20)
#define ANSWERS_LIFE_USEC UINT64_C(1000000)

/* A piece of a body. Written by one, then only read. */
struct piece {
    _Atomic unsigned users;
    size_t used;
    char bytes[PIECE_SIZE];
};

/* A piece with one user; aborts when there is no memory, as httpd itself does. */
struct piece *piece_new(void);
struct piece *piece_ref(struct piece *piece);
void piece_unref(struct piece *piece);
/* The piece that these bytes are. */
struct piece *piece_of(char *bytes);

struct answer {
    char *key;
    uint64_t made_boottime_usec;
    struct piece **pieces;
    size_t count, size;
    bool is_too_large; /* holds nothing any more */
    unsigned users;    /* under the cache's lock */
};

/* An answer that is being written; NULL when there is no memory. */
struct answer *answer_new(const char *key, uint64_t boottime_usec);
/* Adds a piece (its own user). */
void answer_add(struct answer *answer, struct piece *piece);
/* Of one that was not kept. */
void answer_free(struct answer *answer);

struct answer_cache;

/* Aborts when there is no memory. It outlives all that was taken of it. */
struct answer_cache *answer_cache_new(void);
void answer_cache_free(struct answer_cache *cache);

/* Finds an answer with the key that is young enough, or NULL. answer_cache_release() ends its use.
 */
struct answer *answer_cache_find(struct answer_cache *cache, const char *key,
                                 uint64_t boottime_usec);
void answer_cache_release(struct answer_cache *cache, struct answer *answer);

/* Takes over a finished answer, in the place of the oldest. */
void answer_cache_keep(struct answer_cache *cache, struct answer *answer);

#endif
