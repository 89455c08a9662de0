/* SPDX-License-Identifier: Apache-2.0 */
/* The machine's figures from the text of /proc. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/cleanup.h"
#include "supervisor/daemon/machine.h"

static void load(void **state)
{
    struct host_figures host = {0};

    (void)state;
    machine_parse_load("0.07 12.34 100.00 2/345 678\n", &host);
    assert_int_equal(host.load_centi[0], 7);
    assert_int_equal(host.load_centi[1], 1234);
    assert_int_equal(host.load_centi[2], 10000);
    machine_parse_load("nothing", &host);
    assert_int_equal(host.load_centi[0], 7);
}

static void memory(void **state)
{
    struct host_figures host = {0};

    (void)state;
    machine_parse_memory("MemTotal:  16000 kB\nMemFree: 1 kB\nMemAvailable:    12345 kB\n"
                         "SwapCached: 0 kB\nSwapTotal:  2048 kB\nSwapFree:  1024 kB\n",
                         &host);
    assert_int_equal(host.has, SLOT_HAS_MEMORY | SLOT_HAS_SWAP);
    assert_int_equal(host.memory_available_bytes, 12345 * 1024);
    assert_int_equal(host.swap_total_bytes, 2048 * 1024);
    assert_int_equal(host.swap_free_bytes, 1024 * 1024);
    host = (struct host_figures){0};
    machine_parse_memory("MemTotal:  16000 kB\n", &host);
    assert_int_equal(host.has, 0);
}

static void cpu(void **state)
{
    uint64_t busy, all;

    (void)state;
    assert_true(machine_parse_cpu("cpu  10 20 30 400 50 6 7 8 10 0\ncpu0 1 2 3\n", &busy, &all));
    assert_int_equal(all, 531);
    assert_int_equal(busy, 81);
    assert_true(machine_parse_cpu("cpu 1 2 3 4\n", &busy, &all)); /* Linux 2.4 had no more */
    assert_int_equal(busy, 6);
    assert_false(machine_parse_cpu("intr 1 2 3 4\n", &busy, &all));
    assert_false(machine_parse_cpu("", &busy, &all));
}

static void this_machine_tells_something(void **state)
{
    struct machine *machine = NULL;
    struct host_figures host = {0};

    (void)state;
    assert_int_equal(machine_open(&machine, NULL), 0);
    machine_sample(machine, &host);
    assert_true(host.has & SLOT_HAS_MEMORY && host.memory_available_bytes > 0);
    assert_false(host.has & SLOT_HAS_CPU); /* a share takes two readings */
    machine_close(machine);
    machine_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(load),
        cmocka_unit_test(memory),
        cmocka_unit_test(cpu),
        cmocka_unit_test(this_machine_tells_something),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
