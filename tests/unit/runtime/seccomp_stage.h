/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_SECCOMP_STAGE_H
#define TEST_SECCOMP_STAGE_H

/* What the tests of seccomp filters share: profiles from text, and calls in children under them. */

#include <errno.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "supervisor/runtime/config_uint64.h"
#include "supervisor/runtime/seccomp.h"
#include "supervisor/sys/clone.h"

#define TIMEOUT_S 20

/* Children end with an errno, or with one of these. */
enum { STAGE_LOAD_FAILED = 250, STAGE_ABSURD };

struct call {
    long number;
    unsigned long args[6];
};

/* Single quotes are easier to read in C; no test needs one inside. */
static inline json_t *stage_profile(const char *text)
{
    char quoted[65536];
    json_error_t problem;

    assert_true(strlen(text) < sizeof(quoted));
    strcpy(quoted, text);
    for (char *at = quoted; (at = strchr(at, '\''));)
        *at = '"';
    json_t *profile = config_load_json(quoted, strlen(quoted), 0, &problem);
    if (!profile)
        fail_msg("%s: %s", problem.text, quoted);
    return profile;
}

static inline struct seccomp_program *stage_program(const char *text)
{
    struct seccomp_program *program = NULL;
    struct error error = ERROR_INIT;
    json_t *profile = stage_profile(text);

    if (seccomp_program_new(profile, &program, &error) < 0)
        fail_msg("%s", error.message);
    json_decref(profile);
    return program;
}

/* In a child: loads the filter for itself. */
static inline void stage_load(const struct seccomp_program *program)
{
    alarm(TIMEOUT_S);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        seccomp_load_program(&program->program, program->flags) < 0)
        _exit(STAGE_LOAD_FAILED);
}

/* The end of a child: its exit status, or the signal that killed it, negated. */
static inline int stage_end(pid_t pid)
{
    int status;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static inline long stage_call(const struct call *call)
{
    const unsigned long *a = call->args;

    return syscall(call->number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* The errno of a call under a filter, 0 for success, or the signal that it brings, negated. */
static inline int stage_errno(const struct seccomp_program *program, struct call call)
{
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        signal(SIGSYS, SIG_DFL); /* cmocka catches it */
        stage_load(program);
        _exit(stage_call(&call) < 0 ? errno : 0);
    }
    return stage_end(pid);
}

#endif
