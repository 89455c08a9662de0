/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/daemon/logread.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/control.h"
#include "common/names.h"
#include "supervisor/daemon/logfile.h"
#include "supervisor/sys/openat2.h"

#define FILES_MAX 101 /* log.max_files is at most 100 */
#define BLOCK     65536

struct files {
    int fds[FILES_MAX]; /* [0] is the newest */
    struct stat stats[FILES_MAX];
    size_t count;
};

static void close_files(struct files *files)
{
    for (size_t i = 0; i < files->count; i++)
        close(files->fds[i]);
}

static int open_files(int data_fd, const char *tenant, const char *service, struct files *files)
{
    char name[2 * NAME_MAX_LENGTH + 32];

    for (unsigned n = 0; n < FILES_MAX; n++) {
        if (n == 0)
            snprintf(name, sizeof(name), "logs/%s/%s.log", tenant, service);
        else
            snprintf(name, sizeof(name), "logs/%s/%s.log.%u", tenant, service, n);
        int fd = open_beneath_nofollow(data_fd, name, O_RDONLY | O_NONBLOCK, 0);
        if (fd == -ENOENT)
            break;
        if (fd < 0)
            return fd;
        if (fstat(fd, &files->stats[n]) < 0) {
            close(fd);
            return -EIO;
        }
        files->fds[n] = fd;
        files->count = n + 1;
    }
    return 0;
}

/* Counts lines from the end backwards: the position after which `tail` lines follow. */
static void find_tail(const struct files *files, uint64_t tail, size_t *file, off_t *offset)
{
    char buffer[BLOCK];

    for (size_t i = 0; i < files->count; i++) {
        off_t at = files->stats[i].st_size;
        bool is_end = true;
        while (at > 0) {
            size_t want = at < BLOCK ? (size_t)at : BLOCK;
            if (pread(files->fds[i], buffer, want, at - (off_t)want) != (ssize_t)want)
                break;
            for (size_t c = want; c > 0; c--) {
                if (buffer[c - 1] != '\n')
                    continue;
                if (!is_end && tail > 0 && --tail == 0) {
                    *file = i;
                    *offset = at - (off_t)(want - c);
                    return;
                }
                is_end = false;
            }
            at -= (off_t)want;
        }
        *file = i;
        *offset = 0;
        /* The first line of this file counts too. */
        if (files->stats[i].st_size > 0 && tail > 0 && --tail == 0)
            return;
    }
}

/* The file and offset of a cursor; a file that was rotated away means: from the oldest that is
 * left. */
static int find_cursor(const struct files *files, const char *cursor, size_t *file, off_t *offset)
{
    uint64_t inode, position;
    int end = 0;

    if (sscanf(cursor, "%" SCNu64 ":%" SCNu64 "%n", &inode, &position, &end) != 2 || cursor[end])
        return -EINVAL;
    for (size_t i = 0; i < files->count; i++) {
        if ((uint64_t)files->stats[i].st_ino != inode)
            continue;
        if (position > (uint64_t)files->stats[i].st_size)
            return -EINVAL;
        *file = i;
        *offset = (off_t)position;
        return 0;
    }
    *file = files->count ? files->count - 1 : 0;
    *offset = 0;
    return 0;
}

/* "TIME STREAM TAG TEXT" into an object; a line of another form is skipped. */
static void add_line(json_t *lines, const char *line, size_t length)
{
    const char *end = line + length;
    const char *stream = memchr(line, ' ', length);
    const char *tag = stream ? memchr(stream + 1, ' ', (size_t)(end - stream - 1)) : NULL;

    if (!tag || end - tag < 3 || tag[2] != ' ')
        return;
    json_t *object = json_object();
    json_object_set_new(object, "time", json_stringn(line, (size_t)(stream - line)));
    json_object_set_new(object, "stream", json_stringn(stream + 1, (size_t)(tag - stream - 1)));
    json_object_set_new(object, "partial", json_boolean(tag[1] == 'P'));
    json_object_set_new(object, "text", control_text(tag + 3, (size_t)(end - tag - 3)));
    json_array_append_new(lines, object);
}

/* Reads whole lines of one file from *offset on, up to the budget. Returns false when the budget is
 * spent. */
static bool read_lines(int fd, off_t *offset, size_t *budget, json_t *lines)
{
    char buffer[BLOCK];

    for (;;) {
        ssize_t got = pread(fd, buffer, sizeof(buffer), *offset);
        size_t used = 0;
        if (got <= 0)
            return true;
        while (used < (size_t)got) {
            const char *end = memchr(buffer + used, '\n', (size_t)got - used);
            if (!end)
                break;
            size_t length = (size_t)(end - buffer) - used;
            /* JSON may write a byte as six; a short line costs its frame too. */
            size_t cost = length + 100;
            for (size_t i = used; i < used + length; i++)
                cost += (unsigned char)buffer[i] < 0x20 ? 5 : buffer[i] == '"' || buffer[i] == '\\';
            if (cost > *budget && json_array_size(lines) > 0)
                return false;
            add_line(lines, buffer + used, length);
            *budget -= cost < *budget ? cost : *budget;
            used += length + 1;
            *offset += (off_t)length + 1;
        }
        if (used == 0)
            return true;
    }
}

int logread(int data_fd, const char *tenant, const char *service, const char *cursor, uint64_t tail,
            json_t **lines, char *next, int *more, struct error *error)
{
    __attribute__((cleanup(close_files))) struct files files = {.count = 0};
    size_t file = 0, budget = LOGREAD_MAX_BYTES;
    off_t offset = 0;

    int r = open_files(data_fd, tenant, service, &files);
    if (r < 0)
        return error_sys(error, -r, "open the log of %s/%s", tenant, service);
    _cleanup_json_ json_t *made = json_array();
    if (!made)
        return error_sys(error, ENOMEM, "read the log of %s/%s", tenant, service);
    strcpy(next, "0:0");
    *more = 0;
    if (files.count > 0) {
        if (cursor)
            r = find_cursor(&files, cursor, &file, &offset);
        else if (tail == 0)
            offset = files.stats[0].st_size;
        else
            find_tail(&files, tail, &file, &offset);
        if (r < 0)
            return error_set(error, EINVAL, "cursor: \"%s\" is not one of this log", cursor);
        bool has_room = read_lines(files.fds[file], &offset, &budget, made);
        while (has_room && file > 0) {
            offset = 0;
            has_room = read_lines(files.fds[--file], &offset, &budget, made);
        }
        snprintf(next, 64, "%" PRIu64 ":%" PRIu64, (uint64_t)files.stats[file].st_ino,
                 (uint64_t)offset);
        *more = !has_room;
    }
    *lines = steal_ptr(made);
    return 0;
}
