/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/cli/runtime_log.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/control.h"
#include "supervisor/cli/runtime_verbs.h"

static const char *const level_names[] = {
    [RUNTIME_LOG_ERROR] = "error",
    [RUNTIME_LOG_WARNING] = "warning",
    [RUNTIME_LOG_INFO] = "info",
    [RUNTIME_LOG_DEBUG] = "debug",
};

static const int priorities[] = {
    [RUNTIME_LOG_ERROR] = LOG_ERR,
    [RUNTIME_LOG_WARNING] = LOG_WARNING,
    [RUNTIME_LOG_INFO] = LOG_INFO,
    [RUNTIME_LOG_DEBUG] = LOG_DEBUG,
};

/* The program has one log; it is closed by its end. */
static struct {
    enum { TO_STDERR, TO_FILE, TO_SYSLOG, TO_JOURNAL } target;
    bool is_json;
    enum runtime_log_level level;
    int fd;
    const char *name; /* of syslog and the journal */
} log_state = {.level = RUNTIME_LOG_WARNING, .fd = -1};

/* ---- targets ---- */

static int open_file(const char *path, struct error *error)
{
    /* O_NONBLOCK: a FIFO without a reader must not hold us up. */
    log_state.fd =
        open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0644);
    if (log_state.fd < 0)
        return error_sys(error, errno, "open the log %s", path);
    log_state.target = TO_FILE;
    return 0;
}

static int open_journal(const char *name, struct error *error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/run/systemd/journal/socket"};

    log_state.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (log_state.fd < 0 || connect(log_state.fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        return error_sys(error, errno, "--log journald:%s: connect to %s", name, address.sun_path);
    log_state.target = TO_JOURNAL;
    log_state.name = name;
    return 0;
}

static int open_target(const char *target, struct error *error)
{
    static const char file[] = "file:", to_syslog[] = "syslog:", journald[] = "journald:";

    if (strncmp(target, journald, strlen(journald)) == 0)
        return open_journal(target + strlen(journald), error);
    if (strncmp(target, to_syslog, strlen(to_syslog)) == 0) {
        log_state.target = TO_SYSLOG;
        log_state.name = target + strlen(to_syslog);
        openlog(log_state.name, LOG_PID, LOG_DAEMON);
        return 0;
    }
    if (strncmp(target, file, strlen(file)) == 0)
        target += strlen(file);
    return open_file(target, error);
}

static int set_level(const char *name, struct error *error)
{
    for (size_t i = 0; i < ARRAY_LENGTH(level_names); i++)
        if (strcmp(name, level_names[i]) == 0) {
            log_state.level = (enum runtime_log_level)i;
            return 0;
        }
    return error_set(error, EINVAL, "--log-level \"%s\": not one of error, warning, info and debug",
                     name);
}

int runtime_log_open(const struct runtime_options *options, struct error *error)
{
    const char *format = options->log_format ? options->log_format : "text";
    int r = 0;

    log_state.is_json = strcmp(format, "json") == 0;
    if (options->log && *options->log)
        r = open_target(options->log, error);
    if (r == 0 && !log_state.is_json && *format && strcmp(format, "text") != 0)
        r = error_set(error, EINVAL, "--log-format \"%s\": not text or json", format);
    if (r == 0 && options->log_level)
        r = set_level(options->log_level, error);
    if (options->is_debug)
        log_state.level = RUNTIME_LOG_DEBUG;
    return r;
}

/* ---- lines ---- */

/* The whole line in one write: several programs append to the same log. */
static void write_line(int fd, const char *text)
{
    char line[4096];
    int length = snprintf(line, sizeof(line), "%s\n", text);

    if (length >= (int)sizeof(line)) {
        length = (int)sizeof(line) - 1;
        line[length - 1] = '\n';
    }
    if (write(fd, line, (size_t)length) < 0)
        return; /* there is nobody left to tell */
}

static void write_file(enum runtime_log_level level, const char *message)
{
    char stamp[RUNTIME_TIME_SIZE];
    _cleanup_free_ char *text = NULL;

    runtime_time_now(false, stamp);
    /* Made by jansson for the text form too: it quotes what a container may have put in. */
    json_t *json = control_text(message, strlen(message)); /* a bound may have cut a character */
    json_t *line = log_state.is_json ? json_pack("{s:s, s:O, s:s}", "level", level_names[level],
                                                 "msg", json, "time", stamp)
                                     : NULL;
    text = json_dumps(line ? line : json, JSON_COMPACT | JSON_ENCODE_ANY);
    json_decref(line);
    json_decref(json);
    if (!text)
        return;
    if (log_state.is_json) {
        write_line(log_state.fd, text);
        return;
    }
    char buffer[4096];
    snprintf(buffer, sizeof(buffer), "time=\"%s\" level=%s msg=%s", stamp, level_names[level],
             text);
    write_line(log_state.fd, buffer);
}

/* The journal's native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL): a line feed would end a
 * field, so that a message with one goes with its length. */
static void write_journal(enum runtime_log_level level, const char *message)
{
    char buffer[4096];
    uint64_t length = strlen(message);
    int used = snprintf(buffer, sizeof(buffer), "PRIORITY=%d\nSYSLOG_IDENTIFIER=%s\nMESSAGE\n",
                        priorities[level], log_state.name);

    if (used < 0 || (size_t)used + sizeof(length) + length + 1 > sizeof(buffer))
        return;
    for (unsigned i = 0; i < sizeof(length); i++)
        buffer[used++] = (char)(length >> (8 * i));
    memcpy(buffer + used, message, length);
    used += (int)length;
    buffer[used++] = '\n';
    send(log_state.fd, buffer, (size_t)used, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void runtime_log(enum runtime_log_level level, const char *format, ...)
{
    char message[2048];
    va_list arguments;

    if (level > log_state.level)
        return;
    va_start(arguments, format);
    vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    if (log_state.target == TO_FILE)
        write_file(level, message);
    else if (log_state.target == TO_SYSLOG)
        syslog(priorities[level], "%s", message);
    else if (log_state.target == TO_JOURNAL)
        write_journal(level, message);
    if (level == RUNTIME_LOG_ERROR || log_state.target == TO_STDERR) {
        char line[2200];
        snprintf(line, sizeof(line), "container-runtime: %s%s%s",
                 level == RUNTIME_LOG_ERROR ? "" : level_names[level],
                 level == RUNTIME_LOG_ERROR ? "" : ": ", message);
        write_line(STDERR_FILENO, line);
    }
}

void runtime_log_warnings(const char *lines)
{
    while (*lines) {
        int length = (int)strcspn(lines, "\n");
        if (length)
            runtime_log(RUNTIME_LOG_WARNING, "%.*s", length, lines);
        lines += length + (lines[length] == '\n');
    }
}
