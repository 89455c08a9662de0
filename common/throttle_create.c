/* SPDX-License-Identifier: Apache-2.0 */
/* The throttle table's file: made by httpd's parent, opened by root's programs. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/scoreboard_internal.h"
#include "common/throttle_internal.h"

#define SETS_MIN (THROTTLE_ENTRIES_MIN / THROTTLE_WAYS)
#define SETS_MAX (THROTTLE_ENTRIES_MAX / THROTTLE_WAYS)

static size_t size_of(uint32_t sets)
{
    return THROTTLE_HEADER_SIZE + (size_t)sets * sizeof(struct throttle_set);
}

static uint32_t sets_for(uint32_t entries)
{
    uint32_t sets = SETS_MIN;

    while (sets < SETS_MAX && sets * THROTTLE_WAYS < entries)
        sets *= 2;
    return sets;
}

static int fill_header(struct throttle_header *header, uint32_t sets, struct error *error)
{
    header->magic = THROTTLE_MAGIC;
    header->abi = THROTTLE_ABI;
    header->header_size = sizeof(*header);
    header->sets = sets;
    header->created_usec = clock_monotonic_usec();
    header->created_realtime_usec = clock_realtime_usec();
    if (getrandom(header->hash_key, sizeof(header->hash_key), 0) != sizeof(header->hash_key))
        return error_sys(error, errno, "get random bytes");
    scoreboard_boot_id(header->boot_id, sizeof(header->boot_id));
    return 0;
}

/* The beginning of the header, as far as it never changes. */
#define HEADER_FIXED offsetof(struct throttle_header, counts)

static int check(int fd, const char *path, struct throttle_header *fixed, struct error *error)
{
    char boot_id[sizeof(fixed->boot_id)];
    struct stat st;

    if (pread(fd, fixed, HEADER_FIXED, 0) != (ssize_t)HEADER_FIXED ||
        fixed->magic != THROTTLE_MAGIC)
        return error_set(error, EPROTO, "%s is no throttle table", path);
    if (fixed->abi != THROTTLE_ABI || fixed->header_size != sizeof(*fixed))
        return error_set(error, EPROTO,
                         "%s is a throttle table of version %u; this program reads "
                         "version %u",
                         path, fixed->abi, THROTTLE_ABI);
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != 0 || (st.st_mode & 022) != 0 ||
        fixed->sets < SETS_MIN || fixed->sets > SETS_MAX ||
        (fixed->sets & (fixed->sets - 1)) != 0 || st.st_size != (off_t)size_of(fixed->sets))
        return error_set(error, EPROTO, "%s: its owner, mode or size is not a throttle table's",
                         path);
    scoreboard_boot_id(boot_id, sizeof(boot_id));
    if (strncmp(boot_id, fixed->boot_id, sizeof(boot_id)) != 0)
        return error_set(error, EPROTO, "%s is of an earlier boot of this machine", path);
    return atomic_load(&fixed->retired) ? error_set(error, EPROTO, "%s is retired", path) : 0;
}

static int take_memory(void *memory, const struct throttle_header *fixed,
                       struct throttle_table **table, struct error *error)
{
    struct throttle_table *made = calloc(1, sizeof(*made));

    if (!made) {
        munmap(memory, size_of(fixed->sets));
        return error_set(error, ENOMEM, "no memory for the throttle table");
    }
    made->header = memory;
    made->size = size_of(fixed->sets);
    made->sets = (struct throttle_set *)((char *)memory + THROTTLE_HEADER_SIZE);
    made->set_count = fixed->sets;
    made->own_sets = fixed->sets - fixed->sets / 8;
    memcpy(made->hash_key, fixed->hash_key, sizeof(made->hash_key));
    made->created_usec = fixed->created_usec;
    *table = made;
    return 0;
}

static int map(int fd, const char *path, const struct throttle_header *fixed, bool for_writing,
               struct throttle_table **table, struct error *error)
{
    void *memory = mmap(NULL, size_of(fixed->sets),
                        for_writing ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, 0);

    if (memory == MAP_FAILED)
        return error_sys(error, errno, "map %s", path);
    return take_memory(memory, fixed, table, error);
}

int throttle_open(const char *path, bool for_writing, struct throttle_table **table,
                  struct error *error)
{
    _cleanup_close_ int fd =
        open(path, (for_writing ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    struct throttle_header *fixed;
    _cleanup_free_ void *memory = calloc(1, sizeof(*fixed));

    if (fd < 0)
        return error_sys(error, errno, "open %s", path);
    fixed = memory;
    if (!fixed)
        return error_set(error, ENOMEM, "no memory for %s", path);
    int r = check(fd, path, fixed, error);
    return r < 0 ? r : map(fd, path, fixed, for_writing, table, error);
}

static int create_without_name(uint32_t sets, struct throttle_table **table, struct error *error)
{
    void *memory =
        mmap(NULL, size_of(sets), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED)
        return error_sys(error, errno, "reserve memory for the throttle table");
    int r = fill_header(memory, sets, error);
    if (r < 0) {
        munmap(memory, size_of(sets));
        return r;
    }
    return take_memory(memory, memory, table, error);
}

/* The new file, whole, under a name of its own. */
static int build(const char *path, uint32_t sets, struct error *error)
{
    _cleanup_free_ struct throttle_header *header = calloc(1, sizeof(*header));

    if (!header)
        return error_set(error, ENOMEM, "no memory for %s", path);
    int r = fill_header(header, sets, error);
    if (r < 0)
        return r;
    unlink(path);
    _cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return error_sys(error, errno, "create %s", path);
    r = posix_fallocate(fd, 0, (off_t)size_of(sets));
    if (r != 0)
        return error_sys(error, r, "reserve %zu bytes for %s", size_of(sets), path);
    if (pwrite(fd, header, sizeof(*header), 0) != (ssize_t)sizeof(*header))
        return error_sys(error, errno, "write %s", path);
    return 0;
}

static void retire(const char *path)
{
    struct throttle_table *old = NULL;

    if (throttle_open(path, true, &old, NULL) < 0 || !old)
        return;
    atomic_store(&old->header->retired, 1);
    throttle_close(old);
}

static int make_directory_of(const char *path, struct error *error)
{
    char directory[PATH_MAX];
    const char *slash = strrchr(path, '/');

    if (!slash || slash == path || (size_t)(slash - path) >= sizeof(directory))
        return 0;
    memcpy(directory, path, (size_t)(slash - path));
    directory[slash - path] = '\0';
    if (mkdir(directory, 0755) < 0 && errno != EEXIST)
        return error_sys(error, errno, "make the directory %s", directory);
    return 0;
}

static int replace(const char *path, uint32_t sets, struct error *error)
{
    char building[PATH_MAX];

    if (snprintf(building, sizeof(building), "%s.new", path) >= (int)sizeof(building))
        return error_set(error, ENAMETOOLONG, "%.200s...: path too long", path);
    int r = make_directory_of(path, error);
    if (r == 0)
        r = build(building, sets, error);
    if (r == 0)
        retire(path);
    if (r == 0 && rename(building, path) < 0)
        r = error_sys(error, errno, "rename %s to %s", building, path);
    if (r < 0)
        unlink(building);
    return r;
}

int throttle_create(const char *path, uint32_t entries, bool keep, struct throttle_table **table,
                    struct error *error)
{
    uint32_t sets = sets_for(entries);

    if (!path)
        return create_without_name(sets, table, error);
    if (throttle_open(path, true, table, NULL) == 0) {
        if (keep || (*table)->set_count == sets)
            return 0;
        throttle_close(*table);
    }
    int r = replace(path, sets, error);
    return r < 0 ? r : throttle_open(path, true, table, error);
}

void throttle_close(struct throttle_table *table)
{
    if (!table)
        return;
    munmap(table->header, table->size);
    free(table);
}

bool throttle_is_retired(const struct throttle_table *table)
{
    return atomic_load(&table->header->retired) != 0;
}
