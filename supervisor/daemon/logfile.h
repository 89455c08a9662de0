/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_LOGFILE_H
#define DAEMON_LOGFILE_H

/*
 * What a container prints: two pipes, read as they fill, written line by line in the format of the
 * Kubernetes CRI ("TIME STREAM F|P TEXT", P for a line cut at 8 KiB or at the end of output) into
 * DATA/logs/TENANT/SERVICE.log, which is renamed to .log.1, .log.2 ... when it reaches its size.
 *
 * A full disk never blocks the container: lines are dropped and counted, and the count is logged
 * once lines can be written again.
 */

#include <stdint.h>
#include <systemd/sd-event.h>

#include "common/error.h"
#include "supervisor/daemon/log.h"

/* So that a line of nothing but control characters, six bytes each in JSON, fits a control message.
 */
#define LOGFILE_LINE_MAX 8192

struct logfile;

/* data_fd is paths.data. The file is made with its directories (0700, 0600: logs may hold secrets).
 */
int logfile_open(int data_fd, const char *tenant, const char *service, uint64_t max_bytes,
                 uint32_t max_files, struct logfile **log, struct error *error);

/*
 * Makes the pipes of a new run and watches their read ends. write_ends gets what becomes the
 * container's stdout and stderr, owned by uid:gid so that the program may open /proc/self/fd/2
 * again; the caller closes them after the start. What an earlier run left in its pipes is read
 * first.
 */
int logfile_begin(struct logfile *log, sd_event *loop, uid_t uid, gid_t gid, int write_ends[2],
                  struct error *error);

/* Reads what is left of a run that has ended and closes its pipes. */
void logfile_finish(struct logfile *log);

/* Writes a line of the supervisor's own into the stream "supervisor". */
void logfile_note(struct logfile *log, const char *text);

void logfile_close(struct logfile *log);

#endif
