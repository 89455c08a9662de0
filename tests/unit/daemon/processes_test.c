/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/control.h"
#include "supervisor/daemon/processes.h"

static const char stat_text[] =
    "8123 (php-fpm8.2) S 1 8123 8123 0 -1 4194560 1000 0 3 0 12 5 0 0 20 0 4 0 323054 219103232 "
    "6144 "
    "18446744073709551615 1 1 0 0 0 0 0 4096 81922 0 0 0 17 1 0 0 7 0 0\n";

static void test_stat(void **state)
{
    struct process_stat stat;

    (void)state;
    assert_int_equal(process_parse_stat(stat_text, &stat), 0);
    assert_string_equal(stat.name, "php-fpm8.2");
    assert_int_equal(stat.state, 'S');
    assert_int_equal(stat.threads, 4);
    assert_int_equal(stat.start_ticks, 323054);
    assert_int_equal(stat.resident_pages, 6144);
}

/* A process names itself: what looks like fields is none. */
static void test_stat_with_a_hostile_name(void **state)
{
    static const char text[] =
        "7 (a) R 1 2 (\n) D 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 99 1 2 3 4\n";
    struct process_stat stat;

    (void)state;
    assert_int_equal(process_parse_stat(text, &stat), 0);
    assert_string_equal(stat.name, "a) R 1 2 (\n");
    assert_int_equal(stat.state, 'D');
    assert_int_equal(stat.start_ticks, 99);
}

static void test_stat_that_is_none(void **state)
{
    static const char *const texts[] = {"",
                                        "1",
                                        "1 (a",
                                        "1 a)",
                                        "1 ()",
                                        "1 )( S 1 1",
                                        "1 (a) S 1 1 1",
                                        "1 (a) 5 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 99 1 2 3"};
    struct process_stat stat;

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++)
        assert_int_equal(process_parse_stat(texts[i], &stat), -EINVAL);
}

static void test_a_long_name_is_cut(void **state)
{
    char text[512] = "7 (";
    struct process_stat stat;

    (void)state;
    memset(text + 3, 'x', 200);
    strcpy(text + 203, ") S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 99 1 2 3 4\n");
    assert_int_equal(process_parse_stat(text, &stat), 0);
    assert_int_equal(strlen(stat.name), PROCESS_NAME_SIZE - 1);
}

static void test_io(void **state)
{
    uint64_t read_bytes, write_bytes;

    (void)state;
    assert_int_equal(process_parse_io("rchar: 1\nwchar: 2\nsyscr: 3\nsyscw: 4\nread_bytes: 4096\n"
                                      "write_bytes: 8192\ncancelled_write_bytes: 1\n",
                                      &read_bytes, &write_bytes),
                     0);
    assert_int_equal(read_bytes, 4096);
    assert_int_equal(write_bytes, 8192);
    /* Only at the start of a line: cancelled_write_bytes is another. */
    assert_int_equal(
        process_parse_io("read_bytes: 1\ncancelled_write_bytes: 9\n", &read_bytes, &write_bytes),
        -EINVAL);
    assert_int_equal(process_parse_io("", &read_bytes, &write_bytes), -EINVAL);
}

static void test_status(void **state)
{
    pid_t inside;
    uint32_t uid;

    (void)state;
    assert_int_equal(process_parse_status("Name:\tsh\nUid:\t1073741824\t1073741857\t0\t0\n"
                                          "NSpid:\t8123\t7\nKthread:\t0\n",
                                          &inside, &uid),
                     0);
    assert_int_equal(inside, 7);
    assert_int_equal(uid, 1073741857);
    /* The name may hold "\\n" only escaped; a key within a line is none. */
    assert_int_equal(process_parse_status("Name:\tUid:\t1\t2\n", &inside, &uid), -EINVAL);
    assert_int_equal(process_parse_status("Uid:\t1\t2\t3\t4\n", &inside, &uid), 0);
    assert_int_equal(inside, 0);
}

static void test_fdinfo(void **state)
{
    uint64_t position;
    unsigned flags;
    int mount;

    (void)state;
    assert_int_equal(process_parse_fdinfo("pos:\t1048576\nflags:\t02102001\nmnt_id:\t29\nino:\t5\n",
                                          &position, &flags, &mount),
                     0);
    assert_int_equal(position, 1048576);
    assert_int_equal(flags, 02102001);
    assert_int_equal(mount, 29);
    assert_int_equal(process_parse_fdinfo("pos:\t1\nflags:\t02\n", &position, &flags, &mount), 0);
    assert_int_equal(mount, -1);
    assert_int_equal(process_parse_fdinfo("pos:\t1\nflags:\t9\n", &position, &flags, &mount),
                     -EINVAL);
}

static void test_syscall(void **state)
{
    long number;

    (void)state;
    assert_int_equal(process_parse_syscall("74 0x3 0x0 0x0 0x0 0x0 0x0 0x7f 0x7f\n", &number), 0);
    assert_int_equal(number, 74);
    assert_int_equal(process_parse_syscall("running\n", &number), -ENOENT);
    assert_int_equal(process_parse_syscall("-1 0x7f 0x7f\n", &number), -ENOENT);
    assert_int_equal(process_parse_syscall("", &number), -EINVAL);
    assert_int_equal(process_parse_syscall("7x\n", &number), -EINVAL);
    assert_int_equal(process_parse_syscall("99999999999999999999999\n", &number), -EINVAL);
}

static void test_sched(void **state)
{
    uint64_t usec;

    (void)state;
    assert_int_equal(
        process_parse_sched("sh (7, #threads: 1)\n-----\n"
                            "se.exec_start                    :      13388151.356823\n",
                            &usec),
        0);
    assert_int_equal(usec, 13388151356);
    assert_int_equal(process_parse_sched("sh (7, #threads: 1)\nnr_switches : 1\n", &usec), -EINVAL);
    assert_int_equal(process_parse_sched("x\nse.exec_start : nan\n", &usec), -EINVAL);
    assert_int_equal(process_parse_sched("x\nse.exec_start : -1\n", &usec), -EINVAL);
}

static void test_command(void **state)
{
    static const char arguments[] = "mysql\0-u\0root\0--password=secret";
    char command[PROCESS_COMMAND_SIZE];
    char large[1000];

    (void)state;
    process_format_command(arguments, sizeof(arguments), true, command);
    assert_string_equal(command, "mysql -u root --password=secret");
    process_format_command(arguments, sizeof(arguments), false, command);
    assert_string_equal(command, "mysql");
    process_format_command("php-fpm: pool www   \0\0\0", 24, true, command);
    assert_string_equal(command, "php-fpm: pool www");
    process_format_command("", 0, true, command);
    assert_string_equal(command, "");
    memset(large, 'x', sizeof(large));
    process_format_command(large, sizeof(large), true, command);
    assert_int_equal(strlen(command), PROCESS_COMMAND_SIZE - 1);
}

static void test_mount(void **state)
{
    char overlay[] = "29 1 0:27 / / rw,relatime shared:1 - overlay overlay "
                     "rw,lowerdir=/a,upperdir=/run/x/upper,workdir=/run/x/work\n";
    char disk[] = "30 29 254:1 /srv /data rw - ext4 /dev/vda1 rw,discard";
    char none[] = "30 29 x:1 /srv /data rw - ext4 /dev/vda1 rw";
    char cut[] = "30 29 254:1 /srv /data rw - ext4";
    struct process_mount mount;

    (void)state;
    assert_int_equal(process_parse_mount(overlay, &mount), 0);
    assert_int_equal(mount.id, 29);
    assert_int_equal(mount.major, 0);
    assert_string_equal(mount.type, "overlay");
    assert_string_equal(mount.upper, "/run/x/upper");
    assert_int_equal(process_parse_mount(disk, &mount), 0);
    assert_int_equal(mount.major, 254);
    assert_int_equal(mount.minor, 1);
    assert_string_equal(mount.source, "/dev/vda1");
    assert_null(mount.upper);
    assert_int_equal(process_parse_mount(none, &mount), -EINVAL);
    assert_int_equal(process_parse_mount(cut, &mount), -EINVAL);
}

static void test_disk(void **state)
{
    struct disk_stat disk;

    (void)state;
    assert_int_equal(process_parse_disk(" 254       0 vda 100 1 2048 50 200 2 4096 75 3 90 125 0 0 "
                                        "0 0 0 0",
                                        &disk),
                     0);
    assert_string_equal(disk.name, "vda");
    assert_int_equal(disk.reads, 100);
    assert_int_equal(disk.read_bytes, 2048 * 512);
    assert_int_equal(disk.read_msec, 50);
    assert_int_equal(disk.writes, 200);
    assert_int_equal(disk.write_bytes, 4096 * 512);
    assert_int_equal(disk.write_msec, 75);
    assert_int_equal(disk.in_flight, 3);
    assert_int_equal(disk.busy_msec, 90);
    assert_int_equal(process_parse_disk("254 0 vda 100 1 2048", &disk), -EINVAL);
}

/* ---- lists ---- */

static struct process made(pid_t pid, double cpu, uint64_t memory, uint64_t writes)
{
    struct process process = {.pid = pid,
                              .state = 'S',
                              .cpu_percent = cpu,
                              .memory_bytes = memory,
                              .write_rate = writes,
                              .now = {.has_io = true},
                              .first = {.has_io = true},
                              .name = "a\xff"};

    return process;
}

static void expect_pids(struct process_list *list, enum process_order order, bool is_busy_only,
                        const char *expected)
{
    _cleanup_json_ json_t *array = process_list_to_json(list, order, 10, is_busy_only, 60000, NULL);
    const json_t *process;
    char pids[128] = "";
    size_t i;

    for (i = 0; i < json_array_size(array); i++) {
        process = json_array_get(array, i);
        sprintf(pids + strlen(pids), "%lld ",
                (long long)json_integer_value(json_object_get(process, "pid")));
    }
    assert_string_equal(pids, expected);
}

static void test_lists_are_ordered(void **state)
{
    struct process processes[] = {made(1, 1, 300, 0), made(2, 50, 100, 7), made(3, 0, 200, 9),
                                  made(4, 99, 999, 99)};
    struct process_list list = {.processes = processes, .count = 4, .total = 4};

    (void)state;
    processes[3].is_gone = true;
    expect_pids(&list, PROCESS_BY_CPU, false, "2 1 3 ");
    expect_pids(&list, PROCESS_BY_MEMORY, false, "1 3 2 ");
    expect_pids(&list, PROCESS_BY_DISK, true, "3 2 ");
}

static void test_lists_are_cut_to_their_budget(void **state)
{
    struct process processes[] = {made(1, 1, 300, 0), made(2, 2, 300, 0)};
    struct process_list list = {.processes = processes, .count = 2, .total = 2};
    bool has_more;

    (void)state;
    json_t *both = process_list_to_json(&list, PROCESS_BY_CPU, 10, false, 60000, &has_more);
    assert_int_equal(json_array_size(both), 2);
    assert_false(has_more);
    json_decref(both);
    json_t *one = process_list_to_json(&list, PROCESS_BY_CPU, 10, false, 400, &has_more);
    assert_int_equal(json_array_size(one), 1);
    assert_true(has_more);
    json_decref(one);
    list.total = PROCESSES_MAX + 1;
    json_decref(process_list_to_json(&list, PROCESS_BY_CPU, 10, false, 60000, &has_more));
    assert_true(has_more);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stat),
        cmocka_unit_test(test_stat_with_a_hostile_name),
        cmocka_unit_test(test_stat_that_is_none),
        cmocka_unit_test(test_a_long_name_is_cut),
        cmocka_unit_test(test_io),
        cmocka_unit_test(test_status),
        cmocka_unit_test(test_fdinfo),
        cmocka_unit_test(test_syscall),
        cmocka_unit_test(test_sched),
        cmocka_unit_test(test_command),
        cmocka_unit_test(test_mount),
        cmocka_unit_test(test_disk),
        cmocka_unit_test(test_lists_are_ordered),
        cmocka_unit_test(test_lists_are_cut_to_their_budget),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
