/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/daemon/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/control.h"
#include "supervisor/daemon/log.h"
#include "supervisor/sys/openat2.h"

#define FILE_NAME "events.jsonl"

static int append(int directory, const char *line)
{
    struct stat st;

    if (fstatat(directory, FILE_NAME, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        st.st_size > (off_t)JOURNAL_MAX_BYTES)
        renameat(directory, FILE_NAME, directory, FILE_NAME ".1");
    _cleanup_close_ int fd =
        openat(directory, FILE_NAME,
               O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    struct iovec parts[2] = {
        {.iov_base = (char *)line, .iov_len = strlen(line)},
        {.iov_base = (char *)"\n", .iov_len = 1},
    };
    ssize_t written = writev(fd, parts, 2);
    if (written == (ssize_t)(parts[0].iov_len + 1))
        return 0;
    int r = written < 0 ? -errno : -ENOSPC;
    if (written > 0 && ftruncate(fd, st.st_size) < 0)
        return -errno;
    return r;
}

/* The order of the keys is that of the file: journal_read.c looks for tenant and service in it. */
static json_t *event_object(const struct journal_event *event)
{
    json_t *object = json_pack("{s:s, s:s, s:s, s:s, s:s, s:o}", "time", event->time, "tenant",
                               event->tenant, "service", event->service, "state", event->state,
                               "level", event->is_warning ? "warning" : "info", "event",
                               control_text(event->text, strlen(event->text)));

    if (event->actor)
        json_object_set(object, "actor", (json_t *)event->actor);
    if (event->exit)
        json_object_set(object, "exit", (json_t *)event->exit);
    if (event->mail)
        json_object_set(object, "mail", (json_t *)event->mail);
    return object;
}

void journal_write(int data_fd, const struct journal_event *event)
{
    static int last_error; /* so that a full disk is one line of the log, not one an event */

    _cleanup_json_ json_t *object = event_object(event);
    _cleanup_free_ char *line = object ? json_dumps(object, JSON_COMPACT) : NULL;
    if (!line)
        return;
    if (mkdirat(data_fd, "events", 0700) < 0 && errno != EEXIST)
        return;
    _cleanup_close_ int directory =
        open_beneath_nofollow(data_fd, "events", O_RDONLY | O_DIRECTORY, 0);
    int r = directory < 0 ? directory : append(directory, line);
    if (r < 0 && r != last_error)
        log_error("write the journal of events: %s", strerror(-r));
    last_error = r;
}
