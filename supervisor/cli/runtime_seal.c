/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CVE-2019-5736: a container that gets hold of /proc/PID/exe must not be able to write to the
 * program. So the program executes itself anew, once, from a detached copy of its mount that is
 * read-only.
 *
 * The first of the two lives is kept short: the decision is made at the program's very entry,
 * before the C library begins, whose start alone (it asks the processor what it can do, which is
 * slow in a virtual machine) would cost more than all that is done here. That code runs
 * unrelocated, without TLS and without libc: system calls by hand, no strings but in place, no
 * global but by the program counter.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "supervisor/cli/runtime_verbs.h"

/* Above all that a caller may want passed on. */
#define SEAL_FD (3 + RUNTIME_PASSED_MAX)

/* What runtime_seal_early() found: the descriptor of the copy that we run from, or -1 - errno of
 * what went wrong. 0: neither. */
static int seal_result;

#if defined(__x86_64__)
static inline __attribute__((always_inline)) long call(long number, long a, long b, long c, long d,
                                                       long e)
{
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    long result;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
                     : "rcx", "r11", "memory");
    return result;
}
#elif defined(__aarch64__)
static inline __attribute__((always_inline)) long call(long number, long a, long b, long c, long d,
                                                       long e)
{
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;

    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
    return x0;
}
#else
#error "runtime_seal.c: write system calls and the entry for this processor"
#endif

/* Without the stack protector, whose canary is not there yet. */
#define EARLY __attribute__((no_stack_protector))

static inline EARLY bool is_word(const char *text, const char *word)
{
    while (*text && *text == *word) {
        text++;
        word++;
    }
    return *text == *word;
}

/* Whether one of the words is a verb that starts something in a container; too often is harmless.
 */
static inline EARLY bool starts_something(char **argv)
{
    bool is_found = false;

    for (char **word = argv; *word; word++)
        is_found |= is_word(*word, "run") || is_word(*word, "exec") || is_word(*word, "create") ||
                    is_word(*word, "restore");
    return is_found;
}

static inline EARLY bool is_read_only(const char *path)
{
    struct statfs fs;

    return call(SYS_statfs, (long)path, (long)&fs, 0, 0, 0) == 0 && (fs.f_flags & ST_RDONLY);
}

static inline EARLY long make_copy(const char *path)
{
    struct mount_attr attributes = {.attr_set = MOUNT_ATTR_RDONLY};
    long copy =
        call(SYS_open_tree, AT_FDCWD, (long)path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC, 0, 0);

    if (copy < 0)
        return copy;
    long result = call(SYS_mount_setattr, copy, (long)"", AT_EMPTY_PATH, (long)&attributes,
                       sizeof(attributes));
    if (result < 0)
        return result;
    /* Open beyond execve(2): its end takes time, see runtime_seal_close(). */
    return call(SYS_fcntl, copy, F_DUPFD, SEAL_FD, 0, 0);
}

/* stack: what the kernel gives a program (elf(5)): argc, argv, NULL, environment, NULL. */
EARLY void runtime_seal_early(long *stack)
{
    static const char path[] = "/proc/self/exe";
    char **argv = (char **)(stack + 1);
    char **environment = argv + stack[0] + 1;
    struct statfs fs;

    if (!starts_something(argv) || call(SYS_geteuid, 0, 0, 0, 0, 0) != 0)
        return;
    bool has_copy = call(SYS_fstatfs, SEAL_FD, (long)&fs, 0, 0, 0) == 0 && (fs.f_flags & ST_RDONLY);
    if (is_read_only(path)) {
        if (has_copy)
            seal_result = SEAL_FD;
        return;
    }
    long result = has_copy ? -ELOOP : make_copy(path);
    if (result >= 0)
        result = call(SYS_execveat, result, (long)"", (long)argv, (long)environment, AT_EMPTY_PATH);
    /* Root of a user namespace only may neither mount nor write to the file. */
    if (result != -EPERM)
        seal_result = (int)result - 1;
}

/* The entry of the program: the stack is kept as it is for the C library's, which is next. */
#if defined(__x86_64__)
__asm__(".text\n"
        ".globl runtime_entry\n"
        ".type runtime_entry, @function\n"
        "runtime_entry:\n"
        "    endbr64\n"
        "    mov %rsp, %rdi\n"
        "    push %rdx\n"
        "    push %rdx\n"
        "    call runtime_seal_early\n"
        "    pop %rdx\n"
        "    pop %rdx\n"
        "    xor %ebp, %ebp\n"
        "    jmp _start\n");
#else
__asm__(".text\n"
        ".globl runtime_entry\n"
        ".type runtime_entry, %function\n"
        "runtime_entry:\n"
        "    mov x19, x0\n"
        "    mov x0, sp\n"
        "    bl runtime_seal_early\n"
        "    mov x0, x19\n"
        "    b _start\n");
#endif

int runtime_seal_check(struct error *error)
{
    return seal_result < 0 ? error_sys(error, -1 - seal_result,
                                       "seal the program against changes (CVE-2019-5736)")
                           : 0;
}

/* In a process that shares our descriptors and our memory: two system calls and nothing else. */
static int close_copy(void *unused)
{
    (void)unused;
    close(SEAL_FD);
    _exit(0);
}

void runtime_seal_close(void)
{
    static char stack[4096] __attribute__((aligned(16)));

    if (seal_result <= 0)
        return;
    if (clone(close_copy, stack + sizeof(stack), CLONE_VM | CLONE_FILES, NULL) < 0)
        close(SEAL_FD);
}

void runtime_close_up(void)
{
    close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
#ifndef __SANITIZE_ADDRESS__
    /*
     * CVE-2016-9962: a process that is about to join a container must not be traced from inside.
     * Others than root could then not even write their own children's uid_map.
     */
    if (geteuid() == 0)
        prctl(PR_SET_DUMPABLE, 0);
#endif
}
