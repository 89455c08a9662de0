/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One entry of "mounts", from four lines of text: destination, type, source, and options with
 * commas. What is refused is a message that begins with "mounts[0]"; what is taken is within the
 * bounds of config.h, and written twice it is the same mount: no option undoes another by being
 * there again.
 *
 * libFuzzer: -max_len=1024 -dict=tests/fuzz/mount.dict
 */
#include <stdint.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/control.h"
#include "supervisor/sys/mount.h"
#include "tests/fuzz/config_checks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The options, `times` over; those that are no UTF-8 cannot be in JSON and are left out. */
static json_t *options_of(const char *text, unsigned times)
{
    json_t *list = json_array();

    for (; times > 0; times--) {
        _cleanup_free_ char *copy = strdup(text);
        char *rest = copy;
        for (char *word = strsep(&rest, ","); word; word = strsep(&rest, ","))
            json_array_append_new(list, json_string(word));
    }
    return list;
}

static json_t *config_of(char *const lines[4], unsigned times)
{
    static const char *const keys[] = {"destination", "type", "source"};
    json_t *mount = json_object();

    for (size_t i = 0; i < ARRAY_LENGTH(keys); i++)
        if (lines[i] && *lines[i])
            json_object_set_new(mount, keys[i], json_string(lines[i]));
    if (lines[3])
        json_object_set_new(mount, "options", options_of(lines[3], times));
    return json_pack("{s:s, s:{s:s}, s:[o], s:{s:[{s:s}, {s:s}], s:[{s:i, s:i, s:i}],"
                     " s:[{s:i, s:i, s:i}]}}",
                     "ociVersion", "1.2.0", "root", "path", "/r", "mounts", mount, "linux",
                     "namespaces", "type", "mount", "type", "user", "uidMappings", "containerID", 0,
                     "hostID", 1000, "size", 10, "gidMappings", "containerID", 0, "hostID", 1000,
                     "size", 10);
}

static struct config *read_mount(char *const lines[4], unsigned times, struct error *error)
{
    struct config *config = NULL;
    _cleanup_json_ json_t *json = config_of(lines, times);

    check(json != NULL);
    check_outcome(config_read(json, NULL, &config, error), config != NULL, error);
    return config;
}

static void check_same(const struct config_mount *a, const struct config_mount *b)
{
    check(a->attributes == b->attributes && a->cleared == b->cleared);
    check(a->tree_attributes == b->tree_attributes && a->tree_cleared == b->tree_cleared);
    check(a->super_flags == b->super_flags && a->propagation == b->propagation);
    check(a->is_bind == b->is_bind && a->is_recursive == b->is_recursive);
    check(a->is_remount == b->is_remount && a->is_idmapped == b->is_idmapped);
}

/* What the file system is told, option by option, is all of the data and nothing else. */
static void check_parts(const char *data)
{
    _cleanup_free_ char *copy = strdup(data), *joined = calloc(1, strlen(data) + 2);
    char *rest = copy, *key, *value, *at = joined;

    while (mount_option_next(&rest, &key, &value)) {
        check(*key || value);
        at = stpcpy(at, at == joined ? "" : ",");
        at = stpcpy(at, key);
        at = stpcpy(at, value ? "=" : "");
        at = stpcpy(at, value ? value : "");
    }
    check(strpbrk(data, "\"") || strcmp(joined, data) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_free_ char *text = strndup((const char *)data, size);
    char *rest = text, *lines[4];
    struct error error = ERROR_INIT;

    for (size_t i = 0; i < ARRAY_LENGTH(lines); i++)
        lines[i] = strsep(&rest, "\n");
    _cleanup_config_ struct config *config = read_mount(lines, 1, &error);
    if (!config) {
        check(strncmp(error.message, "mounts[0]", 9) == 0);
        return 0;
    }
    check(config->mount_count == 1);
    check_mount(&config->mounts[0]);
    check_mount_data(config->mounts[0].data);
    if (config->mounts[0].data)
        check_parts(config->mounts[0].data);
    _cleanup_config_ struct config *again = read_mount(lines, 2, &error);
    if (again)
        check_same(&config->mounts[0], &again->mounts[0]);
    else /* too much data for the file system, now */
        check(strncmp(error.message, "mounts[0].options", 17) == 0);
    return 0;
}
