/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/runtime/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "common/cleanup.h"
#include "supervisor/runtime/config_reader.h"

#define MOUNTS_MAX 512

enum option_kind {
    OPTION_SET,
    OPTION_CLEAR,
    OPTION_ATIME, /* replaces the access time policy */
    OPTION_PROPAGATION,
    OPTION_BIND,
    OPTION_RBIND,
    OPTION_RECURSIVE_RO,
    OPTION_IDMAP,
    OPTION_NOTHING, /* a default of mount(8), or a hint of an engine without meaning here */
};

/* runtime-spec 1.2, config.md, "Linux mount options". The rest is data of the file system. */
static const struct {
    const char *name;
    enum option_kind kind;
    uint64_t value;
} options[] = {
    {"ro", OPTION_SET, MOUNT_ATTR_RDONLY},
    {"rw", OPTION_CLEAR, MOUNT_ATTR_RDONLY},
    {"nosuid", OPTION_SET, MOUNT_ATTR_NOSUID},
    {"suid", OPTION_CLEAR, MOUNT_ATTR_NOSUID},
    {"nodev", OPTION_SET, MOUNT_ATTR_NODEV},
    {"dev", OPTION_CLEAR, MOUNT_ATTR_NODEV},
    {"noexec", OPTION_SET, MOUNT_ATTR_NOEXEC},
    {"exec", OPTION_CLEAR, MOUNT_ATTR_NOEXEC},
    {"nodiratime", OPTION_SET, MOUNT_ATTR_NODIRATIME},
    {"diratime", OPTION_CLEAR, MOUNT_ATTR_NODIRATIME},
    {"nosymfollow", OPTION_SET, MOUNT_ATTR_NOSYMFOLLOW},
    {"relatime", OPTION_ATIME, MOUNT_ATTR_RELATIME},
    {"noatime", OPTION_ATIME, MOUNT_ATTR_NOATIME},
    {"strictatime", OPTION_ATIME, MOUNT_ATTR_STRICTATIME},
    {"private", OPTION_PROPAGATION, MS_PRIVATE},
    {"rprivate", OPTION_PROPAGATION, MS_PRIVATE | MS_REC},
    {"slave", OPTION_PROPAGATION, MS_SLAVE},
    {"rslave", OPTION_PROPAGATION, MS_SLAVE | MS_REC},
    {"unbindable", OPTION_PROPAGATION, MS_UNBINDABLE},
    {"runbindable", OPTION_PROPAGATION, MS_UNBINDABLE | MS_REC},
    {"bind", OPTION_BIND, 0},
    {"rbind", OPTION_RBIND, 0},
    {"rro", OPTION_RECURSIVE_RO, 0},
    {"idmap", OPTION_IDMAP, 0},
    {"defaults", OPTION_NOTHING, 0},
};

static int add_data(struct config_mount *mount, const char *option)
{
    char *data = NULL;

    if (asprintf(&data, "%s%s%s", mount->data ? mount->data : "", mount->data ? "," : "", option) <
        0)
        return -ENOMEM;
    free(mount->data);
    mount->data = data;
    return 0;
}

static int apply_option(struct config_mount *mount, const char *name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(options); i++) {
        if (strcmp(options[i].name, name) != 0)
            continue;
        switch (options[i].kind) {
        case OPTION_SET:
            mount->attributes |= options[i].value;
            return 0;
        case OPTION_CLEAR:
            mount->attributes &= ~options[i].value;
            return 0;
        case OPTION_ATIME:
            mount->attributes &= ~(uint64_t)MOUNT_ATTR__ATIME;
            mount->attributes |= options[i].value;
            return 0;
        case OPTION_PROPAGATION:
            mount->propagation = options[i].value;
            return 0;
        case OPTION_BIND:
            mount->is_bind = true;
            return 0;
        case OPTION_RBIND:
            mount->is_bind = mount->is_recursive = true;
            return 0;
        case OPTION_RECURSIVE_RO:
            mount->is_recursive_read_only = true;
            return 0;
        case OPTION_IDMAP:
            mount->is_idmapped = true;
            return 0;
        case OPTION_NOTHING:
            return 0;
        }
    }
    return add_data(mount, name);
}

static int check_mount(const struct config_mount *mount, const char *path, struct error *error)
{
    if (mount->destination[0] != '/')
        return error_set(error, EINVAL, "%s.destination: \"%s\" is not an absolute path", path,
                         mount->destination);
    if (mount->is_bind && (!mount->source || mount->source[0] != '/'))
        return error_set(error, EINVAL, "%s.source: a bind mount needs an absolute path", path);
    if (!mount->is_bind && !mount->type)
        return error_set(error, EINVAL, "%s.type: is missing", path);
    if (mount->is_idmapped && !mount->is_bind)
        return error_set(error, EINVAL, "%s.options: idmap goes with bind mounts only", path);
    return 0;
}

static int read_mount(const json_t *object, size_t index, struct config_mount *mount,
                      struct error *error)
{
    char path[32];
    const json_t *list = NULL;
    _cleanup_free_ char **names = NULL;
    const struct config_key keys[] = {
        {"destination", CONFIG_STRING, &mount->destination, true},
        {"type", CONFIG_STRING, &mount->type, false},
        {"source", CONFIG_STRING, &mount->source, false},
        {"options", CONFIG_ARRAY, &list, false},
        {NULL, 0, NULL, false},
    };

    snprintf(path, sizeof(path), "mounts[%zu]", index);
    int r = config_read_object(object, path, keys, error);
    if (r == 0)
        r = config_read_strings(list, path, &names, error);
    for (size_t i = 0; r == 0 && names[i]; i++) {
        r = apply_option(mount, names[i]);
        if (r < 0)
            error_sys(error, -r, "%s.options", path);
    }
    if (r == 0 && mount->type && strcmp(mount->type, "bind") == 0)
        mount->is_bind = true;
    return r < 0 ? r : check_mount(mount, path, error);
}

int config_read_mounts(const json_t *mounts, struct config *config, struct error *error)
{
    size_t count = json_array_size(mounts);

    if (count > MOUNTS_MAX)
        return error_set(error, E2BIG, "mounts: %zu entries; at most %d are possible", count,
                         MOUNTS_MAX);
    config->mounts = calloc(count + 1, sizeof(*config->mounts));
    if (!config->mounts)
        return error_sys(error, ENOMEM, "mounts");
    config->mount_count = count;
    for (size_t i = 0; i < count; i++) {
        int r = read_mount(json_array_get(mounts, i), i, &config->mounts[i], error);
        if (r < 0)
            return r;
    }
    return 0;
}
