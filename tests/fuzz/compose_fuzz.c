/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Compose reader and the OCI compiler against any bytes: a file is refused with a message, or
 * every service of it compiles to a config that the runtime takes, and is equal to itself.
 *
 * libFuzzer: -dict=tests/fuzz/compose.dict
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/control.h"
#include "supervisor/runtime/config.h"
#include "supervisor/spec/compose_reader.h"
#include "supervisor/spec/oci.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int is_true)
{
    if (!is_true)
        abort();
}

static void compile(const struct service_spec *service)
{
    static const char *volumes[COMPOSE_MOUNTS_MAX];
    const struct oci_facts facts = {.tenant = "fuzz",
                                    .container_id = "fuzz-web-1",
                                    .cgroups_path = "/x",
                                    .rootfs_path = "/rootfs",
                                    .id_base = 1000000,
                                    .volume_sources = volumes,
                                    .default_memory_bytes = 1 << 28,
                                    .default_cpu_milli = 1000,
                                    .default_tasks = 100,
                                    .has_listen_socket = service->listen_kind != ENDPOINT_NONE};
    _cleanup_json_ json_t *json = NULL;
    _cleanup_config_ struct config *config = NULL;
    struct error error = ERROR_INIT;

    for (size_t i = 0; i < COMPOSE_MOUNTS_MAX; i++)
        volumes[i] = "/volume";
    int r = oci_compile(service, &facts, &json, &error);
    if (r < 0) { /* an io limit of a device that is not here, and nothing else */
        check(service->io_limit_count > 0 && strstr(error.message, "blkio_config") != NULL);
        return;
    }
    if (config_read(json, NULL, &config, &error) < 0)
        check(0);
    const struct config_process *process = config->process;
    check(process->no_new_privileges && config->seccomp && config->uid_map_count == 1);
    check((process->capabilities.bounding == 0) ==
          (service->cap_add == NULL || !*service->cap_add));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* No directory: env_file finds nothing, but for absolute paths. */
    const struct compose_source source = {.dir_fd = -EBADF, .host_dir = "/h", .tenant = "fuzz"};
    struct tenant_spec *tenant = NULL;
    struct error error = ERROR_INIT;

    /* The fuzzer may run as root: keep it from opening devices by their names. */
    if (memmem(data, size, "env_file", 8) && memmem(data, size, "/d", 2))
        return 0;
    int r = compose_parse((const char *)data, size, "fuzz.yaml", &source, &tenant, &error);

    check((r == 0) == (tenant != NULL));
    if (r < 0) {
        check(strncmp(error.message, "fuzz.yaml:", 10) == 0);
        return 0;
    }
    for (size_t i = 0; i < tenant->service_count; i++) {
        const struct service_spec *service = &tenant->services[i];
        _cleanup_json_ json_t *json = service_spec_to_json(service);
        check(json != NULL && service_spec_equal(service, service));
        compile(service);
    }
    tenant_spec_free(tenant);
    return 0;
}
