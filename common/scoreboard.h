/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_SCOREBOARD_H
#define COMMON_SCOREBOARD_H

/*
 * The scoreboard: one file, mapped shared, that says what every container does. docs/scoreboard.md
 * is its reference.
 *
 *     offset 0      struct scoreboard_header   (fixed for the life of the file, but for the
 *                                               atomics; 4096 bytes reserved)
 *     4096          slot 0: sequence word, then struct container_slot
 *     4096 + size   slot 1 ...
 *
 * One writer: the supervisor's engine. Any number of readers map the file read-only: httpd's
 * children, containerctl. A slot is guarded by a sequence lock: the sequence is odd while the
 * writer is inside. A reader copies and looks again; it never blocks the writer and never returns
 * half a slot. All words of a slot are read and written as relaxed atomics between fences, so there
 * is no data race in the sense of C17 either (Boehm, "Can Seqlocks Get Along with Programming
 * Language Memory Models?", MSPC 2012).
 *
 * A new engine writes a new file and marks the old one retired; a reader that finds its mapping
 * retired opens the file again. A file of another ABI is refused, never guessed at.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/clock.h"
#include "common/error.h"
#include "common/names.h"

#define SCOREBOARD_MAGIC       UINT64_C(0x3152424f43534d43) /* "CMSCOBR1" read little-endian */
#define SCOREBOARD_ABI         1u
#define SCOREBOARD_HEADER_SIZE 4096u
#define SCOREBOARD_SLOTS_MAX   65536u

/* The states of the house plan. The letter is container_state_letter()'s. */
enum container_state {
    CONTAINER_OPEN = 0,  /* '.' no container in this slot */
    CONTAINER_SLEEPING,  /* '_' declared, no process, wakes on a request */
    CONTAINER_STARTING,  /* 'S' */
    CONTAINER_RUNNING,   /* 'R' */
    CONTAINER_WORKING,   /* 'W' running, requests in flight (set by readers, from traffic) */
    CONTAINER_LIMITED,   /* 'L' running into a limit */
    CONTAINER_UNHEALTHY, /* 'U' */
    CONTAINER_PAUSED,    /* 'P' frozen */
    CONTAINER_STOPPING,  /* 'G' */
    CONTAINER_BACKOFF,   /* 'B' waiting to restart after a crash */
    CONTAINER_FAILED,    /* 'X' the restart policy gave up, or the start failed */
    CONTAINER_STOPPED,   /* 'D' stopped by an admin */
    CONTAINER_EXITED,    /* 'E' ended with status 0 and its policy asks for no restart */
    CONTAINER_STATE_COUNT
};

/* The one letter of the board, and the word of every other format ("running"). */
char container_state_letter(enum container_state state);
const char *container_state_name(enum container_state state);

/* How httpd speaks to a service. */
enum endpoint_kind {
    ENDPOINT_NONE = 0,
    ENDPOINT_FCGI = 1,
    ENDPOINT_HTTP = 2,
};

/* Which figures of a slot are known. What the kernel does not tell is absent, never zero. */
enum slot_has {
    SLOT_HAS_CPU = 1 << 0,          /* cpu_usage_usec, cpu_percent_milli */
    SLOT_HAS_CPU_LIMIT = 1 << 1,    /* cpu_limit_milli */
    SLOT_HAS_MEMORY = 1 << 2,       /* memory_bytes */
    SLOT_HAS_MEMORY_LIMIT = 1 << 3, /* memory_limit_bytes */
    SLOT_HAS_MEMORY_PEAK = 1 << 4,  /* memory_peak_bytes */
    SLOT_HAS_TASKS = 1 << 5,        /* tasks */
    SLOT_HAS_TASKS_LIMIT = 1 << 6,  /* tasks_limit */
    SLOT_HAS_IO = 1 << 7,           /* io_*_bytes, io_*_rate */
    SLOT_HAS_NET = 1 << 8,          /* net_*_bytes, net_*_rate, as the container sees them */
    SLOT_HAS_EXIT = 1 << 9,         /* exit_* of the last run */
    SLOT_HAS_OOM = 1 << 10,         /* oom_kills */
};

/*
 * One container, in fixed-width fields without holes; 1016 bytes, so that a slot with its sequence
 * word takes 1024. Text is UTF-8, NUL-terminated. Clocks: *_realtime_usec is CLOCK_REALTIME,
 * *_boottime_usec is CLOCK_BOOTTIME (time_namespaces(7)), in microseconds.
 */
struct container_slot {
    uint32_t state; /* enum container_state */
    uint32_t has;   /* enum slot_has, or-ed */
    char tenant[64];
    char service[64];
    char id[136]; /* TENANT-SERVICE-N */
    uint32_t replica;
    uint32_t pid; /* of the container's first process, in the host's view; 0: none */
    uint64_t started_realtime_usec; /* start of this run; 0: never started */
    uint64_t started_boottime_usec;
    uint64_t state_since_boottime_usec;
    uint64_t next_start_boottime_usec; /* backoff: when it is tried again; else 0 */

    uint32_t endpoint_kind;  /* enum endpoint_kind */
    uint32_t id_base;        /* first host uid of the tenant's 65,536 ids */
    char endpoint_path[112]; /* the Unix socket that the supervisor owns */
    char address_ipv4[16];
    char address_ipv6[48];
    char image[128];

    uint64_t sampled_boottime_usec; /* when the figures below were read; 0: never */
    uint64_t cpu_usage_usec;
    uint32_t
        cpu_percent_milli;    /* of one CPU, in thousandths of a percent, over the last interval */
    uint32_t cpu_limit_milli; /* thousandths of a CPU */
    uint64_t memory_bytes;
    uint64_t memory_limit_bytes;
    uint64_t memory_peak_bytes;
    uint32_t tasks;
    uint32_t tasks_limit;
    uint64_t io_read_bytes;
    uint64_t io_write_bytes;
    uint64_t io_read_rate; /* bytes a second over the last interval */
    uint64_t io_write_rate;
    uint64_t net_receive_bytes;
    uint64_t net_transmit_bytes;
    uint64_t net_receive_rate;
    uint64_t net_transmit_rate;

    uint32_t restarts; /* by the policy, since the last start by an admin */
    uint32_t oom_kills;
    int32_t exit_code;    /* of the last run: exit status, or -1 when a signal ended it */
    uint32_t exit_signal; /* the signal, or 0 */
    uint64_t exit_realtime_usec;
    char message[176]; /* why it is failed, backing off or not yet running; else "" */
    uint8_t reserved[72];
};

_Static_assert(sizeof(struct container_slot) == 1016, "the slot is an ABI: change SCOREBOARD_ABI");

/*
 * What the header tells. Copied as a whole by scoreboard_info(); the figures that move are written
 * one by one as atomics, each true by itself.
 */
struct scoreboard_info {
    uint32_t slot_count; /* slots in the file */
    uint32_t slots_used; /* slots that were ever used: readers stop here */
    char boot_id[40];    /* /proc/sys/kernel/random/boot_id at creation */
    uint32_t engine_pid;
    uint32_t cpus;
    uint64_t engine_started_realtime_usec;
    uint64_t engine_started_boottime_usec;
    uint64_t heartbeat_boottime_usec; /* the engine's last turn of its sampler */
    uint64_t sample_interval_usec;
    uint64_t memory_total_bytes;
    bool retired;     /* the engine that wrote it has ended in order, or a new one took over */
    char version[32]; /* the supervisor's */
};

/* ---- writer: the engine, one thread ---- */

struct scoreboard_writer;

/*
 * Creates the file at path (mode 0640, given to gid) with slot_count open slots and puts it in the
 * place of an older one, which is marked retired. Only the fields cpus, engine_pid,
 * engine_started_*, sample_interval_usec, memory_total_bytes and version of info are taken.
 * Returns 0 and a writer that scoreboard_writer_close() ends, or a negative errno.
 */
int scoreboard_create(const char *path, uint32_t slot_count, unsigned gid,
                      const struct scoreboard_info *info, struct scoreboard_writer **writer,
                      struct error *error);

/* Writes a whole slot. index is below slot_count. */
void scoreboard_slot_write(struct scoreboard_writer *writer, uint32_t index,
                           const struct container_slot *slot);

/* Says that the engine lives: CLOCK_BOOTTIME in microseconds. */
void scoreboard_heartbeat(struct scoreboard_writer *writer, uint64_t boottime_usec);

/* Marks the board retired, unmaps it and, if unlink_file, removes it. NULL is harmless. */
void scoreboard_writer_close(struct scoreboard_writer *writer, bool unlink_file);

/* ---- readers: any process, any number of threads on one reader ---- */

struct scoreboard_reader;

/*
 * Maps the board read-only. Errors: -ENOENT (no supervisor has written one), -EPROTO (not a
 * scoreboard, or another ABI version; the message names both), -EACCES and others of open(2).
 */
int scoreboard_open(const char *path, struct scoreboard_reader **reader, struct error *error);
void scoreboard_close(struct scoreboard_reader *reader);

/* Copies the header. */
void scoreboard_info(const struct scoreboard_reader *reader, struct scoreboard_info *info);

/*
 * Copies slot index. Returns 0, -ERANGE (no such slot), or -EAGAIN when the writer was inside for
 * the whole bounded wait (it died there, or the machine is starved): show the last copy with its
 * age, or say so. Strings of the copy are always terminated.
 */
int scoreboard_slot_read(const struct scoreboard_reader *reader, uint32_t index,
                         struct container_slot *slot);

/*
 * Finds the first slot of tenant/service. *hint is where it was last seen (start with 0) and is
 * updated; a hit there costs one slot. Returns 0, -ENOENT or -EAGAIN.
 */
int scoreboard_find(const struct scoreboard_reader *reader, const char *tenant, const char *service,
                    uint32_t *hint, struct container_slot *slot);

/*
 * Whether the engine that writes this board answers for it: written since the machine booted, not
 * retired, and the last heartbeat younger than three sample intervals (at least 5 s). age_usec,
 * unless NULL, gets the heartbeat's age; for a board of an earlier boot, the time since this boot.
 */
bool scoreboard_is_live(const struct scoreboard_reader *reader, uint64_t *age_usec);

#endif
