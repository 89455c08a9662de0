/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/board/summary.h"

struct stage {
    char directory[64];
    char path[96];
    struct scoreboard_writer *writer;
    struct scoreboard_reader *reader;
};

static int setup(void **state)
{
    struct stage *stage = calloc(1, sizeof(*stage));
    struct scoreboard_info info = {.sample_interval_usec = 1000000};

    strcpy(stage->directory, "/tmp/select-test-XXXXXX");
    assert_non_null(mkdtemp(stage->directory));
    snprintf(stage->path, sizeof(stage->path), "%s/board", stage->directory);
    assert_int_equal(scoreboard_create(stage->path, SCOREBOARD_SLOTS_MAX, getegid(), &info,
                                       &stage->writer, NULL),
                     0);
    assert_int_equal(scoreboard_open(stage->path, &stage->reader, NULL), 0);
    *state = stage;
    return 0;
}

static int teardown(void **state)
{
    struct stage *stage = *state;

    scoreboard_close(stage->reader);
    scoreboard_writer_close(stage->writer, true);
    rmdir(stage->directory);
    free(stage);
    return 0;
}

static void put(struct stage *stage, uint32_t index, enum container_state state, const char *tenant,
                uint32_t cpu, uint64_t memory)
{
    struct container_slot slot = {.state = state, .has = SLOT_HAS_CPU, .cpu_percent_milli = cpu};

    strcpy(slot.tenant, tenant);
    strcpy(slot.service, "web");
    snprintf(slot.id, sizeof(slot.id), "%s-web-1", tenant);
    strcpy(slot.image, "Nginx:1");
    if (memory != UINT64_MAX) {
        slot.has |= SLOT_HAS_MEMORY;
        slot.memory_bytes = memory;
    }
    scoreboard_slot_write(stage->writer, index, &slot);
}

/* Three tenants, an open slot between, one with unknown memory. */
static void put_four(struct stage *stage)
{
    put(stage, 0, CONTAINER_RUNNING, "alpha", 5000, 30);
    put(stage, 1, CONTAINER_RUNNING, "beta", 50000, UINT64_MAX);
    put(stage, 3, CONTAINER_FAILED, "gamma", 0, 0);
    put(stage, 4, CONTAINER_LIMITED, "alpha", 7000, 31);
}

static void choose(struct stage *stage, const char *text, struct selector *selector,
                   struct status_query *query, struct selection *selection)
{
    struct scoreboard_info info;

    assert_int_equal(status_query_parse(text, query, NULL), 0);
    scoreboard_info(stage->reader, &info);
    selector->reader = stage->reader;
    selector->slots_used = info.slots_used;
    selector->query = query;
    selector->moment = (struct moment){.boottime_usec = 1000000000, .realtime_usec = 1000000000};
    assert_int_equal(selection_take(selector, selection), 0);
}

/* The slots of the rows in order, as "3 4 1 0". */
static void assert_rows(struct stage *stage, const char *query_text, const char *expected)
{
    struct selector selector = {0};
    struct status_query query;
    _cleanup_selection_ struct selection selection;
    char text[64] = "";

    choose(stage, query_text, &selector, &query, &selection);
    for (uint32_t i = 0; i < selection.count; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), i ? " %u" : "%u",
                 selection.rows[i].slot);
    if (strcmp(text, expected) != 0)
        fail_msg("%s: \"%s\", not \"%s\"", query_text, text, expected);
}

static void test_orders(void **state)
{
    struct stage *stage = *state;

    put_four(stage);
    assert_rows(stage, "", "3 4 1 0");
    assert_rows(stage, "sort=faults_first,desc", "0 1 4 3");
    assert_rows(stage, "sort=slot", "0 1 3 4");
    assert_rows(stage, "sort=slot,desc", "4 3 1 0");
    /* What is not known comes last, whichever way; zero is known. */
    assert_rows(stage, "sort=memory_bytes", "3 0 4 1");
    assert_rows(stage, "sort=memory_bytes,desc", "4 0 3 1");
    assert_rows(stage, "sort=cpu_percent,desc", "1 4 0 3");
    assert_rows(stage, "sort=tenant", "0 4 1 3");
    assert_rows(stage, "sort=tenant,desc", "3 1 0 4");
    assert_rows(stage, "sort=message", "0 1 3 4");
}

static void test_idle_rows_keep_their_places(void **state)
{
    struct stage *stage = *state;

    put(stage, 0, CONTAINER_RUNNING, "alpha", 10, 1);
    put(stage, 1, CONTAINER_RUNNING, "beta", 400, 1);
    put(stage, 2, CONTAINER_RUNNING, "gamma", 700, 1);
    assert_rows(stage, "", "2 0 1");
    put(stage, 0, CONTAINER_RUNNING, "alpha", 450, 1);
    assert_rows(stage, "", "2 0 1");
}

static void test_filters_and_pages(void **state)
{
    struct stage *stage = *state;

    put_four(stage);
    assert_rows(stage, "sort=slot&state=R", "0 1");
    assert_rows(stage, "sort=slot&state=X,limited", "3 4");
    assert_rows(stage, "sort=slot&tenant=alpha", "0 4");
    assert_rows(stage, "sort=slot&tenant=alph", "");
    assert_rows(stage, "sort=slot&q=AMM", "3");
    assert_rows(stage, "sort=slot&q=nginx", "0 1 3 4");
    assert_rows(stage, "sort=slot&q=a-web-1&state=R", "0 1");
    assert_rows(stage, "sort=slot&limit=3", "0 1 3");
    assert_rows(stage, "sort=slot&limit=3&page=2", "4");
    assert_rows(stage, "sort=slot&limit=3&page=65536", "");
}

static void test_a_fault_of_late_comes_before_the_well(void **state)
{
    struct container_slot slot = {.state = CONTAINER_RUNNING, .last_fault = FAULT_OOM};
    struct moment moment = {.realtime_usec = SELECT_FAULT_USEC + 10};

    (void)state;
    slot.last_fault_realtime_usec = 11;
    assert_int_equal(select_fault_rank(&moment, &slot), 1);
    slot.last_fault_realtime_usec = 10;
    assert_int_equal(select_fault_rank(&moment, &slot), 0);
    slot.state = CONTAINER_FAILED;
    assert_int_equal(select_fault_rank(&moment, &slot), 5);
    slot.state = 99;
    assert_int_equal(select_fault_rank(&moment, &slot), 0);
}

static bool is_alpha(const void *context, const char *tenant)
{
    return strcmp(context, tenant) == 0;
}

static void test_counts_and_scope(void **state)
{
    struct stage *stage = *state;
    struct selector selector = {0};
    struct status_query query;
    struct selection selection;
    struct container_slot slot;

    put_four(stage);
    choose(stage, "state=X&limit=1", &selector, &query, &selection);
    assert_int_equal(selection.containers, 4);
    assert_int_equal(selection.matched, 1);
    assert_int_equal(selection.by_state[CONTAINER_RUNNING], 2);
    assert_string_equal(selection.letters, "RR.XL");
    assert_int_equal(selection.letter_slots[4], 4);
    selection_free(&selection);

    selector = (struct selector){.allows = is_alpha, .context = "alpha"};
    choose(stage, "sort=slot&limit=1", &selector, &query, &selection);
    assert_int_equal(selection.containers, 2);
    assert_int_equal(selection.matched, 2);
    assert_int_equal(selection.pages, 2);
    assert_string_equal(selection.letters, "RL");
    assert_int_equal(selection.letter_slots[1], 4);
    assert_int_equal(selection.by_state[CONTAINER_FAILED], 0);
    assert_true(selection_slot(&selector, 0, &slot));
    /* It is another's by the time it is written out. */
    put(stage, 0, CONTAINER_RUNNING, "beta", 0, 0);
    assert_false(selection_slot(&selector, 0, &slot));
    selection_free(&selection);
}

static const struct figure *sum_of(const struct summary *summary, const char *key)
{
    return &summary->sums[column_figure_find(key) - column_figures];
}

/* The same summary for all until something is written; who still reads the old one keeps it. */
static void test_a_summary_holds_until_the_board_changes(void **state)
{
    struct stage *stage = *state;
    struct summary_cache *cache = summary_cache_new();
    struct selector selector = {.reader = stage->reader};
    struct scoreboard_info info;

    put_four(stage);
    scoreboard_info(stage->reader, &info);
    selector.slots_used = info.slots_used;
    const struct summary *first = summary_take(cache, &selector, &info);
    assert_string_equal(first->selection.letters, "RR.XL");
    assert_int_equal(sum_of(first, "memory_bytes")->count, 61);
    assert_int_equal(sum_of(first, "cpu_percent")->count, 62000);
    assert_int_equal(sum_of(first, "tasks")->kind, FIGURE_ABSENT);
    assert_int_equal(sum_of(first, "latency_p50_seconds")->kind, FIGURE_ABSENT);
    assert_ptr_equal(summary_take(cache, &selector, &info), first);
    summary_release(cache, first);

    put(stage, 0, CONTAINER_FAILED, "alpha", 5, 1000);
    scoreboard_info(stage->reader, &info);
    const struct summary *second = summary_take(cache, &selector, &info);
    assert_string_equal(second->selection.letters, "XR.XL");
    assert_int_equal(sum_of(second, "memory_bytes")->count, 1031);
    assert_string_equal(first->selection.letters, "RR.XL");
    summary_release(cache, first);
    summary_release(cache, second);

    /* With a scope it is made for one, and is nobody else's. */
    selector.allows = is_alpha;
    selector.context = "alpha";
    const struct summary *scoped = summary_take(cache, &selector, &info);
    assert_string_equal(scoped->selection.letters, "XL");
    assert_int_equal(sum_of(scoped, "memory_bytes")->count, 1031);
    summary_release(cache, scoped);
    selector.allows = NULL;
    const struct summary *whole = summary_take(cache, &selector, &info);
    assert_string_equal(whole->selection.letters, "XR.XL");
    summary_release(cache, whole);
    summary_cache_free(cache);
}

static void test_nothing_is_known(void **state)
{
    struct selector selector = {0};
    struct status_query query;
    _cleanup_selection_ struct selection selection;

    (void)state;
    assert_int_equal(status_query_parse("", &query, NULL), 0);
    selector.query = &query;
    assert_int_equal(selection_take(&selector, &selection), 0);
    assert_int_equal(selection.count, 0);
    assert_int_equal(selection.pages, 1);
    assert_string_equal(selection.letters, "");
}

static void test_a_full_board(void **state)
{
    struct stage *stage = *state;
    struct selector selector = {0};
    struct status_query query;
    _cleanup_selection_ struct selection selection;

    for (uint32_t i = 0; i < SCOREBOARD_SLOTS_MAX; i++)
        put(stage, i, CONTAINER_RUNNING, "t", (i * 7919u) % 65521u, i);
    choose(stage, "sort=cpu_percent&limit=10000&page=7", &selector, &query, &selection);
    assert_int_equal(selection.matched, SCOREBOARD_SLOTS_MAX);
    assert_int_equal(selection.pages, 7);
    assert_int_equal(selection.count, SCOREBOARD_SLOTS_MAX - 60000);
    for (uint32_t i = 1; i < SCOREBOARD_SLOTS_MAX; i++)
        assert_true(selection.memory[i - 1].key[0] <= selection.memory[i].key[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_orders, setup, teardown),
        cmocka_unit_test_setup_teardown(test_idle_rows_keep_their_places, setup, teardown),
        cmocka_unit_test_setup_teardown(test_filters_and_pages, setup, teardown),
        cmocka_unit_test(test_a_fault_of_late_comes_before_the_well),
        cmocka_unit_test_setup_teardown(test_counts_and_scope, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_summary_holds_until_the_board_changes, setup,
                                        teardown),
        cmocka_unit_test(test_nothing_is_known),
        cmocka_unit_test_setup_teardown(test_a_full_board, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
