/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_RUNTIME_OPTIONS_H
#define CLI_RUNTIME_OPTIONS_H

/*
 * The options of container-runtime: one table for all verbs (runtime_options.c), filled into one
 * struct. They are those of runc and of crun together, so that engines can call it as either.
 */

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"

struct option_list {
    const char **items; /* owned; they point into argv */
    size_t count;
};

struct runtime_options {
    bool is_help, is_version;
    /* before the verb */
    const char *root, *log, *log_format, *log_level, *cgroup_manager, *rootless, *criu;
    bool is_debug, has_systemd_cgroup;
    /* create, run, exec, restore */
    const char *bundle, *config, *console_socket, *pidfd_socket, *pid_file;
    bool is_detached, is_kept, has_no_subreaper, has_no_pivot, has_no_new_keyring;
    unsigned preserve_fds;
    /* exec */
    const char *process, *cwd, *user, *process_label, *apparmor;
    struct option_list env, capabilities, additional_gids, cgroups;
    bool has_terminal, has_no_new_privileges, is_paused_ignored;
    /* kill, delete, list, ps, events, spec */
    bool is_all, is_regex, is_forced, is_quiet, is_stats, is_rootless_spec;
    const char *format, *interval, *spec_file;
    /* update; each as it was written, NULL: not given */
    const char *resources, *blkio_weight, *cpu_period, *cpu_quota, *cpu_burst, *cpu_share,
        *cpu_idle, *cpu_rt_period, *cpu_rt_runtime, *cpuset_cpus, *cpuset_mems, *memory,
        *memory_reservation, *memory_swap, *pids_limit, *kernel_memory, *kernel_memory_tcp,
        *l3_cache_schema, *mem_bw_schema;
    /* checkpoint, restore */
    const char *image_path, *work_path, *parent_path, *cgroups_mode, *network_lock,
        *empty_namespace, *lsm_profile, *lsm_mount_context, *status_fd, *page_server;
    bool is_left_running, is_pre_dump, has_tcp, is_in_flight_skipped, is_tcp_closed, has_link_remap,
        has_unix_sockets, is_shell_job, has_file_locks, is_deduplicated, has_lazy_pages;
};

/*
 * Reads the options that stand before the verb. Returns the index of the verb in argv (argc: there
 * is none), or -EINVAL with a sentence.
 */
int runtime_options_global(struct runtime_options *options, int argc, char **argv,
                           struct error *error);

/*
 * Reads the options of a verb; argv[0] is the verb. is_ordered ends them at the first argument, for
 * what follows belongs to another program; else they may stand anywhere. Returns the index of the
 * first argument, to which all are moved.
 */
int runtime_options_verb(struct runtime_options *options, const char *verb, bool is_ordered,
                         int argc, char **argv, struct error *error);
void runtime_options_free(struct runtime_options *options);

/* Prints the options of a verb, or with NULL those that stand before it, a line each. */
void runtime_options_help(const char *verb);

#endif
