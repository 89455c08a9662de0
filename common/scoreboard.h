/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_SCOREBOARD_H
#define COMMON_SCOREBOARD_H

/*
 * The scoreboard: one file, mapped shared, that says what every container does. docs/scoreboard.md
 * is its reference.
 *
 *     offset 0      struct scoreboard_header   (fixed for the life of the file, but for the
 *                                               atomics and the host's figures; 4096 bytes
 * reserved) 4096          slot 0: sequence word, then struct container_slot 4096 + size   slot 1
 * ... behind them   history 0: sequence word, then struct slot_history history 1 ... (space is
 * given to a history when it is first written: sleeping containers cost none)
 *
 * One writer: the supervisor's engine. Any number of readers map the file read-only: httpd's
 * children, containerctl. A slot is guarded by a sequence lock: the sequence is odd while the
 * writer is inside. A reader copies and looks again; it never blocks the writer and never returns
 * half a slot. All words of a slot are read and written as relaxed atomics between fences, so there
 * is no data race in the sense of C17 either (Boehm, "Can Seqlocks Get Along with Programming
 * Language Memory Models?", MSPC 2012). A history and the host's figures are guarded likewise.
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
#include "common/seqlock.h"

#define SCOREBOARD_MAGIC       UINT64_C(0x3152424f43534d43) /* "CMSCOBR1" read little-endian */
#define SCOREBOARD_ABI         2u
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
#define SLOT_HAS_CPU           (UINT64_C(1) << 0)  /* cpu_usage_usec, cpu_percent_milli */
#define SLOT_HAS_CPU_LIMIT     (UINT64_C(1) << 1)  /* cpu_limit_milli */
#define SLOT_HAS_CPU_SPLIT     (UINT64_C(1) << 2)  /* cpu_user_usec, cpu_system_usec */
#define SLOT_HAS_CPU_THROTTLE  (UINT64_C(1) << 3)  /* cpu_periods, cpu_throttled_* */
#define SLOT_HAS_MEMORY        (UINT64_C(1) << 4)  /* memory_bytes */
#define SLOT_HAS_MEMORY_LIMIT  (UINT64_C(1) << 5)  /* memory_limit_bytes */
#define SLOT_HAS_MEMORY_PEAK   (UINT64_C(1) << 6)  /* memory_peak_bytes */
#define SLOT_HAS_MEMORY_DETAIL (UINT64_C(1) << 7)  /* memory_anon_bytes, memory_file_bytes */
#define SLOT_HAS_MEMORY_KERNEL (UINT64_C(1) << 8)  /* memory_kernel_bytes */
#define SLOT_HAS_SWAP          (UINT64_C(1) << 9)  /* swap_bytes */
#define SLOT_HAS_SWAP_LIMIT    (UINT64_C(1) << 10) /* swap_limit_bytes */
#define SLOT_HAS_MEMORY_HITS   (UINT64_C(1) << 11) /* memory_limit_hits */
#define SLOT_HAS_OOM           (UINT64_C(1) << 12) /* oom_kills */
#define SLOT_HAS_FAULTS        (UINT64_C(1) << 13) /* page_faults, major_page_faults */
#define SLOT_HAS_TASKS         (UINT64_C(1) << 14) /* tasks */
#define SLOT_HAS_TASKS_LIMIT   (UINT64_C(1) << 15) /* tasks_limit */
#define SLOT_HAS_TASKS_HITS    (UINT64_C(1) << 16) /* tasks_limit_hits */
#define SLOT_HAS_IO            (UINT64_C(1) << 17) /* io_*_bytes, io_*_rate, devices */
#define SLOT_HAS_IO_OPS        (UINT64_C(1) << 18) /* io_*_ops, io_*_ops_rate */
#define SLOT_HAS_IO_WAIT       (UINT64_C(1) << 19) /* io_wait_usec */
#define SLOT_HAS_PSI_CPU       (UINT64_C(1) << 20) /* pressure[PRESSURE_CPU] */
#define SLOT_HAS_PSI_MEMORY    (UINT64_C(1) << 21)
#define SLOT_HAS_PSI_IO        (UINT64_C(1) << 22)
#define SLOT_HAS_NET           (UINT64_C(1) << 23) /* net_* , as the container sees them */
#define SLOT_HAS_DISK          (UINT64_C(1) << 24) /* disk_used_bytes */
#define SLOT_HAS_DISK_LIMIT    (UINT64_C(1) << 25) /* disk_limit_bytes */
#define SLOT_HAS_TRAFFIC       (UINT64_C(1) << 26) /* requests_*, bytes_*, status_classes */
#define SLOT_HAS_LATENCY       (UINT64_C(1) << 27) /* latency_*: there were requests of late */
#define SLOT_HAS_MAILS         (UINT64_C(1) << 28) /* mails, last_mail_realtime_usec */
#define SLOT_HAS_EXIT          (UINT64_C(1) << 29) /* exit_* of the last run */

enum pressure_kind { PRESSURE_CPU, PRESSURE_MEMORY, PRESSURE_IO, PRESSURE_COUNT };

/* Pressure stall information (Documentation/accounting/psi.rst); averages in 1/100 percent. */
struct pressure_figures {
    uint32_t some_avg10_centi, some_avg60_centi;
    uint32_t full_avg10_centi, full_avg60_centi;
    uint64_t some_total_usec, full_total_usec;
};

#define SLOT_DEVICES 4

/* The I/O of a container on one block device. */
struct slot_device {
    uint32_t major, minor; /* 0:0: no device in this place */
    uint64_t read_bytes, write_bytes;
    uint64_t read_ops, write_ops;
    uint64_t wait_usec; /* with SLOT_HAS_IO_WAIT */
};

/* The kinds of fault that the board counts: each is a reason why a visitor may have waited. */
enum slot_fault {
    FAULT_NONE = 0,
    FAULT_CPU,     /* throttled by its CPU limit */
    FAULT_MEMORY,  /* at its memory limit */
    FAULT_OOM,     /* a process was killed for lack of memory */
    FAULT_TASKS,   /* a fork was refused by its tasks limit */
    FAULT_DISK,    /* at its disk limit */
    FAULT_CRASH,   /* ended by itself */
    FAULT_HEALTH,  /* its health check fails */
    FAULT_REFUSED, /* requests were refused at the door */
    FAULT_COUNT
};

/* "cpu", "memory", "oom" ...; "none" for what is out of range. */
const char *slot_fault_name(uint32_t fault);

#define STATUS_CLASSES 5 /* 1xx ... 5xx */

/*
 * One container, in fixed-width fields without holes; 1784 bytes, so that a slot with its sequence
 * word takes 1792, a multiple of a cache line. Text is UTF-8, NUL-terminated. Clocks:
 * *_realtime_usec is CLOCK_REALTIME, *_boottime_usec is CLOCK_BOOTTIME (time_namespaces(7)), in
 * microseconds. *_rate is a second's worth over the last interval between samples.
 */
struct container_slot {
    uint64_t has;   /* SLOT_HAS_*, or-ed */
    uint32_t state; /* enum container_state */
    uint32_t replica;
    char tenant[64];
    char service[64];
    char id[136]; /* TENANT-SERVICE-N */
    char image[128];
    uint32_t pid;     /* of the container's first process, in the host's view; 0: none */
    uint32_t id_base; /* first host uid of the tenant's 65,536 ids */
    uint64_t started_realtime_usec; /* start of this run; 0: never started */
    uint64_t started_boottime_usec;
    uint64_t state_since_boottime_usec;
    uint64_t next_start_boottime_usec; /* backoff: when it is tried again; else 0 */

    uint32_t endpoint_kind;  /* enum endpoint_kind */
    uint32_t restarts;       /* by the policy, since the last start by an admin */
    char endpoint_path[112]; /* the Unix socket that the supervisor owns */
    char address_ipv4[16];
    char address_ipv6[48];

    uint64_t sampled_boottime_usec; /* when the figures below were read; 0: never */
    /* The same of those read less often: memory_anon_bytes, memory_file_bytes,
       memory_kernel_bytes, page_faults, major_page_faults, disk_*. */
    uint64_t detail_boottime_usec;
    uint64_t cpu_usage_usec;
    uint64_t cpu_user_usec;
    uint64_t cpu_system_usec;
    uint64_t cpu_periods;
    uint64_t cpu_throttled_periods;
    uint64_t cpu_throttled_usec;
    uint32_t cpu_percent_milli;  /* of one CPU, in thousandths of a percent */
    uint32_t cpu_limit_milli;    /* thousandths of a CPU */
    uint32_t cpu_throttled_rate; /* microseconds a second */
    uint32_t oom_kills;          /* of this run */

    uint64_t memory_bytes; /* charged to the group: what the OOM killer compares with the limit */
    uint64_t memory_limit_bytes;
    uint64_t memory_peak_bytes;
    uint64_t memory_anon_bytes;
    uint64_t memory_file_bytes;
    uint64_t memory_kernel_bytes;
    uint64_t swap_bytes;
    uint64_t swap_limit_bytes;
    uint64_t memory_limit_hits; /* memory.events max, v1 failcnt */
    uint64_t page_faults;
    uint64_t major_page_faults;

    uint32_t tasks;
    uint32_t tasks_limit;
    uint64_t tasks_limit_hits; /* forks refused */

    uint64_t io_read_bytes;
    uint64_t io_write_bytes;
    uint64_t io_read_ops;
    uint64_t io_write_ops;
    uint64_t io_wait_usec; /* time its requests waited for the devices */
    uint64_t io_read_rate; /* bytes */
    uint64_t io_write_rate;
    uint32_t io_read_ops_rate;
    uint32_t io_write_ops_rate;
    struct slot_device devices[SLOT_DEVICES]; /* the busiest, in the order of their numbers */

    struct pressure_figures pressure[PRESSURE_COUNT];

    uint64_t net_receive_bytes;
    uint64_t net_transmit_bytes;
    uint64_t net_receive_packets;
    uint64_t net_transmit_packets;
    uint64_t net_receive_drops;
    uint64_t net_transmit_drops;
    uint64_t net_receive_rate; /* bytes */
    uint64_t net_transmit_rate;

    uint64_t disk_used_bytes;
    uint64_t disk_limit_bytes;

    /* What httpd's children wrote on the traffic board (common/traffic.h), read by the engine. */
    uint64_t requests;
    uint64_t request_bytes_in;
    uint64_t request_bytes_out;
    uint64_t status_classes[STATUS_CLASSES];
    uint64_t requests_refused; /* at the door: never given to the container */
    uint64_t last_request_realtime_usec;
    uint32_t requests_in_flight;
    uint32_t requests_rate_milli; /* thousandths of a request */
    uint64_t request_bytes_out_rate;
    uint32_t latency_p50_usec; /* over the last minute */
    uint32_t latency_p95_usec;
    uint32_t latency_p99_usec;
    uint32_t mails; /* PHP's mail(), since the supervisor's start */
    uint64_t last_mail_realtime_usec;

    uint32_t faults;     /* all kinds, since the supervisor's start */
    uint32_t last_fault; /* enum slot_fault */
    uint64_t last_fault_realtime_usec;

    int32_t exit_code;    /* of the last run: exit status, or -1 when a signal ended it */
    uint32_t exit_signal; /* the signal, or 0 */
    uint64_t exit_realtime_usec;
    char message[176]; /* why it is failed, backing off or not yet running; else "" */
    uint8_t reserved[208];
};

_Static_assert(sizeof(struct container_slot) == 1784, "the slot is an ABI: change SCOREBOARD_ABI");

/* One point of a sparkline; HISTORY_ABSENT where a figure is not known, else at most one less. */
struct history_point {
    uint32_t cpu_centi;      /* percent of one CPU, in hundredths */
    uint32_t memory_kib;     /* of the interval's end, in KiB */
    uint32_t io_rate;        /* bytes a second, read and written together */
    uint32_t requests_milli; /* a second, in thousandths */
};

#define HISTORY_ABSENT UINT32_MAX

enum history_ring { HISTORY_SECONDS, HISTORY_MINUTES, HISTORY_HALF_HOURS, HISTORY_RINGS };

#define HISTORY_SECONDS_POINTS    60 /* one a sample */
#define HISTORY_MINUTES_POINTS    60
#define HISTORY_HALF_HOURS_POINTS 48
#define HISTORY_POINTS            (HISTORY_SECONDS_POINTS + HISTORY_MINUTES_POINTS + HISTORY_HALF_HOURS_POINTS)

/*
 * The near past of one container. Averages over the step, but for memory. The points of a ring lie
 * one step apart; the newest ends at end_boottime_usec. While a container sleeps nothing is
 * written: a reader leaves a gap between end_boottime_usec and now.
 */
struct slot_history {
    struct {
        uint64_t end_boottime_usec; /* 0: empty */
        uint32_t step_msec;
        uint16_t count; /* points that are there */
        uint16_t next;  /* where the next one will be written; the oldest of a full ring */
    } rings[HISTORY_RINGS];
    struct history_point points[HISTORY_POINTS]; /* ring after ring */
};

_Static_assert(sizeof(struct slot_history) == 2736, "the history is an ABI: change SCOREBOARD_ABI");

/* What the engine reads of the machine, once a sample. 0 in has: absent. */
struct host_figures {
    uint64_t has; /* SLOT_HAS_PSI_* of pressure, SLOT_HAS_MEMORY, SLOT_HAS_SWAP, SLOT_HAS_CPU */
    uint64_t sampled_boottime_usec;
    uint32_t load_centi[3];     /* 1, 5 and 15 minutes, hundredths */
    uint32_t cpu_percent_milli; /* of all CPUs together: 100,000 is all of them busy */
    uint64_t memory_available_bytes;
    uint64_t swap_total_bytes, swap_free_bytes;
    struct pressure_figures pressure[PRESSURE_COUNT];
    uint64_t sampler_usec;     /* CPU time of the engine's last sample */
    uint64_t engine_cpu_usec;  /* of the engine, in all */
    uint64_t starts, failures; /* of containers, since the engine's start */
    uint64_t wakes;            /* starts for a request */
    uint64_t reserved[8];
};

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
    uint64_t changes; /* how often slots and host figures were written: the same, no news */
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

/*
 * Says that the figures of a slot, which was written before, are still true at boottime_usec: only
 * sampled_boottime_usec changes.
 */
void scoreboard_slot_confirm(struct scoreboard_writer *writer, uint32_t index,
                             uint64_t boottime_usec);

/*
 * Adds a point to a ring of the slot's history; the point's step ends at boottime_usec. Space for
 * the history is taken with its first point: -ENOSPC or another negative errno of fallocate(2) when
 * there is none; the slot then has no history. step_msec is the ring's, the same each time.
 */
int scoreboard_history_push(struct scoreboard_writer *writer, uint32_t index,
                            enum history_ring ring, uint32_t step_msec, uint64_t boottime_usec,
                            const struct history_point *point);

/* Writes a whole history, as when an engine takes over from an earlier one. Errors as above. */
int scoreboard_history_write(struct scoreboard_writer *writer, uint32_t index,
                             const struct slot_history *history);

/* Forgets the history of a slot that gets another container. */
void scoreboard_history_clear(struct scoreboard_writer *writer, uint32_t index);

/* Writes the host's figures. */
void scoreboard_host_write(struct scoreboard_writer *writer, const struct host_figures *host);

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

/* Whether the board was made since the machine booted: only then do its times go on. */
bool scoreboard_is_of_this_boot(const struct scoreboard_reader *reader);

/* Copies the header. */
void scoreboard_info(const struct scoreboard_reader *reader, struct scoreboard_info *info);

/*
 * Copies slot index. Returns 0, -ERANGE (no such slot), or -EAGAIN when the writer was inside for
 * the whole bounded wait (it died there, or the machine is starved): show the last copy with its
 * age, or say so. Strings of the copy are always terminated, and a container that runs and has
 * requests in flight is CONTAINER_WORKING, which the engine never writes.
 */
int scoreboard_slot_read(const struct scoreboard_reader *reader, uint32_t index,
                         struct container_slot *slot);

/*
 * Copies only parts of a slot, at most SLOT_PARTS_MAX, and requests_in_flight; the rest of *slot
 * stays as it was, but that its strings are terminated. For one who walks all slots for a few
 * figures. Errors as above.
 */
int scoreboard_slot_read_parts(const struct scoreboard_reader *reader, uint32_t index,
                               const struct seqlock_part *parts, size_t count,
                               struct container_slot *slot);

#define SLOT_PARTS_MAX 15

/* The part that holds size bytes at offset. */
struct seqlock_part slot_part(size_t offset, size_t size);

/* The part with has, state, replica, tenant and service. */
#define SLOT_PART_HEAD ((struct seqlock_part){0, offsetof(struct container_slot, id)})

/*
 * Copies the history of slot index. Returns 0, -ENOENT (there is none), -ERANGE or -EAGAIN, as
 * scoreboard_slot_read().
 */
int scoreboard_history_read(const struct scoreboard_reader *reader, uint32_t index,
                            struct slot_history *history);

/*
 * The points of one ring in the order of time, the newest last. Returns their number, at most
 * HISTORY_SECONDS_POINTS; points is an array of so many.
 */
size_t history_points(const struct slot_history *history, enum history_ring ring,
                      struct history_point *points);

/* Copies the host's figures. 0 or -EAGAIN; all zero while the engine has not read any. */
int scoreboard_host_read(const struct scoreboard_reader *reader, struct host_figures *host);

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
