/* SPDX-License-Identifier: Apache-2.0 */
/* The file of a tenant's history: what is written is read, and what is not whole is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "supervisor/daemon/history_file.h"

/* docs/history.md: where things lie. */
#define AT_BLOCK(block)         (512 + 92672 * (off_t)(block))
#define AT_RECORD(block, place) (AT_BLOCK(block) + 512 + 32 * (off_t)(place))

#define NOW UINT64_C(982000) /* a half hour's number: of January 2026 */

struct place {
    char path[64];
    int fd;
};

static int set_up(void **state)
{
    struct place *place = calloc(1, sizeof(*place));

    strcpy(place->path, "/tmp/history_test.XXXXXX");
    if (!mkdtemp(place->path))
        return -1;
    place->fd = open(place->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *state = place;
    return place->fd < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
    struct place *place = *state;
    char command[128];

    close(place->fd);
    snprintf(command, sizeof(command), "rm -rf %s", place->path);
    int r = system(command);
    free(place);
    return r;
}

static struct history_record record_of(enum history_grain grain, uint64_t number, uint32_t value)
{
    return (struct history_record){
        .grain = grain,
        .number = number,
        .step = {.point = {value, value + 1, value + 2, HISTORY_ABSENT}, .faults = value + 3}};
}

static void write_one(const struct place *place, const char *service, enum history_grain grain,
                      uint64_t number, uint32_t value)
{
    const struct history_record record = record_of(grain, number, value);
    struct error error = ERROR_INIT;

    if (history_file_write(place->fd, "blog", service, &record, 1, &error) < 0)
        fail_msg("%s", error.message);
}

/* The value that write_one() wrote, or -1: there is none. */
static int64_t read_one(const struct place *place, const char *service, enum history_grain grain,
                        uint64_t number)
{
    struct history_step step;
    struct error error = ERROR_INIT;

    if (history_file_read(place->fd, "blog", service, grain, number, 1, &step, &error) < 0)
        fail_msg("%s", error.message);
    if (memcmp(&step, &history_step_absent, sizeof(step)) == 0)
        return -1;
    assert_int_equal(step.point.memory_kib, step.point.cpu_centi + 1);
    assert_int_equal(step.point.io_rate, step.point.cpu_centi + 2);
    assert_int_equal(step.point.requests_milli, HISTORY_ABSENT);
    assert_int_equal(step.faults, step.point.cpu_centi + 3);
    return step.point.cpu_centi;
}

static void poke(const struct place *place, off_t at, const void *bytes, size_t size)
{
    _cleanup_close_ int fd = openat(place->fd, "history/blog", O_WRONLY | O_CLOEXEC);

    assert_int_equal(pwrite(fd, bytes, size, at), size);
}

static off_t size_of(const struct place *place)
{
    struct stat st;

    assert_int_equal(fstatat(place->fd, "history/blog", &st, 0), 0);
    return st.st_size;
}

static void what_is_written_is_read(void **state)
{
    const struct place *place = *state;

    assert_int_equal(read_one(place, "web", HISTORY_GRAIN_MINUTE, NOW), -1);
    assert_int_equal(faccessat(place->fd, "history", F_OK, 0), -1); /* reading makes nothing */
    write_one(place, "web", HISTORY_GRAIN_MINUTE, 30 * NOW, 7);
    write_one(place, "web", HISTORY_GRAIN_HALF_HOUR, NOW, 8);
    write_one(place, "db", HISTORY_GRAIN_HALF_HOUR, NOW, 9);
    assert_int_equal(read_one(place, "web", HISTORY_GRAIN_MINUTE, 30 * NOW), 7);
    assert_int_equal(read_one(place, "web", HISTORY_GRAIN_HALF_HOUR, NOW), 8);
    assert_int_equal(read_one(place, "db", HISTORY_GRAIN_HALF_HOUR, NOW), 9);
    assert_int_equal(read_one(place, "db", HISTORY_GRAIN_MINUTE, 30 * NOW), -1);
    assert_int_equal(read_one(place, "we", HISTORY_GRAIN_HALF_HOUR, NOW), -1);
    assert_int_equal(size_of(place), AT_BLOCK(2));
    write_one(place, "web", HISTORY_GRAIN_HALF_HOUR, NOW, 10); /* again, as after a restart */
    assert_int_equal(read_one(place, "web", HISTORY_GRAIN_HALF_HOUR, NOW), 10);
}

static void thirty_days_are_kept_and_no_more(void **state)
{
    const struct place *place = *state;
    struct history_record records[100];
    struct history_step steps[HISTORY_FILE_RECORDS];
    struct error error = ERROR_INIT;
    uint32_t total = 1600;

    for (uint32_t i = 0; i < total; i += 100) {
        for (uint32_t j = 0; j < 100; j++)
            records[j] = record_of(HISTORY_GRAIN_HALF_HOUR, NOW + i + j, i + j);
        assert_int_equal(history_file_write(place->fd, "blog", "web", records, 100, &error), 0);
    }
    assert_int_equal(size_of(place), AT_BLOCK(1));
    assert_int_equal(history_file_read(place->fd, "blog", "web", HISTORY_GRAIN_HALF_HOUR,
                                       NOW + total - HISTORY_FILE_RECORDS, HISTORY_FILE_RECORDS,
                                       steps, &error),
                     0);
    for (uint32_t i = 0; i < HISTORY_FILE_RECORDS; i++)
        assert_int_equal(steps[i].point.cpu_centi, total - HISTORY_FILE_RECORDS + i);
    assert_int_equal(read_one(place, "web", HISTORY_GRAIN_HALF_HOUR, NOW), -1);
    assert_int_equal(read_one(place, "web", HISTORY_GRAIN_HALF_HOUR, NOW + total), -1);
}

static void a_torn_record_is_none_and_the_others_stay(void **state)
{
    const struct place *place = *state;
    off_t at = AT_RECORD(0, NOW % HISTORY_FILE_RECORDS);
    uint8_t byte = 0x77, whole[32];

    for (unsigned i = 0; i < 32; i++) {
        write_one(place, "web", HISTORY_GRAIN_HALF_HOUR, NOW, 8);
        write_one(place, "web", HISTORY_GRAIN_HALF_HOUR, NOW + 1, 9);
        poke(place, at + i, &byte, 1);
        assert_int_equal(read_one(place, "web", HISTORY_GRAIN_HALF_HOUR, NOW), -1);
        assert_int_equal(read_one(place, "web", HISTORY_GRAIN_HALF_HOUR, NOW + 1), 9);
    }
    /* a whole record in another's place, of another kind or service, is none either */
    write_one(place, "web", HISTORY_GRAIN_HALF_HOUR, NOW, 8);
    write_one(place, "db", HISTORY_GRAIN_HALF_HOUR, NOW + 5, 1);
    _cleanup_close_ int fd = openat(place->fd, "history/blog", O_RDONLY | O_CLOEXEC);
    assert_int_equal(pread(fd, whole, sizeof(whole), at), sizeof(whole));
    poke(place, at + 64, whole, sizeof(whole));
    poke(place, AT_RECORD(1, NOW % HISTORY_FILE_RECORDS), whole, sizeof(whole));
    assert_int_equal(read_one(place, "web", HISTORY_GRAIN_HALF_HOUR, NOW + 2), -1);
    assert_int_equal(read_one(place, "db", HISTORY_GRAIN_HALF_HOUR, NOW), -1);
    assert_int_equal(read_one(place, "db", HISTORY_GRAIN_HALF_HOUR, NOW + 5), 1);
}

static void a_torn_name_frees_its_block(void **state)
{
    const struct place *place = *state;

    write_one(place, "web", HISTORY_GRAIN_HALF_HOUR, NOW, 8);
    poke(place, AT_BLOCK(0), "x", 1);
    assert_int_equal(read_one(place, "web", HISTORY_GRAIN_HALF_HOUR, NOW), -1);
    assert_int_equal(read_one(place, "xeb", HISTORY_GRAIN_HALF_HOUR, NOW), -1);
    write_one(place, "db", HISTORY_GRAIN_HALF_HOUR, NOW, 9);
    assert_int_equal(size_of(place), AT_BLOCK(1));
    assert_int_equal(read_one(place, "db", HISTORY_GRAIN_HALF_HOUR, NOW), 9);
}

static void the_file_is_bounded_and_the_silent_make_room(void **state)
{
    const struct place *place = *state;
    char name[16];

    for (unsigned i = 0; i < HISTORY_FILE_SERVICES + 3; i++) {
        snprintf(name, sizeof(name), "s%u", i);
        write_one(place, name, HISTORY_GRAIN_HALF_HOUR, NOW + (i == 0 ? 500 : i), i);
    }
    assert_int_equal(size_of(place), AT_BLOCK(HISTORY_FILE_SERVICES));
    assert_int_equal(read_one(place, "s0", HISTORY_GRAIN_HALF_HOUR, NOW + 500), 0);
    for (unsigned i = 1; i < HISTORY_FILE_SERVICES + 3; i++) {
        snprintf(name, sizeof(name), "s%u", i);
        assert_int_equal(read_one(place, name, HISTORY_GRAIN_HALF_HOUR, NOW + i),
                         i < 4 ? -1 : (int)i);
    }
}

static void what_is_no_history_is_moved_aside(void **state)
{
    static const char *const contents[] = {"x", "CMHISTO1",
                                           "CMHISTO2 and much more behind it....."};
    const struct place *place = *state;
    char text[64];

    write_one(place, "web", HISTORY_GRAIN_HALF_HOUR, NOW, 1);
    for (size_t i = 0; i < ARRAY_LENGTH(contents); i++) {
        _cleanup_close_ int fd = openat(place->fd, "history/blog", O_WRONLY | O_TRUNC | O_CLOEXEC);
        size_t length = strlen(contents[i]);
        assert_int_equal(write(fd, contents[i], length), length);
        assert_int_equal(read_one(place, "web", HISTORY_GRAIN_HALF_HOUR, NOW), -1);
        write_one(place, "web", HISTORY_GRAIN_HALF_HOUR, NOW, 2);
        assert_int_equal(read_one(place, "web", HISTORY_GRAIN_HALF_HOUR, NOW), 2);
        _cleanup_close_ int aside = openat(place->fd, "history/blog.corrupt", O_RDONLY | O_CLOEXEC);
        assert_int_equal(read(aside, text, sizeof(text)), length);
        assert_memory_equal(text, contents[i], length);
    }
    assert_int_equal(unlinkat(place->fd, "history/blog", 0), 0);
    assert_int_equal(symlinkat("/etc/passwd", place->fd, "history/blog"), 0);
    struct history_step step;
    assert_int_equal(
        history_file_read(place->fd, "blog", "web", HISTORY_GRAIN_MINUTE, 1, 1, &step, NULL),
        -ELOOP);
    write_one(place, "web", HISTORY_GRAIN_HALF_HOUR, NOW, 3);
    assert_int_equal(read_one(place, "web", HISTORY_GRAIN_HALF_HOUR, NOW), 3);
}

/* A writer is killed again and again in the midst of its work; each record is whole or none. */
static void a_killed_writer_leaves_whole_records(void **state)
{
    const struct place *place = *state;

    for (unsigned turn = 0; turn < 30; turn++) {
        pid_t pid = fork();
        if (pid == 0) {
            alarm(60);
            for (uint32_t i = 0;; i++)
                write_one(place, i % 2 ? "web" : "db", HISTORY_GRAIN_HALF_HOUR, NOW + i % 100, i);
        }
        usleep(2000 + 300 * turn);
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        for (uint32_t i = 0; i < 100; i++) { /* read_one() looks whether it is whole */
            read_one(place, "web", HISTORY_GRAIN_HALF_HOUR, NOW + i);
            read_one(place, "db", HISTORY_GRAIN_HALF_HOUR, NOW + i);
        }
    }
    write_one(place, "web", HISTORY_GRAIN_HALF_HOUR, NOW, 5);
    assert_int_equal(read_one(place, "web", HISTORY_GRAIN_HALF_HOUR, NOW), 5);
}

/* In a child with a mount namespace of its own. */
static int try_full_disk(const struct place *place)
{
    struct error error = ERROR_INIT;
    char path[128];

    alarm(30);
    snprintf(path, sizeof(path), "%s/history", place->path);
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mkdir(path, 0700) < 0 || mount("tiny", path, "tmpfs", 0, "size=8k") < 0)
        return 2;
    /* A descriptor of before would lead to what lies below the mount. */
    _cleanup_close_ int data = open(place->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int last = 0;
    for (uint32_t i = 0; i < HISTORY_FILE_RECORDS && last == 0; i += 50) {
        const struct history_record record = record_of(HISTORY_GRAIN_HALF_HOUR, NOW + i, i);
        last = history_file_write(data, "blog", "web", &record, 1, &error);
    }
    return last == -ENOSPC && strstr(error.message, "history/blog") ? 0 : 3;
}

static void a_full_disk_is_an_error(void **state)
{
    int status;
    pid_t pid = fork();

    if (pid == 0)
        _exit(try_full_disk(*state));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void old_files_go(void **state)
{
    const struct place *place = *state;
    const uint64_t now = UINT64_C(1800000000);
    const struct timespec times[2] = {{.tv_sec = (time_t)now}, {.tv_sec = (time_t)now}};

    history_file_clean(place->fd, now); /* nothing there */
    write_one(place, "web", HISTORY_GRAIN_HALF_HOUR, NOW, 1);
    assert_int_equal(utimensat(place->fd, "history/blog", times, 0), 0);
    history_file_clean(place->fd, now + 29 * 86400);
    assert_int_equal(faccessat(place->fd, "history/blog", F_OK, 0), 0);
    history_file_clean(place->fd, now + 31 * 86400);
    assert_int_equal(faccessat(place->fd, "history/blog", F_OK, 0), -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_written_is_read),
        TEST(thirty_days_are_kept_and_no_more),
        TEST(a_torn_record_is_none_and_the_others_stay),
        TEST(a_torn_name_frees_its_block),
        TEST(the_file_is_bounded_and_the_silent_make_room),
        TEST(what_is_no_history_is_moved_aside),
        TEST(a_killed_writer_leaves_whole_records),
        TEST(a_full_disk_is_an_error),
        TEST(old_files_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
