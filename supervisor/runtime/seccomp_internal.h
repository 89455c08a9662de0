/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_SECCOMP_INTERNAL_H
#define RUNTIME_SECCOMP_INTERNAL_H

/* What the files of seccomp.h share. */

#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdint.h>

#include "supervisor/runtime/seccomp.h"

/* ---- seccomp.c: a program is begun, gets its filter (compiled or cached), and is finished ---- */

struct seccomp_head {
    const json_t *architectures, *rules; /* or NULL */
    uint32_t default_action;             /* SCMP_ACT_* */
};

/* Reads all but the rules. The caller frees *program also where a later step fails. */
int seccomp_program_begin(const json_t *profile, struct seccomp_head *head,
                          struct seccomp_program **program, struct error *error);
/* Makes program->program and has_notify. */
int seccomp_program_compile(const struct seccomp_head *head, struct seccomp_program *program,
                            struct error *error);
/* Checks what depends on has_notify and on the running kernel. */
int seccomp_program_finish(struct seccomp_program *program, struct error *error);

/* ---- seccomp_words.c ---- */

/*
 * The value of an action at path. number: its errnoRet (or defaultErrnoRet), -1 for none.
 * -EINVAL for an unknown name and for a number with an action that takes none (config-linux.md).
 */
int seccomp_action_find(const char *name, int64_t number, const char *path, uint32_t *action,
                        struct error *error);
int seccomp_operator_find(const char *name, const char *path, enum scmp_compare *op,
                          struct error *error);
int seccomp_architecture_find(const char *name, const char *path, uint32_t *architecture,
                              struct error *error);
int seccomp_flag_find(const char *name, const char *path, unsigned *bit, struct error *error);

/* ---- seccomp_rule.c ---- */

/* Conditions of one rule. An argument may have several; 6 arguments, and room to list values. */
#define SECCOMP_CONDITIONS_MAX 64

struct seccomp_rule {
    char path[48];
    const json_t *names;
    const char *action_name;
    uint32_t action;
    struct scmp_arg_cmp conditions[SECCOMP_CONDITIONS_MAX];
    unsigned condition_count;
    bool are_alternatives; /* each condition is a rule of its own */
};

int seccomp_rule_read(const json_t *object, size_t index, struct seccomp_rule *rule,
                      struct error *error);
/* Adds the rule for each of its names that libseccomp knows. */
int seccomp_rule_apply(scmp_filter_ctx context, const struct seccomp_rule *rule,
                       struct error *error);

/* ---- seccomp_stub.c ---- */

/* Instructions enough for every architecture of seccomp_words.c. */
#define SECCOMP_STUB_MAX 256

/*
 * Writes to code the instructions that go in front of the filter and returns their number, 0 if
 * there is nothing to say. The number of the instructions behind them does not matter.
 */
size_t seccomp_stub_write(const struct seccomp_head *head,
                          struct sock_filter code[SECCOMP_STUB_MAX]);

#endif
