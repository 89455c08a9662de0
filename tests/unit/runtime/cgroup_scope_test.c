/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scopes of systemd: names, paths and properties anywhere, and, where systemd is pid 1, a real one.
 * The program that speaks with systemd is the one that was built, or SYSTEMD_HELPER.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/cleanup.h"
#include "supervisor/runtime/cgroup_internal.h"
#include "supervisor/runtime/resources.h"
#include "supervisor/runtime/systemd_scope.h"

static struct error error;

/* ---- names ---- */

static void test_names(void **state)
{
    static const struct {
        const char *path;
        bool is_user;
        const char *unit, *slice, *group; /* unit NULL: refused */
    } cases[] = {
        {NULL, false, "container-runtime-c1.scope", "system.slice",
         "/system.slice/container-runtime-c1.scope"},
        {"", true, "container-runtime-c1.scope", "user.slice",
         "/user.slice/container-runtime-c1.scope"},
        {"machine.slice:libpod:abc", false, "libpod-abc.scope", "machine.slice",
         "/machine.slice/libpod-abc.scope"},
        {":crio:abc", false, "crio-abc.scope", "system.slice", "/system.slice/crio-abc.scope"},
        {"a-b-c.slice::x", false, "x.scope", "a-b-c.slice",
         "/a.slice/a-b.slice/a-b-c.slice/x.scope"},
        {"-.slice:p:x", false, "p-x.scope", "-.slice", "/p-x.scope"},
        {"/system.slice/x", false, NULL, NULL, NULL},
        {"a:b", false, NULL, NULL, NULL},
        {"a.slice:b:", false, NULL, NULL, NULL},
        {"a.slice:b:c:d", false, NULL, NULL, NULL},
        {"a.slice:b:x.slice", false, NULL, NULL, NULL},
        {"a:b:c", false, NULL, NULL, NULL},
        {"-a.slice:b:c", false, NULL, NULL, NULL},
        {"a--b.slice:b:c", false, NULL, NULL, NULL},
        {"a-.slice:b:c", false, NULL, NULL, NULL},
        {".slice:b:c", false, NULL, NULL, NULL},
        {"../a.slice:b:c", false, NULL, NULL, NULL},
        {"a.slice:b:../c", false, NULL, NULL, NULL},
        {"a.slice:b:c d", false, NULL, NULL, NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct systemd_scope scope;
        char path[PATH_MAX];
        int r = systemd_scope_name(cases[i].path, "c1", cases[i].is_user, &scope, &error);
        if (r != (cases[i].unit ? 0 : -EINVAL))
            fail_msg("%s: %d", cases[i].path, r);
        if (r < 0) {
            assert_non_null(strstr(error.message, "linux.cgroupsPath"));
            continue;
        }
        assert_string_equal(scope.unit, cases[i].unit);
        assert_string_equal(scope.slice, cases[i].slice);
        assert_int_equal(systemd_scope_path(&scope, path, sizeof(path), &error), 0);
        assert_string_equal(path, cases[i].group);
        assert_int_equal(systemd_scope_path(&scope, path, strlen(path), &error), -ENAMETOOLONG);
    }
}

static void test_long_names(void **state)
{
    struct systemd_scope scope;
    char path[400];

    (void)state;
    snprintf(path, sizeof(path), "a.slice:p:%0300d", 1);
    assert_int_equal(systemd_scope_name(path, "c1", false, &scope, &error), -ENAMETOOLONG);
    snprintf(path, sizeof(path), "%0300d.slice:p:x", 1);
    assert_int_equal(systemd_scope_name(path, "c1", false, &scope, &error), -ENAMETOOLONG);
}

/* ---- properties ---- */

/* "Name=value Name=value": what the resources, as JSON with ' for ", become. */
static void describe(const char *text, enum cgroup_mode mode, char *buffer, size_t size)
{
    _cleanup_free_ char *json = strdup(text);
    _cleanup_resources_ struct cgroup_resources *resources = NULL;
    size_t used = 0, i;
    json_t *property;

    for (char *at = json; (at = strchr(at, '\'')); at++)
        *at = '"';
    json_t *object = json_loads(json, 0, NULL);
    assert_non_null(object);
    if (resources_read(object, &resources, &error) < 0)
        fail_msg("%s", error.message);
    json_decref(object);
    json_t *list = systemd_scope_properties(resources, mode, true, &error);
    if (!list) {
        snprintf(buffer, size, "%s", error.message);
        return;
    }
    buffer[0] = '\0';
    json_array_foreach (list, i, property) {
        _cleanup_free_ char *value =
            json_dumps(json_object_get(property, "value"), JSON_ENCODE_ANY | JSON_COMPACT);
        used += (size_t)snprintf(buffer + used, size - used, "%s%s=%s", i ? " " : "",
                                 json_string_value(json_object_get(property, "name")), value);
    }
    json_decref(list);
}

static void test_properties(void **state)
{
    static const struct {
        const char *resources;
        enum cgroup_mode mode;
        const char *properties;
    } cases[] = {
        {"{}", CGROUP_V2, ""},
        {"{'memory':{'limit':1000,'swap':1500,'reservation':10}}", CGROUP_V2,
         "MemoryMax=1000 MemoryLow=10 MemorySwapMax=500"},
        {"{'memory':{'limit':1000,'swap':1000}}", CGROUP_V2, "MemoryMax=1000 MemorySwapMax=0"},
        {"{'memory':{'limit':-1}}", CGROUP_V2, "MemoryMax=\"infinity\" MemorySwapMax=\"infinity\""},
        {"{'memory':{'limit':1000,'swap':1500}}", CGROUP_V1, "MemoryLimit=1000"},
        {"{'cpu':{'shares':1024}}", CGROUP_V2, "CPUWeight=100"},
        {"{'cpu':{'shares':1024}}", CGROUP_HYBRID, "CPUShares=1024"},
        {"{'cpu':{'shares':1024,'idle':1}}", CGROUP_V2, "CPUWeight=0"},
        {"{'cpu':{'quota':50000}}", CGROUP_V2, "CPUQuotaPerSecUSec=500000"},
        {"{'cpu':{'quota':12345,'period':50000}}", CGROUP_V2,
         "CPUQuotaPeriodUSec=50000 CPUQuotaPerSecUSec=250000"},
        {"{'cpu':{'quota':-1}}", CGROUP_V1, "CPUQuotaPerSecUSec=\"infinity\""},
        {"{'cpu':{'cpus':'0-2,9','mems':'0'}}", CGROUP_V2,
         "AllowedCPUs=[7,2] AllowedMemoryNodes=[1]"},
        {"{'cpu':{'cpus':'3-1'}}", CGROUP_V2,
         "linux.resources: cpu.cpus: \"3-1\" is not a list such as 0-3,7"},
        {"{'pids':{'limit':0}}", CGROUP_V2, "TasksMax=1"},
        {"{'pids':{'limit':-1}}", CGROUP_V1, "TasksMax=\"infinity\""},
        {"{'blockIO':{'weight':505}}", CGROUP_V2, "IOWeight=5000"},
        {"{'blockIO':{'weight':505}}", CGROUP_V1, "BlockIOWeight=505"},
        {"{'devices':[{'allow':false},{'allow':true,'type':'c','major':1,'minor':3}]}", CGROUP_V2,
         ""},
        {"{'devices':[{'allow':false},{'allow':true,'type':'c','major':1,'minor':3},"
         "{'allow':true,'type':'b','access':'m'},{'allow':true,'major':5,'access':'r'},"
         "{'allow':true,'type':'c','minor':7}]}",
         CGROUP_V1,
         "DeviceAllow=[] DevicePolicy=\"strict\" DeviceAllow=[[\"/dev/char/1:3\",\"rwm\"],"
         "[\"block-*\",\"m\"],[\"block-5\",\"r\"],[\"char-5\",\"r\"]]"},
        {"{'unified':{'memory.high':'max','pids.max':'0','cpu.max':'10000 20000',"
         "'cpuset.cpus':'1','io.max':'8:0 rbps=1','memory.oom.group':'1'}}",
         CGROUP_V2,
         "MemoryHigh=\"infinity\" TasksMax=1 CPUQuotaPeriodUSec=20000 CPUQuotaPerSecUSec=500000 "
         "AllowedCPUs=[2] OOMPolicy=\"kill\""},
        {"{'unified':{'memory.max':'1G'}}", CGROUP_V2,
         "linux.resources: unified.memory.max: \"1G\" is not a value for it"},
        {"{'unified':{'cpu.max':'0'}}", CGROUP_V2,
         "linux.resources: unified.cpu.max: \"0\" is not a value for it"},
    };
    char text[1024];

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        describe(cases[i].resources, cases[i].mode, text, sizeof(text));
        if (strcmp(text, cases[i].properties) != 0)
            fail_msg("%s: %s", cases[i].resources, text);
    }
}

/* ---- the program ---- */

static struct systemd_helper helper = {.timeout_ms = 60000};

/* A program that gives one answer. */
static void write_program(const char *path, const char *answer)
{
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    fprintf(file, "#!/bin/sh\necho '%s'\n", answer);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, 0700), 0);
}

static void test_answers(void **state)
{
    static const struct {
        const char *answer, *message;
    } cases[] = {
        {"{\"error\":\"it is full\"}", "it is full"},
        {"{\"error\":\"\"}", "the program gave no answer"},
        {"{\"error\":7}", "the program gave no answer"},
        {"[\"ok\"]", "the program gave no answer"},
        {"{\"ok\":{\"control_group\":\"a\"}}", "it has no control group"},
        {"{\"ok\":{\"control_group\":\"/\"}}", "it has no control group"},
    };
    const struct systemd_scope scope = {.unit = "x.scope", .slice = "system.slice"};
    char directory[] = "/tmp/scope-test-XXXXXX", program[64], path[PATH_MAX];
    const struct systemd_helper script = {.path = program, .timeout_ms = 20000};

    (void)state;
    assert_non_null(mkdtemp(directory));
    snprintf(program, sizeof(program), "%s/program", directory);
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        write_program(program, cases[i].answer);
        assert_int_equal(systemd_scope_start(&script, &scope, 1, NULL, CGROUP_V2, path, &error),
                         -EIO);
        if (!strstr(error.message, cases[i].message))
            fail_msg("%s: %s", cases[i].answer, error.message);
    }
    unlink(program);
    rmdir(directory);
}

static void test_program_fails(void **state)
{
    const struct systemd_scope scope = {.unit = "x.scope", .slice = "system.slice"};
    struct systemd_helper broken = {.path = "/nonexistent", .timeout_ms = 5000};

    (void)state;
    assert_int_equal(systemd_scope_stop(&broken, &scope, &error), -ENOENT);
    assert_non_null(strstr(error.message, "run /nonexistent"));
    broken.path = "/bin/true";
    assert_int_equal(systemd_scope_stop(&broken, &scope, &error), -EIO);
    assert_non_null(strstr(error.message, "no answer"));
    broken = (struct systemd_helper){.path = "/usr/bin/yes", .timeout_ms = 5000};
    assert_int_equal(systemd_scope_stop(&broken, &scope, &error), -EFBIG);
}

/* A file descriptor must not reach the program, and a silent one is not waited for forever. */
static void test_program_is_bounded(void **state)
{
    const struct systemd_scope scope = {.unit = "x.scope", .slice = "system.slice"};
    char path[] = "/tmp/scope-test-XXXXXX";
    const struct systemd_helper slow = {.path = path, .timeout_ms = 300};
    static const char script[] = "#!/bin/sh\nexec sleep 100\n";

    (void)state;
    int fd = mkostemp(path, O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, script, sizeof(script) - 1), sizeof(script) - 1);
    assert_int_equal(fchmod(fd, 0700), 0);
    close(fd);
    int r = systemd_scope_stop(&slow, &scope, &error);
    unlink(path);
    assert_int_equal(r, -ETIMEDOUT);
}

/* What the program itself refuses, whoever asks. */
static void test_program_refuses(void **state)
{
    static const struct {
        const char *request, *answer;
    } cases[] = {
        {"", "not JSON"},
        {"{}", "not the name of a scope"},
        {"{\"action\":\"stop\",\"unit\":\"sshd.service\",\"timeout_ms\":1000}",
         "not the name of a scope"},
        {"{\"action\":\"stop\",\"unit\":\"x.scope\"}", "timeout_ms"},
        {"{\"action\":\"stop\",\"unit\":\"x.scope\",\"timeout_ms\":9223372036854775807}",
         "timeout_ms: must be from 1 to 600000"},
        {"{\"action\":\"start\",\"unit\":\"x.scope\",\"timeout_ms\":1000}", "needs a pid"},
        {"{\"action\":\"set\",\"unit\":\"x.scope\",\"timeout_ms\":1000,\"properties\":"
         "[{\"name\":\"TasksMax\",\"type\":\"t\",\"value\":1},"
         "{\"name\":\"ExecStopPost\",\"type\":\"s\",\"value\":\"/bin/sh\"}]}",
         "\\\"ExecStopPost\\\" of type \\\"s\\\" is not allowed"},
        {"{\"action\":\"set\",\"unit\":\"x.scope\",\"timeout_ms\":1000,\"properties\":"
         "[{\"name\":\"TasksMax\",\"type\":\"s\",\"value\":\"1\"}]}",
         "is not allowed"},
        {"{\"action\":\"reboot\",\"unit\":\"x.scope\",\"timeout_ms\":1000}",
         "is not start, set or stop"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        char command[PATH_MAX + 512], answer[512] = "";
        snprintf(command, sizeof(command), "printf '%%s' '%s' | '%s'", cases[i].request,
                 helper.path);
        FILE *pipe = popen(command, "r");
        assert_non_null(pipe);
        assert_non_null(fgets(answer, sizeof(answer), pipe));
        assert_int_equal(WEXITSTATUS(pclose(pipe)), 1);
        if (!strstr(answer, cases[i].answer))
            fail_msg("%s: %s", cases[i].request, answer);
    }
}

/* ---- a real scope ---- */

static void show(const char *unit, const char *property, char *text, size_t size)
{
    char command[512];

    snprintf(command, sizeof(command), "systemctl show -P %s '%s'", property, unit);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    text[0] = '\0';
    if (!fgets(text, (int)size, pipe))
        text[0] = '\0';
    text[strcspn(text, "\n")] = '\0';
    pclose(pipe);
}

static void assert_property(const char *unit, const char *property, const char *expected)
{
    char text[512];

    show(unit, property, text, sizeof(text));
    if (strcmp(text, expected) != 0)
        fail_msg("%s: %s=%s, wanted %s", unit, property, text, expected);
}

/* The file of the hierarchy that has the controller, whichever version. */
static void assert_group_file(const struct cgroup *cgroup, enum cgroup_controller controller,
                              const char *v1_file, const char *v1_value, const char *v2_file,
                              const char *v2_value)
{
    int home = cgroup->driver->home[__builtin_ctz(controller)];
    bool is_v2 = home == cgroup->driver->v2;
    const char *file = is_v2 ? v2_file : v1_file, *expected = is_v2 ? v2_value : v1_value;
    char text[256];

    assert_true(home >= 0);
    int r = cgroup_file_read(cgroup_directory(cgroup, (size_t)home), file, text, sizeof(text));
    if (r < 0)
        fail_msg("%s: %s", file, strerror(-r));
    text[strcspn(text, "\n")] = '\0';
    if (strcmp(text, expected) != 0)
        fail_msg("%s: %s, wanted %s", file, text, expected);
}

/* The process is in the group in each of the hierarchies that are mounted. */
static void assert_everywhere(pid_t pid, const char *path, size_t count)
{
    char file[64], line[PATH_MAX + 64];
    size_t found = 0;

    snprintf(file, sizeof(file), "/proc/%d/cgroup", (int)pid);
    _cleanup_fclose_ FILE *list = fopen(file, "re");
    assert_non_null(list);
    while (fgets(line, sizeof(line), list)) {
        line[strcspn(line, "\n")] = '\0';
        const char *group = strchr(strchr(line, ':') + 1, ':') + 1;
        found += strcmp(group, path) == 0;
    }
    assert_int_equal(found, count);
}

static struct cgroup_resources limits_of(int64_t memory)
{
    static const struct cgroup_device_rule null_only[] = {{false, 'a', -1, -1, "rwm"},
                                                          {true, 'c', 1, 3, "rwm"}};

    return (struct cgroup_resources){.memory_limit = memory,
                                     .memory_swap = memory,
                                     .cpu_quota = 50000,
                                     .cpu_period = 100000,
                                     .cpu_shares = 512,
                                     .has_pids_limit = true,
                                     .pids_limit = 50,
                                     .devices = null_only,
                                     .device_count = 2};
}

static pid_t fork_sleeper(void)
{
    pid_t pid = fork();

    if (pid == 0) {
        execlp("sleep", "sleep", "600", NULL);
        _exit(127);
    }
    return pid;
}

static void test_scope(void **state)
{
    struct cgroup_driver *driver;
    struct systemd_scope scope;
    struct cgroup *cgroup;
    char path[PATH_MAX], name[64], line[PATH_MAX + 16];
    const char *memory_property = "MemoryMax";
    struct cgroup_resources limits = limits_of(64 << 20);

    (void)state;
    if (access("/run/systemd/system", F_OK) != 0) {
        print_message("systemd is not pid 1 here: no real scope is tried\n");
        return;
    }
    assert_int_equal(cgroup_driver_open(&driver, &error), 0);
    if (cgroup_driver_mode(driver) != CGROUP_V2)
        memory_property = "MemoryLimit";
    print_message("cgroup mode %d (1: v1, 2: hybrid, 3: v2)\n", cgroup_driver_mode(driver));
    snprintf(name, sizeof(name), "test-runtime.slice:test:%d", (int)getpid());
    assert_int_equal(systemd_scope_name(name, "c1", false, &scope, &error), 0);
    pid_t pid = fork_sleeper();
    if (systemd_scope_start(&helper, &scope, pid, &limits, cgroup_driver_mode(driver), path,
                            &error) < 0)
        fail_msg("%s", error.message);

    /* The unit is what was asked for, and where the name says. */
    assert_int_equal(systemd_scope_path(&scope, line, sizeof(line), &error), 0);
    assert_string_equal(path, line);
    assert_property(scope.unit, "ActiveState", "active");
    assert_property(scope.unit, "Delegate", "yes");
    assert_property(scope.unit, "Slice", "test-runtime.slice");
    assert_property(scope.unit, memory_property, "67108864");
    assert_property(scope.unit, "TasksMax", "50");

    /* The process is in it, and the limits are in force, ours beside systemd's. */
    assert_int_equal(cgroup_create(driver, path, &cgroup, &error), 0);
    pid_t found = 0;
    assert_int_equal(cgroup_pids(cgroup, &found, 1), 1);
    assert_int_equal(found, pid);
    if (cgroup_apply(cgroup, &limits, &error) < 0)
        fail_msg("%s", error.message);
    assert_group_file(cgroup, CGROUP_MEMORY, "memory.limit_in_bytes", "67108864", "memory.max",
                      "67108864");
    assert_group_file(cgroup, CGROUP_MEMORY, "memory.memsw.limit_in_bytes", "67108864",
                      "memory.swap.max", "0");
    assert_group_file(cgroup, CGROUP_PIDS, "pids.max", "50", "pids.max", "50");
    assert_group_file(cgroup, CGROUP_CPU, "cpu.cfs_quota_us", "50000", "cpu.max", "50000 100000");
    snprintf(line, sizeof(line), "%u", cgroup_weight_of_shares(512));
    assert_group_file(cgroup, CGROUP_CPU, "cpu.shares", "512", "cpu.weight", line);

    /* Where systemd has no hierarchy the process is brought in by us. */
    if (cgroup_attach(cgroup, pid, &error) < 0)
        fail_msg("%s", error.message);
    assert_everywhere(pid, path, driver->count);

    /* New limits survive a reload of systemd. */
    limits = limits_of(32 << 20);
    if (systemd_scope_update(&helper, &scope, &limits, cgroup_driver_mode(driver), &error) < 0)
        fail_msg("%s", error.message);
    assert_int_equal(cgroup_apply(cgroup, &limits, &error), 0);
    assert_int_equal(system("systemctl daemon-reload"), 0);
    assert_group_file(cgroup, CGROUP_MEMORY, "memory.limit_in_bytes", "33554432", "memory.max",
                      "33554432");
    assert_property(scope.unit, memory_property, "33554432");
    /* Nor does a reload open the devices again. */
    assert_group_file(cgroup, CGROUP_DEVICES, "devices.list", "c 1:3 rwm", "cgroup.type", "domain");

    /* A second one of the name is refused; after the stop nothing is left. */
    pid_t other = fork_sleeper();
    assert_true(systemd_scope_start(&helper, &scope, other, NULL, cgroup_driver_mode(driver), path,
                                    &error) < 0);
    assert_non_null(strstr(error.message, scope.unit));
    kill(other, SIGKILL);
    waitpid(other, NULL, 0);
    if (systemd_scope_stop(&helper, &scope, &error) < 0)
        fail_msg("%s", error.message);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(cgroup_destroy(cgroup, 30000, &error), 0);
    assert_property(scope.unit, "ActiveState", "inactive");
    assert_property(scope.unit, "LoadState", "not-found");
    assert_int_equal(cgroup_open(driver, path, &cgroup, &error), -ENOENT);
    assert_int_equal(systemd_scope_stop(&helper, &scope, &error), 0); /* it is gone: no error */
    cgroup_driver_close(driver);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),           cmocka_unit_test(test_long_names),
        cmocka_unit_test(test_properties),      cmocka_unit_test(test_program_fails),
        cmocka_unit_test(test_program_refuses), cmocka_unit_test(test_program_is_bounded),
        cmocka_unit_test(test_scope),           cmocka_unit_test(test_answers),
    };

    /* build/unit/runtime/cgroup_scope_test stands three levels below build. */
    char path[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", path, sizeof(path) / 2);
    for (int i = 0; i < 3 && length > 0; i++)
        while (length > 0 && path[--length] != '/')
            ;
    snprintf(path + (length > 0 ? length : 0), sizeof(path) / 2, "/container-runtime-systemd");
    helper.path = getenv("SYSTEMD_HELPER");
    if (!helper.path)
        helper.path = path;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
