/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_RUNTIME_LOG_H
#define CLI_RUNTIME_LOG_H

/*
 * Where container-runtime tells what it has to tell: errors on stderr and, where --log asks for
 * one, in a log as well; everything else in the log, or on stderr if there is none. The JSON lines
 * are those that engines read of runc: {"level":"error","msg":"...","time":"RFC 3339"}.
 */

#include "common/error.h"
#include "supervisor/cli/runtime_options.h"

enum runtime_log_level {
    RUNTIME_LOG_ERROR,
    RUNTIME_LOG_WARNING,
    RUNTIME_LOG_INFO,
    RUNTIME_LOG_DEBUG,
};

/* Opens what --log, --log-format, --log-level and --debug say. */
int runtime_log_open(const struct runtime_options *options, struct error *error);

void runtime_log(enum runtime_log_level level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* One warning a line of text. */
void runtime_log_warnings(const char *lines);

#endif
