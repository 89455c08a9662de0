/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/daemon/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static bool is_debug, is_journal;

void log_open(bool debug)
{
    is_debug = debug;
    is_journal = getenv("JOURNAL_STREAM") != NULL;
}

char *log_time(char buffer[LOG_TIME_SIZE])
{
    struct timespec now;
    struct tm utc;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    size_t used = strftime(buffer, LOG_TIME_SIZE, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(buffer + used, LOG_TIME_SIZE - used, ".%06ldZ", now.tv_nsec / 1000);
    return buffer;
}

void log_message(enum log_level level, const char *format, ...)
{
    static const char *const names[] = {
        [LOG_LEVEL_ERROR] = "error", [LOG_LEVEL_WARNING] = "warning", [LOG_LEVEL_NOTICE] = "notice",
        [LOG_LEVEL_INFO] = "info",   [LOG_LEVEL_DEBUG] = "debug",
    };
    char text[2048], line[2 * sizeof(text) + 64], when[LOG_TIME_SIZE];
    va_list args;

    if (level == LOG_LEVEL_DEBUG && !is_debug)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    int used = is_journal ? snprintf(line, sizeof(line), "<%d>", level)
                          : snprintf(line, sizeof(line), "%s %s: ", log_time(when), names[level]);
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if (*c == '\n' && !c[1])
            break;
        if (*c == '\n')
            used += sprintf(line + used, "; ");
        else if (*c < 0x20 || *c == 0x7f)
            line[used++] = '?';
        else
            line[used++] = (char)*c;
    }
    line[used++] = '\n';
    if (write(STDERR_FILENO, line, (size_t)used) < 0)
        return; /* nowhere to say it */
}
