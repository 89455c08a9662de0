/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_LOG_H
#define DAEMON_LOG_H

/*
 * The supervisor's own log: standard error, a line a message, with the priority prefix of
 * sd-daemon(3) when the journal reads it and with a time otherwise. Control characters are escaped:
 * a tenant's text can forge no line and steer no terminal.
 */

#include <stdbool.h>
#include <stddef.h>

enum log_level {
    LOG_LEVEL_ERROR = 3, /* the numbers of syslog(3) */
    LOG_LEVEL_WARNING = 4,
    LOG_LEVEL_NOTICE = 5,
    LOG_LEVEL_INFO = 6,
    LOG_LEVEL_DEBUG = 7,
};

/* Called once, before anything logs. */
void log_open(bool debug);

void log_message(enum log_level level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#define log_error(...)   log_message(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_message(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_notice(...)  log_message(LOG_LEVEL_NOTICE, __VA_ARGS__)
#define log_info(...)    log_message(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)   log_message(LOG_LEVEL_DEBUG, __VA_ARGS__)

/* CLOCK_REALTIME as RFC 3339 with microseconds, UTC: "2026-11-22T05:10:03.123456Z". Returns buffer.
 */
#define LOG_TIME_SIZE 32
char *log_time(char buffer[LOG_TIME_SIZE]);

#endif
