/* SPDX-License-Identifier: Apache-2.0 */
/* Groups and their tasks, and the limits that containers have most. */
#include "tests/unit/runtime/cgroup_stage.h"

#include <sys/xattr.h>

/* ---- groups ---- */

static void test_create_and_destroy(void **state)
{
    struct cgroup *first, *second;

    (void)state;
    assert_int_equal(cgroup_open(driver, child_path("tenant/c1"), &first, &error), -ENOENT);
    first = create("tenant/c1");
    for (size_t i = 0; i < driver->count; i++)
        assert_true(cgroup_directory(first, i) >= 0);
    assert_int_equal(cgroup_clone_fd(first) >= 0, cgroup_driver_mode(driver) != CGROUP_V1);
    second = create("tenant/c1"); /* the same again */
    cgroup_close(second);
    assert_int_equal(cgroup_open(driver, child_path("tenant/c1"), &second, &error), 0);
    cgroup_close(second);
    cgroup_remove_empty(driver, child_path("tenant")); /* it has a child */
    assert_int_equal(cgroup_open(driver, child_path("tenant/c1"), &second, &error), 0);
    cgroup_close(second);
    destroy(first);
    assert_int_equal(cgroup_open(driver, child_path("tenant/c1"), &second, &error), -ENOENT);
    cgroup_remove_empty(driver, child_path("tenant"));
    assert_int_equal(cgroup_open(driver, child_path("tenant"), &second, &error), -ENOENT);
    cgroup_close(NULL);
}

static void test_bad_paths(void **state)
{
    static const char *const bad[] = {"",      "/",    "relative", "/a//b", "/a/",
                                      "/a/..", "/./a", "/..",      "/a\nb"};
    struct cgroup *cgroup;

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++)
        assert_int_equal(cgroup_create(driver, bad[i], &cgroup, &error), -EINVAL);
}

/* The v2 tree, created last or alone, refuses: nothing new may be left anywhere. */
static void test_create_is_undone(void **state)
{
    struct cgroup *cgroup = create("undo"), *child;

    (void)state;
    int v2 = cgroup_clone_fd(cgroup);
    if (v2 < 0) {
        /* Without a v2 tree: a name that one hierarchy has as a file. */
        assert_int_equal(cgroup_create(driver, child_path("undo/new/tasks"), &child, &error) < 0,
                         1);
    } else {
        assert_int_equal(cgroup_file_write(v2, "cgroup.max.descendants", "1"), 0);
        assert_int_equal(cgroup_create(driver, child_path("undo/new/deep"), &child, &error),
                         -EAGAIN);
        assert_non_null(strstr(error.message, "undo/new/deep"));
    }
    assert_int_equal(cgroup_open(driver, child_path("undo/new"), &child, &error), -ENOENT);
    destroy(cgroup);
}

static void test_destroy_takes_children(void **state)
{
    struct cgroup *cgroup = create("deep");
    char path[256];

    (void)state;
    for (size_t i = 0; i < driver->count; i++) {
        size_t used = 0;
        for (int depth = 0; depth < 60; depth++) {
            used += (size_t)snprintf(path + used, sizeof(path) - used, "%sd", depth ? "/" : "");
            assert_int_equal(mkdirat(cgroup_directory(cgroup, i), path, 0755), 0);
        }
        assert_int_equal(mkdirat(cgroup_directory(cgroup, i), "e", 0755), 0);
    }
    destroy(cgroup);
    assert_int_equal(cgroup_open(driver, child_path("deep"), &cgroup, &error), -ENOENT);
}

static void test_destroy_waits_but_not_forever(void **state)
{
    struct cgroup *cgroup = create("busy");
    pid_t pid = run_in(cgroup, body_sleep, NULL);

    (void)state;
    assert_int_equal(cgroup_destroy(cgroup, 50, &error), -EBUSY);
    assert_non_null(strstr(error.message, "busy"));
    assert_int_equal(cgroup_open(driver, child_path("busy"), &cgroup, &error), 0);
    assert_true(cgroup_is_populated(cgroup));
    cgroup_remove_empty(driver, child_path("busy"));
    assert_true(cgroup_is_populated(cgroup));
    assert_int_equal(cgroup_kill(cgroup, &error), 0);
    assert_int_equal(WTERMSIG(wait_for(pid)), SIGKILL);
    assert_int_equal(cgroup_destroy(cgroup, PATIENCE, &error), 0);
}

/* ---- limits ---- */

static void assert_memory(struct cgroup *cgroup, int64_t limit, int64_t swap)
{
    char text[32];

    snprintf(text, sizeof(text), "%" PRId64, limit);
    assert_file(cgroup, CGROUP_MEMORY, "memory.limit_in_bytes", "memory.max", text);
    snprintf(text, sizeof(text), "%" PRId64, is_v2(CGROUP_MEMORY) ? swap - limit : swap);
    assert_file(cgroup, CGROUP_MEMORY, "memory.memsw.limit_in_bytes", "memory.swap.max", text);
}

static void test_memory_limits(void **state)
{
    static const struct {
        int64_t limit, swap;
    } steps[] = {{64, 64}, {128, 160}, {256, 256}, {32, 48}, {40, 44}, {16, 16}};
    struct cgroup *cgroup = create("memory");
    struct cgroup_sample sample;

    (void)state;
    cgroup_sample(cgroup, &sample);
    assert_true(sample.has & SLOT_HAS_MEMORY);
    assert_false(sample.has & SLOT_HAS_MEMORY_LIMIT);
    for (size_t i = 0; i < ARRAY_LENGTH(steps); i++) {
        const struct cgroup_resources resources = {.memory_limit = steps[i].limit * MIB,
                                                   .memory_swap = steps[i].swap * MIB,
                                                   .memory_reservation = 8 * MIB};
        apply(cgroup, &resources);
        assert_memory(cgroup, steps[i].limit * MIB, steps[i].swap * MIB);
        cgroup_sample(cgroup, &sample);
        assert_true(sample.has & SLOT_HAS_MEMORY_LIMIT);
        assert_int_equal(sample.memory_limit_bytes, steps[i].limit * MIB);
    }
    assert_file(cgroup, CGROUP_MEMORY, "memory.soft_limit_in_bytes", "memory.low", "8388608");
    apply(cgroup, &(struct cgroup_resources){.memory_limit = -1});
    cgroup_sample(cgroup, &sample);
    assert_false(sample.has & SLOT_HAS_MEMORY_LIMIT);

    struct cgroup_resources bad = {.memory_limit = 64 * MIB, .memory_swap = 32 * MIB};
    assert_int_equal(cgroup_apply(cgroup, &bad, &error), -EINVAL);
    assert_non_null(strstr(error.message, "memory.swap"));
    bad.memory_limit = 0;
    assert_int_equal(cgroup_apply(cgroup, &bad, &error), -EINVAL);
    destroy(cgroup);
}

static void test_memory_limit_holds(void **state)
{
    struct cgroup *cgroup = create("oom");
    struct cgroup_sample sample;
    size_t little = 4 * MIB, much = 64 * MIB;

    (void)state;
    apply(cgroup, &(struct cgroup_resources){.memory_limit = 16 * MIB, .memory_swap = 16 * MIB});
    assert_int_equal(wait_for(run_in(cgroup, body_fill_memory, &little)), 0);
    cgroup_sample(cgroup, &sample);
    assert_true(sample.has & SLOT_HAS_OOM);
    assert_int_equal(sample.oom_kills, 0);
    int status = wait_for(run_in(cgroup, body_fill_memory, &much));
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGKILL);
    cgroup_sample(cgroup, &sample);
    assert_int_equal(sample.oom_kills, 1);
    /* memory.peak came with Linux 5.19. */
    if (sample.has & SLOT_HAS_MEMORY_PEAK)
        assert_in_range(sample.memory_peak_bytes, 4 * MIB, 16 * MIB);
    else
        assert_true(is_v2(CGROUP_MEMORY));
    destroy(cgroup);
}

static int body_fork_until_refused(void *context)
{
    (void)context;
    for (int i = 0; i < 50; i++) {
        pid_t pid = fork();
        if (pid < 0)
            return errno == EAGAIN ? i : 98;
        if (pid == 0)
            body_sleep(NULL);
    }
    return 97;
}

static void test_pids_limit(void **state)
{
    struct cgroup *cgroup = create("pids");
    struct cgroup_sample sample;
    pid_t pids[3];

    (void)state;
    apply(cgroup, &(struct cgroup_resources){.has_pids_limit = true, .pids_limit = 6});
    assert_int_equal(WEXITSTATUS(wait_for(run_in(cgroup, body_fork_until_refused, NULL))), 5);
    cgroup_sample(cgroup, &sample);
    assert_true(sample.has & SLOT_HAS_TASKS && sample.has & SLOT_HAS_TASKS_LIMIT);
    assert_int_equal(sample.tasks, 5);
    assert_int_equal(sample.tasks_limit, 6);
    assert_int_equal(cgroup_pids(cgroup, pids, ARRAY_LENGTH(pids)), 5);
    for (size_t i = 0; i < ARRAY_LENGTH(pids); i++)
        assert_int_equal(kill(pids[i], 0), 0);
    apply(cgroup, &(struct cgroup_resources){.has_pids_limit = true, .pids_limit = -1});
    cgroup_sample(cgroup, &sample);
    assert_false(sample.has & SLOT_HAS_TASKS_LIMIT);
    destroy(cgroup);
}

static void test_cpu_limits(void **state)
{
    struct cgroup *cgroup = create("cpu");
    struct cgroup_sample sample;
    char expected[32];

    (void)state;
    apply(cgroup,
          &(struct cgroup_resources){.cpu_shares = 512, .cpu_quota = 10000, .cpu_period = 100000});
    assert_file(cgroup, CGROUP_CPU, "cpu.cfs_quota_us", "cpu.max",
                is_v2(CGROUP_CPU) ? "10000 100000" : "10000");
    snprintf(expected, sizeof(expected), "%u",
             is_v2(CGROUP_CPU) ? cgroup_weight_of_shares(512) : 512);
    assert_file(cgroup, CGROUP_CPU, "cpu.shares", "cpu.weight", expected);

    pid_t pid = run_in(cgroup, body_spin, NULL);
    for (int i = 0; i < 100; i++) {
        usleep(100000);
        cgroup_sample(cgroup, &sample);
        if (sample.cpu_throttled_usec > 200000)
            break;
    }
    assert_true(sample.has & SLOT_HAS_CPU && sample.has & SLOT_HAS_CPU_THROTTLE);
    assert_true(sample.cpu_throttled_usec > 200000);
    assert_true(sample.cpu_usage_usec > 0);
    /* One tenth of a CPU: what it was refused is much more than what it got. */
    assert_true(sample.cpu_throttled_usec > sample.cpu_usage_usec);
    kill(pid, SIGKILL);
    wait_for(pid);

    /* A period alone keeps the quota; "no limit" takes it away. */
    apply(cgroup, &(struct cgroup_resources){.cpu_period = 50000});
    assert_file(cgroup, CGROUP_CPU, "cpu.cfs_quota_us", "cpu.max",
                is_v2(CGROUP_CPU) ? "10000 50000" : "10000");
    apply(cgroup, &(struct cgroup_resources){.cpu_quota = -1});
    assert_file(cgroup, CGROUP_CPU, "cpu.cfs_quota_us", "cpu.max",
                is_v2(CGROUP_CPU) ? "max 50000" : "-1");
    assert_int_equal(cgroup_apply(cgroup, &(struct cgroup_resources){.cpu_quota = 1}, &error),
                     -EINVAL);
    assert_non_null(strstr(error.message, "cpu.quota"));
    destroy(cgroup);
}

/* A whole disk of the machine that can be throttled; false if it has none. */
static bool find_disk(unsigned *major_number, unsigned *minor_number)
{
    _cleanup_closedir_ DIR *list = opendir("/sys/block");
    struct dirent *entry;

    while (list && (entry = readdir(list))) {
        if (entry->d_name[0] == '.' || strncmp(entry->d_name, "loop", 4) == 0 ||
            strncmp(entry->d_name, "zram", 4) == 0)
            continue;
        char path[300];
        snprintf(path, sizeof(path), "/sys/block/%s/dev", entry->d_name);
        _cleanup_fclose_ FILE *file = fopen(path, "re");
        if (file && fscanf(file, "%u:%u", major_number, minor_number) == 2)
            return true;
    }
    return false;
}

static void test_io_limits(void **state)
{
    struct cgroup_throttle throttles[] = {{.kind = CGROUP_READ_BPS, .rate = 1000000},
                                          {.kind = CGROUP_WRITE_IOPS, .rate = 50}};
    struct cgroup_throttle *throttle = throttles;
    struct cgroup_resources resources = {.throttles = throttles, .throttle_count = 2};
    struct cgroup *cgroup = create("io");
    struct cgroup_sample sample;
    char expected[128];

    (void)state;
    cgroup_sample(cgroup, &sample);
    assert_true(sample.has & SLOT_HAS_IO);
    assert_int_equal(sample.io_read_bytes, 0);
    if (find_disk(&throttle->major, &throttle->minor)) {
        throttles[1].major = throttle->major;
        throttles[1].minor = throttle->minor;
        apply(cgroup, &resources);
        snprintf(expected, sizeof(expected),
                 is_v2(CGROUP_IO) ? "%u:%u rbps=1000000 wbps=max riops=max wiops=50"
                                  : "%u:%u 1000000",
                 throttle->major, throttle->minor);
        assert_file(cgroup, CGROUP_IO, "blkio.throttle.read_bps_device", "io.max", expected);
        throttles[0].rate = throttles[1].rate = 0;
        apply(cgroup, &resources);
        assert_file(cgroup, CGROUP_IO, "blkio.throttle.read_bps_device", "io.max", "");
    } else {
        print_message("no disk here: io.max is not tried\n");
    }
    resources.throttle_count = 1;
    *throttle = (struct cgroup_throttle){.major = 4000, .minor = 1, .rate = 1};
    assert_int_equal(cgroup_apply(cgroup, &resources, &error), -ENODEV);
    assert_non_null(strstr(error.message, "4000:1"));
    assert_int_equal(cgroup_apply(cgroup, &(struct cgroup_resources){.io_weight = 5}, &error),
                     -EINVAL);

    int r = cgroup_apply(cgroup, &(struct cgroup_resources){.io_weight = 505}, &error);
    if (r == -EOPNOTSUPP)
        assert_non_null(
            strstr(error.message, "weight")); /* neither BFQ nor io cost in this kernel */
    else
        assert_int_equal(r, 0);
    if (r == 0 && is_v2(CGROUP_IO) &&
        faccessat(directory_of(cgroup, CGROUP_IO), "io.bfq.weight", F_OK, 0) < 0)
        assert_file(cgroup, CGROUP_IO, NULL, "io.weight", "default 5000");
    destroy(cgroup);
}

static void test_devices_rule(void **state)
{
    static const struct cgroup_device_rule null_only[] = {DENY_ALL, {true, 'c', 1, 3, "rwm"}};
    static const struct cgroup_device_rule no_deny[] = {{true, 'c', 1, 3, "rw"}};
    static const struct cgroup_device_rule both[] = {
        DENY_ALL, {true, 'c', 1, 3, "rwm"}, {true, 'c', 1, 5, "r"}};
    struct cgroup *cgroup = create("devices");

    (void)state;
    assert_int_equal(WEXITSTATUS(wait_for(run_in(cgroup, body_open_devices, NULL))), 3);
    apply(cgroup, &(struct cgroup_resources){.devices = null_only, .device_count = 2});
    assert_int_equal(WEXITSTATUS(wait_for(run_in(cgroup, body_open_devices, NULL))), 1 | 4);
    apply(cgroup, &(struct cgroup_resources){.devices = both, .device_count = 3});
    assert_int_equal(WEXITSTATUS(wait_for(run_in(cgroup, body_open_devices, NULL))), 3);
    apply(cgroup, &(struct cgroup_resources){.devices = no_deny, .device_count = 1});
    assert_int_equal(WEXITSTATUS(wait_for(run_in(cgroup, body_open_devices, NULL))), 1 | 4);
    destroy(cgroup);
}

/* The same with the BPF program where the machine has a v2 tree but rules devices with v1. */
static void test_devices_program_in_kernel(void **state)
{
    static const struct cgroup_device_rule rules[] = {DENY_ALL, {true, 'c', 1, 3, "rwm"}};
    static const struct cgroup_device_rule all[] = {{true, 'a', -1, -1, "rwm"}};
    struct cgroup *cgroup = create("bpf");

    (void)state;
    if (cgroup_clone_fd(cgroup) >= 0) {
        const struct cgroup_resources one = {.devices = rules, .device_count = 2};
        const struct cgroup_resources open_again = {.devices = all, .device_count = 1};
        if (cgroup_device_attach(cgroup_clone_fd(cgroup), &one, &error) < 0)
            fail_msg("%s", error.message);
        assert_int_equal(WEXITSTATUS(wait_for(run_in(cgroup, body_open_devices, NULL))), 1 | 4);
        assert_int_equal(cgroup_device_attach(cgroup_clone_fd(cgroup), &open_again, &error), 0);
        assert_int_equal(WEXITSTATUS(wait_for(run_in(cgroup, body_open_devices, NULL))), 3);
    }
    destroy(cgroup);
}

/* ---- tasks ---- */

static int body_count(void *context)
{
    volatile uint64_t *counter = context;

    while (++*counter)
        ;
    return 0;
}

static void test_freeze(void **state)
{
    volatile uint64_t *counter =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct cgroup *cgroup = create("freeze");

    (void)state;
    pid_t pid = run_in(cgroup, body_count, (void *)counter);
    assert_int_equal(cgroup_freeze(cgroup, true, PATIENCE, &error), 0);
    uint64_t frozen = *counter;
    usleep(200000);
    assert_int_equal(*counter, frozen);
    assert_int_equal(cgroup_freeze(cgroup, false, PATIENCE, &error), 0);
    for (int i = 0; i < 300 && *counter == frozen; i++)
        usleep(10000);
    assert_true(*counter > frozen);
    /* Killed while frozen. */
    assert_int_equal(cgroup_freeze(cgroup, true, PATIENCE, &error), 0);
    assert_int_equal(cgroup_kill(cgroup, &error), 0);
    assert_int_equal(WTERMSIG(wait_for(pid)), SIGKILL);
    assert_false(cgroup_is_populated(cgroup));
    destroy(cgroup);
    munmap((void *)counter, 4096);
}

static int body_family(void *context)
{
    for (int i = 0; i < 10; i++)
        if (fork() == 0)
            body_sleep(NULL);
    close(*(int *)context);
    return body_sleep(NULL);
}

static void test_signal_and_kill(void **state)
{
    struct cgroup *cgroup = create("kill");
    int ready[2];
    char byte;

    (void)state;
    assert_false(cgroup_is_populated(cgroup));
    for (int round = 0; round < 2; round++) {
        assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
        pid_t pid = run_in(cgroup, body_family, &ready[1]);
        for (int i = 0; i < 300 && cgroup_pids(cgroup, NULL, 0) < 11; i++)
            usleep(10000);
        close(ready[1]);
        assert_int_equal(cgroup_pids(cgroup, NULL, 0), 11);
        assert_true(cgroup_is_populated(cgroup));
        if (round == 0)
            assert_int_equal(cgroup_signal(cgroup, SIGTERM, &error), 0);
        else
            assert_int_equal(cgroup_kill(cgroup, &error), 0);
        assert_int_equal(WTERMSIG(wait_for(pid)), round == 0 ? SIGTERM : SIGKILL);
        assert_int_equal(read(ready[0], &byte, 1), 0); /* all of them are gone */
        close(ready[0]);
    }
    destroy(cgroup);
}

/* Forks without end, each generation leaving the one before: the tasks run from a list's reader. */
static int body_fork_bomb(void *context)
{
    (void)context;
    for (;;) {
        pid_t pid = fork();
        if (pid > 0)
            _exit(0);
    }
}

static void test_kill_catches_forkers(void **state)
{
    struct cgroup *cgroup = create("forkers");

    (void)state;
    apply(cgroup, &(struct cgroup_resources){.has_pids_limit = true, .pids_limit = 40});
    pid_t pids[8];
    for (size_t i = 0; i < ARRAY_LENGTH(pids); i++)
        pids[i] = run_in(cgroup, body_fork_bomb, NULL);
    usleep(50000);
    for (size_t i = 0; i < ARRAY_LENGTH(pids); i++)
        wait_for(pids[i]);
    assert_true(cgroup_is_populated(cgroup));
    assert_int_equal(cgroup_kill(cgroup, &error), 0);
    assert_int_equal(cgroup_destroy(cgroup, PATIENCE, &error), 0);
}

static void test_attach_of_nobody(void **state)
{
    struct cgroup *cgroup = create("nobody");

    (void)state;
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    wait_for(pid);
    assert_int_equal(cgroup_attach(cgroup, pid, &error), -ESRCH);
    destroy(cgroup);
}

/* ---- a machine that lacks something ---- */

static void mount_directory(char *path, size_t size, size_t i)
{
    const char *directory, *type, *options;

    assert_true(cgroup_driver_mount(driver, i, &directory, &type, &options));
    snprintf(path, size, "/sys/fs/cgroup/%s", directory);
}

static void assert_memory_is_refused(struct cgroup *cgroup)
{
    const struct cgroup_resources resources = {.memory_limit = 64 * MIB};

    assert_int_equal(cgroup_apply(cgroup, &resources, &error), -EOPNOTSUPP);
    assert_non_null(strstr(error.message, "memory"));
}

static void test_no_memory_controller(void **state)
{
    char path[128];
    struct cgroup *cgroup;

    (void)state;
    if (is_v2(CGROUP_MEMORY)) {
        struct cgroup *parent = create("without");
        cgroup = create("without/memory");
        int directory = cgroup_clone_fd(parent);
        assert_int_equal(cgroup_file_write(directory, "cgroup.subtree_control", "-memory"), 0);
        assert_memory_is_refused(cgroup);
        destroy(cgroup);
        destroy(parent);
        return;
    }
    mount_directory(path, sizeof(path), (size_t)driver->home[__builtin_ctz(CGROUP_MEMORY)]);
    assert_int_equal(mount("tmpfs", path, "tmpfs", 0, NULL), 0);
    struct cgroup_driver *whole = driver;
    int r = cgroup_driver_open(&driver, &error);
    umount2(path, MNT_DETACH);
    assert_int_equal(r, 0);
    assert_false(cgroup_driver_controllers(driver) & CGROUP_MEMORY);
    cgroup = create("without");
    assert_memory_is_refused(cgroup);
    apply(cgroup,
          &(struct cgroup_resources){.memory_limit = -1, .has_pids_limit = true, .pids_limit = 5});
    destroy(cgroup);
    cgroup_driver_close(driver);
    driver = whole;
}

static void test_no_cgroups(void **state)
{
    struct cgroup_driver *none;

    (void)state;
    assert_int_equal(mount("tmpfs", "/sys/fs/cgroup", "tmpfs", 0, NULL), 0);
    int r = cgroup_driver_open(&none, &error);
    umount2("/sys/fs/cgroup", MNT_DETACH);
    assert_int_equal(r, -ENOENT);
    assert_non_null(strstr(error.message, "/sys/fs/cgroup"));
    assert_null(none);
}

static void test_read_only_cgroups(void **state)
{
    struct cgroup_driver *none;
    char path[128];

    (void)state;
    for (size_t i = 0; i < driver->count; i++) {
        mount_directory(path, sizeof(path), i);
        assert_int_equal(mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL), 0);
    }
    int r = cgroup_driver_open(&none, &error);
    for (size_t i = 0; i < driver->count; i++) {
        mount_directory(path, sizeof(path), i);
        assert_int_equal(mount(NULL, path, NULL, MS_REMOUNT | MS_BIND, NULL), 0);
    }
    assert_int_equal(r, -ENOENT);
    assert_non_null(strstr(error.message, "read-only"));
}

/* ---- where a supervisor may live ---- */

static int base_in_child(char *base)
{
    struct cgroup_driver *own;
    int r = cgroup_driver_open(&own, NULL);

    if (r == 0)
        r = cgroup_driver_base(own, base, NULL);
    return r < 0 ? 1 : 0;
}

static int body_base(void *context)
{
    char *bases = context;

    /* Twice: the second time the caller is in its leaf already. */
    return base_in_child(bases) + base_in_child(bases + PATH_MAX);
}

static void test_base(void **state)
{
    char *bases =
        mmap(NULL, (size_t)2 * PATH_MAX, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct cgroup *cgroup = create("service");
    bool is_delegated = cgroup_driver_mode(driver) == CGROUP_V2;

    (void)state;
    assert_int_equal(WEXITSTATUS(wait_for(run_in(cgroup, body_base, bases))), 0);
    assert_string_equal(bases, "");
    if (is_delegated) {
        /* Not in the parent's domain of processes: a child group can be made only below a clean
         * one. */
        assert_int_equal(fsetxattr(cgroup_clone_fd(cgroup), "trusted.delegate", "1", 1, 0), 0);
        assert_int_equal(WEXITSTATUS(wait_for(run_in(cgroup, body_base, bases))), 0);
        assert_string_equal(bases, child_path("service"));
        assert_string_equal(bases + PATH_MAX, child_path("service"));
        struct cgroup *leaf;
        assert_int_equal(cgroup_open(driver, child_path("service/supervisor"), &leaf, &error), 0);
        cgroup_close(leaf);
    }
    destroy(cgroup);
    munmap(bases, (size_t)2 * PATH_MAX);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_create_and_destroy),
        cmocka_unit_test(test_bad_paths),
        cmocka_unit_test(test_create_is_undone),
        cmocka_unit_test(test_destroy_takes_children),
        cmocka_unit_test(test_destroy_waits_but_not_forever),
        cmocka_unit_test(test_memory_limits),
        cmocka_unit_test(test_memory_limit_holds),
        cmocka_unit_test(test_pids_limit),
        cmocka_unit_test(test_cpu_limits),
        cmocka_unit_test(test_io_limits),
        cmocka_unit_test(test_devices_rule),
        cmocka_unit_test(test_devices_program_in_kernel),
        cmocka_unit_test(test_freeze),
        cmocka_unit_test(test_signal_and_kill),
        cmocka_unit_test(test_kill_catches_forkers),
        cmocka_unit_test(test_attach_of_nobody),
        cmocka_unit_test(test_no_memory_controller),
        cmocka_unit_test(test_no_cgroups),
        cmocka_unit_test(test_read_only_cgroups),
        cmocka_unit_test(test_base),
    };

    return run_stages(argc, argv, tests, ARRAY_LENGTH(tests));
}
