/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/spec/spec.h"

#include <stdlib.h>

#include "supervisor/spec/string_list.h"

static void service_clear(struct service_spec *service)
{
    free(service->image);
    free(service->image_path);
    strings_free(service->entrypoint);
    strings_free(service->command);
    strings_free(service->environment);
    free(service->user);
    free(service->working_dir);
    free(service->hostname);
    for (size_t i = 0; i < service->mount_count; i++) {
        free(service->mounts[i].source);
        free(service->mounts[i].target);
    }
    free(service->mounts);
    for (size_t i = 0; i < service->io_limit_count; i++)
        free(service->io_limits[i].device);
    free(service->io_limits);
    strings_free(service->cap_add);
    free(service->expose);
    free(service->listen_path);
    free(service->mail_log);
}

void tenant_spec_free(struct tenant_spec *tenant)
{
    if (!tenant)
        return;
    for (size_t i = 0; i < tenant->service_count; i++)
        service_clear(&tenant->services[i]);
    free(tenant->services);
    free(tenant->source);
    free(tenant);
}

const char *restart_policy_name(enum restart_policy policy)
{
    switch (policy) {
    case RESTART_NO:
        return "no";
    case RESTART_ON_FAILURE:
        return "on-failure";
    case RESTART_ALWAYS:
        return "always";
    case RESTART_UNLESS_STOPPED:
        return "unless-stopped";
    }
    return "no";
}
