/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/daemon/record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "supervisor/storage/rootfs.h"
#include "supervisor/sys/openat2.h"

#define RECORD_MAX         (1u << 20)
#define DESTROY_TIMEOUT_MS 5000

static int write_json(int directory, const char *name, const json_t *json, struct error *error)
{
    _cleanup_free_ char *text = json_dumps(json, JSON_INDENT(1));

    if (!text)
        return error_sys(error, ENOMEM, "write %s", name);
    _cleanup_close_ int fd =
        openat(directory, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return error_sys(error, errno, "create %s", name);
    size_t length = strlen(text);
    ssize_t written = write(fd, text, length);
    if (written < 0)
        return error_sys(error, errno, "write %s", name);
    return (size_t)written == length ? 0 : error_sys(error, ENOSPC, "write %s", name);
}

int record_write(const struct service *service, const char *path, const json_t *config,
                 struct error *error)
{
    _cleanup_close_ int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

    if (directory < 0)
        return error_sys(error, errno, "open %s", path);
    _cleanup_json_ json_t *state = json_pack(
        "{s:s, s:s, s:s, s:i, s:s, s:I, s:{s:i, s:i, s:s, s:s, s:s}}", "id", service->id, "tenant",
        service->tenant, "service", service->spec->name, "pid", (int)service->container.pid,
        "cgroup", service->cgroup_path, "id_base", (json_int_t)service->id_base, "network",
        "bridge", (int)service->network.bridge, "host", (int)service->network.host, "link",
        service->network.link, "ipv4", service->network.ipv4, "ipv6", service->network.ipv6);
    if (!state)
        return error_sys(error, ENOMEM, "write state.json");
    int r = write_json(directory, "config.json", config, error);
    return r < 0 ? r : write_json(directory, "state.json", state, error);
}

void record_remove(const char *path)
{
    _cleanup_close_ int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

    if (directory >= 0) {
        unlinkat(directory, "config.json", 0);
        unlinkat(directory, "state.json", 0);
        unlinkat(directory, "mail.fifo", 0);
    }
    rmdir(path);
}

/* The recorded cgroup, if it is one of ours: a record is data, not an order. */
static void end_cgroup(struct engine *engine, const json_t *state)
{
    const char *path = json_string_value(json_object_get(state, "cgroup"));
    size_t base = strlen(engine->cgroup_base);
    struct cgroup *cgroup = NULL;
    struct error error = ERROR_INIT;
    char tenant[PATH_MAX];

    if (!path || strncmp(path, engine->cgroup_base, base) != 0 || path[base] != '/' ||
        strstr(path, ".."))
        return;
    if (cgroup_open(engine->cgroups, path, &cgroup, NULL) == 0)
        cgroup_kill(cgroup, NULL);
    if (cgroup && cgroup_destroy(cgroup, DESTROY_TIMEOUT_MS, &error) < 0)
        log_error("remove the left cgroup %s: %s", path, error.message);
    snprintf(tenant, sizeof(tenant), "%.*s", (int)(strrchr(path, '/') - path), path);
    cgroup_remove_empty(engine->cgroups, tenant);
}

static void clean_one(struct engine *engine, int containers, const char *path, const char *name)
{
    char directory[PATH_MAX], file[PATH_MAX];
    _cleanup_free_ char *text = NULL;
    struct error error = ERROR_INIT;

    if (path_join(directory, path, name, NULL) < 0 ||
        snprintf(file, sizeof(file), "%s/state.json", name) >= (int)sizeof(file))
        return;
    if (read_text_beneath(containers, file, RECORD_MAX, &text, NULL) == 0) {
        _cleanup_json_ json_t *state = json_loads(text, 0, NULL);
        end_cgroup(engine, state);
    }
    if (rootfs_unmount(directory, &error) < 0)
        log_error("clean %s: %s", directory, error.message);
    record_remove(directory);
}

/* Sockets of services, one directory a tenant. */
static void clean_sockets(const struct settings *settings)
{
    char path[PATH_MAX], tenant_path[PATH_MAX], socket_path[PATH_MAX];
    struct dirent *tenant, *entry;

    if (path_join(path, settings->paths.run, "services", NULL) < 0)
        return;
    _cleanup_closedir_ DIR *services = opendir(path);
    while (services && (tenant = readdir(services))) {
        if (!name_is_valid(tenant->d_name) ||
            path_join(tenant_path, path, tenant->d_name, NULL) < 0)
            continue;
        _cleanup_closedir_ DIR *sockets = opendir(tenant_path);
        while (sockets && (entry = readdir(sockets)))
            if (entry->d_type == DT_SOCK &&
                path_join(socket_path, tenant_path, entry->d_name, NULL) == 0)
                unlink(socket_path);
        rmdir(tenant_path);
    }
}

int record_clean_leftovers(struct engine *engine, struct error *error)
{
    char path[PATH_MAX];
    struct dirent *entry;
    int count = 0;

    int r = path_join(path, engine->settings.paths.run, "containers", error);
    if (r < 0)
        return r;
    _cleanup_closedir_ DIR *containers = opendir(path);
    if (!containers)
        return error_sys(error, errno, "read %s", path);
    while ((entry = readdir(containers))) {
        if (entry->d_name[0] == '.' || strlen(entry->d_name) > CONTAINER_ID_MAX_LENGTH)
            continue;
        clean_one(engine, dirfd(containers), path, entry->d_name);
        count++;
    }
    clean_sockets(&engine->settings);
    return count;
}
