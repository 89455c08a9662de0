/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/spec/oci.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "supervisor/spec/json_build.h"
#include "supervisor/spec/oci_parts.h"

#define ID_COUNT 65536

/* Every namespace is new; none is joined, so none has a path. */
static const char *const namespaces[] = {"pid", "network", "ipc", "uts", "mount", "user", "cgroup"};

/*
 * What of /proc and /sys tells of the host or reaches into it, as container engines mask it.
 */
static const char *const masked_paths[] = {
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
    "/sys/dev/block",
    NULL,
};

static const char *const read_only_paths[] = {
    "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger", NULL,
};

uint64_t oci_memory_bytes(const struct service_spec *service, const struct oci_facts *facts)
{
    return service->memory_limit_bytes ? service->memory_limit_bytes : facts->default_memory_bytes;
}

/*
 * The host name: as written, or TENANT-SERVICE, cut to what a DNS label takes (the two names
 * together can be twice as long; sethostname(2) takes 64 bytes).
 */
static void choose_hostname(const struct service_spec *service, const struct oci_facts *facts,
                            char hostname[NAME_MAX_LENGTH + 1])
{
    if (service->hostname)
        snprintf(hostname, NAME_MAX_LENGTH + 1, "%s", service->hostname);
    else if (snprintf(hostname, NAME_MAX_LENGTH + 1, "%s-%s", facts->tenant, service->name) >
             NAME_MAX_LENGTH)
        for (size_t end = NAME_MAX_LENGTH; end > 0 && hostname[end - 1] == '-'; end--)
            hostname[end - 1] = '\0';
}

static json_t *namespaces_json(void)
{
    json_t *array = json_array();

    for (size_t i = 0; i < ARRAY_LENGTH(namespaces); i++)
        json_build_append(&array, json_pack("{s:s}", "type", namespaces[i]));
    return array;
}

static json_t *id_mapping(const struct oci_facts *facts)
{
    return json_pack("[{s:i, s:I, s:i}]", "containerID", 0, "hostID", (json_int_t)facts->id_base,
                     "size", ID_COUNT);
}

/*
 * The masked paths, and those of each CPU that tell of its heat: by them one tenant could watch
 * what another computes. Only x86 has them.
 */
static json_t *masked_paths_json(void)
{
    json_t *array = json_build_strings(masked_paths);
    char path[80];

    for (long cpu = 0; cpu < sysconf(_SC_NPROCESSORS_CONF); cpu++) {
        snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%ld/thermal_throttle", cpu);
        if (access(path, F_OK) == 0)
            json_build_append(&array, json_string(path));
    }
    return array;
}

static int linux_part(const struct service_spec *service, const struct oci_facts *facts,
                      json_t **result, struct error *error)
{
    json_t *resources = NULL;
    int r = oci_resources(service, facts, &resources, error);

    if (r < 0)
        return r;
    *result = json_pack("{s:o, s:o, s:o, s:o, s:s, s:o, s:o, s:o, s:s}", "uidMappings",
                        id_mapping(facts), "gidMappings", id_mapping(facts), "namespaces",
                        namespaces_json(), "resources", resources, "cgroupsPath",
                        facts->cgroups_path, "seccomp", seccomp_profile(service->cap_add),
                        "maskedPaths", masked_paths_json(), "readonlyPaths",
                        json_build_strings(read_only_paths), "rootfsPropagation", "private");
    return *result ? 0 : error_sys(error, ENOMEM, "service %s", service->name);
}

int oci_compile(const struct service_spec *service, const struct oci_facts *facts, json_t **config,
                struct error *error)
{
    char hostname[NAME_MAX_LENGTH + 1];
    json_t *process = NULL, *mounts = NULL, *linux_json = NULL;

    choose_hostname(service, facts, hostname);
    int r = oci_process(service, facts, hostname, &process, error);
    if (r == 0)
        r = oci_mounts(service, facts, &mounts, error);
    if (r == 0)
        r = linux_part(service, facts, &linux_json, error);
    if (r < 0) {
        json_decref(process);
        json_decref(mounts);
        return error_wrap(error, "service %s", service->name);
    }
    *config =
        json_pack("{s:s, s:o, s:{s:s, s:b}, s:s, s:o, s:o}", "ociVersion", "1.2.0", "process",
                  process, "root", "path", facts->rootfs_path, "readonly", service->is_read_only,
                  "hostname", hostname, "mounts", mounts, "linux", linux_json);
    return *config ? 0 : error_sys(error, ENOMEM, "service %s", service->name);
}
