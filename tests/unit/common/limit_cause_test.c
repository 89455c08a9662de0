/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/board/limit_cause.h"
#include "common/cleanup.h"

#define SECOND UINT64_C(1000000)

static const struct moment now = {1000 * SECOND, UINT64_C(1795324203) * SECOND};

static struct container_slot running(void)
{
    return (struct container_slot){
        .state = CONTAINER_RUNNING,
        .has = SLOT_HAS_OOM | SLOT_HAS_TASKS_HITS | SLOT_HAS_MEMORY | SLOT_HAS_MEMORY_LIMIT,
        .started_boottime_usec = 500 * SECOND,
        .memory_bytes = 60,
        .memory_limit_bytes = 64,
    };
}

static void fault(struct container_slot *slot, enum slot_fault fault, uint64_t seconds_ago)
{
    slot->last_fault = fault;
    slot->last_fault_realtime_usec = now.realtime_usec - seconds_ago * SECOND;
}

static struct limit_cause failure(const struct container_slot *slot, bool is_timeout)
{
    struct limit_mark mark;
    struct limit_cause cause;
    const struct container_slot before = running();

    limit_mark_take(&before, &mark);
    limit_cause_of_failure(slot, &mark, &now, is_timeout, &cause);
    return cause;
}

static void states_are_causes(void **state)
{
    static const struct {
        enum container_state state;
        enum limit_kind kind;
        unsigned status, retry_after;
    } cases[] = {
        {CONTAINER_RUNNING, LIMIT_NONE, 503, 5},
        {CONTAINER_SLEEPING, LIMIT_NONE, 503, 5},
        {CONTAINER_STOPPED, LIMIT_STOPPED, 503, 60},
        {CONTAINER_EXITED, LIMIT_EXITED, 503, 60},
        {CONTAINER_FAILED, LIMIT_FAILED, 503, 60},
        {CONTAINER_PAUSED, LIMIT_PAUSED, 503, 60},
        {CONTAINER_STARTING, LIMIT_STARTING, 503, 5},
        {CONTAINER_STOPPING, LIMIT_STOPPING, 503, 5},
        {CONTAINER_BACKOFF, LIMIT_BACKOFF, 503, 5},
        {CONTAINER_UNHEALTHY, LIMIT_HEALTH, 503, 10},
        {CONTAINER_OPEN, LIMIT_NO_SERVICE, 503, 5},
        {CONTAINER_STATE_COUNT, LIMIT_UNKNOWN, 503, 5},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct container_slot slot = running();
        struct limit_cause cause;
        slot.state = cases[i].state;
        limit_cause_of_slot(&slot, &now, &cause);
        assert_int_equal(cause.kind, cases[i].kind);
        assert_int_equal(cause.status, cases[i].status);
        assert_int_equal(cause.retry_after_seconds, cases[i].retry_after);
    }
}

static void a_state_says_since_when(void **state)
{
    struct container_slot slot = running();
    struct limit_cause cause;

    (void)state;
    slot.state = CONTAINER_PAUSED;
    slot.state_since_boottime_usec = 990 * SECOND;
    limit_cause_of_slot(&slot, &now, &cause);
    assert_true(cause.since_realtime_usec == now.realtime_usec - 10 * SECOND);
    assert_true(cause.event_usec == 990 * SECOND);
    /* One that lies ahead is not believed. */
    slot.state_since_boottime_usec = 2000 * SECOND;
    limit_cause_of_slot(&slot, &now, &cause);
    assert_true(cause.since_realtime_usec == 0);
}

static void backoff_says_when_the_next_start_is_due(void **state)
{
    static const struct {
        uint64_t next_usec;
        unsigned retry_after;
    } cases[] = {
        {1000 * SECOND + 1, 1},   {1012 * SECOND, 12}, {1012 * SECOND + 1, 13},
        {999 * SECOND, 1},        {1000 * SECOND, 1},  {0, 5},
        {9999999 * SECOND, 3600}, {UINT64_MAX, 3600},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct container_slot slot = running();
        struct limit_cause cause;
        slot.state = CONTAINER_BACKOFF;
        slot.next_start_boottime_usec = cases[i].next_usec;
        limit_cause_of_slot(&slot, &now, &cause);
        assert_int_equal(cause.retry_after_seconds, cases[i].retry_after);
    }
}

/* What led to the end of the run: only a kill that was noted together with it. */
static void a_run_that_memory_ended_is_at_its_limit(void **state)
{
    static const struct {
        enum slot_fault fault;
        uint64_t ended_ago, fault_ago;
        unsigned status;
    } cases[] = {
        {FAULT_OOM, 10, 10, 508}, {FAULT_OOM, 10, 13, 508},   {FAULT_OOM, 10, 20, 503},
        {FAULT_OOM, 20, 10, 503}, {FAULT_CRASH, 10, 10, 503},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct container_slot slot = running();
        struct limit_cause cause;
        slot.state = CONTAINER_FAILED;
        slot.has |= SLOT_HAS_EXIT;
        slot.exit_realtime_usec = now.realtime_usec - cases[i].ended_ago * SECOND;
        fault(&slot, cases[i].fault, cases[i].fault_ago);
        limit_cause_of_slot(&slot, &now, &cause);
        assert_int_equal(cause.kind, LIMIT_FAILED);
        assert_int_equal(cause.status, cases[i].status);
        assert_int_equal(cause.because, cases[i].status == 508 ? LIMIT_OOM : LIMIT_NONE);
        assert_int_equal(cause.retry_after_seconds, 60);
    }
}

static void faults_of_late_are_named_and_old_ones_are_not(void **state)
{
    static const struct {
        enum slot_fault fault;
        enum limit_kind answer, timeout, view;
        unsigned status;
    } cases[] = {
        {FAULT_OOM, LIMIT_OOM, LIMIT_OOM, LIMIT_OOM, 508},
        {FAULT_TASKS, LIMIT_TASKS, LIMIT_TASKS, LIMIT_TASKS, 508},
        {FAULT_DISK, LIMIT_DISK, LIMIT_DISK, LIMIT_DISK, 508},
        {FAULT_CRASH, LIMIT_CRASH, LIMIT_CRASH, LIMIT_CRASH, 503},
        {FAULT_HEALTH, LIMIT_HEALTH, LIMIT_HEALTH, LIMIT_HEALTH, 503},
        {FAULT_MEMORY, LIMIT_UNKNOWN, LIMIT_MEMORY, LIMIT_MEMORY, 503},
        {FAULT_CPU, LIMIT_UNKNOWN, LIMIT_CPU, LIMIT_CPU, 503},
        {FAULT_REFUSED, LIMIT_UNKNOWN, LIMIT_UNKNOWN, LIMIT_REQUESTS, 503},
        {FAULT_NONE, LIMIT_UNKNOWN, LIMIT_UNKNOWN, LIMIT_NONE, 503},
        {FAULT_COUNT, LIMIT_UNKNOWN, LIMIT_UNKNOWN, LIMIT_NONE, 503},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct container_slot slot = running();
        struct limit_cause cause;
        fault(&slot, cases[i].fault, 30);
        assert_int_equal(failure(&slot, false).kind, cases[i].answer);
        assert_int_equal(failure(&slot, false).status, cases[i].status);
        assert_int_equal(failure(&slot, true).kind, cases[i].timeout);
        limit_cause_of_slot(&slot, &now, &cause);
        assert_int_equal(cause.kind, cases[i].view);
        fault(&slot, cases[i].fault, 31);
        assert_int_equal(failure(&slot, true).kind, LIMIT_UNKNOWN);
        limit_cause_of_slot(&slot, &now, &cause);
        assert_int_equal(cause.kind, LIMIT_NONE);
    }
}

/* Sure, whatever the board's last fault is. */
static void what_struck_while_the_request_ran_is_named(void **state)
{
    struct container_slot slot = running();

    (void)state;
    fault(&slot, FAULT_CPU, 0);
    slot.oom_kills = 1;
    assert_int_equal(failure(&slot, false).kind, LIMIT_OOM);
    assert_true(failure(&slot, false).since_realtime_usec == 0);
    slot = running();
    slot.tasks_limit_hits = 1;
    assert_int_equal(failure(&slot, false).kind, LIMIT_TASKS);
    slot = running();
    slot.started_boottime_usec++;
    assert_int_equal(failure(&slot, false).kind, LIMIT_CRASH);
    /* A counter that nobody reads is no counter. */
    slot = running();
    slot.has = 0;
    slot.oom_kills = 1;
    assert_int_equal(failure(&slot, false).kind, LIMIT_UNKNOWN);
    /* A state goes before all. */
    slot = running();
    slot.oom_kills = 1;
    slot.state = CONTAINER_PAUSED;
    assert_int_equal(failure(&slot, false).kind, LIMIT_PAUSED);
}

static void what_is_in_force_is_named(void **state)
{
    struct container_slot slot = running();

    (void)state;
    slot.has |= SLOT_HAS_TASKS | SLOT_HAS_TASKS_LIMIT;
    slot.tasks = slot.tasks_limit = 9;
    assert_int_equal(failure(&slot, false).kind, LIMIT_TASKS);
    assert_int_equal(failure(&slot, false).limit, 9);
    slot.tasks_limit = 10;
    assert_int_equal(failure(&slot, false).kind, LIMIT_UNKNOWN);
    slot.tasks = slot.tasks_limit = 0;
    assert_int_equal(failure(&slot, false).kind, LIMIT_UNKNOWN);
    slot.has |= SLOT_HAS_DISK | SLOT_HAS_DISK_LIMIT;
    slot.disk_used_bytes = slot.disk_limit_bytes = 7;
    assert_int_equal(failure(&slot, false).kind, LIMIT_DISK);
    slot = running();
    slot.has |= SLOT_HAS_CPU_THROTTLE;
    slot.cpu_throttled_rate = 100000;
    assert_int_equal(failure(&slot, true).kind, LIMIT_CPU);
    assert_int_equal(failure(&slot, false).kind, LIMIT_UNKNOWN);
    slot.cpu_throttled_rate--;
    assert_int_equal(failure(&slot, true).kind, LIMIT_UNKNOWN);
    slot.state = CONTAINER_UNHEALTHY;
    assert_int_equal(failure(&slot, true).kind, LIMIT_HEALTH);
}

static void what_the_caller_says_stays(void **state)
{
    struct limit_cause cause = {.kind = LIMIT_CLIENT, .retry_after_seconds = 7};

    (void)state;
    limit_cause_complete(&cause);
    assert_int_equal(cause.status, 429);
    assert_int_equal(cause.retry_after_seconds, 7);
    cause = (struct limit_cause){.kind = LIMIT_UNKNOWN, .status = 504};
    limit_cause_complete(&cause);
    assert_int_equal(cause.status, 504);
    cause = (struct limit_cause){.kind = LIMIT_REQUESTS};
    limit_cause_complete(&cause);
    assert_int_equal(cause.status, 503);
    assert_int_equal(cause.retry_after_seconds, 1);
}

static void every_kind_has_its_words(void **state)
{
    (void)state;
    for (int i = 0; i < LIMIT_KIND_COUNT; i++) {
        const struct limit_kind_row *row = limit_kind_row((enum limit_kind)i);
        assert_true(row->name && row->reason && row->title && row->advice);
        assert_true(row->status == 429 || row->status == 503 || row->status == 508);
        assert_true(row->retry_after_seconds > 0);
        for (int j = 0; j < i; j++)
            assert_string_not_equal(row->name, limit_kind_row((enum limit_kind)j)->name);
    }
    assert_ptr_equal(limit_kind_row(LIMIT_KIND_COUNT), limit_kind_row(LIMIT_UNKNOWN));
}

static void a_reference_names_one_event(void **state)
{
    static const uint8_t key[SEAL_KEY_SIZE] = {1}, other_key[SEAL_KEY_SIZE] = {2};
    const struct limit_cause cause = {.kind = LIMIT_OOM, .event_usec = 5};
    const struct limit_cause later = {.kind = LIMIT_OOM, .event_usec = 6};
    const struct limit_cause other = {.kind = LIMIT_TASKS, .event_usec = 5};
    char a[LIMIT_REFERENCE_SIZE], b[LIMIT_REFERENCE_SIZE];

    (void)state;
    limit_reference(key, "blog", "web", &cause, a);
    assert_int_equal(strlen(a), 9);
    assert_int_equal(a[4], '-');
    assert_int_equal(strspn(a, "0123456789ABCDEFGHJKMNPQRSTVWXYZ-"), 9);
    assert_string_equal(limit_reference(key, "blog", "web", &cause, b), a);
    assert_string_not_equal(limit_reference(other_key, "blog", "web", &cause, b), a);
    assert_string_not_equal(limit_reference(key, "blog", "we", &cause, b), a);
    assert_string_not_equal(limit_reference(key, "blo", "gweb", &cause, b), a);
    assert_string_not_equal(limit_reference(key, "blog", "web", &later, b), a);
    assert_string_not_equal(limit_reference(key, "blog", "web", &other, b), a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(states_are_causes),
        cmocka_unit_test(a_state_says_since_when),
        cmocka_unit_test(backoff_says_when_the_next_start_is_due),
        cmocka_unit_test(a_run_that_memory_ended_is_at_its_limit),
        cmocka_unit_test(faults_of_late_are_named_and_old_ones_are_not),
        cmocka_unit_test(what_struck_while_the_request_ran_is_named),
        cmocka_unit_test(what_is_in_force_is_named),
        cmocka_unit_test(what_the_caller_says_stays),
        cmocka_unit_test(every_kind_has_its_words),
        cmocka_unit_test(a_reference_names_one_event),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
