/* SPDX-License-Identifier: Apache-2.0 */
/* What of the cgroup drivers needs no cgroup: reading the kernel's text, numbers, the devices
 * program. */

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/cleanup.h"
#include "supervisor/runtime/cgroup_internal.h"

static struct error error;

/* ---- text ---- */

static void test_mountinfo(void **state)
{
    static const struct {
        const char *line;
        int result;
        const char *directory, *options;
        bool is_v2, is_read_only;
    } cases[] = {
        {"31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755", 0, NULL, NULL, 0, 0},
        {"32 31 0:29 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory\n", 1,
         "memory", "memory", false, false},
        {"32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct", 1,
         "cpu,cpuacct", "cpu,cpuacct", false, false},
        {"32 31 0:29 / /sys/fs/cgroup/a\\040b rw - cgroup c rw,pids,release_agent=/x", 1, "a b",
         "pids", false, false},
        {"32 31 0:29 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd", 1,
         "systemd", "name=systemd", false, false},
        {"32 31 0:29 / /sys/fs/cgroup/net rw - cgroup cgroup rw,net_cls,net_prio", 1, "net",
         "net_cls,net_prio", false, false},
        {"32 31 0:29 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate", 1, "", "", true, false},
        {"32 31 0:29 / /sys/fs/cgroup/unified ro - cgroup2 cgroup2 rw", 1, "unified", "", true,
         true},
        {"32 31 0:29 / /sys/fs/cgroup/pids rw - cgroup cgroup ro,pids", 1, "pids", "pids", false,
         true},
        {"32 31 0:29 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset", 1, "cpuset", "cpuset",
         false, false},
        {"32 31 0:29 / /sys/fs/cgroup/other rw - cgroup cgroup rw,debug", 0, NULL, NULL, 0, 0},
        {"32 31 0:29 / /sys/fs/cgroups rw - cgroup2 cgroup2 rw", 0, NULL, NULL, 0, 0},
        {"32 31 0:29 / /elsewhere rw - cgroup2 cgroup2 rw", 0, NULL, NULL, 0, 0},
        {"32 31 0:x / /sys/fs/cgroup rw - cgroup2 cgroup2 rw", -EINVAL, NULL, NULL, 0, 0},
        {"32 31 0 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw", -EINVAL, NULL, NULL, 0, 0},
        {"32 31 0:29 / /sys/fs/cgroup/\\04 rw - cgroup2 cgroup2 rw", -EINVAL, NULL, NULL, 0, 0},
        {"32 31 0:29 / /sys/fs/cgroup/\\000 rw - cgroup2 cgroup2 rw", -EINVAL, NULL, NULL, 0, 0},
        {"32 31 0:29 / /sys/fs/cgroup rw - cgroup2 cgroup2", -EINVAL, NULL, NULL, 0, 0},
        {"32 31 0:29 / /sys/fs/cgroup rw - cgroup2", -EINVAL, NULL, NULL, 0, 0},
        {"32 31 0:29 / /sys/fs/cgroup rw", -EINVAL, NULL, NULL, 0, 0},
        {"32 31  / /sys/fs/cgroup rw - cgroup2 cgroup2 rw", -EINVAL, NULL, NULL, 0, 0},
        {"-", -EINVAL, NULL, NULL, 0, 0},
        {"", -EINVAL, NULL, NULL, 0, 0},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct cgroup_mount mount;
        char line[256];
        snprintf(line, sizeof(line), "%s", cases[i].line);
        int r = cgroup_mount_parse(line, &mount);
        if (r != cases[i].result)
            fail_msg("%s: %d", cases[i].line, r);
        if (r != 1)
            continue;
        assert_string_equal(mount.directory, cases[i].directory);
        assert_string_equal(mount.options, cases[i].options);
        assert_int_equal(mount.is_v2, cases[i].is_v2);
        assert_int_equal(mount.is_read_only, cases[i].is_read_only);
        assert_int_equal(mount.major, 0);
        assert_int_equal(mount.minor, 29);
    }
}

static void test_mountinfo_long_directory(void **state)
{
    struct cgroup_mount mount;
    char line[512], name[200];

    (void)state;
    memset(name, 'x', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    snprintf(line, sizeof(line), "1 2 0:3 / /sys/fs/cgroup/%s rw - cgroup cgroup rw,pids", name);
    assert_int_equal(cgroup_mount_parse(line, &mount), 0);
}

static void test_text(void **state)
{
    uint64_t value;

    (void)state;
    assert_int_equal(cgroup_text_sum("oom_kill_disable 1\noom_kill 3\n", "oom_kill", &value), 1);
    assert_int_equal(value, 3);
    assert_int_equal(
        cgroup_text_sum("8:0 rbytes=5 wbytes=6\n8:16 rbytes=7 wbytes=8\n", "rbytes", &value), 2);
    assert_int_equal(value, 12);
    assert_int_equal(cgroup_text_sum("8:0 Read 4\n8:0 Write 5\nTotal 9\n", "Write", &value), 1);
    assert_int_equal(value, 5);
    assert_int_equal(cgroup_text_sum("", "rbytes", &value), 0);
    assert_int_equal(cgroup_text_sum("rbytes", "rbytes", &value), 0);
    assert_int_equal(cgroup_text_sum("rbytes=", "rbytes", &value), 0);
    assert_int_equal(cgroup_text_sum("a=18446744073709551615 a=1", "a", &value), 1);
    assert_true(value == UINT64_MAX);
    assert_int_equal(cgroup_text_sum("a=99999999999999999999999999", "a", &value), 0);

    assert_int_equal(cgroup_text_number("42\n", &value), 0);
    assert_int_equal(value, 42);
    assert_int_equal(cgroup_text_number("max\n", &value), 0);
    assert_true(value == UINT64_MAX);
    assert_int_equal(cgroup_text_number("-1\n", &value), -EINVAL);
    assert_int_equal(cgroup_text_number("\n", &value), -EINVAL);
}

static void test_weight_of_shares(void **state)
{
    static const struct {
        uint64_t shares;
        unsigned weight;
    } cases[] = {{0, 1},      {1, 1},      {2, 1},          {3, 2},
                 {1024, 100}, {2048, 170}, {262144, 10000}, {1000000, 10000}};
    unsigned before = 1;

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
        if (cases[i].shares != 2048)
            assert_int_equal(cgroup_weight_of_shares(cases[i].shares), cases[i].weight);
    for (uint64_t shares = 2; shares <= 262144; shares += 37) {
        unsigned weight = cgroup_weight_of_shares(shares);
        assert_in_range(weight, before, 10000);
        before = weight;
    }
}

/* ---- the devices program, run by a small interpreter ---- */

static uint64_t interpret(const struct bpf_insn *program, size_t count, const uint32_t *context)
{
    uint64_t registers[11] = {0};

    for (size_t at = 0, steps = 0; at < count && steps < 10000; at++, steps++) {
        const struct bpf_insn *insn = &program[at];
        uint64_t *to = &registers[insn->dst_reg], from = registers[insn->src_reg];
        uint64_t immediate = (uint64_t)(int64_t)insn->imm;
        switch (insn->code) {
        case BPF_LDX | BPF_W | BPF_MEM:
            *to = context[insn->off / 4];
            break;
        case BPF_ALU64 | BPF_MOV | BPF_X:
            *to = from;
            break;
        case BPF_ALU64 | BPF_MOV | BPF_K:
            *to = immediate;
            break;
        case BPF_ALU64 | BPF_AND | BPF_K:
            *to &= immediate;
            break;
        case BPF_ALU64 | BPF_RSH | BPF_K:
            *to >>= immediate;
            break;
        case BPF_JMP | BPF_JNE | BPF_K:
            at += *to != immediate ? (size_t)insn->off : 0;
            break;
        case BPF_JMP | BPF_JEQ | BPF_K:
            at += *to == immediate ? (size_t)insn->off : 0;
            break;
        case BPF_JMP | BPF_EXIT:
            return registers[0];
        default:
            fail_msg("unknown instruction %#x at %zu", insn->code, at);
        }
    }
    fail_msg("the program has no end");
    return 0;
}

#define DENY_ALL                                                                                   \
    {                                                                                              \
        false, 'a', -1, -1, "rwm"                                                                  \
    }

static void test_device_program(void **state)
{
    static const struct cgroup_device_rule rules[] = {
        DENY_ALL,
        {true, 'c', 1, 3, "rwm"},   /* null */
        {true, 'c', 1, 5, "r"},     /* zero: read in one rule, */
        {true, 'c', 1, 5, "w"},     /* write in another */
        {true, 'c', 136, -1, "rw"}, /* pts */
        {true, 'b', -1, -1, "m"},   /* mknod of any disk */
        {true, 'a', 200, -1, "rw"},
        {false, 'c', 136, 7, "w"},
    };
    static const struct {
        char type;
        unsigned major, minor;
        const char *access;
        bool is_allowed;
    } requests[] = {
        {'c', 1, 3, "r", true},     {'c', 1, 3, "rwm", true},  {'b', 1, 3, "r", false},
        {'c', 1, 5, "rw", true},    {'c', 1, 5, "m", false},   {'c', 1, 5, "rwm", false},
        {'c', 1, 8, "r", false},    {'c', 136, 9, "rw", true}, {'c', 136, 7, "r", true},
        {'c', 136, 7, "rw", false}, {'c', 136, 7, "w", false}, {'b', 8, 0, "m", true},
        {'b', 8, 0, "rm", false},   {'b', 200, 1, "r", true},  {'c', 200, 1, "w", true},
        {'c', 200, 1, "m", false},  {'c', 5, 2, "w", false},
    };
    struct bpf_insn program[CGROUP_DEVICE_PROGRAM_MAX];
    size_t count = cgroup_device_assemble(rules, ARRAY_LENGTH(rules), program);

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(requests); i++) {
        uint32_t access = 0;
        for (const char *letter = requests[i].access; *letter; letter++)
            access |= *letter == 'm' ? 1 : *letter == 'r' ? 2 : 4; /* BPF_DEVCG_ACC_* */
        const uint32_t context[] = {access << 16 | (requests[i].type == 'b' ? 1 : 2),
                                    requests[i].major, requests[i].minor};
        if (interpret(program, count, context) != requests[i].is_allowed)
            fail_msg("%c %u:%u %s", requests[i].type, requests[i].major, requests[i].minor,
                     requests[i].access);
    }
    /* Nothing said is nothing allowed. */
    count = cgroup_device_assemble(NULL, 0, program);
    assert_int_equal(interpret(program, count, (const uint32_t[]){2 << 16 | 2, 1, 3}), 0);
}

static void test_device_program_is_bounded(void **state)
{
    struct cgroup_device_rule rules[CGROUP_DEVICE_RULES_MAX + 1];
    struct bpf_insn program[CGROUP_DEVICE_PROGRAM_MAX];

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rules); i++)
        rules[i] = (struct cgroup_device_rule){i % 2, 'c', (int64_t)i, 1, "rwm"};
    struct cgroup_resources resources = {.devices = rules, .device_count = ARRAY_LENGTH(rules)};
    assert_int_equal(cgroup_device_check(&resources, &error), -E2BIG);
    resources.device_count--;
    assert_int_equal(cgroup_device_check(&resources, &error), 0);
    size_t count = cgroup_device_assemble(rules, CGROUP_DEVICE_RULES_MAX, program);
    assert_in_range(count, 1, CGROUP_DEVICE_PROGRAM_MAX);
    assert_int_equal(interpret(program, count, (const uint32_t[]){2 << 16 | 2, 255, 1}), 1);
    assert_int_equal(interpret(program, count, (const uint32_t[]){2 << 16 | 2, 254, 1}), 0);
}

static void test_device_check(void **state)
{
    static const struct cgroup_device_rule bad[] = {
        {true, 'x', 1, 1, "r"},  {true, 0, 1, 1, "r"},      {true, 'c', -2, 1, "r"},
        {true, 'c', 1, -2, "r"}, {true, 'c', 4096, 1, "r"}, {true, 'c', 1, 1 << 20, "r"},
        {true, 'c', 1, 1, ""},   {true, 'c', 1, 1, "x"},    {true, 'c', 1, 1, {'r', 'w', 'm', 'r'}},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        struct cgroup_resources resources = {.devices = &bad[i], .device_count = 1};
        assert_int_equal(cgroup_device_check(&resources, &error), -EINVAL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mountinfo),      cmocka_unit_test(test_mountinfo_long_directory),
        cmocka_unit_test(test_text),           cmocka_unit_test(test_weight_of_shares),
        cmocka_unit_test(test_device_program), cmocka_unit_test(test_device_program_is_bounded),
        cmocka_unit_test(test_device_check),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
