/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_TRAFFIC_H
#define COMMON_TRAFFIC_H

/*
 * The traffic board: one file, RUN/traffic, that says what httpd does with the requests of each
 * service: totals, a histogram of durations, the requests in flight, the last ones that ended.
 * docs/traffic-board.md is its reference, common/traffic_internal.h its layout.
 *
 * The supervisor makes the file and gives it to the web group; httpd's children map it and write it
 * with atomics, without any lock (struct traffic_writer). So counts go on over graceful restarts,
 * over the end of a child and over a restart of the supervisor.
 *
 * Whoever may write the file may write anything into it, and may truncate it. Readers therefore
 * never map it: they pread(2) what they need, take a short read for absence, check every index and
 * length, and trust it for nothing but showing and for when a service was last used. root's
 * processes are readers only. Nothing in the file is a pointer.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/names.h"
#include "common/scoreboard.h"

#define TRAFFIC_SLOTS_MAX (2 * SCOREBOARD_SLOTS_MAX)

/* A histogram of durations in microseconds, about 12 % wide: docs/traffic-board.md. */
#define TRAFFIC_BUCKETS 240

/* Requests of one service that are remembered after their end. */
#define TRAFFIC_RECENT 12

/* Requests in flight that have a record, of all services together. */
#define TRAFFIC_IN_FLIGHT 4096

#define TRAFFIC_URI_SIZE    144
#define TRAFFIC_METHOD_SIZE 16
#define TRAFFIC_CLIENT_SIZE 48 /* text of an IPv6 address */

/* ---- what readers get ---- */

/* Totals of one service since the file was made, which is at most since the machine was booted. */
struct traffic_totals {
    uint64_t begun;    /* requests known to belong to the service */
    uint64_t requests; /* of them, ended: status_classes add up to it */
    uint64_t lost;     /* of them, gone with a child that died */
    uint64_t aborted;  /* of requests: the client went away before the end */
    uint64_t refused;  /* at the door: not in begun */
    uint64_t status_classes[STATUS_CLASSES];
    uint64_t bytes_in, bytes_out;
    uint64_t duration_usec; /* of all that ended, added up */
    uint64_t last_request_realtime_usec;
    uint32_t in_flight; /* records of live processes */
    uint32_t histogram[TRAFFIC_BUCKETS];
};

/* One request, in flight or ended. Text is terminated, and otherwise as its sender wrote it. */
struct traffic_request {
    uint64_t time_realtime_usec; /* its beginning */
    uint64_t age_usec;           /* since then */
    uint64_t duration_usec;      /* ended ones */
    uint64_t bytes_out;          /* ended ones */
    uint32_t pid;                /* in flight: httpd's child */
    uint16_t status;             /* ended ones; 0: in flight */
    bool is_aborted;
    char method[TRAFFIC_METHOD_SIZE + 1];
    char uri[TRAFFIC_URI_SIZE + 1]; /* cut; without its query */
    char client[TRAFFIC_CLIENT_SIZE];
    char protocol[12]; /* "HTTP/1.1" */
};

/* ---- readers: any process, root's too; one thread at a time on one reader ---- */

struct traffic_reader;

/*
 * Opens the board for reading. -ENOENT (there is none), -EPROTO (not one, or another ABI, or of an
 * earlier boot), -EACCES and others of open(2).
 */
int traffic_open(const char *path, struct traffic_reader **reader, struct error *error);
void traffic_close(struct traffic_reader *reader);

/* Whether the file was replaced or damaged: open it again. */
bool traffic_is_retired(const struct traffic_reader *reader);

/*
 * Reads the totals of tenant/service; in_flight is counted by traffic_count_in_flight(), here it is
 * what the children's counter says. *hint is where the service was last found (start with
 * UINT32_MAX). Returns 0 or -ENOENT: no request yet.
 */
int traffic_read(const struct traffic_reader *reader, const char *tenant, const char *service,
                 uint32_t *hint, struct traffic_totals *totals);

/* The same for all services that found no slot of their own. */
int traffic_read_other(const struct traffic_reader *reader, struct traffic_totals *totals);

/*
 * Counts the records of live processes for each slot into counts, an array of
 * traffic_slot_count() + 1. One read and a look at /proc for each child that has requests.
 */
int traffic_count_in_flight(const struct traffic_reader *reader, uint32_t *counts);
uint32_t traffic_slot_count(const struct traffic_reader *reader);

/*
 * Requests in flight of one service, the oldest first. Returns how many of them are in requests, an
 * array of max; *total, unless NULL, gets how many there are.
 */
size_t traffic_read_in_flight(const struct traffic_reader *reader, const char *tenant,
                              const char *service, struct traffic_request *requests, size_t max,
                              uint32_t *total);

/* The last requests that ended, the newest first; at most TRAFFIC_RECENT. */
size_t traffic_read_recent(const struct traffic_reader *reader, const char *tenant,
                           const char *service, struct traffic_request *requests, size_t max);

/* ---- the histogram ---- */

/* The bucket of a duration, and the greatest duration of a bucket. */
unsigned traffic_bucket(uint64_t usec);
uint64_t traffic_bucket_limit(unsigned bucket);

/* The duration below which `permille` of the requests in a histogram lie; 0 without any. */
uint64_t traffic_quantile(const uint32_t histogram[TRAFFIC_BUCKETS], unsigned permille);

/* ---- the file: the supervisor ---- */

/*
 * Makes sure of a file at path for `services` names, owned by root and gid, mode 0660. One that is
 * there is kept if it is this ABI's, of this boot, of this size and owner; else it is marked
 * retired and replaced. 1: kept, 0: made, or a negative errno.
 */
int traffic_create(const char *path, uint32_t services, unsigned gid, struct error *error);

/* ---- writers: httpd's children, any thread ---- */

struct traffic_writer;
struct traffic_mapping;

/* What is remembered of a request, as it lies in the file. */
struct traffic_text {
    uint64_t time_realtime_usec;
    uint8_t client[16]; /* IPv4 in the first four */
    uint16_t client_length;
    uint16_t protocol;
    uint32_t reserved;
    char method[TRAFFIC_METHOD_SIZE]; /* not terminated when full, as uri */
    char uri[TRAFFIC_URI_SIZE];
};

/* What one request holds; zero it first. Belongs to one thread at a time. */
struct traffic_ticket {
    struct traffic_mapping *mapping; /* NULL: not begun, or ended */
    struct traffic_writer *writer;
    uint32_t slot, record;
    uint64_t begun_usec; /* CLOCK_BOOTTIME */
    struct traffic_text text;
};

/* What is known of a request at its beginning; pointers are read in the call only. */
struct traffic_begin {
    const char *tenant, *service;
    volatile uint32_t *hint; /* where the service was last found, shared by threads; start: 0 */
    const char *method;
    const char *uri;
    size_t uri_length;
    const void *client; /* 4 or 16 bytes of an address */
    size_t client_length;
    unsigned protocol; /* 1001 is HTTP/1.1 */
};

/* And at its end. */
struct traffic_end {
    unsigned status;
    bool is_aborted;
    uint64_t bytes_in, bytes_out;
};

/* Makes the writer of this process (not of one that it forks); opens nothing. NULL: no memory. */
struct traffic_writer *traffic_writer_new(const char *path);

/* Every request has ended. */
void traffic_writer_free(struct traffic_writer *writer);

/*
 * Counts a request as begun. Never fails: without a board the ticket stays empty.
 */
void traffic_start(struct traffic_writer *writer, const struct traffic_begin *begin,
                   struct traffic_ticket *ticket);

/* The end of a request; an empty ticket is harmless, so a second call is, too. */
void traffic_finish(struct traffic_ticket *ticket, const struct traffic_end *end);

/* A request refused at the door. */
void traffic_count_refused(struct traffic_writer *writer, const char *tenant, const char *service,
                           volatile uint32_t *hint);

/* The children's counter for one service at this moment, in O(1); 0 without a board. */
uint32_t traffic_in_flight_now(struct traffic_writer *writer, const char *tenant,
                               const char *service, volatile uint32_t *hint);

#endif
