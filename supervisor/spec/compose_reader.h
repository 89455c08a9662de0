/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SPEC_COMPOSE_READER_H
#define SPEC_COMPOSE_READER_H

/*
 * The parts of the Compose reader, for one another and for its tests and fuzzers; others include
 * compose.h. Every read_* function has the form of struct key's `read` and gets a struct
 * service_reader as target.
 */

#include "supervisor/spec/environment.h"
#include "supervisor/spec/keys.h"
#include "supervisor/spec/spec.h"

#define COMPOSE_SERVICES_MAX    128
#define COMPOSE_MOUNTS_MAX      64   /* of one service */
#define COMPOSE_ENV_MAX         1000 /* variables of one service */
#define COMPOSE_ENV_BYTES_MAX   262144
#define COMPOSE_ENV_FILES_MAX   16
#define COMPOSE_ENV_FILE_MAX    131072 /* bytes of one */
#define COMPOSE_ARGUMENTS_MAX   1000
#define COMPOSE_IO_DEVICES_MAX  32
#define COMPOSE_MEMORY_MIN      (UINT64_C(4) << 20)
#define COMPOSE_MEMORY_MAX      (UINT64_C(1) << 50)
#define COMPOSE_CPU_MILLI_MIN   10      /* 1 ms of a 100 ms period: the kernel's least quota */
#define COMPOSE_CPU_MILLI_MAX   8192000 /* NR_CPUS_MAX of Linux */
#define COMPOSE_TASKS_MAX       4194304 /* PID_MAX_LIMIT of Linux */
#define COMPOSE_STOP_USEC_MAX   UINT64_C(3600000000)
#define COMPOSE_TMPFS_MIN       4096
#define COMPOSE_LISTEN_PATH_MAX 107 /* sun_path, unix(7) */
#define COMPOSE_LISTEN_DEFAULT  "/run/listen.sock"

/* Where a file is read from; the arguments of compose_read(). */
struct compose_source {
    int dir_fd;
    const char *host_dir;
    const char *tenant;
};

/* A limit that can be written in two ways, which must agree. 0: not given. */
struct compose_limits {
    uint64_t memory_bytes, cpu_milli, tasks;
};

struct service_reader {
    const struct compose_source *source;
    const struct place *volumes; /* the file's `volumes`; its value is NULL when there is none */
    struct service_spec *service;
    struct string_list file_environment; /* of env_file */
    struct string_list environment;      /* of environment: it wins */
    struct compose_limits limits, deploy_limits;
};

/* Reads the text of a file; compose_read() after the reading. */
int compose_parse(const char *text, size_t length, const char *display,
                  const struct compose_source *source, struct tenant_spec **spec,
                  struct error *error);

/* Reads one service into *service, which is empty and freed with the tenant. */
int compose_service_read(const struct place *place, const struct compose_source *source,
                         const struct place *volumes, struct service_spec *service,
                         struct error *error);

/* compose_process.c: the program, who it is and how it ends */
int compose_read_words(const struct place *place, char ***words, struct error *error);
int compose_read_command(const struct place *place, void *target, struct error *error);
int compose_read_entrypoint(const struct place *place, void *target, struct error *error);
int compose_read_user(const struct place *place, void *target, struct error *error);
int compose_read_working_dir(const struct place *place, void *target, struct error *error);
int compose_read_hostname(const struct place *place, void *target, struct error *error);
int compose_read_cap_add(const struct place *place, void *target, struct error *error);
int compose_read_restart(const struct place *place, void *target, struct error *error);
int compose_read_stop_signal(const struct place *place, void *target, struct error *error);
int compose_read_stop_grace_period(const struct place *place, void *target, struct error *error);

/* compose_environment.c */
int compose_read_environment(const struct place *place, void *target, struct error *error);
int compose_read_env_file(const struct place *place, void *target, struct error *error);
/* Puts both together into service->environment. */
int compose_finish_environment(const struct place *place, struct service_reader *reader,
                               struct error *error);

/*
 * compose_env_file.c: reads KEY=VALUE lines into list. name: what messages call the file.
 */
int env_file_parse(const char *text, const char *name, struct string_list *list,
                   struct error *error);

/* compose_mounts.c */
/* Compose's rule for names of volumes, within the length that storage takes. */
int compose_check_volume_name(const struct place *place, const char *name, struct error *error);
int compose_read_volumes(const struct place *place, void *target, struct error *error);
int compose_read_tmpfs(const struct place *place, void *target, struct error *error);

/* compose_limits.c */
int compose_read_mem_limit(const struct place *place, void *target, struct error *error);
int compose_read_cpus(const struct place *place, void *target, struct error *error);
int compose_read_pids_limit(const struct place *place, void *target, struct error *error);
int compose_read_deploy(const struct place *place, void *target, struct error *error);
int compose_read_blkio_config(const struct place *place, void *target, struct error *error);
int compose_finish_limits(const struct place *place, struct service_reader *reader,
                          struct error *error);

/* compose_listen.c */
int compose_read_expose(const struct place *place, void *target, struct error *error);
int compose_read_x_listen(const struct place *place, void *target, struct error *error);
int compose_read_x_mail_log(const struct place *place, void *target, struct error *error);

#endif
