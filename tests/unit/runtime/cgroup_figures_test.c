/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of figures against files as kernels write them (tests/unit/runtime/figures): no cgroup
 * is needed. */

#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/cleanup.h"
#include "supervisor/runtime/cgroup_internal.h"

#define USUAL                                                                                      \
    (SLOT_HAS_CPU | SLOT_HAS_CPU_SPLIT | SLOT_HAS_CPU_THROTTLE | SLOT_HAS_MEMORY |                 \
     SLOT_HAS_MEMORY_PEAK | SLOT_HAS_MEMORY_DETAIL | SLOT_HAS_MEMORY_KERNEL | SLOT_HAS_SWAP |      \
     SLOT_HAS_SWAP_LIMIT | SLOT_HAS_MEMORY_HITS | SLOT_HAS_OOM | SLOT_HAS_FAULTS |                 \
     SLOT_HAS_TASKS | SLOT_HAS_TASKS_LIMIT | SLOT_HAS_TASKS_HITS | SLOT_HAS_IO | SLOT_HAS_IO_OPS | \
     SLOT_HAS_PSI_CPU | SLOT_HAS_PSI_MEMORY | SLOT_HAS_PSI_IO)

struct group {
    char place[PATH_MAX];
    struct cgroup_driver driver;
    struct cgroup cgroup;
};

/* A copy of the recorded files, which a test may change. */
static void open_group(struct group *group, const char *version, const char *const *hierarchies,
                       bool is_v2_last)
{
    _cleanup_free_ char *command = NULL;

    memset(group, 0, sizeof(*group));
    strcpy(group->place, "/tmp/figures.XXXXXX");
    assert_non_null(mkdtemp(group->place));
    assert_true(asprintf(&command, "cp -r %.*s/figures/%s/. %s/",
                         (int)(strrchr(__FILE__, '/') - __FILE__), __FILE__, version,
                         group->place) > 0);
    assert_int_equal(system(command), 0);
    group->driver.top = open(group->place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(group->driver.top >= 0);
    for (; *hierarchies; hierarchies++) {
        bool is_v2 = is_v2_last && !hierarchies[1];
        struct cgroup_hierarchy *made = &group->driver.hierarchies[group->driver.count++];
        snprintf(made->mount.directory, sizeof(made->mount.directory), "%s", *hierarchies);
        made->mount.is_v2 = is_v2;
        made->ops = is_v2 ? &cgroup_v2_ops : &cgroup_v1_ops;
        made->root = -1;
    }
    group->cgroup.driver = &group->driver;
    group->cgroup.path = (char *)"/group";
    group->cgroup.count = group->driver.count;
}

static void close_group(struct group *group)
{
    char command[PATH_MAX + 16];

    for (size_t i = 0; i < group->cgroup.figure_count; i++)
        close_fd(&group->cgroup.figures[i].fd);
    close_fd(&group->driver.top);
    snprintf(command, sizeof(command), "rm -rf %s", group->place);
    assert_int_equal(system(command), 0);
}

static void open_hybrid(struct group *group)
{
    static const char *const hierarchies[] = {"cpu",  "cpuacct", "memory", "blkio",
                                              "pids", "unified", NULL};

    open_group(group, "v1", hierarchies, true);
}

static void open_v2(struct group *group)
{
    static const char *const hierarchies[] = {"", NULL};

    open_group(group, "v2", hierarchies, true);
}

static void write_file(const struct group *group, const char *file, const char *text)
{
    char path[2 * PATH_MAX];

    snprintf(path, sizeof(path), "%s/%s", group->place, file);
    _cleanup_fclose_ FILE *stream = fopen(path, "we");
    assert_non_null(stream);
    assert_true(fputs(text, stream) >= 0);
}

/* What both versions tell of the same container. */
static void assert_figures(const struct cgroup_sample *sample)
{
    assert_int_equal(sample->cpu_usage_usec, 81234567);
    assert_int_equal(sample->cpu_user_usec, 51230000);
    assert_int_equal(sample->cpu_periods, 402);
    assert_int_equal(sample->cpu_throttled_periods, 37);
    assert_int_equal(sample->cpu_throttled_usec, 1901234);
    assert_int_equal(sample->memory_bytes, 52428800);
    assert_int_equal(sample->memory_peak_bytes, 60000000);
    assert_int_equal(sample->memory_anon_bytes, 31457280);
    assert_int_equal(sample->memory_file_bytes, 13107200);
    assert_int_equal(sample->memory_kernel_bytes, 7864320);
    assert_int_equal(sample->swap_bytes, 2097152);
    assert_int_equal(sample->memory_limit_hits, 15);
    assert_int_equal(sample->oom_kills, 2);
    assert_int_equal(sample->page_faults, 46001);
    assert_int_equal(sample->major_page_faults, 19);
    assert_int_equal(sample->tasks, 9);
    assert_int_equal(sample->tasks_limit, 256);
    assert_int_equal(sample->tasks_limit_hits, 4);
    assert_int_equal(sample->pressure[PRESSURE_CPU].some_avg10_centi, 1234);
    assert_int_equal(sample->pressure[PRESSURE_CPU].some_avg60_centi, 506);
    assert_int_equal(sample->pressure[PRESSURE_CPU].some_total_usec, 987654);
    assert_int_equal(sample->pressure[PRESSURE_CPU].full_total_usec, 0);
    assert_int_equal(sample->pressure[PRESSURE_MEMORY].some_avg10_centi, 125);
    assert_int_equal(sample->pressure[PRESSURE_MEMORY].full_avg10_centi, 75);
    assert_int_equal(sample->pressure[PRESSURE_IO].full_avg10_centi, 9899);
    assert_int_equal(sample->pressure[PRESSURE_IO].some_total_usec, UINT64_C(18446744073709));
}

static void assert_device(const struct slot_device *device, unsigned major, unsigned minor,
                          uint64_t read_bytes, uint64_t write_bytes, uint64_t read_ops,
                          uint64_t write_ops)
{
    assert_int_equal(device->major, major);
    assert_int_equal(device->minor, minor);
    assert_int_equal(device->read_bytes, read_bytes);
    assert_int_equal(device->write_bytes, write_bytes);
    assert_int_equal(device->read_ops, read_ops);
    assert_int_equal(device->write_ops, write_ops);
}

static void test_hybrid_tells_all(void **state)
{
    struct cgroup_sample sample;
    struct group group;

    (void)state;
    open_hybrid(&group);
    cgroup_sample(&group.cgroup, &sample);
    assert_int_equal(sample.has, USUAL | SLOT_HAS_MEMORY_LIMIT | SLOT_HAS_IO_WAIT);
    assert_figures(&sample);
    assert_int_equal(sample.cpu_system_usec, 29870000);
    assert_int_equal(sample.memory_limit_bytes, 134217728);
    assert_int_equal(sample.swap_limit_bytes, 201326592 - 134217728);
    assert_int_equal(sample.io_read_bytes, 101010);
    assert_int_equal(sample.io_write_bytes, 202020);
    assert_int_equal(sample.io_read_ops, 26);
    assert_int_equal(sample.io_write_ops, 52);
    assert_int_equal(sample.io_wait_usec, 1500);
    assert_device(&sample.devices[0], 8, 0, 100000, 200000, 25, 50);
    assert_int_equal(sample.devices[0].wait_usec, 1500);
    assert_device(&sample.devices[1], 8, 16, 10, 20, 0, 0);
    assert_device(&sample.devices[2], 254, 0, 1000, 2000, 1, 2);
    assert_device(&sample.devices[3], 0, 0, 0, 0, 0, 0);
    close_group(&group);
}

static void test_v1_alone_has_no_pressure(void **state)
{
    static const char *const hierarchies[] = {"cpu", "cpuacct", "memory", "blkio", "pids", NULL};
    const uint64_t psi = SLOT_HAS_PSI_CPU | SLOT_HAS_PSI_MEMORY | SLOT_HAS_PSI_IO;
    struct cgroup_sample sample;
    struct group group;

    (void)state;
    open_group(&group, "v1", hierarchies, false);
    cgroup_sample(&group.cgroup, &sample);
    assert_int_equal(sample.has, (USUAL | SLOT_HAS_MEMORY_LIMIT | SLOT_HAS_IO_WAIT) & ~psi);
    close_group(&group);
}

/* Five devices were used: the four busiest stay, in the order of their numbers. */
static void test_v2_tells_all(void **state)
{
    struct cgroup_sample sample;
    struct group group;

    (void)state;
    open_v2(&group);
    cgroup_sample(&group.cgroup, &sample);
    assert_int_equal(sample.has, USUAL);
    assert_figures(&sample);
    assert_int_equal(sample.cpu_system_usec, 30004567);
    assert_int_equal(sample.swap_limit_bytes, 0);
    assert_int_equal(sample.io_read_bytes, 101022);
    assert_int_equal(sample.io_write_bytes, 202020);
    assert_device(&sample.devices[0], 8, 0, 100000, 200000, 25, 50);
    assert_device(&sample.devices[1], 8, 16, 10, 20, 1, 1);
    assert_device(&sample.devices[2], 254, 0, 1000, 2000, 1, 2);
    assert_device(&sample.devices[3], 259, 0, 7, 0, 1, 0);
    close_group(&group);
}

static void test_parts_are_read_by_themselves(void **state)
{
    struct cgroup_sample sample;
    struct group group;

    (void)state;
    open_hybrid(&group);
    cgroup_sample(&group.cgroup, &sample);
    write_file(&group, "cpuacct/group/cpuacct.usage", "99000000\n");
    write_file(&group, "memory/group/memory.usage_in_bytes", "4096\n");
    write_file(&group, "memory/group/memory.limit_in_bytes", "9223372036854771712\n");
    cgroup_sample_parts(&group.cgroup, &sample, CGROUP_PART_CPU);
    assert_int_equal(sample.cpu_usage_usec, 99000);
    assert_int_equal(sample.memory_bytes, 52428800);
    assert_int_equal(sample.io_read_bytes, 101010);
    cgroup_sample_parts(&group.cgroup, &sample, CGROUP_PART_USUAL);
    assert_int_equal(sample.memory_bytes, 4096);
    assert_int_equal(sample.swap_bytes, 54525952 - 4096);
    assert_int_equal(sample.memory_limit_bytes, 134217728);
    assert_true(sample.has & SLOT_HAS_MEMORY_LIMIT);
    cgroup_sample_parts(&group.cgroup, &sample, CGROUP_PART_DEAR);
    assert_false(sample.has & SLOT_HAS_MEMORY_LIMIT); /* there is none any more */
    assert_false(sample.has & SLOT_HAS_SWAP_LIMIT);
    close_group(&group);
}

static void test_what_is_gone_or_no_number_is_absent(void **state)
{
    static const struct {
        const char *file, *text;
        uint64_t lost;
    } cases[] = {
        {"group/memory.current", "", SLOT_HAS_MEMORY},
        {"group/memory.current", "many\n", SLOT_HAS_MEMORY},
        {"group/memory.current", "99999999999999999999999\n", SLOT_HAS_MEMORY},
        {"group/pids.max", "max\n", SLOT_HAS_TASKS_LIMIT},
        {"group/cpu.stat", "usage_usec 5\n", SLOT_HAS_CPU_SPLIT | SLOT_HAS_CPU_THROTTLE},
        {"group/cpu.stat", "usage_usec\nuser_usec 1\nsystem_usec 2",
         SLOT_HAS_CPU | SLOT_HAS_CPU_THROTTLE},
        {"group/memory.stat", "anon 1\nfile 2\npgfault 3\npgmajfault 4\n", SLOT_HAS_MEMORY_KERNEL},
        {"group/io.pressure", "some avg10=x\n", SLOT_HAS_PSI_IO},
        {"group/io.pressure", "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n", SLOT_HAS_PSI_IO},
        {"group/io.pressure", "", SLOT_HAS_PSI_IO},
    };
    struct cgroup_sample sample;
    struct group group;

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        open_v2(&group);
        cgroup_sample(&group.cgroup, &sample);
        write_file(&group, cases[i].file, cases[i].text);
        cgroup_sample_parts(&group.cgroup, &sample, CGROUP_PART_ALL);
        if (sample.has != (USUAL & ~cases[i].lost))
            fail_msg("%s \"%s\": %lx is lost", cases[i].file, cases[i].text,
                     (unsigned long)(USUAL & ~sample.has));
        close_group(&group);
    }
}

static void test_more_devices_than_there_is_room_for(void **state)
{
    struct cgroup_sample sample;
    struct group group;
    char text[8192] = "";

    (void)state;
    open_v2(&group);
    for (unsigned i = 0; i < 60; i++)
        sprintf(text + strlen(text), "9:%u rbytes=%u wbytes=0 rios=1 wios=0 dbytes=0 dios=0\n", i,
                i);
    write_file(&group, "group/io.stat", text);
    cgroup_sample(&group.cgroup, &sample);
    for (unsigned i = 0; i < SLOT_DEVICES; i++)
        assert_int_equal(sample.devices[i].minor, CGROUP_DEVICES_MAX - SLOT_DEVICES + i);
    close_group(&group);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hybrid_tells_all),
        cmocka_unit_test(test_v1_alone_has_no_pressure),
        cmocka_unit_test(test_v2_tells_all),
        cmocka_unit_test(test_parts_are_read_by_themselves),
        cmocka_unit_test(test_what_is_gone_or_no_number_is_absent),
        cmocka_unit_test(test_more_devices_than_there_is_room_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
