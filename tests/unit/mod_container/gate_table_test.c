/* SPDX-License-Identifier: Apache-2.0 */
/* The gate with real processes, each with its own view of one shared memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "mod_container/gate_internal.h"

#define GATES     64u
#define PROCESSES 8
#define ROUNDS    3000
#define SOON_MS   20000 /* far more than anything here takes */

static struct gate_table table;

static int setup(void **state)
{
    (void)state;
    void *memory = mmap(NULL, gate_table_size(GATES), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    assert_ptr_not_equal(memory, MAP_FAILED);
    table = (struct gate_table){.memory = memory, .count = GATES, .hash_key = {1, 2}};
    gate_table_own(&table);
    assert_true(table.owner != 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    return munmap(table.memory, gate_table_size(GATES));
}

static enum gate_answer ask(const char *service, const struct gate_limit *limit, uint64_t client,
                            struct gate_claim *claim)
{
    const struct gate_request request = {
        .tenant = "alpha", .service = service, .limit = limit, .client = client};

    return gate_enter(&table, &request, claim);
}

static struct gate_figures figures_of(const char *service)
{
    struct gate_figures figures;

    assert_int_equal(gate_table_read(&table, "alpha", service, &figures), 0);
    return figures;
}

/* ---- one process ---- */

static void so_many_get_in(void **state)
{
    const struct gate_limit limit = {.requests = 3};
    struct gate_claim claims[3], more;
    struct gate_figures figures;

    (void)state;
    assert_true(gate_table_read(&table, "alpha", "web", &figures) < 0);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(ask("web", &limit, 7, &claims[i]), GATE_ADMITTED);
    assert_int_equal(ask("web", &limit, 7, &more), GATE_FULL);
    gate_leave(&more);
    assert_int_equal(ask("app", &limit, 7, &more), GATE_ADMITTED); /* another service */
    gate_leave(&more);
    figures = figures_of("web");
    assert_int_equal(figures.in_flight, 3);
    assert_int_equal(figures.limit, 3);
    gate_leave(&claims[1]);
    gate_leave(&claims[1]);
    assert_int_equal(figures_of("web").in_flight, 2);
    assert_int_equal(ask("web", &limit, 7, &claims[1]), GATE_ADMITTED);
    assert_int_equal(ask("web", &limit, 7, &more), GATE_FULL);
}

static void a_client_gets_its_share(void **state)
{
    const struct gate_limit limit = {.requests = 5, .queue = 2, .per_client = 2};
    struct gate_claim claims[5], more;

    (void)state;
    assert_int_equal(ask("web", &limit, 7, &claims[0]), GATE_ADMITTED);
    assert_int_equal(ask("web", &limit, 7, &claims[1]), GATE_ADMITTED);
    assert_int_equal(ask("web", &limit, 7, &more), GATE_CLIENT);
    assert_int_equal(ask("web", &limit, 8, &claims[2]), GATE_ADMITTED);
    assert_int_equal(ask("web", &limit, 8, &claims[3]), GATE_ADMITTED);
    assert_int_equal(ask("web", &limit, 9, &claims[4]), GATE_ADMITTED);
    /* One who waits counts for its client, too. */
    assert_int_equal(ask("web", &limit, 9, &more), GATE_WAITING);
    struct gate_claim third;
    assert_int_equal(ask("web", &limit, 9, &third), GATE_CLIENT);
    assert_int_equal(ask("web", &limit, 0, &third), GATE_WAITING); /* nobody known */
    gate_leave(&third);
    /* In its place it counts once. */
    gate_leave(&claims[0]);
    assert_int_equal(gate_wait(&table, &more, SOON_MS), GATE_ADMITTED);
    gate_leave(&claims[4]);
    assert_int_equal(ask("web", &limit, 9, &claims[4]), GATE_ADMITTED);
    assert_int_equal(ask("web", &limit, 9, &third), GATE_CLIENT);
}

/* An earlier request of which nobody knows yet whether it stays is taken for one that does. */
static void one_who_is_being_seated_counts(void **state)
{
    const struct gate_limit limit = {.requests = 5, .per_client = 1};
    struct gate_claim claim, more;

    (void)state;
    assert_int_equal(ask("web", &limit, 7, &claim), GATE_ADMITTED);
    uint64_t ticket = atomic_load(&claim.seat->ticket);
    const uint64_t unsettled[] = {0, ticket | TICKET_PROVISIONAL};
    for (size_t i = 0; i < ARRAY_LENGTH(unsettled); i++) {
        atomic_store(&claim.seat->ticket, unsettled[i]);
        assert_int_equal(ask("web", &limit, 7, &more), GATE_CLIENT);
        assert_int_equal(ask("web", &limit, 8, &more), GATE_ADMITTED);
        gate_leave(&more);
    }
}

static void who_waits_goes_first(void **state)
{
    const struct gate_limit limit = {.requests = 1, .queue = 2};
    struct gate_claim holder, first, second, third;

    (void)state;
    assert_int_equal(ask("web", &limit, 1, &holder), GATE_ADMITTED);
    assert_int_equal(ask("web", &limit, 2, &first), GATE_WAITING);
    assert_int_equal(ask("web", &limit, 3, &second), GATE_WAITING);
    assert_int_equal(ask("web", &limit, 4, &third), GATE_QUEUE_FULL);
    int64_t before = clock_monotonic_ms();
    assert_int_equal(gate_wait(&table, &first, 30), GATE_WAITING);
    assert_true(clock_monotonic_ms() - before >= 29);
    assert_int_equal(figures_of("web").waiting, 2);
    gate_leave(&holder);
    assert_int_equal(gate_wait(&table, &second, 1), GATE_WAITING);
    assert_int_equal(gate_wait(&table, &first, 1), GATE_ADMITTED);
    /* The place that is free is for one who waits. */
    gate_leave(&first);
    assert_int_equal(ask("web", &limit, 4, &third), GATE_WAITING);
    assert_int_equal(gate_wait(&table, &third, 1), GATE_WAITING);
    gate_leave(&second); /* gives up */
    assert_int_equal(gate_wait(&table, &third, 1), GATE_ADMITTED);
}

/* Two Locations of one service: who may have more places passes those who cannot go there. */
static void limits_of_one_service_meet(void **state)
{
    const struct gate_limit small = {.requests = 1, .queue = 1}, large = {.requests = 3};
    struct gate_claim claims[3], waiter, more;

    (void)state;
    assert_int_equal(ask("web", &small, 1, &claims[0]), GATE_ADMITTED);
    assert_int_equal(ask("web", &small, 1, &waiter), GATE_WAITING);
    assert_int_equal(ask("web", &large, 1, &claims[1]), GATE_ADMITTED);
    gate_leave(&claims[0]);
    assert_int_equal(ask("web", &large, 1, &claims[2]), GATE_ADMITTED);
    assert_int_equal(ask("web", &large, 1, &more), GATE_FULL); /* the free one is the waiter's */
    assert_int_equal(gate_wait(&table, &waiter, 1), GATE_ADMITTED);
}

static void clients_are_networks(void **state)
{
    static const uint8_t four[] = {192, 0, 2, 1}, other[] = {192, 0, 2, 2};
    static const uint8_t clothed[16] = {[10] = 0xff, [11] = 0xff, 192, 0, 2, 1};
    static const uint8_t six[16] = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 1, [15] = 1};
    static const uint8_t same[16] = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 1, [15] = 2};
    static const uint8_t apart[16] = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 2, [15] = 1};
    static const uint8_t loopback[16] = {[15] = 1};

    (void)state;
    assert_true(gate_client(four, 4) == gate_client(clothed, 16));
    assert_true(gate_client(four, 4) != gate_client(other, 4));
    assert_true(gate_client(six, 16) == gate_client(same, 16));
    assert_true(gate_client(six, 16) != gate_client(apart, 16));
    assert_true(gate_client(loopback, 16) != 0);
    assert_true(gate_client(four, 3) == 0);
}

static void the_pace_says_when(void **state)
{
    const struct gate_limit limit = {.requests = 10, .per_client = 2};
    struct gate_figures figures = {.in_flight = 10};

    (void)state;
    assert_int_equal(gate_retry_seconds(&figures, &limit, GATE_FULL), GATE_RETRY_UNKNOWN);
    figures.mean_usec = 30000000;
    assert_int_equal(gate_retry_seconds(&figures, &limit, GATE_FULL), 3);
    figures.waiting = 4;
    assert_int_equal(gate_retry_seconds(&figures, &limit, GATE_LATE), 15);
    assert_int_equal(gate_retry_seconds(&figures, &limit, GATE_CLIENT), 15);
    figures.mean_age_usec = 60000000; /* those in there are slower than the last ones were */
    assert_int_equal(gate_retry_seconds(&figures, &limit, GATE_LATE), 30);
    figures.mean_usec = UINT64_MAX;
    assert_int_equal(gate_retry_seconds(&figures, &limit, GATE_FULL), GATE_RETRY_MAX_SECONDS);
    figures = (struct gate_figures){.mean_usec = 1000};
    assert_int_equal(gate_retry_seconds(&figures, &limit, GATE_FULL), 1);
}

static void refusals_are_counted(void **state)
{
    const struct gate_limit limit = {.requests = 1};
    struct gate_claim holder, more;

    (void)state;
    assert_int_equal(ask("web", &limit, 1, &holder), GATE_ADMITTED);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(ask("web", &limit, 1, &more), GATE_FULL);
        gate_count_refused(&more, GATE_FULL);
    }
    gate_count_refused(&more, GATE_LATE);
    assert_int_equal(figures_of("web").refused[GATE_FULL], 100);
    assert_int_equal(figures_of("web").refused[GATE_LATE], 1);
}

/* Services beyond the table's room go without a limit; nobody gets another one's gate. */
static void a_full_table_lets_pass(void **state)
{
    const struct gate_limit limit = {.requests = 1};
    struct gate_claim claim;
    unsigned with = 0, without = 0;

    (void)state;
    for (unsigned i = 0; i < GATES + 20; i++) {
        char name[16];
        snprintf(name, sizeof(name), "s%u", i);
        enum gate_answer answer = ask(name, &limit, 1, &claim);
        with += answer == GATE_ADMITTED;
        without += answer == GATE_OPEN;
    }
    assert_int_equal(with, GATES);
    assert_int_equal(without, 20);
}

/* ---- many processes ---- */

struct shared {
    _Atomic uint32_t inside, most, over, admitted, ready, inside_of[4];
};

static struct shared *share(void)
{
    void *memory = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(memory, MAP_FAILED);
    return memory;
}

static pid_t start(void (*work)(struct shared *shared, unsigned number), struct shared *shared,
                   unsigned number)
{
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        gate_table_own(&table);
        work(shared, number);
        _exit(0);
    }
    return pid;
}

static void run_all(void (*work)(struct shared *shared, unsigned number), struct shared *shared)
{
    pid_t pids[PROCESSES];

    for (unsigned i = 0; i < PROCESSES; i++)
        pids[i] = start(work, shared, i);
    for (unsigned i = 0; i < PROCESSES; i++) {
        int status;
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_int_equal(status, 0);
    }
}

static void note_inside(struct shared *shared, _Atomic uint32_t *inside, uint32_t limit)
{
    uint32_t now = atomic_fetch_add(inside, 1) + 1, most = atomic_load(&shared->most);

    if (now > limit)
        atomic_fetch_add(&shared->over, 1);
    while (now > most && !atomic_compare_exchange_weak(&shared->most, &most, now))
        continue;
    atomic_fetch_add(&shared->admitted, 1);
    sched_yield();
    atomic_fetch_sub(inside, 1);
}

static void go_in_and_out(struct shared *shared, unsigned number)
{
    const struct gate_limit limit = {.requests = 3};
    struct gate_claim claim;

    for (int i = 0; i < ROUNDS; i++) {
        if (ask("web", &limit, number + 1, &claim) != GATE_ADMITTED)
            continue;
        note_inside(shared, &shared->inside, limit.requests);
        gate_leave(&claim);
    }
}

static void processes_never_are_too_many(void **state)
{
    struct shared *shared = share();

    (void)state;
    run_all(go_in_and_out, shared);
    assert_int_equal(shared->over, 0);
    assert_true(shared->admitted >= ROUNDS); /* one could always get in */
    assert_int_equal(figures_of("web").in_flight, 0);
    munmap(shared, sizeof(*shared));
}

/* Two clients, one place each, and a queue: all get in at last. */
static void wait_in_and_out(struct shared *shared, unsigned number)
{
    const struct gate_limit limit = {.requests = 2, .queue = PROCESSES};
    struct gate_claim claim;

    for (int i = 0; i < ROUNDS / 10; i++) {
        enum gate_answer answer = ask("web", &limit, number + 1, &claim);
        int64_t before = clock_monotonic_ms();
        while (answer == GATE_WAITING && clock_monotonic_ms() - before < SOON_MS)
            answer = gate_wait(&table, &claim, SOON_MS);
        if (answer != GATE_ADMITTED)
            _exit(1);
        note_inside(shared, &shared->inside, limit.requests);
        gate_leave(&claim);
    }
}

static void all_who_wait_get_in(void **state)
{
    struct shared *shared = share();

    (void)state;
    run_all(wait_in_and_out, shared);
    assert_int_equal(shared->over, 0);
    assert_int_equal(shared->most, 2);
    assert_int_equal(shared->admitted, PROCESSES * (ROUNDS / 10));
    struct gate_figures figures = figures_of("web");
    assert_int_equal(figures.in_flight + figures.waiting, 0);
    munmap(shared, sizeof(*shared));
}

static void clients_in_and_out(struct shared *shared, unsigned number)
{
    const struct gate_limit limit = {.requests = 20, .queue = 4, .per_client = 2};
    struct gate_claim claim;
    unsigned client = number % 2;

    for (int i = 0; i < ROUNDS; i++) {
        if (ask("web", &limit, client + 1, &claim) != GATE_ADMITTED)
            continue;
        note_inside(shared, &shared->inside_of[client], limit.per_client);
        gate_leave(&claim);
    }
}

static void clients_never_are_too_many(void **state)
{
    struct shared *shared = share();

    (void)state;
    run_all(clients_in_and_out, shared);
    assert_int_equal(shared->over, 0);
    assert_int_equal(figures_of("web").in_flight, 0);
    munmap(shared, sizeof(*shared));
}

/* All ask at the same moment, and keep what they get: exactly so many have it. */
static void ask_once(struct shared *shared, unsigned number)
{
    const struct gate_limit limit = {.requests = PROCESSES, .per_client = 3};
    struct gate_claim claim;

    (void)number;
    atomic_fetch_add(&shared->ready, 1);
    while (atomic_load(&shared->ready) % PROCESSES != 0)
        sched_yield();
    if (ask("web", &limit, 7, &claim) == GATE_ADMITTED)
        atomic_fetch_add(&shared->admitted, 1);
    atomic_fetch_add(&shared->inside, 1);
    while (atomic_load(&shared->inside) % PROCESSES != 0)
        sched_yield();
    gate_leave(&claim);
}

static void a_race_of_one_client_admits_exactly_its_share(void **state)
{
    struct shared *shared = share();

    (void)state;
    for (uint32_t round = 1; round <= 50; round++) {
        run_all(ask_once, shared);
        assert_int_equal(shared->admitted, 3 * round);
    }
    munmap(shared, sizeof(*shared));
}

/* ---- the dead ---- */

static void hold_all(struct shared *shared, unsigned number)
{
    const struct gate_limit limit = {.requests = 2, .queue = 1};
    struct gate_claim claims[3];

    (void)number;
    for (size_t i = 0; i < ARRAY_LENGTH(claims); i++)
        ask("web", &limit, 9, &claims[i]);
    atomic_store(&shared->ready, 1);
    pause();
}

static void the_places_of_the_dead_are_found(void **state)
{
    const struct gate_limit limit = {.requests = 2, .queue = 2};
    struct shared *shared = share();
    struct gate_claim claim, more;

    (void)state;
    pid_t pid = start(hold_all, shared, 0);
    while (!atomic_load(&shared->ready))
        usleep(1000);
    assert_int_equal(ask("web", &limit, 1, &claim), GATE_WAITING);
    assert_int_equal(gate_wait(&table, &claim, 1), GATE_WAITING);
    assert_int_equal(ask("web", &limit, 1, &more), GATE_QUEUE_FULL);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    int64_t before = clock_monotonic_ms();
    while (gate_wait(&table, &claim, 50) != GATE_ADMITTED)
        assert_true(clock_monotonic_ms() - before < SOON_MS);
    struct gate_figures figures = figures_of("web");
    assert_int_equal(figures.in_flight, 1);
    assert_int_equal(figures.waiting, 0);
    munmap(shared, sizeof(*shared));
}

/* Whatever stands in the memory, nobody leaves it. */
static void hostile_memory_is_survived(void **state)
{
    const struct gate_limit limit = {.requests = 4, .queue = 4, .per_client = 2};
    struct gate_claim claim;
    struct gate_figures figures;
    unsigned seed = 1;

    (void)state;
    for (int round = 0; round < 30; round++) {
        ask("web", &limit, 1, &claim);
        gate_leave(&claim);
        struct gate *gate = gate_find(&table, "alpha", "web", true);
        if (gate) {
            uint32_t *words = (uint32_t *)(void *)gate->places;
            for (size_t i = 0; i < 2 * sizeof(gate->places) / sizeof(uint32_t); i++)
                words[i] = (uint32_t)rand_r(&seed);
            atomic_store(&gate->places_end, UINT32_MAX);
            atomic_store(&gate->waiters_end, UINT32_MAX);
            atomic_store(&gate->swept_ms, UINT64_MAX - (unsigned)round);
        }
        if (ask("web", &limit, 1, &claim) == GATE_WAITING)
            gate_wait(&table, &claim, 1);
        gate_leave(&claim);
        gate_table_read(&table, "alpha", "web", &figures);
        assert_true(figures.in_flight <= GATE_PLACES);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(so_many_get_in, setup, teardown),
        cmocka_unit_test_setup_teardown(a_client_gets_its_share, setup, teardown),
        cmocka_unit_test_setup_teardown(one_who_is_being_seated_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(who_waits_goes_first, setup, teardown),
        cmocka_unit_test_setup_teardown(limits_of_one_service_meet, setup, teardown),
        cmocka_unit_test_setup_teardown(clients_are_networks, setup, teardown),
        cmocka_unit_test_setup_teardown(the_pace_says_when, setup, teardown),
        cmocka_unit_test_setup_teardown(refusals_are_counted, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_table_lets_pass, setup, teardown),
        cmocka_unit_test_setup_teardown(processes_never_are_too_many, setup, teardown),
        cmocka_unit_test_setup_teardown(all_who_wait_get_in, setup, teardown),
        cmocka_unit_test_setup_teardown(clients_never_are_too_many, setup, teardown),
        cmocka_unit_test_setup_teardown(a_race_of_one_client_admits_exactly_its_share, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_places_of_the_dead_are_found, setup, teardown),
        cmocka_unit_test_setup_teardown(hostile_memory_is_survived, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
