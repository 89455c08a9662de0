/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_SERVICE_H
#define DAEMON_SERVICE_H

/*
 * One service of one tenant: its states and what moves it between them.
 *
 *     stopped --start--> starting --> running <--pause/resume--> paused
 *     running --stop--> stopping --> stopped
 *     running --ends--> backoff --> starting | exited | failed   (restart.h decides)
 *
 * Nothing here waits: a stop sends the signal and arms a timer, the end of the process is an event
 * of the loop.
 */

#include "supervisor/daemon/engine.h"

/*
 * Makes a service in state stopped with its slot, socket and log, and puts it into the engine's
 * list. Takes a reference of the spec. -ENOSPC when the board has no open slot.
 */
int service_new(struct engine *engine, const char *tenant, struct spec_reference *reference,
                const struct service_spec *spec, struct service **service, struct error *error);

/* Takes it out of the list, gives back all that it has. It has no process any more. */
void service_free(struct service *service);

/*
 * Starts, stops, restarts. Returns 1 when something was set in motion, 0 when it is so already, or
 * a negative errno with a message (start only: what failed).
 */
int service_start(struct service *service, struct error *error);
int service_stop(struct service *service, enum service_next next);
int service_restart(struct service *service, struct error *error);

/* -EBUSY when the service is not in a state for it. */
int service_pause(struct service *service, struct error *error);
int service_resume(struct service *service, struct error *error);

/* SIGKILL ends it as a stop without grace does; another signal is only delivered. */
int service_kill(struct service *service, int signal, struct error *error);

/* A changed spec: it is taken over with a restart, at once or when it is started next. */
void service_change_spec(struct service *service, struct spec_reference *reference,
                         const struct service_spec *spec);

/*
 * A spec in which a running container notices no change (service_spec_equal()): the restart policy
 * and how to stop are taken over without a restart.
 */
void service_adopt_spec(struct service *service, struct spec_reference *reference,
                        const struct service_spec *spec);

/* Writes the slot. */
void service_publish(struct service *service);

/*
 * Notes an event: in the ring that `inspect` shows, in the journal on disk, in the log. actor is
 * who asked for it, exit how the process ended (docs/control-protocol.md, "events"); NULL: none.
 */
void service_note_event(struct service *service, enum log_level level, const json_t *actor,
                        const json_t *exit, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
#define service_note(service, ...)                                                                 \
    service_note_event(service, LOG_LEVEL_INFO, NULL, NULL, __VA_ARGS__)
/* For what nobody asked for: an operator looks for it with journalctl -p warning. */
#define service_warn(service, ...)                                                                 \
    service_note_event(service, LOG_LEVEL_WARNING, NULL, NULL, __VA_ARGS__)

/* One more user of a spec, and one less. */
struct spec_reference *spec_reference_take(struct spec_reference *reference);
void spec_reference_drop(struct spec_reference *reference);

/* Watches for the end of the container's process. */
int service_watch(struct service *service, struct error *error);

/* ---- for the files of a service ---- */

#define SERVICE_FREEZE_TIMEOUT_MS 2000

/* Changes the state: the board shows it, and whoever waited for it is answered. */
void service_set_state(struct service *service, enum container_state state);

/* The one timer of a service: backoff, grace period or the wait for a signal handler. */
void service_arm_timer(struct service *service, uint64_t usec, sd_event_time_handler_t handler);
void service_cancel_timer(struct service *service);

/* stop.c: sends the stop signal, and SIGKILL when the grace period is over. */
void service_ask_to_stop(struct service *service);

/* ---- launch.c: from a service to a container and back ---- */

/* Builds and starts the container. On failure nothing is left of it. */
int service_launch(struct service *service, struct error *error);

/* Gives back what service_launch() made; the process is gone and reaped. */
void service_teardown(struct service *service);

#endif
