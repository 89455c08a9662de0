/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/daemon/why.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "supervisor/daemon/control_server.h"
#include "supervisor/daemon/why_internal.h"
#include "supervisor/sys/clone.h"

/* Under way at one time: a flood of questions makes no flood of processes. */
#define LOOKS_MAX 4
/* The module waits a second for its panel; the look itself takes a fifth of that. */
#define LOOK_DEADLINE_USEC UINT64_C(800000)
/* Two answers, each at most a message of the control socket. */
#define LOOK_TEXT_MAX (2 * CONTROL_MESSAGE_MAX)

struct look {
    struct look *next;
    struct engine *engine;
    uint64_t number;
    char tenant[NAME_MAX_LENGTH + 1], service[NAME_MAX_LENGTH + 1];
    uint32_t run; /* a later run of the service is another container */
    enum why_kind kind;
    bool is_whole;
    bool is_answered; /* it only has to end */
    int pidfd, fd;
    sd_event_source *pid_source, *fd_source, *timer;
    char *text;
    size_t length;
};

static void look_free(struct look *look)
{
    for (struct look **link = &look->engine->looks; *link; link = &(*link)->next)
        if (*link == look) {
            *link = look->next;
            break;
        }
    sd_event_source_disable_unref(look->pid_source);
    sd_event_source_disable_unref(look->fd_source);
    sd_event_source_disable_unref(look->timer);
    close_fd(&look->pidfd);
    close_fd(&look->fd);
    free(look->text);
    free(look);
}

/* The last answer that came as a whole. */
static json_t *last_answer(const struct look *look)
{
    const char *end = look->length ? memrchr(look->text, '\n', look->length) : NULL;
    const char *before = end ? memrchr(look->text, '\n', (size_t)(end - look->text)) : NULL;
    const char *start = before ? before + 1 : look->text;

    return end ? json_loadb(start, (size_t)(end - start), JSON_REJECT_DUPLICATES, NULL) : NULL;
}

static void look_answer(struct look *look)
{
    if (look->is_answered)
        return;
    look->is_answered = true;
    look->fd_source = sd_event_source_disable_unref(look->fd_source);
    close_fd(&look->fd);
    control_look_done(look->engine->control, look->number, last_answer(look));
}

/* A process that waits uninterruptibly does not end when it is killed; it keeps its place until it
 * does, so that no more than LOOKS_MAX can hang. */
static int on_deadline(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct look *look = userdata;

    (void)source;
    (void)usec;
    pidfd_send_signal(look->pidfd, SIGKILL, NULL, 0);
    look_answer(look);
    return 0;
}

static int on_text(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    struct look *look = userdata;

    (void)source;
    (void)events;
    ssize_t got = read(fd, look->text + look->length, LOOK_TEXT_MAX - look->length);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (got > 0)
        look->length += (size_t)got;
    else /* its end is near, and is what is waited for: only then the next look may begin */
        look->fd_source = sd_event_source_disable_unref(look->fd_source);
    return 0;
}

static int on_end(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    struct look *look = userdata;
    siginfo_t info = {0};

    (void)source;
    (void)events;
    if (waitid(P_PIDFD, (id_t)fd, &info, WEXITED | WNOHANG) == 0 && info.si_pid == 0)
        return 0;
    /* What it wrote last may still be in the pipe. */
    while (!look->is_answered && look->length < LOOK_TEXT_MAX) {
        ssize_t got = read(look->fd, look->text + look->length, LOOK_TEXT_MAX - look->length);
        if (got <= 0)
            break;
        look->length += (size_t)got;
    }
    look_answer(look);
    look_free(look);
    return 0;
}

static struct why_request request_of(const struct service *service, enum why_kind kind,
                                     bool is_whole)
{
    struct why_request request = {
        .kind = kind,
        .is_whole = is_whole,
        .state = service->state,
        .cgroup = service->has_container ? service->cgroup : NULL,
        .pid = service->has_container ? service->container.pid : 0,
        .id_base = service->id_base,
        .cpu_limit_milli = service->spec->cpu_limit_milli
                               ? service->spec->cpu_limit_milli
                               : service->engine->settings.default_cpu_milli,
        .cpu_throttled_rate = service->sampling.cpu_throttled_rate,
        .memory_bytes = service->sampling.sample.memory_bytes,
    };

    if (service->sampling.sample.has & SLOT_HAS_MEMORY_LIMIT)
        request.memory_limit_bytes = service->sampling.sample.memory_limit_bytes;
    snprintf(request.name, sizeof(request.name), "%s/%s", service->tenant, service->spec->name);
    return request;
}

static int start(struct look *look, const struct why_request *request, struct error *error)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) < 0)
        return error_sys(error, errno, "look into %s: pipe", request->name);
    _cleanup_close_ int write_end = ends[1];
    look->fd = ends[0];
    fcntl(look->fd, F_SETFL, O_NONBLOCK);
    pid_t pid = clone_process(CLONE_PIDFD, -1, &look->pidfd);
    if (pid < 0)
        return error_sys(error, -pid, "look into %s: fork", request->name);
    if (pid == 0)
        why_helper(request, write_end);
    sd_event *loop = look->engine->loop;
    int r = sd_event_add_io(loop, &look->fd_source, look->fd, EPOLLIN, on_text, look);
    if (r >= 0)
        r = sd_event_add_io(loop, &look->pid_source, look->pidfd, EPOLLIN, on_end, look);
    if (r >= 0)
        r = sd_event_add_time_relative(loop, &look->timer, CLOCK_BOOTTIME, LOOK_DEADLINE_USEC, 1000,
                                       on_deadline, look);
    if (r < 0) {
        pidfd_send_signal(look->pidfd, SIGKILL, NULL, 0);
        waitid(P_PIDFD, (id_t)look->pidfd, &(siginfo_t){0}, WEXITED);
        return error_sys(error, -r, "look into %s", request->name);
    }
    return 0;
}

static bool is_same(const struct look *look, const struct service *service)
{
    return strcmp(look->tenant, service->tenant) == 0 &&
           strcmp(look->service, service->spec->name) == 0;
}

int why_ask(struct engine *engine, const struct service *service, enum why_kind kind, bool is_whole,
            uint64_t *number, struct error *error)
{
    static uint64_t last_number;
    const struct why_request request = request_of(service, kind, is_whole);
    size_t count = 0, hung = 0;

    for (const struct look *look = engine->looks; look; look = look->next) {
        count++;
        if (!is_same(look, service))
            continue;
        hung += look->is_answered;
        if (!look->is_answered && look->run == service->run && look->kind == kind &&
            look->is_whole == is_whole) {
            *number = look->number;
            return 0;
        }
    }
    if (hung)
        return error_set(error, EAGAIN, "an earlier look into it still hangs in the kernel");
    if (count >= LOOKS_MAX)
        return error_set(error, EAGAIN, "%zu looks are under way; try again", count);
    struct look *look = calloc(1, sizeof(*look));
    if (!look || !(look->text = malloc(LOOK_TEXT_MAX))) {
        free(look);
        return error_sys(error, ENOMEM, "look into %s", request.name);
    }
    look->engine = engine;
    look->number = ++last_number;
    look->run = service->run;
    look->kind = kind;
    look->is_whole = is_whole;
    look->pidfd = look->fd = -1;
    strcpy(look->tenant, service->tenant);
    snprintf(look->service, sizeof(look->service), "%s", service->spec->name);
    int r = start(look, &request, error);
    if (r < 0) {
        look_free(look);
        return r;
    }
    look->next = engine->looks;
    engine->looks = look;
    *number = look->number;
    return 0;
}

json_t *why_answer_idle(const struct service *service, enum why_kind kind)
{
    if (kind == WHY_PROCESSES)
        return json_pack("{s:b, s:[], s:b}", "ok", 1, "processes", "more", 0);
    return json_pack("{s:b, s:[], s:{s:[], s:[], s:[]}, s:[], s:[], s:{}, s:[o]}", "ok", 1,
                     "uninterruptible", "top", "cpu", "memory", "disk", "files", "devices",
                     "pressure", "sentences",
                     json_sprintf("%s/%s is %s: it has no process.", service->tenant,
                                  service->spec->name, container_state_name(service->state)));
}

void why_close(struct engine *engine)
{
    while (engine->looks) {
        pidfd_send_signal(engine->looks->pidfd, SIGKILL, NULL, 0);
        look_free(engine->looks);
    }
}
