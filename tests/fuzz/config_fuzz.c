/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.json as a file of any bytes: it is refused with a message that names a key, or it gives a
 * config within its bounds, in which the paths that the spec wants absolute are. What a bundle is
 * needed for is refused without one, and nothing else; and the text that is kept beside the
 * container says the same as the first.
 *
 * libFuzzer: -max_len=32768 -dict=tests/fuzz/oci.dict
 */
#include <stdint.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "common/cleanup.h"
#include "common/control.h"
#include "supervisor/runtime/config_reader.h"
#include "tests/fuzz/config_checks.h"
#include "tests/fuzz/json_mutator.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
FUZZ_MUTATES_JSON

static void check_namespaces(const struct config *config)
{
    uint64_t new = config_new_namespaces(config), joined = config_joined_namespaces(config);

    check(!(new &joined));
    /* Without a mount namespace the container stays in the runtime's, where root of another user
     * namespace has no say. */
    check(((new | joined) & CLONE_NEWNS) || !(new &CLONE_NEWUSER));
    for (size_t i = 0; i < NAMESPACE_TYPES; i++)
        check(!config->namespaces[i].path ||
              (config->namespaces[i].is_given && config->namespaces[i].path[0] == '/'));
    check((config->uid_map_count > 0) == (config->gid_map_count > 0));
    check(config->uid_map_count == 0 || config->namespaces[NAMESPACE_USER].is_given);
    check(config->uid_map_count > 0 || !(new &CLONE_NEWUSER));
    check_id_map(config->uid_map, config->uid_map_count);
    check_id_map(config->gid_map, config->gid_map_count);
    check(config->boottime_offset.nanosecs < 1000000000 &&
          config->monotonic_offset.nanosecs < 1000000000);
}

static void check_devices(const struct config *config)
{
    for (size_t i = 0; i < config->device_count; i++) {
        const struct config_device *device = &config->devices[i];
        check(device->path[0] == '/' && device->path[strlen(device->path) - 1] != '/');
        check(S_ISCHR(device->type) || S_ISBLK(device->type) || S_ISFIFO(device->type));
        check(device->major < 1 << 12 && device->minor < 1 << 20 && device->mode <= 07777);
        check(device->uid != UINT32_MAX && device->gid != UINT32_MAX);
    }
    for (size_t i = 0; i < config->net_device_count; i++) {
        const char *const names[] = {config->net_devices[i].host_name, config->net_devices[i].name};
        for (size_t k = 0; k < ARRAY_LENGTH(names); k++)
            check(*names[k] && strlen(names[k]) < 16 && !strpbrk(names[k], "/: \t\n") &&
                  strcmp(names[k], "..") != 0);
    }
}

/* Nothing outside of what namespaces have of their own (config_sysctl.c). */
static void check_sysctls(const struct config *config)
{
    for (size_t i = 0; i < config->sysctl_count; i++) {
        const struct config_sysctl *sysctl = &config->sysctls[i];
        const char *path = sysctl->path;
        check(strncmp(path, "net/", 4) == 0 || strncmp(path, "fs/mqueue/", 10) == 0 ||
              strncmp(path, "kernel/", 7) == 0 || strncmp(path, "user/", 5) == 0);
        check(strncmp(path, "kernel/core", 11) != 0 && !strstr(path, "//") &&
              !strstr(path, "/../") && path[strlen(path) - 1] != '/');
        check(!strchr(sysctl->value, '\n') && strlen(sysctl->value) < 4096);
    }
}

static void check_hooks(const struct config *config)
{
    for (size_t kind = 0; kind < HOOK_KINDS; kind++)
        for (size_t i = 0; i < config->hooks[kind].count; i++) {
            const struct config_hook *hook = &config->hooks[kind].list[i];
            check(hook->path[0] == '/' && hook->args && hook->args[0] && hook->env);
            check(hook->timeout_s >= 0 && hook->timeout_s <= INT32_MAX);
        }
}

static void check_words(const struct config *config)
{
    uint64_t propagation = config->root_propagation & ~(uint64_t)MS_REC;

    check(propagation == MS_PRIVATE || propagation == MS_SLAVE || propagation == MS_SHARED ||
          propagation == MS_UNBINDABLE);
    check(!config->hostname || (*config->hostname && strlen(config->hostname) <= 64));
    check(!config->domainname || (*config->domainname && strlen(config->domainname) <= 64));
    check(!config->cgroups_path || *config->cgroups_path);
    check(!config->mount_label || *config->mount_label);
    check(!config->seccomp || json_is_object(config->seccomp));
    check(strncmp(config->oci_version, "1.", 2) == 0);
    check(config->root_path[0] == '/');
    check_absolute_paths(config->masked_paths);
    check_absolute_paths(config->read_only_paths);
}

static void check_config(const struct config *config)
{
    if (config->process)
        check_process(config->process);
    for (size_t i = 0; i < config->mount_count; i++)
        check_mount(&config->mounts[i]);
    if (config->resources)
        check_resources(config->resources);
    check_namespaces(config);
    check_devices(config);
    check_sysctls(config);
    check_hooks(config);
    check_words(config);
}

/* store.h: the text goes into the container's directory and is read again by later verbs. */
static void check_kept(const json_t *json)
{
    struct error error = ERROR_INIT;
    _cleanup_free_ char *text = json_dumps(json, JSON_COMPACT);
    _cleanup_json_ json_t *again = text ? config_parse(text, strlen(text), "again", &error) : NULL;

    check(again && json_equal(again, json));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error error = ERROR_INIT;
    _cleanup_json_ json_t *json = config_parse((const char *)data, size, "config.json", &error);
    _cleanup_config_ struct config *config = NULL, *alone = NULL;

    if (!json) {
        check(error.code && strncmp(error.message, "config.json: line ", 18) == 0);
        return 0;
    }
    int r = config_read(json, "/bundle", &config, &error);
    check_outcome(r, config != NULL, &error);
    int without = config_read(json, NULL, &alone, NULL);
    check(r == 0 || without < 0);
    if (r < 0)
        return 0;
    check_config(config);
    check_kept(json);
    if (alone)
        check_config(alone);
    return 0;
}
