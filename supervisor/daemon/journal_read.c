/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Reading the journal of events. A cursor is "TIME+OFFSET": the time of the first event of a file,
 * which no other file has, and a place in it. So it stays good when the file is renamed.
 */

#include "supervisor/daemon/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/control.h"
#include "common/names.h"
#include "supervisor/daemon/log.h"
#include "supervisor/sys/openat2.h"

#define BUDGET 48000
/* What one request looks through behind a cursor: the engine must not stand still for long. */
#define SCAN_MAX (1u << 20)
#define FILES    2

static const char *const names[FILES] = {"events/events.jsonl", "events/events.jsonl.1"};

struct file {
    int fd;
    size_t size;
    char id[LOG_TIME_SIZE]; /* the time of its first event */
};

struct files {
    struct file entries[FILES]; /* the newest first */
    size_t count;
};

/* What a reading gathers. */
struct reading {
    char needle[2 * NAME_MAX_LENGTH + 64]; /* "": every event */
    size_t needle_length;
    json_t *events;
    size_t budget;
};

static void close_files(struct files *files)
{
    for (size_t i = 0; i < files->count; i++)
        close(files->entries[i].fd);
}

/* {"time":"2026-11-22T05:10:03.123456Z",... */
static void read_id(struct file *file)
{
    static const char prefix[] = "{\"time\":\"";
    char start[sizeof(prefix) + LOG_TIME_SIZE] = "";

    file->id[0] = '\0';
    if (pread(file->fd, start, sizeof(start) - 1, 0) < (ssize_t)sizeof(prefix) ||
        strncmp(start, prefix, sizeof(prefix) - 1) != 0)
        return;
    const char *time = start + sizeof(prefix) - 1;
    snprintf(file->id, sizeof(file->id), "%.*s", (int)strcspn(time, "\"+"), time);
}

static int open_files(int data_fd, struct files *files)
{
    struct stat st;

    for (size_t i = 0; i < FILES; i++) {
        int fd = open_beneath_nofollow(data_fd, names[i], O_RDONLY | O_NONBLOCK, 0);
        if (fd == -ENOENT)
            continue;
        if (fd < 0)
            return fd;
        struct file *file = &files->entries[files->count++];
        *file = (struct file){.fd = fd};
        if (fstat(fd, &st) < 0)
            return -errno;
        /* More was never written; a file that somebody grew costs no more than one of ours. */
        file->size = st.st_size > 2 * (off_t)JOURNAL_MAX_BYTES ? 2 * (size_t)JOURNAL_MAX_BYTES
                                                               : (size_t)st.st_size;
        read_id(file);
    }
    return 0;
}

/* The answer shows every key, those that an older release did not write too. */
static void complete(json_t *event)
{
    if (!json_is_string(json_object_get(event, "level")))
        json_object_set_new(event, "level", json_string("info"));
    if (!json_is_object(json_object_get(event, "actor")))
        json_object_set_new(event, "actor", json_null());
    if (!json_is_object(json_object_get(event, "exit")))
        json_object_set_new(event, "exit", json_null());
}

/*
 * Adds a line that is asked for. Returns false when the budget is spent. In JSON a quote within a
 * text has a backslash before it, so a text cannot look like the keys that are searched for.
 */
static bool take_line(struct reading *reading, const char *line, size_t length, bool is_backward)
{
    if (reading->needle_length && !memmem(line, length, reading->needle, reading->needle_length))
        return true;
    size_t cost = length + 64;
    if (cost > reading->budget)
        return false;
    json_t *event = json_loadb(line, length, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(event)) {
        json_decref(event); /* half a line, from a crash of the machine */
        return true;
    }
    complete(event);
    reading->budget -= cost;
    if (is_backward)
        json_array_insert_new(reading->events, 0, event);
    else
        json_array_append_new(reading->events, event);
    return true;
}

static char *read_part(const struct file *file, size_t offset, size_t most, size_t *length)
{
    size_t want = file->size - offset < most ? file->size - offset : most;
    char *text = malloc(want + 1);
    ssize_t got = text ? pread(file->fd, text, want, (off_t)offset) : -1;

    *length = got < 0 ? 0 : (size_t)got;
    return text;
}

/* Takes the last `tail` events, file after file from the newest back. */
static int read_tail(const struct files *files, uint64_t tail, struct reading *reading)
{
    for (size_t i = 0; i < files->count; i++) {
        const struct file *file = &files->entries[i];
        size_t length;
        _cleanup_free_ char *text = read_part(file, 0, file->size, &length);
        if (!text)
            return -ENOMEM;
        while (length > 0 && json_array_size(reading->events) < tail) {
            const char *before = length > 1 ? memrchr(text, '\n', length - 1) : NULL;
            const char *line = before ? before + 1 : text;
            if (!take_line(reading, line, (size_t)(text + length - line), true))
                return 0;
            length = (size_t)(line - text);
        }
        if (json_array_size(reading->events) >= tail)
            return 0;
    }
    return 0;
}

/* From *offset on, whole lines; 1 when there is more to read in this file. */
static int read_forward(const struct file *file, size_t *offset, struct reading *reading,
                        size_t *scan)
{
    size_t length, used = 0;
    _cleanup_free_ char *text = read_part(file, *offset, *scan, &length);

    if (!text)
        return -ENOMEM;
    while (used < length) {
        const char *end = memchr(text + used, '\n', length - used);
        if (!end || !take_line(reading, text + used, (size_t)(end - text) - used, false))
            break;
        used = (size_t)(end - text) + 1;
    }
    *offset += used;
    *scan -= length < *scan ? length : *scan;
    return *offset < file->size && used > 0;
}

/* The file and offset of a cursor. A place that is gone is the oldest that is left. */
static int find_cursor(const struct files *files, const char *cursor, size_t *index, size_t *offset)
{
    const char *plus = strchr(cursor, '+');
    uint64_t position;
    int end = 0;
    char before;

    if (!plus || plus[1] < '0' || plus[1] > '9' ||
        sscanf(plus + 1, "%" SCNu64 "%n", &position, &end) != 1 || plus[1 + end])
        return -EINVAL;
    *index = files->count ? files->count - 1 : 0;
    *offset = 0;
    for (size_t i = 0; i < files->count; i++) {
        const struct file *file = &files->entries[i];
        size_t length = strlen(file->id);
        if (!length || length != (size_t)(plus - cursor) || strncmp(file->id, cursor, length) != 0)
            continue;
        *index = i;
        if (position > 0 && position <= file->size &&
            pread(file->fd, &before, 1, (off_t)position - 1) == 1 && before == '\n')
            *offset = (size_t)position;
    }
    return 0;
}

static int read_on(const struct files *files, const struct journal_query *query,
                   struct reading *reading, char *next, bool *has_more)
{
    size_t index = files->count ? files->count - 1 : 0, offset = 0, scan = SCAN_MAX;
    int r = query->cursor ? find_cursor(files, query->cursor, &index, &offset) : 0;

    if (r < 0 || files->count == 0)
        return r;
    for (;;) {
        r = read_forward(&files->entries[index], &offset, reading, &scan);
        if (r != 0 || index == 0)
            break;
        if (scan == 0) {
            r = 1;
            break;
        }
        index--;
        offset = 0;
    }
    *has_more = r > 0;
    snprintf(next, JOURNAL_CURSOR_SIZE, "%s+%zu", files->entries[index].id, offset);
    return r < 0 ? r : 0;
}

int journal_read(int data_fd, const struct journal_query *query, json_t **events,
                 char next[JOURNAL_CURSOR_SIZE], bool *has_more, struct error *error)
{
    __attribute__((cleanup(close_files))) struct files files = {.count = 0};
    struct reading reading = {.budget = BUDGET};
    int r = open_files(data_fd, &files);

    if (r < 0)
        return error_sys(error, -r, "open the journal of events");
    _cleanup_json_ json_t *made = reading.events = json_array();
    if (!made)
        return error_sys(error, ENOMEM, "read the journal of events");
    if (query->service)
        snprintf(reading.needle, sizeof(reading.needle), "\"tenant\":\"%s\",\"service\":\"%s\"",
                 query->tenant, query->service);
    else if (query->tenant)
        snprintf(reading.needle, sizeof(reading.needle),
                 "\"tenant\":\"%s\",\"service\":", query->tenant);
    reading.needle_length = strlen(reading.needle);
    *has_more = false;
    if (query->cursor || query->tail == UINT64_MAX) {
        r = read_on(&files, query, &reading, next, has_more);
    } else {
        r = read_tail(&files, query->tail, &reading);
        if (files.count)
            snprintf(next, JOURNAL_CURSOR_SIZE, "%s+%zu", files.entries[0].id,
                     files.entries[0].size);
    }
    if (r == -EINVAL)
        return error_set(error, EINVAL, "cursor: \"%.80s\" is not one of the journal",
                         query->cursor);
    if (r < 0)
        return error_sys(error, -r, "read the journal of events");
    if (files.count == 0)
        strcpy(next, "+0");
    *events = steal_ptr(made);
    return 0;
}
