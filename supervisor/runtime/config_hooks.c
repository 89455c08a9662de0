/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "supervisor/runtime/config_parts.h"
#include "supervisor/runtime/config_reader.h"

#define HOOKS_MAX 256

static const char *const kinds[HOOK_KINDS] = {
    [HOOK_PRESTART] = "prestart",
    [HOOK_CREATE_RUNTIME] = "createRuntime",
    [HOOK_CREATE_CONTAINER] = "createContainer",
    [HOOK_START_CONTAINER] = "startContainer",
    [HOOK_POSTSTART] = "poststart",
    [HOOK_POSTSTOP] = "poststop",
};

const char *config_hook_kind_name(enum config_hook_kind kind)
{
    return kinds[kind];
}

/* A program is told its name; what does not say its arguments gets that alone. */
static int default_args(struct config_hook *hook, const char *path, struct error *error)
{
    if (hook->args[0])
        return 0;
    char **args = calloc(2, sizeof(*args));
    if (!args)
        return error_sys(error, ENOMEM, "%s.args", path);
    args[0] = (char *)hook->path;
    free(hook->args);
    hook->args = args;
    return 0;
}

static int read_hook(const json_t *object, const char *path, struct config_hook *hook,
                     struct error *error)
{
    char where[64];
    const json_t *args = NULL, *env = NULL;
    const struct config_key keys[] = {
        {"path", CONFIG_STRING, &hook->path, true},
        {"args", CONFIG_ARRAY, &args, false},
        {"env", CONFIG_ARRAY, &env, false},
        {"timeout", CONFIG_INTEGER, &hook->timeout_s, false},
        {NULL, 0, NULL, false},
    };

    int r = config_read_object(object, path, keys, error);
    if (r < 0)
        return r;
    snprintf(where, sizeof(where), "%s.path", path);
    r = config_check_absolute(where, hook->path, error);
    snprintf(where, sizeof(where), "%s.timeout", path);
    if (r == 0 && config_has(object, "timeout"))
        r = config_check_range(where, hook->timeout_s, 1, INT32_MAX, error);
    snprintf(where, sizeof(where), "%s.args", path);
    if (r == 0)
        r = config_read_strings(args, where, &hook->args, error);
    if (r == 0)
        r = default_args(hook, path, error);
    snprintf(where, sizeof(where), "%s.env", path);
    return r < 0 ? r : config_read_strings(env, where, &hook->env, error);
}

static int read_kind(const json_t *array, const char *kind, struct config_hooks *hooks,
                     struct error *error)
{
    char path[48];
    size_t count = json_array_size(array);

    snprintf(path, sizeof(path), "hooks.%s", kind);
    int r = config_check_count(array, path, HOOKS_MAX, error);
    if (r < 0 || count == 0)
        return r;
    hooks->list = calloc(count, sizeof(*hooks->list));
    if (!hooks->list)
        return error_sys(error, ENOMEM, "%s", path);
    hooks->count = count;
    for (size_t i = 0; r == 0 && i < count; i++) {
        snprintf(path, sizeof(path), "hooks.%s[%zu]", kind, i);
        r = read_hook(json_array_get(array, i), path, &hooks->list[i], error);
    }
    return r;
}

int config_read_hooks(const json_t *object, struct config *config, struct error *error)
{
    const json_t *arrays[HOOK_KINDS] = {NULL};
    struct config_key keys[HOOK_KINDS + 1] = {{0}};

    if (!object)
        return 0;
    for (size_t i = 0; i < HOOK_KINDS; i++)
        keys[i] = (struct config_key){kinds[i], CONFIG_ARRAY, &arrays[i], false};
    int r = config_read_object(object, "hooks", keys, error);
    for (size_t i = 0; r == 0 && i < HOOK_KINDS; i++)
        r = read_kind(arrays[i], kinds[i], &config->hooks[i], error);
    return r;
}

void config_free_hooks(struct config *config)
{
    for (size_t kind = 0; kind < HOOK_KINDS; kind++) {
        struct config_hooks *hooks = &config->hooks[kind];
        for (size_t i = 0; i < hooks->count; i++) {
            free(hooks->list[i].args);
            free(hooks->list[i].env);
        }
        free(hooks->list);
    }
}
