/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_SECCOMP_H
#define RUNTIME_SECCOMP_H

/*
 * A seccomp filter: from linux.seccomp of an OCI config (config-linux.md, "Seccomp") through
 * libseccomp to a BPF program. Compiling takes milliseconds and most containers have the same
 * profile, so a program remembers what it was made of (seccomp_program_is_of), and programs are
 * kept on disk (seccomp_cache.h).
 *
 * seccomp.c reads the profile but for syscalls[], which seccomp_rule.c does; seccomp_words.c has
 * the names; seccomp_compile.c makes a filter for each architecture, seccomp_join.c one of them
 * all. None of this is called between clone and exec.
 */

#include <jansson.h>
#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"

struct seccomp_program {
    json_t *profile;           /* a reference of our own; the tree must not be changed */
    struct sock_fprog program; /* filter[] is owned */
    unsigned flags;            /* SECCOMP_FILTER_FLAG_*, without SECCOMP_FILTER_FLAG_NEW_LISTENER */
    bool has_notify;           /* some call is SCMP_ACT_NOTIFY: seccomp_load_listener() loads it */
    const char *listener_path; /* in profile; set if has_notify */
    const char *listener_metadata; /* in profile, or NULL */
};

/*
 * Compiles. Names of system calls that this libseccomp does not know are skipped, as all runtimes
 * do: an unknown call falls under the default action. The machine's own architecture is always
 * part of the filter, whatever `architectures` lists; calls of an architecture that is not are
 * killed. Several conditions on one argument of a rule are alternatives, as in all runtimes.
 * Takes a reference to profile. The caller frees with seccomp_program_free(). Error: -EINVAL,
 * -ERANGE, -E2BIG and others with a message that begins with the key's path.
 */
int seccomp_program_new(const json_t *profile, struct seccomp_program **program,
                        struct error *error);
void seccomp_program_free(struct seccomp_program *program);

/*
 * Whether program was made of a profile equal to this one. program may be NULL. Microseconds for a
 * profile of Docker's size, and nothing for the same tree.
 */
bool seccomp_program_is_of(const struct seccomp_program *program, const json_t *profile);

/*
 * What this runtime knows, for the features document: names by index from 0, NULL behind the last.
 * An architecture is listed if the libseccomp that runs knows it too.
 */
const char *seccomp_action_name(size_t index);
const char *seccomp_operator_name(size_t index);
const char *seccomp_architecture_name(size_t index);
/* Also the flag's bit, 0 for one that needs none here (TSYNC: the loader has one thread). */
const char *seccomp_flag_name(size_t index, unsigned *bit);
/* Whether the running kernel takes this SECCOMP_FILTER_FLAG_*; asked anew at each call. */
bool seccomp_flag_is_supported(unsigned bit);

#endif
