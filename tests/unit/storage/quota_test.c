/* SPDX-License-Identifier: Apache-2.0 */
/* Project quotas on a file system of our own, in a file. Run as root. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/cleanup.h"
#include "supervisor/storage/quota.h"

#define PROJECT 1073741824u

static char place[] = "/tmp/quota_test.XXXXXX";
static bool has_quotas;

static int set_up(void **state)
{
    char command[512];

    (void)state;
    if (!mkdtemp(place) || unshare(CLONE_NEWNS) < 0 ||
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return -1;
    /* A kernel without quotas of ext4 mounts it not; the rest of the test says so. */
    snprintf(command, sizeof(command),
             "cd %s && mkdir fs && truncate -s 16M image && "
             "mkfs.ext4 -q -O quota,project -E quotatype=prjquota image 2>/dev/null && "
             "mount -o loop,prjquota image fs 2>/dev/null",
             place);
    has_quotas = system(command) == 0;
    if (!has_quotas)
        print_message("this machine mounts no ext4 with project quotas: they are not tried\n");
    return 0;
}

static int tear_down(void **state)
{
    char command[128];

    (void)state;
    snprintf(command, sizeof(command), "umount %s/fs 2>/dev/null; rm -rf %s", place, place);
    return system(command);
}

static int open_new(const char *name)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/fs/%s", place, name);
    assert_int_equal(mkdir(path, 0700), 0);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static void write_bytes(int directory, const char *name, size_t size)
{
    _cleanup_close_ int fd = openat(directory, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    char block[4096] = {1};

    for (size_t done = 0; done < size; done += sizeof(block))
        assert_int_equal(write(fd, block, sizeof(block)), sizeof(block));
    assert_int_equal(fsync(fd), 0);
}

static void what_lies_below_is_counted(void **state)
{
    uint32_t project = 99;
    uint64_t used = 0, limit = 99;

    (void)state;
    if (!has_quotas)
        skip();
    _cleanup_close_ int volume = open_new("volume");
    _cleanup_close_ int other = open_new("other");
    assert_int_equal(quota_project(volume, &project), 0);
    assert_int_equal(project, 0);
    assert_int_equal(quota_begin_project(volume, PROJECT), 0);
    assert_int_equal(quota_project(volume, &project), 0);
    assert_int_equal(project, PROJECT);
    assert_int_equal(mkdirat(volume, "below", 0700), 0);
    _cleanup_close_ int below = openat(volume, "below", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    write_bytes(below, "file", 256 * 1024);
    write_bytes(other, "file", 512 * 1024);
    assert_int_equal(quota_read(volume, PROJECT, &used, &limit), 0);
    assert_in_range(used, 256 * 1024, 300 * 1024);
    assert_int_equal(limit, 0);
}

static void without_quotas_nothing_changes(void **state)
{
    _cleanup_close_ int fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    uint32_t project;
    uint64_t used, limit;

    (void)state;
    assert_true(quota_begin_project(fd, PROJECT) < 0);
    assert_true(quota_project(fd, &project) < 0);
    assert_true(quota_read(fd, PROJECT, &used, &limit) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_lies_below_is_counted),
        cmocka_unit_test(without_quotas_nothing_changes),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
