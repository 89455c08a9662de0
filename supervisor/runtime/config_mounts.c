/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "common/cleanup.h"
#include "supervisor/runtime/config_parts.h"
#include "supervisor/runtime/config_reader.h"

#define MOUNTS_MAX 4096

/* mount(2) takes a page of data; fsconfig(2) says no more than that either. */
#define DATA_MAX 4095

/* linux/fs.h has them, and does not go with sys/mount.h. */
#ifndef MS_NOSYMFOLLOW
#define MS_NOSYMFOLLOW 256
#endif
#ifndef MS_LAZYTIME
#define MS_LAZYTIME (1 << 25)
#endif

enum option_kind {
    OPTION_SET = 1,
    OPTION_CLEAR,
    OPTION_ATIME,    /* names the policy of access times */
    OPTION_NO_ATIME, /* undoes a policy: what remains is the kernel's default, relatime */
    OPTION_SUPER_SET,
    OPTION_SUPER_CLEAR,
    OPTION_PROPAGATION,
    OPTION_BIND,
    OPTION_RBIND,
    OPTION_REMOUNT,
    OPTION_IDMAP,
    OPTION_RIDMAP,
    OPTION_TMPCOPYUP,
    OPTION_NOTHING, /* a default, or a word of fstab(5) that mount(8) keeps to itself */
    OPTION_REFUSED, /* of other runtimes: must not end up as data of a file system */
};

/*
 * runtime-spec, config.md, "Linux mount options", in its order. "is_tree": the option takes the
 * mounts beneath along. What is not here is data of the file system.
 */
static const struct option {
    const char *name;
    enum option_kind kind;
    uint64_t value;
    bool is_tree;
} options[] = {
    {"async", OPTION_SUPER_CLEAR, MS_SYNCHRONOUS, false},
    {"atime", OPTION_NO_ATIME, MOUNT_ATTR_NOATIME, false},
    {"bind", OPTION_BIND, 0, false},
    {"defaults", OPTION_NOTHING, 0, false},
    {"dev", OPTION_CLEAR, MOUNT_ATTR_NODEV, false},
    {"diratime", OPTION_CLEAR, MOUNT_ATTR_NODIRATIME, false},
    {"dirsync", OPTION_SUPER_SET, MS_DIRSYNC, false},
    {"exec", OPTION_CLEAR, MOUNT_ATTR_NOEXEC, false},
    {"iversion", OPTION_SUPER_SET, MS_I_VERSION, false},
    {"lazytime", OPTION_SUPER_SET, MS_LAZYTIME, false},
    {"loud", OPTION_SUPER_CLEAR, MS_SILENT, false},
    {"mand", OPTION_SUPER_SET, MS_MANDLOCK, false},
    {"noatime", OPTION_ATIME, MOUNT_ATTR_NOATIME, false},
    {"nodev", OPTION_SET, MOUNT_ATTR_NODEV, false},
    {"nodiratime", OPTION_SET, MOUNT_ATTR_NODIRATIME, false},
    {"noexec", OPTION_SET, MOUNT_ATTR_NOEXEC, false},
    {"noiversion", OPTION_SUPER_CLEAR, MS_I_VERSION, false},
    {"nolazytime", OPTION_SUPER_CLEAR, MS_LAZYTIME, false},
    {"nomand", OPTION_SUPER_CLEAR, MS_MANDLOCK, false},
    {"norelatime", OPTION_NO_ATIME, MOUNT_ATTR_RELATIME, false},
    {"nostrictatime", OPTION_NO_ATIME, MOUNT_ATTR_STRICTATIME, false},
    {"nosuid", OPTION_SET, MOUNT_ATTR_NOSUID, false},
    {"nosymfollow", OPTION_SET, MOUNT_ATTR_NOSYMFOLLOW, false},
    {"private", OPTION_PROPAGATION, MS_PRIVATE, false},
    {"ratime", OPTION_NO_ATIME, MOUNT_ATTR_NOATIME, true},
    {"rbind", OPTION_RBIND, 0, false},
    {"rdev", OPTION_CLEAR, MOUNT_ATTR_NODEV, true},
    {"rdiratime", OPTION_CLEAR, MOUNT_ATTR_NODIRATIME, true},
    {"relatime", OPTION_ATIME, MOUNT_ATTR_RELATIME, false},
    {"remount", OPTION_REMOUNT, 0, false},
    {"rexec", OPTION_CLEAR, MOUNT_ATTR_NOEXEC, true},
    {"rnoatime", OPTION_ATIME, MOUNT_ATTR_NOATIME, true},
    {"rnodev", OPTION_SET, MOUNT_ATTR_NODEV, true},
    {"rnodiratime", OPTION_SET, MOUNT_ATTR_NODIRATIME, true},
    {"rnoexec", OPTION_SET, MOUNT_ATTR_NOEXEC, true},
    {"rnorelatime", OPTION_NO_ATIME, MOUNT_ATTR_RELATIME, true},
    {"rnostrictatime", OPTION_NO_ATIME, MOUNT_ATTR_STRICTATIME, true},
    {"rnosuid", OPTION_SET, MOUNT_ATTR_NOSUID, true},
    {"rnosymfollow", OPTION_SET, MOUNT_ATTR_NOSYMFOLLOW, true},
    {"ro", OPTION_SET, MOUNT_ATTR_RDONLY, false},
    {"rprivate", OPTION_PROPAGATION, MS_PRIVATE, true},
    {"rrelatime", OPTION_ATIME, MOUNT_ATTR_RELATIME, true},
    {"rro", OPTION_SET, MOUNT_ATTR_RDONLY, true},
    {"rrw", OPTION_CLEAR, MOUNT_ATTR_RDONLY, true},
    {"rshared", OPTION_PROPAGATION, MS_SHARED, true},
    {"rslave", OPTION_PROPAGATION, MS_SLAVE, true},
    {"rstrictatime", OPTION_ATIME, MOUNT_ATTR_STRICTATIME, true},
    {"rsuid", OPTION_CLEAR, MOUNT_ATTR_NOSUID, true},
    {"rsymfollow", OPTION_CLEAR, MOUNT_ATTR_NOSYMFOLLOW, true},
    {"runbindable", OPTION_PROPAGATION, MS_UNBINDABLE, true},
    {"rw", OPTION_CLEAR, MOUNT_ATTR_RDONLY, false},
    {"shared", OPTION_PROPAGATION, MS_SHARED, false},
    {"silent", OPTION_SUPER_SET, MS_SILENT, false},
    {"slave", OPTION_PROPAGATION, MS_SLAVE, false},
    {"strictatime", OPTION_ATIME, MOUNT_ATTR_STRICTATIME, false},
    {"suid", OPTION_CLEAR, MOUNT_ATTR_NOSUID, false},
    {"symfollow", OPTION_CLEAR, MOUNT_ATTR_NOSYMFOLLOW, false},
    {"sync", OPTION_SUPER_SET, MS_SYNCHRONOUS, false},
    {"tmpcopyup", OPTION_TMPCOPYUP, 0, false},
    {"unbindable", OPTION_PROPAGATION, MS_UNBINDABLE, false},
    {"idmap", OPTION_IDMAP, 0, false},
    {"ridmap", OPTION_RIDMAP, 0, false},
    /* fstab(5) */
    {"auto", OPTION_NOTHING, 0, false},
    {"noauto", OPTION_NOTHING, 0, false},
    {"nofail", OPTION_NOTHING, 0, false},
    {"_netdev", OPTION_NOTHING, 0, false},
    /* crun(1) */
    {"copy-symlink", OPTION_REFUSED, 0, false},
    {"src-nofollow", OPTION_REFUSED, 0, false},
    {"dest-nofollow", OPTION_REFUSED, 0, false},
    {"rsync", OPTION_REFUSED, 0, false},
    {"rasync", OPTION_REFUSED, 0, false},
    {"rdirsync", OPTION_REFUSED, 0, false},
    {"rmand", OPTION_REFUSED, 0, false},
    {"rnomand", OPTION_REFUSED, 0, false},
};

const char *const *config_mount_option_names(void)
{
    static const char *names[ARRAY_LENGTH(options) + 1];
    size_t count = 0;

    if (!names[0])
        for (size_t i = 0; i < ARRAY_LENGTH(options); i++)
            if (options[i].kind != OPTION_REFUSED)
                names[count++] = options[i].name;
    return names;
}

static int add_data(struct config_mount *mount, const char *option)
{
    char *data = NULL;

    if (asprintf(&data, "%s%s%s", mount->data ? mount->data : "", mount->data ? "," : "", option) <
        0)
        return -ENOMEM;
    free(mount->data);
    mount->data = data;
    return strlen(data) > DATA_MAX ? -E2BIG : 0;
}

/* The later of two options that contradict each other counts, as with mount(8). */
static void apply_attribute(struct config_mount *mount, const struct option *option)
{
    uint64_t *set = option->is_tree ? &mount->tree_attributes : &mount->attributes;
    uint64_t *cleared = option->is_tree ? &mount->tree_cleared : &mount->cleared;
    uint64_t policy = MOUNT_ATTR__ATIME;

    switch (option->kind) {
    case OPTION_SET:
        *set |= option->value;
        *cleared &= ~option->value;
        break;
    case OPTION_CLEAR:
        *set &= ~option->value;
        *cleared |= option->value;
        break;
    case OPTION_ATIME:
        *set = (*set & ~policy) | option->value;
        *cleared |= policy;
        break;
    case OPTION_NO_ATIME: /* another policy that was named before it stays */
        if (option->value == MOUNT_ATTR_RELATIME ||
            ((*cleared & policy) && (*set & policy) != option->value))
            break;
        *set &= ~policy;
        *cleared |= policy;
        break;
    default:
        break;
    }
}

static void apply_kind(struct config_mount *mount, const struct option *option)
{
    switch (option->kind) {
    case OPTION_SUPER_SET:
        mount->super_flags |= (unsigned)option->value;
        break;
    case OPTION_SUPER_CLEAR:
        mount->super_flags &= ~(unsigned)option->value;
        break;
    case OPTION_PROPAGATION:
        mount->propagation = option->value;
        mount->is_propagation_recursive = option->is_tree;
        break;
    case OPTION_RBIND:
        mount->is_recursive = true;
        mount->is_bind = true;
        break;
    case OPTION_BIND:
        mount->is_bind = true;
        break;
    case OPTION_REMOUNT:
        mount->is_remount = true;
        break;
    case OPTION_RIDMAP:
        mount->is_idmap_recursive = true;
        mount->is_idmapped = true;
        break;
    case OPTION_IDMAP:
        mount->is_idmapped = true;
        break;
    case OPTION_TMPCOPYUP:
        mount->has_tmpcopyup = true;
        break;
    default:
        apply_attribute(mount, option);
        break;
    }
}

static const struct option *find_option(const char *name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(options); i++)
        if (strcmp(options[i].name, name) == 0)
            return &options[i];
    return NULL;
}

/* fstab(5): comments, and what is there for other programs than the kernel. */
static bool is_for_others(const char *name)
{
    return strncmp(name, "x-", 2) == 0 || strncmp(name, "X-", 2) == 0 ||
           strncmp(name, "comment=", 8) == 0;
}

static int apply_option(struct config_mount *mount, const char *name, const char *path,
                        struct error *error)
{
    const struct option *option = find_option(name);

    if (option && option->kind == OPTION_REFUSED)
        return error_set(error, EINVAL, "%s.options: \"%s\" is not possible with this runtime",
                         path, name);
    if (option) {
        apply_kind(mount, option);
        return 0;
    }
    if (!*name || is_for_others(name))
        return 0;
    int r = add_data(mount, name);
    return r < 0 ? error_sys(error, -r, "%s.options", path) : 0;
}

/* An absolute path without the parts that mean nothing: "//", "/./", a "/" at the end. */
static char *plain_path(const char *path)
{
    char *made = malloc(strlen(path) + 2), *out = made;

    while (made && *path) {
        size_t length = strcspn(path, "/");
        if (length > 0 && !(length == 1 && *path == '.')) {
            *out++ = '/';
            memcpy(out, path, length);
            out += length;
        }
        path += length + (path[length] == '/');
    }
    if (made && out == made)
        *out++ = '/';
    if (made)
        *out = '\0';
    return made;
}

static int read_source(const char *source, const char *bundle, struct config_mount *mount,
                       const char *path, struct error *error)
{
    bool is_missing = !source || !*source;

    if (is_missing && mount->is_bind && !mount->is_remount)
        return error_set(error, EINVAL, "%s.source: is missing; a bind mount needs one", path);
    if (is_missing)
        return 0;
    if (!mount->is_bind || *source == '/')
        mount->source = strdup(source);
    else if (!bundle)
        return error_set(error, EINVAL, "%s.source: \"%.200s\" is not an absolute path", path,
                         source);
    else if (asprintf(&mount->source, "%s/%s", bundle, source) < 0)
        mount->source = NULL;
    return mount->source ? 0 : error_sys(error, ENOMEM, "%s.source", path);
}

static int read_maps(const json_t *uids, const json_t *gids, struct config_mount *mount,
                     const char *path, struct error *error)
{
    char where[64];

    if (!uids && !gids)
        return 0;
    if (json_array_size(uids) == 0 || json_array_size(gids) == 0)
        return error_set(error, EINVAL, "%s: uidMappings and gidMappings go together", path);
    mount->uid_map = calloc(ID_RANGES_MAX, sizeof(*mount->uid_map));
    mount->gid_map = calloc(ID_RANGES_MAX, sizeof(*mount->gid_map));
    if (!mount->uid_map || !mount->gid_map)
        return error_sys(error, ENOMEM, "%s.uidMappings", path);
    mount->is_idmapped = true;
    snprintf(where, sizeof(where), "%s.uidMappings", path);
    int r = config_read_id_map(uids, where, mount->uid_map, &mount->uid_map_count, error);
    snprintf(where, sizeof(where), "%s.gidMappings", path);
    return r < 0 ? r
                 : config_read_id_map(gids, where, mount->gid_map, &mount->gid_map_count, error);
}

static int check_mount(struct config_mount *mount, const char *path, struct error *error)
{
    if (mount->is_bind)
        mount->type = "bind";
    if (mount->type && !*mount->type)
        mount->type = NULL;
    if (!mount->type && !mount->is_remount)
        return error_set(error, EINVAL, "%s.type: is missing", path);
    if (mount->is_idmapped && !mount->is_bind)
        return error_set(error, EINVAL, "%s.options: idmap goes with bind mounts only", path);
    if (mount->has_tmpcopyup && (!mount->type || strcmp(mount->type, "tmpfs") != 0))
        return error_set(error, EINVAL, "%s.options: tmpcopyup goes with tmpfs only", path);
    if (mount->is_bind) {
        free(mount->data);
        mount->data = NULL;
    }
    return 0;
}

static int read_options(const json_t *list, struct config_mount *mount, const char *path,
                        struct error *error)
{
    char where[64];
    _cleanup_free_ char **names = NULL;

    snprintf(where, sizeof(where), "%s.options", path);
    int r = config_read_strings(list, where, &names, error);
    for (size_t i = 0; r == 0 && names[i]; i++)
        r = apply_option(mount, names[i], path, error);
    if (r == 0 && mount->type && strcmp(mount->type, "bind") == 0)
        mount->is_bind = true;
    return r;
}

static int read_mount(const json_t *object, size_t index, const char *bundle,
                      struct config_mount *mount, struct error *error)
{
    char path[32];
    const char *destination = NULL, *source = NULL;
    const json_t *list = NULL, *uids = NULL, *gids = NULL;
    const struct config_key keys[] = {
        {"destination", CONFIG_STRING, &destination, true},
        {"type", CONFIG_STRING, &mount->type, false},
        {"source", CONFIG_STRING, &source, false},
        {"options", CONFIG_ARRAY, &list, false},
        {"uidMappings", CONFIG_ARRAY, &uids, false},
        {"gidMappings", CONFIG_ARRAY, &gids, false},
        {NULL, 0, NULL, false},
    };

    snprintf(path, sizeof(path), "mounts[%zu]", index);
    int r = config_read_object(object, path, keys, error);
    if (r < 0)
        return r;
    if (!*destination)
        return error_set(error, EINVAL, "%s.destination: is empty", path);
    mount->destination = plain_path(destination);
    if (!mount->destination)
        return error_sys(error, ENOMEM, "%s", path);
    r = read_options(list, mount, path, error);
    if (r == 0)
        r = read_maps(uids, gids, mount, path, error);
    if (r == 0)
        r = read_source(source, bundle, mount, path, error);
    return r < 0 ? r : check_mount(mount, path, error);
}

int config_read_mounts(const json_t *mounts, struct config *config, struct error *error)
{
    size_t count = json_array_size(mounts);
    int r = config_check_count(mounts, "mounts", MOUNTS_MAX, error);

    if (r < 0)
        return r;
    config->mounts = calloc(count + 1, sizeof(*config->mounts));
    if (!config->mounts)
        return error_sys(error, ENOMEM, "mounts");
    config->mount_count = count;
    for (size_t i = 0; r == 0 && i < count; i++)
        r = read_mount(json_array_get(mounts, i), i, config->bundle, &config->mounts[i], error);
    return r;
}

void config_free_mounts(struct config *config)
{
    for (size_t i = 0; i < config->mount_count; i++) {
        struct config_mount *mount = &config->mounts[i];
        free(mount->destination);
        free(mount->source);
        free(mount->data);
        free(mount->uid_map);
        free(mount->gid_map);
    }
    free(config->mounts);
}
