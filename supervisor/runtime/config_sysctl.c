/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "supervisor/runtime/config_parts.h"
#include "supervisor/runtime/config_reader.h"

#define SYSCTLS_MAX 1024

/* What a handler of /proc/sys takes at most: a page. */
#define VALUE_MAX 4095

/*
 * What belongs to a namespace and not to the machine (CVE-2022-0811: kernel.core_pattern by a way
 * around a list of what is forbidden). A name that ends with "/" stands for all beneath it. From
 * ipc/ipc_sysctl.c, ipc/mq_sysctl.c, kernel/utsname_sysctl.c and kernel/ucount.c of Linux.
 */
static const struct {
    const char *path;
    enum config_namespace_type type;
} allowed[] = {
    {"net/", NAMESPACE_NETWORK},           {"fs/mqueue/", NAMESPACE_IPC},
    {"kernel/auto_msgmni", NAMESPACE_IPC}, {"kernel/msgmax", NAMESPACE_IPC},
    {"kernel/msgmnb", NAMESPACE_IPC},      {"kernel/msgmni", NAMESPACE_IPC},
    {"kernel/msg_next_id", NAMESPACE_IPC}, {"kernel/sem", NAMESPACE_IPC},
    {"kernel/sem_next_id", NAMESPACE_IPC}, {"kernel/shmall", NAMESPACE_IPC},
    {"kernel/shmmax", NAMESPACE_IPC},      {"kernel/shmmni", NAMESPACE_IPC},
    {"kernel/shm_next_id", NAMESPACE_IPC}, {"kernel/shm_rmid_forced", NAMESPACE_IPC},
    {"kernel/domainname", NAMESPACE_UTS},  {"user/", NAMESPACE_USER},
};

/* ---- reading ---- */

/*
 * sysctl.d(5): the first separator decides. "net.ipv4.conf.eth0/1.x" and "net/ipv4/conf/eth0.1/x"
 * are the same: the other of the two characters stands for itself.
 */
static char *path_of(const char *key)
{
    char *path = strdup(key);
    const char *separator = strpbrk(key, "./");

    if (!path || !separator || *separator == '/')
        return path;
    for (char *c = path; *c; c++) {
        if (*c == '.')
            *c = '/';
        else if (*c == '/')
            *c = '.';
    }
    return path;
}

static bool is_plain(const char *path)
{
    for (;;) {
        size_t length = strcspn(path, "/");
        if (length == 0 || (length == 1 && path[0] == '.') ||
            (length == 2 && strncmp(path, "..", 2) == 0))
            return false;
        if (!path[length])
            return true;
        path += length + 1;
    }
}

static bool is_line(const char *value)
{
    for (; *value; value++)
        if ((unsigned char)*value < ' ' && *value != '\t')
            return false;
    return true;
}

static int read_sysctl(const char *key, const json_t *value, struct config_sysctl *sysctl,
                       struct error *error)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789_-./";

    if (key[strspn(key, letters)] || strlen(key) > 255)
        return error_set(error, EINVAL,
                         "linux.sysctl.%.80s: only letters, digits, '_', '-', '.' and '/' can be "
                         "in a name",
                         key);
    if (!json_is_string(value))
        return error_set(error, EINVAL, "linux.sysctl.%s: must be a string", key);
    sysctl->key = key;
    sysctl->value = json_string_value(value);
    if (strlen(sysctl->value) != json_string_length(value) || !is_line(sysctl->value) ||
        strlen(sysctl->value) > VALUE_MAX)
        return error_set(error, EINVAL,
                         "linux.sysctl.%s: the value must be one line of at most %d "
                         "bytes",
                         key, VALUE_MAX);
    sysctl->path = path_of(key);
    if (!sysctl->path)
        return error_sys(error, ENOMEM, "linux.sysctl.%s", key);
    if (!is_plain(sysctl->path))
        return error_set(error, EINVAL, "linux.sysctl.%s: has an empty part, or one of dots", key);
    return 0;
}

int config_read_sysctls(const json_t *object, struct config *config, struct error *error)
{
    const char *key;
    json_t *value;
    int r = config_check_count(object, "linux.sysctl", SYSCTLS_MAX, error);

    if (r < 0)
        return r;
    config->sysctls = calloc(json_object_size(object) + 1, sizeof(*config->sysctls));
    if (!config->sysctls)
        return error_sys(error, ENOMEM, "linux.sysctl");
    json_object_foreach ((json_t *)object, key, value) {
        r = read_sysctl(key, value, &config->sysctls[config->sysctl_count++], error);
        if (r < 0)
            return r;
    }
    return 0;
}

void config_free_sysctls(struct config *config)
{
    for (size_t i = 0; i < config->sysctl_count; i++)
        free(config->sysctls[i].path);
    free(config->sysctls);
}

/* ---- what is allowed ---- */

static bool is_within(const char *path, const char *allowed_path)
{
    size_t length = strlen(allowed_path);

    if (allowed_path[length - 1] == '/')
        return strncmp(path, allowed_path, length) == 0 && path[length];
    return strcmp(path, allowed_path) == 0;
}

static int check_sysctl(const struct config *config, const struct config_sysctl *sysctl,
                        struct error *error)
{
    if (strcmp(sysctl->path, "kernel/hostname") == 0)
        return error_set(error, EINVAL, "linux.sysctl.%s: write it as hostname of the config",
                         sysctl->key);
    if (strcmp(sysctl->path, "kernel/domainname") == 0 && config->domainname &&
        strcmp(config->domainname, sysctl->value) != 0)
        return error_set(error, EINVAL,
                         "linux.sysctl.%s: \"%.64s\" is not what domainname of the "
                         "config says",
                         sysctl->key, sysctl->value);
    for (size_t i = 0; i < ARRAY_LENGTH(allowed); i++) {
        if (!is_within(sysctl->path, allowed[i].path))
            continue;
        if (config_has_other_namespace(config, allowed[i].type))
            return 0;
        const char *name = config_namespace_name(allowed[i].type);
        return error_set(error, EINVAL,
                         "linux.sysctl.%s: would be set for the host; it needs a namespace of type "
                         "%s in linux.namespaces that is not the runtime's",
                         sysctl->key, name);
    }
    return error_set(error, EINVAL,
                     "linux.sysctl.%s: would be set for the whole machine; only those that belong "
                     "to a namespace are possible",
                     sysctl->key);
}

int config_check_sysctls(const struct config *config, struct error *error)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < config->sysctl_count; i++)
        r = check_sysctl(config, &config->sysctls[i], error);
    return r;
}
