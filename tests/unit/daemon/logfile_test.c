/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "supervisor/daemon/logfile.h"
#include "supervisor/daemon/logread.h"

struct place {
    char path[64];
    int fd;
    sd_event *loop;
};

static int set_up(void **state)
{
    struct place *place = calloc(1, sizeof(*place));

    strcpy(place->path, "/tmp/logfile_test.XXXXXX");
    if (!mkdtemp(place->path))
        return -1;
    place->fd = open(place->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    sd_event_new(&place->loop);
    *state = place;
    return 0;
}

static int tear_down(void **state)
{
    struct place *place = *state;
    char command[128];

    close(place->fd);
    sd_event_unref(place->loop);
    snprintf(command, sizeof(command), "rm -rf %s", place->path);
    int r = system(command);
    free(place);
    return r;
}

static struct logfile *open_log(struct place *place, uint64_t max_bytes, uint32_t files)
{
    struct logfile *log = NULL;
    struct error error = ERROR_INIT;

    assert_int_equal(logfile_open(place->fd, "blog", "web", max_bytes, files, &log, &error), 0);
    return log;
}

/* Prints text as a container would, and ends the run. */
static void print_run(struct place *place, struct logfile *log, const char *text, size_t length)
{
    struct error error = ERROR_INIT;
    int ends[2];

    assert_int_equal(logfile_begin(log, place->loop, 0, 0, ends, &error), 0);
    assert_int_equal(write(ends[0], text, length), (ssize_t)length);
    close(ends[0]);
    close(ends[1]);
    logfile_finish(log);
}

static json_t *read_log(struct place *place, const char *cursor, uint64_t tail, char *next,
                        int *more)
{
    struct error error = ERROR_INIT;
    json_t *lines = NULL;

    assert_int_equal(logread(place->fd, "blog", "web", cursor, tail, &lines, next, more, &error),
                     0);
    return lines;
}

static const char *line_text(const json_t *lines, size_t i)
{
    return json_string_value(json_object_get(json_array_get(lines, i), "text"));
}

static void test_lines_are_whole_and_parts_are_marked(void **state)
{
    struct place *place = *state;
    struct logfile *log = open_log(place, 1 << 20, 3);
    char next[64], *big = malloc(LOGFILE_LINE_MAX + 10);
    int more;

    print_run(place, log, "one\n\ntwo\nunended", 16);
    memset(big, 'x', LOGFILE_LINE_MAX + 9);
    big[LOGFILE_LINE_MAX + 9] = '\n';
    print_run(place, log, big, LOGFILE_LINE_MAX + 10);
    json_t *lines = read_log(place, NULL, UINT64_MAX, next, &more);
    assert_int_equal(json_array_size(lines), 6);
    assert_string_equal(line_text(lines, 0), "one");
    assert_string_equal(line_text(lines, 1), "");
    assert_string_equal(line_text(lines, 3), "unended");
    assert_true(json_is_true(json_object_get(json_array_get(lines, 3), "partial")));
    assert_int_equal(strlen(line_text(lines, 4)), LOGFILE_LINE_MAX);
    assert_true(json_is_true(json_object_get(json_array_get(lines, 4), "partial")));
    assert_int_equal(strlen(line_text(lines, 5)), 9);
    assert_false(json_is_true(json_object_get(json_array_get(lines, 5), "partial")));
    json_decref(lines);
    free(big);
    logfile_close(log);
}

static void test_tail_and_cursor_over_rotation(void **state)
{
    struct place *place = *state;
    struct logfile *log = open_log(place, 4096, 3);
    char text[32], next[64], cursor[64];
    int more, seen;

    for (int i = 0; i < 150; i++) {
        int length = snprintf(text, sizeof(text), "line %d\n", i);
        print_run(place, log, text, (size_t)length);
    }
    json_t *lines = read_log(place, NULL, 5, next, &more);
    assert_int_equal(json_array_size(lines), 5);
    assert_string_equal(line_text(lines, 0), "line 145");
    assert_string_equal(line_text(lines, 4), "line 149");
    json_decref(lines);

    /* More lines than one file holds: the tail goes on in the older one. */
    lines = read_log(place, NULL, 100, next, &more);
    assert_int_equal(json_array_size(lines), 100);
    assert_string_equal(line_text(lines, 0), "line 50");
    json_decref(lines);

    strcpy(cursor, next);
    for (int i = 150; i < 230; i++) {
        int length = snprintf(text, sizeof(text), "line %d\n", i);
        print_run(place, log, text, (size_t)length);
    }
    seen = 150;
    do {
        lines = read_log(place, cursor, 0, next, &more);
        for (size_t i = 0; i < json_array_size(lines); i++) {
            snprintf(text, sizeof(text), "line %d", seen++);
            assert_string_equal(line_text(lines, i), text);
        }
        json_decref(lines);
        strcpy(cursor, next);
    } while (more);
    assert_int_equal(seen, 230);
    logfile_close(log);
}

static void test_files_are_bounded(void **state)
{
    struct place *place = *state;
    struct logfile *log = open_log(place, 4096, 2);
    struct stat st;

    for (int i = 0; i < 400; i++)
        print_run(place, log, "a line of some length, again and again\n", 39);
    logfile_close(log);
    assert_int_equal(fstatat(place->fd, "logs/blog/web.log", &st, 0), 0);
    assert_true(st.st_size <= 4096);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(fstatat(place->fd, "logs/blog/web.log.1", &st, 0), 0);
    assert_true(st.st_size <= 4096);
    assert_int_not_equal(fstatat(place->fd, "logs/blog/web.log.2", &st, 0), 0);
}

/* What a tenant prints must never make its log unreadable. */
static void test_hostile_bytes(void **state)
{
    struct place *place = *state;
    struct logfile *log = open_log(place, 1 << 20, 2);
    char next[64], *junk = malloc(LOGFILE_LINE_MAX);
    int more;

    print_run(place, log, "a\0b\xff\n", 5);
    memset(junk, 1, LOGFILE_LINE_MAX);
    print_run(place, log, junk, LOGFILE_LINE_MAX);
    json_t *lines = read_log(place, NULL, UINT64_MAX, next, &more);
    assert_string_equal(line_text(lines, 0), "a?b?");
    json_t *junk_line = json_array_get(lines, json_array_size(lines) - 1);
    char *dumped = json_dumps(junk_line, JSON_COMPACT);
    assert_true(strlen(dumped) < 60000);
    free(dumped);
    free(junk);
    json_decref(lines);
    logfile_close(log);
}

static void test_bad_cursor_is_refused(void **state)
{
    struct place *place = *state;
    struct logfile *log = open_log(place, 4096, 2);
    struct error error = ERROR_INIT;
    json_t *lines = NULL;
    char next[64];
    int more;

    print_run(place, log, "x\n", 2);
    assert_int_equal(logread(place->fd, "blog", "web", "nonsense", 0, &lines, next, &more, &error),
                     -EINVAL);
    assert_int_equal(logread(place->fd, "blog", "web", "1:2:3", 0, &lines, next, &more, &error),
                     -EINVAL);
    logfile_close(log);
}

/* A full disk drops lines and says so later; it stops nobody, and no half line stays. */
static void test_full_disk(void **state)
{
    struct place *place = *state;
    char text[1001], next[64], filler[128];
    int more;

    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        fail_msg("this test runs as root");
    assert_int_equal(mount("tmpfs", place->path, "tmpfs", 0, "size=64k"), 0);
    close(place->fd);
    place->fd = open(place->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct logfile *log = open_log(place, 1 << 20, 2);
    memset(text, 'y', 1000);
    text[999] = '\n';
    for (int i = 0; i < 100; i++)
        print_run(place, log, text, 1000);
    json_t *lines = read_log(place, NULL, UINT64_MAX, next, &more);
    size_t kept = json_array_size(lines);
    assert_in_range(kept, 1, 63);
    assert_int_equal(strlen(line_text(lines, kept - 1)), 999);
    json_decref(lines);

    snprintf(filler, sizeof(filler), "%s/logs/blog/web.log", place->path);
    assert_int_equal(truncate(filler, 0), 0);
    print_run(place, log, "after\n", 6);
    lines = read_log(place, NULL, UINT64_MAX, next, &more);
    assert_int_equal(json_array_size(lines), 2);
    assert_non_null(strstr(line_text(lines, 0), "lines were lost"));
    assert_string_equal(line_text(lines, 1), "after");
    json_decref(lines);
    logfile_close(log);
    close(place->fd);
    umount(place->path);
    place->fd = open(place->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_lines_are_whole_and_parts_are_marked, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_tail_and_cursor_over_rotation, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_files_are_bounded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_hostile_bytes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bad_cursor_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_full_disk, set_up, tear_down),
    };

    log_open(false);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
