/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#include "common/cleanup.h"
#include "common/control.h"
#include "supervisor/daemon/why_internal.h"

static void test_wait_channels_are_understood(void **state)
{
    static const struct {
        const char *channel;
        enum wait_reason reason;
    } rows[] = {
        {"folio_wait_bit", WAIT_FOR_DISK},
        {"io_schedule", WAIT_FOR_DISK},
        {"jbd2_log_wait_commit", WAIT_FOR_DISK},
        {"balance_dirty_pages", WAIT_FOR_WRITEBACK},
        {"__refrigerator", WAIT_FOR_THAW},
        {"wait_for_vfork_done", WAIT_FOR_CHILD},
        {"kernel_clone", WAIT_FOR_CHILD},
        {"request_wait_answer", WAIT_FOR_FUSE},
        {"rpc_wait_bit_killable", WAIT_FOR_NETWORK_FS},
        {"rwsem_down_write_slowpath", WAIT_FOR_LOCK},
        {"mem_cgroup_handle_over_high", WAIT_FOR_MEMORY},
        {"something_else", WAIT_FOR_OTHER},
        {"", WAIT_FOR_OTHER},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        assert_int_equal(wait_reason_of(rows[i].channel), rows[i].reason);
}

/* ---- sentences ---- */

static struct why_view view;
static struct why_request request;
static struct process processes[2];
static struct open_file files[1];

static int setup(void **state)
{
    (void)state;
    request = (struct why_request){.kind = WHY_REASONS,
                                   .name = "blog/web",
                                   .state = CONTAINER_RUNNING,
                                   .cpu_limit_milli = 1000,
                                   .memory_limit_bytes = 100 << 20};
    memset(processes, 0, sizeof(processes));
    memset(files, 0, sizeof(files));
    processes[0] = (struct process){.pid = 8123, .name = "php-fpm"};
    processes[1] = (struct process){.pid = 8124, .name = "cron"};
    memset(&view, 0, sizeof(view));
    view.request = &request;
    view.processes = (struct process_list){.processes = processes, .count = 2, .total = 2};
    view.files = (struct file_list){.files = files, .count = 0};
    view.census = (struct task_census){.looks = 5, .tasks = 12};
    view.elapsed_usec = 200000;
    return 0;
}

static void expect(const char *expected)
{
    _cleanup_json_ json_t *sentences = why_sentences(&view);
    const json_t *sentence;
    char all[4096] = "";
    size_t i;

    json_array_foreach (sentences, i, sentence) {
        strcat(all, json_string_value(sentence));
        strcat(all, "|");
    }
    assert_string_equal(all, expected);
}

static void add_waiting(pid_t tid, const char *channel, unsigned seen, double seconds)
{
    struct waiting_task *task = &view.census.waiting[view.census.waiting_count++];

    *task = (struct waiting_task){
        .pid = tid, .tid = tid, .syscall = -1, .seen = seen, .seconds = seconds, .name = "php-fpm"};
    strcpy(task->wait_channel, channel);
}

static void add_disk(double busy)
{
    view.devices.devices[view.devices.count++] =
        (struct device){.name = "vda", .busy_percent = busy, .wait_msec = -1};
}

static void test_nothing_stands_out(void **state)
{
    (void)state;
    expect("blog/web: nothing stands out: of its 12 tasks none waits for a disk, and no limit is "
           "near.|");
}

static void test_tasks_wait_for_a_busy_disk(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        add_waiting(8123 + i, "folio_wait_bit", 3, 0.1);
    add_waiting(9000, "folio_wait_bit", 1, 0); /* once: it is just working */
    add_disk(98.4);
    processes[0].write_rate = 41 << 20;
    files[0] = (struct open_file){.pid = 8123, .path = "/var/www/cache/big.tmp"};
    view.files.count = 1;
    expect("blog/web: 3 of 12 tasks wait for the disk vda, which is 98 % busy.|"
           "php-fpm (pid 8123) wrote 41MB/s into /var/www/cache/big.tmp.|");
}

static void test_a_busy_disk_of_somebody_else(void **state)
{
    (void)state;
    add_disk(90);
    expect("The disk vda is 90 % busy, but not with the work of blog/web.|");
}

static void test_a_long_wait_is_told(void **state)
{
    (void)state;
    add_waiting(8123, "request_wait_answer", 5, 42.3);
    expect("blog/web: 1 of 12 tasks waits for a FUSE file system, which is a program that does not "
           "answer.|php-fpm (pid 8123) has waited for 42 s; it cannot be killed until that ends.|");
}

static void test_limits_are_told(void **state)
{
    (void)state;
    processes[0].cpu_percent = 95;
    processes[1].memory_bytes = 80 << 20;
    request.memory_bytes = 95 << 20;
    expect("Its processes use 0.95 of the 1.00 CPUs that they may use, php-fpm (pid 8123) 0.95.|"
           "It uses 95MB of the 100MB of memory that it may use; the largest is cron (pid 8124), "
           "80MB.|");
    request.memory_bytes = 0;
    request.cpu_throttled_rate = 500000;
    expect("The limit of 1.00 CPUs holds it back: 500 ms of waiting in each second. Most CPU is "
           "used by php-fpm (pid 8123).|");
}

static void test_pressure_is_told(void **state)
{
    (void)state;
    view.stats.io_pressure =
        (struct cgroup_pressure){.is_known = true, .some = {.average10 = 34.1}};
    view.stats.cpu_pressure = (struct cgroup_pressure){.is_known = true, .some = {.average10 = 9}};
    expect("In 34 % of the last 10 seconds some task waited for a disk.|");
}

static void test_processes_that_are_gone_are_not_told(void **state)
{
    (void)state;
    processes[0].write_rate = 41 << 20;
    processes[0].is_gone = true;
    expect("blog/web: nothing stands out: of its 12 tasks none waits for a disk, and no limit is "
           "near.|");
}

static void test_what_was_written_is_the_way_of_the_position(void **state)
{
    struct open_file file = {.has_first = true, .first_position = 100, .position = 350};

    (void)state;
    assert_int_equal(open_file_written(&file), 250);
    file.position = 50; /* it went back */
    assert_int_equal(open_file_written(&file), 0);
    file = (struct open_file){.position = 350}; /* where it stood before is not known */
    assert_int_equal(open_file_written(&file), 0);
}

static void test_names_of_sessions_are_keys(void **state)
{
    static const struct {
        const char *path, *shown;
    } rows[] = {
        {"/tmp/sess_k2j5vq8", "/tmp/sess_..."}, {"/sess_k (deleted)", "/sess_..."},
        {"/tmp/sess_", "/tmp/sess_..."},        {"/tmp/sess_dir/big.tmp", "/tmp/sess_dir/big.tmp"},
        {"/tmp/possess_k", "/tmp/possess_k"},   {"/tmp/session", "/tmp/session"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct open_file file = {.pid = 1};
        struct file_list list = {.files = &file, .count = 1};
        strcpy(file.path, rows[i].path);
        file_list_hide_keys(&list);
        assert_string_equal(file.path, rows[i].shown);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wait_channels_are_understood),
        cmocka_unit_test_setup(test_nothing_stands_out, setup),
        cmocka_unit_test_setup(test_tasks_wait_for_a_busy_disk, setup),
        cmocka_unit_test_setup(test_a_busy_disk_of_somebody_else, setup),
        cmocka_unit_test_setup(test_a_long_wait_is_told, setup),
        cmocka_unit_test_setup(test_limits_are_told, setup),
        cmocka_unit_test_setup(test_pressure_is_told, setup),
        cmocka_unit_test_setup(test_processes_that_are_gone_are_not_told, setup),
        cmocka_unit_test(test_what_was_written_is_the_way_of_the_position),
        cmocka_unit_test(test_names_of_sessions_are_keys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
