/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SPEC_OCI_H
#define SPEC_OCI_H

/* The compiler from one service of the container spec to an OCI config.json (runtime-spec 1.2). */

#include "supervisor/spec/spec.h"

/* A mount of the host image or of a volume, with a source that exists on the host. */
struct oci_bind {
    const char *source; /* absolute path on the host */
    const char *target;
    bool is_read_only;
    bool is_idmapped; /* ids on disk are ids inside (option "idmap") */
    bool is_exec;     /* without it, "noexec" */
};

/* What the daemon knows and the tenant's file does not say. */
struct oci_facts {
    const char *tenant;
    const char *container_id;
    const char *cgroups_path; /* "/container-supervisor/blog/blog-web-1" */
    const char *rootfs_path;  /* mounted, absolute */
    uint32_t id_base;         /* host id of root inside; 65,536 ids follow */
    uint32_t uid, gid;        /* of the program, inside, resolved from service->user */
    const uint32_t *additional_gids;
    size_t additional_gid_count;
    const char *home;                   /* of that user, for HOME; NULL: "/" */
    const struct oci_bind *image_binds; /* of the image: /usr and the like */
    size_t image_bind_count;
    /* One host directory per MOUNT_VOLUME of the service, in the order of its mounts. */
    const char *const *volume_sources;
    const char *mail_log_source; /* the FIFO on the host; NULL: the service has no mail_log */
    uint64_t default_memory_bytes, default_cpu_milli, default_tasks;
    bool has_listen_socket; /* descriptor 3 is the listening socket */
};

/*
 * Compiles. Nothing is granted that the service did not ask for: no capability, no_new_privs,
 * a seccomp allow list, masked and read-only paths, all namespaces, no device but the standard
 * ones. Returns 0 and a new reference to the config.json, or a negative errno: -EINVAL when there
 * is no command to run, a capability is unknown, or an io limit names no block device.
 */
int oci_compile(const struct service_spec *service, const struct oci_facts *facts, json_t **config,
                struct error *error);

#endif
