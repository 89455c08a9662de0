/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_SCOREBOARD_INTERNAL_H
#define COMMON_SCOREBOARD_INTERNAL_H

/* The layout of the scoreboard's file, for its reader and its writer. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/scoreboard.h"
#include "common/seqlock.h"

#define WORDS(type) (sizeof(type) / sizeof(uint64_t))

struct scoreboard_header {
    uint64_t magic;
    uint32_t abi;
    uint32_t header_size;
    uint32_t slot_size;
    uint32_t slot_count;
    _Atomic uint32_t slots_used;
    _Atomic uint32_t retired;
    uint32_t engine_pid;
    uint32_t cpus;
    uint64_t engine_started_realtime_usec;
    uint64_t engine_started_boottime_usec;
    uint64_t sample_interval_usec;
    uint64_t memory_total_bytes;
    _Atomic uint64_t heartbeat_boottime_usec;
    char boot_id[40];
    char version[32];
    uint32_t history_size;
    uint32_t reserved;
    seqlock_word host_sequence;
    seqlock_word host_words[WORDS(struct host_figures)];
    _Atomic uint64_t changes; /* behind each write of a slot and of the host's figures */
};

_Static_assert(sizeof(struct scoreboard_header) <= SCOREBOARD_HEADER_SIZE, "header page");

struct shared_slot {
    seqlock_word sequence;
    seqlock_word words[WORDS(struct container_slot)];
};

_Static_assert(sizeof(struct shared_slot) == 1792, "a slot is 1792 bytes");
_Static_assert(sizeof(struct container_slot) % sizeof(uint64_t) == 0, "copied by words");

struct shared_history {
    seqlock_word sequence; /* 0: never written */
    seqlock_word words[WORDS(struct slot_history)];
};

_Static_assert(sizeof(struct slot_history) % sizeof(uint64_t) == 0, "copied by words");

struct scoreboard_map {
    struct scoreboard_header *header;
    struct shared_slot *slots;
    size_t size;
};

struct scoreboard_reader {
    struct scoreboard_map map;
    bool is_of_this_boot;
};

/* Maps size bytes of the file. 0 or a negative errno. */
int scoreboard_map_file(int fd, size_t size, int protection, struct scoreboard_map *map);

/* Where the histories begin, which is also the size of header and slots. */
size_t scoreboard_history_offset(uint32_t slot_count);

/* Of a file whose slot_count was checked; index is below it. */
struct shared_history *scoreboard_history_at(const struct scoreboard_map *map, uint32_t index);

/* The running kernel's boot id, or "". */
void scoreboard_boot_id(char *buffer, size_t size);

/* First point of a ring in slot_history.points, and how many it has. */
extern const struct history_shape {
    uint16_t first, points;
} history_shapes[HISTORY_RINGS];

#endif
