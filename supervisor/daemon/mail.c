/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/daemon/mail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "supervisor/daemon/engine.h"
#include "supervisor/daemon/journal.h"

#define FIFO_NAME "mail.fifo"

/* What one service may have read in a second; beyond it, its pipe fills and its PHP waits. */
#define READ_PER_TURN    4096
#define TURNS_PER_SECOND 32
#define USEC_PER_SEC     UINT64_C(1000000)

/* A pipe holds 64 KiB by default, 1 MiB at most for a user's (pipe(7)). */
#define READS_AT_END 256

/* Mails that get a line of their own in the journal: so many at once, and one more a second. */
#define JOURNAL_BURST 20

struct noted_mail {
    struct mail mail;
    uint64_t realtime_usec;
    char time[LOG_TIME_SIZE];
};

struct mail_log {
    struct service *service;
    int fd;
    sd_event_source *source;
    char line[MAIL_LINE_MAX];
    size_t used;
    bool is_skipping; /* the rest of a line that was too long */
    uint32_t count;   /* mails, ever */
    uint32_t unnoted; /* of them, without a line in the journal since the last one with */
    uint64_t junk;    /* lines that are none of PHP's */
    uint32_t listed;  /* while they are listed: so many were taken */
    uint32_t tokens;
    uint64_t tokens_usec; /* CLOCK_BOOTTIME: when they were counted */
    struct noted_mail recent[MAIL_RECENT];
};

/* ---- one mail ---- */

static json_t *text_json(const char *text)
{
    return control_text(text, strlen(text));
}

static json_t *mail_json(const struct noted_mail *noted, bool is_whole)
{
    const struct mail *mail = &noted->mail;
    json_t *domains = json_array();

    for (uint32_t i = 0; i < mail->domain_count && i < MAIL_DOMAINS_MAX; i++)
        json_array_append_new(domains, text_json(mail->domains[i]));
    json_t *object = json_pack("{s:o, s:I, s:I, s:o, s:I, s:o}", "script", text_json(mail->script),
                               "line", (json_int_t)mail->line, "recipients",
                               (json_int_t)mail->recipients, "domains", domains, "domain_count",
                               (json_int_t)mail->domain_count, "subject", text_json(mail->subject));
    if (object && is_whole)
        json_object_set_new(object, "to", text_json(mail->to));
    return object;
}

/* Whether this mail may have a line of its own in the journal. */
static bool take_token(struct mail_log *log)
{
    uint64_t now = clock_boottime_usec(), seconds = (now - log->tokens_usec) / USEC_PER_SEC;

    if (seconds > 0) {
        log->tokens =
            seconds + log->tokens < JOURNAL_BURST ? log->tokens + (uint32_t)seconds : JOURNAL_BURST;
        log->tokens_usec = now;
    }
    if (log->tokens == 0)
        return false;
    log->tokens--;
    return true;
}

static void write_journal(struct mail_log *log, const struct noted_mail *noted)
{
    const struct service *service = log->service;
    const struct mail *mail = &noted->mail;
    char text[320], more[64] = "";

    if (!take_token(log)) {
        log->unnoted++;
        return;
    }
    if (log->unnoted > 0)
        snprintf(more, sizeof(more), " (and %u before it, too many to note)", log->unnoted);
    snprintf(text, sizeof(text), "mail to %u recipient%s from %.180s:%u%s", mail->recipients,
             mail->recipients == 1 ? "" : "s", mail->script, mail->line, more);
    log->unnoted = 0;
    _cleanup_json_ json_t *details = mail_json(noted, false);
    const struct journal_event event = {
        .time = noted->time,
        .tenant = service->tenant,
        .service = service->spec->name,
        .state = container_state_name(service->state),
        .text = text,
        .mail = details,
    };
    journal_write(service->engine->data_fd, &event);
}

static void take_line(struct mail_log *log)
{
    struct noted_mail *noted = &log->recent[log->count % MAIL_RECENT];
    struct mail mail;

    if (mail_parse(log->line, log->used, &mail) < 0) {
        if (log->junk++ == 0)
            log_warning("%s: its mail log has lines that are not PHP's; they are ignored",
                        log->service->id);
        return;
    }
    noted->mail = mail;
    noted->realtime_usec = clock_realtime_usec();
    log_time(noted->time);
    log->count++;
    log->service->sampling.is_settled = false;
    write_journal(log, noted);
}

static void take(struct mail_log *log, const char *data, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (data[i] == '\n') {
            if (!log->is_skipping && log->used > 0)
                take_line(log);
            log->used = 0;
            log->is_skipping = false;
        } else if (log->used < sizeof(log->line)) {
            log->line[log->used++] = data[i];
        } else {
            log->is_skipping = true;
        }
    }
}

/* ---- the FIFO ---- */

static ssize_t read_once(struct mail_log *log)
{
    char buffer[READ_PER_TURN];

    ssize_t length = read(log->fd, buffer, sizeof(buffer));
    if (length > 0)
        take(log, buffer, (size_t)length);
    return length < 0 ? -errno : length;
}

static int on_readable(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    (void)source;
    (void)fd;
    (void)events;
    read_once(userdata);
    return 0;
}

static int watch(struct mail_log *log)
{
    int r = sd_event_add_io(log->service->engine->loop, &log->source, log->fd, EPOLLIN, on_readable,
                            log);

    if (r >= 0)
        r = sd_event_source_set_priority(log->source, SD_EVENT_PRIORITY_IDLE);
    if (r >= 0)
        r = sd_event_source_set_ratelimit(log->source, USEC_PER_SEC, TURNS_PER_SECOND);
    return r;
}

/*
 * Opened for writing, too, though nothing is written: so it never ends when the last writer closes
 * it, and PHP's open(2) never waits for a reader.
 */
static int open_fifo(struct mail_log *log, const char *path, uid_t uid, gid_t gid)
{
    struct stat st;

    if ((unlink(path) < 0 && errno != ENOENT) || mkfifo(path, 0600) < 0)
        return -errno;
    log->fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
    if (log->fd < 0 || fstat(log->fd, &st) < 0)
        return -errno;
    /* Its directory is root's alone; inside the container every user may run PHP. */
    if (!S_ISFIFO(st.st_mode) || fchown(log->fd, uid, gid) < 0 || fchmod(log->fd, 0622) < 0)
        return errno ? -errno : -EINVAL;
    return watch(log);
}

int mail_log_begin(struct service *service, const char *directory, uid_t uid, gid_t gid, char *path,
                   struct error *error)
{
    int r = path_join(path, directory, FIFO_NAME, error);

    if (r < 0)
        return r;
    if (!service->mail) {
        service->mail = calloc(1, sizeof(*service->mail));
        if (!service->mail)
            return error_sys(error, ENOMEM, "the mail log");
        service->mail->service = service;
        service->mail->fd = -1;
        service->mail->tokens = JOURNAL_BURST;
        service->mail->tokens_usec = clock_boottime_usec();
    }
    r = open_fifo(service->mail, path, uid, gid);
    return r < 0 ? error_sys(error, -r, "make the mail log %s", path) : 0;
}

static void close_fifo(struct mail_log *log)
{
    log->source = sd_event_source_disable_unref(log->source);
    close_fd(&log->fd);
    log->used = 0;
    log->is_skipping = false;
}

void mail_log_finish(struct service *service, const char *directory)
{
    char path[PATH_MAX];

    if (!service->mail || service->mail->fd < 0)
        return;
    for (int i = 0; i < READS_AT_END && read_once(service->mail) > 0; i++)
        continue;
    close_fifo(service->mail);
    if (path_join(path, directory, FIFO_NAME, NULL) == 0)
        unlink(path);
}

void mail_log_forget(struct service *service)
{
    if (service->mail)
        close_fifo(service->mail);
    free(service->mail);
    service->mail = NULL;
}

/* ---- what is shown ---- */

void mail_fill(const struct service *service, struct container_slot *slot)
{
    const struct mail_log *log = service->mail;

    if (!log)
        return;
    slot->has |= SLOT_HAS_MAILS;
    slot->mails = log->count;
    if (log->count > 0)
        slot->last_mail_realtime_usec = log->recent[(log->count - 1) % MAIL_RECENT].realtime_usec;
}

/* The newest mail of a service that was not taken yet; NULL: none is left. */
static const struct noted_mail *newest(const struct mail_log *log, uint32_t taken)
{
    if (!log || taken >= MAIL_RECENT || taken >= log->count)
        return NULL;
    return &log->recent[(log->count - 1 - taken) % MAIL_RECENT];
}

static bool is_asked_for(const struct service *s, const char *tenant, const char *service)
{
    return s->mail && strcmp(s->tenant, tenant) == 0 &&
           (!service || strcmp(s->spec->name, service) == 0);
}

/* The service whose next mail is the youngest. */
static struct service *youngest(const struct engine *engine, const char *tenant,
                                const char *service)
{
    struct service *found = NULL;
    uint64_t latest = 0;

    for (struct service *s = engine->services; s; s = s->next_service) {
        if (!is_asked_for(s, tenant, service))
            continue;
        const struct noted_mail *noted = newest(s->mail, s->mail->listed);
        if (noted && (!found || noted->realtime_usec > latest)) {
            found = s;
            latest = noted->realtime_usec;
        }
    }
    return found;
}

json_t *mail_list(const struct engine *engine, const char *tenant, const char *service,
                  bool is_whole, uint64_t *total)
{
    json_t *mails = json_array();
    struct service *next;

    *total = 0;
    for (struct service *s = engine->services; s; s = s->next_service) {
        if (!is_asked_for(s, tenant, service))
            continue;
        *total += s->mail->count;
        s->mail->listed = 0;
    }
    for (int i = 0; i < MAIL_RECENT && (next = youngest(engine, tenant, service)); i++) {
        const struct noted_mail *noted = newest(next->mail, next->mail->listed++);
        json_t *mail = mail_json(noted, is_whole);
        json_object_set_new(mail, "time", json_string(noted->time));
        json_object_set_new(mail, "service", json_string(next->spec->name));
        json_array_append_new(mails, mail);
    }
    return mails;
}
