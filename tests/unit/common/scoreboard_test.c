/* SPDX-License-Identifier: Apache-2.0 */
/* The scoreboard with a writer and readers in processes of their own. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "tests/unit/common/scoreboard_stage.h"

static struct container_slot named_slot(const char *tenant, const char *service)
{
    struct container_slot slot = {.state = CONTAINER_RUNNING};

    snprintf(slot.tenant, sizeof(slot.tenant), "%s", tenant);
    snprintf(slot.service, sizeof(slot.service), "%s", service);
    return slot;
}

/* ---- one process ---- */

static void the_header_tells_what_was_given(void **state)
{
    const struct fixture *fixture = *state;
    struct scoreboard_writer *writer = create(fixture);
    struct scoreboard_reader *reader = open_board(fixture);
    struct scoreboard_info info;
    struct stat st;

    scoreboard_info(reader, &info);
    assert_int_equal(info.slot_count, SLOTS);
    assert_int_equal(info.slots_used, 0);
    assert_int_equal(info.engine_pid, getpid());
    assert_int_equal(info.cpus, 2);
    assert_int_equal(info.engine_started_realtime_usec, 11);
    assert_int_equal(info.engine_started_boottime_usec, 22);
    assert_int_equal(info.memory_total_bytes, 33);
    assert_string_equal(info.version, "9.8.7");
    assert_int_equal(strlen(info.boot_id), 36);
    assert_false(info.retired);
    assert_int_equal(stat(fixture->path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    assert_int_equal(st.st_size, AT_HISTORY(SLOTS));
    scoreboard_close(reader);
    scoreboard_writer_close(writer, true);
    assert_int_equal(access(fixture->path, F_OK), -1);
}

static void slots_used_bounds_the_readers(void **state)
{
    const struct fixture *fixture = *state;
    struct scoreboard_writer *writer = create(fixture);
    struct scoreboard_reader *reader = open_board(fixture);
    struct container_slot slot = named_slot("blog", "web"), copy;
    struct scoreboard_info info;
    uint32_t hint = 0, lie = 1000000;

    assert_int_equal(scoreboard_find(reader, "blog", "web", &hint, &copy), -ENOENT);
    scoreboard_slot_write(writer, 2, &slot);
    scoreboard_info(reader, &info);
    assert_int_equal(info.slots_used, 3);
    scoreboard_slot_write(writer, 0, &(struct container_slot){0});
    scoreboard_info(reader, &info);
    assert_int_equal(info.slots_used, 3);
    assert_int_equal(scoreboard_find(reader, "blog", "web", &hint, &copy), 0);
    assert_int_equal(hint, 2);
    assert_memory_equal(&copy, &slot, sizeof(slot));
    hint = 77; /* a hint of an older, larger board */
    assert_int_equal(scoreboard_find(reader, "blog", "web", &hint, &copy), 0);
    assert_int_equal(scoreboard_find(reader, "blog", "we", &hint, &copy), -ENOENT);
    assert_int_equal(scoreboard_slot_read(reader, SLOTS, &copy), -ERANGE);
    assert_int_equal(scoreboard_slot_read(reader, UINT32_MAX, &copy), -ERANGE);

    /* a header that counts more slots than the file has leads nobody outside it */
    poke(fixture, AT_SLOTS_USED, &lie, sizeof(lie));
    scoreboard_info(reader, &info);
    assert_int_equal(info.slots_used, SLOTS);
    assert_int_equal(scoreboard_find(reader, "no", "body", &hint, &copy), -ENOENT);
    scoreboard_close(reader);
    scoreboard_writer_close(writer, true);
}

static void an_open_slot_is_found_by_nobody(void **state)
{
    const struct fixture *fixture = *state;
    struct scoreboard_writer *writer = create(fixture);
    struct scoreboard_reader *reader = open_board(fixture);
    struct container_slot slot = named_slot("blog", "web"), copy;
    uint32_t hint = 0;

    slot.state = CONTAINER_OPEN;
    scoreboard_slot_write(writer, 0, &slot);
    assert_int_equal(scoreboard_find(reader, "blog", "web", &hint, &copy), -ENOENT);
    scoreboard_close(reader);
    scoreboard_writer_close(writer, true);
}

static void strings_of_a_copy_always_end(void **state)
{
    const struct fixture *fixture = *state;
    struct scoreboard_writer *writer = create(fixture);
    struct scoreboard_reader *reader = open_board(fixture);
    struct container_slot slot, copy;

    memset(&slot, 'x', sizeof(slot));
    scoreboard_slot_write(writer, 0, &slot);
    assert_int_equal(scoreboard_slot_read(reader, 0, &copy), 0);
    assert_int_equal(strlen(copy.tenant), sizeof(copy.tenant) - 1);
    assert_int_equal(strlen(copy.service), sizeof(copy.service) - 1);
    assert_int_equal(strlen(copy.id), sizeof(copy.id) - 1);
    assert_int_equal(strlen(copy.endpoint_path), sizeof(copy.endpoint_path) - 1);
    assert_int_equal(strlen(copy.address_ipv4), sizeof(copy.address_ipv4) - 1);
    assert_int_equal(strlen(copy.address_ipv6), sizeof(copy.address_ipv6) - 1);
    assert_int_equal(strlen(copy.image), sizeof(copy.image) - 1);
    assert_int_equal(strlen(copy.message), sizeof(copy.message) - 1);
    assert_int_equal(container_state_letter(copy.state), '?');
    assert_string_equal(container_state_name(copy.state), "unknown");
    scoreboard_close(reader);
    scoreboard_writer_close(writer, true);
}

static void every_state_has_a_letter_and_a_name_of_its_own(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CONTAINER_STATE_COUNT; i++) {
        assert_true(container_state_letter(i) > ' ');
        for (unsigned j = 0; j < i; j++) {
            assert_int_not_equal(container_state_letter(i), container_state_letter(j));
            assert_string_not_equal(container_state_name(i), container_state_name(j));
        }
    }
}

static void a_board_lives_by_its_heartbeat(void **state)
{
    const struct fixture *fixture = *state;
    struct scoreboard_writer *writer = create(fixture);
    struct scoreboard_reader *reader = open_board(fixture);
    uint64_t age, now = clock_boottime_usec();

    assert_true(scoreboard_is_live(reader, &age));
    assert_in_range(age, 0, 1000000);
    scoreboard_heartbeat(writer, now > 4000000 ? now - 4000000 : 0);
    assert_true(scoreboard_is_live(reader, NULL)); /* below the floor of 5 s */
    scoreboard_heartbeat(writer, now > 6000000 ? now - 6000000 : 0);
    assert_false(scoreboard_is_live(reader, &age));
    assert_in_range(age, 6000000, 7000000);
    scoreboard_heartbeat(writer, clock_boottime_usec());
    assert_true(scoreboard_is_live(reader, NULL));
    scoreboard_close(reader);
    scoreboard_writer_close(writer, true);
}

static void a_board_of_an_earlier_boot_is_not_alive(void **state)
{
    static const char other[] = "00000000-1111-2222-3333-444444444444";
    const struct fixture *fixture = *state;
    struct scoreboard_writer *writer = create(fixture);
    uint64_t age, now = clock_boottime_usec();

    poke(fixture, AT_BOOT_ID, other, sizeof(other));
    scoreboard_heartbeat(writer, now + UINT64_C(86400000000)); /* it had run longer than we do */
    struct scoreboard_reader *reader = open_board(fixture);
    assert_false(scoreboard_is_live(reader, &age));
    assert_true(age >= now);
    scoreboard_close(reader);
    scoreboard_writer_close(writer, true);
}

static void a_new_board_retires_the_old_one(void **state)
{
    const struct fixture *fixture = *state;
    struct container_slot slot = named_slot("blog", "web"), copy;
    struct scoreboard_writer *first = create(fixture);
    scoreboard_slot_write(first, 0, &slot);
    struct scoreboard_reader *old = open_board(fixture);

    assert_true(scoreboard_is_live(old, NULL));
    struct scoreboard_writer *second = create(fixture);
    assert_false(scoreboard_is_live(old, NULL));
    assert_int_equal(scoreboard_slot_read(old, 0, &copy), 0); /* the mapping stays readable */
    assert_string_equal(copy.tenant, "blog");
    struct scoreboard_reader *new = open_board(fixture);
    assert_true(scoreboard_is_live(new, NULL));
    assert_int_equal(scoreboard_slot_read(new, 0, &copy), 0);
    assert_int_equal(copy.state, CONTAINER_OPEN);
    scoreboard_close(old);

    scoreboard_writer_close(second, false);
    assert_false(scoreboard_is_live(new, NULL)); /* an orderly end retires as well */
    scoreboard_close(new);
    scoreboard_writer_close(first, true);
    scoreboard_writer_close(NULL, true);
    scoreboard_close(NULL);
}

/* ---- files that are not ours ---- */

static void refuse(const struct fixture *fixture, int expected, const char *word)
{
    struct scoreboard_reader *reader = NULL;
    struct error error = ERROR_INIT;

    assert_int_equal(scoreboard_open(fixture->path, &reader, &error), expected);
    assert_null(reader);
    if (!strstr(error.message, word) || !strstr(error.message, fixture->path))
        fail_msg("\"%s\" does not name %s and the file", error.message, word);
}

static void another_abi_is_refused_with_both_versions(void **state)
{
    const struct fixture *fixture = *state;
    uint32_t abi = 42;

    scoreboard_writer_close(create(fixture), false);
    poke(fixture, AT_ABI, &abi, sizeof(abi));
    refuse(fixture, -EPROTO, "ABI 42");
    refuse(fixture, -EPROTO, "ABI 2;");
}

static void another_magic_is_refused(void **state)
{
    const struct fixture *fixture = *state;

    scoreboard_writer_close(create(fixture), false);
    poke(fixture, 0, "notaboard", 8);
    refuse(fixture, -EPROTO, "not a container scoreboard");
}

static void sizes_that_do_not_fit_are_refused(void **state)
{
    const struct fixture *fixture = *state;
    static const uint32_t counts[] = {0, SLOTS + 1, SCOREBOARD_SLOTS_MAX + 1, UINT32_MAX};
    uint32_t slots = SLOTS, slot_size = 512;

    scoreboard_writer_close(create(fixture), false);
    for (size_t i = 0; i < ARRAY_LENGTH(counts); i++) {
        poke(fixture, AT_SLOT_COUNT, &counts[i], sizeof(counts[i]));
        refuse(fixture, -EPROTO, "sizes");
    }
    poke(fixture, AT_SLOT_COUNT, &slots, sizeof(slots));
    poke(fixture, AT_SLOT_SIZE, &slot_size, sizeof(slot_size));
    refuse(fixture, -EPROTO, "sizes");
}

static void a_truncated_file_is_refused(void **state)
{
    const struct fixture *fixture = *state;
    static const off_t sizes[] = {AT_HISTORY(SLOTS) - 1, AT_SLOT(SLOTS), AT_SLOT(0), 4095, 100, 0};

    scoreboard_writer_close(create(fixture), false);
    for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++) {
        assert_int_equal(truncate(fixture->path, sizes[i]), 0);
        refuse(fixture, -EPROTO, sizes[i] < 4096 ? "not a container scoreboard" : "sizes");
    }
}

static void what_is_no_file_is_refused(void **state)
{
    const struct fixture *fixture = *state;

    refuse(fixture, -ENOENT, "No such file");
    assert_int_equal(mkfifo(fixture->path, 0600), 0);
    struct scoreboard_reader *reader = NULL;
    alarm(10); /* an open that waits for the other end of the pipe would hang here */
    assert_int_equal(scoreboard_open(fixture->path, &reader, NULL), -EPROTO);
    alarm(0);
    assert_int_equal(unlink(fixture->path), 0);
    assert_int_equal(symlink("/etc/passwd", fixture->path), 0);
    refuse(fixture, -ELOOP, "symbolic links");
}

static void a_board_of_no_or_too_many_slots_is_not_made(void **state)
{
    const struct fixture *fixture = *state;
    static const uint32_t counts[] = {0, SCOREBOARD_SLOTS_MAX + 1, UINT32_MAX};
    struct scoreboard_writer *writer = NULL;

    for (size_t i = 0; i < ARRAY_LENGTH(counts); i++) {
        struct error error = ERROR_INIT;
        assert_int_equal(
            scoreboard_create(fixture->path, counts[i], 0, &fixture->info, &writer, &error),
            -EINVAL);
        assert_non_null(strstr(error.message, "65536"));
    }
    assert_null(writer);
    assert_int_equal(access(fixture->path, F_OK), -1);
}

/* ---- two processes ---- */

/* Writes slots whose every byte is the same, another one each turn, until it is killed. */
static pid_t start_hammer(struct scoreboard_writer *writer)
{
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid > 0)
        return pid;
    alarm(300); /* no orphan for ever, should the test die */
    struct container_slot slot;
    for (unsigned turn = 0;; turn++) {
        memset(&slot, 1 + (int)(turn % 255), sizeof(slot));
        scoreboard_slot_write(writer, turn % 2, &slot);
        for (volatile unsigned rest = 0; rest < 100; rest++)
            ;
    }
}

static void stop_hammer(pid_t pid)
{
    int status;

    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* Whether all bytes are one writing's, the terminators apart, which the reader puts there. */
static bool is_whole(const struct container_slot *slot)
{
    const unsigned char *bytes = (const unsigned char *)slot;
    unsigned zeros = 0;

    for (size_t i = 0; i < sizeof(*slot); i++) {
        zeros += bytes[i] == 0;
        if (bytes[i] != bytes[0] && bytes[i] != 0)
            return false;
    }
    return zeros == 8 || zeros == sizeof(*slot);
}

/*
 * Returns how many of the reads gave no copy, or -1 for one that was torn. Ends early after 5 s:
 * on a busy machine the writer is often put aside in the middle of a slot, and each such read
 * waits.
 */
static int read_many(const struct scoreboard_reader *reader, unsigned reads, unsigned *changes)
{
    int64_t end_ms = clock_monotonic_ms() + 5000;
    struct container_slot slot;
    unsigned char last = 0;
    int missed = 0;

    *changes = 0;
    for (unsigned i = 0; i < reads && clock_monotonic_ms() < end_ms; i++) {
        if (scoreboard_slot_read(reader, i % 2, &slot) < 0) {
            missed++;
            continue;
        }
        if (!is_whole(&slot))
            return -1;
        *changes += *(unsigned char *)&slot != last;
        last = *(unsigned char *)&slot;
    }
    return missed;
}

static void no_read_is_ever_torn(void **state)
{
    const struct fixture *fixture = *state;
    struct scoreboard_writer *writer = create(fixture);
    struct scoreboard_reader *reader = open_board(fixture);
    unsigned changes;
    int status, missed;

    pid_t hammer = start_hammer(writer);
    pid_t other = fork();
    if (other == 0) {
        alarm(300);
        struct scoreboard_reader *own = open_board(fixture); /* by path, as another program does */
        missed = read_many(own, 100000, &changes);
        _exit(missed >= 0 && changes > 100 ? 0 : 1);
    }
    missed = read_many(reader, 200000, &changes);
    assert_int_equal(waitpid(other, &status, 0), other);
    stop_hammer(hammer);
    print_message("%u changes seen, %d reads without a copy\n", changes, missed);
    assert_true(missed >= 0);
    assert_true(changes > 100);
    assert_int_equal(status, 0);
    scoreboard_close(reader);
    scoreboard_writer_close(writer, true);
}

static uint64_t peek_sequence(const struct fixture *fixture, uint32_t index)
{
    _cleanup_close_ int fd = open(fixture->path, O_RDONLY | O_CLOEXEC);
    uint64_t sequence = 0;

    assert_int_equal(pread(fd, &sequence, sizeof(sequence), AT_SLOT(index)), sizeof(sequence));
    return sequence;
}

/* Kills writers until one dies inside slot 0 or 1; returns which. */
static uint32_t kill_inside(const struct fixture *fixture, struct scoreboard_writer **writer)
{
    for (unsigned try = 0; try < 500; try++) {
        *writer = create(fixture);
        pid_t hammer = start_hammer(*writer);
        while (peek_sequence(fixture, 1) < 10)
            sched_yield();
        usleep(200 + try);
        stop_hammer(hammer);
        for (uint32_t index = 0; index < 2; index++)
            if (peek_sequence(fixture, index) & 1)
                return index;
        scoreboard_writer_close(*writer, false);
    }
    fail_msg("no writer died inside a slot");
    return 0;
}

static void a_writer_killed_inside_a_slot_hangs_nobody(void **state)
{
    const struct fixture *fixture = *state;
    struct scoreboard_writer *dead;
    uint32_t index = kill_inside(fixture, &dead), hint = index;
    struct scoreboard_reader *reader = open_board(fixture);
    struct container_slot slot;

    uint64_t began = clock_boottime_usec();
    assert_int_equal(scoreboard_slot_read(reader, index, &slot), -EAGAIN);
    uint64_t took = clock_boottime_usec() - began;
    print_message("a half-written slot is given up after %lu us\n", (unsigned long)took);
    assert_in_range(took, 0, 1000000);
    assert_int_equal(scoreboard_slot_read(reader, 1 - index, &slot), 0);
    assert_true(is_whole(&slot));
    assert_int_equal(scoreboard_find(reader, "blog", "web", &hint, &slot), -EAGAIN);

    struct scoreboard_writer *next = create(fixture); /* the next engine begins a new board */
    assert_false(scoreboard_is_live(reader, NULL));
    scoreboard_close(reader);
    reader = open_board(fixture);
    assert_int_equal(scoreboard_slot_read(reader, index, &slot), 0);
    scoreboard_close(reader);
    scoreboard_writer_close(next, true);
    scoreboard_writer_close(dead, false);
}

/* In a child with a mount namespace of its own: a file system of 64 KiB under the directory. */
static int try_full_disk(const struct fixture *fixture)
{
    struct scoreboard_writer *writer = NULL;
    struct error error = ERROR_INIT;

    alarm(30);
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("tiny", fixture->directory, "tmpfs", MS_NOSUID | MS_NODEV, "size=64k") < 0)
        return 2;
    if (scoreboard_create(fixture->path, 16, 0, &fixture->info, &writer, &error) != 0)
        return 3;
    struct scoreboard_reader *reader = open_board(fixture);
    struct scoreboard_writer *second = NULL;
    if (scoreboard_create(fixture->path, 1024, 0, &fixture->info, &second, &error) != -ENOSPC)
        return 4;
    if (!strstr(error.message, "No space left") || !strstr(error.message, fixture->path))
        return 5;
    if (!scoreboard_is_live(reader, NULL)) /* the board that stands is not harmed */
        return 6;
    scoreboard_close(reader);
    scoreboard_writer_close(writer, true);
    _cleanup_closedir_ DIR *directory = opendir(fixture->directory);
    for (const struct dirent *entry; (entry = readdir(directory));)
        if (entry->d_name[0] != '.')
            return 7; /* a half-made file was left */
    return 0;
}

static void a_full_disk_is_an_error_and_leaves_the_old_board(void **state)
{
    const struct fixture *fixture = *state;
    int status;

    pid_t pid = fork();
    if (pid == 0)
        _exit(try_full_disk(fixture));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_header_tells_what_was_given),
        TEST(slots_used_bounds_the_readers),
        TEST(an_open_slot_is_found_by_nobody),
        TEST(strings_of_a_copy_always_end),
        TEST(every_state_has_a_letter_and_a_name_of_its_own),
        TEST(a_board_lives_by_its_heartbeat),
        TEST(a_board_of_an_earlier_boot_is_not_alive),
        TEST(a_new_board_retires_the_old_one),
        TEST(another_abi_is_refused_with_both_versions),
        TEST(another_magic_is_refused),
        TEST(sizes_that_do_not_fit_are_refused),
        TEST(a_truncated_file_is_refused),
        TEST(what_is_no_file_is_refused),
        TEST(a_board_of_no_or_too_many_slots_is_not_made),
        TEST(no_read_is_ever_torn),
        TEST(a_writer_killed_inside_a_slot_hangs_nobody),
        TEST(a_full_disk_is_an_error_and_leaves_the_old_board),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
