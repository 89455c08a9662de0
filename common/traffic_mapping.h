/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_TRAFFIC_MAPPING_H
#define COMMON_TRAFFIC_MAPPING_H

/*
 * A process's mappings of the traffic board, for its writer. A request holds the mapping in which
 * it began until its end, so that one may still end on a board that was retired meanwhile.
 */

#include <pthread.h>

#include "common/traffic_internal.h"

/*
 * Never freed before the writer, only unmapped: who reads `users` of a mapping that another thread
 * has just put away reads memory that is there. A writer makes one a second at most.
 */
struct traffic_mapping {
    struct traffic_mapping *older;
    atomic_uint users; /* requests, and one more while it is the current one; 0: unmapped */
    int fd;
    struct traffic_layout layout;
    uint64_t hash_key[2];
    struct traffic_header *header;
    traffic_word *keys;
    struct traffic_claim *claims;
    struct traffic_detail *details;
    char *slots;
    atomic_flag is_sweeping;
};

struct traffic_writer {
    pthread_mutex_t lock; /* of opening */
    _Atomic(struct traffic_mapping *) current;
    struct traffic_mapping *all;
    traffic_word next_open_usec; /* CLOCK_BOOTTIME */
    uint64_t owner;              /* this process */
    char path[PATH_MAX];
};

/* Takes the current mapping, opening it if need be and possible. NULL: there is no board. */
struct traffic_mapping *traffic_mapping_take(struct traffic_writer *writer);
void traffic_mapping_drop(struct traffic_mapping *mapping);

/* index is at most slot_count, which is "other". */
static inline struct traffic_slot *traffic_mapping_slot(const struct traffic_mapping *mapping,
                                                        uint32_t index)
{
    return (struct traffic_slot *)(mapping->slots + (size_t)index * TRAFFIC_SLOT_SIZE);
}

/* traffic_sweep.c: frees the records of dead processes, if nobody did in the last second. */
void traffic_sweep(struct traffic_writer *writer, struct traffic_mapping *mapping,
                   uint64_t boottime_usec);

#endif
