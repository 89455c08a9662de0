/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_SECCOMP_H
#define RUNTIME_SECCOMP_H

/*
 * A seccomp filter: from linux.seccomp of an OCI config (config-linux.md, "Seccomp") through
 * libseccomp to a BPF program. Compiling takes milliseconds and a supervisor uses few profiles, so
 * a program remembers the profile it was made of and can be used again for an equal one.
 */

#include <jansson.h>
#include <linux/filter.h>
#include <stdbool.h>

#include "common/error.h"

struct seccomp_program {
    json_t *profile;           /* a reference of our own */
    struct sock_fprog program; /* filter[] is owned */
    unsigned flags;            /* SECCOMP_FILTER_FLAG_* */
};

/*
 * Compiles. Names of system calls that this libseccomp does not know are skipped, as all runtimes
 * do: an unknown call falls under the default action. The caller frees with seccomp_program_free().
 */
int seccomp_program_new(const json_t *profile, struct seccomp_program **program,
                        struct error *error);
void seccomp_program_free(struct seccomp_program *program);

/* Whether program was made of a profile equal to this one. program may be NULL. */
bool seccomp_program_is_of(const struct seccomp_program *program, const json_t *profile);

#endif
