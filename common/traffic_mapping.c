/* SPDX-License-Identifier: Apache-2.0 */
#include "common/traffic_mapping.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"

/* A board that is not there, or retired without a new one, is looked for so often. */
#define OPEN_INTERVAL_USEC UINT64_C(1000000)

struct traffic_writer *traffic_writer_new(const char *path)
{
    struct traffic_writer *writer = calloc(1, sizeof(*writer));
    struct identity self;

    if (!writer)
        return NULL;
    pthread_mutex_init(&writer->lock, NULL);
    snprintf(writer->path, sizeof(writer->path), "%s", path);
    writer->owner = identity_of(getpid(), &self) == 0 ? traffic_owner(&self) : 0;
    return writer;
}

void traffic_writer_free(struct traffic_writer *writer)
{
    if (!writer)
        return;
    struct traffic_mapping *current = atomic_exchange(&writer->current, NULL);
    if (current)
        traffic_mapping_drop(current);
    while (writer->all) {
        struct traffic_mapping *older = writer->all->older;
        free(writer->all);
        writer->all = older;
    }
    pthread_mutex_destroy(&writer->lock);
    free(writer);
}

static void place_parts(struct traffic_mapping *mapping, void *memory)
{
    char *start = memory;

    mapping->header = memory;
    mapping->keys = (traffic_word *)(start + mapping->layout.keys);
    mapping->claims = (struct traffic_claim *)(start + mapping->layout.claims);
    mapping->details = (struct traffic_detail *)(start + mapping->layout.details);
    mapping->slots = start + mapping->layout.slots;
}

static int map_file(const char *path, struct traffic_mapping *mapping)
{
    _cleanup_close_ int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    struct traffic_header header;

    if (fd < 0)
        return -errno;
    if (pread(fd, &header, sizeof(header), 0) != (ssize_t)sizeof(header) ||
        traffic_header_check(&header, fd, 0, NULL) < 0 || atomic_load(&header.retired) != 0)
        return -EPROTO;
    /* Sizes are taken once and never read again from memory that others write. */
    traffic_layout_of(header.slot_count, &mapping->layout);
    memcpy(mapping->hash_key, header.hash_key, sizeof(mapping->hash_key));
    void *memory =
        mmap(NULL, (size_t)mapping->layout.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED)
        return -errno;
    place_parts(mapping, memory);
    mapping->fd = steal_fd(&fd);
    return 0;
}

/* Puts what is at the path in the place of the mapping `seen`; none, if that is no board. */
static void replace(struct traffic_writer *writer, struct traffic_mapping *seen)
{
    struct traffic_mapping *made = calloc(1, sizeof(*made));

    if (made && map_file(writer->path, made) < 0) {
        free(made);
        made = NULL;
    }
    if (made) {
        atomic_init(&made->users, 1);
        made->older = writer->all;
        writer->all = made;
    }
    atomic_store(&writer->current, made);
    if (seen)
        traffic_mapping_drop(seen);
}

/*
 * Looks for a board other than the mapping `seen`, once an interval. A thread that comes while
 * another is looking waits for what that one finds, so that no request goes uncounted. Returns
 * whether there is another now.
 */
static bool look_for_another(struct traffic_writer *writer, struct traffic_mapping *seen)
{
    uint64_t now = clock_boottime_usec();

    if (now >= atomic_load(&writer->next_open_usec)) {
        pthread_mutex_lock(&writer->lock);
        if (atomic_load(&writer->current) == seen && now >= atomic_load(&writer->next_open_usec)) {
            replace(writer, seen);
            atomic_store(&writer->next_open_usec, now + OPEN_INTERVAL_USEC);
        }
        pthread_mutex_unlock(&writer->lock);
    }
    struct traffic_mapping *current = atomic_load(&writer->current);
    return current && current != seen;
}

/* One more user of a mapping that has some; not of one that is being unmapped. */
static bool add_user(struct traffic_mapping *mapping)
{
    unsigned users = atomic_load(&mapping->users);

    while (users > 0)
        if (atomic_compare_exchange_weak(&mapping->users, &users, users + 1))
            return true;
    return false;
}

struct traffic_mapping *traffic_mapping_take(struct traffic_writer *writer)
{
    for (int turn = 0; turn < 2; turn++) {
        struct traffic_mapping *current = atomic_load(&writer->current);
        if (current && add_user(current)) {
            if (atomic_load_explicit(&current->header->retired, memory_order_relaxed) == 0)
                return current;
            traffic_mapping_drop(current);
        }
        if (!look_for_another(writer, current))
            break;
    }
    return NULL;
}

void traffic_mapping_drop(struct traffic_mapping *mapping)
{
    if (atomic_fetch_sub(&mapping->users, 1) != 1)
        return;
    munmap(mapping->header, (size_t)mapping->layout.size);
    close(mapping->fd);
}
