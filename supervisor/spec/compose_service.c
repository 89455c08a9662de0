/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "supervisor/spec/compose_reader.h"
#include "supervisor/spec/path_text.h"

#define STOP_GRACE_USEC_DEFAULT 10000000

static int read_image(const struct place *place, void *target, struct error *error)
{
    static const char rootfs[] = "rootfs:";
    struct service_spec *service = ((struct service_reader *)target)->service;
    int r = place_text(place, &service->image, error);

    if (r < 0)
        return r;
    if (strcmp(service->image, "host") == 0) {
        service->image_kind = IMAGE_HOST;
        return 0;
    }
    if (strncmp(service->image, rootfs, strlen(rootfs)) == 0 &&
        service->image[strlen(rootfs)] == '/') {
        service->image_path = strdup(service->image + strlen(rootfs));
        if (!service->image_path)
            return place_no_memory(place, error);
        if (path_text_normalise(service->image_path) == 0 &&
            strcmp(service->image_path, "/") != 0) {
            service->image_kind = IMAGE_ROOTFS;
            return 0;
        }
    }
    return place_refuse_value(place, error,
                              "an image; write host (the machine's own /usr) or "
                              "rootfs:/absolute/path (a directory with a root file system)");
}

static int read_read_only(const struct place *place, void *target, struct error *error)
{
    return place_bool(place, &((struct service_reader *)target)->service->is_read_only, error);
}

static int read_labels(const struct place *place, void *target, struct error *error)
{
    (void)target;
    if (json_is_object(place->value) || json_is_array(place->value))
        return 0;
    return place_refuse_value(place, error, "a mapping or a list; write KEY: VALUE lines");
}

/* The keys of a service (Compose specification, "services"), as docs/compose.md has them. */
static const struct key service_keys[] = {
    {"image", read_image, NULL},
    {"command", compose_read_command, NULL},
    {"entrypoint", compose_read_entrypoint, NULL},
    {"environment", compose_read_environment, NULL},
    {"env_file", compose_read_env_file, NULL},
    {"user", compose_read_user, NULL},
    {"working_dir", compose_read_working_dir, NULL},
    {"hostname", compose_read_hostname, NULL},
    {"volumes", compose_read_volumes, NULL},
    {"tmpfs", compose_read_tmpfs, NULL},
    {"mem_limit", compose_read_mem_limit, NULL},
    {"cpus", compose_read_cpus, NULL},
    {"pids_limit", compose_read_pids_limit, NULL},
    {"deploy", compose_read_deploy, NULL},
    {"blkio_config", compose_read_blkio_config, NULL},
    {"restart", compose_read_restart, NULL},
    {"stop_signal", compose_read_stop_signal, NULL},
    {"stop_grace_period", compose_read_stop_grace_period, NULL},
    {"cap_add", compose_read_cap_add, NULL},
    {"read_only", read_read_only, NULL},
    {"expose", compose_read_expose, NULL},
    {"labels", read_labels, NULL},
    {"x-listen", compose_read_x_listen, NULL},
    {"x-mail-log", compose_read_x_mail_log, NULL},

    {"build", NULL, "images are not built here; write image: rootfs:/absolute/path"},
    {"cap_drop", NULL, "a container has no capability but those of cap_add; remove it"},
    {"cgroup", NULL, "a container has a cgroup namespace of its own"},
    {"cgroup_parent", NULL, "the supervisor places its cgroups"},
    {"configs", NULL, "write a bind mount below volumes"},
    {"container_name", NULL, "a container is called TENANT-SERVICE-1; remove it"},
    {"cpu_count", NULL, "write cpus"},
    {"cpu_percent", NULL, "write cpus"},
    {"cpu_period", NULL, "write cpus"},
    {"cpu_quota", NULL, "write cpus"},
    {"cpu_rt_period", NULL, "write cpus"},
    {"cpu_rt_runtime", NULL, "write cpus"},
    {"cpu_shares", NULL, "write cpus"},
    {"cpuset", NULL, "write cpus"},
    {"depends_on", NULL, "services start side by side for now; let programs try again"},
    {"device_cgroup_rules", NULL, "a container gets the standard devices only"},
    {"devices", NULL, "a container gets the standard devices only"},
    {"dns", NULL, "the supervisor writes /etc/resolv.conf"},
    {"dns_opt", NULL, "the supervisor writes /etc/resolv.conf"},
    {"dns_search", NULL, "the supervisor writes /etc/resolv.conf"},
    {"domainname", NULL, "write hostname"},
    {"extends", NULL, "write the keys out, or use an anchor and <<"},
    {"external_links", NULL, "a tenant reaches no container of others"},
    {"extra_hosts", NULL, "the supervisor writes /etc/hosts"},
    {"gpus", NULL, "a container gets the standard devices only"},
    {"group_add", NULL, "the groups come from /etc/group of the image"},
    {"healthcheck", NULL, "there are no health checks for now; remove it"},
    {"init", NULL, "the program is process 1 of its container for now; remove it"},
    {"ipc", NULL, "a container has an IPC namespace of its own"},
    {"isolation", NULL, "it means nothing on Linux; remove it"},
    {"links", NULL, "remove it"},
    {"logging", NULL, "the supervisor writes the logs; read them with containerctl logs"},
    {"mac_address", NULL, "the supervisor gives addresses"},
    {"mem_reservation", NULL, "write mem_limit"},
    {"mem_swappiness", NULL, "write mem_limit"},
    {"memswap_limit", NULL, "a container gets no swap beyond mem_limit"},
    {"network_mode", NULL, "a container has a network namespace of its own"},
    {"networks", NULL, "each tenant has one network of its own; remove it"},
    {"oom_kill_disable", NULL, "it could stop the whole machine"},
    {"oom_score_adj", NULL, "the supervisor sets it"},
    {"pid", NULL, "a container has a pid namespace of its own"},
    {"platform", NULL, "images are of this machine's own kind; remove it"},
    {"ports", NULL, "httpd is the way in; write x-listen, or expose"},
    {"post_start", NULL, "there are no hooks"},
    {"pre_stop", NULL, "there are no hooks"},
    {"privileged", NULL, "no container is privileged; name capabilities in cap_add"},
    {"profiles", NULL, "every service of the file runs; remove it"},
    {"pull_policy", NULL, "no image is pulled; remove it"},
    {"runtime", NULL, "there is one runtime; remove it"},
    {"scale", NULL, "a service has one container for now"},
    {"secrets", NULL, "write a read-only bind mount below volumes"},
    {"security_opt", NULL, "the strictest setting is the only one; remove it"},
    {"shm_size", NULL, "write tmpfs: /dev/shm:size=64m"},
    {"stdin_open", NULL, "a service has no terminal; remove it"},
    {"storage_opt", NULL, "write volumes, tmpfs or read_only"},
    {"sysctls", NULL, "not for now; remove it"},
    {"tty", NULL, "a service has no terminal; remove it"},
    {"ulimits", NULL, "the supervisor sets them; write pids_limit for tasks"},
    {"userns_mode", NULL, "a tenant has a user namespace range of its own"},
    {"uts", NULL, "a container has a UTS namespace of its own"},
    {"volumes_from", NULL, "name the volumes below volumes"},
    {NULL, NULL, NULL},
};

static int check_service(const struct place *place, const struct service_spec *service,
                         struct error *error)
{
    if (!service->image)
        return place_refuse(place, error,
                            "image is missing; write image: host or rootfs:/absolute/path");
    if (!service->command && !service->entrypoint)
        return place_refuse(place, error,
                            "command is missing; write command: [\"/usr/bin/program\", \"-x\"]");
    return 0;
}

int compose_service_read(const struct place *place, const struct compose_source *source,
                         const struct place *volumes, struct service_spec *service,
                         struct error *error)
{
    struct service_reader reader = {.source = source, .volumes = volumes, .service = service};
    struct error inner = ERROR_INIT;

    if (name_check("service", place->key, &inner) < 0)
        return place_refuse(place, error, "%s", inner.message);
    strcpy(service->name, place->key);
    service->is_read_only = true;
    service->stop_grace_period_usec = STOP_GRACE_USEC_DEFAULT;
    int r = keys_read(place, service_keys, &reader, error);
    if (r == 0)
        r = check_service(place, service, error);
    if (r == 0)
        r = compose_finish_limits(place, &reader, error);
    if (r == 0)
        r = compose_finish_environment(place, &reader, error);
    string_list_free(&reader.environment);
    string_list_free(&reader.file_environment);
    return r;
}
