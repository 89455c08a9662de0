/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/runtime/config.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "common/cleanup.h"
#include "supervisor/runtime/config_parts.h"
#include "supervisor/runtime/config_reader.h"

#define ANNOTATIONS_MAX 65536

/* sethostname(2), setdomainname(2): __NEW_UTS_LEN */
#define UTS_NAME_MAX 64

/* ---- the parts of the document that have no file of their own ---- */

/* "1." and a minor and patch version, with or without what semver lets follow: "1.0.2-dev". */
static int check_version(const char *version, struct error *error)
{
    const char *c = version;

    if (strncmp(c, "1.", 2) == 0 && isdigit((unsigned char)c[2])) {
        c += 2 + strspn(c + 2, "0123456789");
        if (*c == '.' && isdigit((unsigned char)c[1])) {
            c += 1 + strspn(c + 1, "0123456789");
            if (*c == '\0' || *c == '-' || *c == '+')
                return 0;
        }
    }
    return error_set(error, EINVAL, "ociVersion: \"%.80s\" is not 1.x.y, which this runtime knows",
                     version);
}

static int read_root(const json_t *object, struct config *config, struct error *error)
{
    const char *path = NULL;
    const struct config_key keys[] = {
        {"path", CONFIG_STRING, &path, true},
        {"readonly", CONFIG_BOOL, &config->is_root_read_only, false},
        {NULL, 0, NULL, false},
    };
    int r = config_read_object(object, "root", keys, error);

    if (r < 0)
        return r;
    if (!*path)
        return error_set(error, EINVAL, "root.path: is empty");
    if (*path == '/')
        config->root_path = strdup(path);
    else if (!config->bundle)
        return config_check_absolute("root.path", path, error);
    else if (asprintf(&config->root_path, "%s/%s", config->bundle, path) < 0)
        config->root_path = NULL;
    return config->root_path ? 0 : error_sys(error, ENOMEM, "root.path");
}

/* They are for others: the only thing to know of them is that they have the right form. */
static int check_annotations(const json_t *object, struct error *error)
{
    const char *key;
    json_t *value;
    int r = config_check_count(object, "annotations", ANNOTATIONS_MAX, error);

    json_object_foreach ((json_t *)object, key, value) {
        if (r == 0 && !*key)
            r = error_set(error, EINVAL, "annotations: a key is empty");
        if (r == 0 && !json_is_string(value))
            r = error_set(error, EINVAL, "annotations.%.80s: must be a string", key);
    }
    return r;
}

static int check_uts_name(const char *key, const char **name, struct error *error)
{
    if (*name && !**name)
        *name = NULL;
    if (*name && strlen(*name) > UTS_NAME_MAX)
        return error_set(error, ENAMETOOLONG, "%s: \"%.80s\" has more than %d bytes", key, *name,
                         UTS_NAME_MAX);
    return 0;
}

/* ---- what holds between the parts ---- */

static int check_user_namespace(const struct config *config, struct error *error)
{
    const struct config_namespace *user = &config->namespaces[NAMESPACE_USER];
    bool has_uids = config->uid_map_count > 0, has_gids = config->gid_map_count > 0;

    if (has_uids != has_gids)
        return error_set(error, EINVAL,
                         "linux.%s: is missing; uidMappings and gidMappings go "
                         "together",
                         has_uids ? "gidMappings" : "uidMappings");
    if (has_uids && !user->is_given)
        return error_set(error, EINVAL,
                         "linux.uidMappings: needs a user namespace in "
                         "linux.namespaces");
    if (user->is_given && !user->path && !has_uids)
        return error_set(error, EINVAL,
                         "linux.namespaces: a new user namespace needs uidMappings "
                         "and gidMappings");
    return 0;
}

static int check_mounts(const struct config *config, struct error *error)
{
    for (size_t i = 0; i < config->mount_count; i++) {
        const struct config_mount *mount = &config->mounts[i];
        if (mount->is_idmapped && mount->uid_map_count == 0 &&
            !config->namespaces[NAMESPACE_USER].is_given)
            return error_set(error, EINVAL,
                             "mounts[%zu].options: idmap needs uidMappings and gidMappings of the "
                             "mount, or a user namespace in linux.namespaces",
                             i);
    }
    return 0;
}

static int check_whole(const struct config *config, struct error *error)
{
    const struct config_namespace *namespaces = config->namespaces;

    if (!config_has_other_namespace(config, NAMESPACE_MOUNT) &&
        config_has_other_namespace(config, NAMESPACE_USER))
        return error_set(error, EINVAL,
                         "linux.namespaces: a user namespace goes with a mount namespace; root of "
                         "the one has no say in the mounts of the host");
    if ((config->hostname || config->domainname) &&
        !config_has_other_namespace(config, NAMESPACE_UTS))
        return error_set(error, EINVAL, "%s: needs a uts namespace in linux.namespaces",
                         config->hostname ? "hostname" : "domainname");
    if ((config->boottime_offset.is_given || config->monotonic_offset.is_given) &&
        (!namespaces[NAMESPACE_TIME].is_given || namespaces[NAMESPACE_TIME].path))
        return error_set(error, EINVAL,
                         "linux.timeOffsets: needs a new time namespace in "
                         "linux.namespaces");
    if (config->net_device_count > 0 && !config_has_other_namespace(config, NAMESPACE_NETWORK))
        return error_set(error, EINVAL,
                         "linux.netDevices: needs a network namespace in "
                         "linux.namespaces that is not the runtime's");
    int r = check_user_namespace(config, error);
    if (r == 0)
        r = check_mounts(config, error);
    return r < 0 ? r : config_check_sysctls(config, error);
}

/* ---- the whole ---- */

static int read_all(struct config *config, struct error *error)
{
    const json_t *process = NULL, *root = NULL, *mounts = NULL, *linux_part = NULL, *hooks = NULL;
    const struct config_key keys[] = {
        {"ociVersion", CONFIG_STRING, &config->oci_version, true},
        {"process", CONFIG_OBJECT, &process, false},
        {"root", CONFIG_OBJECT, &root, true},
        {"hostname", CONFIG_STRING, &config->hostname, false},
        {"domainname", CONFIG_STRING, &config->domainname, false},
        {"mounts", CONFIG_ARRAY, &mounts, false},
        {"hooks", CONFIG_OBJECT, &hooks, false},
        {"linux", CONFIG_OBJECT, &linux_part, false},
        {"annotations", CONFIG_OBJECT, &config->annotations, false},
        {NULL, 0, NULL, false},
    };

    int r = config_read_object(config->json, "", keys, error);
    if (r == 0)
        r = check_version(config->oci_version, error);
    if (r == 0)
        r = check_uts_name("hostname", &config->hostname, error);
    if (r == 0)
        r = check_uts_name("domainname", &config->domainname, error);
    if (r == 0)
        r = read_root(root, config, error);
    if (r == 0 && process)
        r = config_process_read((json_t *)process, &config->process, error);
    if (r == 0)
        r = config_read_mounts(mounts, config, error);
    if (r == 0)
        r = config_read_hooks(hooks, config, error);
    if (r == 0)
        r = check_annotations(config->annotations, error);
    if (r == 0 && linux_part)
        r = config_read_linux(linux_part, config, error);
    return r < 0 ? r : check_whole(config, error);
}

int config_read(json_t *json, const char *bundle, struct config **config, struct error *error)
{
    _cleanup_config_ struct config *made = calloc(1, sizeof(*made));

    if (bundle && *bundle != '/')
        return error_set(error, EINVAL, "bundle \"%.200s\" is not an absolute path", bundle);
    if (made && bundle)
        made->bundle = strdup(bundle);
    if (!made || (bundle && !made->bundle))
        return error_sys(error, ENOMEM, "read the container's config");
    made->json = json_incref(json);
    made->root_propagation = MS_REC | MS_PRIVATE;
    int r = read_all(made, error);
    if (r < 0)
        return r;
    *config = steal_ptr(made);
    return 0;
}

void config_free(struct config *config)
{
    if (!config)
        return;
    config_process_free(config->process);
    config_free_mounts(config);
    config_free_hooks(config);
    config_free_sysctls(config);
    free(config->devices);
    free(config->net_devices);
    free(config->masked_paths);
    free(config->read_only_paths);
    resources_free(config->resources);
    free(config->root_path);
    free(config->bundle);
    json_decref(config->json);
    free(config);
}

int64_t config_word_value(const struct config_word *words, const char *name)
{
    for (; words->name; words++)
        if (strcmp(words->name, name) == 0)
            return (int64_t)words->value;
    return -1;
}
