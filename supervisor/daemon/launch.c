/* SPDX-License-Identifier: Apache-2.0 */

/*
 * From a service to a running container: the image is mounted, the spec compiled, the cgroup made,
 * the process created, its network attached, and then it is started. What was made is noted in
 * RUN/containers/ID/state.json before the program runs, so that a next engine finds all of it.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "supervisor/daemon/mail.h"
#include "supervisor/daemon/record.h"
#include "supervisor/daemon/sampler.h"
#include "supervisor/daemon/service.h"
#include "supervisor/runtime/config.h"
#include "supervisor/spec/oci.h"
#include "supervisor/storage/passwd.h"
#include "supervisor/storage/rootfs.h"
#include "supervisor/storage/volume.h"

#define CGROUP_DESTROY_TIMEOUT_MS 2000
#define MOUNTS_MAX                128

/* What one launch gathers; released as a whole. */
struct launch {
    struct service *service;
    char directory[PATH_MAX]; /* RUN/containers/ID */
    struct rootfs rootfs;
    struct passwd_user user;
    char mail_log[PATH_MAX]; /* its FIFO, with x-mail-log */
    char *volumes[MOUNTS_MAX];
    size_t volume_count;
    json_t *json;
    struct config *config;
    int write_ends[2];
};

static void launch_release(struct launch *launch)
{
    for (size_t i = 0; i < launch->volume_count; i++)
        free(launch->volumes[i]);
    json_decref(launch->json);
    config_free(launch->config);
    close_fd(&launch->write_ends[0]);
    close_fd(&launch->write_ends[1]);
}

/* The mount points that the image must get, for what the service mounts into it. */
static int mount_image(struct launch *launch, struct error *error)
{
    const struct service *service = launch->service;
    const struct service_spec *spec = service->spec;
    const char *points[MOUNTS_MAX + 2] = {NULL};
    bool is_file[MOUNTS_MAX + 2] = {false};
    char hostname[2 * NAME_MAX_LENGTH + 2];
    struct stat st;

    if (spec->mount_count > MOUNTS_MAX)
        return error_set(error, E2BIG, "volumes: more than %d", MOUNTS_MAX);
    for (size_t i = 0; i < spec->mount_count; i++) {
        points[i] = spec->mounts[i].target;
        is_file[i] = spec->mounts[i].kind == MOUNT_BIND && stat(spec->mounts[i].source, &st) == 0 &&
                     !S_ISDIR(st.st_mode);
    }
    points[spec->mount_count] = spec->mail_log;
    is_file[spec->mount_count] = true;
    snprintf(hostname, sizeof(hostname), "%s-%s", service->tenant, spec->name);
    const struct rootfs_request request = {
        .directory = launch->directory,
        .image_path = spec->image_kind == IMAGE_ROOTFS ? spec->image_path : NULL,
        .id_base = service->id_base,
        .hostname = spec->hostname ? spec->hostname : hostname,
        .is_read_only = spec->is_read_only,
        .mount_points = points,
        .is_file = is_file,
    };
    int r = rootfs_mount(&request, &launch->rootfs, error);
    return r < 0 ? error_wrap(error, "image %s", spec->image) : 0;
}

static int resolve_user(struct launch *launch, struct error *error)
{
    _cleanup_close_ int root = open(launch->rootfs.path, O_PATH | O_DIRECTORY | O_CLOEXEC);

    if (root < 0)
        return error_sys(error, errno, "open %s", launch->rootfs.path);
    int r = passwd_resolve(root, launch->service->spec->user, &launch->user, error);
    return r < 0 ? error_wrap(error, "user") : 0;
}

static int make_volumes(struct launch *launch, struct error *error)
{
    const struct service_spec *spec = launch->service->spec;
    char path[PATH_MAX];

    for (size_t i = 0; i < spec->mount_count; i++) {
        if (spec->mounts[i].kind != MOUNT_VOLUME)
            continue;
        int r = volume_ensure(launch->service->engine->settings.paths.data, launch->service->tenant,
                              spec->mounts[i].source, launch->user.uid, launch->user.gid,
                              launch->service->id_base, path, error);
        if (r < 0)
            return error_wrap(error, "volume %s", spec->mounts[i].source);
        launch->volumes[launch->volume_count] = strdup(path);
        if (!launch->volumes[launch->volume_count++])
            return error_sys(error, ENOMEM, "volume %s", spec->mounts[i].source);
    }
    return 0;
}

static int make_mail_log(struct launch *launch, struct error *error)
{
    struct service *service = launch->service;

    if (!service->spec->mail_log)
        return 0;
    return mail_log_begin(service, launch->directory, service->id_base + launch->user.uid,
                          service->id_base + launch->user.gid, launch->mail_log, error);
}

static int compile(struct launch *launch, struct error *error)
{
    struct service *service = launch->service;
    const struct settings *settings = &service->engine->settings;
    struct oci_bind binds[ARRAY_LENGTH(launch->rootfs.binds)];

    for (size_t i = 0; i < launch->rootfs.bind_count; i++)
        binds[i] = (struct oci_bind){
            .source = launch->rootfs.binds[i].source,
            .target = launch->rootfs.binds[i].target,
            .is_read_only = true,
            .is_exec = launch->rootfs.binds[i].is_exec,
        };
    const struct oci_facts facts = {
        .tenant = service->tenant,
        .container_id = service->id,
        .cgroups_path = service->cgroup_path,
        .rootfs_path = launch->rootfs.path,
        .id_base = service->id_base,
        .uid = launch->user.uid,
        .gid = launch->user.gid,
        .additional_gids = launch->user.additional_gids,
        .additional_gid_count = launch->user.additional_gid_count,
        .home = launch->user.home,
        .image_binds = binds,
        .image_bind_count = launch->rootfs.bind_count,
        .volume_sources = (const char *const *)launch->volumes,
        .mail_log_source = launch->mail_log[0] ? launch->mail_log : NULL,
        .default_memory_bytes = settings->default_memory_bytes,
        .default_cpu_milli = settings->default_cpu_milli,
        .default_tasks = settings->default_tasks,
        .has_listen_socket = service->listen_fd >= 0,
    };
    int r = oci_compile(service->spec, &facts, &launch->json, error);
    return r < 0 ? r : config_read(launch->json, NULL, &launch->config, error);
}

/* Most tenants have the same profile: it is compiled once. */
static int compile_seccomp(struct launch *launch, struct error *error)
{
    struct engine *engine = launch->service->engine;
    struct seccomp_program *made = NULL;

    if (!launch->config->seccomp || seccomp_program_is_of(engine->seccomp, launch->config->seccomp))
        return 0;
    int r = seccomp_program_new(launch->config->seccomp, &made, error);
    if (r < 0)
        return r;
    seccomp_program_free(engine->seccomp);
    engine->seccomp = made;
    return 0;
}

static int make_cgroup(struct launch *launch, struct error *error)
{
    struct service *service = launch->service;
    struct cgroup_sample sample = {0};

    int r = cgroup_create(service->engine->cgroups, service->cgroup_path, &service->cgroup, error);
    if (r == 0)
        r = cgroup_apply(service->cgroup, launch->config->resources, error);
    if (r < 0)
        return r;
    /* A new group counts from zero; opening its files can wait until the container runs. */
    service->sampling.oom_kills_before = 0;
    if (cgroup_is_new(service->cgroup))
        return 0;
    cgroup_sample(service->cgroup, &sample);
    service->sampling.oom_kills_before = sample.oom_kills;
    return 0;
}

static int create_process(struct launch *launch, struct error *error)
{
    struct service *service = launch->service;
    struct engine *engine = service->engine;

    int r = logfile_begin(service->log, engine->loop, service->id_base + launch->user.uid,
                          service->id_base + launch->user.gid, launch->write_ends, error);
    if (r < 0)
        return r;
    const struct container_request request = {
        .id = service->id,
        .config = launch->config,
        .driver = engine->cgroups,
        .cgroup = service->cgroup,
        .seccomp = launch->config->seccomp ? engine->seccomp : NULL,
        .stdio = {engine->null_fd, launch->write_ends[0], launch->write_ends[1]},
        .passed = &service->listen_fd,
        .passed_count = service->listen_fd >= 0 ? 1 : 0,
        .console_fd = -1,
        .start_listener = -1,
        .has_new_keyring = true,
        .has_strict_sources = true,
    };
    r = container_create(&request, &service->container, error);
    if (r < 0)
        return r;
    service->has_container = true;
    if (service->container.warnings[0])
        log_warning("%s: %s", service->id, service->container.warnings);
    return 0;
}

static int attach_network(struct launch *launch, struct error *error)
{
    struct service *service = launch->service;

    if (!service->engine->network)
        return 0;
    _cleanup_close_ int namespace = container_network_namespace(&service->container);
    if (namespace < 0)
        return error_sys(error, -namespace, "open the network namespace");
    int r =
        network_attach(service->engine->network, service->id, namespace, &service->network, error);
    service->has_network = r == 0;
    return r < 0 ? error_wrap(error, "network") : 0;
}

static int run_steps(struct launch *launch, struct error *error)
{
    static int (*const steps[])(struct launch *, struct error *) = {
        mount_image,     resolve_user, make_volumes,   make_mail_log,  compile,
        compile_seccomp, make_cgroup,  create_process, attach_network,
    };
    struct service *service = launch->service;
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_LENGTH(steps); i++) {
        r = steps[i](launch, error);
        service->has_rootfs = service->has_rootfs || (i == 0 && r == 0);
    }
    if (r == 0)
        r = record_write(service, launch->directory, launch->json, error);
    if (r == 0)
        r = service_watch(service, error);
    if (r == 0) {
        r = container_start(&service->container, launch->config, error);
        service->has_container = r == 0;
    }
    return r;
}

/* The group with its tenant's, which goes with the last container in it. */
static void remove_cgroup(struct service *service)
{
    struct error error = ERROR_INIT;
    char tenant[sizeof(service->cgroup_path)];

    cgroup_kill(service->cgroup, NULL);
    if (cgroup_destroy(service->cgroup, CGROUP_DESTROY_TIMEOUT_MS, &error) < 0)
        log_error("%s: cgroup: %s", service->id, error.message);
    service->cgroup = NULL;
    strcpy(tenant, service->cgroup_path);
    *strrchr(tenant, '/') = '\0';
    cgroup_remove_empty(service->engine->cgroups, tenant);
}

static int container_directory(const struct service *service, char *path, struct error *error)
{
    char containers[PATH_MAX];

    int r = path_join(containers, service->engine->settings.paths.run, "containers", error);
    return r < 0 ? r : path_join(path, containers, service->id, error);
}

int service_launch(struct service *service, struct error *error)
{
    struct launch launch = {.service = service, .write_ends = {-1, -1}};

    int r = container_directory(service, launch.directory, error);
    if (r == 0 && mkdir(launch.directory, 0700) < 0 && errno != EEXIST)
        r = error_sys(error, errno, "make %s", launch.directory);
    if (r == 0)
        r = run_steps(&launch, error);
    launch_release(&launch);
    if (r < 0) {
        if (service->has_container)
            container_abandon(&service->container);
        service_teardown(service);
    }
    return r;
}

void service_teardown(struct service *service)
{
    char directory[PATH_MAX];
    struct error error = ERROR_INIT;

    service->pid_source = sd_event_source_disable_unref(service->pid_source);
    close_fd(&service->container.pidfd);
    close_fd(&service->container.start_fd);
    service->has_container = false;
    if (service->log)
        logfile_finish(service->log);
    if (service->has_network &&
        network_detach(service->engine->network, &service->network, &error) < 0)
        log_error("%s: network: %s", service->id, error.message);
    service->has_network = false;
    service->network = (struct network_attachment){0};
    sampler_end_run(service);
    if (service->cgroup)
        remove_cgroup(service);
    if (container_directory(service, directory, &error) < 0)
        return;
    if (service->has_rootfs && rootfs_unmount(directory, &error) < 0)
        log_error("%s: image: %s", service->id, error.message);
    service->has_rootfs = false;
    mail_log_finish(service, directory);
    record_remove(directory);
}
