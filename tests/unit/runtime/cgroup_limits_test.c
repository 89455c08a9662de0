/* SPDX-License-Identifier: Apache-2.0 */
/* The rarer limits, the way in for a process that goes itself, figures, and out of memory. */
#include "tests/unit/runtime/cgroup_stage.h"

#include <poll.h>

#include "supervisor/runtime/cgroup_stats.h"
#include "supervisor/runtime/resources.h"

static bool has(const struct cgroup *cgroup, enum cgroup_controller controller, const char *v1_file,
                const char *v2_file)
{
    return cgroup_file_exists(directory_of(cgroup, controller),
                              is_v2(controller) ? v2_file : v1_file);
}

/* The error that apply gives, and that its message names the key. */
static void refuse(struct cgroup *cgroup, const struct cgroup_resources *resources, int code,
                   const char *words)
{
    int r = cgroup_apply(cgroup, resources, &error);

    if (r != code || !strstr(error.message, words))
        fail_msg("%d, wanted %d with \"%s\": %s", r, code, words, error.message);
}

/* ---- cpu ---- */

static void test_burst_and_idle(void **state)
{
    struct cgroup *cgroup = create("burst");

    (void)state;
    if (has(cgroup, CGROUP_CPU, "cpu.cfs_burst_us", "cpu.max.burst")) {
        /* Each way round: the kernel wants burst <= quota at every write. */
        apply(cgroup, &(struct cgroup_resources){
                          .cpu_quota = 20000, .has_cpu_burst = true, .cpu_burst = 20000});
        assert_file(cgroup, CGROUP_CPU, "cpu.cfs_burst_us", "cpu.max.burst", "20000");
        apply(cgroup, &(struct cgroup_resources){
                          .cpu_quota = 80000, .has_cpu_burst = true, .cpu_burst = 70000});
        assert_file(cgroup, CGROUP_CPU, "cpu.cfs_burst_us", "cpu.max.burst", "70000");
        apply(cgroup, &(struct cgroup_resources){
                          .cpu_quota = 10000, .has_cpu_burst = true, .cpu_burst = 5000});
        assert_file(cgroup, CGROUP_CPU, "cpu.cfs_burst_us", "cpu.max.burst", "5000");
        refuse(cgroup, &(struct cgroup_resources){.has_cpu_burst = true, .cpu_burst = 10001},
               -EINVAL, "cpu.burst");
        apply(cgroup, &(struct cgroup_resources){.has_cpu_burst = true});
        assert_file(cgroup, CGROUP_CPU, "cpu.cfs_burst_us", "cpu.max.burst", "0");
    }
    if (has(cgroup, CGROUP_CPU, "cpu.idle", "cpu.idle")) {
        for (int i = 0; i < 2; i++) /* an idle group takes no shares: they are set around it */
            apply(cgroup, &(struct cgroup_resources){
                              .has_cpu_idle = true, .cpu_idle = 1, .cpu_shares = 2048});
        assert_file(cgroup, CGROUP_CPU, "cpu.idle", "cpu.idle", "1");
        apply(cgroup, &(struct cgroup_resources){.has_cpu_idle = true, .cpu_shares = 1024});
        assert_file(cgroup, CGROUP_CPU, "cpu.idle", "cpu.idle", "0");
        assert_file(cgroup, CGROUP_CPU, "cpu.shares", "cpu.weight",
                    is_v2(CGROUP_CPU) ? "100" : "1024");
    }
    destroy(cgroup);
}

static void test_quota_keeps_period(void **state)
{
    struct cgroup *cgroup = create("period");

    (void)state;
    apply(cgroup, &(struct cgroup_resources){.cpu_quota = 20000, .cpu_period = 50000});
    apply(cgroup, &(struct cgroup_resources){.cpu_quota = 30000});
    assert_file(cgroup, CGROUP_CPU, "cpu.cfs_period_us", "cpu.max",
                is_v2(CGROUP_CPU) ? "30000 50000" : "50000");
    refuse(cgroup, &(struct cgroup_resources){.cpu_period = 1}, -EINVAL,
           is_v2(CGROUP_CPU) ? "cpu.quota" : "cpu.period");
    destroy(cgroup);
}

static void test_realtime(void **state)
{
    struct cgroup *cgroup = create("realtime");
    const struct cgroup_resources resources = {.cpu_realtime_runtime = 1000};

    (void)state;
    if (!is_v2(CGROUP_CPU) &&
        cgroup_file_exists(directory_of(cgroup, CGROUP_CPU), "cpu.rt_runtime_us")) {
        /* A group whose parent has no such time gets none: EINVAL of the kernel, and it is named.
         */
        refuse(cgroup, &resources, -EINVAL, "cpu.realtimeRuntime");
    } else {
        refuse(cgroup, &resources, -EOPNOTSUPP, "cpu.realtimeRuntime");
    }
    destroy(cgroup);
}

/* ---- cpuset ---- */

static void test_cpuset(void **state)
{
    struct cgroup *cgroup = create("set/one"), *parent;

    (void)state;
    if (driver->home[__builtin_ctz(CGROUP_CPUSET)] < 0) {
        destroy(cgroup);
        skip();
    }
    apply(cgroup, &(struct cgroup_resources){.cpus = "0", .mems = "0"});
    assert_file(cgroup, CGROUP_CPUSET, "cpuset.cpus", "cpuset.cpus", "0");
    assert_file(cgroup, CGROUP_CPUSET, "cpuset.mems", "cpuset.mems", "0");
    refuse(cgroup, &(struct cgroup_resources){.cpus = "8191"}, -ERANGE, "cpu.cpus");
    /* What runs there runs on that CPU only. */
    pid_t pid = run_in(cgroup, body_sleep, NULL);
    cpu_set_t cpus;
    assert_int_equal(sched_getaffinity(pid, sizeof(cpus), &cpus), 0);
    assert_int_equal(CPU_COUNT(&cpus), 1);
    assert_true(CPU_ISSET(0, &cpus));
    kill(pid, SIGKILL);
    wait_for(pid);
    destroy(cgroup);
    assert_int_equal(cgroup_open(driver, child_path("set"), &parent, &error), 0);
    destroy(parent);
}

/* Groups that somebody made and left without CPUs, as v1 makes them, are no hindrance. */
static void test_cpuset_of_bare_parents(void **state)
{
    int home = driver->home[__builtin_ctz(CGROUP_CPUSET)];
    struct cgroup *parent = create("bare");
    char text[256];

    (void)state;
    if (home >= 0 && home != driver->v2) {
        assert_int_equal(mkdirat(cgroup_directory(parent, (size_t)home), "inner", 0755), 0);
        cgroup_file_write(cgroup_directory(parent, (size_t)home), "inner/cgroup.clone_children",
                          "0");
        assert_int_equal(mkdirat(cgroup_directory(parent, (size_t)home), "inner/most", 0755), 0);
        struct cgroup *cgroup = create("bare/inner/most/one");
        assert_int_equal(cgroup_file_read(cgroup_directory(cgroup, (size_t)home), "cpuset.cpus",
                                          text, sizeof(text)),
                         0);
        assert_true(text[0] >= '0' && text[0] <= '9');
        pid_t pid = run_in(cgroup, body_sleep, NULL);
        kill(pid, SIGKILL);
        wait_for(pid);
        destroy(cgroup);
    }
    destroy(parent);
}

/* ---- memory ---- */

static void test_memory_settings(void **state)
{
    struct cgroup *cgroup = create("settings");
    const struct cgroup_resources swappiness = {.has_swappiness = true, .swappiness = 7};
    const struct cgroup_resources no_killer = {.has_oom_killer = true,
                                               .is_oom_killer_disabled = true};

    (void)state;
    if (is_v2(CGROUP_MEMORY)) {
        refuse(cgroup, &swappiness, -EOPNOTSUPP, "memory.swappiness");
        refuse(cgroup, &no_killer, -EOPNOTSUPP, "memory.disableOOMKiller");
    } else {
        apply(cgroup, &swappiness);
        assert_file(cgroup, CGROUP_MEMORY, "memory.swappiness", NULL, "7");
        apply(cgroup, &no_killer);
        assert_file(cgroup, CGROUP_MEMORY, "memory.oom_control", NULL, "oom_kill_disable 1");
    }
    apply(cgroup, &(struct cgroup_resources){.has_oom_killer = true});
    if (!is_v2(CGROUP_MEMORY))
        assert_file(cgroup, CGROUP_MEMORY, "memory.oom_control", NULL, "oom_kill_disable 0");
    apply(cgroup, NULL);
    destroy(cgroup);
}

static int body_hold_memory(void *context)
{
    size_t much = 24 * MIB;
    int ready = *(int *)context;

    return body_fill_memory(&much) ? 1 : write(ready, "", 1) == 1 ? body_sleep(NULL) : 1;
}

/* checkBeforeUpdate: v1's kernel refuses by itself, on v2 the runtime does. */
static void test_limit_below_usage(void **state)
{
    struct cgroup *cgroup = create("below");
    struct cgroup_resources limit = {.memory_limit = 4 * MIB, .is_usage_checked = true};
    int ready[2];
    char byte;

    (void)state;
    apply(cgroup, &(struct cgroup_resources){.memory_limit = 64 * MIB, .memory_swap = 64 * MIB});
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    pid_t pid = run_in(cgroup, body_hold_memory, &ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    refuse(cgroup, &limit, -EBUSY, "memory.limit: 4194304 bytes");
    assert_file(cgroup, CGROUP_MEMORY, "memory.limit_in_bytes", "memory.max", "67108864");
    kill(pid, SIGKILL);
    wait_for(pid);
    close(ready[0]);
    close(ready[1]);
    destroy(cgroup);
}

/* An update gives swap alone: it counts with the memory limit that stands. */
static void test_swap_alone(void **state)
{
    struct cgroup *cgroup = create("swap");

    (void)state;
    apply(cgroup, &(struct cgroup_resources){.memory_limit = 32 * MIB, .memory_swap = 32 * MIB});
    apply(cgroup, &(struct cgroup_resources){.memory_swap = 48 * MIB});
    assert_file(cgroup, CGROUP_MEMORY, "memory.memsw.limit_in_bytes", "memory.swap.max",
                is_v2(CGROUP_MEMORY) ? "16777216" : "50331648");
    refuse(cgroup, &(struct cgroup_resources){.memory_swap = 16 * MIB}, -EINVAL, "memory.swap");
    destroy(cgroup);
}

/* ---- pids ---- */

static int body_fork_once(void *context)
{
    (void)context;
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    return pid < 0 && errno == EAGAIN ? 7 : 0;
}

static void test_no_tasks(void **state)
{
    struct cgroup *cgroup = create("none");

    (void)state;
    apply(cgroup, &(struct cgroup_resources){.has_pids_limit = true});
    assert_int_equal(WEXITSTATUS(wait_for(run_in(cgroup, body_fork_once, NULL))), 7);
    destroy(cgroup);
}

/* ---- block I/O ---- */

static void test_io_refusals(void **state)
{
    static const struct cgroup_weight wrong = {.major = 8, .minor = 0, .weight = 9};
    static const struct cgroup_weight leaf = {.major = 8, .minor = 0, .leaf_weight = 100};
    struct cgroup *cgroup = create("weights");

    (void)state;
    refuse(cgroup, &(struct cgroup_resources){.io_leaf_weight = 1001}, -EINVAL,
           "blockIO.leafWeight: 1001 is not from 10 to 1000");
    refuse(cgroup, &(struct cgroup_resources){.weights = &wrong, .weight_count = 1}, -EINVAL,
           "blockIO.weightDevice: 9");
    if (!has(cgroup, CGROUP_IO, "blkio.leaf_weight", "")) {
        refuse(cgroup, &(struct cgroup_resources){.io_leaf_weight = 100}, -EOPNOTSUPP,
               "blockIO.leafWeight");
        refuse(cgroup, &(struct cgroup_resources){.weights = &leaf, .weight_count = 1}, -EOPNOTSUPP,
               "eaf");
    }
    destroy(cgroup);
}

static void test_conversions(void **state)
{
    (void)state;
    assert_int_equal(cgroup_io_weight(10), 1);
    assert_int_equal(cgroup_io_weight(100), 910);
    assert_int_equal(cgroup_io_weight(505), 5000);
    assert_int_equal(cgroup_io_weight(1000), 10000);
}

/* ---- huge pages, network, RDMA, and files named literally ---- */

/* The controllers that the root of the v2 tree hands down, to be put back at the end. */
static unsigned handed_down(void)
{
    char text[256];

    if (driver->v2 < 0 || cgroup_file_read(driver->hierarchies[driver->v2].root,
                                           "cgroup.subtree_control", text, sizeof(text)) < 0)
        return 0;
    return cgroup_controllers_parse(text, " \n");
}

static void put_back(unsigned before)
{
    unsigned added = handed_down() & ~before;

    for (unsigned bit = 1; bit && bit <= added; bit <<= 1) {
        char text[32];
        if (!(added & bit))
            continue;
        snprintf(text, sizeof(text), "-%s", cgroup_controller_name(bit, true));
        cgroup_file_write(driver->hierarchies[driver->v2].root, "cgroup.subtree_control", text);
    }
}

static void test_huge_pages(void **state)
{
    static const struct cgroup_hugepage pages = {"2MB", 4 << 20}, other = {"3MB", 1};
    struct cgroup_resources resources = {.hugepages = &pages, .hugepage_count = 1};
    unsigned before = handed_down();
    struct cgroup *cgroup = create("huge/pages"), *parent;

    (void)state;
    if (driver->home[__builtin_ctz(CGROUP_HUGETLB)] < 0) {
        refuse(cgroup, &resources, -EOPNOTSUPP,
               "hugepageLimits: this limit needs the cgroup controller \"hugetlb\"");
    } else {
        apply(cgroup, &resources);
        assert_file(cgroup, CGROUP_HUGETLB, "hugetlb.2MB.limit_in_bytes", "hugetlb.2MB.max",
                    "4194304");
        assert_file(cgroup, CGROUP_HUGETLB, "hugetlb.2MB.rsvd.limit_in_bytes",
                    "hugetlb.2MB.rsvd.max", "4194304");
        struct cgroup_stats stats;
        assert_int_equal(cgroup_stats_read(cgroup, &stats, &error), 0);
        bool is_told = false;
        for (size_t i = 0; i < stats.hugetlb_count; i++)
            is_told |= strcmp(stats.hugetlb[i].page_size, "2MB") == 0;
        cgroup_stats_clear(&stats);
        assert_true(is_told);
        resources.hugepages = &other;
        refuse(cgroup, &resources, -EOPNOTSUPP, "hugetlb.3MB");
    }
    destroy(cgroup);
    assert_int_equal(cgroup_open(driver, child_path("huge"), &parent, &error), 0);
    destroy(parent);
    cgroup_remove_empty(driver, parent_path);
    put_back(before);
}

static void test_network_and_rdma(void **state)
{
    static const struct cgroup_priority priority = {"lo", 5};
    static const struct cgroup_rdma rdma = {.device = "none_0", .has_objects = true, .objects = 1};
    struct cgroup *cgroup = create("network");
    const struct {
        struct cgroup_resources resources;
        enum cgroup_controller controller;
        const char *name;
    } cases[] = {
        {{.has_network_class = true, .network_class = 1}, CGROUP_NET_CLS, "net_cls"},
        {{.priorities = &priority, .priority_count = 1}, CGROUP_NET_PRIO, "net_prio"},
        {{.rdma = &rdma, .rdma_count = 1}, CGROUP_RDMA, "rdma"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
        if (driver->home[__builtin_ctz(cases[i].controller)] < 0)
            refuse(cgroup, &cases[i].resources, -EOPNOTSUPP, cases[i].name);
    if (driver->home[__builtin_ctz(CGROUP_NET_CLS)] >= 0) {
        apply(cgroup, &cases[0].resources);
        assert_file(cgroup, CGROUP_NET_CLS, "net_cls.classid", NULL, "1");
    }
    if (driver->home[__builtin_ctz(CGROUP_NET_PRIO)] >= 0) {
        char text[4096];
        apply(cgroup, &cases[1].resources);
        assert_int_equal(cgroup_file_read(directory_of(cgroup, CGROUP_NET_PRIO),
                                          "net_prio.ifpriomap", text, sizeof(text)),
                         0);
        assert_non_null(strstr(text, "lo 5"));
    }
    if (driver->home[__builtin_ctz(CGROUP_RDMA)] >= 0) /* there is no such device */
        assert_true(cgroup_apply(cgroup, &cases[2].resources, &error) < 0);
    /* A class of 0 is what every group has. */
    apply(cgroup, &(struct cgroup_resources){.has_network_class = true});
    if (driver->home[__builtin_ctz(CGROUP_NET_CLS)] >= 0)
        assert_file(cgroup, CGROUP_NET_CLS, "net_cls.classid", NULL, "0");
    destroy(cgroup);
}

static void test_unified(void **state)
{
    static const struct cgroup_unified depth = {"cgroup.max.depth", "3"};
    static const struct cgroup_unified unknown = {"nothing.max", "3"};
    static const struct cgroup_unified managed = {"cgroup.procs", "1"};
    static const struct cgroup_unified outside = {"../x.y", "1"};
    static const struct cgroup_unified wrong = {"cgroup.max.depth", "deep"};
    static const struct cgroup_unified lines = {"cgroup.max.descendants", "5\n\n6\n"};
    struct cgroup *cgroup = create("unified");
    struct cgroup_resources resources = {.unified = &depth, .unified_count = 1};

    (void)state;
    if (cgroup_clone_fd(cgroup) < 0) {
        refuse(cgroup, &resources, -EOPNOTSUPP, "unified: needs cgroup v2");
        destroy(cgroup);
        return;
    }
    uint64_t value;
    apply(cgroup, &resources);
    assert_int_equal(cgroup_file_number(cgroup_clone_fd(cgroup), "cgroup.max.depth", &value), 0);
    assert_int_equal(value, 3);
    resources.unified = &lines;
    apply(cgroup, &resources);
    assert_int_equal(cgroup_file_number(cgroup_clone_fd(cgroup), "cgroup.max.descendants", &value),
                     0);
    assert_int_equal(value, 6);
    resources.unified = &unknown;
    refuse(cgroup, &resources, -EOPNOTSUPP, "unified.nothing.max");
    assert_non_null(strstr(error.message, "controller \"nothing\""));
    resources.unified = &managed;
    refuse(cgroup, &resources, -EINVAL, "cgroup.procs");
    resources.unified = &outside;
    refuse(cgroup, &resources, -EINVAL, "../x.y");
    resources.unified = &wrong;
    refuse(cgroup, &resources, -EINVAL, "unified.cgroup.max.depth: write \"deep\"");
    destroy(cgroup);
}

/* A controller that groups do not have until a config names one of its files. */
static void test_unified_enables(void **state)
{
    static const struct cgroup_unified pages = {"hugetlb.2MB.max", "2097152"};
    const struct cgroup_resources resources = {.unified = &pages, .unified_count = 1};
    unsigned before = handed_down();
    struct cgroup *cgroup = create("enable");

    (void)state;
    if (driver->v2 >= 0 && driver->hierarchies[driver->v2].mount.controllers & CGROUP_HUGETLB) {
        assert_false(cgroup_file_exists(cgroup_clone_fd(cgroup), pages.file));
        apply(cgroup, &resources);
        uint64_t value;
        assert_int_equal(cgroup_file_number(cgroup_clone_fd(cgroup), pages.file, &value), 0);
        assert_int_equal(value, 2097152);
    }
    destroy(cgroup);
    cgroup_remove_empty(driver, parent_path);
    put_back(before);
}

/* ---- devices ---- */

static void test_default_devices(void **state)
{
    struct cgroup_resources *resources;
    json_t *object = json_object();
    struct cgroup *cgroup = create("defaults");

    (void)state;
    assert_int_equal(resources_read(object, &resources, &error), 0);
    json_decref(object);
    assert_int_equal(resources_allow_default_devices(resources, &error), 0);
    apply(cgroup, resources);
    resources_free(resources);
    int zero_and_null = WEXITSTATUS(wait_for(run_in(cgroup, body_open_devices, NULL)));
    assert_int_equal(zero_and_null, 3);
    int kernel_log = WEXITSTATUS(wait_for(run_in(cgroup, body_open_kmsg, NULL)));
    assert_int_equal(kernel_log, EPERM);
    destroy(cgroup);
}

/* ---- ownership ---- */

static uid_t owner_of(const struct cgroup *cgroup, const char *file)
{
    struct stat status;

    assert_int_equal(fstatat(cgroup_clone_fd(cgroup), file, &status, 0), 0);
    return status.st_uid;
}

static void test_delegate(void **state)
{
    struct cgroup *cgroup = create("delegate");

    (void)state;
    assert_int_equal(cgroup_delegate(cgroup, 12345, &error), 0);
    if (cgroup_driver_mode(driver) == CGROUP_V2) {
        assert_int_equal(owner_of(cgroup, "."), 12345);
        assert_int_equal(owner_of(cgroup, "cgroup.procs"), 12345);
        assert_int_equal(owner_of(cgroup, "cgroup.subtree_control"), 12345);
        assert_int_equal(owner_of(cgroup, "memory.max"), 0); /* not its own limits */
    } else if (cgroup_clone_fd(cgroup) >= 0) {
        assert_int_equal(owner_of(cgroup, "."), 0);
    }
    destroy(cgroup);
}

/* ---- entry ---- */

/* The paths in /proc/self/cgroup that are not the group's; 100 when it cannot go in. */
static int body_enter(void *context)
{
    const struct cgroup_entry *entry = context;
    char line[PATH_MAX];
    int others = 0;

    if (cgroup_enter(entry) < 0)
        return 100;
    FILE *file = fopen("/proc/self/cgroup", "re");
    while (file && fgets(line, sizeof(line), file))
        others += !strstr(line, "/entry\n");
    if (!file)
        return 101;
    fclose(file);
    return others;
}

static size_t count_lines(const char *path)
{
    _cleanup_fclose_ FILE *file = fopen(path, "re");
    char line[PATH_MAX];
    size_t count = 0;

    while (fgets(line, sizeof(line), file))
        count++;
    return count;
}

static void test_enter(void **state)
{
    struct cgroup *cgroup = create("entry");
    struct cgroup_entry entry;

    (void)state;
    for (int is_born = 0; is_born < 2; is_born++) {
        size_t before = count_descriptors();
        assert_int_equal(cgroup_open_entry(cgroup, is_born, &entry, &error), 0);
        assert_int_equal(entry.count, driver->count - (is_born && driver->v2 >= 0));
        for (size_t i = 0; i < entry.count; i++)
            assert_int_equal(fcntl(entry.fds[i], F_GETFD), FD_CLOEXEC);
        pid_t pid = fork();
        if (pid == 0)
            _exit(body_enter(&entry));
        int others = WEXITSTATUS(wait_for(pid));
        cgroup_entry_close(&entry);
        assert_int_equal(count_descriptors(), before);
        if (!is_born) /* hierarchies that are not mounted here stay as they are */
            assert_int_equal(others, count_lines("/proc/self/cgroup") - driver->count);
    }
    destroy(cgroup);
}

static int body_enter_and_fill(void *context)
{
    size_t much = 64 * MIB;

    return cgroup_enter(context) < 0 ? 100 : body_fill_memory(&much);
}

static int body_enter_and_fork(void *context)
{
    return cgroup_enter(context) < 0 ? 100 : body_fork_once(NULL);
}

/* A process that went in by itself is limited as one that was moved. */
static void test_limits_hold_for_who_enters(void **state)
{
    struct cgroup *cgroup = create("held");
    struct cgroup_entry entry;

    (void)state;
    apply(cgroup, &(struct cgroup_resources){.memory_limit = 16 * MIB,
                                             .memory_swap = 16 * MIB,
                                             .has_pids_limit = true,
                                             .pids_limit = 1});
    assert_int_equal(cgroup_open_entry(cgroup, false, &entry, &error), 0);
    pid_t pid = fork();
    if (pid == 0)
        _exit(body_enter_and_fill(&entry));
    int status = wait_for(pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    pid = fork();
    if (pid == 0)
        _exit(body_enter_and_fork(&entry));
    assert_int_equal(WEXITSTATUS(wait_for(pid)), 7);
    cgroup_entry_close(&entry);
    destroy(cgroup);
}

/* ---- figures ---- */

static json_t *at(json_t *object, const char *first, const char *second)
{
    return json_object_get(json_object_get(object, first), second);
}

static int body_fill_and_spin(void *context)
{
    size_t little = 4 * MIB;

    return body_fill_memory(&little) ? 1 : body_spin(context);
}

static void test_stats(void **state)
{
    struct cgroup *cgroup = create("stats");
    struct cgroup_stats stats;

    (void)state;
    apply(cgroup, &(struct cgroup_resources){.memory_limit = 64 * MIB,
                                             .cpu_quota = 10000,
                                             .has_pids_limit = true,
                                             .pids_limit = 9});
    pid_t pid = run_in(cgroup, body_fill_and_spin, NULL);
    for (int i = 0; i < 100; i++) {
        usleep(100000);
        assert_int_equal(cgroup_stats_read(cgroup, &stats, &error), 0);
        if (stats.throttled_periods > 0 && stats.memory.usage >= 4 * MIB)
            break;
        cgroup_stats_clear(&stats);
    }
    assert_true(stats.cpu_total_nsec > 0 && stats.throttled_nsec > 0 && stats.periods > 0);
    assert_int_equal(stats.tasks, 1);
    assert_int_equal(stats.tasks_limit, 9);
    assert_int_equal(stats.memory.limit, 64 * MIB);
    assert_in_range(stats.memory.usage, 4 * MIB, 64 * MIB);
    assert_true(stats.memory_stat_count > 10);
    if (!is_v2(CGROUP_CPUACCT))
        assert_true(stats.cpu_each.count > 0 && stats.cpu_each_user.count > 0);

    json_t *data = cgroup_stats_to_json(&stats);
    assert_non_null(data);
    assert_true(json_integer_value(json_object_get(at(data, "cpu", "usage"), "total")) > 0);
    assert_true(json_is_integer(json_object_get(at(data, "cpu", "usage"), "kernel")));
    assert_true(json_integer_value(json_object_get(at(data, "cpu", "throttling"), "periods")) > 0);
    assert_int_equal(json_integer_value(json_object_get(at(data, "memory", "usage"), "limit")),
                     64 * MIB);
    assert_true(json_is_integer(json_object_get(at(data, "memory", "usage"), "failcnt")));
    assert_true(json_object_size(at(data, "memory", "raw")) > 10);
    assert_int_equal(json_integer_value(at(data, "pids", "limit")), 9);
    assert_true(json_is_integer(at(data, "cpuset", "sched_load_balance")));
    assert_true(json_is_object(json_object_get(data, "blkio")));
    assert_true(json_is_object(json_object_get(data, "hugetlb")));
    assert_int_equal(json_object_size(data), 6);
    json_decref(data);
    cgroup_stats_clear(&stats);
    kill(pid, SIGKILL);
    wait_for(pid);
    destroy(cgroup);
}

/* What is zero is left out as in runc's Go types, and no limit is a number that fits. */
static void test_stats_json(void **state)
{
    struct cgroup_io_entry entries[] = {{8, 0, "Read", 5}, {8, 16, "", 0}};
    uint64_t cpus[] = {0, 3};
    struct cgroup_named_number raw = {"anon", 4096};
    struct cgroup_hugetlb_figure pages = {"2MB", 7, 0, 0};
    struct cgroup_stats stats = {
        .cpu_user_nsec = 1,
        .cpus = {cpus, 2},
        .memory = {.limit = UINT64_MAX, .usage = 4},
        .memory_stat = &raw,
        .memory_stat_count = 1,
        .memory_pressure = {.is_known = true, .some = {.average10 = 1.5, .total_usec = 9}},
        .io[CGROUP_IO_SERVICE_BYTES] = {entries, 2},
        .hugetlb = &pages,
        .hugetlb_count = 1,
    };

    (void)state;
    json_t *data = cgroup_stats_to_json(&stats);
    char *text = json_dumps(data, JSON_COMPACT | JSON_REAL_PRECISION(6));
    assert_string_equal(
        text,
        "{\"cpu\":{\"usage\":{\"kernel\":0,\"user\":1}},"
        "\"cpuset\":{\"cpus\":[0,3],\"cpu_exclusive\":0,\"mem_hardwall\":0,\"mem_exclusive\":0,"
        "\"memory_migrate\":0,\"memory_spread_page\":0,\"memory_spread_slab\":0,"
        "\"memory_pressure\":0,\"sched_load_balance\":0,\"sched_relax_domain_level\":0},"
        "\"memory\":{\"usage\":{\"limit\":9223372036854775807,\"usage\":4,\"failcnt\":0},"
        "\"raw\":{\"anon\":4096},"
        "\"psi\":{\"some\":{\"avg10\":1.5,\"avg60\":0.0,\"avg300\":0.0,\"total\":9}}},"
        "\"pids\":{},"
        "\"blkio\":{\"ioServiceBytesRecursive\":[{\"major\":8,\"op\":\"Read\",\"value\":5},"
        "{\"major\":8,\"minor\":16}]},"
        "\"hugetlb\":{\"2MB\":{\"usage\":7,\"failcnt\":0}}}");
    free(text);
    json_decref(data);
}

/* ---- out of memory ---- */

static void test_oom_watch(void **state)
{
    struct cgroup *cgroup = create("watched");
    struct cgroup_oom_watch watch;
    size_t little = 4 * MIB, much = 64 * MIB;

    (void)state;
    apply(cgroup, &(struct cgroup_resources){.memory_limit = 16 * MIB, .memory_swap = 16 * MIB});
    if (cgroup_oom_watch_open(cgroup, &watch, &error) < 0)
        fail_msg("%s", error.message);
    assert_int_equal(fcntl(watch.fd, F_GETFD), FD_CLOEXEC);
    assert_int_equal(wait_for(run_in(cgroup, body_fill_memory, &little)), 0);
    assert_int_equal(cgroup_oom_watch_check(&watch), 0);
    for (int round = 0; round < 2; round++) {
        pid_t pid = run_in(cgroup, body_fill_memory, &much);
        struct pollfd wait = {.fd = watch.fd, .events = POLLIN};
        int told = 0;
        while (told == 0) { /* v2 also tells that the limit was met, before anybody is killed */
            assert_int_equal(poll(&wait, 1, PATIENCE), 1);
            told = cgroup_oom_watch_check(&watch);
        }
        assert_int_equal(told, 1);
        assert_int_equal(WTERMSIG(wait_for(pid)), SIGKILL);
        assert_int_equal(cgroup_oom_watch_check(&watch), 0);
    }
    destroy(cgroup);
    assert_int_equal(cgroup_oom_watch_check(&watch), -ENODEV);
    cgroup_oom_watch_close(&watch);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_burst_and_idle),
        cmocka_unit_test(test_quota_keeps_period),
        cmocka_unit_test(test_realtime),
        cmocka_unit_test(test_cpuset),
        cmocka_unit_test(test_cpuset_of_bare_parents),
        cmocka_unit_test(test_memory_settings),
        cmocka_unit_test(test_limit_below_usage),
        cmocka_unit_test(test_swap_alone),
        cmocka_unit_test(test_no_tasks),
        cmocka_unit_test(test_io_refusals),
        cmocka_unit_test(test_conversions),
        cmocka_unit_test(test_huge_pages),
        cmocka_unit_test(test_network_and_rdma),
        cmocka_unit_test(test_unified),
        cmocka_unit_test(test_unified_enables),
        cmocka_unit_test(test_default_devices),
        cmocka_unit_test(test_delegate),
        cmocka_unit_test(test_enter),
        cmocka_unit_test(test_limits_hold_for_who_enters),
        cmocka_unit_test(test_stats),
        cmocka_unit_test(test_stats_json),
        cmocka_unit_test(test_oom_watch),
    };

    return run_stages(argc, argv, tests, ARRAY_LENGTH(tests));
}
