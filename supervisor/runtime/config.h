/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_CONFIG_H
#define RUNTIME_CONFIG_H

/*
 * An OCI config.json (runtime-spec 1.2, config.md and config-linux.md), read and checked as a whole
 * before anything is done. Keys that this runtime does not implement are errors, not silence.
 * Strings belong to the JSON tree, which the config keeps.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>

#include "common/error.h"
#include "supervisor/runtime/cgroup.h"
#include "supervisor/sys/userns.h"

struct config_mount {
    const char *destination; /* absolute */
    const char *type;        /* "bind" for binds */
    const char *source;
    char *data;           /* options of the file system, comma-separated; owned */
    uint64_t attributes;  /* MOUNT_ATTR_* to set */
    uint64_t propagation; /* MS_PRIVATE ... or 0 */
    bool is_bind;
    bool is_recursive;           /* rbind */
    bool is_recursive_read_only; /* rro */
    bool is_idmapped;            /* with the container's own user namespace mapping */
};

struct config_rlimit {
    int resource;
    const char *name;
    struct rlimit limit;
};

struct config_capabilities {
    uint64_t bounding, effective, inheritable, permitted, ambient; /* masks of capabilities(7) */
};

struct config {
    json_t *json; /* a reference of our own */

    char **args, **env; /* NULL-terminated; pointers into json, the arrays are owned */
    const char *cwd;
    uint32_t uid, gid;
    uint32_t umask;
    uint32_t *additional_gids;
    size_t additional_gid_count;
    struct config_capabilities capabilities;
    struct config_rlimit rlimits[RLIM_NLIMITS];
    size_t rlimit_count;
    bool no_new_privileges;
    bool has_oom_score_adj;
    int oom_score_adj;

    const char *root_path;
    bool is_root_read_only;
    const char *hostname; /* NULL: as the host */

    struct config_mount *mounts;
    size_t mount_count;

    uint64_t namespaces; /* CLONE_NEW*, or-ed */
    struct id_range uid_map[ID_RANGES_MAX], gid_map[ID_RANGES_MAX];
    size_t uid_map_count, gid_map_count;
    const char *cgroups_path;               /* NULL: none */
    struct cgroup_resources *resources;     /* owned; NULL: none */
    const json_t *seccomp;                  /* NULL: none */
    char **masked_paths, **read_only_paths; /* NULL-terminated; the arrays are owned */
};

/*
 * Reads a config. Takes a reference of its own to json. On success the caller frees with
 * config_free(). Error: -EINVAL and others with a message that begins with the key's path.
 */
int config_read(json_t *json, struct config **config, struct error *error);
void config_free(struct config *config);

/* Parts of config_read(), each a file. */
int config_read_mounts(const json_t *mounts, struct config *config, struct error *error);

/* The number of a capability by its OCI name ("CAP_CHOWN"), or -EINVAL. */
int capability_number(const char *name);
/* The highest capability this kernel knows (/proc/sys/kernel/cap_last_cap). */
int capability_last(void);

static inline void config_cleanup(struct config **config)
{
    config_free(*config);
}
#define _cleanup_config_ __attribute__((cleanup(config_cleanup)))

#endif
