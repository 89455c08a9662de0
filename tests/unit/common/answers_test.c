/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/board/answers.h"

static struct answer *make(const char *key, uint64_t at, size_t pieces)
{
    struct answer *answer = answer_new(key, at);

    for (size_t i = 0; i < pieces; i++) {
        struct piece *piece = piece_new();
        piece->used = 1;
        piece->bytes[0] = (char)('a' + i);
        answer_add(answer, piece);
        piece_unref(piece); /* the request's use of it ends first */
    }
    return answer;
}

static void test_what_was_kept_is_found(void **state)
{
    struct answer_cache *cache = answer_cache_new();

    (void)state;
    answer_cache_keep(cache, make("one", 100, 2));
    assert_null(answer_cache_find(cache, "two", 100));
    struct answer *found = answer_cache_find(cache, "one", 100 + ANSWERS_LIFE_USEC - 1);
    assert_int_equal(found->count, 2);
    assert_int_equal(found->pieces[1]->bytes[0], 'b');
    assert_null(answer_cache_find(cache, "one", 100 + ANSWERS_LIFE_USEC));
    /* It is given up while someone reads it. */
    answer_cache_keep(cache, make("one", 200, 1));
    assert_int_equal(found->pieces[0]->bytes[0], 'a');
    answer_cache_release(cache, found);
    found = answer_cache_find(cache, "one", 200);
    assert_int_equal(found->count, 1);
    answer_cache_release(cache, found);
    answer_cache_free(cache);
}

static void test_what_is_large_is_not_kept(void **state)
{
    struct answer_cache *cache = answer_cache_new();
    const size_t most = ANSWER_MAX_BYTES / PIECE_SIZE;

    (void)state;
    answer_cache_keep(cache, make("fits", 1, most));
    answer_cache_keep(cache, make("large", 1, most + 1));
    struct answer *found = answer_cache_find(cache, "fits", 1);
    assert_non_null(found);
    answer_cache_release(cache, found);
    assert_null(answer_cache_find(cache, "large", 1));
    answer_cache_free(cache);
}

/* Neither more than so many answers nor more than so many bytes: the oldest goes. */
static void test_the_cache_is_bounded(void **state)
{
    struct answer_cache *cache = answer_cache_new();
    char key[16];
    size_t there = 0;

    (void)state;
    for (unsigned i = 0; i < ANSWERS_MAX + 2; i++) {
        snprintf(key, sizeof(key), "key%u", i);
        answer_cache_keep(cache, make(key, i, 1));
    }
    assert_null(answer_cache_find(cache, "key1", ANSWERS_MAX));
    struct answer *found = answer_cache_find(cache, "key2", ANSWERS_MAX);
    assert_non_null(found);
    answer_cache_release(cache, found);

    for (unsigned i = 0; i < 4; i++) {
        snprintf(key, sizeof(key), "big%u", i);
        answer_cache_keep(cache, make(key, 100 + i, ANSWER_MAX_BYTES / PIECE_SIZE));
    }
    for (unsigned i = 0; i < 4; i++) {
        snprintf(key, sizeof(key), "big%u", i);
        found = answer_cache_find(cache, key, 104);
        there += found != NULL;
        if (found)
            answer_cache_release(cache, found);
    }
    assert_in_range(there, 1, ANSWERS_MAX_BYTES / ANSWER_MAX_BYTES);
    answer_cache_free(cache);
}

static void test_pieces_know_their_bytes(void **state)
{
    struct piece *piece = piece_new();

    (void)state;
    assert_ptr_equal(piece_of(piece->bytes), piece);
    assert_ptr_equal(piece_ref(piece), piece);
    piece_unref(piece);
    piece_unref(piece);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_kept_is_found),
        cmocka_unit_test(test_what_is_large_is_not_kept),
        cmocka_unit_test(test_the_cache_is_bounded),
        cmocka_unit_test(test_pieces_know_their_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
