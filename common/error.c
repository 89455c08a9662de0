/* SPDX-License-Identifier: Apache-2.0 */
#include "common/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void record(struct error *error, int errnum, const char *format, va_list args)
{
    error->code = errnum > 0 ? errnum : EIO;
    vsnprintf(error->message, sizeof(error->message), format, args);
}

int error_set(struct error *error, int errnum, const char *format, ...)
{
    va_list args;

    if (error) {
        va_start(args, format);
        record(error, errnum, format, args);
        va_end(args);
    }
    return -(errnum > 0 ? errnum : EIO);
}

int error_sys(struct error *error, int errnum, const char *format, ...)
{
    va_list args;

    if (error) {
        va_start(args, format);
        record(error, errnum, format, args);
        va_end(args);
        size_t used = strlen(error->message);
        snprintf(error->message + used, sizeof(error->message) - used, ": %s", strerror(errnum));
    }
    return -(errnum > 0 ? errnum : EIO);
}

int error_wrap(struct error *error, const char *format, ...)
{
    char inner[sizeof(error->message)];
    va_list args;

    if (!error)
        return -EIO;
    memcpy(inner, error->message, sizeof(inner));
    va_start(args, format);
    vsnprintf(error->message, sizeof(error->message), format, args);
    va_end(args);
    size_t used = strlen(error->message);
    snprintf(error->message + used, sizeof(error->message) - used, ": %s", inner);
    return -(error->code > 0 ? error->code : EIO);
}
