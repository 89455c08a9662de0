/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/siphash.h"
#include "common/throttle.h"
#include "common/throttle_internal.h"

#define SECOND UINT64_C(1000000)

static struct throttle_table *table;

static int begin(void **state)
{
    (void)state;
    return throttle_create(NULL, THROTTLE_ENTRIES_MIN, false, &table, NULL);
}

static int end(void **state)
{
    (void)state;
    throttle_close(table);
    return 0;
}

static struct network client_of(const char *text)
{
    struct network network;

    assert_int_equal(network_parse(text, &network, NULL), 0);
    return network;
}

static struct network numbered(uint32_t number)
{
    const uint8_t bytes[4] = {10, (uint8_t)(number >> 16), (uint8_t)(number >> 8), (uint8_t)number};

    return network_of(bytes, 4, 32, 64);
}

/* ---- the hash ---- */

/* The last line but one of the reference's vectors (SipHash-2-4-64, key 00..0f): 8 bytes 00..07. */
static void hashes_as_the_reference(void **state)
{
    const uint64_t key[2] = {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)};
    const uint64_t words[1] = {UINT64_C(0x0706050403020100)};

    (void)state;
    assert_int_equal(siphash_words(key, NULL, 0), UINT64_C(0x726fdb47dd0e0e31));
    assert_int_equal(siphash_words(key, words, 1), UINT64_C(0x93f5f5799a932462));
}

/* ---- networks ---- */

static void reads_networks(void **state)
{
    static const char *const good[][2] = {
        {"192.0.2.0/24", "192.0.2.0/24"},  {"192.0.2.1", "192.0.2.1"},
        {"0.0.0.0/0", "0.0.0.0/0"},        {"2001:db8::/32", "2001:db8::/32"},
        {"::ffff:192.0.2.1", "192.0.2.1"}, {"::ffff:192.0.2.0/120", "192.0.2.0/24"},
    };
    static const char *const bad[] = {
        "",          "a",          "1.2.3",      "1.2.3.4/33", "1.2.3.4/",
        "1.2.3.4/x", "1.2.3.4/24", "1.2.3.4/8 ", "::/129",     "::ffff:1.2.3.4/95"};
    char text[NETWORK_TEXT_SIZE];
    struct network network;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        network = client_of(good[i][0]);
        assert_string_equal(network_format(&network, text), good[i][1]);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct error error = ERROR_INIT;
        assert_int_equal(network_parse(bad[i], &network, &error), -EINVAL);
        assert_true(error.message[0]);
        assert_int_equal(network.family, 0);
    }
    struct network outer = client_of("10.1.0.0/16"), in = client_of("10.1.2.3"),
                   out = client_of("10.2.0.0/16");
    assert_true(network_contains(&outer, &in));
    assert_false(network_contains(&in, &outer));
    assert_false(network_contains(&outer, &out));
}

/* ---- limits ---- */

static const struct throttle_limit window = {.units = 5, .interval_usec = SECOND};

static unsigned admitted_of(struct throttle_subject *subject, const struct throttle_limit *limit,
                            unsigned requests, uint64_t at)
{
    unsigned admitted = 0;

    for (unsigned i = 0; i < requests; i++)
        admitted += throttle_take(table, subject, limit, 1, at).is_admitted;
    return admitted;
}

static void window_admits_exactly(void **state)
{
    struct throttle_subject subject = {.rule = 1, .zone = 2, .client = client_of("192.0.2.1")};
    uint64_t at = clock_monotonic_usec();

    (void)state;
    assert_int_equal(admitted_of(&subject, &window, 20, at), 5);
    struct throttle_verdict verdict = throttle_take(table, &subject, &window, 1, at + SECOND - 1);
    assert_false(verdict.is_admitted);
    assert_int_equal(verdict.retry_after_usec, 1);
    assert_int_equal(admitted_of(&subject, &window, 20, at + SECOND), 5);
    /* A clock that is behind in another process opens no window. */
    assert_int_equal(admitted_of(&subject, &window, 20, at), 0);
    subject.page = 7;
    assert_int_equal(admitted_of(&subject, &window, 20, at + SECOND), 5);
}

static void bucket_fills_evenly(void **state)
{
    const struct throttle_limit bucket = {.units = 10, .burst = 3, .interval_usec = SECOND};
    struct throttle_subject subject = {.rule = 1, .client = client_of("2001:db8::/64")};
    uint64_t at = clock_monotonic_usec();

    (void)state;
    assert_int_equal(admitted_of(&subject, &bucket, 9, at), 3);
    struct throttle_verdict verdict = throttle_take(table, &subject, &bucket, 1, at);
    assert_int_equal(verdict.retry_after_usec, SECOND / 10);
    assert_int_equal(admitted_of(&subject, &bucket, 9, at + SECOND / 10), 1);
    assert_int_equal(admitted_of(&subject, &bucket, 9, at + 60 * SECOND), 3);
}

static void charges_up_to_the_limit(void **state)
{
    struct throttle_subject subject = {.rule = 3, .client = client_of("192.0.2.9")};
    uint64_t at = clock_monotonic_usec();

    (void)state;
    assert_true(throttle_charge(table, &subject, &window, 4, at).is_admitted);
    assert_false(throttle_charge(table, &subject, &window, 4, at).is_admitted);
    assert_false(throttle_take(table, &subject, &window, 1, at).is_admitted);
}

/* Whoever makes a restart changes nothing: all is in the memory that is shared. */
static unsigned race(unsigned processes, unsigned requests)
{
    _Atomic unsigned *admitted =
        mmap(NULL, sizeof(*admitted), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct throttle_subject subject = {.rule = 9, .client = numbered(processes)};
    const struct throttle_limit limit = {.units = 777, .interval_usec = 3600 * SECOND};
    uint64_t at = clock_monotonic_usec();

    for (unsigned i = 0; i < processes; i++) {
        if (fork() != 0)
            continue;
        atomic_fetch_add(admitted, admitted_of(&subject, &limit, requests, at + i));
        _exit(0);
    }
    while (wait(NULL) > 0)
        continue;
    unsigned sum = atomic_load(admitted);
    munmap((void *)admitted, sizeof(*admitted));
    return sum;
}

static void processes_share_one_count(void **state)
{
    (void)state;
    assert_int_equal(race(1, 3000), 777);
    assert_int_equal(race(2, 3000), 777);
    assert_int_equal(race(16, 3000), 777);
}

/* ---- places change hands all the time: more clients than places, short windows ---- */

#define CLIENTS  3000
#define REQUESTS 400000

static uint32_t taken[CLIENTS];
static uint64_t moment;

static void *ask(void *seed)
{
    unsigned random = (unsigned)(uintptr_t)seed;
    const struct throttle_limit limit = {.units = 3, .interval_usec = 100};

    for (int i = 0; i < REQUESTS; i++) {
        uint32_t who = (uint32_t)rand_r(&random) % CLIENTS;
        struct throttle_subject subject = {.rule = 1, .client = numbered(who)};
        struct throttle_verdict verdict = throttle_take(table, &subject, &limit, 1, moment);
        if (verdict.is_admitted && !verdict.is_crowd && !verdict.is_unmeasured)
            __atomic_fetch_add(&taken[who], 1, __ATOMIC_RELAXED);
    }
    return NULL;
}

/* All threads ask at one moment; in the next turn, when all windows are over, the places go to
   others. Nobody may hold two places. */
static void nobody_is_admitted_twice(void **state)
{
    pthread_t threads[4];

    (void)state;
    for (unsigned turn = 0; turn < 3; turn++) {
        memset(taken, 0, sizeof(taken));
        moment = clock_monotonic_usec() + (turn + 1) * SECOND;
        for (uintptr_t i = 0; i < 4; i++)
            pthread_create(&threads[i], NULL, ask, (void *)(i + turn * 4 + 1));
        for (unsigned i = 0; i < 4; i++)
            pthread_join(threads[i], NULL);
        for (unsigned i = 0; i < CLIENTS; i++)
            assert_in_range(taken[i], 0, 3);
    }
}

static void *churn(void *seed)
{
    unsigned random = (unsigned)(uintptr_t)seed;
    const struct throttle_limit limit = {.units = 1, .interval_usec = 1};

    for (int i = 0; i < 300000; i++) {
        struct throttle_subject subject = {.rule = 2,
                                           .client = numbered((uint32_t)rand_r(&random) % 100000)};
        throttle_take(table, &subject, &limit, 1, clock_monotonic_usec());
    }
    return NULL;
}

/* While others come and go in all places, a count that is in force stays exact. */
static void keeps_what_counts(void **state)
{
    struct throttle_subject subject = {.rule = 1, .client = client_of("192.0.2.1")};
    const struct throttle_limit limit = {.units = 1000, .interval_usec = 3600 * SECOND};
    pthread_t threads[3];
    unsigned admitted = 0;

    (void)state;
    for (uintptr_t i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, churn, (void *)(i + 1));
    for (int i = 0; i < 100000; i++)
        admitted += throttle_take(table, &subject, &limit, 1, clock_monotonic_usec()).is_admitted;
    for (unsigned i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(admitted, 1000);
}

static void flood_frees_nobody(void **state)
{
    struct throttle_subject attacker = {.rule = 1, .client = client_of("192.0.2.1")};
    const struct throttle_limit limit = {.units = 2, .interval_usec = 3600 * SECOND};
    uint64_t at = clock_monotonic_usec();
    struct throttle_totals totals;

    (void)state;
    assert_int_equal(admitted_of(&attacker, &limit, 3, at), 2);
    for (uint32_t i = 0; i < 200000; i++) {
        uint8_t bytes[16] = {0x20, 0x01, 0x0d, 0xb8, 0, 1, (uint8_t)(i >> 8), (uint8_t)i};
        bytes[5] = (uint8_t)(i >> 16);
        struct throttle_subject other = {.rule = 1, .client = network_of(bytes, 16, 32, 64)};
        throttle_take(table, &other, &limit, 1, at);
    }
    assert_int_equal(admitted_of(&attacker, &limit, 3, at), 0);
    throttle_totals(table, at, &totals);
    assert_true(totals.crowded > 0);
    assert_true(totals.used <= totals.entries);
}

/* ---- blocks ---- */

static void blocks_and_frees(void **state)
{
    struct throttle_block block = {.client = client_of("192.0.2.1"),
                                   .zone = 3,
                                   .rule = 1,
                                   .is_renewed = true,
                                   .period_usec = 10 * SECOND};
    struct throttle_block found;
    struct throttle_event events[8];
    struct network other = client_of("192.0.2.2");
    uint64_t at = clock_monotonic_usec();

    (void)state;
    assert_false(throttle_is_blocked(table, &block.client, 3, at, NULL));
    assert_int_equal(throttle_block(table, &block, at), 1);
    assert_int_equal(throttle_block(table, &block, at), 0);
    assert_true(throttle_is_blocked(table, &block.client, 3, at + 9 * SECOND, &found));
    assert_int_equal(found.refused, 1);
    assert_true(throttle_is_blocked(table, &block.client, 3, at + 18 * SECOND, &found));
    assert_false(throttle_is_blocked(table, &block.client, 4, at, NULL));
    assert_false(throttle_is_blocked(table, &other, 3, at, NULL));
    assert_false(throttle_is_blocked(table, &block.client, 3, at + 28 * SECOND, NULL));
    assert_int_equal(throttle_unblock(table, &block.client, 0, true, at), 1);
    assert_false(throttle_is_blocked(table, &block.client, 3, at, NULL));
    assert_int_equal(throttle_events(table, 0, events, 8), 2);
    assert_int_equal(events[0].kind, THROTTLE_EVENT_BLOCKED);
    assert_int_equal(events[1].kind, THROTTLE_EVENT_UNBLOCKED);
    assert_memory_equal(&events[1].block.client, &block.client, sizeof(block.client));
}

static void blocks_a_network_anywhere(void **state)
{
    struct throttle_block block = {.client = client_of("2001:db8::/32"),
                                   .origin = THROTTLE_BY_ADMIN,
                                   .period_usec = SECOND},
                          list[4];
    struct network in = client_of("2001:db8:1:2::/64"), out = client_of("2001:db9:1:2::/64");
    uint64_t at = clock_monotonic_usec();
    size_t total;

    (void)state;
    assert_int_equal(throttle_block(table, &block, at), 1);
    assert_true(throttle_is_blocked(table, &in, 77, at, NULL));
    assert_false(throttle_is_blocked(table, &out, 77, at, NULL));
    assert_int_equal(throttle_blocks(table, NULL, at, list, 4, &total), 1);
    assert_int_equal(total, 1);
    assert_int_equal(list[0].origin, THROTTLE_BY_ADMIN);
    assert_int_equal(throttle_clear(table, false, at), 0);
    assert_int_equal(throttle_clear(table, true, at), 1);
    assert_false(throttle_is_blocked(table, &in, 77, at, NULL));
}

static void lists_the_longest_first(void **state)
{
    struct throttle_block list[10];
    uint64_t at = clock_monotonic_usec();
    size_t total;

    (void)state;
    for (uint32_t i = 1; i <= 200; i++) {
        struct throttle_block block = {.client = numbered(i * 7919), .period_usec = i * SECOND};
        assert_int_equal(throttle_block(table, &block, at), 1);
    }
    assert_int_equal(throttle_blocks(table, NULL, at, list, 10, &total), 10);
    assert_int_equal(total, 200);
    /* However many are blocked for longer, one client's are found. */
    struct network client = numbered(7919);
    assert_int_equal(throttle_blocks(table, &client, at, &list[9], 1, &total), 1);
    assert_int_equal(total, 1);
    assert_int_equal(list[9].period_usec, SECOND);
    throttle_blocks(table, NULL, at, list, 10, &total);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(list[i].period_usec, (200 - i) * SECOND);
}

/* ---- the file ---- */

static void keeps_its_file(void **state)
{
    char directory[] = "/tmp/throttle-test-XXXXXX", path[64];
    struct throttle_table *one, *two, *three;
    struct throttle_block block = {.client = client_of("192.0.2.1"), .period_usec = 60 * SECOND};

    (void)state;
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/run/throttle", directory);
    assert_int_equal(throttle_open(path, false, &one, NULL), -ENOENT);
    assert_int_equal(throttle_create(path, 5000, false, &one, NULL), 0);
    assert_int_equal(throttle_name(one, "login"), throttle_name(one, "login"));
    assert_int_equal(throttle_block(one, &block, clock_monotonic_usec()), 1);
    assert_int_equal(throttle_open(path, false, &two, NULL), 0);
    assert_true(throttle_find_block(two, &block.client, 5, clock_monotonic_usec(), NULL));
    assert_int_equal(throttle_create(path, 100000, true, &three, NULL), 0);
    assert_true(throttle_find_block(three, &block.client, 5, clock_monotonic_usec(), NULL));
    throttle_close(three);
    assert_int_equal(throttle_create(path, 100000, false, &three, NULL), 0);
    assert_true(throttle_is_retired(two));
    assert_false(throttle_find_block(three, &block.client, 5, clock_monotonic_usec(), NULL));
    throttle_close(one);
    throttle_close(two);
    throttle_close(three);
    assert_int_equal(truncate(path, 5000), 0);
    assert_int_equal(throttle_open(path, false, &one, NULL), -EPROTO);
    unlink(path);
    *strrchr(path, '/') = '\0';
    rmdir(path);
    rmdir(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_as_the_reference),
        cmocka_unit_test(reads_networks),
        cmocka_unit_test_setup_teardown(window_admits_exactly, begin, end),
        cmocka_unit_test_setup_teardown(bucket_fills_evenly, begin, end),
        cmocka_unit_test_setup_teardown(charges_up_to_the_limit, begin, end),
        cmocka_unit_test_setup_teardown(processes_share_one_count, begin, end),
        cmocka_unit_test_setup_teardown(nobody_is_admitted_twice, begin, end),
        cmocka_unit_test_setup_teardown(keeps_what_counts, begin, end),
        cmocka_unit_test_setup_teardown(flood_frees_nobody, begin, end),
        cmocka_unit_test_setup_teardown(blocks_and_frees, begin, end),
        cmocka_unit_test_setup_teardown(blocks_a_network_anywhere, begin, end),
        cmocka_unit_test_setup_teardown(lists_the_longest_first, begin, end),
        cmocka_unit_test(keeps_its_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
