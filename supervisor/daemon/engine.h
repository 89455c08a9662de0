/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_ENGINE_H
#define DAEMON_ENGINE_H

/*
 * The engine: wanted state (tenants.d) against real state (containers), in one thread around one
 * sd-event loop. This header has the two structures that its files share; each file's own header
 * says what it does with them. Everything here belongs to the engine's thread.
 */

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "common/control.h"
#include "common/scoreboard.h"
#include "supervisor/daemon/logfile.h"
#include "supervisor/daemon/oom.h"
#include "supervisor/daemon/restart.h"
#include "supervisor/daemon/sampling.h"
#include "supervisor/daemon/settings.h"
#include "supervisor/net/network.h"
#include "supervisor/runtime/cgroup.h"
#include "supervisor/runtime/container.h"
#include "supervisor/spec/spec.h"

/* Events of one service that `inspect` shows. */
#define SERVICE_EVENTS 24

/* A tenant_spec that several services share; freed with the last of them. */
struct spec_reference {
    struct tenant_spec *spec;
    unsigned references;
};

struct service_event {
    char time[LOG_TIME_SIZE];
    char text[160];
};

/* What the service is to become once its process is gone. */
enum service_next {
    NEXT_BY_POLICY = 0, /* the restart policy decides */
    NEXT_STOPPED,       /* an admin stopped it */
    NEXT_RESTART,       /* an admin restarts it, or its spec changed */
    NEXT_REMOVED,       /* its tenant is gone from tenants.d, or the supervisor ends */
};

struct service {
    struct service *next_service;
    struct engine *engine;
    char tenant[NAME_MAX_LENGTH + 1];
    char id[CONTAINER_ID_MAX_LENGTH + 1];
    struct spec_reference *reference;
    const struct service_spec *spec;      /* into reference */
    struct spec_reference *new_reference; /* of a changed spec, taken over at the restart */
    const struct service_spec *new_spec;

    uint32_t slot;
    uint32_t id_base;
    char *image; /* the board's word for it */
    enum container_state state;
    enum service_next next;
    uint64_t state_since_usec; /* CLOCK_BOOTTIME, as all clocks here */
    uint64_t started_usec, started_realtime_usec;
    uint64_t next_start_usec;
    uint32_t run;   /* number of the current or last run */
    uint32_t ended; /* number of the last run that ended */
    uint32_t restarts;
    bool is_killed; /* SIGKILL was sent: the grace period is over */
    struct restart_state restart;
    char message[176];
    bool has_exit;
    int exit_code; /* or -1 */
    int exit_signal;
    uint64_t exit_realtime_usec;
    struct oom_victim oom_victim; /* the last of this run */

    bool has_container;
    struct container container;
    struct cgroup *cgroup;
    char cgroup_path[512];
    bool has_network;
    struct network_attachment network;
    bool has_rootfs;
    int listen_fd; /* -1: the service has no x-listen; kept over restarts */
    char listen_path[112];
    struct logfile *log;
    sd_event_source *pid_source, *timer;

    struct sampling sampling;
    struct service *next_sampled;

    struct service_traffic *traffic; /* of the traffic board; NULL: never read */
    struct mail_log *mail;           /* NULL: it has, or had, no x-mail-log */

    struct service_event events[SERVICE_EVENTS];
    unsigned event_count; /* ever; the ring holds the last SERVICE_EVENTS */
};

struct control_server;
struct look;
struct sampler;
struct tenants;

struct engine {
    struct settings settings;
    sd_event *loop;
    struct cgroup_driver *cgroups;
    char cgroup_base[PATH_MAX]; /* with the parent of the settings */
    struct network *network;    /* NULL: network.enabled is false */
    struct scoreboard_writer *board;
    struct traffic_watch *traffic;
    struct seccomp_program *seccomp; /* the last profile used; most tenants have the same */
    struct service *services;        /* in the order of their start */
    uint8_t *slots_taken;            /* settings.slots flags */
    struct control_server *control;
    struct look *looks;      /* under way (why.h) */
    struct oom_log *oom_log; /* NULL: the kernel's log may not be read */
    struct tenants *tenants;
    struct json_t *ids; /* tenant -> number of its id range */
    int lock_fd;
    int data_fd; /* paths.data */
    int null_fd; /* /dev/null, stdin of every container */
    struct sampler *sampler;
    /* Of CLOCK_REALTIME, at the sampler's last turn; history.c. */
    uint64_t minute, half_hour, history_cleaned_minute;
    struct scoreboard_reader *old_board; /* of an engine that was killed; history_restore.c */
    uint64_t starts, failures, wakes;    /* of containers; failed starts and ends with an error */
    bool is_stopping;
    uint64_t stop_deadline_usec;
    uint64_t started_usec;
};

/*
 * Blocks the signals that the loop takes, so that one which comes while the engine is still being
 * opened waits for the loop and ends it in order. The first thing a program does.
 */
void engine_block_signals(void);

/* Opens everything and cleans up what an earlier engine left. On failure the caller still calls
 * engine_close(). */
int engine_open(struct engine *engine, const struct settings *settings, struct error *error);

/* Runs until SIGTERM or SIGINT stopped every tenant. Returns the exit status. */
int engine_run(struct engine *engine);

/* Releases all; containers that still run are killed. */
void engine_close(struct engine *engine);

/* Begins the end: no new request is taken, every service stops, the loop ends with the last. */
void engine_stop(struct engine *engine);

/* Called by a service that is gone, to see whether it was the last one. */
void engine_service_gone(struct engine *engine);

/* The service of that name, or NULL. */
struct service *engine_find(struct engine *engine, const char *tenant, const char *service);

#endif
