/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_HISTORY_FILE_H
#define DAEMON_HISTORY_FILE_H

/*
 * The file of a tenant's history. docs/history.md is its reference.
 *
 *     offset 0                  header, 512 bytes
 *     512                       block 0: a service's name, 512 bytes
 *     512 + 512                          1,440 records of half an hour
 *     512 + 512 + 46080                  1,440 records of a minute
 *     512 + 92672               block 1 ...
 *
 * A record's place follows from its time, so that the file needs no pointer that could be wrong
 * after a crash, and the oldest is overwritten by what takes its place. Each has a checksum over
 * itself, its service and its kind: one that is torn, or in a wrong place, is none. At most
 * HISTORY_FILE_SERVICES blocks; then a new service takes the block of that which was silent for
 * longest.
 *
 * Every call opens the file and closes it again.
 */

#include "common/error.h"
#include "common/scoreboard.h"

#define HISTORY_FILE_SERVICES 64
#define HISTORY_FILE_RECORDS  1440
#define HISTORY_FILE_SIZE     512
#define HISTORY_BLOCK_SIZE    (512 + 2 * HISTORY_FILE_RECORDS * 32)

enum history_grain { HISTORY_GRAIN_HALF_HOUR, HISTORY_GRAIN_MINUTE, HISTORY_GRAINS };

/* Seconds of a step. */
extern const uint32_t history_grain_seconds[HISTORY_GRAINS];

/* One step. Figures are HISTORY_ABSENT where they are not known or nothing ran. */
struct history_step {
    struct history_point point;
    uint32_t faults; /* of the step; 0 where nothing ran */
};

/* A step with its time: it ends at number * seconds of its grain, since the epoch. */
struct history_record {
    enum history_grain grain;
    uint64_t number;
    struct history_step step;
};

/*
 * Writes records of one service into DATA/history/TENANT. A file that is none is moved aside to
 * TENANT.corrupt, with a warning in the log, and a new one begun. 0 or a negative errno.
 */
int history_file_write(int data_fd, const char *tenant, const char *service,
                       const struct history_record *records, size_t count, struct error *error);

/*
 * Reads the steps first ... first + count - 1 of a grain; absent ones where there is no record.
 * count is at most HISTORY_FILE_RECORDS. 0 also when there is no file, or none that can be
 * understood.
 */
int history_file_read(int data_fd, const char *tenant, const char *service,
                      enum history_grain grain, uint64_t first, size_t count,
                      struct history_step *steps, struct error *error);

/* Removes files that nothing was written to for 30 days before now (seconds since the epoch). */
void history_file_clean(int data_fd, uint64_t now);

/* A step in which nothing is known. */
extern const struct history_step history_step_absent;

#endif
