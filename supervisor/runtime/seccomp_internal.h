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
    size_t index; /* in syscalls[] */
    const json_t *names;
    const char *action_name;
    uint32_t action;
    struct scmp_arg_cmp *conditions; /* owned */
    unsigned condition_count;
    bool are_alternatives; /* each condition is a rule of its own */
};

/* The caller frees the rule with seccomp_rule_release(), also on failure. */
int seccomp_rule_read(const json_t *object, size_t index, struct seccomp_rule *rule,
                      struct error *error);
void seccomp_rule_release(struct seccomp_rule *rule);
/* Adds the rule for a call: its name, and its number on this machine. */
int seccomp_rule_apply(scmp_filter_ctx context, const struct seccomp_rule *rule, const char *name,
                       int number, struct error *error);

/* ---- seccomp_compile.c makes a program for each architecture, seccomp_join.c one of all ---- */

#define SECCOMP_ARCHITECTURES_MAX 32 /* seccomp_words.c knows 23 */

struct seccomp_part {
    const char *name;           /* in the profile; NULL: the machine's own */
    uint32_t architecture;      /* SCMP_ARCH_* */
    uint32_t last;              /* the greatest number of a call that the profile names, or 0 */
    struct sock_filter *filter; /* owned; kills calls of other architectures */
    size_t count;
};

/*
 * Joins the parts, the machine's own first. has_question: calls newer than any the profile names
 * answer ENOSYS. The result is in program->filter, owned by the caller.
 */
int seccomp_parts_join(const struct seccomp_part *parts, size_t part_count, bool has_question,
                       struct sock_fprog *program, struct error *error);

#endif
