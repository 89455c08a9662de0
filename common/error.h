/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_ERROR_H
#define COMMON_ERROR_H

/*
 * One error object, filled where something fails and carried up to the place that decides.
 *
 * Functions that can fail return 0 (or a count, or a descriptor) or a negative errno, and fill the
 * `struct error` they were given. Each level may put what it was doing in front with error_wrap(),
 * so the message reads from the whole to the part:
 *
 *     start blog/web: mount /var/www: source /srv/blog: No such file or directory
 *
 * The one who decides what happens next logs it, once. Every function takes a NULL error as "I do
 * not want the text". Nothing here allocates.
 */

struct error {
    int code; /* a positive errno; 0 while nothing failed */
    char message[1024];
};

#define ERROR_INIT                                                                                 \
    {                                                                                              \
        .code = 0, .message = ""                                                                   \
    }

/* Records a failure in our own words. Returns -errnum, so that `return error_set(...)` is a line.
 */
int error_set(struct error *error, int errnum, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same, followed by ": " and the system's text for errnum. Returns -errnum. */
int error_sys(struct error *error, int errnum, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "context: " in front of what is recorded. Returns the negative code that is recorded. */
int error_wrap(struct error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
