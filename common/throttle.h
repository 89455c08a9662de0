/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_THROTTLE_H
#define COMMON_THROTTLE_H

/*
 * The throttle table: one file, RUN/throttle, that counts what each client asks of httpd and says
 * who is blocked. docs/throttle-table.md is its reference.
 *
 * httpd's parent makes the file (root's, mode 0600) and maps it; its children inherit the mapping
 * and write it with atomics, without any lock. They hold no descriptor of it, so none can truncate
 * it. It outlives graceful restarts, children, and httpd itself. Readers (containerctl, the engine)
 * are root's: they map it, or read it, take nothing in it for true but what they have checked, and
 * load each word once. Nothing in it is a pointer.
 *
 * An entry counts one client (an address or its network) under one rule, or says that a client is
 * blocked in one zone. A zone is where rules hold together: the whole server, a virtual host, a
 * Location. Entries are found by a keyed hash (SipHash-2-4 with a random key that is made with the
 * file), so that nobody can choose ones that collide.
 *
 * Exact: of requests that come in one window, from any number of processes and threads, exactly as
 * many are admitted as the limit says. An entry is only given to another client when it counts for
 * nothing any more (its window is over, its allowance whole, its block at its end). A client for
 * whom there is no room is counted together with its neighbours (IPv4 /24, IPv6 /48), and when even
 * those find none, is admitted and counted as unmeasured.
 *
 * Times are microseconds of CLOCK_MONOTONIC, which nobody can set, the same for all processes.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/network.h"

#define THROTTLE_ENTRIES_MIN     1024u
#define THROTTLE_ENTRIES_DEFAULT 65536u /* 4 MiB */
#define THROTTLE_ENTRIES_MAX     (1u << 24)

#define THROTTLE_UNITS_MAX    65535u                            /* of a limit */
#define THROTTLE_INTERVAL_MAX (UINT64_C(7) * 86400 * 1000000)   /* usec */
#define THROTTLE_BLOCK_MAX    (UINT64_C(366) * 86400 * 1000000) /* usec */

/* Rules and zones that have a name in the file at the same time. */
#define THROTTLE_NAMES     1024u
#define THROTTLE_NAME_SIZE 96

/* Events that are remembered for the supervisor. */
#define THROTTLE_EVENTS 256u

struct throttle_table;

/* ---- the file ---- */

/*
 * Opens the file at path, or makes it with room for `entries`; a path of NULL makes memory without
 * a name. One that is there is kept if it is this ABI's, of this boot and owner and of this size;
 * one of another size is kept, too, while `keep` (a graceful restart), else it is marked retired
 * and replaced. For httpd's parent. Ends with throttle_close(), which unmaps.
 */
int throttle_create(const char *path, uint32_t entries, bool keep, struct throttle_table **table,
                    struct error *error);

/*
 * Opens an existing file: read-only, or for throttle_add() and its like. -ENOENT (none), -EPROTO
 * (not one, another ABI, an earlier boot, not root's), -EACCES.
 */
int throttle_open(const char *path, bool for_writing, struct throttle_table **table,
                  struct error *error);
void throttle_close(struct throttle_table *table);

/* Whether another file has taken its place: open it again. */
bool throttle_is_retired(const struct throttle_table *table);

/* ---- names: httpd's parent, before there are children ---- */

/*
 * The number of a rule or zone of that name, the same as long as the file lives; text is what lists
 * show, cut at THROTTLE_NAME_SIZE. 0 when there are too many: then lists show "?".
 */
uint32_t throttle_name(struct throttle_table *table, const char *text);

/* Copies the name of a number into text; "?" for one that is not there. */
void throttle_name_of(const struct throttle_table *table, uint32_t number,
                      char text[THROTTLE_NAME_SIZE]);

/* ---- counting: httpd's children, any thread ---- */

/*
 * What a rule allows. A window opens with the first request that finds none open, lasts
 * interval_usec, and in it exactly `units` are admitted. With a burst it is a bucket instead: it
 * holds `burst` units, of which each request takes its cost, and fills with `units` an interval,
 * evenly (the generic cell rate algorithm, ITU-T I.371 annex A).
 */
struct throttle_limit {
    uint32_t units;
    uint32_t burst; /* 0: a window */
    uint64_t interval_usec;
};

/* Whom and what to count. */
struct throttle_subject {
    uint32_t rule; /* number of its name */
    uint32_t zone; /* number of its name */
    struct network client;
    uint64_t page; /* a hash of the page, with rules that count each page apart; else 0 */
};

struct throttle_verdict {
    bool is_admitted;
    bool is_unmeasured; /* there was no room: admitted without counting */
    bool is_crowd;      /* counted together with its neighbours */
    uint32_t left;      /* units that are left now */
    uint64_t
        retry_after_usec; /* refused: when the same cost will be admitted, if nobody else comes */
};

/* Counts cost (at least 1) against the limit, unless it is not admitted: that costs nothing. */
struct throttle_verdict throttle_take(struct throttle_table *table,
                                      const struct throttle_subject *subject,
                                      const struct throttle_limit *limit, uint32_t cost,
                                      uint64_t now_usec);

/*
 * Counts cost that is only known afterwards (an answer's status), up to the limit. is_admitted is
 * false when the limit is reached by it, so that the caller may block.
 */
struct throttle_verdict throttle_charge(struct throttle_table *table,
                                        const struct throttle_subject *subject,
                                        const struct throttle_limit *limit, uint32_t cost,
                                        uint64_t now_usec);

/* ---- blocks ---- */

#define THROTTLE_ANYWHERE 0u /* the zone that holds everywhere */

enum throttle_origin {
    THROTTLE_BY_RULE = 0,
    THROTTLE_BY_ADMIN = 1,
};

struct throttle_block {
    struct network client;
    uint32_t zone; /* THROTTLE_ANYWHERE, or where it holds */
    uint32_t rule; /* which rule blocked; 0: an admin */
    enum throttle_origin origin;
    bool is_renewed;                 /* each refused request begins the period anew */
    uint64_t since_usec, until_usec; /* CLOCK_MONOTONIC */
    uint64_t period_usec;
    uint64_t refused; /* requests refused by it */
};

/*
 * Blocks a client in a zone for period_usec. One who is blocked there already keeps the later end
 * of the two. Notes an event. 1: new, 0: was blocked, -ENOSPC: no room, counted and told by totals,
 * -EINVAL.
 */
int throttle_block(struct throttle_table *table, const struct throttle_block *block,
                   uint64_t now_usec);

/*
 * Whether the client is blocked in the zone or anywhere, by itself or by a network around it (an
 * admin may block any prefix). Counts the refusal, renews where that is so, and fills *block (may
 * be NULL). In the time of one or two look-ups when no odd prefix is blocked.
 */
bool throttle_is_blocked(struct throttle_table *table, const struct network *client, uint32_t zone,
                         uint64_t now_usec, struct throttle_block *block);

/* The same without counting or renewing. */
bool throttle_find_block(const struct throttle_table *table, const struct network *client,
                         uint32_t zone, uint64_t now_usec, struct throttle_block *block);

/*
 * Takes the block of exactly this network back, in one zone, or with all_zones in every; the
 * client's counts, too, so that it begins anew. Returns how many blocks there were. Notes events.
 */
unsigned throttle_unblock(struct throttle_table *table, const struct network *client, uint32_t zone,
                          bool all_zones, uint64_t now_usec);

/* Takes back all blocks (of rules only, or of admins, too) and all counts. Returns how many. */
unsigned throttle_clear(struct throttle_table *table, bool admins_too, uint64_t now_usec);

/* ---- what is seen ---- */

struct throttle_totals {
    uint32_t entries;  /* in all */
    uint32_t used;     /* that count for something now */
    uint32_t blocks;   /* in force now */
    uint64_t admitted; /* requests, since the file was made */
    uint64_t refused;  /* by a rule or a block */
    uint64_t blocked;  /* blocks that began */
    uint64_t would;    /* refusals that dry rules only counted */
    uint64_t crowded;  /* counted together with their neighbours */
    uint64_t unmeasured;
    uint64_t created_realtime_usec;
};

/* One of the clients that ask most: its requests under one rule in the running window. */
struct throttle_talker {
    struct network client;
    uint32_t rule, zone;
    uint32_t units; /* taken in the running window, or from the bucket */
    uint64_t seen_usec;
    uint64_t admitted, refused; /* since the entry was given to it */
};

void throttle_totals(const struct throttle_table *table, uint64_t now_usec,
                     struct throttle_totals *totals);

/*
 * Blocks in force, the longest left first, all or (client not NULL) those of the client and of the
 * networks around it; talkers, most refused and then most admitted first.
 * Return how many are in the array of max; *total (may be NULL) gets how many there are.
 */
size_t throttle_blocks(const struct throttle_table *table, const struct network *client,
                       uint64_t now_usec, struct throttle_block *blocks, size_t max, size_t *total);
size_t throttle_talkers(const struct throttle_table *table, uint64_t now_usec,
                        struct throttle_talker *talkers, size_t max, size_t *total);

/* A rule that only watches would have refused; refusals of a rule that are not a block's. */
void throttle_count_would(struct throttle_table *table);
void throttle_count_admitted(struct throttle_table *table);

/* ---- events, for the supervisor ---- */

enum throttle_event_kind {
    THROTTLE_EVENT_BLOCKED = 1,
    THROTTLE_EVENT_UNBLOCKED = 2, /* taken back before its time, not the end of its time */
    THROTTLE_EVENT_CLEARED = 3,
};

struct throttle_event {
    uint64_t number; /* from 1, in the order in which they happened */
    enum throttle_event_kind kind;
    uint64_t time_realtime_usec;
    struct throttle_block block;
};

/*
 * Copies the events with numbers above `after`, the oldest first, at most max. Older ones than the
 * last THROTTLE_EVENTS are gone: the first number tells. A child may have written anything: kinds,
 * networks and times are checked, what is wrong is left out.
 */
size_t throttle_events(const struct throttle_table *table, uint64_t after,
                       struct throttle_event *events, size_t max);

#endif
