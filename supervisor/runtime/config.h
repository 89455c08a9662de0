/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_CONFIG_H
#define RUNTIME_CONFIG_H

/*
 * An OCI config.json (runtime-spec 1.3, config.md and config-linux.md), read and checked as a whole
 * before anything is done. Properties that the spec does not know are ignored, as it demands;
 * values that are wrong, or that this runtime cannot fulfil, are errors that name the key.
 * Strings belong to the JSON tree, which the config keeps, unless a field says that it is owned.
 */

#include <jansson.h>
#include <linux/types.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>

#include "common/error.h"
#include "supervisor/runtime/resources.h"
#include "supervisor/sys/userns.h"

/* ---- process: of config.json, or alone in the file of `exec --process` ---- */

struct config_rlimit {
    int resource;
    const char *name;
    struct rlimit limit;
};

struct config_capabilities {
    bool is_given; /* false: there is no "capabilities", and the process has none */
    uint64_t bounding, effective, inheritable, permitted, ambient; /* masks of capabilities(7) */
};

/* sched_setattr(2). is_given: set by "scheduler". */
struct config_scheduler {
    bool is_given;
    uint32_t policy; /* SCHED_* */
    uint64_t flags;  /* SCHED_FLAG_* */
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period; /* nanoseconds */
};

struct config_process {
    json_t *json; /* a reference of our own */

    char **args, **env; /* NULL-terminated; pointers into json, the arrays are owned */
    const char *cwd;    /* absolute */
    bool has_terminal;
    uint16_t console_rows, console_columns; /* 0: not given */
    uint32_t uid, gid;
    bool has_umask;
    uint32_t umask;
    uint32_t *additional_gids; /* owned */
    size_t additional_gid_count;
    struct config_capabilities capabilities;
    struct config_rlimit rlimits[RLIM_NLIMITS];
    size_t rlimit_count;
    bool no_new_privileges;
    bool has_oom_score_adj;
    int oom_score_adj;
    const char *apparmor_profile; /* NULL: none, as with the two below */
    const char *selinux_label;
    struct config_scheduler scheduler;
    bool has_io_priority;
    int io_priority; /* IOPRIO_PRIO_VALUE of ioprio_set(2) */
    bool has_initial_affinity, has_final_affinity;
    cpu_set_t initial_affinity, final_affinity; /* execCPUAffinity */
    /*
     * Capabilities that are left out because they have no name here or could not be granted
     * whatever the rights of the runtime: a line each, to be logged as warnings; "" if none is.
     */
    char notes[512];
};

/* ---- mounts ---- */

struct config_mount {
    char *destination; /* absolute; owned */
    const char *type;  /* "bind" for binds */
    char *source;      /* of binds absolute; NULL: none; owned */
    char *data; /* options of the file system, comma-separated; NULL: none, always so for binds,
                   of which the kernel would ignore them; owned */
    /*
     * MOUNT_ATTR_* to set, and those that options such as "rw", "exec" ask to be clear, as
     * mount_setattr(2) wants them: no bit is in both, and with a policy of access times all of
     * MOUNT_ATTR__ATIME is in `cleared` and the policy in `attributes` (relatime is 0).
     */
    uint64_t attributes, cleared;
    /* The same for options that take the mounts beneath along: "rro", "rexec". */
    uint64_t tree_attributes, tree_cleared;
    unsigned super_flags; /* MS_SYNCHRONOUS, MS_MANDLOCK, MS_DIRSYNC, MS_LAZYTIME, MS_SILENT
                             ... of the file system itself */
    uint64_t propagation; /* MS_PRIVATE, MS_SLAVE, MS_SHARED, MS_UNBINDABLE, or 0 */
    bool is_propagation_recursive;
    bool is_bind;
    bool is_recursive; /* rbind */
    bool is_remount;
    bool is_idmapped;                   /* "idmap", "ridmap" or mappings of its own */
    bool is_idmap_recursive;            /* "ridmap" */
    bool has_tmpcopyup;                 /* copies what the image has there into the new tmpfs */
    struct id_range *uid_map, *gid_map; /* of the mount; NULL: the container's; owned */
    size_t uid_map_count, gid_map_count;
};

/* ---- hooks ---- */

enum config_hook_kind {
    HOOK_PRESTART,
    HOOK_CREATE_RUNTIME,
    HOOK_CREATE_CONTAINER,
    HOOK_START_CONTAINER,
    HOOK_POSTSTART,
    HOOK_POSTSTOP,
    HOOK_KINDS,
};

struct config_hook {
    const char *path;   /* absolute */
    char **args, **env; /* NULL-terminated, args never empty; the arrays are owned */
    int64_t timeout_s;  /* 0: none */
};

struct config_hooks {
    struct config_hook *list; /* owned */
    size_t count;
};

/* ---- linux ---- */

enum config_namespace_type {
    NAMESPACE_USER,
    NAMESPACE_CGROUP,
    NAMESPACE_IPC,
    NAMESPACE_UTS,
    NAMESPACE_NETWORK,
    NAMESPACE_PID,
    NAMESPACE_MOUNT,
    NAMESPACE_TIME,
    NAMESPACE_TYPES,
};

struct config_namespace {
    bool is_given;    /* false: the one of the runtime is inherited */
    const char *path; /* to join; NULL: a new one */
};

struct config_device {
    const char *path; /* absolute, inside */
    mode_t type;      /* S_IFCHR, S_IFBLK or S_IFIFO */
    unsigned major, minor;
    mode_t mode;       /* permission bits; 0666 if not given */
    uint32_t uid, gid; /* inside; 0 if not given */
};

struct config_sysctl {
    const char *key; /* as it is written in the config: "net.ipv4.ip_forward" */
    char *path; /* below /proc/sys: "net/ipv4/ip_forward"; no empty component, no ".."; owned */
    const char *value; /* one line */
};

struct config_net_device {
    const char *host_name;
    const char *name; /* inside; the same as host_name if not given */
};

struct config_time_offset {
    bool is_given;
    int64_t secs;
    uint32_t nanosecs;
};

/* set_mempolicy(2) */
struct config_memory_policy {
    bool is_given;
    int mode;           /* MPOL_*, or-ed with MPOL_F_* */
    uint64_t nodes[16]; /* bit i: node i */
};

struct config {
    json_t *json; /* a reference of our own */
    char *bundle; /* absolute; NULL: all paths are absolute; owned */
    const char *oci_version;

    struct config_process *process; /* NULL: not given, which is legal until start */

    char *root_path; /* absolute; owned */
    bool is_root_read_only;
    const char *hostname, *domainname; /* NULL: as the runtime's */

    struct config_mount *mounts;
    size_t mount_count;

    struct config_hooks hooks[HOOK_KINDS];
    const json_t *annotations; /* NULL or an object of strings; they never become settings */

    struct config_namespace namespaces[NAMESPACE_TYPES];
    struct id_range uid_map[ID_RANGES_MAX], gid_map[ID_RANGES_MAX];
    size_t uid_map_count, gid_map_count;
    struct config_time_offset boottime_offset, monotonic_offset;
    struct config_device *devices; /* besides the default ones */
    size_t device_count;
    struct config_net_device *net_devices;
    size_t net_device_count;
    const char *cgroups_path;           /* NULL: none given */
    struct cgroup_resources *resources; /* NULL: none given; owned */
    /* MS_PRIVATE, MS_SLAVE, MS_SHARED or MS_UNBINDABLE, or-ed MS_REC; if not given rprivate. */
    uint64_t root_propagation;
    const json_t *seccomp; /* NULL: none */
    struct config_sysctl *sysctls;
    size_t sysctl_count;
    char **masked_paths, **read_only_paths; /* NULL-terminated; the arrays are owned */
    const char *mount_label;                /* NULL: none */
    bool has_personality;
    uint64_t personality; /* personality(2) */
    struct config_memory_policy memory_policy;
};

/*
 * Reads a config. Takes a reference of its own to json. bundle is the absolute path of the bundle's
 * directory, which relative paths (root.path, sources of bind mounts) are relative to; with NULL
 * they are errors. On success the caller frees with config_free(). Error: -EINVAL and others with a
 * message that begins with the key's path.
 */
int config_read(json_t *json, const char *bundle, struct config **config, struct error *error);
/* NULL is harmless, as with config_process_free(). */
void config_free(struct config *config);

/*
 * Reads a process object alone, with messages that begin with "process". Takes a reference of its
 * own to json. The caller frees with config_process_free(). Errors as above.
 */
int config_process_read(json_t *json, struct config_process **process, struct error *error);
void config_process_free(struct config_process *process);

/* Every mount option that is understood itself and not passed to the file system; NULL-terminated,
 * static. For `features`. */
const char *const *config_mount_option_names(void);

/* CLONE_NEW* of a namespace type, and its name in OCI ("network") and in /proc/PID/ns ("net"). */
uint64_t config_namespace_flag(enum config_namespace_type type);
const char *config_namespace_name(enum config_namespace_type type);
const char *config_namespace_file(enum config_namespace_type type);
/* Or-ed CLONE_NEW* of the namespaces that are to be new, and of those to be joined by path. */
uint64_t config_new_namespaces(const struct config *config);
uint64_t config_joined_namespaces(const struct config *config);

/*
 * The runtime's id of a user of the container: the same without a user namespace. -ENOENT where the
 * config gives him none.
 */
int config_outside_uid(const struct config *config, uint32_t uid, uid_t *outside);
/*
 * config-linux.md, "Cgroup ownership": whether the container's cgroup is to belong to the user of
 * its process, because the config has a new cgroup namespace with a writable mount of it; and who,
 * as the runtime sees him, that is. False in a user namespace that is joined: the config does not
 * tell whose ids those are.
 */
bool config_gives_cgroup(const struct config *config, uid_t *owner);

/* The names of the kinds of hooks: "createRuntime". Static. */
const char *config_hook_kind_name(enum config_hook_kind kind);

/* The number of a capability by its OCI name ("CAP_CHOWN"; case does not matter), or -EINVAL. */
int capability_number(const char *name);
/* Its name ("CAP_CHOWN"), NULL for a number without one. Static. */
const char *capability_name(int number);
/* The highest capability this kernel knows (/proc/sys/kernel/cap_last_cap). */
int capability_last(void);

static inline void config_cleanup(struct config **config)
{
    config_free(*config);
}
#define _cleanup_config_ __attribute__((cleanup(config_cleanup)))

#endif
