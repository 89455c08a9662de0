/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/cleanup.h"
#include "supervisor/runtime/config_parts.h"
#include "supervisor/runtime/config_reader.h"

#define DEVICES_MAX     4096
#define NET_DEVICES_MAX 64

/* ---- device files ---- */

/* mknod(1): "u" is a character device too. */
static const struct config_word types[] = {
    {"c", S_IFCHR}, {"u", S_IFCHR}, {"b", S_IFBLK}, {"p", S_IFIFO}, {NULL, 0},
};

struct device_numbers {
    int64_t major, minor, mode, uid, gid;
};

/* The kernel's numbers have 12 and 20 bits (linux/kdev_t.h). */
static int check_numbers(const struct device_numbers *numbers, mode_t type, const char *path,
                         struct error *error)
{
    const struct {
        const char *key;
        int64_t value, max;
    } rows[] = {
        {"major", numbers->major, 4095},      {"minor", numbers->minor, 1048575},
        {"uid", numbers->uid, CONFIG_ID_MAX}, {"gid", numbers->gid, CONFIG_ID_MAX},
        {"fileMode", numbers->mode, 07777},
    };
    char where[64];
    int r = 0;

    for (size_t i = type == S_IFIFO ? 2 : 0; r == 0 && i < ARRAY_LENGTH(rows); i++) {
        snprintf(where, sizeof(where), "%s.%s", path, rows[i].key);
        r = config_check_range(where, rows[i].value, 0, rows[i].max, error);
    }
    return r;
}

static int check_path(const struct config *config, size_t index, const char *path,
                      struct error *error)
{
    char where[64];
    const char *name = config->devices[index].path;

    snprintf(where, sizeof(where), "%s.path", path);
    for (size_t i = 0; i < index; i++)
        if (strcmp(config->devices[i].path, name) == 0)
            return error_set(error, EINVAL, "%s: \"%.200s\" is there twice", where, name);
    if (name[0] && name[strlen(name) - 1] == '/')
        return error_set(error, EINVAL, "%s: \"%.200s\" is not the path of a file", where, name);
    return config_check_absolute(where, name, error);
}

static int read_device(const json_t *object, size_t index, struct config *config,
                       struct error *error)
{
    char path[48];
    const char *type = NULL;
    struct config_device *device = &config->devices[index];
    struct device_numbers numbers = {.major = -1, .minor = -1, .mode = 0666};
    const struct config_key keys[] = {
        {"type", CONFIG_STRING, &type, true},
        {"path", CONFIG_STRING, &device->path, true},
        {"major", CONFIG_INTEGER, &numbers.major, false},
        {"minor", CONFIG_INTEGER, &numbers.minor, false},
        {"fileMode", CONFIG_INTEGER, &numbers.mode, false},
        {"uid", CONFIG_INTEGER, &numbers.uid, false},
        {"gid", CONFIG_INTEGER, &numbers.gid, false},
        {NULL, 0, NULL, false},
    };

    snprintf(path, sizeof(path), "linux.devices[%zu]", index);
    int r = config_read_object(object, path, keys, error);
    if (r < 0)
        return r;
    int64_t number = config_word_value(types, type);
    if (number < 0)
        return error_set(error, EINVAL, "%s.type: \"%.80s\" is not one of c, b, u, p", path, type);
    if (number != S_IFIFO && (!config_has(object, "major") || !config_has(object, "minor")))
        return error_set(error, EINVAL, "%s.%s: is missing", path,
                         config_has(object, "major") ? "minor" : "major");
    /* Engines write stat(2)'s st_mode: the type of the file may be in it. */
    if (numbers.mode >= 0 && numbers.mode <= UINT16_MAX)
        numbers.mode &= ~(int64_t)S_IFMT;
    r = check_numbers(&numbers, (mode_t)number, path, error);
    if (r < 0)
        return r;
    device->type = (mode_t)number;
    if (device->type != S_IFIFO) {
        device->major = (unsigned)numbers.major;
        device->minor = (unsigned)numbers.minor;
    }
    device->mode = (mode_t)numbers.mode;
    device->uid = (uint32_t)numbers.uid;
    device->gid = (uint32_t)numbers.gid;
    return check_path(config, index, path, error);
}

int config_read_devices(const json_t *array, struct config *config, struct error *error)
{
    size_t count = json_array_size(array);
    int r = config_check_count(array, "linux.devices", DEVICES_MAX, error);

    if (r < 0)
        return r;
    config->devices = calloc(count + 1, sizeof(*config->devices));
    if (!config->devices)
        return error_sys(error, ENOMEM, "linux.devices");
    for (size_t i = 0; r == 0 && i < count; i++) {
        r = read_device(json_array_get(array, i), i, config, error);
        config->device_count = i + 1;
    }
    return r;
}

/* ---- network devices ---- */

/* dev_valid_name() of net/core/dev.c */
static bool is_interface_name(const char *name)
{
    size_t length = strlen(name);

    return length > 0 && length < IFNAMSIZ && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
           !strpbrk(name, "/: \t\n\v\f\r");
}

/* "eth%d" lets the kernel choose the number; nothing else can stand after a '%'. */
static bool is_interface_template(const char *name)
{
    const char *percent = strchr(name, '%');

    return is_interface_name(name) &&
           (!percent || (percent[1] == 'd' && !strchr(percent + 1, '%')));
}

static int read_net_device(const char *host_name, const json_t *object,
                           struct config_net_device *device, struct error *error)
{
    char path[64];
    const char *name = NULL;
    const struct config_key keys[] = {
        {"name", CONFIG_STRING, &name, false},
        {NULL, 0, NULL, false},
    };

    snprintf(path, sizeof(path), "linux.netDevices.%.30s", host_name);
    if (!is_interface_name(host_name))
        return error_set(error, EINVAL, "%s: is not the name of an interface", path);
    int r = config_read_object(object, path, keys, error);
    if (r < 0)
        return r;
    if (!name || !*name)
        name = host_name;
    if (!is_interface_template(name))
        return error_set(error, EINVAL, "%s.name: \"%.80s\" is not the name of an interface", path,
                         name);
    *device = (struct config_net_device){.host_name = host_name, .name = name};
    return 0;
}

int config_read_net_devices(const json_t *object, struct config *config, struct error *error)
{
    const char *key;
    json_t *value;
    int r = config_check_count(object, "linux.netDevices", NET_DEVICES_MAX, error);

    if (r < 0)
        return r;
    config->net_devices = calloc(json_object_size(object) + 1, sizeof(*config->net_devices));
    if (!config->net_devices)
        return error_sys(error, ENOMEM, "linux.netDevices");
    json_object_foreach ((json_t *)object, key, value) {
        struct config_net_device *device = &config->net_devices[config->net_device_count];
        r = read_net_device(key, value, device, error);
        if (r < 0)
            return r;
        for (size_t i = 0; i < config->net_device_count; i++)
            if (!strchr(device->name, '%') &&
                strcmp(config->net_devices[i].name, device->name) == 0)
                return error_set(error, EINVAL, "linux.netDevices.%s: \"%s\" is there twice", key,
                                 device->name);
        config->net_device_count++;
    }
    return 0;
}
