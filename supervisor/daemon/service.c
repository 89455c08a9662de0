/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/daemon/service.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "supervisor/daemon/control_server.h"
#include "supervisor/daemon/faults.h"
#include "supervisor/daemon/history.h"
#include "supervisor/daemon/ids.h"
#include "supervisor/daemon/journal.h"
#include "supervisor/daemon/listener.h"
#include "supervisor/daemon/logread.h"
#include "supervisor/daemon/mail.h"
#include "supervisor/daemon/sampler.h"
#include "supervisor/daemon/traffic.h"

#define USEC_PER_SEC UINT64_C(1000000)

/* Of the log, kept with an ending that nobody asked for. */
#define EXIT_LINES    5
#define EXIT_LINE_MAX 240

static void run_again(struct service *service);

struct spec_reference *spec_reference_take(struct spec_reference *reference)
{
    reference->references++;
    return reference;
}

void spec_reference_drop(struct spec_reference *reference)
{
    if (!reference || --reference->references > 0)
        return;
    tenant_spec_free(reference->spec);
    free(reference);
}

void service_note_event(struct service *service, enum log_level level, const json_t *actor,
                        const json_t *exit, const char *format, ...)
{
    struct service_event *event = &service->events[service->event_count++ % SERVICE_EVENTS];
    va_list args;

    va_start(args, format);
    vsnprintf(event->text, sizeof(event->text), format, args);
    va_end(args);
    log_time(event->time);
    log_message(level, "%s/%s: %s", service->tenant, service->spec->name, event->text);
    const struct journal_event entry = {
        .time = event->time,
        .tenant = service->tenant,
        .service = service->spec->name,
        .state = container_state_name(service->state),
        .text = event->text,
        .is_warning = level <= LOG_LEVEL_WARNING,
        .actor = actor,
        .exit = exit,
    };
    journal_write(service->engine->data_fd, &entry);
}

void service_set_state(struct service *service, enum container_state state)
{
    service->state = state;
    service->state_since_usec = clock_boottime_usec();
    service_publish(service);
    control_service_changed(service->engine->control, service);
}

void service_cancel_timer(struct service *service)
{
    service->timer = sd_event_source_disable_unref(service->timer);
}

void service_arm_timer(struct service *service, uint64_t usec, sd_event_time_handler_t handler)
{
    service_cancel_timer(service);
    int r = sd_event_add_time_relative(service->engine->loop, &service->timer, CLOCK_BOOTTIME, usec,
                                       1000, handler, service);
    if (r < 0)
        log_error("%s: arm a timer: %s", service->id, strerror(-r));
}

/* ---- the end of a run ---- */

/* Returns whether a process of it was killed for lack of memory. */
static bool describe_end(struct service *service, char *text, size_t size)
{
    bool is_oom = sampler_look_back(service);

    if (service->exit_signal)
        snprintf(text, size, "killed by signal %d (%s)%s", service->exit_signal,
                 sigabbrev_np(service->exit_signal) ? sigabbrev_np(service->exit_signal) : "?",
                 is_oom ? ": out of memory, the limit of the container was reached" : "");
    else
        snprintf(text, size, "exit status %d%s", service->exit_code,
                 is_oom ? ", after the OOM killer struck in it" : "");
    return is_oom;
}

/* The last lines that it wrote, each cut to what a journal can take. */
static json_t *last_lines(const struct service *service)
{
    json_t *texts = json_array(), *line;
    _cleanup_json_ json_t *lines = NULL;
    char cursor[64];
    int more;
    size_t i;

    if (logread(service->engine->data_fd, service->tenant, service->spec->name, NULL, EXIT_LINES,
                &lines, cursor, &more, NULL) < 0)
        return texts;
    json_array_foreach (lines, i, line) {
        const json_t *text = json_object_get(line, "text");
        size_t length = json_string_length(text);
        json_array_append_new(texts, control_text(json_string_value(text),
                                                  length < EXIT_LINE_MAX ? length : EXIT_LINE_MAX));
    }
    return texts;
}

/* What an ending is remembered by, for whoever asks tomorrow. */
static json_t *exit_object(const struct service *service, bool is_trouble, pid_t pid, bool is_oom)
{
    /* Where the kernel's log may not be read: the first process, if that was killed, it must be. */
    const struct oom_victim first = {.pid = pid};
    const struct oom_victim *victim = service->oom_victim.pid           ? &service->oom_victim
                                      : service->exit_signal == SIGKILL ? &first
                                                                        : NULL;
    json_t *exit =
        json_pack("{s:i, s:i, s:o}", "code", service->exit_code, "signal", service->exit_signal,
                  "oom_victim", is_oom && victim ? oom_victim_to_json(victim) : json_null());

    if (exit && is_trouble)
        json_object_set_new(exit, "log", last_lines(service));
    return exit;
}

static void take_new_spec(struct service *service)
{
    if (!service->new_reference)
        return;
    spec_reference_drop(service->reference);
    service->reference = steal_ptr(service->new_reference);
    service->spec = service->new_spec;
    service->new_spec = NULL;
}

static int on_backoff_over(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct service *service = userdata;

    (void)source;
    (void)usec;
    service_cancel_timer(service);
    service->restarts++;
    run_again(service);
    return 0;
}

static void after_end(struct service *service, const struct restart_end *end)
{
    uint64_t wait_usec = 0;

    switch (restart_decide(&service->restart, service->spec->restart, service->spec->restart_max,
                           end, &wait_usec)) {
    case RESTART_AGAIN:
        service->next_start_usec = clock_boottime_usec() + wait_usec;
        service_arm_timer(service, wait_usec, on_backoff_over);
        service_set_state(service, CONTAINER_BACKOFF);
        return;
    case RESTART_DONE:
        service_set_state(service, CONTAINER_EXITED);
        return;
    case RESTART_GIVE_UP:
        service_set_state(service, CONTAINER_FAILED);
        return;
    }
}

/* The socket stays over restarts; it comes and goes only with x-listen of the spec. */
static int ensure_listener(struct service *service, struct error *error)
{
    bool is_wanted = service->spec->listen_kind != ENDPOINT_NONE;

    if (is_wanted == (service->listen_fd >= 0))
        return 0;
    if (!is_wanted) {
        listener_remove(service->listen_path);
        close_fd(&service->listen_fd);
        service->listen_path[0] = '\0';
        return 0;
    }
    int fd = listener_open(&service->engine->settings, service->tenant, service->spec->name,
                           service->listen_path, error);
    if (fd < 0)
        return fd;
    service->listen_fd = fd;
    return 0;
}

/* Launches and goes to running; a failure is an end of a run of no length. */
static int launch(struct service *service, struct error *error)
{
    take_new_spec(service);
    service->run++;
    service->next = NEXT_BY_POLICY;
    service->oom_victim = (struct oom_victim){0};
    service->is_killed = false;
    service->next_start_usec = 0;
    service_set_state(service, CONTAINER_STARTING);
    int r = ensure_listener(service, error);
    if (r == 0)
        r = service_launch(service, error);
    if (r < 0)
        return r;
    service->message[0] = '\0';
    service->started_usec = clock_boottime_usec();
    service->started_realtime_usec = clock_realtime_usec();
    service->engine->starts++;
    sampler_begin_run(service);
    service_set_state(service, CONTAINER_RUNNING);
    service_note(service, "started, pid %d", service->container.pid);
    return 0;
}

static void launch_failed(struct service *service, const struct error *error)
{
    const struct restart_end end = {.is_failure = true, .ran_usec = 0};

    service->ended = service->run;
    service->engine->failures++;
    snprintf(service->message, sizeof(service->message), "%.175s", error->message);
    service_warn(service, "start failed: %s", error->message);
    if (service->log)
        logfile_note(service->log, error->message);
    after_end(service, &end);
}

static void run_again(struct service *service)
{
    struct error error = ERROR_INIT;

    if (launch(service, &error) < 0)
        launch_failed(service, &error);
}

static void finish_run(struct service *service)
{
    struct engine *engine = service->engine;
    char text[128];
    struct restart_end end = {
        .is_failure = service->exit_code != 0,
        .ran_usec = clock_boottime_usec() - service->started_usec,
    };

    pid_t pid = service->container.pid;
    bool is_oom = describe_end(service, text, sizeof(text));
    service_teardown(service);
    service->ended = service->run;
    bool is_trouble = end.is_failure && service->next == NEXT_BY_POLICY;
    _cleanup_json_ json_t *exit = exit_object(service, is_trouble, pid, is_oom);
    service_note_event(service, is_trouble ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO, NULL, exit,
                       "ended: %s", text);
    engine->failures += is_trouble;
    if (is_trouble && !is_oom) /* that is a fault of its own, and the better reason */
        fault_count(service, FAULT_CRASH, true);
    switch (service->next) {
    case NEXT_REMOVED:
        service_free(service);
        engine_service_gone(engine);
        return;
    case NEXT_STOPPED:
        service->message[0] = '\0';
        take_new_spec(service);
        service_set_state(service, CONTAINER_STOPPED);
        return;
    case NEXT_RESTART:
        run_again(service);
        return;
    case NEXT_BY_POLICY:
        if (end.is_failure)
            snprintf(service->message, sizeof(service->message), "%s", text);
        after_end(service, &end);
        return;
    }
}

static int on_process_end(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    struct service *service = userdata;
    siginfo_t info = {0};

    (void)source;
    (void)events;
    if (waitid(P_PIDFD, (id_t)fd, &info, WEXITED | WNOHANG) < 0 && errno != ECHILD)
        return 0;
    if (info.si_pid == 0 && errno != ECHILD)
        return 0;
    bool is_signal = info.si_code == CLD_KILLED || info.si_code == CLD_DUMPED;
    service->has_exit = true;
    service->exit_signal = is_signal ? info.si_status : 0;
    service->exit_code = is_signal ? -1 : info.si_status;
    service->exit_realtime_usec = clock_realtime_usec();
    service->pid_source = sd_event_source_disable_unref(service->pid_source);
    service_cancel_timer(service);
    finish_run(service);
    return 0;
}

int service_watch(struct service *service, struct error *error)
{
    int r = sd_event_add_io(service->engine->loop, &service->pid_source, service->container.pidfd,
                            EPOLLIN, on_process_end, service);

    return r < 0 ? error_sys(error, -r, "watch the process of %s", service->id) : 0;
}

/* ---- verbs ---- */

int service_start(struct service *service, struct error *error)
{
    switch (service->state) {
    case CONTAINER_RUNNING:
    case CONTAINER_PAUSED:
    case CONTAINER_STARTING:
        return 0;
    case CONTAINER_STOPPING:
        if (service->next == NEXT_REMOVED)
            return error_set(error, EBUSY, "it is being removed");
        service->next = NEXT_RESTART;
        return 1;
    default:
        break;
    }
    service_cancel_timer(service);
    service->restarts = 0;
    service->restart = (struct restart_state){0};
    int r = launch(service, error);
    if (r < 0)
        launch_failed(service, error);
    return r < 0 ? r : 1;
}

int service_stop(struct service *service, enum service_next next)
{
    struct engine *engine = service->engine;

    if (service->has_container) {
        bool is_news = service->next != next || service->state != CONTAINER_STOPPING;
        if (service->next != NEXT_REMOVED)
            service->next = next;
        if (service->state != CONTAINER_STOPPING)
            service_ask_to_stop(service);
        return is_news;
    }
    service_cancel_timer(service);
    if (next == NEXT_REMOVED) {
        service_free(service);
        engine_service_gone(engine);
        return 1;
    }
    if (next == NEXT_RESTART) {
        service->restarts = 0;
        service->restart = (struct restart_state){0};
        run_again(service);
        return 1;
    }
    if (service->state == CONTAINER_STOPPED)
        return 0;
    service->message[0] = '\0';
    service_note(service, "stopped");
    service_set_state(service, CONTAINER_STOPPED);
    return 1;
}

int service_restart(struct service *service, struct error *error)
{
    if (service->next == NEXT_REMOVED)
        return error_set(error, EBUSY, "it is being removed");
    service->restarts = 0;
    service_stop(service, NEXT_RESTART);
    return 1;
}

int service_pause(struct service *service, struct error *error)
{
    if (service->state == CONTAINER_PAUSED)
        return 0;
    if (service->state != CONTAINER_RUNNING)
        return error_set(error, EBUSY, "only a running container can be paused; it is %s",
                         container_state_name(service->state));
    int r = cgroup_freeze(service->cgroup, true, SERVICE_FREEZE_TIMEOUT_MS, error);
    if (r < 0) {
        cgroup_freeze(service->cgroup, false, SERVICE_FREEZE_TIMEOUT_MS, NULL);
        return r;
    }
    service_set_state(service, CONTAINER_PAUSED);
    service_note(service, "paused");
    return 1;
}

int service_resume(struct service *service, struct error *error)
{
    if (service->state == CONTAINER_RUNNING)
        return 0;
    if (service->state != CONTAINER_PAUSED)
        return error_set(error, EBUSY, "only a paused container can be resumed; it is %s",
                         container_state_name(service->state));
    int r = cgroup_freeze(service->cgroup, false, SERVICE_FREEZE_TIMEOUT_MS, error);
    if (r < 0)
        return r;
    service_set_state(service, CONTAINER_RUNNING);
    service_note(service, "resumed");
    return 1;
}

int service_kill(struct service *service, int signal, struct error *error)
{
    if (!service->has_container) {
        if (signal == SIGKILL && service->state == CONTAINER_BACKOFF)
            return service_stop(service, NEXT_STOPPED);
        return error_set(error, EBUSY, "it has no process; it is %s",
                         container_state_name(service->state));
    }
    if (signal != SIGKILL) {
        int r = container_signal(&service->container, signal);
        return r < 0 ? error_sys(error, -r, "send signal %d", signal) : 1;
    }
    if (service->next != NEXT_REMOVED)
        service->next = NEXT_STOPPED;
    service_cancel_timer(service);
    service_set_state(service, CONTAINER_STOPPING);
    int r = cgroup_kill(service->cgroup, error);
    container_signal(&service->container, SIGKILL);
    return r < 0 ? r : 1;
}

/* A spec that is taken over with the next run, in the place of one that was to be. */
static void remember_spec(struct service *service, struct spec_reference *reference,
                          const struct service_spec *spec)
{
    spec_reference_drop(service->new_reference);
    service->new_reference = spec_reference_take(reference);
    service->new_spec = spec;
}

void service_change_spec(struct service *service, struct spec_reference *reference,
                         const struct service_spec *spec)
{
    remember_spec(service, reference, spec);
    if (service->state == CONTAINER_STOPPED) {
        take_new_spec(service);
        service_publish(service);
        return;
    }
    /* Whoever stops it wants it stopped; the new spec waits for the next start. */
    if (service->state == CONTAINER_STOPPING && service->next == NEXT_STOPPED)
        return;
    service_stop(service, NEXT_RESTART);
}

void service_adopt_spec(struct service *service, struct spec_reference *reference,
                        const struct service_spec *spec)
{
    bool is_restart_ahead = service->new_reference != NULL;

    remember_spec(service, reference, spec);
    if (!is_restart_ahead)
        take_new_spec(service);
}

/* ---- birth and end ---- */

static int take_slot(struct engine *engine, uint32_t *slot)
{
    for (uint32_t i = 0; i < engine->settings.slots; i++)
        if (!engine->slots_taken[i]) {
            engine->slots_taken[i] = 1;
            *slot = i;
            return 0;
        }
    return -ENOSPC;
}

/* "a-b" with "c" and "a" with "b-c" would be one container. */
static int check_id(const struct service *service, struct error *error)
{
    for (const struct service *s = service->engine->services; s; s = s->next_service)
        if (s != service && strcmp(s->id, service->id) == 0)
            return error_set(error, EEXIST,
                             "its container would be called %s, as that of %s/%s is; rename one",
                             s->id, s->tenant, s->spec->name);
    return 0;
}

static int prepare(struct service *service, struct error *error)
{
    struct engine *engine = service->engine;
    const struct settings *settings = &engine->settings;
    uint32_t number;

    int r = check_id(service, error);
    if (r < 0)
        return r;
    r = take_slot(engine, &service->slot);
    if (r < 0)
        return error_set(error, -r, "all %u slots of the scoreboard are taken (slots)",
                         settings->slots);
    r = ids_take(engine->data_fd, engine->ids, service->tenant, settings->id_count, &number, error);
    if (r < 0)
        return r;
    service->id_base = settings->id_start + number * 65536;
    r = logfile_open(engine->data_fd, service->tenant, service->spec->name, settings->log_max_bytes,
                     settings->log_max_files, &service->log, error);
    return r < 0 ? r : ensure_listener(service, error);
}

int service_new(struct engine *engine, const char *tenant, struct spec_reference *reference,
                const struct service_spec *spec, struct service **service, struct error *error)
{
    struct service *made = calloc(1, sizeof(*made));

    if (!made)
        return error_sys(error, ENOMEM, "service %s/%s", tenant, spec->name);
    made->engine = engine;
    made->reference = spec_reference_take(reference);
    made->spec = spec;
    made->slot = UINT32_MAX;
    made->listen_fd = -1;
    /* A start may fail before there is a container; then 0 would be taken for its descriptor. */
    made->container = (struct container)CONTAINER_INIT;
    made->state = CONTAINER_STOPPED;
    made->state_since_usec = clock_boottime_usec();
    snprintf(made->tenant, sizeof(made->tenant), "%s", tenant);
    snprintf(made->id, sizeof(made->id), "%s-%s-1", tenant, spec->name);
    snprintf(made->cgroup_path, sizeof(made->cgroup_path), "%.*s/%s/%s", 300, engine->cgroup_base,
             tenant, made->id);
    struct service **end = &engine->services;
    while (*end)
        end = &(*end)->next_service;
    *end = made;
    int r = prepare(made, error);
    if (r < 0) {
        service_free(made);
        return r;
    }
    history_restore(made);
    service_publish(made);
    *service = made;
    return 0;
}

void service_free(struct service *service)
{
    struct engine *engine = service->engine;
    const struct container_slot open_slot = {0};

    for (struct service **link = &engine->services; *link; link = &(*link)->next_service)
        if (*link == service) {
            *link = service->next_service;
            break;
        }
    control_service_gone(engine->control, service);
    history_finish(service);
    sampler_forget(service);
    service_cancel_timer(service);
    service->pid_source = sd_event_source_disable_unref(service->pid_source);
    if (service->listen_fd >= 0)
        listener_remove(service->listen_path);
    close_fd(&service->listen_fd);
    logfile_close(service->log);
    traffic_forget(service);
    mail_log_forget(service);
    if (service->slot != UINT32_MAX) {
        scoreboard_slot_write(engine->board, service->slot, &open_slot);
        scoreboard_history_clear(engine->board, service->slot);
        engine->slots_taken[service->slot] = 0;
    }
    spec_reference_drop(service->new_reference);
    spec_reference_drop(service->reference);
    free(service);
}
