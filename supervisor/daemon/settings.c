/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/daemon/settings.h"

#include <errno.h>
#include <grp.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/control.h"
#include "common/units.h"
#include "supervisor/runtime/config_reader.h"

/* FNV-1a: two supervisors on one machine get different cgroups by their roots; nothing more hangs
 * on it. */
static uint32_t hash_text(const char *text)
{
    uint32_t hash = 2166136261u;

    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 16777619u;
    return hash;
}

static void set_defaults(struct settings *settings, const char *root)
{
    strcpy(settings->web_group, "www-data");
    strcpy(settings->network_namespace, "host");
    strcpy(settings->network_bridge, "ctbr");
    strcpy(settings->network_table, "container_supervisor");
    strcpy(settings->network_ipv4_pool, "10.203.0.0/16");
    strcpy(settings->network_ipv6_pool, "fd4d:6f64:43::/48");
    settings->has_network = true;
    if (root && *root)
        snprintf(settings->cgroup_parent, sizeof(settings->cgroup_parent),
                 "container-supervisor-%08x", hash_text(settings->paths.run));
    else
        strcpy(settings->cgroup_parent, "container-supervisor");
    settings->default_memory_bytes = UINT64_C(512) << 20;
    settings->default_cpu_milli = 1000;
    settings->default_tasks = 256;
    settings->log_max_bytes = UINT64_C(10) << 20;
    settings->log_max_files = 3;
    settings->sample_interval_usec = 1000000;
    settings->slots = 1024;
    settings->id_start = UINT32_C(1) << 30;
    settings->id_count = 16384;
}

static int take_text(const char *key, const char *value, char *target, size_t size,
                     struct error *error)
{
    if (!value)
        return 0;
    if (strlen(value) >= size)
        return error_set(error, EINVAL, "%s: longer than %zu bytes", key, size - 1);
    strcpy(target, value);
    return 0;
}

static int take_size(const char *key, const char *value, uint64_t min, uint64_t *target,
                     struct error *error)
{
    if (!value)
        return 0;
    if (parse_size(value, target) < 0)
        return error_set(error, EINVAL, "%s: \"%s\" is not a size; write 512m or 536870912", key,
                         value);
    if (*target < min)
        return error_set(error, EINVAL, "%s: \"%s\" is below %llu bytes", key, value,
                         (unsigned long long)min);
    return 0;
}

static int take_number(const char *key, int64_t value, int64_t min, int64_t max, uint32_t *target,
                       struct error *error)
{
    int r = config_check_range(key, value, min, max, error);

    if (r == 0)
        *target = (uint32_t)value;
    return r;
}

static int read_network(const json_t *object, struct settings *settings, struct error *error)
{
    const char *namespace = NULL, *bridge = NULL, *table = NULL, *ipv4 = NULL, *ipv6 = NULL;
    const struct config_key keys[] = {
        {"enabled", CONFIG_BOOL, &settings->has_network, false},
        {"namespace", CONFIG_STRING, &namespace, false},
        {"bridge", CONFIG_STRING, &bridge, false},
        {"table", CONFIG_STRING, &table, false},
        {"ipv4_pool", CONFIG_STRING, &ipv4, false},
        {"ipv6_pool", CONFIG_STRING, &ipv6, false},
        {NULL, 0, NULL, false},
    };

    int r = config_read_known(object, "network", keys, error);
    if (r == 0 && namespace && strcmp(namespace, "host") != 0 &&
        strcmp(namespace, "private") != 0 && namespace[0] != '/')
        r = error_set(error, EINVAL,
                      "network.namespace: \"%s\" is not host, private or an absolute path",
                      namespace);
    if (r == 0)
        r = take_text("network.namespace", namespace, settings->network_namespace,
                      sizeof(settings->network_namespace), error);
    if (r == 0)
        r = take_text("network.bridge", bridge, settings->network_bridge, 11, error);
    if (r == 0)
        r = take_text("network.table", table, settings->network_table,
                      sizeof(settings->network_table), error);
    if (r == 0)
        r = take_text("network.ipv4_pool", ipv4, settings->network_ipv4_pool,
                      sizeof(settings->network_ipv4_pool), error);
    if (r == 0)
        r = take_text("network.ipv6_pool", ipv6, settings->network_ipv6_pool,
                      sizeof(settings->network_ipv6_pool), error);
    return r;
}

static int read_defaults(const json_t *object, struct settings *settings, struct error *error)
{
    const char *memory = NULL, *cpus = NULL;
    int64_t tasks = (int64_t)settings->default_tasks;
    uint32_t task_count = 0;
    const struct config_key keys[] = {
        {"memory", CONFIG_STRING, &memory, false},
        {"cpus", CONFIG_STRING, &cpus, false},
        {"tasks", CONFIG_INTEGER, &tasks, false},
        {NULL, 0, NULL, false},
    };

    int r = config_read_known(object, "defaults", keys, error);
    if (r == 0)
        r = take_size("defaults.memory", memory, 4 << 20, &settings->default_memory_bytes, error);
    if (r == 0 && cpus &&
        (parse_milli(cpus, 4096000, &settings->default_cpu_milli) < 0 ||
         settings->default_cpu_milli < 10))
        r = error_set(error, EINVAL, "defaults.cpus: \"%s\" is not a number of CPUs; write 0.5",
                      cpus);
    if (r == 0)
        r = take_number("defaults.tasks", tasks, 1, 4194304, &task_count, error);
    settings->default_tasks = task_count;
    return r;
}

static int read_log(const json_t *object, struct settings *settings, struct error *error)
{
    const char *max_size = NULL;
    int64_t max_files = settings->log_max_files;
    const struct config_key keys[] = {
        {"max_size", CONFIG_STRING, &max_size, false},
        {"max_files", CONFIG_INTEGER, &max_files, false},
        {NULL, 0, NULL, false},
    };

    int r = config_read_known(object, "log", keys, error);
    if (r == 0)
        r = take_size("log.max_size", max_size, 4096, &settings->log_max_bytes, error);
    if (r == 0)
        r = take_number("log.max_files", max_files, 1, 100, &settings->log_max_files, error);
    return r;
}

/* "" or a relative path of plain names: it becomes directories of the cgroup hierarchies. */
static int check_cgroup_parent(const char *parent, struct error *error)
{
    bool is_plain = *parent && strspn(parent, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                              "0123456789-_./") == strlen(parent);

    if (!is_plain || *parent == '/' || *parent == '.' || strstr(parent, "/.") ||
        strstr(parent, "//") || parent[strlen(parent) - 1] == '/')
        return error_set(error, EINVAL,
                         "cgroup.parent: \"%s\" is not a path of plain names like web/tenants",
                         parent);
    return 0;
}

static int read_cgroup(const json_t *object, struct settings *settings, struct error *error)
{
    const char *parent = NULL;
    const struct config_key keys[] = {
        {"parent", CONFIG_STRING, &parent, false},
        {NULL, 0, NULL, false},
    };

    int r = config_read_known(object, "cgroup", keys, error);
    if (r < 0 || !parent || !*parent)
        return r;
    r = check_cgroup_parent(parent, error);
    return r < 0 ? r
                 : take_text("cgroup.parent", parent, settings->cgroup_parent,
                             sizeof(settings->cgroup_parent), error);
}

static int read_id_range(const json_t *object, struct settings *settings, struct error *error)
{
    int64_t start = settings->id_start, count = settings->id_count;
    const struct config_key keys[] = {
        {"start", CONFIG_INTEGER, &start, false},
        {"count", CONFIG_INTEGER, &count, false},
        {NULL, 0, NULL, false},
    };

    int r = config_read_known(object, "id_range", keys, error);
    if (r == 0)
        r = take_number("id_range.start", start, 65536, INT64_C(4294901760), &settings->id_start,
                        error);
    if (r == 0)
        r = take_number("id_range.count", count, 1, (INT64_C(4294901760) - start) / IDS_PER_TENANT,
                        &settings->id_count, error);
    return r;
}

static int read_file(const json_t *json, struct settings *settings, struct error *error)
{
    const json_t *network = NULL, *cgroup = NULL, *defaults = NULL, *log = NULL, *ids = NULL;
    const char *web_group = NULL, *interval = NULL;
    int64_t slots = settings->slots;
    const struct config_key keys[] = {
        {"web_group", CONFIG_STRING, &web_group, false},
        {"web_may_read_logs", CONFIG_BOOL, &settings->web_may_read_logs, false},
        {"network", CONFIG_OBJECT, &network, false},
        {"cgroup", CONFIG_OBJECT, &cgroup, false},
        {"defaults", CONFIG_OBJECT, &defaults, false},
        {"log", CONFIG_OBJECT, &log, false},
        {"sample_interval", CONFIG_STRING, &interval, false},
        {"slots", CONFIG_INTEGER, &slots, false},
        {"id_range", CONFIG_OBJECT, &ids, false},
        {NULL, 0, NULL, false},
    };

    int r = config_read_known(json, "", keys, error);
    if (r == 0)
        r = take_text("web_group", web_group, settings->web_group, sizeof(settings->web_group),
                      error);
    if (r == 0 && network)
        r = read_network(network, settings, error);
    if (r == 0 && cgroup)
        r = read_cgroup(cgroup, settings, error);
    if (r == 0 && defaults)
        r = read_defaults(defaults, settings, error);
    if (r == 0 && log)
        r = read_log(log, settings, error);
    if (r == 0 && ids)
        r = read_id_range(ids, settings, error);
    if (r == 0)
        r = take_number("slots", slots, 1, 65536, &settings->slots, error);
    if (r == 0 && interval &&
        (parse_duration(interval, &settings->sample_interval_usec) < 0 ||
         settings->sample_interval_usec < 100000 || settings->sample_interval_usec > 60000000))
        r = error_set(error, EINVAL,
                      "sample_interval: \"%s\" is not a duration of 100ms to 60s; write 1s",
                      interval);
    return r;
}

static int find_group(struct settings *settings, struct error *error)
{
    struct group entry, *found = NULL;
    char buffer[16384];

    int r = getgrnam_r(settings->web_group, &entry, buffer, sizeof(buffer), &found);
    if (!found)
        return error_set(error, r ? r : ENOENT,
                         "web_group: there is no group \"%s\"; name the group httpd runs as",
                         settings->web_group);
    settings->web_gid = entry.gr_gid;
    return 0;
}

int settings_load(struct settings *settings, const char *root, const char *file,
                  struct error *error)
{
    char path[PATH_MAX];
    json_error_t problem;

    memset(settings, 0, sizeof(*settings));
    int r = root && *root ? path_absolute(path, root, error) : 0;
    if (r == 0)
        r = paths_init(&settings->paths, root && *root ? path : NULL, error);
    if (r < 0)
        return r;
    set_defaults(settings, root);
    r = path_join(path, settings->paths.etc, "supervisor.json", error);
    if (r < 0)
        return r;
    if (file || access(path, F_OK) == 0) {
        const char *name = file ? file : path;
        _cleanup_json_ json_t *json = json_load_file(name, JSON_REJECT_DUPLICATES, &problem);
        if (!json)
            return error_set(error, EINVAL, "%s:%d: %s", name, problem.line, problem.text);
        r = read_file(json, settings, error);
        if (r == 0)
            r = find_group(settings, error);
        return r < 0 ? error_wrap(error, "%s", name) : 0;
    }
    return find_group(settings, error);
}
