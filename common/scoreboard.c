/* SPDX-License-Identifier: Apache-2.0 */
#include "common/scoreboard.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#include "common/cleanup.h"

#define SLOT_WORDS (sizeof(struct container_slot) / sizeof(uint64_t))
/* Turns of a reader's wait. A writer is inside for well below a microsecond. */
#define READ_TRIES      2000
#define LIVE_FLOOR_USEC UINT64_C(5000000)

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
};

_Static_assert(sizeof(struct scoreboard_header) <= SCOREBOARD_HEADER_SIZE, "header page");

struct shared_slot {
    _Atomic uint64_t sequence;
    _Atomic uint64_t words[SLOT_WORDS];
};

_Static_assert(sizeof(struct shared_slot) == 1024, "a slot is 1024 bytes");
_Static_assert(sizeof(struct container_slot) % sizeof(uint64_t) == 0, "copied by words");

struct mapping {
    struct scoreboard_header *header;
    struct shared_slot *slots;
    size_t size;
};

struct scoreboard_writer {
    struct mapping map;
    char path[PATH_MAX];
};

struct scoreboard_reader {
    struct mapping map;
    bool is_of_this_boot;
};

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

static int map_file(int fd, size_t size, int protection, struct mapping *map)
{
    void *memory = mmap(NULL, size, protection, MAP_SHARED, fd, 0);

    if (memory == MAP_FAILED)
        return -errno;
    map->header = memory;
    map->slots = (struct shared_slot *)((char *)memory + SCOREBOARD_HEADER_SIZE);
    map->size = size;
    return 0;
}

static void read_boot_id(char *buffer, size_t size)
{
    _cleanup_fclose_ FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");

    memset(buffer, 0, size);
    if (file && fgets(buffer, (int)size, file))
        buffer[strcspn(buffer, "\n")] = '\0';
}

/* ---- writer ---- */

/* Tells the readers of a board left behind by an earlier engine to look for the new one. */
static void retire_old_board(int fd)
{
    struct stat st;
    struct mapping map = {0};

    if (fd < 0 || fstat(fd, &st) < 0 || st.st_size < (off_t)SCOREBOARD_HEADER_SIZE)
        return;
    if (map_file(fd, SCOREBOARD_HEADER_SIZE, PROT_READ | PROT_WRITE, &map) < 0)
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
    header->slot_count = slot_count;
    header->engine_pid = info->engine_pid;
    header->cpus = info->cpus;
    header->engine_started_realtime_usec = info->engine_started_realtime_usec;
    header->engine_started_boottime_usec = info->engine_started_boottime_usec;
    header->sample_interval_usec = info->sample_interval_usec;
    header->memory_total_bytes = info->memory_total_bytes;
    snprintf(header->version, sizeof(header->version), "%s", info->version);
    read_boot_id(header->boot_id, sizeof(header->boot_id));
    atomic_store(&header->heartbeat_boottime_usec, clock_boottime_usec());
    header->magic = SCOREBOARD_MAGIC;
}

/* Makes the whole file under a name of its own; nothing shows until it is renamed. */
static int build_file(const char *path, uint32_t slot_count, unsigned gid, struct mapping *map,
                      struct error *error)
{
    size_t size = SCOREBOARD_HEADER_SIZE + (size_t)slot_count * sizeof(struct shared_slot);

    unlink(path);
    _cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return error_sys(error, errno, "create %s", path);
    /* Reserved now: a full disk is an error here, not a SIGBUS in the middle of a write. */
    int r = posix_fallocate(fd, 0, (off_t)size);
    if (r != 0)
        return error_sys(error, r, "reserve %zu bytes for %s", size, path);
    if (fchown(fd, 0, gid) < 0 || fchmod(fd, 0640) < 0)
        return error_sys(error, errno, "set the owner of %s", path);
    r = map_file(fd, size, PROT_READ | PROT_WRITE, map);
    return r < 0 ? error_sys(error, -r, "map %s", path) : 0;
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
    struct scoreboard_writer *made = calloc(1, sizeof(*made));
    if (!made)
        return error_sys(error, ENOMEM, "scoreboard");
    _cleanup_close_ int old = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    int r = build_file(building, slot_count, gid, &made->map, error);
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
        if (made->map.header)
            munmap(made->map.header, made->map.size);
        unlink(building);
        free(made);
        return r;
    }
    *writer = made;
    return 0;
}

void scoreboard_slot_write(struct scoreboard_writer *writer, uint32_t index,
                           const struct container_slot *slot)
{
    struct scoreboard_header *header = writer->map.header;
    struct shared_slot *shared = &writer->map.slots[index];
    uint64_t words[SLOT_WORDS];
    uint64_t sequence = atomic_load_explicit(&shared->sequence, memory_order_relaxed);

    memcpy(words, slot, sizeof(words));
    atomic_store_explicit(&shared->sequence, sequence + 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    for (size_t i = 0; i < SLOT_WORDS; i++)
        atomic_store_explicit(&shared->words[i], words[i], memory_order_relaxed);
    atomic_store_explicit(&shared->sequence, sequence + 2, memory_order_release);

    if (index >= atomic_load_explicit(&header->slots_used, memory_order_relaxed))
        atomic_store_explicit(&header->slots_used, index + 1, memory_order_release);
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
    munmap(writer->map.header, writer->map.size);
    if (unlink_file)
        unlink(writer->path);
    free(writer);
}

/* ---- readers ---- */

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
        header->slot_size != sizeof(struct shared_slot) || header->slot_count == 0 ||
        header->slot_count > SCOREBOARD_SLOTS_MAX ||
        size < SCOREBOARD_HEADER_SIZE + (size_t)header->slot_count * sizeof(struct shared_slot))
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

    read_boot_id(boot_id, sizeof(boot_id));
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
    int r = map_file(fd, (size_t)st.st_size, PROT_READ, &made->map);
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

int scoreboard_slot_read(const struct scoreboard_reader *reader, uint32_t index,
                         struct container_slot *slot)
{
    if (index >= reader->map.header->slot_count)
        return -ERANGE;
    struct shared_slot *shared = &reader->map.slots[index];
    uint64_t words[SLOT_WORDS];

    for (unsigned try = 0; try < READ_TRIES; try++) {
        uint64_t before = atomic_load_explicit(&shared->sequence, memory_order_acquire);
        if (before & 1) {
            if (try % 16 == 15)
                nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
            continue;
        }
        for (size_t i = 0; i < SLOT_WORDS; i++)
            words[i] = atomic_load_explicit(&shared->words[i], memory_order_relaxed);
        atomic_thread_fence(memory_order_acquire);
        if (atomic_load_explicit(&shared->sequence, memory_order_relaxed) == before) {
            memcpy(slot, words, sizeof(words));
            terminate_strings(slot);
            return 0;
        }
    }
    return -EAGAIN;
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
