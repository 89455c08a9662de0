/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/spec/compose.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "supervisor/spec/compose_reader.h"
#include "supervisor/sys/openat2.h"

struct file_reader {
    const struct compose_source *source;
    struct place volumes;
    struct tenant_spec *tenant;
};

static int read_name(const struct place *place, void *target, struct error *error)
{
    const char *tenant = ((struct file_reader *)target)->source->tenant;
    _cleanup_free_ char *name = NULL;
    int r = place_text(place, &name, error);

    if (r == 0 && strcmp(name, tenant) != 0)
        return place_refuse_value(place, error,
                                  "the name of this tenant; write %s, as the directory is called, "
                                  "or remove it",
                                  tenant);
    return r;
}

/* A volume has no options for now, so that nothing but its name stands below `volumes`. */
static int read_volumes(const struct place *place, void *target, struct error *error)
{
    const char *name;
    json_t *value;
    int r = 0;

    (void)target;
    if (json_is_null(place->value))
        return 0;
    r = place_need_object(place, error);
    if (r < 0)
        return r;
    json_object_foreach (place->value, name, value) {
        struct place member = place_member(place, name);
        r = compose_check_volume_name(&member, name, error);
        if (r < 0)
            return r;
        if (!json_is_null(value) && json_object_size(value) + !json_is_object(value) > 0)
            return place_refuse(&member, error, "a volume has no options for now; write %s: {}",
                                name);
    }
    return 0;
}

static int read_services(const struct place *place, void *target, struct error *error)
{
    struct file_reader *reader = target;
    struct tenant_spec *tenant = reader->tenant;
    const char *name;
    json_t *value;
    int r = place_need_object(place, error);

    if (r < 0)
        return r;
    size_t count = json_object_size(place->value);
    if (count == 0 || count > COMPOSE_SERVICES_MAX)
        return place_refuse(place, error, "%zu services; a file has 1 to %d", count,
                            COMPOSE_SERVICES_MAX);
    tenant->services = calloc(count, sizeof(*tenant->services));
    if (!tenant->services)
        return place_no_memory(place, error);
    tenant->service_count = count;
    size_t i = 0;
    json_object_foreach (place->value, name, value) {
        struct place service = place_member(place, name);
        r = compose_service_read(&service, reader->source, &reader->volumes, &tenant->services[i++],
                                 error);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Compose specification, top-level elements. */
static const struct key file_keys[] = {
    {"name", read_name, NULL},
    {"version", keys_ignore, NULL}, /* obsolete; Compose ignores it too */
    {"services", read_services, NULL},
    {"volumes", read_volumes, NULL},
    {"networks", NULL, "each tenant has one network of its own; remove it"},
    {"secrets", NULL, "write a read-only bind mount below volumes of the service"},
    {"configs", NULL, "write a read-only bind mount below volumes of the service"},
    {"include", NULL, "a tenant is one file"},
    {"models", NULL, "remove it"},
    {NULL, NULL, NULL},
};

static void tenant_spec_cleanup(struct tenant_spec **tenant)
{
    tenant_spec_free(*tenant);
}

int compose_parse(const char *text, size_t length, const char *display,
                  const struct compose_source *source, struct tenant_spec **spec,
                  struct error *error)
{
    _cleanup_yaml_tree_ struct yaml_tree *tree = NULL;
    __attribute__((cleanup(tenant_spec_cleanup))) struct tenant_spec *tenant = NULL;
    int r = name_check("tenant", source->tenant, error);

    if (r == 0)
        r = yaml_tree_parse(text, length, display, &tree, error);
    if (r < 0)
        return r;
    tenant = calloc(1, sizeof(*tenant));
    if (!tenant || !(tenant->source = strdup(display)))
        return error_sys(error, ENOMEM, "%s", display);
    strcpy(tenant->name, source->tenant);
    struct place root = place_root(tree);
    struct file_reader reader = {
        .source = source, .volumes = place_member(&root, "volumes"), .tenant = tenant};
    r = keys_read(&root, file_keys, &reader, error);
    if (r < 0)
        return r;
    if (!tenant->services)
        return place_refuse(&root, error, "services is missing; a tenant has at least one");
    *spec = steal_ptr(tenant);
    return 0;
}

int compose_read(int dir_fd, const char *host_dir, const char *name, const char *display,
                 const char *tenant, struct tenant_spec **spec, struct error *error)
{
    const struct compose_source source = {.dir_fd = dir_fd, .host_dir = host_dir, .tenant = tenant};
    _cleanup_free_ char *text = NULL;
    size_t length = 0;
    int r = read_text_beneath(dir_fd, name, YAML_FILE_MAX, &text, &length);

    if (r == -EFBIG)
        return error_set(error, EFBIG, "%s: larger than %d bytes", display, YAML_FILE_MAX);
    if (r == -EINVAL)
        return error_set(error, EINVAL, "%s: not a regular file of text", display);
    if (r < 0)
        return error_sys(error, -r, "%s", display);
    return compose_parse(text, length, display, &source, spec, error);
}
