/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SPEC_SECCOMP_CALLS_H
#define SPEC_SECCOMP_CALLS_H

/*
 * The names of system calls, by what they are for, that a container may call or is refused whatever
 * the arguments. A name that a machine's libseccomp does not know is skipped by the runtime; the
 * call then gets the default, ENOSYS.
 */

#include <stdbool.h>

#if defined(__x86_64__)
#define SECCOMP_NATIVE_ARCHITECTURE "SCMP_ARCH_X86_64"
#elif defined(__aarch64__)
#define SECCOMP_NATIVE_ARCHITECTURE "SCMP_ARCH_AARCH64"
#elif defined(__riscv) && __riscv_xlen == 64
#define SECCOMP_NATIVE_ARCHITECTURE "SCMP_ARCH_RISCV64"
#else
#error "seccomp_profile.c looks at arguments by their place; check them for this architecture"
#endif

struct call_group {
    const char *names;      /* separated by blanks; NULL ends the table */
    bool is_allowed;        /* else EPERM */
    const char *capability; /* allowed with this capability in cap_add, else EPERM; NULL: - */
};

extern const struct call_group seccomp_call_groups[];

#endif
