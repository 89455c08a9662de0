/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_BOARD_LIMIT_CAUSE_H
#define COMMON_BOARD_LIMIT_CAUSE_H

/*
 * Why a visitor of a service is refused, told from what the scoreboard says at that moment, and
 * what follows from it: the status, when to come again, what the tenant can do. One table of kinds.
 *
 * Nothing is guessed. A limit is named for a request only when it struck while the request ran, or
 * is in force, or struck so shortly before that it may be why; all else is LIMIT_UNKNOWN.
 *
 * Knows no httpd; any thread. Used by the module and by containerctl.
 */

#include <stdbool.h>
#include <stdint.h>

#include "common/figures.h"
#include "common/scoreboard.h"
#include "common/seal.h"

enum limit_kind {
    LIMIT_NONE = 0, /* nothing is in the way */
    LIMIT_UNKNOWN,  /* no answer came, and nothing here says why */
    LIMIT_NO_SUPERVISOR,
    LIMIT_STALE,
    LIMIT_NO_SERVICE,
    LIMIT_UNREADABLE,
    LIMIT_NO_ENDPOINT,
    LIMIT_BAD_STATIC,
    LIMIT_STOPPED,
    LIMIT_EXITED,
    LIMIT_FAILED,
    LIMIT_PAUSED,
    LIMIT_BACKOFF,
    LIMIT_STARTING,
    LIMIT_STOPPING,
    LIMIT_CRASH,
    LIMIT_HEALTH,
    LIMIT_CPU,
    LIMIT_MEMORY,
    LIMIT_OOM,
    LIMIT_TASKS,
    LIMIT_DISK,
    LIMIT_REQUESTS, /* over what the service may have in flight */
    LIMIT_CLIENT,   /* over what one client may have in flight in it */
    LIMIT_KIND_COUNT
};

enum limit_unit { LIMIT_UNIT_NONE = 0, LIMIT_UNIT_BYTES, LIMIT_UNIT_COUNT, LIMIT_UNIT_MILLI_CPUS };

/* What a visitor is told about when to come again. */
enum limit_when { LIMIT_LATER = 0, LIMIT_SOON, LIMIT_AT_A_TIME };

/* A row of the table; all texts are constants and end without a line feed. */
struct limit_kind_row {
    const char *name;   /* for machines: "oom" */
    const char *reason; /* for the error log */
    const char *title;  /* for the tenant, a sentence */
    const char *advice; /* what the tenant can do, a sentence */
    uint16_t status;    /* 429, 503 or 508 */
    uint16_t retry_after_seconds;
    enum limit_when when;
    enum limit_unit unit;
    bool is_operators; /* something is wrong that no tenant can have caused */
};

/* Never NULL; LIMIT_UNKNOWN's for what is out of range. */
const struct limit_kind_row *limit_kind_row(enum limit_kind kind);

/* How long after a fault a request that fails may be its victim. */
#define LIMIT_RECENT_USEC UINT64_C(30000000)

/*
 * One cause. Whoever refuses at the door fills kind, retry_after_seconds, value and limit and
 * leaves the rest zero; limit_cause_complete() does that.
 */
struct limit_cause {
    enum limit_kind kind;
    enum limit_kind because;      /* of a state: what led to it (LIMIT_OOM), or LIMIT_NONE */
    unsigned retry_after_seconds; /* 0: the table's */
    unsigned status;              /* 0: follows from kind and because */
    uint64_t since_realtime_usec; /* 0: not known */
    uint64_t event_usec;          /* names the event, with the kind: limit_reference() */
    bool has_figures;             /* value and limit, in the kind's unit */
    uint64_t value, limit;
    const char *detail; /* for the log only, as it came; or NULL */
};

/* Fills status and retry_after_seconds where they are 0. */
void limit_cause_complete(struct limit_cause *cause);

/* What is in the way of the service at this moment, or LIMIT_NONE; completed. */
void limit_cause_of_slot(const struct container_slot *slot, const struct moment *moment,
                         struct limit_cause *cause);

/* What a fault of the board is: LIMIT_OOM of FAULT_OOM; LIMIT_NONE of none. */
enum limit_kind limit_kind_of_fault(uint32_t fault);

/* The last fault of a slot as a cause, however old; LIMIT_NONE without one. Completed. */
void limit_cause_of_last_fault(const struct container_slot *slot, struct limit_cause *cause);

/* What the board said when a request was handed on. */
struct limit_mark {
    uint64_t has;
    uint64_t started_boottime_usec;
    uint64_t tasks_limit_hits;
    uint32_t oom_kills;
};

void limit_mark_take(const struct container_slot *slot, struct limit_mark *mark);

/*
 * Why a request failed that was handed on at mark: mod_proxy got no answer, or with is_timeout none
 * in time. LIMIT_UNKNOWN if nothing says it, never LIMIT_NONE. Completed.
 */
void limit_cause_of_failure(const struct container_slot *slot, const struct limit_mark *mark,
                            const struct moment *moment, bool is_timeout,
                            struct limit_cause *cause);

/* With its NUL: "7QK2-M9XA". */
#define LIMIT_REFERENCE_SIZE 10

/*
 * The name of an event that visitor, tenant and operator can speak of. It tells nothing to who has
 * not the key (limit_link.h), and is the same each time for the same event. Returns text.
 */
const char *limit_reference(const uint8_t key[SEAL_KEY_SIZE], const char *tenant,
                            const char *service, const struct limit_cause *cause,
                            char text[LIMIT_REFERENCE_SIZE]);

#endif
