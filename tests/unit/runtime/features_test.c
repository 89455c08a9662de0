/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/cleanup.h"
#include "supervisor/runtime/config.h"
#include "supervisor/runtime/features.h"
#include "supervisor/runtime/seccomp.h"

static const char *const mount_options[] = {"bind", "ro", "rro", NULL};
static json_t *document;

static const json_t *at(const char *first, const char *second, const char *third)
{
    const json_t *value = json_object_get(document, first);

    value = second ? json_object_get(value, second) : value;
    value = third ? json_object_get(value, third) : value;
    assert_non_null(value);
    return value;
}

static bool has(const json_t *list, const char *name)
{
    size_t i;
    json_t *entry;

    json_array_foreach ((json_t *)list, i, entry)
        if (strcmp(json_string_value(entry), name) == 0)
            return true;
    return false;
}

static void assert_strings(const json_t *list, const char *const *names)
{
    size_t count = 0;

    for (; names[count]; count++)
        if (!has(list, names[count]))
            fail_msg("%s is not listed", names[count]);
    assert_int_equal(json_array_size(list), count);
}

static void assert_keys(const json_t *object, const char *const *names)
{
    size_t count = 0;

    for (; names[count]; count++)
        if (!json_object_get(object, names[count]))
            fail_msg("%s is missing", names[count]);
    assert_int_equal(json_object_size(object), count);
}

static int setup(void **state)
{
    (void)state;
    document = features_json(mount_options, false);
    return document ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    json_decref(document);
    return 0;
}

static void the_keys_are_those_of_the_specification(void **state)
{
    static const char *const top[] = {"ociVersionMin",
                                      "ociVersionMax",
                                      "hooks",
                                      "mountOptions",
                                      "linux",
                                      "annotations",
                                      "potentiallyUnsafeConfigAnnotations",
                                      NULL};
    static const char *const of_linux[] = {
        "namespaces", "capabilities", "cgroup",          "seccomp",    "apparmor", "selinux",
        "intelRdt",   "memoryPolicy", "mountExtensions", "netDevices", NULL};

    (void)state;
    assert_keys(document, top);
    assert_keys(at("linux", NULL, NULL), of_linux);
    assert_keys(at("linux", "cgroup", NULL),
                (const char *const[]){"v1", "v2", "systemd", "systemdUser", "rdma", NULL});
    assert_keys(at("linux", "seccomp", NULL),
                (const char *const[]){"enabled", "actions", "operators", "archs", "knownFlags",
                                      "supportedFlags", NULL});
    assert_string_equal(json_string_value(at("ociVersionMin", NULL, NULL)), "1.0.0");
    assert_string_equal(json_string_value(at("ociVersionMax", NULL, NULL)), "1.3.0");
    assert_strings(at("mountOptions", NULL, NULL), mount_options);
    assert_strings(at("hooks", NULL, NULL),
                   (const char *const[]){"prestart", "createRuntime", "createContainer",
                                         "startContainer", "poststart", "poststop", NULL});
    assert_int_equal(json_array_size(at("potentiallyUnsafeConfigAnnotations", NULL, NULL)), 0);
}

static void the_claims(void **state)
{
    (void)state;
    assert_true(json_is_true(at("linux", "cgroup", "v1")));
    assert_true(json_is_true(at("linux", "cgroup", "v2")));
    assert_true(json_is_true(at("linux", "cgroup", "systemd")));
    assert_true(json_is_false(at("linux", "cgroup", "systemdUser")));
    assert_true(json_is_true(at("linux", "cgroup", "rdma")));
    assert_true(json_is_true(at("linux", "seccomp", "enabled")));
    assert_true(json_is_true(at("linux", "apparmor", "enabled")));
    assert_true(json_is_true(at("linux", "selinux", "enabled")));
    assert_true(json_is_false(at("linux", "intelRdt", "enabled")));
    assert_true(json_is_true(at("linux", "netDevices", "enabled")));
    assert_true(json_is_true(json_object_get(at("linux", "mountExtensions", "idmap"), "enabled")));
    assert_int_equal(json_array_size(at("linux", "memoryPolicy", "modes")), 7);
    assert_int_equal(json_array_size(at("linux", "memoryPolicy", "flags")), 3);
}

/* /proc/PID/ns has a file for each namespace the kernel knows. */
static void namespaces_are_those_of_the_kernel(void **state)
{
    static const struct {
        const char *name, *file;
    } names[] = {{"cgroup", "cgroup"}, {"ipc", "ipc"},   {"mount", "mnt"}, {"network", "net"},
                 {"pid", "pid"},       {"time", "time"}, {"user", "user"}, {"uts", "uts"}};
    const json_t *list = at("linux", "namespaces", NULL);

    (void)state;
    assert_int_equal(json_array_size(list), ARRAY_LENGTH(names));
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        char path[64];
        snprintf(path, sizeof(path), "/proc/self/ns/%s", names[i].file);
        assert_true(has(list, names[i].name));
        assert_int_equal(access(path, F_OK), 0);
    }
}

/* prctl(PR_CAPBSET_READ) fails beyond the last capability of the kernel. */
static void capabilities_are_those_of_the_kernel(void **state)
{
    const json_t *list = at("linux", "capabilities", NULL);
    int count = 0;

    (void)state;
    while (prctl(PR_CAPBSET_READ, count, 0, 0, 0) >= 0)
        count++;
    assert_true(count >= 41); /* Linux 5.9 */
    assert_int_equal(json_array_size(list), count);
    for (int i = 0; i < count; i++) {
        const char *name = json_string_value(json_array_get(list, (size_t)i));
        assert_int_equal(capability_number(name), i);
        assert_memory_equal(name, "CAP_", 4);
    }
    assert_string_equal(json_string_value(json_array_get(list, CAP_SYS_ADMIN)), "CAP_SYS_ADMIN");
}

/* Whether a profile with this in it can be compiled. */
static bool is_accepted(const char *text)
{
    struct seccomp_program *program = NULL;
    struct error error = ERROR_INIT;
    json_t *profile = json_loads(text, 0, NULL);

    assert_non_null(profile);
    int r = seccomp_program_new(profile, &program, &error);
    /* An architecture of another byte order is known and cannot be part of a filter here. */
    bool is_known = r == 0 || strstr(error.message, "byte order") != NULL;
    if (!is_known)
        print_error("%s\n", error.message);
    seccomp_program_free(r == 0 ? program : NULL);
    json_decref(profile);
    return is_known;
}

static void words_of_seccomp_are_accepted(void **state)
{
    static const struct {
        const char *key, *format;
        size_t count;
    } cases[] = {
        {"actions",
         "{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"listenerPath\": \"/a\", \"syscalls\": "
         "[{\"names\": [\"getcwd\"], \"action\": \"%s\"}]}",
         9},
        {"operators",
         "{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"syscalls\": [{\"names\": [\"dup\"], "
         "\"action\": \"SCMP_ACT_ERRNO\", \"args\": [{\"index\": 0, \"value\": 1, \"op\": "
         "\"%s\"}]}]}",
         7},
        {"archs", "{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"architectures\": [\"%s\"]}", 0},
        {"knownFlags", "{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"flags\": [\"%s\"]}", 4},
    };

    (void)state;
    for (size_t c = 0; c < ARRAY_LENGTH(cases); c++) {
        const json_t *list = at("linux", "seccomp", cases[c].key);
        size_t i;
        json_t *name;
        if (cases[c].count)
            assert_int_equal(json_array_size(list), cases[c].count);
        json_array_foreach ((json_t *)list, i, name) {
            char text[512];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
            snprintf(text, sizeof(text), cases[c].format, json_string_value(name));
#pragma GCC diagnostic pop
            assert_true(is_accepted(text));
        }
    }
}

static bool kernel_has_action(uint32_t action)
{
    return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

static bool kernel_has_flag(unsigned long flags)
{
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, NULL) < 0 && errno == EFAULT;
}

static void words_of_seccomp_are_those_of_the_kernel(void **state)
{
    static const uint32_t returns[] = {
        SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_KILL_THREAD, SECCOMP_RET_TRAP, SECCOMP_RET_ERRNO,
        SECCOMP_RET_USER_NOTIF,   SECCOMP_RET_TRACE,       SECCOMP_RET_LOG,  SECCOMP_RET_ALLOW,
    };
    const json_t *supported = at("linux", "seccomp", "supportedFlags");

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(returns); i++)
        assert_true(kernel_has_action(returns[i]));
    assert_false(kernel_has_action(0x7ffd0000));
    assert_int_equal(has(supported, "SECCOMP_FILTER_FLAG_LOG"),
                     kernel_has_flag(SECCOMP_FILTER_FLAG_LOG));
    assert_int_equal(has(supported, "SECCOMP_FILTER_FLAG_SPEC_ALLOW"),
                     kernel_has_flag(SECCOMP_FILTER_FLAG_SPEC_ALLOW));
    assert_int_equal(
        has(supported, "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"),
        kernel_has_flag(SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV | SECCOMP_FILTER_FLAG_NEW_LISTENER));
    assert_int_equal(has(supported, "SECCOMP_FILTER_FLAG_TSYNC"),
                     kernel_has_flag(SECCOMP_FILTER_FLAG_TSYNC));
    assert_false(seccomp_flag_is_supported(1U << 31));
}

static void architectures_are_those_of_the_library(void **state)
{
    const json_t *list = at("linux", "seccomp", "archs");
    const char *native = seccomp_arch_native() == SCMP_ARCH_X86_64    ? "SCMP_ARCH_X86_64"
                         : seccomp_arch_native() == SCMP_ARCH_AARCH64 ? "SCMP_ARCH_AARCH64"
                                                                      : "SCMP_ARCH_X86";

    (void)state;
    assert_true(has(list, native));
    assert_true(json_array_size(list) >= 19); /* libseccomp 2.5 */
    assert_int_equal(has(list, "SCMP_ARCH_LOONGARCH64"),
                     seccomp_arch_resolve_name("loongarch64") != 0);
}

static void annotations_name_the_library_and_checkpoint(void **state)
{
    const struct scmp_version *version = seccomp_version();
    char text[48];
    json_t *other = features_json(mount_options, true);

    (void)state;
    snprintf(text, sizeof(text), "%u.%u.%u", version->major, version->minor, version->micro);
    assert_string_equal(
        json_string_value(at("annotations", "io.github.seccomp.libseccomp.version", NULL)), text);
    assert_string_equal(
        json_string_value(at("annotations", "org.opencontainers.runc.checkpoint.enabled", NULL)),
        "false");
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(other, "annotations"),
                                          "org.opencontainers.runc.checkpoint.enabled")),
        "true");
    json_decref(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_keys_are_those_of_the_specification),
        cmocka_unit_test(the_claims),
        cmocka_unit_test(namespaces_are_those_of_the_kernel),
        cmocka_unit_test(capabilities_are_those_of_the_kernel),
        cmocka_unit_test(words_of_seccomp_are_accepted),
        cmocka_unit_test(words_of_seccomp_are_those_of_the_kernel),
        cmocka_unit_test(architectures_are_those_of_the_library),
        cmocka_unit_test(annotations_name_the_library_and_checkpoint),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
