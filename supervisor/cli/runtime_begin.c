/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The beginning of the C library in this program, without its look at the processor.
 *
 * glibc's own __libc_start_main asks the processor for its features and for the sizes of its
 * caches, to choose among its memcpy() and strlen() and to tune them: by some seventy `cpuid`
 * instructions (sysdeps/x86/cpu-features.c, dl-cacheinfo.h). In a virtual machine each of them
 * leaves the guest, and together they take 0.3 to 0.5 ms: more than all else that this program does
 * by itself in `state` or `exec`, which copy some kilobytes at most. No tunable turns that off. So
 * the program brings a __libc_start_main of its own, which does in the same order what glibc 2.36
 * does (csu/libc-start.c) but for that step. What is left at zero, _dl_x86_cpu_features, makes
 * every choice fall on the functions for any x86-64 (SSE2). Else only what is not used here looks
 * at it: dlopen(3), sysconf(3) for the sizes of caches, and elided locks, which stay off.
 *
 * The steps are the library's own functions, hidden but in the archive. They belong to one version
 * of it; with another, on another processor, or with the sanitizers (a dynamic program) this file
 * is empty and glibc's own beginning is linked. All that hardens a process is as it is there:
 * random addresses, stack canary, pointer guard, read-only relocations
 * (test_runtime_seal.py looks at each).
 */
#include <features.h>

#if defined(RUNTIME_IS_STATIC) && defined(__x86_64__) && __GLIBC__ == 2 && __GLIBC_MINOR__ == 36

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* Until the program is relocated no address may come from the global offset table. */
#pragma GCC visibility push(hidden)

typedef int program_main(int argc, char **argv, char **environment);
typedef void program_begin(int argc, char **argv, char **environment);
typedef void program_end(void);

extern char **__environ;
extern void *__libc_stack_end;
extern uintptr_t *_dl_random; /* AT_RANDOM (getauxval(3)): 16 bytes */
extern int __libc_enable_secure;

void _dl_aux_init(Elf64_auxv_t *vector);
void __tunables_init(char **environment);
void _dl_relocate_static_pie(void);
void __libc_setup_tls(void);
void __libc_early_init(_Bool is_initial);
void __libc_init_first(int argc, char **argv, char **environment);
void __libc_check_standard_fds(void);
int __cxa_atexit(void (*function)(void *), void *argument, void *library);
void _init(void);
void _fini(void);

/* Of the linker. */
extern program_begin *__preinit_array_start[], *__preinit_array_end[];
extern program_begin *__init_array_start[], *__init_array_end[];
extern program_end *__fini_array_start[], *__fini_array_end[];

/*
 * What memcpy() and memset() go by, which the library measures in the same step: the values that it
 * begins with, and as the border beyond which the cache is bypassed its default for the smallest of
 * caches (sysdeps/x86/cacheinfo.h). They are here because they would drag in the library's
 * __libc_start_main too.
 */
long __x86_data_cache_size = 32 * 1024;
long __x86_data_cache_size_half = 32 * 1024 / 2;
long __x86_shared_cache_size = 1024 * 1024;
long __x86_shared_cache_size_half = 1024 * 1024 / 2;
long __x86_shared_non_temporal_threshold = 1024 * 1024 * 3 / 4;
long __x86_rep_movsb_threshold = 2048;
long __x86_rep_stosb_threshold = 2048;
long __x86_rep_movsb_stop_threshold = 1024 * 1024 * 3 / 4;
int __x86_string_control;

/* The thread's block (tcbhead_t): gcc reads the canary there, setjmp(3) and atexit(3) the guard. */
static inline __attribute__((always_inline)) void set_guards(void)
{
    /* A zero byte, so that no string reaches beyond it. */
    uintptr_t canary = _dl_random[0] & ~(uintptr_t)0xff;

    __asm__ volatile("mov %0, %%fs:0x28" : : "r"(canary));
    __asm__ volatile("mov %0, %%fs:0x30" : : "r"(_dl_random[1]));
}

static Elf64_auxv_t *find_vector(char **environment)
{
    while (*environment)
        environment++;
    return (Elf64_auxv_t *)(environment + 1);
}

static void begin_program(int argc, char **argv, char **environment)
{
    for (program_begin **begin = __preinit_array_start; begin < __preinit_array_end; begin++)
        (*begin)(argc, argv, environment);
    _init();
    for (program_begin **begin = __init_array_start; begin < __init_array_end; begin++)
        (*begin)(argc, argv, environment);
}

static void end_program(void *unused)
{
    (void)unused;
    for (program_end **end = __fini_array_end; end > __fini_array_start;)
        (*--end)();
    _fini();
}

/* Called by the library's _start; init and fini are not used any more (glibc 2.34). */
__attribute__((noreturn, no_stack_protector)) int
__libc_start_main(program_main *program, int argc, char **argv, program_main *init,
                  program_end fini, program_end *loader_end, void *stack_end);

int __libc_start_main(program_main *program, int argc, char **argv, program_main *init,
                      program_end fini, program_end *loader_end, void *stack_end)
{
    (void)init;
    (void)fini;
    (void)loader_end; /* of a dynamic program's loader */
    __environ = argv + argc + 1;
    __libc_stack_end = stack_end;
    _dl_aux_init(find_vector(__environ));
    __tunables_init(__environ);
    /* With the choices of functions (R_X86_64_IRELATIVE), which look at the zeros. */
    _dl_relocate_static_pie();
    __libc_setup_tls();
    set_guards();
    __libc_early_init(true);
    __libc_init_first(argc, argv, __environ);
    __cxa_atexit(end_program, NULL, NULL);
    if (__libc_enable_secure)
        __libc_check_standard_fds();
    begin_program(argc, argv, __environ);
    exit(program(argc, argv, __environ));
}

#pragma GCC visibility pop

#endif
