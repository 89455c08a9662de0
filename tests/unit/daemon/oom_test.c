/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "supervisor/daemon/oom.h"

#define START "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=web,mems_allowed=0"

static void test_a_kill_names_group_and_process(void **state)
{
    struct oom_victim victim = {0};
    char cgroup[OOM_CGROUP_MAX];

    (void)state;
    assert_int_equal(oom_parse(START ",oom_memcg=/mct/blog/blog-web-1,task_memcg=/mct/blog/"
                                     "blog-web-1/x,task=php-fpm8.2,pid=8123,uid=1073741857",
                               cgroup, &victim),
                     1);
    assert_string_equal(cgroup, "/mct/blog/blog-web-1");
    assert_string_equal(victim.name, "php-fpm8.2");
    assert_int_equal(victim.pid, 8123);
    assert_int_equal(oom_parse("Memory cgroup out of memory: Killed process 8123 (php-fpm8.2) "
                               "total-vm:219103kB, anon-rss:1000kB, file-rss:20kB, shmem-rss:3kB, "
                               "UID:33 pgtables:100kB oom_score_adj:0",
                               cgroup, &victim),
                     2);
    assert_int_equal(victim.memory_bytes, 1023 * 1024);
}

/* A process names itself, and its name is in the middle of the line. */
static void test_a_name_forges_no_pid(void **state)
{
    struct oom_victim victim = {0};
    char cgroup[OOM_CGROUP_MAX];

    (void)state;
    assert_int_equal(oom_parse(START ",oom_memcg=/a,task_memcg=/a,task=x,pid=1,uid=0,pid=77,uid=5",
                               cgroup, &victim),
                     1);
    assert_string_equal(cgroup, "/a");
    assert_string_equal(victim.name, "x,pid=1,uid=0");
    assert_int_equal(victim.pid, 77);
    assert_int_equal(
        oom_parse("Memory cgroup out of memory: Killed process 77 (x) anon-rss:9kB) "
                  "total-vm:1kB, anon-rss:2kB, file-rss:0kB, shmem-rss:0kB, UID:5 pgtables:1kB",
                  cgroup, &victim),
        2);
    assert_int_equal(victim.memory_bytes, 2048);
}

static void test_other_messages_are_passed_over(void **state)
{
    static const char *const messages[] = {
        "",
        "oom-kill:",
        START,
        START ",oom_memcg=/a,task_memcg=/a,task=x",
        START ",oom_memcg=/a,task=x,pid=1,uid=0",
        START ",task_memcg=/a,oom_memcg=/a,task=x,pid=1,uid=0",
        START ",oom_memcg=/a,task_memcg=/a,task=x,pid=-1,uid=0",
        START ",oom_memcg=/a,task_memcg=/a,pid=1,uid=0",
        "Memory cgroup out of memory: Killed process 9 (x) anon-rss:1kB",
        "Memory cgroup out of memory: ",
        "usb 1-1: new device",
    };
    struct oom_victim victim = {.pid = 7};
    char cgroup[OOM_CGROUP_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof(messages) / sizeof(*messages); i++) {
        victim = (struct oom_victim){.pid = 7};
        assert_int_equal(oom_parse(messages[i], cgroup, &victim), 0);
    }
}

static void test_nothing_is_known_without_a_log(void **state)
{
    struct oom_victim victim;

    (void)state;
    assert_false(oom_log_take(NULL, "/a", &victim));
    oom_log_close(NULL);
}

static void test_what_is_not_known_is_null(void **state)
{
    const struct oom_victim victim = {.pid = 7};

    (void)state;
    json_t *json = oom_victim_to_json(&victim);
    assert_int_equal(json_integer_value(json_object_get(json, "pid")), 7);
    assert_true(json_is_null(json_object_get(json, "name")));
    assert_true(json_is_null(json_object_get(json, "memory_bytes")));
    json_decref(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_kill_names_group_and_process),
        cmocka_unit_test(test_a_name_forges_no_pid),
        cmocka_unit_test(test_other_messages_are_passed_over),
        cmocka_unit_test(test_nothing_is_known_without_a_log),
        cmocka_unit_test(test_what_is_not_known_is_null),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
