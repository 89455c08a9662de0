/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SPEC_SPEC_H
#define SPEC_SPEC_H

/*
 * The container spec: what a tenant declares, whatever kind of file it was written in. Readers
 * (compose.h) produce it, the compiler (oci.h) turns one service of it into an OCI config.json, and
 * the daemon compares two of them to see what changed. Nothing here knows where it came from but
 * for `source`, which messages name.
 *
 * All memory of a tenant_spec belongs to it; tenant_spec_free() releases the whole.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"
#include "common/names.h"
#include "common/scoreboard.h" /* enum endpoint_kind */

enum restart_policy {
    RESTART_NO = 0,
    RESTART_ON_FAILURE, /* at most restart_max times in a row; 0: no bound */
    RESTART_ALWAYS,
    RESTART_UNLESS_STOPPED,
};

enum image_kind {
    IMAGE_HOST = 1, /* "host": the machine's own /usr, read-only */
    IMAGE_ROOTFS,   /* "rootfs:/absolute/path": a directory as read-only lower layer */
};

enum mount_kind {
    MOUNT_BIND = 1, /* source is an absolute path on the host */
    MOUNT_VOLUME,   /* source is the name of a volume of the tenant */
    MOUNT_TMPFS,    /* source is NULL */
};

struct mount_spec {
    enum mount_kind kind;
    char *source;
    char *target; /* absolute, without "." and ".." */
    bool is_read_only;
    uint64_t size_bytes; /* tmpfs: 0 means the compiler's default */
    uint32_t mode;       /* tmpfs: permission bits; 0 means 01777 */
};

struct io_limit_spec {
    char *device;                                        /* path of a block device on the host */
    uint64_t read_bps, write_bps, read_iops, write_iops; /* 0: no limit */
};

struct service_spec {
    char name[NAME_MAX_LENGTH + 1];
    char *image; /* as written */
    enum image_kind image_kind;
    char *image_path; /* IMAGE_ROOTFS: the directory */

    char **entrypoint;  /* NULL-terminated; NULL: none given */
    char **command;     /* NULL-terminated; NULL: none given */
    char **environment; /* NULL-terminated "KEY=VALUE", in order, later ones win already applied */
    char *user;         /* "uid", "uid:gid", "name", "name:group"; NULL: root inside */
    char *working_dir;  /* NULL: "/" */
    char *hostname;     /* NULL: TENANT-SERVICE */

    struct mount_spec *mounts;
    size_t mount_count;

    /* Limits: 0 means "the supervisor's default", which is never "none". */
    uint64_t memory_limit_bytes;
    uint64_t cpu_limit_milli; /* thousandths of a CPU */
    uint64_t tasks_limit;
    struct io_limit_spec *io_limits;
    size_t io_limit_count;

    enum restart_policy restart;
    uint32_t restart_max;
    int stop_signal;                 /* 0: SIGTERM */
    uint64_t stop_grace_period_usec; /* default 10 s */

    char **cap_add;    /* NULL-terminated "CAP_NET_BIND_SERVICE"; NULL: none */
    bool is_read_only; /* default true: a container never gets more because a key was missing */
    uint16_t *expose;
    size_t expose_count;

    enum endpoint_kind listen_kind; /* x-listen; ENDPOINT_NONE: no socket is handed over */
    char *listen_path; /* the name under which the program knows the socket (FPM's `listen =`) */
    char *mail_log;    /* x-mail-log: where PHP finds its mail.log; NULL: nowhere */
};

struct tenant_spec {
    char name[NAME_MAX_LENGTH + 1];
    char *source; /* the file it was read from */
    struct service_spec *services;
    size_t service_count;
};

void tenant_spec_free(struct tenant_spec *tenant);

/*
 * The canonical JSON form of one service (docs/container-spec.md): every key that differs from its
 * default, sorted, so that two specs mean the same exactly if the two texts are equal. New
 * reference.
 */
json_t *service_spec_to_json(const struct service_spec *service);

/* Whether nothing of the two differs that a running container would notice. */
bool service_spec_equal(const struct service_spec *a, const struct service_spec *b);

/* The words of compose: "no", "on-failure", "always", "unless-stopped". */
const char *restart_policy_name(enum restart_policy policy);

#endif
