/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CVE-2019-5736: a container that gets hold of /proc/PID/exe must not be able to write to the
 * program. So it runs from a detached copy of its mount that is read-only. There are two ways to
 * get there, and both are gone at the program's very entry, before the C library begins: that code
 * runs unrelocated, without TLS and without libc, by system calls by hand, with no strings but in
 * place, no global but by the program counter.
 *
 * 1. In place. The same file, opened through the copy, is mapped over each segment of the program,
 * and becomes the /proc/PID/exe of the process (PR_SET_MM_MAP of prctl(2)). Why that is as good as
 * to execute it through the copy:
 *
 * - What a process holds of files, descriptors aside, is its exe file (mm->exe_file) and the file
 *   of each mapping (vm_file, which /proc/PID/map_files opens). The kernel refuses to change the
 *   first while any of the second is of the old path (EBUSY, replace_mm_exe_file() in
 *   kernel/fork.c). So success proves that none is left. What is forked inherits both.
 * - Who opens them for writing meets the flags of the mount of their path (mnt_want_write()), which
 *   the copy keeps when its descriptor is closed: EROFS. While the program runs the inode refuses
 *   writers besides, as after execve(2) (exe_file_deny_write_access()): ETXTBSY.
 * - The segments are mapped as the kernel's loader does it (fs/binfmt_elf.c): at the same
 *   addresses, so that what it told of them (getauxval(3)) stays true, with the same protection,
 *   the rest of the last page of data cleared. What lies behind, .bss and heap, is memory without a
 *   file. Only the stack was written to until now, so nothing is lost. Relocations that become
 *   read-only, the guards and all that hardens a process come later, as ever. Between two mappings
 *   all of the code is there: the same bytes of the same inode.
 * - Nobody can step in: the process is in no namespace of a container yet, and has one thread.
 *
 * That takes a kernel that can checkpoint processes (CONFIG_CHECKPOINT_RESTORE, most have it).
 *
 * 2. By execve(2), where that fails, for whatever reason: the program executes itself anew through
 * the copy. It costs a program start, but for the part of the C library, for we are so early.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <linux/close_range.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdint.h>
#include <sys/mman.h>
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
static inline __attribute__((always_inline)) long call6(long number, long a, long b, long c, long d,
                                                        long e, long f)
{
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    long result;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}
#elif defined(__aarch64__)
static inline __attribute__((always_inline)) long call6(long number, long a, long b, long c, long d,
                                                        long e, long f)
{
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;

    __asm__ volatile("svc 0"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                     : "memory");
    return x0;
}
#else
#error "runtime_seal.c: write system calls and the entry for this processor"
#endif

static inline __attribute__((always_inline)) long call(long number, long a, long b, long c, long d,
                                                       long e)
{
    return call6(number, a, b, c, d, e, 0);
}

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

/* The descriptor of a read-only copy of the program's mount, SEAL_FD or, where the caller has that
 * open, a higher one. */
static inline EARLY long make_copy(const char *path)
{
    struct mount_attr attributes = {.attr_set = MOUNT_ATTR_RDONLY};
    long copy =
        call(SYS_open_tree, AT_FDCWD, (long)path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC, 0, 0);

    if (copy < 0)
        return copy;
    long result = call(SYS_mount_setattr, copy, (long)"", AT_EMPTY_PATH, (long)&attributes,
                       sizeof(attributes));
    /* Open beyond execve(2): its end takes time, see runtime_seal_close(). */
    if (result >= 0)
        result = call(SYS_fcntl, copy, F_DUPFD, SEAL_FD, 0, 0);
    call(SYS_close, copy, 0, 0, 0, 0);
    return result;
}

/* ---- in place ---- */

/* Of the linker: the ELF header. It begins the first segment, at address 0 of the file, whence all
 * others are counted. */
extern const ElfW(Ehdr) __ehdr_start __attribute__((visibility("hidden")));

static inline EARLY unsigned long page_size(char **environment)
{
    const ElfW(auxv_t) * vector;

    while (*environment)
        environment++;
    for (vector = (const ElfW(auxv_t) *)(environment + 1); vector->a_type != AT_NULL; vector++)
        if (vector->a_type == AT_PAGESZ)
            return vector->a_un.a_val;
    return 0;
}

static inline EARLY long map_segment(const ElfW(Phdr) * segment, long fd, unsigned long page)
{
    unsigned long begin = (unsigned long)&__ehdr_start + segment->p_vaddr;
    unsigned long in_page = segment->p_vaddr & (page - 1);
    int protection = (segment->p_flags & PF_R ? PROT_READ : 0) |
                     (segment->p_flags & PF_W ? PROT_WRITE : 0) |
                     (segment->p_flags & PF_X ? PROT_EXEC : 0);
    long result =
        call6(SYS_mmap, (long)(begin - in_page), (long)(segment->p_filesz + in_page), protection,
              MAP_PRIVATE | MAP_FIXED, fd, (long)(segment->p_offset - in_page));

    if (result < 0)
        return result;
    /* volatile: no memset(3), which is not there yet */
    if (segment->p_memsz > segment->p_filesz)
        for (volatile char *at = (volatile char *)begin + segment->p_filesz;
             (unsigned long)at & (page - 1); at++)
            *at = '\0';
    return 0;
}

/* As the loader computes what /proc/PID/stat shows. */
static inline EARLY void add_bounds(const ElfW(Phdr) * segment, struct prctl_mm_map *map)
{
    unsigned long begin = (unsigned long)&__ehdr_start + segment->p_vaddr;
    unsigned long end = begin + segment->p_filesz;

    if ((segment->p_flags & PF_X) && (!map->start_code || begin < map->start_code))
        map->start_code = begin;
    if ((segment->p_flags & PF_X) && end > map->end_code)
        map->end_code = end;
    if (begin > map->start_data)
        map->start_data = begin;
    if (end > map->end_data)
        map->end_data = end;
}

static inline EARLY unsigned long string_end(const char *text)
{
    while (*text)
        text++;
    return (unsigned long)(text + 1);
}

/* What stays as it is has to be told all the same. Both lists of strings lie one behind the other.
 */
static inline EARLY void fill_map(long *stack, struct prctl_mm_map *map)
{
    char **argv = (char **)(stack + 1);
    char **environment = argv + stack[0] + 1;

    map->start_brk = map->brk = (unsigned long)call(SYS_brk, 0, 0, 0, 0, 0);
    map->start_stack = (unsigned long)stack;
    map->arg_start = (unsigned long)argv[0];
    map->arg_end = map->env_start = map->env_end = string_end(argv[stack[0] - 1]);
    for (; *environment; environment++)
        map->env_end = string_end(*environment);
}

static inline EARLY long map_all(long *stack, long fd)
{
    const ElfW(Phdr) *segments =
        (const ElfW(Phdr) *)((const char *)&__ehdr_start + __ehdr_start.e_phoff);
    unsigned long page = page_size((char **)(stack + 1) + stack[0] + 1);
    struct prctl_mm_map map = {.exe_fd = (uint32_t)fd};
    long result = page && stack[0] > 0 ? 0 : -EINVAL;

    for (int i = 0; result >= 0 && i < __ehdr_start.e_phnum; i++) {
        if (segments[i].p_type != PT_LOAD)
            continue;
        add_bounds(&segments[i], &map);
        result = map_segment(&segments[i], fd, page);
    }
    if (result < 0)
        return result;
    fill_map(stack, &map);
    return call(SYS_prctl, PR_SET_MM, PR_SET_MM_MAP, (long)&map, sizeof(map), 0);
}

static inline EARLY long seal_in_place(long *stack, long copy)
{
    char path[] = "/proc/self/fd/\0           ";
    char *at = path + sizeof("/proc/self/fd/") - 1;
    long divisor = 1;

    while (copy / divisor > 9)
        divisor *= 10;
    for (; divisor > 0; divisor /= 10)
        *at++ = (char)('0' + copy / divisor % 10);
    *at = '\0';
    long fd = call(SYS_openat, AT_FDCWD, (long)path, O_RDONLY | O_CLOEXEC, 0, 0);
    if (fd < 0)
        return fd;
    long result = map_all(stack, fd);
    call(SYS_close, fd, 0, 0, 0, 0);
    return result;
}

/* ---- the whole ---- */

static inline EARLY bool has_copy(void)
{
    struct statfs fs;

    return call(SYS_fstatfs, SEAL_FD, (long)&fs, 0, 0, 0) == 0 && (fs.f_flags & ST_RDONLY);
}

/* The copy's descriptor, or 0 if there is none, or a negative errno. Begins anew after execve(2).
 */
static inline EARLY long seal(long *stack)
{
    static const char path[] = "/proc/self/exe";
    char **argv = (char **)(stack + 1);

    if (is_read_only(path))
        return has_copy() ? SEAL_FD : 0;
    long copy = make_copy(path);
    if (copy < 0 || seal_in_place(stack, copy) >= 0)
        return copy;
    if (copy != SEAL_FD && has_copy())
        return -ELOOP;
    return call(SYS_execveat, copy, (long)"", (long)argv, (long)(argv + stack[0] + 1),
                AT_EMPTY_PATH);
}

/* stack: what the kernel gives a program (elf(5)): argc, argv, NULL, environment, NULL. */
EARLY void runtime_seal_early(long *stack)
{
    if (!starts_something((char **)(stack + 1)))
        return;
    long result = seal(stack);
    if (result < 0 && result != -EPERM)
        seal_result = (int)result - 1;
    else if (result > 0)
        seal_result = (int)result;
    /* EPERM: others than the machine's root may neither mount nor write to the file. */
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
    close(seal_result);
    _exit(0);
}

void runtime_seal_close(void)
{
    static char stack[4096] __attribute__((aligned(16)));

    if (seal_result <= 0)
        return;
    if (clone(close_copy, stack + sizeof(stack), CLONE_VM | CLONE_FILES, NULL) < 0)
        close(seal_result);
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
