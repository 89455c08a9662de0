/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/daemon/logfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/names.h"
#include "supervisor/sys/openat2.h"

/* Read at most so much of one stream a turn of the loop: a flood must not starve the others. */
#define READ_PER_TURN 65536

struct stream {
    struct logfile *log;
    const char *name;
    int fd;
    sd_event_source *source;
    char line[LOGFILE_LINE_MAX];
    size_t used;
};

struct logfile {
    int directory;
    char name[NAME_MAX_LENGTH + 8];
    int fd;
    uint64_t size, max_bytes;
    uint32_t max_files;
    uint64_t dropped;
    struct stream streams[2];
};

static int make_directory(int parent, const char *name)
{
    if (mkdirat(parent, name, 0700) < 0 && errno != EEXIST)
        return -errno;
    return open_beneath_nofollow(parent, name, O_RDONLY | O_DIRECTORY, 0);
}

static int open_current(struct logfile *log)
{
    struct stat st;

    log->fd = openat(log->directory, log->name,
                     O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    if (log->fd < 0)
        return -errno;
    if (fstat(log->fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        close_fd(&log->fd);
        return -EINVAL;
    }
    log->size = (uint64_t)st.st_size;
    return 0;
}

int logfile_open(int data_fd, const char *tenant, const char *service, uint64_t max_bytes,
                 uint32_t max_files, struct logfile **log, struct error *error)
{
    _cleanup_close_ int logs = make_directory(data_fd, "logs");

    if (logs < 0)
        return error_sys(error, -logs, "make the directory logs");
    _cleanup_close_ int directory = make_directory(logs, tenant);
    if (directory < 0)
        return error_sys(error, -directory, "make the directory logs/%s", tenant);
    _cleanup_free_ struct logfile *made = calloc(1, sizeof(*made));
    if (!made)
        return error_sys(error, ENOMEM, "logs/%s/%s.log", tenant, service);
    made->directory = directory;
    made->max_bytes = max_bytes;
    made->max_files = max_files;
    made->streams[0] = (struct stream){.log = made, .name = "stdout", .fd = -1};
    made->streams[1] = (struct stream){.log = made, .name = "stderr", .fd = -1};
    snprintf(made->name, sizeof(made->name), "%s.log", service);
    int r = open_current(made);
    if (r < 0)
        return error_sys(error, -r, "open logs/%s/%s", tenant, made->name);
    steal_fd(&directory);
    *log = steal_ptr(made);
    return 0;
}

/* NAME.log.1 becomes NAME.log.2 and so on; the last one goes. */
static void rotate(struct logfile *log)
{
    char from[sizeof(log->name) + 12], to[sizeof(log->name) + 12];

    close_fd(&log->fd);
    for (uint32_t n = log->max_files - 1; n > 0; n--) {
        if (n == 1)
            snprintf(from, sizeof(from), "%s", log->name);
        else
            snprintf(from, sizeof(from), "%s.%u", log->name, n - 1);
        snprintf(to, sizeof(to), "%s.%u", log->name, n);
        renameat(log->directory, from, log->directory, to);
    }
    if (log->max_files == 1)
        unlinkat(log->directory, log->name, 0);
    int r = open_current(log);
    if (r < 0)
        log_error("open %s after its rotation: %s", log->name, strerror(-r));
}

static bool write_record(struct logfile *log, const char *stream, char tag, const char *text,
                         size_t length)
{
    char when[LOG_TIME_SIZE], head[LOG_TIME_SIZE + 32];
    int used = snprintf(head, sizeof(head), "%s %s %c ", log_time(when), stream, tag);
    struct iovec parts[3] = {
        {.iov_base = head, .iov_len = (size_t)used},
        {.iov_base = (char *)text, .iov_len = length},
        {.iov_base = "\n", .iov_len = 1},
    };
    size_t total = (size_t)used + length + 1;

    if (log->size > 0 && log->size + total > log->max_bytes)
        rotate(log);
    if (log->fd < 0 && open_current(log) < 0)
        return false;
    ssize_t written = writev(log->fd, parts, 3);
    if (written == (ssize_t)total) {
        log->size += total;
        return true;
    }
    /* Half a line on a full disk: take it back, so that every line in the file is whole. */
    if (written > 0 && ftruncate(log->fd, (off_t)log->size) < 0)
        log_debug("take back half a line of %s: %s", log->name, strerror(errno));
    return false;
}

static void write_line(struct logfile *log, const char *stream, char tag, const char *text,
                       size_t length)
{
    char notice[96];

    if (log->dropped > 0) {
        int used = snprintf(notice, sizeof(notice), "%llu lines were lost: the disk was full",
                            (unsigned long long)log->dropped);
        if (!write_record(log, "supervisor", 'F', notice, (size_t)used)) {
            log->dropped++;
            return;
        }
        log->dropped = 0;
    }
    if (write_record(log, stream, tag, text, length))
        return;
    if (log->dropped++ == 0)
        log_error("cannot write %s (disk full?): its lines are dropped until it works again",
                  log->name);
}

/* Cuts what was read into lines; a line longer than the buffer goes out in parts. */
static void take(struct stream *stream, const char *data, size_t length)
{
    while (length > 0) {
        const char *end = memchr(data, '\n', length);
        size_t part = end ? (size_t)(end - data) : length;
        size_t room = sizeof(stream->line) - stream->used;
        if (part > room)
            part = room;
        memcpy(stream->line + stream->used, data, part);
        stream->used += part;
        data += part;
        length -= part;
        if (length > 0 && *data == '\n') {
            write_line(stream->log, stream->name, 'F', stream->line, stream->used);
            stream->used = 0;
            data++;
            length--;
        } else if (stream->used == sizeof(stream->line)) {
            write_line(stream->log, stream->name, 'P', stream->line, stream->used);
            stream->used = 0;
        }
    }
}

static void close_stream(struct stream *stream)
{
    if (stream->used > 0)
        write_line(stream->log, stream->name, 'P', stream->line, stream->used);
    stream->used = 0;
    stream->source = sd_event_source_disable_unref(stream->source);
    close_fd(&stream->fd);
}

/* Reads once. Returns how many bytes came, 0 at the end of the stream, or a negative errno. */
static ssize_t read_stream(struct stream *stream)
{
    char buffer[READ_PER_TURN];

    ssize_t length = read(stream->fd, buffer, sizeof(buffer));
    if (length > 0)
        take(stream, buffer, (size_t)length);
    return length < 0 ? -errno : length;
}

static int on_readable(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    struct stream *stream = userdata;

    (void)source;
    (void)fd;
    (void)events;
    ssize_t length = read_stream(stream);
    if (length <= 0 && length != -EAGAIN && length != -EINTR)
        close_stream(stream);
    return 0;
}

static int open_pipe(struct stream *stream, sd_event *loop, uid_t uid, gid_t gid, int *write_end)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    stream->fd = ends[0];
    *write_end = ends[1];
    if (fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0 || fchown(ends[1], uid, gid) < 0)
        return -errno;
    int r = sd_event_add_io(loop, &stream->source, ends[0], EPOLLIN, on_readable, stream);
    /* Logs may wait for what keeps containers alive. */
    return r < 0 ? r : sd_event_source_set_priority(stream->source, SD_EVENT_PRIORITY_IDLE);
}

int logfile_begin(struct logfile *log, sd_event *loop, uid_t uid, gid_t gid, int write_ends[2],
                  struct error *error)
{
    logfile_finish(log);
    write_ends[0] = write_ends[1] = -1;
    for (int i = 0; i < 2; i++) {
        int r = open_pipe(&log->streams[i], loop, uid, gid, &write_ends[i]);
        if (r < 0) {
            close_fd(&write_ends[0]);
            close_fd(&write_ends[1]);
            logfile_finish(log);
            return error_sys(error, -r, "make the pipe for %s of %s", log->streams[i].name,
                             log->name);
        }
    }
    return 0;
}

void logfile_finish(struct logfile *log)
{
    for (int i = 0; i < 2; i++) {
        struct stream *stream = &log->streams[i];
        /* A pipe holds 64 KiB by default (pipe(7)), 1 MiB at most for a user's. */
        for (int turn = 0; stream->fd >= 0 && turn < 17; turn++)
            if (read_stream(stream) <= 0)
                break;
        close_stream(stream);
    }
}

void logfile_note(struct logfile *log, const char *text)
{
    write_line(log, "supervisor", 'F', text, strlen(text));
}

void logfile_close(struct logfile *log)
{
    if (!log)
        return;
    logfile_finish(log);
    close_fd(&log->fd);
    close_fd(&log->directory);
    free(log);
}
