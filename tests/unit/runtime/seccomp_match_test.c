/* SPDX-License-Identifier: Apache-2.0 */
/* What a rule matches: arguments, architectures, and calls that are newer than a profile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/cleanup.h"
#include "tests/unit/runtime/seccomp_stage.h"

/* ---- arguments: dup(2) of what is no descriptor fails with EBADF unless a rule says EDOM ---- */

#define HIGH UINT64_C(0x8000000000000000)
#define DUP(args)                                                                                  \
    "{'defaultAction': 'SCMP_ACT_ALLOW', 'syscalls': [{'names': ['dup'], 'action': "               \
    "'SCMP_ACT_ERRNO', 'errnoRet': 33, 'args': [" args "]}]}"
#define ARG0(op, value) DUP("{'index': 0, 'value': " value ", 'op': 'SCMP_CMP_" op "'}")
#define MASKED0(mask, value)                                                                       \
    DUP("{'index': 0, 'value': " mask ", 'valueTwo': " value ", 'op': "                            \
        "'SCMP_CMP_MASKED_EQ'}")

static bool is_matched(const struct seccomp_program *program, struct call call)
{
    int answer = stage_errno(program, call);

    /* The kernel looks at the low 32 bits only: some of these are an open descriptor for it. */
    if (answer != EDOM && answer != EBADF && answer != 0)
        fail_msg("the answer is %d", answer);
    return answer == EDOM;
}

static void operators_compare_64_bits(void **state)
{
    static const struct {
        const char *profile;
        uint64_t matched[3], others[3];
    } cases[] = {
        {ARG0("EQ", "5000"), {5000, 5000, 5000}, {4999, 5001, 5000 | UINT64_C(1) << 32}},
        {ARG0("NE", "5000"), {4999, 5001, 5000 | UINT64_C(1) << 32}, {5000, 5000, 5000}},
        {ARG0("LT", "5000"), {4998, 4999, 3000}, {5000, 5001, UINT64_C(1) << 32}},
        {ARG0("LE", "5000"), {4999, 5000, 3000}, {5001, UINT64_C(1) << 32, UINT64_MAX}},
        {ARG0("GE", "5000"), {5000, 5001, UINT64_C(1) << 32}, {4999, 4000, 3000}},
        {ARG0("GT", "5000"), {5001, UINT64_C(1) << 32, UINT64_MAX}, {5000, 4999, 3000}},
        {MASKED0("4294967295", "5000"),
         {5000, 5000 | HIGH, 5000 | UINT64_C(1) << 32},
         {5001, 5001 | HIGH, 4999}},
        {MASKED0("2114060288", "0"),
         {5000, 9000, HIGH | 5000},
         {0x10000000, 0x02000000, 0x7e020000}},
        {DUP("{'index': 0, 'value': 5000, 'valueTwo': null, 'op': 'SCMP_CMP_EQ'}"),
         {5000, 5000, 5000},
         {4999, 5001, 0}},
        /* what does not fit into 63 bits */
        {ARG0("EQ", "18446744073709551615"),
         {UINT64_MAX, UINT64_MAX, UINT64_MAX},
         {5000, HIGH, HIGH - 1}},
        {ARG0("EQ", "9223372036854775808"), {HIGH, HIGH, HIGH}, {5000, HIGH + 1, HIGH - 1}},
        {ARG0("GE", "9223372036854775808"), {HIGH, HIGH + 1, UINT64_MAX}, {5000, HIGH - 1, 4000}},
        {ARG0("LT", "18446744073709551615"),
         {5000, HIGH, UINT64_MAX - 1},
         {UINT64_MAX, UINT64_MAX, UINT64_MAX}},
        {MASKED0("9223372036854775808", "9223372036854775808"),
         {HIGH, HIGH | 5000, UINT64_MAX},
         {5000, HIGH - 1, 4000}},
        {MASKED0("18446744069414584320", "0"),
         {5000, 4000, 0xffffffff},
         {HIGH, UINT64_C(1) << 32, UINT64_MAX}},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct seccomp_program *program = stage_program(cases[i].profile);
        for (size_t j = 0; j < 3; j++) {
            if (!is_matched(program, (struct call){SYS_dup, {cases[i].matched[j]}}))
                fail_msg("%s: %#lx passes", cases[i].profile, (long)cases[i].matched[j]);
            if (is_matched(program, (struct call){SYS_dup, {cases[i].others[j]}}))
                fail_msg("%s: %#lx is matched", cases[i].profile, (long)cases[i].others[j]);
        }
        seccomp_program_free(program);
    }
}

/* dup3(2) with bad flags is EINVAL; three arguments may be looked at. */
static void conditions_on_several_arguments_must_all_hold(void **state)
{
    struct seccomp_program *program = stage_program(
        "{'defaultAction': 'SCMP_ACT_ALLOW', 'syscalls': [{'names': ['dup3'], 'action': "
        "'SCMP_ACT_ERRNO', 'errnoRet': 33, 'args': ["
        "{'index': 0, 'value': 5000, 'op': 'SCMP_CMP_EQ'}, "
        "{'index': 1, 'value': 5001, 'op': 'SCMP_CMP_EQ'}, "
        "{'index': 2, 'value': 5002, 'op': 'SCMP_CMP_GE'}]}]}");

    (void)state;
    assert_int_equal(stage_errno(program, (struct call){SYS_dup3, {5000, 5001, 5002}}), EDOM);
    assert_int_equal(stage_errno(program, (struct call){SYS_dup3, {5001, 5001, 5002}}), EINVAL);
    assert_int_equal(stage_errno(program, (struct call){SYS_dup3, {5000, 5000, 5002}}), EINVAL);
    assert_int_equal(stage_errno(program, (struct call){SYS_dup3, {5000, 5001, 5001}}), EINVAL);
    seccomp_program_free(program);
}

/* As in runc and crun: one argument twice, and each condition is enough on its own. */
static void conditions_on_one_argument_are_alternatives(void **state)
{
    struct seccomp_program *program = stage_program(
        "{'defaultAction': 'SCMP_ACT_ALLOW', 'syscalls': [{'names': ['dup3'], 'action': "
        "'SCMP_ACT_ERRNO', 'errnoRet': 33, 'args': ["
        "{'index': 0, 'value': 5000, 'op': 'SCMP_CMP_EQ'}, "
        "{'index': 0, 'value': 6000, 'op': 'SCMP_CMP_EQ'}, "
        "{'index': 2, 'value': 7000, 'op': 'SCMP_CMP_EQ'}]}]}");

    (void)state;
    assert_int_equal(stage_errno(program, (struct call){SYS_dup3, {5000, 1, 1}}), EDOM);
    assert_int_equal(stage_errno(program, (struct call){SYS_dup3, {6000, 1, 1}}), EDOM);
    assert_int_equal(stage_errno(program, (struct call){SYS_dup3, {1, 1, 7000}}), EDOM);
    assert_int_equal(stage_errno(program, (struct call){SYS_dup3, {1, 1, 5000}}), EINVAL);
    seccomp_program_free(program);
}

/* More conditions than a call has arguments, which crun drops. */
static void ten_alternatives(void **state)
{
    char text[2048] = "{'defaultAction': 'SCMP_ACT_ALLOW', 'syscalls': [{'names': ['dup'], "
                      "'action': 'SCMP_ACT_ERRNO', 'errnoRet': 33, 'args': [";

    (void)state;
    for (int i = 0; i < 10; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text),
                 "%s{'index': 0, 'value': %d, 'op': 'SCMP_CMP_EQ'}", i ? ", " : "", 5000 + i);
    strcat(text, "]}]}");
    struct seccomp_program *program = stage_program(text);
    for (unsigned long i = 0; i < 12; i++)
        assert_int_equal(is_matched(program, (struct call){SYS_dup, {4999 + i}}),
                         i >= 1 && i <= 10);
    seccomp_program_free(program);
}

/* ---- calls that are newer than a profile ---- */

#define X32 0x40000000L

/* What a child needs to report, sigaltstack under AddressSanitizer; futex_waitv is the last. */
#define ALLOWED                                                                                    \
    "'syscalls': [{'names': ['exit_group', 'sigaltstack', 'futex_waitv'], 'action': "              \
    "'SCMP_ACT_ALLOW'}]"
#define LISTED 449

static void unknown_calls_answer_enosys(void **state)
{
    static const struct {
        const char *profile;
        long number;
        int answer;
    } cases[] = {
        {"{'defaultAction': 'SCMP_ACT_ERRNO', " ALLOWED "}", 1000, ENOSYS},
        {"{'defaultAction': 'SCMP_ACT_ERRNO', " ALLOWED "}", LISTED + 1, ENOSYS},
        {"{'defaultAction': 'SCMP_ACT_ERRNO', " ALLOWED "}", 0x3fffffff, ENOSYS},
        {"{'defaultAction': 'SCMP_ACT_ERRNO', 'defaultErrnoRet': 1, " ALLOWED "}", 1000, ENOSYS},
        {"{'defaultAction': 'SCMP_ACT_ERRNO', " ALLOWED "}", LISTED, EINVAL}, /* the kernel's own */
        /* older ones were left out by intention */
        {"{'defaultAction': 'SCMP_ACT_ERRNO', " ALLOWED "}", LISTED - 1, EPERM},
        {"{'defaultAction': 'SCMP_ACT_ERRNO', " ALLOWED "}", SYS_getppid, EPERM},
        {"{'defaultAction': 'SCMP_ACT_ERRNO', " ALLOWED "}", SYS_read, EPERM},
        /* another default is the author's word */
        {"{'defaultAction': 'SCMP_ACT_ERRNO', 'defaultErrnoRet': 33, " ALLOWED "}", 1000, EDOM},
        {"{'defaultAction': 'SCMP_ACT_ERRNO', 'defaultErrnoRet': 38, " ALLOWED "}", SYS_read,
         ENOSYS},
        {"{'defaultAction': 'SCMP_ACT_KILL_PROCESS', " ALLOWED "}", 1000, -SIGSYS},
        {"{'defaultAction': 'SCMP_ACT_ALLOW', 'syscalls': [{'names': ['getppid'], 'action': "
         "'SCMP_ACT_ERRNO'}]}",
         1000, ENOSYS}, /* the kernel's own */
#ifdef __x86_64__
        /* x32 is another architecture: killed unless it is listed */
        {"{'defaultAction': 'SCMP_ACT_ERRNO', " ALLOWED "}", X32 | 1000, -SIGSYS},
        {"{'defaultAction': 'SCMP_ACT_ERRNO', " ALLOWED "}", X32 | SYS_getppid, -SIGSYS},
        {"{'defaultAction': 'SCMP_ACT_ERRNO', 'architectures': ['SCMP_ARCH_X32'], " ALLOWED "}",
         X32 | 1000, ENOSYS},
        {"{'defaultAction': 'SCMP_ACT_ERRNO', 'architectures': ['SCMP_ARCH_X32'], " ALLOWED "}",
         X32 | SYS_getppid, EPERM},
        {"{'defaultAction': 'SCMP_ACT_ERRNO', 'architectures': ['SCMP_ARCH_X86_64', "
         "'SCMP_ARCH_X86', 'SCMP_ARCH_X32'], " ALLOWED "}",
         1000, ENOSYS},
        {"{'defaultAction': 'SCMP_ACT_ERRNO', 'architectures': ['SCMP_ARCH_X86_64', "
         "'SCMP_ARCH_X86', 'SCMP_ARCH_X32'], " ALLOWED "}",
         LISTED - 1, EPERM},
#endif
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct seccomp_program *program = stage_program(cases[i].profile);
        int answer = stage_errno(program, (struct call){cases[i].number, {~0UL}});
        if (answer != cases[i].answer)
            fail_msg("%s: call %ld: %d in place of %d", cases[i].profile, cases[i].number, answer,
                     cases[i].answer);
        seccomp_program_free(program);
    }
}

/* As in runc and crun, which leave it to libseccomp. */
static void the_first_rule_for_a_call_wins(void **state)
{
    struct seccomp_program *program = stage_program(
        "{'defaultAction': 'SCMP_ACT_ALLOW', 'syscalls': ["
        "{'names': ['dup', 'getppid'], 'action': 'SCMP_ACT_ERRNO', 'errnoRet': 33}, "
        "{'names': ['getppid', 'dup'], 'action': 'SCMP_ACT_ERRNO', 'errnoRet': 34}]}");

    (void)state;
    assert_int_equal(stage_errno(program, (struct call){SYS_getppid, {0}}), EDOM);
    assert_int_equal(stage_errno(program, (struct call){SYS_dup, {~0UL}}), EDOM);
    seccomp_program_free(program);
}

/* Only the profile without rules has nothing to compare with. */
static void nothing_known_is_nothing_new(void **state)
{
    struct seccomp_program *empty = stage_program("{'defaultAction': 'SCMP_ACT_ERRNO'}");
    struct seccomp_program *one = stage_program(
        "{'defaultAction': 'SCMP_ACT_ERRNO', 'syscalls': [{'names': ['no_such_call_yet'], "
        "'action': 'SCMP_ACT_ALLOW'}]}");

    (void)state;
    assert_int_equal(empty->program.len, one->program.len);
    assert_memory_equal(empty->program.filter, one->program.filter,
                        empty->program.len * sizeof(*empty->program.filter));
    seccomp_program_free(empty);
    seccomp_program_free(one);
}

#ifdef __x86_64__
/* A call of 32-bit x86 from a program of 64 bits: negative errno. */
static long call_x86(long number)
{
    long answer;

    __asm__ volatile("int $0x80" : "=a"(answer) : "a"(number), "b"(-1L) : "memory");
    return (int)answer;
}

static int x86_answer(const char *profile, long number)
{
    struct seccomp_program *program = profile ? stage_program(profile) : NULL;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        signal(SIGSYS, SIG_DFL);
        signal(SIGSEGV, SIG_DFL); /* what int 0x80 is without emulation */
        if (program)
            stage_load(program);
        long answer = call_x86(number);
        _exit(answer < 0 ? (int)-answer : 0);
    }
    int answer = stage_end(pid);
    seccomp_program_free(program);
    return answer;
}

static void other_architectures(void **state)
{
#define LISTS(list) "{'defaultAction': 'SCMP_ACT_ERRNO', 'architectures': [" list "], " ALLOWED "}"
    enum { X86_GETPPID = 64 };

    (void)state;
    if (x86_answer(NULL, X86_GETPPID) != 0)
        skip(); /* this kernel runs no 32-bit programs */
    assert_int_equal(x86_answer(LISTS("'SCMP_ARCH_X86_64'"), X86_GETPPID), -SIGSYS);
    assert_int_equal(x86_answer(LISTS("'SCMP_ARCH_X86_64'"), 1000), -SIGSYS);
    assert_int_equal(x86_answer(LISTS("'SCMP_ARCH_X86'"), X86_GETPPID), EPERM);
    assert_int_equal(x86_answer(LISTS("'SCMP_ARCH_X86'"), 1000), ENOSYS);
    assert_int_equal(x86_answer(LISTS("'SCMP_ARCH_X86'"), LISTED + 1), ENOSYS);
    assert_int_equal(x86_answer(LISTS("'SCMP_ARCH_X86'"), LISTED - 1), EPERM);
    assert_int_equal(
        x86_answer("{'defaultAction': 'SCMP_ACT_ALLOW', 'architectures': ['SCMP_ARCH_X86'], "
                   "'syscalls': [{'names': ['dup'], 'action': 'SCMP_ACT_ERRNO', 'errnoRet': 33}]}",
                   41),
        EDOM);
}
#endif

/* Every architecture a filter of this machine can have, and each in front of the next. */
static void all_architectures_at_once(void **state)
{
    char text[4096] = "{'defaultAction': 'SCMP_ACT_ERRNO', " ALLOWED ", 'architectures': [";
    struct error error = ERROR_INIT;
    const char *name;
    unsigned count = 0;

    (void)state;
    for (size_t i = 0; (name = seccomp_architecture_name(i)); i++) {
        char one[128];
        struct seccomp_program *program = NULL;
        snprintf(one, sizeof(one), "{'defaultAction': 'SCMP_ACT_ALLOW', 'architectures': ['%s']}",
                 name);
        json_t *profile = stage_profile(one);
        if (seccomp_program_new(profile, &program, &error) == 0)
            snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s'%s'",
                     count++ ? ", " : "", name);
        seccomp_program_free(program);
        json_decref(profile);
    }
    strcat(text, "]}");
    assert_true(count >= 9);
    struct seccomp_program *program = stage_program(text);
    assert_int_equal(stage_errno(program, (struct call){1000, {0}}), ENOSYS);
    assert_int_equal(stage_errno(program, (struct call){SYS_getppid, {0}}), EPERM);
    seccomp_program_free(program);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operators_compare_64_bits),
        cmocka_unit_test(conditions_on_several_arguments_must_all_hold),
        cmocka_unit_test(conditions_on_one_argument_are_alternatives),
        cmocka_unit_test(ten_alternatives),
        cmocka_unit_test(the_first_rule_for_a_call_wins),
        cmocka_unit_test(unknown_calls_answer_enosys),
        cmocka_unit_test(nothing_known_is_nothing_new),
#ifdef __x86_64__
        cmocka_unit_test(other_architectures),
#endif
        cmocka_unit_test(all_architectures_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
