/* SPDX-License-Identifier: Apache-2.0 */
/* The engine's side of the scoreboard. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/scoreboard_internal.h"

struct scoreboard_writer {
    struct scoreboard_map map;
    int fd;
    bool *has_history; /* slot_count flags: space is reserved */
    char path[PATH_MAX];
};

static void writer_free(struct scoreboard_writer *writer)
{
    if (writer->map.header)
        munmap(writer->map.header, writer->map.size);
    if (writer->fd >= 0)
        close(writer->fd);
    free(writer->has_history);
    free(writer);
}

static struct scoreboard_writer *writer_new(uint32_t slot_count)
{
    struct scoreboard_writer *made = calloc(1, sizeof(*made));

    if (!made)
        return NULL;
    made->fd = -1;
    made->has_history = calloc(slot_count, sizeof(bool));
    if (made->has_history)
        return made;
    writer_free(made);
    return NULL;
}

/* Tells the readers of a board left behind by an earlier engine to look for the new one. */
static void retire_old_board(int fd)
{
    struct stat st;
    struct scoreboard_map map = {0};

    if (fd < 0 || fstat(fd, &st) < 0 || st.st_size < (off_t)SCOREBOARD_HEADER_SIZE)
        return;
    if (scoreboard_map_file(fd, SCOREBOARD_HEADER_SIZE, PROT_READ | PROT_WRITE, &map) < 0)
        return;
    if (map.header->magic == SCOREBOARD_MAGIC && map.header->abi == SCOREBOARD_ABI)
        atomic_store(&map.header->retired, 1);
    munmap(map.header, map.size);
}

static void fill_header(struct scoreboard_header *header, uint32_t slot_count,
                        const struct scoreboard_info *info)
{
    header->abi = SCOREBOARD_ABI;
    header->header_size = SCOREBOARD_HEADER_SIZE;
    header->slot_size = sizeof(struct shared_slot);
    header->history_size = sizeof(struct shared_history);
    header->slot_count = slot_count;
    header->engine_pid = info->engine_pid;
    header->cpus = info->cpus;
    header->engine_started_realtime_usec = info->engine_started_realtime_usec;
    header->engine_started_boottime_usec = info->engine_started_boottime_usec;
    header->sample_interval_usec = info->sample_interval_usec;
    header->memory_total_bytes = info->memory_total_bytes;
    snprintf(header->version, sizeof(header->version), "%s", info->version);
    scoreboard_boot_id(header->boot_id, sizeof(header->boot_id));
    atomic_store(&header->heartbeat_boottime_usec, clock_boottime_usec());
    header->magic = SCOREBOARD_MAGIC;
}

/* Makes the whole file under a name of its own; nothing shows until it is renamed. */
static int build_file(const char *path, uint32_t slot_count, unsigned gid,
                      struct scoreboard_writer *made, struct error *error)
{
    size_t reserved = scoreboard_history_offset(slot_count);
    size_t size = reserved + (size_t)slot_count * sizeof(struct shared_history);

    unlink(path);
    _cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return error_sys(error, errno, "create %s", path);
    /* Reserved now: a full disk is an error here, not a SIGBUS in the middle of a write. */
    int r = posix_fallocate(fd, 0, (off_t)reserved);
    if (r != 0)
        return error_sys(error, r, "reserve %zu bytes for %s", reserved, path);
    if (ftruncate(fd, (off_t)size) < 0)
        return error_sys(error, errno, "give %s %zu bytes", path, size);
    if (fchown(fd, 0, gid) < 0 || fchmod(fd, 0640) < 0)
        return error_sys(error, errno, "set the owner of %s", path);
    r = scoreboard_map_file(fd, size, PROT_READ | PROT_WRITE, &made->map);
    if (r < 0)
        return error_sys(error, -r, "map %s", path);
    made->fd = steal_fd(&fd);
    return 0;
}

int scoreboard_create(const char *path, uint32_t slot_count, unsigned gid,
                      const struct scoreboard_info *info, struct scoreboard_writer **writer,
                      struct error *error)
{
    char building[PATH_MAX];

    if (slot_count == 0 || slot_count > SCOREBOARD_SLOTS_MAX)
        return error_set(error, EINVAL, "scoreboard of %u slots: 1 to %u are possible", slot_count,
                         SCOREBOARD_SLOTS_MAX);
    if (snprintf(building, sizeof(building), "%s.new", path) >= (int)sizeof(building))
        return error_set(error, ENAMETOOLONG, "%.200s...: path too long", path);
    struct scoreboard_writer *made = writer_new(slot_count);
    if (!made)
        return error_sys(error, ENOMEM, "scoreboard");
    _cleanup_close_ int old = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    int r = build_file(building, slot_count, gid, made, error);
    if (r == 0) {
        fill_header(made->map.header, slot_count, info);
        snprintf(made->path, sizeof(made->path), "%s", path);
        if (rename(building, path) < 0)
            r = error_sys(error, errno, "rename %s to %s", building, path);
    }
    /* Only now: who finds the old one retired and opens the path again gets the new one. */
    if (r == 0)
        retire_old_board(old);
    if (r < 0) {
        unlink(building);
        writer_free(made);
        return r;
    }
    *writer = made;
    return 0;
}

/* Behind the write: a reader that takes the number first and then reads never holds old news for
   new. */
static void count_change(struct scoreboard_header *header)
{
    uint64_t now = atomic_load_explicit(&header->changes, memory_order_relaxed);

    atomic_store_explicit(&header->changes, now + 1, memory_order_release);
}

void scoreboard_slot_write(struct scoreboard_writer *writer, uint32_t index,
                           const struct container_slot *slot)
{
    struct scoreboard_header *header = writer->map.header;
    struct shared_slot *shared = &writer->map.slots[index];

    seqlock_write(&shared->sequence, shared->words, slot, sizeof(*slot));
    if (index >= atomic_load_explicit(&header->slots_used, memory_order_relaxed))
        atomic_store_explicit(&header->slots_used, index + 1, memory_order_release);
    count_change(header);
}

void scoreboard_slot_confirm(struct scoreboard_writer *writer, uint32_t index,
                             uint64_t boottime_usec)
{
    struct shared_slot *shared = &writer->map.slots[index];
    size_t word = offsetof(struct container_slot, sampled_boottime_usec) / sizeof(uint64_t);

    seqlock_begin(&shared->sequence);
    seqlock_store(&shared->words[word], &boottime_usec, sizeof(boottime_usec));
    seqlock_end(&shared->sequence);
    count_change(writer->map.header);
}

/* The space of a history, taken when it is first needed: a hole would be a SIGBUS on a full disk.
 */
static int reserve_history(struct scoreboard_writer *writer, uint32_t index)
{
    uint32_t slots = writer->map.header->slot_count;

    if (writer->has_history[index])
        return 0;
    int r = posix_fallocate(
        writer->fd,
        (off_t)(scoreboard_history_offset(slots) + (size_t)index * sizeof(struct shared_history)),
        sizeof(struct shared_history));
    if (r == 0)
        writer->has_history[index] = true;
    return -r;
}

/* Stores what lies at `from` of a history into its place in the file. */
static void store_part(struct shared_history *shared, size_t offset, const void *from, size_t size)
{
    seqlock_store(&shared->words[offset / sizeof(uint64_t)], from, size);
}

/* One writer: its own words need no lock to be read. */
static void load_ring(const struct shared_history *shared, size_t offset, void *ring, size_t size)
{
    for (size_t i = 0; i < size / sizeof(uint64_t); i++) {
        uint64_t word =
            atomic_load_explicit(&shared->words[offset / sizeof(word) + i], memory_order_relaxed);
        memcpy((char *)ring + i * sizeof(word), &word, sizeof(word));
    }
}

/* Steps of a ring that were slept through: they become gaps, so that points stay one step apart. */
static uint64_t missed_steps(uint64_t end_usec, uint64_t now_usec, uint32_t step_msec, uint64_t max)
{
    uint64_t step_usec = (uint64_t)step_msec * 1000;
    uint64_t missed = end_usec && now_usec > end_usec + step_usec / 2
                          ? (now_usec - end_usec - step_usec / 2) / step_usec
                          : 0;

    return missed < max ? missed : max;
}

int scoreboard_history_push(struct scoreboard_writer *writer, uint32_t index,
                            enum history_ring ring, uint32_t step_msec, uint64_t boottime_usec,
                            const struct history_point *point)
{
    static const struct history_point gap = {HISTORY_ABSENT, HISTORY_ABSENT, HISTORY_ABSENT,
                                             HISTORY_ABSENT};
    const struct history_shape *shape = &history_shapes[ring];
    struct shared_history *shared = scoreboard_history_at(&writer->map, index);
    struct slot_history history;
    size_t place = (size_t)((char *)&history.rings[ring] - (char *)&history);
    size_t points = offsetof(struct slot_history, points);
    int r = reserve_history(writer, index);

    if (r < 0)
        return r;
    load_ring(shared, place, &history.rings[ring], sizeof(history.rings[ring]));
    unsigned next = history.rings[ring].next, count = history.rings[ring].count;
    uint64_t missed = missed_steps(history.rings[ring].end_boottime_usec, boottime_usec, step_msec,
                                   shape->points);
    seqlock_begin(&shared->sequence);
    for (uint64_t i = 0; i <= missed; i++) {
        store_part(shared, points + (shape->first + next) * sizeof(gap), i < missed ? &gap : point,
                   sizeof(gap));
        next = (next + 1) % shape->points;
        if (count < shape->points)
            count++;
    }
    history.rings[ring].end_boottime_usec = boottime_usec;
    history.rings[ring].step_msec = step_msec;
    history.rings[ring].count = (uint16_t)count;
    history.rings[ring].next = (uint16_t)next;
    store_part(shared, place, &history.rings[ring], sizeof(history.rings[ring]));
    seqlock_end(&shared->sequence);
    return 0;
}

int scoreboard_history_write(struct scoreboard_writer *writer, uint32_t index,
                             const struct slot_history *history)
{
    struct shared_history *shared = scoreboard_history_at(&writer->map, index);
    int r = reserve_history(writer, index);

    if (r == 0)
        seqlock_write(&shared->sequence, shared->words, history, sizeof(*history));
    return r;
}

void scoreboard_history_clear(struct scoreboard_writer *writer, uint32_t index)
{
    static const struct slot_history none;

    if (writer->has_history[index])
        scoreboard_history_write(writer, index, &none);
}

void scoreboard_host_write(struct scoreboard_writer *writer, const struct host_figures *host)
{
    struct scoreboard_header *header = writer->map.header;

    seqlock_write(&header->host_sequence, header->host_words, host, sizeof(*host));
    count_change(header);
}

void scoreboard_heartbeat(struct scoreboard_writer *writer, uint64_t boottime_usec)
{
    atomic_store_explicit(&writer->map.header->heartbeat_boottime_usec, boottime_usec,
                          memory_order_release);
}

void scoreboard_writer_close(struct scoreboard_writer *writer, bool unlink_file)
{
    if (!writer)
        return;
    atomic_store(&writer->map.header->retired, 1);
    if (unlink_file)
        unlink(writer->path);
    writer_free(writer);
}
