/* SPDX-License-Identifier: Apache-2.0 */
/* What both sides of the scoreboard share, and the readers' side. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "common/cleanup.h"
#include "common/scoreboard_internal.h"

#define LIVE_FLOOR_USEC UINT64_C(5000000)

static const struct {
    char letter;
    const char *name;
} states[CONTAINER_STATE_COUNT] = {
    [CONTAINER_OPEN] = {'.', "open"},           [CONTAINER_SLEEPING] = {'_', "sleeping"},
    [CONTAINER_STARTING] = {'S', "starting"},   [CONTAINER_RUNNING] = {'R', "running"},
    [CONTAINER_WORKING] = {'W', "working"},     [CONTAINER_LIMITED] = {'L', "limited"},
    [CONTAINER_UNHEALTHY] = {'U', "unhealthy"}, [CONTAINER_PAUSED] = {'P', "paused"},
    [CONTAINER_STOPPING] = {'G', "stopping"},   [CONTAINER_BACKOFF] = {'B', "backoff"},
    [CONTAINER_FAILED] = {'X', "failed"},       [CONTAINER_STOPPED] = {'D', "stopped"},
    [CONTAINER_EXITED] = {'E', "exited"},
};

char container_state_letter(enum container_state state)
{
    return (unsigned)state < CONTAINER_STATE_COUNT ? states[state].letter : '?';
}

const char *container_state_name(enum container_state state)
{
    return (unsigned)state < CONTAINER_STATE_COUNT ? states[state].name : "unknown";
}

static const char *const fault_names[FAULT_COUNT] = {
    [FAULT_NONE] = "none",   [FAULT_CPU] = "cpu",       [FAULT_MEMORY] = "memory",
    [FAULT_OOM] = "oom",     [FAULT_TASKS] = "tasks",   [FAULT_DISK] = "disk",
    [FAULT_CRASH] = "crash", [FAULT_HEALTH] = "health", [FAULT_REFUSED] = "refused",
};

const char *slot_fault_name(uint32_t fault)
{
    return fault_names[fault < FAULT_COUNT ? fault : FAULT_NONE];
}

const struct history_shape history_shapes[HISTORY_RINGS] = {
    [HISTORY_SECONDS] = {0, HISTORY_SECONDS_POINTS},
    [HISTORY_MINUTES] = {HISTORY_SECONDS_POINTS, HISTORY_MINUTES_POINTS},
    [HISTORY_HALF_HOURS] = {HISTORY_SECONDS_POINTS + HISTORY_MINUTES_POINTS,
                            HISTORY_HALF_HOURS_POINTS},
};

size_t scoreboard_history_offset(uint32_t slot_count)
{
    return SCOREBOARD_HEADER_SIZE + (size_t)slot_count * sizeof(struct shared_slot);
}

struct shared_history *scoreboard_history_at(const struct scoreboard_map *map, uint32_t index)
{
    char *start = (char *)map->header + scoreboard_history_offset(map->header->slot_count);

    return (struct shared_history *)start + index;
}

int scoreboard_map_file(int fd, size_t size, int protection, struct scoreboard_map *map)
{
    void *memory = mmap(NULL, size, protection, MAP_SHARED, fd, 0);

    if (memory == MAP_FAILED)
        return -errno;
    map->header = memory;
    map->slots = (struct shared_slot *)((char *)memory + SCOREBOARD_HEADER_SIZE);
    map->size = size;
    return 0;
}

void scoreboard_boot_id(char *buffer, size_t size)
{
    _cleanup_fclose_ FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");

    memset(buffer, 0, size);
    if (file && fgets(buffer, (int)size, file))
        buffer[strcspn(buffer, "\n")] = '\0';
}

/* A file that is not exactly what this program was built for is refused with both versions named.
 */
static int check_layout(const char *path, const struct scoreboard_header *header, size_t size,
                        struct error *error)
{
    if (header->magic != SCOREBOARD_MAGIC)
        return error_set(error, EPROTO, "%s is not a container scoreboard", path);
    if (header->abi != SCOREBOARD_ABI)
        return error_set(error, EPROTO,
                         "%s has scoreboard ABI %u, this program reads ABI %u; "
                         "install the same version of supervisor, module and client",
                         path, header->abi, SCOREBOARD_ABI);
    if (header->header_size != SCOREBOARD_HEADER_SIZE ||
        header->slot_size != sizeof(struct shared_slot) ||
        header->history_size != sizeof(struct shared_history) || header->slot_count == 0 ||
        header->slot_count > SCOREBOARD_SLOTS_MAX ||
        size < scoreboard_history_offset(header->slot_count) +
                   (size_t)header->slot_count * sizeof(struct shared_history))
        return error_set(error, EPROTO, "%s: the sizes in its header do not fit the file", path);
    return 0;
}

/*
 * A root directory on a disk outlives a reboot, and CLOCK_BOOTTIME starts anew: a heartbeat of an
 * earlier boot may lie ahead of now and would seem young for days.
 */
static bool is_of_this_boot(const struct scoreboard_header *header)
{
    char boot_id[sizeof(header->boot_id)];

    scoreboard_boot_id(boot_id, sizeof(boot_id));
    return !boot_id[0] || !header->boot_id[0] ||
           memcmp(boot_id, header->boot_id, sizeof(boot_id)) == 0;
}

int scoreboard_open(const char *path, struct scoreboard_reader **reader, struct error *error)
{
    /* O_NONBLOCK: a FIFO in its place is refused below instead of waited on. */
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    struct stat st;

    if (fd < 0)
        return error_sys(error, errno, "open the scoreboard %s", path);
    if (fstat(fd, &st) < 0)
        return error_sys(error, errno, "stat %s", path);
    if (!S_ISREG(st.st_mode) || st.st_size < (off_t)SCOREBOARD_HEADER_SIZE)
        return error_set(error, EPROTO, "%s is not a container scoreboard", path);
    struct scoreboard_reader *made = calloc(1, sizeof(*made));
    if (!made)
        return error_sys(error, ENOMEM, "scoreboard");
    int r = scoreboard_map_file(fd, (size_t)st.st_size, PROT_READ, &made->map);
    if (r < 0) {
        free(made);
        return error_sys(error, -r, "map %s", path);
    }
    r = check_layout(path, made->map.header, made->map.size, error);
    if (r < 0) {
        scoreboard_close(made);
        return r;
    }
    made->is_of_this_boot = is_of_this_boot(made->map.header);
    *reader = made;
    return 0;
}

void scoreboard_close(struct scoreboard_reader *reader)
{
    if (!reader)
        return;
    munmap(reader->map.header, reader->map.size);
    free(reader);
}

bool scoreboard_is_of_this_boot(const struct scoreboard_reader *reader)
{
    return reader->is_of_this_boot;
}

void scoreboard_info(const struct scoreboard_reader *reader, struct scoreboard_info *info)
{
    struct scoreboard_header *header = reader->map.header;
    uint32_t used = atomic_load_explicit(&header->slots_used, memory_order_acquire);

    memset(info, 0, sizeof(*info));
    info->slot_count = header->slot_count;
    info->slots_used = used < header->slot_count ? used : header->slot_count;
    memcpy(info->boot_id, header->boot_id, sizeof(info->boot_id) - 1);
    memcpy(info->version, header->version, sizeof(info->version) - 1);
    info->engine_pid = header->engine_pid;
    info->cpus = header->cpus;
    info->engine_started_realtime_usec = header->engine_started_realtime_usec;
    info->engine_started_boottime_usec = header->engine_started_boottime_usec;
    info->sample_interval_usec = header->sample_interval_usec;
    info->memory_total_bytes = header->memory_total_bytes;
    info->heartbeat_boottime_usec =
        atomic_load_explicit(&header->heartbeat_boottime_usec, memory_order_acquire);
    info->changes = atomic_load_explicit(&header->changes, memory_order_acquire);
    info->retired = atomic_load(&header->retired) != 0;
}

/* The writer terminates its strings; a reader does not take that on trust. */
static void terminate_strings(struct container_slot *slot)
{
#define TERMINATE(field) slot->field[sizeof(slot->field) - 1] = '\0'
    TERMINATE(tenant);
    TERMINATE(service);
    TERMINATE(id);
    TERMINATE(endpoint_path);
    TERMINATE(address_ipv4);
    TERMINATE(address_ipv6);
    TERMINATE(image);
    TERMINATE(message);
#undef TERMINATE
}

_Static_assert(offsetof(struct container_slot, requests_in_flight) % sizeof(uint64_t) == 0,
               "it is read as a word of its own");

/* Text is terminated, and one that runs and has requests in flight is working. */
static void complete(struct container_slot *slot)
{
    terminate_strings(slot);
    if (slot->state == CONTAINER_RUNNING && (slot->has & SLOT_HAS_TRAFFIC) &&
        slot->requests_in_flight > 0)
        slot->state = CONTAINER_WORKING;
}

int scoreboard_slot_read(const struct scoreboard_reader *reader, uint32_t index,
                         struct container_slot *slot)
{
    if (index >= reader->map.header->slot_count)
        return -ERANGE;
    struct shared_slot *shared = &reader->map.slots[index];
    int r = seqlock_read(&shared->sequence, shared->words, slot, sizeof(*slot));

    if (r == 0)
        complete(slot);
    return r;
}

int scoreboard_slot_read_parts(const struct scoreboard_reader *reader, uint32_t index,
                               const struct seqlock_part *parts, size_t count,
                               struct container_slot *slot)
{
    struct seqlock_part all[SLOT_PARTS_MAX + 1];

    if (index >= reader->map.header->slot_count)
        return -ERANGE;
    assert(count <= SLOT_PARTS_MAX);
    memcpy(all, parts, count * sizeof(*parts));
    /* The state that is told depends on it. */
    all[count] = slot_part(offsetof(struct container_slot, requests_in_flight), sizeof(uint32_t));
    struct shared_slot *shared = &reader->map.slots[index];
    int r = seqlock_read_parts(&shared->sequence, shared->words, slot, all, count + 1);

    if (r == 0)
        complete(slot);
    return r;
}

struct seqlock_part slot_part(size_t offset, size_t size)
{
    const size_t word = sizeof(uint64_t);
    size_t first = offset / word * word;

    return (struct seqlock_part){first, (offset + size - first + word - 1) / word * word};
}

/* A history that says more than its rings can hold is none. */
static bool is_sound(const struct slot_history *history)
{
    for (size_t i = 0; i < HISTORY_RINGS; i++)
        if (history->rings[i].count > history_shapes[i].points ||
            history->rings[i].next >= history_shapes[i].points)
            return false;
    return true;
}

int scoreboard_history_read(const struct scoreboard_reader *reader, uint32_t index,
                            struct slot_history *history)
{
    if (index >= reader->map.header->slot_count)
        return -ERANGE;
    struct shared_history *shared = scoreboard_history_at(&reader->map, index);
    if (atomic_load_explicit(&shared->sequence, memory_order_relaxed) == 0)
        return -ENOENT;
    int r = seqlock_read(&shared->sequence, shared->words, history, sizeof(*history));
    return r < 0 ? r : is_sound(history) ? 0 : -ENOENT;
}

size_t history_points(const struct slot_history *history, enum history_ring ring,
                      struct history_point *points)
{
    const struct history_shape *shape = &history_shapes[ring];
    size_t count = history->rings[ring].count;
    size_t at = (history->rings[ring].next + shape->points - count) % shape->points;

    for (size_t i = 0; i < count; i++)
        points[i] = history->points[shape->first + (at + i) % shape->points];
    return count;
}

int scoreboard_host_read(const struct scoreboard_reader *reader, struct host_figures *host)
{
    struct scoreboard_header *header = reader->map.header;

    return seqlock_read(&header->host_sequence, header->host_words, host, sizeof(*host));
}

static bool slot_is(const struct container_slot *slot, const char *tenant, const char *service)
{
    return slot->state != CONTAINER_OPEN && strcmp(slot->tenant, tenant) == 0 &&
           strcmp(slot->service, service) == 0;
}

int scoreboard_find(const struct scoreboard_reader *reader, const char *tenant, const char *service,
                    uint32_t *hint, struct container_slot *slot)
{
    uint32_t used = atomic_load_explicit(&reader->map.header->slots_used, memory_order_acquire);
    int result = -ENOENT;

    if (*hint < used && scoreboard_slot_read(reader, *hint, slot) == 0 &&
        slot_is(slot, tenant, service))
        return 0;
    for (uint32_t i = 0; i < used; i++) {
        int r = scoreboard_slot_read(reader, i, slot);
        if (r == -ERANGE)
            break;
        if (r < 0) {
            result = r;
            continue;
        }
        if (slot_is(slot, tenant, service)) {
            *hint = i;
            return 0;
        }
    }
    return result;
}

bool scoreboard_is_live(const struct scoreboard_reader *reader, uint64_t *age_usec)
{
    struct scoreboard_info info;
    uint64_t now = clock_boottime_usec();

    scoreboard_info(reader, &info);
    uint64_t age = now > info.heartbeat_boottime_usec ? now - info.heartbeat_boottime_usec : 0;
    uint64_t allowed = 3 * info.sample_interval_usec;
    if (allowed < LIVE_FLOOR_USEC)
        allowed = LIVE_FLOOR_USEC;
    if (!reader->is_of_this_boot)
        age = now;
    if (age_usec)
        *age_usec = age;
    return reader->is_of_this_boot && !info.retired && age <= allowed;
}
