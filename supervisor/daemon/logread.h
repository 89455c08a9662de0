/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_LOGREAD_H
#define DAEMON_LOGREAD_H

/*
 * Reading a service's log files for the `logs` verb: the last lines, and on from a cursor, over
 * rotations. A cursor is "INODE:OFFSET": a file keeps its inode when it is renamed.
 */

#include <jansson.h>
#include <stdint.h>

#include "common/error.h"

/* At most so many bytes of text go into one answer; a message has 64 KiB. */
#define LOGREAD_MAX_BYTES 24576

/*
 * Reads lines into an array of {"time","stream","partial","text"}: from cursor, or with a NULL
 * cursor the last `tail` lines (UINT64_MAX: all). next gets the cursor behind them (a buffer of 64
 * bytes), *more whether there are further lines now. New reference in *lines.
 */
int logread(int data_fd, const char *tenant, const char *service, const char *cursor, uint64_t tail,
            json_t **lines, char *next, int *more, struct error *error);

#endif
