/* SPDX-License-Identifier: Apache-2.0 */
/* What all verbs share: the call, and how a failure is told. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"
#include "supervisor/cli/ctl.h"
#include "supervisor/cli/ctl_text.h"

int ctl_call(const struct ctl *ctl, json_t *request, int more_ms, json_t **answer,
             enum control_code *code, struct error *error)
{
    _cleanup_json_ json_t *owned = request;

    if (!owned)
        return error_sys(error, ENOMEM, "write a request");
    if (ctl->is_debug) {
        _cleanup_free_ char *text = json_dumps(owned, JSON_COMPACT);
        fprintf(stderr, "containerctl: debug: %s: call %s\n", ctl->control_socket, text);
    }
    int r =
        control_call(ctl->control_socket, owned, CONTROL_TIMEOUT_MS + more_ms, answer, code, error);
    if (ctl->is_debug && r == 0) {
        _cleanup_free_ char *text = json_dumps(*answer, JSON_COMPACT | JSON_ENSURE_ASCII);
        fprintf(stderr, "containerctl: debug: answer %s\n", text);
    } else if (ctl->is_debug) {
        fprintf(stderr, "containerctl: debug: call failed: %s\n", strerror(-r));
    }
    return r;
}

/* ---- the next step ---- */

static const struct {
    enum control_code code;
    const char *advice;
} refusal_advice[] = {
    {CONTROL_FORBIDDEN, "run it as root (sudo containerctl ...)"},
    {CONTROL_NOT_FOUND, "containerctl ps -a lists what there is"},
    {CONTROL_CONFLICT, "containerctl ps -a shows the state it is in"},
    {CONTROL_BUSY, "try again in a moment"},
    {CONTROL_TIMEOUT,
     "it goes on; containerctl ps -a shows how far it is; --timeout SEC waits longer"},
};

static const struct {
    int error;
    const char *advice;
} errno_advice[] = {
    {ENOENT, "is the supervisor running? systemctl start container-supervisor starts it; "
             "--root DIR names another one"},
    {ECONNREFUSED, "is the supervisor running? systemctl start container-supervisor starts it; "
                   "--root DIR names another one"},
    {ESTALE, "is the supervisor running? systemctl status container-supervisor tells"},
    {EACCES, "run it as root (sudo containerctl ...)"},
    {EPERM, "run it as root (sudo containerctl ...)"},
    {ETIMEDOUT, "the supervisor is busy or stuck; containerctl ps needs no answer from it"},
    {EAGAIN, "the supervisor is busy; try again in a moment"},
    {ESRCH, "containerctl ps -a lists what there is"},
};

static const char *find_advice(int r, enum control_code code)
{
    if (r == -EREMOTEIO) {
        for (size_t i = 0; i < ARRAY_LENGTH(refusal_advice); i++)
            if (refusal_advice[i].code == code)
                return refusal_advice[i].advice;
        return NULL;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(errno_advice); i++)
        if (errno_advice[i].error == -r)
            return errno_advice[i].advice;
    return NULL;
}

int ctl_fail(const struct ctl *ctl, const char *object, int r, enum control_code code,
             const struct error *error)
{
    const char *advice = find_advice(r, code);

    fflush(stdout);
    fprintf(stderr, "containerctl: %s%s%s: ", ctl->verb, object ? " " : "", object ? object : "");
    text_print_clean(stderr, error->message, strlen(error->message));
    fputc('\n', stderr);
    if (advice)
        fprintf(stderr, "  %s\n", advice);
    return CTL_FAILED;
}

int ctl_usage(const struct ctl *ctl, const char *format, ...)
{
    char message[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    fprintf(stderr, "containerctl: %s%s", ctl->verb ? ctl->verb : "", ctl->verb ? ": " : "");
    text_print_clean(stderr, message, strlen(message));
    if (ctl->verb)
        fprintf(stderr, "\n  containerctl help %s shows how to call it\n", ctl->verb);
    else
        fprintf(stderr, "\n  containerctl help shows what there is\n");
    return CTL_USAGE;
}

int ctl_print_json(const struct ctl *ctl, json_t *json)
{
    _cleanup_json_ json_t *owned = json;
    size_t flags = JSON_INDENT(2) | JSON_REAL_PRECISION(9);

    if (!owned || text_print_json(stdout, owned,
                                  flags | (ctl->is_stdout_terminal ? JSON_ENSURE_ASCII : 0)) < 0)
        return -ENOMEM;
    putchar('\n');
    return 0;
}
