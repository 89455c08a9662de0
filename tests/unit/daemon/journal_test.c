/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/control.h"
#include "supervisor/daemon/journal.h"

static char place[64];
static int data_fd;
static unsigned clock_now;

static int setup(void **state)
{
    (void)state;
    clock_now = 0;
    strcpy(place, "/tmp/journal-test-XXXXXX");
    if (!mkdtemp(place))
        return -1;
    data_fd = open(place, O_RDONLY | O_DIRECTORY);
    return data_fd < 0 ? -1 : 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *walk)
{
    (void)st, (void)type, (void)walk;
    return remove(path);
}

static int teardown(void **state)
{
    (void)state;
    close(data_fd);
    return nftw(place, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void write_event(const char *tenant, const char *service, const char *text)
{
    char time[32];

    snprintf(time, sizeof(time), "2026-11-22T05:10:03.%06uZ", clock_now++);
    const struct journal_event event = {
        .time = time, .tenant = tenant, .service = service, .state = "running", .text = text};
    journal_write(data_fd, &event);
}

/* The texts of what is read, with blanks between. */
static char *read_texts(const char *tenant, const char *service, const char *cursor, uint64_t tail,
                        char next[JOURNAL_CURSOR_SIZE], bool *has_more)
{
    static char texts[4096];
    const struct journal_query query = {tenant, service, cursor, tail};
    _cleanup_json_ json_t *events = NULL;
    const json_t *event;
    size_t i;

    assert_int_equal(journal_read(data_fd, &query, &events, next, has_more, NULL), 0);
    texts[0] = '\0';
    json_array_foreach (events, i, event) {
        assert_non_null(json_object_get(event, "actor"));
        assert_non_null(json_object_get(event, "exit"));
        if (strlen(texts) < 3000)
            sprintf(texts + strlen(texts), "%.40s ",
                    json_string_value(json_object_get(event, "event")));
    }
    return texts;
}

static void expect(const char *tenant, const char *service, uint64_t tail, const char *expected)
{
    char next[JOURNAL_CURSOR_SIZE];
    bool has_more;

    assert_string_equal(read_texts(tenant, service, NULL, tail, next, &has_more), expected);
    assert_false(has_more);
}

static void test_an_empty_journal(void **state)
{
    char next[JOURNAL_CURSOR_SIZE], again[JOURNAL_CURSOR_SIZE];
    bool has_more;

    (void)state;
    assert_string_equal(read_texts(NULL, NULL, NULL, 5, next, &has_more), "");
    write_event("a", "web", "one");
    assert_string_equal(read_texts(NULL, NULL, next, 0, again, &has_more), "one ");
    assert_string_equal(read_texts(NULL, NULL, again, 0, next, &has_more), "");
}

static void test_tenants_and_services_are_told_apart(void **state)
{
    (void)state;
    write_event("a", "web", "1");
    write_event("a", "web-2", "2");
    write_event("aa", "web", "3");
    write_event("a", "db", "\",\"tenant\":\"aa\",\"service\":\"web\"");
    expect(NULL, NULL, UINT64_MAX, "1 2 3 \",\"tenant\":\"aa\",\"service\":\"web\" ");
    expect("a", NULL, 2, "2 \",\"tenant\":\"aa\",\"service\":\"web\" ");
    expect("a", "web", UINT64_MAX, "1 ");
    expect("aa", "web", UINT64_MAX, "3 ");
    expect("aa", NULL, 0, "");
    expect("none", NULL, 9, "");
}

static void test_objects_are_kept(void **state)
{
    _cleanup_json_ json_t *actor = json_pack("{s:i}", "uid", 0),
                          *exit = json_pack("{s:i}", "code", 3);
    const struct journal_event event = {.time = "2026-11-22T05:10:03.000000Z",
                                        .tenant = "a",
                                        .service = "web",
                                        .state = "running",
                                        .text = "bad \xff\n",
                                        .is_warning = true,
                                        .actor = actor,
                                        .exit = exit};
    const struct journal_query query = {.tail = 1};
    _cleanup_json_ json_t *events = NULL;
    char next[JOURNAL_CURSOR_SIZE];
    bool has_more;

    (void)state;
    journal_write(data_fd, &event);
    assert_int_equal(journal_read(data_fd, &query, &events, next, &has_more, NULL), 0);
    const json_t *read = json_array_get(events, 0);
    assert_true(json_equal(json_object_get(read, "actor"), actor));
    assert_true(json_equal(json_object_get(read, "exit"), exit));
    assert_string_equal(json_string_value(json_object_get(read, "level")), "warning");
    assert_string_equal(json_string_value(json_object_get(read, "event")), "bad ?\n");
}

static void test_a_cursor_goes_on_over_a_rotation(void **state)
{
    char next[JOURNAL_CURSOR_SIZE], large[4000];
    bool has_more;
    struct stat st;
    char old[96], new[96];

    (void)state;
    write_event("a", "web", "first");
    read_texts("a", NULL, NULL, UINT64_MAX, next, &has_more);
    memset(large, 'x', sizeof(large) - 1);
    large[sizeof(large) - 1] = '\0';
    snprintf(new, sizeof(new), "%s/events/events.jsonl", place);
    snprintf(old, sizeof(old), "%s/events/events.jsonl.1", place);
    write_event("a", "web", "second");
    while (stat(old, &st) < 0)
        write_event("noise", "web", large);
    write_event("a", "web", "third");
    assert_int_equal(stat(new, &st), 0);
    assert_true(st.st_size < (off_t)JOURNAL_MAX_BYTES);

    /* 8 MiB of others lie between: each answer looks through a bounded part. */
    char texts[64] = "";
    unsigned answers = 0;
    do {
        strcat(texts, read_texts("a", NULL, next, 0, next, &has_more));
        answers++;
    } while (has_more && answers < 100);
    assert_string_equal(texts, "second third ");
    assert_in_range(answers, 2, 20);
    expect("a", NULL, 3, "first second third ");
}

static void test_a_cursor_whose_file_is_gone_begins_at_the_oldest(void **state)
{
    char next[JOURNAL_CURSOR_SIZE];
    bool has_more;

    (void)state;
    write_event("a", "web", "one");
    assert_string_equal(
        read_texts(NULL, NULL, "2020-01-01T00:00:00.000000Z+999", 0, next, &has_more), "one ");
}

static void test_a_cursor_within_a_line_begins_at_the_files_start(void **state)
{
    char next[JOURNAL_CURSOR_SIZE], cursor[JOURNAL_CURSOR_SIZE];
    bool has_more;

    (void)state;
    write_event("a", "web", "one");
    read_texts(NULL, NULL, NULL, 1, next, &has_more);
    snprintf(cursor, sizeof(cursor), "%.*s+7", (int)strcspn(next, "+"), next);
    assert_string_equal(read_texts(NULL, NULL, cursor, 0, next, &has_more), "one ");
}

static void test_cursors_that_are_none(void **state)
{
    static const char *const cursors[] = {"", "x", "+", "+x", "a+-1", "a+1x", "a+ 1"};

    (void)state;
    write_event("a", "web", "one");
    for (size_t i = 0; i < ARRAY_LENGTH(cursors); i++) {
        const struct journal_query query = {.cursor = cursors[i]};
        json_t *events = NULL;
        char next[JOURNAL_CURSOR_SIZE];
        bool has_more;
        assert_int_equal(journal_read(data_fd, &query, &events, next, &has_more, NULL), -EINVAL);
        assert_null(events);
    }
}

static void test_half_a_line_is_passed_over(void **state)
{
    char path[96];

    (void)state;
    write_event("a", "web", "one");
    snprintf(path, sizeof(path), "%s/events/events.jsonl", place);
    FILE *file = fopen(path, "a");
    assert_non_null(file);
    fputs("{\"time\":\"x\",\"tenant\":\"a\",\"service\":\"web\",\"ev\n[1]\nnull\n", file);
    fclose(file);
    write_event("a", "web", "two");
    expect("a", "web", UINT64_MAX, "one two ");
    expect(NULL, NULL, 9, "one two ");
}

static void test_an_answer_has_a_bound(void **state)
{
    char next[JOURNAL_CURSOR_SIZE];
    size_t answers = 0, total = 0;
    bool has_more = true;

    (void)state;
    for (unsigned i = 0; i < 1000; i++)
        write_event("a", "web", "0123456789012345678901234567890123456789");
    strcpy(next, "+0");
    while (has_more && answers < 100) {
        const struct journal_query query = {.cursor = next};
        _cleanup_json_ json_t *events = NULL;
        assert_int_equal(journal_read(data_fd, &query, &events, next, &has_more, NULL), 0);
        _cleanup_free_ char *text = json_dumps(events, JSON_COMPACT);
        assert_true(strlen(text) < CONTROL_MESSAGE_MAX - 1000);
        total += json_array_size(events);
        answers++;
    }
    assert_int_equal(total, 1000);
    assert_true(answers > 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_an_empty_journal),
        TEST(test_tenants_and_services_are_told_apart),
        TEST(test_objects_are_kept),
        TEST(test_a_cursor_goes_on_over_a_rotation),
        TEST(test_a_cursor_whose_file_is_gone_begins_at_the_oldest),
        TEST(test_a_cursor_within_a_line_begins_at_the_files_start),
        TEST(test_cursors_that_are_none),
        TEST(test_half_a_line_is_passed_over),
        TEST(test_an_answer_has_a_bound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
