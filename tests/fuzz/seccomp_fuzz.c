/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux.seccomp against any JSON: it is refused with a message, or it becomes a program that the
 * kernel's own check would take (bpf_check_classic and seccomp_check_filter in the kernel): every
 * jump leads forwards to an instruction of it, every load is an aligned word of seccomp_data, and
 * the last instruction returns.
 *
 * libFuzzer: -max_len=4096 -dict=tests/fuzz/oci.dict
 */
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "common/control.h"
#include "supervisor/runtime/seccomp.h"
#include "tests/fuzz/json_mutator.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
FUZZ_MUTATES_JSON

/*
 * libseccomp 2.5.4 loses a few hundred bytes in seccomp_rule_add_array() when rules for one socket
 * call on x86 overlap. The stacks end within the library, so its own losses cannot be told from a
 * forgotten seccomp_release(); neither is looked for here.
 */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libseccomp.so\n";
}

static void check(int is_true)
{
    if (!is_true)
        abort();
}

static void check_instruction(const struct sock_filter *instruction, size_t left)
{
    switch (instruction->code) {
    case BPF_JMP | BPF_JA:
        check(instruction->k < left);
        return;
    case BPF_LD | BPF_W | BPF_ABS:
        check(instruction->k % 4 == 0 && instruction->k < sizeof(struct seccomp_data));
        return;
    default:
        if (BPF_CLASS(instruction->code) == BPF_JMP)
            check(instruction->jt < left && instruction->jf < left);
    }
}

static void check_program(const struct sock_fprog *program)
{
    check(program->len > 0 && program->len <= BPF_MAXINSNS);
    for (size_t i = 0; i < program->len; i++)
        check_instruction(&program->filter[i], program->len - i - 1);
    check(BPF_CLASS(program->filter[program->len - 1].code) == BPF_RET);
}

/*
 * libseccomp's time grows without bound with the conditions of one call's rules: twelve seconds
 * were seen for two rules of five each. Profiles come from the operator, so that is his to wait
 * for; here it would only stop the search.
 */
static bool is_slow(const json_t *profile)
{
    size_t i, conditions = 0;
    json_t *rule;

    json_array_foreach (json_object_get(profile, "syscalls"), i, rule)
        conditions += json_array_size(json_object_get(rule, "args"));
    return conditions > 8;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_json_ json_t *json =
        json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
    struct seccomp_program *program = NULL;
    struct error error = ERROR_INIT;

    if (!json || is_slow(json))
        return 0;
    int r = seccomp_program_new(json, &program, &error);
    check((r == 0) == (program != NULL));
    check(r == 0 || (error.code == -r && error.message[0]));
    if (program) {
        check_program(&program->program);
        check(seccomp_program_is_of(program, json));
    }
    seccomp_program_free(program);
    return 0;
}
