/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_SAMPLING_H
#define DAEMON_SAMPLING_H

/* What the sampler keeps of a service between two samples. Plain data of the engine's thread;
 * sampler.c, faults.c, disk.c and history.c each write their own part of it, publish.c reads. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/scoreboard.h"
#include "supervisor/net/network.h"
#include "supervisor/runtime/cgroup.h"

/* Places of one container that can fill up. */
#define DISK_PLACES_MAX 8

struct disk_place {
    int fd;
    uint32_t project; /* 0: a tmpfs */
};

struct disk_figures {
    bool is_opened;
    size_t count;
    struct disk_place places[DISK_PLACES_MAX];
    uint64_t has; /* SLOT_HAS_DISK, SLOT_HAS_DISK_LIMIT */
    uint64_t used_bytes, limit_bytes;
    bool is_full;
};

/* Sums of the samples of one step of a history. */
struct history_sum {
    uint32_t samples, cpu_samples, io_samples, request_samples;
    uint64_t cpu_centi, io_rate, requests_milli; /* summed up */
    uint32_t memory_kib;                         /* the last one */
    uint32_t faults;
};

struct history_pending;

struct fault_notes {
    uint64_t noted_usec; /* of the last event in the journal; 0: none yet */
    uint32_t unnoted;    /* samples with this fault since then */
};

struct sampling {
    /* ---- of the running container; sampler_end_run() clears it ---- */
    struct cgroup_sample sample;
    uint64_t sampled_usec; /* when all of it was known to be true; 0: never */
    uint64_t cpu_usec;     /* when its parts were read */
    uint64_t usual_usec;
    uint64_t dear_usec;
    uint64_t cpu_use_then; /* cpu_usage_usec when the usual part was read */
    bool is_quiet;         /* the usual part was read twice with nothing changed */
    bool is_settled; /* the slot shows it with all rates at zero; clear it to have it written */
    bool is_limited;
    struct network_counters counters;
    uint32_t cpu_percent_milli, cpu_throttled_rate;
    uint32_t io_read_ops_rate, io_write_ops_rate;
    uint64_t io_read_rate, io_write_rate, net_receive_rate, net_transmit_rate;
    struct disk_figures disk;

    /* ---- of the service ---- */
    uint64_t oom_kills_before; /* at the start of this run, for v1 counts that outlive runs */
    uint32_t faults, last_fault;
    uint64_t last_fault_realtime_usec;
    struct fault_notes notes[FAULT_COUNT];
    struct history_sum minute, half_hour;
    struct history_pending *pending; /* what is to be written to disk; NULL: nothing yet */
    bool has_requests_rate;          /* of the traffic board */
    uint32_t requests_rate_milli;
    bool is_listed; /* in the engine's list of services that have something to sample */
};

#endif
