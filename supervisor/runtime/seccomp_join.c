/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One filter of those of several architectures: a switch, and in it the answer to calls that are
 * newer than the profile.
 *
 * An allow list that answers EPERM says so for calls its author never heard of, too; but C
 * libraries and language runtimes try a new call first and go back to an old one on ENOSYS only
 * (clone3, faccessat2, fchmodat2 broke containers that way). So where the default is EPERM, a
 * number greater than any the profile names answers ENOSYS. No call becomes possible that was not:
 * both answers keep it from the kernel. Profiles with another default (a kill, an errno of their
 * choice) mean what they say.
 *
 *     load the architecture
 *     is it x86_64? load the number; x32? newer? ENOSYS, else jump to its filter
 *     is it i386?   ...
 *     the machine's own filter, which kills what is none of these
 *     the others'
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>

#include "common/cleanup.h"
#include "supervisor/runtime/seccomp_internal.h"

/* arch/x86/include/uapi/asm/unistd.h, __X32_SYSCALL_BIT: x32 shares the audit name of x86_64. */
#define X32_BIT UINT32_C(0x40000000)

#define SECTION_MAX 10 /* instructions for one architecture in the switch */

struct program {
    struct sock_filter code[1 + SECTION_MAX * SECCOMP_ARCHITECTURES_MAX];
    size_t count;
};

static void add(struct program *program, struct sock_filter instruction)
{
    program->code[program->count++] = instruction;
}

static void load(struct program *program, size_t offset)
{
    add(program, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset));
}

/* Goes on with the instruction behind the next `yes` or `no` ones. */
static void test(struct program *program, uint16_t comparison, uint32_t value, uint8_t yes,
                 uint8_t no)
{
    add(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_K | comparison, value, yes, no));
}

/* Three instructions. Jumps hold a part's index until the switch is complete. */
static void enter(struct program *program, uint32_t last, size_t part)
{
    test(program, BPF_JGT, last, 0, 1);
    add(program, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS));
    add(program, (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, (uint32_t)part));
}

/*
 * x32 calls have the bit. Where they have no filter, that of x86_64 gets them: it kills. x32: the
 * index of its part, or 0.
 */
static void add_x86_64(struct program *program, const uint32_t *last, size_t part, size_t x32)
{
    test(program, BPF_JEQ, AUDIT_ARCH_X86_64, 0, x32 ? 8 : 5);
    load(program, offsetof(struct seccomp_data, nr));
    test(program, BPF_JSET, X32_BIT, x32 ? 3 : 2, 0);
    enter(program, last[part], part);
    if (x32)
        enter(program, last[x32], x32);
}

static void add_other(struct program *program, uint32_t audit, uint32_t last, size_t part)
{
    test(program, BPF_JEQ, audit, 0, 4);
    load(program, offsetof(struct seccomp_data, nr));
    enter(program, last, part);
}

static void make_switch(const struct seccomp_part *parts, size_t part_count, bool has_question,
                        struct program *program)
{
    uint32_t last[SECCOMP_ARCHITECTURES_MAX], starts[SECCOMP_ARCHITECTURES_MAX], start = 0;
    size_t x32 = 0;

    for (size_t i = 0; i < part_count; i++) {
        /* A profile that names no call of an architecture says nothing about its age. */
        last[i] = has_question && parts[i].last != 0 ? parts[i].last : UINT32_MAX;
        if (parts[i].architecture == SCMP_ARCH_X32)
            x32 = i;
        starts[i] = start;
        start += (uint32_t)parts[i].count;
    }
    load(program, offsetof(struct seccomp_data, arch));
    for (size_t i = 0; i < part_count; i++) {
        if (parts[i].architecture == SCMP_ARCH_X86_64)
            add_x86_64(program, last, i, x32);
        else if (parts[i].architecture != SCMP_ARCH_X32)
            add_other(program, parts[i].architecture, last[i], i);
    }
    for (size_t i = 0; i < program->count; i++)
        if (program->code[i].code == (BPF_JMP | BPF_JA))
            program->code[i].k = (uint32_t)(program->count - i - 1) + starts[program->code[i].k];
}

int seccomp_parts_join(const struct seccomp_part *parts, size_t part_count, bool has_question,
                       struct sock_fprog *program, struct error *error)
{
    struct program head = {.count = 0};
    size_t count = 0;

    if (part_count > 1 || (has_question && parts[0].last != 0))
        make_switch(parts, part_count, has_question, &head);
    for (size_t i = 0; i < part_count; i++)
        count += parts[i].count;
    count += head.count;
    if (count > BPF_MAXINSNS)
        return error_set(error, E2BIG,
                         "linux.seccomp: %zu instructions; the kernel takes %d: use fewer rules or "
                         "architectures",
                         count, BPF_MAXINSNS);
    program->filter = calloc(count, sizeof(*program->filter));
    if (!program->filter)
        return error_sys(error, ENOMEM, "linux.seccomp");
    memcpy(program->filter, head.code, head.count * sizeof(*head.code));
    struct sock_filter *at = program->filter + head.count;
    for (size_t i = 0; i < part_count; i++) {
        memcpy(at, parts[i].filter, parts[i].count * sizeof(*at));
        at += parts[i].count;
    }
    program->len = (unsigned short)count;
    return 0;
}
