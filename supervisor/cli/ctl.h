/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_CTL_H
#define CLI_CTL_H

/*
 * containerctl: what its verbs share. One process, one thread, one command; what a command
 * allocates lives until it ends.
 *
 * Every verb is one row of the table in containerctl.c and one function here. It returns the exit
 * code: CTL_OK, CTL_FAILED (said why on stderr) or CTL_USAGE (called wrongly).
 */

#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/control.h"
#include "common/error.h"
#include "common/names.h"

enum ctl_exit {
    CTL_OK = 0,
    CTL_FAILED = 1,
    CTL_USAGE = 2,
};

enum ctl_output {
    CTL_OUTPUT_TABLE = 0,
    CTL_OUTPUT_WIDE,
    CTL_OUTPUT_JSON,
    CTL_OUTPUT_AUTO, /* from here on: status only */
    CTL_OUTPUT_CSV,
    CTL_OUTPUT_OPENMETRICS,
};

/* The bound of docs/control-protocol.md for wait_ms, and what a command waits without --timeout. */
#define CTL_WAIT_MAX_MS     60000
#define CTL_WAIT_DEFAULT_MS 30000

/* The command line, read. */
struct ctl {
    const char *verb;
    char control_socket[PATH_MAX];
    char scoreboard[PATH_MAX];
    char throttle[PATH_MAX];
    char limit_key[PATH_MAX];
    enum ctl_output output;
    bool is_debug;
    bool has_colour; /* stdout is a terminal that takes colour, and NO_COLOR is not set */
    bool is_stdout_terminal;

    bool is_curl;    /* --curl: print the call by curl instead */
    const char *url; /* --url; NULL: the default */

    bool all;            /* ps -a, throttle clear -a */
    bool quiet;          /* ps -q */
    bool no_trunc;       /* ps --no-trunc */
    int wait_ms;         /* start, stop, ...: --timeout, --no-wait */
    const char *signal;  /* kill -s: "SIGTERM"; NULL: the supervisor's default */
    bool follow;         /* logs -f */
    int64_t tail;        /* logs --tail, events --tail; -1: all */
    bool has_tail;       /* --tail was given */
    bool timestamps;     /* logs --timestamps */
    const char *stream;  /* logs --stream: "stdout", "stderr"; NULL: both */
    uint64_t since_usec; /* events --since: so long ago; 0: not given */
    const char *sort, *states, *search, *limit; /* status, top: as written; NULL: not given */
    const char *range;                          /* history --range; NULL: not given */
    uint64_t delay_usec;                        /* top --delay */
    bool force;                                 /* throttle add --force */
    uint64_t for_usec;                          /* throttle add, limits link --for; 0: not given */
};

/* ---- verbs ---- */

int ctl_ps(const struct ctl *ctl, int count, char **args);
int ctl_inspect(const struct ctl *ctl, int count, char **args);
int ctl_act(const struct ctl *ctl, int count, char **args); /* start ... kill: ctl->verb says */
int ctl_logs(const struct ctl *ctl, int count, char **args);
int ctl_events(const struct ctl *ctl, int count, char **args);
int ctl_mails(const struct ctl *ctl, int count, char **args);
int ctl_processes(const struct ctl *ctl, int count, char **args);
int ctl_history(const struct ctl *ctl, int count, char **args);
int ctl_limits(const struct ctl *ctl, int count, char **args);
int ctl_why(const struct ctl *ctl, int count, char **args);
int ctl_status(const struct ctl *ctl, int count, char **args);
int ctl_top(const struct ctl *ctl, int count, char **args);
int ctl_throttle(const struct ctl *ctl, int count, char **args);
int ctl_apply(const struct ctl *ctl, int count, char **args);
int ctl_version(const struct ctl *ctl, int count, char **args);

int ctl_curl(const struct ctl *ctl, int count, char **args); /* any verb with --curl */

/* ---- what they share ---- */

/* Refuses all of a command line if one of its names is none, before anything is done. */
int ctl_check_names(int count, char **args, struct error *error);

/*
 * One call of the supervisor. request is taken over. more_ms is added to the usual deadline, for
 * a request that the supervisor is asked to wait on. Returns 0 and a new reference, or a negative
 * errno with error and *code set as control_call() does.
 */
int ctl_call(const struct ctl *ctl, json_t *request, int more_ms, json_t **answer,
             enum control_code *code, struct error *error);

/*
 * Says on stderr what failed, in one line made safe for a terminal, and below it the next step, if
 * there is one to advise. Returns CTL_FAILED.
 */
int ctl_fail(const struct ctl *ctl, const char *object, int r, enum control_code code,
             const struct error *error);

/* Says on stderr that the command line is wrong, and where help is. Returns CTL_USAGE. */
int ctl_usage(const struct ctl *ctl, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Writes JSON to stdout, indented, in ASCII on a terminal; takes the reference over. */
int ctl_print_json(const struct ctl *ctl, json_t *json);

#endif
