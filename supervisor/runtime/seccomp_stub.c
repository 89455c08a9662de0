/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls that are newer than a profile. An allow list that answers EPERM says so for calls its
 * author never heard of, too; but C libraries and language runtimes try a new call first and go
 * back to an old one on ENOSYS only (clone3, faccessat2, fchmodat2 broke containers that way). So
 * in front of a filter whose default is EPERM goes one question for each architecture: is the
 * number greater than any the profile names? Then the answer is ENOSYS. No call becomes possible
 * that was not: both answers keep it from the kernel.
 *
 * Profiles with another default (a kill, an errno of their choice) mean what they say.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stddef.h>

#include "common/cleanup.h"
#include "supervisor/runtime/seccomp_internal.h"

/* arch/x86/include/uapi/asm/unistd.h, __X32_SYSCALL_BIT: x32 shares the audit name of x86_64. */
#define X32_BIT UINT32_C(0x40000000)

/* One name of audit.h that the filter knows. A greatest number of 0: the profile names none. */
struct abi {
    uint32_t audit;
    uint32_t last, last_x32;
};

struct abis {
    struct abi list[32]; /* seccomp_words.c knows 23 architectures */
    size_t count;
};

static uint32_t last_number(const json_t *rules, uint32_t architecture)
{
    uint32_t last = 0;
    size_t i, j;
    json_t *rule, *name;

    json_array_foreach ((json_t *)rules, i, rule) {
        json_array_foreach (json_object_get(rule, "names"), j, name) {
            int number =
                json_is_string(name)
                    ? seccomp_syscall_resolve_name_arch(architecture, json_string_value(name))
                    : -1;
            /* Negative ones are libseccomp's own names for calls this architecture lacks. */
            if (number > 0 && (uint32_t)number > last)
                last = (uint32_t)number;
        }
    }
    return last;
}

static void add_abi(struct abis *abis, const json_t *rules, uint32_t architecture)
{
    bool is_x32 = architecture == SCMP_ARCH_X32;
    uint32_t audit = is_x32 ? AUDIT_ARCH_X86_64 : architecture;
    uint32_t last = last_number(rules, architecture);
    size_t i = 0;

    while (i < abis->count && abis->list[i].audit != audit)
        i++;
    if (i == ARRAY_LENGTH(abis->list))
        return;
    if (i == abis->count)
        abis->list[abis->count++] = (struct abi){.audit = audit};
    *(is_x32 ? &abis->list[i].last_x32 : &abis->list[i].last) = last;
}

/* Jumps to the next instruction but skip; the last ones of a section are RETURN and GO_ON. */
#define LOAD(field)                                                                                \
    (struct sock_filter) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define IF(test, value, yes, no)                                                                   \
    (struct sock_filter) BPF_JUMP(BPF_JMP | (test) | BPF_K, value, yes, no)
#define RETURN                                                                                     \
    (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (ENOSYS & SECCOMP_RET_DATA))
#define GO_ON (struct sock_filter) BPF_STMT(BPF_JMP | BPF_JA, 0)

/* Both ways of x86_64 on a machine where each has numbers of its own. Returns the new length. */
static size_t write_with_x32(const struct abi *abi, struct sock_filter *code, size_t at)
{
    code[at++] = IF(BPF_JEQ, abi->audit, 0, 6);
    code[at++] = LOAD(nr);
    code[at++] = IF(BPF_JSET, X32_BIT, 1, 0);
    code[at++] = IF(BPF_JGT, abi->last, 1, 2);
    code[at++] = IF(BPF_JGT, abi->last_x32, 0, 1);
    code[at++] = RETURN;
    code[at++] = GO_ON;
    return at;
}

/* x32 calls, where the filter does not know them, are left to the filter: it kills. */
static size_t write_without_x32(const struct abi *abi, struct sock_filter *code, size_t at)
{
    bool is_x86_64 = abi->audit == AUDIT_ARCH_X86_64;

    code[at++] = IF(BPF_JEQ, abi->audit, 0, is_x86_64 ? 5 : 4);
    code[at++] = LOAD(nr);
    if (is_x86_64)
        code[at++] = IF(BPF_JSET, X32_BIT, 2, 0);
    code[at++] = IF(BPF_JGT, abi->last, 0, 1);
    code[at++] = RETURN;
    code[at++] = GO_ON;
    return at;
}

size_t seccomp_stub_write(const struct seccomp_head *head,
                          struct sock_filter code[SECCOMP_STUB_MAX])
{
    struct abis abis = {.count = 0};
    size_t i, at = 0, first;
    json_t *name;

    if (head->default_action != SCMP_ACT_ERRNO(EPERM))
        return 0;
    /* Our own first: its calls are the ones that cost. */
    add_abi(&abis, head->rules, seccomp_arch_native());
    json_array_foreach ((json_t *)head->architectures, i, name) {
        uint32_t architecture;
        if (seccomp_architecture_find(json_string_value(name), "", &architecture, NULL) == 0)
            add_abi(&abis, head->rules, architecture);
    }
    code[at++] = LOAD(arch);
    first = at;
    for (i = 0; i < abis.count; i++) {
        if (abis.list[i].last != 0 && abis.list[i].last_x32 != 0)
            at = write_with_x32(&abis.list[i], code, at);
        else if (abis.list[i].last != 0)
            at = write_without_x32(&abis.list[i], code, at);
    }
    for (i = first; i < at; i++)
        if (code[i].code == (BPF_JMP | BPF_JA))
            code[i].k = (uint32_t)(at - i - 1);
    return at == first ? 0 : at;
}
