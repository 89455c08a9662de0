/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_RUNTIME_CGROUP_STAGE_H
#define TESTS_RUNTIME_CGROUP_STAGE_H

/*
 * Real groups of the machine below one parent that is ours alone, in a mount namespace of our own.
 * All tests run on what the machine has; on a hybrid machine they run again with its v2 tree
 * hidden.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/cleanup.h"
#include "supervisor/runtime/cgroup_internal.h"

#define MIB      (INT64_C(1) << 20)
#define PATIENCE 30000 /* ms; an emulated machine is slow */

#define DENY_ALL                                                                                   \
    {                                                                                              \
        false, 'a', -1, -1, "rwm"                                                                  \
    }

static struct cgroup_driver *driver;
static struct error error;
static char parent_path[64];
static size_t open_descriptors;

static inline const char *child_path(const char *name)
{
    static char path[4][128];
    static unsigned turn;
    char *buffer = path[turn++ % 4];

    snprintf(buffer, sizeof(path[0]), "%s/%s", parent_path, name);
    return buffer;
}

static inline size_t count_descriptors(void)
{
    _cleanup_closedir_ DIR *list = opendir("/proc/self/fd");
    size_t count = 0;

    while (readdir(list))
        count++;
    return count;
}

static inline int setup(void **state)
{
    (void)state;
    open_descriptors = count_descriptors();
    int r = cgroup_driver_open(&driver, &error);
    if (r < 0)
        print_error("%s\n", error.message);
    else
        print_message("cgroup mode %d (1: v1, 2: hybrid, 3: v2), controllers %#x\n",
                      cgroup_driver_mode(driver), cgroup_driver_controllers(driver));
    return r;
}

static inline int teardown(void **state)
{
    (void)state;
    cgroup_remove_empty(driver, parent_path);
    struct cgroup *left;
    int r = cgroup_open(driver, parent_path, &left, NULL);
    if (r != -ENOENT)
        print_error("%s is left behind\n", parent_path);
    cgroup_driver_close(driver);
    if (count_descriptors() != open_descriptors)
        print_error("%zu descriptors before, %zu after\n", open_descriptors, count_descriptors());
    return r == -ENOENT && count_descriptors() == open_descriptors ? 0 : -1;
}

static inline struct cgroup *create(const char *name)
{
    struct cgroup *cgroup;

    if (cgroup_create(driver, child_path(name), &cgroup, &error) < 0)
        fail_msg("%s", error.message);
    return cgroup;
}

static inline void destroy(struct cgroup *cgroup)
{
    if (cgroup_kill(cgroup, &error) < 0 || cgroup_destroy(cgroup, PATIENCE, &error) < 0)
        fail_msg("%s", error.message);
}

static inline void apply(struct cgroup *cgroup, const struct cgroup_resources *resources)
{
    if (cgroup_apply(cgroup, resources, &error) < 0)
        fail_msg("%s", error.message);
}

/* The directory of the group where the controller lives. */
static inline int directory_of(const struct cgroup *cgroup, enum cgroup_controller controller)
{
    return cgroup_directory(cgroup, (size_t)driver->home[__builtin_ctz(controller)]);
}

static inline bool is_v2(enum cgroup_controller controller)
{
    return driver->home[__builtin_ctz(controller)] == driver->v2;
}

static inline void assert_file(const struct cgroup *cgroup, enum cgroup_controller controller,
                               const char *v1_file, const char *v2_file, const char *expected)
{
    char text[4096];
    const char *file = is_v2(controller) ? v2_file : v1_file;

    assert_int_equal(cgroup_file_read(directory_of(cgroup, controller), file, text, sizeof(text)),
                     0);
    text[strcspn(text, "\n")] = '\0';
    assert_string_equal(text, expected);
}

/* A child that waits until it has been moved into the group, then runs body and exits with its
 * value. */
static inline pid_t run_in(struct cgroup *cgroup, int (*body)(void *), void *context)
{
    int gate[2];
    char byte;

    assert_int_equal(pipe2(gate, O_CLOEXEC), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        alarm(PATIENCE / 1000 * 4);
        close(gate[1]);
        _exit(read(gate[0], &byte, 1) == 0 ? body(context) : 99);
    }
    close(gate[0]);
    int r = cgroup_attach(cgroup, pid, &error);
    close(gate[1]);
    if (r < 0) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        fail_msg("%s", error.message);
    }
    return pid;
}

static inline int wait_for(pid_t pid)
{
    int status;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static inline int body_sleep(void *context)
{
    (void)context;
    while (pause() < 0)
        ;
    return 0;
}

static inline int body_fill_memory(void *context)
{
    size_t size = *(size_t *)context;
    char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED)
        return 1;
    for (size_t at = 0; at < size; at += 4096)
        memory[at] = 1;
    return 0;
}

static inline int body_spin(void *context)
{
    volatile bool is_on = true;

    (void)context;
    while (is_on)
        ;
    return 0;
}

static inline int body_open_devices(void *context)
{
    int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    int zero_errno = errno;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    (void)context;
    return (null >= 0) | (zero >= 0) << 1 | (zero < 0 && zero_errno == EPERM) << 2;
}

static inline int body_open_kmsg(void *context)
{
    (void)context;
    return open("/dev/kmsg", O_RDONLY | O_CLOEXEC) < 0 ? errno : 0;
}

/* With an argument, only the tests that match that pattern run. */
static inline int run_stages(int argc, char **argv, const struct CMUnitTest *tests, size_t count)
{
    struct cgroup_driver *probe;
    int failed = 0;

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
        fprintf(stderr, "this test makes cgroups and mounts: run it as root\n");
        return 1;
    }
    if (cgroup_driver_open(&probe, &error) < 0) {
        printf("SKIP: %s\n", error.message);
        return 0;
    }
    enum cgroup_mode mode = cgroup_driver_mode(probe);
    cgroup_driver_close(probe);
    snprintf(parent_path, sizeof(parent_path), "/mod-container-test-%d", (int)getpid());

    failed += _cmocka_run_group_tests("as the machine is", tests, count, setup, teardown);
    if (mode == CGROUP_HYBRID) {
        if (mount("tmpfs", "/sys/fs/cgroup/unified", "tmpfs", 0, NULL) < 0) {
            perror("hide /sys/fs/cgroup/unified");
            return 1;
        }
        failed += _cmocka_run_group_tests("v1 alone", tests, count, setup, teardown);
    }
    return failed;
}

#endif
