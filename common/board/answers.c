/* SPDX-License-Identifier: Apache-2.0 */
#include "common/board/answers.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct answer_cache {
    pthread_mutex_t lock;
    struct answer *answers[ANSWERS_MAX]; /* NULL: free */
    size_t size;                         /* of all together */
};

/* ---- pieces ---- */

struct piece *piece_new(void)
{
    struct piece *piece = malloc(sizeof(*piece));

    if (!piece)
        abort();
    atomic_init(&piece->users, 1);
    piece->used = 0;
    return piece;
}

struct piece *piece_ref(struct piece *piece)
{
    atomic_fetch_add_explicit(&piece->users, 1, memory_order_relaxed);
    return piece;
}

void piece_unref(struct piece *piece)
{
    if (atomic_fetch_sub_explicit(&piece->users, 1, memory_order_acq_rel) == 1)
        free(piece);
}

struct piece *piece_of(char *bytes)
{
    return (struct piece *)(bytes - offsetof(struct piece, bytes));
}

/* ---- answers ---- */

struct answer *answer_new(const char *key, uint64_t boottime_usec)
{
    struct answer *answer = calloc(1, sizeof(*answer));

    if (!answer)
        return NULL;
    answer->key = strdup(key);
    answer->pieces = calloc(ANSWER_MAX_BYTES / PIECE_SIZE, sizeof(struct piece *));
    answer->made_boottime_usec = boottime_usec;
    answer->users = 1;
    if (!answer->key || !answer->pieces) {
        answer_free(answer);
        return NULL;
    }
    return answer;
}

static void drop_pieces(struct answer *answer)
{
    for (size_t i = 0; i < answer->count; i++)
        piece_unref(answer->pieces[i]);
    answer->count = 0;
    answer->size = 0;
}

void answer_add(struct answer *answer, struct piece *piece)
{
    if (!answer->is_too_large && answer->count == ANSWER_MAX_BYTES / PIECE_SIZE) {
        drop_pieces(answer);
        answer->is_too_large = true;
    }
    if (answer->is_too_large)
        return;
    answer->pieces[answer->count++] = piece_ref(piece);
    answer->size += sizeof(*piece);
}

void answer_free(struct answer *answer)
{
    if (!answer)
        return;
    drop_pieces(answer);
    free(answer->pieces);
    free(answer->key);
    free(answer);
}

/* ---- the cache ---- */

struct answer_cache *answer_cache_new(void)
{
    struct answer_cache *cache = calloc(1, sizeof(*cache));

    if (!cache)
        abort();
    pthread_mutex_init(&cache->lock, NULL);
    return cache;
}

static void unref(struct answer *answer)
{
    if (--answer->users == 0)
        answer_free(answer);
}

static void evict(struct answer_cache *cache, size_t i)
{
    cache->size -= cache->answers[i]->size;
    unref(cache->answers[i]);
    cache->answers[i] = NULL;
}

void answer_cache_free(struct answer_cache *cache)
{
    if (!cache)
        return;
    for (size_t i = 0; i < ANSWERS_MAX; i++)
        if (cache->answers[i])
            evict(cache, i);
    pthread_mutex_destroy(&cache->lock);
    free(cache);
}

static bool is_young(const struct answer *answer, uint64_t boottime_usec)
{
    return boottime_usec < answer->made_boottime_usec + ANSWERS_LIFE_USEC;
}

struct answer *answer_cache_find(struct answer_cache *cache, const char *key,
                                 uint64_t boottime_usec)
{
    struct answer *found = NULL;

    pthread_mutex_lock(&cache->lock);
    for (size_t i = 0; i < ANSWERS_MAX && !found; i++)
        if (cache->answers[i] && strcmp(cache->answers[i]->key, key) == 0 &&
            is_young(cache->answers[i], boottime_usec))
            found = cache->answers[i];
    if (found)
        found->users++;
    pthread_mutex_unlock(&cache->lock);
    return found;
}

void answer_cache_release(struct answer_cache *cache, struct answer *answer)
{
    pthread_mutex_lock(&cache->lock);
    unref(answer);
    pthread_mutex_unlock(&cache->lock);
}

/* ANSWERS_MAX: there is none. */
static size_t oldest_of(const struct answer_cache *cache)
{
    size_t oldest = ANSWERS_MAX;

    for (size_t i = 0; i < ANSWERS_MAX; i++)
        if (cache->answers[i] &&
            (oldest == ANSWERS_MAX ||
             cache->answers[i]->made_boottime_usec < cache->answers[oldest]->made_boottime_usec))
            oldest = i;
    return oldest;
}

static size_t free_place(const struct answer_cache *cache)
{
    size_t place = 0;

    while (place < ANSWERS_MAX && cache->answers[place])
        place++;
    return place;
}

/* Old ones are of no use to anyone, and of the same key there is one. */
static void tidy(struct answer_cache *cache, const struct answer *added)
{
    for (size_t i = 0; i < ANSWERS_MAX; i++)
        if (cache->answers[i] && (!is_young(cache->answers[i], added->made_boottime_usec) ||
                                  strcmp(cache->answers[i]->key, added->key) == 0))
            evict(cache, i);
}

void answer_cache_keep(struct answer_cache *cache, struct answer *answer)
{
    if (answer->is_too_large) {
        answer_free(answer);
        return;
    }
    pthread_mutex_lock(&cache->lock);
    tidy(cache, answer);
    while (cache->size + answer->size > ANSWERS_MAX_BYTES || free_place(cache) == ANSWERS_MAX)
        evict(cache, oldest_of(cache));
    size_t place = free_place(cache);
    cache->answers[place] = answer;
    cache->size += answer->size;
    pthread_mutex_unlock(&cache->lock);
}
