/* SPDX-License-Identifier: Apache-2.0 */
/* Histories and the machine's figures on the scoreboard. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "tests/unit/common/scoreboard_stage.h"

#include "common/seqlock.h"

#define SECOND      UINT64_C(1000000)
#define STEP_MSEC   1000
#define AT_HOST_SEQ 160 /* of the header, as the page says */

static int push_to(struct scoreboard_writer *writer, enum history_ring ring, uint64_t at,
                   uint32_t value)
{
    const struct history_point point = {.cpu_centi = value,
                                        .memory_kib = value + 1,
                                        .io_rate = value + 2,
                                        .requests_milli = HISTORY_ABSENT};

    return scoreboard_history_push(writer, 1, ring, STEP_MSEC, at, &point);
}

static void push(struct scoreboard_writer *writer, uint64_t at, uint32_t value)
{
    assert_int_equal(push_to(writer, HISTORY_SECONDS, at, value), 0);
}

static struct slot_history read_history(const struct scoreboard_reader *reader)
{
    struct slot_history history;

    assert_int_equal(scoreboard_history_read(reader, 1, &history), 0);
    return history;
}

static size_t read_ring(const struct scoreboard_reader *reader, enum history_ring ring,
                        struct history_point *points)
{
    const struct slot_history history = read_history(reader);

    return history_points(&history, ring, points);
}

static void points_come_in_the_order_of_time(void **state)
{
    struct scoreboard_writer *writer = create(*state);
    struct scoreboard_reader *reader = open_board(*state);
    struct history_point points[HISTORY_SECONDS_POINTS];

    for (uint32_t i = 0; i < 3; i++)
        push(writer, (100 + i) * SECOND, 10 * i);
    assert_int_equal(read_ring(reader, HISTORY_SECONDS, points), 3);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(points[i].cpu_centi, 10 * i);
        assert_int_equal(points[i].memory_kib, 10 * i + 1);
        assert_int_equal(points[i].io_rate, 10 * i + 2);
        assert_int_equal(points[i].requests_milli, HISTORY_ABSENT);
    }
    const struct slot_history history = read_history(reader);
    assert_int_equal(history.rings[HISTORY_SECONDS].end_boottime_usec, 102 * SECOND);
    assert_int_equal(history.rings[HISTORY_SECONDS].step_msec, STEP_MSEC);
    assert_int_equal(history.rings[HISTORY_MINUTES].end_boottime_usec, 0);
    assert_int_equal(read_ring(reader, HISTORY_MINUTES, points), 0);
    assert_int_equal(read_ring(reader, HISTORY_HALF_HOURS, points), 0);
    scoreboard_close(reader);
    scoreboard_writer_close(writer, true);
}

static void rings_go_round_each_by_itself(void **state)
{
    static const size_t sizes[HISTORY_RINGS] = {HISTORY_SECONDS_POINTS, HISTORY_MINUTES_POINTS,
                                                HISTORY_HALF_HOURS_POINTS};
    struct scoreboard_writer *writer = create(*state);
    struct scoreboard_reader *reader = open_board(*state);
    struct history_point points[HISTORY_SECONDS_POINTS];

    for (uint32_t i = 0; i < 150; i++)
        for (unsigned ring = 0; ring < HISTORY_RINGS; ring++)
            assert_int_equal(push_to(writer, ring, (100 + i) * SECOND, 1000 * ring + i), 0);
    for (unsigned ring = 0; ring < HISTORY_RINGS; ring++) {
        assert_int_equal(read_ring(reader, ring, points), sizes[ring]);
        for (size_t i = 0; i < sizes[ring]; i++)
            assert_int_equal(points[i].cpu_centi, 1000 * ring + 150 - sizes[ring] + i);
    }
    scoreboard_close(reader);
    scoreboard_writer_close(writer, true);
}

static void what_was_slept_through_is_a_gap(void **state)
{
    struct scoreboard_writer *writer = create(*state);
    struct scoreboard_reader *reader = open_board(*state);
    struct history_point points[HISTORY_SECONDS_POINTS];

    push(writer, 100 * SECOND, 7);
    push(writer, 101 * SECOND + SECOND / 3, 8); /* late, but no step is missing */
    push(writer, 104 * SECOND + SECOND / 3, 9); /* two are */
    assert_int_equal(read_ring(reader, HISTORY_SECONDS, points), 5);
    assert_int_equal(points[0].cpu_centi, 7);
    assert_int_equal(points[1].cpu_centi, 8);
    for (size_t i = 2; i < 4; i++) {
        assert_int_equal(points[i].cpu_centi, HISTORY_ABSENT);
        assert_int_equal(points[i].memory_kib, HISTORY_ABSENT);
        assert_int_equal(points[i].io_rate, HISTORY_ABSENT);
        assert_int_equal(points[i].requests_milli, HISTORY_ABSENT);
    }
    assert_int_equal(points[4].cpu_centi, 9);

    push(writer, 100000 * SECOND, 10); /* more than the ring holds */
    assert_int_equal(read_ring(reader, HISTORY_SECONDS, points), HISTORY_SECONDS_POINTS);
    for (size_t i = 0; i + 1 < HISTORY_SECONDS_POINTS; i++)
        assert_int_equal(points[i].cpu_centi, HISTORY_ABSENT);
    assert_int_equal(points[HISTORY_SECONDS_POINTS - 1].cpu_centi, 10);

    push(writer, 99999 * SECOND, 11); /* a clock that went back leaves no gap */
    assert_int_equal(read_ring(reader, HISTORY_SECONDS, points), HISTORY_SECONDS_POINTS);
    assert_int_equal(points[HISTORY_SECONDS_POINTS - 1].cpu_centi, 11);
    assert_int_equal(points[HISTORY_SECONDS_POINTS - 2].cpu_centi, 10);
    scoreboard_close(reader);
    scoreboard_writer_close(writer, true);
}

static void a_history_is_not_there_until_it_is_written(void **state)
{
    struct scoreboard_writer *writer = create(*state);
    struct scoreboard_reader *reader = open_board(*state);
    struct slot_history history;

    assert_int_equal(scoreboard_history_read(reader, 1, &history), -ENOENT);
    assert_int_equal(scoreboard_history_read(reader, SLOTS, &history), -ERANGE);
    scoreboard_history_clear(writer, 1); /* takes no space for nothing */
    assert_int_equal(scoreboard_history_read(reader, 1, &history), -ENOENT);
    push(writer, 100 * SECOND, 1);
    assert_int_equal(scoreboard_history_read(reader, 0, &history), -ENOENT);
    assert_int_equal(scoreboard_history_read(reader, 1, &history), 0);
    scoreboard_history_clear(writer, 1);
    assert_int_equal(scoreboard_history_read(reader, 1, &history), 0);
    for (unsigned ring = 0; ring < HISTORY_RINGS; ring++)
        assert_int_equal(history.rings[ring].count, 0);
    scoreboard_close(reader);
    scoreboard_writer_close(writer, true);
}

static void a_history_is_taken_over_by_the_next_engine(void **state)
{
    struct scoreboard_writer *first = create(*state);
    struct history_point points[HISTORY_SECONDS_POINTS];

    for (uint32_t i = 0; i < 70; i++)
        push(first, (100 + i) * SECOND, i);
    struct scoreboard_reader *old = open_board(*state);
    const struct slot_history history = read_history(old);
    struct scoreboard_writer *second = create(*state);
    struct scoreboard_reader *reader = open_board(*state);
    assert_int_equal(scoreboard_history_write(second, 1, &history), 0);
    push(second, 170 * SECOND, 70);
    assert_int_equal(read_ring(reader, HISTORY_SECONDS, points), HISTORY_SECONDS_POINTS);
    for (uint32_t i = 0; i < HISTORY_SECONDS_POINTS; i++)
        assert_int_equal(points[i].cpu_centi, 11 + i);
    scoreboard_close(old);
    scoreboard_close(reader);
    scoreboard_writer_close(second, true);
    scoreboard_writer_close(first, false);
}

static void a_ring_that_says_too_much_is_no_history(void **state)
{
    static const uint16_t bad[][2] = {{61, 0}, {1, 60}, {UINT16_MAX, UINT16_MAX}};
    struct scoreboard_writer *writer = create(*state);
    struct scoreboard_reader *reader = open_board(*state);
    struct slot_history history;

    push(writer, 100 * SECOND, 1);
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        poke(*state, AT_HISTORY(1) + 8 + 12, bad[i], sizeof(bad[i]));
        assert_int_equal(scoreboard_history_read(reader, 1, &history), -ENOENT);
    }
    scoreboard_close(reader);
    scoreboard_writer_close(writer, true);
}

static void the_machine_is_told_as_a_whole(void **state)
{
    struct scoreboard_writer *writer = create(*state);
    struct scoreboard_reader *reader = open_board(*state);
    struct host_figures host = {.has = SLOT_HAS_MEMORY, .load_centi = {12, 34, 56}}, copy;
    uint64_t inside = 3;

    assert_int_equal(scoreboard_host_read(reader, &copy), 0);
    assert_int_equal(copy.sampled_boottime_usec, 0);
    host.sampled_boottime_usec = 99;
    host.wakes = 7;
    scoreboard_host_write(writer, &host);
    assert_int_equal(scoreboard_host_read(reader, &copy), 0);
    assert_memory_equal(&copy, &host, sizeof(host));
    poke(*state, AT_HOST_SEQ, &inside, sizeof(inside));
    assert_int_equal(scoreboard_host_read(reader, &copy), -EAGAIN);
    scoreboard_host_write(writer, &host); /* makes whole what a dead writer left */
    assert_int_equal(scoreboard_host_read(reader, &copy), 0);
    scoreboard_close(reader);
    scoreboard_writer_close(writer, true);
}

/* In a child with a mount namespace of its own: room for header and slots, and one history. */
static int try_full_disk(const struct fixture *fixture)
{
    struct scoreboard_writer *writer = NULL;
    struct error error = ERROR_INIT;
    const struct history_point point = {.cpu_centi = 1};
    uint32_t full = UINT32_MAX;

    alarm(30);
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("tiny", fixture->directory, "tmpfs", MS_NOSUID | MS_NODEV, "size=64k") < 0)
        return 2;
    if (scoreboard_create(fixture->path, 24, 0, &fixture->info, &writer, &error) != 0)
        return 3;
    struct scoreboard_reader *reader = open_board(fixture);
    for (uint32_t i = 0; i < 24 && full == UINT32_MAX; i++) {
        int r = scoreboard_history_push(writer, i, HISTORY_SECONDS, STEP_MSEC, SECOND, &point);
        if (r == -ENOSPC)
            full = i;
        else if (r < 0)
            return 4;
    }
    struct slot_history history;
    struct container_slot slot = {.state = CONTAINER_RUNNING};
    if (full == UINT32_MAX || full == 0)
        return 5;
    if (scoreboard_history_read(reader, full, &history) != -ENOENT ||
        scoreboard_history_read(reader, full - 1, &history) != 0)
        return 6;
    scoreboard_slot_write(writer, full, &slot); /* the slot itself needs no more room */
    if (scoreboard_slot_read(reader, full, &slot) != 0 || slot.state != CONTAINER_RUNNING)
        return 7;
    scoreboard_close(reader);
    scoreboard_writer_close(writer, true);
    return 0;
}

static void a_full_disk_is_a_slot_without_history(void **state)
{
    int status;

    pid_t pid = fork();
    if (pid == 0)
        _exit(try_full_disk(*state));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* ---- the lock itself ---- */

#define WORDS 64

struct shared {
    seqlock_word sequence;
    seqlock_word words[WORDS];
};

/* Writes the same number into all words, until it is killed. */
static pid_t start_hammer(struct scoreboard_writer *writer)
{
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid > 0)
        return pid;
    alarm(300);
    for (uint64_t turn = 1;; turn++) {
        struct host_figures host;
        uint64_t words[sizeof(host) / sizeof(uint64_t)] = {0};
        for (size_t i = 0; i < ARRAY_LENGTH(words); i++)
            words[i] = turn;
        memcpy(&host, words, sizeof(host));
        scoreboard_host_write(writer, &host);
        push(writer, turn * SECOND, (uint32_t)turn);
        for (volatile unsigned rest = 0; rest < 2000; rest++)
            ;
    }
}

static bool is_whole_host(const struct host_figures *host)
{
    uint64_t words[sizeof(*host) / sizeof(uint64_t)];

    memcpy(words, host, sizeof(*host));
    for (size_t i = 1; i < ARRAY_LENGTH(words); i++)
        if (words[i] != words[0])
            return false;
    return true;
}

static bool is_whole_history(const struct slot_history *history)
{
    struct history_point points[HISTORY_SECONDS_POINTS];
    size_t count = history_points(history, HISTORY_SECONDS, points);

    for (size_t i = 0; i < count; i++)
        if (points[i].cpu_centi != points[0].cpu_centi + i ||
            points[i].io_rate != points[i].cpu_centi + 2)
            return false;
    return count == 0 ||
           history->rings[0].end_boottime_usec == points[count - 1].cpu_centi * SECOND;
}

static void histories_and_machine_are_never_torn(void **state)
{
    struct scoreboard_writer *writer = create(*state);
    struct scoreboard_reader *reader = open_board(*state);
    unsigned changes = 0;
    uint64_t last = 0;
    int status;

    push(writer, 0, 0);
    pid_t hammer = start_hammer(writer);
    alarm(300); /* a hang is seen, and a slow machine is none */
    while (changes < 2000) {
        struct host_figures host;
        struct slot_history history;
        if (scoreboard_host_read(reader, &host) == 0) {
            assert_true(is_whole_host(&host));
            changes += host.has != last;
            last = host.has;
        }
        if (scoreboard_history_read(reader, 1, &history) == 0)
            assert_true(is_whole_history(&history));
    }
    kill(hammer, SIGKILL);
    assert_int_equal(waitpid(hammer, &status, 0), hammer);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    alarm(0);
    scoreboard_close(reader);
    scoreboard_writer_close(writer, true);
}

static void a_lock_left_shut_opens_with_the_next_write(void **state)
{
    static struct shared shared;
    uint64_t words[WORDS], copy[WORDS];

    (void)state;
    memset(words, 0x5a, sizeof(words));
    seqlock_begin(&shared.sequence); /* and dies */
    assert_int_equal(seqlock_read(&shared.sequence, shared.words, copy, sizeof(copy)), -EAGAIN);
    seqlock_write(&shared.sequence, shared.words, words, sizeof(words));
    assert_int_equal(shared.sequence % 2, 0);
    assert_int_equal(seqlock_read(&shared.sequence, shared.words, copy, sizeof(copy)), 0);
    assert_memory_equal(copy, words, sizeof(words));
    uint64_t before = shared.sequence;
    seqlock_write(&shared.sequence, shared.words, words, sizeof(words));
    assert_int_equal(shared.sequence, before + 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(points_come_in_the_order_of_time),
        TEST(rings_go_round_each_by_itself),
        TEST(what_was_slept_through_is_a_gap),
        TEST(a_history_is_not_there_until_it_is_written),
        TEST(a_history_is_taken_over_by_the_next_engine),
        TEST(a_ring_that_says_too_much_is_no_history),
        TEST(the_machine_is_told_as_a_whole),
        TEST(a_full_disk_is_a_slot_without_history),
        TEST(histories_and_machine_are_never_torn),
        cmocka_unit_test(a_lock_left_shut_opens_with_the_next_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
