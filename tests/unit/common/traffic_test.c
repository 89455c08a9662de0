/* SPDX-License-Identifier: Apache-2.0 */
/* The traffic board, hammered by threads and processes, and with contents that nobody meant. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/cleanup.h"
#include "common/traffic_internal.h"

#define THREADS   4
#define PROCESSES 3
#define ROUNDS    4000
#define SERVICES  5

struct fixture {
    char directory[32];
    char path[64];
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    struct error error = ERROR_INIT;

    strcpy(fixture->directory, "/tmp/traffic.XXXXXX");
    if (!mkdtemp(fixture->directory))
        return -1;
    snprintf(fixture->path, sizeof(fixture->path), "%s/board", fixture->directory);
    *state = fixture;
    return traffic_create(fixture->path, 10, 0, &error) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    unlink(fixture->path);
    int r = rmdir(fixture->directory);
    free(fixture);
    return r;
}

static struct traffic_begin begin_of(const char *service, volatile uint32_t *hint, const char *uri)
{
    static const uint8_t client[4] = {192, 0, 2, 7};

    return (struct traffic_begin){.tenant = "blog",
                                  .service = service,
                                  .hint = hint,
                                  .method = "GET",
                                  .uri = uri,
                                  .uri_length = strlen(uri),
                                  .client = client,
                                  .client_length = sizeof(client),
                                  .protocol = 1001};
}

static struct traffic_reader *open_board(const struct fixture *fixture)
{
    struct traffic_reader *reader = NULL;
    struct error error = ERROR_INIT;

    if (traffic_open(fixture->path, &reader, &error) < 0)
        fail_msg("%s", error.message);
    return reader;
}

static struct traffic_totals totals_of(const struct traffic_reader *reader, const char *service)
{
    struct traffic_totals totals = {0};
    uint32_t hint = UINT32_MAX;

    assert_int_equal(traffic_read(reader, "blog", service, &hint, &totals), 0);
    return totals;
}

static uint32_t counted_in_flight(const struct traffic_reader *reader, const char *service)
{
    size_t size = traffic_slot_count(reader) + 1;
    _cleanup_free_ uint32_t *counts = calloc(size, sizeof(*counts));
    struct traffic_totals totals;
    uint32_t hint = UINT32_MAX;

    assert_int_equal(traffic_read(reader, "blog", service, &hint, &totals), 0);
    assert_int_equal(traffic_count_in_flight(reader, counts), 0);
    return counts[hint];
}

/* ---- the histogram ---- */

static void buckets_are_an_eighth_wide(void **state)
{
    (void)state;
    for (unsigned bucket = 1; bucket < TRAFFIC_BUCKETS - 1; bucket++) {
        uint64_t first = traffic_bucket_limit(bucket - 1) + 1, last = traffic_bucket_limit(bucket);
        assert_int_equal(traffic_bucket(first), bucket);
        assert_int_equal(traffic_bucket(last), bucket);
        assert_true(last - first <= first / 8);
    }
    assert_int_equal(traffic_bucket(0), 0);
    assert_int_equal(traffic_bucket(UINT32_MAX), TRAFFIC_BUCKETS - 1);
    assert_int_equal(traffic_bucket(UINT64_MAX), TRAFFIC_BUCKETS - 1);
}

static void quantiles_are_those_of_the_values(void **state)
{
    uint32_t histogram[TRAFFIC_BUCKETS] = {0};

    (void)state;
    assert_int_equal(traffic_quantile(histogram, 500), 0);
    for (unsigned usec = 1; usec <= 1000; usec++)
        histogram[traffic_bucket(usec)]++;
    for (unsigned permille = 100; permille <= 990; permille += 10) {
        uint64_t told = traffic_quantile(histogram, permille);
        assert_true(told >= permille && told <= permille + permille / 8 + 1);
    }
}

/* ---- one process ---- */

static void what_is_written_is_read(void **state)
{
    const struct fixture *fixture = *state;
    struct traffic_writer *writer = traffic_writer_new(fixture->path);
    struct traffic_reader *reader = open_board(fixture);
    struct traffic_ticket ticket = {0};
    struct traffic_request requests[TRAFFIC_RECENT + 1];
    volatile uint32_t hint = 0;
    uint32_t total;
    char longest[400];

    memset(longest, 'x', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    struct traffic_begin begin = begin_of("web", &hint, "/index.php");
    traffic_start(writer, &begin, &ticket);
    assert_non_null(ticket.mapping);
    assert_int_equal(counted_in_flight(reader, "web"), 1);
    assert_int_equal(traffic_in_flight_now(writer, "blog", "web", &hint), 1);
    assert_int_equal(traffic_read_in_flight(reader, "blog", "web", requests, 1, &total), 1);
    assert_int_equal(total, 1);
    assert_string_equal(requests[0].uri, "/index.php");
    assert_string_equal(requests[0].method, "GET");
    assert_string_equal(requests[0].client, "192.0.2.7");
    assert_string_equal(requests[0].protocol, "HTTP/1.1");
    assert_int_equal(requests[0].pid, getpid());
    traffic_finish(&ticket, &(struct traffic_end){.status = 404, .bytes_in = 3, .bytes_out = 70});
    traffic_finish(&ticket, &(struct traffic_end){.status = 500}); /* is none */
    assert_int_equal(counted_in_flight(reader, "web"), 0);

    begin = begin_of("web", &hint, longest);
    begin.method = "PROPPATCHANDMUCHMORE";
    begin.client = "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1";
    begin.client_length = 16;
    traffic_start(writer, &begin, &ticket);
    traffic_finish(&ticket, &(struct traffic_end){.status = 200, .is_aborted = true});
    traffic_count_refused(writer, "blog", "web", &hint);

    struct traffic_totals totals = totals_of(reader, "web");
    assert_int_equal(totals.begun, 2);
    assert_int_equal(totals.requests, 2);
    assert_int_equal(totals.refused, 1);
    assert_int_equal(totals.aborted, 1);
    assert_int_equal(totals.status_classes[1], 1);
    assert_int_equal(totals.status_classes[3], 1);
    assert_int_equal(totals.bytes_in, 3);
    assert_int_equal(totals.bytes_out, 70);
    assert_int_equal(traffic_read_recent(reader, "blog", "web", requests, 5), 2);
    assert_int_equal(strlen(requests[0].uri), TRAFFIC_URI_SIZE);
    assert_string_equal(requests[0].method, "PROPPATCHANDMUCH");
    assert_string_equal(requests[0].client, "2001:db8::1");
    assert_true(requests[0].is_aborted);
    assert_int_equal(requests[1].status, 404);
    uint32_t unknown = UINT32_MAX;
    assert_int_equal(traffic_read(reader, "blog", "none", &unknown, &totals), -ENOENT);
    traffic_close(reader);
    traffic_writer_free(writer);
}

static void the_last_requests_go_round(void **state)
{
    const struct fixture *fixture = *state;
    struct traffic_writer *writer = traffic_writer_new(fixture->path);
    struct traffic_reader *reader = open_board(fixture);
    struct traffic_request requests[2 * TRAFFIC_RECENT];
    volatile uint32_t hint = 0;
    char uri[32];

    for (int i = 0; i < 100; i++) {
        struct traffic_ticket ticket = {0};
        snprintf(uri, sizeof(uri), "/%d", i);
        struct traffic_begin begin = begin_of("web", &hint, uri);
        traffic_start(writer, &begin, &ticket);
        traffic_finish(&ticket, &(struct traffic_end){.status = 200});
    }
    assert_int_equal(traffic_read_recent(reader, "blog", "web", requests, 2 * TRAFFIC_RECENT),
                     TRAFFIC_RECENT);
    for (int i = 0; i < TRAFFIC_RECENT; i++) {
        snprintf(uri, sizeof(uri), "/%d", 99 - i);
        assert_string_equal(requests[i].uri, uri);
    }
    traffic_close(reader);
    traffic_writer_free(writer);
}

static void names_beyond_the_table_are_counted_together(void **state)
{
    const struct fixture *fixture = *state;
    struct traffic_writer *writer = traffic_writer_new(fixture->path);
    struct traffic_reader *reader = open_board(fixture);
    uint32_t slots = traffic_slot_count(reader), own = 0;
    uint64_t counted = 0;
    struct traffic_totals totals;

    for (uint32_t i = 0; i < 3 * slots; i++) {
        volatile uint32_t hint = 0;
        struct traffic_ticket ticket = {0};
        char name[32];
        snprintf(name, sizeof(name), "s%u", i);
        struct traffic_begin begin = begin_of(name, &hint, "/");
        traffic_start(writer, &begin, &ticket);
        traffic_finish(&ticket, &(struct traffic_end){.status = 200});
        uint32_t found = UINT32_MAX;
        if (traffic_read(reader, "blog", name, &found, &totals) == 0) {
            own++;
            counted += totals.requests;
        }
    }
    assert_int_equal(own, slots);
    assert_int_equal(traffic_read_other(reader, &totals), 0);
    assert_int_equal(totals.requests + counted, 3 * slots);
    traffic_close(reader);
    traffic_writer_free(writer);
}

static void a_file_that_fits_is_kept(void **state)
{
    const struct fixture *fixture = *state;
    struct traffic_reader *reader = open_board(fixture);
    struct error error = ERROR_INIT;
    struct stat st;

    assert_int_equal(stat(fixture->path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0660);
    assert_int_equal(traffic_create(fixture->path, 10, 0, &error), 1);
    assert_false(traffic_is_retired(reader));
    assert_int_equal(traffic_create(fixture->path, 1000, 0, &error), 0); /* more services */
    assert_true(traffic_is_retired(reader));
    traffic_close(reader);
    reader = open_board(fixture);
    assert_int_equal(traffic_create(fixture->path, 1000, 1, &error), 0); /* another group */
    assert_int_equal(truncate(fixture->path, 5000), 0);
    assert_int_equal(traffic_create(fixture->path, 1000, 1, &error), 0); /* damaged */
    assert_int_equal(chmod(fixture->path, 0666), 0);
    assert_int_equal(traffic_create(fixture->path, 1000, 1, &error), 0);
    traffic_close(reader);
}

static void requests_end_on_the_board_they_began_on(void **state)
{
    const struct fixture *fixture = *state;
    struct traffic_writer *writer = traffic_writer_new(fixture->path);
    struct traffic_reader *old = open_board(fixture);
    struct traffic_ticket first = {0}, second = {0};
    struct error error = ERROR_INIT;
    volatile uint32_t hint = 0;

    struct traffic_begin begin = begin_of("web", &hint, "/");
    traffic_start(writer, &begin, &first);
    assert_int_equal(traffic_create(fixture->path, 1000, 0, &error), 0);
    nanosleep(&(struct timespec){.tv_sec = 1, .tv_nsec = 50000000}, NULL); /* looked for once a s */
    traffic_start(writer, &begin, &second);
    assert_ptr_not_equal(first.mapping, second.mapping);
    traffic_finish(&second, &(struct traffic_end){.status = 200});
    traffic_finish(&first, &(struct traffic_end){.status = 200});
    struct traffic_reader *new = open_board(fixture);
    assert_int_equal(totals_of(old, "web").requests, 1);
    assert_int_equal(totals_of(new, "web").requests, 1);
    traffic_close(old);
    traffic_close(new);
    traffic_writer_free(writer);
}

/* ---- many ---- */

static struct traffic_writer *shared_writer;
static volatile uint32_t shared_hints[SERVICES];

static void one_request(unsigned random)
{
    static const unsigned statuses[] = {200, 304, 404, 500};
    static const char *const names[SERVICES] = {"a", "b", "c", "d", "e"};
    unsigned service = random % SERVICES;
    struct traffic_ticket ticket = {0};

    struct traffic_begin begin = begin_of(names[service], &shared_hints[service], "/path?x");
    traffic_start(shared_writer, &begin, &ticket);
    traffic_finish(&ticket, &(struct traffic_end){.status = statuses[random / SERVICES % 4],
                                                  .is_aborted = random % 7 == 0,
                                                  .bytes_in = 1,
                                                  .bytes_out = 10});
}

static void *hammer(void *seed)
{
    unsigned random = (unsigned)(uintptr_t)seed;

    for (int i = 0; i < ROUNDS; i++) {
        random = random * 1103515245 + 12345;
        one_request(random >> 8);
    }
    return NULL;
}

static void hammer_with_threads(const char *path, unsigned seed)
{
    pthread_t threads[THREADS];

    shared_writer = traffic_writer_new(path);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, hammer, (void *)(uintptr_t)(seed * THREADS + i));
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    traffic_writer_free(shared_writer);
}

static void wait_for(pid_t pid)
{
    int status;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* A reader that looks while all write never sees what cannot be. */
static void look_on(const struct fixture *fixture)
{
    struct traffic_reader *reader = open_board(fixture);
    struct traffic_request requests[TRAFFIC_RECENT];

    for (int i = 0; i < 300; i++) {
        uint32_t total;
        traffic_read_in_flight(reader, "blog", "a", requests, TRAFFIC_RECENT, &total);
        assert_true(total <= THREADS * PROCESSES);
        size_t count = traffic_read_recent(reader, "blog", "a", requests, TRAFFIC_RECENT);
        for (size_t at = 0; at < count; at++) {
            assert_string_equal(requests[at].uri, "/path?x");
            assert_string_equal(requests[at].client, "192.0.2.7");
            assert_int_equal(requests[at].bytes_out, 10);
        }
    }
    traffic_close(reader);
}

static void threads_and_processes_count_exactly(void **state)
{
    const struct fixture *fixture = *state;
    pid_t children[PROCESSES];
    struct traffic_totals sum = {0};

    for (unsigned i = 0; i < PROCESSES; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            hammer_with_threads(fixture->path, i + 1);
            _exit(0);
        }
    }
    look_on(fixture);
    for (unsigned i = 0; i < PROCESSES; i++)
        wait_for(children[i]);
    struct traffic_reader *reader = open_board(fixture);
    for (unsigned i = 0; i < SERVICES; i++) {
        char name[2] = {(char)('a' + i), '\0'};
        struct traffic_totals totals = totals_of(reader, name);
        uint64_t in_histogram = 0, in_classes = 0;
        for (unsigned b = 0; b < TRAFFIC_BUCKETS; b++)
            in_histogram += totals.histogram[b];
        for (unsigned c = 0; c < STATUS_CLASSES; c++)
            in_classes += totals.status_classes[c];
        assert_int_equal(totals.begun, totals.requests);
        assert_int_equal(in_histogram, totals.requests);
        assert_int_equal(in_classes, totals.requests);
        assert_int_equal(totals.bytes_in, totals.requests);
        assert_int_equal(totals.bytes_out, 10 * totals.requests);
        assert_int_equal(totals.in_flight, 0);
        assert_int_equal(counted_in_flight(reader, name), 0);
        sum.requests += totals.requests;
    }
    assert_int_equal(sum.requests, PROCESSES * THREADS * ROUNDS);
    traffic_close(reader);
}

/* Processes that are killed at any instruction leave no request in flight and no counter wrong. */
static void killed_processes_leak_nothing(void **state)
{
    const struct fixture *fixture = *state;
    struct traffic_reader *reader = open_board(fixture);

    for (unsigned round = 0; round < 12; round++) {
        pid_t child = fork();
        if (child == 0) {
            for (;;)
                hammer_with_threads(fixture->path, round);
        }
        nanosleep(&(struct timespec){.tv_nsec = 20000000 + round * 1000003}, NULL);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
    }
    for (unsigned i = 0; i < SERVICES; i++) {
        char name[2] = {(char)('a' + i), '\0'};
        assert_int_equal(counted_in_flight(reader, name), 0);
    }
    shared_writer = traffic_writer_new(fixture->path);
    for (int i = 0; i < 3; i++) { /* a sweep a second; some services may wait for the second one */
        nanosleep(&(struct timespec){.tv_sec = 1, .tv_nsec = 50000000}, NULL);
        one_request(0);
    }
    for (unsigned i = 0; i < SERVICES; i++) {
        char name[2] = {(char)('a' + i), '\0'};
        struct traffic_totals totals = totals_of(reader, name);
        assert_int_equal(totals.in_flight, 0);
        /* One that is killed between its last count and its record counts as lost, too. */
        assert_true(totals.requests + totals.lost >= totals.begun ||
                    totals.begun - totals.requests - totals.lost <= 12 * THREADS);
    }
    traffic_writer_free(shared_writer);
    traffic_close(reader);
}

/* ---- hostile ---- */

static void fill_with_garbage(const char *path, off_t from, off_t to, unsigned seed)
{
    _cleanup_close_ int fd = open(path, O_RDWR);
    unsigned random = seed;

    for (off_t at = from; at < to; at += 64) {
        uint8_t block[64];
        for (size_t i = 0; i < sizeof(block); i++) {
            random = random * 1103515245 + 12345;
            block[i] = seed == 0 ? 0xff : (uint8_t)(random >> 16);
        }
        assert_int_equal(pwrite(fd, block, sizeof(block), at), sizeof(block));
    }
}

/* Keys stay, so that the writers go on finding the slots: the worst that they can meet. */
static void garbage_harms_neither_readers_nor_writers(void **state)
{
    const struct fixture *fixture = *state;

    for (unsigned seed = 0; seed < 6; seed++) {
        struct traffic_reader *reader = open_board(fixture);
        struct traffic_request requests[TRAFFIC_RECENT];
        struct traffic_totals totals;
        struct traffic_layout layout;
        uint32_t total, hint = UINT32_MAX;
        shared_writer = traffic_writer_new(fixture->path);
        one_request(0);
        traffic_layout_of(traffic_slot_count(reader), &layout);
        fill_with_garbage(fixture->path, layout.claims, layout.size, seed);
        traffic_read(reader, "blog", "a", &hint, &totals);
        size_t count = traffic_read_in_flight(reader, "blog", "a", requests, 12, &total);
        assert_true(count <= 12 && total <= TRAFFIC_IN_FLIGHT);
        assert_true(traffic_read_recent(reader, "blog", "a", requests, 12) <= 12);
        _cleanup_free_ uint32_t *counts = calloc(layout.slot_count + 1, sizeof(*counts));
        assert_int_equal(traffic_count_in_flight(reader, counts), 0);
        for (unsigned i = 0; i < 100; i++)
            one_request(i);
        fill_with_garbage(fixture->path, layout.keys, layout.claims, seed);
        for (unsigned i = 0; i < 100; i++)
            one_request(i);
        traffic_writer_free(shared_writer);
        traffic_close(reader);
        assert_int_equal(unlink(fixture->path), 0);
        assert_int_equal(traffic_create(fixture->path, 10, 0, NULL), 0);
    }
}

static void a_truncated_file_is_absent_to_readers(void **state)
{
    const struct fixture *fixture = *state;
    struct traffic_reader *reader = open_board(fixture), *other;
    struct traffic_request requests[1];
    struct traffic_totals totals;
    struct error error = ERROR_INIT;
    uint32_t hint = UINT32_MAX, total;

    shared_writer = traffic_writer_new(fixture->path);
    one_request(0);
    traffic_writer_free(shared_writer);
    assert_int_equal(truncate(fixture->path, 4100), 0);
    assert_true(traffic_is_retired(reader));
    assert_int_equal(traffic_read(reader, "blog", "a", &hint, &totals), -ENOENT);
    assert_int_equal(traffic_read_other(reader, &totals), -ENOENT);
    assert_int_equal(traffic_read_in_flight(reader, "blog", "a", requests, 1, &total), 0);
    assert_int_equal(traffic_read_recent(reader, "blog", "a", requests, 1), 0);
    assert_int_equal(traffic_open(fixture->path, &other, &error), -EPROTO);
    traffic_close(reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buckets_are_an_eighth_wide),
        cmocka_unit_test(quantiles_are_those_of_the_values),
        cmocka_unit_test_setup_teardown(what_is_written_is_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_last_requests_go_round, set_up, tear_down),
        cmocka_unit_test_setup_teardown(names_beyond_the_table_are_counted_together, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_file_that_fits_is_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(requests_end_on_the_board_they_began_on, set_up, tear_down),
        cmocka_unit_test_setup_teardown(threads_and_processes_count_exactly, set_up, tear_down),
        cmocka_unit_test_setup_teardown(killed_processes_leak_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(garbage_harms_neither_readers_nor_writers, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_truncated_file_is_absent_to_readers, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
