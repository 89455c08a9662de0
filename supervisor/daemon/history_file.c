/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/daemon/history_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/names.h"
#include "common/sha256.h"
#include "supervisor/daemon/log.h"
#include "supervisor/sys/openat2.h"

#define DIRECTORY      "history"
#define MAGIC          "CMHISTO1"
#define VERSION        1
#define KEEP_SECONDS   (30 * 86400)
#define RECORD_SIZE    32
#define RECORDS_OFFSET 512 /* of a block's records, behind its name */
#define NAME_SIZE      (NAME_MAX_LENGTH + 1)

const uint32_t history_grain_seconds[HISTORY_GRAINS] = {
    [HISTORY_GRAIN_HALF_HOUR] = 1800,
    [HISTORY_GRAIN_MINUTE] = 60,
};

const struct history_step history_step_absent = {
    {HISTORY_ABSENT, HISTORY_ABSENT, HISTORY_ABSENT, HISTORY_ABSENT}, 0};

struct file_header {
    char magic[8];
    uint32_t version, header_size, block_size, records;
};

struct block_header {
    char service[NAME_SIZE];
    uint32_t check;
};

/* As it lies in the file; 32 bytes, so that none crosses the border of a disk's sector. */
struct file_record {
    uint32_t end_minute; /* of the step, minutes since the epoch; 0: no record */
    uint32_t cpu_centi, memory_kib, io_rate, requests_milli;
    uint32_t faults;
    uint32_t reserved;
    uint32_t check;
};

_Static_assert(sizeof(struct file_record) == RECORD_SIZE, "the file's format");

static const struct file_header header_wanted = {
    .magic = MAGIC,
    .version = VERSION,
    .header_size = HISTORY_FILE_SIZE,
    .block_size = HISTORY_BLOCK_SIZE,
    .records = HISTORY_FILE_RECORDS,
};

/* ---- checksums ---- */

static uint32_t check_of(const char *service, uint32_t kind, const void *data, size_t size)
{
    char text[NAME_SIZE + sizeof(kind) + RECORD_SIZE] = {0};
    uint8_t digest[SHA256_SIZE];
    uint32_t check;

    snprintf(text, NAME_SIZE, "%s", service);
    memcpy(text + NAME_SIZE, &kind, sizeof(kind));
    if (size)
        memcpy(text + NAME_SIZE + sizeof(kind), data, size);
    sha256(text, NAME_SIZE + sizeof(kind) + size, digest);
    memcpy(&check, digest, sizeof(check));
    return check;
}

static uint32_t check_of_record(const char *service, enum history_grain grain,
                                const struct file_record *record)
{
    return check_of(service, grain, record, offsetof(struct file_record, check));
}

static uint32_t check_of_block(const char *service)
{
    return check_of(service, HISTORY_GRAINS, NULL, 0);
}

/* ---- records ---- */

static off_t block_offset(size_t block)
{
    return HISTORY_FILE_SIZE + (off_t)block * HISTORY_BLOCK_SIZE;
}

static off_t record_offset(size_t block, enum history_grain grain, uint64_t number)
{
    uint64_t place = number % HISTORY_FILE_RECORDS + (uint64_t)grain * HISTORY_FILE_RECORDS;

    return block_offset(block) + RECORDS_OFFSET + (off_t)(place * RECORD_SIZE);
}

static uint32_t minute_of(enum history_grain grain, uint64_t number)
{
    return (uint32_t)(number * history_grain_seconds[grain] / 60);
}

static struct file_record make_record(const char *service, const struct history_record *from)
{
    struct file_record record = {
        .end_minute = minute_of(from->grain, from->number),
        .cpu_centi = from->step.point.cpu_centi,
        .memory_kib = from->step.point.memory_kib,
        .io_rate = from->step.point.io_rate,
        .requests_milli = from->step.point.requests_milli,
        .faults = from->step.faults,
    };

    record.check = check_of_record(service, from->grain, &record);
    return record;
}

static bool is_record(const char *service, enum history_grain grain,
                      const struct file_record *record)
{
    return record->end_minute && record->check == check_of_record(service, grain, record);
}

/* ---- the file ---- */

static int open_directory(int data_fd, bool is_made)
{
    if (is_made && mkdirat(data_fd, DIRECTORY, 0700) < 0 && errno != EEXIST)
        return -errno;
    return open_beneath_nofollow(data_fd, DIRECTORY, O_RDONLY | O_DIRECTORY, 0);
}

/* 1: it is a history, 0: it is empty, -EBADMSG: it is something else. */
static int check_file(int fd)
{
    struct file_header header;
    struct stat st;

    if (fstat(fd, &st) < 0)
        return -errno;
    if (S_ISREG(st.st_mode) && st.st_size == 0)
        return 0;
    if (!S_ISREG(st.st_mode) || pread(fd, &header, sizeof(header), 0) != sizeof(header) ||
        memcmp(&header, &header_wanted, sizeof(header)) != 0)
        return -EBADMSG;
    return 1;
}

static int write_all(int fd, const void *data, size_t size, off_t offset)
{
    ssize_t written = pwrite(fd, data, size, offset);

    if (written < 0)
        return -errno;
    return (size_t)written == size ? 0 : -ENOSPC;
}

static int begin_file(int fd)
{
    char sector[HISTORY_FILE_SIZE] = {0};

    memcpy(sector, &header_wanted, sizeof(header_wanted));
    return write_all(fd, sector, sizeof(sector), 0);
}

static int open_file(int directory, const char *tenant)
{
    int fd = openat(directory, tenant,
                    O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600);

    return fd < 0 ? -errno : fd;
}

static int move_aside(int directory, const char *tenant)
{
    char aside[NAME_SIZE + sizeof(".corrupt")];

    snprintf(aside, sizeof(aside), "%s.corrupt", tenant);
    log_warning("history of %s: " DIRECTORY "/%s is no history file; it is now " DIRECTORY
                "/%s, and a new one begins",
                tenant, tenant, aside);
    return renameat(directory, tenant, directory, aside) < 0 ? -errno : 0;
}

/* Opens the file for writing, a new one if need be. */
static int open_to_write(int directory, const char *tenant)
{
    _cleanup_close_ int fd = open_file(directory, tenant);
    int r = fd < 0 ? fd : check_file(fd);

    /* A directory, a link or a socket in its place is no history either. */
    if (r == -EBADMSG || r == -EISDIR || r == -ELOOP || r == -ENXIO) {
        close_fd(&fd);
        r = move_aside(directory, tenant);
        if (r < 0)
            return r;
        fd = open_file(directory, tenant);
        r = fd < 0 ? fd : check_file(fd);
    }
    if (r == 0)
        r = begin_file(fd);
    return r < 0 ? r : steal_fd(&fd);
}

/* ---- blocks ---- */

static size_t count_blocks(int fd)
{
    struct stat st;

    if (fstat(fd, &st) < 0 || st.st_size <= HISTORY_FILE_SIZE)
        return 0;
    size_t count = (size_t)(st.st_size - HISTORY_FILE_SIZE) / HISTORY_BLOCK_SIZE;
    return count < HISTORY_FILE_SERVICES ? count : HISTORY_FILE_SERVICES;
}

/* False: the block is nobody's, or its header was torn. */
static bool read_block(int fd, size_t block, struct block_header *header)
{
    if (pread(fd, header, sizeof(*header), block_offset(block)) != sizeof(*header))
        return false;
    header->service[NAME_SIZE - 1] = '\0';
    return name_is_valid(header->service) && header->check == check_of_block(header->service);
}

/* The block of the service, or -ENOENT. */
static ssize_t find_block(int fd, const char *service)
{
    struct block_header header;
    size_t count = count_blocks(fd);

    for (size_t i = 0; i < count; i++)
        if (read_block(fd, i, &header) && strcmp(header.service, service) == 0)
            return (ssize_t)i;
    return -ENOENT;
}

/* When something was last written to the block, in minutes since the epoch; 0: it is free. */
static uint32_t last_minute(int fd, size_t block)
{
    struct file_record records[HISTORY_FILE_RECORDS];
    struct block_header header;
    uint32_t last = 0;

    if (!read_block(fd, block, &header))
        return 0;
    ssize_t n = pread(fd, records, sizeof(records), block_offset(block) + RECORDS_OFFSET);
    for (size_t i = 0; n > 0 && i < (size_t)n / sizeof(*records); i++)
        if (records[i].end_minute > last &&
            is_record(header.service, HISTORY_GRAIN_HALF_HOUR, &records[i]))
            last = records[i].end_minute;
    return last;
}

/* A free block, a new one behind the last, or that which was silent for longest. */
static size_t choose_block(int fd)
{
    size_t count = count_blocks(fd), chosen = 0;
    struct block_header header;
    uint32_t oldest = UINT32_MAX;

    for (size_t i = 0; i < count; i++)
        if (!read_block(fd, i, &header))
            return i;
    if (count < HISTORY_FILE_SERVICES)
        return count;
    for (size_t i = 0; i < count; i++) {
        uint32_t minute = last_minute(fd, i);
        if (minute < oldest) {
            oldest = minute;
            chosen = i;
        }
    }
    return chosen;
}

/* The records that an earlier service left are not this one's: their checksums say so. */
static ssize_t make_block(int fd, const char *service)
{
    struct block_header header = {.check = check_of_block(service)};
    size_t block = choose_block(fd);

    snprintf(header.service, sizeof(header.service), "%s", service);
    if (block == count_blocks(fd) && ftruncate(fd, block_offset(block + 1)) < 0)
        return -errno;
    int r = write_all(fd, &header, sizeof(header), block_offset(block));
    return r < 0 ? r : (ssize_t)block;
}

/* ---- for others ---- */

int history_file_write(int data_fd, const char *tenant, const char *service,
                       const struct history_record *records, size_t count, struct error *error)
{
    _cleanup_close_ int directory = open_directory(data_fd, true);
    _cleanup_close_ int fd = directory < 0 ? directory : open_to_write(directory, tenant);
    ssize_t block = fd < 0 ? fd : find_block(fd, service);

    if (block == -ENOENT && fd >= 0)
        block = make_block(fd, service);
    int r = block < 0 ? (int)block : 0;
    for (size_t i = 0; r == 0 && i < count; i++) {
        const struct file_record record = make_record(service, &records[i]);
        r = write_all(fd, &record, sizeof(record),
                      record_offset((size_t)block, records[i].grain, records[i].number));
    }
    return r < 0 ? error_sys(error, -r, "write " DIRECTORY "/%s", tenant) : 0;
}

static void take_records(const struct file_record *records, size_t places, const char *service,
                         enum history_grain grain, uint64_t first, size_t count,
                         struct history_step *steps)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t place = (first + i) % HISTORY_FILE_RECORDS;
        const struct file_record *record = &records[place];
        if (place >= places || record->end_minute != minute_of(grain, first + i) ||
            !is_record(service, grain, record))
            continue;
        steps[i] = (struct history_step){.point = {record->cpu_centi, record->memory_kib,
                                                   record->io_rate, record->requests_milli},
                                         .faults = record->faults};
    }
}

int history_file_read(int data_fd, const char *tenant, const char *service,
                      enum history_grain grain, uint64_t first, size_t count,
                      struct history_step *steps, struct error *error)
{
    struct file_record records[HISTORY_FILE_RECORDS];

    for (size_t i = 0; i < count; i++)
        steps[i] = history_step_absent;
    _cleanup_close_ int directory = open_directory(data_fd, false);
    if (directory == -ENOENT)
        return 0;
    _cleanup_close_ int fd =
        directory < 0 ? directory
                      : open_beneath_nofollow(directory, tenant, O_RDONLY | O_NONBLOCK, 0);
    if (fd == -ENOENT)
        return 0;
    if (fd < 0)
        return error_sys(error, -fd, "open " DIRECTORY "/%s", tenant);
    ssize_t block = check_file(fd) == 1 ? find_block(fd, service) : -ENOENT;
    if (block < 0)
        return 0;
    ssize_t n = pread(fd, records, sizeof(records), record_offset((size_t)block, grain, 0));
    if (n < 0)
        return error_sys(error, errno, "read " DIRECTORY "/%s", tenant);
    take_records(records, (size_t)n / sizeof(*records), service, grain, first, count, steps);
    return 0;
}

void history_file_clean(int data_fd, uint64_t now)
{
    int fd = open_directory(data_fd, false);
    _cleanup_closedir_ DIR *directory = fd < 0 ? NULL : fdopendir(fd);
    struct stat st;

    if (fd >= 0 && !directory)
        close(fd);
    for (const struct dirent *entry; directory && (entry = readdir(directory));)
        if (entry->d_name[0] != '.' && fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(st.st_mode) && (uint64_t)st.st_mtime + KEEP_SECONDS < now)
            unlinkat(fd, entry->d_name, 0);
}
