/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_SETTINGS_H
#define DAEMON_SETTINGS_H

/* supervisor.json: what the operator sets for the whole supervisor. Every key has a default. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/error.h"
#include "common/names.h"

/* Host uids and gids of a tenant. */
#define IDS_PER_TENANT 65536

struct settings {
    struct paths paths;
    char web_group[64];
    gid_t web_gid;
    bool web_may_read_logs;

    char network_namespace[PATH_MAX];
    char network_bridge[16];
    char network_table[64];
    char network_ipv4_pool[32];
    char network_ipv6_pool[64];
    bool has_network; /* network.enabled */

    char cgroup_parent[256]; /* below the base; no slash at either end */

    uint64_t default_memory_bytes;
    uint64_t default_cpu_milli;
    uint64_t default_tasks;

    uint64_t log_max_bytes;
    uint32_t log_max_files;

    uint64_t sample_interval_usec;
    uint32_t slots;
    uint32_t id_start; /* first host id of the first tenant */
    uint32_t id_count; /* tenants */
};

/*
 * Fills settings from the file (NULL: paths.etc/supervisor.json, which may be absent) for the root
 * ("" for the system's places). -EINVAL with "FILE: KEY: what is wrong; what would be right".
 */
int settings_load(struct settings *settings, const char *root, const char *file,
                  struct error *error);

#endif
