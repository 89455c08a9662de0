/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_HISTORY_H
#define DAEMON_HISTORY_H

/*
 * What the containers did, for 30 days: one file a tenant, DATA/history/TENANT, of bounded size.
 * docs/history.md describes it. The engine writes a service's points when a half hour ends, and
 * what there is at an orderly end; a crash costs the half hour that it falls into. Nothing here
 * waits for the disk.
 *
 * The engine's thread.
 */

#include <stddef.h>
#include <stdint.h>

#include "supervisor/daemon/engine.h"
#include "supervisor/daemon/history_file.h"

/* What can be asked for. */
enum history_range {
    HISTORY_RANGE_HOUR,  /* "1h": 60 points of a minute */
    HISTORY_RANGE_DAY,   /* "24h": 288 points of five minutes */
    HISTORY_RANGE_MONTH, /* "30d": 1,440 points of half an hour */
    HISTORY_RANGES
};

#define HISTORY_SERIES_POINTS_MAX 1440

/* The steps of a range in the order of time; the last one ends at end_unix and may be the running
 * one. */
struct history_series {
    uint32_t step_seconds;
    uint64_t end_unix;
    size_t count;
    struct history_step steps[HISTORY_SERIES_POINTS_MAX];
};

/* "1h", "24h", "30d"; -EINVAL for another word. */
int history_range_parse(const char *text, enum history_range *range);

/* ---- for engine, services and sampler ---- */

/*
 * Before the engine makes its board: holds on to that of an engine that was killed, so that its
 * histories can be taken over. Forgets it when all services have theirs.
 */
void history_begin(struct engine *engine, const char *board_path);
void history_begun(struct engine *engine);

/* A new service: its rings go on where they ended, from the old board or the tenant's file. */
void history_restore(struct service *service);

/* Adds the sample of now to the ring of seconds and to the sums of minute and half hour. */
void history_add(struct service *service, uint64_t now);

/* A step of the sampler is over: ends minutes and half hours whose time has come, and writes to
 * disk some of what is to be written. */
void history_turn(struct engine *engine, uint64_t now);

/* The service goes away, or the engine ends: writes what is not written yet. */
void history_finish(struct service *service);

/* ---- for whoever shows it ---- */

/*
 * Reads what is known of a service up to now, from the file and from what the engine has not
 * written yet. A service that never ran, or has no file, has absent steps only. The service need
 * not exist any more. 0, or a negative errno with a message when the file cannot be read.
 */
int history_read(struct engine *engine, const char *tenant, const char *service,
                 enum history_range range, struct history_series *series, struct error *error);

/* The answer to `history`; a new reference. */
struct json_t;
struct json_t *history_to_json(const struct history_series *series);

#endif
