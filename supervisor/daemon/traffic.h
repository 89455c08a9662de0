/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_TRAFFIC_H
#define DAEMON_TRAFFIC_H

/*
 * The engine's view of the traffic board (common/traffic.h): it makes the file and, once a sample,
 * reads it for each running service. What it reads may be anything, for httpd's children write it:
 * it is shown, and nothing else follows from it.
 */

#include <stdint.h>

#include "common/scoreboard.h"
#include "common/traffic.h"

struct engine;
struct service;
struct traffic_watch;   /* the engine's */
struct service_traffic; /* what is known of one service; NULL: never read */

/* Makes sure of the file and opens it. */
int traffic_watch_open(struct engine *engine, struct error *error);

/* The file stays: httpd goes on counting while there is no supervisor. */
void traffic_watch_close(struct engine *engine);

/* Reads the figures of all running services; the clock is CLOCK_BOOTTIME. */
void traffic_sample(struct engine *engine, uint64_t now_usec);

/* Writes what is known into a slot: its SLOT_HAS_TRAFFIC and SLOT_HAS_LATENCY fields. */
void traffic_fill(const struct service *service, struct container_slot *slot);

/* Forgets a service that is freed. */
void traffic_forget(struct service *service);

/* ---- for the unit test: the arithmetic alone ---- */

/* Snapshots of a histogram, so that a minute's part of it can be told. */
#define TRAFFIC_SNAPSHOTS     7
#define TRAFFIC_SNAPSHOT_USEC UINT64_C(10000000)

struct traffic_minute {
    unsigned count; /* snapshots, the oldest first */
    uint64_t taken_usec[TRAFFIC_SNAPSHOTS];
    uint32_t histograms[TRAFFIC_SNAPSHOTS][TRAFFIC_BUCKETS];
};

/*
 * Takes the histogram of now, and computes the part of it that came in the last minute (between 50
 * and 70 seconds, once it has been running for so long).
 */
void traffic_minute_add(struct traffic_minute *minute, uint64_t now_usec,
                        const uint32_t histogram[TRAFFIC_BUCKETS],
                        uint32_t recent[TRAFFIC_BUCKETS]);

#endif
