/* SPDX-License-Identifier: Apache-2.0 */
#include "common/board/limit_cause.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/sha256.h"

#define UNAVAILABLE    503
#define LIMIT_REACHED  508
#define TOO_MANY       429
#define SOON_SECONDS   5
#define LATER_SECONDS  60
#define BACKOFF_MAX    3600
#define MEMORY_SECONDS 10

/* Which share of its time must be lost for a container to be held up: a tenth. */
#define THROTTLED_USEC 100000
/* The end of a run and the fault that ended it are noted by one hand, one after the other. */
#define SAME_END_USEC UINT64_C(5000000)

static const struct limit_kind_row rows[LIMIT_KIND_COUNT] = {
    [LIMIT_NONE] = {"none", "no limit", "No limit is in the way at this moment.",
                    "There is nothing to do.", UNAVAILABLE, SOON_SECONDS, LIMIT_LATER,
                    LIMIT_UNIT_NONE, false},
    [LIMIT_UNKNOWN] = {"unknown", "no answer",
                       "The service gave no answer, and no limit or fault is known that says why.",
                       "Look into the log of the service.", UNAVAILABLE, SOON_SECONDS, LIMIT_LATER,
                       LIMIT_UNIT_NONE, false},
    [LIMIT_NO_SUPERVISOR] = {"no-supervisor", "no supervisor",
                             "Nobody runs the services of this machine at the moment.",
                             "Only the operator can help: container-supervisor does not run.",
                             UNAVAILABLE, SOON_SECONDS, LIMIT_LATER, LIMIT_UNIT_NONE, true},
    [LIMIT_STALE] = {"stale", "stale scoreboard",
                     "Who runs the services of this machine gives no sign of life.",
                     "Only the operator can help: container-supervisor hangs or was killed.",
                     UNAVAILABLE, SOON_SECONDS, LIMIT_LATER, LIMIT_UNIT_NONE, true},
    [LIMIT_NO_SERVICE] = {"no-service", "no such service", "There is no service of this name.",
                          "Declare it in the tenant's Compose file, or correct ContainerRoute.",
                          UNAVAILABLE, SOON_SECONDS, LIMIT_LATER, LIMIT_UNIT_NONE, true},
    [LIMIT_UNREADABLE] = {"unreadable", "its slot cannot be read",
                          "The figures of the service cannot be read at this moment.",
                          "If it lasts, only the operator can help.", UNAVAILABLE, SOON_SECONDS,
                          LIMIT_SOON, LIMIT_UNIT_NONE, true},
    [LIMIT_NO_ENDPOINT] = {"no-endpoint", "no endpoint", "The service has no address for requests.",
                           "Add x-listen to it in the Compose file.", UNAVAILABLE, LATER_SECONDS,
                           LIMIT_LATER, LIMIT_UNIT_NONE, true},
    [LIMIT_BAD_STATIC] = {"static", "static=", "The directory of the plain files cannot be opened.",
                          "Only the operator can help: static= of ContainerRoute is wrong.",
                          UNAVAILABLE, LATER_SECONDS, LIMIT_LATER, LIMIT_UNIT_NONE, true},
    [LIMIT_STOPPED] = {"stopped", "not running", "It was stopped by hand.",
                       "Start it: containerctl start, or the button of the status page.",
                       UNAVAILABLE, LATER_SECONDS, LIMIT_LATER, LIMIT_UNIT_NONE, false},
    [LIMIT_EXITED] = {"exited", "not running",
                      "Its program has ended in order, and its policy asks for no restart.",
                      "Start it, or write restart: always into the Compose file.", UNAVAILABLE,
                      LATER_SECONDS, LIMIT_LATER, LIMIT_UNIT_NONE, false},
    [LIMIT_FAILED] = {"failed", "not running",
                      "It could not be started, or failed and is restarted no more.",
                      "Look at its last log lines and events, mend it, and start it.", UNAVAILABLE,
                      LATER_SECONDS, LIMIT_LATER, LIMIT_UNIT_NONE, false},
    [LIMIT_PAUSED] = {"paused", "not running", "It is paused: all its processes are frozen.",
                      "Let it go on: containerctl resume, or the button of the status page.",
                      UNAVAILABLE, LATER_SECONDS, LIMIT_LATER, LIMIT_UNIT_NONE, false},
    [LIMIT_BACKOFF] = {"backoff", "waits for its next start",
                       "It failed and waits for its next start.",
                       "Look at its last log lines and events; it is started again by itself.",
                       UNAVAILABLE, SOON_SECONDS, LIMIT_AT_A_TIME, LIMIT_UNIT_NONE, false},
    [LIMIT_STARTING] = {"starting", "still starting", "It is starting, and has not answered yet.",
                        "If it lasts, look into its log.", UNAVAILABLE, SOON_SECONDS, LIMIT_SOON,
                        LIMIT_UNIT_NONE, false},
    [LIMIT_STOPPING] = {"stopping", "stopping", "It is being stopped or restarted.",
                        "Wait until that is done.", UNAVAILABLE, SOON_SECONDS, LIMIT_SOON,
                        LIMIT_UNIT_NONE, false},
    [LIMIT_CRASH] = {"crash", "its program ended", "Its program ended by itself.",
                     "Look at its last log lines and at how it ended.", UNAVAILABLE, SOON_SECONDS,
                     LIMIT_SOON, LIMIT_UNIT_NONE, false},
    [LIMIT_HEALTH] = {"health", "unhealthy", "Its health check fails.",
                      "Look into its log; try by hand what the check does.", UNAVAILABLE,
                      MEMORY_SECONDS, LIMIT_LATER, LIMIT_UNIT_NONE, false},
    [LIMIT_CPU] = {"cpu", "held up by its CPU limit",
                   "It used up its processor time and was held up by its CPU limit.",
                   "Make its pages cheaper (a cache, fewer plug-ins, no endless loops), or raise "
                   "cpus in the Compose file.",
                   UNAVAILABLE, 3, LIMIT_SOON, LIMIT_UNIT_MILLI_CPUS, false},
    [LIMIT_MEMORY] = {"memory", "at its memory limit",
                      "It is at its memory limit; the kernel takes back page cache or swaps.",
                      "Use less (fewer workers, smaller requests), or raise mem_limit in the "
                      "Compose file.",
                      LIMIT_REACHED, MEMORY_SECONDS, LIMIT_SOON, LIMIT_UNIT_BYTES, false},
    [LIMIT_OOM] = {"oom", "out of memory",
                   "A process was killed because the memory limit was reached.",
                   "Use less (for PHP, memory_limit times pm.max_children must fit), or raise "
                   "mem_limit in the Compose file.",
                   LIMIT_REACHED, MEMORY_SECONDS, LIMIT_SOON, LIMIT_UNIT_BYTES, false},
    [LIMIT_TASKS] = {"tasks", "at its tasks limit",
                     "No further process or thread could be started: it is at its tasks limit.",
                     "Use fewer workers (pm.max_children), end what hangs, or raise pids_limit in "
                     "the Compose file.",
                     LIMIT_REACHED, MEMORY_SECONDS, LIMIT_SOON, LIMIT_UNIT_COUNT, false},
    [LIMIT_DISK] = {"disk", "at its disk limit", "A disk of it is full to its limit.",
                    "Remove files (logs, caches, old uploads), or ask for more space.",
                    LIMIT_REACHED, LATER_SECONDS, LIMIT_LATER, LIMIT_UNIT_BYTES, false},
    [LIMIT_REQUESTS] = {"requests", "too many requests in flight",
                        "It has as many requests in flight as it may have; more were refused.",
                        "Make its answers faster, or raise ContainerMaxRequests.", UNAVAILABLE, 1,
                        LIMIT_AT_A_TIME, LIMIT_UNIT_COUNT, false},
    [LIMIT_CLIENT] = {"client", "too many requests of one client",
                      "One visitor had as many requests in flight as one may have.",
                      "Nothing, unless visitors complain: then raise the limit of one client.",
                      TOO_MANY, 1, LIMIT_AT_A_TIME, LIMIT_UNIT_COUNT, false},
};

const struct limit_kind_row *limit_kind_row(enum limit_kind kind)
{
    return &rows[(unsigned)kind < LIMIT_KIND_COUNT ? kind : LIMIT_UNKNOWN];
}

void limit_cause_complete(struct limit_cause *cause)
{
    const struct limit_kind_row *row = limit_kind_row(cause->kind);

    if (!cause->retry_after_seconds)
        cause->retry_after_seconds = row->retry_after_seconds;
    if (!cause->status && cause->because)
        cause->status = limit_kind_row(cause->because)->status;
    if (!cause->status)
        cause->status = row->status;
}

/* ---- the last fault ---- */

/* FAULT_REFUSED is not told apart here: whoever refused knew better which it was. */
static const enum limit_kind kinds_of_faults[FAULT_COUNT] = {
    [FAULT_NONE] = LIMIT_NONE,   [FAULT_CPU] = LIMIT_CPU,       [FAULT_MEMORY] = LIMIT_MEMORY,
    [FAULT_OOM] = LIMIT_OOM,     [FAULT_TASKS] = LIMIT_TASKS,   [FAULT_DISK] = LIMIT_DISK,
    [FAULT_CRASH] = LIMIT_CRASH, [FAULT_HEALTH] = LIMIT_HEALTH, [FAULT_REFUSED] = LIMIT_REQUESTS,
};

enum limit_kind limit_kind_of_fault(uint32_t fault)
{
    return fault < FAULT_COUNT ? kinds_of_faults[fault] : LIMIT_NONE;
}

/* What is used and what may be used, as the board has it. */
static void take_figures(const struct container_slot *slot, struct limit_cause *cause)
{
    const struct {
        enum limit_kind kind;
        uint64_t has, value, limit;
    } figures[] = {
        {LIMIT_CPU, SLOT_HAS_CPU | SLOT_HAS_CPU_LIMIT, slot->cpu_percent_milli / 100,
         slot->cpu_limit_milli},
        {LIMIT_MEMORY, SLOT_HAS_MEMORY | SLOT_HAS_MEMORY_LIMIT, slot->memory_bytes,
         slot->memory_limit_bytes},
        {LIMIT_OOM, SLOT_HAS_MEMORY | SLOT_HAS_MEMORY_LIMIT, slot->memory_bytes,
         slot->memory_limit_bytes},
        {LIMIT_TASKS, SLOT_HAS_TASKS | SLOT_HAS_TASKS_LIMIT, slot->tasks, slot->tasks_limit},
        {LIMIT_DISK, SLOT_HAS_DISK | SLOT_HAS_DISK_LIMIT, slot->disk_used_bytes,
         slot->disk_limit_bytes},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(figures); i++) {
        if (figures[i].kind != cause->kind || (slot->has & figures[i].has) != figures[i].has)
            continue;
        cause->has_figures = true;
        cause->value = figures[i].value;
        cause->limit = figures[i].limit;
    }
}

void limit_cause_of_last_fault(const struct container_slot *slot, struct limit_cause *cause)
{
    *cause = (struct limit_cause){
        .kind = slot->last_fault_realtime_usec ? limit_kind_of_fault(slot->last_fault) : LIMIT_NONE,
    };
    if (cause->kind) {
        cause->since_realtime_usec = slot->last_fault_realtime_usec;
        cause->event_usec = slot->last_fault_realtime_usec;
        take_figures(slot, cause);
    }
    limit_cause_complete(cause);
}

/* A clock that was set back makes a fault lie ahead; it is of now, then. */
static bool is_recent(const struct container_slot *slot, const struct moment *moment)
{
    uint64_t then = slot->last_fault_realtime_usec, now = moment->realtime_usec;

    return then && (now < then || now - then <= LIMIT_RECENT_USEC);
}

/* ---- the state ---- */

static const enum limit_kind kinds_of_states[CONTAINER_STATE_COUNT] = {
    [CONTAINER_OPEN] = LIMIT_NO_SERVICE,   [CONTAINER_SLEEPING] = LIMIT_NONE,
    [CONTAINER_STARTING] = LIMIT_STARTING, [CONTAINER_PAUSED] = LIMIT_PAUSED,
    [CONTAINER_STOPPING] = LIMIT_STOPPING, [CONTAINER_BACKOFF] = LIMIT_BACKOFF,
    [CONTAINER_FAILED] = LIMIT_FAILED,     [CONTAINER_STOPPED] = LIMIT_STOPPED,
    [CONTAINER_EXITED] = LIMIT_EXITED,
};

static unsigned seconds_until(uint64_t then_usec, uint64_t now_usec)
{
    uint64_t seconds = then_usec > now_usec ? (then_usec - now_usec + 999999) / 1000000 : 1;

    return seconds < BACKOFF_MAX ? (unsigned)seconds : BACKOFF_MAX;
}

/* Whether the last run ended because the kernel killed in it for lack of memory. */
static bool ended_by_oom(const struct container_slot *slot)
{
    uint64_t fault = slot->last_fault_realtime_usec, end = slot->exit_realtime_usec;
    uint64_t apart = fault > end ? fault - end : end - fault;

    return (slot->has & SLOT_HAS_EXIT) && slot->last_fault == FAULT_OOM && fault && end &&
           apart <= SAME_END_USEC;
}

/* False for a state in which requests are answered. */
static bool take_state(const struct container_slot *slot, const struct moment *moment,
                       struct limit_cause *cause)
{
    enum limit_kind kind =
        slot->state < CONTAINER_STATE_COUNT ? kinds_of_states[slot->state] : LIMIT_UNKNOWN;

    if (!kind)
        return false;
    cause->kind = kind;
    cause->event_usec = slot->state_since_boottime_usec;
    if (slot->state_since_boottime_usec && slot->state_since_boottime_usec <= moment->boottime_usec)
        cause->since_realtime_usec =
            moment->realtime_usec - (moment->boottime_usec - slot->state_since_boottime_usec);
    if (kind == LIMIT_BACKOFF && slot->next_start_boottime_usec)
        cause->retry_after_seconds =
            seconds_until(slot->next_start_boottime_usec, moment->boottime_usec);
    if ((kind == LIMIT_FAILED || kind == LIMIT_BACKOFF) && ended_by_oom(slot))
        cause->because = LIMIT_OOM;
    return true;
}

/* ---- what is in force ---- */

static bool take_in_force(const struct container_slot *slot, bool is_slow,
                          struct limit_cause *cause)
{
    const struct {
        enum limit_kind kind;
        bool is_so;
    } tests[] = {
        {LIMIT_TASKS, (slot->has & SLOT_HAS_TASKS) && (slot->has & SLOT_HAS_TASKS_LIMIT) &&
                          slot->tasks_limit && slot->tasks >= slot->tasks_limit},
        {LIMIT_DISK, (slot->has & SLOT_HAS_DISK) && (slot->has & SLOT_HAS_DISK_LIMIT) &&
                         slot->disk_limit_bytes && slot->disk_used_bytes >= slot->disk_limit_bytes},
        {LIMIT_CPU, is_slow && (slot->has & SLOT_HAS_CPU_THROTTLE) &&
                        slot->cpu_throttled_rate >= THROTTLED_USEC},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(tests); i++) {
        if (!tests[i].is_so)
            continue;
        cause->kind = tests[i].kind;
        take_figures(slot, cause);
        return true;
    }
    return false;
}

static bool take_health(const struct container_slot *slot, struct limit_cause *cause)
{
    if (slot->state != CONTAINER_UNHEALTHY)
        return false;
    cause->kind = LIMIT_HEALTH;
    cause->event_usec = slot->state_since_boottime_usec;
    return true;
}

void limit_cause_of_slot(const struct container_slot *slot, const struct moment *moment,
                         struct limit_cause *cause)
{
    *cause = (struct limit_cause){.kind = LIMIT_NONE};
    if (!take_state(slot, moment, cause)) {
        if (is_recent(slot, moment) && limit_kind_of_fault(slot->last_fault))
            limit_cause_of_last_fault(slot, cause);
        else if (!take_in_force(slot, true, cause))
            take_health(slot, cause);
    }
    limit_cause_complete(cause);
}

/* ---- a request that failed ---- */

void limit_mark_take(const struct container_slot *slot, struct limit_mark *mark)
{
    *mark = (struct limit_mark){
        .has = slot->has,
        .started_boottime_usec = slot->started_boottime_usec,
        .tasks_limit_hits = slot->tasks_limit_hits,
        .oom_kills = slot->oom_kills,
    };
}

/* When it was, if the board's last fault is this one. */
static void take_event(const struct container_slot *slot, enum limit_kind kind,
                       struct limit_cause *cause)
{
    cause->kind = kind;
    take_figures(slot, cause);
    if (limit_kind_of_fault(slot->last_fault) != kind)
        return;
    cause->since_realtime_usec = slot->last_fault_realtime_usec;
    cause->event_usec = slot->last_fault_realtime_usec;
}

/* What moved on the board while the request ran is certain. */
static bool take_struck(const struct container_slot *slot, const struct limit_mark *mark,
                        struct limit_cause *cause)
{
    uint64_t has = slot->has & mark->has;

    if (slot->started_boottime_usec != mark->started_boottime_usec) {
        take_event(slot, ended_by_oom(slot) ? LIMIT_OOM : LIMIT_CRASH, cause);
        return true;
    }
    if ((has & SLOT_HAS_OOM) && slot->oom_kills > mark->oom_kills) {
        take_event(slot, LIMIT_OOM, cause);
        return true;
    }
    if ((has & SLOT_HAS_TASKS_HITS) && slot->tasks_limit_hits > mark->tasks_limit_hits) {
        take_event(slot, LIMIT_TASKS, cause);
        return true;
    }
    return false;
}

/*
 * To be held up and to lose page cache makes a service slow, it ends nothing; and who refuses at
 * the door tells so himself.
 */
static bool explains(enum limit_kind kind, bool is_timeout)
{
    return kind == LIMIT_OOM || kind == LIMIT_TASKS || kind == LIMIT_DISK || kind == LIMIT_CRASH ||
           kind == LIMIT_HEALTH || (is_timeout && (kind == LIMIT_CPU || kind == LIMIT_MEMORY));
}

static bool take_recent(const struct container_slot *slot, const struct moment *moment,
                        bool is_timeout, struct limit_cause *cause)
{
    enum limit_kind kind = limit_kind_of_fault(slot->last_fault);

    if (!is_recent(slot, moment) || !explains(kind, is_timeout))
        return false;
    take_event(slot, kind, cause);
    return true;
}

void limit_cause_of_failure(const struct container_slot *slot, const struct limit_mark *mark,
                            const struct moment *moment, bool is_timeout, struct limit_cause *cause)
{
    *cause = (struct limit_cause){.kind = LIMIT_UNKNOWN};
    if (!take_state(slot, moment, cause) && !take_struck(slot, mark, cause) &&
        !take_recent(slot, moment, is_timeout, cause) && !take_in_force(slot, is_timeout, cause))
        take_health(slot, cause);
    limit_cause_complete(cause);
}

/* ---- the reference ---- */

const char *limit_reference(const uint8_t key[SEAL_KEY_SIZE], const char *tenant,
                            const char *service, const struct limit_cause *cause,
                            char text[LIMIT_REFERENCE_SIZE])
{
    /* Crockford's base 32: no letter that is taken for another one on the telephone. */
    static const char letters[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    char words[256];
    uint8_t digest[SHA256_SIZE];
    uint64_t bits = 0;

    int length = snprintf(words, sizeof(words), "reference %s %.63s/%.63s %" PRIu64,
                          limit_kind_row(cause->kind)->name, tenant, service, cause->event_usec);
    hmac_sha256(key, SEAL_KEY_SIZE, words, (size_t)length, digest);
    memcpy(&bits, digest, sizeof(bits));
    for (size_t i = 0; i < LIMIT_REFERENCE_SIZE - 1; i++) {
        text[i] = letters[bits & 31];
        if (i == 4)
            text[i] = '-';
        else
            bits >>= 5;
    }
    text[LIMIT_REFERENCE_SIZE - 1] = '\0';
    return text;
}
